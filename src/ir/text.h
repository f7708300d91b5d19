// SPDX-License-Identifier: Apache-2.0
// Shared by print.c and the parser: tokens, spelling of names. Grammar in docs/ir.md.
#ifndef WHET_IR_TEXT_H
#define WHET_IR_TEXT_H

#include "ir/graph.h"

// Names that need no quotes: a letter, '_' or '/', then letters, digits and "_./-"; "_" alone
// means absent.
static inline bool whet_text_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '/';
}
static inline bool whet_text_name_char(char c) {
    return whet_text_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

typedef enum whet_token_kind {
    WHET_TOKEN_END,
    WHET_TOKEN_NAME,   // bare
    WHET_TOKEN_STRING, // quoted; text is unescaped
    WHET_TOKEN_BYTES,  // the same with a zero byte in it
    WHET_TOKEN_ANON,   // %12
    WHET_TOKEN_NUMBER, // text as written
    WHET_TOKEN_PUNCT,  // one character, in text[0]
    WHET_TOKEN_BAD,
} whet_token_kind;

typedef struct whet_token {
    whet_token_kind kind;
    const char *text; // NUL-terminated, in the lexer's arena
    size_t size;      // of a STRING or BYTES
    const char *at;   // where it begins
} whet_token;

typedef struct whet_lexer {
    const char *begin, *at; // NUL-terminated text; `at` is behind `token`
    whet_token token;       // the current one
    int64_t elements;       // of constants so far
    bool failed;            // out of memory
    whet_arena *arena;
    whet_error *err;
} whet_lexer;

void whet_lexer_init(whet_lexer *lex, const char *text, whet_arena *arena, whet_error *err);
void whet_lexer_next(whet_lexer *lex);
// The character after the current token, white space and comments skipped; 0 at the end.
char whet_lexer_peek(whet_lexer *lex);
// Status with "line L, column C: " before the text; position of the current token.
whet_status whet_lexer_fail(whet_lexer *lex, whet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool whet_lexer_is(const whet_lexer *lex, char punct);
bool whet_lexer_is_word(const whet_lexer *lex, const char *word); // bare name
// Consumes `punct`; fails otherwise.
whet_status whet_lexer_expect(whet_lexer *lex, char punct);
bool whet_lexer_accept(whet_lexer *lex, char punct);

whet_status whet_lexer_i64(whet_lexer *lex, int64_t *v);
whet_status whet_lexer_f64(whet_lexer *lex, double *v); // inf and nan too

// ---- parse_value.c ----

// "f32[2, N]", "f32[*]" (unknown rank), "sequence.f32[]". The current token is the dtype.
whet_status whet_parse_type(whet_lexer *lex, whet_dims *dims, whet_type *type);
// Contents of a tensor of t's dtype and dims: "{1, 2}", "fill V", "rand SEED". Memory in the
// arena.
whet_status whet_parse_data(whet_lexer *lex, whet_arena *arena, whet_tensor *t);
// "{name = value, ...}" into attrs, which hold the defaults.
whet_status whet_parse_attrs(whet_lexer *lex, const whet_op *op, void *attrs, whet_arena *arena);

#endif

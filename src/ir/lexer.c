// SPDX-License-Identifier: Apache-2.0
// Tokens of the text form.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/text.h"

static void skip_blank(whet_lexer *lex) {
    for (;; lex->at++) {
        if (*lex->at == '#') lex->at += strcspn(lex->at, "\n");
        if (!*lex->at || !strchr(" \t\r\n", *lex->at)) return;
    }
}

char whet_lexer_peek(whet_lexer *lex) {
    skip_blank(lex);
    return *lex->at;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

// One escape behind a backslash; -1 when it is none.
static int escaped(const char **at) {
    char c = *(*at)++;
    if (c == '"' || c == '\\') return c;
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c != 'x') return -1;
    int high = hex_digit((*at)[0]), low = high < 0 ? -1 : hex_digit((*at)[1]);
    if (low < 0) return -1;
    *at += 2;
    return high * 16 + low;
}

static void lex_string(whet_lexer *lex) {
    const char *at = lex->at + 1;
    size_t n = strcspn(at, "\n");
    char *text = whet_arena_alloc_raw(lex->arena, n + 1), *out = text;
    lex->token.kind = WHET_TOKEN_BAD;
    lex->failed = lex->failed || !text;
    bool zero = false;
    while (text && *at && *at != '\n' && *at != '"') {
        int c = (unsigned char)*at++;
        if (c == '\\') c = *at ? escaped(&at) : -1;
        if (c < 0) return;
        zero |= c == 0;
        *out++ = (char)c;
    }
    if (!text || *at != '"') return;
    *out = 0;
    lex->at = at + 1;
    lex->token.kind = zero ? WHET_TOKEN_BYTES : WHET_TOKEN_STRING;
    lex->token.text = text;
    lex->token.size = (size_t)(out - text);
}

static void lex_run(whet_lexer *lex, whet_token_kind kind, const char *end) {
    lex->token.text = whet_arena_strndup(lex->arena, lex->at, (size_t)(end - lex->at));
    lex->token.kind = lex->token.text ? kind : WHET_TOKEN_BAD;
    lex->failed = lex->failed || !lex->token.text;
    if (!lex->token.text) lex->token.text = "";
    lex->at = end;
}

static bool number_char(char c) { return whet_text_name_char(c) || c == '+'; }
static bool digit(char c) { return c >= '0' && c <= '9'; }

void whet_lexer_next(whet_lexer *lex) {
    skip_blank(lex);
    const char *end = lex->at;
    lex->token = (whet_token){.text = "", .at = lex->at};
    if (!*end) {
        lex->token.kind = WHET_TOKEN_END;
    } else if (*end == '"') {
        lex_string(lex);
    } else if (whet_text_name_start(*end)) {
        while (whet_text_name_char(*end)) end++;
        lex_run(lex, WHET_TOKEN_NAME, end);
    } else if (*end == '%' && digit(end[1])) {
        do end++;
        while (digit(*end));
        lex_run(lex, WHET_TOKEN_ANON, end);
    } else if (digit(*end) || *end == '-' || *end == '+') {
        while (number_char(*end)) end++;
        lex_run(lex, WHET_TOKEN_NUMBER, end);
    } else {
        lex_run(lex, WHET_TOKEN_PUNCT, end + 1);
    }
}

void whet_lexer_init(whet_lexer *lex, const char *text, whet_arena *arena, whet_error *err) {
    *lex = (whet_lexer){.begin = text, .at = text, .arena = arena, .err = err};
    whet_lexer_next(lex);
}

whet_status whet_lexer_fail(whet_lexer *lex, whet_status status, const char *format, ...) {
    if (lex->failed) return WHET_NOMEM(lex->err);
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    int64_t line = 1, column = 1;
    for (const char *at = lex->begin; at < lex->token.at; at++) {
        column++;
        if (*at == '\n') line++, column = 1;
    }
    WHET_FAIL(lex->err, status, "line %lld, column %lld: %s", (long long)line, (long long)column,
              text);
}

bool whet_lexer_is(const whet_lexer *lex, char punct) {
    return lex->token.kind == WHET_TOKEN_PUNCT && lex->token.text[0] == punct;
}

bool whet_lexer_is_word(const whet_lexer *lex, const char *word) {
    return lex->token.kind == WHET_TOKEN_NAME && !strcmp(lex->token.text, word);
}

bool whet_lexer_accept(whet_lexer *lex, char punct) {
    if (!whet_lexer_is(lex, punct)) return false;
    whet_lexer_next(lex);
    return true;
}

whet_status whet_lexer_expect(whet_lexer *lex, char punct) {
    if (whet_lexer_accept(lex, punct)) return WHET_OK;
    return whet_lexer_fail(lex, WHET_E_PARSE, "expected '%c'", punct);
}

whet_status whet_lexer_i64(whet_lexer *lex, int64_t *v) {
    char *end = NULL;
    errno = 0;
    long long x = strtoll(lex->token.text, &end, 10);
    if (lex->token.kind != WHET_TOKEN_NUMBER || *end || errno)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected an integer of 64 bits");
    *v = x;
    whet_lexer_next(lex);
    return WHET_OK;
}

whet_status whet_lexer_f64(whet_lexer *lex, double *v) {
    char *end = NULL;
    bool word = whet_lexer_is_word(lex, "inf") || whet_lexer_is_word(lex, "nan");
    double x = strtod(lex->token.text, &end);
    if ((lex->token.kind != WHET_TOKEN_NUMBER && !word) || *end)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected a number");
    *v = x;
    whet_lexer_next(lex);
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// tokenizer: the parts of each text between matches of separators, which are taken one after the
// other, or the matches of one pattern; with "" as the one separator or "." as the pattern, the
// characters. A match is the longest one from the leftmost place. Tokens are parts of the input's
// texts, not copies.
#include <string.h>

#include "base/texts.h"
#include "ops/op.h"
#include "rare/regex_re2.h"

#define START "\002" // of a text and its end, when marks are wanted
#define END "\003"

typedef struct tokenizer_attrs {
    bool mark;
    int64_t mincharnum;
    const char *pad_value, *tokenexp;
    whet_strings separators;
} tokenizer_attrs;

typedef struct {
    whet_text *v;
    int32_t n, cap;
} texts;

typedef struct {
    whet_eval *e;
    const tokenizer_attrs *a;
    whet_regex **regexes;
    int32_t n_regexes;
    texts tokens, pieces, next;
} tokenizer;

// "." too stands for each character, line ends among them.
static bool is_characters(const tokenizer_attrs *a) {
    if (a->separators.n) return a->separators.n == 1 && !a->separators.v[0].size;
    return a->tokenexp && !strcmp(a->tokenexp, ".");
}

static bool has_pattern(const tokenizer_attrs *a) { return a->tokenexp && *a->tokenexp; }

static whet_status make(const whet_text *pattern, whet_regex **regex, whet_error *err) {
    char why[256];
    *regex = whet_regex_create_longest(pattern->data, pattern->size, why, sizeof why);
    if (*regex) return WHET_OK;
    if (!*why) return WHET_NOMEM(err);
    WHET_FAIL(err, WHET_E_MODEL, "\"%.*s\" is no regular expression of RE2: %s",
              (int)(pattern->size < 999 ? pattern->size : 999), pattern->data, why);
}

static whet_status make_all(const tokenizer_attrs *a, whet_regex **regexes, int32_t *n,
                            whet_error *err) {
    *n = 0;
    if (is_characters(a)) return WHET_OK;
    whet_text pattern = whet_text_of(has_pattern(a) ? a->tokenexp : "");
    int32_t count = a->separators.n ? a->separators.n : 1;
    for (; *n < count; ++*n)
        WHET_TRY(make(a->separators.n ? &a->separators.v[*n] : &pattern, &regexes[*n], err));
    return WHET_OK;
}

static void free_all(whet_regex **regexes, int32_t n) {
    for (int32_t i = 0; i < n; i++) whet_regex_destroy(regexes[i]);
}

// At build: patterns are good ones, and separators match something.
static whet_status check_patterns(whet_infer *ctx, const tokenizer_attrs *a) {
    whet_regex **regexes = WHET_NEW_ARRAY(ctx->arena, whet_regex *, a->separators.n + 1);
    int32_t n, empty = -1;
    if (!regexes) return WHET_NOMEM(ctx->err);
    whet_status status = make_all(a, regexes, &n, ctx->err);
    for (int32_t i = 0; i < n && a->separators.n; i++)
        if (whet_regex_full_match(regexes[i], "", 0)) empty = i;
    free_all(regexes, n);
    if (status == WHET_OK && empty >= 0)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "separator %d matches an empty text", empty);
    return status;
}

static whet_status infer(whet_infer *ctx) {
    const tokenizer_attrs *a = ctx->attrs;
    const whet_type *x = ctx->in[0];
    if (x->rank != 1 && x->rank != 2)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "the input has %d dimensions, 1 or 2 are possible",
                  x->rank);
    if (!a->separators.n && !has_pattern(a))
        WHET_FAIL(ctx->err, WHET_E_MODEL, "it has neither separators nor tokenexp");
    if (is_characters(a) && a->mincharnum > 1)
        WHET_FAIL(ctx->err, WHET_E_MODEL, "tokens of one character and mincharnum %lld",
                  (long long)a->mincharnum);
    if (ctx->dims) WHET_TRY(check_patterns(ctx, a));
    whet_infer_unknown(ctx, 0, x->rank + 1);
    for (int32_t d = 0; d < x->rank; d++) ctx->out[0].dims[d] = x->dims[d];
    return WHET_OK;
}

// ---- one text ----

static whet_status push(tokenizer *t, texts *to, const char *data, size_t size) {
    whet_text text = {data, size};
    if (!size) return WHET_OK;
    return WHET_ARENA_PUSH(t->e->scratch, to->v, to->n, to->cap, text) ? WHET_OK
                                                                       : WHET_NOMEM(t->e->err);
}

// Of characters; -1: no UTF-8.
static int64_t length(whet_text text) {
    int64_t n = 0;
    for (size_t at = 0; at < text.size; n++)
        if (whet_text_next(text, &at) < 0) return -1;
    return n;
}

static whet_status characters(tokenizer *t, whet_text text) {
    for (size_t at = 0; at < text.size;) {
        size_t begin = at;
        whet_text_next(text, &at);
        WHET_TRY(push(t, &t->tokens, text.data + begin, at - begin));
    }
    return WHET_OK;
}

static whet_status split_piece(tokenizer *t, const whet_regex *regex, whet_text piece) {
    size_t from = 0, begin, end;
    while (whet_regex_find(regex, piece.data, piece.size, from, &begin, &end)) {
        if (begin == end)
            WHET_FAIL(t->e->err, WHET_E_UNSUPPORTED, "a separator matches an empty text");
        WHET_TRY(push(t, &t->next, piece.data + from, begin - from));
        from = end;
    }
    return push(t, &t->next, piece.data + from, piece.size - from);
}

static whet_status split(tokenizer *t, whet_text text) {
    t->pieces.n = 0;
    WHET_TRY(push(t, &t->pieces, text.data, text.size));
    for (int32_t i = 0; i < t->n_regexes; i++) {
        t->next.n = 0;
        for (int32_t k = 0; k < t->pieces.n; k++)
            WHET_TRY(split_piece(t, t->regexes[i], t->pieces.v[k]));
        texts done = t->pieces;
        t->pieces = t->next;
        t->next = done;
    }
    for (int32_t k = 0; k < t->pieces.n; k++)
        if (length(t->pieces.v[k]) >= t->a->mincharnum)
            WHET_TRY(push(t, &t->tokens, t->pieces.v[k].data, t->pieces.v[k].size));
    return WHET_OK;
}

static whet_status take_matches(tokenizer *t, whet_text text) {
    size_t from = 0, begin, end;
    while (from < text.size &&
           whet_regex_find(t->regexes[0], text.data, text.size, from, &begin, &end)) {
        whet_text token = {text.data + begin, end - begin};
        from = end;
        if (begin == end && end < text.size) whet_text_next(text, &from);
        else if (begin == end) break;
        if (length(token) >= t->a->mincharnum)
            WHET_TRY(push(t, &t->tokens, token.data, token.size));
    }
    return WHET_OK;
}

// ---- all of them ----

static void fill(const tokenizer *t, const int64_t *counts, int64_t n, int64_t width) {
    whet_text *y = t->e->out[0].data;
    const whet_text *token = t->tokens.v, pad = whet_text_of(t->a->pad_value);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = 0;
        if (t->a->mark) y[k++] = (whet_text){START, 1};
        for (int64_t j = 0; j < counts[i]; j++) y[k++] = *token++;
        if (t->a->mark) y[k++] = (whet_text){END, 1};
        while (k < width) y[k++] = pad;
        y += width;
    }
}

static whet_status tokenize(tokenizer *t) {
    whet_eval *e = t->e;
    const whet_text *x = e->in[0].data;
    int64_t n = whet_tensor_count(&e->in[0]), most = 0, dims[3];
    int64_t *counts = whet_eval_scratch_i64(e, n);
    if (!counts) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        int32_t before = t->tokens.n;
        if (length(x[i]) < 0) WHET_FAIL(e->err, WHET_E_INVALID, "a text is no UTF-8");
        if (is_characters(t->a)) WHET_TRY(characters(t, x[i]));
        else if (t->a->separators.n) WHET_TRY(split(t, x[i]));
        else WHET_TRY(take_matches(t, x[i]));
        counts[i] = t->tokens.n - before;
        if (counts[i] > most) most = counts[i];
    }
    // marks alone are not worth a column
    int64_t width = most && t->a->mark ? most + 2 : most;
    for (int32_t d = 0; d < e->in[0].rank; d++) dims[d] = e->in[0].dims[d];
    dims[e->in[0].rank] = width;
    WHET_TRY(whet_eval_output(e, 0, e->in[0].rank + 1, dims));
    if (width) fill(t, counts, n, width);
    return WHET_OK;
}

static whet_status eval(whet_eval *e) {
    tokenizer t = {.e = e, .a = e->attrs};
    t.regexes = WHET_NEW_ARRAY(e->scratch, whet_regex *, t.a->separators.n + 1);
    if (!t.regexes) return WHET_NOMEM(e->err);
    whet_status status = make_all(t.a, t.regexes, &t.n_regexes, e->err);
    if (status == WHET_OK) status = tokenize(&t);
    free_all(t.regexes, t.n_regexes);
    return status;
}

#define AT(field) offsetof(tokenizer_attrs, field)
extern const whet_op whet_op_tokenizer;
const whet_op whet_op_tokenizer = {
    .name = "tokenizer",
    WHET_IN({"X", WHET_DTYPES_STRING}), WHET_OUT({"Y", WHET_DTYPES_STRING}),
    WHET_ATTRS(tokenizer_attrs,
               {"mark", WHET_ATTR_BOOL, AT(mark), .required = true},
               {"mincharnum", WHET_ATTR_INT, AT(mincharnum), .required = true, .min = 1,
                .max = 0x1p62},
               {"pad_value", WHET_ATTR_STRING, AT(pad_value), .required = true},
               {"separators", WHET_ATTR_STRINGS, AT(separators)},
               {"tokenexp", WHET_ATTR_STRING, AT(tokenexp), .def_text = ""}),
    WHET_ONNX({"com.microsoft", "Tokenizer", 1, 0, "ms_tokenizer"}),
    .flags = WHET_OP_DYNAMIC_OUT, .infer = infer, .eval = eval,
};

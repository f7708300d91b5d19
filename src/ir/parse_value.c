// SPDX-License-Identifier: Apache-2.0
// Types, contents and attributes in the text form.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/object.h"
#include "ir/text.h"

// All constants of a text together.
#define MAX_ELEMENTS (INT64_C(1) << 24)

static whet_status nomem(whet_lexer *lex) { return WHET_NOMEM(lex->err); }

// ---- types ----

static whet_status parse_dim(whet_lexer *lex, whet_dims *dims, whet_dim *d) {
    whet_error err;
    lex->token.at = lex->at;
    const char *at = lex->at;
    whet_status status = whet_dim_parse(dims, &at, d, &err);
    if (status == WHET_E_NOMEM) return nomem(lex);
    if (status != WHET_OK) return whet_lexer_fail(lex, status, "%s", err.text);
    if (whet_dim_is_error(*d) || (whet_dim_is_const(*d) && *d < 0))
        return whet_lexer_fail(lex, WHET_E_PARSE, "a dimension is at least 0");
    lex->at = at;
    return WHET_OK;
}

// The current token is '['. Dimensions have a parser of their own, so the lexer is moved by hand.
static whet_status parse_dims(whet_lexer *lex, whet_dims *dims, whet_type *type) {
    if (!whet_lexer_is(lex, '['))
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected '['");
    type->rank = 0;
    char c = whet_lexer_peek(lex);
    if (c == '*') {
        type->rank = -1;
        lex->at++;
        c = whet_lexer_peek(lex);
    }
    while (c != ']') {
        lex->token.at = lex->at;
        if (type->rank == WHET_MAX_RANK)
            return whet_lexer_fail(lex, WHET_E_LIMIT, "more than %d dimensions", WHET_MAX_RANK);
        if (type->rank < 0 || (type->rank && c != ','))
            return whet_lexer_fail(lex, WHET_E_PARSE, "expected ']'");
        if (type->rank) lex->at++;
        whet_lexer_peek(lex);
        WHET_TRY(parse_dim(lex, dims, &type->dims[type->rank++]));
        c = whet_lexer_peek(lex);
    }
    lex->at++;
    whet_lexer_next(lex);
    return WHET_OK;
}

static whet_status parse_dtype(whet_lexer *lex, whet_dtype *dtype) {
    *dtype = WHET_DTYPE_NONE;
    if (lex->token.kind == WHET_TOKEN_NAME) *dtype = whet_dtype_parse(lex->token.text);
    if (*dtype == WHET_DTYPE_NONE)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected a data type");
    whet_lexer_next(lex);
    return WHET_OK;
}

// "sequence.optional.f32": from the outside in.
static whet_status parse_nested(whet_lexer *lex, whet_type *type) {
    char part[16];
    const char *at = lex->token.kind == WHET_TOKEN_NAME ? lex->token.text : "";
    for (int32_t i = 0; *at; i++) {
        size_t n = strcspn(at, ".");
        if (n >= sizeof part || i > 4) break;
        memcpy(part, at, n);
        part[n] = 0;
        whet_dtype dtype = whet_dtype_parse(part);
        if (dtype == WHET_DTYPE_NONE) break;
        if (i == 0) type->dtype = dtype;
        else type->elem |= (whet_elem)dtype << (8 * (i - 1));
        at += n + (at[n] == '.' && at[n + 1]);
    }
    if (*at || type->dtype == WHET_DTYPE_NONE || !whet_elem_valid(type->dtype, type->elem))
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected a data type");
    whet_lexer_next(lex);
    return WHET_OK;
}

whet_status whet_parse_type(whet_lexer *lex, whet_dims *dims, whet_type *type) {
    *type = (whet_type){0};
    WHET_TRY(parse_nested(lex, type));
    return parse_dims(lex, dims, type);
}

// ---- contents ----

static whet_status parse_text(whet_lexer *lex, whet_text *t, whet_arena *arena) {
    if (lex->token.kind != WHET_TOKEN_STRING && lex->token.kind != WHET_TOKEN_BYTES)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected a quoted text");
    *t = (whet_text){whet_arena_strndup(arena, lex->token.text, lex->token.size), lex->token.size};
    if (!t->data) return nomem(lex);
    whet_lexer_next(lex);
    return WHET_OK;
}

static whet_status parse_element(whet_lexer *lex, whet_tensor *t, int64_t i) {
    const char *text = lex->token.text;
    double v;
    if (whet_dtype_is_float(t->dtype)) {
        WHET_TRY(whet_lexer_f64(lex, &v));
        whet_store_f64(t->data, t->dtype, i, v);
        return WHET_OK;
    }
    if (t->dtype == WHET_DTYPE_U64 && lex->token.kind == WHET_TOKEN_NUMBER && text[0] != '-') {
        char *end;
        errno = 0;
        uint64_t u = strtoull(text, &end, 10);
        if (*end || errno) return whet_lexer_fail(lex, WHET_E_PARSE, "expected an integer");
        whet_store_u64(t->data, t->dtype, i, u);
        whet_lexer_next(lex);
        return WHET_OK;
    }
    int64_t n = 0;
    whet_token token = lex->token;
    WHET_TRY(whet_lexer_i64(lex, &n));
    whet_store_i64(t->data, t->dtype, i, n);
    if (t->dtype == WHET_DTYPE_U64 || whet_load_i64(t->data, t->dtype, i) != n) {
        lex->token = token;
        return whet_lexer_fail(lex, WHET_E_RANGE, "%lld is no %s", (long long)n,
                               whet_dtype_text(t->dtype));
    }
    return WHET_OK;
}

static whet_status parse_elements(whet_lexer *lex, whet_tensor *t, int64_t count) {
    WHET_TRY(whet_lexer_expect(lex, '{'));
    for (int64_t i = 0; i < count; i++) {
        if (i) WHET_TRY(whet_lexer_expect(lex, ','));
        WHET_TRY(parse_element(lex, t, i));
    }
    return whet_lexer_expect(lex, '}');
}

static whet_status parse_texts(whet_lexer *lex, whet_tensor *t, int64_t count,
                               whet_arena *arena) {
    WHET_TRY(whet_lexer_expect(lex, '{'));
    for (int64_t i = 0; i < count; i++) {
        if (i) WHET_TRY(whet_lexer_expect(lex, ','));
        WHET_TRY(parse_text(lex, &((whet_text *)t->data)[i], arena));
    }
    return whet_lexer_expect(lex, '}');
}

static whet_status parse_fill(whet_lexer *lex, whet_tensor *t, int64_t count) {
    whet_tensor one = *t;
    uint64_t element = 0;
    one.data = &element;
    WHET_TRY(parse_element(lex, &one, 0));
    size_t size = (size_t)whet_dtype_bits(t->dtype) / 8;
    for (int64_t i = 0; i < count; i++) {
        if (size) memcpy((char *)t->data + (size_t)i * size, &element, size);
        else whet_store_f64(t->data, t->dtype, i, whet_load_f64(&element, t->dtype, 0));
    }
    return WHET_OK;
}

// Multiples of 1/256 in [-1, 1) for floats, the low bits for integers: the same everywhere.
static whet_status parse_rand(whet_lexer *lex, whet_tensor *t, int64_t count) {
    int64_t seed;
    WHET_TRY(whet_lexer_i64(lex, &seed));
    uint64_t state = (uint64_t)seed;
    for (int64_t i = 0; i < count; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t v = (int64_t)(state >> 55) - 256;
        if (whet_dtype_is_float(t->dtype)) whet_store_f64(t->data, t->dtype, i, (double)v / 256);
        else if (t->dtype == WHET_DTYPE_BOOL) whet_store_i64(t->data, t->dtype, i, v & 64);
        else whet_store_i64(t->data, t->dtype, i, v);
    }
    return WHET_OK;
}

static const uint64_t numbers = WHET_DTYPES_ALL | WHET_DTYPES_SMALL;

whet_status whet_parse_data(whet_lexer *lex, whet_arena *arena, whet_tensor *t) {
    int64_t count = whet_tensor_count(t);
    if (!(numbers >> t->dtype & 1))
        return whet_lexer_fail(lex, WHET_E_UNSUPPORTED, "constants of %s cannot be written",
                               whet_dtype_text(t->dtype));
    t->bytes = whet_tensor_bytes(t->dtype, count);
    if (count < 0 || count > MAX_ELEMENTS - lex->elements)
        return whet_lexer_fail(lex, WHET_E_LIMIT, "constants too large for a text");
    if (whet_dtype_is_object(t->dtype))
        return whet_lexer_fail(lex, WHET_E_PARSE, "%s cannot be a constant",
                               whet_dtype_text(t->dtype));
    lex->elements += count;
    t->data = whet_arena_alloc(arena, t->bytes);
    if (!t->data) return nomem(lex);
    if (t->dtype == WHET_DTYPE_STRING) return parse_texts(lex, t, count, arena);
    if (whet_lexer_is(lex, '{')) return parse_elements(lex, t, count);
    bool fill = whet_lexer_is_word(lex, "fill"), rand = whet_lexer_is_word(lex, "rand");
    if (whet_lexer_is_word(lex, "hash"))
        return whet_lexer_fail(lex, WHET_E_UNSUPPORTED,
                               "the text has only a hash of this constant's contents");
    if (!fill && !rand)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected '{', 'fill' or 'rand'");
    whet_lexer_next(lex);
    return fill ? parse_fill(lex, t, count) : parse_rand(lex, t, count);
}

// ---- attributes ----

static whet_status parse_bool(whet_lexer *lex, bool *v) {
    *v = whet_lexer_is_word(lex, "true");
    if (!*v && !whet_lexer_is_word(lex, "false"))
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected true or false");
    whet_lexer_next(lex);
    return WHET_OK;
}

static whet_status parse_enum(whet_lexer *lex, const whet_attr *a, int32_t *v) {
    bool name = lex->token.kind == WHET_TOKEN_NAME || lex->token.kind == WHET_TOKEN_STRING;
    for (int32_t i = 0; name && a->choices[i]; i++) {
        if (strcmp(a->choices[i], lex->token.text)) continue;
        *v = i;
        whet_lexer_next(lex);
        return WHET_OK;
    }
    return whet_lexer_fail(lex, WHET_E_PARSE, "no choice of %s", a->name);
}

static whet_status parse_string(whet_lexer *lex, const char **v, whet_arena *arena) {
    if (lex->token.kind != WHET_TOKEN_STRING)
        return whet_lexer_fail(lex, WHET_E_PARSE, "expected a quoted text");
    *v = whet_arena_strdup(arena, lex->token.text);
    if (!*v) return nomem(lex);
    whet_lexer_next(lex);
    return WHET_OK;
}

static whet_status parse_ints(whet_lexer *lex, whet_ints *out, whet_arena *arena) {
    int64_t *v = NULL;
    int32_t n = 0, cap = 0;
    if (!whet_arena_grow(arena, (void **)&v, &cap, 0, sizeof *v)) return nomem(lex);
    WHET_TRY(whet_lexer_expect(lex, '['));
    while (!whet_lexer_is(lex, ']')) {
        int64_t x;
        if (n) WHET_TRY(whet_lexer_expect(lex, ','));
        WHET_TRY(whet_lexer_i64(lex, &x));
        if (!WHET_ARENA_PUSH(arena, v, n, cap, x)) return nomem(lex);
    }
    *out = (whet_ints){v, n};
    return whet_lexer_expect(lex, ']');
}

static whet_status parse_floats(whet_lexer *lex, whet_floats *out, whet_arena *arena) {
    float *v = NULL;
    int32_t n = 0, cap = 0;
    if (!whet_arena_grow(arena, (void **)&v, &cap, 0, sizeof *v)) return nomem(lex);
    WHET_TRY(whet_lexer_expect(lex, '['));
    while (!whet_lexer_is(lex, ']')) {
        double x;
        if (n) WHET_TRY(whet_lexer_expect(lex, ','));
        WHET_TRY(whet_lexer_f64(lex, &x));
        if (!WHET_ARENA_PUSH(arena, v, n, cap, (float)x)) return nomem(lex);
    }
    *out = (whet_floats){v, n};
    return whet_lexer_expect(lex, ']');
}

static whet_status parse_strings(whet_lexer *lex, whet_strings *out, whet_arena *arena) {
    whet_text *v = NULL, text;
    int32_t n = 0, cap = 0;
    if (!whet_arena_grow(arena, (void **)&v, &cap, 0, sizeof *v)) return nomem(lex);
    WHET_TRY(whet_lexer_expect(lex, '['));
    while (!whet_lexer_is(lex, ']')) {
        if (n) WHET_TRY(whet_lexer_expect(lex, ','));
        WHET_TRY(parse_text(lex, &text, arena));
        if (!WHET_ARENA_PUSH(arena, v, n, cap, text)) return nomem(lex);
    }
    *out = (whet_strings){v, n};
    return whet_lexer_expect(lex, ']');
}

static whet_status parse_tensor(whet_lexer *lex, const whet_tensor **out, whet_arena *arena) {
    whet_type type = {0};
    whet_tensor *t = WHET_NEW(arena, whet_tensor);
    if (!t) return nomem(lex);
    WHET_TRY(parse_dtype(lex, &t->dtype));
    WHET_TRY(parse_dims(lex, NULL, &type));
    t->rank = type.rank;
    for (int32_t i = 0; i < type.rank; i++) t->dims[i] = type.dims[i];
    if (type.rank < 0) return whet_lexer_fail(lex, WHET_E_PARSE, "a constant has a shape");
    *out = t;
    return whet_parse_data(lex, arena, t);
}

static whet_status parse_attr(whet_lexer *lex, const whet_attr *a, void *field,
                              whet_arena *arena) {
    double v;
    whet_dtype dtype;
    switch (a->type) {
    case WHET_ATTR_INT: return whet_lexer_i64(lex, field);
    case WHET_ATTR_FLOAT:
        WHET_TRY(whet_lexer_f64(lex, &v));
        *(float *)field = (float)v;
        return WHET_OK;
    case WHET_ATTR_BOOL: return parse_bool(lex, field);
    case WHET_ATTR_ENUM: return parse_enum(lex, a, field);
    case WHET_ATTR_DTYPE:
        WHET_TRY(parse_dtype(lex, &dtype));
        *(int32_t *)field = (int32_t)dtype;
        return WHET_OK;
    case WHET_ATTR_STRING: return parse_string(lex, field, arena);
    case WHET_ATTR_INTS: return parse_ints(lex, field, arena);
    case WHET_ATTR_FLOATS: return parse_floats(lex, field, arena);
    case WHET_ATTR_STRINGS: return parse_strings(lex, field, arena);
    case WHET_ATTR_TENSOR: return parse_tensor(lex, field, arena);
    }
    return whet_lexer_fail(lex, WHET_E_INTERNAL, "attribute %s", a->name);
}

whet_status whet_parse_attrs(whet_lexer *lex, const whet_op *op, void *attrs, whet_arena *arena) {
    if (!whet_lexer_accept(lex, '{')) return WHET_OK;
    while (!whet_lexer_is(lex, '}')) {
        const whet_attr *a = NULL;
        if (lex->token.kind == WHET_TOKEN_NAME) a = whet_op_attr_find(op, lex->token.text);
        if (!a) return whet_lexer_fail(lex, WHET_E_PARSE, "%s has no such attribute", op->name);
        whet_lexer_next(lex);
        WHET_TRY(whet_lexer_expect(lex, '='));
        WHET_TRY(parse_attr(lex, a, (char *)attrs + a->offset, arena));
        if (!whet_lexer_accept(lex, ',')) break;
    }
    return whet_lexer_expect(lex, '}');
}

// SPDX-License-Identifier: Apache-2.0
// string_concat and string_split. Parts of a text point into it.
#define _GNU_SOURCE // memmem
#include <string.h>

#include "base/object.h"
#include "base/texts.h"
#include "ops/broadcast.h"
#include "ops/op.h"

// ---- string_concat ----

static whet_status join(whet_eval *e, whet_text a, whet_text b, whet_text *out) {
    size_t size;
    if (__builtin_add_overflow(a.size, b.size, &size)) return WHET_NOMEM(e->err);
    char *data = whet_arena_alloc_raw(e->objects, size);
    if (!data) return whet_arena_failure(e->objects, e->err);
    if (a.size) memcpy(data, a.data, a.size);
    if (b.size) memcpy(data + a.size, b.data, b.size);
    *out = (whet_text){data, size};
    return WHET_OK;
}

static whet_status concat_infer(whet_infer *ctx) { return whet_infer_broadcast(ctx, 0, 0, 2); }

static whet_status concat_eval(whet_eval *e) {
    const whet_text *x = e->in[0].data, *y = e->in[1].data;
    whet_text *out = e->out[0].data;
    whet_broadcast b;
    whet_broadcast_init(&b, &e->out[0], e->in, 2);
    while (whet_broadcast_next(&b))
        for (int64_t i = 0; i < b.length; i++)
            WHET_TRY(join(e, x[b.in[0] + i * b.step[0]], y[b.in[1] + i * b.step[1]],
                          &out[b.out + i]));
    return WHET_OK;
}

const whet_op whet_op_string_concat = {
    .name = "string_concat",
    WHET_IN({"X", WHET_DTYPES_STRING, 'T'}, {"Y", WHET_DTYPES_STRING, 'T'}),
    WHET_OUT({"Z", WHET_DTYPES_STRING, 'T'}),
    WHET_ONNX({"", "StringConcat", 20, 0, NULL}), .infer = concat_infer, .eval = concat_eval,
};

// ---- string_split ----

typedef struct split_attrs {
    const char *delimiter; // "": runs of white space
    int64_t maxsplit;      // ABSENT: all
} split_attrs;

typedef struct splitter {
    whet_text text, delimiter;
    int64_t left; // splits that may still be made
    size_t at;    // in the text, behind its end when it is used up
} splitter;

static bool is_space(int32_t c) {
    return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

// The first place from `at` where a character is a space, or is none. Bytes that are no UTF-8 are
// no spaces.
static size_t find_space(whet_text t, size_t at, bool space) {
    while (at < t.size) {
        size_t next = at;
        int32_t c = whet_text_next(t, &next);
        if (c < 0) next = at + 1;
        if (is_space(c) == space) break;
        at = next;
    }
    return at;
}

static bool next_word(splitter *s, whet_text *part) {
    size_t begin = find_space(s->text, s->at, false);
    if (begin >= s->text.size) return false;
    size_t end = s->left-- > 0 ? find_space(s->text, begin, true) : s->text.size;
    *part = (whet_text){s->text.data + begin, end - begin};
    s->at = end;
    return true;
}

static bool next_part(splitter *s, whet_text *part) {
    if (!s->delimiter.size) return next_word(s, part);
    if (s->at > s->text.size) return false;
    const char *from = s->text.size ? s->text.data + s->at : "";
    size_t left = s->text.size - s->at;
    const char *found = s->left-- > 0 && left
                            ? memmem(from, left, s->delimiter.data, s->delimiter.size) : NULL;
    *part = (whet_text){from, found ? (size_t)(found - from) : left};
    s->at = found ? s->at + part->size + s->delimiter.size : s->text.size + 1;
    return true;
}

static splitter splitter_of(const whet_eval *e, int64_t i) {
    const split_attrs *a = e->attrs;
    return (splitter){((const whet_text *)e->in[0].data)[i],
                      whet_text_of(a->delimiter ? a->delimiter : ""),
                      a->maxsplit == WHET_ATTR_ABSENT ? INT64_MAX : a->maxsplit, 0};
}

static whet_status split_infer(whet_infer *ctx) {
    const whet_type *x = ctx->in[0];
    if (x->rank >= WHET_MAX_RANK)
        WHET_FAIL(ctx->err, WHET_E_LIMIT, "the result would have too many dimensions");
    whet_infer_unknown(ctx, 0, x->rank + 1);
    for (int32_t d = 0; d < x->rank; d++) ctx->out[0].dims[d] = x->dims[d];
    if (ctx->n_out > 1) whet_infer_copy_shape(ctx, 1, 0);
    return WHET_OK;
}

static whet_status split_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0];
    int64_t n = whet_tensor_count(x), most = 0, dims[WHET_MAX_RANK];
    int64_t *counts = whet_eval_scratch_i64(e, n);
    if (!counts) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        splitter s = splitter_of(e, i);
        for (whet_text part; next_part(&s, &part);) counts[i]++;
        if (counts[i] > most) most = counts[i];
    }
    for (int32_t d = 0; d < x->rank; d++) dims[d] = x->dims[d];
    dims[x->rank] = most;
    WHET_TRY(whet_eval_output(e, 0, x->rank + 1, dims));
    WHET_TRY(whet_eval_output(e, 1, x->rank, dims));
    whet_text *y = whet_eval_wants(e, 0) ? e->out[0].data : NULL;
    for (int64_t i = 0; y && i < n; i++, y += most) {
        splitter s = splitter_of(e, i);
        for (int64_t k = 0; k < most; k++)
            if (!next_part(&s, &y[k])) y[k] = (whet_text){"", 0};
    }
    if (whet_eval_wants(e, 1) && n) memcpy(e->out[1].data, counts, (size_t)n * sizeof *counts);
    return WHET_OK;
}

const whet_op whet_op_string_split = {
    .name = "string_split",
    WHET_IN({"X", WHET_DTYPES_STRING}),
    WHET_OUT({"Y", WHET_DTYPES_STRING}, {"Z", WHET_DTYPE_BIT(WHET_DTYPE_I64), 0,
                                         WHET_ARG_OPTIONAL}),
    WHET_ATTRS(split_attrs,
               {"delimiter", WHET_ATTR_STRING, offsetof(split_attrs, delimiter), .def_text = ""},
               {"maxsplit", WHET_ATTR_INT, offsetof(split_attrs, maxsplit), .def = -0x1p63,
                .min = 0, .max = 0x1p62}),
    WHET_ONNX({"", "StringSplit", 20, 0, NULL}), .flags = WHET_OP_DYNAMIC_OUT,
    .infer = split_infer, .eval = split_eval,
};

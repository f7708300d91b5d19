// SPDX-License-Identifier: Apache-2.0
// lookup: X of any shape, keys [k] in ascending order (texts by their bytes, NaN last) and values
// [k] to the values of X's elements; what is no key gets the default, or is an error without one.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/texts.h"
#include "ops/lookup.h"

static whet_status infer(whet_infer *ctx) {
    WHET_TRY(whet_infer_rank(ctx, 1, 1));
    WHET_TRY(whet_infer_rank(ctx, 2, 1));
    WHET_TRY(whet_infer_same(ctx, ctx->in[1]->dims[0], ctx->in[2]->dims[0], "keys and values"));
    if (whet_infer_has(ctx, 3)) WHET_TRY(whet_infer_rank(ctx, 3, 0));
    whet_infer_copy_shape(ctx, 0, 0);
    return WHET_OK;
}

int whet_lookup_compare(whet_dtype dtype, const void *a, int64_t i, const void *b, int64_t k) {
    if (dtype == WHET_DTYPE_STRING)
        return whet_text_compare(((const whet_text *)a)[i], ((const whet_text *)b)[k]);
    if (whet_dtype_is_float(dtype)) {
        double x = whet_load_f64(a, dtype, i), y = whet_load_f64(b, dtype, k);
        if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);
        return (x > y) - (x < y);
    }
    if (dtype == WHET_DTYPE_U64) {
        uint64_t x = whet_load_u64(a, dtype, i), y = whet_load_u64(b, dtype, k);
        return (x > y) - (x < y);
    }
    int64_t x = whet_load_i64(a, dtype, i), y = whet_load_i64(b, dtype, k);
    return (x > y) - (x < y);
}

// -1: no key
static int64_t find(const whet_tensor *keys, const void *x, int64_t i) {
    int64_t lo = 0, hi = keys->dims[0];
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        int c = whet_lookup_compare(keys->dtype, x, i, keys->data, mid);
        if (!c) return mid;
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return -1;
}

static whet_status eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *keys = &e->in[1], *values = &e->in[2];
    size_t size = whet_tensor_bytes(values->dtype, 1);
    bool has_default = whet_eval_has(e, 3);
    int64_t n = whet_tensor_count(x);
    if (values->dims[0] != keys->dims[0])
        WHET_FAIL(e->err, WHET_E_SHAPE, "keys and values differ in number");
    for (int64_t i = 0; i < n; i++) {
        int64_t at = find(keys, x->data, i);
        if (at < 0 && !has_default)
            WHET_FAIL(e->err, WHET_E_RANGE, "element %" PRId64 " of X is no known category", i);
        const char *from = at < 0 ? e->in[3].data : (const char *)values->data + (size_t)at * size;
        memcpy((char *)e->out[0].data + (size_t)i * size, from, size);
    }
    return WHET_OK;
}

#define TYPES (WHET_DTYPES_ALL | WHET_DTYPES_STRING)
static const whet_arg in[] = {
    {"X", TYPES, 'K'},
    {"keys", TYPES, 'K'},
    {"values", TYPES, 'V'},
    {"default", TYPES, 'V', WHET_ARG_OPTIONAL},
};
static const whet_arg out[] = {{"Y", TYPES, 'V'}};
const whet_op whet_op_lookup = {.name = "lookup", .in = in, .n_in = WHET_COUNT(in), .out = out,
                                .n_out = 1, .infer = infer, .eval = eval};

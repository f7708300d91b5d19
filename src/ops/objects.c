// SPDX-License-Identifier: Apache-2.0
#include "ops/objects.h"

#include <string.h>

void whet_infer_object(whet_infer *ctx, int32_t out, whet_dtype kind, whet_elem elem) {
    ctx->out[out].dtype = kind;
    ctx->out[out].elem = elem;
    whet_infer_shape(ctx, out, 0, NULL);
}

whet_status whet_infer_item(whet_infer *ctx, int32_t out, int32_t in) {
    whet_elem elem = ctx->in[in]->elem;
    whet_dtype dtype = whet_elem_dtype(elem);
    if (dtype == WHET_DTYPE_NONE)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "what is in input %d is not known", in);
    if (whet_dtype_is_object(dtype)) {
        whet_infer_object(ctx, out, dtype, whet_elem_inner(elem));
        return WHET_OK;
    }
    ctx->out[out].dtype = dtype;
    whet_infer_unknown(ctx, out, -1);
    return WHET_OK;
}

whet_status whet_infer_same_object(whet_infer *ctx) {
    whet_infer_object(ctx, 0, ctx->in[0]->dtype, ctx->in[0]->elem);
    return WHET_OK;
}

const whet_object *whet_eval_object(whet_eval *e, int32_t in) {
    const whet_object *o = whet_object_of(&e->in[in]);
    if (o && o->kind == e->in[in].dtype) return o;
    whet_error_set(e->err, WHET_E_INVALID, "input %d is no %s", in,
                   whet_dtype_text(e->in[in].dtype));
    return NULL;
}

void whet_eval_put(whet_eval *e, int32_t out, const whet_object *o) {
    *(const whet_object **)e->out[out].data = o;
}

whet_status whet_eval_item(whet_eval *e, int32_t out, const whet_tensor *item) {
    if (item->dtype != e->out[out].dtype)
        WHET_FAIL(e->err, WHET_E_DTYPE, "the item is %s where %s is expected",
                  whet_dtype_text(item->dtype), whet_dtype_text(e->out[out].dtype));
    WHET_TRY(whet_eval_output(e, out, item->rank, item->dims));
    size_t bytes = whet_tensor_bytes(item->dtype, whet_tensor_count(item));
    if (bytes) memcpy(e->out[out].data, item->data, bytes);
    return WHET_OK;
}

whet_status whet_eval_position(whet_eval *e, int32_t in, int64_t n, int64_t last, int64_t *at) {
    int64_t v = last;
    if (whet_eval_has(e, in)) {
        if (whet_tensor_count(&e->in[in]) != 1)
            WHET_FAIL(e->err, WHET_E_SHAPE, "the position is one number, not %lld",
                      (long long)whet_tensor_count(&e->in[in]));
        v = whet_load_i64(e->in[in].data, e->in[in].dtype, 0);
    }
    if (v < -n || v > last)
        WHET_FAIL(e->err, WHET_E_RANGE, "position %lld is outside of a sequence of %lld",
                  (long long)v, (long long)n);
    *at = v < 0 ? v + n : v;
    return WHET_OK;
}

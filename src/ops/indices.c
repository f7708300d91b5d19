// SPDX-License-Identifier: Apache-2.0
#include "ops/indices.h"

#include "ops/move.h"

static whet_status outside(whet_eval *e, int64_t index, int64_t dim) {
    WHET_FAIL(e->err, WHET_E_RANGE, "index %lld is outside a dimension of %lld", (long long)index,
              (long long)dim);
}

whet_status whet_eval_indices(whet_eval *e, int32_t in, int64_t dim, const int64_t **indices) {
    const whet_tensor *t = &e->in[in];
    int64_t n = whet_tensor_count(t);
    int64_t *at = whet_eval_scratch_i64(e, n);
    if (!at) return WHET_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        int64_t v = whet_load_i64(t->data, t->dtype, i);
        at[i] = v < 0 ? v + dim : v;
        if (at[i] < 0 || at[i] >= dim) return outside(e, v, dim);
    }
    *indices = at;
    return WHET_OK;
}

whet_status whet_eval_index_tuples(whet_eval *e, int32_t in, const whet_tensor *data,
                                   int32_t batch, const int64_t **offsets) {
    const whet_tensor *t = &e->in[in];
    int64_t strides[WHET_MAX_RANK];
    int64_t length = t->dims[t->rank - 1], n = whet_dims_product(t->dims, 0, t->rank - 1);
    int64_t batches = whet_dims_product(t->dims, 0, batch);
    int64_t block = whet_dims_product(data->dims, batch, data->rank);
    int64_t *at = whet_eval_scratch_i64(e, n);
    if (!at) return WHET_E_NOMEM;
    if (length < 1 || length > data->rank - batch)
        WHET_FAIL(e->err, WHET_E_SHAPE, "indices of %lld dimensions into data of %d",
                  (long long)length, data->rank);
    whet_strides(data->rank, data->dims, strides);
    for (int64_t i = 0; i < n; i++) {
        at[i] = i / (n / batches) * block;
        for (int64_t k = 0; k < length; k++) {
            int64_t dim = data->dims[batch + k];
            int64_t v = whet_load_i64(t->data, t->dtype, i * length + k), w = v < 0 ? v + dim : v;
            if (w < 0 || w >= dim) return outside(e, v, dim);
            at[i] += w * strides[batch + k];
        }
    }
    *offsets = at;
    return WHET_OK;
}

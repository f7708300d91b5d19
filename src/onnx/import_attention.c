// SPDX-License-Identifier: Apache-2.0
// Parts of attention in the forms of onnxruntime (domain com.microsoft).
#include "onnx/importer.h"

// One element of a shape as i64[1].
static whet_value *size_of(whet_import_node *n, whet_value *shape, int64_t axis) {
    return whet_import_emit(n, "gather", NULL, WHET_VALUES(shape, whet_import_i64(n, &axis, 1)));
}

static whet_value *as_scalar(whet_import_node *n, whet_value *v) {
    return whet_import_emit(n, "squeeze", NULL, WHET_VALUES(v));
}

// A single position is that of the first token of every sequence: [1] to [batch, sequence].
static whet_value *positions(whet_import_node *n, whet_value *x, whet_value *first) {
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(x));
    whet_value *length = size_of(n, shape, whet_import_rank(x) == 4 ? 2 : 1);
    whet_value *steps = whet_import_emit(
        n, "range", NULL,
        WHET_VALUES(whet_import_scalar(n, WHET_DTYPE_I64, 0), as_scalar(n, length),
                    whet_import_scalar(n, WHET_DTYPE_I64, 1)));
    whet_value *row = whet_import_emit(n, "add", NULL, WHET_VALUES(steps, first));
    whet_value *all = whet_import_emit(n, "concat", WHET_SETS({"axis", .number = 0}),
                                       WHET_VALUES(size_of(n, shape, 0), length));
    return whet_import_emit(n, "expand", NULL, WHET_VALUES(row, all));
}

// Without num_heads three-dimensional inputs take the head size from the cache.
static int64_t heads_of(whet_import_node *n, const whet_value *x, const whet_value *cos) {
    int64_t heads = whet_import_int(n, "num_heads", 0);
    if (heads || whet_import_rank(x) != 3 || whet_import_rank(cos) != 2) return heads;
    whet_dim hidden = x->type.dims[2], half = cos->type.dims[1];
    if (whet_dim_is_const(hidden) && whet_dim_is_const(half) && half > 0 && hidden % half == 0)
        return hidden / half / 2;
    return 0;
}

void whet_import_ms_rotary_embedding(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *at = whet_import_in(n, 1);
    whet_value *cos = whet_import_in(n, 2), *sin = whet_import_in(n, 3);
    if (whet_import_float(n, "scale", 1) != 1 || whet_import_int(n, "is_packed_batching", 0)) {
        whet_import_fail(n, WHET_E_UNSUPPORTED,
                         "scale other than 1 and is_packed_batching are not supported");
        return;
    }
    if (!x || !at || !cos || !sin) {
        whet_import_fail(n, WHET_E_MODEL, "its four inputs are required");
        return;
    }
    double heads = (double)heads_of(n, x, cos);
    if (whet_import_rank_known(n, at, "position_ids") == 1) at = positions(n, x, at);
    whet_import_own(n, WHET_SETS({"num_heads", .number = heads}), WHET_VALUES(x, cos, sin, at));
}

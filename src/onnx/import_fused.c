// SPDX-License-Identifier: Apache-2.0
// Activations and products that onnxruntime's optimizer fuses (domain com.microsoft), taken apart again:
// our own passes fuse them as this machine likes it.
#include "onnx/importer.h"

void whet_import_quick_gelu(whet_import_node *n) {
    float alpha = whet_import_float(n, "alpha", 1.702f);
    whet_import_own(n, WHET_SETS({"alpha", .number = alpha}), n->in, n->n_in);
}

void whet_import_bias_gelu(whet_import_node *n) {
    whet_value *sum = whet_import_emit(n, "add", NULL, n->in, n->n_in);
    whet_import_result(n, 0, whet_import_emit(n, "gelu", NULL, WHET_VALUES(sum)));
}

void whet_import_fast_gelu(whet_import_node *n) {
    whet_value *x = whet_import_in(n, 0), *bias = whet_import_in(n, 1);
    if (bias) x = whet_import_emit(n, "add", NULL, WHET_VALUES(x, bias));
    whet_import_result(n, 0, whet_import_emit(n, "gelu", WHET_SETS({"approximate", .text = "tanh"}),
                                              WHET_VALUES(x)));
}

void whet_import_fused_matmul(whet_import_node *n) {
    if (whet_import_int(n, "transBatchA", 0) || whet_import_int(n, "transBatchB", 0))
        whet_import_fail(n, WHET_E_UNSUPPORTED, "transBatchA and transBatchB are not supported");
    whet_import_own(n, NULL, n->in, n->n_in);
}

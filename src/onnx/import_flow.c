// SPDX-License-Identifier: Apache-2.0
// Control flow that is decided when the model is read.
#include "onnx/importer.h"

// The branch taken stands for the node; the other one is not even looked at.
void whet_import_if_known(whet_import_node *n) {
    const whet_onnx_attr *yes = whet_import_attr_of(n, "then_branch", WHET_ONNX_GRAPH);
    const whet_onnx_attr *no = whet_import_attr_of(n, "else_branch", WHET_ONNX_GRAPH);
    int64_t truth = 0;
    if (!yes || !no || !yes->g.data || !no->g.data)
        whet_import_fail(n, WHET_E_MODEL, "then_branch and else_branch are required");
    else if (!whet_import_known(whet_import_in(n, 0), &truth))
        whet_import_fail(n, WHET_E_UNSUPPORTED,
                         "If is supported only where its condition follows from constants and "
                         "shapes; fixing the shapes of inputs may help");
    else
        whet_import_inline(n, (truth ? yes : no)->g);
}

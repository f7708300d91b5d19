// SPDX-License-Identifier: Apache-2.0
// Constant, which is no operator here.
#include <string.h>

#include "onnx/importer.h"
#include "onnx/onnx_tensor.h"

static void from_tensor(whet_import_node *n, whet_span span) {
    whet_importer *imp = n->imp;
    whet_onnx_tensor t;
    whet_tensor data;
    whet_status status = whet_onnx_tensor_read(&imp->reader, span, &t);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", imp->reader.w.err->text);
        imp->stopped = true; // the reader does not go on after a failure
        return;
    }
    status = whet_onnx_tensor_load(&t, imp->arena, &imp->import->external, &data, imp->err);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", imp->err->text);
    else whet_import_result(n, 0, whet_import_constant(n, &data, false));
}

static void from_array(whet_import_node *n, whet_dtype dtype, int32_t rank, int64_t count,
                       const void *v) {
    whet_tensor t = {dtype, rank, {count}, (void *)(uintptr_t)v, 0};
    whet_import_result(n, 0, whet_import_constant(n, &t, true));
}

void whet_import_constant_op(whet_import_node *n) {
    if (n->onnx->n_attrs != 1) {
        whet_import_fail(n, WHET_E_MODEL, "a Constant has one attribute, this one %d",
                         n->onnx->n_attrs);
        return;
    }
    const char *name = n->onnx->attrs[0].name;
    const whet_onnx_attr *a;
    if (!strcmp(name, "value") && (a = whet_import_attr_of(n, name, WHET_ONNX_TENSOR)))
        from_tensor(n, a->t);
    else if (!strcmp(name, "value_int") && (a = whet_import_attr_of(n, name, WHET_ONNX_INT)))
        from_array(n, WHET_DTYPE_I64, 0, 0, &a->i);
    else if (!strcmp(name, "value_float") && (a = whet_import_attr_of(n, name, WHET_ONNX_FLOAT)))
        from_array(n, WHET_DTYPE_F32, 0, 0, &a->f);
    else if (!strcmp(name, "value_ints") && (a = whet_import_attr_of(n, name, WHET_ONNX_INTS)))
        from_array(n, WHET_DTYPE_I64, 1, a->ints.n, a->ints.v);
    else if (!strcmp(name, "value_floats") && (a = whet_import_attr_of(n, name, WHET_ONNX_FLOATS)))
        from_array(n, WHET_DTYPE_F32, 1, a->floats.n, a->floats.v);
    else
        whet_import_fail(n, WHET_E_UNSUPPORTED, "constants given by '%s' are not supported", name);
}

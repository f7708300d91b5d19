// SPDX-License-Identifier: Apache-2.0
// Activations and products of fused operators (SwiGLU, domain com.microsoft), taken apart
// again: our own passes fuse them as this machine likes it.
#include <string.h>

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

// swish(A) B, of the same shape.
void whet_import_swiglu(whet_import_node *n) {
    float alpha = whet_import_float(n, "alpha", 1);
    whet_value *b = whet_import_in(n, 1);
    whet_value *gate = whet_import_emit(n, "swish", WHET_SETS({"alpha", .number = alpha}),
                                        WHET_VALUES(whet_import_in(n, 0)));
    if (n->n_in != 2) whet_import_fail(n, WHET_E_MODEL, "it takes two inputs");
    whet_import_result(n, 0, whet_import_emit(n, "mul", NULL, WHET_VALUES(gate, b)));
}

// ---- products with an activation ----

typedef struct activation {
    const char *onnx, *op;
    const char *first, *second; // attributes, NULL: none
    float def_first, def_second;
} activation;

static const activation activations[] = {
    {"Relu", "relu"},
    {"Sigmoid", "sigmoid"},
    {"Tanh", "tanh"},
    {"Softplus", "softplus"},
    {"Softsign", "softsign"},
    {"LeakyRelu", "leaky_relu", "alpha", NULL, 0.01f, 0},
    {"Elu", "elu", "alpha", NULL, 1, 0},
    {"ThresholdedRelu", "thresholded_relu", "alpha", NULL, 1, 0},
    {"Clip", "clip", "min", "max", -3.402823466e38f, 3.402823466e38f},
    {"HardSigmoid", "hard_sigmoid", "alpha", "beta", 0.2f, 0.5f},
};

static const activation *find_activation(whet_import_node *n) {
    const char *name = whet_import_string(n, "activation", "");
    for (int32_t i = 0; i < WHET_COUNT(activations); i++)
        if (!strcmp(activations[i].onnx, name)) return &activations[i];
    if (*name) whet_import_fail(n, WHET_E_UNSUPPORTED, "activation '%s' is not supported", name);
    return NULL;
}

static whet_value *activate(whet_import_node *n, const activation *a, whet_value *v, float first,
                            float second) {
    if (!a) return v;
    whet_import_set sets[3] = {{a->first, .number = first}, {a->second, .number = second}};
    return whet_import_emit(n, a->op, sets, WHET_VALUES(v));
}

void whet_import_fused_gemm(whet_import_node *n) {
    const activation *a = find_activation(n);
    bool clip = a && a->first && !strcmp(a->first, "min");
    float first = whet_import_float(n, clip ? "activation_min" : "activation_alpha",
                                    a ? a->def_first : 0);
    float second = whet_import_float(n, clip ? "activation_max" : "activation_beta",
                                     a ? a->def_second : 0);
    whet_import_ignore(n, "activation_gamma");
    whet_value *v = whet_import_emit_table(n, "gemm", NULL, n->in, n->n_in);
    whet_import_result(n, 0, activate(n, a, v, first, second));
}

// activation(conv(X, W, B) + Z)
void whet_import_fused_conv(whet_import_node *n) {
    const activation *a = find_activation(n);
    const whet_onnx_attr *p = whet_import_attr_of(n, "activation_params", WHET_ONNX_FLOATS);
    float first = p && p->floats.n > 0 ? p->floats.v[0] : a ? a->def_first : 0;
    float second = p && p->floats.n > 1 ? p->floats.v[1] : a ? a->def_second : 0;
    whet_value *sum = whet_import_in(n, 3);
    whet_value *v = whet_import_emit_table(
        n, "conv", NULL,
        WHET_VALUES(whet_import_in(n, 0), whet_import_in(n, 1), whet_import_in(n, 2)));
    if (sum) v = whet_import_emit(n, "add", NULL, WHET_VALUES(v, sum));
    whet_import_result(n, 0, activate(n, a, v, first, second));
}

// SPDX-License-Identifier: Apache-2.0
// Operators that ONNX spells in another way than by their row.
#include <float.h>
#include <string.h>

#include "onnx/onnx_write.h"
#include "ops/attrs.h"
#include "ops/resize_ref.h"

static const char *in_name(const whet_onnx_out_node *n, int32_t i) {
    return i < n->node->n_in ? whet_onnx_out_name(n->x, n->node->in[i]) : "";
}

static const char *out_name(const whet_onnx_out_node *n) {
    return whet_onnx_out_name(n->x, n->node->out[0]);
}

// The same inputs and attributes under another name.
static whet_status rename_to(whet_onnx_out_node *n, const char *op_type) {
    const char *in[8], *out = out_name(n);
    whet_writer attrs;
    if (n->node->n_in > 8) return WHET_E_INTERNAL;
    for (int32_t i = 0; i < n->node->n_in; i++) in[i] = in_name(n, i);
    whet_writer_init(&attrs);
    whet_onnx_out_attrs(n->node, &attrs);
    whet_onnx_out_emit(n, "", op_type, in, n->node->n_in, &out, 1, &attrs);
    whet_writer_fini(&attrs);
    return WHET_OK;
}

static whet_status write_max(whet_onnx_out_node *n) { return rename_to(n, "Max"); }
static whet_status write_min(whet_onnx_out_node *n) { return rename_to(n, "Min"); }
static whet_status write_range(whet_onnx_out_node *n) { return rename_to(n, "Range"); }
static whet_status write_clip_t(whet_onnx_out_node *n) { return rename_to(n, "Clip"); }

// A scalar constant of the type of the node's first input.
static const char *scalar(whet_onnx_out_node *n, double v) {
    uint64_t element[2] = {0};
    whet_tensor t = {n->node->in[0]->type.dtype, 0, {0}, element, 0};
    t.bytes = whet_tensor_bytes(t.dtype, 1);
    whet_store_f64(element, t.dtype, 0, v);
    return whet_onnx_out_constant(n, &t);
}

static whet_status write_clip(whet_onnx_out_node *n) {
    const whet_clip_attrs *a = n->node->attrs;
    const char *in[3] = {in_name(n, 0), "", ""}, *out = out_name(n);
    int32_t n_in = 1;
    if (a->min > -FLT_MAX && (n_in = 2)) in[1] = scalar(n, (double)a->min);
    if (a->max < FLT_MAX && (n_in = 3)) in[2] = scalar(n, (double)a->max);
    if (!in[1] || !in[2]) return WHET_NOMEM(n->x->err);
    whet_onnx_out_emit(n, "", "Clip", in, n_in, &out, 1, NULL);
    return WHET_OK;
}

// ---- matmul with transposes, a factor and a bias ----

// Input i with its last two dimensions swapped. NULL: error set.
static const char *swapped(whet_onnx_out_node *n, int32_t i, bool swap) {
    int32_t rank = n->node->in[i]->type.rank;
    const char *in = in_name(n, i);
    int64_t perm[WHET_MAX_RANK];
    whet_writer attrs;
    if (!swap || rank == 0 || rank == 1) return in;
    if (rank < 0) {
        whet_error_set(n->x->err, WHET_E_UNSUPPORTED,
                       "%s: a transposed operand whose rank is not known", n->node->name);
        return NULL;
    }
    const char *out = whet_onnx_out_fresh(n->x, "transposed");
    if (!out) return WHET_NOMEM(n->x->err), NULL;
    for (int32_t d = 0; d < rank; d++) perm[d] = d;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    whet_writer_init(&attrs);
    whet_onnx_out_attr_ints(&attrs, "perm", perm, rank);
    whet_onnx_out_emit(n, "", "Transpose", &in, 1, &out, 1, &attrs);
    whet_writer_fini(&attrs);
    return out;
}

static whet_status write_matmul(whet_onnx_out_node *n) {
    const whet_matmul_attrs *a = n->node->attrs;
    bool scaled = a->alpha != 1, biased = n->node->n_in > 2 && n->node->in[2];
    const char *in[2] = {swapped(n, 0, a->trans_a), swapped(n, 1, a->trans_b)};
    if (!in[0] || !in[1]) return n->x->err ? n->x->err->status : WHET_E_NOMEM;
    const char *product = scaled || biased ? whet_onnx_out_fresh(n->x, "product") : out_name(n);
    if (!product) return WHET_NOMEM(n->x->err);
    whet_onnx_out_emit(n, "", "MatMul", in, 2, &product, 1, NULL);
    if (scaled) {
        const char *factors[2] = {product, scalar(n, (double)a->alpha)};
        product = biased ? whet_onnx_out_fresh(n->x, "scaled") : out_name(n);
        if (!factors[1] || !product) return WHET_NOMEM(n->x->err);
        whet_onnx_out_emit(n, "", "Mul", factors, 2, &product, 1, NULL);
    }
    const char *terms[2] = {product, in_name(n, 2)}, *out = out_name(n);
    if (biased) whet_onnx_out_emit(n, "", "Add", terms, 2, &out, 1, NULL);
    return WHET_OK;
}

// ---- resize as Upsample rounded: up when shrinking, else down ----

static bool scales_are(const whet_node *n, bool growing) {
    const whet_tensor *t = n->n_in > 2 && n->in[2] ? n->in[2]->data : NULL;
    for (int64_t i = 0; t && i < whet_tensor_count(t); i++) {
        double v = whet_load_f64(t->data, t->dtype, i);
        if (growing ? v < 1 : v > 1) return false;
    }
    return t != NULL;
}

static whet_status write_resize(whet_onnx_out_node *n) {
    const whet_attr *row = whet_op_attr_find(n->node->op, "nearest_mode");
    int32_t *mode = (int32_t *)(void *)((char *)n->node->attrs + row->offset);
    if (*mode != WHET_RESIZE_SIMPLE) return rename_to(n, "Resize");
    const whet_attr *kind = whet_op_attr_find(n->node->op, "mode");
    int32_t chosen = *(int32_t *)(void *)((char *)n->node->attrs + kind->offset);
    bool nearest = !strcmp(kind->choices[chosen], "nearest");
    bool grows = scales_are(n->node, true), shrinks = scales_are(n->node, false);
    if (nearest && !grows && !shrinks)
        WHET_FAIL(n->x->err, WHET_E_UNSUPPORTED,
                  "%s: nearest_mode simple with scales that are not known or on both sides of 1",
                  n->node->name);
    *mode = shrinks && !grows ? WHET_RESIZE_CEIL : WHET_RESIZE_FLOOR;
    whet_status status = rename_to(n, "Resize");
    *mode = WHET_RESIZE_SIMPLE;
    return status;
}

// ---- split: equal parts are counted since opset 18 ----

static whet_status write_split(whet_onnx_out_node *n) {
    const whet_node *node = n->node;
    const char *in[2] = {in_name(n, 0), in_name(n, 1)};
    const char **out = WHET_NEW_ARRAY(&n->x->arena, const char *, node->n_out + 1);
    const whet_attr *row = whet_op_attr_find(node->op, "axis");
    whet_writer attrs;
    if (!out) return WHET_NOMEM(n->x->err);
    for (int32_t i = 0; i < node->n_out; i++) {
        out[i] = node->out[i] ? whet_onnx_out_name(n->x, node->out[i])
                              : whet_onnx_out_fresh(n->x, "unused");
        if (!out[i]) return WHET_NOMEM(n->x->err);
    }
    whet_writer_init(&attrs);
    whet_onnx_out_attr_int(&attrs, "axis",
                           *(const int64_t *)(const void *)((char *)node->attrs + row->offset));
    if (!*in[1]) whet_onnx_out_attr_int(&attrs, "num_outputs", node->n_out);
    whet_onnx_out_emit(n, "", "Split", in, *in[1] ? 2 : 1, out, node->n_out, &attrs);
    whet_writer_fini(&attrs);
    return WHET_OK;
}

// ---- the list ----

static const struct {
    const char *op;
    whet_onnx_out_fn fn;
} functions[] = {
    {"clip", write_clip},     {"clip_t", write_clip_t}, {"matmul", write_matmul},
    {"max", write_max},       {"min", write_min},       {"range", write_range},
    {"resize", write_resize}, {"split", write_split},
};

whet_onnx_out_fn whet_onnx_out_special(const whet_node *n) {
    if (n->n_subgraphs) return whet_onnx_out_flow;
    for (int32_t i = 0; i < WHET_COUNT(functions); i++)
        if (!strcmp(functions[i].op, n->op->name)) return functions[i].fn;
    return NULL;
}

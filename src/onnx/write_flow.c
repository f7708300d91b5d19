// SPDX-License-Identifier: Apache-2.0
// If, Loop and Scan: their blocks become graphs among the attributes. What a block captures, an
// input of its own here, is named as the value around it there.
#include <string.h>

#include "onnx/onnx_write.h"
#include "ops/flow.h"

enum { TYPE_GRAPH = 5 };

static whet_status put_block(whet_onnx_out_node *n, const whet_flow *f, int32_t i,
                             const char *name, whet_writer *attrs) {
    whet_onnx_out *x = n->x;
    const whet_graph *g = n->node->subgraphs[i];
    int32_t formal = f->block_in + f->carried + f->scanned;
    for (int32_t k = 0; k < f->captured; k++) {
        const whet_value *outer = n->node->in[f->own + f->carried + f->scanned + k];
        x->names[g->inputs[formal + k]->id] = whet_onnx_out_name(x, outer);
    }
    whet_writer graph, attr;
    whet_writer_init(&graph);
    whet_writer_init(&attr);
    whet_status status = whet_onnx_out_graph(x, g, formal, &graph);
    whet_proto_message(&attr, WHET_PB_ATTR_G, &graph);
    whet_proto_text(&attr, WHET_PB_ATTR_NAME, name);
    whet_proto_int(&attr, WHET_PB_ATTR_TYPE, TYPE_GRAPH);
    whet_proto_message(attrs, WHET_PB_NODE_ATTR, &attr);
    whet_writer_fini(&graph);
    whet_writer_fini(&attr);
    return status;
}

static void put_ints(whet_writer *attrs, const char *name, whet_ints v) {
    if (v.v) whet_onnx_out_attr_ints(attrs, name, v.v, v.n);
}

static whet_status put_attrs(whet_onnx_out_node *n, const whet_flow *f, whet_writer *attrs) {
    const whet_flow_attrs *a = f->attrs;
    if (f->kind == WHET_FLOW_IF) {
        WHET_TRY(put_block(n, f, 0, "then_branch", attrs));
        return put_block(n, f, 1, "else_branch", attrs);
    }
    if (f->kind == WHET_FLOW_SCAN) {
        if (a->batched)
            WHET_FAIL(n->x->err, WHET_E_UNSUPPORTED,
                      "%s: the Scan of opset 8 has no word in today's opsets", n->node->name);
        whet_onnx_out_attr_int(attrs, "num_scan_inputs", f->scanned);
        put_ints(attrs, "scan_input_axes", a->in_axes);
        put_ints(attrs, "scan_input_directions", a->in_directions);
        put_ints(attrs, "scan_output_axes", a->out_axes);
        put_ints(attrs, "scan_output_directions", a->out_directions);
    }
    return put_block(n, f, 0, "body", attrs);
}

whet_status whet_onnx_out_flow(whet_onnx_out_node *n) {
    static const char *const names[] = {"If", "Loop", "Scan"};
    const whet_node *node = n->node;
    whet_onnx_out *x = n->x;
    whet_flow f;
    WHET_TRY(whet_flow_of(node->op, node->attrs, node->n_in, node->n_out, &f, x->err));
    int32_t n_in = f.own + f.carried + f.scanned, first = f.kind == WHET_FLOW_SCAN;
    const char **in = WHET_NEW_ARRAY(&x->arena, const char *, n_in + 1);
    const char **out = WHET_NEW_ARRAY(&x->arena, const char *, node->n_out + 1);
    if (!in || !out) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n_in; i++) in[i] = whet_onnx_out_name(x, node->in[i]);
    for (int32_t i = 0; i < node->n_out; i++) {
        out[i] = node->out[i] ? whet_onnx_out_name(x, node->out[i])
                              : whet_onnx_out_fresh(x, "unused");
        if (!out[i]) return WHET_NOMEM(x->err);
    }
    whet_writer attrs;
    whet_writer_init(&attrs);
    whet_status status = put_attrs(n, &f, &attrs);
    if (status == WHET_OK)
        whet_onnx_out_emit(n, "", names[f.kind], in + first, n_in - first, out, node->n_out,
                           &attrs);
    whet_writer_fini(&attrs);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// Types of values from the shape functions of operators.
#include <stdlib.h>

#include "ir/graph.h"

static void take_type(whet_value *v, const whet_type *type) {
    if (v->data) return; // the data say more
    if (v->type.dtype != type->dtype || !v->type_set) v->type_set = WHET_DTYPE_BIT(type->dtype);
    v->type = *type;
}

// Arrays of one inference: of the operators with few inputs on the stack.
enum { FEW = 8 };
typedef struct {
    const whet_type *in[FEW];
    const whet_tensor *data[FEW];
    whet_type out[FEW];
} few_arrays;

static whet_status infer_with(whet_node *n, const whet_type **in, const whet_tensor **data,
                              whet_type *out, whet_error *err) {
    for (int32_t i = 0; i < n->n_in; i++) {
        in[i] = n->in[i] ? &n->in[i]->type : NULL;
        data[i] = n->in[i] ? n->in[i]->data : NULL;
    }
    for (int32_t i = 0; i < n->n_out; i++) out[i] = (whet_type){.rank = -1};
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .dims = n->graph->dims,
                      .n_in = n->n_in, .n_out = n->n_out, .in = in, .data = data, .out = out,
                      .arena = n->graph->arena, .err = err};
    WHET_TRY(whet_op_infer(&ctx));
    n->needs_value = ctx.needs_value;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) take_type(n->out[i], &out[i]);
    return WHET_OK;
}

static whet_status infer_many(whet_node *n, whet_error *err) {
    size_t n_in = (size_t)n->n_in, n_out = (size_t)n->n_out;
    const whet_type **in = calloc(n_in + 1, sizeof *in);
    const whet_tensor **data = calloc(n_in + 1, sizeof *data);
    whet_type *out = calloc(n_out + 1, sizeof *out);
    whet_status status = in && data && out ? infer_with(n, in, data, out, err) : WHET_NOMEM(err);
    free(in);
    free(data);
    free(out);
    return status;
}

whet_status whet_graph_infer_node(whet_node *n, whet_error *err) {
    few_arrays few;
    if (n->n_in > FEW || n->n_out > FEW) return infer_many(n, err);
    return infer_with(n, few.in, few.data, few.out, err);
}

whet_status whet_graph_infer(whet_graph *g, whet_error *err) {
    WHET_FOR_NODES(g, n) {
        if (n->recipe) continue;
        for (int32_t i = 0; i < n->n_subgraphs; i++)
            WHET_TRY(whet_graph_infer(n->subgraphs[i], err));
        WHET_TRY(whet_graph_infer_node(n, err));
    }
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// A copy of a graph with an arena and dimensions of its own. Contents of constants are borrowed.
#include <string.h>

#include "ir/graph.h"

typedef struct {
    const whet_graph *from;
    whet_graph *to;
    whet_value **map; // [values of from] their copies
    const whet_clone_options *options;
    whet_arena scratch;
    whet_error *err;
} cloner;

// Through the text form; a name that `fixed` knows becomes its number.
static whet_status move_dim(cloner *x, whet_dim d, whet_dim *out) {
    *out = d;
    if (whet_dim_is_const(d)) return WHET_OK;
    const whet_clone_options *o = x->options;
    whet_dim value = WHET_DIM_ERROR;
    if (o->fixed) value = whet_dim_eval(x->from->dims, d, o->fixed, o->user);
    if (!whet_dim_is_error(value) && whet_dim_is_const(value)) {
        *out = value;
        return WHET_OK;
    }
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(x->from->dims, d, &s);
    const char *text = whet_str_text(&s);
    whet_status status = whet_dim_parse(x->to->dims, &text, out, x->err);
    whet_str_fini(&s);
    return status;
}

static whet_status move_type(cloner *x, const whet_value *v, whet_value *copy) {
    copy->type = v->type;
    copy->type.value = NULL;
    copy->type_set = v->type_set;
    for (int32_t i = 0; i < v->type.rank; i++) {
        WHET_TRY(move_dim(x, v->type.dims[i], &copy->type.dims[i]));
        if (!v->dim_names[i] || whet_dim_is_const(copy->type.dims[i])) continue;
        copy->dim_names[i] = whet_arena_strdup(x->to->arena, v->dim_names[i]);
        if (!copy->dim_names[i]) return WHET_NOMEM(x->err);
    }
    return WHET_OK;
}

static whet_status clone_constant(cloner *x, const whet_value *v, whet_graph *g) {
    whet_value *copy = whet_graph_constant(g, v->name, v->data, false);
    if (!copy) return WHET_NOMEM(x->err);
    copy->literal = v->literal;
    copy->decided = v->decided;
    copy->type_set = v->type_set;
    x->map[v->id] = copy;
    return WHET_OK;
}

// The graph around or at `to` that is the copy of v's.
static whet_graph *home_of(const whet_value *v, const whet_graph *from, whet_graph *to) {
    while (from->parent && from != v->graph) {
        from = from->parent;
        to = to->parent;
    }
    return to;
}

static whet_status find(cloner *x, const whet_graph *from, whet_graph *to, const whet_value *v,
                        whet_value **copy) {
    *copy = NULL;
    if (!v) return WHET_OK;
    if (!x->map[v->id] && v->data && !v->producer)
        WHET_TRY(clone_constant(x, v, home_of(v, from, to)));
    *copy = x->map[v->id];
    if (!*copy) WHET_FAIL(x->err, WHET_E_INTERNAL, "a value is used before it is made");
    return WHET_OK;
}

static whet_status clone_graph(cloner *x, const whet_graph *from, whet_graph *to);

static whet_status clone_subgraphs(cloner *x, const whet_node *n, whet_node *copy) {
    if (!n->n_subgraphs) return WHET_OK;
    copy->subgraphs = WHET_NEW_ARRAY(x->to->arena, whet_graph *, n->n_subgraphs);
    if (!copy->subgraphs) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        copy->subgraphs[i] = whet_graph_sub(copy->graph, n->subgraphs[i]->name);
        if (!copy->subgraphs[i]) return WHET_NOMEM(x->err);
        copy->n_subgraphs++;
        WHET_TRY(clone_graph(x, n->subgraphs[i], copy->subgraphs[i]));
    }
    return WHET_OK;
}

static whet_status take_outputs(cloner *x, const whet_node *n, whet_node *copy) {
    for (int32_t i = 0; i < n->n_out; i++) {
        whet_value *out = copy->out[i];
        if (!n->out[i]) {
            out->producer = NULL;
            copy->out[i] = NULL;
            continue;
        }
        x->map[n->out[i]->id] = out;
        out->name = whet_arena_strdup(x->to->arena, n->out[i]->name);
        if (!out->name) return WHET_NOMEM(x->err);
        if (!n->recipe) continue;
        const whet_tensor *data = n->out[i]->data;
        out->data = whet_arena_memdup(x->to->arena, data, sizeof *data);
        if (!out->data) return WHET_NOMEM(x->err);
        whet_value_set_type(out, data->dtype, data->rank, data->dims);
    }
    return WHET_OK;
}

// A pass or the importer may have known more than inference.
static whet_status keep_types(cloner *x, const whet_node *n, whet_node *copy) {
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i] || copy->out[i]->data) continue;
        if (copy->out[i]->type.rank < 0 && n->out[i]->type.rank >= 0)
            WHET_TRY(move_type(x, n->out[i], copy->out[i]));
        if (copy->out[i]->type.dtype == n->out[i]->type.dtype)
            copy->out[i]->type_set = n->out[i]->type_set;
    }
    return WHET_OK;
}

static whet_status clone_node(cloner *x, const whet_node *n, const whet_graph *from,
                              whet_graph *to) {
    whet_value **in = WHET_NEW_ARRAY(&x->scratch, whet_value *, n->n_in + 1);
    if (!in) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < n->n_in; i++) WHET_TRY(find(x, from, to, n->in[i], &in[i]));
    void *attrs = whet_op_attr_copy(n->op, n->attrs, to->arena);
    whet_node *copy =
        attrs ? whet_graph_node(to, n->op, n->name, attrs, in, n->n_in, n->n_out, NULL) : NULL;
    if (!copy) return WHET_NOMEM(x->err);
    copy->recipe = n->recipe;
    copy->demand = n->demand;
    if (n->origin && !(copy->origin = whet_arena_strdup(to->arena, n->origin)))
        return WHET_NOMEM(x->err);
    WHET_TRY(clone_subgraphs(x, n, copy));
    WHET_TRY(take_outputs(x, n, copy));
    if (n->recipe) return WHET_OK;
    WHET_TRY(whet_graph_infer_node(copy, x->err));
    return keep_types(x, n, copy);
}

static whet_status clone_inputs(cloner *x, const whet_graph *from, whet_graph *to) {
    for (int32_t i = 0; i < from->n_inputs; i++) {
        whet_value *copy = whet_graph_value(to, from->inputs[i]->name);
        if (!copy || !whet_graph_add_input(to, copy)) return WHET_NOMEM(x->err);
        WHET_TRY(move_type(x, from->inputs[i], copy));
        if (from == x->from && x->options->input) x->options->input(x->options->user, copy);
        x->map[from->inputs[i]->id] = copy;
    }
    return WHET_OK;
}

static whet_status clone_graph(cloner *x, const whet_graph *from, whet_graph *to) {
    to->strongly_typed = from->strongly_typed;
    to->n_imported_nodes = from->n_imported_nodes;
    WHET_TRY(clone_inputs(x, from, to));
    WHET_FOR_NODES(from, n) WHET_TRY(clone_node(x, n, from, to));
    for (int32_t i = 0; i < from->n_outputs; i++) {
        whet_value *v;
        WHET_TRY(find(x, from, to, from->outputs[i], &v));
        if (!whet_graph_add_output(to, v, from->output_names[i])) return WHET_NOMEM(x->err);
    }
    return WHET_OK;
}

whet_status whet_graph_clone(const whet_graph *root, const whet_clone_options *options,
                             whet_graph **copy, whet_error *err) {
    cloner x = {.from = root, .options = options, .err = err};
    whet_arena_init(&x.scratch);
    x.to = whet_graph_create(root->ops);
    x.map = WHET_NEW_ARRAY(&x.scratch, whet_value *, root->n_values + 1);
    whet_status status = WHET_E_NOMEM;
    if (x.to) x.to->name = whet_arena_strdup(x.to->arena, root->name);
    if (!x.to || !x.map || !x.to->name) WHET_NOMEM(err);
    else status = clone_graph(&x, root, x.to);
    whet_arena_fini(&x.scratch);
    if (status == WHET_OK) *copy = x.to;
    else whet_graph_destroy(x.to);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// Adding a node by the name of its operator.
#include <stdlib.h>
#include <string.h>

#include "build/network_impl.h"

typedef struct {
    whet_network *net;
    whet_error *err;
    const whet_op *op;
    const char *name;
    whet_value *const *in;
    int32_t n_in, n_out;
    whet_network *const *blocks;
    int32_t n_blocks;
    whet_arena scratch;
    void *attrs;
} adding;

// ---- checks ----

// Operators of plugins are called "domain::Name@version"; the name will do, with or without the
// domain.
static bool plugin_named(const whet_op *op, const char *name) {
    const char *base = strstr(op->name, "::"), *version = strrchr(op->name, '@');
    size_t n = strlen(name);
    if (!version) return false;
    base = base && base < version ? base + 2 : op->name;
    return ((size_t)(version - base) == n && !memcmp(base, name, n)) ||
           ((size_t)(version - op->name) == n && !memcmp(op->name, name, n));
}

static whet_status find_plugin(adding *x, const whet_op_table *ops, const char *name) {
    for (int32_t i = 0; i < ops->n; i++) {
        if (!plugin_named(ops->ops[i], name)) continue;
        if (x->op)
            WHET_FAIL(x->err, WHET_E_INVALID, "%s may be %s or %s", name, x->op->name,
                      ops->ops[i]->name);
        x->op = ops->ops[i];
    }
    return WHET_OK;
}

static whet_status find_op(adding *x, const char *op) {
    if (!op) WHET_FAIL(x->err, WHET_E_INVALID, "whet_network_add: op is NULL");
    const whet_op_table *ops = whet_env_ops(x->net->env); // plugins may have come since
    x->op = whet_op_get(ops, op, x->err);
    if (!x->op && x->err->status != WHET_OK) return x->err->status;
    if (!x->op) WHET_TRY(find_plugin(x, ops, op));
    if (!x->op) WHET_FAIL(x->err, WHET_E_NOT_FOUND, "there is no operator called %s", op);
    return WHET_OK;
}

static bool node_name_taken(const whet_graph *g, const char *name) {
    WHET_FOR_NODES(g, n) if (!strcmp(n->name, name)) return true;
    return false;
}

static whet_status take_name(adding *x, const char *name) {
    whet_network *net = x->net;
    if (name) {
        if (!*name || node_name_taken(net->graph, name))
            WHET_FAIL(x->err, WHET_E_INVALID, *name ? "there is a node called %s already"
                                                    : "a node with an empty name%s", name);
        x->name = name;
        return WHET_OK;
    }
    do x->name = whet_arena_printf(&x->scratch, "%s_%d", x->op->name, ++net->n_names);
    while (x->name && node_name_taken(net->graph, x->name));
    return x->name ? WHET_OK : WHET_NOMEM(x->err);
}

static bool variadic(const whet_arg *args, int32_t n) {
    return n && args[n - 1].flags & WHET_ARG_VARIADIC;
}

static whet_status check_counts(adding *x) {
    const whet_op *op = x->op;
    if (x->n_in < 0 || (x->n_in && !x->in))
        WHET_FAIL(x->err, WHET_E_INVALID, "%s: inputs is NULL or their number negative", x->name);
    if (x->n_in > op->n_in && !variadic(op->in, op->n_in))
        WHET_FAIL(x->err, WHET_E_INVALID, "%s: %d inputs, %s takes at most %d", x->name, x->n_in,
                  op->name, op->n_in);
    if (x->n_out < 1 || (x->n_out > op->n_out && !variadic(op->out, op->n_out)))
        WHET_FAIL(x->err, WHET_E_INVALID, "%s: %d outputs, %s gives 1 to %d", x->name, x->n_out,
                  op->name, op->n_out);
    for (int32_t i = 0; i < op->n_in; i++) {
        bool needed = !(op->in[i].flags & (WHET_ARG_OPTIONAL | WHET_ARG_VARIADIC));
        if (needed && (i >= x->n_in || !x->in[i]))
            WHET_FAIL(x->err, WHET_E_INVALID, "%s: input %d (%s) of %s is missing", x->name, i,
                      op->in[i].name, op->name);
    }
    return WHET_OK;
}

// Values from around a block become captures of it.
static whet_status take_inputs(adding *x) {
    whet_value **in = WHET_NEW_ARRAY(&x->scratch, whet_value *, x->n_in + 1);
    if (!in) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < x->n_in; i++) {
        if (!x->in[i]) continue;
        whet_status status = whet_network_check_value(x->net, x->in[i], "input");
        if (status != WHET_OK) return whet_error_prefix(x->err, status, "%s: %d", x->name, i);
        if (!whet_network_encloses(x->net, x->in[i]))
            WHET_FAIL(x->err, WHET_E_INVALID, "%s: input %d is a value of another block", x->name,
                      i);
        in[i] = whet_network_capture(x->net, x->in[i], x->err);
        if (!in[i]) return x->err->status;
    }
    x->in = in;
    return WHET_OK;
}

static whet_status take_attributes(adding *x, const whet_attribute *a, int32_t n) {
    x->attrs = whet_arena_alloc(&x->scratch, x->op->attrs_size + 1);
    if (!x->attrs) return WHET_NOMEM(x->err);
    whet_op_attr_defaults(x->op, x->attrs);
    for (int32_t i = 0; i < n; i++) {
        whet_status status =
            whet_network_attr_set(x->op, &a[i], x->attrs, &x->scratch, x->err);
        if (status != WHET_OK) return whet_error_prefix(x->err, status, "%s", x->name);
    }
    for (int32_t i = 0; i < x->op->n_attrs; i++) {
        const whet_attr *row = &x->op->attrs[i];
        bool given = false;
        for (int32_t k = 0; k < n; k++) given = given || !strcmp(a[k].name, row->name);
        if (row->required && !given)
            WHET_FAIL(x->err, WHET_E_INVALID, "%s: %s needs the attribute %s", x->name,
                      x->op->name, row->name);
    }
    whet_status status = whet_op_attr_check(x->op, x->attrs, x->err);
    return status == WHET_OK ? status : whet_error_prefix(x->err, status, "%s", x->name);
}

// ---- the node ----

static whet_status name_outputs(adding *x, whet_node *n) {
    whet_graph *g = x->net->graph;
    for (int32_t i = 0; i < n->n_out; i++) {
        const char *hint = i ? whet_arena_printf(&x->scratch, "%s.%d", x->name, i) : x->name;
        n->out[i]->name = hint ? whet_graph_unique_name(g, hint) : NULL;
        if (!n->out[i]->name) {
            n->out[i]->name = "";
            return WHET_NOMEM(x->err);
        }
    }
    return WHET_OK;
}

static whet_status take_blocks(adding *x, whet_node *n) {
    if (!x->n_blocks) return WHET_OK;
    n->subgraphs = WHET_NEW_ARRAY(n->graph->arena, whet_graph *, x->n_blocks);
    if (!n->subgraphs) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < x->n_blocks; i++) n->subgraphs[i] = x->blocks[i]->graph;
    n->n_subgraphs = x->n_blocks;
    return WHET_OK;
}

// Takes back a node that was no good; its blocks stay as they are.
static void drop(whet_node *n) {
    n->n_subgraphs = 0;
    whet_network_drop_node(n);
}

static whet_status make_node(adding *x, bool named, whet_value **outputs) {
    whet_graph *g = x->net->graph;
    int32_t n_in = x->n_in;
    while (!x->n_blocks && n_in > 0 && !x->in[n_in - 1]) n_in--;
    void *own = whet_op_attr_copy(x->op, x->attrs, g->arena);
    whet_node *n =
        own ? whet_graph_node(g, x->op, x->name, own, x->in, n_in, x->n_out, NULL) : NULL;
    if (!n) return WHET_NOMEM(x->err);
    whet_status status = take_blocks(x, n);
    if (status == WHET_OK) status = whet_graph_infer_node(n, x->err);
    if (status == WHET_OK && named) status = name_outputs(x, n);
    if (status != WHET_OK) {
        drop(n);
        return status;
    }
    for (int32_t i = 0; i < x->n_blocks; i++) x->blocks[i]->node = n;
    for (int32_t i = 0; outputs && i < n->n_out; i++) outputs[i] = n->out[i];
    return WHET_OK;
}

static whet_status add(adding *x, const char *op, const char *name,
                       const whet_attribute *attributes, int32_t n_attributes,
                       whet_value **outputs) {
    WHET_TRY(find_op(x, op));
    WHET_TRY(take_name(x, name));
    WHET_TRY(check_counts(x));
    WHET_TRY(take_inputs(x));
    if (n_attributes < 0 || (n_attributes && !attributes))
        WHET_FAIL(x->err, WHET_E_INVALID, "%s: attributes is NULL or their number negative",
                  x->name);
    WHET_TRY(take_attributes(x, attributes, n_attributes));
    if (x->op->n_blocks || x->n_blocks) {
        whet_network_flow_attrs(x->op, x->n_in, x->attrs);
        WHET_TRY(whet_network_flow_inputs(x->net, x->op, x->blocks, x->n_blocks, x->in, x->n_in,
                                          &x->scratch, &x->in, &x->n_in));
    }
    return make_node(x, name != NULL, outputs);
}

whet_status whet_network_add(whet_network *net, const char *op, const char *name,
                             whet_value *const *inputs, int32_t n_inputs,
                             const whet_attribute *attributes, int32_t n_attributes,
                             whet_value **outputs, int32_t n_outputs) {
    if (!net) return WHET_E_INVALID;
    adding x = {.net = net, .err = &net->handle.error, .in = inputs, .n_in = n_inputs,
                .n_out = n_outputs};
    whet_error_clear(x.err);
    whet_arena_init(&x.scratch);
    whet_status status = add(&x, op, name, attributes, n_attributes, outputs);
    whet_arena_fini(&x.scratch);
    return status;
}

whet_status whet_network_add_flow(whet_network *net, const char *op, const char *name,
                                  whet_value *const *inputs, int32_t n_inputs,
                                  whet_network *const *blocks, int32_t n_blocks,
                                  const whet_attribute *attributes, int32_t n_attributes,
                                  whet_value **outputs, int32_t n_outputs) {
    if (!net) return WHET_E_INVALID;
    adding x = {.net = net, .err = &net->handle.error, .in = inputs, .n_in = n_inputs,
                .n_out = n_outputs, .blocks = blocks, .n_blocks = n_blocks};
    whet_error_clear(x.err);
    whet_arena_init(&x.scratch);
    whet_status status = add(&x, op, name, attributes, n_attributes, outputs);
    whet_arena_fini(&x.scratch);
    return status;
}

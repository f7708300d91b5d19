// SPDX-License-Identifier: Apache-2.0
// Networks: making them, their inputs, constants, nodes and outputs.
#include "base/object.h"
#include "build/network_impl.h"

#include <stdlib.h>
#include <string.h>

whet_status whet_network_create(whet_env *env, whet_graph *graph, whet_network **network,
                                whet_error *err) {
    whet_network *net = calloc(1, sizeof *net);
    if (!net) return WHET_NOMEM(err);
    net->handle.magic = WHET_HANDLE_MAGIC;
    net->env = env;
    net->owns_graph = !graph;
    net->graph = graph ? graph : whet_graph_create(whet_env_ops(env));
    whet_str_init(&net->text);
    whet_arena_init(&net->texts);
    if (!net->graph) {
        whet_network_destroy(net);
        return WHET_NOMEM(err);
    }
    *network = net;
    return WHET_OK;
}

void whet_network_destroy(whet_network *net) {
    if (!net) return;
    for (whet_network *b = net->parent ? NULL : net->next_block, *next; b; b = next) {
        next = b->next_block;
        whet_network_destroy(b);
    }
    if (net->owns_graph) whet_graph_destroy(net->graph);
    for (int32_t i = 0; i < net->n_before; i++) whet_graph_destroy(net->before[i]);
    free((void *)net->before);
    whet_arena_fini(&net->texts);
    whet_str_fini(&net->text);
    free(net);
}

whet_status whet_network_swap(whet_network *net, whet_graph *graph, whet_error *err) {
    if (net->owns_graph) {
        size_t size = ((size_t)net->n_before + 1) * sizeof(whet_graph *);
        whet_graph **grown = realloc((void *)net->before, size);
        if (!grown) return WHET_NOMEM(err);
        net->before = grown;
        net->before[net->n_before++] = net->graph;
    }
    net->graph = graph;
    net->owns_graph = true;
    return WHET_OK;
}

whet_status whet_network_infer(whet_network *net, whet_error *err) {
    whet_graph *g = net->graph->root;
    for (whet_network *b = net; b->parent; b = b->parent)
        if (!b->node) g = b->graph;
    return whet_graph_infer(g, err);
}

// ---- checks ----

bool whet_network_has_value(const whet_network *net, const whet_value *v) {
    return v && v->graph && v->graph->root == net->graph->root;
}

bool whet_network_has_node(const whet_network *net, const whet_node *n) {
    return n && n->graph && n->graph == net->graph;
}

whet_status whet_network_check_value(whet_network *net, const whet_value *v, const char *call) {
    whet_error *err = &net->handle.error;
    if (!v) WHET_FAIL(err, WHET_E_INVALID, "%s: the value is NULL", call);
    if (whet_network_has_value(net, v)) return WHET_OK;
    WHET_FAIL(err, WHET_E_INVALID, "%s: %s%s", call, *v->name ? v->name : "the value",
              v->graph ? " belongs to another network" : " has been removed");
}

whet_status whet_network_check_node(whet_network *net, const whet_node *n, const char *call) {
    whet_error *err = &net->handle.error;
    if (!n) WHET_FAIL(err, WHET_E_INVALID, "%s: the node is NULL", call);
    if (whet_network_has_node(net, n)) return WHET_OK;
    WHET_FAIL(err, WHET_E_INVALID, "%s: %s %s", call, n->name,
              n->graph ? "belongs to another network" : "has been removed");
}

whet_status whet_network_check_name(whet_network *net, const char *name, const char *call) {
    whet_error *err = &net->handle.error;
    if (!name || !*name) WHET_FAIL(err, WHET_E_INVALID, "%s: a name must not be empty", call);
    for (int32_t i = 0; i < net->graph->root->n_values; i++) {
        const whet_value *v = net->graph->root->values[i];
        if (v->graph && !strcmp(v->name, name))
            WHET_FAIL(err, WHET_E_INVALID, "%s: there is a value called %s already", call, name);
    }
    return WHET_OK;
}

whet_status whet_network_check_tensor(whet_network *net, const whet_tensor *t, const char *call) {
    whet_error *err = &net->handle.error;
    if (!t) WHET_FAIL(err, WHET_E_INVALID, "%s: the tensor is NULL", call);
    if (!whet_dtype_known((int32_t)t->dtype) || t->dtype == WHET_DTYPE_NONE)
        WHET_FAIL(err, WHET_E_DTYPE, "%s: there is no data type %d", call, (int)t->dtype);
    if (whet_dtype_is_object(t->dtype))
        WHET_FAIL(err, WHET_E_DTYPE, "%s: a constant cannot be a %s", call,
                  whet_dtype_text(t->dtype));
    if (t->rank < 0 || t->rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_RANGE, "%s: rank %d, expected 0 to %d", call, t->rank,
                  WHET_MAX_RANK);
    int64_t count = whet_tensor_count(t);
    size_t bytes = count < 0 ? SIZE_MAX : whet_tensor_bytes(t->dtype, count);
    if (bytes == SIZE_MAX)
        WHET_FAIL(err, WHET_E_RANGE, "%s: a dimension is negative or the tensor too large", call);
    if (t->bytes != bytes || (bytes && !t->data))
        WHET_FAIL(err, WHET_E_BUFFER, "%s: the tensor has %zu bytes of data, its shape takes %zu",
                  call, t->data ? t->bytes : 0, bytes);
    if (t->dtype == WHET_DTYPE_STRING) {
        whet_status status = whet_texts_check(t->data, count, err);
        if (status != WHET_OK) return whet_error_prefix(err, status, "%s", call);
    }
    return WHET_OK;
}

// ---- inputs ----

static whet_status check_dims(whet_network *net, const char *name, whet_dtype dtype, int32_t rank,
                              const int64_t *dims) {
    whet_error *err = &net->handle.error;
    if (!whet_dtype_known((int32_t)dtype) || dtype == WHET_DTYPE_NONE)
        WHET_FAIL(err, WHET_E_DTYPE, "input %s: there is no data type %d", name, (int)dtype);
    if (rank < -1 || rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_RANGE, "input %s: rank %d, expected -1 to %d", name, rank,
                  WHET_MAX_RANK);
    if (rank > 0 && !dims) WHET_FAIL(err, WHET_E_INVALID, "input %s: dims is NULL", name);
    for (int32_t i = 0; i < rank; i++)
        if (dims[i] < -1)
            WHET_FAIL(err, WHET_E_INVALID, "input %s: dimension %d is %lld, expected -1 or more",
                      name, i, (long long)dims[i]);
    if (rank > 0 && whet_dims_count(dims, rank) == -1) { // too large, or some are dynamic
        int64_t fixed[WHET_MAX_RANK];
        for (int32_t i = 0; i < rank; i++) fixed[i] = dims[i] < 0 ? 1 : dims[i];
        if (whet_dims_count(fixed, rank) < 0)
            WHET_FAIL(err, WHET_E_RANGE, "input %s: its shape is too large", name);
    }
    return WHET_OK;
}

static whet_status set_input_type(whet_network *net, whet_value *v, whet_dtype dtype, int32_t rank,
                                  const int64_t *dims, const char *const *dim_names) {
    whet_graph *g = net->graph;
    whet_dim d[WHET_MAX_RANK];
    const char *names[WHET_MAX_RANK] = {0};
    for (int32_t i = 0; i < rank; i++) {
        d[i] = dims[i];
        if (dims[i] >= 0) continue;
        const char *name = dim_names ? dim_names[i] : NULL;
        if (name && *name == '?')
            WHET_FAIL(&net->handle.error, WHET_E_INVALID,
                      "input %s: the name of a dimension must not begin with '?'", v->name);
        names[i] = name && *name ? whet_arena_strdup(g->arena, name)
                                 : whet_arena_printf(g->arena, "%s_d%d", v->name, i);
        d[i] = names[i] ? whet_dim_named(g->dims, names[i]) : WHET_DIM_ERROR;
        if (whet_dim_is_error(d[i])) return WHET_NOMEM(&net->handle.error);
    }
    whet_value_set_type(v, dtype, rank, d);
    memcpy(v->dim_names, names, sizeof names);
    return WHET_OK;
}

whet_status whet_network_input(whet_network *net, const char *name, whet_dtype dtype, int32_t rank,
                               const int64_t *dims, const char *const *dim_names,
                               whet_value **value) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_name(net, name, "whet_network_input"));
    if (net->node)
        WHET_FAIL(err, WHET_E_INVALID, "%s has its blocks already: no inputs can be added",
                  net->node->name);
    WHET_TRY(check_dims(net, name, dtype, rank, dims));
    whet_value *v = whet_graph_value(net->graph, name);
    if (!v) return WHET_NOMEM(err);
    whet_status status = set_input_type(net, v, dtype, rank, dims, dim_names);
    if (status == WHET_OK && !whet_graph_add_input(net->graph, v)) status = WHET_NOMEM(err);
    if (status != WHET_OK) {
        v->graph = NULL;
        return status;
    }
    whet_network_input_first(net);
    if (value) *value = v;
    return WHET_OK;
}

static bool is_input(const whet_network *net, const whet_value *v) {
    for (int32_t i = 0; i < net->graph->n_inputs; i++)
        if (net->graph->inputs[i] == v) return true;
    return false;
}

whet_status whet_network_set_input_type(whet_network *net, whet_value *v, whet_dtype dtype,
                                        int32_t rank, const int64_t *dims,
                                        const char *const *dim_names) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_set_input_type"));
    if (!is_input(net, v))
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_set_input_type: %s is no input",
                  *v->name ? v->name : "the value");
    WHET_TRY(check_dims(net, v->name, dtype, rank, dims));
    whet_value before = *v;
    whet_status status = set_input_type(net, v, dtype, rank, dims, dim_names);
    if (status == WHET_OK) status = whet_network_infer(net, err);
    if (status == WHET_OK) return WHET_OK;
    v->type = before.type;
    v->type_set = before.type_set;
    memcpy(v->dim_names, before.dim_names, sizeof v->dim_names);
    whet_network_infer(net, NULL);
    return status;
}

// ---- constants ----

whet_status whet_network_constant(whet_network *net, const char *name, const whet_tensor *tensor,
                                  bool copy, whet_value **value) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_tensor(net, tensor, "whet_network_constant"));
    if (name) WHET_TRY(whet_network_check_name(net, name, "whet_network_constant"));
    whet_value *v = whet_graph_constant(net->graph, name ? name : "", tensor, copy);
    if (!v) return WHET_NOMEM(&net->handle.error);
    if (value) *value = v;
    return WHET_OK;
}

// ---- outputs ----

whet_status whet_network_mark_output(whet_network *net, whet_value *v, const char *name) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_mark_output"));
    const whet_graph *g = net->graph;
    if (net->node)
        WHET_FAIL(err, WHET_E_INVALID, "%s has its blocks already: no outputs can be added",
                  net->node->name);
    if (!whet_network_encloses(net, v))
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_mark_output: the value is of another block");
    v = whet_network_capture(net, v, err);
    if (!v) return err->status;
    if (!name && g->parent) name = whet_arena_printf(g->arena, "result%d", g->n_outputs);
    if (!name) name = v->name;
    if (!*name)
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_mark_output: the value has no name, give one");
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (!strcmp(g->output_names[i], name))
            WHET_FAIL(err, WHET_E_INVALID, "there is an output called %s already", name);
    return whet_graph_add_output(net->graph, v, name) ? WHET_OK : WHET_NOMEM(err);
}

whet_status whet_network_unmark_output(whet_network *net, whet_value *v) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_unmark_output"));
    whet_graph *g = net->graph;
    int32_t n = 0;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        if (g->outputs[i] == v) continue;
        g->outputs[n] = g->outputs[i];
        g->output_names[n++] = g->output_names[i];
    }
    v->n_uses -= g->n_outputs - n;
    bool found = n < g->n_outputs;
    g->n_outputs = n;
    if (!found)
        WHET_FAIL(&net->handle.error, WHET_E_NOT_FOUND, "%s is no output of the network",
                  *v->name ? v->name : "the value");
    return WHET_OK;
}

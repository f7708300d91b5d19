// SPDX-License-Identifier: Apache-2.0
// Looking at a network.
#include <math.h>
#include <string.h>

#include "build/network_impl.h"

const char *whet_network_name(const whet_network *net) { return net ? net->graph->name : NULL; }

whet_status whet_network_set_name(whet_network *net, const char *name) {
    if (!net) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    const char *copy = whet_arena_strdup(net->graph->arena, name ? name : "");
    if (!copy) return WHET_NOMEM(&net->handle.error);
    net->graph->name = copy;
    return WHET_OK;
}

int32_t whet_network_input_count(const whet_network *net) { return net ? net->graph->n_inputs : 0; }

whet_value *whet_network_input_at(const whet_network *net, int32_t i) {
    return net && i >= 0 && i < net->graph->n_inputs ? net->graph->inputs[i] : NULL;
}

int32_t whet_network_output_count(const whet_network *net) {
    return net ? net->graph->n_outputs : 0;
}

whet_value *whet_network_output_at(const whet_network *net, int32_t i, const char **name) {
    if (!net || i < 0 || i >= net->graph->n_outputs) return NULL;
    if (name) *name = net->graph->output_names[i];
    return net->graph->outputs[i];
}

// ---- nodes ----

int32_t whet_network_node_count(const whet_network *net) {
    int32_t count = 0;
    if (!net) return 0;
    WHET_FOR_NODES(net->graph, n) count += !n->recipe;
    return count;
}

whet_node *whet_network_next_node(const whet_network *net, const whet_node *node) {
    if (!net || (node && !whet_network_has_node(net, node))) return NULL;
    whet_node *n = node ? node->next : net->graph->first;
    while (n && n->recipe) n = n->next;
    return n;
}

whet_node *whet_network_find_node(const whet_network *net, const char *name) {
    if (!net || !name) return NULL;
    WHET_FOR_NODES(net->graph, n) if (!n->recipe && !strcmp(n->name, name)) return n;
    return NULL;
}

whet_status whet_network_node(whet_network *net, const whet_node *n, whet_node_info *info) {
    if (!net || !info) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_node"));
    *info = (whet_node_info){n->name, n->op->name, n->n_in, n->n_out, n->op->n_attrs,
                             n->n_subgraphs};
    return WHET_OK;
}

whet_value *whet_network_node_input(const whet_network *net, const whet_node *n, int32_t i) {
    return net && whet_network_has_node(net, n) && i >= 0 && i < n->n_in ? n->in[i] : NULL;
}

whet_value *whet_network_node_output(const whet_network *net, const whet_node *n, int32_t i) {
    return net && whet_network_has_node(net, n) && i >= 0 && i < n->n_out ? n->out[i] : NULL;
}

// ---- values ----

whet_value *whet_network_find_value(const whet_network *net, const char *name) {
    if (!net || !name || !*name) return NULL;
    for (int32_t i = 0; i < net->graph->root->n_values; i++) {
        whet_value *v = net->graph->root->values[i];
        if (v->graph == net->graph && !strcmp(v->name, name)) return v;
    }
    return NULL;
}

static const char *dim_text(whet_network *net, whet_dim d) {
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(net->graph->dims, d, &s);
    const char *text = s.failed ? NULL : whet_arena_strdup(&net->texts, whet_str_text(&s));
    whet_str_fini(&s);
    return text;
}

whet_status whet_network_value(whet_network *net, const whet_value *v, whet_io_info *info) {
    if (!net || !info) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_value"));
    whet_arena_reset(&net->texts);
    whet_io_info out = {.name = v->name, .dtype = v->type.dtype, .rank = v->type.rank};
    for (int32_t i = 0; i < v->type.rank; i++) {
        whet_dim d = v->type.dims[i];
        out.dims[i] = whet_dim_is_const(d) ? d : -1;
        if (whet_dim_is_const(d)) continue;
        out.dim_names[i] = dim_text(net, d);
        if (!out.dim_names[i]) return WHET_NOMEM(err);
    }
    *info = out;
    return WHET_OK;
}

whet_status whet_network_value_data(whet_network *net, const whet_value *v, whet_tensor *tensor) {
    if (!net || !tensor) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_value(net, v, "whet_network_value_data"));
    if (!v->data)
        WHET_FAIL(&net->handle.error, WHET_E_INVALID, "%s is no constant",
                  *v->name ? v->name : "the value");
    *tensor = *v->data;
    return WHET_OK;
}

whet_node *whet_network_producer(const whet_network *net, const whet_value *v) {
    return net && whet_network_has_value(net, v) && !v->data ? v->producer : NULL;
}

static bool uses(const whet_node *n, const whet_value *v) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] == v) return true;
    return false;
}

whet_node *whet_network_next_user(const whet_network *net, const whet_value *v,
                                  const whet_node *node) {
    if (!net || !whet_network_has_value(net, v)) return NULL;
    whet_node *n = whet_network_next_node(net, node);
    while (n && !uses(n, v)) n = whet_network_next_node(net, n);
    return n;
}

// ---- texts ----

const char *whet_network_text(whet_network *net, int32_t max_data) {
    if (!net) return NULL;
    whet_error_clear(&net->handle.error);
    whet_str_clear(&net->text);
    whet_graph_print(net->graph, &net->text, max_data);
    if (!net->text.failed) return whet_str_text(&net->text);
    WHET_NOMEM(&net->handle.error);
    return NULL;
}

static void write_args(whet_str *s, const char *key, const whet_arg *args, int32_t n) {
    whet_json_array(s, key);
    for (int32_t i = 0; i < n; i++) {
        whet_json_object(s, NULL);
        whet_json_text(s, "name", args[i].name);
        whet_json_bool(s, "optional", args[i].flags & WHET_ARG_OPTIONAL);
        whet_json_bool(s, "variadic", args[i].flags & WHET_ARG_VARIADIC);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

static const char *type_text(whet_attr_type type) {
    switch (type) {
    case WHET_ATTR_INT: return "int";
    case WHET_ATTR_FLOAT: return "float";
    case WHET_ATTR_BOOL: return "bool";
    case WHET_ATTR_ENUM: return "choice";
    case WHET_ATTR_DTYPE: return "dtype";
    case WHET_ATTR_STRING: return "text";
    case WHET_ATTR_INTS: return "ints";
    case WHET_ATTR_FLOATS: return "floats";
    case WHET_ATTR_STRINGS: return "texts";
    case WHET_ATTR_TENSOR: return "tensor";
    }
    return "?";
}

static void write_default(whet_str *s, const whet_attr *a) {
    bool number = a->type == WHET_ATTR_INT || a->type == WHET_ATTR_FLOAT;
    if (a->required) return;
    if (number && a->def != (double)WHET_ATTR_ABSENT) whet_json_double(s, "default", a->def);
    else if (a->type == WHET_ATTR_BOOL) whet_json_bool(s, "default", a->def != 0);
    else if (a->type == WHET_ATTR_ENUM) whet_json_text(s, "default", a->choices[(int)a->def]);
    else if (a->type == WHET_ATTR_STRING) whet_json_text(s, "default", a->def_text);
}

static void write_attrs(whet_str *s, const whet_op *op) {
    whet_json_array(s, "attributes");
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const whet_attr *a = &op->attrs[i];
        whet_json_object(s, NULL);
        whet_json_text(s, "name", a->name);
        whet_json_text(s, "type", type_text(a->type));
        whet_json_bool(s, "required", a->required);
        write_default(s, a);
        if (a->choices) whet_json_array(s, "choices");
        for (int32_t k = 0; a->choices && a->choices[k]; k++)
            whet_json_text(s, NULL, a->choices[k]);
        if (a->choices) whet_json_end_array(s);
        whet_json_end_object(s);
    }
    whet_json_end_array(s);
}

const char *whet_network_operators(whet_network *net) {
    if (!net) return NULL;
    whet_error_clear(&net->handle.error);
    whet_str *s = &net->text;
    whet_str_clear(s);
    whet_json_object(s, NULL);
    for (int32_t i = 0; i < net->graph->ops->n; i++) {
        const whet_op *op = net->graph->ops->ops[i];
        whet_json_object(s, op->name);
        write_args(s, "inputs", op->in, op->n_in);
        write_args(s, "outputs", op->out, op->n_out);
        write_attrs(s, op);
        whet_json_end_object(s);
    }
    whet_json_end_object(s);
    if (!s->failed) return whet_str_text(s);
    WHET_NOMEM(&net->handle.error);
    return NULL;
}

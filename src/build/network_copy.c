// SPDX-License-Identifier: Apache-2.0
// What leaves a network: an ONNX file, and what a build optimizes, a copy with the shapes that the
// configuration fixes.
#include <string.h>

#include "build/network_impl.h"
#include "onnx/onnx_write.h"

typedef struct {
    const whet_network *net;
    const whet_import_shape *shapes;
    int32_t n_shapes;
    whet_error *err;
} fixing;

static const whet_import_shape *shape_of(const fixing *x, const char *input) {
    for (int32_t i = 0; i < x->n_shapes; i++)
        if (!strcmp(x->shapes[i].input, input)) return &x->shapes[i];
    return NULL;
}

// Whether a given shape fixes the dimension `name`; its size then.
static bool fixed_by(const fixing *x, const whet_value *v, const char *name, int64_t *size) {
    const whet_import_shape *s = shape_of(x, v->name);
    for (int32_t i = 0; s && i < v->type.rank; i++) {
        if (s->dims[i] < 0 || !v->dim_names[i] || strcmp(v->dim_names[i], name)) continue;
        *size = s->dims[i];
        return true;
    }
    return false;
}

static int64_t lookup(void *user, const char *name) {
    const fixing *x = user;
    const whet_graph *g = x->net->graph;
    int64_t size;
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (fixed_by(x, g->inputs[i], name, &size)) return size;
    return -1;
}

static void fix_input(void *user, whet_value *copy) {
    const whet_import_shape *s = shape_of(user, copy->name);
    if (!s || copy->type.rank >= 0) return;
    whet_value_set_type(copy, copy->type.dtype, s->rank, s->dims);
    whet_graph *g = copy->graph;
    for (int32_t i = 0; i < s->rank; i++) {
        if (s->dims[i] >= 0) continue;
        copy->dim_names[i] = whet_arena_printf(g->arena, "%s_d%d", copy->name, i);
        copy->type.dims[i] =
            copy->dim_names[i] ? whet_dim_named(g->dims, copy->dim_names[i]) : WHET_DIM_ERROR;
    }
}

static whet_status check_input(fixing *x, const whet_value *v) {
    const whet_import_shape *s = shape_of(x, v->name);
    if (!s || v->type.rank < 0) return WHET_OK;
    if (s->rank != v->type.rank)
        WHET_FAIL(x->err, WHET_E_SHAPE, "the shape given for input '%s' has %d dimensions, not %d",
                  v->name, s->rank, v->type.rank);
    for (int32_t i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0) continue;
        int64_t want = whet_dim_is_const(v->type.dims[i]) ? v->type.dims[i]
                       : v->dim_names[i]                  ? lookup(x, v->dim_names[i])
                                                          : s->dims[i];
        if (want != s->dims[i])
            WHET_FAIL(x->err, WHET_E_SHAPE,
                      "dimension %d of input '%s' is %lld, %lld in the given shape", i, v->name,
                      (long long)want, (long long)s->dims[i]);
    }
    return WHET_OK;
}

static whet_status check_shapes(fixing *x) {
    const whet_graph *g = x->net->graph;
    for (int32_t i = 0; i < g->n_inputs; i++) WHET_TRY(check_input(x, g->inputs[i]));
    for (int32_t i = 0; i < x->n_shapes; i++) {
        bool found = false;
        for (int32_t k = 0; k < g->n_inputs; k++)
            found = found || !strcmp(g->inputs[k]->name, x->shapes[i].input);
        if (!found)
            WHET_FAIL(x->err, WHET_E_INVALID, "a shape is given for '%s', which is no input",
                      x->shapes[i].input);
    }
    return WHET_OK;
}

whet_status whet_network_copy(const whet_network *net, const whet_import_shape *shapes,
                              int32_t n_shapes, whet_graph **graph, whet_error *err) {
    fixing x = {net, shapes, n_shapes, err};
    if (!net->graph->n_outputs)
        WHET_FAIL(err, WHET_E_INVALID, "the network has no outputs: mark one");
    WHET_TRY(check_shapes(&x));
    whet_clone_options o = {.user = &x, .fixed = lookup, .input = fix_input};
    whet_graph *copy;
    WHET_TRY(whet_graph_clone(net->graph, &o, &copy, err));
    if (!copy->n_imported_nodes) copy->n_imported_nodes = whet_network_node_count(net);
    *graph = copy;
    return WHET_OK;
}

whet_status whet_network_save_onnx(whet_network *net, const char *path, bool external) {
    if (!net) return WHET_E_INVALID;
    whet_error *err = &net->handle.error;
    whet_error_clear(err);
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_network_save_onnx: path is NULL");
    if (net->graph->parent)
        WHET_FAIL(err, WHET_E_INVALID, "whet_network_save_onnx: a block cannot be a model");
    if (!net->graph->n_outputs)
        WHET_FAIL(err, WHET_E_INVALID, "the network has no outputs: mark one");
    whet_onnx_write_options o = {.path = path, .external = external};
    return whet_onnx_write(net->graph, &o, err);
}

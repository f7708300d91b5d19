// SPDX-License-Identifier: Apache-2.0
// What enters and leaves the graph: constants, inputs with their named dimensions, outputs;
// declared types.
#include <string.h>

#include "onnx/importer.h"
#include "onnx/onnx_tensor.h"

// ---- constants ----

// In subgraphs names must be made unique.
static whet_value *make_constant(whet_importer *imp, const whet_scope *scope, const char *name,
                                 const whet_tensor *data) {
    if (scope->caller) name = whet_import_unique(imp, &imp->value_names, scope->prefix, name);
    whet_value *v = name ? whet_graph_constant(imp->graph, name, data, false) : NULL;
    if (!v && !imp->stopped) whet_import_nomem(imp);
    return v;
}

// The binding of a new constant; NULL when it has none, or it has been reported why.
static whet_binding *name_constant(whet_importer *imp, whet_scope *scope, const char *name) {
    whet_binding *b = whet_scope_put(imp, scope, name);
    if (!b) return NULL;
    if (!*name || b->defined) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                *name ? "initializer '%s' is there twice"
                                      : "an initializer has no name%s",
                                name);
        return NULL;
    }
    b->defined = true;
    return b;
}

static void add_constant(whet_importer *imp, whet_scope *scope, const whet_onnx_tensor *t,
                         const whet_onnx_sparse *sparse) {
    const char *name = t ? t->name : sparse->values.name;
    whet_binding *b = name_constant(imp, scope, name);
    whet_external *ext = &imp->import->external;
    whet_tensor data;
    if (!b) return;
    whet_status status = t ? whet_onnx_tensor_load(t, imp->arena, ext, &data, imp->err)
                           : whet_onnx_sparse_load(sparse, imp->arena, ext, &imp->sparse_room,
                                                   &data, imp->err);
    if (status != WHET_OK) {
        whet_import_problem_add(imp, NULL, status, "%s", imp->err->text);
        return;
    }
    b->value = make_constant(imp, scope, name, &data);
}

void whet_import_constants(whet_importer *imp, whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    for (int32_t i = 0; i < g->n_initializers && !imp->stopped; i++)
        add_constant(imp, scope, &g->initializers[i], NULL);
    for (int32_t i = 0; i < g->n_sparse && !imp->stopped; i++)
        add_constant(imp, scope, NULL, &g->sparse[i]);
}

// ---- declared types ----

static bool type_of(const whet_onnx_value *info, whet_dtype *dtype) {
    *dtype = info->object ? info->object : (whet_dtype)info->elem_type;
    if (info->object) return true;
    return info->kind && !strcmp(info->kind, "tensor") && whet_dtype_known(info->elem_type) &&
           WHET_DTYPES_TENSOR >> info->elem_type & 1;
}

static void set_type(whet_value *v, const whet_onnx_value *info, whet_dtype dtype, int32_t rank) {
    v->type.dtype = dtype;
    v->type.rank = info->object ? 0 : rank;
    v->type.elem = info->elem;
    v->type_set = WHET_DTYPE_BIT(dtype);
}

whet_value *whet_import_stand_in(whet_importer *imp, const whet_onnx_value *info) {
    whet_dtype dtype;
    if (!type_of(info, &dtype) || info->rank > WHET_MAX_RANK) return NULL;
    whet_value *v = whet_graph_value(imp->graph, NULL);
    if (!v) return whet_import_nomem(imp), NULL;
    set_type(v, info, dtype, info->rank);
    for (int32_t i = 0; i < info->rank; i++)
        v->type.dims[i] = info->dims[i].value >= 0 ? info->dims[i].value
                                                   : whet_dim_fresh(imp->graph->dims);
    return v;
}

static bool dims_agree(const whet_value *v, const whet_onnx_value *info) {
    for (int32_t i = 0; i < info->rank; i++) {
        whet_dim d = v->type.dims[i];
        if (whet_dim_is_const(d) && info->dims[i].value >= 0 && d != info->dims[i].value)
            return false;
    }
    return true;
}

static void print_info(const whet_onnx_value *info, whet_str *s) {
    whet_str_add(s, "[");
    for (int32_t i = 0; i < info->rank; i++) {
        const whet_onnx_dim *d = &info->dims[i];
        if (i) whet_str_add(s, ",");
        if (d->value >= 0) whet_str_printf(s, "%lld", (long long)d->value);
        else whet_str_add(s, d->param ? d->param : "?");
    }
    whet_str_add(s, "]");
}

static void note_misdeclared(whet_importer *imp, const char *text) {
    if (imp->import->n_misdeclared++ == 0)
        imp->import->misdeclared = whet_arena_strdup(imp->arena, text);
}

// strict: another shape is an error.
static void compare(whet_importer *imp, const whet_import_node *n, const whet_value *v,
                    const whet_onnx_value *info, bool strict) {
    if (!v || !info || !info->kind) return;
    bool tensor = !strcmp(info->kind, "tensor");
    whet_elem elem;
    if (info->object && info->object == v->type.dtype &&
        whet_elem_merge(info->elem, v->type.elem, &elem))
        return;
    if (!tensor || (info->elem_type && info->elem_type != (int32_t)v->type.dtype)) {
        whet_import_problem_add(imp, n, WHET_E_DTYPE, "'%s' is declared as %s, but it is %s",
                                info->name,
                                tensor ? whet_onnx_dtype_text(info->elem_type) : info->kind,
                                whet_onnx_dtype_text((int32_t)v->type.dtype));
        return;
    }
    if (info->rank < 0 || v->type.rank < 0) return;
    if (info->rank == v->type.rank && dims_agree(v, info)) return;
    whet_str text;
    whet_str_init(&text);
    whet_str_printf(&text, "'%s' is declared with shape ", info->name);
    print_info(info, &text);
    whet_str_add(&text, ", but it is ");
    whet_import_type_print(imp->graph, v, &text);
    if (strict) whet_import_problem_add(imp, n, WHET_E_SHAPE, "%s", whet_str_text(&text));
    else note_misdeclared(imp, whet_str_text(&text));
    whet_str_fini(&text);
}

void whet_import_compare(whet_importer *imp, const whet_import_node *n, const whet_value *v,
                         const whet_onnx_value *info) {
    compare(imp, n, v, info, false);
}

// ---- inputs ----

enum { MAX_DIM_NAME = 128 };

static const char *input_dim_name(whet_importer *imp, const whet_onnx_value *info, int32_t i) {
    const char *param = info->dims[i].param;
    if (param && strlen(param) <= MAX_DIM_NAME)
        return *param == '?' ? whet_arena_printf(imp->arena, "_%s", param) : param;
    return whet_arena_printf(imp->arena, "%.*s_d%d", MAX_DIM_NAME, info->name, i);
}

static const whet_import_shape *shape_of(const whet_importer *imp, const char *input) {
    for (int32_t i = 0; i < imp->options->n_shapes; i++)
        if (!strcmp(imp->options->shapes[i].input, input)) return &imp->options->shapes[i];
    return NULL;
}

// A named dimension that one given shape fixes is fixed in every input.
static void fix_dim(whet_importer *imp, const whet_onnx_value *info, int32_t i, int64_t size) {
    const char *name = input_dim_name(imp, info, i);
    whet_name_slot *slot = name ? whet_names_put(&imp->dim_values, imp->arena, name) : NULL;
    if (slot && !slot->item) slot->item = whet_arena_memdup(imp->arena, &size, sizeof size);
    if (!slot || !slot->item) {
        whet_import_nomem(imp);
        return;
    }
    int64_t before = *(int64_t *)slot->item;
    if (before != size)
        whet_import_problem_add(imp, NULL, WHET_E_SHAPE,
                                "the given shapes make dimension '%s' both %lld and %lld", name,
                                (long long)before, (long long)size);
}

// Numbers for an integer input of fixed shape that are no shape of it are its contents, for
// profiles and runs; nothing to fix.
static bool are_contents(const whet_onnx_value *info, const whet_import_shape *shape) {
    whet_dtype dtype;
    int64_t count = 1;
    if (!type_of(info, &dtype) || !whet_dtype_is_int(dtype)) return false;
    bool same = shape->rank == info->rank;
    for (int32_t i = 0; i < info->rank; i++) {
        int64_t n = info->dims[i].value;
        if (n < 0 || __builtin_mul_overflow(count, n, &count)) return false;
        same = same && (shape->dims[i] < 0 || shape->dims[i] == n);
    }
    return !same && count == shape->rank;
}

static void fix_dims(whet_importer *imp, const whet_onnx_value *info) {
    const whet_import_shape *shape = shape_of(imp, info->name);
    if (!shape || info->rank < 0 || are_contents(info, shape)) return;
    if (shape->rank != info->rank) {
        whet_import_problem_add(imp, NULL, WHET_E_SHAPE,
                                "the shape given for input '%s' has %d dimensions, not %d",
                                info->name, shape->rank, info->rank);
        return;
    }
    for (int32_t i = 0; i < info->rank; i++) {
        int64_t fixed = info->dims[i].value;
        if (fixed < 0 && shape->dims[i] >= 0) fix_dim(imp, info, i, shape->dims[i]);
        else if (fixed >= 0 && shape->dims[i] >= 0 && fixed != shape->dims[i])
            whet_import_problem_add(
                imp, NULL, WHET_E_SHAPE,
                "dimension %d of input '%s' is %lld in the model, %lld in the given shape", i,
                info->name, (long long)fixed, (long long)shape->dims[i]);
    }
}

static void set_input_dims(whet_importer *imp, whet_value *v, const whet_onnx_value *info) {
    for (int32_t i = 0; i < info->rank; i++) {
        v->type.dims[i] = info->dims[i].value;
        if (info->dims[i].value >= 0) continue;
        const char *name = input_dim_name(imp, info, i);
        const int64_t *fixed = name ? whet_names_get(&imp->dim_values, name) : NULL;
        char *own = name ? whet_arena_strdup(imp->graph->arena, name) : NULL;
        if (fixed) v->type.dims[i] = *fixed;
        else v->type.dims[i] = own ? whet_dim_named(imp->graph->dims, own) : WHET_DIM_ERROR;
        if (!fixed) v->dim_names[i] = own;
        if (whet_dim_is_error(v->type.dims[i])) whet_import_nomem(imp);
    }
}

// An input without any shape takes the given one.
static int32_t take_rank(whet_importer *imp, whet_value *v, const whet_onnx_value *info) {
    const whet_import_shape *shape = shape_of(imp, info->name);
    if (info->rank >= 0 || !shape) return info->rank;
    for (int32_t i = 0; i < shape->rank; i++) {
        v->type.dims[i] = shape->dims[i];
        if (shape->dims[i] >= 0) continue;
        char *name = whet_arena_printf(imp->graph->arena, "%.*s_d%d", MAX_DIM_NAME, info->name, i);
        v->type.dims[i] = name ? whet_dim_named(imp->graph->dims, name) : WHET_DIM_ERROR;
        v->dim_names[i] = name;
        if (whet_dim_is_error(v->type.dims[i])) whet_import_nomem(imp);
    }
    return shape->rank;
}

static whet_value *make_input(whet_importer *imp, const whet_onnx_value *info) {
    whet_dtype dtype;
    if (!type_of(info, &dtype)) {
        bool tensor = info->kind && !strcmp(info->kind, "tensor");
        whet_import_problem_add(imp, NULL, WHET_E_UNSUPPORTED,
                                "input '%s' of type %s is not supported", info->name,
                                tensor ? whet_onnx_dtype_text(info->elem_type)
                                : info->kind ? info->kind : "unknown");
        return NULL;
    }
    if (info->rank > WHET_MAX_RANK) {
        whet_import_problem_add(imp, NULL, WHET_E_UNSUPPORTED,
                                "input '%s' has %d dimensions; at most %d are supported",
                                info->name, info->rank, WHET_MAX_RANK);
        return NULL;
    }
    whet_value *v = whet_graph_value(imp->graph, info->name);
    if (!v) return whet_import_nomem(imp), NULL;
    set_type(v, info, dtype, take_rank(imp, v, info));
    set_input_dims(imp, v, info);
    if (!whet_graph_add_input(imp->graph, v)) whet_import_nomem(imp);
    return v;
}

static void add_input(whet_importer *imp, whet_scope *scope, const whet_onnx_value *info) {
    whet_binding *b = whet_scope_put(imp, scope, info->name);
    if (!b) return;
    if (!*info->name || (b->defined && b->node != -1)) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                *info->name ? "input '%s' is there twice"
                                            : "an input of the graph has no name%s",
                                info->name);
    } else if (b->defined) { // the default of an input makes it a constant
        compare(imp, NULL, b->value, info, true);
    } else {
        b->value = make_input(imp, info);
        b->defined = true;
    }
    b->node = -2; // seen
}

static void list_inputs(const whet_onnx_graph *g, const whet_scope *scope, whet_str *s) {
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const whet_binding *b = whet_scope_find(scope, g->inputs[i].name);
        if (b && b->value && b->value->data) continue;
        if (s->len) whet_str_add(s, ", ");
        whet_str_add(s, g->inputs[i].name);
    }
}

static void check_given_shapes(whet_importer *imp, const whet_scope *scope) {
    for (int32_t i = 0; i < imp->options->n_shapes; i++) {
        const char *input = imp->options->shapes[i].input;
        bool found = false;
        for (int32_t k = 0; k < scope->graph->n_inputs; k++)
            found |= !strcmp(scope->graph->inputs[k].name, input);
        if (found) continue;
        whet_str names;
        whet_str_init(&names);
        list_inputs(scope->graph, scope, &names);
        whet_import_problem_add(imp, NULL, WHET_E_INVALID,
                                "a shape is given for '%s', but the inputs are: %s", input,
                                whet_str_text(&names));
        whet_str_fini(&names);
    }
}

void whet_import_inputs(whet_importer *imp, whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    if (imp->options->n_shapes)
        for (int32_t i = 0; i < g->n_inputs && !imp->stopped; i++) fix_dims(imp, &g->inputs[i]);
    for (int32_t i = 0; i < g->n_inputs && !imp->stopped; i++)
        add_input(imp, scope, &g->inputs[i]);
    check_given_shapes(imp, scope);
}

// ---- outputs ----

// Nothing but the caller wants it whole.
static whet_value *list_output(whet_importer *imp, whet_scope *scope, const whet_binding *b,
                               const char *name) {
    whet_onnx_node none = {.name = name, .op_type = "", .domain = ""};
    whet_import_node n = {.imp = imp, .scope = scope, .onnx = &none, .name = name};
    whet_value *v = whet_import_list_value(&n, b->list);
    if (v && !*v->name) v->name = whet_arena_strdup(imp->graph->arena, name);
    return v;
}

static void add_output(whet_importer *imp, whet_scope *scope, whet_names *seen,
                       const whet_onnx_value *info) {
    whet_binding *b = *info->name ? whet_scope_find(scope, info->name) : NULL;
    whet_name_slot *slot = whet_names_put(seen, imp->arena, info->name);
    if (!slot) {
        whet_import_nomem(imp);
        return;
    }
    if (slot->item) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL, "output '%s' is there twice", info->name);
        return;
    }
    slot->item = slot;
    if (!b || (!b->defined && b->node < 0)) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                "output '%s' of the graph is not defined by any node", info->name);
        return;
    }
    if (b->list) b->value = list_output(imp, scope, b, info->name);
    if (!b->value) return; // a problem before
    whet_import_compare(imp, NULL, b->value, info);
    if (!whet_graph_add_output(imp->graph, b->value, info->name)) whet_import_nomem(imp);
}

void whet_import_outputs(whet_importer *imp, whet_scope *scope) {
    const whet_onnx_graph *g = scope->graph;
    whet_names seen = {0};
    if (!g->n_outputs)
        whet_import_problem_add(imp, NULL, WHET_E_MODEL, "the graph has no outputs");
    for (int32_t i = 0; i < g->n_outputs && !imp->stopped; i++)
        add_output(imp, scope, &seen, &g->outputs[i]);
}

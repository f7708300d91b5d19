// SPDX-License-Identifier: Apache-2.0
#include "onnx/import_ctx.h"

#include <string.h>

#include "onnx/importer.h"

// ---- looking ----

const whet_onnx_attr *whet_import_attr(whet_import_node *n, const char *name) {
    for (int32_t i = 0; i < n->onnx->n_attrs; i++) {
        if (strcmp(n->onnx->attrs[i].name, name)) continue;
        n->used[i] = true;
        return &n->onnx->attrs[i];
    }
    return NULL;
}

const whet_onnx_attr *whet_import_attr_of(whet_import_node *n, const char *name, int32_t type) {
    const whet_onnx_attr *a = whet_import_attr(n, name);
    if (a && a->type == type && ((type == WHET_ONNX_TENSOR && !a->t.data) ||
                                 (type == WHET_ONNX_SPARSE_TENSOR && !a->sparse.data))) {
        whet_import_fail(n, WHET_E_MODEL, "attribute '%s' has no value", name);
        return NULL;
    }
    if (!a || a->type == type) return a;
    // an empty list has no elements to tell its type in files without types
    if (!a->type && (type == WHET_ONNX_INTS || type == WHET_ONNX_FLOATS ||
                     type == WHET_ONNX_STRINGS)) return a;
    whet_import_fail(n, WHET_E_MODEL, "attribute '%s' is of type %s instead of %s", name,
                     whet_onnx_attr_type_text(a->type), whet_onnx_attr_type_text(type));
    return NULL;
}

int64_t whet_import_int(whet_import_node *n, const char *name, int64_t def) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_INT);
    return a ? a->i : def;
}

float whet_import_float(whet_import_node *n, const char *name, float def) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_FLOAT);
    return a ? a->f : def;
}

const char *whet_import_string(whet_import_node *n, const char *name, const char *def) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_STRING);
    if (!a) return def;
    char *text = whet_arena_strndup(n->imp->arena, (const char *)a->s.data, a->s.size);
    if (!text) whet_import_nomem(n->imp);
    return text ? text : def;
}

bool whet_import_ints(whet_import_node *n, const char *name, whet_ints *ints) {
    const whet_onnx_attr *a = whet_import_attr_of(n, name, WHET_ONNX_INTS);
    *ints = a ? a->ints : (whet_ints){0};
    return a != NULL;
}

void whet_import_ignore(whet_import_node *n, const char *name) { whet_import_attr(n, name); }

bool whet_import_known(const whet_value *v, int64_t *number) {
    if (!v || v->type.dtype == WHET_DTYPE_NONE || !whet_dtype_is_integral(v->type.dtype) ||
        whet_value_count(v) != 1)
        return false;
    whet_value_decide(v);
    if (v->data) *number = whet_load_i64(v->data->data, v->data->dtype, 0);
    else if (v->type.value && whet_dim_is_const(v->type.value[0])) *number = v->type.value[0];
    else return false;
    return true;
}

bool whet_import_wants(const whet_import_node *n, int32_t i) {
    return i < n->onnx->n_out && *n->onnx->out[i];
}

int32_t whet_import_rank_known(whet_import_node *n, const whet_value *v, const char *what) {
    int32_t rank = whet_import_rank(v);
    if (rank < 0)
        whet_import_fail(n, WHET_E_UNSUPPORTED, "the number of dimensions of %s must be known",
                         what);
    return rank;
}

int32_t whet_import_axis(whet_import_node *n, int64_t axis, int32_t rank) {
    if (axis >= -rank && axis < rank) return (int32_t)(axis < 0 ? axis + rank : axis);
    whet_import_fail(n, WHET_E_RANGE, "axis %lld is outside of [%d, %d]", (long long)axis, -rank,
                     rank - 1);
    return 0;
}

// ---- making ----

static bool set_choice(const whet_attr *row, const char *text, int32_t *slot) {
    for (int32_t i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], text)) continue;
        *slot = i;
        return true;
    }
    return false;
}

// Saturates: an attribute near 2^63 rounds up to it on its way through a double.
static int64_t whole(double x) {
    if (x >= 0x1p63) return INT64_MAX;
    return x >= -0x1p63 ? (int64_t)x : INT64_MIN;
}

static bool apply_set(const whet_op *op, const whet_import_set *set, void *attrs) {
    const whet_attr *row = whet_op_attr_find(op, set->name);
    if (!row) return false;
    void *slot = (char *)attrs + row->offset;
    switch (row->type) {
    case WHET_ATTR_INT: *(int64_t *)slot = whole(set->number); return true;
    case WHET_ATTR_FLOAT: *(float *)slot = (float)set->number; return true;
    case WHET_ATTR_BOOL: *(bool *)slot = set->number != 0; return true;
    case WHET_ATTR_ENUM:
        if (set->text) return set_choice(row, set->text, slot);
        *(int32_t *)slot = (int32_t)set->number;
        return true;
    case WHET_ATTR_DTYPE: *(int32_t *)slot = (int32_t)set->number; return true;
    case WHET_ATTR_STRING: *(const char **)slot = set->text; return true;
    case WHET_ATTR_INTS: *(whet_ints *)slot = set->ints; return true;
    case WHET_ATTR_FLOATS: *(whet_floats *)slot = set->floats; return true;
    case WHET_ATTR_STRINGS: *(whet_strings *)slot = set->strings; return true;
    case WHET_ATTR_TENSOR: *(const whet_tensor **)slot = set->tensor; return true;
    }
    return false;
}

static bool apply_sets(whet_import_node *n, const whet_op *op, const whet_import_set *sets,
                       void *attrs) {
    for (; sets && sets->name; sets++)
        if (!apply_set(op, sets, attrs)) {
            whet_import_fail(n, WHET_E_INTERNAL, "%s has no attribute '%s' of that kind", op->name,
                             sets->name);
            return false;
        }
    return true;
}

// The first node that an ONNX node becomes has its name, the others one with their operator's.
static const char *node_name(whet_import_node *n, const whet_op *op) {
    if (n->n_emitted++ == 0) return n->name;
    const char *prefix = whet_arena_printf(n->imp->arena, "%s/", n->name);
    return prefix ? whet_import_unique(n->imp, &n->imp->node_names, prefix, op->name) : NULL;
}

// A node without absent inputs at the end. attrs is copied.
static whet_node *add_node(whet_import_node *n, const whet_op *op, const void *attrs,
                           whet_value *const *in, int32_t n_in, int32_t n_out) {
    whet_graph *g = n->imp->graph;
    while (n_in > 0 && !in[n_in - 1]) n_in--;
    if (n_out > op->n_out && !(op->n_out && op->out[op->n_out - 1].flags & WHET_ARG_VARIADIC)) {
        whet_import_fail(n, WHET_E_MODEL, "it has %d results, %s gives at most %d", n_out,
                         op->name, op->n_out);
        return NULL;
    }
    whet_status status = whet_op_attr_check(op, attrs, n->imp->err);
    if (status != WHET_OK) {
        whet_import_fail(n, status, "%s", n->imp->err->text);
        return NULL;
    }
    const char *name = node_name(n, op);
    void *own = name ? whet_op_attr_copy(op, attrs, g->arena) : NULL;
    whet_node *node = own ? whet_graph_node(g, op, name, own, in, n_in, n_out, NULL) : NULL;
    if (!node) {
        n->failed = true;
        if (!n->imp->stopped) whet_import_nomem(n->imp);
        return NULL;
    }
    if (name != n->name) node->origin = whet_arena_strdup(g->arena, n->name);
    status = whet_graph_infer_node(node, n->imp->err);
    if (status != WHET_OK) whet_import_fail(n, status, "%s", n->imp->err->text);
    return n->failed ? NULL : node;
}

static const whet_op *find_op(whet_import_node *n, const char *name) {
    const whet_op *op = whet_op_get(n->imp->options->ops, name, n->imp->err);
    if (!op && n->imp->err->status != WHET_OK)
        whet_import_fail(n, n->imp->err->status, "%s", n->imp->err->text);
    else if (!op) whet_import_fail(n, WHET_E_UNSUPPORTED, "operator %s is not built in", name);
    return op;
}

void whet_import_as(whet_import_node *n, const char *op_name) {
    n->op = find_op(n, op_name);
    if (n->op) whet_import_own(n, NULL, n->in, n->n_in);
}

bool whet_import_emit_many(whet_import_node *n, const char *op_name, const whet_import_set *sets,
                           whet_value *const *in, int32_t n_in, whet_value **out, int32_t n_out) {
    for (int32_t i = 0; i < n_out; i++) out[i] = NULL;
    const whet_op *op = n->failed ? NULL : find_op(n, op_name);
    void *attrs = op ? whet_arena_alloc(n->imp->arena, op->attrs_size) : NULL;
    if (!op) return false;
    if (!attrs) return whet_import_nomem(n->imp);
    whet_op_attr_defaults(op, attrs);
    if (!apply_sets(n, op, sets, attrs)) return false;
    whet_node *node = add_node(n, op, attrs, in, n_in, n_out);
    for (int32_t i = 0; node && i < n_out; i++) out[i] = node->out[i];
    return node != NULL;
}

whet_value *whet_import_emit(whet_import_node *n, const char *op, const whet_import_set *sets,
                             whet_value *const *in, int32_t n_in) {
    whet_value *out;
    whet_import_emit_many(n, op, sets, in, n_in, &out, 1);
    return out;
}

static bool missing_attr(whet_import_node *n, const whet_op *op, const whet_import_set *sets) {
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const whet_attr *row = &op->attrs[i];
        bool set = !row->required || whet_import_attr(n, row->name);
        for (const whet_import_set *s = sets; s && s->name; s++) set |= !strcmp(s->name, row->name);
        if (set) continue;
        whet_import_fail(n, WHET_E_MODEL, "the required attribute '%s' is missing", row->name);
        return true;
    }
    return false;
}

static whet_node *add_by_table(whet_import_node *n, const whet_op *op, const whet_import_set *sets,
                               whet_value *const *in, int32_t n_in, int32_t n_out) {
    void *attrs = whet_arena_alloc(n->imp->arena, op->attrs_size);
    if (!attrs) return whet_import_nomem(n->imp), NULL;
    whet_op_attr_defaults(op, attrs);
    if (missing_attr(n, op, sets) || !whet_import_attrs_fill(n, op, sets, attrs) ||
        !apply_sets(n, op, sets, attrs))
        return NULL;
    return add_node(n, op, attrs, in, n_in, n_out);
}

whet_value *whet_import_emit_table(whet_import_node *n, const char *op_name,
                                   const whet_import_set *sets, whet_value *const *in,
                                   int32_t n_in) {
    const whet_op *op = n->failed ? NULL : find_op(n, op_name);
    whet_node *node = op ? add_by_table(n, op, sets, in, n_in, 1) : NULL;
    return node ? node->out[0] : NULL;
}

void whet_import_own(whet_import_node *n, const whet_import_set *sets, whet_value *const *in,
                     int32_t n_in) {
    if (n->failed) return;
    int32_t n_out = n->onnx->n_out;
    while (n_out > 1 && !*n->onnx->out[n_out - 1]) n_out--;
    whet_node *node = add_by_table(n, n->op, sets, in, n_in, n_out);
    for (int32_t i = 0; node && i < n_out; i++) {
        if (whet_import_wants(n, i)) {
            n->out[i] = node->out[i];
        } else {
            node->out[i]->producer = NULL;
            node->out[i] = NULL;
        }
    }
}

// ---- constants ----

static whet_value *named_constant(whet_import_node *n, const char *name, const whet_tensor *data,
                                  bool copy) {
    whet_value *v = name ? whet_graph_constant(n->imp->graph, name, data, copy) : NULL;
    if (!v) {
        n->failed = true;
        if (!n->imp->stopped) whet_import_nomem(n->imp);
    }
    return v;
}

whet_value *whet_import_constant(whet_import_node *n, const whet_tensor *data, bool copy) {
    return n->failed ? NULL : named_constant(n, "", data, copy);
}

// Constants that no name of the model stands for are named behind their node.
whet_value *whet_import_helper(whet_import_node *n, const whet_tensor *data) {
    if (n->failed) return NULL;
    const char *name = whet_import_unique(n->imp, &n->imp->value_names, n->name, "/const");
    return named_constant(n, name, data, true);
}

whet_value *whet_import_i64(whet_import_node *n, const int64_t *v, int32_t count) {
    whet_tensor t = {WHET_DTYPE_I64, count < 0 ? 0 : 1, {count < 0 ? 0 : count},
                     (void *)(uintptr_t)v, 0};
    return whet_import_helper(n, &t);
}

whet_value *whet_import_scalar(whet_import_node *n, whet_dtype dtype, double v) {
    uint64_t element[2] = {0};
    whet_store_f64(element, dtype, 0, v);
    whet_tensor t = {.dtype = dtype, .data = element};
    return whet_import_helper(n, &t);
}

whet_value *whet_import_size(whet_import_node *n, whet_value *v, int64_t axis) {
    whet_value *shape = whet_import_emit(n, "shape", NULL, WHET_VALUES(v));
    return whet_import_emit(n, "gather", NULL, WHET_VALUES(shape, whet_import_i64(n, &axis, 1)));
}

whet_value *whet_import_ints_constant(whet_import_node *n, const char *name) {
    whet_ints ints;
    return whet_import_ints(n, name, &ints) ? whet_import_i64(n, ints.v, ints.n) : NULL;
}

void whet_import_result(whet_import_node *n, int32_t i, whet_value *v) {
    if (i < n->onnx->n_out) n->out[i] = v;
}

void whet_import_result_list(whet_import_node *n, int32_t i, whet_value *const *v, int32_t count,
                             whet_dtype kind, whet_elem elem) {
    if (n->failed || i >= n->onnx->n_out) return;
    whet_import_list *list = WHET_NEW(n->imp->arena, whet_import_list);
    whet_value **copy = whet_arena_memdup(n->imp->arena, v, (size_t)count * sizeof *v);
    if (!list || !copy) {
        n->failed = true;
        whet_import_nomem(n->imp);
        return;
    }
    *list = (whet_import_list){.v = copy, .n = count, .kind = kind, .elem = elem};
    n->out_lists[i] = list;
}

whet_value *whet_import_list_value(whet_import_node *n, const whet_import_list *list) {
    if (list->inner)
        return whet_import_emit(n, "optional", NULL,
                                WHET_VALUES(whet_import_list_value(n, list->inner)));
    if (list->kind == WHET_DTYPE_OPTIONAL)
        return whet_import_emit(n, "optional", WHET_SETS({"elem", .number = list->elem}), list->v,
                                list->n);
    if (list->n) return whet_import_emit(n, "sequence_construct", NULL, list->v, list->n);
    return whet_import_emit(n, "sequence_empty",
                            WHET_SETS({"dtype", .number = whet_elem_dtype(list->elem)}), NULL, 0);
}

whet_value *whet_import_object(whet_import_node *n, int32_t i) {
    const whet_import_list *list = whet_import_in_list(n, i);
    return list ? whet_import_list_value(n, list) : whet_import_in(n, i);
}

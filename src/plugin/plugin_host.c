// SPDX-License-Identifier: Apache-2.0
// The table of functions that plugins call. Whatever they are asked at a time when there is no
// answer gives nothing (NULL, 0), never a crash.
#include <stdio.h>
#include <string.h>

#include "plugin/plugin_entry.h"

static whet_plugin_view *view_of(whet_plugin_node *n) { return (whet_plugin_view *)(void *)n; }

void whet_plugin_view_init(whet_plugin_view *v, const whet_op *op, const void *attrs,
                           const char *name, whet_error *err) {
    *v = (whet_plugin_view){.node = {&whet_plugin_host_table}, .entry = whet_plugin_of(op),
                            .attrs = attrs, .name = name && *name ? name : op->name, .err = err};
}

static bool known_status(whet_status status) {
    return status < WHET_OK && strcmp(whet_status_text(status), "unknown status");
}

whet_status whet_plugin_view_status(whet_plugin_view *v, whet_status status, const char *callback) {
    if (status == WHET_OK && !v->failed) return WHET_OK;
    if (!known_status(status)) status = WHET_E_INTERNAL; // one that went on after a failure too
    if (v->failed) {
        if (v->err) v->err->status = status;
        return status;
    }
    return whet_error_set(v->err, status, "%s: plugin %s: %s failed: %s", v->name,
                          v->entry->op.name, callback, whet_status_text(status));
}

static whet_status report(whet_plugin_node *n, whet_status status, const char *format,
                          va_list args) {
    whet_plugin_view *v = view_of(n);
    char text[WHET_ERROR_TEXT - 512];
    if (!known_status(status)) status = WHET_E_INTERNAL;
    if (v->failed) return status; // the first one is the reason
    vsnprintf(text, sizeof text, format, args);
    v->failed = true;
    return whet_error_set(v->err, status, "%s: %s", v->name, text);
}

static const char *node_name(whet_plugin_node *n) { return view_of(n)->name; }
static void *user(whet_plugin_node *n) { return view_of(n)->entry->p.user; }
static void *state(whet_plugin_node *n) { return view_of(n)->state; }

// ---- attributes ----

// The row of that name and its field; NULL when there is none of the types in the set.
static int32_t find_attr(const whet_plugin_view *v, const char *name, uint32_t types,
                         const void **field) {
    const whet_plugin *p = &v->entry->p;
    for (int32_t i = 0; name && i < p->n_attrs; i++) {
        if (strcmp(p->attrs[i].name, name)) continue;
        if (!(types >> p->attrs[i].type & 1)) return -1;
        *field = (const char *)v->attrs + v->entry->op.attrs[i].offset;
        return i;
    }
    return -1;
}

static int64_t attr_int(whet_plugin_node *n, const char *name) {
    const whet_plugin_view *v = view_of(n);
    const void *field;
    int32_t i = find_attr(v, name, 1u << WHET_PLUGIN_INT | 1u << WHET_PLUGIN_BOOL |
                                       1u << WHET_PLUGIN_CHOICE | 1u << WHET_PLUGIN_DTYPE, &field);
    if (i < 0) return 0;
    switch (v->entry->p.attrs[i].type) {
    case WHET_PLUGIN_INT: return *(const int64_t *)field;
    case WHET_PLUGIN_BOOL: return *(const bool *)field;
    default: return *(const int32_t *)field;
    }
}

static double attr_float(whet_plugin_node *n, const char *name) {
    const void *field;
    if (find_attr(view_of(n), name, 1u << WHET_PLUGIN_FLOAT, &field) < 0) return 0;
    return (double)*(const float *)field;
}

static const char *attr_text(whet_plugin_node *n, const char *name) {
    const whet_plugin_view *v = view_of(n);
    const void *field;
    int32_t i = find_attr(v, name, 1u << WHET_PLUGIN_STRING | 1u << WHET_PLUGIN_CHOICE, &field);
    if (i < 0) return NULL;
    const whet_plugin_attr *a = &v->entry->p.attrs[i];
    if (a->type == WHET_PLUGIN_CHOICE) return a->choices[*(const int32_t *)field];
    return *(const char *const *)field;
}

static const int64_t *attr_ints(whet_plugin_node *n, const char *name, int32_t *count) {
    const whet_plugin_view *v = view_of(n);
    const void *field;
    *count = 0;
    int32_t i = find_attr(v, name, 1u << WHET_PLUGIN_INTS, &field);
    if (i < 0) return NULL;
    const whet_ints *list = field;
    if (!list->v) list = &v->entry->def_ints[i];
    *count = list->v ? list->n : 0;
    return list->v;
}

static const float *attr_floats(whet_plugin_node *n, const char *name, int32_t *count) {
    const whet_plugin_view *v = view_of(n);
    const void *field;
    *count = 0;
    int32_t i = find_attr(v, name, 1u << WHET_PLUGIN_FLOATS, &field);
    if (i < 0) return NULL;
    const whet_floats *list = field;
    if (!list->v) list = &v->entry->def_floats[i];
    *count = list->v ? list->n : 0;
    return list->v;
}

static const whet_tensor *attr_tensor(whet_plugin_node *n, const char *name) {
    const void *field;
    if (find_attr(view_of(n), name, 1u << WHET_PLUGIN_TENSOR, &field) < 0) return NULL;
    return *(const whet_tensor *const *)field;
}

static const whet_text *attr_strings(whet_plugin_node *n, const char *name, int32_t *count) {
    const void *field;
    *count = 0;
    if (find_attr(view_of(n), name, 1u << WHET_PLUGIN_STRINGS, &field) < 0) return NULL;
    const whet_strings *list = field;
    *count = list->v ? list->n : 0;
    return list->v;
}

static bool attr_given(whet_plugin_node *n, const char *name) {
    const whet_plugin_view *v = view_of(n);
    const void *field;
    int32_t i = find_attr(v, name, UINT32_MAX, &field), count;
    if (i < 0) return false;
    switch (v->entry->p.attrs[i].type) {
    case WHET_PLUGIN_INTS: return attr_ints(n, name, &count) != NULL;
    case WHET_PLUGIN_FLOATS: return attr_floats(n, name, &count) != NULL;
    case WHET_PLUGIN_STRINGS: return attr_strings(n, name, &count) != NULL;
    case WHET_PLUGIN_TENSOR: return attr_tensor(n, name) != NULL;
    case WHET_PLUGIN_STRING: return attr_text(n, name) != NULL;
    default: return true;
    }
}

// ---- inputs and outputs ----

static int32_t counts(whet_plugin_node *n, bool out) {
    const whet_plugin_view *v = view_of(n);
    if (v->infer) return out ? v->infer->n_out : v->infer->n_in;
    return out ? v->problem->n_out : v->problem->n_in;
}

static const whet_port *port(const whet_plugin_view *v, bool out, int32_t i) {
    const whet_problem *p = v->problem;
    if (!p || i < 0 || i >= (out ? p->n_out : p->n_in)) return NULL;
    const whet_port *q = out ? &p->out[i] : &p->in[i];
    return q->dtype == WHET_DTYPE_NONE ? NULL : q;
}

static const whet_type *type(const whet_plugin_view *v, bool out, int32_t i) {
    const whet_infer *x = v->infer;
    if (!x || i < 0 || i >= (out ? x->n_out : x->n_in)) return NULL;
    return out ? &x->out[i] : x->in[i];
}

static whet_dtype dtype(whet_plugin_node *n, bool out, int32_t i) {
    const whet_type *t = type(view_of(n), out, i);
    const whet_port *p = port(view_of(n), out, i);
    return t ? t->dtype : p ? p->dtype : WHET_DTYPE_NONE;
}

static int32_t rank(whet_plugin_node *n, bool out, int32_t i) {
    const whet_type *t = type(view_of(n), out, i);
    const whet_port *p = port(view_of(n), out, i);
    int32_t r = t ? t->rank : p ? p->rank : 0;
    return r == INT32_MIN ? -1 : r; // not set yet
}

static const int64_t *dims(whet_plugin_node *n, bool out, int32_t i) {
    const whet_port *p = port(view_of(n), out, i);
    return p ? p->dims : NULL;
}

static bool constant(whet_plugin_node *n, int32_t i) {
    const whet_plugin_view *v = view_of(n);
    if (v->infer) return i >= 0 && i < v->infer->n_in && v->infer->data[i];
    const whet_port *p = port(v, false, i);
    return p && p->constant;
}

static const void *in_data(whet_plugin_node *n, int32_t i) {
    const whet_plugin_view *v = view_of(n);
    if (i < 0 || i >= counts(n, false)) return NULL;
    if (v->infer) return v->infer->data[i] ? v->infer->data[i]->data : NULL;
    if (v->call) return v->call->in[i];
    const whet_port *p = port(v, false, i);
    return p ? p->data : NULL;
}

static void *out_data(whet_plugin_node *n, int32_t i) {
    const whet_plugin_view *v = view_of(n);
    if (!v->call || !port(v, true, i)) return NULL;
    return v->eval ? v->eval->out[i].data : v->call->out[i];
}

static whet_plugin_layout layout(whet_plugin_node *n, bool out, int32_t i) {
    const whet_port *p = port(view_of(n), out, i);
    return p ? (whet_plugin_layout)p->layout : WHET_PLUGIN_PLAIN;
}

static void set_layout(whet_plugin_node *n, bool out, int32_t i, whet_plugin_layout l) {
    const whet_plugin_view *v = view_of(n);
    whet_layout *list = out ? v->set_out : v->set_in;
    const whet_port *p = port(v, out, i);
    if (!list || !p || (unsigned)l >= WHET_LAYOUT_COUNT) return;
    bool blocked = p->rank >= 3 && p->rank <= 5; // others have no such layout
    if (l == WHET_PLUGIN_PLAIN || blocked) list[i] = (whet_layout)l;
}

// ---- shapes ----

static whet_plugin_dim dim(whet_dim d) { return (whet_plugin_dim){d}; }

static whet_dims *pool(whet_plugin_node *n) {
    return view_of(n)->infer ? view_of(n)->infer->dims : NULL;
}

static whet_plugin_dim in_dim(whet_plugin_node *n, int32_t i, int32_t axis) {
    const whet_type *t = type(view_of(n), false, i);
    if (t && axis >= 0 && axis < t->rank) return dim(t->dims[axis]);
    return dim(whet_dim_fresh(pool(n)));
}

static const whet_plugin_dim *in_values(whet_plugin_node *n, int32_t i, int64_t *count) {
    whet_plugin_view *v = view_of(n);
    const whet_dim *value = NULL;
    int64_t k = 0;
    *count = 0;
    if (!v->infer || i < 0 || i >= v->infer->n_in || !v->infer->in[i]) return NULL;
    if (!whet_dtype_is_int(v->infer->in[i]->dtype)) return NULL;
    if (!whet_infer_value(v->infer, i, &value, &k)) return NULL;
    *count = k;
    return (const whet_plugin_dim *)(const void *)value;
}

static whet_plugin_dim dim_number(whet_plugin_node *n, int64_t value) {
    (void)n;
    return dim(whet_dim_is_const(value) ? value : WHET_DIM_ERROR);
}

static bool dim_value(whet_plugin_node *n, whet_plugin_dim d, int64_t *value) {
    (void)n;
    *value = d.handle;
    return whet_dim_is_const(d.handle);
}

static whet_plugin_dim dim_unknown(whet_plugin_node *n, const whet_plugin_dim *upper) {
    whet_dim d = whet_dim_fresh(pool(n));
    return dim(upper ? whet_dim_min(pool(n), d, upper->handle) : d);
}

static whet_plugin_dim dim_math(whet_plugin_node *n, int32_t f, whet_plugin_dim a,
                                whet_plugin_dim b) {
    static whet_dim (*const functions[])(whet_dims *, whet_dim, whet_dim) = {
        whet_dim_add, whet_dim_sub, whet_dim_mul, whet_dim_floordiv,
        whet_dim_ceildiv, whet_dim_mod, whet_dim_min, whet_dim_max};
    if (f < 0 || f >= WHET_COUNT(functions)) return dim(WHET_DIM_ERROR);
    return dim(functions[f](pool(n), a.handle, b.handle));
}

static bool shaped_output(whet_plugin_view *v, int32_t i, const char *what) {
    if (v->infer && i >= 0 && i < v->infer->n_out) return true;
    // an output that this node does not have is not an error: plugins set all they know
    if (v->infer && i >= 0 && i < WHET_PLUGIN_MAX_ROWS) return false;
    if (!v->failed)
        whet_error_set(v->err, WHET_E_INVALID, "%s: plugin %s set the %s of output %d", v->name,
                       v->entry->op.name, what, i);
    v->failed = true;
    return false;
}

static void set_type(whet_plugin_node *n, int32_t i, whet_dtype t) {
    whet_plugin_view *v = view_of(n);
    if (shaped_output(v, i, "type")) v->infer->out[i].dtype = t;
}

static void set_shape(whet_plugin_node *n, int32_t i, int32_t r, const whet_plugin_dim *d) {
    whet_plugin_view *v = view_of(n);
    if (!shaped_output(v, i, "shape")) return;
    if (r > WHET_MAX_RANK || r < -1) {
        if (!v->failed)
            whet_error_set(v->err, WHET_E_INVALID, "%s: plugin %s set rank %d for output %d",
                           v->name, v->entry->op.name, r, i);
        v->failed = true;
        return;
    }
    if (r < 0 || (r > 0 && !d)) whet_infer_unknown(v->infer, i, r);
    else whet_infer_shape(v->infer, i, r, (const whet_dim *)(const void *)d);
}

// ---- running ----

static void *output(whet_plugin_node *n, int32_t i, int32_t r, const int64_t *d) {
    whet_plugin_view *v = view_of(n);
    if (!v->eval || !port(v, true, i) || (r > 0 && !d)) return NULL;
    whet_tensor *t = &v->eval->out[i];
    void *before = t->data;
    size_t had = before ? whet_tensor_bytes(t->dtype, whet_tensor_count(t)) : 0;
    if (whet_eval_output(v->eval, i, r, d) != WHET_OK) {
        v->failed = true; // the text is there
        t->data = NULL;
        return NULL;
    }
    size_t has = whet_tensor_bytes(t->dtype, whet_tensor_count(t));
    if (before && t->data != before && has <= had) memcpy(t->data, before, has);
    return t->data;
}

static void *workspace(whet_plugin_node *n) {
    return view_of(n)->call ? view_of(n)->call->workspace : NULL;
}

static void *scratch(whet_plugin_node *n) {
    return view_of(n)->call ? view_of(n)->call->scratch : NULL;
}

static void *alloc(whet_plugin_node *n, size_t bytes) {
    whet_arena *arena = view_of(n)->arena;
    return arena ? whet_arena_alloc(arena, bytes) : NULL;
}

static int32_t threads(whet_plugin_node *n) {
    return view_of(n)->problem ? view_of(n)->problem->threads : 1;
}

static int32_t phase(whet_plugin_node *n) { return view_of(n)->phase; }

// ---- saved bytes ----

static const void *saved(whet_plugin_node *n, size_t *bytes) {
    const whet_plugin_view *v = view_of(n);
    *bytes = 0;
    if (v->entry->saved_attr < 0) return NULL;
    const char *field = (const char *)v->attrs + v->entry->op.attrs[v->entry->saved_attr].offset;
    const whet_tensor *t = *(const whet_tensor *const *)(const void *)field;
    if (!t || t->dtype != WHET_DTYPE_U8) return NULL;
    *bytes = t->bytes;
    return t->data;
}

static whet_status save(whet_plugin_node *n, const void *data, size_t bytes) {
    whet_plugin_view *v = view_of(n);
    if (!v->save || (bytes && !data) || bytes > INT64_MAX) return WHET_E_INVALID;
    whet_tensor *t = WHET_NEW(v->save_arena, whet_tensor);
    if (!t) return WHET_E_NOMEM;
    *t = (whet_tensor){.dtype = WHET_DTYPE_U8, .rank = 1, .dims = {(int64_t)bytes},
                       .data = whet_arena_memdup(v->save_arena, data, bytes), .bytes = bytes};
    if (!t->data) return WHET_E_NOMEM;
    *v->save = t;
    return WHET_OK;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const whet_plugin_host whet_plugin_host_table = {
    .struct_size = sizeof(whet_plugin_host),
    .interface_version = WHET_PLUGIN_INTERFACE,
    .library_version = TEXT(WHET_VERSION_MAJOR) "." TEXT(WHET_VERSION_MINOR) "." TEXT(
        WHET_VERSION_PATCH),
    .report = report,
    .node_name = node_name,
    .user = user,
    .state = state,
    .counts = counts,
    .attr_given = attr_given,
    .attr_int = attr_int,
    .attr_float = attr_float,
    .attr_text = attr_text,
    .attr_ints = attr_ints,
    .attr_floats = attr_floats,
    .attr_tensor = attr_tensor,
    .attr_strings = attr_strings,
    .dtype = dtype,
    .rank = rank,
    .dims = dims,
    .constant = constant,
    .in_data = in_data,
    .out_data = out_data,
    .layout = layout,
    .set_layout = set_layout,
    .in_dim = in_dim,
    .in_values = in_values,
    .dim_number = dim_number,
    .dim_value = dim_value,
    .dim_unknown = dim_unknown,
    .dim_math = dim_math,
    .set_type = set_type,
    .set_shape = set_shape,
    .output = output,
    .workspace = workspace,
    .scratch = scratch,
    .alloc = alloc,
    .threads = threads,
    .phase = phase,
    .saved = saved,
    .save = save,
};

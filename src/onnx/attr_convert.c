// SPDX-License-Identifier: Apache-2.0
// ONNX attributes into an operator's attribute struct, by the operator's table.
#include <stdlib.h>
#include <string.h>

#include "onnx/importer.h"
#include "onnx/onnx_tensor.h"

// Type that ONNX gives the attribute; STRING may come as STRINGS too.
static int32_t onnx_type(whet_attr_type type) {
    switch (type) {
    case WHET_ATTR_FLOAT: return WHET_ONNX_FLOAT;
    case WHET_ATTR_ENUM:
    case WHET_ATTR_STRING: return WHET_ONNX_STRING;
    case WHET_ATTR_INTS: return WHET_ONNX_INTS;
    case WHET_ATTR_FLOATS: return WHET_ONNX_FLOATS;
    case WHET_ATTR_STRINGS: return WHET_ONNX_STRINGS;
    case WHET_ATTR_TENSOR: return WHET_ONNX_TENSOR;
    default: return WHET_ONNX_INT;
    }
}

static const char *span_text(whet_import_node *n, const char *name, whet_span s) {
    if (s.size && memchr(s.data, 0, s.size)) {
        whet_import_fail(n, WHET_E_MODEL, "attribute '%s' has a zero byte in its text", name);
        return NULL;
    }
    char *text = whet_arena_strndup(n->imp->graph->arena, (const char *)s.data, s.size);
    if (!text) whet_import_nomem(n->imp);
    return text;
}

static const char *strings_joined(whet_import_node *n, const whet_onnx_attr *a) {
    const char *text = "";
    whet_str s;
    whet_str_init(&s);
    for (int32_t i = 0; i < a->n_strings; i++) {
        if (i) whet_str_add(&s, ",");
        whet_str_add_n(&s, (const char *)a->strings[i].data, a->strings[i].size);
    }
    if (s.len) text = span_text(n, a->name, (whet_span){(const uint8_t *)s.text, s.len});
    whet_str_fini(&s);
    return text;
}

static bool set_enum(whet_import_node *n, const whet_attr *row, const whet_onnx_attr *a,
                     int32_t *slot) {
    whet_str list;
    for (int32_t i = 0; row->choices[i]; i++) {
        size_t len = strlen(row->choices[i]);
        if (len != a->s.size || memcmp(row->choices[i], a->s.data, len)) continue;
        *slot = i;
        return true;
    }
    whet_str_init(&list);
    for (int32_t i = 0; row->choices[i]; i++)
        whet_str_printf(&list, "%s%s", i ? ", " : "", row->choices[i]);
    whet_import_fail(n, WHET_E_UNSUPPORTED, "attribute '%s' is '%.*s'; supported are: %s", a->name,
                     (int)(a->s.size < 80 ? a->s.size : 80), (const char *)a->s.data,
                     whet_str_text(&list));
    whet_str_fini(&list);
    return false;
}

// 0 stands for absent.
static bool set_dtype(whet_import_node *n, const whet_attr *row, const whet_onnx_attr *a,
                      int32_t *slot) {
    if (a->i == 0 && !row->required) return true;
    if (a->i != (int32_t)a->i || !whet_dtype_known((int32_t)a->i) ||
        !(WHET_DTYPES_TENSOR >> a->i & 1)) {
        const char *text = a->i == (int32_t)a->i ? whet_onnx_dtype_text((int32_t)a->i) : "?";
        whet_import_fail(n, WHET_E_UNSUPPORTED, "attribute '%s': type %s (%lld) is not supported",
                         a->name, text, (long long)a->i);
        return false;
    }
    *slot = (int32_t)a->i;
    return true;
}

static bool set_bool(whet_import_node *n, const whet_onnx_attr *a, bool *slot) {
    if (a->i != 0 && a->i != 1)
        whet_import_fail(n, WHET_E_RANGE, "attribute '%s' is %lld; it must be 0 or 1", a->name,
                         (long long)a->i);
    *slot = a->i != 0;
    return !n->failed;
}

static bool set_tensor(whet_import_node *n, const whet_onnx_attr *a, const whet_tensor **slot) {
    whet_importer *imp = n->imp;
    whet_onnx_tensor t;
    whet_tensor data;
    whet_status status = whet_onnx_tensor_read(&imp->reader, a->t, &t);
    if (status == WHET_OK)
        status = whet_onnx_tensor_load(&t, imp->arena, &imp->import->external, &data, imp->err);
    else
        whet_error_set(imp->err, status, "%s", imp->reader.w.err->text), imp->stopped = true;
    if (status != WHET_OK) {
        whet_import_fail(n, status, "attribute '%s': %s", a->name, imp->err->text);
        return false;
    }
    *slot = whet_arena_memdup(imp->graph->arena, &data, sizeof data);
    return *slot || whet_import_nomem(imp);
}

// Arrays live as long as the graph.
static bool set_array(whet_import_node *n, const void *v, int32_t count, size_t size,
                      const void *slot_v, int32_t *slot_n) {
    void *copy = whet_arena_memdup(n->imp->graph->arena, v, (size_t)count * size);
    if (!copy) return whet_import_nomem(n->imp);
    memcpy((void *)(uintptr_t)slot_v, &copy, sizeof copy);
    *slot_n = count;
    return true;
}

static bool set_strings(whet_import_node *n, const whet_onnx_attr *a, whet_strings *slot) {
    whet_arena *arena = n->imp->graph->arena;
    whet_text *v = WHET_NEW_ARRAY(arena, whet_text, a->n_strings);
    for (int32_t i = 0; v && i < a->n_strings; i++) {
        const char *data = (const char *)a->strings[i].data;
        v[i] = (whet_text){whet_arena_strndup(arena, data, a->strings[i].size),
                           a->strings[i].size};
        if (!v[i].data) return whet_import_nomem(n->imp);
    }
    *slot = (whet_strings){v, a->n_strings};
    return v || whet_import_nomem(n->imp);
}

static bool set_attr(whet_import_node *n, const whet_attr *row, const whet_onnx_attr *a,
                     void *slot) {
    const char *text;
    switch (row->type) {
    case WHET_ATTR_INT: *(int64_t *)slot = a->i; return true;
    case WHET_ATTR_FLOAT: *(float *)slot = a->f; return true;
    case WHET_ATTR_BOOL: return set_bool(n, a, slot);
    case WHET_ATTR_ENUM: return set_enum(n, row, a, slot);
    case WHET_ATTR_DTYPE: return set_dtype(n, row, a, slot);
    case WHET_ATTR_STRING:
        text = a->type == WHET_ONNX_STRINGS ? strings_joined(n, a) : span_text(n, a->name, a->s);
        *(const char **)slot = text;
        return text != NULL;
    case WHET_ATTR_INTS:
        return set_array(n, a->ints.v, a->ints.n, sizeof *a->ints.v, &((whet_ints *)slot)->v,
                         &((whet_ints *)slot)->n);
    case WHET_ATTR_FLOATS:
        return set_array(n, a->floats.v, a->floats.n, sizeof *a->floats.v,
                         &((whet_floats *)slot)->v, &((whet_floats *)slot)->n);
    case WHET_ATTR_STRINGS: return set_strings(n, a, slot);
    case WHET_ATTR_TENSOR: return set_tensor(n, a, slot);
    }
    return false;
}

// Exporters of models for plugins write a single number where a list, and an int where a float is
// declared. False: nothing of the kind, or failed.
static bool set_loosely(whet_import_node *n, const whet_attr *row, const whet_onnx_attr *a,
                        void *slot) {
    float f = a->type == WHET_ONNX_INT ? (float)a->i : a->f;
    bool number = a->type == WHET_ONNX_INT || a->type == WHET_ONNX_FLOAT;
    if (row->type == WHET_ATTR_FLOAT && a->type == WHET_ONNX_INT) {
        *(float *)slot = f;
        return true;
    }
    if (row->type == WHET_ATTR_FLOATS && number)
        return set_array(n, &f, 1, sizeof f, &((whet_floats *)slot)->v, &((whet_floats *)slot)->n);
    if (row->type == WHET_ATTR_INTS && a->type == WHET_ONNX_INT)
        return set_array(n, &a->i, 1, sizeof a->i, &((whet_ints *)slot)->v,
                         &((whet_ints *)slot)->n);
    return false;
}

static bool is_set(const whet_import_set *sets, const char *name) {
    for (; sets && sets->name; sets++)
        if (!strcmp(sets->name, name)) return true;
    return false;
}

bool whet_import_attrs_fill(whet_import_node *n, const whet_op *op, const whet_import_set *sets,
                            void *attrs) {
    for (int32_t i = 0; i < op->n_attrs && !n->failed; i++) {
        const whet_attr *row = &op->attrs[i];
        if (is_set(sets, row->name)) continue;
        const whet_onnx_attr *a = whet_import_attr(n, row->name);
        if (!a) continue;
        int32_t type = onnx_type(row->type);
        if (op->ext && set_loosely(n, row, a, (char *)attrs + row->offset)) continue;
        if (n->failed) return false;
        if (row->type == WHET_ATTR_STRING && a->type == WHET_ONNX_STRINGS)
            type = WHET_ONNX_STRINGS;
        if (!whet_import_attr_of(n, row->name, type)) return false;
        if (!set_attr(n, row, a, (char *)attrs + row->offset)) return false;
    }
    return !n->failed;
}

// SPDX-License-Identifier: Apache-2.0
// Attributes between their public form and an operator's attribute struct.
#include <stdlib.h>
#include <string.h>

#include "build/network_impl.h"
#include "ir/text.h"

void whet_network_attr_names(const whet_op *op, whet_str *out) {
    for (int32_t i = 0; i < op->n_attrs; i++)
        whet_str_printf(out, "%s%s", i ? ", " : "", op->attrs[i].name);
    if (!op->n_attrs) whet_str_add(out, "none");
}

static whet_status unknown(const whet_op *op, const char *name, whet_error *err) {
    whet_str names;
    whet_str_init(&names);
    whet_network_attr_names(op, &names);
    whet_status status = whet_error_set(err, WHET_E_NOT_FOUND,
                                        "%s has no attribute %s; it has: %s", op->name, name,
                                        whet_str_text(&names));
    whet_str_fini(&names);
    return status;
}

// ---- from text ----

static whet_status set_choice(const whet_attr *row, const char *text, int32_t *slot,
                              whet_error *err) {
    whet_str list;
    for (int32_t i = 0; row->choices[i]; i++) {
        if (strcmp(row->choices[i], text)) continue;
        *slot = i;
        return WHET_OK;
    }
    whet_str_init(&list);
    for (int32_t i = 0; row->choices[i]; i++)
        whet_str_printf(&list, "%s%s", i ? ", " : "", row->choices[i]);
    whet_error_set(err, WHET_E_PARSE, "attribute %s is '%s', expected one of: %s", row->name, text,
                   whet_str_text(&list));
    whet_str_fini(&list);
    return WHET_E_PARSE;
}

// Through the parser of the text form: "{name = value}".
static whet_status parse_value(const whet_op *op, const whet_attribute *a, void *attrs,
                               whet_arena *arena, whet_error *err) {
    whet_lexer lex;
    const char *text = whet_arena_printf(arena, "{%s = %s}", a->name, a->text);
    if (!text) return WHET_NOMEM(err);
    whet_lexer_init(&lex, text, arena, err);
    bool one = !strchr(a->text, '='); // and no second attribute in it
    if (one && whet_parse_attrs(&lex, op, attrs, arena) == WHET_OK &&
        lex.token.kind == WHET_TOKEN_END)
        return WHET_OK;
    if (err && err->status == WHET_E_NOMEM) return WHET_E_NOMEM;
    WHET_FAIL(err, WHET_E_PARSE, "attribute %s cannot be '%s'", a->name, a->text);
}

static whet_status set_text(const whet_op *op, const whet_attr *row, const whet_attribute *a,
                            void *attrs, whet_arena *arena, whet_error *err) {
    void *slot = (char *)attrs + row->offset;
    if (!a->text) WHET_FAIL(err, WHET_E_INVALID, "attribute %s: text is NULL", a->name);
    if (row->type == WHET_ATTR_ENUM) return set_choice(row, a->text, slot, err);
    if (row->type == WHET_ATTR_STRING) {
        *(const char **)slot = a->text;
        return WHET_OK;
    }
    return parse_value(op, a, attrs, arena, err);
}

// ---- from numbers ----

static whet_status set_int(const whet_attr *row, const whet_attribute *a, void *slot,
                           whet_error *err) {
    switch (row->type) {
    case WHET_ATTR_INT: *(int64_t *)slot = a->i; return WHET_OK;
    case WHET_ATTR_FLOAT: *(float *)slot = (float)a->i; return WHET_OK;
    case WHET_ATTR_BOOL:
        if (a->i != 0 && a->i != 1)
            WHET_FAIL(err, WHET_E_RANGE, "attribute %s is %lld, expected 0 or 1", a->name,
                      (long long)a->i);
        *(bool *)slot = a->i != 0;
        return WHET_OK;
    case WHET_ATTR_DTYPE:
        if (a->i != (int32_t)a->i || !whet_dtype_known((int32_t)a->i))
            WHET_FAIL(err, WHET_E_RANGE, "attribute %s: there is no data type %lld", a->name,
                      (long long)a->i);
        *(int32_t *)slot = (int32_t)a->i;
        return WHET_OK;
    default: return WHET_E_DTYPE;
    }
}

static whet_status set_ints(const whet_attr *row, const whet_attribute *a, void *slot,
                            whet_arena *arena, whet_error *err) {
    static const int64_t none;
    if (a->n < 0 || a->n > INT32_MAX || (a->n && !a->ints))
        WHET_FAIL(err, WHET_E_INVALID, "attribute %s: a list of %lld", a->name, (long long)a->n);
    if (row->type == WHET_ATTR_INTS) {
        *(whet_ints *)slot = (whet_ints){a->n ? a->ints : &none, (int32_t)a->n};
        return WHET_OK;
    }
    if (row->type != WHET_ATTR_FLOATS) return WHET_E_DTYPE;
    float *v = WHET_NEW_ARRAY(arena, float, a->n + 1);
    if (!v) return WHET_NOMEM(err);
    for (int64_t i = 0; i < a->n; i++) v[i] = (float)a->ints[i];
    *(whet_floats *)slot = (whet_floats){v, (int32_t)a->n};
    return WHET_OK;
}

static whet_status set_floats(const whet_attr *row, const whet_attribute *a, void *slot,
                              whet_error *err) {
    static const float none;
    if (a->n < 0 || a->n > INT32_MAX || (a->n && !a->floats))
        WHET_FAIL(err, WHET_E_INVALID, "attribute %s: a list of %lld", a->name, (long long)a->n);
    if (row->type != WHET_ATTR_FLOATS) return WHET_E_DTYPE;
    *(whet_floats *)slot = (whet_floats){a->n ? a->floats : &none, (int32_t)a->n};
    return WHET_OK;
}

static whet_status set_texts(const whet_attr *row, const whet_attribute *a, void *slot,
                             whet_error *err) {
    static const whet_text none;
    if (a->n < 0 || a->n > INT32_MAX || (a->n && !a->texts))
        WHET_FAIL(err, WHET_E_INVALID, "attribute %s: a list of %lld", a->name, (long long)a->n);
    if (row->type != WHET_ATTR_STRINGS) return WHET_E_DTYPE;
    *(whet_strings *)slot = (whet_strings){a->n ? a->texts : &none, (int32_t)a->n};
    return WHET_OK;
}

static whet_status set_tensor(const whet_attr *row, const whet_attribute *a, void *slot,
                              whet_error *err) {
    const whet_tensor *t = a->tensor;
    if (row->type != WHET_ATTR_TENSOR) return WHET_E_DTYPE;
    int64_t count = t && t->rank >= 0 && t->rank <= WHET_MAX_RANK ? whet_tensor_count(t) : -1;
    if (count < 0 || !whet_dtype_known((int32_t)t->dtype) ||
        t->bytes != whet_tensor_bytes(t->dtype, count) || (t->bytes && !t->data))
        WHET_FAIL(err, WHET_E_INVALID, "attribute %s: the tensor is NULL or not well formed",
                  a->name);
    *(const whet_tensor **)slot = t;
    return WHET_OK;
}

whet_status whet_network_attr_set(const whet_op *op, const whet_attribute *a, void *attrs,
                                  whet_arena *arena, whet_error *err) {
    if (!a->name) WHET_FAIL(err, WHET_E_INVALID, "an attribute without a name");
    const whet_attr *row = whet_op_attr_find(op, a->name);
    if (!row) return unknown(op, a->name, err);
    void *slot = (char *)attrs + row->offset;
    whet_status status = WHET_E_DTYPE;
    switch (a->kind) {
    case WHET_ATTRIBUTE_TEXT: return set_text(op, row, a, attrs, arena, err);
    case WHET_ATTRIBUTE_INT: status = set_int(row, a, slot, err); break;
    case WHET_ATTRIBUTE_FLOAT:
        if (row->type != WHET_ATTR_FLOAT) break;
        *(float *)slot = (float)a->f;
        return WHET_OK;
    case WHET_ATTRIBUTE_INTS: status = set_ints(row, a, slot, arena, err); break;
    case WHET_ATTRIBUTE_FLOATS: status = set_floats(row, a, slot, err); break;
    case WHET_ATTRIBUTE_TEXTS: status = set_texts(row, a, slot, err); break;
    case WHET_ATTRIBUTE_TENSOR: status = set_tensor(row, a, slot, err); break;
    }
    if (status == WHET_E_DTYPE)
        WHET_FAIL(err, WHET_E_PARSE, "attribute %s of %s is of another kind", a->name, op->name);
    return status;
}

// ---- reading ----

static void read_slot(const whet_attr *row, const void *slot, whet_attribute *a) {
    switch (row->type) {
    case WHET_ATTR_INT:
        a->kind = WHET_ATTRIBUTE_INT;
        a->i = *(const int64_t *)slot;
        break;
    case WHET_ATTR_BOOL:
        a->kind = WHET_ATTRIBUTE_INT;
        a->i = *(const bool *)slot;
        break;
    case WHET_ATTR_DTYPE:
        a->kind = WHET_ATTRIBUTE_INT;
        a->i = *(const int32_t *)slot;
        break;
    case WHET_ATTR_FLOAT:
        a->kind = WHET_ATTRIBUTE_FLOAT;
        a->f = (double)*(const float *)slot;
        break;
    case WHET_ATTR_ENUM: a->text = row->choices[*(const int32_t *)slot]; break;
    case WHET_ATTR_STRING: a->text = *(const char *const *)slot; break;
    case WHET_ATTR_INTS:
        a->kind = WHET_ATTRIBUTE_INTS;
        a->ints = ((const whet_ints *)slot)->v;
        a->n = a->ints ? ((const whet_ints *)slot)->n : -1;
        break;
    case WHET_ATTR_FLOATS:
        a->kind = WHET_ATTRIBUTE_FLOATS;
        a->floats = ((const whet_floats *)slot)->v;
        a->n = a->floats ? ((const whet_floats *)slot)->n : -1;
        break;
    case WHET_ATTR_STRINGS:
        a->kind = WHET_ATTRIBUTE_TEXTS;
        a->texts = ((const whet_strings *)slot)->v;
        a->n = a->texts ? ((const whet_strings *)slot)->n : -1;
        break;
    case WHET_ATTR_TENSOR:
        a->kind = WHET_ATTRIBUTE_TENSOR;
        a->tensor = *(const whet_tensor *const *)slot;
        break;
    }
}

whet_status whet_network_attribute(whet_network *net, const whet_node *n, int32_t index,
                                   whet_attribute *attribute) {
    if (!net || !attribute) return WHET_E_INVALID;
    whet_error_clear(&net->handle.error);
    WHET_TRY(whet_network_check_node(net, n, "whet_network_attribute"));
    if (index < 0 || index >= n->op->n_attrs)
        WHET_FAIL(&net->handle.error, WHET_E_RANGE, "%s has %d attributes, asked for %d", n->name,
                  n->op->n_attrs, index);
    const whet_attr *row = &n->op->attrs[index];
    *attribute = (whet_attribute){.name = row->name};
    read_slot(row, (const char *)n->attrs + row->offset, attribute);
    return WHET_OK;
}

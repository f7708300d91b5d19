// SPDX-License-Identifier: Apache-2.0
// What the attribute table of an operator drives: defaults, lookup, copy, comparison, hash, checks.
#include <stdint.h>
#include <string.h>

#include "base/hash.h"
#include "base/texts.h"
#include "ops/op.h"

static void *slot(void *attrs, const whet_attr *a) { return (char *)attrs + a->offset; }
static const void *slot_const(const void *attrs, const whet_attr *a) {
    return (const char *)attrs + a->offset;
}

// Bytes of the field itself.
static size_t field_bytes(whet_attr_type type) {
    switch (type) {
    case WHET_ATTR_INT: return sizeof(int64_t);
    case WHET_ATTR_FLOAT: return sizeof(float);
    case WHET_ATTR_BOOL: return sizeof(bool);
    case WHET_ATTR_ENUM:
    case WHET_ATTR_DTYPE: return sizeof(int32_t);
    case WHET_ATTR_STRING: return sizeof(const char *);
    case WHET_ATTR_INTS: return sizeof(whet_ints);
    case WHET_ATTR_FLOATS: return sizeof(whet_floats);
    case WHET_ATTR_STRINGS: return sizeof(whet_strings);
    case WHET_ATTR_TENSOR: return sizeof(const whet_tensor *);
    }
    return 0;
}

void whet_op_attr_defaults(const whet_op *op, void *attrs) {
    if (!op->attrs_size) return;
    memset(attrs, 0, op->attrs_size);
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const whet_attr *a = &op->attrs[i];
        void *p = slot(attrs, a);
        switch (a->type) {
        case WHET_ATTR_INT: *(int64_t *)p = (int64_t)a->def; break;
        case WHET_ATTR_FLOAT: *(float *)p = (float)a->def; break;
        case WHET_ATTR_BOOL: *(bool *)p = a->def != 0; break;
        case WHET_ATTR_ENUM:
        case WHET_ATTR_DTYPE: *(int32_t *)p = (int32_t)a->def; break;
        case WHET_ATTR_STRING: *(const char **)p = a->def_text; break;
        case WHET_ATTR_INTS:
        case WHET_ATTR_FLOATS:
        case WHET_ATTR_STRINGS:
        case WHET_ATTR_TENSOR: break;
        }
    }
}

bool whet_op_attr_is_default(const whet_attr *a, const void *field) {
    switch (a->type) {
    case WHET_ATTR_INT: {
        int64_t v = *(const int64_t *)field;
        return a->def == (double)WHET_ATTR_ABSENT ? v == WHET_ATTR_ABSENT : v == (int64_t)a->def;
    }
    case WHET_ATTR_FLOAT: {
        float v = *(const float *)field, def = (float)a->def;
        return !memcmp(&v, &def, sizeof v);
    }
    case WHET_ATTR_BOOL: return *(const bool *)field == (a->def != 0);
    case WHET_ATTR_ENUM:
    case WHET_ATTR_DTYPE: return *(const int32_t *)field == (int32_t)a->def;
    case WHET_ATTR_STRING: {
        const char *v = *(const char *const *)field, *def = a->def_text ? a->def_text : "";
        return !v || !strcmp(v, def);
    }
    case WHET_ATTR_INTS: return !((const whet_ints *)field)->v;
    case WHET_ATTR_FLOATS: return !((const whet_floats *)field)->v;
    case WHET_ATTR_STRINGS: return !((const whet_strings *)field)->v;
    case WHET_ATTR_TENSOR: return !*(const whet_tensor *const *)field;
    }
    return true;
}

const whet_attr *whet_op_attr_find(const whet_op *op, const char *name) {
    for (int32_t i = 0; i < op->n_attrs; i++)
        if (!strcmp(op->attrs[i].name, name)) return &op->attrs[i];
    return NULL;
}

static const whet_tensor *tensor_copy(const whet_tensor *t, whet_arena *arena) {
    whet_tensor *fresh = whet_arena_memdup(arena, t, sizeof *t);
    if (!fresh) return NULL;
    if (t->dtype == WHET_DTYPE_STRING)
        fresh->data = whet_texts_copy(t->data, whet_tensor_count(t), arena);
    else
        fresh->data = whet_arena_memdup(arena, t->data, t->bytes);
    return fresh->data ? fresh : NULL;
}

// Replaces what `p` points to by a copy; an empty array that is there stays there.
static bool own(void *p, whet_attr_type type, whet_arena *arena) {
    if (type == WHET_ATTR_STRING) {
        const char **text = p;
        return !*text || (*text = whet_arena_strdup(arena, *text));
    }
    if (type == WHET_ATTR_INTS) {
        whet_ints *v = p;
        return !v->v || (v->v = whet_arena_memdup(arena, v->v, (size_t)v->n * sizeof *v->v));
    }
    if (type == WHET_ATTR_FLOATS) {
        whet_floats *v = p;
        return !v->v || (v->v = whet_arena_memdup(arena, v->v, (size_t)v->n * sizeof *v->v));
    }
    if (type == WHET_ATTR_STRINGS) {
        whet_strings *v = p;
        return !v->v || (v->v = whet_texts_copy(v->v, v->n, arena));
    }
    if (type == WHET_ATTR_TENSOR) {
        const whet_tensor **t = p;
        return !*t || (*t = tensor_copy(*t, arena));
    }
    return true;
}

void *whet_op_attr_copy(const whet_op *op, const void *attrs, whet_arena *arena) {
    void *copy = op->attrs_size ? whet_arena_memdup(arena, attrs, op->attrs_size)
                                : whet_arena_alloc(arena, 1);
    for (int32_t i = 0; copy && i < op->n_attrs; i++)
        if (!own(slot(copy, &op->attrs[i]), op->attrs[i].type, arena)) return NULL;
    return copy;
}

// The bytes that an attribute stands for: of the array, the text, or the field itself. n is the
// element count (-1: absent), which tells absent from empty.
static const void *contents(const void *p, whet_attr_type type, size_t *bytes, int64_t *n) {
    const void *data = p;
    *n = 1;
    *bytes = field_bytes(type);
    if (type == WHET_ATTR_STRING) {
        data = *(const char *const *)p;
        *bytes = data ? strlen(data) : 0;
        *n = data ? (int64_t)*bytes : -1;
    } else if (type == WHET_ATTR_INTS) {
        const whet_ints *v = p;
        data = v->v;
        *n = data ? v->n : -1;
        *bytes = data ? (size_t)v->n * sizeof *v->v : 0;
    } else if (type == WHET_ATTR_FLOATS) {
        const whet_floats *v = p;
        data = v->v;
        *n = data ? v->n : -1;
        *bytes = data ? (size_t)v->n * sizeof *v->v : 0;
    } else if (type == WHET_ATTR_STRINGS) {
        const whet_strings *v = p;
        data = v->v;
        *n = data ? v->n : -1;
        *bytes = data ? (size_t)v->n * sizeof *v->v : 0;
    } else if (type == WHET_ATTR_TENSOR) {
        const whet_tensor *t = *(const whet_tensor *const *)p;
        data = t ? t->data : NULL;
        *n = t ? t->rank : -1;
        *bytes = t ? t->bytes : 0;
    }
    return data;
}

// Whether the elements are whet_text, which are compared by what they point to.
static bool is_texts(const whet_attr *a, const void *p) {
    if (a->type == WHET_ATTR_STRINGS) return true;
    const whet_tensor *t = a->type == WHET_ATTR_TENSOR ? *(const whet_tensor *const *)p : NULL;
    return t && t->dtype == WHET_DTYPE_STRING;
}

static bool same_tensor_type(const whet_tensor *a, const whet_tensor *b) {
    return a == b || (a && b && a->dtype == b->dtype && a->rank == b->rank &&
                      !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]));
}

static bool attr_equal(const whet_attr *attr, const void *a, const void *b) {
    size_t bytes_a, bytes_b;
    int64_t n_a, n_b;
    const void *pa = slot_const(a, attr), *pb = slot_const(b, attr);
    const void *va = contents(pa, attr->type, &bytes_a, &n_a);
    const void *vb = contents(pb, attr->type, &bytes_b, &n_b);
    if (n_a != n_b || bytes_a != bytes_b) return false;
    if (attr->type == WHET_ATTR_TENSOR &&
        !same_tensor_type(*(const whet_tensor *const *)pa, *(const whet_tensor *const *)pb))
        return false;
    if (is_texts(attr, pa)) return whet_texts_equal(va, vb, (int64_t)(bytes_a / sizeof(whet_text)));
    return !bytes_a || !memcmp(va, vb, bytes_a);
}

bool whet_op_attr_equal(const whet_op *op, const void *a, const void *b) {
    for (int32_t i = 0; i < op->n_attrs; i++)
        if (!attr_equal(&op->attrs[i], a, b)) return false;
    return true;
}

uint64_t whet_op_attr_hash(const whet_op *op, const void *attrs, uint64_t seed) {
    for (int32_t i = 0; i < op->n_attrs; i++) {
        const whet_attr *a = &op->attrs[i];
        size_t bytes;
        int64_t n;
        const void *data = contents(slot_const(attrs, a), a->type, &bytes, &n);
        seed = whet_hash64_mix(seed, (uint64_t)n);
        if (is_texts(a, slot_const(attrs, a)))
            seed = whet_texts_hash(data, (int64_t)(bytes / sizeof(whet_text)), seed);
        else if (bytes)
            seed = whet_hash64(data, bytes, seed);
        if (a->type == WHET_ATTR_TENSOR && n >= 0) {
            const whet_tensor *t = *(const whet_tensor *const *)slot_const(attrs, a);
            seed = whet_hash64_mix(seed, (uint64_t)t->dtype);
            seed = whet_hash64(t->dims, (size_t)t->rank * sizeof t->dims[0], seed);
        }
    }
    return seed;
}

static whet_status out_of_range(const whet_attr *a, double v, whet_error *err) {
    WHET_FAIL(err, WHET_E_RANGE, "attribute %s is %g, allowed is %g to %g", a->name, v, a->min,
              a->max);
}

static whet_status check_ints(const whet_attr *a, const int64_t *v, int64_t n, whet_error *err) {
    if (!(a->min < a->max)) return WHET_OK;
    for (int64_t i = 0; i < n; i++)
        if ((double)v[i] < a->min || (double)v[i] > a->max)
            return out_of_range(a, (double)v[i], err);
    return WHET_OK;
}

static int32_t count_choices(const whet_attr *a) {
    int32_t n = 0;
    while (a->choices && a->choices[n]) n++;
    return n;
}

static whet_status check_attr(const whet_attr *a, const void *p, whet_error *err) {
    size_t bytes;
    int64_t n;
    const void *data = contents(p, a->type, &bytes, &n);
    if (a->required && n < 0)
        WHET_FAIL(err, WHET_E_RANGE, "attribute %s is missing", a->name);
    if (a->type == WHET_ATTR_INT) {
        int64_t v = *(const int64_t *)p;
        bool absent = v == WHET_ATTR_ABSENT && a->def == (double)WHET_ATTR_ABSENT;
        if (absent && a->required)
            WHET_FAIL(err, WHET_E_RANGE, "attribute %s is missing", a->name);
        return absent ? WHET_OK : check_ints(a, &v, 1, err);
    }
    if (a->type == WHET_ATTR_INTS) return check_ints(a, data, n, err);
    if (a->type == WHET_ATTR_FLOAT) {
        float v = *(const float *)p;
        return a->min < a->max && !(v >= a->min && v <= a->max) ? out_of_range(a, v, err) : WHET_OK;
    }
    if (a->type == WHET_ATTR_ENUM) {
        int32_t v = *(const int32_t *)p;
        if (v < 0 || v >= count_choices(a))
            WHET_FAIL(err, WHET_E_RANGE, "attribute %s has no choice %d", a->name, v);
    }
    if (a->type == WHET_ATTR_DTYPE) {
        int32_t v = *(const int32_t *)p;
        if (v != WHET_DTYPE_NONE && !whet_dtype_known(v))
            WHET_FAIL(err, WHET_E_UNSUPPORTED, "attribute %s: data type %d is not supported",
                      a->name, v);
        if (v == WHET_DTYPE_NONE && a->required)
            WHET_FAIL(err, WHET_E_RANGE, "attribute %s is missing", a->name);
    }
    return WHET_OK;
}

whet_status whet_op_attr_check(const whet_op *op, const void *attrs, whet_error *err) {
    for (int32_t i = 0; i < op->n_attrs; i++)
        WHET_TRY(check_attr(&op->attrs[i], slot_const(attrs, &op->attrs[i]), err));
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
#include "base/object.h"

#include <string.h>

#include "base/texts.h"

// Items of several sequences that grew from one another: each has the first n of them.
struct whet_object_room {
    whet_tensor *items;
    int64_t used, cap;
};

// ---- types ----

bool whet_elem_make(whet_dtype dtype, whet_elem inner, whet_elem *out) {
    if (inner >> 24) return false;
    *out = (whet_elem)dtype | inner << 8;
    return true;
}

bool whet_elem_merge(whet_elem a, whet_elem b, whet_elem *out) {
    *out = a > b ? a : b; // when they agree as far as both go, the longer one is the larger
    for (; a && b; a >>= 8, b >>= 8)
        if ((a & 0xff) != (b & 0xff)) return false;
    return true;
}

static bool valid_map(whet_elem e) {
    whet_dtype key = whet_elem_dtype(e), value = whet_elem_dtype(whet_elem_inner(e));
    if (e == 0) return true;
    return (key == WHET_DTYPE_I64 || key == WHET_DTYPE_STRING) &&
           whet_dtype_known((int32_t)value) && !whet_dtype_is_object(value) && !(e >> 16);
}

bool whet_elem_valid(whet_dtype dtype, whet_elem e) {
    while (dtype == WHET_DTYPE_SEQUENCE || dtype == WHET_DTYPE_OPTIONAL) {
        if (e == 0) return true;
        dtype = whet_elem_dtype(e);
        if (!whet_dtype_known((int32_t)dtype)) return false;
        e = whet_elem_inner(e);
    }
    return dtype == WHET_DTYPE_MAP ? valid_map(e) : e == 0;
}

// The chain of an item.
static whet_status item_elem(const whet_tensor *t, whet_elem *out, whet_error *err) {
    const whet_object *o = whet_dtype_is_object(t->dtype) ? whet_object_of(t) : NULL;
    if (!whet_elem_make(t->dtype, o ? o->elem : 0, out))
        WHET_FAIL(err, WHET_E_DTYPE, "sequences and optionals are nested too deeply");
    return WHET_OK;
}

static whet_status add_elem(whet_elem *elem, const whet_tensor *t, whet_error *err) {
    whet_elem item;
    WHET_TRY(item_elem(t, &item, err));
    whet_elem before = *elem;
    if (!whet_elem_merge(before, item, elem))
        WHET_FAIL(err, WHET_E_DTYPE, "an item of type %s where the others are %s",
                  whet_dtype_text(t->dtype), whet_dtype_text(whet_elem_dtype(before)));
    return WHET_OK;
}

whet_status whet_object_find_elem(const whet_object *o, whet_elem *elem, whet_error *err) {
    *elem = 0;
    if (o->kind == WHET_DTYPE_MAP)
        *elem = (whet_elem)o->items[0].dtype | (whet_elem)o->items[1].dtype << 8;
    for (int64_t i = 0; i < o->n && o->kind != WHET_DTYPE_MAP; i++)
        WHET_TRY(add_elem(elem, &o->items[i], err));
    return WHET_OK;
}

// ---- copies ----

whet_status whet_arena_failure(const whet_arena *arena, whet_error *err) {
    if (!arena->limited) return WHET_NOMEM(err);
    WHET_FAIL(err, WHET_E_LIMIT,
              "the strings, sequences, optionals and maps of this run need more than the %zu bytes "
              "allowed (whet_context_set_object_limit)", arena->limit);
}

static whet_status adopt_item(whet_arena *arena, const whet_tensor *from, whet_tensor *to,
                              whet_error *err) {
    *to = *from;
    if (whet_dtype_is_object(from->dtype)) {
        const whet_object *o = whet_object_of(from), **slot = whet_arena_alloc(arena, sizeof o);
        if (!slot) return whet_arena_failure(arena, err);
        if (!o) WHET_FAIL(err, WHET_E_INVALID, "a value of type %s is not set",
                          whet_dtype_text(from->dtype));
        WHET_TRY(whet_object_adopt(arena, o, &o, err));
        *slot = o;
        to->data = slot;
        return WHET_OK;
    }
    to->bytes = whet_tensor_bytes(from->dtype, whet_dims_count(from->dims, from->rank));
    if (from->dtype == WHET_DTYPE_STRING)
        to->data = whet_texts_copy(from->data, (int64_t)(to->bytes / sizeof(whet_text)), arena);
    else
        to->data = whet_arena_memdup(arena, from->data, to->bytes);
    return to->data ? WHET_OK : whet_arena_failure(arena, err);
}

static whet_object *object_new(whet_arena *arena, whet_dtype kind, whet_elem elem, int64_t n) {
    whet_object *o = whet_arena_alloc(arena, sizeof *o);
    if (o) *o = (whet_object){WHET_OBJECT_MAGIC, kind, elem, n, NULL, arena, NULL};
    return o;
}

// Room for more than n items, so that adding one at a time costs no more than the items.
static bool object_room(whet_arena *arena, whet_object *o, int64_t cap) {
    o->room = whet_arena_alloc(arena, sizeof *o->room);
    if (!o->room) return false;
    o->room->items = whet_arena_array(arena, (size_t)cap, sizeof *o->room->items);
    if (!o->room->items) return false;
    o->items = o->room->items;
    o->room->cap = cap;
    o->room->used = o->n;
    return true;
}

whet_status whet_object_make(whet_arena *arena, whet_dtype kind, whet_elem elem,
                             const whet_tensor *items, int64_t n, const whet_object **out,
                             whet_error *err) {
    for (int64_t i = 0; i < n && kind != WHET_DTYPE_MAP; i++)
        WHET_TRY(add_elem(&elem, &items[i], err));
    whet_object *o = object_new(arena, kind, elem, n);
    if (!o || !object_room(arena, o, n)) return whet_arena_failure(arena, err);
    for (int64_t i = 0; i < n; i++)
        WHET_TRY(adopt_item(arena, &items[i], &o->room->items[i], err));
    *out = o;
    return WHET_OK;
}

whet_status whet_object_adopt(whet_arena *arena, const whet_object *o, const whet_object **out,
                              whet_error *err) {
    if (o->owner != arena)
        return whet_object_make(arena, o->kind, o->elem, o->items, o->n, out, err);
    *out = o;
    return WHET_OK;
}

// ---- sequences ----

// A copy of s with room for one more.
static whet_status with_room(whet_arena *arena, const whet_object *s, whet_elem elem,
                             whet_object **out, whet_error *err) {
    whet_object *o = object_new(arena, s->kind, elem, s->n);
    if (!o || !object_room(arena, o, s->n < 4 ? 8 : s->n * 2))
        return whet_arena_failure(arena, err);
    if (s->n) memcpy(o->room->items, s->items, (size_t)s->n * sizeof *s->items);
    *out = o;
    return WHET_OK;
}

whet_status whet_object_insert(whet_arena *arena, const whet_object *s, int64_t at,
                               const whet_tensor *item, const whet_object **out,
                               whet_error *err) {
    whet_object *o = NULL;
    whet_tensor own;
    whet_elem elem = s->elem;
    WHET_TRY(add_elem(&elem, item, err));
    WHET_TRY(whet_object_adopt(arena, s, &s, err));
    WHET_TRY(adopt_item(arena, item, &own, err));
    bool shared = at == s->n && s->room && s->room->used == s->n && s->n < s->room->cap;
    if (shared) { // nobody else has seen the slot behind the last item
        o = object_new(arena, s->kind, elem, s->n);
        if (!o) return whet_arena_failure(arena, err);
        o->room = s->room;
        o->items = s->items;
    } else {
        WHET_TRY(with_room(arena, s, elem, &o, err));
    }
    whet_tensor *items = o->room->items;
    memmove(&items[at + 1], &items[at], (size_t)(o->n - at) * sizeof *items);
    items[at] = own;
    o->room->used = ++o->n;
    *out = o;
    return WHET_OK;
}

whet_status whet_object_erase(whet_arena *arena, const whet_object *s, int64_t at,
                              const whet_object **out, whet_error *err) {
    WHET_TRY(whet_object_adopt(arena, s, &s, err));
    whet_object *o = object_new(arena, s->kind, s->elem, s->n - 1);
    if (!o || !object_room(arena, o, o->n)) return whet_arena_failure(arena, err);
    whet_tensor *items = o->room->items;
    memcpy(items, s->items, (size_t)at * sizeof *items);
    memcpy(&items[at], &s->items[at + 1], (size_t)(o->n - at) * sizeof *items);
    *out = o;
    return WHET_OK;
}

// ---- what a caller brings ----

whet_status whet_texts_check(const whet_text *v, int64_t n, whet_error *err) {
    for (int64_t i = 0; i < n; i++)
        if (v[i].size && (!v[i].data || v[i].size > SIZE_MAX / 2))
            WHET_FAIL(err, WHET_E_INVALID, "text %lld has %zu bytes but no data", (long long)i,
                      v[i].size);
    return WHET_OK;
}

static whet_status check_item(const whet_tensor *t, whet_dtype dtype, whet_elem inner,
                              whet_error *err) {
    if (!whet_dtype_known((int32_t)t->dtype) || (dtype && t->dtype != dtype))
        WHET_FAIL(err, WHET_E_DTYPE, "an item is %s where %s is expected",
                  whet_dtype_text(t->dtype), dtype ? whet_dtype_text(dtype) : "a tensor");
    if (t->rank < 0 || t->rank > WHET_MAX_RANK || whet_dims_count(t->dims, t->rank) < 0)
        WHET_FAIL(err, WHET_E_SHAPE, "the shape of an item is no shape");
    size_t bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    if (t->bytes != bytes)
        WHET_FAIL(err, WHET_E_BUFFER, "an item has %zu bytes, its shape needs %zu", t->bytes,
                  bytes);
    if (!t->data && bytes) WHET_FAIL(err, WHET_E_INVALID, "an item has no data");
    if (t->dtype == WHET_DTYPE_STRING)
        return whet_texts_check(t->data, (int64_t)(bytes / sizeof(whet_text)), err);
    if (!whet_dtype_is_object(t->dtype)) return WHET_OK;
    if (t->rank) WHET_FAIL(err, WHET_E_SHAPE, "an item of type %s has dimensions",
                           whet_dtype_text(t->dtype));
    return whet_object_check(whet_object_of(t), t->dtype, inner, err);
}

static whet_status check_map(const whet_object *o, whet_elem elem, whet_error *err) {
    whet_dtype key = whet_elem_dtype(elem), value = whet_elem_dtype(whet_elem_inner(elem));
    if (o->n != 2 || !o->items) WHET_FAIL(err, WHET_E_INVALID, "a map has keys and values");
    const whet_tensor *k = &o->items[0], *v = &o->items[1];
    WHET_TRY(check_item(k, key, 0, err));
    WHET_TRY(check_item(v, value, 0, err));
    if (k->rank != 1 || v->rank != 1 || k->dims[0] != v->dims[0])
        WHET_FAIL(err, WHET_E_SHAPE, "a map has as many keys as values, each a list");
    if ((k->dtype != WHET_DTYPE_I64 && k->dtype != WHET_DTYPE_STRING) ||
        whet_dtype_is_object(v->dtype))
        WHET_FAIL(err, WHET_E_DTYPE, "a map from %s to %s is not possible",
                  whet_dtype_text(k->dtype), whet_dtype_text(v->dtype));
    return WHET_OK;
}

whet_status whet_object_check(const whet_object *o, whet_dtype kind, whet_elem elem,
                              whet_error *err) {
    if (!o || o->magic != WHET_OBJECT_MAGIC)
        WHET_FAIL(err, WHET_E_INVALID, "there is no object (see whet_object_create)");
    if (o->kind != kind)
        WHET_FAIL(err, WHET_E_DTYPE, "the object is %s, expected %s", whet_dtype_text(o->kind),
                  whet_dtype_text(kind));
    if (kind == WHET_DTYPE_MAP) return check_map(o, elem, err);
    if (o->n < 0 || (o->n && !o->items) || (kind == WHET_DTYPE_OPTIONAL && o->n > 1))
        WHET_FAIL(err, WHET_E_INVALID, "the object has %lld items", (long long)o->n);
    if (!elem && o->n) WHET_TRY(item_elem(&o->items[0], &elem, err));
    for (int64_t i = 0; i < o->n; i++)
        WHET_TRY(check_item(&o->items[i], whet_elem_dtype(elem), whet_elem_inner(elem), err));
    return WHET_OK;
}

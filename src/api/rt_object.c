// SPDX-License-Identifier: Apache-2.0
// Objects that callers make and look into.
#include <stdlib.h>
#include <string.h>

#include "base/object.h"

whet_status whet_object_create(whet_dtype kind, const whet_tensor *items, int64_t n_items,
                               whet_object **object) {
    if (!whet_dtype_is_object(kind) || n_items < 0 || (n_items && !items) || !object)
        return WHET_E_INVALID;
    if ((uint64_t)n_items > (SIZE_MAX - sizeof(whet_object)) / sizeof *items) return WHET_E_NOMEM;
    whet_object *o = calloc(1, sizeof *o + (size_t)n_items * sizeof *items);
    if (!o) return WHET_E_NOMEM;
    if (n_items) memcpy(o + 1, items, (size_t)n_items * sizeof *items);
    *o = (whet_object){.magic = WHET_OBJECT_MAGIC, .kind = kind, .n = n_items,
                       .items = (const whet_tensor *)(o + 1)};
    whet_status status = whet_object_check(o, kind, 0, NULL);
    if (status == WHET_OK) status = whet_object_find_elem(o, &o->elem, NULL);
    if (status != WHET_OK) {
        free(o);
        return status;
    }
    *object = o;
    return WHET_OK;
}

void whet_object_destroy(whet_object *object) {
    if (!object || object->magic != WHET_OBJECT_MAGIC || object->owner) return;
    object->magic = 0;
    free(object);
}

whet_dtype whet_object_kind(const whet_object *object) {
    return object ? object->kind : WHET_DTYPE_NONE;
}

int64_t whet_object_count(const whet_object *object) { return object ? object->n : 0; }

uint32_t whet_object_elem(const whet_object *object) { return object ? object->elem : 0; }

whet_status whet_object_item(const whet_object *object, int64_t index, whet_tensor *item) {
    if (!object || !item || index < 0 || index >= object->n) return WHET_E_RANGE;
    *item = object->items[index];
    return WHET_OK;
}

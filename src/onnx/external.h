// SPDX-License-Identifier: Apache-2.0
// External data: files beside the model, mapped once each. A location may only name a file inside
// the model's folder, whatever symbolic links do.
#ifndef WHET_ONNX_EXTERNAL_H
#define WHET_ONNX_EXTERNAL_H

#include "base/arena.h"
#include "base/file.h"

typedef struct whet_external {
    const char *dir; // NULL: external data is refused
    whet_map *maps;
    const char **names; // [n]: locations
    int32_t n, cap_maps, cap_names;
} whet_external;

// The mapped file; the arena holds the lists. WHET_E_INVALID for a location that is not allowed,
// WHET_E_IO, WHET_E_UNSUPPORTED without a folder, WHET_E_NOMEM.
whet_status whet_external_open(whet_external *ext, whet_arena *arena, const char *location,
                               whet_map *map, whet_error *err);
void whet_external_close(whet_external *ext);

#endif

// SPDX-License-Identifier: Apache-2.0
// Files of named tensors: one list of entries, whatever the format.
#ifndef WHET_BUILD_WEIGHTS_IMPL_H
#define WHET_BUILD_WEIGHTS_IMPL_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "env/env.h"

#define WHET_WEIGHTS_MAX (INT32_C(1) << 20) // entries

typedef struct whet_weight {
    const char *name;
    const char *problem;   // why it cannot be read; NULL: nothing known
    whet_tensor tensor;    // data NULL: not loaded yet (npz)
    const uint8_t *packed; // npz: bytes of the member, as stored
    uint64_t packed_bytes, bytes;
    uint32_t method, crc;
    bool loaded;
} whet_weight;

struct whet_weights {
    whet_handle handle;
    whet_map map;
    const uint8_t *data;
    size_t size;
    whet_arena arena;
    whet_weight *entries;
    int32_t n, cap;
    int32_t *sorted; // indices by name
    bool npz;
};

whet_weight *whet_weights_push(whet_weights *w, const char *name); // NULL: error set
// The list of a file; tensors of safetensors files, members of npz files.
whet_status whet_weights_read_npz(whet_weights *w);
whet_status whet_weights_read_safetensors(whet_weights *w);
// The array in a member of an npz file.
whet_status whet_weights_load_npy(whet_weights *w, whet_weight *e);
// Sets the data of a tensor whose dtype and dims are known: in place where aligned, else a copy.
whet_status whet_weights_place(whet_weights *w, whet_weight *e, const uint8_t *data,
                               uint64_t bytes);

#endif

// SPDX-License-Identifier: Apache-2.0
// The WEIGHTS section: the constants of the model by name, and which of them a refit may change.
#ifndef WHET_ENGINE_MODEL_WEIGHTS_H
#define WHET_ENGINE_MODEL_WEIGHTS_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

typedef enum whet_weight_state {
    WHET_WEIGHT_FREE = 0,    // a source constant of the graph, of any contents
    WHET_WEIGHT_DECIDED = 1, // the graph was made for what it holds
    WHET_WEIGHT_ROUNDED = 2, // the same: the build has rounded it to a few bits
} whet_weight_state;

// Of two dimensions, which belongs to the output of the product that reads it.
typedef enum whet_weight_rows {
    WHET_ROWS_UNKNOWN = 0,
    WHET_ROWS_OUT = 1, // [out, in]
    WHET_ROWS_IN = 2,  // [in, out]
} whet_weight_rows;

typedef struct whet_model_weight {
    const char *name;
    uint8_t state, rows;
    whet_dtype dtype;
    int32_t rank;
    int64_t dims[WHET_MAX_RANK];
    uint32_t sum; // CRC-32C of the contents that the engine has, or had before it was stripped
} whet_model_weight;

typedef struct whet_model_weights {
    whet_model_weight *v; // sorted by name, each once
    int32_t n;
    bool stripped;         // the file holds no contents of them
    uint64_t packed_bytes; // then: what PACKED would take
} whet_model_weights;

void whet_model_weights_encode(const whet_model_weights *w, whet_writer *out);
// Names are copied into the arena. WHET_E_PARSE.
whet_status whet_model_weights_decode(const void *data, size_t size, whet_arena *arena,
                                      whet_model_weights *w, whet_error *err);
// NULL: there is none of that name.
whet_model_weight *whet_model_weights_find(const whet_model_weights *w, const char *name);

#endif

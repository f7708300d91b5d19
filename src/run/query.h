// SPDX-License-Identifier: Apache-2.0
// Shapes without running: exact where they follow from the inputs' shapes and contents, bounds
// where only data tells them, and which inputs' contents are missing. Inside run/ only.
#ifndef WHET_RUN_QUERY_H
#define WHET_RUN_QUERY_H

#include "engine/pgraph.h"

typedef enum whet_shape_state {
    WHET_SHAPE_UNKNOWN = 0, // some dimension is WHET_DIM_ERROR, or the rank -1
    WHET_SHAPE_BOUND = 1,   // no dimension is larger
    WHET_SHAPE_EXACT = 2,
} whet_shape_state;

typedef struct whet_query {
    whet_type *types;        // [values]
    whet_shape_state *state; // [values]
    bool *lacking;           // [inputs] without data, and a shape depends on it
    bool lacks;              // any
} whet_query;

// inputs: checked against the graph; data may be NULL. Everything lives in the arena. WHET_E_NOMEM.
whet_status whet_query_shapes(const whet_pgraph *g, const whet_tensor *inputs, whet_arena *arena,
                              whet_query *q);

// For whet_dim_lookup with user = a whet_input_names: the number that one of the first `n` inputs
// gives the dimension of this name.
typedef struct whet_input_names {
    const whet_pgraph *g;
    const whet_tensor *inputs;
    int32_t n;
} whet_input_names;
int64_t whet_input_dim(void *user, const char *name);

#endif

// SPDX-License-Identifier: Apache-2.0
// What a build asks of a layer: the type that it computes in, and the one that its result lies in.
// Passes hand it on to what takes a node's place (whet_node_absorb); the plan groups and picks
// kernels by it; build/constraints.c sets it and looks whether it was met.
#ifndef WHET_ENGINE_DEMAND_H
#define WHET_ENGINE_DEMAND_H

#include <stdbool.h>

#include "base/dtype.h"

typedef struct whet_demand {
    uint8_t compute, store; // a whet_dtype, NONE: free. Values are of the type f32
} whet_demand;

static inline bool whet_demand_any(whet_demand d) { return d.compute || d.store; }

static inline bool whet_demand_is_float(uint8_t type) {
    return type == WHET_DTYPE_F32 || type == WHET_DTYPE_F16 || type == WHET_DTYPE_BF16;
}

static inline int32_t whet_demand_rank(uint8_t type) {
    return type == WHET_DTYPE_F32    ? 4
           : type == WHET_DTYPE_F16  ? 3
           : type == WHET_DTYPE_BF16 ? 2
                                     : type != WHET_DTYPE_NONE;
}

static inline uint8_t whet_demand_stricter(uint8_t a, uint8_t b) {
    return whet_demand_rank(b) > whet_demand_rank(a) ? b : a;
}

// Of nodes that become one: the stricter of either.
static inline whet_demand whet_demand_merge(whet_demand a, whet_demand b) {
    return (whet_demand){whet_demand_stricter(a.compute, b.compute),
                         whet_demand_stricter(a.store, b.store)};
}

// Nothing is asked of one that contradicts what is asked of the other.
static inline bool whet_demand_agree(whet_demand a, whet_demand b) {
    return (!a.compute || !b.compute || a.compute == b.compute) &&
           (!a.store || !b.store || a.store == b.store);
}

// What a node that a pass puts in front of another keeps of it: that it is not to be rounded.
static inline whet_demand whet_demand_exact(whet_demand d) {
    return (whet_demand){d.compute == WHET_DTYPE_F32 ? d.compute : WHET_DTYPE_NONE,
                         d.store == WHET_DTYPE_F32 ? d.store : WHET_DTYPE_NONE};
}

#endif

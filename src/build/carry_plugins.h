// SPDX-License-Identifier: Apache-2.0
// What an engine says about its plugins, and the libraries that it carries.
#ifndef WHET_BUILD_CARRY_PLUGINS_H
#define WHET_BUILD_CARRY_PLUGINS_H

#include "build/builder_impl.h"

typedef struct whet_carried {
    whet_writer records; // PLUGINS; empty when the graph has no plugins
    whet_map *libraries; // LIBRARY, in order
    int32_t n;
} whet_carried;

// From x->graph and the option embed-plugins. To be dropped in any case.
whet_status whet_carry_plugins(whet_build *x, whet_carried *c);
void whet_carry_drop(whet_carried *c);

#endif

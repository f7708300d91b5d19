// SPDX-License-Identifier: Apache-2.0
// The names nearest to one that is not there, for messages.
#ifndef WHET_BASE_NEAREST_H
#define WHET_BASE_NEAREST_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { WHET_NEAREST_MOST = 3 };

typedef struct whet_nearest {
    const char *wanted;
    const char *names[WHET_NEAREST_MOST]; // borrowed, the nearest first
    size_t distance[WHET_NEAREST_MOST];
    int32_t n;
} whet_nearest;

// Considers a name; a match of upper and lower case counts as near, and so does a part.
void whet_nearest_add(whet_nearest *near, const char *name);
// `; near: "a", "b"`, or nothing.
void whet_nearest_print(const whet_nearest *near, whet_str *out);

#endif

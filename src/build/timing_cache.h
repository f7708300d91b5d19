// SPDX-License-Identifier: Apache-2.0
// Times measured on this kind of machine, by key. A text file that can be kept, merged and shared:
// docs/engine-format.md, "Timing cache".
#ifndef WHET_BUILD_TIMING_CACHE_H
#define WHET_BUILD_TIMING_CACHE_H

#include "base/arena.h"
#include "base/error.h"

typedef struct whet_timing_entry {
    const char *key; // NULL: free
    double seconds;
} whet_timing_entry;

struct whet_timing_cache {
    whet_handle handle;
    whet_arena arena; // of keys
    whet_timing_entry *entries;
    int64_t cap, n; // cap is a power of two
    bool changed;
};

// Negative when it is not there.
double whet_timing_cache_get(const whet_timing_cache *c, const char *key);
whet_status whet_timing_cache_put(whet_timing_cache *c, const char *key, double seconds);
// From the bytes of a file (also the fuzzer's way in).
whet_status whet_timing_cache_parse(whet_timing_cache *c, const char *text, size_t n,
                                    whet_error *err);

#endif

// SPDX-License-Identifier: Apache-2.0
// The PLUGINS section: which operators of the graph come from outside, and from where.
#ifndef WHET_ENGINE_ENGINE_PLUGINS_H
#define WHET_ENGINE_ENGINE_PLUGINS_H

#include "base/bytes.h"
#include "base/sha256.h"
#include "engine/pgraph.h"

#define WHET_NOT_CARRIED UINT32_MAX

typedef struct whet_plugin_record {
    const char *op; // its name in the graph
    const char *domain, *type, *version;
    const char *library, *library_version, *file; // "" when of no library
    uint32_t carried; // number of the LIBRARY section, or WHET_NOT_CARRIED
    uint8_t sha256[WHET_SHA256_BYTES]; // of that section
} whet_plugin_record;

// The operators from outside of a graph, each once, in order of their first node.
whet_status whet_pgraph_plugins(const whet_pgraph *g, whet_arena *arena,
                                whet_plugin_record **records, int32_t *n, whet_error *err);
void whet_plugin_records_encode(const whet_plugin_record *records, int32_t n, whet_writer *w);
whet_status whet_plugin_records_decode(const void *data, size_t size, whet_arena *arena,
                                       whet_plugin_record **records, int32_t *n, whet_error *err);

#endif

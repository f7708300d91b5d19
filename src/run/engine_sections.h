// SPDX-License-Identifier: Apache-2.0
// The sections of an engine file that is written: by a build, and by an engine that was refitted.
#ifndef WHET_RUN_ENGINE_SECTIONS_H
#define WHET_RUN_ENGINE_SECTIONS_H

#include "run/engine_impl.h"

typedef struct whet_sections {
    whet_arena arena;
    whet_workers *workers;
    whet_section_out *v;
    int32_t n, cap;
    whet_writer **writers;
    int32_t n_writers, cap_writers;
} whet_sections;

void whet_sections_init(whet_sections *l, whet_workers *workers);
void whet_sections_fini(whet_sections *l);
// All that follow give false when memory is out. data is borrowed.
bool whet_sections_push(whet_sections *l, whet_section_kind kind, uint32_t id, const void *data,
                        size_t size);
// For the contents of a section, which come with whet_sections_push_written. NULL: out of memory.
whet_writer *whet_sections_writer(whet_sections *l);
bool whet_sections_push_written(whet_sections *l, whet_section_kind kind, uint32_t id,
                                const whet_writer *w);
bool whet_sections_push_graph(whet_sections *l, const whet_pgraph *g);
// INDEX, SUMS and SOURCES: source constants that hold contents and are not in GRAPH.
bool whet_sections_push_sources(whet_sections *l, const whet_pgraph *g);
// MACHINE, PLAN, PROFILE_PLAN and PACKED of one machine. full: large constants that are read as
// they are lie in SOURCES. packed_bytes NULL, or: PACKED is left out, its size goes there.
bool whet_sections_push_plans(whet_sections *l, uint32_t id, const whet_machine *machine,
                              const whet_env *env, const whet_pgraph *g, whet_plan *const *plans,
                              int32_t n_plans, bool full, uint64_t *packed_bytes);

#endif

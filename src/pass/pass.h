// SPDX-License-Identifier: Apache-2.0
// Machine-independent passes over the IR. One file a pass plus a row in passes.def; list order is
// run order. A pass returns how much it changed through *changed.
#ifndef WHET_PASS_PASS_H
#define WHET_PASS_PASS_H

#include "ir/graph.h"

typedef struct whet_pass_options {
    const char *disable;    // comma-separated names, or "all"
    const char *dump_after; // name or "all"; NULL: none
    void (*dump)(void *user, const char *pass, const char *text);
    void *dump_user;
    bool verify;            // whet_graph_verify after each pass
    int32_t level;          // build level; passes with a higher level are skipped
} whet_pass_options;

typedef struct whet_pass {
    const char *name, *help;
    int32_t level;
    whet_status (*run)(whet_graph *g, int32_t *changed, whet_error *err);
} whet_pass;

typedef struct whet_pass_stats {
    const char *name;
    int32_t changed;
} whet_pass_stats;

const whet_pass *const *whet_passes(int32_t *n);
// Runs the list (a fixed-point group for the rewrites inside). stats: [whet_passes n], may be NULL.
// WHET_E_NOT_FOUND names an unknown pass in disable or dump_after.
whet_status whet_passes_run(whet_graph *g, const whet_pass_options *options, whet_pass_stats *stats,
                            whet_error *err);

#define PASS(name) extern const whet_pass whet_pass_##name;
#include "pass/passes.def"
#undef PASS

#endif

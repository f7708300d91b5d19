// SPDX-License-Identifier: Apache-2.0
// A plugin inside: the public struct copied, an operator and a kernel for each tactic. Nothing
// above this folder but env/, which keeps the entries, knows plugins.
#ifndef WHET_PLUGIN_PLUGIN_ENTRY_H
#define WHET_PLUGIN_PLUGIN_ENTRY_H

#include <whet/plugin.h>

#include "base/arena.h"
#include "kern/kernel.h"
#include "ops/op.h"

#define WHET_PLUGIN_MAX_ROWS 64    // attributes, inputs, outputs
#define WHET_PLUGIN_MAX_TACTICS 32

// Where a plugin is from; texts "" for one of this process.
typedef struct whet_plugin_origin {
    const char *library, *version, *path;
} whet_plugin_origin;

typedef struct whet_plugin_entry {
    whet_arena arena; // of all that follows
    whet_plugin p;    // complete: rows of this library's size, texts never NULL
    whet_op op;
    whet_op_extern ext;
    whet_kernel *kernels; // [p.n_tactics]
    whet_ints *def_ints;  // [p.n_attrs] defaults of lists
    whet_floats *def_floats;
    int32_t saved_attr;   // index in op.attrs of the bytes of `save`, -1
} whet_plugin_entry;

// Checks and adapts. WHET_E_INVALID, WHET_E_UNSUPPORTED, WHET_E_NOMEM; the text names the plugin.
whet_status whet_plugin_entry_make(const whet_plugin *plugin, const whet_plugin_origin *origin,
                                   whet_plugin_entry **entry, whet_error *err);
// Of one that was never registered.
void whet_plugin_entry_drop(whet_plugin_entry *e);
// Calls plugin->release.
void whet_plugin_entry_destroy(whet_plugin_entry *e);

// ---- inside plugin/ ----

// Attributes of a node: this slot, then one of WHET_PLUGIN_FIELD_BYTES an attribute.
typedef struct whet_plugin_slot {
    void *state;
    bool attached;
} whet_plugin_slot;
#define WHET_PLUGIN_FIELD_BYTES 16

static inline const whet_plugin_entry *whet_plugin_of(const whet_op *op) {
    return (const whet_plugin_entry *)(const void *)((const char *)op -
                                                     offsetof(whet_plugin_entry, op));
}

// A node as a callback sees it. Of infer, problem and call those are set that the callback has.
typedef struct whet_plugin_view {
    whet_plugin_node node;
    const whet_plugin_entry *entry;
    const void *attrs;
    const char *name;
    whet_error *err;
    whet_infer *infer;
    const whet_problem *problem;
    const whet_call *call;
    whet_eval *eval;               // of DYNAMIC_OUT
    whet_layout *set_in, *set_out; // of `ports`
    whet_arena *arena;             // of whet_plugin_alloc
    const whet_tensor **save;      // of `save`
    whet_arena *save_arena;
    void *state;
    int32_t phase;
    bool failed;                   // `err` has its text
} whet_plugin_view;

extern const whet_plugin_host whet_plugin_host_table;
void whet_plugin_view_init(whet_plugin_view *v, const whet_op *op, const void *attrs,
                           const char *name, whet_error *err);
// The status of a callback: one of ours, with a text.
whet_status whet_plugin_view_status(whet_plugin_view *v, whet_status status, const char *callback);

// The rows of `plugin`, checked, into e->p.
whet_status whet_plugin_copy(whet_plugin_entry *e, const whet_plugin *plugin, whet_error *err);
// Operator and kernels from e->p.
whet_status whet_plugin_make_op(whet_plugin_entry *e, const whet_plugin_origin *origin,
                                whet_error *err);
whet_status whet_plugin_make_kernels(whet_plugin_entry *e, whet_error *err);
// Whether the tactic takes the problem, layouts included.
bool whet_plugin_tactic_accepts(const whet_plugin_entry *e, int32_t tactic, const whet_problem *p);
// Runs all phases of the first tactic that takes it, in plain layout, on this thread.
whet_status whet_plugin_eval(whet_eval *e);
whet_status whet_plugin_attach(const whet_infer *node, void *attrs, bool save);
void whet_plugin_detach(const whet_op *op, void *attrs);

#endif

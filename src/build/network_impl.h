// SPDX-License-Identifier: Apache-2.0
// A network: the public face of a build-time graph, or of one body of a control-flow node.
#ifndef WHET_BUILD_NETWORK_IMPL_H
#define WHET_BUILD_NETWORK_IMPL_H

#include "base/str.h"
#include "env/env.h"
#include "ir/graph.h"
#include "onnx/import.h"

typedef struct whet_capture { // a value from around a block, and the block's input for it
    whet_value *outer, *inner;
} whet_capture;

#define WHET_NETWORK_DEPTH 64 // of blocks in blocks

struct whet_network {
    whet_handle handle;
    whet_env *env;
    whet_graph *graph; // its arena outlives the network's texts
    bool owns_graph;   // made empty; otherwise the import's
    whet_graph **before; // what `graph` was made from and borrows constants of
    int32_t n_before;
    // of a block:
    whet_network *parent, *next_block; // in the list of the root
    whet_node *node;                   // whose block it is; NULL: none yet
    whet_capture *captures;            // until it has a node: its last inputs
    int32_t n_captures, cap_captures;
    int32_t n_names;   // made up so far
    whet_str text;
    whet_arena texts; // until the next call that gives some
};

// graph NULL: a new empty one.
whet_status whet_network_create(whet_env *env, whet_graph *graph, whet_network **network,
                                whet_error *err);
void whet_network_destroy(whet_network *net);
// Takes another graph, made from its own one and borrowing from it.
whet_status whet_network_swap(whet_network *net, whet_graph *graph, whet_error *err);
// A copy of the network's graph to optimize, with the shapes given. Weights are borrowed.
whet_status whet_network_copy(const whet_network *net, const whet_import_shape *shapes,
                              int32_t n_shapes, whet_graph **graph, whet_error *err);

// ---- for the files of the network ----
// Whether they belong to the network and have not been removed.
bool whet_network_has_value(const whet_network *net, const whet_value *v);
bool whet_network_has_node(const whet_network *net, const whet_node *n);
whet_status whet_network_check_value(whet_network *net, const whet_value *v, const char *call);
whet_status whet_network_check_node(whet_network *net, const whet_node *n, const char *call);
whet_status whet_network_check_name(whet_network *net, const char *name, const char *call);
whet_status whet_network_check_tensor(whet_network *net, const whet_tensor *t, const char *call);
// Sets one attribute by the operator's table; arrays are borrowed, parsed ones are in the arena.
whet_status whet_network_attr_set(const whet_op *op, const whet_attribute *a, void *attrs,
                                  whet_arena *arena, whet_error *err);
// Types of the network again, or of the block in the making that it is in.
whet_status whet_network_infer(whet_network *net, whet_error *err);
// What stands in the block for a value from around it (whet_network_encloses). NULL: *err is set.
whet_value *whet_network_capture(whet_network *net, whet_value *v, whet_error *err);
// Whether the network may read the value: its own, one from around it, or a constant.
bool whet_network_encloses(const whet_network *net, const whet_value *v);
// Moves the last input before the captures.
void whet_network_input_first(whet_network *net);
// The inputs of a node over blocks: its own and the captures, which the blocks take as inputs.
whet_status whet_network_flow_inputs(whet_network *net, const whet_op *op,
                                     whet_network *const *blocks, int32_t n_blocks,
                                     whet_value *const *own, int32_t n_own, whet_arena *arena,
                                     whet_value *const **in, int32_t *n_in);
void whet_network_flow_attrs(const whet_op *op, int32_t n_own, void *attrs);
// Removes a node whose outputs are unused; its handles and those in its blocks become invalid.
void whet_network_drop_node(whet_node *n);
// "axis, keepdims" for messages.
void whet_network_attr_names(const whet_op *op, whet_str *out);

#endif

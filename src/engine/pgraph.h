// SPDX-License-Identifier: Apache-2.0
// The portable graph: what the passes leave, flat and immutable, as it lies in the engine file
// (layer one). Plan and run read it; build writes it. Values that run sees are dense tensors.
#ifndef WHET_ENGINE_PGRAPH_H
#define WHET_ENGINE_PGRAPH_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"
#include "engine/demand.h"
#include "ops/op.h"
#include "shape/dim.h"

typedef enum whet_pvalue_kind {
    WHET_PVALUE_NODE = 0,    // computed at run time
    WHET_PVALUE_INPUT = 1,
    WHET_PVALUE_SOURCE = 2,  // constant of the model
    WHET_PVALUE_DERIVED = 3, // constant computed by a recipe node
    WHET_PVALUE_OUTER = 4,   // constant of the graph around a block
} whet_pvalue_kind;

// Blocks in blocks, the graph itself not counted.
#define WHET_PGRAPH_MAX_DEPTH 64

typedef struct whet_pvalue {
    const char *name;
    whet_pvalue_kind kind;
    whet_type type;          // as inferred with symbolic dims
    uint64_t type_set;       // storage types allowed
    int32_t node;            // producer, recipe nodes included; -1
    int32_t outer;           // OUTER: its id there
    const void *data;        // constants: contents, NULL when not held (see whet_pgraph_replay)
    const char *dim_names[WHET_MAX_RANK]; // inputs: names of dynamic dims
    bool host_value;         // contents may be asked for by shape functions
    bool summed, checked;    // of a source constant in a file: sum holds; it has been checked
    uint32_t sum;
} whet_pvalue;

typedef struct whet_pgraph whet_pgraph;

typedef struct whet_pnode {
    const whet_op *op;
    const char *name, *origin; // origin: names of the model's nodes it stands for
    void *attrs;
    int32_t *in, *out;         // value ids, -1 absent
    int32_t n_in, n_out;
    bool recipe;
    whet_demand demand;
    uint64_t needs_value;      // inputs whose contents infer asked for without having them
    int32_t first_block, n_blocks; // of control flow, in the graph's list
} whet_pnode;

struct whet_pgraph {
    whet_arena arena;
    whet_dims *dims;           // one pool for a graph and its blocks
    whet_pgraph *parent;       // of a block
    const char *name;
    whet_pvalue *values;
    whet_pnode *nodes;         // topological order, recipe nodes among them
    int32_t n_values, n_nodes;
    int32_t *inputs, *outputs; // value ids
    const char **output_names;
    int32_t n_inputs, n_outputs;
    int32_t imported_nodes;    // of the model, for the layer summary
    whet_pgraph **blocks;      // of all nodes, in their order
    int32_t n_blocks, cap_blocks;
    int32_t depth;             // of a block, from 1
    bool weightless;           // packed contents that a plan refers to are not there yet
};

whet_pgraph *whet_pgraph_create(void); // NULL: out of memory
// A block, added to the parent's list, with which it is destroyed. NULL: out of memory.
whet_pgraph *whet_pgraph_block(whet_pgraph *parent);
void whet_pgraph_destroy(whet_pgraph *g);
// A tensor view of a constant's contents (data may be NULL). The constant's dims are numbers.
whet_tensor whet_pvalue_tensor(const whet_pvalue *v);
static inline bool whet_pvalue_is_const(const whet_pvalue *v) {
    return v->kind >= WHET_PVALUE_SOURCE;
}
// Whether a constant, or the one around the block that it stands for, is one of the model.
bool whet_pvalue_is_source(const whet_pgraph *g, const whet_pvalue *v);
// Gives the constants of blocks that come from around them the contents that these hold.
void whet_pgraph_link(whet_pgraph *g);

// Types of every value from the inputs' types and the constants, blocks included; sets needs_value.
// Errors name the node.
whet_status whet_pgraph_infer(whet_pgraph *g, whet_error *err);
// Computes the derived constants that hold no data, from sources through the recipe nodes, in
// order. Memory is the graph's arena. WHET_E_UNSUPPORTED when a source it needs is not held.
whet_status whet_pgraph_replay(whet_pgraph *g, whet_error *err);
// Makes the states of operators from outside (whet_op_extern), which go with the graph. Constants
// that they look at must hold their data. save: also what is kept of them in a file.
whet_status whet_pgraph_attach(whet_pgraph *g, bool save, whet_error *err);
// Hash of structure and constants' types, for matching a plan to its graph.
uint64_t whet_pgraph_hash(const whet_pgraph *g);

// ---- as bytes (graph_codec.c; docs/engine-format.md) ----

// Constants up to so many bytes lie inside the graph section.
#define WHET_INLINE_CONST_BYTES 1024
// Whether the constant lies there. Strings always do.
bool whet_pvalue_inline(const whet_pvalue *v);
void whet_pgraph_encode(const whet_pgraph *g, whet_writer *w);
// Decodes and infers. Names, attributes and inline constants are copied into the arena.
whet_status whet_pgraph_decode(const void *data, size_t size, const whet_op_table *ops,
                               whet_pgraph **graph, whet_error *err);

#endif

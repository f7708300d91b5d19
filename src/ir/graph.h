// SPDX-License-Identifier: Apache-2.0
// The build-time graph: typed values, nodes in topological order, subgraphs, constants with
// recipes. Everything lives in the graph's arena; passes never free. Passes edit through the
// functions here, so that use counts stay true; whet_graph_verify() checks the rest.
#ifndef WHET_IR_GRAPH_H
#define WHET_IR_GRAPH_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "engine/demand.h"
#include "ops/op.h"
#include "shape/dim.h"

typedef struct whet_graph whet_graph;
typedef struct whet_node whet_node;
typedef struct whet_value whet_value;

// A value that has `data` is a constant. A source constant has no producer; a derived constant
// keeps its producer, a node with `recipe` set, whose inputs are constants: folding evaluates a
// node and keeps it as the recipe, so refit and re-planning can replay it. The recipes of a graph
// come before its other nodes.
struct whet_value {
    int32_t id;         // index in graph->root->values; stable
    const char *name;   // unique within the root graph and its subgraphs; "" is "%<n>" in text
    whet_type type;     // dtype, dims, symbolic contents
    const whet_tensor *data; // contents of a constant, else NULL
    whet_node *producer;     // NULL: graph input, source constant
    whet_graph *graph;       // where it is defined
    int32_t n_uses;          // node inputs and graph outputs, recipe nodes included
    bool literal;            // a constant that a pass made up, no weight that a refit may change
    bool decided;            // a constant whose contents the graph was made for: none may change
    whet_value *decide_next; // of those that whet_value_decide is about to look at
    uint64_t type_set;       // allowed storage types (WHET_DTYPE_BIT); one bit when strongly typed
    const char *dim_names[WHET_MAX_RANK]; // graph inputs: names of dynamic dims, NULL where fixed
};

struct whet_node {
    const whet_op *op;
    const char *name;   // ONNX node name, or "<op_type>_<index>" made by the importer
    void *attrs;        // op->attrs_size bytes, in the arena; own to this node
    whet_value **in, **out; // NULL: absent (out: not wanted)
    int32_t n_in, n_out;
    whet_graph **subgraphs; // then/else, body; only If, Loop, Scan
    int32_t n_subgraphs;
    whet_graph *graph;
    whet_node *prev, *next; // topological order within the graph
    bool recipe;            // kept only to derive constants
    whet_demand demand;     // the type that it is to compute in and to store
    uint64_t needs_value;   // inputs whose contents infer needed but did not have
    const char *origin;     // ONNX names of all nodes it stands for, comma-separated; NULL: name
};

struct whet_graph {
    whet_arena *arena;       // shared with subgraphs
    whet_dims *dims;         // shared with subgraphs
    const whet_op_table *ops;
    whet_graph *root, *parent; // root: itself; parent: NULL
    const char *name;
    whet_node *first, *last;
    whet_value **inputs, **outputs;
    int32_t n_inputs, n_outputs, cap_inputs, cap_outputs;
    const char **output_names; // [n_outputs]: names of outputs, kept even when a value is shared
    int32_t cap_output_names;
    // of the root only:
    whet_value **values;     // all values of the root and its subgraphs, by id
    int32_t n_values, cap_values;
    int32_t n_imported_nodes;
    bool strongly_typed;     // what the model rounds between nodes stays rounded
};

// Roots own arena and dims. NULL: out of memory.
whet_graph *whet_graph_create(const whet_op_table *ops);
void whet_graph_destroy(whet_graph *root);
whet_graph *whet_graph_sub(whet_graph *parent, const char *name);
// A copy with an arena and dimensions of its own, types inferred again; contents of constants are
// borrowed.
typedef struct whet_clone_options {
    void *user;
    whet_dim_lookup fixed; // named dimensions that it knows become numbers; may be NULL
    void (*input)(void *user, whet_value *copy); // may fix the type of an input; may be NULL
} whet_clone_options;
whet_status whet_graph_clone(const whet_graph *root, const whet_clone_options *options,
                             whet_graph **copy, whet_error *err);

// ---- making ----
whet_value *whet_graph_value(whet_graph *g, const char *name); // type unset; NULL: out of memory
void whet_value_set_type(whet_value *v, whet_dtype dtype, int32_t rank, const whet_dim *dims);
// "<hint>", or "<hint>.<number>" when a value of the root or a subgraph has that name. NULL: out of
// memory.
const char *whet_graph_unique_name(whet_graph *g, const char *hint);
bool whet_graph_add_input(whet_graph *g, whet_value *v);
bool whet_graph_add_output(whet_graph *g, whet_value *v, const char *name);
// A source constant. data is borrowed (the mapped model) unless `copy`.
whet_value *whet_graph_constant(whet_graph *g, const char *name, const whet_tensor *data,
                                bool copy);
// Appended, or put before `before` when not NULL. attrs NULL: defaults; otherwise copied shallowly.
// in entries may be NULL. Outputs are fresh values without type; whet_graph_infer_node sets them.
whet_node *whet_graph_node(whet_graph *g, const whet_op *op, const char *name, const void *attrs,
                           whet_value *const *in, int32_t n_in, int32_t n_out, whet_node *before);
// Types of the node's outputs from its inputs. Its subgraphs get the types of their inputs and are
// inferred too.
whet_status whet_graph_infer_node(whet_node *n, whet_error *err);
// The types that its results get from its inputs and from its subgraphs as they are, into
// out [n_out].
whet_status whet_graph_infer_results(whet_node *n, whet_type *out, whet_arena *arena,
                                     whet_error *err);
// Re-infers every node, subgraphs too. Constants keep the type of their data.
whet_status whet_graph_infer(whet_graph *g, whet_error *err);

// A constant computed from constants now, its recipe recorded. attrs are copied deeply. Equal
// derivations give the same value. NULL with *err set on failure.
whet_value *whet_graph_const_derive(whet_graph *g, const whet_op *op, const void *attrs,
                                    whet_value *const *in, int32_t n_in, whet_error *err);
// Evaluates a node whose inputs are constants and turns it into a recipe. All outputs get data.
whet_status whet_graph_fold_node(whet_node *n, whet_error *err);
// Small constants made by passes: source constants named "<hint>" made unique. The same contents in
// the same graph give the same value.
whet_value *whet_graph_literal(whet_graph *g, const char *hint, const whet_tensor *data);
// n < 0: scalar
whet_value *whet_graph_const_i64(whet_graph *g, const char *hint, const int64_t *v, int32_t n);
// scalar
whet_value *whet_graph_const_f32(whet_graph *g, const char *hint, float v);

// ---- editing ----
void whet_node_set_input(whet_node *n, int32_t i, whet_value *v);
bool whet_node_add_input(whet_node *n, whet_value *v);
// Every use of `from`, graph outputs included, becomes `to`.
void whet_value_replace(whet_value *from, whet_value *to);
// The node must have no used outputs.
void whet_node_remove(whet_node *n);
// Removes unused nodes (recipe nodes too) from the end backwards; gives the number removed.
int32_t whet_graph_sweep(whet_graph *g);
// Forgets outputs and nodes of a subgraph.
void whet_graph_clear(whet_graph *g);
void whet_node_move_before(whet_node *n, whet_node *before);
// Puts the nodes of g in an order in which values are made before they are used, the present one
// where it is right. WHET_E_INVALID: there is a cycle; nothing is changed.
whet_status whet_graph_sort(whet_graph *g, whet_error *err);
// By value id: whether v is computed from it by nodes of g, or is it. NULL: out of memory.
bool *whet_graph_above(whet_graph *g, const whet_value *v, whet_arena *arena);
// `to` stands for `from` too: adds its origin to the list of names, up to about 4 KiB, and takes
// the stricter demand.
bool whet_node_absorb(whet_node *to, const whet_node *from);

// ---- looking ----
static inline bool whet_value_is_const(const whet_value *v) { return v && v->data; }
bool whet_value_is_output(const whet_value *v); // of its graph
// The single node that uses v (once), when v is used exactly once and not as an output; else NULL.
// O(nodes) at worst; passes that need many build a use index:
typedef struct whet_uses {
    int32_t n_values;  // when the index was made; later values have no users in it
    int32_t *start;    // [n_values + 1]
    whet_node **nodes; // users of value id: nodes[start[id] .. start[id + 1]); outputs not in
} whet_uses;
whet_uses *whet_graph_uses(whet_graph *g, whet_arena *arena); // of g only, recipe nodes not in
whet_node *whet_value_single_user(const whet_uses *uses, const whet_value *v);
// Scalar constant (one element) as double: false when v is none. Its reader counts on the number:
// v is decided.
bool whet_value_scalar(const whet_value *v, double *out);
// The same for those who may not need it.
bool whet_value_number(const whet_value *v, double *out);
// Says that the graph is one for what v holds, so that refits refuse other contents of the
// constants that v is made of. What the graph only copies or computes with is not decided.
void whet_value_decide(const whet_value *v);
int64_t whet_value_count(const whet_value *v); // -1: not constant dims
#define WHET_FOR_NODES(g, n) for (whet_node *n = (g)->first; n; n = n->next)
// Safe against removal of n.
#define WHET_FOR_NODES_SAFE(g, n)                                                                  \
    for (whet_node *n = (g)->first, *n##_next = n ? n->next : NULL; n;                             \
         n = n##_next, n##_next = n ? n->next : NULL)

// ---- checking and text (verify.c, print.c, parse.c; grammar in docs/ir.md) ----
// Order, use counts, ownership, unique names, arity, dtypes, inferred types against stored ones.
whet_status whet_graph_verify(const whet_graph *g, whet_error *err);
// Contents of constants are printed up to max_data elements, larger ones as a hash (not parseable).
void whet_graph_print(const whet_graph *g, whet_str *out, int32_t max_data);
whet_status whet_graph_parse(const whet_op_table *ops, const char *text, size_t n,
                             whet_graph **graph, whet_error *err);

#endif

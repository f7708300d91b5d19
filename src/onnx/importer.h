// SPDX-License-Identifier: Apache-2.0
// State of one import, shared by the files of this folder. Import functions need only import_ctx.h.
#ifndef WHET_ONNX_IMPORTER_H
#define WHET_ONNX_IMPORTER_H

#include "onnx/import.h"
#include "onnx/import_ctx.h"
#include "onnx/model.h"
#include "onnx/name_table.h"
#include "ops/flow.h"

// A spelling that can be imported. op NULL: only `row->import` knows what to make of it.
typedef struct whet_import_row {
    const whet_onnx_row *row;
    const whet_op *op;
    whet_import_fn import; // NULL: inputs and attributes go over as they are
} whet_import_row;

typedef struct whet_import_rows { // sorted by op_type, domain, since
    whet_import_row *v;
    int32_t n, cap;
} whet_import_rows;

// A name of a model or of a function body.
typedef struct whet_binding {
    const char *name;
    const whet_onnx_value *info; // declared type, or NULL
    whet_value *value;           // NULL while undefined, when absent, and after a problem
    const whet_import_list *list; // of a sequence
    bool defined, absent;
    int32_t node;                // index of the node that makes it, -1: none
} whet_binding;

struct whet_scope {
    whet_scope *caller;           // NULL: the model's graph
    const whet_scope *outer;      // of a subgraph: where names that it lacks are looked for
    const whet_onnx_function *fn; // whose body it is (in), NULL: none
    const whet_onnx_node *call;   // the node that calls fn, references resolved
    const char *prefix;           // of names: "" or "<call>/"
    const whet_onnx_opsets *opsets;
    const whet_onnx_graph *graph;
    whet_names names; // of whet_binding
    int32_t depth;
};

// Values around the blocks of one node that these use.
typedef struct whet_import_captures {
    whet_value **outer;
    int32_t n, cap;
    int32_t *slots, n_slots; // open addressing: index + 1
} whet_import_captures;

// A block being read.
typedef struct whet_import_block {
    whet_graph *graph;
    struct whet_import_block *around;
    const char *prefix;             // of names
    whet_import_captures *captures; // shared by the blocks of a node
    whet_value **inner;             // [n_inner] inputs that stand for them
    int32_t n_inner, cap_inner;
    // in place of giving the subgraph's inputs and results to the block as they are
    bool (*enter)(whet_import_node *n, struct whet_import_block *b, whet_scope *scope);
    bool (*leave)(whet_import_node *n, struct whet_import_block *b, const whet_scope *scope);
    void *user;
} whet_import_block;

// State to go back to.
typedef struct whet_import_mark {
    int32_t n_problems, n_claims;
    int64_t n_found, n_visited, n_calls;
} whet_import_mark;

typedef struct whet_import_claim {
    whet_names *names;
    const char *name;
} whet_import_claim;

typedef struct whet_importer {
    whet_import *import;
    const whet_import_options *options;
    whet_arena *arena; // of the import
    whet_graph *graph;        // that nodes are added to
    whet_import_block *block; // whose it is; NULL: the model's
    whet_onnx_reader reader;
    whet_onnx_budget budget;
    whet_onnx_model model;
    whet_import_rows rows;
    whet_names functions; // of whet_onnx_function by name, those of one name in a list
    whet_names value_names, node_names, op_counts;
    whet_names dim_values; // named dims that options->shapes fixes: of int64_t
    int64_t n_visited;     // nodes, those of inlined functions each time
    int64_t n_calls;       // of them: calls of functions
    int64_t n_wasted;      // of them: read in vain
    whet_import_claim *claims; // names given in readings that may be taken back
    int32_t n_claims, cap_claims, trials;
    int32_t rereading;     // operators have been counted before
    size_t sparse_room;    // bytes that dense forms of sparse tensors may still take
    int64_t text;          // bytes of made-up names
    int32_t max_depth;
    bool stopped;          // nothing more can be done: out of memory or above a limit
    whet_error *err;       // scratch for details of problems
} whet_importer;

// ---- onnx_problems.c ----
void whet_import_problem_add(whet_importer *imp, const whet_import_node *n, whet_status status,
                             const char *format, ...) __attribute__((format(printf, 4, 5)));
bool whet_import_nomem(whet_importer *imp); // false
void whet_import_limit(whet_importer *imp, const char *what, int64_t limit); // ends the import
// "f32[n,3,224,224]"; "?" for NULL
void whet_import_type_print(const whet_graph *g, const whet_value *v, whet_str *out);
// Edit distance, up to `limit`; more gives limit + 1.
int32_t whet_import_distance(const char *a, const char *b, int32_t limit);

// ---- onnx_rows.c ----
bool whet_import_rows_make(whet_importer *imp);
// The row for a version; NULL when there is none.
const whet_import_row *whet_import_row_find(const whet_import_rows *rows, const char *domain,
                                            const char *op_type, int64_t version);
// Says why there is no row.
void whet_import_row_missing(whet_importer *imp, const whet_import_node *n);
// The newest opset of a domain known here; 0: unknown domain.
int64_t whet_import_newest_opset(const char *domain);

// ---- onnx_plugins.c ----
// The plugin that the node means; NULL: none, or more than one may be meant.
const whet_op *whet_import_plugin_find(whet_import_node *n);
void whet_import_plugin(whet_import_node *n, const whet_op *op);

// ---- onnx_scopes.c, onnx_order.c ----
whet_binding *whet_scope_own(const whet_scope *scope, const char *name);
// The same, or that of the nearest scope around a subgraph.
whet_binding *whet_scope_find(const whet_scope *scope, const char *name);
// Made when absent. NULL: out of memory.
whet_binding *whet_scope_put(whet_importer *imp, whet_scope *scope, const char *name);
// All names that nodes of the graph define; reports those defined twice.
bool whet_scope_declare(whet_importer *imp, whet_scope *scope);
// Gives a name to a definition; both may be NULL after a problem.
void whet_scope_define(whet_importer *imp, whet_scope *scope, const char *name, whet_value *v,
                       const whet_import_list *list);
// The result of an inlined body takes the name that it has where the body stands, if that is the
// model's graph: the one that people know. from: its binding in the body.
void whet_scope_rename(whet_importer *imp, const whet_scope *scope, const char *name,
                       const whet_binding *from);
// Makes `name` unique in `names` and keeps it there. NULL: out of memory or above the limit on
// text.
const char *whet_import_unique(whet_importer *imp, whet_names *names, const char *prefix,
                               const char *name);
// Reports nodes that are not in topological order and cycles.
bool whet_scope_order(whet_importer *imp, const whet_scope *scope);

// ---- graph_io.c ----
void whet_import_constants(whet_importer *imp, whet_scope *scope);
void whet_import_inputs(whet_importer *imp, whet_scope *scope);
void whet_import_outputs(whet_importer *imp, whet_scope *scope);
// Compares a computed type with the declared one. Another shape is only noted: what is computed
// holds.
void whet_import_compare(whet_importer *imp, const whet_import_node *n, const whet_value *v,
                         const whet_onnx_value *info);
// Stands for a value that could not be made but whose type is declared; NULL when it is not.
whet_value *whet_import_stand_in(whet_importer *imp, const whet_onnx_value *info);

// ---- onnx_nodes.c ----
void whet_import_nodes(whet_importer *imp, whet_scope *scope);
bool whet_import_count_op(whet_importer *imp, const whet_onnx_node *node, bool supported);
int64_t whet_import_opset(const whet_onnx_opsets *opsets, const char *domain); // 0: not imported
// Its name, "<op_type>_<index>" when it has none. NULL: out of memory.
const char *whet_import_node_name(whet_importer *imp, const whet_onnx_node *node, int32_t index);

// ---- onnx_functions.c ----
const whet_onnx_function *whet_import_function_find(const whet_importer *imp,
                                                    const whet_onnx_node *node);
bool whet_import_functions_index(whet_importer *imp);
void whet_import_function_call(whet_import_node *n, const whet_onnx_function *fn);
// The node with attribute references replaced by the values at the call.
const whet_onnx_node *whet_import_resolve(whet_importer *imp, const whet_scope *scope,
                                          const whet_onnx_node *node);

// ---- onnx_blocks.c ----
// v as the graph that is read sees it. NULL: out of memory.
whet_value *whet_import_captured(whet_importer *imp, whet_value *v);
const whet_import_list *whet_import_captured_list(whet_importer *imp, const whet_import_list *list);
// Reads the graph attribute of the node.
bool whet_import_block_parse(whet_import_node *n, const char *attr, whet_onnx_graph *g);
// Makes the graph of a block; types: of its own inputs.
bool whet_import_block_read(whet_import_node *n, const whet_onnx_graph *g, const char *name,
                            const whet_type *types, int32_t n_types, whet_import_block *b);
// An own input of a block.
whet_value *whet_import_block_input(whet_importer *imp, const whet_import_block *b,
                                    const char *name, const whet_type *type);
// Result i of the subgraph, seen from the block; NULL after a problem.
whet_value *whet_import_block_result(whet_import_node *n, whet_import_block *b,
                                     const whet_scope *scope, int32_t i);
// Makes the node over its blocks: `own` inputs, then the captures; n->op: its operator.
void whet_import_flow_node(whet_import_node *n, const whet_flow_attrs *attrs,
                           whet_value *const *own, int32_t n_own,
                           const whet_import_captures *captures,
                           whet_import_block *const *blocks, int32_t n_blocks);
// Gives it inputs for what other blocks of the node capture.
bool whet_import_block_complete(whet_import_node *n, whet_import_block *b);
whet_import_mark whet_import_mark_set(whet_importer *imp);
void whet_import_mark_undo(whet_importer *imp, const whet_import_mark *m);
void whet_import_mark_end(whet_importer *imp);

// ---- onnx_subgraphs.c ----
// Reads a subgraph; the import ends where it cannot.
bool whet_import_graph_read(whet_importer *imp, whet_span span, whet_onnx_graph *g);
// Counts and checks the operators inside of a node's subgraphs, which are not imported.
void whet_import_subgraphs(whet_importer *imp, const whet_scope *scope,
                           const whet_onnx_node *node);
// Imports a subgraph without inputs in the place of its node, whose results become its outputs.
void whet_import_inline(whet_import_node *n, whet_span graph);
// The result of a subgraph of one input for that value; NULL after a problem.
// The same for a subgraph with inputs; some results into out.
void whet_import_apply_many(whet_import_node *n, whet_span graph, whet_value *const *in,
                            int32_t n_in, whet_value **out, int32_t n_out);
whet_value *whet_import_apply(whet_import_node *n, whet_span graph, whet_value *in);

// ---- attr_convert.c ----
// Fills the table's attributes that the node has; problems are reported.
// But for those that `sets` names, which may have another type there.
bool whet_import_attrs_fill(whet_import_node *n, const whet_op *op, const whet_import_set *sets,
                            void *attrs);

#endif

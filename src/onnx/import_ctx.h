// SPDX-License-Identifier: Apache-2.0
// What an import function (import_*.c, a row in import.def, named by rows of operators) works with.
// It looks at attributes and inputs of one ONNX node, emits IR nodes and sets the node's results.
// The first failure is remembered: after it emitting does nothing and gives NULL, so that functions
// need no checks between steps. Attributes that nobody asked for are reported afterwards.
#ifndef WHET_ONNX_IMPORT_CTX_H
#define WHET_ONNX_IMPORT_CTX_H

#include "ir/graph.h"
#include "onnx/model.h"

typedef struct whet_importer whet_importer;
typedef struct whet_scope whet_scope;

// A sequence or optional, resolved when the model is read: the values in it.
typedef struct whet_import_list {
    whet_value **v;
    int32_t n;
    const struct whet_import_list *inner; // of an optional: the sequence in it, n being 0
    whet_dtype kind; // SEQUENCE or OPTIONAL
    whet_elem elem;  // what is in it, also when that is nothing
} whet_import_list;

typedef struct whet_import_node {
    whet_importer *imp;
    whet_scope *scope;
    const whet_onnx_node *onnx;
    const whet_op *op;  // of the row; NULL for spellings that have no operator of their own
    const char *name;   // unique
    int64_t version;    // opset of the node's domain
    whet_value **in;    // NULL: absent, or a sequence
    whet_value **out;   // [onnx->n_out], set by the import function
    const whet_import_list **in_lists, **out_lists; // the same for sequences
    int32_t n_in;       // without absent ones at the end
    int32_t n_emitted;
    bool *used;         // [onnx->n_attrs]: asked for
    bool failed;
    bool read;          // what is in its subgraphs has been reported
} whet_import_node;

typedef void (*whet_import_fn)(whet_import_node *n);

// ---- looking ----
// NULL when absent. The attribute counts as asked for.
const whet_onnx_attr *whet_import_attr(whet_import_node *n, const char *name);
// The same with a check of the type (WHET_ONNX_INT, ...): a problem when it is another.
const whet_onnx_attr *whet_import_attr_of(whet_import_node *n, const char *name, int32_t type);
int64_t whet_import_int(whet_import_node *n, const char *name, int64_t def);
float whet_import_float(whet_import_node *n, const char *name, float def);
const char *whet_import_string(whet_import_node *n, const char *name, const char *def);
bool whet_import_ints(whet_import_node *n, const char *name, whet_ints *ints);
// Marks attributes without meaning here as asked for.
void whet_import_ignore(whet_import_node *n, const char *name);
static inline whet_value *whet_import_in(const whet_import_node *n, int32_t i) {
    return i < n->n_in ? n->in[i] : NULL;
}
// A sequence; NULL when input i is none.
static inline const whet_import_list *whet_import_in_list(const whet_import_node *n, int32_t i) {
    return i < n->n_in ? n->in_lists[i] : NULL;
}
// Whether the one integer or bool in v follows from constants and shapes, and which it is.
bool whet_import_known(const whet_value *v, int64_t *number);
// Whether result i is wanted.
bool whet_import_wants(const whet_import_node *n, int32_t i);
// Rank of an input, -1 when unknown.
static inline int32_t whet_import_rank(const whet_value *v) { return v ? v->type.rank : -1; }

// The same where it must be known: a problem naming `what` when it is not, and -1.
int32_t whet_import_rank_known(whet_import_node *n, const whet_value *v, const char *what);
// axis in [-rank, rank) to [0, rank): a problem when outside, and 0.
int32_t whet_import_axis(whet_import_node *n, int64_t axis, int32_t rank);

// ---- making ----
// Sets an attribute of an emitted node: the one member that its type needs.
typedef struct whet_import_set {
    const char *name;  // NULL ends the list
    double number;     // INT, FLOAT, BOOL, ENUM (index), DTYPE
    const char *text;  // STRING, ENUM (choice)
    whet_ints ints;    // INTS
    whet_floats floats;
    whet_strings strings;
    const whet_tensor *tensor;
} whet_import_set;
#define WHET_SETS(...) ((const whet_import_set[]){__VA_ARGS__, {.name = NULL}})
#define WHET_VALUES(...)                                                                           \
    (whet_value *[]){__VA_ARGS__},                                                                 \
        (int32_t)(sizeof((whet_value *[]){__VA_ARGS__}) / sizeof(whet_value *))

// A node with one result, types inferred: whet_import_emit(n, "add", NULL, WHET_VALUES(a, b)).
whet_value *whet_import_emit(whet_import_node *n, const char *op, const whet_import_set *sets,
                             whet_value *const *in, int32_t n_in);
// The same with n_out results into out.
bool whet_import_emit_many(whet_import_node *n, const char *op, const whet_import_set *sets,
                           whet_value *const *in, int32_t n_in, whet_value **out, int32_t n_out);
// The same with attributes from the ONNX node by the operator's table, then `sets`.
whet_value *whet_import_emit_table(whet_import_node *n, const char *op, const whet_import_set *sets,
                                   whet_value *const *in, int32_t n_in);
// A node of the row's own operator: attributes from the ONNX node by table, then `sets`; its
// results become the results of the ONNX node.
void whet_import_own(whet_import_node *n, const whet_import_set *sets, whet_value *const *in,
                     int32_t n_in);
// The same with that operator, for rows that have none.
void whet_import_as(whet_import_node *n, const char *op);
// Constants. A negative count makes a scalar.
whet_value *whet_import_i64(whet_import_node *n, const int64_t *v, int32_t count);
whet_value *whet_import_scalar(whet_import_node *n, whet_dtype dtype, double v);
// Named behind its node; copied.
whet_value *whet_import_helper(whet_import_node *n, const whet_tensor *data);
// Without a name: it gets that of the result it becomes.
whet_value *whet_import_constant(whet_import_node *n, const whet_tensor *data, bool copy);
// The size of dimension `axis` as i64[1].
whet_value *whet_import_size(whet_import_node *n, whet_value *v, int64_t axis);
// The attribute (INTS) as an i64 constant; NULL when absent.
whet_value *whet_import_ints_constant(whet_import_node *n, const char *name);
void whet_import_result(whet_import_node *n, int32_t i, whet_value *v);
void whet_import_result_list(whet_import_node *n, int32_t i, whet_value *const *v, int32_t count,
                             whet_dtype kind, whet_elem elem);
// Input i as a value, which a list becomes here when it is one: it is made when the model runs.
whet_value *whet_import_object(whet_import_node *n, int32_t i);
whet_value *whet_import_list_value(whet_import_node *n, const whet_import_list *list);
// Reports a problem with this node.
void whet_import_fail(whet_import_node *n, whet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define IMPORT(name) void whet_import_##name(whet_import_node *n);
#include "onnx/import.def"
#undef IMPORT

#endif

// SPDX-License-Identifier: Apache-2.0
// What an operator is: names, arity, types, attributes, shape function, C reference. A descriptor
// is a const whet_op in its family's file plus one row OP(name) in ops.def; import, text IR, engine
// file, hash and inspector are driven by the attribute table alone. No backend facts in here.
#ifndef WHET_OPS_OP_H
#define WHET_OPS_OP_H

#include "base/arena.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/object.h"
#include "shape/dim.h"

typedef struct whet_op whet_op;

// ---- attributes ----

typedef enum whet_attr_type {
    WHET_ATTR_INT,    // int64_t
    WHET_ATTR_FLOAT,  // float
    WHET_ATTR_BOOL,   // bool; ONNX int 0 or 1
    WHET_ATTR_ENUM,   // int32_t index into choices; ONNX string
    WHET_ATTR_DTYPE,  // int32_t whet_dtype; ONNX int
    WHET_ATTR_STRING, // const char *
    WHET_ATTR_INTS,   // whet_ints
    WHET_ATTR_FLOATS, // whet_floats
    WHET_ATTR_STRINGS, // whet_strings: texts of any bytes
    WHET_ATTR_TENSOR, // const whet_tensor *
} whet_attr_type;

typedef struct whet_ints {
    const int64_t *v; // NULL: absent
    int32_t n;
} whet_ints;
typedef struct whet_floats {
    const float *v;
    int32_t n;
} whet_floats;

typedef struct whet_strings {
    const whet_text *v;
    int32_t n;
} whet_strings;

typedef struct whet_attr {
    const char *name; // as in ONNX
    whet_attr_type type;
    uint32_t offset;  // in the operator's attribute struct
    bool required;
    double def;                 // INT, FLOAT, BOOL, ENUM (index), DTYPE when absent
    const char *const *choices; // ENUM: NULL-terminated
    const char *def_text;       // STRING
    double min, max;            // checked when min < max (INT, FLOAT, each of INTS)
} whet_attr;

// An INT attribute whose absence matters has this default.
#define WHET_ATTR_ABSENT INT64_MIN

// Fills `attrs` (op->attrs_size bytes) with the defaults.
void whet_op_attr_defaults(const whet_op *op, void *attrs);
const whet_attr *whet_op_attr_find(const whet_op *op, const char *name);
// Whether the field at `field` has the default of its row.
bool whet_op_attr_is_default(const whet_attr *row, const void *field);
// Deep copy into the arena (arrays, strings, tensors with their data). NULL: out of memory.
void *whet_op_attr_copy(const whet_op *op, const void *attrs, whet_arena *arena);
bool whet_op_attr_equal(const whet_op *op, const void *a, const void *b);
uint64_t whet_op_attr_hash(const whet_op *op, const void *attrs, uint64_t seed);
// Checks ranges of all attributes; names attribute and value. WHET_E_RANGE.
whet_status whet_op_attr_check(const whet_op *op, const void *attrs, whet_error *err);

// ---- types of values ----

// dtype, dims and, for small integer tensors, contents as far as they are known symbolically.
typedef struct whet_type {
    whet_dtype dtype;              // NONE: absent
    int32_t rank;                  // -1: unknown
    whet_dim dims[WHET_MAX_RANK];
    const whet_dim *value;         // contents (product of dims elements), or NULL
    whet_elem elem;                // what is in a sequence, optional or map; 0: not known
} whet_type;

// Contents are tracked up to so many elements.
#define WHET_VALUE_LIMIT 1024

// ---- shape functions ----

// What is known at the borders of a block of control flow (ops/flow.h).
typedef struct whet_block_types {
    int32_t n_in, n_out;
    const whet_type *const *in, *const *out;
    const whet_tensor *const *out_data; // [n_out] contents of constants, NULL where none
} whet_block_types;

typedef struct whet_infer {
    const whet_op *op;
    const void *attrs;
    const char *node;            // for messages
    whet_dims *dims;             // NULL at run time: everything is a number
    int32_t n_in, n_out;
    const whet_type *const *in;  // [n_in], NULL where absent
    const whet_tensor *const *data; // [n_in], contents where known (constants; at run time what has
                                    // been computed), NULL where not
    whet_type *out;              // [n_out], dtype preset from the type variables
    const whet_block_types *blocks; // of control flow
    int32_t n_blocks;
    whet_arena *arena;           // for out[].value
    whet_error *err;
    // set: bit i when the contents of input i were asked for but unknown
    uint64_t needs_value;
} whet_infer;

// Checks arity and dtypes against the descriptor, sets output dtypes (from type variables, from a
// set of one, from the first DTYPE attribute that is not NONE), calls op->infer, verifies that it
// filled everything; error text starts with the node's name. When an input's rank is unknown, infer
// is not called (but with ANY_RANK) and every output has rank -1. WHET_E_SHAPE, WHET_E_DTYPE,
// WHET_E_INVALID, WHET_E_UNSUPPORTED.
whet_status whet_op_infer(whet_infer *ctx);

// The same with op->bound (WHET_E_UNSUPPORTED where there is none): shapes that no output exceeds.
whet_status whet_op_bound(whet_infer *ctx);

// Contents of input i as dims, from data or the symbolic value: false (and needs_value set) when
// unknown. n is the element count. Integer types only.
bool whet_infer_value(whet_infer *ctx, int32_t i, const whet_dim **value, int64_t *n);
// The same without asking: needs_value stays as it is, and data of more than WHET_VALUE_LIMIT
// elements counts as unknown. For propagating values.
bool whet_infer_peek(whet_infer *ctx, int32_t i, const whet_dim **value, int64_t *n);
// All must be constants.
bool whet_infer_ints(whet_infer *ctx, int32_t i, const int64_t **value, int64_t *n);
static inline bool whet_infer_has(const whet_infer *ctx, int32_t i) {
    return i < ctx->n_in && ctx->in[i];
}
void whet_infer_copy_shape(whet_infer *ctx, int32_t out, int32_t in);
void whet_infer_shape(whet_infer *ctx, int32_t out, int32_t rank, const whet_dim *dims);
// Every dimension unknown (rank -1: the rank too). At run time dims become WHET_DIM_ERROR and the
// executor takes them from the evaluated output.
void whet_infer_unknown(whet_infer *ctx, int32_t out, int32_t rank);
// Multidirectional broadcast of inputs [first, first + n) into output `out`.
whet_status whet_infer_broadcast(whet_infer *ctx, int32_t out, int32_t first, int32_t n);
// axis in [-rank, rank) to [0, rank). WHET_E_RANGE names the node.
whet_status whet_infer_axis(whet_infer *ctx, int64_t axis, int32_t rank, int32_t *result);
// Both of one dimension under numpy's broadcasting; WHET_E_SHAPE when they cannot be.
whet_status whet_infer_broadcast_dim(whet_infer *ctx, whet_dim a, whet_dim b, whet_dim *result);
// Fails unless a and b are equal; symbolic dims that may be equal pass.
whet_status whet_infer_same(whet_infer *ctx, whet_dim a, whet_dim b, const char *what);
// input has exactly this rank
whet_status whet_infer_rank(whet_infer *ctx, int32_t in, int32_t rank);
// infer for: output 0 has the shape of input 0.
whet_status whet_infer_same_as_input(whet_infer *ctx);
// Output `out` has the contents of input `in` as far as they are known and its dtype holds them;
// the counts must be equal.
whet_status whet_infer_pass_value(whet_infer *ctx, int32_t out, int32_t in);
// infer for: output 0 is the broadcast of all inputs; propagates values for the integer operators
// of the pointwise table (add, sub, mul, div, min, max, ...).
whet_status whet_infer_elementwise(whet_infer *ctx);

// ---- C reference ----

typedef struct whet_eval {
    const whet_op *op;
    const void *attrs;
    const char *node; // for messages
    int32_t n_in, n_out;
    const whet_tensor *in; // [n_in], dtype NONE where absent
    whet_tensor *out;      // [n_out], shaped and allocated; dtype NONE where not wanted; for
                           // DYNAMIC_OUT operators use whet_eval_output
    whet_arena *scratch;   // forgotten after the call
    whet_arena *objects;   // of texts and objects: lasts as long as the outputs
    whet_error *err;
    // memory for an output whose shape only eval knows; set by the caller
    whet_status (*alloc)(struct whet_eval *e, int32_t i, int32_t rank, const int64_t *dims);
    void *alloc_user;
} whet_eval;

static inline bool whet_eval_has(const whet_eval *e, int32_t i) {
    return i < e->n_in && e->in[i].dtype != WHET_DTYPE_NONE;
}
static inline bool whet_eval_wants(const whet_eval *e, int32_t i) {
    return i < e->n_out && e->out[i].dtype != WHET_DTYPE_NONE;
}
// Sets the shape of out[i] and gets its memory (DYNAMIC_OUT operators only).
whet_status whet_eval_output(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims);
static inline int64_t whet_tensor_count(const whet_tensor *t) {
    return whet_dims_count(t->dims, t->rank);
}
// Whole inputs as doubles or int64s in scratch (F64 and I64 inputs in place). NULL: out of memory,
// error set.
const double *whet_eval_f64(whet_eval *e, int32_t in);
const int64_t *whet_eval_i64(whet_eval *e, int32_t in);
// The parts of complex inputs as doubles: two an element. NULL: out of memory, error set.
const double *whet_eval_parts(whet_eval *e, int32_t in);
// n doubles or int64s of zeroed scratch; NULL: out of memory, error set.
double *whet_eval_scratch_f64(whet_eval *e, int64_t n);
int64_t *whet_eval_scratch_i64(whet_eval *e, int64_t n);
// Rounds n doubles into output `out`.
void whet_eval_store(whet_eval *e, int32_t out, const double *v);
// axis in [-rank, rank) to [0, rank); infer has checked it.
static inline int32_t whet_axis(int64_t axis, int32_t rank) {
    return (int32_t)(axis < 0 ? axis + rank : axis);
}

// ---- descriptor ----

enum {
    WHET_ARG_OPTIONAL = 1,
    WHET_ARG_VARIADIC = 2, // last one only; arity then from min_in / max_in (0: no bound)
    WHET_ARG_SHAPE = 4,    // read by infer only: eval and kernels never look at the contents
    WHET_ARG_VALUE = 8,    // infer may ask for the contents
};
typedef struct whet_arg {
    const char *name;
    uint64_t dtypes; // set of WHET_DTYPE_BIT; 0: WHET_DTYPES_TENSOR, packed ones only where the
                     // operator is a view or moves
    char var;        // type variable: all args with the same letter have the same dtype; 0: none
    uint8_t flags;
} whet_arg;

// One row an ONNX spelling. A row holds for opset versions since <= v <= until (0: no end).
// `import`: name of the function in onnx/import_*.c that does more than rename; NULL: inputs and
// attributes go over by position and name.
typedef struct whet_onnx_row {
    const char *domain; // "" for ai.onnx
    const char *op_type;
    int32_t since, until;
    const char *import;
} whet_onnx_row;

enum {
    WHET_OP_POINTWISE = 1,    // elementwise with broadcasting; pw names the function
    WHET_OP_VIEW = 2,         // output 0 has the bytes of input 0 in the same order
    WHET_OP_DYNAMIC_OUT = 4,  // shape of an output known only after eval
    WHET_OP_IMPURE = 8,       // random or stateful: never folded or merged
    WHET_OP_INPLACE = 16,     // output 0 may use the memory of input 0 (same shape and dtype)
    WHET_OP_ANY_RANK = 32,    // infer is called with inputs of unknown rank too
    WHET_OP_MOVES = 64,       // eval only moves elements: packed ones come to it as bytes, one each
    WHET_OP_MONOTONE = 128,   // no output dimension grows when an input dimension shrinks, and the
                              // rank stays; POINTWISE operators are
};

// What is known of an operator that came from outside, and the state that its nodes may have. The
// state hangs on a node's attributes in a portable graph, which makes and drops it; attributes of
// the IR never have one.
typedef struct whet_op_extern {
    const char *domain, *type, *version;          // the names that models use
    const char *library, *library_version, *path; // where it is from; "" when of this process
    // Makes the state from types, constant contents and saved bytes; save: puts the bytes to be
    // saved among the attributes. NULL: no state.
    whet_status (*attach)(const whet_infer *node, void *attrs, bool save);
    void (*detach)(const whet_op *op, void *attrs);
} whet_op_extern;

struct whet_op {
    const char *name;           // snake_case, the name in the IR
    const whet_arg *in, *out;   // n_in, n_out rows
    int32_t n_in, n_out;
    int32_t min_in;             // inputs that must be there (0: all that are not OPTIONAL)
    const whet_attr *attrs;
    int32_t n_attrs;
    size_t attrs_size;
    const whet_onnx_row *onnx;
    int32_t n_onnx;
    uint32_t flags;
    uint32_t pw;                // whet_pw, for POINTWISE
    int32_t n_blocks;           // control flow: graphs that a node has
    const char *const *blocks;  // their names
    whet_status (*infer)(whet_infer *ctx);
    whet_status (*eval)(whet_eval *e); // NULL only for control flow
    // Shapes that no output exceeds where infer cannot know them: inputs' dimensions are numbers,
    // but may be such bounds themselves. NULL: nothing is known.
    whet_status (*bound)(whet_infer *ctx);
    // Multiply-adds count two; NULL: one an output element.
    double (*flops)(const void *attrs, const whet_tensor *in, int32_t n_in, const whet_tensor *out,
                    int32_t n_out);
    const whet_op_extern *ext;  // NULL: built in
};

// Calls op->eval with alignment of errors: text starts with the node's name.
whet_status whet_op_eval(whet_eval *e);

// ---- tables ----

typedef struct whet_op_table {
    const whet_op *const *ops; // sorted by name
    int32_t n;
    // Gives operators that are not in the table until they are asked for; NULL: there are none.
    const whet_op *(*more)(void *user, const char *name, whet_error *err);
    void *user;
} whet_op_table;
const whet_op_table *whet_ops_builtin(void);
const whet_op *whet_op_find(const whet_op_table *table, const char *name);
// The same, from `more` too: then err says why there is none. NULL without an error: nobody knows
// it.
const whet_op *whet_op_get(const whet_op_table *table, const char *name, whet_error *err);

#define WHET_COUNT(array) ((int32_t)(sizeof(array) / sizeof((array)[0])))
// Shorthands for descriptors: members from rows, such as
// WHET_IN({"X", WHET_DTYPES_FLOAT, 'T'}, {"B", WHET_DTYPES_FLOAT, 'T', WHET_ARG_OPTIONAL}).
#define WHET_IN(...)                                                                               \
    .in = (const whet_arg[]){__VA_ARGS__}, .n_in = WHET_COUNT(((const whet_arg[]){__VA_ARGS__}))
#define WHET_OUT(...)                                                                              \
    .out = (const whet_arg[]){__VA_ARGS__}, .n_out = WHET_COUNT(((const whet_arg[]){__VA_ARGS__}))
#define WHET_ONNX(...)                                                                             \
    .onnx = (const whet_onnx_row[]){__VA_ARGS__},                                                  \
    .n_onnx = WHET_COUNT(((const whet_onnx_row[]){__VA_ARGS__}))
#define WHET_ATTRS(struct_type, ...)                                                               \
    .attrs = (const whet_attr[]){__VA_ARGS__},                                                     \
    .n_attrs = WHET_COUNT(((const whet_attr[]){__VA_ARGS__})), .attrs_size = sizeof(struct_type)
#define OP(name) extern const whet_op whet_op_##name;
#include "ops/ops.def"
#undef OP

#endif

// SPDX-License-Identifier: Apache-2.0
// The messages of an ONNX model as plain structs. Names are copied into the arena (they need their
// NUL), everything large stays in the map as a span. Subgraphs and tensor contents are read only on
// request, so nothing here recurses.
#ifndef WHET_ONNX_MODEL_H
#define WHET_ONNX_MODEL_H

#include "base/arena.h"
#include "onnx/wire.h"
#include "ops/op.h"

// AttributeProto.AttributeType
enum {
    WHET_ONNX_FLOAT = 1,
    WHET_ONNX_INT = 2,
    WHET_ONNX_STRING = 3,
    WHET_ONNX_TENSOR = 4,
    WHET_ONNX_GRAPH = 5,
    WHET_ONNX_FLOATS = 6,
    WHET_ONNX_INTS = 7,
    WHET_ONNX_STRINGS = 8,
    WHET_ONNX_SPARSE_TENSOR = 11,
    WHET_ONNX_TYPE_PROTO = 13,
};
const char *whet_onnx_attr_type_text(int32_t type); // "FLOAT", ...; "?" when unknown
const char *whet_onnx_dtype_text(int32_t type);     // "FLOAT", "STRING", ... of TensorProto

// Bounds of one reading; the counters go up to the limits over all messages of a model.
typedef struct whet_onnx_budget {
    int64_t nodes, values, text; // used so far
    int64_t max_nodes, max_values, max_text;
} whet_onnx_budget;

typedef struct whet_onnx_tensor {
    const char *name;
    int32_t data_type;
    int64_t rank; // may be above WHET_MAX_RANK; dims are then cut
    int64_t dims[WHET_MAX_RANK];
    bool has_raw, external, segment;
    whet_span raw, message;
    const char *location; // external: NULL when missing
    int64_t offset, length; // -1: absent
} whet_onnx_tensor;

typedef struct whet_onnx_sparse {
    whet_onnx_tensor values, indices; // the name of `values` is its name
    int64_t rank;                     // may be above WHET_MAX_RANK; dims are then cut
    int64_t dims[WHET_MAX_RANK];
} whet_onnx_sparse;

typedef struct whet_onnx_attr {
    const char *name, *ref; // ref NULL: a value of its own
    int32_t type;           // where the file gives none: from the fields that are there, or 0
    int64_t i;
    float f;
    whet_span s, t, g, tp, sparse;
    whet_ints ints;
    whet_floats floats;
    const whet_span *strings;
    int32_t n_strings;
} whet_onnx_attr;

typedef struct whet_onnx_node {
    const char *name, *op_type, *domain, *overload; // "" when absent; domain ai.onnx is ""
    const char **in, **out;
    whet_onnx_attr *attrs;
    int32_t n_in, n_out, n_attrs, cap_in, cap_out, cap_attrs;
} whet_onnx_node;

typedef struct whet_onnx_dim {
    int64_t value;     // -1: none
    const char *param; // NULL: none
} whet_onnx_dim;

typedef struct whet_onnx_value {
    const char *name, *kind; // kind: "tensor", "sequence", ...; NULL without type
    int32_t elem_type;
    whet_dtype object;       // SEQUENCE, OPTIONAL, MAP; NONE: a tensor, or what is not known here
    whet_elem elem;          // what is in an object
    int32_t rank; // -1: no shape
    int32_t cap_dims;
    whet_onnx_dim *dims;
} whet_onnx_value;

typedef struct whet_onnx_graph {
    const char *name;
    whet_onnx_node *nodes;
    whet_onnx_tensor *initializers;
    whet_onnx_value *inputs, *outputs, *infos;
    whet_onnx_sparse *sparse; // sparse initializers
    int32_t n_nodes, n_initializers, n_inputs, n_outputs, n_infos, n_sparse;
    int32_t cap_nodes, cap_initializers, cap_inputs, cap_outputs, cap_infos, cap_sparse;
} whet_onnx_graph;

typedef struct whet_onnx_opset {
    const char *domain;
    int64_t version;
} whet_onnx_opset;

typedef struct whet_onnx_opsets {
    whet_onnx_opset *v;
    int32_t n, cap;
} whet_onnx_opsets;

typedef struct whet_onnx_function {
    const char *name, *domain, *overload;
    const char **in, **out;
    const char **attr_names;    // without default
    whet_onnx_attr *attrs;      // with default
    int32_t n_in, n_out, n_attr_names, n_attrs, cap_in, cap_out, cap_attr_names, cap_attrs;
    whet_onnx_opsets opsets;
    whet_onnx_graph body;       // nodes and value infos only
    const struct whet_onnx_function *same_name; // the next one
} whet_onnx_function;

typedef struct whet_onnx_model {
    int64_t ir_version;
    const char *producer, *producer_version;
    whet_onnx_opsets opsets;
    bool has_graph;
    whet_onnx_graph graph;
    whet_onnx_function *functions;
    int32_t n_functions, cap_functions;
} whet_onnx_model;

// Reading needs these three; failures are in w.err.
typedef struct whet_onnx_reader {
    whet_wire w; // over the whole model
    whet_arena *arena;
    whet_onnx_budget *budget;
} whet_onnx_reader;

whet_status whet_onnx_model_read(whet_onnx_reader *r, whet_onnx_model *model);
// A GraphProto, TensorProto or TypeProto message found in the model's bytes.
whet_status whet_onnx_graph_read(whet_onnx_reader *r, whet_span span, whet_onnx_graph *graph);
whet_status whet_onnx_tensor_read(whet_onnx_reader *r, whet_span span, whet_onnx_tensor *tensor);
whet_status whet_onnx_sparse_read(whet_onnx_reader *r, whet_span span, whet_onnx_sparse *sparse);
// A TypeProto message, into a value without name.
whet_status whet_onnx_type_read(whet_onnx_reader *r, whet_span span, whet_onnx_value *value);
// A copy with NUL; a failure when it holds a NUL or is not UTF-8. what: for messages.
const char *whet_onnx_text(whet_onnx_reader *r, whet_span span, const char *what);

#endif

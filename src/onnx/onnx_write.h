// SPDX-License-Identifier: Apache-2.0
// A graph to an ONNX file. Operators are spelled by the rows of their descriptors, those whose
// import does more than rename by functions in write_ops.c.
#ifndef WHET_ONNX_ONNX_WRITE_H
#define WHET_ONNX_ONNX_WRITE_H

#include "ir/graph.h"
#include "onnx/name_table.h"
#include "onnx/proto.h"

typedef struct whet_onnx_write_options {
    const char *path;
    bool external; // constants of 1 KiB and more go to "<path>.data"; also when they exceed 2 GB
} whet_onnx_write_options;

// WHET_E_UNSUPPORTED names what ONNX has no word for; WHET_E_IO, WHET_E_NOMEM, ...
whet_status whet_onnx_write(const whet_graph *g, const whet_onnx_write_options *options,
                            whet_error *err);

// ---- for the files of the writer ----

enum { WHET_ONNX_OUT_BASE = 21 }; // the opset that is written unless a newer one is needed
enum { // fields of ONNX's messages
    WHET_PB_NODE_INPUT = 1, WHET_PB_NODE_OUTPUT = 2, WHET_PB_NODE_NAME = 3, WHET_PB_NODE_OP = 4,
    WHET_PB_NODE_ATTR = 5, WHET_PB_NODE_DOMAIN = 7,
    WHET_PB_ATTR_NAME = 1, WHET_PB_ATTR_F = 2, WHET_PB_ATTR_I = 3, WHET_PB_ATTR_S = 4,
    WHET_PB_ATTR_T = 5, WHET_PB_ATTR_G = 6, WHET_PB_ATTR_FLOATS = 7, WHET_PB_ATTR_INTS = 8,
    WHET_PB_ATTR_STRINGS = 9, WHET_PB_ATTR_TYPE = 20,
    WHET_PB_GRAPH_NODE = 1, WHET_PB_GRAPH_NAME = 2, WHET_PB_GRAPH_INITIALIZER = 5,
    WHET_PB_GRAPH_INPUT = 11, WHET_PB_GRAPH_OUTPUT = 12,
    WHET_PB_TENSOR_DIMS = 1, WHET_PB_TENSOR_TYPE = 2, WHET_PB_TENSOR_STRINGS = 6,
    WHET_PB_TENSOR_NAME = 8, WHET_PB_TENSOR_RAW = 9, WHET_PB_TENSOR_EXTERNAL = 13,
    WHET_PB_TENSOR_LOCATION = 14,
};

typedef struct whet_onnx_out {
    const whet_graph *root;
    const char **names;  // [root values]
    bool *used;          // [root values] read by what is written
    const char *made_up; // prefix of names that are in no graph
    int64_t n_made_up;
    int64_t version;     // of the default domain
    bool microsoft, ml;  // domains that occur
    const char **domains; // those of plugins
    int32_t n_domains, cap_domains;
    whet_names node_names; // written so far: no two nodes may have one
    whet_arena arena;
    whet_error *err;
} whet_onnx_out;

// One NodeProto in the making.
typedef struct whet_onnx_out_node {
    whet_onnx_out *x;
    const whet_node *node;
    whet_writer *nodes; // of the graph
    int32_t n_written;
} whet_onnx_out_node;

const char *whet_onnx_out_name(const whet_onnx_out *x, const whet_value *v); // "" for NULL
const char *whet_onnx_out_fresh(whet_onnx_out *x, const char *hint);         // NULL: out of memory
// The oldest opset of the default domain that has the node's operator as it is used here.
int64_t whet_onnx_out_version(const whet_node *n);
whet_status whet_onnx_out_node_write(whet_onnx_out *x, const whet_node *n, whet_writer *nodes);
// Its attributes by the operator's table, into `node`.
void whet_onnx_out_attrs(const whet_node *n, whet_writer *node);
// A node of any operator; `attrs` (may be NULL) holds encoded attributes and is emptied.
void whet_onnx_out_emit(whet_onnx_out_node *n, const char *domain, const char *op_type,
                        const char *const *in, int32_t n_in, const char *const *out, int32_t n_out,
                        whet_writer *attrs);
// A Constant node; the name of its output. NULL: out of memory.
const char *whet_onnx_out_constant(whet_onnx_out_node *n, const whet_tensor *t);
void whet_onnx_out_attr_int(whet_writer *attrs, const char *name, int64_t v);
void whet_onnx_out_attr_float(whet_writer *attrs, const char *name, float v);
void whet_onnx_out_attr_text(whet_writer *attrs, const char *name, const char *v);
void whet_onnx_out_attr_ints(whet_writer *attrs, const char *name, const int64_t *v, int32_t n);
// TensorProto with its data inside.
void whet_onnx_out_tensor(whet_writer *w, const char *name, const whet_tensor *t);
// GraphProto of a block with its first n_inputs inputs; the others are captures, whose names in
// x->names are those of the values around it.
whet_status whet_onnx_out_graph(whet_onnx_out *x, const whet_graph *g, int32_t n_inputs,
                                whet_writer *w);
// The function that writes this operator, or NULL.
typedef whet_status (*whet_onnx_out_fn)(whet_onnx_out_node *n);
whet_onnx_out_fn whet_onnx_out_special(const whet_node *n);
whet_status whet_onnx_out_flow(whet_onnx_out_node *n);

#endif

// SPDX-License-Identifier: Apache-2.0
// ONNX bytes to IR. Zero-copy: constants point into the model's memory or its mapped external data.
#ifndef WHET_ONNX_IMPORT_H
#define WHET_ONNX_IMPORT_H

#include "ir/graph.h"
#include "onnx/external.h"

typedef struct whet_import_limits {
    int64_t max_nodes, max_depth, max_values, max_text; // 0: defaults in import.c
} whet_import_limits;

typedef struct whet_import_shape { // shape given for an input
    const char *input;
    int32_t rank;
    int64_t dims[WHET_MAX_RANK]; // -1: as the model has it
} whet_import_shape;

typedef struct whet_import_options {
    const whet_op_table *ops;
    const char *external_dir;          // NULL: external data is refused
    const whet_import_shape *shapes;   // fixed shapes of inputs
    int32_t n_shapes;
    whet_import_limits limits;
    bool plugin_override;              // plugins win over operators and functions
} whet_import_options;

// One thing that is wrong, found without stopping at the first.
typedef struct whet_problem_report {
    whet_status status;
    const char *node, *op_type, *domain; // NULL where it is not about a node
    int64_t version;
    const char *shapes;                  // of the inputs as text
    const char *text;                    // what is missing and what would fix it
} whet_problem_report;

#define WHET_IMPORT_PROBLEMS 200

typedef struct whet_import_op_count {
    const char *domain, *op_type;
    int64_t count;
    bool supported;
} whet_import_op_count;

typedef struct whet_import {
    whet_graph *graph; // NULL when there are problems
    whet_arena arena;  // of everything below
    whet_external external; // open as long as the graph lives
    whet_problem_report *problems; // the first WHET_IMPORT_PROBLEMS
    int32_t n_problems, cap_problems;
    int64_t n_found;   // problems found in all
    const char *misdeclared; // the first value whose declared shape is not what it has, NULL
    int64_t n_misdeclared;
    int64_t ir_version;
    const char *producer;
    struct { const char *domain; int64_t version; } *opsets;
    int32_t n_opsets;
    whet_import_op_count *op_counts; // sorted by domain and op_type
    int32_t n_op_counts, cap_op_counts;
    const char *inputs_text, *outputs_text; // "name: f32[N,3,224,224]" lines
} whet_import;

// WHET_OK and import->graph, or the status of the first problem, its text in err (with the number
// of further problems). The import must be closed in either case.
whet_status whet_import_onnx(whet_import *import, const void *data, size_t size,
                             const whet_import_options *options, whet_error *err);
void whet_import_close(whet_import *import); // destroys the graph too
// The report as text or JSON.
void whet_import_report(const whet_import *import, bool json, whet_str *out);

#endif

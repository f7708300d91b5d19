// SPDX-License-Identifier: Apache-2.0
// What the import functions of domain ai.onnx.ml share.
#ifndef WHET_ONNX_ML_H
#define WHET_ONNX_ML_H

#include "onnx/importer.h"

// The array of an attribute; v NULL when absent. `<name>_as_tensor` may stand for it in doubles.
typedef struct whet_ml_numbers {
    const double *v;
    int64_t n;
    bool wide; // not all are floats
} whet_ml_numbers;
whet_ml_numbers whet_ml_floats(whet_import_node *n, const char *name, bool as_tensor);
// The tensor of an attribute; false when absent or broken (then reported).
bool whet_ml_tensor(whet_import_node *n, const char *name, whet_tensor *tensor);
// A list of texts or integers as a tensor [n]; false when absent or empty.
bool whet_ml_texts(whet_import_node *n, const char *name, whet_tensor *t);
bool whet_ml_int64s(whet_import_node *n, const char *name, whet_tensor *t);
// A constant: f32 or i64 of n elements, or of any type.
whet_value *whet_ml_f32(whet_import_node *n, const double *v, int32_t rank, const int64_t *dims);
whet_value *whet_ml_i32(whet_import_node *n, const int32_t *v, int32_t rank, const int64_t *dims);

// Input 0 as rows [n, features] of that type: one dimension is one row. NULL after a failure.
whet_value *whet_ml_rows(whet_import_node *n, whet_dtype dtype);
whet_value *whet_ml_cast(whet_import_node *n, whet_value *v, whet_dtype dtype);
// One operator of two operands or one, the second a constant number of the type of v.
whet_value *whet_ml_with(whet_import_node *n, const char *op, whet_value *v, double number);
whet_value *whet_ml_apply(whet_import_node *n, const char *op, whet_value *v);
// x W^T + intercepts, W [targets, features].
whet_value *whet_ml_linear(whet_import_node *n, whet_value *x, whet_ml_numbers w, int64_t targets,
                           whet_ml_numbers intercepts);

enum {
    WHET_ML_NONE,
    WHET_ML_SOFTMAX,
    WHET_ML_LOGISTIC,
    WHET_ML_SOFTMAX_ZERO,
    WHET_ML_PROBIT,
};
// The number of one of `names` (NULL-terminated); a problem and 0 when it is none.
int32_t whet_ml_choice(whet_import_node *n, const char *name, const char *def,
                       const char *const *names);
int32_t whet_ml_post_transform(whet_import_node *n);
// Rows of scores through a transform.
whet_value *whet_ml_transform(whet_import_node *n, whet_value *scores, int32_t transform);

// The class labels of a classifier: a constant [count], and which of them each row gets.
typedef struct whet_ml_labels {
    whet_value *v;
    int64_t n;
} whet_ml_labels;
whet_ml_labels whet_ml_labels_of(whet_import_node *n, const char *ints, const char *strings);
// Labels for indices [n]; result 0 of the node.
void whet_ml_label_result(whet_import_node *n, whet_ml_labels labels, whet_value *index);
// Index of the best of each row's scores.
whet_value *whet_ml_best(whet_import_node *n, whet_value *scores);
// 1 where the single score of a row is above the threshold, else 0: i64 [n].
whet_value *whet_ml_above(whet_import_node *n, whet_value *score, double threshold);
// Two columns from one score s, (-s, s) or (1 - s, s), as onnxruntime has them: only a logistic
// transform (of (-s, s)) and probit (of (1 - s, s)) are applied.
whet_value *whet_ml_two(whet_import_node *n, whet_value *score, bool complement,
                        int32_t transform);

#endif

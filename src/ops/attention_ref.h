// SPDX-License-Identifier: Apache-2.0
// Scaled dot product attention of the C references, shared by ONNX's operator and the contributed
// ones: softmax(scale Q K' + bias) V, head by head.
#ifndef WHET_OPS_ATTENTION_REF_H
#define WHET_OPS_ATTENTION_REF_H

#include "ops/op.h"

// What qk_matmul_output holds.
enum { WHET_QK_PRODUCT, WHET_QK_CAPPED, WHET_QK_BIASED, WHET_QK_SOFTMAX };

typedef struct whet_attention_ref {
    int64_t batch, heads, kv_heads, q_len, kv_len, d, dv;
    double scale, softcap;  // softcap 0: none; applied before the bias
    bool sink;              // the softmax has one more score of 0 (its weight is dropped)
    const double *sinks;    // [heads]: that score, NULL: 0
    bool causal;            // key j counts for query i when j <= i + offset
    int64_t offset;         // position of query 0 among the keys
    const int64_t *offsets; // [batch], instead of offset when not NULL
    int64_t window;         // > 0: keys that far back count, the query's own included
    int64_t ahead;          // > 0: keys less far ahead count, the query's own included
    const int64_t *valid;   // [batch]: keys that count, NULL: all
    const double *q;
    int64_t q_step[3];      // of batch, head, row
    const double *k, *v;    // [batch, kv_heads, kv_len, d] and dv
    const double *bias;     // NULL: none
    int64_t bias_step[3], bias_len; // batch, head, row; keys from bias_len on do not count
    whet_tensor *qk;        // [batch, heads, q_len, kv_len], NULL: not wanted
    int64_t qk_mode;
    double *y;              // rows of dv
    int64_t y_step[3];
} whet_attention_ref;

// A query for which no key counts gives 0.
whet_status whet_attention_ref_run(whet_eval *e, const whet_attention_ref *r);
// Steps that broadcast a mask of rank 1 to 4 to [batch, heads, q_len, kv_len]; checked by infer.
void whet_attention_ref_bias(whet_attention_ref *r, const whet_tensor *mask, const double *v);
// [batch, heads, past + fresh, d] from past [batch, heads, past, d] (NULL: none) and new rows with
// steps of batch, head, row. NULL: out of memory, error set.
double *whet_attention_ref_join(whet_eval *e, int64_t batch, int64_t heads, int64_t d,
                                const double *past, int64_t past_len, const double *fresh,
                                const int64_t step[3], int64_t fresh_len);

#endif

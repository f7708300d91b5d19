// SPDX-License-Identifier: Apache-2.0
#include "ops/attention_ref.h"

#include <math.h>
#include <string.h>

#include "ops/matrix.h"

enum { ROWS = 64 }; // queries at a time

void whet_attention_ref_bias(whet_attention_ref *r, const whet_tensor *mask, const double *v) {
    int64_t stride = 1;
    r->bias = v;
    r->bias_len = mask->rank ? mask->dims[mask->rank - 1] : 1;
    stride = r->bias_len;
    for (int32_t d = 2; d >= 0; d--) {
        int32_t at = mask->rank - 4 + d;
        int64_t size = at >= 0 ? mask->dims[at] : 1;
        r->bias_step[d] = size == 1 ? 0 : stride;
        stride *= size;
    }
}

double *whet_attention_ref_join(whet_eval *e, int64_t batch, int64_t heads, int64_t d,
                                const double *past, int64_t past_len, const double *fresh,
                                const int64_t step[3], int64_t fresh_len) {
    int64_t total = past_len + fresh_len, rows, n;
    if (__builtin_mul_overflow(batch * heads, total, &rows) || __builtin_mul_overflow(rows, d, &n))
        n = -1;
    double *out = whet_eval_raw_f64(e, n), *to = out;
    size_t row = (size_t)d * sizeof *out;
    for (int64_t i = 0; out && i < batch * heads; i++) {
        if (past) memcpy(to, past + i * past_len * d, row * (size_t)past_len);
        to += past_len * d;
        const double *from = fresh + i / heads * step[0] + i % heads * step[1];
        for (int64_t s = 0; s < fresh_len; s++, to += d) memcpy(to, from + s * step[2], row);
    }
    return out;
}

// Keys [first, last) that count for query i of batch b, as far as positions say.
static void key_range(const whet_attention_ref *r, int64_t b, int64_t i, int64_t *first,
                      int64_t *last) {
    int64_t at = i + (r->offsets ? r->offsets[b] : r->offset);
    *first = r->window > 0 && at >= r->window ? at - r->window + 1 : 0;
    *last = r->kv_len;
    if (r->causal && at + 1 < *last) *last = at + 1;
    if (r->ahead > 0 && at < *last && r->ahead < *last - at) *last = at + r->ahead;
    if (r->valid && r->valid[b] < *last) *last = r->valid[b];
    if (r->bias && r->bias_len < *last) *last = r->bias_len;
    if (*last < 0) *last = 0;
    if (*first > *last) *first = *last;
}

static void softcap(const whet_attention_ref *r, double *row) {
    for (int64_t j = 0; r->softcap > 0 && j < r->kv_len; j++)
        row[j] = r->softcap * tanh(row[j] / r->softcap);
}

static void softmax(const whet_attention_ref *r, int64_t h, double *row) {
    double max = -INFINITY, sum = 0, sink = r->sinks ? r->sinks[h] : 0;
    for (int64_t j = 0; j < r->kv_len; j++)
        if (!(row[j] <= max)) max = row[j];
    if (r->sink && sink > max) max = sink;
    if (max == -INFINITY) {
        for (int64_t j = 0; j < r->kv_len; j++) row[j] = 0;
        return;
    }
    for (int64_t j = 0; j < r->kv_len; j++) sum += row[j] = exp(row[j] - max);
    if (r->sink) sum += exp(sink - max);
    for (int64_t j = 0; j < r->kv_len; j++) row[j] /= sum;
}

static void keep(const whet_attention_ref *r, int64_t mode, int64_t at, const double *row) {
    if (!r->qk || r->qk_mode != mode) return;
    for (int64_t j = 0; j < r->kv_len; j++)
        whet_store_f64(r->qk->data, r->qk->dtype, at * r->kv_len + j, row[j]);
}

// Scores of one query to weights.
static void weigh(const whet_attention_ref *r, int64_t b, int64_t h, int64_t i, double *row) {
    int64_t first, last, at = (b * r->heads + h) * r->q_len + i;
    key_range(r, b, i, &first, &last);
    for (int64_t j = 0; j < r->kv_len; j++) row[j] *= r->scale;
    keep(r, WHET_QK_PRODUCT, at, row);
    softcap(r, row);
    keep(r, WHET_QK_CAPPED, at, row);
    const double *bias = NULL;
    if (r->bias) bias = r->bias + b * r->bias_step[0] + h * r->bias_step[1] + i * r->bias_step[2];
    for (int64_t j = 0; j < r->kv_len; j++) {
        // a score of infinity or NaN does not count either
        if (j < first || j >= last || (bias && bias[j] == -INFINITY)) row[j] = -INFINITY;
        else if (bias) row[j] += bias[j];
    }
    keep(r, WHET_QK_BIASED, at, row);
    softmax(r, h, row);
    keep(r, WHET_QK_SOFTMAX, at, row);
}

typedef struct buffers {
    double *kt, *q, *scores, *y; // [d, kv_len], [ROWS, d], [ROWS, kv_len], [ROWS, dv]
} buffers;

static void block(const whet_attention_ref *r, const buffers *w, int64_t b, int64_t h, int64_t i,
                  int64_t n) {
    const double *q = r->q + b * r->q_step[0] + h * r->q_step[1];
    int64_t kv = b * r->kv_heads + h / (r->heads / r->kv_heads);
    for (int64_t s = 0; s < n; s++)
        memcpy(w->q + s * r->d, q + (i + s) * r->q_step[2], (size_t)r->d * sizeof *q);
    memset(w->scores, 0, (size_t)(n * r->kv_len) * sizeof *w->scores);
    whet_matrix_mul_f64(n, r->kv_len, r->d, w->q, r->d, w->kt, r->kv_len, w->scores, r->kv_len);
    for (int64_t s = 0; s < n; s++) weigh(r, b, h, i + s, w->scores + s * r->kv_len);
    memset(w->y, 0, (size_t)(n * r->dv) * sizeof *w->y);
    whet_matrix_mul_f64(n, r->dv, r->kv_len, w->scores, r->kv_len, r->v + kv * r->kv_len * r->dv,
                        r->dv, w->y, r->dv);
    double *y = r->y + b * r->y_step[0] + h * r->y_step[1];
    for (int64_t s = 0; s < n; s++)
        memcpy(y + (i + s) * r->y_step[2], w->y + s * r->dv, (size_t)r->dv * sizeof *y);
}

whet_status whet_attention_ref_run(whet_eval *e, const whet_attention_ref *r) {
    int64_t size;
    if (__builtin_mul_overflow((int64_t)ROWS, r->kv_len, &size)) size = -1;
    buffers w = {whet_eval_raw_f64(e, r->d * r->kv_len), whet_eval_raw_f64(e, ROWS * r->d),
                 whet_eval_raw_f64(e, size), whet_eval_raw_f64(e, ROWS * r->dv)};
    if (!w.kt || !w.q || !w.scores || !w.y) return WHET_E_NOMEM;
    for (int64_t b = 0; b < r->batch; b++)
        for (int64_t h = 0; h < r->heads; h++) {
            int64_t kv = b * r->kv_heads + h / (r->heads / r->kv_heads);
            whet_matrix_transpose_f64(r->kv_len, r->d, r->k + kv * r->kv_len * r->d, w.kt);
            for (int64_t i = 0; i < r->q_len; i += ROWS)
                block(r, &w, b, h, i, r->q_len - i < ROWS ? r->q_len - i : ROWS);
        }
    return WHET_OK;
}

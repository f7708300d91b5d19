// SPDX-License-Identifier: Apache-2.0
#include "ops/rnn_ref.h"

#include <string.h>

#include "ops/matrix.h"

const char *const whet_rnn_direction_choices[] = {"forward", "reverse", "bidirectional", NULL};

static whet_status check_shape(whet_infer *ctx, int32_t in, int32_t rank, const whet_dim *dims) {
    if (!whet_infer_has(ctx, in)) return WHET_OK;
    WHET_TRY(whet_infer_rank(ctx, in, rank));
    for (int32_t i = 0; i < rank; i++)
        WHET_TRY(whet_infer_same(ctx, ctx->in[in]->dims[i], dims[i], ctx->op->in[in].name));
    return WHET_OK;
}

// State of all directions: initial_h, Y_h, ...
static void state_dims(const whet_rnn_attrs *a, whet_dim dirs, whet_dim batch, whet_dim hidden,
                       whet_dim dims[3]) {
    dims[0] = a->layout ? batch : dirs;
    dims[1] = a->layout ? dirs : batch;
    dims[2] = hidden;
}

whet_status whet_rnn_infer(whet_infer *ctx, int32_t gates, const char *defaults,
                           int32_t per_direction) {
    const whet_rnn_attrs *a = ctx->attrs;
    whet_rnn_act acts[2 * WHET_RNN_MAX_ACTS];
    WHET_TRY(whet_rnn_acts_parse(a, defaults, per_direction, acts, ctx->err));
    WHET_TRY(whet_infer_rank(ctx, WHET_RNN_X, 3));
    WHET_TRY(whet_infer_rank(ctx, WHET_RNN_R, 3));
    const whet_dim *x = ctx->in[WHET_RNN_X]->dims, hidden = ctx->in[WHET_RNN_R]->dims[2];
    whet_dim dirs = a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1;
    whet_dim seq = x[a->layout ? 1 : 0], batch = x[a->layout ? 0 : 1], state[3];
    if (a->hidden_size)
        WHET_TRY(whet_infer_same(ctx, hidden, a->hidden_size, "size of R and hidden_size"));
    whet_dim rows = whet_dim_mul(ctx->dims, hidden, gates);
    state_dims(a, dirs, batch, hidden, state);
    WHET_TRY(check_shape(ctx, WHET_RNN_W, 3, (whet_dim[]){dirs, rows, x[2]}));
    WHET_TRY(check_shape(ctx, WHET_RNN_R, 3, (whet_dim[]){dirs, rows, hidden}));
    whet_dim twice = whet_dim_mul(ctx->dims, rows, 2);
    WHET_TRY(check_shape(ctx, WHET_RNN_B, 2, (whet_dim[]){dirs, twice}));
    WHET_TRY(check_shape(ctx, WHET_RNN_LENS, 1, &batch));
    WHET_TRY(check_shape(ctx, WHET_RNN_H0, 3, state));
    WHET_TRY(check_shape(ctx, WHET_RNN_C0, 3, state));
    whet_dim peep = whet_dim_mul(ctx->dims, hidden, 3);
    WHET_TRY(check_shape(ctx, WHET_RNN_P, 2, (whet_dim[]){dirs, peep}));
    whet_dim y[4] = {seq, dirs, batch, hidden};
    if (a->layout) y[0] = batch, y[1] = seq, y[2] = dirs;
    whet_infer_shape(ctx, 0, 4, y);
    for (int32_t i = 1; i < ctx->n_out; i++) whet_infer_shape(ctx, i, 3, state);
    return WHET_OK;
}

// ---- evaluation ----

typedef struct walk {
    whet_rnn_run r;
    whet_eval *e;
    whet_rnn_cell cell;
    int64_t dir;
    bool reverse;
    const double *x;   // [seq batch, input] in the order of X
    double *xw;        // the same rows, [gates hidden]
    double *hr;        // [batch, gates hidden]
    double *h, *c;     // [batch, hidden]
    double *wt, *rt;
    const int64_t *lens; // NULL: all of seq
} walk;

static int64_t state_row(const walk *w, int64_t b) {
    return w->r.a->layout ? b * w->r.dirs + w->dir : w->dir * w->r.batch + b;
}
static int64_t x_row(const walk *w, int64_t t, int64_t b) {
    return w->r.a->layout ? b * w->r.seq + t : t * w->r.batch + b;
}
static int64_t y_row(const walk *w, int64_t t, int64_t b) {
    return w->r.a->layout ? (b * w->r.seq + t) * w->r.dirs + w->dir
                          : (t * w->r.dirs + w->dir) * w->r.batch + b;
}

static void store_row(whet_eval *e, int32_t out, int64_t row, const double *v, int64_t n) {
    whet_tensor *t = &e->out[out];
    for (int64_t j = 0; j < n; j++) whet_store_f64(t->data, t->dtype, row * n + j, v[j]);
}

static void state_load(const walk *w, const double *from, double *to) {
    int64_t n = w->r.hidden;
    for (int64_t b = 0; b < w->r.batch; b++)
        for (int64_t j = 0; j < n; j++) to[b * n + j] = from ? from[state_row(w, b) * n + j] : 0;
}

static void step(walk *w, int64_t s) {
    const whet_rnn_run *r = &w->r;
    int64_t n = r->hidden, wide = r->gates * n;
    memset(w->hr, 0, (size_t)(r->batch * wide) * sizeof *w->hr);
    whet_matrix_mul_f64(r->batch, wide, n, w->h, n, w->rt, wide, w->hr, wide);
    for (int64_t b = 0; b < r->batch; b++) {
        int64_t len = w->lens ? w->lens[b] : r->seq;
        if (s >= len) continue;
        int64_t t = w->reverse ? len - 1 - s : s;
        w->cell(r, w->xw + x_row(w, t, b) * wide, w->hr + b * wide, w->h + b * n, w->c + b * n);
        if (whet_eval_wants(w->e, 0)) store_row(w->e, 0, y_row(w, t, b), w->h + b * n, n);
    }
}

static void direction(walk *w, const double *wx, const double *wr, const double *h0,
                      const double *c0) {
    const whet_rnn_run *r = &w->r;
    int64_t n = r->hidden, wide = r->gates * n, rows = r->seq * r->batch;
    whet_matrix_transpose_f64(wide, r->input, wx + w->dir * wide * r->input, w->wt);
    whet_matrix_transpose_f64(wide, n, wr + w->dir * wide * n, w->rt);
    memset(w->xw, 0, (size_t)(rows * wide) * sizeof *w->xw);
    whet_matrix_mul_f64(rows, wide, r->input, w->x, r->input, w->wt, wide, w->xw, wide);
    state_load(w, h0, w->h);
    state_load(w, c0, w->c);
    for (int64_t s = 0; s < r->seq; s++) step(w, s);
    for (int64_t b = 0; b < r->batch; b++) {
        bool empty = w->lens && w->lens[b] == 0; // as in other runtimes the final state is then 0
        for (int64_t j = 0; j < n && empty; j++) w->h[b * n + j] = w->c[b * n + j] = 0;
        if (whet_eval_wants(w->e, 1)) store_row(w->e, 1, state_row(w, b), w->h + b * n, n);
        if (whet_eval_wants(w->e, 2)) store_row(w->e, 2, state_row(w, b), w->c + b * n, n);
    }
}

static whet_status load_lens(walk *w) {
    if (!whet_eval_has(w->e, WHET_RNN_LENS)) return WHET_OK;
    w->lens = whet_eval_i64(w->e, WHET_RNN_LENS);
    if (!w->lens) return WHET_E_NOMEM;
    for (int64_t b = 0; b < w->r.batch; b++)
        if (w->lens[b] < 0 || w->lens[b] > w->r.seq)
            WHET_FAIL(w->e->err, WHET_E_RANGE, "sequence_lens[%lld] is %lld, X has %lld steps",
                      (long long)b, (long long)w->lens[b], (long long)w->r.seq);
    return WHET_OK;
}

static bool load_optional(whet_eval *e, int32_t in, const double **v) {
    *v = NULL;
    return !whet_eval_has(e, in) || (*v = whet_eval_f64(e, in));
}

static bool buffers(walk *w) {
    const whet_rnn_run *r = &w->r;
    int64_t wide = r->gates * r->hidden;
    int64_t rows;
    if (__builtin_mul_overflow(r->seq * r->batch, wide, &rows)) rows = -1;
    return (w->xw = whet_eval_raw_f64(w->e, rows)) &&
           (w->hr = whet_eval_raw_f64(w->e, r->batch * wide)) &&
           (w->h = whet_eval_raw_f64(w->e, r->batch * r->hidden)) &&
           (w->c = whet_eval_raw_f64(w->e, r->batch * r->hidden)) &&
           (w->wt = whet_eval_raw_f64(w->e, r->input * wide)) &&
           (w->rt = whet_eval_raw_f64(w->e, r->hidden * wide)) &&
           (w->r.tmp = whet_eval_raw_f64(w->e, r->hidden));
}

whet_status whet_rnn_eval(whet_eval *e, int32_t gates, const char *defaults, int32_t per_direction,
                          whet_rnn_cell cell) {
    const whet_rnn_attrs *a = e->attrs;
    const whet_tensor *x = &e->in[WHET_RNN_X];
    walk w = {.e = e, .cell = cell};
    w.r = (whet_rnn_run){.a = a, .gates = gates, .input = x->dims[2]};
    w.r.seq = x->dims[a->layout ? 1 : 0];
    w.r.batch = x->dims[a->layout ? 0 : 1];
    w.r.hidden = e->in[WHET_RNN_R].dims[2];
    w.r.dirs = a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1;
    whet_rnn_act acts[2 * WHET_RNN_MAX_ACTS];
    WHET_TRY(whet_rnn_acts_parse(a, defaults, per_direction, acts, e->err));
    WHET_TRY(load_lens(&w));
    const double *wx = whet_eval_f64(e, WHET_RNN_W), *wr = whet_eval_f64(e, WHET_RNN_R);
    const double *bias, *h0, *c0, *peep;
    w.x = whet_eval_f64(e, WHET_RNN_X);
    if (!w.x || !wx || !wr || !buffers(&w) || !load_optional(e, WHET_RNN_B, &bias) ||
        !load_optional(e, WHET_RNN_H0, &h0) || !load_optional(e, WHET_RNN_C0, &c0) ||
        !load_optional(e, WHET_RNN_P, &peep))
        return WHET_E_NOMEM;
    int64_t count = whet_eval_wants(e, 0) ? whet_tensor_count(&e->out[0]) : 0;
    if (count > 0) // rows behind the end of a sequence are 0
        memset(e->out[0].data, 0, whet_tensor_bytes(e->out[0].dtype, count));
    for (w.dir = 0; w.dir < w.r.dirs; w.dir++) {
        w.reverse = w.dir == 1 || a->direction == WHET_RNN_REVERSE;
        w.r.bias = bias ? bias + w.dir * 2 * gates * w.r.hidden : NULL;
        w.r.peep = peep ? peep + w.dir * 3 * w.r.hidden : NULL;
        w.r.acts = acts + w.dir * per_direction;
        w.r.rt = w.rt;
        direction(&w, wx, wr, h0, c0);
    }
    return WHET_OK;
}

double whet_rnn_flops(const whet_tensor *x, const whet_tensor *r) {
    double rows = (double)x->dims[0] * (double)x->dims[1];
    double weights = (double)r->dims[0] * (double)r->dims[1];
    return 2 * rows * weights * ((double)x->dims[2] + (double)r->dims[2]);
}

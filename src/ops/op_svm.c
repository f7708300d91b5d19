// SPDX-License-Identifier: Apache-2.0
// Support vector machines: square_distance X [n, f], V [m, f] to [n, m], and svm_vote, which takes
// kernel values to decisions of pairs of classes, the class that most pairs name, and, with the
// parameters of Platt's sigmoids, probabilities (Wu, Lin, Weng 2004, second method).
#include <inttypes.h>
#include <math.h>

#include "ops/op.h"

static whet_status distance_infer(whet_infer *ctx) {
    WHET_TRY(whet_infer_rank(ctx, 0, 2));
    WHET_TRY(whet_infer_rank(ctx, 1, 2));
    WHET_TRY(whet_infer_same(ctx, ctx->in[0]->dims[1], ctx->in[1]->dims[1], "features"));
    whet_infer_shape(ctx, 0, 2, (const whet_dim[]){ctx->in[0]->dims[0], ctx->in[1]->dims[0]});
    return WHET_OK;
}

static whet_status distance_eval(whet_eval *e) {
    const whet_tensor *x = &e->in[0], *v = &e->in[1];
    int64_t n = x->dims[0], m = v->dims[0], features = x->dims[1];
    if (v->dims[1] != features) WHET_FAIL(e->err, WHET_E_SHAPE, "features differ");
    const float *a = x->data, *b = v->data;
    float *y = e->out[0].data;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < m; k++) {
            double sum = 0;
            for (int64_t f = 0; f < features; f++) {
                double d = (double)a[i * features + f] - (double)b[k * features + f];
                sum += d * d;
            }
            y[i * m + k] = (float)sum;
        }
    return WHET_OK;
}

static double distance_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                             const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)n_out;
    return 3.0 * (double)whet_tensor_count(&out[0]) * (double)in[0].dims[1];
}

// ---- votes ----

enum { KERNEL, COEFFICIENTS, RHO, PER_CLASS, PROB_A, PROB_B };

static whet_status vote_infer(whet_infer *ctx) {
    WHET_TRY(whet_infer_rank(ctx, KERNEL, 2));
    WHET_TRY(whet_infer_rank(ctx, COEFFICIENTS, 2));
    for (int32_t i = RHO; i < ctx->n_in; i++)
        if (whet_infer_has(ctx, i)) WHET_TRY(whet_infer_rank(ctx, i, 1));
    whet_dim rows = ctx->in[KERNEL]->dims[0], classes = ctx->in[PER_CLASS]->dims[0];
    whet_dim pairs = ctx->in[RHO]->dims[0];
    bool probable = whet_infer_has(ctx, PROB_A);
    if (probable != whet_infer_has(ctx, PROB_B))
        WHET_FAIL(ctx->err, WHET_E_INVALID, "prob_a and prob_b belong together");
    WHET_TRY(whet_infer_same(ctx, ctx->in[KERNEL]->dims[1], ctx->in[COEFFICIENTS]->dims[1],
                             "support vectors"));
    whet_infer_shape(ctx, 0, 1, &rows);
    if (ctx->n_out > 1)
        whet_infer_shape(ctx, 1, 2, (const whet_dim[]){rows, probable ? classes : pairs});
    return WHET_OK;
}

typedef struct machine {
    int64_t classes, pairs, vectors;
    const float *coefficients, *rho, *a, *b;
    const int64_t *per_class;
    int64_t *start, *votes;      // [classes]
    double *decisions;           // [pairs]
    double *pairwise, *q, *p, *qp; // [classes, classes] twice, [classes] twice
} machine;

static whet_status check(whet_eval *e, machine *m) {
    const whet_tensor *k = &e->in[KERNEL], *c = &e->in[COEFFICIENTS];
    m->classes = e->in[PER_CLASS].dims[0];
    m->pairs = e->in[RHO].dims[0];
    m->vectors = k->dims[1];
    if (m->classes < 2 || m->classes > 65535 || m->pairs != m->classes * (m->classes - 1) / 2 ||
        c->dims[0] != m->classes - 1 || c->dims[1] != m->vectors)
        WHET_FAIL(e->err, WHET_E_SHAPE, "%" PRId64 " classes do not fit the coefficients",
                  m->classes);
    for (int32_t i = PROB_A; i <= PROB_B; i++)
        if (whet_eval_has(e, i) && e->in[i].dims[0] != m->pairs)
            WHET_FAIL(e->err, WHET_E_SHAPE, "input %d has not one element a pair", i);
    m->per_class = e->in[PER_CLASS].data;
    int64_t left = m->vectors;
    for (int64_t i = 0; i < m->classes; left -= m->per_class[i++])
        if (m->per_class[i] < 0 || m->per_class[i] > left)
            WHET_FAIL(e->err, WHET_E_RANGE, "class %" PRId64 " has %" PRId64 " vectors", i,
                      m->per_class[i]);
    return WHET_OK;
}

static whet_status prepare(whet_eval *e, machine *m) {
    WHET_TRY(check(e, m));
    m->coefficients = e->in[COEFFICIENTS].data;
    m->rho = e->in[RHO].data;
    m->start = whet_eval_scratch_i64(e, m->classes);
    m->votes = whet_eval_scratch_i64(e, m->classes);
    m->decisions = whet_eval_scratch_f64(e, m->pairs);
    if (!m->start || !m->votes || !m->decisions) return WHET_E_NOMEM;
    for (int64_t i = 1; i < m->classes; i++) m->start[i] = m->start[i - 1] + m->per_class[i - 1];
    if (!whet_eval_has(e, PROB_A)) return WHET_OK;
    m->a = e->in[PROB_A].data;
    m->b = e->in[PROB_B].data;
    m->pairwise = whet_eval_scratch_f64(e, m->classes * m->classes);
    m->q = whet_eval_scratch_f64(e, m->classes * m->classes);
    m->p = whet_eval_scratch_f64(e, m->classes);
    m->qp = whet_eval_scratch_f64(e, m->classes);
    return m->pairwise && m->q && m->p && m->qp ? WHET_OK : WHET_E_NOMEM;
}

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

// Decisions of all pairs for one row of kernel values; the class that most of them name.
static int64_t decide(machine *m, const float *k) {
    int64_t pair = 0, best = 0;
    for (int64_t i = 0; i < m->classes; i++) m->votes[i] = 0;
    for (int64_t i = 0; i < m->classes; i++)
        for (int64_t j = i + 1; j < m->classes; j++, pair++) {
            const float *ci = m->coefficients + (j - 1) * m->vectors + m->start[i];
            const float *cj = m->coefficients + i * m->vectors + m->start[j];
            double d = (double)m->rho[pair] + dot(ci, k + m->start[i], m->per_class[i]) +
                       dot(cj, k + m->start[j], m->per_class[j]);
            m->decisions[pair] = d;
            m->votes[d > 0 ? i : j]++;
        }
    for (int64_t i = 1; i < m->classes; i++)
        if (m->votes[i] > m->votes[best]) best = i;
    return best;
}

// Probability of the first class of a pair: 1 / (1 + exp(A d + B)), kept off 0 and 1.
static double sigmoid(double d, double a, double b) {
    double p = 1 / (1 + exp(a * d + b));
    return p < 1e-7 ? 1e-7 : p > 1 - 1e-7 ? 1 - 1e-7 : p;
}

// Minimises sum (r_ji p_i - r_ij p_j)^2 over the simplex by the fixed point iteration of the paper.
static void couple(machine *m) {
    int64_t c = m->classes, most = c > 100 ? c : 100;
    double eps = 0.005 / (double)c;
    for (int64_t t = 0; t < c; t++) {
        m->p[t] = 1 / (double)c;
        m->q[t * c + t] = 0;
        for (int64_t j = 0; j < c; j++) {
            if (j == t) continue;
            m->q[t * c + t] += m->pairwise[j * c + t] * m->pairwise[j * c + t];
            m->q[t * c + j] = -m->pairwise[j * c + t] * m->pairwise[t * c + j];
        }
    }
    for (int64_t round = 0; round < most; round++) {
        double pqp = 0, worst = 0;
        for (int64_t t = 0; t < c; t++) {
            m->qp[t] = 0;
            for (int64_t j = 0; j < c; j++) m->qp[t] += m->q[t * c + j] * m->p[j];
            pqp += m->p[t] * m->qp[t];
        }
        for (int64_t t = 0; t < c; t++) worst = fmax(worst, fabs(m->qp[t] - pqp));
        if (worst < eps) return;
        for (int64_t t = 0; t < c; t++) {
            double diff = (pqp - m->qp[t]) / m->q[t * c + t], scale = 1 + diff;
            m->p[t] += diff;
            pqp = (pqp + diff * (diff * m->q[t * c + t] + 2 * m->qp[t])) / scale / scale;
            for (int64_t j = 0; j < c; j++) {
                m->qp[j] = (m->qp[j] + diff * m->q[t * c + j]) / scale;
                m->p[j] /= scale;
            }
        }
    }
}

static void probabilities(machine *m) {
    int64_t c = m->classes, pair = 0;
    for (int64_t i = 0; i < c; i++)
        for (int64_t j = i + 1; j < c; j++, pair++) {
            // as onnxruntime, which rounds decisions to float
            double d = (double)(float)m->decisions[pair];
            double p = sigmoid(d, (double)m->a[pair], (double)m->b[pair]);
            m->pairwise[i * c + j] = p;
            m->pairwise[j * c + i] = 1 - p;
        }
    couple(m);
}

static whet_status vote_eval(whet_eval *e) {
    machine m = {0};
    WHET_TRY(prepare(e, &m));
    int64_t width = m.a ? m.classes : m.pairs;
    for (int64_t row = 0; row < e->in[KERNEL].dims[0]; row++) {
        int64_t best = decide(&m, (const float *)e->in[KERNEL].data + row * m.vectors);
        if (whet_eval_wants(e, 0)) ((int64_t *)e->out[0].data)[row] = best;
        if (!whet_eval_wants(e, 1)) continue;
        if (m.a) probabilities(&m);
        const double *from = m.a ? m.p : m.decisions;
        float *to = (float *)e->out[1].data + row * width;
        for (int64_t k = 0; k < width; k++) to[k] = (float)from[k];
    }
    return WHET_OK;
}

static double vote_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                         const whet_tensor *out, int32_t n_out) {
    (void)attrs, (void)n_in, (void)out, (void)n_out;
    return 2.0 * (double)whet_tensor_count(&in[KERNEL]) * (double)in[COEFFICIENTS].dims[0];
}

#define F32 WHET_DTYPE_BIT(WHET_DTYPE_F32)
#define I64 WHET_DTYPE_BIT(WHET_DTYPE_I64)
const whet_op whet_op_square_distance = {
    .name = "square_distance", WHET_IN({"X", F32, 0}, {"V", F32, 0}), WHET_OUT({"Y", F32, 0}),
    .infer = distance_infer, .eval = distance_eval, .flops = distance_flops};
const whet_op whet_op_svm_vote = {
    .name = "svm_vote",
    WHET_IN({"kernel", F32, 0}, {"coefficients", F32, 0}, {"rho", F32, 0}, {"per_class", I64, 0},
            {"prob_a", F32, 0, WHET_ARG_OPTIONAL}, {"prob_b", F32, 0, WHET_ARG_OPTIONAL}),
    WHET_OUT({"class", I64, 0}, {"scores", F32, 0, WHET_ARG_OPTIONAL}),
    .infer = vote_infer, .eval = vote_eval, .flops = vote_flops};

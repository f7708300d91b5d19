// SPDX-License-Identifier: Apache-2.0
// Rounding weights to 4 bits: to the nearest, and by GPTQ.
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "build/int4.h"

// ---- scales ----

static double error_of(const float *w, int64_t n, float scale) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = (double)w[i] - (double)whet_int4_nearest(w[i], scale) * (double)scale;
        sum += e * e;
    }
    return sum;
}

// From the one at which the largest number is 7 down to 0.6 of it.
float whet_int4_scale(const float *w, int64_t n, bool half) {
    float top = 0, chosen = 1;
    double best = INFINITY;
    for (int64_t i = 0; i < n; i++) top = fmaxf(top, fabsf(w[i]));
    for (int32_t i = 0; i <= 20 && top > 0; i++) {
        float s = top / 7 * (1 - 0.02f * (float)i);
        if (half) s = whet_f16_to_f32(whet_f32_to_f16(s));
        if (!(s > 0) || !isfinite(s)) continue;
        double e = error_of(w, n, s);
        if (e < best) best = e, chosen = s;
    }
    return chosen;
}

void whet_int4_round(whet_int4_matrix *m) {
    for (int64_t r = 0; r < m->n; r++)
        for (int64_t g = 0; g < m->groups; g++) {
            int64_t from = g * m->group, n = m->k - from < m->group ? m->k - from : m->group;
            const float *w = m->w + r * m->k + from;
            float s = m->scale[r * m->groups + g] = whet_int4_scale(w, n, m->half);
            for (int64_t i = 0; i < n; i++)
                m->q[r * m->k + from + i] = (int8_t)whet_int4_nearest(w[i], s);
        }
}

// ---- moments ----

typedef struct {
    whet_int4_moments *s;
    const float *x, *coef;
    int64_t rows;
    whet_add_rows_fn add;
    atomic_llong next;
} observe_job;

static void observe_rows(void *user, int32_t index, int32_t n) {
    observe_job *j = user;
    int64_t k = j->s->k, i;
    (void)index, (void)n;
    while ((i = atomic_fetch_add(&j->next, 1)) < k)
        j->add(j->s->h + i * k + i, k - i, j->x + i, k, j->coef + i * WHET_INT4_ROWS, j->rows);
}

void whet_int4_observe(whet_int4_moments *s, const float *x, int64_t rows, float *coef,
                       whet_add_rows_fn add, whet_workers *workers, int32_t threads) {
    for (int64_t at = 0; at < rows; at += WHET_INT4_ROWS) {
        int64_t n = rows - at < WHET_INT4_ROWS ? rows - at : WHET_INT4_ROWS;
        observe_job j = {s, x + at * s->k, coef, n, add, 0};
        for (int64_t i = 0; i < s->k; i++)
            for (int64_t r = 0; r < n; r++) coef[i * WHET_INT4_ROWS + r] = j.x[r * s->k + i];
        whet_workers_fork(workers, threads, observe_rows, &j);
    }
    s->rows += rows;
}

// ---- the inverse ----

#define DAMPING 0.01 // of the mean of the diagonal, added to it
#define TRIES 4      // each with ten times as much

typedef struct {
    int64_t k;
    float *a, *m;    // [k][k]
    float *coef;     // [k]
    whet_add_rows_fn add;
} factors;

// a: the sums with rows and columns in reverse order, its upper half.
static void load_sums(factors *f, const whet_int4_moments *s, double damping) {
    int64_t k = f->k;
    double mean = 0;
    for (int64_t i = 0; i < k; i++) mean += (double)s->h[i * k + i] / (double)k;
    float more = (float)(mean * damping);
    for (int64_t i = 0; i < k; i++) {
        for (int64_t j = i; j < k; j++) f->a[i * k + j] = s->h[(k - 1 - j) * k + (k - 1 - i)];
        f->a[i * k + i] += more;
    }
}

// a = g' g, g upper, in place.
static bool factor(factors *f) {
    int64_t k = f->k;
    for (int64_t i = 0; i < k; i++) {
        float *row = f->a + i * k;
        for (int64_t p = 0; p < i; p++) f->coef[p] = -f->a[p * k + i];
        f->add(row + i, k - i, f->a + i, k, f->coef, i);
        if (!(row[i] > 0) || !isfinite(row[i])) return false;
        float d = 1 / sqrtf(row[i]);
        for (int64_t j = i; j < k; j++) row[j] *= d;
    }
    return true;
}

// m = the inverse of g', lower.
static void invert(factors *f) {
    int64_t k = f->k;
    memset(f->m, 0, sizeof *f->m * (size_t)(k * k));
    for (int64_t i = 0; i < k; i++) {
        float d = 1 / f->a[i * k + i], *row = f->m + i * k;
        for (int64_t p = 0; p < i; p++) f->coef[p] = -f->a[p * k + i] * d;
        f->add(row, i, f->m, k, f->coef, i);
        row[i] = d;
    }
}

// The upper triangular u with u' u = the inverse of the sums, in f->a.
static bool find_inverse(factors *f, const whet_int4_moments *s) {
    int64_t k = f->k;
    double damping = DAMPING;
    for (int32_t i = 0; i < TRIES; i++, damping *= 10) {
        load_sums(f, s, damping);
        if (!factor(f)) continue;
        invert(f);
        for (int64_t r = 0; r < k; r++)
            for (int64_t c = 0; c < k; c++) f->a[r * k + c] = f->m[(k - 1 - r) * k + (k - 1 - c)];
        return true;
    }
    return false;
}

// ---- GPTQ ----

typedef struct {
    whet_int4_matrix *m;
    const float *u;
    whet_add_rows_fn add;
    float *lost; // [threads][group]
    atomic_llong next;
} gptq_job;

// One group of one row; what it loses goes to the columns behind, times u.
static void round_group(const gptq_job *j, int64_t row, int64_t g, float *lost) {
    whet_int4_matrix *m = j->m;
    int64_t k = m->k, from = g * m->group, end = from + m->group < k ? from + m->group : k;
    float *w = m->w + row * k;
    float s = m->scale[row * m->groups + g] = whet_int4_scale(w + from, end - from, m->half);
    for (int64_t i = from; i < end; i++) {
        const float *u = j->u + i * k;
        float q = whet_int4_nearest(w[i], s), e = (w[i] - q * s) / u[i];
        m->q[row * k + i] = (int8_t)q;
        for (int64_t c = i + 1; c < end; c++) w[c] -= e * u[c];
        lost[i - from] = -e;
    }
    j->add(w + end, k - end, j->u + from * k + end, k, lost, end - from);
}

// Eight rows go through the groups together, so that u is read seldom.
static void round_rows(void *user, int32_t index, int32_t n) {
    gptq_job *j = user;
    float *lost = j->lost + index * j->m->group;
    int64_t row;
    (void)n;
    while ((row = atomic_fetch_add(&j->next, 8)) < j->m->n)
        for (int64_t g = 0; g < j->m->groups; g++)
            for (int64_t r = row; r < row + 8 && r < j->m->n; r++) round_group(j, r, g, lost);
}

whet_status whet_int4_gptq(whet_int4_matrix *m, const whet_int4_moments *s, whet_add_rows_fn add,
                           whet_workers *workers, int32_t threads, bool *done) {
    size_t square = sizeof(float) * (size_t)(m->k * m->k), most = threads > 1 ? (size_t)threads : 1;
    factors f = {.k = m->k, .a = malloc(square), .m = malloc(square),
                 .coef = malloc(sizeof(float) * (size_t)m->k), .add = add};
    gptq_job j = {m, f.a, add, malloc(sizeof(float) * (size_t)m->group * most), 0};
    bool good = f.a && f.m && f.coef && j.lost;
    *done = good && find_inverse(&f, s);
    if (*done) whet_workers_fork(workers, threads, round_rows, &j);
    free(f.a);
    free(f.m);
    free(f.coef);
    free(j.lost);
    return good ? WHET_OK : WHET_E_NOMEM;
}

// SPDX-License-Identifier: Apache-2.0
#include "ops/fft_ref.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

static void multiply(double *x, const double *y) {
    double re = x[0] * y[0] - x[1] * y[1];
    x[1] = x[0] * y[1] + x[1] * y[0];
    x[0] = re;
}

static void reverse_bits(double *x, int64_t n) {
    for (int64_t i = 1, j = 0; i < n; i++) {
        int64_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i >= j) continue;
        for (int c = 0; c < 2; c++) {
            double t = x[2 * i + c];
            x[2 * i + c] = x[2 * j + c];
            x[2 * j + c] = t;
        }
    }
}

// Length m, in place.
static void transform(const whet_fft *f, double *x) {
    reverse_bits(x, f->m);
    for (int64_t half = 1; half < f->m; half *= 2) {
        int64_t step = f->m / (2 * half);
        for (int64_t base = 0; base < f->m; base += 2 * half)
            for (int64_t k = 0; k < half; k++) {
                double *a = x + 2 * (base + k), *b = a + 2 * half;
                double t[2] = {b[0], b[1]};
                multiply(t, f->roots + 2 * k * step);
                b[0] = a[0] - t[0], b[1] = a[1] - t[1];
                a[0] += t[0], a[1] += t[1];
            }
    }
}

static void conjugate(double *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) x[2 * i + 1] = -x[2 * i + 1];
}

static double *roots_make(whet_eval *e, int64_t m) {
    double *r = whet_eval_scratch_f64(e, m);
    for (int64_t k = 0; r && 2 * k < m; k++) {
        double angle = -2 * PI * (double)k / (double)m;
        r[2 * k] = cos(angle), r[2 * k + 1] = sin(angle);
    }
    return r;
}

static whet_status chirp_init(whet_eval *e, whet_fft *f) {
    double *chirp = whet_eval_scratch_f64(e, 2 * f->n);
    double *filter = whet_eval_scratch_f64(e, 2 * f->m);
    f->work = whet_eval_scratch_f64(e, 2 * f->m);
    if (!chirp || !filter || !f->work) return WHET_E_NOMEM;
    int64_t square = 0; // k k modulo 2 n, so that the angle stays exact
    for (int64_t k = 0; k < f->n; k++) {
        double angle = -PI * (double)square / (double)f->n;
        double c = cos(angle), s = sin(angle), scale = 1 / (double)f->m;
        int64_t mirror = k ? f->m - k : 0;
        chirp[2 * k] = c, chirp[2 * k + 1] = s;
        filter[2 * k] = filter[2 * mirror] = c * scale;
        filter[2 * k + 1] = filter[2 * mirror + 1] = -s * scale;
        square = (square + 2 * k + 1) % (2 * f->n);
    }
    transform(f, filter);
    f->chirp = chirp;
    f->filter = filter;
    return WHET_OK;
}

whet_status whet_fft_init(whet_eval *e, whet_fft *f, int64_t n) {
    bool power = (n & (n - 1)) == 0;
    *f = (whet_fft){.n = n, .m = 1};
    while (f->m < (power ? n : 2 * n - 1)) f->m *= 2;
    f->roots = roots_make(e, f->m > 1 ? f->m : 2);
    if (!f->roots) return WHET_E_NOMEM;
    return power ? WHET_OK : chirp_init(e, f);
}

// The transform as chirp (x chirp convolved with the conjugate of the chirp).
static void run_chirp(const whet_fft *f, double *x) {
    double *w = f->work;
    memset(w, 0, (size_t)(2 * f->m) * sizeof *w);
    memcpy(w, x, (size_t)(2 * f->n) * sizeof *w);
    for (int64_t k = 0; k < f->n; k++) multiply(w + 2 * k, f->chirp + 2 * k);
    transform(f, w);
    for (int64_t k = 0; k < f->m; k++) multiply(w + 2 * k, f->filter + 2 * k);
    conjugate(w, f->m);
    transform(f, w);
    conjugate(w, f->m);
    for (int64_t k = 0; k < f->n; k++) {
        x[2 * k] = w[2 * k], x[2 * k + 1] = w[2 * k + 1];
        multiply(x + 2 * k, f->chirp + 2 * k);
    }
}

void whet_fft_run(const whet_fft *f, double *x, bool inverse) {
    if (inverse) conjugate(x, f->n);
    if (f->chirp) run_chirp(f, x);
    else transform(f, x);
    if (inverse) conjugate(x, f->n);
}

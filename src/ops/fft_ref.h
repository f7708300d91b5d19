// SPDX-License-Identifier: Apache-2.0
// Fourier transform of any length: powers of two by halving (Cooley and Tukey), other lengths as a
// convolution with a chirp (Bluestein 1970), so that none takes more than n log n.
#ifndef WHET_OPS_FFT_REF_H
#define WHET_OPS_FFT_REF_H

#include "ops/op.h"

typedef struct whet_fft {
    int64_t n, m;       // length; the power of two that is computed with
    const double *roots; // [m / 2, 2] exp(-2 pi i k / m)
    const double *chirp; // [n, 2] exp(-pi i k k / n); NULL: n is m
    const double *filter; // [m, 2] transform of the chirp's conjugate, over m
    double *work;        // [m, 2]
} whet_fft;

#define WHET_FFT_MAX (INT64_C(1) << 40)

// n in [1, WHET_FFT_MAX]. Memory is scratch. WHET_E_NOMEM.
whet_status whet_fft_init(whet_eval *e, whet_fft *f, int64_t n);
// x [n, 2] becomes sum over t of x[t] exp(-+ 2 pi i k t / n), unscaled.
void whet_fft_run(const whet_fft *f, double *x, bool inverse);

#endif

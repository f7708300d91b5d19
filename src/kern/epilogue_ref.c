// SPDX-License-Identifier: Apache-2.0
// The epilogue in double: the oracle of every kernel that applies one itself.
#include "kern/kernel.h"

void whet_epilogue_ref(const whet_epilogue *e, double *acc, const double *other, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        double v = acc[i];
        if (e->act1) v = whet_pw_f64(e->act1, e->p1, &v);
        if (e->binary) v = whet_pw_f64(e->binary, (const float[2]){0, 0}, (double[]){v, other[i]});
        if (e->act2) v = whet_pw_f64(e->act2, e->p2, &v);
        acc[i] = v;
    }
}

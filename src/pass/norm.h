// SPDX-License-Identifier: Apache-2.0
// Shared by the recognisers of normalizations.
#ifndef WHET_PASS_NORM_H
#define WHET_PASS_NORM_H

#include "pass/match.h"

// d / sqrt(mean(s^2) + epsilon) in one of its spellings; the mean is over the dimensions from
// `axis` on, which have fixed sizes.
typedef struct whet_normalized {
    whet_value *d, *s;
    double epsilon;
    int32_t axis;
} whet_normalized;
bool whet_match_normalized(const whet_node *n, whet_normalized *m);
// 1 / sqrt(mean(s^2) + epsilon): fills s, epsilon, axis.
bool whet_match_inverse(const whet_value *v, whet_normalized *m);
// v is x - mean(x) over the dimensions from `axis` on.
bool whet_match_centered(const whet_value *v, int32_t axis, whet_value **x);
// v is mean(x) over the dimensions from *axis on.
bool whet_match_mean(const whet_value *v, whet_value **x, int32_t *axis);

// Replaces n by `op` of x with the scale (NULL: ones) and bias (NULL: none).
whet_status whet_make_norm(const whet_op *op, whet_node *n, whet_value *x, whet_value *scale,
                           whet_value *bias, const whet_normalized *m, int32_t *changed,
                           whet_error *err);
// A constant that scales or shifts what norm node `n` gives, as a vector over its normalized
// dimensions; NULL when it is none.
whet_status whet_norm_vector(const whet_node *n, whet_value *c, whet_value **vector,
                             whet_error *err);
// mul rule of a norm: its scale takes up a constant.
whet_status whet_norm_scale_rule(const whet_op *op, whet_node *n, int32_t *changed,
                                 whet_error *err);

#endif

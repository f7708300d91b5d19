// SPDX-License-Identifier: Apache-2.0
// Root-mean-square normalization from its arithmetic: x / sqrt(mean(x^2) + epsilon) becomes
// rms_norm with ones, a product with a constant behind it becomes its scale.
#include "pass/norm.h"
#include "pass/pass.h"

static whet_status core_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_normalized m;
    if (n->out[0]->type.dtype != WHET_DTYPE_F32 || !whet_match_normalized(n, &m) || m.s != m.d ||
        !whet_same_type(m.d, n->out[0]))
        return WHET_OK;
    whet_value *x;
    if (whet_match_centered(m.d, m.axis, &x)) return WHET_OK; // layer normalization
    return whet_make_norm(&whet_op_rms_norm, n, m.d, NULL, NULL, &m, changed, err);
}

static whet_status scale_rule(whet_node *n, int32_t *changed, whet_error *err) {
    return whet_norm_scale_rule(&whet_op_rms_norm, n, changed, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_div, core_rule},
        {&whet_op_mul, core_rule},
        {&whet_op_mul, scale_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_rms_norm = {
    .name = "rms_norm",
    .help = "recognises root-mean-square normalization and its scale",
    .run = run,
};

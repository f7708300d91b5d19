// SPDX-License-Identifier: Apache-2.0
// A constant added to every channel of a convolution or matrix product becomes its bias.
#include "pass/match.h"
#include "pass/pass.h"

static whet_status add_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_value *x, *c, *vector;
    int32_t axis;
    int64_t channels;
    if (!whet_match_const(n, &whet_op_add, &x, &c) || !whet_used_once(x)) return WHET_OK;
    whet_node *affine = x->producer;
    if (!affine || !whet_is_affine(affine, &axis, &channels)) return WHET_OK;
    WHET_TRY(whet_channel_vector(c, x->type.rank, axis, channels, &vector, err));
    if (!vector) return WHET_OK;
    WHET_TRY(whet_affine_bias(affine, NULL, vector, err));
    ++*changed;
    return whet_fuse_into(affine, n, err);
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {{&whet_op_add, add_rule}};
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_bias = {
    .name = "bias",
    .help = "makes an added constant the bias of the convolution or matrix product before it",
    .run = run,
};

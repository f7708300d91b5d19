// SPDX-License-Identifier: Apache-2.0
// Zeros put around the input of a convolution or an average pooling become paddings of its window.
// Not for max pooling, whose paddings are minus infinity.
#include "pass/match.h"
#include "pass/pass.h"

typedef struct {
    int64_t pads[2 * WHET_WINDOW_MAX]; // begins, then ends
} zeros;

static bool is_zero_pad(const whet_node *pad) {
    const whet_value *value = whet_input(pad, 2);
    double v = 0;
    return whet_get_enum(pad, "mode") == 0 && (!value || whet_value_scalar(value, &v)) && v == 0;
}

// The pads of the spatial dimensions; false when others are padded or something is cropped.
static bool match_zeros(const whet_node *pad, zeros *z) {
    int64_t pads[16], axes[16];
    int32_t rank = pad->in[0]->type.rank, spatial = rank - 2;
    const whet_value *given = whet_input(pad, 3);
    if (rank < 3 || spatial > WHET_WINDOW_MAX || !is_zero_pad(pad)) return false;
    int32_t n = whet_match_ints(pad->in[1], pads), n_axes = rank;
    if (given) n_axes = whet_match_ints(given, axes);
    if (n_axes < 0 || n != 2 * n_axes) return false;
    *z = (zeros){0};
    for (int32_t i = 0; i < n_axes; i++) {
        int32_t axis = given ? whet_axis(axes[i], rank) : i;
        if (axis < 0 || axis >= rank) return false;
        if (pads[i] < 0 || pads[n_axes + i] < 0) return false;
        if (pads[i] > INT32_MAX || pads[n_axes + i] > INT32_MAX) return false;
        if (axis < 2 && (pads[i] || pads[n_axes + i])) return false;
        if (axis < 2) continue;
        z->pads[axis - 2] += pads[i];
        z->pads[spatial + axis - 2] += pads[n_axes + i];
    }
    return true;
}

static bool has_pads(const whet_window_attrs *w) {
    for (int32_t i = 0; w->pads.v && i < w->pads.n; i++)
        if (w->pads.v[i]) return true;
    return false;
}

// Adds the zeros to the paddings of a window over `spatial` dimensions.
static bool widen(whet_node *n, whet_window_attrs *w, const zeros *z, int32_t spatial) {
    int64_t *pads = WHET_NEW_ARRAY(n->graph->arena, int64_t, 2 * spatial);
    if (!pads) return false;
    for (int32_t i = 0; i < 2 * spatial; i++) pads[i] = z->pads[i] + (w->pads.v ? w->pads.v[i] : 0);
    w->pads = (whet_ints){pads, 2 * spatial};
    w->auto_pad = WHET_PAD_NOTSET;
    return true;
}

// A window may not take paddings that zeros could have, as those beyond its size: then all stays.
static whet_status fold(whet_node *n, whet_window_attrs *w, whet_node *pad, const zeros *z,
                        int32_t *changed, whet_error *err) {
    whet_window_attrs before = *w;
    whet_error refused;
    if (!widen(n, w, z, pad->in[0]->type.rank - 2)) return WHET_NOMEM(err);
    whet_node_set_input(n, 0, pad->in[0]);
    if (whet_graph_infer_node(n, &refused) != WHET_OK) {
        *w = before;
        whet_node_set_input(n, 0, pad->out[0]);
        return WHET_OK;
    }
    ++*changed;
    return whet_node_absorb(n, pad) ? WHET_OK : WHET_NOMEM(err);
}

static bool explicit_pads(const whet_window_attrs *w) {
    return w->auto_pad == WHET_PAD_NOTSET || w->auto_pad == WHET_PAD_VALID;
}

static whet_status conv_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_conv_attrs *a = n->attrs;
    whet_node *pad = whet_match_only(n->in[0], &whet_op_pad);
    zeros z;
    if (!pad || !explicit_pads(&a->window) || !match_zeros(pad, &z)) return WHET_OK;
    return fold(n, &a->window, pad, &z, changed, err);
}

// The zeros count as elements, which paddings do with count_include_pad only.
static whet_status pool_rule(whet_node *n, int32_t *changed, whet_error *err) {
    whet_pool_attrs *a = n->attrs;
    whet_node *pad = whet_match_only(n->in[0], &whet_op_pad);
    int32_t before = *changed;
    bool include = a->count_include_pad;
    zeros z;
    if (!pad || !explicit_pads(&a->window) || a->ceil_mode || !match_zeros(pad, &z) ||
        (has_pads(&a->window) && !a->count_include_pad))
        return WHET_OK;
    a->count_include_pad = true;
    whet_status status = fold(n, &a->window, pad, &z, changed, err);
    if (*changed == before) a->count_include_pad = include;
    return status;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    static const whet_rewrite rows[] = {
        {&whet_op_conv, conv_rule},
        {&whet_op_average_pool, pool_rule},
    };
    return whet_rewrite_run(g, rows, WHET_COUNT(rows), changed, err);
}

const whet_pass whet_pass_pad = {
    .name = "pad",
    .help = "folds zeros around an input into the window of its convolution or pooling",
    .run = run,
};

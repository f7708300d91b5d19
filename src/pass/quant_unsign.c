// SPDX-License-Identifier: Apache-2.0
// Values of i8 inside of a graph become u8 with zero points 128 higher: the same numbers, which
// kernels that multiply u8 by i8 (vpdpbusd) read without turning them first.
#include "base/arena.h"
#include "ops/quant_fused.h"
#include "pass/match.h"
#include "pass/pass.h"
#include "pass/quant_match.h"

// Moves elements of its first input, or of all for a concatenation.
static bool moves(const whet_node *n) {
    return whet_is(n, &whet_op_max_pool) || whet_is(n, &whet_op_reshape) ||
           whet_is(n, &whet_op_transpose) || whet_is(n, &whet_op_flatten) ||
           whet_is(n, &whet_op_squeeze) || whet_is(n, &whet_op_unsqueeze) ||
           whet_is(n, &whet_op_slice) || whet_is(n, &whet_op_concat);
}

static int32_t moved_inputs(const whet_node *n) { return n->op == &whet_op_concat ? n->n_in : 1; }

static bool is_fused(const whet_node *n) {
    return whet_is(n, &whet_op_quant_conv) || whet_is(n, &whet_op_quant_matmul);
}

static bool is_number(const whet_node *n, int32_t i) {
    return whet_value_is_const(n->in[i]) && whet_value_count(n->in[i]) == 1;
}

// The input of n that is the zero point of its input i, or of its result (i < 0); -1: that is not
// for this pass to change.
static int32_t zero_of(const whet_node *n, int32_t i) {
    int32_t zero = -1;
    if (is_fused(n)) {
        if (i == WHET_QF_X) zero = WHET_QF_X_ZERO;
        if (i == WHET_QF_OTHER && whet_input(n, WHET_QF_OTHER_SCALE)) zero = WHET_QF_OTHER_ZERO;
        if (i < 0 && whet_input(n, WHET_QF_Y_SCALE)) zero = WHET_QF_Y_ZERO;
    } else if (whet_is(n, &whet_op_dequantize_linear)) {
        const whet_dequantize_attrs *a = n->attrs;
        if (i == 0 && !a->block_size) zero = 2;
    } else if (whet_is(n, &whet_op_quantize_linear) && i < 0 && whet_is_quantize(n)) {
        zero = 2;
    }
    return zero >= 0 && whet_input(n, zero) && is_number(n, zero) ? zero : -1;
}

typedef struct unsign {
    bool *wanted;   // by id of the value
    int32_t *known; // uses of it that can be changed
} unsign;

static bool is_candidate(const whet_value *v) {
    const whet_node *n = v->producer;
    return v->type.dtype == WHET_DTYPE_I8 && !whet_value_is_const(v) && n &&
           (moves(n) || zero_of(n, -1) >= 0);
}

static void find(whet_graph *g, unsign *u) {
    WHET_FOR_NODES(g, n) {
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i] && ((moves(n) && i < moved_inputs(n)) || zero_of(n, i) >= 0))
                u->known[n->in[i]->id]++;
        for (int32_t i = 0; i < n->n_out; i++)
            if (n->out[i]) u->wanted[n->out[i]->id] = i == 0 && is_candidate(n->out[i]);
    }
    WHET_FOR_NODES(g, n)
        for (int32_t i = 0; i < n->n_out; i++)
            if (n->out[i] && u->known[n->out[i]->id] != n->out[i]->n_uses)
                u->wanted[n->out[i]->id] = false;
}

// What is moved keeps its type, so all or none of a node's values are wanted.
static bool settle(whet_graph *g, unsign *u) {
    bool changed = false;
    WHET_FOR_NODES(g, n) {
        if (!moves(n) || n->out[0]->type.dtype != WHET_DTYPE_I8) continue;
        bool all = u->wanted[n->out[0]->id], any = all;
        for (int32_t i = 0; i < moved_inputs(n); i++) {
            all = all && u->wanted[n->in[i]->id];
            any = any || u->wanted[n->in[i]->id];
        }
        if (all || !any) continue;
        changed = true;
        u->wanted[n->out[0]->id] = false;
        for (int32_t i = 0; i < moved_inputs(n); i++) u->wanted[n->in[i]->id] = false;
    }
    return changed;
}

static whet_status raise(whet_node *n, int32_t zero, whet_error *err) {
    whet_value *u8;
    WHET_TRY(whet_quant_raised(n->in[zero], &u8, err));
    whet_node_set_input(n, zero, u8);
    return WHET_OK;
}

static whet_status change(whet_graph *g, const unsign *u, int32_t n_values, int32_t *changed,
                          whet_error *err) {
    WHET_FOR_NODES(g, n) {
        for (int32_t i = 0; i < n->n_in; i++) {
            const whet_value *v = n->in[i];
            if (v && v->id < n_values && u->wanted[v->id] && !moves(n))
                WHET_TRY(raise(n, zero_of(n, i), err));
        }
        whet_value *y = n->n_out ? n->out[0] : NULL;
        if (!y || y->id >= n_values || !u->wanted[y->id]) continue;
        ++*changed;
        y->type.dtype = WHET_DTYPE_U8;
        y->type_set = WHET_DTYPE_BIT(WHET_DTYPE_U8);
        if (moves(n)) continue;
        WHET_TRY(raise(n, zero_of(n, -1), err));
        if (n->op == &whet_op_quantize_linear)
            ((whet_quantize_attrs *)n->attrs)->output_dtype = WHET_DTYPE_NONE; // the zero point's
    }
    return WHET_OK;
}

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    WHET_FOR_NODES(g, n)
        for (int32_t i = 0; i < n->n_subgraphs; i++) WHET_TRY(run(n->subgraphs[i], changed, err));
    int32_t n_values = g->root->n_values;
    whet_arena arena;
    whet_arena_init(&arena);
    unsign u = {WHET_NEW_ARRAY(&arena, bool, n_values), WHET_NEW_ARRAY(&arena, int32_t, n_values)};
    whet_status status = u.wanted && u.known ? WHET_OK : WHET_NOMEM(err);
    if (status == WHET_OK) {
        find(g, &u);
        while (settle(g, &u)) continue;
        status = change(g, &u, n_values, changed, err);
    }
    whet_arena_fini(&arena);
    return status;
}

const whet_pass whet_pass_quant_unsign = {
    .name = "quant_unsign",
    .help = "makes u8 of i8 between integer operators",
    .run = run,
};

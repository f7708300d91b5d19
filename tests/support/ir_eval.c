// SPDX-License-Identifier: Apache-2.0
#include "support/ir_eval.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"

typedef struct {
    const whet_tensor **values; // [n_values]
    whet_arena *arena;
    whet_error *err;
} evaluation;

static whet_status alloc(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    whet_tensor *t = &e->out[i];
    t->rank = rank;
    for (int32_t d = 0; d < rank; d++) t->dims[d] = dims[d];
    t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(dims, rank));
    t->data = t->bytes < (size_t)1 << 30 ? whet_arena_alloc(e->alloc_user, t->bytes) : NULL;
    return t->data ? WHET_OK : WHET_NOMEM(e->err);
}

static void type_of(const whet_tensor *t, whet_type *type) {
    *type = (whet_type){.dtype = t->dtype, .rank = t->rank};
    for (int32_t i = 0; i < t->rank; i++) type->dims[i] = t->dims[i];
}

// Types of the outputs from the shapes and contents of the inputs, without symbols.
static whet_status infer(evaluation *ev, const whet_node *n, const whet_tensor **data,
                         whet_type *out) {
    const whet_type **in = WHET_NEW_ARRAY(ev->arena, const whet_type *, n->n_in);
    whet_type *types = WHET_NEW_ARRAY(ev->arena, whet_type, n->n_in);
    if (!in || !types) return WHET_NOMEM(ev->err);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!n->in[i]) continue;
        data[i] = ev->values[n->in[i]->id];
        if (!data[i]) WHET_FAIL(ev->err, WHET_E_INTERNAL, "%s: input %d missing", n->name, i);
        type_of(data[i], &types[i]);
        in[i] = &types[i];
    }
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                      .n_out = n->n_out, .in = in, .data = data, .out = out,
                      .arena = ev->arena, .err = ev->err};
    for (int32_t i = 0; i < n->n_out; i++) out[i].rank = -1;
    return whet_op_infer(&ctx);
}

static whet_status eval_node(evaluation *ev, const whet_node *n) {
    const whet_tensor **data = WHET_NEW_ARRAY(ev->arena, const whet_tensor *, n->n_in);
    whet_type *types = WHET_NEW_ARRAY(ev->arena, whet_type, n->n_out);
    whet_tensor *in = WHET_NEW_ARRAY(ev->arena, whet_tensor, n->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(ev->arena, whet_tensor, n->n_out);
    if (!data || !types || !in || !out) return WHET_NOMEM(ev->err);
    WHET_TRY(infer(ev, n, data, types));
    for (int32_t i = 0; i < n->n_in; i++)
        if (data[i]) in[i] = *data[i];
    whet_eval e = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                   .n_out = n->n_out, .in = in, .out = out, .scratch = ev->arena,
                   .err = ev->err, .alloc = alloc, .alloc_user = ev->arena};
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        out[i].dtype = types[i].dtype;
        if (!(n->op->flags & WHET_OP_DYNAMIC_OUT))
            WHET_TRY(alloc(&e, i, types[i].rank, types[i].dims));
    }
    WHET_TRY(whet_op_eval(&e));
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i]) ev->values[n->out[i]->id] = &out[i];
    return WHET_OK;
}

whet_status ir_eval(const whet_graph *g, const whet_tensor *in, whet_tensor *out,
                    whet_arena *arena, whet_error *err) {
    evaluation ev = {.arena = arena, .err = err};
    ev.values = WHET_NEW_ARRAY(arena, const whet_tensor *, g->root->n_values);
    if (!ev.values) return WHET_NOMEM(err);
    for (int32_t i = 0; i < g->root->n_values; i++) ev.values[i] = g->root->values[i]->data;
    for (int32_t i = 0; i < g->n_inputs; i++) ev.values[g->inputs[i]->id] = &in[i];
    WHET_FOR_NODES(g, n) {
        if (!n->recipe) WHET_TRY(eval_node(&ev, n));
    }
    for (int32_t i = 0; i < g->n_outputs; i++) out[i] = *ev.values[g->outputs[i]->id];
    return WHET_OK;
}

static int64_t lookup(void *user, const char *name) {
    (void)user;
    return 2 + (int64_t)(whet_hash64_text(name, 0) % 3);
}

static void fill(whet_tensor *t, uint64_t *state) {
    int64_t n = whet_tensor_count(t);
    for (int64_t i = 0; i < n; i++) {
        *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        int64_t v = (int64_t)(*state >> 56);
        if (whet_dtype_is_float(t->dtype))
            whet_store_f64(t->data, t->dtype, i, (double)(v - 128) / 64);
        else
            whet_store_i64(t->data, t->dtype, i, t->dtype == WHET_DTYPE_BOOL ? v & 1 : v & 3);
    }
}

whet_tensor *ir_eval_inputs(const whet_graph *g, uint64_t seed, whet_arena *arena) {
    whet_tensor *in = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs);
    for (int32_t i = 0; in && i < g->n_inputs; i++) {
        const whet_type *type = &g->inputs[i]->type;
        in[i] = (whet_tensor){.dtype = type->dtype, .rank = type->rank};
        for (int32_t d = 0; d < type->rank; d++)
            in[i].dims[d] = whet_dim_eval(g->dims, type->dims[d], lookup, NULL);
        in[i].bytes = whet_tensor_bytes(in[i].dtype, whet_tensor_count(&in[i]));
        in[i].data = whet_arena_alloc(arena, in[i].bytes);
        if (!in[i].data) return NULL;
        fill(&in[i], &seed);
    }
    return in;
}

static bool near(double a, double b, double tolerance) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= tolerance * fmax(1, fabs(a));
}

bool ir_eval_same(const char *name, const whet_tensor *a, const whet_tensor *b,
                  double tolerance) {
    bool same = a->dtype == b->dtype && a->rank == b->rank &&
                !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]);
    if (!same) {
        fprintf(stderr, "%s: types differ\n", name);
        return false;
    }
    int64_t n = whet_tensor_count(a);
    for (int64_t i = 0; i < n; i++) {
        double x = whet_load_f64(a->data, a->dtype, i), y = whet_load_f64(b->data, b->dtype, i);
        if (near(x, y, tolerance)) continue;
        fprintf(stderr, "%s: element %lld is %.9g, was %.9g\n", name, (long long)i, y, x);
        return false;
    }
    return true;
}

// SPDX-License-Identifier: Apache-2.0
// The reference kernel: runs any operator through its C reference, in any layout and storage, with
// any epilogue; chains and conversions too. It is the last tactic of every step, and what runs when
// a kernel does not take a new shape.
#include <string.h>

#include "plan/plan.h"

// Of the value's own type.
static whet_tensor tensor_of(const whet_port *p, void *data) {
    whet_tensor t = {.dtype = whet_port_type(p), .rank = p->rank, .data = data};
    memcpy(t.dims, p->dims, sizeof t.dims);
    t.bytes = t.dtype == WHET_DTYPE_NONE
                  ? 0
                  : whet_tensor_bytes(t.dtype, whet_dims_count(p->dims, p->rank));
    return t;
}

// Row major and of the value's own type, as references take it.
static whet_port plain_port(const whet_port *p) {
    whet_port q = *p;
    q.layout = WHET_LAYOUT_PLAIN;
    q.dtype = whet_port_type(p);
    q.type = WHET_DTYPE_NONE;
    return q;
}

static bool is_plain(const whet_port *p) { return p->layout == WHET_LAYOUT_PLAIN && !p->type; }

// A plain copy of a port's contents, or the contents themselves when they are plain.
static whet_status to_plain(const whet_call *c, const whet_port *p, const void *data,
                            const void **out) {
    *out = data;
    if (!data || is_plain(p)) return WHET_OK;
    whet_port plain = plain_port(p);
    whet_tensor t = tensor_of(&plain, NULL);
    void *copy = whet_arena_alloc_raw(c->arena, t.bytes);
    if (!copy) return WHET_NOMEM(c->err);
    whet_reorder_ref(p, data, &plain, copy);
    *out = copy;
    return WHET_OK;
}

static whet_status apply_epilogue(const whet_call *c, whet_tensor *out) {
    const whet_problem *p = c->p;
    int64_t n = whet_tensor_count(out);
    double *acc = whet_arena_array(c->arena, (size_t)n, sizeof *acc), *other = NULL;
    if (!acc) return WHET_NOMEM(c->err);
    whet_load_f64_array(acc, out->data, out->dtype, n);
    if (p->epi.binary) {
        const void *plain;
        if (whet_dims_count(p->epi.other.dims, p->epi.other.rank) != n)
            WHET_FAIL(c->err, WHET_E_SHAPE, "%s: its operand has another size", c->node);
        WHET_TRY(to_plain(c, &p->epi.other, c->other, &plain));
        other = whet_arena_array(c->arena, (size_t)n, sizeof *other);
        if (!other) return WHET_NOMEM(c->err);
        whet_load_f64_array(other, plain, whet_port_type(&p->epi.other), n);
    }
    whet_epilogue_ref(&p->epi, acc, other, n);
    whet_store_f64_array(out->data, out->dtype, acc, n);
    return WHET_OK;
}

static whet_status run_op(const whet_call *c) {
    const whet_problem *p = c->p;
    whet_tensor *in = WHET_NEW_ARRAY(c->arena, whet_tensor, p->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(c->arena, whet_tensor, p->n_out);
    if (!in || !out) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < p->n_in; i++) {
        const void *plain;
        WHET_TRY(to_plain(c, &p->in[i], c->in[i], &plain));
        in[i] = tensor_of(&p->in[i], (void *)plain);
    }
    bool dynamic = p->desc->flags & WHET_OP_DYNAMIC_OUT;
    for (int32_t i = 0; i < p->n_out; i++) {
        out[i] = tensor_of(&p->out[i], c->out[i]);
        if (dynamic || out[i].dtype == WHET_DTYPE_NONE) continue;
        if (!c->out[i] || !is_plain(&p->out[i])) {
            out[i].data = whet_arena_alloc_raw(c->arena, out[i].bytes);
            if (!out[i].data) return WHET_NOMEM(c->err);
        }
    }
    whet_eval e = {.op = p->desc, .attrs = p->attrs, .node = c->node, .n_in = p->n_in,
                   .n_out = p->n_out, .in = in, .out = out, .scratch = c->arena,
                   .objects = c->objects, .err = c->err,
                   .alloc = c->alloc, .alloc_user = c->alloc_user};
    WHET_TRY(whet_op_eval(&e));
    if (dynamic) return WHET_OK;
    if (!whet_epilogue_empty(&p->epi)) WHET_TRY(apply_epilogue(c, &out[0]));
    for (int32_t i = 0; i < p->n_out; i++) {
        if (!c->out[i] || is_plain(&p->out[i])) continue;
        whet_port plain = plain_port(&p->out[i]);
        whet_reorder_ref(&plain, out[i].data, &p->out[i], c->out[i]);
    }
    return WHET_OK;
}

// Offset of output element `at` in an input that broadcasts to the output's shape.
static int64_t broadcast_offset(const whet_port *in, const whet_port *out, int64_t at) {
    int64_t offset = 0, stride = 1;
    for (int32_t d = out->rank - 1, k = in->rank - 1; d >= 0; d--, k--) {
        int64_t i = at % out->dims[d];
        at /= out->dims[d];
        if (k < 0) break;
        if (in->dims[k] != 1) offset += i * stride;
        stride *= in->dims[k];
    }
    return offset;
}

// A plan from a file may say what it likes; kernels look at shapes in `accepts`.
static bool chain_fits(const whet_problem *p) {
    const whet_port *out = &p->out[0];
    for (int32_t i = 1; i < p->n_out; i++)
        if (whet_dims_count(p->out[i].dims, p->out[i].rank) !=
            whet_dims_count(out->dims, out->rank))
            return false;
    for (int32_t i = 0; i < p->n_in; i++) {
        const whet_port *in = &p->in[i];
        if (in->rank > out->rank) return false;
        for (int32_t d = 0; d < in->rank; d++)
            if (in->dims[d] != 1 && in->dims[d] != out->dims[out->rank - in->rank + d])
                return false;
    }
    return true;
}

static whet_status run_chain(const whet_call *c) {
    const whet_problem *p = c->p;
    const whet_chain *chain = p->chain;
    const void *in[WHET_CHAIN_MAX_IN];
    void *out[WHET_CHAIN_MAX_OUT];
    if (!chain_fits(p))
        WHET_FAIL(c->err, WHET_E_SHAPE, "%s: shapes that do not go together", c->node);
    int64_t n = whet_dims_count(p->out[0].dims, p->out[0].rank);
    for (int32_t i = 0; i < chain->n_in; i++) WHET_TRY(to_plain(c, &p->in[i], c->in[i], &in[i]));
    for (int32_t i = 0; i < chain->n_out; i++) {
        out[i] = c->out[i];
        if (is_plain(&p->out[i])) continue;
        out[i] = whet_arena_alloc_raw(c->arena, whet_tensor_bytes(whet_port_type(&p->out[i]), n));
        if (!out[i]) return WHET_NOMEM(c->err);
    }
    for (int64_t at = 0; at < n; at++) {
        double v[WHET_CHAIN_MAX_IN + WHET_CHAIN_MAX_OPS];
        for (int32_t i = 0; i < chain->n_in; i++)
            v[i] = whet_load_f64(in[i], whet_port_type(&p->in[i]),
                                 broadcast_offset(&p->in[i], &p->out[0], at));
        for (int32_t k = 0; k < chain->n_ops; k++) {
            double x[3] = {0};
            for (int32_t j = 0; j < whet_pw_inputs(chain->ops[k].f); j++)
                x[j] = v[chain->ops[k].src[j]];
            v[chain->n_in + k] = (double)(float)whet_pw_f64(chain->ops[k].f, chain->ops[k].p, x);
        }
        for (int32_t i = 0; i < chain->n_out; i++)
            whet_store_f64(out[i], whet_port_type(&p->out[i]), at, v[chain->out[i]]);
    }
    for (int32_t i = 0; i < chain->n_out; i++) {
        if (is_plain(&p->out[i])) continue;
        whet_port plain = plain_port(&p->out[i]);
        whet_reorder_ref(&plain, out[i], &p->out[i], c->out[i]);
    }
    return WHET_OK;
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    (void)phase, (void)begin, (void)end;
    whet_arena_reset(c->arena);
    if (c->p->desc) return run_op(c);
    if (c->p->chain) return run_chain(c);
    whet_reorder_ref(&c->p->in[0], c->in[0], &c->p->out[0], c->out[0]);
    return WHET_OK;
}

static bool accepts(const whet_problem *p) { return p->desc || p->chain || p->n_in == 1; }

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    return whet_problem_flops(p) / 0.3e9 + whet_problem_bytes(p) / 0.3e9 + 1e-6;
}

const whet_kernel whet_kernel_reference = {
    .name = "reference", .op = "*", .revision = 1, .accepts = accepts, .cost = cost, .run = run,
};

static bool never(const whet_problem *p) {
    (void)p;
    return false;
}

const whet_kernel whet_kernel_copy = {
    .name = "copy", .op = "copy", .revision = 1, .accepts = never};

const whet_kernel whet_kernel_control = {
    .name = "control", .op = "control", .revision = 1, .accepts = never};

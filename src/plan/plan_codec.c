// SPDX-License-Identifier: Apache-2.0
// The plan section of an engine file: docs/engine-format.md, section "Plan". A file may be hostile,
// so ids, kernels, parameters, packed sizes and the order of definitions are checked here; shapes
// are checked by each kernel's accepts when a signature is instantiated.
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "plan/group.h"

#define MAX_ITEMS (1u << 24)
#define ALIGN 64
#define FORM_BF16 16 // beside the layout: f32 stored as bf16

// ---- writing ----

static void write_ids(whet_writer *w, const int32_t *ids, int32_t n) {
    whet_write_u32(w, (uint32_t)n);
    for (int32_t i = 0; i < n; i++) whet_write_u32(w, (uint32_t)ids[i]);
}

static void write_epilogue(whet_writer *w, const whet_epilogue *e) {
    whet_write_u32(w, e->act1);
    whet_write_u32(w, e->binary);
    whet_write_u32(w, e->act2);
    for (int32_t i = 0; i < 2; i++) whet_write_f32(w, e->p1[i]);
    for (int32_t i = 0; i < 2; i++) whet_write_f32(w, e->p2[i]);
}

static void write_chain(whet_writer *w, const whet_chain *c) {
    whet_write_u8(w, c != NULL);
    if (!c) return;
    whet_write_u8(w, (uint8_t)c->n_in);
    whet_write_u8(w, (uint8_t)c->n_ops);
    whet_write_u8(w, (uint8_t)c->n_out);
    for (int32_t i = 0; i < c->n_ops; i++) {
        whet_write_u32(w, c->ops[i].f);
        for (int32_t k = 0; k < 3; k++) whet_write_u16(w, (uint16_t)c->ops[i].src[k]);
        for (int32_t k = 0; k < 2; k++) whet_write_f32(w, c->ops[i].p[k]);
    }
    for (int32_t i = 0; i < c->n_out; i++) whet_write_u16(w, (uint16_t)c->out[i]);
}

static void write_step(whet_writer *w, const whet_pstep *s) {
    whet_write_text(w, s->kernel->name);
    whet_write_text(w, s->name);
    for (int32_t i = 0; i < WHET_MAX_PARAMS; i++) whet_write_u32(w, (uint32_t)s->params[i]);
    whet_write_u32(w, (uint32_t)s->backend);
    whet_write_u32(w, (uint32_t)s->position);
    write_ids(w, s->nodes, s->n_nodes);
    write_chain(w, s->chain);
    write_epilogue(w, &s->epi);
    write_ids(w, s->in, s->n_in);
    write_ids(w, s->out, s->n_out);
    whet_write_u32(w, (uint32_t)s->other);
    write_ids(w, s->packed, s->n_in);
    whet_write_f64(w, s->cost);
}

void whet_plan_encode(const whet_plan *p, const whet_pgraph *g, const whet_env *env,
                      whet_writer *w) {
    whet_write_u64(w, whet_pgraph_hash(g));
    whet_write_u32(w, (uint32_t)env->n_backends);
    for (int32_t i = 0; i < env->n_backends; i++) whet_write_text(w, env->backends[i]->name);
    whet_write_u32(w, 0); // shapes planned for are the profile's
    whet_write_u32(w, (uint32_t)p->n_tensors);
    for (int32_t i = 0; i < p->n_tensors; i++) {
        whet_write_u32(w, (uint32_t)p->tensors[i].value);
        whet_write_u8(w, (uint8_t)p->tensors[i].layout | (p->tensors[i].stored ? FORM_BF16 : 0));
        whet_write_u8(w, (uint8_t)p->tensors[i].backend);
        whet_write_u32(w, (uint32_t)p->tensors[i].alias);
    }
    whet_write_u32(w, (uint32_t)p->n_steps);
    for (int32_t i = 0; i < p->n_steps; i++) write_step(w, &p->steps[i]);
    whet_write_u32(w, (uint32_t)p->n_segments);
    for (int32_t i = 0; i < p->n_segments; i++) {
        const whet_psegment *s = &p->segments[i];
        whet_write_u32(w, (uint32_t)s->first_step);
        whet_write_u32(w, (uint32_t)s->n_steps);
        whet_write_u32(w, (uint32_t)s->first_node);
        whet_write_u32(w, (uint32_t)s->end_node);
        whet_write_u32(w, (uint32_t)s->backend);
    }
    write_ids(w, p->inputs, g->n_inputs);
    write_ids(w, p->outputs, g->n_outputs);
    whet_write_u32(w, (uint32_t)p->n_fused);
    whet_write_u32(w, (uint32_t)p->n_packed);
    for (int32_t i = 0; i < p->n_packed; i++) {
        const whet_packed *k = &p->packed[i];
        whet_write_u32(w, (uint32_t)k->step);
        whet_write_u32(w, (uint32_t)k->input);
        whet_write_u32(w, (uint32_t)k->value);
        whet_write_u64(w, k->bytes);
        whet_write_u64(w, k->offset == WHET_PACKED_SOURCE ? UINT64_MAX : k->offset);
    }
    for (int32_t i = 0; i < p->n_blocks; i++)
        whet_plan_encode(p->blocks[i], g->blocks[i], env, w);
}

// ---- reading ----

typedef struct {
    whet_reader r;
    whet_plan *p;
    whet_pgraph *g;
    whet_env *env;
    const uint8_t *packed;
    size_t packed_size;
    int32_t backends[WHET_MAX_BACKENDS]; // of the file to ours
    int32_t n_backends;
    whet_error *err;
} decoder;

static whet_status malformed(decoder *d, const char *what) {
    WHET_FAIL(d->err, WHET_E_PARSE, "engine plan: %s at byte %zu of the section", what, d->r.at);
}

static whet_status read_text(decoder *d, const char **text) {
    size_t n;
    const char *p = whet_read_text(&d->r, &n);
    if (!p || memchr(p, 0, n)) return malformed(d, "bad text");
    *text = whet_arena_strndup(&d->p->arena, p, n);
    return *text ? WHET_OK : WHET_NOMEM(d->err);
}

static whet_status read_id(decoder *d, int32_t bound, bool absent, int32_t *id) {
    *id = (int32_t)whet_read_u32(&d->r);
    if (d->r.failed || *id >= bound || *id < (absent ? -1 : 0))
        return malformed(d, "id out of range");
    return WHET_OK;
}

static whet_status read_ids(decoder *d, int32_t bound, bool absent, int32_t **ids, int32_t *n) {
    uint32_t count = whet_read_count(&d->r, 4, MAX_ITEMS);
    *ids = WHET_NEW_ARRAY(&d->p->arena, int32_t, count);
    if (!*ids) return WHET_NOMEM(d->err);
    for (uint32_t i = 0; i < count; i++) WHET_TRY(read_id(d, bound, absent, &(*ids)[i]));
    *n = (int32_t)count;
    return d->r.failed ? malformed(d, "truncated") : WHET_OK;
}

static whet_status read_backends(decoder *d) {
    uint32_t n = whet_read_count(&d->r, 4, WHET_MAX_BACKENDS);
    for (uint32_t i = 0; i < n; i++) {
        const char *name;
        WHET_TRY(read_text(d, &name));
        d->backends[i] = whet_env_backend_index(d->env, name);
        if (i == 0 && d->backends[i] != 0) return malformed(d, "first backend is not the CPU");
    }
    d->n_backends = (int32_t)n;
    return d->r.failed || n == 0 ? malformed(d, "bad backends") : WHET_OK;
}

static whet_status map_backend(decoder *d, int32_t *backend) {
    if (*backend < 0 || *backend >= d->n_backends) return malformed(d, "backend out of range");
    *backend = d->backends[*backend];
    if (*backend < 0)
        WHET_FAIL(d->err, WHET_E_UNSUPPORTED, "the plan uses a backend that is not here");
    return WHET_OK;
}

static whet_status read_dims(decoder *d) {
    if (whet_read_u32(&d->r)) return malformed(d, "shapes planned for outside a profile");
    return d->r.failed ? malformed(d, "truncated") : WHET_OK;
}

// Contents that shape functions read, and constants, lie as their type says.
static bool may_store(const decoder *d, const whet_ptensor *t) {
    const whet_pvalue *v = &d->g->values[t->value];
    return v->type.dtype == WHET_DTYPE_F32 && !v->host_value && !whet_pvalue_is_const(v);
}

static whet_status read_tensors(decoder *d) {
    whet_plan *p = d->p;
    uint32_t n = whet_read_count(&d->r, 10, MAX_ITEMS);
    p->tensors = WHET_NEW_ARRAY(&p->arena, whet_ptensor, n);
    if (!p->tensors) return WHET_NOMEM(d->err);
    p->n_tensors = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) {
        whet_ptensor *t = &p->tensors[i];
        WHET_TRY(read_id(d, d->g->n_values, false, &t->value));
        uint8_t form = whet_read_u8(&d->r), layout = form & (FORM_BF16 - 1);
        t->backend = whet_read_u8(&d->r);
        WHET_TRY(read_id(d, (int32_t)i, true, &t->alias));
        WHET_TRY(map_backend(d, &t->backend));
        if (layout >= WHET_LAYOUT_COUNT || form - layout > FORM_BF16)
            return malformed(d, "unknown layout");
        t->layout = (whet_layout)layout;
        t->stored = form & FORM_BF16 ? WHET_DTYPE_BF16 : WHET_DTYPE_NONE;
        if (t->stored && !may_store(d, t)) return malformed(d, "type that a tensor cannot have");
        int32_t rank = d->g->values[t->value].type.rank;
        if (layout != WHET_LAYOUT_PLAIN && (rank < 3 || rank > 5))
            return malformed(d, "layout of a tensor that cannot have it");
        if (t->alias < 0) continue;
        const whet_ptensor *of = &p->tensors[t->alias];
        const whet_type *a = &d->g->values[t->value].type, *b = &d->g->values[of->value].type;
        if (layout || of->layout || t->backend || of->backend || a->dtype != b->dtype ||
            t->stored != of->stored)
            return malformed(d, "bad view");
    }
    return WHET_OK;
}

static bool stage_known(whet_pw f, int32_t inputs) { return !f || whet_pw_inputs(f) == inputs; }

static whet_status read_epilogue(decoder *d, whet_epilogue *e) {
    e->act1 = (whet_pw)whet_read_u32(&d->r);
    e->binary = (whet_pw)whet_read_u32(&d->r);
    e->act2 = (whet_pw)whet_read_u32(&d->r);
    for (int32_t i = 0; i < 2; i++) e->p1[i] = whet_read_f32(&d->r);
    for (int32_t i = 0; i < 2; i++) e->p2[i] = whet_read_f32(&d->r);
    if (!stage_known(e->act1, 1) || !stage_known(e->binary, 2) || !stage_known(e->act2, 1))
        return malformed(d, "unknown epilogue");
    return WHET_OK;
}

static whet_status read_chain(decoder *d, whet_chain **out) {
    *out = NULL;
    if (!whet_read_u8(&d->r)) return WHET_OK;
    whet_chain *c = WHET_NEW(&d->p->arena, whet_chain);
    if (!c) return WHET_NOMEM(d->err);
    c->n_in = whet_read_u8(&d->r);
    c->n_ops = whet_read_u8(&d->r);
    c->n_out = whet_read_u8(&d->r);
    if (c->n_in > WHET_CHAIN_MAX_IN || c->n_ops < 1 || c->n_ops > WHET_CHAIN_MAX_OPS ||
        c->n_out < 1 || c->n_out > WHET_CHAIN_MAX_OUT)
        return malformed(d, "chain too long");
    for (int32_t i = 0; i < c->n_ops; i++) {
        c->ops[i].f = (whet_pw)whet_read_u32(&d->r);
        for (int32_t k = 0; k < 3; k++) c->ops[i].src[k] = (int16_t)whet_read_u16(&d->r);
        for (int32_t k = 0; k < 2; k++) c->ops[i].p[k] = whet_read_f32(&d->r);
        int32_t n = whet_pw_inputs(c->ops[i].f);
        if (!n) return malformed(d, "unknown function");
        for (int32_t k = 0; k < n; k++)
            if (c->ops[i].src[k] < 0 || c->ops[i].src[k] >= c->n_in + i)
                return malformed(d, "chain operand out of range");
    }
    for (int32_t i = 0; i < c->n_out; i++) {
        c->out[i] = (int16_t)whet_read_u16(&d->r);
        if (c->out[i] < 0 || c->out[i] >= c->n_in + c->n_ops)
            return malformed(d, "chain output out of range");
    }
    *out = c;
    return WHET_OK;
}

static whet_status find_kernel(decoder *d, const char *name, whet_pstep *s) {
    if (!strcmp(name, whet_kernel_reference.name)) s->kernel = &whet_kernel_reference;
    else if (!strcmp(name, whet_kernel_copy.name)) s->kernel = &whet_kernel_copy;
    else if (!strcmp(name, whet_kernel_control.name)) s->kernel = &whet_kernel_control;
    else s->kernel = whet_env_kernel(d->env, name);
    if (!s->kernel || !whet_env_can_run(d->env, s->kernel))
        WHET_FAIL(d->err, WHET_E_UNSUPPORTED, "the plan uses kernel \"%s\", which %s", name,
                  s->kernel ? "this processor cannot run" : "this library does not have");
    return WHET_OK;
}

// Strings, sequences and the like are pointers in memory: only operators themselves make them, and
// only in plain layout.
static bool pointers_safe(const decoder *d, const whet_pstep *s) {
    for (int32_t i = 0; i <= s->n_in + s->n_out; i++) {
        int32_t t = i < s->n_in ? s->in[i] : i == s->n_in ? s->other : s->out[i - s->n_in - 1];
        if (t < 0) continue;
        whet_dtype dtype = d->g->values[d->p->tensors[t].value].type.dtype;
        if (dtype != WHET_DTYPE_STRING && !whet_dtype_is_object(dtype)) continue;
        if (s->chain || !s->op || s->n_nodes != 1 || s->kernel != &whet_kernel_reference ||
            !whet_epilogue_empty(&s->epi) || d->p->tensors[t].layout != WHET_LAYOUT_PLAIN)
            return false;
    }
    return true;
}

// What an operator and others that take its result make has the shape of that result.
static whet_status check_fused(decoder *d, const whet_pstep *s) {
    const whet_pnode *n = &d->g->nodes[s->nodes[0]];
    if (n->op->flags & WHET_OP_DYNAMIC_OUT || n->n_out != 1 || n->out[0] < 0 || s->n_out != 1 ||
        s->out[0] < 0)
        return malformed(d, "nodes that cannot be one step");
    const whet_type *a = &d->g->values[n->out[0]].type;
    const whet_type *b = &d->g->values[d->p->tensors[s->out[0]].value].type;
    if (a->rank < 0 || a->rank != b->rank || a->dtype != b->dtype ||
        memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]))
        return malformed(d, "step makes a value of another shape");
    return WHET_OK;
}

// Plain, in the host's memory, of the value's own type.
static bool is_own(const whet_ptensor *t) { return !t->layout && !t->stored && !t->backend; }

// The step computes what its nodes say: inputs are the nodes', kernels are of the root's operator.
static whet_status check_step(decoder *d, const whet_pstep *s) {
    const char *op = s->op ? s->op->name : s->chain ? "chain" : "reorder";
    bool copy = s->kernel == &whet_kernel_copy, control = s->kernel == &whet_kernel_control;
    if ((copy || control) != (s->backend < 0)) return malformed(d, "copy on a backend");
    if (control != (s->op && s->op->n_blocks)) return malformed(d, "control of no block");
    if (control && (s->n_nodes != 1 || !whet_epilogue_empty(&s->epi) || s->other >= 0))
        return malformed(d, "control with an epilogue");
    for (int32_t i = 0; control && i < s->n_in + s->n_out; i++) {
        int32_t t = i < s->n_in ? s->in[i] : s->out[i - s->n_in];
        if (t >= 0 && !is_own(&d->p->tensors[t]))
            return malformed(d, "control of values elsewhere");
    }
    if (copy && (s->n_nodes || s->n_in != 1 || s->n_out != 1 || s->in[0] < 0 || s->out[0] < 0))
        return malformed(d, "bad copy");
    if (copy && !whet_ptensor_alike(&d->p->tensors[s->in[0]], &d->p->tensors[s->out[0]]))
        return malformed(d, "copy that converts");
    for (int32_t i = 0; i < s->n_out && s->op && (s->op->flags & WHET_OP_DYNAMIC_OUT); i++)
        if (s->out[i] >= 0 && d->p->tensors[s->out[i]].stored)
            return malformed(d, "type that a tensor cannot have");
    if (!copy && !control && s->kernel != &whet_kernel_reference && strcmp(s->kernel->op, op))
        return malformed(d, "kernel of another operator");
    if (s->kernel == &whet_kernel_reference && s->backend != 0) return malformed(d, "bad backend");
    if (s->n_nodes == 0 && (s->n_in != 1 || s->n_out != 1 || s->in[0] < 0 || s->out[0] < 0 ||
                            d->p->tensors[s->in[0]].value != d->p->tensors[s->out[0]].value))
        return malformed(d, "bad conversion");
    if (s->chain && (s->n_in != s->chain->n_in || s->n_out != s->chain->n_out))
        return malformed(d, "chain of another size");
    for (int32_t i = 0; s->chain && i < s->n_in + s->n_out; i++)
        if ((i < s->n_in ? s->in[i] : s->out[i - s->n_in]) < 0)
            return malformed(d, "chain without an operand");
    if (!control && !pointers_safe(d, s))
        return malformed(d, "kernel of numbers for values that are none");
    if ((s->other >= 0) != (s->epi.binary != WHET_PW_NONE)) return malformed(d, "epilogue operand");
    if (!whet_epilogue_empty(&s->epi) && (!s->op || s->n_out < 1 || s->out[0] < 0))
        return malformed(d, "epilogue without output");
    if (!s->op) return WHET_OK;
    const whet_pnode *n = &d->g->nodes[s->nodes[0]];
    if (s->n_in != n->n_in || (s->n_nodes == 1 && s->n_out != n->n_out))
        return malformed(d, "step of another arity");
    for (int32_t i = 0; i < s->n_in; i++) {
        int32_t v = s->in[i] < 0 ? -1 : d->p->tensors[s->in[i]].value;
        if (v != n->in[i] && !(v < 0 && !whet_plan_reads(n, i)))
            return malformed(d, "step reads another value");
    }
    for (int32_t i = 0; i < s->n_out && s->n_nodes == 1; i++) {
        int32_t v = s->out[i] < 0 ? -1 : d->p->tensors[s->out[i]].value;
        if (v != n->out[i]) return malformed(d, "step makes another value");
    }
    return s->n_nodes == 1 ? WHET_OK : check_fused(d, s);
}

static whet_status read_step(decoder *d, whet_pstep *s) {
    const char *kernel;
    WHET_TRY(read_text(d, &kernel));
    WHET_TRY(read_text(d, &s->name));
    for (int32_t i = 0; i < WHET_MAX_PARAMS; i++) s->params[i] = (int32_t)whet_read_u32(&d->r);
    s->backend = (int32_t)whet_read_u32(&d->r);
    s->position = (int32_t)whet_read_u32(&d->r);
    WHET_TRY(read_ids(d, d->g->n_nodes, false, &s->nodes, &s->n_nodes));
    WHET_TRY(read_chain(d, &s->chain));
    WHET_TRY(read_epilogue(d, &s->epi));
    WHET_TRY(read_ids(d, d->p->n_tensors, true, &s->in, &s->n_in));
    WHET_TRY(read_ids(d, d->p->n_tensors, true, &s->out, &s->n_out));
    WHET_TRY(read_id(d, d->p->n_tensors, true, &s->other));
    int32_t n_packed;
    WHET_TRY(read_ids(d, INT32_MAX, true, &s->packed, &n_packed));
    s->cost = whet_read_f64(&d->r);
    if (d->r.failed || n_packed != s->n_in) return malformed(d, "truncated step");
    if (s->backend != -1) WHET_TRY(map_backend(d, &s->backend));
    if (!s->chain && s->n_nodes) {
        s->op = d->g->nodes[s->nodes[0]].op;
        s->attrs = d->g->nodes[s->nodes[0]].attrs;
        if (d->g->nodes[s->nodes[0]].recipe || (!s->op->eval && !s->op->n_blocks))
            return malformed(d, "bad root");
    }
    WHET_TRY(find_kernel(d, kernel, s));
    return check_step(d, s);
}

static whet_status read_segments(decoder *d) {
    whet_plan *p = d->p;
    uint32_t n = whet_read_count(&d->r, 20, MAX_ITEMS);
    p->segments = WHET_NEW_ARRAY(&p->arena, whet_psegment, n);
    if (!p->segments) return WHET_NOMEM(d->err);
    p->n_segments = (int32_t)n;
    int32_t step = 0, node = 0;
    for (uint32_t i = 0; i < n; i++) {
        whet_psegment *s = &p->segments[i];
        s->first_step = (int32_t)whet_read_u32(&d->r);
        s->n_steps = (int32_t)whet_read_u32(&d->r);
        s->first_node = (int32_t)whet_read_u32(&d->r);
        s->end_node = (int32_t)whet_read_u32(&d->r);
        s->backend = (int32_t)whet_read_u32(&d->r);
        if (s->first_step != step || s->n_steps < 0 || s->n_steps > p->n_steps - step ||
            s->first_node != node || s->end_node < node || s->end_node > d->g->n_nodes)
            return malformed(d, "segments do not follow each other");
        if (s->backend != -1) WHET_TRY(map_backend(d, &s->backend));
        for (int32_t k = 0; k < s->n_steps; k++)
            if (p->steps[step + k].backend != s->backend) return malformed(d, "mixed segment");
        step += s->n_steps;
        node = s->end_node;
    }
    if (d->r.failed || n == 0 || step != p->n_steps || node != d->g->n_nodes)
        return malformed(d, "segments do not cover the plan");
    return WHET_OK;
}

static whet_status read_packed(decoder *d) {
    whet_plan *p = d->p;
    uint32_t n = whet_read_count(&d->r, 28, MAX_ITEMS);
    p->packed = WHET_NEW_ARRAY(&p->arena, whet_packed, n);
    if (!p->packed) return WHET_NOMEM(d->err);
    p->n_packed = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) {
        whet_packed *k = &p->packed[i];
        WHET_TRY(read_id(d, p->n_steps, true, &k->step));
        WHET_TRY(read_id(d, k->step < 0 ? 1 : p->steps[k->step].n_in, false, &k->input));
        WHET_TRY(read_id(d, d->g->n_values, false, &k->value));
        uint64_t bytes = whet_read_u64(&d->r), offset = whet_read_u64(&d->r);
        whet_pvalue *v = &d->g->values[k->value];
        if (!whet_pvalue_is_const(v) || v->type.dtype == WHET_DTYPE_STRING)
            return malformed(d, "packed value is no constant of numbers");
        k->bytes = (size_t)bytes;
        if (offset == UINT64_MAX) {
            whet_tensor t = whet_pvalue_tensor(v);
            if (k->step >= 0 || !whet_pvalue_is_source(d->g, v) || !v->data || t.bytes != bytes)
                return malformed(d, "constant that the file does not hold");
            k->offset = WHET_PACKED_SOURCE;
            k->data = v->data;
            continue;
        }
        if (offset % ALIGN || offset > d->packed_size || bytes > d->packed_size - offset)
            return malformed(d, "packed bytes out of range");
        k->offset = (size_t)offset;
        k->data = d->packed + offset;
        if (k->step >= 0) continue;
        if (whet_pvalue_tensor(v).bytes != bytes) return malformed(d, "constant of another size");
        // not the one in SOURCES, which nothing else may read
        if (!d->g->weightless || !v->data) v->data = k->data;
    }
    return d->r.failed ? malformed(d, "truncated") : WHET_OK;
}

// Packed weights have the size that the kernel says, for the shapes planned for.
static whet_status check_blocks(decoder *d, const whet_vshape *shapes, whet_arena *arena);

static whet_status check_packed(decoder *d, const whet_vshape *inputs) {
    whet_plan *p = d->p;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_vshape *shapes = WHET_NEW_ARRAY(&arena, whet_vshape, d->g->n_values);
    whet_problem_ports ports = {0};
    bool good = shapes && whet_plan_shapes(d->g, p->box, inputs, &arena, shapes) == WHET_OK;
    whet_status status = good ? WHET_OK : WHET_NOMEM(d->err);
    for (int32_t i = 0; i < p->n_steps && status == WHET_OK; i++) {
        const whet_pstep *s = &p->steps[i];
        whet_problem pr;
        if (s->kernel == &whet_kernel_copy) continue; // of no constants
        if (whet_plan_problem(p, d->g, s, shapes, d->env, 1, &arena, &ports, &pr)) {
            status = WHET_NOMEM(d->err);
            break;
        }
        bool any = s->kernel == &whet_kernel_reference || whet_kernel_is_host(s->kernel);
        if (!any && !s->kernel->accepts(&pr))
            status = malformed(d, "kernel that does not take its problem");
        else if (!whet_kernel_params_valid(s->kernel, &pr, s->params))
            status = malformed(d, "kernel parameters out of range");
        for (int32_t k = 0; k < s->n_in && status == WHET_OK; k++) {
            bool constant = s->in[k] >= 0 && pr.in[k].constant;
            size_t want = constant && s->kernel->pack_bytes
                              ? s->kernel->pack_bytes(&pr, s->params, k) : 0;
            const whet_packed *have = s->packed[k] >= 0 && s->packed[k] < p->n_packed
                                          ? &p->packed[s->packed[k]] : NULL;
            if ((want != 0) != (have != NULL) || (s->packed[k] >= 0 && !have) ||
                (have && (have->bytes != want || have->step != i || have->input != k)))
                status = malformed(d, "packed weights of another size");
            else if (constant && !have &&
                     (!d->g->values[p->tensors[s->in[k]].value].data || pr.in[k].layout))
                status = malformed(d, "constant that the file does not hold");
        }
    }
    if (status == WHET_OK && p->n_blocks) status = check_blocks(d, shapes, &arena);
    whet_arena_fini(&arena);
    return status;
}

static whet_status check_blocks(decoder *d, const whet_vshape *shapes, whet_arena *arena) {
    whet_plan *p = d->p;
    whet_pgraph *g = d->g;
    whet_status status = WHET_OK;
    for (int32_t i = 0; i < p->n_blocks && status == WHET_OK; i++) {
        whet_vshape *inputs;
        if (whet_plan_block_inputs(g, i, shapes, arena, &inputs)) return WHET_NOMEM(d->err);
        d->p = p->blocks[i];
        d->g = g->blocks[i];
        status = check_packed(d, inputs);
    }
    d->p = p;
    d->g = g;
    return status;
}

// Constants seen through views and outputs are read as they are.
static whet_status check_read_constants(decoder *d) {
    const whet_plan *p = d->p;
    for (int32_t i = 0; i < p->n_tensors + d->g->n_outputs; i++) {
        int32_t t = i < p->n_tensors ? p->tensors[i].alias : p->outputs[i - p->n_tensors];
        const whet_pvalue *v = t < 0 ? NULL : &d->g->values[p->tensors[t].value];
        if (v && whet_pvalue_is_const(v) && p->tensors[t].alias < 0 && !v->data)
            return malformed(d, "constant that the file does not hold");
    }
    return WHET_OK;
}

// Every tensor is made once, before it is read.
static whet_status check_order(decoder *d) {
    whet_plan *p = d->p;
    bool *made = WHET_NEW_ARRAY(&p->arena, bool, p->n_tensors);
    if (!made) return WHET_NOMEM(d->err);
    for (int32_t i = 0; i < d->g->n_inputs; i++) {
        const whet_ptensor *t = &p->tensors[p->inputs[i]];
        if (t->value != d->g->inputs[i] || !is_own(t) || t->alias >= 0 ||
            made[p->inputs[i]])
            return malformed(d, "bad input");
        made[p->inputs[i]] = true;
    }
    for (int32_t i = 0; i < p->n_tensors; i++)
        if (whet_pvalue_is_const(&d->g->values[p->tensors[i].value]) && p->tensors[i].alias < 0) {
            if (p->tensors[i].layout || p->tensors[i].backend) return malformed(d, "bad constant");
            made[i] = true;
        }
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        for (int32_t k = 0; k <= s->n_in; k++) {
            int32_t t = k < s->n_in ? s->in[k] : s->other;
            int32_t root = t;
            while (root >= 0 && p->tensors[root].alias >= 0) root = p->tensors[root].alias;
            if (root >= 0 && !made[root]) return malformed(d, "tensor read before it is made");
            int32_t memory = s->kernel == &whet_kernel_control ? 0 : s->backend;
            if (t >= 0 && memory >= 0 && p->tensors[t].backend != memory &&
                !whet_pvalue_is_const(&d->g->values[p->tensors[t].value]))
                return malformed(d, "tensor in another memory");
        }
        for (int32_t k = 0; k < s->n_out; k++) {
            int32_t t = s->out[k];
            if (t < 0) continue;
            if (made[t] || p->tensors[t].alias >= 0 ||
                d->g->values[p->tensors[t].value].kind != WHET_PVALUE_NODE)
                if (made[t] || p->tensors[t].alias >= 0 || s->n_nodes)
                    return malformed(d, "tensor made twice");
            made[t] = true;
        }
    }
    for (int32_t i = 0; i < d->g->n_outputs; i++) {
        int32_t t = p->outputs[i];
        if (p->tensors[t].value != d->g->outputs[i] || !is_own(&p->tensors[t]))
            return malformed(d, "bad output");
        while (p->tensors[t].alias >= 0) t = p->tensors[t].alias;
        if (!made[t]) return malformed(d, "output that nothing makes");
    }
    return WHET_OK;
}

static whet_status read_plan(decoder *d);

static whet_status read_blocks(decoder *d) {
    whet_plan *p = d->p;
    whet_pgraph *g = d->g;
    whet_status status = WHET_OK;
    p->blocks = WHET_NEW_ARRAY(&p->arena, whet_plan *, g->n_blocks);
    if (!p->blocks) return WHET_NOMEM(d->err);
    for (int32_t i = 0; i < g->n_blocks && status == WHET_OK; i++) {
        d->g = g->blocks[i];
        d->p = calloc(1, sizeof *d->p);
        if (!d->p) {
            status = WHET_NOMEM(d->err);
            break;
        }
        whet_arena_init(&d->p->arena);
        d->p->box = p->box;
        p->blocks[p->n_blocks++] = d->p;
        status = read_plan(d);
    }
    d->g = g;
    d->p = p;
    return status;
}

static whet_status read_plan(decoder *d) {
    whet_plan *p = d->p;
    if (whet_read_u64(&d->r) != whet_pgraph_hash(d->g))
        return malformed(d, "plan of another graph");
    WHET_TRY(read_backends(d));
    WHET_TRY(read_dims(d));
    WHET_TRY(read_tensors(d));
    uint32_t n = whet_read_count(&d->r, 100, MAX_ITEMS);
    p->steps = WHET_NEW_ARRAY(&p->arena, whet_pstep, n);
    if (!p->steps) return WHET_NOMEM(d->err);
    p->n_steps = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) WHET_TRY(read_step(d, &p->steps[i]));
    WHET_TRY(read_segments(d));
    int32_t n_in, n_out;
    WHET_TRY(read_ids(d, p->n_tensors, false, &p->inputs, &n_in));
    WHET_TRY(read_ids(d, p->n_tensors, false, &p->outputs, &n_out));
    if (n_in != d->g->n_inputs || n_out != d->g->n_outputs) return malformed(d, "bad inputs");
    p->n_fused = (int32_t)whet_read_u32(&d->r);
    WHET_TRY(read_packed(d));
    for (int32_t i = 0; i < p->n_steps; i++) p->cost += p->steps[i].cost;
    WHET_TRY(check_order(d));
    const char *wrong;
    if (whet_plan_shapes_in_order(p, d->g, &p->arena, &wrong)) return WHET_NOMEM(d->err);
    if (wrong) return malformed(d, wrong);
    WHET_TRY(check_read_constants(d));
    return read_blocks(d);
}

whet_status whet_plan_decode(const void *data, size_t size, const void *packed_data,
                             size_t packed_size, whet_pgraph *g, const whet_box *box,
                             whet_env *env, whet_plan **plan, whet_error *err) {
    decoder d = {.g = g, .env = env, .packed = packed_data, .packed_size = packed_size, .err = err};
    d.p = calloc(1, sizeof *d.p);
    if (!d.p) return WHET_NOMEM(err);
    d.p->box = box;
    whet_arena_init(&d.p->arena);
    whet_reader_init(&d.r, data, size);
    whet_status status = read_plan(&d);
    if (status == WHET_OK && whet_reader_left(&d.r)) status = malformed(&d, "wrong length");
    if (status == WHET_OK) status = check_packed(&d, NULL);
    if (status != WHET_OK) {
        whet_plan_destroy(d.p);
        return status;
    }
    *plan = d.p;
    return WHET_OK;
}

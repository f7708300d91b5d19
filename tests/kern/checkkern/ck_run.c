// SPDX-License-Identifier: Apache-2.0
// One kernel on one case: layouts, epilogues, parameters, partitions of the tasks; comparison.
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkkern.h"

static bool blocked(whet_layout l) {
    return l == WHET_LAYOUT_C8 || l == WHET_LAYOUT_C16;
}

void ck_layouts(ck_setup *s, const whet_kernel *k, const ck_case *c, whet_layout l,
                whet_store store) {
    whet_layout in[CK_PORTS] = {0}, out[CK_PORTS] = {0};
    memset(s, 0, sizeof *s);
    s->kernel = k;
    s->inplace = -1;
    memcpy(s->in, c->in, sizeof s->in);
    memcpy(s->out, c->out, sizeof s->out);
    s->p = (whet_problem){.op = c->op_name, .attrs = c->attrs, .chain = c->chain, .n_in = c->n_in,
                          .n_out = c->n_out, .in = s->in, .out = s->out, .threads = 1,
                          .l1d_bytes = 32768, .l2_bytes = 1 << 20, .l3_bytes = 16 << 20};
    if (!strcmp(c->op_name, "reorder")) return;
    whet_problem_store(&s->p, store);
    if (k->ports) {
        k->ports(&s->p, l, in, out);
    } else {
        int32_t rank = c->out[0].rank;
        for (int32_t i = 0; i < c->n_in; i++)
            in[i] = !c->in[i].constant && c->in[i].rank == rank && rank >= 3 && rank <= 5 ? l : 0;
        for (int32_t i = 0; i < c->n_out; i++)
            out[i] = c->out[i].rank == rank && rank >= 3 && rank <= 5 ? l : 0;
    }
    for (int32_t i = 0; i < c->n_in; i++) s->in[i].layout = in[i];
    for (int32_t i = 0; i < c->n_out; i++) s->out[i].layout = out[i];
}

static size_t plain_bytes(const whet_port *p) {
    return whet_tensor_bytes(p->dtype, whet_dims_count(p->dims, p->rank));
}

// Puts all ones (a NaN) into the lanes beyond the channels.
static void spoil_lanes(const whet_port *p, uint8_t *data, size_t bytes) {
    if (!blocked(p->layout)) return;
    int64_t b = whet_layout_block(p->layout), c = p->dims[1], spatial = 1;
    for (int32_t d = 2; d < p->rank; d++) spatial *= p->dims[d];
    size_t size = (size_t)whet_dtype_bits(p->dtype) / 8;
    int64_t blocks = (c + b - 1) / b;
    for (int64_t i = 0; i < (int64_t)(bytes / size); i++)
        if (i / b / spatial % blocks * b + i % b >= c) memset(data + (size_t)i * size, 0xFF, size);
}

static bool input_make(ck_block *b, const whet_port *p, const void *plain) {
    whet_port from = *p;
    from.layout = WHET_LAYOUT_PLAIN;
    from.dtype = whet_port_type(p);
    size_t bytes = whet_layout_bytes(p->layout, p->dtype, p->rank, p->dims);
    if (!ck_block_make(b, bytes, 1)) return false;
    if (p->layout == WHET_LAYOUT_PLAIN && !p->type) memcpy(b->data, plain, bytes);
    else whet_reorder_ref(&from, plain, p, b->data);
    spoil_lanes(p, b->data, bytes);
    return true;
}

static bool pack_make(ck_setup *s, int32_t i, const ck_values *v) {
    const whet_kernel *k = s->kernel;
    size_t bytes = s->in[i].constant && k->pack_bytes ? k->pack_bytes(&s->p, s->params, i) : 0;
    if (bytes == 0) return input_make(&s->in_mem[i], &s->in[i], v->in[i]);
    if (!ck_block_make(&s->packed_mem[i], bytes, 64)) return false;
    whet_tensor t = {.dtype = s->in[i].dtype, .rank = s->in[i].rank, .data = v->in[i],
                     .bytes = plain_bytes(&s->in[i])};
    memcpy(t.dims, s->in[i].dims, sizeof t.dims);
    return k->pack(&s->p, s->params, i, &t, s->packed_mem[i].data) == WHET_OK;
}

static bool others_make(ck_setup *s, const double *other) {
    const whet_kernel *k = s->kernel;
    size_t scratch = k->scratch ? k->scratch(&s->p, s->params) : 0;
    size_t workspace = k->workspace ? k->workspace(&s->p, s->params) : 0;
    if (!ck_block_make(&s->scratch_mem, scratch, 64)) return false;
    if (!ck_block_make(&s->workspace_mem, workspace, 64)) return false;
    if (!ck_block_make(&s->state_mem, k->state_bytes, 64)) return false;
    memset(s->scratch_mem.data, 0xFF, scratch);
    memset(s->workspace_mem.data, 0xFF, workspace);
    if (!s->p.epi.binary) return true;
    int64_t n = whet_dims_count(s->out[0].dims, s->out[0].rank);
    ck_block tmp;
    if (!ck_block_make(&tmp, (size_t)n * sizeof(float), 64)) return false;
    float *plain = (float *)(void *)tmp.data;
    for (int64_t i = 0; i < n; i++) plain[i] = (float)other[i];
    bool ok = input_make(&s->other_mem, &s->p.epi.other, plain);
    ck_block_free(&tmp);
    return ok;
}

bool ck_setup_make(ck_setup *s, const ck_values *v, const double *other, ck_rng *rng) {
    const whet_kernel *k = s->kernel;
    (void)rng;
    for (int32_t i = 0; i < s->p.n_in; i++) {
        if (s->in[i].dtype == WHET_DTYPE_NONE) continue;
        if (!pack_make(s, i, v)) return false;
        s->call_in[i] = s->packed_mem[i].data ? NULL : s->in_mem[i].data;
        s->call_packed[i] = s->packed_mem[i].data;
    }
    for (int32_t i = 0; i < s->p.n_out; i++) {
        const whet_port *p = &s->out[i];
        if (p->dtype == WHET_DTYPE_NONE) continue;
        size_t bytes = whet_layout_bytes(p->layout, p->dtype, p->rank, p->dims);
        if (!ck_block_make(&s->out_mem[i], bytes, 1)) return false;
        memset(s->out_mem[i].data, 0xFE, bytes);
        s->call_out[i] = s->out_mem[i].data;
    }
    if (s->inplace >= 0) {
        memcpy(s->out_mem[0].data, s->in_mem[s->inplace].data, s->out_mem[0].bytes);
        s->call_in[s->inplace] = s->out_mem[0].data;
    }
    if (!others_make(s, other)) return false;
    if (k->prepare) k->prepare(&s->p, s->params, s->state_mem.data);
    s->call = (whet_call){.p = &s->p, .params = s->params, .state = s->state_mem.data,
                          .in = s->call_in, .out = s->call_out, .other = s->other_mem.data,
                          .packed = s->call_packed, .workspace = s->workspace_mem.data,
                          .scratch = s->scratch_mem.data, .node = "case"};
    return true;
}

void ck_setup_free(ck_setup *s) {
    for (int32_t i = 0; i < CK_PORTS; i++) {
        ck_block_free(&s->in_mem[i]);
        ck_block_free(&s->out_mem[i]);
        ck_block_free(&s->packed_mem[i]);
    }
    ck_block_free(&s->other_mem);
    ck_block_free(&s->workspace_mem);
    ck_block_free(&s->scratch_mem);
    ck_block_free(&s->state_mem);
}

whet_status ck_execute(ck_setup *s, ck_rng *rng, int32_t parts) {
    const whet_kernel *k = s->kernel;
    for (int32_t phase = 0; phase < (k->phases ? k->phases : 1); phase++) {
        int64_t n = k->tasks ? k->tasks(&s->p, s->params, phase) : 1, at[4] = {0, n, n, n};
        if (parts > 1) at[1] = ck_int(rng, 0, n);
        if (parts > 2) at[2] = ck_int(rng, at[1], n);
        for (int32_t i = parts - 1; i >= 0; i--) { // the last part first: no order may be relied on
            if (at[i] == at[i + 1]) continue;
            if (rng) memset(s->scratch_mem.data, 0xFF, s->scratch_mem.bytes);
            WHET_TRY(k->run(&s->call, phase, at[i], at[i + 1]));
        }
    }
    return WHET_OK;
}

// ---- comparison ----

static double unit(whet_dtype t) {
    return t == WHET_DTYPE_F64 ? 0x1p-53 : t == WHET_DTYPE_F16 ? 0x1p-11
         : t == WHET_DTYPE_BF16 ? 0x1p-8 : 0x1p-24;
}

// The magnitude behind act2(act1(acc) binary other); activations have slopes of about 1.
static void magnitudes(const whet_epilogue *e, const double *acc, const double *mag,
                       const double *other, int64_t n, double *out) {
    for (int64_t i = 0; i < n; i++) {
        double m = mag[i] + (e->act1 ? fabs(acc[i]) : 0), o = other ? fabs(other[i]) : 0;
        if (e->binary == WHET_PW_MUL) m *= o;
        else if (e->binary == WHET_PW_DIV) m /= o;
        else if (e->binary) m += o;
        out[i] = 2 * m + (e->act1 || e->act2 ? 1 : 0);
        if (whet_epilogue_empty(e)) out[i] = mag[i];
    }
}

static bool epilogue_exact(const whet_epilogue *e) {
    bool a = !e->act1 || e->act1 == WHET_PW_RELU || e->act1 == WHET_PW_CLIP;
    bool b = !e->act2 || e->act2 == WHET_PW_RELU || e->act2 == WHET_PW_CLIP;
    return a && b && e->binary != WHET_PW_DIV;
}

typedef struct judge {
    const ck_setup *s;
    const char *where;
    ck_result *r;
    double c_k; // c k; 0: exact
    double k;
    int32_t steps; // of 8-bit integers
} judge;

static bool same(double a, double b) {
    return a == b || (isnan(a) && isnan(b));
}

static bool wrong(const judge *j, int32_t o, int64_t i, double got, double ref, double limit) {
    const whet_epilogue *e = &j->s->p.epi;
    printf(
        "FAIL %s: %s, layout %s, params %d %d %d, epilogue %s.%s.%s%s: output %d [%lld] is %.9g, "
        "reference %.9g, limit %.3g\n",
        j->s->kernel->name, j->where, whet_layout_text(j->s->out[0].layout), j->s->params[0],
        j->s->params[1], j->s->params[2], e->act1 ? whet_pw_text(e->act1) : "-",
        e->binary ? whet_pw_text(e->binary) : "-", e->act2 ? whet_pw_text(e->act2) : "-",
        j->s->inplace >= 0 ? ", in place" : "", o, (long long)i, got, ref, limit);
    return false;
}

// Kernels that transform tiles spread the error of one element over its tile, so that the largest
// magnitude counts, and need room above it on the way; they say so by their tolerance.
#define SPREADS(kernel) ((kernel)->tolerance > 8)

static void spread(double *mag, int64_t n) {
    double most = 0;
    for (int64_t i = 0; i < n; i++) most = mag[i] > most ? mag[i] : most;
    for (int64_t i = 0; i < n; i++) mag[i] = most;
}

static bool compare_floats(judge *j, int32_t o, const void *got, const double *ref, double *mag) {
    const whet_port *p = &j->s->out[o];
    int64_t n = whet_dims_count(p->dims, p->rank);
    // sums are of f32 where storage is of bf16, and rounded once more; functions before that have
    // 12 bits (kern/vmath_bf16.h)
    double u = unit(whet_port_type(p)), stored = p->type ? 0x1.001p-8 : 0;
    bool rough = p->type && (j->s->p.epi.act1 || j->s->p.epi.act2);
    double high = SPREADS(j->s->kernel) ? FLT_MAX / 1024 : FLT_MAX / 4;
    if (SPREADS(j->s->kernel)) spread(mag, n);
    for (int64_t i = 0; i < n; i++) {
        double g = whet_load_f64(got, p->dtype, i), r = ref[i], f = (double)(float)r;
        if (p->type) f = (double)whet_bf16_to_f32(whet_f32_to_bf16((float)r));
        if (same(g, f) || same(g, r)) continue;
        double limit = j->c_k * u * mag[i] + (j->c_k > 0 ? j->k * (double)FLT_MIN : 0);
        if (j->c_k > 0) limit += stored * (fabs(r) + limit) + (rough ? 0x1p-12 * mag[i] : 0);
        if (mag[i] > high && j->c_k > 0) continue; // may overflow on the way
        double error = fabs(g - r);
        if (!(error <= limit)) return wrong(j, o, i, g, r, limit);
        if (error / limit > j->r->worst) j->r->worst = error / limit;
        if (mag[i] > 0 && fabs(r) > 1e-36 && error / (j->k * u * mag[i]) > j->r->worst_units)
            j->r->worst_units = error / (j->k * u * mag[i]);
    }
    return true;
}

static bool near_enough(const judge *j, whet_dtype t, const void *got, const void *ref, int64_t i) {
    if (!j->steps || (t != WHET_DTYPE_U8 && t != WHET_DTYPE_I8)) return false;
    return llabs(whet_load_i64(got, t, i) - whet_load_i64(ref, t, i)) <= j->steps;
}

static bool compare_others(judge *j, int32_t o, const void *got, const void *ref) {
    const whet_port *p = &j->s->out[o];
    int64_t n = whet_dims_count(p->dims, p->rank);
    size_t size = (size_t)whet_dtype_bits(p->dtype) / 8;
    for (int64_t i = 0; i < n; i++)
        if (near_enough(j, p->dtype, got, ref, i)) continue;
        else if (memcmp((const char *)got + (size_t)i * size, (const char *)ref + (size_t)i * size,
                   size))
            return wrong(j, o, i, whet_load_f64(got, p->dtype, i), whet_load_f64(ref, p->dtype, i),
                         0);
    return true;
}

static bool compare(judge *j, const ck_case *c, const ck_values *v, const double *other) {
    for (int32_t o = 0; o < c->n_out; o++) {
        whet_port plain = j->s->out[o];
        if (plain.dtype == WHET_DTYPE_NONE) continue;
        int64_t n = whet_dims_count(plain.dims, plain.rank);
        plain.layout = WHET_LAYOUT_PLAIN;
        void *got = whet_arena_alloc(c->arena, plain_bytes(&plain) + 1);
        if (j->s->out[o].layout == plain.layout)
            memcpy(got, j->s->out_mem[o].data, plain_bytes(&plain));
        else whet_reorder_ref(&j->s->out[o], j->s->out_mem[o].data, &plain, got);
        if (!v->out64[o]) {
            if (!compare_others(j, o, got, v->out[o])) return false;
            continue;
        }
        bool first = o == 0 && !whet_epilogue_empty(&j->s->p.epi);
        double *acc = whet_arena_memdup(c->arena, v->out64[o], (size_t)n * 8 + !n);
        double *mag = whet_arena_memdup(c->arena, v->magnitude[o], (size_t)n * 8 + !n);
        if (first) {
            magnitudes(&j->s->p.epi, acc, v->magnitude[o], other, n, mag);
            whet_epilogue_ref(&j->s->p.epi, acc, other, n);
        }
        if (!compare_floats(j, o, got, acc, mag)) return false;
    }
    return true;
}

// ---- one run, with faults caught ----

static sigjmp_buf fault_jump;
static volatile sig_atomic_t fault_armed;

static void on_fault(int number) {
    if (!fault_armed) _exit(128 + number);
    fault_armed = 0;
    siglongjmp(fault_jump, number);
}

static int guarded(ck_setup *s, ck_rng *rng, whet_status *status) {
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGALRM};
    for (int i = 0; i < 5; i++) signal(numbers[i], on_fault);
    int number = sigsetjmp(fault_jump, 1);
    if (number == 0) {
        fault_armed = 1;
        alarm(60);
        *status = ck_execute(s, rng, (int32_t)ck_int(rng, 1, 3));
    }
    fault_armed = 0;
    alarm(0);
    return number;
}

static bool canaries(const ck_setup *s, const char *where) {
    const ck_block *b[3 * CK_PORTS + 2] = {&s->workspace_mem, &s->scratch_mem};
    int32_t n = 2;
    for (int32_t i = 0; i < CK_PORTS; i++) b[n++] = &s->out_mem[i];
    for (int32_t i = 0; i < n; i++) {
        const char *what = b[i]->data ? ck_block_check(b[i]) : NULL;
        if (!what) continue;
        printf("FAIL %s: %s: memory %s %s\n", s->kernel->name, where, what,
               i == 0 ? "the workspace" : i == 1 ? "the scratch" : "an output");
        return false;
    }
    return true;
}

static bool run_once(ck_setup *s, const ck_case *c, const ck_values *v, const double *other,
                     ck_fill fill, const char *where, ck_result *r) {
    static whet_error err;
    whet_status status = WHET_OK;
    bool ok = false;
    if (!ck_setup_make(s, v, other, c->rng)) {
        printf("FAIL %s: %s: cannot be set up\n", s->kernel->name, where);
        goto done;
    }
    s->call.err = &err;
    int number = guarded(s, c->rng, &status);
    if (number) {
        printf("FAIL %s: %s: %s in run, out %s\n", s->kernel->name, where, strsignal(number),
               whet_layout_text(s->out[0].layout));
        goto done;
    }
    if (status != WHET_OK) {
        printf("FAIL %s: %s: %s\n", s->kernel->name, where, err.text);
        goto done;
    }
    bool exact = s->kernel->tolerance == 0 ||
                 (fill == CK_INTEGERS && c->exact && s->kernel->tolerance <= 4 &&
                  epilogue_exact(&s->p.epi));
    judge j = {s, where, r, exact ? 0 : s->kernel->tolerance * c->k, c->k, c->steps};
    ok = canaries(s, where) && compare(&j, c, v, other);
    r->runs++;
done:
    ck_setup_free(s);
    return ok;
}

// ---- the variants of a kernel ----

static whet_pw pick(ck_rng *rng, const whet_pw *from, int32_t n) {
    return from[ck_int(rng, 0, n - 1)];
}

static whet_epilogue random_epilogue(ck_rng *rng) {
    static const whet_pw acts[] = {WHET_PW_NONE, WHET_PW_RELU, WHET_PW_CLIP, WHET_PW_SWISH,
                                   WHET_PW_LEAKY_RELU, WHET_PW_GELU, WHET_PW_SIGMOID, WHET_PW_TANH,
                                   WHET_PW_HARD_SWISH, WHET_PW_HARD_SIGMOID};
    static const whet_pw binaries[] = {WHET_PW_NONE, WHET_PW_ADD, WHET_PW_ADD, WHET_PW_SUB,
                                       WHET_PW_MUL, WHET_PW_MAX, WHET_PW_MIN, WHET_PW_DIV};
    whet_epilogue e = {.act1 = pick(rng, acts, ck_chance(rng, 2) ? 1 : 10),
                       .binary = pick(rng, binaries, 8),
                       .act2 = pick(rng, acts, ck_chance(rng, 2) ? 2 : 10)};
    float *p[] = {e.p1, e.p2};
    whet_pw act[] = {e.act1, e.act2};
    for (int i = 0; i < 2; i++) {
        p[i][0] = act[i] == WHET_PW_CLIP ? -1 : act[i] == WHET_PW_LEAKY_RELU ? 0.25f
                : act[i] == WHET_PW_SWISH ? 1 : act[i] == WHET_PW_HARD_SIGMOID ? 0.2f
                : act[i] == WHET_PW_HARD_SWISH ? 1.0f / 6 : 0;
        p[i][1] = act[i] == WHET_PW_CLIP ? 6 : 0.5f;
    }
    return e;
}

static double *random_other(const ck_case *c, const whet_epilogue *e, ck_fill fill) {
    bool stored = e->other.type;
    int64_t n = whet_dims_count(c->out[0].dims, c->out[0].rank);
    double *other = whet_arena_alloc(c->arena, (size_t)n * 8 + 8);
    for (int64_t i = 0; i < n; i++) {
        double v = fill == CK_INTEGERS ? (double)ck_int(c->rng, -3, 3) : ck_normal(c->rng);
        if (e->binary == WHET_PW_DIV && fabs(v) < 0.1) v = 1;
        other[i] = (double)(stored ? whet_bf16_to_f32(whet_f32_to_bf16((float)v)) : (float)v);
    }
    return other;
}

static bool try_params(ck_setup *s, const ck_case *c, const ck_values *v, ck_fill fill,
                       const char *where, ck_result *r) {
    const whet_kernel *k = s->kernel;
    double *other = s->p.epi.binary ? random_other(c, &s->p.epi, fill) : NULL;
    ck_setup base = *s;
    for (int32_t i = 0; i < 6; i++) {
        *s = base;
        s->p.in = s->in;
        s->p.out = s->out;
        if (k->param ? !k->param(&s->p, i, s->params) : i > 0) return true;
        if (k->valid && !k->valid(&s->p, s->params)) {
            printf("FAIL %s: %s: own parameters are not valid\n", k->name, where);
            return false;
        }
        for (int32_t shared = -1; shared < s->p.n_in; shared++) {
            ck_setup one = *s;
            one.p.in = one.in;
            one.p.out = one.out;
            one.inplace = shared;
            if (shared >= 0 && !(k->inplace && k->inplace(&one.p, shared))) continue;
            if (!run_once(&one, c, v, other, fill, where, r)) return false;
        }
    }
    return true;
}

static bool variant(ck_setup *s, uint32_t cpu, const ck_case *c, const ck_values *v, ck_fill fill,
                    const char *where, ck_result *r) {
    ck_setup base = *s;
    bool edges = fill == CK_EDGES;
    for (int32_t e = 0; e < (c->plain_epilogue || edges ? 1 : 4); e++) {
        *s = base;
        s->p.in = s->in;
        s->p.out = s->out;
        s->p.cpu = cpu;
        if (e > 0) s->p.epi = random_epilogue(c->rng);
        if (s->p.epi.binary) s->p.epi.other = s->out[0];
        s->p.epi.other.constant = false;
        if (e > 0 && whet_epilogue_empty(&s->p.epi)) continue;
        if (!s->kernel->accepts(&s->p)) continue;
        if (!try_params(s, c, v, fill, where, r)) return false;
    }
    return true;
}

bool ck_stores(const whet_kernel *k, whet_store store) {
    return (k->stores ? k->stores : WHET_STORE_BIT(WHET_STORE_OWN)) & WHET_STORE_BIT(store);
}

bool ck_check(const whet_kernel *k, uint32_t cpu, const ck_case *c, const ck_values *v,
              ck_fill fill, const char *where, ck_result *r) {
    static ck_setup s;
    uint32_t layouts = k->layouts ? k->layouts : WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN);
    if (!strcmp(c->op_name, "reorder")) layouts = 1; // the case says the layouts
    for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++) {
        if (!(layouts & WHET_LAYOUT_BIT(l))) continue;
        for (int32_t store = 0; store < WHET_STORE_COUNT; store++) {
            if (!ck_stores(k, (whet_store)store)) continue;
            ck_layouts(&s, k, c, (whet_layout)l, (whet_store)store);
            if (!variant(&s, cpu, c, v, fill, where, r)) {
                r->failures++;
                return false;
            }
        }
    }
    return true;
}

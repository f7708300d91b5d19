// SPDX-License-Identifier: Apache-2.0
#include "build/tuner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "base/hash.h"

#define MAX_SAMPLES 64
#define SAMPLE_SECONDS 2e-3 // spent on one candidate beyond its warm-up
#define LONG_SECONDS 10e-3  // a call of more is sampled less often
#define SLOWER 1.4          // times the best: not worth sampling ...
#define TRIES 2             // ... when so many more calls say the same
#define CALL_SECONDS 20e-6  // what waking the workers may add to one call

typedef struct {
    void *data;
    size_t cap;
} buffer;

struct whet_tuner {
    whet_env *env;
    whet_timing_cache *cache;
    int32_t threads;
    bool measure;
    int64_t measured, skipped;
    double deadline, until; // of all, of the step being priced; 0: none
    double log_all, log_here; // sums of log(time / model), of all and of the problem at hand
    int64_t n_all, n_here;
    buffer *buffers; // grow-only, handed out in order for each problem
    int32_t n_buffers, next_buffer;
    whet_error *errors;
    whet_arena scratch, eval;
};

whet_status whet_tuner_create(whet_env *env, whet_timing_cache *cache, int32_t threads,
                              bool measure, whet_tuner **tuner, whet_error *err) {
    whet_tuner *t = calloc(1, sizeof *t);
    if (!t) return WHET_NOMEM(err);
    *t = (whet_tuner){.env = env, .cache = cache, .threads = threads, .measure = measure};
    whet_arena_init(&t->scratch);
    whet_arena_init(&t->eval);
    t->errors = calloc((size_t)threads, sizeof *t->errors);
    if (!t->errors) {
        whet_tuner_destroy(t);
        return WHET_NOMEM(err);
    }
    *tuner = t;
    return WHET_OK;
}

void whet_tuner_destroy(whet_tuner *t) {
    if (!t) return;
    for (int32_t i = 0; i < t->n_buffers; i++) free(t->buffers[i].data);
    free(t->buffers);
    free(t->errors);
    whet_arena_fini(&t->scratch);
    whet_arena_fini(&t->eval);
    free(t);
}

int64_t whet_tuner_measured(const whet_tuner *t) { return t->measured; }

int64_t whet_tuner_skipped(const whet_tuner *t) { return t->skipped; }

void whet_tuner_set_deadline(whet_tuner *t, double until) { t->deadline = t->until = until; }

void whet_tuner_share(whet_tuner *t, int32_t left) {
    double now = whet_now();
    if (t->deadline > 0 && left > 0)
        t->until = now < t->deadline ? now + (t->deadline - now) / left : t->deadline;
}

// ---- keys ----

static void key_port(whet_str *s, const whet_port *p) {
    if (p->dtype == WHET_DTYPE_NONE) {
        whet_str_add(s, " -");
        return;
    }
    whet_str_printf(s, " %s%s[", p->constant ? "=" : "", whet_dtype_text(p->dtype));
    for (int32_t d = 0; d < p->rank; d++)
        whet_str_printf(s, "%s%lld", d ? "," : "", (long long)p->dims[d]);
    whet_str_printf(s, "]%s", p->layout ? whet_layout_text(p->layout) : "");
}

static void key_stage(whet_str *s, whet_pw f, const float *p) {
    if (f) whet_str_printf(s, " %s(%g,%g)", whet_pw_text(f), (double)p[0], (double)p[1]);
}

static void make_key(const whet_tuner *t, const whet_problem *p, const whet_kernel *k,
                     const int32_t *params, whet_str *s) {
    const whet_cpu_info *c = &t->env->cpu_info;
    whet_str_printf(s, "%s", p->op);
    if (p->desc)
        whet_str_printf(s, " %016llx",
                        (unsigned long long)whet_op_attr_hash(p->desc, p->attrs, 0));
    if (p->chain)
        for (int32_t i = 0; i < p->chain->n_ops; i++) {
            key_stage(s, p->chain->ops[i].f, p->chain->ops[i].p);
            whet_str_printf(s, ":%d,%d,%d", p->chain->ops[i].src[0], p->chain->ops[i].src[1],
                            p->chain->ops[i].src[2]);
        }
    for (int32_t i = 0; i < p->n_in; i++) key_port(s, &p->in[i]);
    whet_str_add(s, " ->");
    for (int32_t i = 0; i < p->n_out; i++) key_port(s, &p->out[i]);
    key_stage(s, p->epi.act1, p->epi.p1);
    if (p->epi.binary) whet_str_printf(s, " %s", whet_pw_text(p->epi.binary));
    key_stage(s, p->epi.act2, p->epi.p2);
    whet_str_printf(s, " | %s@%u", k->name, k->revision);
    int32_t last = WHET_MAX_PARAMS;
    while (last && !params[last - 1]) last--;
    for (int32_t i = 0; i < last; i++) whet_str_printf(s, ",%d", params[i]);
    whet_str_printf(s, " | %s-%u-%u-%u-%x t%d hot", c->vendor, c->family, c->model, c->stepping,
                    t->env->cpu, t->threads);
}

// ---- measuring ----

static void *take_buffer(whet_tuner *t, size_t bytes) {
    if (t->next_buffer == t->n_buffers) {
        buffer *grown = realloc(t->buffers, (size_t)(t->n_buffers + 1) * sizeof *grown);
        if (!grown) return NULL;
        t->buffers = grown;
        t->buffers[t->n_buffers++] = (buffer){0};
    }
    buffer *b = &t->buffers[t->next_buffer++];
    if (b->cap >= bytes && b->data) return b->data;
    free(b->data);
    *b = (buffer){0};
    if (posix_memalign(&b->data, 64, bytes ? bytes : 64)) return b->data = NULL;
    b->cap = bytes;
    return b->data;
}

static void fill(void *data, whet_dtype dtype, size_t bytes) {
    if (dtype != WHET_DTYPE_F32 && dtype != WHET_DTYPE_BF16) {
        memset(data, 0, bytes);
        return;
    }
    uint32_t x = 12345;
    size_t n = bytes / (dtype == WHET_DTYPE_F32 ? 4 : 2);
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525u + 1013904223u;
        float v = (float)(int32_t)x * 0x1p-31f;
        if (dtype == WHET_DTYPE_F32) ((float *)data)[i] = v;
        else ((uint16_t *)data)[i] = whet_f32_to_bf16(v);
    }
}

static size_t port_bytes(const whet_port *p) {
    return p->dtype ? whet_layout_bytes(p->layout, p->dtype, p->rank, p->dims) : 0;
}

static bool fill_inputs(whet_tuner *t, whet_step *s) {
    const whet_problem *p = &s->problem;
    const void **in = WHET_NEW_ARRAY(&t->scratch, const void *, p->n_in);
    const void **packed = WHET_NEW_ARRAY(&t->scratch, const void *, p->n_in);
    if (!in || !packed) return false;
    for (int32_t i = 0; i < p->n_in; i++) {
        const whet_port *port = &p->in[i];
        if (!port->dtype) continue;
        size_t bytes = port_bytes(port);
        if (bytes == SIZE_MAX) return false;
        if (port->constant && port->data) {
            in[i] = port->data;
        } else {
            void *data = take_buffer(t, bytes);
            if (!data) return false;
            fill(data, port->dtype, bytes);
            in[i] = data;
        }
        size_t pack = port->constant && s->kernel->pack_bytes
                          ? s->kernel->pack_bytes(p, s->params, i) : 0;
        if (!pack) continue;
        void *to = take_buffer(t, pack);
        whet_tensor src = {.dtype = port->dtype, .rank = port->rank, .data = (void *)in[i],
                           .bytes = bytes};
        memcpy(src.dims, port->dims, sizeof src.dims);
        if (!to || s->kernel->pack(p, s->params, i, &src, to)) return false;
        packed[i] = to;
        in[i] = NULL;
    }
    s->call.in = in;
    s->call.packed = packed;
    return true;
}

static bool make_step(whet_tuner *t, whet_step *s, size_t *scratch) {
    const whet_problem *p = &s->problem;
    const whet_kernel *k = s->kernel;
    void **out = WHET_NEW_ARRAY(&t->scratch, void *, p->n_out);
    if (!out || !fill_inputs(t, s)) return false;
    for (int32_t i = 0; i < p->n_out; i++) {
        size_t bytes = port_bytes(&p->out[i]);
        if (bytes == SIZE_MAX) return false;
        if (p->out[i].dtype && !(out[i] = take_buffer(t, bytes))) return false;
    }
    s->call.out = out;
    if (p->epi.binary) {
        size_t bytes = port_bytes(&p->epi.other);
        void *other = bytes == SIZE_MAX ? NULL : take_buffer(t, bytes);
        if (!other) return false;
        fill(other, p->epi.other.dtype, bytes);
        s->call.other = other;
    }
    void *state = whet_arena_alloc(&t->scratch, k->state_bytes);
    if (!state) return false;
    if (k->prepare) k->prepare(p, s->params, state);
    s->call.state = state;
    s->call.workspace = take_buffer(t, k->workspace ? k->workspace(p, s->params) : 0);
    *scratch = ((k->scratch ? k->scratch(p, s->params) : 0) + 127) & ~(size_t)63;
    s->phases = k->phases ? k->phases : 1;
    for (int32_t i = 0; i < s->phases; i++) s->tasks[i] = k->tasks ? k->tasks(p, s->params, i) : 1;
    s->max_threads = k->tasks && whet_kernel_cost(k, p, s->params) > 4e-6 ? t->threads : 1;
    return s->call.workspace != NULL;
}

typedef struct {
    whet_segment_run *run;
    whet_error err;
} once_state;

static whet_status once(void *user) {
    once_state *o = user;
    return whet_backend_cpu.run_segment(o->run, &o->err);
}

// Memory of an output whose shape the kernel finds out, forgotten with the call.
static whet_status alloc_output(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    size_t bytes = whet_tensor_bytes(e->out[i].dtype, whet_dims_count(dims, rank));
    whet_tuner *t = e->alloc_user;
    e->out[i].data = bytes == SIZE_MAX ? NULL : whet_arena_alloc_raw(&t->eval, bytes);
    return e->out[i].data ? WHET_OK : WHET_NOMEM(e->err);
}

static double time_once(once_state *o) {
    double begin = whet_now();
    return once(o) ? -1 : whet_now() - begin;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// What its first calls show to be clearly slower than the best is not looked at any longer. Of the
// samples the lower quartile counts: others that use the machine only ever add time.
static double time_step(once_state *o, double best) {
    double samples[MAX_SAMPLES], first = time_once(o), fastest = first;
    if (first < 0) return -1;
    for (int32_t i = 0; i < TRIES && best > 0 && fastest > SLOWER * best + CALL_SECONDS; i++) {
        double again = time_once(o);
        if (again < 0) return -1;
        if (again < fastest) fastest = again;
        if (i + 1 == TRIES && fastest > SLOWER * best + CALL_SECONDS) return fastest;
    }
    whet_bench_options options = {.warmup_seconds = 0, .seconds = SAMPLE_SECONDS, .min_runs = 5,
                                  .max_runs = MAX_SAMPLES, .calls = 0};
    if (fastest > LONG_SECONDS) options.min_runs = 3;
    whet_bench_result r;
    if (whet_bench_run(once, o, &options, samples, MAX_SAMPLES, &r)) return -1;
    qsort(samples, (size_t)r.n, sizeof *samples, by_value);
    return samples[r.n / 4];
}

static double measure(whet_tuner *t, const whet_problem *p, const whet_kernel *k,
                      const int32_t *params, double best) {
    whet_arena_reset(&t->scratch);
    whet_arena_reset(&t->eval);
    t->next_buffer = 0;
    whet_step s = {.kernel = k, .problem = *p, .name = k->name};
    memcpy(s.params, params, sizeof s.params);
    s.call = (whet_call){.p = &s.problem, .params = s.params, .node = k->name, .arena = &t->eval,
                          .alloc = alloc_output, .alloc_user = t};
    size_t stride;
    if (!make_step(t, &s, &stride)) return -1;
    whet_segment_run run = {.steps = &s, .n_steps = 1, .workers = t->env->workers,
                            .max_threads = t->threads, .scratch_stride = stride,
                            .errors = t->errors};
    run.counters = take_buffer(t, whet_cpu_counter_bytes(&s, 1, t->threads));
    run.scratch = take_buffer(t, stride * (size_t)t->threads);
    once_state o = {.run = &run};
    if (!run.scratch || !run.counters) return -1;
    double seconds = time_step(&o, best);
    if (seconds >= 0) t->measured++;
    return seconds;
}

// ---- prices ----

static void learn(whet_tuner *t, double seconds, double model) {
    if (!(seconds > 0) || !(model > 0)) return;
    double l = log(seconds / model);
    t->log_all += l;
    t->log_here += l;
    t->n_all++;
    t->n_here++;
}

// Of something that is not measured, to be compared with what is.
static double estimate(const whet_tuner *t, double model) {
    double l = t->n_here  ? t->log_here / (double)t->n_here
               : t->n_all ? t->log_all / (double)t->n_all : 0;
    return model * exp(l);
}

double whet_tuner_price(void *user, const whet_problem *p, const whet_kernel *k,
                        const int32_t *params, double best) {
    whet_tuner *t = user;
    double model = whet_kernel_cost(k, p, params);
    whet_str key;
    if (best < 0) t->log_here = 0, t->n_here = 0;
    whet_str_init(&key);
    make_key(t, p, k, params, &key);
    double seconds = key.failed ? -1 : whet_timing_cache_get(t->cache, whet_str_text(&key));
    bool timed = true;
    if (seconds < 0) {
        bool wanted = t->measure && !k->backend;
        timed = wanted && (t->until <= 0 || whet_now() < t->until);
        t->skipped += wanted && !timed;
        seconds = timed ? measure(t, p, k, params, best) : estimate(t, model);
        if (timed && seconds >= 0 && !key.failed)
            whet_timing_cache_put(t->cache, whet_str_text(&key), seconds);
    }
    if (timed) learn(t, seconds, model);
    whet_str_fini(&key);
    return seconds;
}

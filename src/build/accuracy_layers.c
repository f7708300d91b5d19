// SPDX-License-Identifier: Apache-2.0
// How far each layer of the finished engine is off: what its steps make of one batch beside what
// FP32 makes of it.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"

typedef struct {
    const char *name;   // in FP32
    int32_t step;       // of the engine, which makes it
    const char *made;   // its name there
    double *reference;  // [count] once seen
    int64_t count;
} layer;

typedef struct {
    layer *v;           // by name; by `made` while the engine runs
    int32_t n;
    double *snr;        // [steps]
    whet_arena *arena;
    bool failed;        // out of memory
} layers;

static int by_name(const void *a, const void *b) {
    return strcmp(((const layer *)a)->name, ((const layer *)b)->name);
}

static int by_made(const void *a, const void *b) {
    return strcmp(((const layer *)a)->made, ((const layer *)b)->made);
}

// What a value that calibration made is made of.
static const char *float_name(whet_arena *arena, const char *name) {
    static const char *const ends[] = {"_quantized", "_dequantized"};
    size_t n = strlen(name);
    for (int32_t i = 0; i < WHET_COUNT(ends); i++) {
        size_t k = strlen(ends[i]);
        if (n > k && !strcmp(name + n - k, ends[i])) return whet_arena_strndup(arena, name, n - k);
    }
    return name;
}

static whet_status list_layers(layers *l, const whet_engine *e, whet_error *err) {
    const whet_plan *p = e->plan;
    l->v = WHET_NEW_ARRAY(l->arena, layer, p->n_steps + 1);
    if (!l->v) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        if (!s->op && !s->chain) continue; // conversions of layout make nothing new
        if (!s->n_out || s->out[0] < 0) continue;
        const char *made = e->graph->values[p->tensors[s->out[0]].value].name;
        const char *name = float_name(l->arena, made);
        if (!name) return WHET_NOMEM(err);
        l->v[l->n++] = (layer){.name = name, .made = made, .step = i};
    }
    qsort(l->v, (size_t)l->n, sizeof *l->v, by_name);
    return WHET_OK;
}

static bool is_numbers(const whet_tensor *t) {
    return whet_dtype_is_float(t->dtype) || t->dtype == WHET_DTYPE_U8 || t->dtype == WHET_DTYPE_I8;
}

static void keep_reference(void *user, const char *name, const whet_tensor *t) {
    layers *l = user;
    layer key = {.name = name};
    layer *found = bsearch(&key, l->v, (size_t)l->n, sizeof key, by_name);
    if (!found || !whet_dtype_is_float(t->dtype)) return;
    int64_t n = whet_dims_count(t->dims, t->rank);
    double *copy = WHET_NEW_ARRAY(l->arena, double, n + 1);
    if (!copy) {
        l->failed = true;
        return;
    }
    for (int64_t i = 0; i < n; i++) copy[i] = whet_load_f64(t->data, t->dtype, i);
    for (layer *r = l->v; r < l->v + l->n; r++) // others of the same name lie beside it
        if (!strcmp(r->name, name)) r->reference = copy, r->count = n;
}

// Of two rows of numbers that are the same but for scale, offset and noise.
static double ratio_of(const double *x, const whet_tensor *t, int64_t n) {
    double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int64_t i = 0; i < n; i++) mx += x[i], my += whet_load_f64(t->data, t->dtype, i);
    mx /= (double)n, my /= (double)n;
    for (int64_t i = 0; i < n; i++) {
        double a = x[i] - mx, b = whet_load_f64(t->data, t->dtype, i) - my;
        xx += a * a, yy += b * b, xy += a * b;
    }
    double both = xx * yy, noise = both - xy * xy, least = 1e-14 * both;
    if (!(both > 0) || !(noise < both)) return NAN;
    return 10 * log10(xy * xy / (noise > least ? noise : least));
}

static void compare(void *user, const char *name, const whet_tensor *t) {
    layers *l = user;
    layer key = {.made = name};
    const layer *found = bsearch(&key, l->v, (size_t)l->n, sizeof key, by_made);
    if (!found || !found->reference || !is_numbers(t)) return;
    int64_t n = whet_dims_count(t->dims, t->rank);
    if (n == found->count && n > 1) l->snr[found->step] = ratio_of(found->reference, t, n);
}

static whet_status run_tapped(whet_accuracy *a, whet_engine *e, whet_tap_fn tap, layers *l,
                              whet_error *err) {
    whet_context *c = NULL;
    whet_status status = whet_context_create(e, &c);
    if (status != WHET_OK) return whet_error_set(err, status, "%s", whet_error_text(e));
    whet_tensor *outputs = WHET_NEW_ARRAY(l->arena, whet_tensor, a->n_outputs + 1);
    whet_context_set_threads(c, a->x->threads);
    whet_context_set_tap(c, tap, l);
    status = outputs ? whet_context_run(c, a->batches[0].inputs, a->n_inputs, outputs,
                                        a->n_outputs)
                     : WHET_E_NOMEM;
    if (status != WHET_OK) whet_error_set(err, status, "accuracy: %s", whet_error_text(c));
    whet_context_destroy(c);
    return l->failed ? WHET_NOMEM(err) : status;
}

static whet_status run_float(whet_accuracy *a, layers *l, whet_error *err) {
    whet_plan_options o = {.threads = a->x->threads, .no_fusion = true, .plain_only = true};
    whet_env *env = a->x->env;
    whet_plan *plan = NULL;
    whet_engine *e = NULL;
    whet_pgraph *g = a->whole.graph;
    whet_status status;
    WHET_TRY_GOTO(whet_plan_make(g, env, &o, &plan, err));
    WHET_TRY_GOTO(whet_plan_pack(plan, g, env, NULL, 0, err));
    WHET_TRY_GOTO(whet_engine_wrap(env, g, plan, &e, err));
    status = run_tapped(a, e, keep_reference, l, err);
    for (int32_t i = 0; i < a->n_inputs && status == WHET_OK; i++)
        keep_reference(l, g->values[g->inputs[i]].name, &a->batches[0].inputs[i]);
    if (l->failed) status = WHET_NOMEM(err);
fail:
    whet_engine_destroy(e);
    whet_plan_destroy(plan);
    return status;
}

whet_status whet_accuracy_layers(whet_accuracy *a, whet_engine *e, double *snr, whet_error *err) {
    whet_arena arena;
    whet_arena_init(&arena);
    layers l = {.snr = snr, .arena = &arena};
    for (int32_t i = 0; i < e->plan->n_steps; i++) snr[i] = NAN;
    whet_status status = list_layers(&l, e, err);
    if (status == WHET_OK) status = run_float(a, &l, err);
    if (status == WHET_OK) {
        qsort(l.v, (size_t)l.n, sizeof *l.v, by_made);
        status = run_tapped(a, e, compare, &l, err);
    }
    whet_arena_fini(&arena);
    return status;
}

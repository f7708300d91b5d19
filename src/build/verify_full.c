// SPDX-License-Identifier: Apache-2.0
// verify=full: samples through the finished engine, every step compared with its C reference and
// the outputs with those of the model before the passes.
#include "build/calib.h"
#include "build/verify.h"

typedef struct {
    whet_build *x;
    whet_engine *engine;
    whet_checker *checker;
    whet_error worst; // of the outputs, the first
    int32_t samples;
} full;

// A model that rounds to them between nodes: engines do not.
static bool has_halves(const whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_values; i++) {
        whet_dtype t = g->values[i].type.dtype;
        if (t == WHET_DTYPE_F16 || t == WHET_DTYPE_BF16) return true;
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (has_halves(g->blocks[i])) return true;
    return false;
}

static whet_pgraph *model_of(const whet_build *x) {
    const whet_pgraph *g = x->graph, *m = x->imported;
    bool alike = m && m->n_inputs == g->n_inputs && m->n_outputs == g->n_outputs;
    if (alike && has_halves(m)) return x->graph;
    return alike ? x->imported : x->graph;
}

static whet_status run_sample(full *f, const whet_tensor *inputs, int32_t profile) {
    whet_build *x = f->x;
    whet_pgraph *graph = model_of(x);
    whet_end_to_end v = {.env = x->env, .engine = f->engine, .graph = graph,
                         .before = graph == x->imported, .checker = f->checker,
                         .inputs = inputs, .profile = profile, .threads = x->threads,
                         .bf16 = x->bf16, .fp16 = x->fp16};
    whet_status status = whet_verify_end_to_end(&v, x->err);
    f->samples++;
    if (status != WHET_E_VERIFY) return status;
    if (f->worst.status == WHET_OK) f->worst = *x->err;
    return WHET_OK;
}

static whet_status run_calibration(full *f) {
    whet_build *x = f->x;
    whet_calib_data *data = NULL;
    const whet_graph *g = x->copy ? x->copy : x->b->import.graph;
    whet_status status = whet_calib_data_open(x, g, &x->arena, &data, x->err);
    while (status == WHET_OK && f->samples < x->c->verify_samples) {
        const whet_tensor *inputs;
        status = whet_calib_data_next(data, &inputs, x->err);
        if (status != WHET_OK || !inputs) break;
        status = run_sample(f, inputs, -1);
        if (!whet_build_report(x, f->samples, x->c->verify_samples))
            status = whet_error_set(x->err, WHET_E_CANCELLED, "the build was cancelled");
    }
    whet_calib_data_close(data);
    return status;
}

static int32_t count(const whet_verified_plan *p, whet_verified_state state) {
    int32_t n = 0;
    for (int32_t i = 0; i < p->n_steps; i++) n += p->steps[i].state == state;
    for (int32_t i = 0; i < p->n_blocks; i++) n += count(&p->blocks[i], state);
    return n;
}

static void tell(const full *f, const whet_verified *v) {
    int32_t n[WHET_VERIFIED_STATES] = {0};
    for (int32_t i = 0; i < v->n_plans; i++)
        for (int32_t s = 0; s < WHET_VERIFIED_STATES; s++)
            n[s] += count(&v->plans[i], (whet_verified_state)s);
    whet_env_log(f->x->env, WHET_LOG_INFO,
                 "verified on %d %s: %d steps agree with their references, %d run the references "
                 "themselves, %d differ, %d were not checked",
                 f->samples, v->calibration ? "samples" : "random samples",
                 n[WHET_VERIFIED_AGREES], n[WHET_VERIFIED_REFERENCE], n[WHET_VERIFIED_DIFFERS],
                 n[WHET_VERIFIED_NEVER_RAN] + n[WHET_VERIFIED_UNKNOWN]);
}

whet_status whet_verify_full(whet_build *x, whet_engine *engine, whet_verified **found) {
    full f = {.x = x, .engine = engine};
    whet_status status =
        whet_checker_create(x->env, engine, x->graph, false, &x->arena, &f.checker, x->err);
    if (status != WHET_OK) return status;
    whet_verified *v = whet_checker_result(f.checker);
    // calibrating has taken the samples that a function gives
    bool given = x->c->calibration || (x->c->calib_next && !whet_config_int8(x->c));
    if (x->b && given) status = run_calibration(&f);
    v->calibration = f.samples > 0;
    // profiles that no sample came to
    for (int32_t i = 0; i < engine->n_plans && status == WHET_OK; i++)
        if (!whet_checker_saw(f.checker, engine->plans[i])) status = run_sample(&f, NULL, i);
    v->samples = f.samples;
    if (status == WHET_OK) {
        tell(&f, v);
        status = whet_checker_report(f.checker, x->err);
    }
    if (status == WHET_OK && f.worst.status != WHET_OK) {
        status = whet_error_set(x->err, WHET_E_VERIFY,
                                "%s, though every layer agrees with its reference: a pass changed "
                                "the model, `whet compare` finds where", f.worst.text);
    }
    whet_checker_destroy(f.checker);
    *found = v;
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// The search: everything in integers that is faster so; where that does not hold, the noise that
// each operator brings alone, and the ones left in float that cost the least time for the noise
// they take away, as many as the samples ask for.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bench.h"
#include "build/accuracy.h"
#include "build/builder_impl.h"

enum {
    PRUNES = 6,         // plans that leave out what is slower
    CHECKS = 8,         // whole assignments run on all samples while a target is looked for
    TURNS = 5,          // whole plans run to time them
    PROBE_SAMPLES = 64, // that an operator alone is run on
};
#define TIME_SHARE 0.5  // of a build's budget, after which nothing more is probed
#define NEAR 1.2        // a target that near to one that failed is not looked for

typedef struct {
    whet_accuracy *a;
    whet_calib *c;
    whet_build *x;
    whet_error *err;
    whet_candidate *ops;
    int32_t n, n_groups;
    bool *keep;           // the assignment at hand
    double time;          // its plan
    int64_t done, total;  // variants, for the progress
} search;

static whet_status step(search *s) {
    s->done++;
    if (s->done > s->total) s->total = s->done;
    if (whet_build_report(s->x, s->done, s->total)) return WHET_OK;
    WHET_FAIL(s->err, WHET_E_CANCELLED, "the build was cancelled");
}

static void keep_all(search *s, bool *keep) {
    for (int32_t i = 0; i < s->n; i++) keep[i] = s->ops[i].choice != WHET_CHOICE_ASKED;
}

static whet_status list_ops(search *s) {
    whet_calib *c = s->c;
    whet_accuracy *a = s->a;
    a->n_ops = s->n = c->n_ops;
    a->ops = s->ops = WHET_NEW_ARRAY(&a->arena, whet_candidate, s->n + 1);
    s->keep = WHET_NEW_ARRAY(c->arena, bool, s->n + 1);
    if (!a->ops || !s->keep) return WHET_NOMEM(s->err);
    for (int32_t i = 0; i < s->n; i++) {
        whet_calib_op *op = &c->ops[i];
        const whet_calib_seen *seen = op->site < 0 ? NULL : &c->seen[c->sites[op->site].seen];
        whet_candidate *o = &s->ops[i];
        o->name = whet_arena_strdup(&a->arena, op->node->name);
        if (!o->name) return WHET_NOMEM(s->err);
        o->op = op->node->op->name;
        o->noise = o->int8_time = o->float_time = -1;
        WHET_TRY(whet_calib_round_weights(op, c->arena, s->err));
        o->rounding = op->weights->noise;
        s->keep[i] = !seen || !seen->known;
        if (s->keep[i]) o->choice = WHET_CHOICE_UNSEEN;
        else o->rounding += whet_calib_range_noise(&seen->stats, &seen->range);
        if (!s->keep[i] && op->node->demand.compute == WHET_DTYPE_I8)
            o->choice = WHET_CHOICE_ASKED;
    }
    return WHET_OK;
}

// ---- time ----

static bool measures(const search *s) {
    return s->x->c->level >= 3 && !s->x->c->deterministic && s->x->c->plan == WHET_PLAN_TUNED;
}

// The float plan, and the one with everything in integers: what each operator takes in either.
static whet_status time_both(search *s) {
    double *t = WHET_NEW_ARRAY(s->c->arena, double, s->n + 1);
    bool *all = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    whet_variant v;
    if (!t || !all) return WHET_NOMEM(s->err);
    keep_all(s, all);
    WHET_TRY(whet_build_start(s->x, "tuning in float"));
    WHET_TRY(whet_variant_make(s->c, all, WHET_VARIANT_TUNED | WHET_VARIANT_SHOW, &v, s->err));
    whet_status status = whet_variant_times(&v, s->a, t, s->err);
    s->a->float_time = v.time;
    whet_variant_free(&v);
    WHET_TRY(status);
    for (int32_t i = 0; i < s->n; i++) s->ops[i].float_time = t[i];
    WHET_TRY(whet_build_start(s->x, "tuning in int8"));
    WHET_TRY(whet_variant_make(s->c, s->keep, WHET_VARIANT_TUNED | WHET_VARIANT_SHOW, &v, s->err));
    status = whet_variant_times(&v, s->a, t, s->err);
    s->a->int8_time = s->time = v.time;
    whet_variant_free(&v);
    for (int32_t i = 0; i < s->n; i++)
        if (!s->keep[i]) s->ops[i].int8_time = t[i];
    return status;
}

static double gain(const whet_candidate *o) {
    return o->int8_time >= 0 && o->float_time >= 0 ? o->float_time - o->int8_time : 0;
}

typedef struct {
    double worth;
    int32_t op;
} row;

static int by_worth(const void *a, const void *b) {
    const row *x = a, *y = b;
    if (x->worth != y->worth) return x->worth < y->worth ? 1 : -1;
    return x->op - y->op;
}

// Leaves in float what is not faster in integers, the conversions made for it counted: all of it,
// or the worst half, or the worst quarter, as long as that makes the plan faster.
static whet_status drop_slower(search *s) {
    bool *next = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    double *t = WHET_NEW_ARRAY(s->c->arena, double, s->n + 1);
    row *rows = WHET_NEW_ARRAY(s->c->arena, row, s->n + 1);
    if (!next || !t || !rows) return WHET_NOMEM(s->err);
    for (int32_t round = 0, part = 1; round < PRUNES; round++) {
        int32_t n = 0;
        for (int32_t i = 0; i < s->n; i++)
            if (!s->keep[i] && s->ops[i].choice == WHET_CHOICE_INT8 &&
                s->ops[i].int8_time >= 0 && gain(&s->ops[i]) <= 0)
                rows[n++] = (row){-gain(&s->ops[i]), i};
        if (n < part) break;
        qsort(rows, (size_t)n, sizeof *rows, by_worth);
        memcpy(next, s->keep, sizeof *next * (size_t)s->n);
        for (int32_t i = 0; i < n / part; i++) next[rows[i].op] = true;
        whet_variant v;
        WHET_TRY(whet_variant_make(s->c, next, WHET_VARIANT_TUNED, &v, s->err));
        bool better = v.time < s->time;
        whet_status status = better ? whet_variant_times(&v, s->a, t, s->err) : WHET_OK;
        if (better) s->time = v.time;
        whet_variant_free(&v);
        WHET_TRY(status);
        WHET_TRY(step(s));
        if (!better) {
            part *= 2;
            continue;
        }
        for (int32_t i = 0; i < s->n; i++) {
            if (next[i] && !s->keep[i]) s->ops[i].choice = WHET_CHOICE_SLOWER;
            if (!next[i]) s->ops[i].int8_time = t[i];
        }
        memcpy(s->keep, next, sizeof *next * (size_t)s->n);
    }
    return WHET_OK;
}

// ---- accuracy ----

// Runs an assignment on all samples, planned as the engine will be.
static whet_status check(search *s, const bool *keep, whet_figures *f, double *time) {
    whet_variant v;
    WHET_TRY(whet_variant_make(s->c, keep, WHET_VARIANT_TUNED, &v, s->err));
    whet_status status = whet_variant_run(&v, s->a, 0, false, s->err);
    if (status == WHET_OK) status = whet_accuracy_compare(s->a, 0, f, s->err);
    *time = v.time;
    whet_variant_free(&v);
    WHET_TRY(status);
    return step(s);
}

static whet_status run_reference(search *s) {
    whet_variant *v = &s->a->whole;
    WHET_TRY(whet_variant_make(s->c, NULL, WHET_VARIANT_WHOLE, v, s->err));
    WHET_TRY(whet_variant_run(v, s->a, 0, true, s->err));
    whet_plan_destroy(v->plan);
    v->plan = NULL;
    if (s->a->full)
        whet_env_log(s->x->env, WHET_LOG_WARNING,
                     "accuracy: only the first %lld samples are compared: more of them or of their "
                     "outputs take too much memory", (long long)s->a->samples);
    return WHET_OK;
}

static void group_ops(search *s) {
    int32_t active = 0, at = 0;
    int64_t most = s->x->c->accuracy_runs;
    for (int32_t i = 0; i < s->n; i++) active += !s->keep[i];
    s->n_groups = active < most ? active : (int32_t)most;
    for (int32_t i = 0; i < s->n; i++)
        s->ops[i].group =
            s->keep[i] ? -1 : (int32_t)((int64_t)at++ * s->n_groups / (active ? active : 1));
}

// Noise of the outputs when one group alone is rounded, the rest being FP32.
static whet_status probe(search *s, int32_t group, bool *keep) {
    whet_variant v;
    whet_figures f;
    double rounding = 0;
    for (int32_t i = 0; i < s->n; i++) {
        keep[i] = s->ops[i].group != group;
        if (!keep[i]) rounding += s->ops[i].rounding;
    }
    WHET_TRY(whet_variant_make(s->c, keep, 0, &v, s->err));
    whet_status status = whet_variant_run(&v, s->a, PROBE_SAMPLES, false, s->err);
    if (status == WHET_OK) status = whet_accuracy_compare(s->a, PROBE_SAMPLES, &f, s->err);
    whet_variant_free(&v);
    WHET_TRY(status);
    for (int32_t i = 0; i < s->n; i++)
        if (!keep[i])
            s->ops[i].noise = f.noise * (rounding > 0 ? s->ops[i].rounding / rounding : 1);
    return step(s);
}

static whet_status probe_all(search *s) {
    double probed = 0, rounding = 0;
    const whet_config *o = s->x->c;
    bool *keep = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    if (!keep) return WHET_NOMEM(s->err);
    group_ops(s);
    s->total = s->done + s->n_groups + CHECKS;
    for (int32_t g = 0; g < s->n_groups; g++) {
        if (o->budget && whet_now() > s->x->begin + TIME_SHARE * (double)o->budget) break;
        WHET_TRY(probe(s, g, keep));
    }
    for (int32_t i = 0; i < s->n; i++)
        if (s->ops[i].noise >= 0) probed += s->ops[i].noise, rounding += s->ops[i].rounding;
    for (int32_t i = 0; i < s->n; i++) // as much as the others bring for what rounding does there
        if (s->ops[i].noise < 0)
            s->ops[i].noise = s->ops[i].rounding * (rounding > 0 ? probed / rounding : 1);
    return WHET_OK;
}

// ---- the choice ----

// From the assignment `most` the operators into float that take away the most noise for the time
// they cost, until the noise of the others is no more than `target`; then back what fits.
static whet_status choose(const search *s, const bool *most, double target, bool *keep) {
    double noise = 0, least = 1e-12;
    int32_t n = 0;
    row *rows = WHET_NEW_ARRAY(s->c->arena, row, s->n + 1);
    if (!rows) return WHET_NOMEM(s->err);
    memcpy(keep, most, sizeof *keep * (size_t)s->n);
    for (int32_t i = 0; i < s->n; i++) {
        if (keep[i]) continue;
        double cost = gain(&s->ops[i]);
        noise += s->ops[i].noise;
        if (s->ops[i].choice == WHET_CHOICE_ASKED) continue;
        rows[n++] = (row){s->ops[i].noise / (cost > least ? cost : least), i};
    }
    qsort(rows, (size_t)n, sizeof *rows, by_worth);
    for (int32_t i = 0; i < n && noise > target; i++) {
        keep[rows[i].op] = true;
        noise -= s->ops[rows[i].op].noise;
    }
    for (int32_t i = 0; i < n; i++) rows[i].worth = gain(&s->ops[rows[i].op]);
    qsort(rows, (size_t)n, sizeof *rows, by_worth);
    for (int32_t i = 0; i < n; i++) {
        int32_t op = rows[i].op;
        if (!keep[op] || noise + s->ops[op].noise > target) continue;
        keep[op] = false;
        noise += s->ops[op].noise;
    }
    return WHET_OK;
}

// Looks for the largest noise that the budget holds with: between none and that of everything,
// which does not. *held: an assignment was found; keep and time are its.
static whet_status back_off(search *s, whet_figures f, bool *held) {
    size_t bytes = sizeof(bool) * (size_t)(s->n + 1);
    bool *most = whet_arena_memdup(s->c->arena, s->keep, bytes);
    bool *next = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    bool *last = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    if (!most || !next || !last) return WHET_NOMEM(s->err);
    double sum = 0, low = 0;
    for (int32_t i = 0; i < s->n; i++) sum += most[i] ? 0 : s->ops[i].noise;
    double high = sum, target = sum * whet_budget_room(&s->a->budget, &f, &s->a->margins);
    *held = false;
    for (int32_t i = 0; i < CHECKS && !(low > 0 && high < NEAR * low); i++) {
        double time;
        WHET_TRY(choose(s, most, target, next));
        if (i && !memcmp(next, last, sizeof *next * (size_t)s->n)) break;
        memcpy(last, next, sizeof *next * (size_t)s->n);
        WHET_TRY(check(s, next, &f, &time));
        bool holds = whet_budget_holds(&s->a->budget, &f);
        whet_env_log(s->x->env, WHET_LOG_VERBOSE, "accuracy: a noise of %.3g of %.3g %s", target,
                     sum, holds ? "holds" : "does not hold");
        if (holds) {
            low = target;
            if (!*held || time < s->time) {
                s->time = time;
                s->a->figures = f;
                memcpy(s->keep, next, bytes);
            }
            *held = true;
            target = sqrt(low * high);
        } else {
            high = target;
            double room = whet_budget_room(&s->a->budget, &f, &s->a->margins);
            target = low > 0 ? sqrt(low * high) : target * (room < 0.5 ? room : 0.5);
        }
    }
    for (int32_t i = 0; i < s->n && *held; i++)
        if (s->keep[i] && !most[i]) s->ops[i].choice = WHET_CHOICE_COSTLY;
    return WHET_OK;
}

static whet_status all_float(search *s) {
    double time;
    keep_all(s, s->keep);
    for (int32_t i = 0; i < s->n; i++)
        if (s->ops[i].choice == WHET_CHOICE_INT8) s->ops[i].choice = WHET_CHOICE_ALL;
    WHET_TRY(check(s, s->keep, &s->a->figures, &time));
    s->time = time;
    return WHET_OK;
}

// Where not even bf16 alone holds, what is not rounded to 8 bits stays f32.
static whet_status leave_bf16(search *s) {
    s->x->bf16 = false;
    s->a->no_bf16 = true;
    whet_env_log(s->x->env, WHET_LOG_INFO, "accuracy: bf16 alone does not hold: not used");
    WHET_TRY(time_both(s));
    return whet_build_start(s->x, "mixing precisions");
}

static whet_status try_bf16(search *s) {
    bool *all = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    whet_figures f;
    double time;
    if (!all) return WHET_NOMEM(s->err);
    if (!s->x->bf16) return WHET_OK;
    keep_all(s, all);
    WHET_TRY(check(s, all, &f, &time));
    return whet_budget_holds(&s->a->budget, &f) ? WHET_OK : leave_bf16(s);
}

// Nothing is gained in integers beside bf16. If bf16 holds, that is it; else FP32 is what they are
// to be faster than.
static whet_status settle_in_float(search *s, bool *done) {
    bool *keep = whet_arena_memdup(s->c->arena, s->keep, sizeof(bool) * (size_t)(s->n + 1));
    double time = s->time;
    if (!keep) return WHET_NOMEM(s->err);
    WHET_TRY(all_float(s));
    *done = !s->x->bf16 || whet_budget_holds(&s->a->budget, &s->a->figures);
    if (*done) return WHET_OK;
    s->keep = keep, s->time = time;
    for (int32_t i = 0; i < s->n; i++)
        if (s->ops[i].choice == WHET_CHOICE_ALL) s->ops[i].choice = WHET_CHOICE_INT8;
    return leave_bf16(s);
}

// Both from end to end, turn by turn: a sum of steps does not see what lies between them.
static whet_status is_slower(search *s, bool *slower) {
    *slower = s->time >= s->a->float_time;
    if (!measures(s)) return WHET_OK;
    bool *all = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1);
    whet_variant v[2];
    double best[2] = {INFINITY, INFINITY};
    if (!all) return WHET_NOMEM(s->err);
    keep_all(s, all);
    WHET_TRY(whet_variant_make(s->c, all, WHET_VARIANT_TUNED, &v[0], s->err));
    whet_status status = whet_variant_make(s->c, s->keep, WHET_VARIANT_TUNED, &v[1], s->err);
    for (int32_t i = 0; i < 2 * TURNS && status == WHET_OK; i++) {
        double t = whet_build_time_plan(s->x, v[i % 2].graph, v[i % 2].plan);
        if (t >= 0 && t < best[i % 2]) best[i % 2] = t;
    }
    whet_variant_free(&v[0]);
    if (status == WHET_OK) whet_variant_free(&v[1]);
    if (isfinite(best[0]) && isfinite(best[1])) {
        *slower = best[1] >= best[0];
        s->a->float_whole = best[0], s->a->chosen_whole = best[1];
    }
    return status;
}

static whet_status run_search(search *s) {
    bool held = true, slower, done = false;
    WHET_TRY(list_ops(s));
    WHET_TRY(whet_build_start(s->x, "running in float"));
    WHET_TRY(run_reference(s));
    WHET_TRY(time_both(s));
    WHET_TRY(whet_build_start(s->x, "mixing precisions"));
    s->total = PRUNES + 2;
    WHET_TRY(drop_slower(s));
    WHET_TRY(is_slower(s, &slower));
    if (slower) WHET_TRY(settle_in_float(s, &done));
    if (done) return WHET_OK;
    WHET_TRY(check(s, s->keep, &s->a->figures, &s->time));
    if (!whet_budget_holds(&s->a->budget, &s->a->figures)) {
        WHET_TRY(try_bf16(s));
        WHET_TRY(probe_all(s));
        WHET_TRY(back_off(s, s->a->figures, &held));
    }
    if (held) WHET_TRY(is_slower(s, &slower));
    return slower || !held ? all_float(s) : WHET_OK;
}

whet_status whet_accuracy_search(whet_accuracy *a, whet_calib *c, bool **keep, whet_error *err) {
    search s = {.a = a, .c = c, .x = a->x, .err = err};
    WHET_TRY(run_search(&s));
    a->chosen_time = s.time;
    a->searched = true;
    *keep = s.keep;
    whet_accuracy_log(a);
    return WHET_OK;
}

whet_status whet_accuracy_confirm(whet_accuracy *a, whet_engine *e, whet_error *err) {
    WHET_TRY(whet_build_start(a->x, "comparing with float"));
    WHET_TRY(whet_accuracy_run(a, e, 0, false, err));
    return whet_accuracy_compare(a, 0, &a->figures, err);
}

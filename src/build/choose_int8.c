// SPDX-License-Identifier: Apache-2.0
// Where a build may use int8, an operator that is faster in float stays there: both plans are
// priced by the tuner, then operators whose steps, the conversions made for them counted, take
// longer in integers are tried in float, all at once and then one by one, and stay where that makes
// the whole plan faster. Accuracy plays no part here (that is accuracy.c).
#include <stdlib.h>
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"

enum { MOST_TRIED = 48 };  // operators tried one by one
#define LEAST_GAIN 0.002   // of the plan's time

typedef struct {
    whet_build *x;
    whet_calib *c;
    whet_error *err;
    whet_accuracy names; // of the operators only
    bool *keep, *next;   // stay in float: what holds, what is tried
    double *int8, *real; // seconds of each operator; < 0: not known
    int32_t n;
    double time;         // of the plan that holds
} chooser;

static whet_status init(chooser *s) {
    whet_calib *c = s->c;
    s->n = s->names.n_ops = c->n_ops;
    s->names.ops = WHET_NEW_ARRAY(c->arena, whet_candidate, s->n + 1);
    s->keep = WHET_NEW_ARRAY(c->arena, bool, s->n + 1);
    s->next = WHET_NEW_ARRAY(c->arena, bool, s->n + 1);
    s->int8 = WHET_NEW_ARRAY(c->arena, double, s->n + 1);
    s->real = WHET_NEW_ARRAY(c->arena, double, s->n + 1);
    if (!s->names.ops || !s->keep || !s->next || !s->int8 || !s->real) return WHET_NOMEM(s->err);
    for (int32_t i = 0; i < s->n; i++) {
        whet_calib_op *op = &c->ops[i];
        s->names.ops[i].name = op->node->name;
        s->keep[i] = op->site < 0 || !c->seen[c->sites[op->site].seen].known;
        WHET_TRY(whet_calib_round_weights(op, c->arena, s->err));
    }
    return WHET_OK;
}

static bool may_stay(const chooser *s, int32_t i) {
    return s->c->ops[i].node->demand.compute != WHET_DTYPE_I8;
}

// Seconds of the plan with s->next in float, and of its operators.
static whet_status price(chooser *s, int32_t flags, double *time, double *times) {
    whet_variant v;
    WHET_TRY(whet_variant_make(s->c, s->next, WHET_VARIANT_TUNED | flags, &v, s->err));
    *time = v.time;
    whet_status status = times ? whet_variant_times(&v, &s->names, times, s->err) : WHET_OK;
    whet_variant_free(&v);
    return status;
}

// Takes s->next when it is faster.
static whet_status attempt(chooser *s, bool *taken) {
    double time;
    WHET_TRY(price(s, 0, &time, NULL));
    *taken = time < s->time * (1 - LEAST_GAIN);
    if (*taken) s->time = time;
    memcpy(*taken ? s->keep : s->next, *taken ? s->next : s->keep,
           sizeof *s->keep * (size_t)s->n);
    return WHET_OK;
}

static double loss(const chooser *s, int32_t i) {
    bool known = !s->keep[i] && may_stay(s, i) && s->int8[i] >= 0 && s->real[i] >= 0;
    return known ? s->int8[i] - s->real[i] : -1;
}

static whet_status try_all(chooser *s) {
    bool any = false, taken;
    for (int32_t i = 0; i < s->n; i++)
        if (loss(s, i) > 0) s->next[i] = any = true;
    return any ? attempt(s, &taken) : WHET_OK;
}

// The worst first. Those in float already make their neighbours pay for conversions, so these come
// last and once more.
static whet_status try_each(chooser *s) {
    bool *tried = WHET_NEW_ARRAY(s->c->arena, bool, s->n + 1), taken;
    if (!tried) return WHET_NOMEM(s->err);
    for (int32_t count = 0; count < MOST_TRIED; count++) {
        int32_t worst = -1;
        for (int32_t i = 0; i < s->n; i++)
            if (!tried[i] && loss(s, i) > 0 && (worst < 0 || loss(s, i) > loss(s, worst)))
                worst = i;
        if (worst < 0) return WHET_OK;
        tried[worst] = s->next[worst] = true;
        WHET_TRY(attempt(s, &taken));
        if (taken) WHET_TRY(price(s, 0, &s->time, s->int8));
        if (!whet_build_report(s->x, count + 1, MOST_TRIED))
            WHET_FAIL(s->err, WHET_E_CANCELLED, "the build was cancelled");
    }
    return WHET_OK;
}

// Everything that may be.
static whet_status try_float(chooser *s, double time) {
    bool taken = false;
    for (int32_t i = 0; i < s->n; i++) s->next[i] = s->keep[i] || may_stay(s, i);
    if (time < s->time) WHET_TRY(attempt(s, &taken));
    memcpy(s->next, s->keep, sizeof *s->keep * (size_t)s->n);
    return WHET_OK;
}

static void log_choice(const chooser *s, double all_int8, double all_float) {
    int32_t n = 0;
    for (int32_t i = 0; i < s->n; i++) {
        if (!s->keep[i]) continue;
        n++;
        whet_env_log(s->x->env, WHET_LOG_VERBOSE, "\"%s\" stays in float", s->names.ops[i].name);
    }
    whet_env_log(s->x->env, WHET_LOG_INFO,
                 "int8: %d of %d operators, where that is faster (%.4g ms expected; all of them "
                 "%.4g, none %.4g)", s->n - n, s->n, s->time * 1e3, all_int8 * 1e3,
                 all_float * 1e3);
}

static bool measures(const whet_build *x) {
    return x->c->level >= 1 && !x->c->deterministic && x->c->plan == WHET_PLAN_TUNED &&
           x->c->int8_layers == WHET_INT8_FASTER;
}

whet_status whet_choose_int8(whet_calib *c, const bool **keep, whet_error *err) {
    chooser s = {.x = c->x, .c = c, .err = err};
    double all_int8, all_float;
    *keep = NULL;
    if (!measures(c->x)) return WHET_OK;
    WHET_TRY(init(&s));
    for (int32_t i = 0; i < s.n; i++) s.next[i] = s.keep[i] || may_stay(&s, i);
    WHET_TRY(whet_build_start(c->x, "tuning in float"));
    WHET_TRY(price(&s, WHET_VARIANT_SHOW, &all_float, s.real));
    memcpy(s.next, s.keep, sizeof *s.keep * (size_t)s.n);
    WHET_TRY(whet_build_start(c->x, "tuning in int8"));
    WHET_TRY(price(&s, WHET_VARIANT_SHOW, &all_int8, s.int8));
    s.time = all_int8;
    WHET_TRY(whet_build_start(c->x, "choosing types"));
    WHET_TRY(try_all(&s));
    WHET_TRY(try_each(&s));
    WHET_TRY(try_float(&s, all_float));
    log_choice(&s, all_int8, all_float);
    *keep = s.keep;
    return WHET_OK;
}

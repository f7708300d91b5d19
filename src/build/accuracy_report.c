// SPDX-License-Identifier: Apache-2.0
// What was chosen, why, and what can be said of it.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "build/accuracy.h"
#include "build/builder_impl.h"

static double decibels(double noise) { return noise > 0 ? -10 * log10(noise) : INFINITY; }

static const char *why(const whet_candidate *o) {
    switch (o->choice) {
    case WHET_CHOICE_INT8:
        return o->int8_time < o->float_time ? "faster in int8" : "faster with others in int8";
    case WHET_CHOICE_ASKED: return "asked for in int8";
    case WHET_CHOICE_UNSEEN: return "what it takes was never computed on the samples";
    case WHET_CHOICE_SLOWER: return "not faster in int8";
    case WHET_CHOICE_COSTLY: return "in int8 the budget does not hold";
    case WHET_CHOICE_ALL: return "no mix with int8 is faster and holds";
    }
    return "";
}

static int64_t deciding_samples(const whet_budget *b) {
    return b->limit > 0 ? (int64_t)ceil(3 / b->limit - 1e-9) : -1;
}

// ---- the log ----

static void log_judgement(const whet_accuracy *a) {
    const whet_figures *f = &a->figures;
    if (a->budget.kind != WHET_BUDGET_TOP1) return;
    whet_env_log(a->x->env, WHET_LOG_INFO,
                 "accuracy: %s %.3f %% on %lld samples, 95 %% interval %.3f to %.3f %%; expected "
                 "from the margins %.3f %%",
                 f->labelled ? "top-1 lost" : "choices changed",
                 100 * (double)(f->labelled ? f->lost - f->won : f->changed) /
                     (double)f->decisions,
                 (long long)f->decisions, 100 * f->low, 100 * f->high, 100 * f->expected);
    int64_t n = deciding_samples(&a->budget);
    if (whet_budget_is_fine(&a->budget, f) && n > 0)
        whet_env_log(a->x->env, WHET_LOG_INFO,
                     "accuracy: so few samples cannot tell %.3g %%: what is expected decided; %lld "
                     "samples could be counted", 100 * a->budget.limit, (long long)n);
    else if (whet_budget_is_fine(&a->budget, f))
        whet_env_log(a->x->env, WHET_LOG_INFO, "accuracy: no number of samples can tell that "
                     "nothing is lost: what is expected decided");
}

void whet_accuracy_log(const whet_accuracy *a) {
    int32_t n = 0;
    whet_env *env = a->x->env;
    for (int32_t i = 0; i < a->n_ops; i++) {
        const whet_candidate *o = &a->ops[i];
        bool whole = o->choice <= WHET_CHOICE_ASKED;
        n += whole;
        char alone[32] = "";
        if (o->noise >= 0) snprintf(alone, sizeof alone, "alone %.1f dB, ", decibels(o->noise));
        whet_env_log(env, WHET_LOG_VERBOSE,
                     "accuracy: %s %s: %s; rounding %.1f dB, %s%.4f ms in int8, %.4f in float",
                     whole ? "int8 " : "float", o->name, why(o),
                     decibels(o->rounding), alone, 1e3 * o->int8_time, 1e3 * o->float_time);
    }
    whet_env_log(env, WHET_LOG_INFO,
                 "accuracy: %d of %d operators in int8 after %d runs; %.3f ms expected, %.3f in "
                 "float, %.3f in int8; SNR %.1f dB", n, a->n_ops, a->runs, 1e3 * a->chosen_time,
                 1e3 * a->float_time, 1e3 * a->int8_time, decibels(a->figures.noise));
    log_judgement(a);
}

// ---- the file ----

static void json_figures(whet_str *s, const whet_accuracy *a) {
    const whet_figures *f = &a->figures;
    whet_json_object(s, "figures");
    whet_json_double(s, "snr_db", decibels(f->noise));
    whet_json_double(s, "cosine_min", f->cosine);
    if (f->decisions) {
        whet_json_double(s, "kl", f->kl);
        whet_json_int(s, "decisions", f->decisions);
        whet_json_int(s, "changed", f->changed);
        if (f->labelled) {
            whet_json_int(s, "lost", f->lost);
            whet_json_int(s, "won", f->won);
        }
        whet_json_double(s, "expected_percent", 100 * f->expected);
        whet_json_double(s, "interval_low_percent", 100 * f->low);
        whet_json_double(s, "interval_high_percent", 100 * f->high);
    }
    if (a->x->c->metric) {
        whet_json_double(s, "metric", f->metric);
        whet_json_double(s, "metric_fp32", f->metric_float);
    }
    whet_json_end_object(s);
}

static const char *type_of(const whet_pgraph *g, const whet_plan *p, const whet_pstep *s) {
    const char *found = "fp32";
    for (int32_t side = 0; side < 2; side++) {
        const int32_t *ids = side ? s->out : s->in;
        for (int32_t i = 0; i < (side ? s->n_out : s->n_in); i++) {
            if (ids[i] < 0) continue;
            const whet_ptensor *t = &p->tensors[ids[i]];
            whet_dtype type = whet_ptensor_dtype(t, g->values[t->value].type.dtype);
            if (type == WHET_DTYPE_I8 || type == WHET_DTYPE_U8) return "int8";
            if (type == WHET_DTYPE_BF16) found = "bf16";
        }
    }
    return found;
}

static const char *reason_of(const whet_accuracy *a, int32_t op, const char *type) {
    if (op >= 0) return why(&a->ops[op]);
    if (!strcmp(type, "int8")) return "between operators of int8";
    return strcmp(type, "bf16") ? "computes in float" : "computes in float; faster in bf16";
}

static void json_candidate(whet_str *s, const whet_candidate *o) {
    whet_json_double(s, "rounding_snr_db", decibels(o->rounding));
    whet_json_double(s, "alone_snr_db", o->noise >= 0 ? decibels(o->noise) : NAN);
    whet_json_double(s, "int8_ms", o->int8_time >= 0 ? 1e3 * o->int8_time : NAN);
    whet_json_double(s, "float_ms", o->float_time >= 0 ? 1e3 * o->float_time : NAN);
}

// Of a model that is only quantized.
static void json_candidates(whet_str *s, const whet_accuracy *a) {
    for (int32_t i = 0; i < a->n_ops; i++) {
        const whet_candidate *o = &a->ops[i];
        whet_json_object(s, NULL);
        whet_json_text(s, "name", o->name);
        whet_json_text(s, "op", o->op);
        whet_json_text(s, "type", o->choice <= WHET_CHOICE_ASKED ? "int8" : "float");
        whet_json_text(s, "why", why(o));
        json_candidate(s, o);
        whet_json_end_object(s);
    }
}

static void json_layers(whet_str *s, const whet_accuracy *a, const whet_pgraph *g,
                        const whet_plan *p, const double *snr) {
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *t = &p->steps[i];
        int32_t op = t->op && t->op->n_blocks ? -1 : whet_accuracy_op_of(a, g, t);
        const char *type = type_of(g, p, t);
        const whet_candidate *o = op < 0 ? NULL : &a->ops[op];
        whet_json_object(s, NULL);
        whet_json_text(s, "name", t->name);
        whet_json_text(s, "op", t->op ? t->op->name : t->chain ? "pointwise" : "reorder");
        whet_json_text(s, "kernel", t->kernel->name);
        whet_json_text(s, "type", type);
        whet_json_text(s, "why", reason_of(a, op, type));
        whet_json_double(s, "expected_ms", 1e3 * t->cost);
        whet_json_double(s, "snr_db", snr ? snr[i] : NAN);
        if (o) json_candidate(s, o);
        whet_json_end_object(s);
    }
    for (int32_t i = 0; i < p->n_blocks; i++) json_layers(s, a, g->blocks[i], p->blocks[i], NULL);
}

whet_status whet_accuracy_report(whet_accuracy *a, whet_engine *e, const char *path,
                                 whet_error *err) {
    double *snr = WHET_NEW_ARRAY(&a->arena, double, e ? e->plan->n_steps + 1 : 1);
    if (!snr) return WHET_NOMEM(err);
    if (e) WHET_TRY(whet_accuracy_layers(a, e, snr, err));
    const whet_figures *f = &a->figures;
    bool fine = whet_budget_is_fine(&a->budget, f), top1 = a->budget.kind == WHET_BUDGET_TOP1;
    whet_str s;
    whet_str_init(&s);
    whet_json_object(&s, NULL);
    whet_json_text(&s, "budget", a->x->c->accuracy);
    whet_json_bool(&s, "holds", whet_budget_holds(&a->budget, f));
    whet_json_int(&s, "samples", a->samples);
    whet_json_bool(&s, "labels", a->labelled);
    whet_json_text(&s, "decided_by", !top1 ? "figure" : fine ? "expected" : "counted");
    if (top1 && deciding_samples(&a->budget) > 0)
        whet_json_int(&s, "samples_to_count", deciding_samples(&a->budget));
    whet_json_bool(&s, "bf16", a->x->bf16);
    whet_json_int(&s, "runs", a->runs);
    whet_json_double(&s, "expected_ms", 1e3 * a->chosen_time);
    whet_json_double(&s, "float_ms", 1e3 * a->float_time);
    whet_json_double(&s, "int8_ms", 1e3 * a->int8_time);
    if (a->chosen_whole > 0) {
        whet_json_double(&s, "measured_ms", 1e3 * a->chosen_whole);
        whet_json_double(&s, "measured_float_ms", 1e3 * a->float_whole);
    }
    json_figures(&s, a);
    whet_json_array(&s, "layers");
    if (e) json_layers(&s, a, e->graph, e->plan, snr);
    else json_candidates(&s, a);
    whet_json_end_array(&s);
    whet_json_end_object(&s);
    whet_str_add(&s, "\n");
    whet_piece piece = {whet_str_text(&s), s.len};
    whet_status status = s.failed ? WHET_NOMEM(err) : whet_file_write(path, &piece, 1, err);
    whet_str_fini(&s);
    return status;
}

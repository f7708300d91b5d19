// SPDX-License-Identifier: Apache-2.0
// From a graph in float to one that states its quantization: docs/quantization.md.
#include <string.h>
#include <unistd.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"
#include "build/calib.h"
#include "pass/match.h"

// Those that leave a graph that ONNX has words for and put into weights what belongs there.
static const char *const first_passes[] = {"widen", "fold", "blocks", "canon", "bn_fold",
                                           "bias", "pad",    "cse",   "dead"};

whet_status whet_calib_simplify(whet_build *x, whet_graph *g) {
    whet_str disabled;
    int32_t n;
    whet_str_init(&disabled);
    const whet_pass *const *passes = whet_passes(&n);
    for (int32_t i = 0; i < n; i++) {
        bool wanted = false;
        for (int32_t k = 0; k < WHET_COUNT(first_passes); k++)
            wanted = wanted || !strcmp(first_passes[k], passes[i]->name);
        if (!wanted) whet_str_printf(&disabled, "%s,", passes[i]->name);
    }
    whet_pass_options o = {.disable = whet_str_text(&disabled), .level = (int32_t)x->c->level};
    whet_status status = disabled.failed ? WHET_NOMEM(x->err)
                                         : whet_passes_run(g, &o, NULL, x->err);
    whet_str_fini(&disabled);
    return status;
}

static bool is_quantized(const whet_graph *g) {
    WHET_FOR_NODES(g, n)
    if (n->op == &whet_op_quantize_linear || n->op == &whet_op_dequantize_linear ||
        n->op == &whet_op_qlinear_conv || n->op == &whet_op_qlinear_matmul)
        return true;
    return false;
}

// ---- ranges ----

static void range_of_entry(whet_calib_seen *s, const whet_calib_entry *e) {
    float top = e->scale * 127;
    s->range = e->bounded ? (whet_calib_range){e->low, e->high}
                          : (whet_calib_range){s->nonnegative ? 0 : -top, top};
    s->known = true;
}

// Of the value itself, or of what is made of it by pools and changes of shape.
static const whet_calib_entry *find_entry(const whet_calib *c, int32_t seen,
                                          const whet_calib_cache *from) {
    const whet_calib_entry *e = whet_calib_cache_find(from, c->seen[seen].v->name);
    for (int32_t i = 0; i < c->n_sites && !e; i++)
        if (c->sites[i].seen == seen) e = whet_calib_cache_find(from, c->sites[i].v->name);
    return e;
}

static void ranges_by_hand(whet_calib *c) {
    for (int32_t i = 0; i < c->n_seen; i++) {
        const whet_calib_entry *e = find_entry(c, i, &c->hand);
        if (e) range_of_entry(&c->seen[i], e);
    }
}

static whet_status ranges_of_cache(whet_calib *c, const whet_calib_cache *cache, whet_error *err) {
    int32_t missing = 0;
    const char *name = NULL;
    for (int32_t i = 0; i < c->n_seen; i++) {
        const whet_calib_entry *e = find_entry(c, i, cache);
        if (e) range_of_entry(&c->seen[i], e);
    }
    ranges_by_hand(c);
    for (int32_t i = 0; i < c->n_seen; i++)
        if (!c->seen[i].known && !missing++) name = c->seen[i].v->name;
    const char *source = c->x->c->calib ? "the calibration cache" : "the list of ranges";
    if (missing == c->n_seen)
        WHET_FAIL(err, WHET_E_NOT_FOUND,
                  "%s has none of the %d values that are needed, such as \"%s\"", source, missing,
                  name);
    if (missing)
        whet_env_log(c->x->env, WHET_LOG_WARNING,
                     "%s lacks %d of %d values, such as \"%s\": what they feed stays in float",
                     source, missing, c->n_seen, name);
    return WHET_OK;
}

static whet_status ranges_of_data(whet_calib *c, whet_calib_cache *cache, whet_error *err) {
    const whet_config *o = c->x->c;
    for (int32_t i = 0; i < c->n_seen; i++) {
        whet_calib_seen *s = &c->seen[i];
        const whet_calib_entry *e = find_entry(c, i, &c->hand);
        if (!s->stats.n && !e) {
            whet_env_log(c->x->env, WHET_LOG_WARNING,
                         "\"%s\" was never computed on the samples: what it feeds stays in float",
                         s->v->name);
            continue;
        }
        s->range = whet_calib_range_find(&s->stats, (whet_calib_method)o->calib_method,
                                         o->calib_percentile, o->activations);
        s->known = true;
        if (e) range_of_entry(s, e);
        if (!whet_calib_cache_put(cache, s->v->name, &s->range)) return WHET_NOMEM(err);
        whet_env_log(c->x->env, WHET_LOG_VERBOSE, "\"%s\": seen %g to %g, kept %g to %g",
                     s->v->name, s->stats.min, s->stats.max, (double)s->range.low,
                     (double)s->range.high);
    }
    return WHET_OK;
}

static whet_status run_data(whet_calib *c, bool histograms, int64_t *samples, whet_error *err) {
    whet_calib_data *data = NULL;
    int64_t total;
    WHET_TRY(whet_build_start(c->x, "calibrating"));
    whet_status status = whet_calib_data_open(c->x, c->g, c->arena, &data, err);
    if (status == WHET_OK) status = whet_calib_run(c, data, histograms, err);
    if (status == WHET_OK) *samples = whet_calib_data_done(data, &total);
    whet_calib_data_close(data);
    return status;
}

static whet_status find_ranges(whet_calib *c, whet_calib_cache *cache, whet_error *err) {
    const whet_config *o = c->x->c;
    bool data = o->calibration || o->calib_next;
    int64_t samples = 0;
    if (!data) {
        if (o->calib) WHET_TRY(whet_calib_cache_load(cache, o->calib, err));
        return ranges_of_cache(c, cache, err);
    }
    WHET_TRY(run_data(c, true, &samples, err));
    WHET_TRY(ranges_of_data(c, cache, err));
    whet_env_log(c->x->env, WHET_LOG_INFO, "calibrated %d values for %d operators on %lld samples",
                 c->n_seen, c->n_ops, (long long)samples);
    return o->calib ? whet_calib_cache_save(cache, (whet_calib_method)o->calib_method, o->calib,
                                            err)
                    : WHET_OK;
}

// Changes that leave what the graph computes, but for rounding.
static whet_status even_out(whet_calib *c, whet_error *err) {
    const whet_config *o = c->x->c;
    int32_t changed = 0;
    int64_t samples;
    if (o->equalize) WHET_TRY(whet_calib_equalize(c, &changed, err));
    if (o->smooth > 0) {
        if (!o->calibration && !o->calib_next)
            WHET_FAIL(err, WHET_E_INVALID,
                      "option smooth needs samples: a calibration cache does not tell channels");
        WHET_TRY(run_data(c, false, &samples, err));
        WHET_TRY(whet_calib_smooth(c, o->smooth, &changed, err));
    }
    if (o->equalize || o->smooth > 0)
        whet_env_log(c->x->env, WHET_LOG_INFO, "channels of %d values evened out", changed);
    return WHET_OK;
}

static whet_status insert_chosen(whet_calib *c, whet_error *err) {
    const whet_config *o = c->x->c;
    const bool *keep = NULL;
    bool *found;
    whet_calib chosen;
    if (c->accuracy) {
        WHET_TRY(whet_accuracy_search(c->accuracy, c, &found, err));
        keep = found;
    } else if (c->building) {
        WHET_TRY(whet_choose_int8(c, &keep, err));
    }
    if (!keep) return whet_calib_insert(c, o->activations, !o->no_bias_correction, err);
    WHET_TRY(whet_calib_sites_choose(c, c->g, keep, c->arena, &chosen, err));
    return whet_calib_insert(&chosen, o->activations, !o->no_bias_correction, err);
}

static whet_status calibrate(whet_calib *c, whet_calib_cache *cache, whet_error *err) {
    WHET_TRY(whet_calib_simplify(c->x, c->g));
    WHET_TRY(whet_calib_sites_find(c, err));
    if (!c->n_ops && c->accuracy)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "option accuracy: the model has no convolution or "
                  "matrix product that could be quantized, so there is nothing to choose");
    if (!c->n_ops) {
        whet_env_log(c->x->env, WHET_LOG_WARNING,
                     "the model has no convolution or matrix product that could be quantized");
        return WHET_OK;
    }
    WHET_TRY(even_out(c, err));
    WHET_TRY(find_ranges(c, cache, err));
    return insert_chosen(c, err);
}

whet_status whet_calibrate(whet_build *x, whet_graph *g, bool building) {
    const whet_config *o = x->c;
    if (is_quantized(g)) {
        if (o->accuracy)
            WHET_FAIL(x->err, WHET_E_UNSUPPORTED,
                      "option accuracy: the model states its quantization, so there is nothing to "
                      "choose");
        if (o->calibration || o->calib_next || o->calib || whet_calib_hand_any(o))
            whet_env_log(x->env, WHET_LOG_WARNING,
                         "the model states its quantization: it is not calibrated");
        return WHET_OK;
    }
    bool by_hand = !o->calib && whet_calib_hand_any(o);
    if (!o->calibration && !o->calib_next && !by_hand && (!o->calib || access(o->calib, F_OK)))
        WHET_FAIL(x->err, WHET_E_INVALID,
                  o->calib ? "the calibration cache %s is not there, and no samples are given "
                             "(option calibration)"
                           : "int8 needs samples (option calibration), a calibration cache (option "
                             "calib), ranges (option ranges) or a model that states its "
                             "quantization%s",
                  o->calib ? o->calib : "");
    if (o->accuracy && !o->calibration && !o->calib_next)
        WHET_FAIL(x->err, WHET_E_INVALID,
                  "option accuracy needs samples (option calibration): a cache holds none");
    if (o->accuracy) WHET_TRY(whet_accuracy_create(x, &x->accuracy, x->err));
    whet_arena arena;
    whet_calib_cache cache;
    x->calibrated = true;
    whet_arena_init(&arena);
    whet_calib_cache_init(&cache);
    whet_calib c = {.x = x, .g = g, .arena = &arena, .accuracy = x->accuracy,
                    .building = building};
    whet_calib_cache_init(&c.hand);
    whet_status status = whet_calib_hand_read(o, g, &c.hand, x->err);
    if (status == WHET_OK) status = calibrate(&c, &cache, x->err);
    whet_calib_cache_fini(&c.hand);
    whet_calib_cache_fini(&cache);
    whet_arena_fini(&arena);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// Which plan runs: that of the first profile that holds the inputs' shapes. Outside of all, the
// nearest profile's plan runs, right but untuned, and the context says so once.
#include <string.h>

#include "run/context_impl.h"

static void tell(whet_context *c, int32_t profile) {
    whet_str s;
    whet_str_init(&s);
    for (int32_t i = 0; i < c->graph->n_inputs; i++) {
        const whet_tensor *t = &c->inputs[i];
        whet_str_printf(&s, "%s\"%s\" [", i ? ", " : "",
                        c->graph->values[c->graph->inputs[i]].name);
        for (int32_t d = 0; d < t->rank; d++)
            whet_str_printf(&s, "%s%lld", d ? "," : "", (long long)t->dims[d]);
        whet_str_add(&s, "]");
    }
    whet_env_log(c->engine->env, WHET_LOG_WARNING,
                 "%s: outside %s; it runs on the plan of profile %d, which is not tuned for this "
                 "shape (said once)", whet_str_text(&s),
                 c->asked >= 0 ? "the profile asked for" : "every profile of the engine", profile);
    whet_str_fini(&s);
    c->told = true;
}

void whet_context_choose_lane(whet_context *c) {
    const whet_boxes *p = &c->engine->profiles;
    if (!p->n) return;
    int32_t best = c->asked < 0 ? 0 : c->asked;
    double distance = whet_box_distance(&p->v[best], c->inputs);
    for (int32_t i = 1; i < p->n && c->asked < 0 && distance > 0; i++) {
        double d = whet_box_distance(&p->v[i], c->inputs);
        if (d >= distance) continue;
        best = i;
        distance = d;
    }
    c->lane = &c->lanes[best];
    c->tuned = distance <= 0;
    c->chosen = true;
    if (!c->tuned && !c->told) tell(c, best);
}

whet_status whet_context_set_profile(whet_context *c, int32_t profile) {
    if (!c) return WHET_E_INVALID;
    whet_error_clear(&c->handle.error);
    if (profile < -1 || profile >= c->engine->profiles.n)
        WHET_FAIL(&c->handle.error, WHET_E_RANGE, "profile %d is asked for, the engine has %d",
                  profile, c->engine->profiles.n);
    c->asked = profile;
    return WHET_OK;
}

int32_t whet_context_profile(const whet_context *c, bool *tuned) {
    bool some = c && c->chosen;
    if (tuned) *tuned = some && c->tuned;
    return some ? (int32_t)(c->lane - c->lanes) : -1;
}

// ---- what an engine has ----

int32_t whet_engine_profile_count(const whet_engine *e) { return e ? e->profiles.n : 0; }

static void copy_range(const whet_range *r, int64_t *min, int64_t *opt, int64_t *max) {
    size_t bytes = (size_t)r->n * sizeof(int64_t);
    if (min && bytes) memcpy(min, r->min, bytes);
    if (opt && bytes) memcpy(opt, r->opt, bytes);
    if (max && bytes) memcpy(max, r->max, bytes);
}

static const whet_range *find(const whet_engine *e, int32_t profile, int32_t input, bool contents) {
    bool known = e && profile >= 0 && profile < e->profiles.n;
    return known ? whet_box_find(&e->profiles.v[profile], input, contents) : NULL;
}

whet_status whet_engine_profile_shape(const whet_engine *e, int32_t profile, int32_t input,
                                      int64_t *min, int64_t *opt, int64_t *max) {
    const whet_range *r = find(e, profile, input, false);
    if (r) copy_range(r, min, opt, max);
    return r ? WHET_OK : WHET_E_RANGE;
}

int32_t whet_engine_profile_value_count(const whet_engine *e, int32_t profile, int32_t input) {
    const whet_range *r = find(e, profile, input, true);
    return r ? r->n : 0;
}

whet_status whet_engine_profile_values(const whet_engine *e, int32_t profile, int32_t input,
                                       int64_t *min, int64_t *opt, int64_t *max) {
    const whet_range *r = find(e, profile, input, true);
    if (r) copy_range(r, min, opt, max);
    return r ? WHET_OK : WHET_E_RANGE;
}

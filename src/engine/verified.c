// SPDX-License-Identifier: Apache-2.0
#include "engine/verified.h"

#include "engine/pgraph.h"

#define STEP_BYTES 50

const char *whet_verified_state_text(int32_t state) {
    static const char *const texts[] = {"never ran", "agrees",  "reference",
                                        "differs",   "unknown", "host",
                                        "nothing to do"};
    return state >= 0 && state < WHET_VERIFIED_STATES ? texts[state] : "?";
}

const char *whet_verified_rule_text(int32_t rule) {
    static const char *const texts[] = {"none", "exact", "sum", "steps", "type"};
    return rule >= 0 && rule < WHET_RULES ? texts[rule] : "?";
}

static void encode_plan(const whet_verified_plan *p, whet_writer *w) {
    whet_write_u32(w, (uint32_t)p->n_steps);
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_verified_step *s = &p->steps[i];
        whet_write_u8(w, s->state);
        whet_write_u8(w, s->rule);
        const double numbers[] = {s->c, s->k, s->unit, s->error, s->rms, s->largest};
        for (int32_t k = 0; k < 6; k++) whet_write_f64(w, numbers[k]);
    }
    whet_write_u32(w, (uint32_t)p->n_blocks);
    for (int32_t i = 0; i < p->n_blocks; i++) encode_plan(&p->blocks[i], w);
}

void whet_verified_encode(const whet_verified *v, whet_writer *w) {
    whet_write_u8(w, v->calibration);
    whet_write_u32(w, (uint32_t)v->samples);
    whet_write_u32(w, (uint32_t)v->n_plans);
    for (int32_t i = 0; i < v->n_plans; i++) encode_plan(&v->plans[i], w);
}

static whet_status decode_plan(whet_reader *r, whet_arena *arena, int32_t depth,
                               whet_verified_plan *p, whet_error *err) {
    p->n_steps = (int32_t)whet_read_count(r, STEP_BYTES, 1u << 24);
    p->steps = WHET_NEW_ARRAY(arena, whet_verified_step, p->n_steps + 1);
    if (!p->steps) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_steps; i++) {
        whet_verified_step *s = &p->steps[i];
        s->state = whet_read_u8(r);
        s->rule = whet_read_u8(r);
        double *const numbers[] = {&s->c, &s->k, &s->unit, &s->error, &s->rms, &s->largest};
        for (int32_t k = 0; k < 6; k++) *numbers[k] = whet_read_f64(r);
    }
    int32_t n = (int32_t)whet_read_count(r, 8, 1u << 20);
    if (depth >= WHET_PGRAPH_MAX_DEPTH && n)
        WHET_FAIL(err, WHET_E_PARSE, "engine file: blocks lie too deep in the verification");
    p->blocks = WHET_NEW_ARRAY(arena, whet_verified_plan, n + 1);
    if (!p->blocks) return WHET_NOMEM(err);
    p->n_blocks = n;
    for (int32_t i = 0; i < n; i++)
        WHET_TRY(decode_plan(r, arena, depth + 1, &p->blocks[i], err));
    return WHET_OK;
}

whet_status whet_verified_decode(const void *data, size_t size, whet_arena *arena,
                                 whet_verified **out, whet_error *err) {
    whet_reader r;
    whet_reader_init(&r, data, size);
    whet_verified *v = WHET_NEW(arena, whet_verified);
    if (!v) return WHET_NOMEM(err);
    v->calibration = whet_read_u8(&r) != 0;
    v->samples = (int32_t)(whet_read_u32(&r) & INT32_MAX);
    v->n_plans = (int32_t)whet_read_count(&r, 8, 1u << 16);
    v->plans = WHET_NEW_ARRAY(arena, whet_verified_plan, v->n_plans + 1);
    if (!v->plans) return WHET_NOMEM(err);
    for (int32_t i = 0; i < v->n_plans; i++)
        WHET_TRY(decode_plan(&r, arena, 0, &v->plans[i], err));
    if (r.failed || whet_reader_left(&r))
        WHET_FAIL(err, WHET_E_PARSE, "engine file: the section about verification is malformed");
    *out = v;
    return WHET_OK;
}

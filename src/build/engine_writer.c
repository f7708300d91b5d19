// SPDX-License-Identifier: Apache-2.0
// The engine's bytes: docs/engine-format.md.
#include "build/builder_impl.h"
#include "build/carry_plugins.h"
#include "run/engine_sections.h"

static void machine_of_plan(const whet_build *x, whet_machine *here) {
    whet_machine_here(x->env, here);
    here->threads = (uint32_t)x->threads;
    here->features = 0; // what the plan needs, not all that this machine has
    for (int32_t i = 0; i < x->n_plans; i++)
        here->features |= whet_plan_features(x->plans[i]);
}

// Sections of an engine that is tuned anew: all but those for this same machine, whose number is
// used again. *id: that number, or a fresh one.
static whet_status keep_sections(whet_build *x, whet_sections *l, uint32_t *id) {
    whet_engine_file *f = &x->before->file;
    whet_machine here, m;
    whet_machine_here(x->env, &here);
    here.threads = (uint32_t)x->threads;
    uint32_t replaced = 0, last = 0;
    for (int32_t i = 0; i < f->n_sections; i++) {
        whet_section *s = &f->sections[i];
        WHET_TRY(whet_section_check(s, x->env->workers, x->err)); // copied with a new one
        if (s->id > last) last = s->id;
        if (s->kind != WHET_SECTION_MACHINE) continue;
        WHET_TRY(whet_machine_decode(s->data, s->size, &m, x->err));
        if (whet_machine_fit(&m, &here) == 2) replaced = s->id;
    }
    if (!replaced && last == UINT32_MAX)
        WHET_FAIL(x->err, WHET_E_LIMIT, "engine file: no number is left for another machine");
    *id = replaced ? replaced : last + 1;
    for (int32_t i = 0; i < f->n_sections; i++) {
        whet_section *s = &f->sections[i];
        if (s->id && s->id == replaced) continue;
        if (!whet_sections_push(l, (whet_section_kind)s->kind, s->id, s->data, s->size))
            return WHET_NOMEM(x->err);
    }
    return WHET_OK;
}

static bool push_verified(whet_build *x, whet_sections *l, uint32_t id) {
    if (!x->verified) return true;
    whet_writer *w = whet_sections_writer(l);
    if (!w) return false;
    whet_verified_encode(x->verified, w);
    return whet_sections_push_written(l, WHET_SECTION_VERIFIED, id, w);
}

static bool push_plugins(whet_sections *l, const whet_carried *c) {
    if (!c->records.size) return true;
    bool good = whet_sections_push_written(l, WHET_SECTION_PLUGINS, 0, &c->records);
    for (int32_t i = 0; i < c->n && good; i++)
        good = whet_sections_push(l, WHET_SECTION_LIBRARY, 0, c->libraries[i].data,
                                  c->libraries[i].size);
    return good;
}

// What does not depend on the machine, but for the constants, which come last.
static whet_status push_portable(whet_build *x, whet_sections *l, const whet_carried *carried) {
    whet_writer *weights = whet_sections_writer(l), *profiles = whet_sections_writer(l);
    if (!weights || !profiles) return WHET_NOMEM(x->err);
    if (x->profiles.n) whet_boxes_encode(&x->profiles, profiles);
    WHET_TRY(whet_list_encode(x, weights));
    bool good = whet_sections_push_graph(l, x->graph) && push_plugins(l, carried);
    if (x->profiles.n)
        good = good && whet_sections_push_written(l, WHET_SECTION_PROFILES, 0, profiles);
    good = good && whet_sections_push_written(l, WHET_SECTION_WEIGHTS, 0, weights);
    return good ? WHET_OK : WHET_NOMEM(x->err);
}

static whet_status make_file(whet_build *x, whet_sections *l, const whet_carried *carried,
                             void **data, size_t *size) {
    bool full = x->c->portable == WHET_PORTABLE_FULL;
    uint32_t id = 1;
    whet_machine here;
    machine_of_plan(x, &here);
    if (x->before) WHET_TRY(keep_sections(x, l, &id));
    else WHET_TRY(push_portable(x, l, carried));
    if (!whet_sections_push_plans(l, id, &here, x->env, x->graph, x->plans, x->n_plans, full,
                                  NULL) ||
        !push_verified(x, l, id) ||
        (!x->before && full && !whet_sections_push_sources(l, x->graph)))
        return WHET_NOMEM(x->err);
    return whet_engine_file_make(l->v, l->n, data, size, x->err);
}

whet_status whet_build_write(whet_build *x, whet_engine **engine) {
    whet_carried carried;
    whet_sections l;
    void *data = NULL;
    size_t size = 0;
    whet_sections_init(&l, x->env->workers);
    whet_status status = whet_carry_plugins(x, &carried);
    if (status == WHET_OK) status = make_file(x, &l, &carried, &data, &size);
    whet_sections_fini(&l);
    whet_carry_drop(&carried);
    WHET_TRY(status);
    return whet_engine_open(x->env, data, size, data, engine, x->err);
}

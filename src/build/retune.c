// SPDX-License-Identifier: Apache-2.0
// Tuning an engine that is there: its graph and source weights, planned and timed on this machine.
#include "build/builder_impl.h"

static whet_status check_tunable(whet_engine *e, const whet_config *c, whet_error *err) {
    const char *what = c->n_shapes                             ? "shapes"
                       : c->n_profiles                         ? "profile"
                       : c->disable_pass                       ? "disable-pass"
                       : c->dump_ir                            ? "dump-ir"
                       : c->portable != WHET_PORTABLE_FULL     ? "portable"
                       : c->accuracy                           ? "accuracy"
                       : c->strip_weights                     ? "strip-weights"
                       : whet_config_int8(c)                  ? "int8"
                       : whet_config_int4(c)                   ? "int4"
                       : c->layer_precisions                   ? "layer-precisions"
                       : c->layer_output_types                 ? "layer-output-types"
                       : c->embed_plugins                      ? "embed-plugins"
                                                               : NULL;
    if (what)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "option %s changes what the engine computes or holds: build it again", what);
    if (!whet_engine_file_find(&e->file, WHET_SECTION_INDEX, 0) ||
        !whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0))
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "the engine holds no source weights (it was built with portable=none), so it "
                  "cannot be tuned: build it again from the model");
    return WHET_OK;
}

static whet_status run_tune(whet_build *x, whet_engine *e, whet_engine **tuned) {
    whet_section *graph = whet_engine_file_find(&e->file, WHET_SECTION_GRAPH, 0);
    whet_section *sources = whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0);
    WHET_TRY(whet_section_check(sources, x->env->workers, x->err));
    WHET_TRY(whet_pgraph_decode(graph->data, graph->size, whet_env_ops(x->env), &x->graph, x->err));
    WHET_TRY(whet_engine_attach_sources(&e->file, x->graph, x->err));
    WHET_TRY(whet_pgraph_replay(x->graph, x->err));
    WHET_TRY(whet_pgraph_attach(x->graph, false, x->err));
    x->profiles = e->profiles;
    WHET_TRY(whet_build_plan(x));
    return whet_build_finish(x, tuned);
}

// One that was refitted is tuned as the file that it would be.
static whet_status tune_refitted(whet_engine *e, whet_config *config, whet_engine **tuned) {
    void *data;
    size_t size;
    whet_engine *now = NULL;
    WHET_TRY(whet_engine_store(e, false, &data, &size, &e->handle.error));
    WHET_TRY(whet_engine_open(e->env, data, size, NULL, &now, &e->handle.error));
    whet_status status = whet_engine_tune(now, config, tuned);
    if (status != WHET_OK) e->handle.error = now->handle.error;
    whet_engine_destroy(now);
    return status;
}

whet_status whet_engine_tune(whet_engine *e, whet_config *config, whet_engine **tuned) {
    if (!e) return WHET_E_INVALID;
    whet_error *err = &e->handle.error;
    whet_error_clear(err);
    if (!tuned) WHET_FAIL(err, WHET_E_INVALID, "whet_engine_tune: tuned is NULL");
    if (atomic_load(&e->stripped))
        WHET_FAIL(err, WHET_E_INVALID, "the engine has no weights yet: give it them first");
    if (atomic_load(&e->current) != &e->base) return tune_refitted(e, config, tuned);
    whet_config *own = NULL;
    if (!config) {
        WHET_TRY(whet_config_create(e->env, &own));
        config = own;
    }
    whet_build x;
    whet_build_init(&x, e->env, config, err);
    x.before = e;
    whet_status status = check_tunable(e, config, err);
    if (status == WHET_OK) status = run_tune(&x, e, tuned);
    whet_build_fini(&x);
    whet_config_destroy(own);
    return status;
}

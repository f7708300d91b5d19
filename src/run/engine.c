// SPDX-License-Identifier: Apache-2.0
// Loading: map, check, decode the portable graph, take the section of this machine or plan anew.
#include "run/engine_impl.h"

#include <whet/refit.h>

#include "base/crc_fork.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

void whet_machine_here(const whet_env *env, whet_machine *m) {
    const whet_cpu_info *c = &env->cpu_info;
    *m = (whet_machine){.features = env->cpu, .threads = (uint32_t)env->threads,
                        .family = c->family, .model = c->model, .stepping = c->stepping,
                        .l1d_bytes = c->l1d_bytes, .l2_bytes = c->l2_bytes,
                        .l3_bytes = c->l3_bytes};
    memcpy(m->vendor, c->vendor, sizeof m->vendor);
}

int32_t whet_machine_fit(const whet_machine *file, const whet_machine *here) {
    if ((file->features & here->features) != file->features) return 0;
    whet_machine a = *file, b = *here;
    bool same = a.threads == b.threads && a.family == b.family &&
                a.model == b.model && a.stepping == b.stepping && a.l1d_bytes == b.l1d_bytes &&
                a.l2_bytes == b.l2_bytes && a.l3_bytes == b.l3_bytes &&
                !strcmp(a.vendor, b.vendor);
    return same ? 2 : 1;
}

// The constants of a graph and, after them, those of its blocks. sums: NULL where there are none.
static whet_status attach(whet_reader *r, whet_reader *sums, const whet_section *sources,
                          whet_pgraph *graph, whet_error *err) {
    uint32_t n = whet_read_count(r, 12, 1u << 24);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t v = whet_read_u32(r);
        uint64_t offset = whet_read_u64(r);
        if (v >= (uint32_t)graph->n_values ||
            graph->values[v].kind != WHET_PVALUE_SOURCE ||
            whet_pvalue_inline(&graph->values[v]) || offset % 64 ||
            offset > sources->size)
            WHET_FAIL(err, WHET_E_PARSE, "engine file: bad index of constants");
        whet_pvalue *value = &graph->values[v];
        whet_tensor t = whet_pvalue_tensor(value);
        if (t.bytes > sources->size - offset)
            WHET_FAIL(err, WHET_E_PARSE, "engine file: constant \"%s\" runs past its section",
                      value->name);
        uint32_t sum = sums ? whet_read_u32(sums) : 0;
        if (value->data) continue;
        value->data = sources->data + offset;
        value->sum = sum;
        value->summed = sums != NULL;
    }
    for (int32_t i = 0; i < graph->n_blocks; i++)
        WHET_TRY(attach(r, sums, sources, graph->blocks[i], err));
    return WHET_OK;
}

whet_status whet_engine_attach_sources(whet_engine_file *file, whet_pgraph *graph,
                                       whet_error *err) {
    whet_section *index = whet_engine_file_find(file, WHET_SECTION_INDEX, 0);
    whet_section *sources = whet_engine_file_find(file, WHET_SECTION_SOURCES, 0);
    whet_section *sums = whet_engine_file_find(file, WHET_SECTION_SUMS, 0);
    if (!index || !sources) return WHET_OK;
    WHET_TRY(whet_section_check(index, NULL, err));
    if (sums) WHET_TRY(whet_section_check(sums, NULL, err));
    whet_reader r, s = {0};
    whet_reader_init(&r, index->data, index->size);
    if (sums) whet_reader_init(&s, sums->data, sums->size);
    WHET_TRY(attach(&r, sums ? &s : NULL, sources, graph, err));
    if (r.failed || whet_reader_left(&r) || (sums && (s.failed || whet_reader_left(&s))))
        WHET_FAIL(err, WHET_E_PARSE, "engine file: bad index of constants");
    whet_pgraph_link(graph);
    return WHET_OK;
}

// The constant itself, for one that stands for a constant around its block.
static whet_pvalue *source_of(whet_pgraph *g, int32_t value) {
    whet_pvalue *v = &g->values[value];
    for (; v->kind == WHET_PVALUE_OUTER; g = g->parent) v = &g->parent->values[v->outer];
    return v;
}

// Sources that the plan reads in place count as used, so they are checked now: each by itself where
// the file has sums of them, as the rest of the section need not even be read then.
static whet_status check_used(whet_engine *e, whet_section *sources, const whet_plan *p,
                              whet_pgraph *g, whet_error *err) {
    for (int32_t i = 0; i < p->n_packed; i++) {
        if (p->packed[i].offset != WHET_PACKED_SOURCE) continue;
        whet_pvalue *v = source_of(g, p->packed[i].value);
        whet_tensor t = whet_pvalue_tensor(v);
        if (v->checked) continue;
        if (!v->summed) WHET_TRY(whet_section_check(sources, e->env->workers, err));
        else if (whet_crc32c_fork(e->env->workers, t.data, t.bytes) != v->sum)
            WHET_FAIL(err, WHET_E_CHECKSUM, "engine file: constant \"%s\" is damaged", v->name);
        v->checked = true;
    }
    for (int32_t i = 0; i < p->n_blocks; i++)
        WHET_TRY(check_used(e, sources, p->blocks[i], g->blocks[i], err));
    return WHET_OK;
}

static whet_status check_used_sources(whet_engine *e, whet_error *err) {
    whet_section *sources = whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0);
    for (int32_t i = 0; sources && i < e->n_plans; i++)
        WHET_TRY(check_used(e, sources, e->plans[i], e->graph, err));
    return WHET_OK;
}

static const whet_box *box_of(const whet_engine *e, int32_t i) {
    return e->profiles.n ? &e->profiles.v[i] : NULL;
}

// Zeros that stand for what a stripped engine does not have yet.
static bool is_reserved(const whet_engine *e, const void *data) {
    return e->reserved && (uintptr_t)data >= (uintptr_t)e->reserved &&
           (uintptr_t)data - (uintptr_t)e->reserved < e->reserved_bytes;
}

static void drop_reserved(const whet_engine *e, whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_values; i++)
        if (is_reserved(e, g->values[i].data)) g->values[i].data = NULL;
    for (int32_t i = 0; i < g->n_blocks; i++) drop_reserved(e, g->blocks[i]);
}

static whet_status plan_anew(whet_engine *e, whet_error *err) {
    drop_reserved(e, e->graph);
    whet_section *sources = whet_engine_file_find(&e->file, WHET_SECTION_SOURCES, 0);
    if (sources) WHET_TRY(whet_section_check(sources, e->env->workers, err));
    WHET_TRY(whet_pgraph_replay(e->graph, err));
    for (int32_t i = 0; i < e->n_plans; i++) {
        whet_plan_options o = {.threads = e->env->threads, .box = box_of(e, i)};
        WHET_TRY(whet_plan_make(e->graph, e->env, &o, &e->plans[i], err));
        if (!atomic_load(&e->stripped)) // else a refit packs
            WHET_TRY(whet_plan_pack(e->plans[i], e->graph, e->env, e->plans, i, err));
    }
    return WHET_OK;
}

// Weights of a file that has none: addresses for what will be packed, zeros of no memory.
static whet_status reserve_packed(whet_engine *e, whet_error *err) {
    e->reserved_bytes = e->listed.packed_bytes + WHET_ENGINE_ALIGN;
    bool fits = e->listed.packed_bytes < SIZE_MAX / 4;
    void *p = fits ? mmap(NULL, e->reserved_bytes, PROT_READ,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) : MAP_FAILED;
    if (p == MAP_FAILED)
        WHET_FAIL(err, WHET_E_LIMIT, "engine file: packed weights of %llu bytes are too large",
                  (unsigned long long)e->listed.packed_bytes);
    e->reserved = p;
    return WHET_OK;
}

static whet_status take_plan(whet_engine *e, uint32_t id, whet_error *err) {
    whet_section *packed = whet_engine_file_find(&e->file, WHET_SECTION_PACKED, id);
    if (packed) WHET_TRY(whet_section_check(packed, e->env->workers, err));
    if (packed && e->env->copy_weights && e->map.data)
        WHET_TRY(whet_engine_copy_weights(e, packed, err));
    bool stripped = atomic_load(&e->stripped);
    const void *weights = stripped ? e->reserved : e->weights ? e->weights
                          : packed ? packed->data : NULL;
    size_t weights_bytes = stripped ? (size_t)e->listed.packed_bytes : packed ? packed->size : 0;
    for (int32_t i = 0; i < e->n_plans; i++) {
        whet_section *plan =
            i ? whet_engine_file_nth(&e->file, WHET_SECTION_PROFILE_PLAN, id, i - 1)
              : whet_engine_file_find(&e->file, WHET_SECTION_PLAN, id);
        if (!plan || (!packed && !stripped))
            WHET_FAIL(err, WHET_E_PARSE, "engine file: a machine without a plan");
        WHET_TRY(whet_section_check(plan, e->env->workers, err));
        WHET_TRY(whet_plan_decode(plan->data, plan->size, weights, weights_bytes, e->graph,
                                  box_of(e, i), e->env, &e->plans[i], err));
    }
    return check_used_sources(e, err);
}

static void drop_plans(whet_engine *e) {
    for (int32_t i = 0; i < e->n_plans; i++) {
        whet_plan_destroy(e->plans[i]);
        e->plans[i] = NULL;
    }
}

static whet_status choose_plan(whet_engine *e, whet_error *err) {
    whet_machine here;
    whet_machine_here(e->env, &here);
    int32_t best = 0;
    uint32_t id = 0, threads = 0;
    for (int32_t i = 0; i < e->file.n_sections; i++) {
        whet_section *s = &e->file.sections[i];
        whet_machine m, alike;
        if (s->kind != WHET_SECTION_MACHINE) continue;
        WHET_TRY(whet_section_check(s, e->env->workers, err));
        WHET_TRY(whet_machine_decode(s->data, s->size, &m, err));
        int32_t f = whet_machine_fit(&m, &here);
        if (f <= best) continue;
        best = f;
        id = s->id;
        alike = m, alike.threads = here.threads;
        threads = whet_machine_fit(&alike, &here) == 2 ? m.threads : 0;
    }
    if (best > 0) {
        whet_status status = take_plan(e, id, err);
        if (status == WHET_OK) {
            e->exact = best == 2;
            e->machine = id;
            if (!e->exact && threads)
                snprintf(e->note, sizeof e->note,
                         "tuned for threads=%u, here are %u; `whet tune` adds a plan for these",
                         threads, here.threads);
            else if (!e->exact)
                snprintf(e->note, sizeof e->note, "%s",
                         "tuned for another machine; `whet tune` adds this one");
            return WHET_OK;
        }
        if (status != WHET_E_UNSUPPORTED) return status; // else: kernels that are not here
        drop_plans(e);
    }
    snprintf(e->note, sizeof e->note, "%s",
             "planned at load for this machine, not tuned; `whet tune` adds it");
    return plan_anew(e, err);
}

static bool alloc_plans(whet_engine *e, int32_t n) {
    e->plans = calloc((size_t)n, sizeof(whet_plan *));
    if (e->plans) e->n_plans = n;
    return e->plans != NULL;
}

static whet_status find_plans(whet_engine *e, whet_error *err) {
    WHET_TRY(choose_plan(e, err)); // brings the constants that states are made from
    WHET_TRY(whet_pgraph_attach(e->graph, false, err));
    e->plan = e->plans[0];
    return WHET_OK;
}

static void set_weightless(whet_pgraph *g, bool weightless) {
    g->weightless = weightless;
    for (int32_t i = 0; i < g->n_blocks; i++) set_weightless(g->blocks[i], weightless);
}

static whet_status check_sources(const whet_pgraph *g, whet_error *err) {
    for (int32_t i = 0; i < g->n_values; i++)
        if (g->values[i].kind == WHET_PVALUE_SOURCE && !g->values[i].data)
            WHET_FAIL(err, WHET_E_PARSE,
                      "engine file: weight \"%s\" is neither in it nor listed as missing",
                      g->values[i].name);
    for (int32_t i = 0; i < g->n_blocks; i++) WHET_TRY(check_sources(g->blocks[i], err));
    return WHET_OK;
}

// Derived constants that would lie in the graph stand there without contents.
static void place_derived(const whet_engine *e, whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_values; i++) {
        whet_pvalue *v = &g->values[i];
        if (v->kind == WHET_PVALUE_DERIVED && !v->data && v->type.dtype != WHET_DTYPE_STRING &&
            whet_pvalue_inline(v))
            v->data = e->reserved;
    }
    for (int32_t i = 0; i < g->n_blocks; i++) place_derived(e, g->blocks[i]);
}

// Constants that nobody holds for good: those lent, and those that are to be packed.
static void forget_lent(const whet_engine *e, whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_values; i++) {
        whet_pvalue *v = &g->values[i];
        const whet_model_weight *w =
            v->kind == WHET_PVALUE_SOURCE ? whet_model_weights_find(&e->listed, v->name) : NULL;
        if (v->kind == WHET_PVALUE_OUTER) v->data = g->parent->values[v->outer].data;
        else if (is_reserved(e, v->data) || (w && w->state == WHET_WEIGHT_FREE)) v->data = NULL;
    }
    for (int32_t i = 0; i < g->n_blocks; i++) forget_lent(e, g->blocks[i]);
}

whet_status whet_engine_plan_stripped(whet_engine *e, whet_error *err) {
    drop_plans(e);
    whet_status status = check_sources(e->graph, err);
    if (status == WHET_OK && !e->reserved) status = reserve_packed(e, err);
    if (status == WHET_OK) {
        set_weightless(e->graph, true);
        place_derived(e, e->graph);
        whet_pgraph_link(e->graph);
        status = choose_plan(e, err);
        set_weightless(e->graph, false);
    }
    forget_lent(e, e->graph);
    if (status == WHET_OK && !e->attached) status = whet_pgraph_attach(e->graph, false, err);
    e->attached = e->attached || status == WHET_OK;
    e->plan = e->plans[0];
    return status;
}

static whet_status read_weights(whet_engine *e, whet_error *err) {
    whet_section *s = whet_engine_file_find(&e->file, WHET_SECTION_WEIGHTS, 0);
    if (!s) return WHET_OK;
    WHET_TRY(whet_section_check(s, e->env->workers, err));
    WHET_TRY(whet_model_weights_decode(s->data, s->size, &e->graph->arena, &e->listed, err));
    e->lists = true;
    atomic_store(&e->stripped, e->listed.stripped);
    return WHET_OK;
}

static whet_status open_sections(whet_engine *e, const void *data, size_t size, whet_error *err) {
    WHET_TRY(whet_engine_file_open(data, size, &e->file, err));
    whet_section *graph = whet_engine_file_find(&e->file, WHET_SECTION_GRAPH, 0);
    if (!graph) WHET_FAIL(err, WHET_E_PARSE, "engine file: it has no graph");
    WHET_TRY(whet_section_check(graph, e->env->workers, err));
    WHET_TRY(whet_engine_find_plugins(e, err));
    WHET_TRY(whet_pgraph_decode(graph->data, graph->size, whet_env_ops(e->env), &e->graph, err));
    WHET_TRY(whet_engine_attach_sources(&e->file, e->graph, err));
    whet_section *profiles = whet_engine_file_find(&e->file, WHET_SECTION_PROFILES, 0);
    if (profiles) {
        WHET_TRY(whet_section_check(profiles, e->env->workers, err));
        WHET_TRY(whet_boxes_decode(profiles->data, profiles->size, e->graph, &e->profiles, err));
    }
    if (!alloc_plans(e, e->profiles.n ? e->profiles.n : 1)) return WHET_NOMEM(err);
    WHET_TRY(read_weights(e, err));
    e->base.graph = e->graph;
    e->base.plans = e->plans;
    return atomic_load(&e->stripped) ? WHET_OK : find_plans(e, err);
}

static whet_engine *engine_new(whet_env *env) {
    whet_engine *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->handle.magic = WHET_HANDLE_MAGIC;
    e->env = env;
    whet_str_init(&e->text);
    whet_weight_set_init(e);
    return e;
}

// Takes map and owned, also when it fails.
static whet_status open_engine(whet_env *env, const void *data, size_t size, void *owned,
                               whet_map *map, bool stripped, whet_engine **engine,
                               whet_error *err) {
    whet_engine *e = engine_new(env);
    if (!e) {
        free(owned);
        whet_map_close(map);
        return WHET_NOMEM(err);
    }
    e->owned = owned;
    e->map = *map;
    whet_status status = open_sections(e, data, size, err);
    if (status == WHET_OK && !stripped && atomic_load(&e->stripped))
        status = whet_error_set(err, WHET_E_UNSUPPORTED,
                                "the engine was stripped of its weights: give it the model's when "
                                "it is loaded (whet_engine_load_refit, --refit=MODEL.onnx) or make "
                                "a whole engine of it (`whet refit`)");
    if (status != WHET_OK) {
        whet_engine_destroy(e);
        return status;
    }
    if (e->note[0]) whet_env_log(env, WHET_LOG_INFO, "engine: %s", e->note);
    *engine = e;
    return WHET_OK;
}

whet_status whet_engine_open(whet_env *env, const void *data, size_t size, void *owned,
                             whet_engine **engine, whet_error *err) {
    return open_engine(env, data, size, owned, &(whet_map){0}, false, engine, err);
}

whet_status whet_engine_open_stripped(whet_env *env, const void *data, size_t size, void *owned,
                                      whet_engine **engine, whet_error *err) {
    return open_engine(env, data, size, owned, &(whet_map){0}, true, engine, err);
}

whet_status whet_engine_wrap(whet_env *env, whet_pgraph *graph, whet_plan *plan,
                             whet_engine **engine, whet_error *err) {
    whet_engine *e = engine_new(env);
    if (!e || !alloc_plans(e, 1)) {
        whet_engine_destroy(e);
        return WHET_NOMEM(err);
    }
    e->graph = e->base.graph = graph;
    e->plan = e->plans[0] = plan;
    e->base.plans = e->plans;
    e->borrowed = e->exact = true;
    *engine = e;
    return WHET_OK;
}

void whet_engine_destroy(whet_engine *e) {
    if (!e) return;
    whet_weight_set_fini(e);
    if (!e->borrowed) {
        drop_plans(e);
        whet_pgraph_destroy(e->graph);
    }
    free(e->plans);
    whet_engine_file_close(&e->file);
    whet_engine_drop_weights(e);
    if (e->reserved) munmap(e->reserved, e->reserved_bytes);
    whet_map_close(&e->map);
    whet_str_fini(&e->text);
    free(e->owned);
    free(e);
}

static whet_status load(whet_env *env, const char *path, bool stripped, whet_engine **engine) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    whet_error *err = &env->handle.error;
    if (!path || !engine)
        WHET_FAIL(err, WHET_E_INVALID, "whet_engine_load: path or engine is NULL");
    whet_map map;
    WHET_TRY(whet_map_open(&map, path, err));
    whet_status status = open_engine(env, map.data, map.size, NULL, &map, stripped, engine, err);
    return status == WHET_OK ? status : whet_error_prefix(err, status, "%s", path);
}

whet_status whet_engine_load(whet_env *env, const char *path, whet_engine **engine) {
    return load(env, path, false, engine);
}

whet_status whet_engine_load_stripped(whet_env *env, const char *path, whet_engine **engine) {
    return load(env, path, true, engine);
}

bool whet_engine_is_stripped(const whet_engine *e) { return e && atomic_load(&e->stripped); }

whet_status whet_engine_load_memory(whet_env *env, const void *data, size_t bytes,
                                    whet_engine **engine) {
    env = whet_env_get(env);
    if (!env) return WHET_E_NOMEM;
    whet_error *err = &env->handle.error;
    if (!data || !engine) WHET_FAIL(err, WHET_E_INVALID, "whet_engine_load_memory: NULL argument");
    if ((uintptr_t)data % 64 == 0) return whet_engine_open(env, data, bytes, NULL, engine, err);
    void *copy;
    if (posix_memalign(&copy, WHET_ENGINE_ALIGN, bytes ? bytes : 1)) return WHET_NOMEM(err);
    memcpy(copy, data, bytes);
    return whet_engine_open(env, copy, bytes, copy, engine, err);
}

static whet_status engine_bytes(whet_engine *e, const void **data, size_t *size, whet_error *err) {
    void *stored;
    *data = e->file.data;
    *size = e->file.size;
    if (atomic_load(&e->current) == &e->base) return WHET_OK;
    whet_status status = whet_engine_store(e, false, &stored, size, err);
    *data = stored;
    return status;
}

const void *whet_engine_data(const whet_engine *engine, size_t *bytes) {
    const void *data = NULL;
    size_t size = 0;
    whet_error err;
    // what is written for the first time is kept with the engine
    if (engine && engine_bytes((whet_engine *)(uintptr_t)engine, &data, &size, &err) != WHET_OK)
        data = NULL, size = 0;
    if (bytes) *bytes = size;
    return data;
}

whet_status whet_engine_save(whet_engine *engine, const char *path) {
    if (!engine) return WHET_E_INVALID;
    whet_error *err = &engine->handle.error;
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_engine_save: path is NULL");
    whet_piece piece;
    WHET_TRY(engine_bytes(engine, &piece.data, &piece.size, err));
    return whet_file_write(path, &piece, 1, err);
}

whet_status whet_engine_save_stripped(whet_engine *engine, const char *path) {
    if (!engine) return WHET_E_INVALID;
    whet_error *err = &engine->handle.error;
    if (!path) WHET_FAIL(err, WHET_E_INVALID, "whet_engine_save_stripped: path is NULL");
    void *data;
    size_t size;
    WHET_TRY(whet_engine_store(engine, true, &data, &size, err));
    whet_piece piece = {data, size};
    whet_status status = whet_file_write(path, &piece, 1, err);
    free(data);
    return status;
}

int32_t whet_engine_input_count(const whet_engine *e) { return e ? e->graph->n_inputs : 0; }
int32_t whet_engine_output_count(const whet_engine *e) { return e ? e->graph->n_outputs : 0; }

static void fill_info(const whet_engine *e, int32_t value, const char *name, whet_io_info *info) {
    const whet_pvalue *v = &e->graph->values[value];
    *info = (whet_io_info){.name = name, .dtype = v->type.dtype, .rank = v->type.rank,
                           .elem = v->type.elem};
    for (int32_t d = 0; d < v->type.rank; d++) {
        bool number = whet_dim_is_const(v->type.dims[d]);
        info->dims[d] = number ? v->type.dims[d] : -1;
        if (!number) info->dim_names[d] = whet_dim_name(e->graph->dims, v->type.dims[d]);
        if (info->dim_names[d] && info->dim_names[d][0] == '?') info->dim_names[d] = NULL;
        if (v->dim_names[d]) info->dim_names[d] = v->dim_names[d];
    }
}

whet_status whet_engine_input(const whet_engine *e, int32_t index, whet_io_info *info) {
    if (!e || !info || index < 0 || index >= e->graph->n_inputs) return WHET_E_RANGE;
    fill_info(e, e->graph->inputs[index], e->graph->values[e->graph->inputs[index]].name, info);
    return WHET_OK;
}

whet_status whet_engine_output(const whet_engine *e, int32_t index, whet_io_info *info) {
    if (!e || !info || index < 0 || index >= e->graph->n_outputs) return WHET_E_RANGE;
    fill_info(e, e->graph->outputs[index], e->graph->output_names[index], info);
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Engine files: checksums are mended first, so that what was changed reaches the decoders. What
// loads is inspected, run when it is small, refitted and run again. Plugins are there; carried
// libraries never load.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <whet/refit.h>

#include "base/hash.h"
#include "fuzz_plugin.h"
#include "run/engine_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SMALL (1 << 14) // elements of the largest value that is worth running

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}
static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }

static void mend(uint8_t *d, size_t size) {
    if (size < WHET_ENGINE_HEADER_BYTES) return;
    uint64_t n = get32(d + 12);
    size_t table = (size_t)n * WHET_ENGINE_ENTRY_BYTES;
    if (n <= WHET_ENGINE_MAX_SECTIONS && table <= size - WHET_ENGINE_HEADER_BYTES) {
        for (uint64_t i = 0; i < n; i++) {
            uint8_t *e = d + WHET_ENGINE_HEADER_BYTES + i * WHET_ENGINE_ENTRY_BYTES;
            uint64_t offset = get64(e + 8), bytes = get64(e + 16);
            if (offset <= size && bytes <= size - offset)
                put32(e + 24, whet_crc32c(0, d + offset, (size_t)bytes));
        }
        put32(d + 24, whet_crc32c(0, d + WHET_ENGINE_HEADER_BYTES, table));
    }
    memcpy(d + 16, &(uint64_t){size}, 8);
    put32(d + 60, whet_crc32c(0, d, 60));
}

static bool is_small(const whet_pgraph *g, const whet_plan *p) {
    if (p->n_steps > 64) return false;
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!is_small(g->blocks[i], p->blocks[i])) return false;
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_type *t = &g->values[i].type;
        int64_t count = 1;
        for (int32_t d = 0; d < t->rank; d++) {
            int64_t n = whet_dim_is_const(t->dims[d]) ? t->dims[d] : 2;
            if (n < 0 || n > SMALL || (count *= n ? n : 1) > SMALL) return false;
        }
    }
    return true;
}

static bool has_loops(const whet_pgraph *g) { return g->n_blocks > 0; }

// Once with zeros; with blocks also so that conditions are true and loops begin.
static void run(whet_engine *e) {
    whet_context *c = NULL;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_tensor *in = NULL, out[16] = {{0}};
    if (e->graph->n_outputs <= 16 && whet_context_create(e, &c) == WHET_OK) {
        in = WHET_NEW_ARRAY(&arena, whet_tensor, e->graph->n_inputs + 1);
        for (int32_t i = 0; in && i < e->graph->n_inputs; i++) {
            const whet_type *t = &e->graph->values[e->graph->inputs[i]].type;
            in[i].dtype = t->dtype;
            in[i].rank = t->rank;
            for (int32_t d = 0; d < t->rank; d++)
                in[i].dims[d] = whet_dim_is_const(t->dims[d]) ? t->dims[d] : 2;
            in[i].bytes = whet_tensor_bytes(t->dtype, whet_dims_count(in[i].dims, t->rank));
            in[i].data = in[i].bytes < SIZE_MAX ? whet_arena_alloc(&arena, in[i].bytes) : NULL;
        }
        // what a loop carries may double in each iteration
        whet_context_set_loop_limit(c, 8);
        if (in) whet_context_run(c, in, e->graph->n_inputs, out, e->graph->n_outputs);
        for (int32_t i = 0; in && i < e->graph->n_inputs && has_loops(e->graph); i++)
            if (in[i].dtype == WHET_DTYPE_BOOL || in[i].dtype == WHET_DTYPE_I64)
                memset(in[i].data, 1, in[i].bytes);
        memset(out, 0, sizeof out);
        if (in && has_loops(e->graph))
            whet_context_run(c, in, e->graph->n_inputs, out, e->graph->n_outputs);
    }
    whet_context_destroy(c);
    whet_arena_fini(&arena);
}

// Gives zeros for the weights that may change: all, or every other one.
static void refit(whet_engine *e, bool all) {
    static const char zeros[1 << 20];
    whet_refitter *r = NULL;
    if (whet_refitter_create(e, &r) != WHET_OK) return;
    for (int32_t i = 0; i < whet_refitter_count(r); i += all ? 1 : 2) {
        whet_weight_info info;
        whet_tensor t = {.data = (void *)(uintptr_t)zeros};
        whet_refitter_weight(r, i, &info);
        t.dtype = info.dtype;
        t.rank = info.rank;
        memcpy(t.dims, info.dims, sizeof t.dims);
        if (whet_tensor_bytes(t.dtype, whet_dims_count(t.dims, t.rank)) <= sizeof zeros)
            whet_refitter_set(r, info.name, &t);
    }
    whet_refitter_missing(r, 0);
    if (whet_refitter_run(r) == WHET_OK) whet_engine_data(e, NULL);
    whet_refitter_destroy(r);
}

static void quiet(void *user, whet_severity severity, const char *text) {
    (void)user, (void)severity, (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static whet_env *env;
    if (!env) {
        whet_env_options o = {.struct_size = sizeof o, .log = quiet, .threads = 1};
        if (whet_env_create(&o, &env) || whet_env_register_plugin(env, &fuzz_everything) ||
            whet_env_register_plugin(env, &fuzz_some))
            abort();
    }
    void *copy = NULL;
    if (size > 1 << 20 || posix_memalign(&copy, 64, size ? size : 1)) return 0;
    if (size) memcpy(copy, data, size);
    mend(copy, size);
    whet_engine *e = NULL;
    whet_error err;
    if (whet_engine_open_stripped(env, copy, size, NULL, &e, &err) == WHET_OK) {
        bool whole = !whet_engine_is_stripped(e);
        whet_engine_inspect(e, true);
        whet_engine_inspect(e, false);
        if (whole && is_small(e->graph, e->plan)) run(e);
        refit(e, !whole);
        if (!whet_engine_is_stripped(e) && is_small(e->graph, e->plan)) run(e);
        whet_engine_destroy(e);
    }
    free(copy);
    return 0;
}

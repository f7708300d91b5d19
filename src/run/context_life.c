// SPDX-License-Identifier: Apache-2.0
// Making, setting and destroying contexts.
#include <stdlib.h>
#include <string.h>

#include "base/cpu_list.h"
#include "run/control.h"

#define WHET_MAX_STREAMS 1024

static whet_status open_lane(whet_lane *l, const whet_plan *p) {
    size_t n_tensors = (size_t)p->n_tensors + 1, n_segments = (size_t)p->n_segments + 1;
    l->plan = p;
    l->frames = calloc(n_segments * WHET_FRAMES_KEPT, sizeof *l->frames);
    l->cross = calloc(n_tensors, sizeof *l->cross);
    l->pointers = calloc(n_tensors, sizeof *l->pointers);
    l->device_packed = calloc((size_t)p->n_packed + 1, sizeof *l->device_packed);
    l->device_constant = calloc(n_tensors, sizeof *l->device_constant);
    l->times = calloc((size_t)p->n_steps + 1, sizeof *l->times);
    l->sums = calloc((size_t)p->n_steps + 1, sizeof *l->sums);
    l->ran = calloc((size_t)p->n_steps + 1, sizeof *l->ran);
    bool good = l->frames && l->cross && l->pointers && l->device_packed && l->device_constant &&
                l->times && l->sums && l->ran;
    return good ? WHET_OK : WHET_E_NOMEM;
}

static whet_status alloc_context(whet_context *c) {
    const whet_engine *e = c->engine;
    const whet_env *env = e->env;
    size_t n_values = (size_t)c->graph->n_values + 1, n_outputs = (size_t)c->graph->n_outputs + 1;
    c->outputs = calloc(n_outputs, sizeof *c->outputs);
    c->allocators = calloc(n_outputs, sizeof *c->allocators);
    c->taken = calloc(n_outputs, sizeof *c->taken);
    c->errors = c->parent ? c->parent->errors
                          : calloc((size_t)env->threads, sizeof *c->errors);
    c->dynamic = calloc(n_values, sizeof *c->dynamic);
    c->host_values = calloc(n_values, sizeof *c->host_values);
    c->streams = c->parent ? c->parent->streams : calloc(WHET_MAX_BACKENDS, sizeof *c->streams);
    c->lanes = calloc((size_t)e->n_plans, sizeof *c->lanes);
    if (!c->allocators || !c->taken) return WHET_E_NOMEM;
    if (!c->outputs || !c->errors || !c->dynamic || !c->host_values || !c->streams || !c->lanes)
        return WHET_E_NOMEM;
    c->n_lanes = e->n_plans;
    for (int32_t i = 0; i < e->n_plans; i++)
        WHET_TRY(open_lane(&c->lanes[i], c->parent ? c->parent->lanes[i].plan->blocks[c->number]
                                                   : c->weights->plans[i]));
    c->lane = &c->lanes[0];
    c->asked = -1;
    for (int32_t i = 0; i < env->n_backends && !c->parent; i++)
        if (env->backends[i]->stream_create)
            WHET_TRY(env->backends[i]->stream_create(&c->streams[i], &c->handle.error));
    return WHET_OK;
}

static whet_context *new_context(whet_engine *engine) {
    whet_context *c = NULL;
    if (posix_memalign((void **)&c, 64, (sizeof *c + 63) & ~(size_t)63)) return NULL;
    memset(c, 0, sizeof *c);
    c->handle.magic = WHET_HANDLE_MAGIC;
    c->engine = engine;
    whet_arena_init(&c->eval);
    whet_arena_init(&c->own_objects);
    whet_arena_init(&c->query_memory);
    return c;
}

whet_status whet_context_create(whet_engine *engine, whet_context **context) {
    if (!engine || !context) return WHET_E_INVALID;
    if (atomic_load(&engine->stripped))
        WHET_FAIL(&engine->handle.error, WHET_E_INVALID,
                  "the engine was stripped of its weights and has not been given any yet: make a "
                  "whet_refitter of it");
    whet_context *c = new_context(engine);
    if (!c) return WHET_E_NOMEM;
    c->weights = whet_weight_set_ref(engine);
    c->graph = c->weights->graph;
    c->own_objects.limit = WHET_OBJECT_BYTES;
    c->objects = &c->own_objects;
    c->own_limits.iterations = WHET_LOOP_ITERATIONS;
    c->limits = &c->own_limits;
    whet_status status = alloc_context(c);
    if (status != WHET_OK) {
        whet_context_destroy(c);
        return status;
    }
    *context = c;
    return WHET_OK;
}

whet_status whet_context_create_block(whet_context *parent, int32_t k, whet_context **block) {
    whet_context *c = new_context(parent->engine);
    if (!c) return WHET_NOMEM(&parent->handle.error);
    c->parent = parent;
    c->graph = parent->graph->blocks[k];
    c->number = k;
    c->objects = parent->objects;
    c->limits = parent->limits;
    if (alloc_context(c) == WHET_OK) {
        *block = c;
        return WHET_OK;
    }
    whet_context_destroy(c);
    return WHET_NOMEM(&parent->handle.error);
}

static void free_device(const whet_context *c, whet_lane *l) {
    const whet_plan *p = l->plan;
    for (int32_t i = 0; l->cross && i < p->n_tensors; i++) {
        const whet_backend *b = whet_context_backend(c, p->tensors[i].backend);
        if (l->cross[i].data) b->free(l->cross[i].data);
    }
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        if (s->backend <= 0) continue;
        const whet_backend *b = whet_context_backend(c, s->backend);
        for (int32_t k = 0; k < s->n_in; k++) {
            if (l->device_packed && s->packed[k] >= 0 && l->device_packed[s->packed[k]]) {
                b->free(l->device_packed[s->packed[k]]);
                l->device_packed[s->packed[k]] = NULL;
            }
            if (l->device_constant && s->in[k] >= 0 && l->device_constant[s->in[k]]) {
                b->free(l->device_constant[s->in[k]]);
                l->device_constant[s->in[k]] = NULL;
            }
        }
    }
}

static void close_lane(const whet_context *c, whet_lane *l) {
    if (!l->plan) return;
    free_device(c, l);
    for (int32_t i = 0; l->frames && i < l->plan->n_segments * WHET_FRAMES_KEPT; i++)
        whet_frame_destroy(l->frames[i]);
    free(l->frames);
    free(l->cross);
    free(l->pointers);
    free(l->device_packed);
    free(l->device_constant);
    free(l->times);
    free(l->sums);
    free(l->ran);
    *l = (whet_lane){0};
}

static void close_blocks(whet_context *c) {
    for (int32_t i = 0; c->blocks && i < c->graph->n_blocks; i++)
        whet_context_destroy(c->blocks[i]);
    free(c->blocks);
    c->blocks = NULL;
}

// Frames and copies on other devices are made anew: what they point to has gone.
whet_status whet_context_update_weights(whet_context *c) {
    whet_engine *e = c->engine;
    if (!c->stale && atomic_load(&e->current) == c->weights) return WHET_OK;
    whet_weight_set *newest = whet_weight_set_ref(e), *old = c->weights;
    int64_t lane = c->lane - c->lanes;
    whet_status status = WHET_OK;
    close_blocks(c);
    c->frame = NULL;
    for (int32_t i = 0; i < c->n_lanes; i++) close_lane(c, &c->lanes[i]);
    c->weights = newest;
    c->graph = newest->graph;
    for (int32_t i = 0; i < c->n_lanes && status == WHET_OK; i++)
        status = open_lane(&c->lanes[i], newest->plans[i]);
    c->lane = &c->lanes[lane];
    c->stale = status != WHET_OK;
    whet_weight_set_unref(e, old);
    return c->stale ? WHET_NOMEM(&c->handle.error) : WHET_OK;
}

void whet_context_destroy(whet_context *c) {
    if (!c) return;
    const whet_engine *e = c->engine;
    close_blocks(c);
    for (int32_t i = 0; c->streams && !c->parent && i < e->env->n_backends; i++)
        if (e->env->backends[i]->stream_destroy && c->streams[i])
            e->env->backends[i]->stream_destroy(c->streams[i]);
    for (int32_t i = 0; i < c->n_lanes; i++) close_lane(c, &c->lanes[i]);
    for (int32_t i = 0; c->outputs && i < c->graph->n_outputs; i++) free(c->outputs[i].data);
    whet_frame_destroy(c->draft);
    free(c->arena.data);
    free(c->scratch.data);
    free(c->counters.data);
    whet_arena_fini(&c->eval);
    whet_arena_fini(&c->own_objects);
    whet_arena_fini(&c->query_memory);
    whet_block_run_free(c);
    void *arrays[] = {c->allocators, c->taken, c->lanes, c->key, c->outputs,
                      c->parent ? NULL : c->errors, c->dynamic, (void *)c->host_values,
                      c->parent ? NULL : c->streams};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
    if (!c->parent) whet_weight_set_unref(c->engine, c->weights);
    free(c);
}

whet_status whet_context_set_threads(whet_context *c, int32_t threads) {
    if (!c) return WHET_E_INVALID;
    if (threads < 0)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "threads is %d, expected 0 or more", threads);
    c->threads = threads;
    return WHET_OK;
}

whet_status whet_context_set_stream(whet_context *c, int32_t index, int32_t count) {
    if (!c) return WHET_E_INVALID;
    if (count < 1 || count > WHET_MAX_STREAMS || index < 0 || index >= count)
        WHET_FAIL(&c->handle.error, WHET_E_RANGE, "stream %d of %d, expected 0 to %d of at most %d",
                  index, count, count - 1, WHET_MAX_STREAMS);
    c->stream = index;
    c->n_streams = count;
    return WHET_OK;
}

whet_status whet_context_pin_thread(whet_context *c) {
    if (!c) return WHET_E_INVALID;
    const whet_env *env = c->engine->env;
    if (!env->cpus)
        WHET_FAIL(&c->handle.error, WHET_E_UNSUPPORTED,
                  "the environment was made without a list of processors (option cpus)");
    int32_t cpu = env->cpus[whet_context_first_thread(c)];
    if (!whet_cpu_pin(cpu))
        WHET_FAIL(&c->handle.error, WHET_E_UNSUPPORTED,
                  "the system does not keep this thread on processor %d", cpu);
    return WHET_OK;
}

whet_status whet_context_set_object_limit(whet_context *c, size_t bytes) {
    if (!c) return WHET_E_INVALID;
    c->own_objects.limit = bytes;
    return WHET_OK;
}

whet_status whet_context_set_output_allocator(whet_context *c, int32_t output,
                                              const whet_output_allocator *allocator) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    whet_error_clear(err);
    if (output < 0 || output >= c->graph->n_outputs)
        WHET_FAIL(err, WHET_E_RANGE, "output %d is asked for, the engine has %d", output,
                  c->graph->n_outputs);
    c->allocators[output] = (whet_output_allocator){0};
    if (!allocator) return WHET_OK;
    if (allocator->struct_size < sizeof *allocator || !allocator->reallocate)
        WHET_FAIL(err, WHET_E_INVALID,
                  "whet_output_allocator: struct_size is %zu, expected %zu; it needs reallocate",
                  allocator->struct_size, sizeof *allocator);
    c->allocators[output] = *allocator;
    return WHET_OK;
}

whet_status whet_context_set_profiler(whet_context *c, whet_profile_fn profile, void *user) {
    if (!c) return WHET_E_INVALID;
    c->profile = profile;
    c->profile_user = user;
    return WHET_OK;
}

whet_status whet_context_set_tap(whet_context *c, whet_tap_fn tap, void *user) {
    if (!c) return WHET_E_INVALID;
    c->tap = tap;
    c->tap_user = user;
    return WHET_OK;
}

void whet_context_set_watch(whet_context *c, whet_watch_fn watch, void *user) {
    c->watch = watch;
    c->watch_user = user;
}

whet_status whet_context_set_loop_limit(whet_context *c, int64_t iterations) {
    if (!c) return WHET_E_INVALID;
    if (iterations < 1)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "a limit of %lld iterations, expected 1 or "
                  "more", (long long)iterations);
    c->own_limits.iterations = iterations;
    return WHET_OK;
}

whet_status whet_context_set_time_limit(whet_context *c, double seconds) {
    if (!c) return WHET_E_INVALID;
    if (!(seconds >= 0))
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "a limit of %g seconds, expected 0 or more",
                  seconds);
    c->own_limits.seconds = seconds;
    return WHET_OK;
}

size_t whet_context_arena_bytes(const whet_context *c) {
    size_t bytes = c ? c->arena_bytes : 0;
    for (int32_t i = 0; c && c->blocks && i < c->graph->n_blocks; i++)
        bytes += whet_context_arena_bytes(c->blocks[i]);
    return bytes;
}

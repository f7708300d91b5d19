// SPDX-License-Identifier: Apache-2.0
// Running: for each segment find or make the frame of the signature, set the pointers, hand it to
// the backend. After the first run at a signature nothing here allocates.
#include "base/bench.h"
#include "base/object.h"
#include "base/texts.h"
#include "run/control.h"

#include <stdlib.h>
#include <string.h>

// ---- memory ----

static whet_status grow(const whet_backend *b, whet_block_memory *m, size_t bytes,
                        whet_error *err) {
    if (bytes <= m->cap && m->data) return WHET_OK;
    void *fresh = b->alloc(bytes ? bytes : 64);
    if (!fresh) WHET_FAIL(err, WHET_E_NOMEM, "out of memory (%zu bytes on %s)", bytes, b->name);
    if (m->data) b->free(m->data);
    *m = (whet_block_memory){fresh, bytes ? bytes : 64};
    return WHET_OK;
}

whet_status whet_context_grow(whet_context *c, whet_block_memory *m, size_t bytes) {
    return grow(whet_context_backend(c, 0), m, bytes, &c->handle.error);
}

void whet_context_free(whet_block_memory *m) {
    whet_backend_cpu.free(m->data);
    *m = (whet_block_memory){0};
}

const whet_backend *whet_context_backend(const whet_context *c, int32_t i) {
    return c->engine->env->backends[i < 0 ? 0 : i];
}

// Number of the first thread of a stream; several share one when there are more than threads.
static int32_t first_thread(const whet_context *c, int32_t stream) {
    int32_t n = c->engine->env->threads;
    return c->n_streams > n ? stream % n : (int32_t)((int64_t)stream * n / c->n_streams);
}

static int32_t threads_of(const whet_context *c) {
    int32_t n = c->engine->env->threads;
    if (c->n_streams > n) n = 1;
    else if (c->n_streams > 1) n = first_thread(c, c->stream + 1) - first_thread(c, c->stream);
    return c->threads && c->threads < n ? c->threads : n;
}

int32_t whet_context_first_thread(const whet_context *c) {
    return c->n_streams > 1 ? first_thread(c, c->stream) : 0;
}

// ---- signature ----

static whet_status key_push(whet_context *c, int64_t v) {
    if (c->n_key == c->cap_key) {
        int64_t cap = c->cap_key ? c->cap_key * 2 : 256;
        int64_t *grown = realloc(c->key, (size_t)cap * sizeof *grown);
        if (!grown) return WHET_NOMEM(&c->handle.error);
        c->key = grown;
        c->cap_key = cap;
    }
    c->key[c->n_key++] = v;
    return WHET_OK;
}

static whet_status key_shape(whet_context *c, int32_t rank, const int64_t *dims) {
    WHET_TRY(key_push(c, rank));
    for (int32_t d = 0; d < rank; d++) WHET_TRY(key_push(c, dims[d]));
    return WHET_OK;
}

static whet_status key_contents(whet_context *c, const void *data, whet_dtype dtype, int64_t n) {
    WHET_TRY(key_push(c, n));
    for (int64_t i = 0; i < n; i++) {
        int64_t bits = 0;
        if (whet_dtype_is_float(dtype)) {
            double v = whet_load_f64(data, dtype, i);
            memcpy(&bits, &v, sizeof bits);
        } else {
            bits = whet_load_i64(data, dtype, i);
        }
        WHET_TRY(key_push(c, bits));
    }
    return WHET_OK;
}

static whet_status start_key(whet_context *c) {
    const whet_pgraph *g = c->graph;
    c->n_key = 0;
    WHET_TRY(key_push(c, threads_of(c)));
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const whet_tensor *t = &c->inputs[i];
        WHET_TRY(key_shape(c, t->rank, t->dims));
        c->host_values[g->inputs[i]] = NULL;
        if (!g->values[g->inputs[i]].host_value || !t->data) continue;
        c->host_values[g->inputs[i]] = t->data;
        WHET_TRY(key_contents(c, t->data, t->dtype, whet_dims_count(t->dims, t->rank)));
    }
    return WHET_OK;
}

// What the finished segment adds: shapes of dynamic outputs, contents that shape functions will
// read.
static whet_status extend_key(whet_context *c) {
    const whet_pgraph *g = c->graph;
    const whet_plan *p = c->lane->plan;
    const whet_psegment *seg = &p->segments[c->segment];
    for (int32_t i = 0; i < seg->n_steps; i++) {
        const whet_pstep *s = &p->steps[seg->first_step + i];
        for (int32_t k = 0; k < s->n_out; k++) {
            if (s->out[k] < 0) continue;
            const whet_ptensor *t = &p->tensors[s->out[k]];
            const whet_tensor *made = &c->dynamic[t->value];
            if (made->dtype) WHET_TRY(key_shape(c, made->rank, made->dims));
            if (!g->values[t->value].host_value || t->layout || t->stored || t->backend) continue;
            const whet_vshape *shape = &c->frame->shapes[t->value];
            const int64_t *dims = made->dtype ? made->dims : shape->dims;
            int32_t rank = made->dtype ? made->rank : shape->rank;
            c->host_values[t->value] = c->lane->pointers[s->out[k]];
            WHET_TRY(key_contents(c, c->lane->pointers[s->out[k]], shape->dtype,
                                  whet_dims_count(dims, rank)));
        }
    }
    // views of such tensors
    for (int32_t t = 0; t < p->n_tensors; t++) {
        const whet_ptensor *pt = &p->tensors[t];
        if (pt->alias < 0 || !g->values[pt->value].host_value || c->host_values[pt->value])
            continue;
        int32_t made = g->values[pt->value].node;
        if (made < seg->first_node || made >= seg->end_node || !c->lane->pointers[t]) continue;
        const whet_vshape *shape = &c->frame->shapes[pt->value];
        c->host_values[pt->value] = c->lane->pointers[t];
        WHET_TRY(key_contents(c, c->lane->pointers[t], shape->dtype,
                              whet_dims_count(shape->dims, shape->rank)));
    }
    return WHET_OK;
}

// ---- frames ----

static whet_status set_key(whet_context *c, whet_frame *f) {
    if (f->cap_key < c->n_key) {
        int64_t *grown = realloc(f->key, (size_t)c->n_key * sizeof *grown);
        if (!grown) return WHET_NOMEM(&c->handle.error);
        f->key = grown;
        f->cap_key = c->n_key;
    }
    memcpy(f->key, c->key, (size_t)c->n_key * sizeof *f->key);
    f->n_key = c->n_key;
    return WHET_OK;
}

// Made in the memory of one that was replaced before. Where there is no more room, a signature that
// differs from a kept one's in contents alone, as those of a loop's iterations may, and gives the
// same shapes takes that frame over.
static whet_status make_frame(whet_context *c, whet_frame **slot) {
    whet_frame_input in = {.env = c->engine->env, .graph = c->graph,
                           .plan = c->lane->plan, .segment = c->segment, .threads = threads_of(c),
                           .inputs = c->inputs, .host_values = c->host_values,
                           .dynamic = c->dynamic};
    whet_error *err = &c->handle.error;
    if (!c->draft) c->draft = calloc(1, sizeof *c->draft);
    if (!c->draft) return WHET_NOMEM(err);
    WHET_TRY(whet_frame_infer(&in, c->draft, err));
    whet_frame **kept = &c->lane->frames[c->segment * WHET_FRAMES_KEPT];
    for (int32_t i = 0; i < WHET_FRAMES_KEPT && *slot; i++) {
        whet_frame *f = kept[i];
        if (!f || f->key[0] != c->key[0] || !whet_frame_same(&in, f, c->draft)) continue;
        c->frame = f;
        return set_key(c, f);
    }
    WHET_TRY(whet_frame_finish(&in, c->draft, err));
    WHET_TRY(set_key(c, c->draft));
    whet_frame *replaced = *slot;
    *slot = c->frame = c->draft;
    c->draft = replaced;
    return WHET_OK;
}

// c->frame NULL: it is not kept, *oldest is what it may replace.
static void look_up_frame(whet_context *c, whet_frame ***oldest) {
    whet_frame **kept = &c->lane->frames[c->segment * WHET_FRAMES_KEPT];
    *oldest = &kept[0];
    c->frame = NULL;
    for (int32_t i = 0; i < WHET_FRAMES_KEPT; i++) {
        whet_frame *f = kept[i];
        if (f && f->n_key == c->n_key &&
            !memcmp(f->key, c->key, (size_t)c->n_key * sizeof *c->key)) {
            c->frame = f;
            f->used = ++c->clock;
            return;
        }
        if (!f || (**oldest && f->used < (**oldest)->used)) *oldest = &kept[i];
    }
}

static whet_status find_frame(whet_context *c) {
    whet_frame **oldest;
    look_up_frame(c, &oldest);
    if (c->frame) return WHET_OK;
    WHET_TRY(make_frame(c, oldest));
    c->frame->used = ++c->clock;
    return WHET_OK;
}

// ---- pointers ----

static whet_status ask_allocator(whet_context *c, int32_t i, size_t bytes) {
    const whet_output_allocator *a = &c->allocators[i];
    whet_block_memory *m = &c->taken[i];
    void *memory = a->reallocate(a->user, i, m->data, bytes, WHET_OUTPUT_ALIGN);
    if (!memory && bytes)
        WHET_FAIL(&c->handle.error, WHET_E_NOMEM,
                  "output \"%s\": its allocator has no memory of %zu bytes",
                  c->graph->output_names[i], bytes);
    *m = (whet_block_memory){memory, bytes};
    return WHET_OK;
}

// Where output i goes: the caller's memory, its allocator's, or the context's. Is asked once for a
// size, again when it turns out to be larger.
static whet_status output_pointer(whet_context *c, int32_t i, size_t bytes, void **p) {
    whet_block_memory *m = &c->taken[i];
    whet_error *err = &c->handle.error;
    bool room = m->data && m->cap >= bytes;
    if (!room && c->allocators[i].reallocate) {
        WHET_TRY(ask_allocator(c, i, bytes));
        room = m->data != NULL;
    }
    if (!room && m->data && m->data != c->outputs[i].data) {
        whet_error_set(err, WHET_E_BUFFER, "output \"%s\" needs %zu bytes, %zu given",
                       c->graph->output_names[i], bytes, m->cap);
        // sizes that only running tells are found out before the caller hears of it
        if (c->lane->plan->n_segments == 1) return WHET_E_BUFFER;
        if (!c->short_of_room) c->room_error = *err;
        c->short_of_room = true;
    }
    if (!room) {
        // what a loop carries may grow in every iteration
        size_t more = c->parent && c->outputs[i].cap && bytes < SIZE_MAX / 2 ? bytes / 2 : 0;
        if (bytes > c->outputs[i].cap || !c->outputs[i].data)
            WHET_TRY(whet_context_grow(c, &c->outputs[i], bytes + more));
        *m = c->outputs[i];
    }
    *p = m->data;
    return WHET_OK;
}

// Of the output that tensor t lies in: parts of a concatenation lie inside of its bytes. One that a
// later segment makes as a view of t is as large as t.
static size_t output_bytes(const whet_context *c, int32_t t) {
    const whet_slot *s = &c->frame->slots[t];
    int32_t whole = c->lane->plan->outputs[s->index];
    bool known = c->frame->shapes[c->lane->plan->tensors[whole].value].rank >= 0;
    return known ? c->frame->slots[whole].bytes : s->offset + s->bytes;
}

static whet_status set_pointers(whet_context *c) {
    whet_lane *l = c->lane;
    const whet_plan *p = l->plan;
    whet_frame *f = c->frame;
    WHET_TRY(grow(whet_context_backend(c, 0), &c->arena, f->arena_bytes, &c->handle.error));
    if (f->arena_bytes > c->arena_bytes) c->arena_bytes = f->arena_bytes;
    for (int32_t t = 0; t < p->n_tensors; t++) {
        const whet_slot *s = &f->slots[t];
        const whet_ptensor *pt = &p->tensors[t];
        switch (s->place) {
        case WHET_PLACE_NONE: break;
        case WHET_PLACE_CONST:
            l->pointers[t] = (void *)c->graph->values[p->tensors[s->index].value].data;
            break;
        case WHET_PLACE_INPUT: l->pointers[t] = c->inputs[s->index].data; break;
        case WHET_PLACE_OUTPUT:
            // of a later segment, whose size is not known yet
            if (f->shapes[pt->value].rank < 0) break;
            WHET_TRY(output_pointer(c, s->index, output_bytes(c, t), &l->pointers[t]));
            if (l->pointers[t]) l->pointers[t] = (char *)l->pointers[t] + s->offset;
            break;
        case WHET_PLACE_ARENA: l->pointers[t] = (char *)c->arena.data + s->offset; break;
        case WHET_PLACE_CROSS:
            if (s->index == t)
                WHET_TRY(grow(whet_context_backend(c, pt->backend), &l->cross[t], s->bytes,
                              &c->handle.error));
            if (l->cross[s->index].data)
                l->pointers[t] = (char *)l->cross[s->index].data + s->offset;
            break;
        }
    }
    // a part comes before its whole in this order, and the whole's block may just have moved
    for (int32_t t = 0; t < p->n_tensors; t++)
        if (f->slots[t].place == WHET_PLACE_CROSS && l->cross[f->slots[t].index].data)
            l->pointers[t] = (char *)l->cross[f->slots[t].index].data + f->slots[t].offset;
    return WHET_OK;
}

static whet_status device_copy(whet_context *c, int32_t backend, const void *host, size_t bytes,
                               void **device) {
    if (*device) return WHET_OK;
    const whet_backend *b = whet_context_backend(c, backend);
    *device = b->alloc(bytes);
    if (!*device) WHET_FAIL(&c->handle.error, WHET_E_NOMEM, "out of memory on %s", b->name);
    return b->copy_in(c->streams[backend], *device, host, bytes, &c->handle.error);
}

static whet_status bind_device_constants(whet_context *c, const whet_pstep *ps, whet_step *s) {
    const whet_plan *p = c->lane->plan;
    for (int32_t i = 0; i < ps->n_in; i++) {
        if (ps->packed[i] >= 0) {
            const whet_packed *k = &p->packed[ps->packed[i]];
            void **device = &c->lane->device_packed[ps->packed[i]];
            WHET_TRY(device_copy(c, ps->backend, k->data, k->bytes, device));
            ((const void **)s->call.packed)[i] = *device;
        } else if (ps->in[i] >= 0 &&
                   whet_pvalue_is_const(&c->graph->values[p->tensors[ps->in[i]].value])) {
            whet_tensor t = whet_pvalue_tensor(
                &c->graph->values[p->tensors[ps->in[i]].value]);
            WHET_TRY(device_copy(c, ps->backend, t.data, t.bytes,
                                 &c->lane->device_constant[ps->in[i]]));
            ((const void **)s->call.in)[i] = c->lane->device_constant[ps->in[i]];
        }
    }
    return WHET_OK;
}

static whet_status alloc_dynamic(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims);

static whet_status bind(whet_context *c) {
    const whet_plan *p = c->lane->plan;
    whet_frame *f = c->frame;
    for (int32_t i = 0; i < f->n_live; i++) {
        whet_step *s = &f->live[i];
        const whet_pstep *ps = &p->steps[f->live_step[i]];
        const void **in = (const void **)s->call.in;
        void **out = (void **)s->call.out;
        for (int32_t k = 0; k < ps->n_in; k++)
            in[k] = ps->in[k] < 0 || s->call.packed[k] ? NULL : c->lane->pointers[ps->in[k]];
        for (int32_t k = 0; k < ps->n_out; k++)
            out[k] = ps->out[k] < 0 ? NULL : c->lane->pointers[ps->out[k]];
        s->call.other = ps->other < 0 ? NULL : c->lane->pointers[ps->other];
        s->call.workspace = (char *)c->arena.data + f->workspace_offset;
        s->call.arena = &c->eval;
        s->call.objects = c->objects;
        s->call.alloc = alloc_dynamic;
        s->call.alloc_user = c;
        if (ps->backend > 0) WHET_TRY(bind_device_constants(c, ps, s));
    }
    return WHET_OK;
}

// Memory for an output whose shape its step has just found out. The step is the only one running.
static whet_status alloc_dynamic(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    whet_context *c = e->alloc_user;
    const whet_plan *p = c->lane->plan;
    for (int32_t k = 0; k < c->frame->n_live; k++) {
        const whet_pstep *ps = &p->steps[c->frame->live_step[k]];
        if (c->frame->live[k].call.node != e->node || !ps->op || ps->op != e->op) continue;
        int32_t t = ps->out[i];
        int32_t v = p->tensors[t].value;
        size_t bytes = whet_tensor_bytes(e->out[i].dtype, whet_dims_count(dims, rank));
        if (bytes == SIZE_MAX)
            WHET_FAIL(e->err, WHET_E_LIMIT, "%s: its output is too large", e->node);
        WHET_TRY(grow(whet_context_backend(c, 0), &c->lane->cross[t], bytes, e->err));
        c->lane->pointers[t] = c->lane->cross[t].data;
        whet_tensor *made = &c->dynamic[v];
        *made = (whet_tensor){.dtype = e->out[i].dtype, .rank = rank,
                              .data = c->lane->cross[t].data, .bytes = bytes};
        if (rank) memcpy(made->dims, dims, (size_t)rank * sizeof *dims);
        e->out[i].data = made->data;
        return WHET_OK;
    }
    WHET_FAIL(e->err, WHET_E_INTERNAL, "%s: no step of that name is running", e->node);
}

// ---- running ----

static whet_status call_tap(void *user, int32_t live) {
    whet_context *c = user;
    const whet_plan *p = c->lane->plan;
    const whet_pstep *ps = &p->steps[c->frame->live_step[live]];
    whet_arena_reset(&c->eval);
    if (ps->n_nodes == 0 || ps->backend > 0) return WHET_OK; // conversions make nothing new
    for (int32_t k = 0; k < ps->n_out; k++) {
        if (ps->out[k] < 0) continue;
        const whet_ptensor *pt = &p->tensors[ps->out[k]];
        const whet_vshape *s = &c->frame->shapes[pt->value];
        whet_tensor t = c->dynamic[pt->value];
        if (!t.dtype) {
            t = (whet_tensor){.dtype = s->dtype, .rank = s->rank};
            memcpy(t.dims, s->dims, sizeof t.dims);
            t.bytes = whet_tensor_bytes(t.dtype, whet_dims_count(t.dims, t.rank));
            t.data = c->lane->pointers[ps->out[k]];
        }
        if (pt->layout != WHET_LAYOUT_PLAIN || pt->stored) {
            whet_port to = {.dtype = t.dtype, .rank = t.rank}, from;
            memcpy(to.dims, t.dims, sizeof to.dims);
            from = to;
            from.layout = pt->layout;
            from.dtype = whet_ptensor_dtype(pt, t.dtype);
            t.data = whet_arena_alloc_raw(&c->eval, t.bytes);
            if (!t.data) return WHET_NOMEM(&c->handle.error);
            whet_reorder_ref(&from, c->lane->pointers[ps->out[k]], &to, t.data);
        }
        c->tap(c->tap_user, c->graph->values[pt->value].name, &t);
    }
    return WHET_OK;
}

static whet_status ensure_scratch(whet_context *c) {
    int32_t threads = threads_of(c);
    size_t stride = (c->frame->scratch_bytes + 127) & ~(size_t)63; // never shared cache lines
    if (stride > c->scratch_stride || threads > c->scratch_threads) {
        if (stride < c->scratch_stride) stride = c->scratch_stride;
        WHET_TRY(grow(whet_context_backend(c, 0), &c->scratch, stride * (size_t)threads,
                      &c->handle.error));
        c->scratch_stride = stride;
        c->scratch_threads = threads;
    }
    size_t counters = whet_cpu_counter_bytes(c->frame->live, c->frame->n_live, threads);
    return grow(whet_context_backend(c, 0), &c->counters, counters, &c->handle.error);
}

static whet_status copy_step(whet_context *c, const whet_pstep *ps) {
    const whet_plan *p = c->lane->plan;
    const whet_ptensor *from = &p->tensors[ps->in[0]], *to = &p->tensors[ps->out[0]];
    const whet_vshape *s = &c->frame->shapes[from->value];
    size_t bytes = whet_layout_bytes(from->layout, whet_ptensor_dtype(from, s->dtype), s->rank,
                                     s->dims);
    whet_error *err = &c->handle.error;
    if (from->backend == 0) {
        const whet_backend *b = whet_context_backend(c, to->backend);
        return b->copy_in(c->streams[to->backend], c->lane->pointers[ps->out[0]],
                          c->lane->pointers[ps->in[0]], bytes, err);
    }
    const whet_backend *b = whet_context_backend(c, from->backend);
    WHET_TRY(b->copy_out(c->streams[from->backend], c->lane->pointers[ps->out[0]],
                         c->lane->pointers[ps->in[0]], bytes, err));
    return b->sync ? b->sync(c->streams[from->backend], err) : WHET_OK;
}

// Blocks are told of after the run of their step, summed up.
static void report_step(whet_context *c, int32_t live, double seconds) {
    const whet_step *s = &c->frame->live[live];
    int32_t i = c->frame->live_step[live];
    if (c->parent) {
        c->lane->sums[i] += seconds;
        c->lane->ran[i] = s->kernel;
        return;
    }
    c->profile(c->profile_user, s->name, s->kernel->name, seconds);
    whet_block_report_step(c, &c->lane->plan->steps[i]);
}

static whet_status run_host_step(whet_context *c, int32_t live) {
    const whet_pstep *s = &c->lane->plan->steps[c->frame->live_step[live]];
    double begin = c->profile ? whet_now() : 0;
    if (s->kernel == &whet_kernel_copy) {
        WHET_TRY(copy_step(c, s));
        if (c->profile) report_step(c, live, whet_now() - begin);
        return WHET_OK;
    }
    const whet_pnode *n = &c->graph->nodes[s->nodes[0]];
    double inside = c->profile ? whet_block_seconds(c, n) : 0;
    WHET_TRY(whet_control_run(c, live));
    if (c->profile) {
        inside = whet_block_seconds(c, n) - inside;
        report_step(c, live, whet_now() - begin - inside);
    }
    return c->tap ? call_tap(c, live) : WHET_OK;
}

// An operator that finds out the shapes of its outputs has given each of them.
static whet_status check_made(whet_context *c) {
    const whet_plan *p = c->lane->plan;
    for (int32_t i = 0; i < c->frame->n_live; i++) {
        const whet_pstep *s = &p->steps[c->frame->live_step[i]];
        if (!s->op || !(s->op->n_blocks || s->op->flags & WHET_OP_DYNAMIC_OUT)) continue;
        for (int32_t k = 0; k < s->n_out; k++) {
            int32_t v = s->out[k] < 0 ? -1 : p->tensors[s->out[k]].value;
            if (v >= 0 && c->dynamic[v].dtype == WHET_DTYPE_NONE)
                WHET_FAIL(&c->handle.error, WHET_E_INTERNAL, "%s: output %d was not made", s->name,
                          k);
        }
    }
    return WHET_OK;
}

// Each step by itself, with the watcher told before and after it.
static whet_status run_watched(whet_context *c, whet_segment_run *run, const whet_backend *b) {
    whet_error *err = &c->handle.error;
    const whet_psegment *seg = &c->lane->plan->segments[c->segment];
    whet_watched w = {.graph = c->graph, .plan = c->lane->plan, .backend = b,
                      .stream = run->stream};
    for (int32_t i = 0; i < seg->n_steps; i++) {
        w.index = seg->first_step + i;
        if (!c->frame->steps[i].kernel) WHET_TRY(c->watch(c->watch_user, &w, false, err));
    }
    for (int32_t i = 0; i < c->frame->n_live; i++) {
        w.index = c->frame->live_step[i];
        w.step = &c->frame->live[i];
        whet_segment_run one = *run;
        one.steps = &c->frame->live[i];
        one.n_steps = 1;
        one.after = NULL;
        one.times = NULL;
        WHET_TRY(c->watch(c->watch_user, &w, false, err));
        WHET_TRY(b->run_segment(&one, err));
        WHET_TRY(c->watch(c->watch_user, &w, true, err));
        if (run->after) WHET_TRY(run->after(run->after_user, i));
    }
    return check_made(c);
}

static whet_status run_segment(whet_context *c) {
    const whet_plan *p = c->lane->plan;
    const whet_psegment *seg = &p->segments[c->segment];
    whet_frame *f = c->frame;
    WHET_TRY(set_pointers(c));
    if (seg->backend < 0) {
        for (int32_t i = 0; i < f->n_live; i++) WHET_TRY(run_host_step(c, i));
        return check_made(c);
    }
    WHET_TRY(bind(c));
    WHET_TRY(ensure_scratch(c));
    whet_segment_run run = {.steps = f->live, .n_steps = f->n_live,
                            .stream = c->streams[seg->backend], .workers = c->engine->env->workers,
                            .max_threads = threads_of(c), .own_threads = c->n_streams > 1,
                            .first_thread = whet_context_first_thread(c),
                            .scratch = c->scratch.data,
                            .scratch_stride = c->scratch_stride, .errors = c->errors,
                            .counters = c->counters.data,
                            .times = c->profile ? c->lane->times : NULL};
    if (c->tap) {
        run.after = call_tap;
        run.after_user = c;
    }
    if (c->watch) return run_watched(c, &run, whet_context_backend(c, seg->backend));
    WHET_TRY(whet_context_backend(c, seg->backend)->run_segment(&run, &c->handle.error));
    for (int32_t i = 0; c->profile && i < f->n_live; i++) report_step(c, i, c->lane->times[i]);
    return check_made(c);
}

static void shape_output(whet_context *c, int32_t i, whet_tensor *t) {
    int32_t v = c->graph->outputs[i];
    const whet_vshape *s = &c->frame->shapes[v];
    const whet_tensor *made = &c->dynamic[v];
    t->dtype = s->dtype;
    t->rank = made->dtype ? made->rank : s->rank;
    memcpy(t->dims, made->dtype ? made->dims : s->dims, sizeof t->dims);
}

// What the caller gets points to nothing that is the caller's own, or that a later load may move.
static whet_status own_output(whet_context *c, int32_t i, whet_tensor *t) {
    whet_error *err = &c->handle.error;
    whet_status status = WHET_OK;
    if (t->dtype == WHET_DTYPE_STRING) {
        if (!whet_texts_own(t->data, whet_tensor_count(t), c->objects))
            status = whet_arena_failure(c->objects, err);
    } else if (whet_dtype_is_object(t->dtype)) {
        const whet_object **slot = t->data;
        status = whet_object_adopt(c->objects, *slot, slot, err);
    }
    return status == WHET_OK
               ? status
               : whet_error_prefix(err, status, "output \"%s\"", c->graph->output_names[i]);
}

// Outputs that could not be written in place: constants, inputs, shared and dynamic ones.
static whet_status finish_outputs(whet_context *c) {
    const whet_pgraph *g = c->graph;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        whet_tensor *t = &c->run_outputs[i];
        int32_t tensor = c->lane->plan->outputs[i];
        const whet_slot *slot = &c->frame->slots[tensor];
        shape_output(c, i, t);
        size_t bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
        void *to = c->lane->pointers[tensor];
        if (slot->place != WHET_PLACE_OUTPUT || slot->index != i) {
            WHET_TRY(output_pointer(c, i, bytes, &to));
            if (bytes) memcpy(to, c->lane->pointers[tensor], bytes);
        } else if (!to) {
            WHET_TRY(output_pointer(c, i, bytes, &to));
        }
        if (!c->short_of_room) t->data = to;
        t->bytes = bytes;
        if (!c->short_of_room && !c->parent) WHET_TRY(own_output(c, i, t));
    }
    if (c->short_of_room) {
        c->handle.error = c->room_error;
        return WHET_E_BUFFER;
    }
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const whet_output_allocator *a = &c->allocators[i];
        const whet_tensor *t = &c->run_outputs[i];
        if (a->notify_shape) a->notify_shape(a->user, i, t->rank, t->dims);
    }
    return WHET_OK;
}

static whet_status begin(whet_context *c) {
    if (!c->parent) whet_context_choose_lane(c);
    for (int32_t i = 0; i < c->graph->n_values; i++) {
        c->dynamic[i].dtype = WHET_DTYPE_NONE;
        c->host_values[i] = NULL;
    }
    c->segment = 0;
    return start_key(c);
}

whet_status whet_context_start(whet_context *c) {
    WHET_TRY(begin(c));
    return find_frame(c);
}

whet_status whet_context_look_up(whet_context *c) {
    whet_frame **oldest;
    WHET_TRY(begin(c));
    look_up_frame(c, &oldest);
    return WHET_OK;
}

whet_status whet_context_run_graph(whet_context *c) {
    c->short_of_room = false;
    for (int32_t i = 0; i < c->graph->n_outputs; i++)
        c->taken[i] = (whet_block_memory){c->run_outputs[i].data, c->run_outputs[i].bytes};
    WHET_TRY(whet_context_start(c));
    for (;;) {
        WHET_TRY(run_segment(c));
        if (c->segment + 1 == c->lane->plan->n_segments) return finish_outputs(c);
        WHET_TRY(extend_key(c));
        c->segment++;
        WHET_TRY(find_frame(c));
    }
}

whet_status whet_context_run(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                             whet_tensor *outputs, int32_t n_outputs) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    whet_error_clear(err);
    if (n_outputs != c->graph->n_outputs || (n_outputs && !outputs))
        WHET_FAIL(err, WHET_E_INVALID, "%d outputs given, the engine has %d",
                  outputs ? n_outputs : 0, c->graph->n_outputs);
    WHET_TRY(whet_context_update_weights(c));
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, true, err));
    c->inputs = inputs;
    c->run_outputs = outputs;
    if (c->objects == &c->own_objects) whet_arena_reset(c->objects);
    c->own_limits.until = c->own_limits.seconds > 0 ? whet_now() + c->own_limits.seconds : 0;
    whet_status status = whet_context_run_graph(c);
    if (status == WHET_E_BUFFER && !c->short_of_room) {
        whet_error saved = *err;
        whet_context_infer(c, inputs, n_inputs, outputs, n_outputs);
        *err = saved;
    }
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// Running: for each segment find or make the frame of the signature, set the pointers, hand it to
// the backend. After the first run at a signature nothing here allocates.
#include "run/context_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/bench.h"

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

static const whet_backend *backend_of(const whet_context *c, int32_t i) {
    return c->engine->env->backends[i < 0 ? 0 : i];
}

static int32_t threads_of(const whet_context *c) {
    int32_t n = c->engine->env->threads;
    return c->threads && c->threads < n ? c->threads : n;
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
    const whet_pgraph *g = c->engine->graph;
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
    const whet_pgraph *g = c->engine->graph;
    const whet_plan *p = c->engine->plan;
    const whet_psegment *seg = &p->segments[c->segment];
    for (int32_t i = 0; i < seg->n_steps; i++) {
        const whet_pstep *s = &p->steps[seg->first_step + i];
        for (int32_t k = 0; k < s->n_out; k++) {
            if (s->out[k] < 0) continue;
            const whet_ptensor *t = &p->tensors[s->out[k]];
            const whet_tensor *made = &c->dynamic[t->value];
            if (made->dtype) WHET_TRY(key_shape(c, made->rank, made->dims));
            if (!g->values[t->value].host_value || t->layout || t->backend) continue;
            const whet_vshape *shape = &c->frame->shapes[t->value];
            const int64_t *dims = made->dtype ? made->dims : shape->dims;
            int32_t rank = made->dtype ? made->rank : shape->rank;
            c->host_values[t->value] = c->pointers[s->out[k]];
            WHET_TRY(key_contents(c, c->pointers[s->out[k]], shape->dtype,
                                  whet_dims_count(dims, rank)));
        }
    }
    // views of such tensors
    for (int32_t t = 0; t < p->n_tensors; t++) {
        const whet_ptensor *pt = &p->tensors[t];
        if (pt->alias < 0 || !g->values[pt->value].host_value || c->host_values[pt->value])
            continue;
        int32_t made = g->values[pt->value].node;
        if (made < seg->first_node || made >= seg->end_node || !c->pointers[t]) continue;
        const whet_vshape *shape = &c->frame->shapes[pt->value];
        c->host_values[pt->value] = c->pointers[t];
        WHET_TRY(key_contents(c, c->pointers[t], shape->dtype,
                              whet_dims_count(shape->dims, shape->rank)));
    }
    return WHET_OK;
}

// ---- frames ----

static whet_status make_frame(whet_context *c, whet_frame **slot) {
    whet_frame_input in = {.engine = c->engine, .segment = c->segment, .threads = threads_of(c),
                           .inputs = c->inputs, .host_values = c->host_values,
                           .dynamic = c->dynamic};
    whet_frame *f;
    WHET_TRY(whet_frame_make(&in, &f, &c->handle.error));
    f->key = malloc((size_t)c->n_key * sizeof *f->key);
    if (!f->key) {
        whet_frame_destroy(f);
        return WHET_NOMEM(&c->handle.error);
    }
    memcpy(f->key, c->key, (size_t)c->n_key * sizeof *f->key);
    f->n_key = c->n_key;
    whet_frame_destroy(*slot);
    *slot = f;
    return WHET_OK;
}

static whet_status find_frame(whet_context *c) {
    whet_frame **kept = &c->frames[c->segment * WHET_FRAMES_KEPT];
    whet_frame **oldest = &kept[0];
    for (int32_t i = 0; i < WHET_FRAMES_KEPT; i++) {
        whet_frame *f = kept[i];
        if (f && f->n_key == c->n_key &&
            !memcmp(f->key, c->key, (size_t)c->n_key * sizeof *c->key)) {
            c->frame = f;
            f->used = ++c->clock;
            return WHET_OK;
        }
        if (!f || (*oldest && f->used < (*oldest)->used)) oldest = &kept[i];
    }
    WHET_TRY(make_frame(c, oldest));
    c->frame = *oldest;
    c->frame->used = ++c->clock;
    return WHET_OK;
}

// ---- pointers ----

static whet_status output_pointer(whet_context *c, int32_t i, size_t bytes, void **p) {
    whet_tensor *t = &c->run_outputs[i];
    if (!t->data) {
        WHET_TRY(grow(backend_of(c, 0), &c->outputs[i], bytes, &c->handle.error));
        *p = c->outputs[i].data;
        return WHET_OK;
    }
    if (t->bytes < bytes)
        WHET_FAIL(&c->handle.error, WHET_E_BUFFER, "output \"%s\" needs %zu bytes, %zu given",
                  c->engine->graph->output_names[i], bytes, t->bytes);
    *p = t->data;
    return WHET_OK;
}

static whet_status set_pointers(whet_context *c) {
    const whet_plan *p = c->engine->plan;
    whet_frame *f = c->frame;
    WHET_TRY(grow(backend_of(c, 0), &c->arena, f->arena_bytes, &c->handle.error));
    if (f->arena_bytes > c->arena_bytes) c->arena_bytes = f->arena_bytes;
    for (int32_t t = 0; t < p->n_tensors; t++) {
        const whet_slot *s = &f->slots[t];
        const whet_ptensor *pt = &p->tensors[t];
        switch (s->place) {
        case WHET_PLACE_NONE: break;
        case WHET_PLACE_CONST:
            c->pointers[t] = (void *)c->engine->graph->values[p->tensors[s->index].value].data;
            break;
        case WHET_PLACE_INPUT: c->pointers[t] = c->inputs[s->index].data; break;
        case WHET_PLACE_OUTPUT:
            WHET_TRY(output_pointer(c, s->index, s->bytes, &c->pointers[t]));
            break;
        case WHET_PLACE_ARENA: c->pointers[t] = (char *)c->arena.data + s->offset; break;
        case WHET_PLACE_CROSS:
            if (s->index == t)
                WHET_TRY(
                    grow(backend_of(c, pt->backend), &c->cross[t], s->bytes, &c->handle.error));
            if (c->cross[s->index].data)
                c->pointers[t] = (char *)c->cross[s->index].data + s->offset;
            break;
        }
    }
    // a part comes before its whole in this order, and the whole's block may just have moved
    for (int32_t t = 0; t < p->n_tensors; t++)
        if (f->slots[t].place == WHET_PLACE_CROSS && c->cross[f->slots[t].index].data)
            c->pointers[t] = (char *)c->cross[f->slots[t].index].data + f->slots[t].offset;
    return WHET_OK;
}

static whet_status device_copy(whet_context *c, int32_t backend, const void *host, size_t bytes,
                               void **device) {
    if (*device) return WHET_OK;
    const whet_backend *b = backend_of(c, backend);
    *device = b->alloc(bytes);
    if (!*device) WHET_FAIL(&c->handle.error, WHET_E_NOMEM, "out of memory on %s", b->name);
    return b->copy_in(c->streams[backend], *device, host, bytes, &c->handle.error);
}

static whet_status bind_device_constants(whet_context *c, const whet_pstep *ps, whet_step *s) {
    const whet_plan *p = c->engine->plan;
    for (int32_t i = 0; i < ps->n_in; i++) {
        if (ps->packed[i] >= 0) {
            const whet_packed *k = &p->packed[ps->packed[i]];
            void **device = &c->device_packed[ps->packed[i]];
            WHET_TRY(device_copy(c, ps->backend, k->data, k->bytes, device));
            ((const void **)s->call.packed)[i] = *device;
        } else if (ps->in[i] >= 0 &&
                   whet_pvalue_is_const(&c->engine->graph->values[p->tensors[ps->in[i]].value])) {
            whet_tensor t = whet_pvalue_tensor(
                &c->engine->graph->values[p->tensors[ps->in[i]].value]);
            WHET_TRY(device_copy(c, ps->backend, t.data, t.bytes, &c->device_constant[ps->in[i]]));
            ((const void **)s->call.in)[i] = c->device_constant[ps->in[i]];
        }
    }
    return WHET_OK;
}

static whet_status alloc_dynamic(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims);

static whet_status bind(whet_context *c) {
    const whet_plan *p = c->engine->plan;
    whet_frame *f = c->frame;
    for (int32_t i = 0; i < f->n_live; i++) {
        whet_step *s = &f->live[i];
        const whet_pstep *ps = &p->steps[f->live_step[i]];
        const void **in = (const void **)s->call.in;
        void **out = (void **)s->call.out;
        for (int32_t k = 0; k < ps->n_in; k++)
            in[k] = ps->in[k] < 0 || s->call.packed[k] ? NULL : c->pointers[ps->in[k]];
        for (int32_t k = 0; k < ps->n_out; k++)
            out[k] = ps->out[k] < 0 ? NULL : c->pointers[ps->out[k]];
        s->call.other = ps->other < 0 ? NULL : c->pointers[ps->other];
        s->call.workspace = (char *)c->arena.data + f->workspace_offset;
        s->call.arena = &c->eval;
        s->call.alloc = alloc_dynamic;
        s->call.alloc_user = c;
        if (ps->backend > 0) WHET_TRY(bind_device_constants(c, ps, s));
    }
    return WHET_OK;
}

// Memory for an output whose shape its step has just found out. The step is the only one running.
static whet_status alloc_dynamic(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    whet_context *c = e->alloc_user;
    const whet_plan *p = c->engine->plan;
    for (int32_t k = 0; k < c->frame->n_live; k++) {
        const whet_pstep *ps = &p->steps[c->frame->live_step[k]];
        if (c->frame->live[k].call.node != e->node || !ps->op || ps->op != e->op) continue;
        int32_t t = ps->out[i];
        int32_t v = p->tensors[t].value;
        size_t bytes = whet_tensor_bytes(e->out[i].dtype, whet_dims_count(dims, rank));
        if (bytes == SIZE_MAX)
            WHET_FAIL(e->err, WHET_E_LIMIT, "%s: its output is too large", e->node);
        WHET_TRY(grow(backend_of(c, 0), &c->cross[t], bytes, e->err));
        c->pointers[t] = c->cross[t].data;
        whet_tensor *made = &c->dynamic[v];
        *made = (whet_tensor){.dtype = e->out[i].dtype, .rank = rank, .data = c->cross[t].data,
                              .bytes = bytes};
        if (rank) memcpy(made->dims, dims, (size_t)rank * sizeof *dims);
        e->out[i].data = made->data;
        return WHET_OK;
    }
    WHET_FAIL(e->err, WHET_E_INTERNAL, "%s: no step of that name is running", e->node);
}

// ---- running ----

static whet_status call_tap(void *user, int32_t live) {
    whet_context *c = user;
    const whet_plan *p = c->engine->plan;
    const whet_pstep *ps = &p->steps[c->frame->live_step[live]];
    whet_arena_reset(&c->eval);
    if (ps->n_nodes == 0 || ps->backend != 0) return WHET_OK; // conversions make nothing new
    for (int32_t k = 0; k < ps->n_out; k++) {
        if (ps->out[k] < 0) continue;
        const whet_ptensor *pt = &p->tensors[ps->out[k]];
        const whet_vshape *s = &c->frame->shapes[pt->value];
        whet_tensor t = c->dynamic[pt->value];
        if (!t.dtype) {
            t = (whet_tensor){.dtype = s->dtype, .rank = s->rank};
            memcpy(t.dims, s->dims, sizeof t.dims);
            t.bytes = whet_tensor_bytes(t.dtype, whet_dims_count(t.dims, t.rank));
            t.data = c->pointers[ps->out[k]];
        }
        if (pt->layout != WHET_LAYOUT_PLAIN) {
            whet_port from = {.dtype = t.dtype, .layout = pt->layout, .rank = t.rank}, to;
            memcpy(from.dims, t.dims, sizeof from.dims);
            to = from;
            to.layout = WHET_LAYOUT_PLAIN;
            t.data = whet_arena_alloc_raw(&c->eval, t.bytes);
            if (!t.data) return WHET_NOMEM(&c->handle.error);
            whet_reorder_ref(&from, c->pointers[ps->out[k]], &to, t.data);
        }
        c->tap(c->tap_user, c->engine->graph->values[pt->value].name, &t);
    }
    return WHET_OK;
}

static whet_status ensure_scratch(whet_context *c) {
    int32_t threads = threads_of(c);
    size_t stride = (c->frame->scratch_bytes + 127) & ~(size_t)63; // never shared cache lines
    if (stride > c->scratch_stride || threads > c->scratch_threads) {
        if (stride < c->scratch_stride) stride = c->scratch_stride;
        WHET_TRY(grow(backend_of(c, 0), &c->scratch, stride * (size_t)threads, &c->handle.error));
        c->scratch_stride = stride;
        c->scratch_threads = threads;
    }
    size_t counters = whet_cpu_counter_bytes(c->frame->live, c->frame->n_live, threads);
    return grow(backend_of(c, 0), &c->counters, counters, &c->handle.error);
}

static whet_status copy_step(whet_context *c, const whet_pstep *ps) {
    const whet_plan *p = c->engine->plan;
    const whet_ptensor *from = &p->tensors[ps->in[0]], *to = &p->tensors[ps->out[0]];
    const whet_vshape *s = &c->frame->shapes[from->value];
    size_t bytes = whet_layout_bytes(from->layout, s->dtype, s->rank, s->dims);
    whet_error *err = &c->handle.error;
    if (from->backend == 0) {
        const whet_backend *b = backend_of(c, to->backend);
        return b->copy_in(c->streams[to->backend], c->pointers[ps->out[0]], c->pointers[ps->in[0]],
                          bytes, err);
    }
    const whet_backend *b = backend_of(c, from->backend);
    WHET_TRY(b->copy_out(c->streams[from->backend], c->pointers[ps->out[0]],
                         c->pointers[ps->in[0]], bytes, err));
    return b->sync ? b->sync(c->streams[from->backend], err) : WHET_OK;
}

static void report_profile(whet_context *c) {
    for (int32_t i = 0; i < c->frame->n_live; i++)
        c->profile(c->profile_user, c->frame->live[i].name, c->frame->live[i].kernel->name,
                   c->times[i]);
}

static whet_status run_segment(whet_context *c) {
    const whet_plan *p = c->engine->plan;
    const whet_psegment *seg = &p->segments[c->segment];
    whet_frame *f = c->frame;
    WHET_TRY(set_pointers(c));
    if (seg->backend < 0) {
        for (int32_t i = 0; i < f->n_live; i++)
            WHET_TRY(copy_step(c, &p->steps[f->live_step[i]]));
        return WHET_OK;
    }
    WHET_TRY(bind(c));
    WHET_TRY(ensure_scratch(c));
    whet_segment_run run = {.steps = f->live, .n_steps = f->n_live,
                            .stream = c->streams[seg->backend], .workers = c->engine->env->workers,
                            .max_threads = threads_of(c), .scratch = c->scratch.data,
                            .scratch_stride = c->scratch_stride, .errors = c->errors,
                            .counters = c->counters.data, .times = c->profile ? c->times : NULL};
    if (c->tap) {
        run.after = call_tap;
        run.after_user = c;
    }
    WHET_TRY(backend_of(c, seg->backend)->run_segment(&run, &c->handle.error));
    if (c->profile) report_profile(c);
    return WHET_OK;
}

static void shape_output(whet_context *c, int32_t i, whet_tensor *t) {
    int32_t v = c->engine->graph->outputs[i];
    const whet_vshape *s = &c->frame->shapes[v];
    const whet_tensor *made = &c->dynamic[v];
    t->dtype = s->dtype;
    t->rank = made->dtype ? made->rank : s->rank;
    memcpy(t->dims, made->dtype ? made->dims : s->dims, sizeof t->dims);
}

// Outputs that could not be written in place: constants, inputs, shared and dynamic ones.
static whet_status finish_outputs(whet_context *c) {
    const whet_pgraph *g = c->engine->graph;
    for (int32_t i = 0; i < g->n_outputs; i++) {
        whet_tensor *t = &c->run_outputs[i];
        int32_t tensor = c->engine->plan->outputs[i];
        const whet_slot *slot = &c->frame->slots[tensor];
        shape_output(c, i, t);
        size_t bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
        void *to = c->pointers[tensor];
        if (slot->place != WHET_PLACE_OUTPUT || slot->index != i) {
            WHET_TRY(output_pointer(c, i, bytes, &to));
            if (bytes) memcpy(to, c->pointers[tensor], bytes);
        } else if (!to) {
            WHET_TRY(output_pointer(c, i, bytes, &to));
        }
        t->data = to;
        t->bytes = bytes;
    }
    return WHET_OK;
}

static whet_status run_all(whet_context *c) {
    const whet_plan *p = c->engine->plan;
    const whet_pgraph *g = c->engine->graph;
    for (int32_t i = 0; i < g->n_values; i++) {
        c->dynamic[i].dtype = WHET_DTYPE_NONE;
        c->host_values[i] = NULL;
    }
    WHET_TRY(start_key(c));
    for (c->segment = 0; c->segment < p->n_segments; c->segment++) {
        WHET_TRY(find_frame(c));
        WHET_TRY(run_segment(c));
        if (c->segment + 1 < p->n_segments) WHET_TRY(extend_key(c));
    }
    return finish_outputs(c);
}

whet_status whet_context_run(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                             whet_tensor *outputs, int32_t n_outputs) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    whet_error_clear(err);
    if (n_outputs != c->engine->graph->n_outputs || (n_outputs && !outputs))
        WHET_FAIL(err, WHET_E_INVALID, "%d outputs given, the engine has %d",
                  outputs ? n_outputs : 0, c->engine->graph->n_outputs);
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, true, err));
    c->inputs = inputs;
    c->run_outputs = outputs;
    whet_status status = run_all(c);
    if (status == WHET_E_BUFFER) {
        whet_error saved = *err;
        whet_context_infer(c, inputs, n_inputs, outputs, n_outputs);
        *err = saved;
    }
    return status;
}

// ---- shapes without running ----

whet_status whet_context_infer(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                               whet_tensor *outputs, int32_t n_outputs) {
    if (!c) return WHET_E_INVALID;
    const whet_pgraph *g = c->engine->graph;
    whet_error *err = &c->handle.error;
    if (n_outputs != g->n_outputs || (n_outputs && !outputs))
        WHET_FAIL(err, WHET_E_INVALID, "%d outputs given, the engine has %d",
                  outputs ? n_outputs : 0, g->n_outputs);
    WHET_TRY(whet_context_check_inputs(c, inputs, n_inputs, false, err));
    c->inputs = inputs;
    for (int32_t i = 0; i < g->n_values; i++) {
        c->dynamic[i].dtype = WHET_DTYPE_NONE;
        c->host_values[i] = NULL;
    }
    WHET_TRY(start_key(c));
    c->segment = 0;
    WHET_TRY(find_frame(c)); // later segments need what only running tells
    for (int32_t i = 0; i < n_outputs; i++) {
        whet_tensor *t = &outputs[i];
        const whet_vshape *s = &c->frame->shapes[g->outputs[i]];
        bool known =
            s->rank >= 0 && c->engine->plan->segments[0].end_node > g->values[g->outputs[i]].node;
        int32_t node = g->values[g->outputs[i]].node;
        if (node >= 0 && (g->nodes[node].op->flags & WHET_OP_DYNAMIC_OUT)) known = false;
        const whet_type *symbolic = &g->values[g->outputs[i]].type;
        t->dtype = symbolic->dtype;
        t->rank = known ? s->rank : symbolic->rank;
        for (int32_t d = 0; d < t->rank; d++) {
            bool number = known || whet_dim_is_const(symbolic->dims[d]);
            t->dims[d] = known ? s->dims[d] : number ? symbolic->dims[d] : -1;
        }
        if (known) t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    }
    return WHET_OK;
}

// ---- life ----

static whet_status alloc_context(whet_context *c) {
    const whet_engine *e = c->engine;
    const whet_env *env = e->env;
    size_t n_values = (size_t)e->graph->n_values + 1, n_tensors = (size_t)e->plan->n_tensors + 1;
    size_t n_steps = (size_t)e->plan->n_steps + 1, n_segments = (size_t)e->plan->n_segments + 1;
    c->frames = calloc(n_segments * WHET_FRAMES_KEPT, sizeof *c->frames);
    c->cross = calloc(n_tensors, sizeof *c->cross);
    c->outputs = calloc((size_t)e->graph->n_outputs + 1, sizeof *c->outputs);
    c->errors = calloc((size_t)env->threads, sizeof *c->errors);
    c->dynamic = calloc(n_values, sizeof *c->dynamic);
    c->host_values = calloc(n_values, sizeof *c->host_values);
    c->pointers = calloc(n_tensors, sizeof *c->pointers);
    c->streams = calloc(WHET_MAX_BACKENDS, sizeof *c->streams);
    c->device_packed = calloc((size_t)e->plan->n_packed + 1, sizeof *c->device_packed);
    c->device_constant = calloc(n_tensors, sizeof *c->device_constant);
    c->times = calloc(n_steps, sizeof *c->times);
    bool good = c->frames && c->cross && c->outputs && c->errors && c->dynamic &&
                c->host_values && c->pointers && c->streams && c->device_packed &&
                c->device_constant && c->times;
    if (!good) return WHET_E_NOMEM;
    for (int32_t i = 0; i < env->n_backends; i++)
        if (env->backends[i]->stream_create)
            WHET_TRY(env->backends[i]->stream_create(&c->streams[i], &c->handle.error));
    return WHET_OK;
}

whet_status whet_context_create(whet_engine *engine, whet_context **context) {
    if (!engine || !context) return WHET_E_INVALID;
    whet_context *c = NULL;
    if (posix_memalign((void **)&c, 64, (sizeof *c + 63) & ~(size_t)63)) return WHET_E_NOMEM;
    memset(c, 0, sizeof *c);
    c->handle.magic = WHET_HANDLE_MAGIC;
    c->engine = engine;
    whet_arena_init(&c->eval);
    whet_status status = alloc_context(c);
    if (status != WHET_OK) {
        whet_context_destroy(c);
        return status;
    }
    *context = c;
    return WHET_OK;
}

static void free_device(whet_context *c) {
    const whet_plan *p = c->engine->plan;
    for (int32_t i = 0; c->cross && i < p->n_tensors; i++) {
        const whet_backend *b = backend_of(c, p->tensors[i].backend);
        if (c->cross[i].data) b->free(c->cross[i].data);
    }
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        if (s->backend <= 0) continue;
        const whet_backend *b = backend_of(c, s->backend);
        for (int32_t k = 0; k < s->n_in; k++) {
            if (c->device_packed && s->packed[k] >= 0 && c->device_packed[s->packed[k]]) {
                b->free(c->device_packed[s->packed[k]]);
                c->device_packed[s->packed[k]] = NULL;
            }
            if (c->device_constant && s->in[k] >= 0 && c->device_constant[s->in[k]]) {
                b->free(c->device_constant[s->in[k]]);
                c->device_constant[s->in[k]] = NULL;
            }
        }
    }
}

void whet_context_destroy(whet_context *c) {
    if (!c) return;
    const whet_engine *e = c->engine;
    for (int32_t i = 0; c->streams && i < e->env->n_backends; i++)
        if (e->env->backends[i]->stream_destroy && c->streams[i])
            e->env->backends[i]->stream_destroy(c->streams[i]);
    free_device(c);
    for (int32_t i = 0; c->frames && i < e->plan->n_segments * WHET_FRAMES_KEPT; i++)
        whet_frame_destroy(c->frames[i]);
    for (int32_t i = 0; c->outputs && i < e->graph->n_outputs; i++) free(c->outputs[i].data);
    free(c->arena.data);
    free(c->scratch.data);
    free(c->counters.data);
    whet_arena_fini(&c->eval);
    void *arrays[] = {c->frames, c->key, c->cross, c->outputs, c->errors, c->dynamic,
                      (void *)c->host_values, c->pointers, c->streams, c->device_packed,
                      c->device_constant, c->times};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
    free(c);
}

whet_status whet_context_set_threads(whet_context *c, int32_t threads) {
    if (!c) return WHET_E_INVALID;
    if (threads < 0)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "threads is %d, expected 0 or more", threads);
    c->threads = threads;
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

size_t whet_context_arena_bytes(const whet_context *c) { return c ? c->arena_bytes : 0; }

// ---- timing ----

typedef struct {
    whet_context *c;
    const whet_tensor *inputs;
    int32_t n_inputs;
    whet_tensor *outputs;
} bench_state;

static whet_status bench_once(void *user) {
    bench_state *b = user;
    int32_t n = b->c->engine->graph->n_outputs;
    for (int32_t i = 0; i < n; i++) b->outputs[i] = (whet_tensor){0};
    return whet_context_run(b->c, b->inputs, b->n_inputs, b->outputs, n);
}

whet_status whet_context_bench(whet_context *c, const whet_tensor *inputs, int32_t n_inputs,
                               double warmup_seconds, double seconds, int64_t min_runs,
                               double *samples, int64_t max_samples, int64_t *count) {
    if (!c) return WHET_E_INVALID;
    if (!samples || !count || max_samples < 1 || min_runs < 0)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "whet_context_bench: no room for samples");
    bench_state b = {c, inputs, n_inputs, NULL};
    b.outputs = calloc((size_t)c->engine->graph->n_outputs + 1, sizeof *b.outputs);
    if (!b.outputs) return WHET_NOMEM(&c->handle.error);
    whet_bench_options o = {.warmup_seconds = warmup_seconds, .seconds = seconds,
                            .min_runs = min_runs ? min_runs : 1, .calls = 1};
    whet_bench_result r;
    whet_status status = whet_bench_run(bench_once, &b, &o, samples, max_samples, &r);
    free(b.outputs);
    if (status == WHET_OK) *count = r.n < max_samples ? r.n : max_samples;
    return status;
}

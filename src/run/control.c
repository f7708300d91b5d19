// SPDX-License-Identifier: Apache-2.0
// Control flow. Values of an iteration lie in one of two sets of memory, turn by turn, so that what
// enters an iteration is there while its results are written. Collected results go to their place
// in one growing block. Nothing here allocates when a run repeats.
#include "run/control.h"

#include <string.h>

#include "base/bench.h"

// Memory for collected results of a loop that may end early: for all iterations, or to begin with.
#define RESERVE_BYTES ((size_t)64 << 20)
#define BEGIN_BYTES ((size_t)1 << 20)

typedef struct {
    whet_context *c, *b;
    const whet_pnode *n;
    const whet_pstep *s;
    whet_flow f;
    int64_t trips;    // at most; of a scan: exactly
    int64_t total;    // iterations that collected results are there for: of all sequences
    int64_t made;     // iterations collected so far
    int64_t sequence; // of a batch
} repeat;

#define FAIL(r, status, ...)                                                                       \
    return whet_error_prefix(&(r)->c->handle.error,                                                \
                             whet_error_set(&(r)->c->handle.error, (status), __VA_ARGS__), "%s",   \
                             (r)->n->name)

// ---- values ----

static void value_of(const whet_context *c, int32_t tensor, whet_tensor *t) {
    *t = (whet_tensor){.dtype = WHET_DTYPE_NONE};
    if (tensor < 0) return;
    int32_t v = c->lane->plan->tensors[tensor].value;
    const whet_vshape *s = &c->frame->shapes[v];
    if (c->dynamic[v].dtype) {
        *t = c->dynamic[v];
    } else {
        t->dtype = s->dtype;
        t->rank = s->rank;
        memcpy(t->dims, s->dims, sizeof t->dims);
        t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    }
    t->data = c->lane->pointers[tensor];
}

static void swap(whet_block_memory *a, whet_block_memory *b) {
    whet_block_memory t = *a;
    *a = *b;
    *b = t;
}

// Result i of the step is what lies in `m`, which gets as much other memory for it.
static whet_status adopt(whet_context *c, const whet_pstep *s, int32_t i, whet_block_memory *m,
                         const whet_tensor *t) {
    int32_t tensor = s->out[i];
    if (tensor < 0) return WHET_OK;
    whet_block_memory *cross = &c->lane->cross[tensor];
    swap(cross, m);
    WHET_TRY(whet_context_grow(c, m, cross->cap));
    whet_tensor *made = &c->dynamic[c->lane->plan->tensors[tensor].value];
    *made = *t;
    made->data = c->lane->pointers[tensor] = cross->data;
    return WHET_OK;
}

// The same for contents that stay where they are.
static whet_status copy_result(whet_context *c, const whet_pstep *s, int32_t i,
                               const whet_tensor *t) {
    int32_t tensor = s->out[i];
    if (tensor < 0) return WHET_OK;
    whet_block_memory *cross = &c->lane->cross[tensor];
    WHET_TRY(whet_context_grow(c, cross, t->bytes));
    if (t->bytes && t->data) memcpy(cross->data, t->data, t->bytes);
    whet_tensor *made = &c->dynamic[c->lane->plan->tensors[tensor].value];
    *made = *t;
    made->data = c->lane->pointers[tensor] = cross->data;
    return WHET_OK;
}

static bool truth(const whet_tensor *t, bool absent) {
    return t->dtype && t->data ? *(const uint8_t *)t->data != 0 : absent;
}

static void forget_outputs(whet_context *b) {
    for (int32_t i = 0; i < b->graph->n_outputs; i++) b->block->out[i] = (whet_tensor){0};
}

// ---- If ----

static whet_status run_if(whet_context *c, const whet_pstep *s, const whet_pnode *n) {
    whet_tensor cond;
    whet_context *b;
    value_of(c, s->in[0], &cond);
    if (whet_dims_count(cond.dims, cond.rank) != 1)
        WHET_FAIL(&c->handle.error, WHET_E_SHAPE, "%s: its condition is not one element", n->name);
    WHET_TRY(whet_block_context(c, n, truth(&cond, true) ? 0 : 1, &b));
    for (int32_t i = 1; i < s->n_in; i++) value_of(c, s->in[i], &b->block->in[i - 1]);
    forget_outputs(b);
    WHET_TRY(whet_block_run_once(c, b));
    for (int32_t i = 0; i < s->n_out; i++)
        WHET_TRY(adopt(c, s, i, &b->outputs[i], &b->block->out[i]));
    return WHET_OK;
}

// ---- slices ----

static size_t element_bytes(whet_dtype dtype) { return whet_tensor_bytes(dtype, 1); }

// Copies between a tensor with `axis` and its parts at position `at`: [outer][size][inner].
static void copy_part(char *whole, char *part, const whet_tensor *each, int32_t axis, int64_t size,
                      int64_t at, bool into_whole) {
    size_t element = element_bytes(each->dtype);
    size_t outer = 1, inner = element;
    for (int32_t d = 0; d < axis; d++) outer *= (size_t)each->dims[d];
    for (int32_t d = axis; d < each->rank; d++) inner *= (size_t)each->dims[d];
    for (size_t i = 0; i < outer && inner; i++) {
        char *w = whole + (i * (size_t)size + (size_t)at) * inner;
        if (into_whole) memcpy(w, part + i * inner, inner);
        else memcpy(part + i * inner, w, inner);
    }
}

// A packed element smaller than a byte begins a part only where a byte begins.
static bool divides(const whet_tensor *t) {
    int64_t n = whet_dims_count(t->dims, t->rank);
    return whet_tensor_bytes(t->dtype, 8) % 8 == 0 ||
           whet_tensor_bytes(t->dtype, n) * 8 == whet_tensor_bytes(t->dtype, n * 8);
}

// `t` without dimension `axis`.
static void part_type(const whet_tensor *t, int32_t axis, whet_tensor *part) {
    *part = *t;
    part->rank--;
    for (int32_t d = axis; d < part->rank; d++) part->dims[d] = t->dims[d + 1];
    part->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(part->dims, part->rank));
}

// The tensors that iteration `trip` takes.
static whet_status take_slices(repeat *r, int64_t trip) {
    whet_block_run *k = r->b->block;
    for (int32_t i = 0; i < r->f.scanned; i++) {
        whet_tensor whole = k->node_in[r->f.own + r->f.carried + i], *part;
        part = &k->in[r->f.block_in + r->f.carried + i];
        if (r->f.attrs->batched) {
            char *data = whole.data;
            part_type(&whole, 0, part);
            whole = *part;
            whole.data = data + (size_t)r->sequence * part->bytes;
        }
        int32_t axis = whet_axis(whet_flow_at(r->f.attrs->in_axes, i), whole.rank);
        bool back = whet_flow_at(r->f.attrs->in_directions, i) == 1;
        int64_t size = whole.dims[axis], at = back ? r->trips - 1 - trip : trip;
        part_type(&whole, axis, part);
        if (!divides(part) || (axis && whet_tensor_bytes(part->dtype, 8) < 8))
            FAIL(r, WHET_E_UNSUPPORTED, "parts of %s tensors that begin within a byte",
                 whet_dtype_text(part->dtype));
        if (axis == 0) {
            part->data = (char *)whole.data + (size_t)at * part->bytes;
            continue;
        }
        WHET_TRY(whet_context_grow(r->b, &k->slices[i], part->bytes));
        part->data = k->slices[i].data;
        copy_part(whole.data, part->data, part, axis, size, at, false);
    }
    return WHET_OK;
}

// ---- collected results ----

static bool same_type(const whet_tensor *a, const whet_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof a->dims[0]);
}

static int64_t place(const repeat *r, int32_t i, int64_t trip) {
    bool back = r->f.kind == WHET_FLOW_SCAN && whet_flow_at(r->f.attrs->out_directions, i) == 1;
    return r->sequence * r->trips + (back ? r->trips - 1 - trip : trip);
}

// Room for one more part of collected result i, or for all where their number is known.
static whet_status make_room(repeat *r, int32_t i, int64_t trip) {
    int32_t o = r->f.block_out + r->f.carried + i;
    whet_block_memory *m = &r->b->block->collected[o];
    const whet_tensor *each = &r->b->block->each[o];
    size_t bytes = each->bytes, all, want;
    if (r->made == 0) {
        bool early = r->f.kind == WHET_FLOW_LOOP; // it may end
        if (__builtin_mul_overflow(bytes, (size_t)r->total, &all)) all = SIZE_MAX;
        if (early && all > RESERVE_BYTES) all = bytes > BEGIN_BYTES / 2 ? bytes * 2 : BEGIN_BYTES;
        if (all > SIZE_MAX / 4)
            FAIL(r, WHET_E_LIMIT, "collected result %d is too large", i);
        return whet_context_grow(r->c, m, all);
    }
    if (__builtin_mul_overflow(bytes, (size_t)place(r, i, trip) + 1, &want) || want > SIZE_MAX / 4)
        FAIL(r, WHET_E_LIMIT, "collected result %d is too large", i);
    if (want <= m->cap) return WHET_OK;
    whet_block_memory larger = {0};
    WHET_TRY(whet_context_grow(r->c, &larger, want * 2));
    memcpy(larger.data, m->data, want - bytes);
    whet_context_free(m);
    *m = larger;
    return WHET_OK;
}

// Where the results of iteration `trip` go: the first one's size is not known yet.
static whet_status aim(repeat *r, int64_t trip) {
    whet_block_run *k = r->b->block;
    forget_outputs(r->b);
    for (int32_t i = 0; i < r->f.collected && r->made; i++) {
        int32_t o = r->f.block_out + r->f.carried + i;
        WHET_TRY(make_room(r, i, trip));
        k->out[o].bytes = k->each[o].bytes;
        if (!k->out[o].bytes) continue;
        k->out[o].data = (char *)k->collected[o].data + (size_t)place(r, i, trip) * k->out[o].bytes;
    }
    return WHET_OK;
}

static whet_status collect(repeat *r, int64_t trip) {
    whet_block_run *k = r->b->block;
    for (int32_t i = 0; i < r->f.collected; i++) {
        int32_t o = r->f.block_out + r->f.carried + i;
        if (r->made) {
            if (same_type(&k->out[o], &k->each[o])) continue;
            FAIL(r, WHET_E_SHAPE, "collected result %d has another shape in iteration %lld than "
                 "before", i, (long long)trip);
        }
        k->each[o] = k->out[o];
        if (!divides(&k->out[o]))
            FAIL(r, WHET_E_UNSUPPORTED, "parts of %s tensors that begin within a byte",
                 whet_dtype_text(k->out[o].dtype));
        WHET_TRY(make_room(r, i, trip));
        if (r->f.attrs->batched) memset(k->collected[o].data, 0, k->collected[o].cap);
        if (k->out[o].bytes)
            memcpy((char *)k->collected[o].data + (size_t)place(r, i, trip) * k->out[o].bytes,
                   k->out[o].data, k->out[o].bytes);
    }
    r->made++;
    return WHET_OK;
}

static whet_status insert_dim(const repeat *r, whet_tensor *t, int32_t axis, int64_t size) {
    if (t->rank == WHET_MAX_RANK)
        FAIL(r, WHET_E_LIMIT, "results collected would have more than %d dimensions",
             WHET_MAX_RANK);
    memmove(&t->dims[axis + 1], &t->dims[axis], (size_t)(t->rank - axis) * sizeof t->dims[0]);
    t->dims[axis] = size;
    t->rank++;
    t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    if (t->bytes == SIZE_MAX) FAIL(r, WHET_E_LIMIT, "a collected result is too large");
    return WHET_OK;
}

// trips: made, or of all sequences alike.
static whet_status finish_collected(repeat *r, int32_t i, int64_t trips) {
    whet_block_run *k = r->b->block;
    int32_t o = r->f.block_out + r->f.carried + i;
    if (r->s->out[r->f.carried + i] < 0) return WHET_OK;
    whet_tensor each;
    if (r->made) each = k->each[o];
    else whet_block_shape(r->b, o, &each);
    int32_t axis = 0;
    if (r->f.kind == WHET_FLOW_SCAN)
        axis = whet_axis(whet_flow_at(r->f.attrs->out_axes, i), each.rank + 1);
    if (axis < 0 || axis > each.rank)
        FAIL(r, WHET_E_RANGE, "axis %d of collected result %d", axis, i);
    whet_tensor all = each;
    WHET_TRY(insert_dim(r, &all, axis, trips));
    if (r->f.attrs->batched)
        WHET_TRY(insert_dim(r, &all, 0, k->node_in[r->f.own + r->f.carried].dims[0]));
    WHET_TRY(whet_context_grow(r->c, &k->collected[o], all.bytes));
    if (axis == 0 || !r->made) {
        if (!r->made && all.bytes) memset(k->collected[o].data, 0, all.bytes);
        return adopt(r->c, r->s, r->f.carried + i, &k->collected[o], &all);
    }
    all.data = NULL;
    WHET_TRY(copy_result(r->c, r->s, r->f.carried + i, &all));
    char *to = r->c->lane->cross[r->s->out[r->f.carried + i]].data, *from = k->collected[o].data;
    for (int64_t t = 0; t < trips; t++)
        copy_part(to, from + (size_t)t * each.bytes, &each, axis, trips, t, true);
    return WHET_OK;
}

// ---- Loop and Scan ----

static whet_status check_limits(repeat *r, int64_t trip) {
    const whet_run_limits *l = r->c->limits;
    if (trip >= l->iterations)
        FAIL(r, WHET_E_LIMIT, "more than %lld iterations (the context's loop limit)",
             (long long)l->iterations);
    if (l->until > 0 && whet_now() > l->until)
        FAIL(r, WHET_E_LIMIT, "the run takes longer than %g seconds (the context's time limit)",
             l->seconds);
    return WHET_OK;
}

static void set_scalar(whet_tensor *t, whet_dtype dtype, void *data) {
    *t = (whet_tensor){.dtype = dtype, .data = data, .bytes = whet_tensor_bytes(dtype, 1)};
}

static void enter(repeat *r) {
    whet_block_run *k = r->b->block;
    if (r->f.block_in) {
        set_scalar(&k->in[0], WHET_DTYPE_I64, &k->number);
        set_scalar(&k->in[1], WHET_DTYPE_BOOL, &k->goes_on);
    }
    int32_t moved = r->f.carried + r->f.scanned;
    for (int32_t i = 0; i < moved + r->f.captured; i++) {
        whet_tensor *t = &k->in[r->f.block_in + i];
        if (i >= r->f.carried && i < moved) continue;
        *t = k->node_in[r->f.own + i];
        if (i >= r->f.carried || !r->f.attrs->batched) continue;
        char *data = t->data;
        whet_tensor whole = *t;
        part_type(&whole, 0, t);
        t->data = data + (size_t)r->sequence * t->bytes;
    }
}

static whet_status iterate(repeat *r, int64_t trip) {
    whet_context *b = r->b;
    whet_block_run *k = b->block;
    WHET_TRY(check_limits(r, trip));
    k->number = trip;
    WHET_TRY(take_slices(r, trip));
    WHET_TRY(aim(r, trip));
    if (trip) {
        whet_block_memory *other = k->spare;
        k->spare = b->outputs;
        b->outputs = other;
    }
    whet_status status = whet_block_run_once(r->c, b);
    if (status == WHET_E_BUFFER) // of a part, which the first one gave its size
        status = whet_error_set(&r->c->handle.error, WHET_E_SHAPE,
                                "a collected result is larger than in the iterations before");
    if (status != WHET_OK)
        return whet_error_prefix(&r->c->handle.error, status, "%s, iteration %lld", r->n->name,
                                 (long long)trip);
    if (r->f.block_out) k->goes_on = truth(&k->out[0], true);
    for (int32_t i = 0; i < r->f.carried; i++)
        k->in[r->f.block_in + i] = k->out[r->f.block_out + i];
    return collect(r, trip);
}

// Both sets of memory as large, so that a run of another number of iterations finds room too.
static whet_status even_out(repeat *r) {
    whet_block_run *k = r->b->block;
    for (int32_t i = 0; i < r->b->graph->n_outputs; i++) {
        whet_block_memory *a = &r->b->outputs[i], *b = &k->spare[i];
        if (a->cap && a->cap < b->cap && i >= r->f.block_out + r->f.carried)
            WHET_TRY(whet_context_grow(r->c, a, b->cap));
        if (a->cap > b->cap) WHET_TRY(whet_context_grow(r->c, b, a->cap));
    }
    return WHET_OK;
}

static whet_status run_loop(repeat *r) {
    whet_block_run *k = r->b->block;
    const whet_tensor *count = &k->node_in[0], *cond = &k->node_in[1];
    for (int32_t i = 0; i < 2; i++)
        if (k->node_in[i].dtype && whet_dims_count(k->node_in[i].dims, k->node_in[i].rank) != 1)
            FAIL(r, WHET_E_SHAPE, "input %d is not one element", i);
    r->trips = count->dtype && count->data ? *(const int64_t *)count->data : INT64_MAX;
    r->total = r->trips;
    k->goes_on = truth(cond, true);
    enter(r);
    int64_t trip = 0;
    for (; trip < r->trips && k->goes_on; trip++) WHET_TRY(iterate(r, trip));
    if (trip > 1) WHET_TRY(even_out(r));
    for (int32_t i = 0; i < r->f.carried; i++) {
        const whet_tensor *last = &k->in[r->f.block_in + i];
        if (trip)
            WHET_TRY(adopt(r->c, r->s, i, &r->b->outputs[r->f.block_out + i], last));
        else
            WHET_TRY(copy_result(r->c, r->s, i, last));
    }
    for (int32_t i = 0; i < r->f.collected; i++) WHET_TRY(finish_collected(r, i, trip));
    return WHET_OK;
}

static whet_status find_trips(repeat *r) {
    const whet_tensor *first = &r->b->block->node_in[r->f.own + r->f.carried];
    for (int32_t i = 0; i < r->f.scanned; i++) {
        const whet_tensor *t = &first[i];
        int32_t batch = r->f.attrs->batched;
        int32_t axis = batch + whet_axis(whet_flow_at(r->f.attrs->in_axes, i), t->rank - batch);
        if (axis < batch || axis >= t->rank)
            FAIL(r, WHET_E_SHAPE, "scanned input %d has %d dimensions", i, t->rank);
        if (i == 0) r->trips = t->dims[axis];
        if (i == 0) r->total = r->trips * (batch ? t->dims[0] : 1);
        if (t->dims[axis] != r->trips || (batch && t->dims[0] * r->trips != r->total))
            FAIL(r, WHET_E_SHAPE, "its scanned inputs have %lld and %lld parts",
                 (long long)r->trips, (long long)t->dims[axis]);
    }
    return WHET_OK;
}

// Types of the parts that a scan of nothing would have taken, for the shapes of its results.
static whet_status take_empty(repeat *r) {
    whet_block_run *k = r->b->block;
    enter(r);
    for (int32_t i = 0; i < r->f.scanned; i++) {
        whet_tensor whole = k->node_in[r->f.own + r->f.carried + i];
        whet_tensor *part = &k->in[r->f.block_in + r->f.carried + i];
        if (r->f.attrs->batched) {
            part_type(&whole, 0, part);
            whole = *part;
        }
        part_type(&whole, whet_axis(whet_flow_at(r->f.attrs->in_axes, i), whole.rank), part);
        part->data = NULL;
    }
    return WHET_OK;
}

static whet_status run_scan(repeat *r) {
    whet_block_run *k = r->b->block;
    WHET_TRY(find_trips(r));
    enter(r);
    for (int64_t trip = 0; trip < r->trips; trip++) WHET_TRY(iterate(r, trip));
    if (r->trips > 1) WHET_TRY(even_out(r));
    for (int32_t i = 0; i < r->f.carried; i++) {
        const whet_tensor *last = &k->in[i];
        if (r->trips) WHET_TRY(adopt(r->c, r->s, i, &r->b->outputs[i], last));
        else WHET_TRY(copy_result(r->c, r->s, i, last));
    }
    if (!r->trips) WHET_TRY(take_empty(r));
    for (int32_t i = 0; i < r->f.collected; i++) WHET_TRY(finish_collected(r, i, r->trips));
    return WHET_OK;
}

// Opset 8: sequence by sequence; what a shorter one lacks is zeros.
static whet_status run_batch(repeat *r) {
    whet_block_run *k = r->b->block;
    WHET_TRY(find_trips(r));
    int64_t n = k->node_in[r->f.own].dims[0];
    const whet_tensor *lengths = &k->node_in[0];
    if (lengths->dtype && whet_dims_count(lengths->dims, lengths->rank) != n)
        FAIL(r, WHET_E_SHAPE, "%lld lengths for a batch of %lld",
             (long long)whet_dims_count(lengths->dims, lengths->rank), (long long)n);
    for (int32_t i = 0; i < r->f.carried; i++)
        WHET_TRY(copy_result(r->c, r->s, i, &k->node_in[r->f.own + i]));
    for (r->sequence = 0; r->sequence < n; r->sequence++) {
        int64_t length = r->trips;
        if (lengths->dtype) length = ((const int64_t *)lengths->data)[r->sequence];
        if (length < 0 || length > r->trips)
            FAIL(r, WHET_E_RANGE, "sequence %lld has length %lld of %lld", (long long)r->sequence,
                 (long long)length, (long long)r->trips);
        enter(r);
        for (int64_t trip = 0; trip < length; trip++) WHET_TRY(iterate(r, trip));
        for (int32_t i = 0; i < r->f.carried; i++) {
            whet_tensor each;
            part_type(&k->node_in[r->f.own + i], 0, &each);
            if (!same_type(&each, &k->in[i]))
                FAIL(r, WHET_E_SHAPE, "carried value %d has another shape in the end", i);
            if (r->s->out[i] >= 0 && each.bytes)
                memcpy((char *)r->c->lane->cross[r->s->out[i]].data +
                           (size_t)r->sequence * each.bytes, k->in[i].data, each.bytes);
        }
    }
    r->sequence = 0;
    if (!r->made) WHET_TRY(take_empty(r));
    for (int32_t i = 0; i < r->f.collected; i++) WHET_TRY(finish_collected(r, i, r->trips));
    return WHET_OK;
}

whet_status whet_control_run(whet_context *c, int32_t live) {
    const whet_pstep *s = &c->lane->plan->steps[c->frame->live_step[live]];
    const whet_pnode *n = &c->graph->nodes[s->nodes[0]];
    repeat r = {.c = c, .n = n, .s = s};
    WHET_TRY(whet_flow_of(n->op, n->attrs, n->n_in, n->n_out, &r.f, &c->handle.error));
    if (r.f.kind == WHET_FLOW_IF) return run_if(c, s, n);
    WHET_TRY(whet_block_context(c, n, 0, &r.b));
    for (int32_t i = 0; i < s->n_in; i++) value_of(c, s->in[i], &r.b->block->node_in[i]);
    if (r.f.kind == WHET_FLOW_LOOP) return run_loop(&r);
    return r.f.attrs->batched ? run_batch(&r) : run_scan(&r);
}

// SPDX-License-Identifier: Apache-2.0
#include "kern/resize/resize.h"

#include <math.h>
#include <string.h>

#include "ops/resize_ref.h"

static bool list_port(const whet_problem *p, int32_t i, whet_dtype dtype, int64_t n) {
    if (i >= p->n_in || p->in[i].dtype == WHET_DTYPE_NONE) return true;
    const whet_port *q = &p->in[i];
    return q->dtype == dtype && q->layout == WHET_LAYOUT_PLAIN && q->rank == 1 &&
           (q->dims[0] == n || q->dims[0] == 0);
}

static bool list_given(const whet_problem *p, int32_t i) {
    return i < p->n_in && p->in[i].dtype != WHET_DTYPE_NONE && p->in[i].dims[0] > 0;
}

bool whet_resize_accepts(const whet_problem *p) {
    const whet_resize_attrs *a = p->attrs;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (p->n_in < 1 || p->n_in > 4 || p->n_out != 1 || !whet_epilogue_empty(&p->epi)) return false;
    if (x->dtype != WHET_DTYPE_F32 || y->dtype != WHET_DTYPE_F32 || x->layout != y->layout)
        return false;
    if (x->rank < 3 || x->rank > 5 || x->rank != y->rank) return false;
    if (a->mode != WHET_RESIZE_NEAREST && a->mode != WHET_RESIZE_LINEAR) return false;
    if (a->antialias || a->exclude_outside || a->aspect_policy != 0) return false;
    if (a->coordinate_mode == WHET_RESIZE_TF_CROP_AND_RESIZE) return false;
    int64_t n = a->axes.v ? a->axes.n : x->rank;
    for (int32_t i = 0; a->axes.v && i < a->axes.n; i++)
        if (a->axes.v[i] < -x->rank || a->axes.v[i] >= x->rank) return false;
    if (!list_port(p, 2, WHET_DTYPE_F32, n) || !list_port(p, 3, WHET_DTYPE_I64, n)) return false;
    if (!list_given(p, 2) && !list_given(p, 3)) return false;
    for (int32_t d = 0; d < x->rank; d++)
        if (x->dims[d] < 1 || y->dims[d] < 1 || x->dims[d] > INT32_MAX || y->dims[d] > INT32_MAX)
            return false;
    return whet_layout_bytes(x->layout, x->dtype, x->rank, x->dims) < SIZE_MAX / 2 &&
           whet_layout_bytes(y->layout, y->dtype, y->rank, y->dims) < SIZE_MAX / 2;
}

static void shapes(const whet_problem *p, resize_view *v) {
    const whet_port *x = &p->in[0], *y = &p->out[0];
    memset(v, 0, sizeof *v);
    for (int32_t d = 0; d < RESIZE_DIMS; d++) v->in[d] = v->out[d] = 1;
    for (int32_t d = 0; d < x->rank; d++) {
        int32_t to = d < 2 ? d : d + RESIZE_DIMS - x->rank;
        v->in[to] = x->dims[d];
        v->out[to] = y->dims[d];
    }
    v->block = x->layout == WHET_LAYOUT_NHWC ? v->out[1] : whet_layout_block(x->layout);
    v->blocks = (v->out[1] + v->block - 1) / v->block;
}

size_t whet_resize_scratch(const whet_problem *p, const int32_t *params) {
    resize_view v;
    size_t bytes = 0;
    (void)params;
    shapes(p, &v);
    for (int32_t d = 0; d < RESIZE_DIMS; d++) bytes += (size_t)v.out[d] * sizeof(resize_tap);
    return bytes + (size_t)v.in[4] * sizeof(float);
}

int64_t whet_resize_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    resize_view v;
    (void)params, (void)phase;
    shapes(p, &v);
    return v.out[0] * v.blocks * v.out[2] * v.out[3];
}

static int32_t clamp(int64_t i, int64_t n) { return (int32_t)(i < 0 ? 0 : i >= n ? n - 1 : i); }

static void fill_taps(const whet_resize_attrs *a, const whet_resize_dim *d, resize_tap *t) {
    bool identity = d->in == d->out && d->scale == 1 &&
                    a->coordinate_mode != WHET_RESIZE_TF_HALF_PIXEL_FOR_NN;
    for (int64_t i = 0; i < d->out; i++) {
        double x = identity ? (double)i : whet_resize_position(a, d, i);
        if (identity || a->mode == WHET_RESIZE_NEAREST) {
            int64_t at = identity ? i : whet_resize_nearest(a, d->scale, x);
            t[i] = (resize_tap){clamp(at, d->in), clamp(at, d->in), 1, 0};
            continue;
        }
        int64_t first = (int64_t)ceil(x) - 1;
        double w1 = x - (double)first;
        int32_t i0 = clamp(first, d->in), i1 = clamp(first + 1, d->in);
        t[i] = (resize_tap){i0, i1, (float)(1 - w1), (float)w1};
        // a tap that does not count must not let an infinity in
        if (w1 >= 1) t[i] = (resize_tap){i1, i1, 1, 0};
    }
}

whet_status whet_resize_view(const whet_call *c, resize_view *v) {
    const whet_problem *p = c->p;
    const whet_resize_attrs *a = p->attrs;
    int32_t rank = p->in[0].rank;
    shapes(p, v);
    whet_resize_dim dims[RESIZE_DIMS];
    for (int32_t d = 0; d < RESIZE_DIMS; d++)
        dims[d] = (whet_resize_dim){
            .in = v->in[d], .out = v->out[d], .scale = 1, .scale_is_ratio = true};
    int32_t n = a->axes.v ? a->axes.n : rank;
    for (int32_t i = 0; i < n; i++) {
        int32_t axis = a->axes.v ? whet_axis(a->axes.v[i], rank) : i;
        whet_resize_dim *d = &dims[axis < 2 ? axis : axis + RESIZE_DIMS - rank];
        double ratio = (double)d->out / (double)d->in;
        d->scale = list_given(p, 2) ? (double)((const float *)c->in[2])[i] : ratio;
        d->scale_is_ratio = d->scale == ratio || (float)ratio == (float)d->scale;
        if (!(d->scale > 0) || d->scale >= 0x1p31)
            WHET_FAIL(c->err, WHET_E_RANGE, "%s: scale %d is %g", c->node, (int)i, d->scale);
    }
    resize_tap *at = c->scratch;
    v->spatial = true;
    for (int32_t d = 0; d < RESIZE_DIMS; at += v->out[d], d++) {
        v->taps[d] = at;
        // dimensions that the tensor does not have stay
        if (d >= 2 && d < 2 + RESIZE_DIMS - rank) at[0] = (resize_tap){0, 0, 1, 0};
        else fill_taps(a, &dims[d], at);
        for (int64_t i = 0; d < 2 && i < v->out[d]; i++)
            if (at[i].i0 != i || at[i].w1 != 0) v->spatial = false;
    }
    if (v->in[0] != v->out[0] || v->in[1] != v->out[1]) v->spatial = false;
    v->row = (float *)at;
    return WHET_OK;
}

// Offset of an element in the input.
static int64_t input_at(const resize_view *v, bool channels_last, const int64_t *at) {
    int64_t s = (at[2] * v->in[3] + at[3]) * v->in[4] + at[4], all = v->in[2] * v->in[3] * v->in[4];
    if (channels_last) return (at[0] * all + s) * v->in[1] + at[1];
    int64_t blocks = (v->in[1] + v->block - 1) / v->block;
    return ((at[0] * blocks + at[1] / v->block) * all + s) * v->block + at[1] % v->block;
}

static float element(const resize_view *v, bool channels_last, const float *x, const int64_t *out) {
    float sum = 0;
    for (int32_t corner = 0; corner < 1 << RESIZE_DIMS; corner++) {
        int64_t at[RESIZE_DIMS];
        float w = 1;
        for (int32_t d = 0; d < RESIZE_DIMS; d++) {
            const resize_tap *t = &v->taps[d][out[d]];
            bool second = corner >> d & 1;
            at[d] = second ? t->i1 : t->i0;
            w *= second ? t->w1 : t->w0;
        }
        if (w != 0) sum += w * x[input_at(v, channels_last, at)];
    }
    return sum;
}

void whet_resize_row_any(const whet_call *c, const resize_view *v, int64_t task) {
    bool channels_last = c->p->in[0].layout == WHET_LAYOUT_NHWC;
    int64_t at[RESIZE_DIMS], rest = task;
    at[3] = rest % v->out[3], rest /= v->out[3];
    at[2] = rest % v->out[2], rest /= v->out[2];
    int64_t first = rest % v->blocks * v->block;
    at[0] = rest / v->blocks;
    float *y = (float *)c->out[0] + task * v->out[4] * v->block;
    for (at[4] = 0; at[4] < v->out[4]; at[4]++)
        for (int64_t lane = 0; lane < v->block; lane++, y++) {
            at[1] = first + lane;
            *y = at[1] < v->out[1] ? element(v, channels_last, c->in[0], at) : 0;
        }
}

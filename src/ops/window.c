// SPDX-License-Identifier: Apache-2.0
// Window arithmetic on symbolic sizes (infer) and on numbers (resolve).
#include "ops/window.h"

#include <inttypes.h>

const char *const whet_auto_pad_choices[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};

static bool is_same(int32_t auto_pad) {
    return auto_pad == WHET_PAD_SAME_UPPER || auto_pad == WHET_PAD_SAME_LOWER;
}
static int64_t item(whet_ints list, int32_t i, int64_t absent) {
    return list.n > 0 ? list.v[i] : absent;
}

static whet_status check_list(whet_infer *ctx, const char *name, whet_ints list, int32_t n,
                              int64_t lowest) {
    if (list.n == 0) return WHET_OK;
    if (list.n != n)
        WHET_FAIL(ctx->err, WHET_E_SHAPE, "%s has %d values, expected %d", name,
                  (int)list.n, (int)n);
    for (int32_t i = 0; i < n; i++)
        if (list.v[i] < lowest || list.v[i] > INT32_MAX)
            WHET_FAIL(ctx->err, WHET_E_RANGE,
                      "%s[%d] is %" PRId64 ", must be in [%" PRId64 ", %d]", name,
                      (int)i, list.v[i], lowest, INT32_MAX);
    return WHET_OK;
}

static whet_status check_attrs(whet_infer *ctx, const whet_window_attrs *a, int32_t n,
                               const whet_dim *kernel) {
    if (n < 1 || n > WHET_WINDOW_MAX)
        WHET_FAIL(ctx->err, WHET_E_UNSUPPORTED, "%d spatial dimensions; 1 to %d are supported",
                  (int)n, WHET_WINDOW_MAX);
    if (a->auto_pad < WHET_PAD_NOTSET || a->auto_pad > WHET_PAD_VALID)
        WHET_FAIL(ctx->err, WHET_E_RANGE, "unknown auto_pad");
    WHET_TRY(check_list(ctx, "kernel_shape", a->kernel_shape, n, 1));
    WHET_TRY(check_list(ctx, "strides", a->strides, n, 1));
    WHET_TRY(check_list(ctx, "dilations", a->dilations, n, 1));
    if (a->auto_pad == WHET_PAD_NOTSET) WHET_TRY(check_list(ctx, "pads", a->pads, 2 * n, 0));
    for (int32_t i = 0; i < n; i++) {
        if (whet_dim_is_const(kernel[i]) && (kernel[i] < 1 || kernel[i] > INT32_MAX))
            WHET_FAIL(ctx->err, WHET_E_RANGE, "kernel size %" PRId64 " must be in [1, %d]",
                      kernel[i], INT32_MAX);
        if (a->kernel_shape.n)
            WHET_TRY(whet_infer_same(ctx, kernel[i], a->kernel_shape.v[i],
                                     "kernel_shape and size of the weights"));
    }
    return WHET_OK;
}

// (kernel - 1) dilation + 1
static whet_dim extent(whet_infer *ctx, whet_dim kernel, int64_t dilation) {
    whet_dim span = whet_dim_mul(ctx->dims, whet_dim_sub(ctx->dims, kernel, 1), dilation);
    return whet_dim_add(ctx->dims, span, 1);
}

// Steps in `room` (input and paddings less one window), with what ceil_mode adds: the last window
// must start before begin + in, else it is dropped.
static whet_dim ceil_steps(whet_infer *ctx, whet_dim room, whet_dim reach, int64_t stride,
                           whet_dim window, int64_t pad_end) {
    whet_dim steps = whet_dim_ceildiv(ctx->dims, room, stride);
    if (whet_dim_is_const(steps) && whet_dim_is_const(reach)) {
        int64_t start;
        bool over = __builtin_mul_overflow(steps, stride, &start) || start >= reach;
        return over && steps > 0 ? steps - 1 : steps;
    }
    // While the end padding is smaller than a window at most one step is dropped, and then the
    // condition is a minimum.
    if (!whet_dim_is_const(window) || pad_end < window) {
        whet_dim last = whet_dim_floordiv(ctx->dims, whet_dim_sub(ctx->dims, reach, 1), stride);
        return whet_dim_min(ctx->dims, steps, last);
    }
    return whet_dim_fresh(ctx->dims);
}

static whet_status check_size(whet_infer *ctx, int32_t axis, whet_dim in, whet_dim kernel,
                              whet_dim out) {
    if (!whet_dim_is_error(out) || whet_dim_is_error(in) || whet_dim_is_error(kernel))
        return WHET_OK;
    WHET_FAIL(ctx->err, WHET_E_LIMIT, "the size of spatial dimension %d overflows",
              (int)axis);
}

whet_status whet_window_infer(whet_infer *ctx, const whet_window_attrs *a, int32_t n,
                              const whet_dim *in, const whet_dim *kernel, bool ceil_mode,
                              whet_dim *out) {
    WHET_TRY(check_attrs(ctx, a, n, kernel));
    for (int32_t i = 0; i < n; i++) {
        int64_t stride = item(a->strides, i, 1);
        if (is_same(a->auto_pad)) {
            out[i] = whet_dim_ceildiv(ctx->dims, in[i], stride);
            WHET_TRY(check_size(ctx, i, in[i], kernel[i], out[i]));
            continue;
        }
        bool pads = a->auto_pad == WHET_PAD_NOTSET;
        int64_t begin = pads ? item(a->pads, i, 0) : 0;
        int64_t end = pads ? item(a->pads, i + n, 0) : 0;
        whet_dim window = extent(ctx, kernel[i], item(a->dilations, i, 1));
        whet_dim reach = whet_dim_add(ctx->dims, in[i], begin);
        whet_dim padded = whet_dim_add(ctx->dims, reach, end);
        whet_dim room = whet_dim_sub(ctx->dims, padded, window);
        if (whet_dim_is_const(room) && room < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE,
                      "a window of %" PRId64 " does not fit into spatial dimension %d"
                      " (%" PRId64 " with padding)",
                      window, (int)i, padded);
        whet_dim steps = ceil_mode ? ceil_steps(ctx, room, reach, stride, window, end)
                                   : whet_dim_floordiv(ctx->dims, room, stride);
        out[i] = whet_dim_add(ctx->dims, steps, 1);
        WHET_TRY(check_size(ctx, i, in[i], kernel[i], out[i]));
    }
    return WHET_OK;
}

static void set_sizes(whet_window *w, const whet_window_attrs *a, int32_t n, const int64_t *in,
                      const int64_t *out, const int64_t *kernel) {
    *w = (whet_window){.n = n};
    for (int32_t i = 0; i < n; i++) {
        w->in[i] = in[i];
        w->out[i] = out[i];
        w->kernel[i] = kernel[i];
        w->stride[i] = item(a->strides, i, 1);
        w->dilation[i] = item(a->dilations, i, 1);
        if (a->auto_pad == WHET_PAD_NOTSET) {
            w->pad_begin[i] = item(a->pads, i, 0);
            w->pad_end[i] = item(a->pads, i + n, 0);
        }
    }
}

void whet_window_resolve(whet_window *w, const whet_window_attrs *a, int32_t n, const int64_t *in,
                         const int64_t *out, const int64_t *kernel) {
    set_sizes(w, a, n, in, out, kernel);
    if (!is_same(a->auto_pad)) return;
    for (int32_t i = 0; i < n; i++) {
        int64_t window = (kernel[i] - 1) * w->dilation[i] + 1;
        int64_t total = (out[i] - 1) * w->stride[i] + window - in[i];
        if (total < 0) total = 0;
        int64_t more = total - total / 2;
        bool upper = a->auto_pad == WHET_PAD_SAME_UPPER;
        w->pad_begin[i] = upper ? total / 2 : more;
        w->pad_end[i] = upper ? more : total / 2;
    }
}

whet_status whet_window_infer_transposed(whet_infer *ctx, const whet_window_attrs *a,
                                         whet_ints output_padding, whet_ints output_shape,
                                         int32_t n, const whet_dim *in, const whet_dim *kernel,
                                         whet_dim *out) {
    WHET_TRY(check_attrs(ctx, a, n, kernel));
    WHET_TRY(check_list(ctx, "output_padding", output_padding, n, 0));
    WHET_TRY(check_list(ctx, "output_shape", output_shape, n, 0));
    whet_dims *pool = ctx->dims;
    for (int32_t i = 0; i < n; i++) {
        int64_t stride = item(a->strides, i, 1);
        bool pads = a->auto_pad == WHET_PAD_NOTSET;
        int64_t cut = pads ? item(a->pads, i, 0) + item(a->pads, i + n, 0) : 0;
        whet_dim window = extent(ctx, kernel[i], item(a->dilations, i, 1));
        whet_dim span = whet_dim_mul(pool, whet_dim_sub(pool, in[i], 1), stride);
        whet_dim full = whet_dim_add(pool, span, window);
        full = whet_dim_add(pool, full, item(output_padding, i, 0));
        if (output_shape.n) out[i] = output_shape.v[i];
        else if (is_same(a->auto_pad)) out[i] = whet_dim_mul(pool, in[i], stride);
        else out[i] = whet_dim_sub(pool, full, cut);
        WHET_TRY(check_size(ctx, i, in[i], kernel[i], full));
        WHET_TRY(check_size(ctx, i, in[i], kernel[i], out[i]));
        if (output_shape.n && whet_dim_is_const(full) && out[i] - full >= stride)
            WHET_FAIL(ctx->err, WHET_E_SHAPE,
                      "output_shape asks for %" PRId64 " in spatial dimension %d, the input"
                      " reaches %" PRId64,
                      out[i], (int)i, full);
        if (whet_dim_is_const(out[i]) && out[i] < 0)
            WHET_FAIL(ctx->err, WHET_E_SHAPE,
                      "paddings leave %" PRId64 " of spatial dimension %d", out[i],
                      (int)i);
    }
    return WHET_OK;
}

void whet_window_resolve_transposed(whet_window *w, const whet_window_attrs *a,
                                    whet_ints output_padding, whet_ints output_shape, int32_t n,
                                    const int64_t *in, const int64_t *out, const int64_t *kernel) {
    set_sizes(w, a, n, in, out, kernel);
    if (!output_shape.n && !is_same(a->auto_pad)) return;
    for (int32_t i = 0; i < n; i++) {
        int64_t window = (kernel[i] - 1) * w->dilation[i] + 1;
        int64_t full = (in[i] - 1) * w->stride[i] + item(output_padding, i, 0) + window;
        int64_t total = full > out[i] ? full - out[i] : 0;
        int64_t more = total - total / 2;
        bool upper = a->auto_pad == WHET_PAD_SAME_UPPER;
        w->pad_begin[i] = upper ? total / 2 : more;
        w->pad_end[i] = upper ? more : total / 2;
    }
}

void whet_window_expand(whet_window *w) {
    int32_t add = WHET_WINDOW_MAX - w->n;
    for (int32_t i = WHET_WINDOW_MAX - 1; i >= 0; i--) {
        bool given = i >= add;
        w->in[i] = given ? w->in[i - add] : 1;
        w->out[i] = given ? w->out[i - add] : 1;
        w->kernel[i] = given ? w->kernel[i - add] : 1;
        w->stride[i] = given ? w->stride[i - add] : 1;
        w->dilation[i] = given ? w->dilation[i - add] : 1;
        w->pad_begin[i] = given ? w->pad_begin[i - add] : 0;
        w->pad_end[i] = given ? w->pad_end[i - add] : 0;
    }
    w->n = WHET_WINDOW_MAX;
}

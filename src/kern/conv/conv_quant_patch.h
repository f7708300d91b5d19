// SPDX-License-Identifier: Apache-2.0
// Part of the templates of quant_conv: rows of the input in the type of the tiles, channels last,
// padded with the zero point.
#ifndef WHET_KERN_CONV_QUANT_PATCH_H
#define WHET_KERN_CONV_QUANT_PATCH_H

#include <string.h>

#include "kern/conv/conv_geom.h"
#include "kern/qform.h"
#include "ops/quant_fused.h"

#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PATCH_MAX 1e9 // elements of scratch
#define SLACK 64      // elements behind the patch that a group of k may reach into

// The input and what is added have layout l, as the result.
static void quant_conv_ports(const whet_problem *p, whet_layout l, whet_layout *in,
                             whet_layout *out) {
    for (int32_t i = 0; i < p->n_in; i++)
        in[i] = i == WHET_QF_X || i == WHET_QF_OTHER ? l : WHET_LAYOUT_PLAIN;
    out[0] = l;
}

// Constant weights of i8 around zero, of one or two spatial dimensions.
static bool quant_conv_weights(const whet_problem *p) {
    if (p->n_in != WHET_QF_COUNT || p->n_out != 1) return false;
    const whet_port *w = &p->in[WHET_QF_W];
    return w->dtype == WHET_DTYPE_I8 && w->constant && !p->in[WHET_QF_W_ZERO].dtype &&
           w->layout == WHET_LAYOUT_PLAIN && w->rank >= 3 && w->rank <= 4;
}

typedef struct quant_patch {
    int64_t h, w; // rows and pixels of a row; 0: none, the input is read in place
    bool flat;    // the image is one column
    bool plain;   // the input
} quant_patch;

// For blocks of `rows` output rows. False when it would be too large.
static bool patch_init(quant_patch *q, const whet_conv_geom *g, const whet_problem *p, bool flat,
                       int64_t rows, bool needed) {
    *q = (quant_patch){0, 0, flat, p->in[WHET_QF_X].layout == WHET_LAYOUT_PLAIN};
    if (!needed) return true;
    q->h = (rows - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
    q->w = flat ? 1 : (g->out[2] - 1) * g->stride[2] + (g->ker[2] - 1) * g->dil[2] + 1;
    return (double)g->c * (double)q->h * (double)q->w < PATCH_MAX;
}

static size_t patch_bytes(const quant_patch *q, const whet_conv_geom *g) {
    return q->h ? sizeof(x_t) * (size_t)(q->h * q->w * g->c + SLACK) : 0;
}

typedef struct source {
    const uint8_t *x; // of the image
    bool is_signed;
    int32_t zero;     // of the input
    x_t fill;         // what zero becomes
} source;

static source source_init(const whet_call *call) {
    source s = {.is_signed = call->p->in[WHET_QF_X].dtype == WHET_DTYPE_I8};
    s.zero = (int32_t)whet_qinput(call, WHET_QF_X_ZERO, 0);
    s.fill = (x_t)q_zero(s.zero, s.is_signed);
    return s;
}

static void fill(x_t *dst, x_t v, int64_t n) {
    for (int64_t i = 0; i < n; i++) dst[i] = v;
}

// n pixels of `channels` planes, side by side.
V_FN void join_planes(x_t *restrict dst, const uint8_t *restrict src, int64_t plane,
                      int64_t channels, int64_t n, const source *s) {
    // what q_convert does to one element
    int32_t flip = Q_BYTES ? q_flip(s->is_signed) : s->is_signed ? 128 : 0;
    int32_t less = Q_BYTES ? 0 : s->zero + flip;
    for (int64_t i = 0; i < n; i++, dst += channels)
        for (int64_t c = 0; c < channels; c++)
            dst[c] = (x_t)((src[c * plane + i] ^ flip) - less);
}

// n pixels of the image from `at` on, all channels.
static void copy_pixels(const quant_patch *q, const whet_conv_geom *g, const source *s, x_t *dst,
                        int64_t at, int64_t n) {
    if (!q->plain) {
        q_convert(dst, s->x + at * g->c, n * g->c, s->is_signed, s->zero);
        return;
    }
    if (g->c == 3) join_planes(dst, s->x + at, g->in_size, 3, n, s);
    else join_planes(dst, s->x + at, g->in_size, g->c, n, s);
}

// Input for `rows` output rows from row y on.
static void patch_copy(const quant_patch *q, const whet_conv_geom *g, const source *s, x_t *dst,
                       int64_t y, int64_t rows) {
    int64_t count = (rows - 1) * g->stride[1] + (g->ker[1] - 1) * g->dil[1] + 1;
    int64_t y0 = y * g->stride[1] - g->pad[1], wide = q->flat ? 1 : g->in[2];
    int64_t high = q->flat ? g->in_size : g->in[1];
    int64_t left = g->pad[2] < q->w ? g->pad[2] : q->w;
    int64_t copy = q->w - left < wide ? q->w - left : wide;
    for (y = y0; y < y0 + count; y++, dst += q->w * g->c) {
        if (y < 0 || y >= high) {
            fill(dst, s->fill, q->w * g->c);
            continue;
        }
        fill(dst, s->fill, left * g->c);
        copy_pixels(q, g, s, dst + left * g->c, y * wide, copy);
        fill(dst + (left + copy) * g->c, s->fill, (q->w - left - copy) * g->c);
    }
    memset(dst, 0, SLACK * sizeof *dst);
}

#endif

// SPDX-License-Identifier: Apache-2.0
// Layouts, and what is generic about problems: windows, work, traffic.
#include "kern/kernel.h"

#include <string.h>

static const char *const layout_names[WHET_LAYOUT_COUNT] = {"plain", "c8", "c16", "nhwc"};

const char *whet_layout_text(whet_layout layout) {
    return (unsigned)layout < WHET_LAYOUT_COUNT ? layout_names[layout] : "?";
}

int32_t whet_layout_parse(const char *text) {
    for (int32_t i = 0; i < WHET_LAYOUT_COUNT; i++)
        if (!strcmp(text, layout_names[i])) return i;
    return -1;
}

size_t whet_layout_bytes(whet_layout layout, whet_dtype dtype, int32_t rank, const int64_t *dims) {
    if (rank < 0 || rank > WHET_MAX_RANK || (unsigned)layout >= WHET_LAYOUT_COUNT) return SIZE_MAX;
    int64_t block = whet_layout_block(layout), padded[WHET_MAX_RANK];
    if (layout != WHET_LAYOUT_PLAIN && (rank < 3 || rank > 5)) return SIZE_MAX;
    for (int32_t i = 0; i < rank; i++) padded[i] = dims[i];
    if (block > 1) {
        if (dims[1] < 0 || dims[1] > INT64_MAX - block) return SIZE_MAX;
        padded[1] = (dims[1] + block - 1) / block * block;
    }
    int64_t count = whet_dims_count(padded, rank);
    return count < 0 ? SIZE_MAX : whet_tensor_bytes(dtype, count);
}

static void store_port(whet_port *p, bool bf16) {
    p->dtype = whet_port_type(p);
    p->type = WHET_DTYPE_NONE;
    if (!bf16 || p->constant || p->dtype != WHET_DTYPE_F32) return;
    p->type = p->dtype;
    p->dtype = WHET_DTYPE_BF16;
}

void whet_problem_store(struct whet_problem *p, whet_store store) {
    bool in = store == WHET_STORE_BF16 || store == WHET_STORE_BF16_IN;
    bool out = store == WHET_STORE_BF16 || store == WHET_STORE_BF16_OUT;
    for (int32_t i = 0; i < p->n_in; i++) store_port((whet_port *)&p->in[i], in);
    for (int32_t i = 0; i < p->n_out; i++) store_port((whet_port *)&p->out[i], out);
    store_port(&p->epi.other, out);
}

void whet_problem_window(const whet_problem *p, whet_window *w) {
    const whet_port *x = &p->in[0], *y = &p->out[0];
    const whet_window_attrs *a = p->attrs;
    int32_t n = x->rank - 2;
    // a convolution has the kernel in its weights, a pooling among its attributes
    bool weights = p->n_in > 1 && p->in[1].dtype && p->in[1].rank == x->rank;
    const int64_t *kernel = weights ? p->in[1].dims + 2 : a->kernel_shape.v;
    if (!strcmp(p->op, "conv_transpose")) {
        const whet_conv_transpose_attrs *t = p->attrs;
        whet_window_resolve_transposed(w, a, t->output_padding, t->output_shape, n, x->dims + 2,
                                       y->dims + 2, kernel);
        return;
    }
    whet_window_resolve(w, a, n, x->dims + 2, y->dims + 2, kernel);
}

static void port_tensor(const whet_port *port, whet_tensor *t) {
    *t = (whet_tensor){.dtype = port->dtype, .rank = port->rank};
    memcpy(t->dims, port->dims, sizeof t->dims);
}

static double port_count(const whet_port *port) {
    double n = port->dtype ? 1 : 0;
    for (int32_t i = 0; i < port->rank; i++) n *= (double)port->dims[i];
    return n;
}

#define MAX_PORTS 64

double whet_problem_flops(const whet_problem *p) {
    const whet_op *op = p->desc ? p->desc : whet_op_find(whet_ops_builtin(), p->op);
    double out = p->n_out > 0 ? port_count(&p->out[0]) : 0;
    if (p->chain) return out * p->chain->n_ops;
    if (!op || !op->flops || p->n_in > MAX_PORTS || p->n_out > MAX_PORTS) return out;
    whet_tensor in[MAX_PORTS], result[MAX_PORTS];
    for (int32_t i = 0; i < p->n_in; i++) port_tensor(&p->in[i], &in[i]);
    for (int32_t i = 0; i < p->n_out; i++) port_tensor(&p->out[i], &result[i]);
    return op->flops(p->attrs, in, p->n_in, result, p->n_out);
}

static double port_bytes(const whet_port *port) {
    return port_count(port) * (port->dtype ? whet_dtype_bits(port->dtype) / 8.0 : 0);
}

double whet_problem_bytes(const whet_problem *p) {
    double bytes = port_bytes(&p->epi.other);
    for (int32_t i = 0; i < p->n_in; i++) bytes += port_bytes(&p->in[i]);
    for (int32_t i = 0; i < p->n_out; i++) bytes += port_bytes(&p->out[i]);
    return bytes;
}

// Offset of element (n, c, s) of [n, channels, spatial].
static int64_t layout_offset(whet_layout layout, int64_t channels, int64_t spatial, int64_t n,
                             int64_t c, int64_t s) {
    int64_t block = whet_layout_block(layout);
    if (layout == WHET_LAYOUT_NHWC) return (n * spatial + s) * channels + c;
    return ((n * ((channels + block - 1) / block) + c / block) * spatial + s) * block + c % block;
}

// The same layout, another type.
static void convert_all(const whet_port *from, const void *in, const whet_port *to, void *out) {
    size_t one = (size_t)whet_dtype_bits(from->dtype) / 8;
    size_t n = whet_layout_bytes(from->layout, from->dtype, from->rank, from->dims) / one;
    for (size_t i = 0; i < n; i++)
        whet_store_f64(out, to->dtype, (int64_t)i, whet_load_f64(in, from->dtype, (int64_t)i));
}

void whet_reorder_ref(const whet_port *from, const void *in, const whet_port *to, void *out) {
    size_t size = (size_t)whet_dtype_bits(to->dtype) / 8;
    bool converts = from->dtype != to->dtype;
    if (from->layout == to->layout) {
        if (converts) convert_all(from, in, to, out);
        else
            memcpy(out, in, whet_layout_bytes(from->layout, from->dtype, from->rank, from->dims));
        return;
    }
    int64_t n = from->dims[0], c = from->dims[1];
    int64_t s = whet_dims_count(from->dims + 2, from->rank - 2);
    if (whet_layout_block(to->layout) > 1)
        memset(out, 0, whet_layout_bytes(to->layout, to->dtype, to->rank, to->dims));
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < c; j++)
            for (int64_t k = 0; k < s; k++) {
                int64_t at = layout_offset(to->layout, c, s, i, j, k);
                int64_t old = layout_offset(from->layout, c, s, i, j, k);
                if (converts)
                    whet_store_f64(out, to->dtype, at, whet_load_f64(in, from->dtype, old));
                else
                    memcpy((char *)out + size * (size_t)at,
                           (const char *)in + size * (size_t)old, size);
            }
}

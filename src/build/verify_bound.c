// SPDX-License-Identifier: Apache-2.0
// What a step should have made and how far off it may be: for each family the sum|a||b| behind an
// element and the length k of that sum (docs/numerics.md).
#include <math.h>
#include <string.h>

#include "build/verify.h"
#include "ops/block_matmul.h"
#include "ops/quant_fused.h"

#define UNKNOWN_LENGTH 4096 // of sums of which nothing is known
#define PLUGIN_C 4          // of plugins, which state none

typedef struct {
    const whet_judged *j;
    const whet_problem *p;
    whet_expected *x;
    int64_t n;   // elements of output 0
    double *y;   // output 0 before the epilogue
    double *mag; // its magnitude, zeroed
} bound;

typedef whet_status (*bound_fn)(bound *b);

static int64_t count_of(const whet_tensor *t) { return whet_dims_count(t->dims, t->rank); }

static double *load(const bound *b, const whet_tensor *t) {
    int64_t n = count_of(t);
    double *v = whet_arena_array(b->j->arena, (size_t)n + 1, sizeof *v);
    if (v) whet_load_f64_array(v, t->data, t->dtype, n);
    return v;
}

// Only each stride-th element, where it belongs.
static double *load_part(const bound *b, const whet_tensor *t) {
    int64_t n = count_of(t), stride = b->x->stride;
    if (stride == 1) return load(b, t);
    double *v = whet_arena_alloc_raw(b->j->arena, ((size_t)n + 1) * sizeof *v);
    for (int64_t i = 0; v && i < n; i += stride) v[i] = whet_load_f64(t->data, t->dtype, i);
    return v;
}

static void make_absolute(const whet_tensor *t, void *to) {
    int64_t n = count_of(t);
    if (t->dtype == WHET_DTYPE_F32) {
        for (int64_t e = 0; e < n; e++) ((float *)to)[e] = fabsf(((const float *)t->data)[e]);
        return;
    }
    for (int64_t e = 0; e < n; e++)
        whet_store_f64(to, t->dtype, e, fabs(whet_load_f64(t->data, t->dtype, e)));
}

static const whet_tensor *input(const bound *b, int32_t i) {
    static const whet_tensor absent;
    return i < b->p->n_in ? &b->j->in[i] : &absent;
}

static double largest(const whet_tensor *t) {
    double most = 0;
    for (int64_t i = 0; t->dtype && i < count_of(t); i++)
        most = fmax(most, fabs(whet_load_f64(t->data, t->dtype, i)));
    return most;
}

// ---- lengths of sums ----

static double product(const int64_t *dims, int32_t n) {
    double v = 1;
    for (int32_t i = 0; i < n; i++) v *= (double)dims[i];
    return v;
}

static double length_of(const whet_problem *p) {
    const char *op = p->op;
    const whet_port *x = &p->in[0], *y = &p->out[0];
    if (!strcmp(op, "conv") || !strcmp(op, "quant_conv"))
        return product(p->in[1].dims + 1, p->in[1].rank - 1) + 1;
    if (!strcmp(op, "conv_transpose"))
        return product(p->in[1].dims, p->in[1].rank) / fmax(1, (double)p->in[1].dims[1]) + 1;
    if (!strcmp(op, "gemm")) {
        const whet_gemm_attrs *a = p->attrs;
        return (double)x->dims[a->trans_a ? 0 : 1] + 1;
    }
    if (!strcmp(op, "matmul")) {
        const whet_matmul_attrs *a = p->attrs;
        return (double)x->dims[x->rank > 1 && a->trans_a ? x->rank - 2 : x->rank - 1] + 1;
    }
    if (!strcmp(op, "lrn") || !strcmp(op, "resize")) return 8;
    double in = product(x->dims, x->rank), out = fmax(1, product(y->dims, y->rank));
    return 4 + in / out; // pools and reductions
}

// ---- families ----

// The reference of absolute values: sum|a||b| of everything linear.
static whet_status linear(bound *b) {
    const whet_problem *p = b->p;
    whet_arena *arena = b->j->arena;
    whet_tensor *in = WHET_NEW_ARRAY(arena, whet_tensor, p->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(arena, whet_tensor, p->n_out);
    whet_problem q = *p;
    whet_judged j = *b->j;
    if (!in || !out) return WHET_NOMEM(b->j->err);
    memcpy(in, j.in, (size_t)p->n_in * sizeof *in);
    for (int32_t i = 0; i < p->n_in; i++) {
        if (!in[i].dtype || !whet_dtype_is_float(in[i].dtype)) continue;
        in[i].data = whet_arena_alloc_raw(arena, in[i].bytes + 64);
        if (!in[i].data) return WHET_NOMEM(j.err);
        make_absolute(&b->j->in[i], in[i].data);
    }
    whet_gemm_attrs gemm;
    if (!strcmp(p->op, "gemm")) {
        gemm = *(const whet_gemm_attrs *)p->attrs;
        gemm.alpha = fabsf(gemm.alpha);
        gemm.beta = fabsf(gemm.beta);
        q.attrs = &gemm;
    }
    j.p = &q;
    double c;
    WHET_TRY(whet_verify_compute(&j, in, out, &c));
    if (c < 0) {
        b->x->unknown = true;
        return WHET_OK;
    }
    b->x->k = length_of(p);
    double more = strstr(p->op, "log") ? 1 : 0;
    for (int64_t e = 0; e < b->n; e += b->x->stride)
        b->mag[e] = fabs(whet_load_f64(out[0].data, out[0].dtype, e)) + more;
    return WHET_OK;
}

// Group size and the number of channels with a scale of their own, and of values that share one.
static void norm_shape(const whet_problem *p, int64_t *group, int64_t *inner, int64_t *channels) {
    const whet_port *x = &p->in[0];
    *inner = x->rank > 2 ? whet_dims_count(x->dims + 2, x->rank - 2) : 1;
    *channels = x->rank > 1 ? x->dims[1] : 1;
    if (!strcmp(p->op, "layer_norm") || !strcmp(p->op, "rms_norm")) {
        int32_t axis = whet_axis(((const whet_norm_attrs *)p->attrs)->axis, x->rank);
        *group = *channels = whet_dims_count(x->dims + axis, x->rank - axis);
        *inner = 1;
    } else if (!strcmp(p->op, "group_norm")) {
        *group = *channels / ((const whet_group_norm_attrs *)p->attrs)->num_groups * *inner;
    } else {
        *group = *inner;
    }
}

static double epsilon_of(const whet_problem *p) {
    const whet_attr *a = whet_op_attr_find(p->desc, "epsilon");
    float v;
    if (!a || a->type != WHET_ATTR_FLOAT) return 1e-5;
    memcpy(&v, (const char *)p->attrs + a->offset, sizeof v);
    return (double)v;
}

static void statistics(const double *x, int64_t n, bool rms, double *size, double *var) {
    double mean = 0;
    *size = *var = 0;
    for (int64_t i = 0; i < n; i++) *size += fabs(x[i]), mean += rms ? 0 : x[i];
    *size /= (double)n, mean /= (double)n;
    for (int64_t i = 0; i < n; i++) *var += (x[i] - mean) * (x[i] - mean);
    *var /= (double)n;
}

// Rounding of x and of the mean, magnified by scale / deviation.
static whet_status norm(bound *b) {
    const whet_problem *p = b->p;
    int64_t group = 1, inner, channels;
    norm_shape(p, &group, &inner, &channels);
    bool batch = !strcmp(p->op, "batch_norm"), rms = !strcmp(p->op, "rms_norm");
    const whet_tensor *in = b->j->in;
    double *x = load(b, &in[0]), *scale = NULL, *bias = NULL;
    if (p->n_in > 1 && in[1].dtype) scale = load(b, &in[1]);
    if (p->n_in > 2 && in[2].dtype) bias = load(b, &in[2]);
    double size = 0, var = 0, epsilon = epsilon_of(p);
    if (!x || group < 1 || channels < 1 || inner < 1) return WHET_NOMEM(b->j->err);
    for (int64_t e = 0; e < b->n; e++) {
        int64_t ch = e / inner % channels;
        if (batch) {
            size = fabs(whet_load_f64(in[3].data, in[3].dtype, ch));
            var = whet_load_f64(in[4].data, in[4].dtype, ch);
        } else if (e % group == 0) {
            statistics(x + e, group, rms, &size, &var);
        }
        b->mag[e] = (fabs(x[e]) + size) / sqrt(var + epsilon) * (scale ? fabs(scale[ch]) : 1) +
                    fabs(b->y[e]) + (bias ? fabs(bias[ch]) : 0);
    }
    b->x->k = 4 + 0.1 * (double)group;
    return WHET_OK;
}

// x - m is rounded, which the exponential magnifies by |x - m|.
static whet_status softmax(bound *b) {
    const whet_port *p = &b->p->in[0];
    int32_t axis = whet_axis(((const whet_softmax_attrs *)b->p->attrs)->axis, p->rank);
    int64_t inner = whet_dims_count(p->dims + axis + 1, p->rank - axis - 1), n = p->dims[axis];
    bool log = !strcmp(b->p->op, "log_softmax");
    double *x = load(b, &b->j->in[0]);
    if (!x) return WHET_NOMEM(b->j->err);
    for (int64_t at = 0; at < b->n; at += n * inner)
        for (int64_t i = 0; i < inner; i++) {
            double max = -INFINITY;
            for (int64_t k = 0; k < n; k++) max = fmax(max, x[at + k * inner + i]);
            for (int64_t k = 0; k < n; k++) {
                int64_t e = at + k * inner + i;
                double d = fabs(x[e] - max), y = fabs(b->y[e]);
                b->mag[e] = log ? 1 + d + y + fabs(max) : y > 0 ? y * (1 + d) : 0x1p-126;
            }
        }
    b->x->k = 4 + 0.1 * (double)n;
    return WHET_OK;
}

// The largest score bounds the relative error of the weights: e^s moves by |s| u.
static whet_status attention(bound *b) {
    const whet_tensor *in = b->j->in;
    double mag = largest(&in[2]) * (1 + largest(&in[0]) * largest(&in[1]));
    for (int64_t e = 0; e < b->n; e++) b->mag[e] = mag;
    const whet_port *q = &b->p->in[0], *k = &b->p->in[1];
    b->x->k = (double)q->dims[q->rank - 1] + (double)k->dims[k->rank > 1 ? k->rank - 2 : 0];
    return WHET_OK;
}

// States are in [-1, 1], a memory within the number of steps.
static whet_status recurrent(bound *b) {
    const whet_tensor *in = b->j->in;
    double big = 0, start = 0;
    for (int32_t i = 1; i < b->p->n_in; i++) {
        if (!in[i].dtype) continue;
        if (i < 3) big = fmax(big, largest(&in[i]));
        if (i > 4) start = fmax(start, largest(&in[i]));
    }
    for (int64_t e = 0; e < b->n; e++) b->mag[e] = 4 * (1 + big) * (1 + start);
    const whet_port *w = &b->p->in[1], *r = &b->p->in[2];
    b->x->k = 8 * (double)(w->dims[w->rank - 1] + r->dims[r->rank - 1]);
    return WHET_OK;
}

static whet_status quantized(bound *b) {
    double bias = largest(input(b, WHET_QF_BIAS)), other = largest(input(b, WHET_QF_OTHER));
    double mid = largest(input(b, WHET_QF_MID_SCALE)), sum = largest(input(b, WHET_QF_SUM_SCALE));
    double y = largest(input(b, WHET_QF_Y_SCALE));
    b->x->slack = mid + sum;
    b->x->k = 8;
    if (y > 0 && mid + sum > 0) b->x->steps = 1 + (int32_t)fmin(64, ceil((mid + sum) / y));
    for (int64_t e = 0; e < b->n && b->y; e++) b->mag[e] = fabs(b->y[e]) + bias + other;
    return WHET_OK;
}

// Weight (i, col) of a block_matmul as a number.
static double block_weight(const bound *b, int64_t i, int64_t col, int64_t k, int64_t n) {
    const whet_block_matmul_attrs *a = b->p->attrs;
    const whet_tensor *w = input(b, WHET_BM_W);
    const whet_tensor *s = input(b, WHET_BM_SCALE), *z = input(b, WHET_BM_ZERO);
    int64_t blocks = a->block ? (k + a->block - 1) / a->block : 1, of = a->block ? i / a->block : 0;
    int64_t at = a->trans_b ? col * k + i : i * n + col;
    int64_t group = a->trans_b ? col * blocks + of : of * n + col;
    double q = whet_load_f64(w->data, w->dtype, at);
    if (z->dtype) q -= whet_load_f64(z->data, z->dtype, count_of(z) == 1 ? 0 : group);
    return q * whet_load_f64(s->data, s->dtype, count_of(s) == 1 ? 0 : group);
}

// sum|a||b| <= |a| |b|: the lengths of a row and a column.
static whet_status blocks(bound *b) {
    const whet_tensor *x = input(b, WHET_BM_X), *bias = input(b, WHET_BM_BIAS);
    int64_t k = x->dims[x->rank - 1], n = b->p->out[0].dims[b->p->out[0].rank - 1];
    int64_t rows = n > 0 ? b->n / n : 0;
    double *length = whet_arena_array(b->j->arena, (size_t)n + 1, sizeof *length);
    double *row = load(b, x);
    if (!length || !row) return WHET_NOMEM(b->j->err);
    for (int64_t i = 0; i < k; i++)
        for (int64_t col = 0; col < n; col++) {
            double w = block_weight(b, i, col, k, n);
            length[col] += w * w;
        }
    for (int64_t r = 0; r < rows; r++, row += k) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++) sum += row[i] * row[i];
        for (int64_t col = 0; col < n; col++)
            b->mag[r * n + col] =
                sqrt(sum * length[col]) +
                (bias->dtype ? fabs(whet_load_f64(bias->data, bias->dtype, col)) : 0);
    }
    b->x->k = (double)k + 1;
    return WHET_OK;
}

static whet_status itself(bound *b) {
    for (int64_t e = 0; e < b->n; e++) b->mag[e] = fabs(b->y[e]);
    b->x->k = 8;
    return WHET_OK;
}

// Nothing is known of the operator: what its largest result would allow.
static whet_status by_type(bound *b) {
    double most = 0;
    for (int64_t e = 0; e < b->n; e++)
        if (isfinite(b->y[e])) most = fmax(most, fabs(b->y[e]));
    for (int64_t e = 0; e < b->n; e++) b->mag[e] = most;
    b->x->k = UNKNOWN_LENGTH;
    b->x->rule = WHET_RULE_TYPE;
    return WHET_OK;
}

static bound_fn family_of(const char *op) {
    static const struct {
        const char *op;
        bound_fn fn;
    } rows[] = {
        {"conv", linear}, {"conv_transpose", linear}, {"gemm", linear}, {"matmul", linear},
        {"average_pool", linear}, {"global_average_pool", linear}, {"resize", linear},
        {"reduce_sum", linear}, {"reduce_mean", linear}, {"reduce_l1", linear},
        {"reduce_l2", linear}, {"reduce_sum_square", linear}, {"reduce_prod", linear},
        {"reduce_log_sum", linear}, {"layer_norm", norm}, {"rms_norm", norm},
        {"group_norm", norm}, {"instance_norm", norm}, {"batch_norm", norm},
        {"softmax", softmax}, {"log_softmax", softmax}, {"attention", attention},
        {"lstm", recurrent}, {"gru", recurrent}, {"quant_conv", quantized},
        {"quant_matmul", quantized}, {"block_matmul", blocks},
        {"lrn", itself}, {"quantize_linear", itself},
        {"dequantize_linear", itself}, {"dynamic_quantize_linear", itself},
        {"reduce_max", itself}, {"reduce_min", itself},
        {"max_pool", itself}, {"global_max_pool", itself},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].op, op)) return rows[i].fn;
    return by_type;
}

// ---- the epilogue ----

static bool smooth(whet_pw f) { // rounds more than its argument is
    return f && f != WHET_PW_RELU && f != WHET_PW_CLIP && f != WHET_PW_LEAKY_RELU;
}

// Behind act2(act1(acc) binary other): activations have slopes of about 1.
static void bound_epilogue(const whet_epilogue *e, const double *acc, const double *other,
                           int64_t n, int64_t stride, double *mag) {
    bool rounds = smooth(e->act1) || smooth(e->act2);
    for (int64_t i = 0; i < n; i += stride) {
        double m = mag[i] + (e->act1 ? fabs(acc[i]) : 0), o = other ? fabs(other[i]) : 0;
        if (e->binary == WHET_PW_MUL) m *= o;
        else if (e->binary == WHET_PW_DIV) m /= o;
        else if (e->binary) m += o;
        mag[i] = 2 * m + (rounds ? 1 : 0);
    }
}

static whet_status apply_epilogue(bound *b) {
    const whet_epilogue *e = &b->p->epi;
    const double *other = NULL;
    if (whet_epilogue_empty(e)) return WHET_OK;
    if (e->binary) {
        if (count_of(&b->j->other) != b->n || !(other = load_part(b, &b->j->other)))
            WHET_FAIL(b->j->err, WHET_E_SHAPE, "%s: its operand has another size", b->j->node);
    }
    int64_t stride = b->x->stride;
    bound_epilogue(e, b->y, other, b->n, stride, b->mag);
    if (stride == 1) whet_epilogue_ref(e, b->y, other, b->n);
    for (int64_t i = 0; stride > 1 && i < b->n; i += stride)
        whet_epilogue_ref(e, &b->y[i], other ? &other[i] : NULL, 1);
    return WHET_OK;
}

// ---- all together ----

#define PART 16384 // elements that a fast look takes of an output

static int64_t common(int64_t a, int64_t b) {
    while (b) {
        int64_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

int64_t whet_verify_stride(const whet_tensor *t) {
    int64_t stride = count_of(t) / PART | 1;
    // no dimension has a part that never comes up
    for (int32_t d = 0; stride > 1 && d < t->rank; d++)
        if (common(stride, t->dims[d]) != 1) {
            stride += 2;
            d = -1;
        }
    return stride;
}

static whet_status bound_output(bound *b, int32_t o) {
    whet_expected *x = b->x;
    const whet_tensor *t = &x->out[o];
    bool floats = t->dtype && whet_dtype_is_float(t->dtype);
    b->n = t->dtype ? count_of(t) : 0;
    b->y = b->mag = NULL;
    if (b->j->fast && o == 0 && family_of(b->p->op) == linear) x->stride = whet_verify_stride(t);
    if (floats) {
        b->y = load_part(b, t);
        b->mag = x->stride > 1 ? whet_arena_alloc_raw(b->j->arena, ((size_t)b->n + 1) * 8)
                               : whet_arena_array(b->j->arena, (size_t)b->n + 1, 8);
        if (!b->y || !b->mag) return WHET_NOMEM(b->j->err);
    } else if (o > 0 || family_of(b->p->op) != quantized) {
        return WHET_OK;
    }
    // what other outputs than the first are is not in the rules; of recurrent ones it is
    bound_fn fn = family_of(b->p->op);
    if (o > 0 && fn != recurrent && fn != by_type) fn = itself;
    WHET_TRY(fn(b));
    if (o == 0 && floats && !x->unknown) WHET_TRY(apply_epilogue(b));
    x->value[o] = b->y;
    x->magnitude[o] = b->mag;
    return WHET_OK;
}

whet_status whet_verify_expect(const whet_judged *j, whet_expected *x) {
    const whet_problem *p = j->p;
    double c = 0;
    *x = (whet_expected){.stride = 1, .k = 1, .steps = 1, .rule = WHET_RULE_SUM};
    x->out = WHET_NEW_ARRAY(j->arena, whet_tensor, p->n_out + 1);
    x->value = WHET_NEW_ARRAY(j->arena, double *, p->n_out + 1);
    x->magnitude = WHET_NEW_ARRAY(j->arena, double *, p->n_out + 1);
    if (!x->out || !x->value || !x->magnitude) return WHET_NOMEM(j->err);
    if (p->chain) return whet_verify_chain(j, x);
    if (!p->desc) { // a conversion
        x->out[0] = j->in[0];
        x->rule = WHET_RULE_EXACT;
    } else {
        WHET_TRY(whet_verify_compute(j, j->in, x->out, &c));
    }
    x->unknown = c < 0;
    x->c = j->kernel->tolerance + c;
    if (p->desc && p->desc->ext) x->c += PLUGIN_C; // a tactic against another
    if (x->c <= 0 && whet_epilogue_empty(&p->epi)) x->rule = WHET_RULE_EXACT;
    bound b = {.j = j, .p = p, .x = x};
    for (int32_t o = 0; o < p->n_out && !x->unknown && p->desc; o++) WHET_TRY(bound_output(&b, o));
    if (x->unknown) return WHET_OK;
    if (!p->desc && whet_dtype_is_float(x->out[0].dtype)) {
        b.n = count_of(&x->out[0]);
        x->value[0] = load(&b, &x->out[0]);
        x->magnitude[0] = whet_arena_array(j->arena, (size_t)b.n + 1, sizeof(double));
        if (!x->value[0] || !x->magnitude[0]) return WHET_NOMEM(j->err);
    }
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Sums of products over labelled dimensions. The equation is parsed into one list of labels an
// operand; an ellipsis becomes labels of its own, counted from the right so that they broadcast.
// Any dimension of size 1 broadcasts against others of its label.
#include <string.h>

#include "ops/matrix.h"
#include "ops/op.h"

typedef struct einsum_attrs {
    const char *equation;
} einsum_attrs;

enum { MAX_OPERANDS = 16, LETTERS = 52, MAX_LABELS = LETTERS + WHET_MAX_RANK };

typedef struct einsum_plan {
    int32_t n;                                      // operands
    int32_t rank[MAX_OPERANDS];
    int32_t label[MAX_OPERANDS][WHET_MAX_RANK];     // of each dimension
    int32_t out_rank, out[WHET_MAX_RANK];
    int32_t n_sum, sum[MAX_LABELS];                 // labels summed over
    int32_t uses[MAX_LABELS];
    int32_t ellipsis;                               // widest, -1: none
} einsum_plan;

static int32_t label_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    return -1;
}

typedef struct term {
    int32_t n, ellipsis; // labels; position of the ellipsis, -1 when there is none
    int32_t label[WHET_MAX_RANK];
} term;

// One operand's letters up to ',' or "->" or the end.
static whet_status parse_term(const char **text, term *t, whet_error *err) {
    *t = (term){.ellipsis = -1};
    const char *p = *text;
    for (; *p && *p != ',' && *p != '-'; p++) {
        if (*p == ' ') continue;
        if (!strncmp(p, "...", 3) && t->ellipsis < 0) {
            t->ellipsis = t->n;
            p += 2;
            continue;
        }
        if (label_of(*p) < 0)
            WHET_FAIL(err, WHET_E_INVALID, "unexpected '%c' in equation", *p);
        if (t->n == WHET_MAX_RANK)
            WHET_FAIL(err, WHET_E_LIMIT, "a term of the equation has more than %d labels",
                      WHET_MAX_RANK);
        t->label[t->n++] = label_of(*p);
    }
    *text = p;
    return WHET_OK;
}

// Labels with the ellipsis spelled out as `wide` labels of its own.
static whet_status expand(const term *t, int32_t wide, int32_t *labels, int32_t *n,
                          whet_error *err) {
    if (t->n + wide > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_LIMIT, "a term of the equation has more than %d dimensions",
                  WHET_MAX_RANK);
    *n = 0;
    for (int32_t i = 0; i <= t->n; i++) {
        if (i == t->ellipsis)
            for (int32_t k = 0; k < wide; k++) labels[(*n)++] = LETTERS + wide - 1 - k;
        if (i < t->n) labels[(*n)++] = t->label[i];
    }
    return WHET_OK;
}

static whet_status parse_inputs(einsum_plan *p, const char **text, const int32_t *ranks, int32_t n,
                                whet_error *err) {
    for (p->n = 0; p->n < n; p->n++) {
        term t;
        int32_t k = p->n;
        if (k > 0 && *(*text)++ != ',')
            WHET_FAIL(err, WHET_E_INVALID, "the equation has fewer than %d terms", (int)n);
        WHET_TRY(parse_term(text, &t, err));
        int32_t wide = t.ellipsis < 0 ? 0 : ranks[k] - t.n;
        if (wide < 0 || t.n + wide != ranks[k])
            WHET_FAIL(err, WHET_E_SHAPE, "operand %d has %d dimensions, its term %d labels",
                      (int)k, (int)ranks[k], (int)t.n);
        if (t.ellipsis >= 0 && wide > p->ellipsis) p->ellipsis = wide;
        WHET_TRY(expand(&t, wide, p->label[k], &p->rank[k], err));
        for (int32_t i = 0; i < p->rank[k]; i++) p->uses[p->label[k][i]]++;
    }
    if (**text == ',')
        WHET_FAIL(err, WHET_E_INVALID, "the equation has more than %d terms", (int)n);
    return WHET_OK;
}

// Without "->": the ellipsis, then the letters used once in alphabetical order.
static whet_status implicit_output(einsum_plan *p, whet_error *err) {
    term t = {.ellipsis = p->ellipsis >= 0 ? 0 : -1};
    for (int32_t l = 0; l < LETTERS; l++) {
        if (p->uses[l] != 1) continue;
        if (t.n == WHET_MAX_RANK)
            WHET_FAIL(err, WHET_E_LIMIT, "the output has more than %d dimensions", WHET_MAX_RANK);
        t.label[t.n++] = l;
    }
    return expand(&t, p->ellipsis < 0 ? 0 : p->ellipsis, p->out, &p->out_rank, err);
}

static whet_status parse_output(einsum_plan *p, const char *text, whet_error *err) {
    term t;
    if (strncmp(text, "->", 2) != 0)
        WHET_FAIL(err, WHET_E_INVALID, "expected \"->\" at \"%.8s\" of the equation", text);
    text += 2;
    WHET_TRY(parse_term(&text, &t, err));
    if (*text) WHET_FAIL(err, WHET_E_INVALID, "the equation has more than one output");
    WHET_TRY(expand(&t, t.ellipsis < 0 || p->ellipsis < 0 ? 0 : p->ellipsis, p->out, &p->out_rank,
                    err));
    for (int32_t i = 0; i < p->out_rank; i++) {
        if (!p->uses[p->out[i]])
            WHET_FAIL(err, WHET_E_INVALID, "a label of the output is in no operand");
        for (int32_t k = 0; k < i; k++)
            if (p->out[k] == p->out[i])
                WHET_FAIL(err, WHET_E_INVALID, "a label appears twice in the output");
    }
    return WHET_OK;
}

static whet_status parse(einsum_plan *p, const char *text, const int32_t *ranks, int32_t n,
                         whet_error *err) {
    *p = (einsum_plan){.ellipsis = -1};
    if (!text) WHET_FAIL(err, WHET_E_INVALID, "the equation is missing");
    if (n > MAX_OPERANDS)
        WHET_FAIL(err, WHET_E_LIMIT, "%d operands, at most %d", (int)n, MAX_OPERANDS);
    WHET_TRY(parse_inputs(p, &text, ranks, n, err));
    WHET_TRY(*text ? parse_output(p, text, err) : implicit_output(p, err));
    for (int32_t l = 0; l < MAX_LABELS; l++) {
        bool kept = !p->uses[l];
        for (int32_t i = 0; i < p->out_rank && !kept; i++) kept = p->out[i] == l;
        if (!kept) p->sum[p->n_sum++] = l;
    }
    return WHET_OK;
}

static whet_status einsum_infer(whet_infer *ctx) {
    const einsum_attrs *a = ctx->attrs;
    int32_t ranks[MAX_OPERANDS];
    einsum_plan p;
    whet_dim size[MAX_LABELS], dims[WHET_MAX_RANK];
    for (int32_t k = 0; k < ctx->n_in && k < MAX_OPERANDS; k++) ranks[k] = ctx->in[k]->rank;
    WHET_TRY(parse(&p, a->equation, ranks, ctx->n_in, ctx->err));
    for (int32_t l = 0; l < MAX_LABELS; l++) size[l] = 1;
    for (int32_t k = 0; k < p.n; k++)
        for (int32_t i = 0; i < p.rank[k]; i++) {
            int32_t l = p.label[k][i];
            WHET_TRY(whet_infer_broadcast_dim(ctx, size[l], ctx->in[k]->dims[i], &size[l]));
        }
    for (int32_t i = 0; i < p.out_rank; i++) dims[i] = size[p.out[i]];
    whet_infer_shape(ctx, 0, p.out_rank, dims);
    return WHET_OK;
}

// ---- evaluation ----

typedef struct einsum_run {
    einsum_plan p;
    int64_t size[MAX_LABELS];
    int64_t stride[MAX_OPERANDS][MAX_LABELS]; // of operand k along a label, 0 where broadcast
    int64_t at[MAX_OPERANDS];                 // offset of the current element
} einsum_run;

static void prepare(einsum_run *r, const whet_eval *e) {
    for (int32_t l = 0; l < MAX_LABELS; l++) r->size[l] = 1;
    memset(r->stride, 0, sizeof r->stride);
    for (int32_t k = 0; k < r->p.n; k++) {
        int64_t stride = 1;
        for (int32_t i = r->p.rank[k] - 1; i >= 0; i--) {
            int64_t d = e->in[k].dims[i];
            int32_t l = r->p.label[k][i];
            if (d != 1) {
                r->stride[k][l] += stride; // a repeated label walks the diagonal
                r->size[l] = d;
            }
            stride *= d;
        }
    }
}

// Steps to index `i` of the box given by n labels, adding to the operands' offsets.
static void seek(einsum_run *r, const int32_t *labels, int32_t n, int64_t i) {
    for (int32_t d = n - 1; d >= 0; d--) {
        int64_t size = r->size[labels[d]], at = i % size;
        i /= size;
        for (int32_t k = 0; k < r->p.n; k++) r->at[k] += at * r->stride[k][labels[d]];
    }
}

static int64_t box(const einsum_run *r, const int32_t *labels, int32_t n) {
    int64_t count = 1;
    for (int32_t d = 0; d < n; d++) count *= r->size[labels[d]];
    return count;
}

// The sum over the innermost summed label at the current offsets.
#define EINSUM_LINE(T, suffix, U)                                                                  \
    static T line_##suffix(const einsum_run *r, const T *const *v, int32_t label, int64_t n) {     \
        U sum = 0;                                                                                 \
        if (r->p.n == 2) {                                                                         \
            const T *a = v[0] + r->at[0], *b = v[1] + r->at[1];                                    \
            int64_t sa = r->stride[0][label], sb = r->stride[1][label];                            \
            for (int64_t i = 0; i < n; i++) sum += (U)a[i * sa] * (U)b[i * sb];                    \
            return (T)sum;                                                                         \
        }                                                                                          \
        for (int64_t i = 0; i < n; i++) {                                                          \
            U product = 1;                                                                         \
            for (int32_t k = 0; k < r->p.n; k++)                                                   \
                product *= (U)v[k][r->at[k] + i * r->stride[k][label]];                            \
            sum += product;                                                                        \
        }                                                                                          \
        return (T)sum;                                                                             \
    }                                                                                              \
    static T element_##suffix(einsum_run *r, const T *const *v, int64_t lines) {                   \
        int64_t base[MAX_OPERANDS];                                                                \
        int32_t inner = r->p.n_sum - 1, label = inner >= 0 ? r->p.sum[inner] : MAX_LABELS - 1;     \
        int64_t n = inner >= 0 ? r->size[label] : 1;                                               \
        U sum = 0;                                                                                 \
        memcpy(base, r->at, sizeof base);                                                          \
        for (int64_t i = 0; i < lines; i++) {                                                      \
            memcpy(r->at, base, sizeof base);                                                      \
            seek(r, r->p.sum, inner, i);                                                           \
            sum += (U)line_##suffix(r, v, label, n);                                               \
        }                                                                                          \
        return (T)sum;                                                                             \
    }
EINSUM_LINE(double, f64, double)
EINSUM_LINE(int64_t, i64, uint64_t)

static whet_status run_f64(whet_eval *e, einsum_run *r, int64_t lines) {
    const double *v[MAX_OPERANDS];
    for (int32_t k = 0; k < r->p.n; k++)
        if (!(v[k] = whet_eval_f64(e, k))) return WHET_E_NOMEM;
    int64_t n = whet_tensor_count(&e->out[0]);
    for (int64_t i = 0; i < n; i++) {
        memset(r->at, 0, sizeof r->at);
        seek(r, r->p.out, r->p.out_rank, i);
        whet_store_f64(e->out[0].data, e->out[0].dtype, i, element_f64(r, v, lines));
    }
    return WHET_OK;
}

static whet_status run_i64(whet_eval *e, einsum_run *r, int64_t lines) {
    const int64_t *v[MAX_OPERANDS];
    for (int32_t k = 0; k < r->p.n; k++)
        if (!(v[k] = whet_eval_i64(e, k))) return WHET_E_NOMEM;
    int64_t n = whet_tensor_count(&e->out[0]);
    for (int64_t i = 0; i < n; i++) {
        memset(r->at, 0, sizeof r->at);
        seek(r, r->p.out, r->p.out_rank, i);
        whet_store_i64(e->out[0].data, e->out[0].dtype, i, element_i64(r, v, lines));
    }
    return WHET_OK;
}

static whet_status einsum_eval(whet_eval *e) {
    const einsum_attrs *a = e->attrs;
    int32_t ranks[MAX_OPERANDS];
    einsum_run *r = WHET_NEW(e->scratch, einsum_run);
    if (!r) return WHET_NOMEM(e->err);
    for (int32_t k = 0; k < e->n_in && k < MAX_OPERANDS; k++) ranks[k] = e->in[k].rank;
    WHET_TRY(parse(&r->p, a->equation, ranks, e->n_in, e->err));
    prepare(r, e);
    int64_t lines = box(r, r->p.sum, r->p.n_sum > 0 ? r->p.n_sum - 1 : 0);
    return whet_dtype_is_float(e->in[0].dtype) ? run_f64(e, r, lines) : run_i64(e, r, lines);
}

static double einsum_flops(const void *attrs, const whet_tensor *in, int32_t n_in,
                           const whet_tensor *out, int32_t n_out) {
    const einsum_attrs *a = attrs;
    int32_t ranks[MAX_OPERANDS];
    einsum_plan p;
    double size[MAX_LABELS], total = n_in;
    (void)out, (void)n_out;
    for (int32_t k = 0; k < n_in && k < MAX_OPERANDS; k++) ranks[k] = in[k].rank;
    if (parse(&p, a->equation, ranks, n_in, NULL) != WHET_OK) return 0;
    for (int32_t l = 0; l < MAX_LABELS; l++) size[l] = 1;
    for (int32_t k = 0; k < p.n; k++)
        for (int32_t i = 0; i < p.rank[k]; i++)
            if (in[k].dims[i] != 1) size[p.label[k][i]] = (double)in[k].dims[i];
    for (int32_t l = 0; l < MAX_LABELS; l++) total *= size[l];
    return total;
}

static const whet_arg einsum_in[] = {{"Inputs", WHET_DTYPES_NUMERIC, 'T', WHET_ARG_VARIADIC}};
static const whet_arg einsum_out[] = {{"Output", WHET_DTYPES_NUMERIC, 'T'}};
static const whet_attr einsum_attr_rows[] = {
    {"equation", WHET_ATTR_STRING, offsetof(einsum_attrs, equation), true},
};
static const whet_onnx_row einsum_onnx[] = {{"", "Einsum", 12, 0, NULL}};

const whet_op whet_op_einsum = {
    .name = "einsum",
    .in = einsum_in,
    .n_in = WHET_COUNT(einsum_in),
    .out = einsum_out,
    .n_out = WHET_COUNT(einsum_out),
    .min_in = 1,
    .attrs = einsum_attr_rows,
    .n_attrs = WHET_COUNT(einsum_attr_rows),
    .attrs_size = sizeof(einsum_attrs),
    .onnx = einsum_onnx,
    .n_onnx = WHET_COUNT(einsum_onnx),
    .infer = einsum_infer,
    .eval = einsum_eval,
    .flops = einsum_flops,
};

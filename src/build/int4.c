// SPDX-License-Identifier: Apache-2.0
// Which products get weights of 4 bits, what their inputs reach on samples, and the change of the
// graph.
#include "build/int4.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/builder_impl.h"
#include "build/calib.h"
#include "pass/match.h"

#define MOMENTS_BYTES ((size_t)1 << 30) // of sums that are gathered in one run over the samples
#define MOST_ROWS 16384                 // of a value that count
#define MOST_K 16384                    // columns from which on nothing is gathered
#define LEAST_HALF 0x1p-12f             // scales of f16 lose digits below 2^-14

typedef struct {
    whet_node *node;
    bool trans_b;
    int32_t seen;       // -1: no sums
    whet_value *in[2];  // numbers and scales, when there are some
} product;

typedef struct {
    const whet_value *v; // of the same bytes as what a product takes
    whet_int4_moments s;
} seen_value;

typedef struct {
    whet_build *x;
    whet_calib calib; // its taps and the run
    whet_arena *arena;
    whet_add_rows_fn add;
    bool portable_scales;
    product *v;
    int32_t n, cap;
    seen_value *seen;
    int32_t n_seen, cap_seen;
    int32_t *seen_of; // [values] seen + 1
    int32_t first, end; // whose sums are being gathered
    float *coef;
    int32_t by_gptq;
} int4;

// ---- which ----

// Derived from numbers of few bits that the model has.
static bool is_quantized(const whet_value *w) {
    for (const whet_node *n = w->producer; n && n->n_in && n->in[0]; n = n->in[0]->producer)
        if (n->op == &whet_op_dequantize_linear) return true;
    return false;
}

static bool all_finite(const whet_tensor *t) {
    int64_t n = whet_tensor_count(t);
    const float *v = t->data;
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(v[i])) return false;
    return true;
}

static bool is_product(const int4 *c, const whet_node *n, bool *trans_b) {
    bool gemm = whet_is(n, &whet_op_gemm);
    if (!gemm && !whet_is(n, &whet_op_matmul)) return false;
    const whet_value *x = n->in[0], *w = n->in[1], *b = whet_input(n, 2);
    const whet_matmul_attrs *m = n->attrs;
    const whet_gemm_attrs *g = n->attrs;
    *trans_b = gemm ? g->trans_b : m->trans_b;
    if (gemm ? g->trans_a || g->alpha != 1 || (b && g->beta != 1) : m->trans_a || m->alpha != 1)
        return false;
    return x->type.dtype == WHET_DTYPE_F32 && x->type.rank >= 2 && !whet_value_is_const(x) &&
           whet_value_is_const(w) && w->type.dtype == WHET_DTYPE_F32 && w->data->rank == 2 &&
           w->data->dims[0] > 0 && w->data->dims[1] > 0 &&
           w->data->dims[*trans_b] <= INT32_MAX &&
           !is_quantized(w) && !whet_demand_is_float(n->demand.compute) &&
           n->demand.compute != WHET_DTYPE_I8 &&
           !whet_calib_is_kept(&c->calib, n) && all_finite(w->data);
}

static whet_status add_seen(int4 *c, const product *p, int32_t *index, whet_error *err) {
    whet_value *v = whet_calib_same_bytes(p->node->in[0]);
    int64_t k = p->node->in[1]->data->dims[p->trans_b];
    *index = -1;
    if (k > MOST_K) return WHET_OK;
    if (!*v->name) v->name = whet_graph_unique_name(v->graph, "value");
    for (*index = 0; *index < c->n_seen; ++*index)
        if (c->seen[*index].v == v && c->seen[*index].s.k == k) return WHET_OK;
    seen_value s = {.v = v, .s = {.k = k}};
    return v->name && WHET_ARENA_PUSH(c->arena, c->seen, c->n_seen, c->cap_seen, s)
               ? WHET_OK : WHET_NOMEM(err);
}

static whet_status find_products(int4 *c, whet_graph *g, bool samples, whet_error *err) {
    WHET_FOR_NODES(g, n) {
        product p = {.node = n, .seen = -1};
        if (n->recipe || !is_product(c, n, &p.trans_b)) continue;
        if (samples) WHET_TRY(add_seen(c, &p, &p.seen, err));
        if (!WHET_ARENA_PUSH(c->arena, c->v, c->n, c->cap, p)) return WHET_NOMEM(err);
    }
    return WHET_OK;
}

// ---- samples ----

static void watch(void *user, int32_t id, const whet_tensor *t) {
    int4 *c = user;
    int64_t count = whet_tensor_count(t);
    for (int32_t i = c->first; i < c->end; i++) {
        whet_int4_moments *s = &c->seen[i].s;
        if (c->seen[i].v->id != id || count % s->k) continue;
        int64_t rows = count / s->k;
        if (rows > MOST_ROWS - s->rows) rows = MOST_ROWS - s->rows;
        whet_int4_observe(s, t->data, rows, c->coef, c->add, c->x->env->workers, c->x->threads);
    }
}

static whet_status run_samples(int4 *c, int64_t *samples, whet_error *err) {
    whet_calib_data *data = NULL;
    int64_t total;
    int32_t n = c->calib.g->root->n_values;
    c->calib.n_taps = n;
    c->calib.taps = WHET_NEW_ARRAY(c->arena, int32_t, n + 1);
    c->calib.op_taps = WHET_NEW_ARRAY(c->arena, int32_t, n + 1);
    bool *watched = WHET_NEW_ARRAY(c->arena, bool, n + 1);
    if (!c->calib.taps || !c->calib.op_taps || !watched) return WHET_NOMEM(err);
    for (int32_t i = c->first; i < c->end; i++) watched[c->seen[i].v->id] = true;
    c->calib.watched = watched;
    c->calib.watch = watch;
    c->calib.watch_user = c;
    WHET_TRY(whet_build_start(c->x, "calibrating"));
    whet_status status = whet_calib_data_open(c->x, c->calib.g, c->arena, &data, err);
    if (status == WHET_OK) status = whet_calib_run(&c->calib, data, false, err);
    if (status == WHET_OK) *samples = whet_calib_data_done(data, &total);
    whet_calib_data_close(data);
    return status;
}

static size_t square_bytes(int64_t k) { return sizeof(float) * (size_t)k * (size_t)k; }

static whet_status make_room(int4 *c, whet_error *err) {
    size_t bytes = 0;
    int64_t widest = 0;
    for (c->end = c->first; c->end < c->n_seen; c->end++) {
        whet_int4_moments *s = &c->seen[c->end].s;
        bytes += square_bytes(s->k);
        if (bytes > MOMENTS_BYTES && c->end > c->first) break;
        s->h = calloc(1, square_bytes(s->k));
        if (!s->h) return WHET_NOMEM(err);
        widest = s->k > widest ? s->k : widest;
    }
    free(c->coef);
    c->coef = malloc(sizeof *c->coef * (size_t)(widest * WHET_INT4_ROWS));
    return c->coef ? WHET_OK : WHET_NOMEM(err);
}

// ---- the change ----

static whet_value *constant(whet_graph *g, const char *of, const char *what, whet_dtype dtype,
                            const int64_t *dims, const void *data, whet_error *err) {
    whet_tensor t = {.dtype = dtype, .rank = 2, .data = (void *)(uintptr_t)data};
    memcpy(t.dims, dims, 2 * sizeof *dims);
    t.bytes = whet_tensor_bytes(dtype, whet_dims_count(dims, 2));
    char *hint = whet_arena_printf(g->arena, "%s%s", of, what);
    const char *name = hint ? whet_graph_unique_name(g, hint) : NULL;
    whet_value *v = name ? whet_graph_constant(g, name, &t, true) : NULL;
    if (!v) WHET_NOMEM(err);
    return v;
}

static void transpose(void *to, const void *from, int64_t rows, int64_t cols, size_t size) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < cols; j++)
            memcpy((char *)to + (size_t)(j * rows + i) * size,
                   (const char *)from + (size_t)(i * cols + j) * size, size);
}

// Numbers and scales in the order of the model's weights, as constants.
static whet_status make_constants(int4 *c, product *p, const whet_int4_matrix *m,
                                  whet_arena *arena, whet_error *err) {
    whet_value *old = p->node->in[1];
    const char *of = *old->name ? old->name : p->node->name;
    bool half = m->half && !c->portable_scales;
    int64_t count = m->n * m->k, scales = m->n * m->groups;
    int64_t dims[2] = {p->trans_b ? m->n : m->groups, p->trans_b ? m->groups : m->n};
    int8_t *q = p->trans_b ? m->q : WHET_NEW_ARRAY(arena, int8_t, count);
    float *s = p->trans_b ? m->scale : WHET_NEW_ARRAY(arena, float, scales);
    uint8_t *bits = WHET_NEW_ARRAY(arena, uint8_t, count / 2 + 1);
    uint16_t *halves = WHET_NEW_ARRAY(arena, uint16_t, scales);
    if (!q || !s || !bits || !halves) return WHET_NOMEM(err);
    if (!p->trans_b) {
        transpose(q, m->q, m->n, m->k, sizeof *q);
        transpose(s, m->scale, m->n, m->groups, sizeof *s);
    }
    whet_pack(bits, WHET_DTYPE_I4, (const uint8_t *)q, count);
    for (int64_t i = 0; i < scales; i++) halves[i] = whet_f32_to_f16(s[i]);
    whet_graph *g = c->calib.g;
    p->in[0] = constant(g, of, "_quantized", WHET_DTYPE_I4, old->data->dims, bits, err);
    if (p->in[0])
        p->in[1] = constant(g, of, "_scale", half ? WHET_DTYPE_F16 : WHET_DTYPE_F32, dims,
                            half ? (const void *)halves : s, err);
    return p->in[0] && p->in[1] ? WHET_OK : whet_failed(err);
}

static bool shares_weights(const product *a, const product *b) {
    return a->node->in[1] == b->node->in[1] && a->trans_b == b->trans_b;
}

// For all products with these weights.
static whet_status insert(int4 *c, const product *p, whet_error *err) {
    whet_node *n = p->node;
    whet_graph *g = n->graph;
    const char *of = *n->in[1]->name ? n->in[1]->name : n->name;
    char *hint = whet_arena_printf(g->arena, "%s_dequantized", of);
    const char *name = hint ? whet_graph_unique_name(g, hint) : NULL;
    whet_node *d = name ? whet_graph_node(g, &whet_op_dequantize_linear, name, NULL, p->in, 2, 1, n)
                        : NULL;
    if (!d) return WHET_NOMEM(err);
    whet_dequantize_attrs *a = d->attrs;
    a->axis = p->trans_b;
    a->block_size = c->x->c->int4_group;
    if (p->in[1]->type.dtype != WHET_DTYPE_F32) a->output_dtype = WHET_DTYPE_F32;
    d->out[0]->name = name;
    WHET_TRY(whet_graph_infer_node(d, err));
    whet_value *old = n->in[1];
    for (int32_t i = 0; i < c->n; i++)
        if (c->v[i].node->in[1] == old && c->v[i].trans_b == p->trans_b)
            whet_node_set_input(c->v[i].node, 1, d->out[0]);
    return WHET_OK;
}

static bool init_matrix(const int4 *c, const product *p, whet_int4_matrix *m, whet_arena *arena) {
    const whet_tensor *t = p->node->in[1]->data;
    m->k = t->dims[p->trans_b], m->n = t->dims[!p->trans_b];
    m->group = c->x->c->int4_group;
    m->groups = (m->k - 1) / m->group + 1;
    m->w = WHET_NEW_ARRAY(arena, float, m->n * m->k);
    m->q = WHET_NEW_ARRAY(arena, int8_t, m->n * m->k);
    m->scale = WHET_NEW_ARRAY(arena, float, m->n * m->groups);
    if (!m->w || !m->q || !m->scale) return false;
    if (p->trans_b) memcpy(m->w, t->data, sizeof *m->w * (size_t)(m->n * m->k));
    else transpose(m->w, t->data, m->k, m->n, sizeof *m->w);
    float top = 0;
    for (int64_t i = 0; i < m->n * m->k; i++) top = fmaxf(top, fabsf(m->w[i]));
    m->half = top / 7 >= LEAST_HALF && top / 7 < 0x1p15f;
    return true;
}

static whet_status quantize(int4 *c, product *p, whet_error *err) {
    whet_int4_matrix m = {0};
    whet_arena arena;
    bool done = false;
    for (int32_t i = 0; i < c->n; i++)
        if (c->v[i].in[0] && shares_weights(&c->v[i], p)) return WHET_OK;
    whet_arena_init(&arena);
    whet_status status = init_matrix(c, p, &m, &arena) ? WHET_OK : WHET_NOMEM(err);
    const whet_int4_moments *s = p->seen < 0 ? NULL : &c->seen[p->seen].s;
    if (status == WHET_OK && s && s->h && s->rows &&
        whet_int4_gptq(&m, s, c->add, c->x->env->workers, c->x->threads, &done))
        status = WHET_NOMEM(err);
    if (status == WHET_OK && !done) whet_int4_round(&m);
    c->by_gptq += done;
    if (status == WHET_OK) status = make_constants(c, p, &m, &arena, err);
    whet_arena_fini(&arena);
    return status;
}

// Products whose sums were gathered last.
static whet_status quantize_seen(int4 *c, whet_error *err) {
    WHET_TRY(whet_build_start(c->x, "rounding"));
    for (int32_t i = 0; i < c->n; i++) {
        int32_t seen = c->v[i].seen;
        if (seen >= 0 ? seen < c->first || seen >= c->end : c->first > 0) continue;
        WHET_TRY(quantize(c, &c->v[i], err));
        if (!whet_build_report(c->x, i + 1, c->n))
            WHET_FAIL(err, WHET_E_CANCELLED, "the build was cancelled");
    }
    return WHET_OK;
}

static whet_status quantize_all(int4 *c, int64_t *samples, whet_error *err) {
    do {
        WHET_TRY(make_room(c, err));
        if (c->end > c->first) WHET_TRY(run_samples(c, samples, err));
        WHET_TRY(quantize_seen(c, err));
        for (; c->first < c->end; c->first++) {
            free(c->seen[c->first].s.h);
            c->seen[c->first].s.h = NULL;
        }
    } while (c->first < c->n_seen);
    for (int32_t i = 0; i < c->n; i++)
        if (c->v[i].in[0]) WHET_TRY(insert(c, &c->v[i], err));
    return WHET_OK;
}

whet_status whet_int4(whet_build *x, whet_graph *g, bool portable_scales) {
    const whet_config *o = x->c;
    whet_arena arena;
    whet_arena_init(&arena);
    int64_t samples = 0;
    int4 c = {.x = x, .arena = &arena, .calib = {.x = x, .g = g, .arena = &arena},
              .add = whet_add_rows_for(x->env->cpu), .portable_scales = portable_scales};
    whet_status status = whet_calib_simplify(x, g);
    if (status == WHET_OK)
        status = find_products(&c, g, o->calibration || o->calib_next, x->err);
    if (status == WHET_OK && c.n) status = quantize_all(&c, &samples, x->err);
    for (int32_t i = 0; i < c.n_seen; i++) free(c.seen[i].s.h);
    free(c.coef);
    if (status == WHET_OK && !c.n)
        whet_env_log(x->env, WHET_LOG_WARNING,
                     "the model has no matrix product whose weights could be of 4 bits");
    if (status == WHET_OK && c.n)
        whet_env_log(x->env, WHET_LOG_INFO,
                     "weights of %d products in 4 bits, %d of them by GPTQ on %lld samples", c.n,
                     c.by_gptq, (long long)samples);
    whet_arena_fini(&arena);
    WHET_TRY(status);
    whet_graph_sweep(g);
    return whet_graph_infer(g, x->err);
}

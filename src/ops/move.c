// SPDX-License-Identifier: Apache-2.0
#include "ops/move.h"

#include <string.h>

void whet_strides(int32_t rank, const int64_t *dims, int64_t *strides) {
    int64_t stride = 1;
    for (int32_t i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

bool whet_index_next(int32_t rank, const int64_t *dims, int64_t *index) {
    for (int32_t i = rank - 1; i >= 0; i--) {
        if (++index[i] < dims[i]) return true;
        index[i] = 0;
    }
    return false;
}

void whet_move_fill(void *dst, int64_t n, const void *value, size_t size) {
    if (n <= 0) return;
    memcpy(dst, value, size);
    // doubling what is there
    for (int64_t done = 1; done < n;) {
        int64_t more = done < n - done ? done : n - done;
        memcpy((char *)dst + done * (int64_t)size, dst, (size_t)more * size);
        done += more;
    }
}

// Drops dims of 1 and joins neighbours that are contiguous in both; false when there is nothing.
static bool simplify(const whet_move *m, whet_move *s) {
    s->rank = 0;
    for (int32_t i = 0; i < m->rank; i++) {
        int32_t last = s->rank - 1;
        if (m->dims[i] <= 0) return false;
        if (m->dims[i] == 1) continue;
        if (last >= 0 && s->to[last] == m->to[i] * m->dims[i] &&
            s->from[last] == m->from[i] * m->dims[i]) {
            s->dims[last] *= m->dims[i];
            s->to[last] = m->to[i];
            s->from[last] = m->from[i];
        } else {
            whet_move_add(s, m->dims[i], m->to[i], m->from[i]);
        }
    }
    while (s->rank < 2) { // two inner loops always
        for (int32_t i = s->rank++; i > 0; i--) {
            s->dims[i] = s->dims[i - 1];
            s->to[i] = s->to[i - 1];
            s->from[i] = s->from[i - 1];
        }
        s->dims[0] = 1;
        s->to[0] = s->from[0] = 0;
    }
    return true;
}

static int64_t magnitude(int64_t v) { return v < 0 ? -v : v; }

// Second to last becomes the dimension that walks the source in the smallest steps, so that the two
// inner loops, done in tiles, use whole cache lines on both sides.
static void order_for_tiles(whet_move *s) {
    int32_t best = -1, at = s->rank - 2;
    for (int32_t i = 0; i < s->rank - 1; i++)
        if (s->from[i] && (best < 0 || magnitude(s->from[i]) < magnitude(s->from[best]))) best = i;
    if (best < 0 || best == at ||
        magnitude(s->from[s->rank - 1]) <= magnitude(s->from[best]))
        return;
    int64_t dim = s->dims[best], to = s->to[best], from = s->from[best];
    for (int32_t i = best; i < at; i++) {
        s->dims[i] = s->dims[i + 1];
        s->to[i] = s->to[i + 1];
        s->from[i] = s->from[i + 1];
    }
    s->dims[at] = dim;
    s->to[at] = to;
    s->from[at] = from;
}

#define TILE 32
typedef void (*inner_fn)(const whet_move *s, char *dst, const char *src);

#define INNER(T, name)                                                                             \
    static void name(const whet_move *s, char *dst, const char *src) {                             \
        const int32_t a = s->rank - 2, b = s->rank - 1;                                            \
        const int64_t ta = s->to[a], tb = s->to[b], fa = s->from[a], fb = s->from[b];              \
        for (int64_t i0 = 0; i0 < s->dims[a]; i0 += TILE)                                          \
            for (int64_t j0 = 0; j0 < s->dims[b]; j0 += TILE) {                                    \
                int64_t i1 = i0 + TILE < s->dims[a] ? i0 + TILE : s->dims[a];                      \
                int64_t j1 = j0 + TILE < s->dims[b] ? j0 + TILE : s->dims[b];                      \
                for (int64_t i = i0; i < i1; i++)                                                  \
                    for (int64_t j = j0; j < j1; j++)                                              \
                        ((T *)dst)[i * ta + j * tb] = ((const T *)src)[i * fa + j * fb];           \
            }                                                                                      \
    }
INNER(uint8_t, inner_1)
INNER(uint16_t, inner_2)
INNER(uint32_t, inner_4)
INNER(uint64_t, inner_8)
typedef struct pair {
    uint64_t v[2];
} pair;
INNER(pair, inner_16)

static inner_fn inner_of(size_t size) {
    switch (size) {
    case 1: return inner_1;
    case 2: return inner_2;
    case 4: return inner_4;
    case 8: return inner_8;
    default: return inner_16;
    }
}

static void rows(const whet_move *s, size_t size, char *dst, const char *src) {
    int32_t a = s->rank - 2, b = s->rank - 1;
    for (int64_t i = 0; i < s->dims[a]; i++)
        memcpy(dst + i * s->to[a] * (int64_t)size, src + i * s->from[a] * (int64_t)size,
               (size_t)s->dims[b] * size);
}

void whet_move_run(const whet_move *m, size_t size, void *dst, const void *src) {
    whet_move s;
    int64_t index[WHET_MOVE_MAX_RANK] = {0};
    if (!simplify(m, &s)) return;
    int32_t outer = s.rank - 2, last = s.rank - 1;
    bool straight = s.to[last] == 1 && s.from[last] == 1;
    if (!straight) order_for_tiles(&s);
    inner_fn inner = inner_of(size);
    do {
        int64_t to = 0, from = 0;
        for (int32_t i = 0; i < outer; i++) {
            to += index[i] * s.to[i];
            from += index[i] * s.from[i];
        }
        char *d = whet_element_at(dst, to, size);
        const char *f = whet_element_at(src, from, size);
        if (straight) rows(&s, size, d, f);
        else inner(&s, d, f);
    } while (whet_index_next(outer, s.dims, index));
}

whet_status whet_eval_copy(whet_eval *e) {
    int64_t n = whet_tensor_count(&e->in[0]);
    if (n < 0 || n != whet_tensor_count(&e->out[0]))
        WHET_FAIL(e->err, WHET_E_SHAPE, "the output has another number of elements than the input");
    if (n && e->out[0].data != e->in[0].data)
        memcpy(e->out[0].data, e->in[0].data, whet_tensor_bytes(e->in[0].dtype, n));
    return WHET_OK;
}

// ---- contents of shape tensors ----

static int64_t small_count(const whet_type *t) {
    if (t->rank < 0 || !whet_dtype_is_integral(t->dtype)) return -1;
    for (int32_t i = 0; i < t->rank; i++)
        if (!whet_dim_is_const(t->dims[i])) return -1;
    int64_t n = whet_dims_count(t->dims, t->rank);
    return n <= WHET_VALUE_LIMIT ? n : -1;
}

// The type as a tensor of numbers (dims are constants), contents at `data`.
static whet_tensor as_tensor(const whet_type *t, const whet_dim *data, int64_t n) {
    whet_tensor tensor = {WHET_DTYPE_I64, t->rank, {0}, (void *)(uintptr_t)data,
                          (size_t)n * sizeof *data};
    memcpy(tensor.dims, t->dims, (size_t)t->rank * sizeof t->dims[0]);
    return tensor;
}

static whet_dim *unknowns(whet_infer *ctx, int64_t n) {
    whet_dim *v = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
    for (int64_t i = 0; v && i < n; i++)
        v[i] = ctx->dims ? whet_dim_unknown(ctx->dims) : WHET_DIM_ERROR;
    return v;
}

// Numbers below all dims were saturated when they were read: what they are is not known.
static whet_dim *without_saturated(whet_infer *ctx, const whet_dim *v, int64_t n) {
    whet_dim *w = whet_arena_memdup(ctx->arena, v, (size_t)n * sizeof *v);
    for (int64_t i = 0; w && i < n; i++)
        if (w[i] == WHET_DIM_EXPR_END)
            w[i] = ctx->dims ? whet_dim_unknown(ctx->dims) : WHET_DIM_ERROR;
    return w;
}

static bool all_const(const whet_dim *v, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (!whet_dim_is_const(v[i])) return false;
    return true;
}

// Tensors of the inputs; false when contents that are needed are not known.
static bool move_inputs(whet_infer *ctx, uint64_t data, whet_tensor *in) {
    bool any = false;
    for (int32_t i = 0; i < ctx->n_in; i++) {
        const whet_dim *v = NULL;
        int64_t n = 0;
        bool moved = data >> (i < 63 ? i : 63) & 1;
        if (!whet_infer_has(ctx, i)) continue;
        if (moved && small_count(ctx->in[i]) < 0) return false;
        bool known = whet_infer_peek(ctx, i, &v, &n);
        any = any || (moved && known);
        const whet_arg *arg = &ctx->op->in[i < ctx->op->n_in ? i : ctx->op->n_in - 1];
        if (!moved && arg->flags & WHET_ARG_SHAPE) {
            in[i] = as_tensor(ctx->in[i], NULL, 0);
            continue;
        }
        if (moved) v = known ? without_saturated(ctx, v, n)
                             : unknowns(ctx, n = small_count(ctx->in[i]));
        if (!v || (!moved && !all_const(v, n))) return false;
        in[i] = as_tensor(ctx->in[i], v, n);
    }
    return any;
}

void whet_infer_move(whet_infer *ctx, uint64_t data) {
    whet_tensor *in = WHET_NEW_ARRAY(ctx->arena, whet_tensor, ctx->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(ctx->arena, whet_tensor, ctx->n_out);
    for (int32_t i = 0; i < ctx->n_out; i++)
        if (small_count(&ctx->out[i]) < 0) return;
    if (!in || !out || !move_inputs(ctx, data, in)) return;
    for (int32_t i = 0; i < ctx->n_out; i++) {
        int64_t n = small_count(&ctx->out[i]);
        whet_dim *v = WHET_NEW_ARRAY(ctx->arena, whet_dim, n ? n : 1);
        if (!v) return;
        out[i] = as_tensor(&ctx->out[i], v, n);
    }
    // what fails here fails again, with its message, when the node is evaluated
    whet_eval e = {.op = ctx->op, .attrs = ctx->attrs, .node = ctx->node, .n_in = ctx->n_in,
                   .n_out = ctx->n_out, .in = in, .out = out, .scratch = ctx->arena};
    if (ctx->op->eval(&e) != WHET_OK) return;
    for (int32_t i = 0; i < ctx->n_out; i++) ctx->out[i].value = out[i].data;
}

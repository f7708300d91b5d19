// SPDX-License-Identifier: Apache-2.0
// lstm and gru of f32 with default activations. Phase 0: the products of all inputs with W, one
// matrix product, in blocks of columns. Phase 1: the steps one after the other, each task some rows
// of the batch in one direction, which need nothing of the others.
//   lstm (i o f c): c' = f c + i tanh(c~), h = o tanh(c');  gru (z r h): h' = (1 - z) h~ + z h
#include "kern/cost.h"
#include "kern/rnn/rnn.h"
#include "kern/typed.h"
#include "kern/vmath.h"

#define VECS 4 // vectors of a column block
#define WIDTH (VECS * V_W)
#define ROWS V_PICK(14, 6, 4) // of the batch that are computed together
#define UNROLL _Pragma("GCC unroll 32")
// Stored as bf16 (lstm only), a float of inputs, of h and of weights is the bits of a pair, and two
// products are added up in a step. Sums, gates and the memory c are f32.
#define PAIRS(n) (X_BF16 ? (n) / 2 : (n))
#if X_BF16
#define STEP(x, w, acc) v_dot_bf(acc, (vi)(w), (vi)(x))
#else
#define STEP(x, w, acc) v_fma(x, w, acc)
#endif
#define PREFETCH 32 // steps of weights ahead

// y[r][j] = init[r][j] (or 0) + sum a[r][k] w[k][j] for `vecs` vectors of columns: half a block,
// one or two, as many as the registers hold for the rows.
V_FN void tile(int rows, int vecs, const float *a, int64_t a_row, int64_t depth, const float *w,
               float *y, int64_t y_row, int64_t cols, const float *init, int64_t init_row) {
    vf acc[2 * ROWS > 24 ? 2 * ROWS : 24];
    const int64_t next = WIDTH * (depth - 1); // to the block behind
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vecs; v++) {
            int64_t left = cols - v * V_W;
            acc[r * vecs + v] =
                init && left > 0 ? v_load_n(init + r * init_row + v * V_W, left) : v_zero();
        }
    for (int64_t k = 0; k < depth; k++, w += WIDTH) {
        vf weight[2 * VECS];
        UNROLL for (int v = 0; v < vecs; v++) {
            const float *at = w + v * V_W + (v < VECS ? 0 : next);
            weight[v] = v_load(at);
            __builtin_prefetch(at + PREFETCH * WIDTH);
        }
        UNROLL for (int r = 0; r < rows; r++) {
            vf x = v_set1(a[r * a_row + k]);
            UNROLL for (int v = 0; v < vecs; v++)
                acc[r * vecs + v] = STEP(x, weight[v], acc[r * vecs + v]);
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < vecs; v++)
            if (cols > v * V_W)
                v_store_n(y + r * y_row + v * V_W, acc[r * vecs + v], cols - v * V_W);
}

static void last_block(const float *a, int64_t depth, const float *w, float *y, int64_t cols,
                       const float *init) {
    tile(1, VECS, a, 0, depth, w, y, 0, cols, init, 0);
}

// Vectors of a tile of so many rows.
static int32_t tile_vecs(int64_t rows) {
    return rows <= V_PICK(3, 1, 1) ? 2 * VECS : rows <= V_PICK(7, 3, 3) ? VECS : VECS / 2;
}

static void columns(int64_t rows, const float *a, int64_t a_row, int64_t depth, const float *w,
                    float *y, int64_t y_row, int64_t cols, const float *init, int64_t init_row) {
#define CASE(rows, vecs)                                                                           \
    case rows: tile(rows, vecs, a, a_row, depth, w, y, y_row, cols, init, init_row); return
    switch (rows) {
        CASE(1, 2 * VECS);
        CASE(2, V_PICK(2 * VECS, VECS, VECS));
        CASE(3, V_PICK(2 * VECS, VECS, VECS));
        CASE(4, V_PICK(VECS, VECS / 2, VECS / 2));
#if ROWS > 4
        CASE(5, V_PICK(VECS, VECS / 2, 0));
        CASE(6, V_PICK(VECS, VECS / 2, 0));
#endif
#if ROWS > 6
        CASE(7, VECS);
        CASE(8, VECS / 2);
        CASE(9, VECS / 2);
        CASE(10, VECS / 2);
        CASE(11, VECS / 2);
        CASE(12, VECS / 2);
        CASE(13, VECS / 2);
        CASE(14, VECS / 2);
#endif
    }
#undef CASE
}

// All columns [0, n) of up to ROWS rows, from behind if `back`: what the caches still hold of large
// weights is what was used last. w: packed, starting at a block of the matrix.
static void product(int64_t rows, const float *a, int64_t a_row, int64_t depth, const float *w,
                    float *y, int64_t y_row, int64_t n, const float *init, int64_t init_row,
                    bool back) {
    int64_t width = tile_vecs(rows) * V_W, count = (n + width - 1) / width;
    for (int64_t i = 0; i < count; i++) {
        int64_t j = (back ? count - 1 - i : i) * width;
        int64_t left = (n - j + WIDTH - 1) / WIDTH * WIDTH; // in packed blocks
        const float *at = w + j / WIDTH * WIDTH * depth + j % WIDTH;
        const float *from = init ? init + j : NULL;
        if (width > WIDTH && left == WIDTH) { // a block without a partner
            for (int64_t r = 0; r < rows; r++)
                last_block(a + r * a_row, depth, at, y + r * y_row + j, n - j,
                           from ? from + r * init_row : NULL);
            continue;
        }
        columns(rows, a, a_row, depth, at, y + j, y_row, n - j, from, init_row);
    }
}

static const float *weights_of(const whet_call *c, const rnn_shape *s, int32_t i, int64_t dir) {
    int64_t depth = PAIRS(i == RNN_W ? s->input : s->hidden);
    return (const float *)c->packed[i] + dir * s->blocks * s->width * depth;
}

// ---- phase 0 ----

// A task is a block of columns of a direction, for rows whose inputs stay in a cache.
static int64_t row_chunk(const rnn_shape *s) {
    int64_t rows = (128 << 10) / s->input / ROWS * ROWS;
    return rows < ROWS ? ROWS : rows;
}
static int64_t row_chunks(const rnn_shape *s) {
    return (s->seq * s->batch + row_chunk(s) - 1) / row_chunk(s);
}

// Both biases of a direction in one, but for gru's hidden gate: [n].
static const float *sum_bias(const whet_call *c, const rnn_shape *s, int64_t dir, float *to) {
    if (c->p->n_in <= RNN_B || c->p->in[RNN_B].dtype == WHET_DTYPE_NONE) return NULL;
    const float *b = (const float *)c->in[RNN_B] + dir * 2 * s->n;
    int64_t both = s->gates == 4 ? s->n : 2 * s->hidden;
    for (int64_t j = 0; j < s->n; j++) to[j] = b[j] + (j < both ? b[s->n + j] : 0);
    return to;
}

static void project(const whet_call *c, const rnn_shape *s, int64_t begin, int64_t end) {
    int64_t chunks = row_chunks(s), all = s->seq * s->batch, last = -1;
    const float *bias = NULL;
    for (int64_t t = begin; t < end; t++) {
        int64_t dir = t / s->blocks / chunks, block = t % s->blocks, col = block * WIDTH;
        int64_t row = t / s->blocks % chunks * row_chunk(s), to = row + row_chunk(s);
        if (dir != last) bias = sum_bias(c, s, dir, c->scratch);
        last = dir;
        if (to > all) to = all;
        int64_t depth = PAIRS(s->input);
        const float *w = weights_of(c, s, RNN_W, dir) + col * depth;
        for (int64_t tiles = (to - row + ROWS - 1) / ROWS; tiles > 0; tiles--) {
            int64_t rows = (to - row + tiles - 1) / tiles;
            product(rows, (const float *)c->in[RNN_X] + row * depth, depth, depth, w,
                    (float *)c->workspace + (dir * all + row) * s->n + col, s->n,
                    s->n - col < WIDTH ? s->n - col : WIDTH, bias ? bias + col : NULL, 0, false);
            row += rows;
        }
    }
}

// ---- phase 1 ----

typedef struct rows_state {
    int64_t rows;
    float *gates, *c, *tmp; // [rows][n], [rows][hidden], [rows][n]
    vx *h;                  // [rows][hidden]
} rows_state;

static void load_state(const whet_call *c, const rnn_shape *s, int32_t i, int64_t at, int64_t rows,
                       vx *to) {
    size_t bytes = (size_t)(rows * s->hidden) * sizeof *to;
    bool given = c->p->n_in > i && c->p->in[i].dtype != WHET_DTYPE_NONE;
    if (given) memcpy(to, (const vx *)c->in[i] + at, bytes);
    else memset(to, 0, bytes);
}

static void load_memory(const whet_call *c, int64_t at, int64_t n, float *to) {
    bool given = c->p->n_in > RNN_C0 && c->p->in[RNN_C0].dtype != WHET_DTYPE_NONE;
    const vx *from = given ? (const vx *)c->in[RNN_C0] + at : NULL;
    for (int64_t i = 0; i < n; i += V_W)
        v_store_n(to + i, from ? x_load_n(from + i, n - i) : v_zero(), n - i);
}

static void lstm_cells(const rnn_shape *s, const rows_state *st) {
    for (int64_t r = 0; r < st->rows; r++) {
        const float *g = st->gates + r * s->n;
        for (int64_t j = 0; j < s->hidden; j += V_W) {
            int64_t left = s->hidden - j;
            float *c = st->c + r * s->hidden + j;
            vf i = v_sigmoid(v_load_n(g + j, left)),
               o = v_sigmoid(v_load_n(g + s->hidden + j, left));
            vf f = v_sigmoid(v_load_n(g + 2 * s->hidden + j, left));
            vf m = f * v_load_n(c, left) + i * v_tanh(v_load_n(g + 3 * s->hidden + j, left));
            v_store_n(c, m, left);
            x_store_n(st->h + r * s->hidden + j, o * v_tanh(m), left);
        }
    }
}

#if !X_BF16
// Hidden columns of R start in the middle of a block, so the whole product is made.
static void gru_reset_product(const rnn_shape *s, const rows_state *st, const float *weights) {
    for (int64_t r = 0; r < st->rows; r++)
        for (int64_t j = 0; j < s->hidden; j += V_W) {
            int64_t left = s->hidden - j;
            vf reset = v_sigmoid(v_load_n(st->gates + r * s->n + s->hidden + j, left));
            v_store_n(st->c + r * s->hidden + j, reset * v_load_n(st->h + r * s->hidden + j, left),
                      left);
        }
    int64_t first = 2 * s->hidden / WIDTH;
    product(st->rows, st->c, s->hidden, s->hidden, weights + first * WIDTH * s->hidden,
            st->tmp + first * WIDTH, s->n, s->n - first * WIDTH, NULL, 0, false);
}

// x: products of the inputs; gates: those with the recurrent ones added; tmp: the latter alone.
static void gru_cells(const rnn_shape *s, const rows_state *st, const float *x, const float *bias,
                      bool linear) {
    for (int64_t r = 0; r < st->rows; r++) {
        const float *g = st->gates + r * s->n, *hid = x + r * s->n + 2 * s->hidden;
        const float *rec = st->tmp + r * s->n + 2 * s->hidden;
        for (int64_t j = 0; j < s->hidden; j += V_W) {
            int64_t left = s->hidden - j;
            float *h = st->h + r * s->hidden + j;
            vf z = v_sigmoid(v_load_n(g + j, left)), old = v_load_n(h, left);
            vf more = v_load_n(rec + j, left);
            if (bias) more = more + v_load_n(bias + s->n + 2 * s->hidden + j, left);
            if (linear) more = more * v_sigmoid(v_load_n(g + s->hidden + j, left));
            vf fresh = v_tanh(v_load_n(hid + j, left) + more);
            v_store_n(h, fresh + z * (old - fresh), left);
        }
    }
}

static void gru_step(const whet_call *c, const rnn_shape *s, const rows_state *st, int64_t dir,
                     const float *x) {
    bool linear = ((const whet_rnn_attrs *)c->p->attrs)->linear_before_reset;
    bool biased = c->p->n_in > RNN_B && c->p->in[RNN_B].dtype != WHET_DTYPE_NONE;
    const float *bias = biased ? (const float *)c->in[RNN_B] + dir * 2 * s->n : NULL;
    const float *weights = weights_of(c, s, RNN_R, dir);
    product(st->rows, st->h, s->hidden, s->hidden, weights, st->tmp, s->n, s->n, NULL, 0,
            false);
    for (int64_t r = 0; r < st->rows; r++)
        for (int64_t j = 0; j < 2 * s->hidden; j++)
            st->gates[r * s->n + j] = st->tmp[r * s->n + j] + x[r * s->n + j];
    if (!linear) gru_reset_product(s, st, weights);
    gru_cells(s, st, x, bias, linear);
}

#endif

static bool wanted(const whet_call *c, int32_t out) {
    return out < c->p->n_out && c->p->out[out].dtype != WHET_DTYPE_NONE && c->out[out];
}

static void store_rows(const whet_call *c, int32_t out, int64_t at, const vx *from, int64_t n) {
    if (wanted(c, out)) memcpy((vx *)c->out[out] + at, from, (size_t)n * sizeof *from);
}

static void store_memory(const whet_call *c, int64_t at, const float *from, int64_t n) {
    vx *to = wanted(c, 2) ? (vx *)c->out[2] + at : NULL;
    for (int64_t i = 0; to && i < n; i += V_W)
        x_store_n(to + i, v_load_n(from + i, n - i), n - i);
}

static void recur(const whet_call *c, const rnn_shape *s, int64_t task) {
    int64_t dir = task / s->parts, row = task % s->parts * s->rows, left = s->batch - row;
    rows_state st = {.rows = left < s->rows ? left : s->rows, .gates = c->scratch};
    st.h = (vx *)(void *)(st.gates + s->rows * s->n);
    st.c = st.gates + s->rows * (s->n + s->hidden);
    st.tmp = st.c + 2 * s->rows * s->hidden;
    int64_t state = (dir * s->batch + row) * s->hidden, count = st.rows * s->hidden;
    bool reverse = dir == 1 || ((const whet_rnn_attrs *)c->p->attrs)->direction == WHET_RNN_REVERSE;
    load_state(c, s, RNN_H0, state, st.rows, st.h);
    if (s->gates == 4) load_memory(c, state, count, st.c);
    for (int64_t i = 0; i < s->seq; i++) {
        int64_t t = reverse ? s->seq - 1 - i : i;
        const float *x = (const float *)c->workspace + ((dir * s->seq + t) * s->batch + row) * s->n;
        if (s->gates == 4) {
            product(st.rows, (const float *)(const void *)st.h, PAIRS(s->hidden), PAIRS(s->hidden),
                    weights_of(c, s, RNN_R, dir), st.gates, s->n, s->n, x, s->n, i & 1);
            lstm_cells(s, &st);
        }
#if !X_BF16
        else gru_step(c, s, &st, dir, x);
#endif
        store_rows(c, 0, ((t * s->dirs + dir) * s->batch + row) * s->hidden, st.h, count);
    }
    store_rows(c, 1, state, st.h, count);
    if (s->gates == 4) store_memory(c, state, st.c, count);
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    rnn_shape s = whet_rnn_shape(c->p, WIDTH, ROWS);
    if (phase == 0) project(c, &s, begin, end);
    else
        for (int64_t t = begin; t < end; t++) recur(c, &s, t);
    return WHET_OK;
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    rnn_shape s = whet_rnn_shape(p, WIDTH, ROWS);
    (void)params;
    return s.dirs * (phase == 0 ? row_chunks(&s) * s.blocks : s.parts);
}

static bool accepts(const whet_problem *p) { return whet_rnn_accepts(p, X_DTYPE, WIDTH); }

static size_t pack_bytes(const whet_problem *p, const int32_t *params, int32_t i) {
    (void)params;
    return PAIRS(whet_rnn_pack_bytes(p, WIDTH, i));
}

static whet_status pack(const whet_problem *p, const int32_t *params, int32_t i,
                        const whet_tensor *src, void *dst) {
    (void)params;
#if X_BF16
    whet_rnn_pack_bf16(p, WIDTH, i, src->data, dst);
#else
    whet_rnn_pack(p, WIDTH, i, src->data, dst);
#endif
    return WHET_OK;
}

static size_t workspace(const whet_problem *p, const int32_t *params) {
    rnn_shape s = whet_rnn_shape(p, WIDTH, ROWS);
    (void)params;
    return whet_rnn_workspace(&s);
}

static size_t scratch(const whet_problem *p, const int32_t *params) {
    rnn_shape s = whet_rnn_shape(p, WIDTH, ROWS);
    (void)params;
    return whet_rnn_scratch(&s);
}

static double cost(const whet_problem *p, const int32_t *params) {
    rnn_shape s = whet_rnn_shape(p, WIDTH, ROWS);
    double steps = (double)(s.dirs * s.seq * s.batch), flops = whet_problem_flops(p);
    (void)params;
    double each = V_PICK(16, 10, 1) * (X_BF16 ? 2 : 1);
    return flops / (3e9 * each) + steps * (double)s.n * V_PICK(1.5, 3.0, 20.0) / 3e9;
}

#define RNN_KERNEL(operator)                                                                       \
    const whet_kernel V_CAT(whet_kernel_##operator##_, X_ISA) = {                                  \
        .name = #operator "_" X_NAME,                                                              \
        .stores = X_STORES,                                                                        \
        .op = #operator,                                                                           \
        .revision = 2,                                                                             \
        .cpu = V_CPU,                                                                              \
        .accepts = accepts,                                                                        \
        .cost = cost,                                                                              \
        .pack_bytes = pack_bytes,                                                                  \
        .pack = pack,                                                                              \
        .workspace = workspace,                                                                    \
        .scratch = scratch,                                                                        \
        .phases = 2,                                                                               \
        .tasks = tasks,                                                                            \
        .run = run,                                                                                \
        .tolerance = X_BF16 ? 1024 : 4, /* h is rounded in every step */                           \
    }
RNN_KERNEL(lstm);
#if !X_BF16
RNN_KERNEL(gru);
#endif

// SPDX-License-Identifier: Apache-2.0
// Attention Y = softmax(scale Q K' + mask) V on values stored as bf16, as attention_tmpl.h does it
// in f32: scores, maxima and sums are f32, weights are rounded to bf16 for the second product. The
// depth of a head is even. In the worker's scratch:
//   K panels [chunk of 2 vectors of keys][pair of depth][key lane][2]
//   V panels [2 vectors of columns][pair of keys][lane][2], 0 where there is no second key
//   scores [tile rows][chunk], weights likewise, result [block rows][padded width], maximum and sum
#include "kern/attention/attention_geom.h"
#include "kern/bf16tile.h"
#include "kern/tile_transpose.h"
#include "kern/vmath_bf16.h"

#define TILES V_CAT(whet_bf16_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)
#define CHUNK 512      // keys at once, even
#define BLOCK_TILES 4  // tiles of rows a task

typedef struct plan {
    whet_attention_geom g;
    int64_t chunk, chunks, block, blocks, tiles;
    int64_t width; // padded to panels
    int64_t pitch; // of scores and weights
} plan;

typedef struct local {
    uint16_t *k, *v, *weights;
    float *scores, *y, *top, *sum, *mask;
    int64_t head, chunk; // what k and v hold; head -1: nothing
} local;

static bool plan_init(plan *c, const whet_problem *p) {
    if (!whet_attention_geom_init_as(&c->g, p, WHET_DTYPE_BF16) || c->g.depth % 2) return false;
    const whet_attention_geom *g = &c->g;
    c->chunk = g->keys < CHUNK ? g->keys : CHUNK;
    c->chunks = CEIL(g->keys, c->chunk);
    c->tiles = CEIL(g->rows, BF16_PIXELS);
    c->blocks = CEIL(c->tiles, BLOCK_TILES);
    int64_t threads = p->threads > 1 ? p->threads : 1, heads = g->batch * g->heads;
    if (heads * c->blocks < 2 * threads) c->blocks = CEIL(2 * threads, heads);
    if (c->blocks > c->tiles) c->blocks = c->tiles;
    c->block = CEIL(c->tiles, c->blocks);
    c->blocks = CEIL(c->tiles, c->block);
    c->width = CEIL(g->width, PANEL) * PANEL;
    c->pitch = CEIL(c->chunk, PANEL) * PANEL + 32;
    return true;
}

static size_t local_bytes(const plan *c, local *l, char *scratch) {
    size_t at = 0, rows = (size_t)(c->block * BF16_PIXELS);
#define TAKE(field, n)                                                                             \
    if (l) l->field = (void *)(scratch + at);                                                      \
    at += (sizeof *((local *)0)->field * (size_t)(n) + 63) & ~(size_t)63;
    TAKE(k, CEIL(c->chunk, PANEL) * PANEL * c->g.depth)
    TAKE(v, CEIL(c->chunk, 2) * 2 * c->width)
    TAKE(weights, BF16_PIXELS * c->pitch)
    TAKE(scores, BF16_PIXELS * c->pitch)
    TAKE(y, (int64_t)rows * c->width)
    TAKE(top, rows)
    TAKE(sum, rows)
    TAKE(mask, c->chunk)
#undef TAKE
    return at;
}

// ---- operands of a chunk ----

static void pack_keys(const plan *c, uint16_t *dst, const uint16_t *k, int64_t keys) {
    int64_t pairs = c->g.depth / 2, step = c->g.k.by[2] / 2;
    const float *src = (const float *)(const void *)k; // bits of pairs, never computed with
    float *to = (float *)(void *)dst;
    for (int64_t j = 0; j < keys; j += PANEL, to += PANEL * pairs)
        for (int64_t v = 0; v < PANEL; v += V_W)
            for (int64_t i = 0; i < pairs; i += V_W) {
                vf r[V_W];
                for (int64_t l = 0; l < V_W; l++)
                    r[l] = j + v + l < keys ? v_load_n(src + (j + v + l) * step + i, pairs - i)
                                            : v_zero();
                v_transpose(r);
                for (int64_t l = 0; l < V_W && i + l < pairs; l++)
                    v_store(to + (i + l) * PANEL + v, r[l]);
            }
}

static void pack_values(const plan *c, uint16_t *dst, const uint16_t *v, int64_t keys) {
    const whet_attention_geom *g = &c->g;
    for (int64_t i = 0; i < c->width; i += PANEL)
        for (int64_t j = 0; j < keys; j += 2)
            for (int64_t l = 0; l < PANEL; l += V_W, dst += 2 * V_W) {
                const uint16_t *row = v + j * g->v.by[2] + i + l;
                int64_t n = g->width - i - l;
                vi low = v_load_bits_n(row, n);
                vi high = v_load_bits_n(row + g->v.by[2], j + 1 < keys ? n : 0);
                vi_store((int32_t *)(void *)dst, low | high << 16);
            }
}

static void load_chunk(const whet_call *call, const plan *c, local *l, int64_t head, int64_t chunk,
                       int64_t keys) {
    const whet_attention_geom *g = &c->g;
    int64_t b = head / g->heads, h = head % g->heads / (g->heads / g->kv_heads);
    int64_t kv = b * g->kv_heads + h, from = chunk * c->chunk;
    if (l->head == kv && l->chunk == chunk) return;
    l->head = kv, l->chunk = chunk;
    pack_keys(c, l->k,
              (const uint16_t *)call->in[1] + b * g->k.by[0] + h * g->k.by[1] + from * g->k.by[2],
              keys);
    pack_values(c, l->v,
                (const uint16_t *)call->in[2] + b * g->v.by[0] + h * g->v.by[1] +
                    from * g->v.by[2],
                keys);
}

// ---- softmax of a row ----

// The additive mask of `keys` scores, or NULL.
static const float *mask_row(const whet_call *call, const plan *c, local *l, int64_t at,
                             int64_t keys) {
    if (!c->g.masked) return NULL;
    whet_dtype dtype = call->p->in[3].dtype;
    if (dtype == WHET_DTYPE_F32) return (const float *)call->in[3] + at;
    if (dtype == WHET_DTYPE_BF16) {
        const uint16_t *m = (const uint16_t *)call->in[3] + at;
        for (int64_t i = 0; i < keys; i += V_W)
            v_store_n(l->mask + i, v_load_bf_n(m + i, keys - i), keys - i);
        return l->mask;
    }
    const uint8_t *m = (const uint8_t *)call->in[3] + at;
    for (int64_t i = 0; i < keys; i++) l->mask[i] = m[i] ? 0 : -INFINITY;
    return l->mask;
}

// w [n] = exp(scale s + mask - maximum); *top and *sum go on from the chunks before. Returns by
// what the result so far is to be multiplied.
static float softmax_row(float *s, uint16_t *w, const float *mask, int64_t n, float scale,
                         float *top, float *sum) {
    vf most = v_set1(*top), by = v_set1(scale), total = v_zero();
    for (int64_t i = 0; i < n; i += V_W) {
        vf x = v_load(s + i) * by;
        if (mask) x += v_load_n(mask + i, n - i);
        if (n - i < V_W) x = v_select(vm_first(n - i), x, v_set1(-INFINITY));
        v_store(s + i, x);
        most = v_max(most, x);
    }
    float high = v_hmax(most), base = high == -INFINITY ? 0 : high; // all masked: weights 0
    float keep = *top == high ? 1 : expf(*top - base);
    vf from = v_set1(base);
    for (int64_t i = 0; i < n; i += V_W) {
        vf x = v_load(s + i) - from, e = v_exp_bf(x);
        e = v_select(v_lt(x, v_set1(-86)), v_zero(), e);
        v_store_bf(w + i, e);
        total += e;
    }
    *top = high;
    *sum = *sum * keep + v_sum(total);
    return keep;
}

// ---- a tile of rows against a chunk of keys ----

typedef struct tile {
    int64_t row, n;     // first row, in the head; rows
    int64_t from, keys; // of the chunk
    float *y, *top, *sum;
} tile;

static void weigh(const whet_call *call, const plan *c, local *l, int64_t mask_at, const tile *t) {
    const whet_attention_geom *g = &c->g;
    for (int64_t i = 0; i < t->n; i++) {
        uint16_t *w = l->weights + i * c->pitch;
        int64_t n = t->keys;
        if (g->causal && t->row + i + 1 - t->from < n) n = t->row + i + 1 - t->from;
        if (n < 0) n = 0;
        const float *mask =
            mask_row(call, c, l, mask_at + (t->row + i) * g->mask.by[2] + t->from, n);
        float keep = softmax_row(l->scores + i * c->pitch, w, mask, n, g->scale, &t->top[i],
                                 &t->sum[i]);
        for (int64_t j = CEIL(n, V_W) * V_W; j <= t->keys; j++) w[j] = 0;
        for (int64_t j = 0; keep != 1 && j < c->width; j += V_W) {
            float *y = t->y + i * c->width + j;
            v_store(y, v_load(y) * v_set1(keep));
        }
    }
}

static void run_tile(const whet_call *call, const plan *c, local *l, const uint16_t *q,
                     int64_t mask_at, const tile *t) {
    const whet_attention_geom *g = &c->g;
    whet_bf16_tile_fn mul = TILES.one[1][t->n];
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = g->depth / 2, .last = g->depth / 2,
                      .w_step = 2 * PANEL};
    whet_bf16_out o = {.pixel = c->pitch, .vec = V_W, .cols = PANEL, .wide = true, .scale = 1};
    for (int64_t j = 0; j < t->keys; j += PANEL) {
        o.y = l->scores + j;
        mul(q + t->row * g->q.by[2], g->q.by[2], 0, l->k + j * g->depth, &walk, &o);
    }
    weigh(call, c, l, mask_at, t);
    walk.len = walk.last = CEIL(t->keys, 2);
    o.pixel = o.init_pixel = c->width;
    int64_t keys = g->keys - t->from < c->chunk ? g->keys - t->from : c->chunk;
    for (int64_t j = 0; j < c->width; j += PANEL) {
        o.y = t->y + j;
        o.init = t->from ? t->y + j : NULL;
        mul(l->weights, c->pitch, 0, l->v + j * (CEIL(keys, 2) * 2), &walk, &o);
    }
}

static void store_rows(const plan *c, const local *l, uint16_t *y, int64_t rows) {
    const whet_attention_geom *g = &c->g;
    for (int64_t i = 0; i < rows; i++) {
        vf by = v_set1(l->sum[i] == 0 ? 0 : 1 / l->sum[i]);
        for (int64_t j = 0; j < g->width; j += V_W)
            v_store_bf_n(y + i * g->y.by[2] + j, v_load(l->y + i * c->width + j) * by,
                         g->width - j);
    }
}

static void run_task(const whet_call *call, const plan *c, int64_t task, local *l) {
    const whet_attention_geom *g = &c->g;
    int64_t head = task / c->blocks, block = task % c->blocks;
    int64_t b = head / g->heads, h = head % g->heads, first = block * c->block;
    int64_t last = first + c->block < c->tiles ? first + c->block : c->tiles;
    int64_t row0 = g->rows * first / c->tiles, rows = g->rows * last / c->tiles - row0;
    const uint16_t *q = (const uint16_t *)call->in[0] + b * g->q.by[0] + h * g->q.by[1];
    int64_t mask_at = g->masked ? b * g->mask.by[0] + h * g->mask.by[1] : 0;
    for (int64_t i = 0; i < rows; i++) l->top[i] = -INFINITY, l->sum[i] = 0;
    for (int64_t chunk = 0; chunk < c->chunks; chunk++) {
        int64_t from = chunk * c->chunk;
        int64_t keys = g->keys - from < c->chunk ? g->keys - from : c->chunk;
        if (g->causal && from >= row0 + rows) break;
        load_chunk(call, c, l, head, chunk, keys);
        for (int64_t i = first; i < last; i++) {
            int64_t row = g->rows * i / c->tiles, n = g->rows * (i + 1) / c->tiles - row;
            tile t = {row, n, from, keys, l->y + (row - row0) * c->width, l->top + row - row0,
                      l->sum + row - row0};
            if (g->causal && row + n - from < keys) t.keys = row + n - from;
            if (t.keys > 0) run_tile(call, c, l, q, mask_at, &t);
        }
    }
    store_rows(c, l,
               (uint16_t *)call->out[0] + b * g->y.by[0] + h * g->y.by[1] + row0 * g->y.by[2],
               rows);
}

static whet_status attention_run(const whet_call *call, int32_t phase, int64_t begin,
                                 int64_t end) {
    const plan *c = call->state;
    local l = {.head = -1};
    (void)phase;
    local_bytes(c, &l, call->scratch);
    for (int64_t task = begin; task < end; task++) run_task(call, c, task, &l);
    return WHET_OK;
}

// ---- the rest of the descriptor ----

static bool attention_accepts(const whet_problem *p) {
    plan c;
    return plan_init(&c, p);
}
static size_t attention_scratch(const whet_problem *p, const int32_t *params) {
    plan c;
    (void)params;
    return plan_init(&c, p) ? local_bytes(&c, NULL, NULL) : 0;
}
static void attention_prepare(const whet_problem *p, const int32_t *params, void *state) {
    (void)params;
    plan_init(state, p);
}
static int64_t attention_tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    plan c;
    (void)params, (void)phase;
    return plan_init(&c, p) ? c.g.batch * c.g.heads * c.blocks : 0;
}

static double attention_cost(const whet_problem *p, const int32_t *params) {
    plan c;
    (void)params;
    if (!plan_init(&c, p)) return INFINITY;
    const whet_attention_geom *g = &c.g;
    double scores = (double)(g->batch * g->heads * g->rows) * (double)g->keys;
    double flops = 2 * scores * (double)(g->depth + c.width) * (g->causal ? 0.5 : 1);
    double threads = p->threads > 1 ? p->threads : 1;
    double tasks = (double)(g->batch * g->heads * c.blocks);
    if (tasks < threads) threads = tasks;
    double rows = (double)g->rows / (double)c.tiles, share = rows / (rows + 0.2 * BF16_PIXELS);
    return (flops / (BF16_PEAK * share) + scores * 3e-10) / threads +
           whet_problem_bytes(p) / KERN_BANDWIDTH;
}

// tolerance: weights have 8 bits, so that single results may be 2^-8 of the largest value off
const whet_kernel V_CAT(whet_kernel_attention_bf16_, V_ISA) = {
    .name = "attention_bf16_" V_NAME,
    .op = "attention",
    .revision = 1,
    .cpu = V_CPU,
    .stores = WHET_STORE_BIT(WHET_STORE_BF16),
    .accepts = attention_accepts,
    .cost = attention_cost,
    .scratch = attention_scratch,
    .state_bytes = sizeof(plan),
    .prepare = attention_prepare,
    .tasks = attention_tasks,
    .run = attention_run,
    .tolerance = 2048,
};

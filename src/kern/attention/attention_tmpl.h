// SPDX-License-Identifier: Apache-2.0
// Template of attention: Y = softmax(scale Q K' + mask) V, a head at a time, scores never leaving
// the cache. A task is a block of rows of one head; keys go by chunks with the running maximum and
// sum of Milakov and Gimelshein, "Online normalizer calculation for softmax". In the worker's
// scratch:
//   K panels [chunk of 2 vectors of keys][depth][key lane]
//   V panels [2 vectors of columns][key][lane]
//   scores [tile rows][chunk], result [block rows][padded width], a maximum and a sum a row
#include "kern/attention/attention_geom.h"
#include "kern/microtile.h"
#include "kern/tile_transpose.h"
#include "kern/vmath.h"

#define TILES V_CAT(whet_tiles_, V_ISA)
#define CEIL(a, b) (((a) + (b) - 1) / (b))
#define PANEL (2 * V_W)
#define CHUNK 512       // keys at once
#define BLOCK_TILES 4   // tiles of rows a task

typedef struct plan {
    whet_attention_geom g;
    int64_t chunk, chunks, block, blocks, tiles;
    int64_t width;      // padded to panels
} plan;

typedef struct local {
    float *k, *v, *scores, *y, *top, *sum, *mask;
    int64_t head, chunk; // what k and v hold; head -1: nothing
} local;

static bool plan_init(plan *c, const whet_problem *p) {
    if (!whet_attention_geom_init(&c->g, p)) return false;
    const whet_attention_geom *g = &c->g;
    c->chunk = g->keys < CHUNK ? g->keys : CHUNK;
    c->chunks = CEIL(g->keys, c->chunk);
    c->tiles = CEIL(g->rows, TILES.pixels);
    c->blocks = CEIL(c->tiles, BLOCK_TILES);
    int64_t threads = p->threads > 1 ? p->threads : 1, heads = g->batch * g->heads;
    if (heads * c->blocks < 2 * threads) c->blocks = CEIL(2 * threads, heads);
    if (c->blocks > c->tiles) c->blocks = c->tiles;
    c->block = CEIL(c->tiles, c->blocks);
    c->blocks = CEIL(c->tiles, c->block);
    c->width = CEIL(g->width, PANEL) * PANEL;
    return true;
}

static int64_t pitch(const plan *c) { return CEIL(c->chunk, PANEL) * PANEL + 16; }

static int64_t local_floats(const plan *c, local *l, float *scratch) {
    int64_t at = 0, rows = c->block * TILES.pixels;
#define TAKE(field, n)                                                                             \
    if (l) l->field = scratch + at;                                                                \
    at += CEIL((n), 16) * 16;
    TAKE(k, CEIL(c->chunk, PANEL) * PANEL * c->g.depth)
    TAKE(v, c->chunk * c->width)
    TAKE(scores, TILES.pixels * pitch(c))
    TAKE(y, rows * c->width)
    TAKE(top, rows)
    TAKE(sum, rows)
    TAKE(mask, c->chunk)
#undef TAKE
    return at;
}

// ---- operands of a chunk ----

static void pack_keys(const plan *c, float *dst, const float *k, int64_t keys) {
    const whet_attention_geom *g = &c->g;
    for (int64_t j = 0; j < keys; j += PANEL, dst += PANEL * g->depth)
        for (int64_t v = 0; v < PANEL; v += V_W)
            for (int64_t i = 0; i < g->depth; i += V_W) {
                vf r[V_W];
                for (int64_t l = 0; l < V_W; l++)
                    r[l] = j + v + l < keys
                               ? v_load_n(k + (j + v + l) * g->k.by[2] + i, g->depth - i)
                               : v_zero();
                v_transpose(r);
                for (int64_t l = 0; l < V_W && i + l < g->depth; l++)
                    v_store(dst + (i + l) * PANEL + v, r[l]);
            }
}

static void pack_values(const plan *c, float *dst, const float *v, int64_t keys) {
    const whet_attention_geom *g = &c->g;
    for (int64_t i = 0; i < c->width; i += PANEL)
        for (int64_t j = 0; j < keys; j++, dst += PANEL)
            for (int64_t l = 0; l < PANEL; l += V_W)
                v_store(dst + l, i + l < g->width
                                     ? v_load_n(v + j * g->v.by[2] + i + l, g->width - i - l)
                                     : v_zero());
}

static void load_chunk(const whet_call *call, const plan *c, local *l, int64_t head, int64_t chunk,
                       int64_t keys) {
    const whet_attention_geom *g = &c->g;
    int64_t b = head / g->heads, h = head % g->heads / (g->heads / g->kv_heads);
    int64_t kv = b * g->kv_heads + h, from = chunk * c->chunk;
    if (l->head == kv && l->chunk == chunk) return;
    l->head = kv, l->chunk = chunk;
    pack_keys(c, l->k,
              (const float *)call->in[1] + b * g->k.by[0] + h * g->k.by[1] + from * g->k.by[2],
              keys);
    pack_values(c, l->v,
                (const float *)call->in[2] + b * g->v.by[0] + h * g->v.by[1] + from * g->v.by[2],
                keys);
}

// ---- softmax of a row ----

// The additive mask of `keys` scores, or NULL.
static const float *mask_row(const whet_call *call, const plan *c, local *l, int64_t at,
                             int64_t keys) {
    if (!c->g.masked) return NULL;
    if (call->p->in[3].dtype == WHET_DTYPE_F32) return (const float *)call->in[3] + at;
    const uint8_t *m = (const uint8_t *)call->in[3] + at;
    for (int64_t i = 0; i < keys; i++) l->mask[i] = m[i] ? 0 : -INFINITY;
    return l->mask;
}

// s [n] becomes exp(scale s + mask - maximum); *top and *sum go on from the chunks before. Returns
// by what the result so far is to be multiplied.
static float softmax_row(float *s, const float *mask, int64_t n, float scale, float *top,
                         float *sum) {
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
        vf x = v_exp_neg(v_load(s + i) - from);
        v_store(s + i, x);
        total += x;
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
        float *s = l->scores + i * pitch(c);
        int64_t n = t->keys;
        if (g->causal && t->row + i + 1 - t->from < n) n = t->row + i + 1 - t->from;
        if (n < 0) n = 0;
        const float *mask =
            mask_row(call, c, l, mask_at + (t->row + i) * g->mask.by[2] + t->from, n);
        float keep = softmax_row(s, mask, n, g->scale, &t->top[i], &t->sum[i]);
        for (int64_t j = CEIL(n, V_W) * V_W; j < t->keys; j++) s[j] = 0;
        for (int64_t j = 0; keep != 1 && j < c->width; j += V_W) {
            float *y = t->y + i * c->width + j;
            v_store(y, v_load(y) * v_set1(keep));
        }
    }
}

static void run_tile(const whet_call *call, const plan *c, local *l, const float *q,
                     int64_t mask_at, const tile *t) {
    const whet_attention_geom *g = &c->g;
    whet_tile_fn mul = TILES.one[1][t->n];
    whet_walk walk = {.n0 = 1, .n1 = 1, .n2 = 1, .len = g->depth, .last = g->depth,
                      .w_step = PANEL};
    whet_tile_out o = {.pixel = pitch(c), .vec = V_W, .cols = PANEL};
    for (int64_t j = 0; j < t->keys; j += PANEL) {
        o.y = l->scores + j;
        mul(q + t->row * g->q.by[2], g->q.by[2], 0, l->k + j * g->depth, &walk, &o);
    }
    weigh(call, c, l, mask_at, t);
    walk.len = walk.last = t->keys;
    o.pixel = c->width;
    int64_t keys = g->keys - t->from < c->chunk ? g->keys - t->from : c->chunk;
    if (t->from) o.plan = (whet_epi_plan){WHET_EPI_ADD, -INFINITY, INFINITY};
    for (int64_t j = 0; j < c->width; j += PANEL) {
        o.y = t->y + j;
        o.other = o.y;
        mul(l->scores, pitch(c), 0, l->v + j * keys, &walk, &o);
    }
}

static void store_rows(const plan *c, const local *l, float *y, int64_t rows) {
    const whet_attention_geom *g = &c->g;
    for (int64_t i = 0; i < rows; i++) {
        vf by = v_set1(l->sum[i] == 0 ? 0 : 1 / l->sum[i]);
        for (int64_t j = 0; j < g->width; j += V_W)
            v_store_n(y + i * g->y.by[2] + j, v_load(l->y + i * c->width + j) * by, g->width - j);
    }
}

static void run_task(const whet_call *call, const plan *c, int64_t task, local *l) {
    const whet_attention_geom *g = &c->g;
    int64_t head = task / c->blocks, block = task % c->blocks;
    int64_t b = head / g->heads, h = head % g->heads, first = block * c->block;
    int64_t last = first + c->block < c->tiles ? first + c->block : c->tiles;
    int64_t row0 = g->rows * first / c->tiles, rows = g->rows * last / c->tiles - row0;
    const float *q = (const float *)call->in[0] + b * g->q.by[0] + h * g->q.by[1];
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
               (float *)call->out[0] + b * g->y.by[0] + h * g->y.by[1] + row0 * g->y.by[2], rows);
}

static whet_status attention_run(const whet_call *call, int32_t phase, int64_t begin,
                                 int64_t end) {
    const plan *c = call->state;
    local l = {.head = -1};
    (void)phase;
    local_floats(c, &l, call->scratch);
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
    return plan_init(&c, p) ? sizeof(float) * (size_t)local_floats(&c, NULL, NULL) : 0;
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
    double rows = (double)g->rows / (double)c.tiles, share = rows / (rows + 0.2 * TILES.pixels);
    return (flops / (KERN_PEAK * share) + scores * V_PICK(6e-10, 9e-10, 4e-9)) / threads +
           whet_problem_bytes(p) / KERN_BANDWIDTH;
}

const whet_kernel V_CAT(whet_kernel_attention_f32_, V_ISA) = {
    .name = "attention_f32_" V_NAME,
    .op = "attention",
    .revision = 1,
    .cpu = V_CPU,
    .accepts = attention_accepts,
    .cost = attention_cost,
    .scratch = attention_scratch,
    .state_bytes = sizeof(plan),
    .prepare = attention_prepare,
    .tasks = attention_tasks,
    .run = attention_run,
    .tolerance = 8,
};

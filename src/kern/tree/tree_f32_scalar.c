// SPDX-License-Identifier: Apache-2.0
// tree_ensemble in f32: X [n, f] row major, nodes [m, 4] of int32, votes summed in double. A task
// is a tile of rows, and every tree takes the whole tile before the next, so that its nodes stay in
// the cache; LANES rows walk at a time, since each waits for its loads. Indices are checked on the
// way, as in the reference: a file may hold anything.
#include "kern/attr.h"
#include "kern/cost.h"
#include "ops/tree.h"

#define TILE 64
#define LANES 8

typedef struct forest {
    const int32_t *nodes, *roots, *targets, *leaf_start, *member_start;
    const float *weights, *members;
    int64_t n_roots, n_votes, n_leaves, n_sets, n_members, features, n_targets, aggregate;
    int32_t n_nodes;
} forest;

static int64_t length(const whet_call *c, int32_t i) {
    return i < c->p->n_in && c->in[i] ? c->p->in[i].dims[0] : 0;
}

static forest forest_of(const whet_call *c) {
    const whet_tree_attrs *a = c->p->attrs;
    bool starts = length(c, WHET_TREE_LEAF_START) > 0;
    bool sets = length(c, WHET_TREE_MEMBER_START) > 0 && length(c, WHET_TREE_MEMBERS) > 0;
    return (forest){
        .nodes = c->in[WHET_TREE_NODES],
        .roots = c->in[WHET_TREE_ROOTS],
        .targets = c->in[WHET_TREE_TARGETS],
        .weights = c->in[WHET_TREE_WEIGHTS],
        .leaf_start = starts ? c->in[WHET_TREE_LEAF_START] : NULL,
        .members = sets ? c->in[WHET_TREE_MEMBERS] : NULL,
        .member_start = sets ? c->in[WHET_TREE_MEMBER_START] : NULL,
        .n_roots = length(c, WHET_TREE_ROOTS),
        .n_votes = length(c, WHET_TREE_TARGETS),
        .n_leaves = starts ? length(c, WHET_TREE_LEAF_START) - 1 : length(c, WHET_TREE_TARGETS),
        .n_sets = sets ? length(c, WHET_TREE_MEMBER_START) - 1 : 0,
        .n_members = sets ? length(c, WHET_TREE_MEMBERS) : 0,
        .features = c->p->in[0].dims[1],
        .n_targets = a->n_targets,
        .aggregate = a->aggregate,
        .n_nodes = (int32_t)c->p->in[WHET_TREE_NODES].dims[0],
    };
}

static bool is_member(const forest *t, int32_t set, float x, bool *wrong) {
    if (set < 0 || set >= t->n_sets) return *wrong = true;
    int32_t begin = t->member_start[set], end = t->member_start[set + 1];
    if (begin < 0 || end > t->n_members) return *wrong = true;
    bool found = false;
    for (int32_t i = begin; i < end; i++) found |= t->members[i] == x;
    return found;
}

// Where row x goes from node `at`: never to a node before it.
static inline int32_t step(const forest *t, int32_t at, const float *x, bool *wrong) {
    const int32_t *node = t->nodes + (int64_t)at * WHET_TREE_WORDS_F32;
    int32_t feature = node[0] >> 4, mode = node[0] & 7;
    float split, v;
    if ((uint32_t)feature >= (uint64_t)t->features) return *wrong = true, -1;
    v = x[feature];
    memcpy(&split, node + 3, sizeof split);
    // the common mode without branches that depend on data: the child is loaded by index
    int32_t yes = v <= split;
    if (mode != WHET_TREE_LEQ)
        yes = mode == WHET_TREE_MEMBER ? is_member(t, node[3], v, wrong)
                                       : whet_tree_compare(mode, (double)v, (double)split);
    yes |= node[0] >> 3 & (v != v);
    int32_t next = node[2 - yes];
    if (next >= 0 && (next <= at || next >= t->n_nodes)) return *wrong = true, -1;
    return next;
}

// Leads n walks on to their leaves (at[i] is ~leaf then), in turns: each waits for its loads. Walk
// i is of row x + i * stride.
static void walk(const forest *t, const float *x, int64_t stride, int64_t n, int32_t *at,
                 bool *wrong) {
    for (bool inside = true; inside;) {
        inside = false;
        for (int64_t i = 0; i < n; i++) {
            if (at[i] < 0) continue;
            at[i] = step(t, at[i], x + i * stride, wrong);
            inside = true;
        }
    }
}

static inline void vote(double w, bool less, bool more, double *s, bool *voted) {
    if (!less && !more) *s += w;
    else if (!*voted || (less ? w < *s : w > *s)) *s = w;
    *voted = true;
}

static void count(const forest *t, int64_t leaf, double *score, bool *voted, bool *wrong) {
    bool less = t->aggregate == WHET_TREE_MIN, more = t->aggregate == WHET_TREE_MAX;
    int64_t begin = leaf, end = leaf + 1;
    if (leaf >= t->n_leaves) {
        *wrong = true;
        return;
    }
    if (t->leaf_start) begin = t->leaf_start[leaf], end = t->leaf_start[leaf + 1];
    if (begin < 0 || end > t->n_votes) {
        *wrong = true;
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        int32_t k = t->targets[i];
        if (k < 0 || k >= t->n_targets) *wrong = true;
        else vote((double)t->weights[i], less, more, &score[k], &voted[k]);
    }
}

static int32_t root_of(const forest *t, int64_t i, bool *wrong) {
    if (t->roots[i] < t->n_nodes) return t->roots[i];
    *wrong = true;
    return -1;
}

// Tree by tree, LANES rows at a time.
static void many_rows(const forest *t, const float *x, int64_t rows, double *score, bool *voted,
                      bool *wrong) {
    for (int64_t i = 0; i < t->n_roots; i++)
        for (int64_t first = 0; first < rows; first += LANES) {
            int64_t n = rows - first < LANES ? rows - first : LANES, k = first * t->n_targets;
            int32_t at[LANES], root = root_of(t, i, wrong);
            for (int64_t r = 0; r < n; r++) at[r] = root;
            walk(t, x + first * t->features, t->features, n, at, wrong);
            for (int64_t r = 0; r < n; r++, k += t->n_targets)
                count(t, ~(int64_t)at[r], score + k, voted + k, wrong);
        }
}

// Row by row, LANES trees at a time.
static void few_rows(const forest *t, const float *x, int64_t rows, double *score, bool *voted,
                     bool *wrong) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t first = 0; first < t->n_roots; first += LANES) {
            int64_t n = t->n_roots - first < LANES ? t->n_roots - first : LANES;
            int64_t k = r * t->n_targets;
            int32_t at[LANES];
            for (int64_t i = 0; i < n; i++) at[i] = root_of(t, first + i, wrong);
            walk(t, x + r * t->features, 0, n, at, wrong);
            for (int64_t i = 0; i < n; i++)
                count(t, ~(int64_t)at[i], score + k, voted + k, wrong);
        }
}

static void tile(const forest *t, const float *x, float *y, int64_t rows, double *score,
                 bool *voted, bool *wrong) {
    int64_t n = rows * t->n_targets;
    memset(score, 0, (size_t)n * sizeof *score);
    memset(voted, 0, (size_t)n * sizeof *voted);
    if (rows < 2 * LANES) few_rows(t, x, rows, score, voted, wrong);
    else many_rows(t, x, rows, score, voted, wrong);
    double scale = t->aggregate == WHET_TREE_AVERAGE && t->n_roots ? (double)t->n_roots : 1;
    for (int64_t i = 0; i < n; i++) y[i] = (float)(score[i] / scale);
}

static int64_t tile_rows(const whet_problem *p) {
    int64_t targets = ((const whet_tree_attrs *)p->attrs)->n_targets;
    int64_t rows = 8192 / targets; // scores of a tile stay in the cache
    return rows < 1 ? 1 : rows < TILE ? rows : TILE;
}

static whet_status run(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {
    forest t = forest_of(c);
    int64_t most = tile_rows(c->p), n = c->p->in[0].dims[0];
    double *score = c->scratch;
    bool wrong = false;
    (void)phase;
    for (int64_t i = begin; i < end && !wrong; i++) {
        int64_t first = i * most, rows = n - first < most ? n - first : most;
        tile(&t, (const float *)c->in[0] + first * t.features,
             (float *)c->out[0] + first * t.n_targets, rows, score,
             (bool *)(score + most * t.n_targets), &wrong);
    }
    if (wrong) WHET_FAIL(c->err, WHET_E_RANGE, "%s: a tree is damaged", c->node);
    return WHET_OK;
}

static int64_t tasks(const whet_problem *p, const int32_t *params, int32_t phase) {
    int64_t rows = tile_rows(p);
    (void)params, (void)phase;
    return p->in[0].dims[0] / rows + (p->in[0].dims[0] % rows > 0);
}

static size_t scratch(const whet_problem *p, const int32_t *params) {
    int64_t targets = ((const whet_tree_attrs *)p->attrs)->n_targets;
    (void)params;
    return (size_t)(tile_rows(p) * targets) * (sizeof(double) + sizeof(bool));
}

static bool accepts(const whet_problem *p) {
    static const struct {
        whet_dtype dtype;
        int32_t rank;
    } ports[WHET_TREE_INPUTS] = {{WHET_DTYPE_F32, 2}, {WHET_DTYPE_I32, 2}, {WHET_DTYPE_I32, 1},
                                 {WHET_DTYPE_I32, 1}, {WHET_DTYPE_F32, 1}, {WHET_DTYPE_I32, 1},
                                 {WHET_DTYPE_F32, 1}, {WHET_DTYPE_I32, 1}};
    const whet_tree_attrs *a = p->attrs;
    if (p->n_in <= WHET_TREE_WEIGHTS || p->n_in > WHET_TREE_INPUTS || p->n_out != 1) return false;
    if (!whet_epilogue_empty(&p->epi)) return false;
    for (int32_t i = 0; i < p->n_in; i++) {
        if (i > WHET_TREE_WEIGHTS && p->in[i].dtype == WHET_DTYPE_NONE) continue;
        if (p->in[i].dtype != ports[i].dtype || p->in[i].rank != ports[i].rank ||
            p->in[i].layout != WHET_LAYOUT_PLAIN)
            return false;
    }
    const whet_port *x = &p->in[0], *y = &p->out[0], *nodes = &p->in[WHET_TREE_NODES];
    return a->n_targets >= 1 && a->n_targets <= 1 << 24 && nodes->dims[1] == WHET_TREE_WORDS_F32 &&
           nodes->dims[0] <= INT32_MAX &&
           p->in[WHET_TREE_TARGETS].dims[0] == p->in[WHET_TREE_WEIGHTS].dims[0] &&
           y->dtype == WHET_DTYPE_F32 && y->layout == WHET_LAYOUT_PLAIN && y->rank == 2 &&
           y->dims[0] == x->dims[0] && y->dims[1] == a->n_targets;
}

static double cost(const whet_problem *p, const int32_t *params) {
    (void)params;
    double walks = (double)p->in[0].dims[0] * (double)p->in[WHET_TREE_ROOTS].dims[0];
    return 5e-7 + walks * 2e-8 / (p->threads > 1 ? p->threads : 1);
}

const whet_kernel whet_kernel_tree_f32_scalar = {
    .name = "tree_f32_scalar",
    .op = "tree_ensemble",
    .revision = 1,
    .accepts = accepts,
    .cost = cost,
    .scratch = scratch,
    .tasks = tasks,
    .run = run,
    .tolerance = 1,
};

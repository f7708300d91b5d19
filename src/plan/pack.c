// SPDX-License-Identifier: Apache-2.0
// Packing: constant inputs into the forms that the chosen kernels read.
#include <stdlib.h>
#include <string.h>

#include "plan/plan.h"

#define ALIGN 64
// Smaller constants lie beside the packed weights a second time: reading them in SOURCES would map
// large pages of weights that nothing reads.
#define WORTH_SHARING ((size_t)1 << 20)

static bool borrowed(const whet_packed *k, const whet_pgraph *g) {
    return k->step < 0 && whet_pvalue_is_source(g, &g->values[k->value]);
}

static whet_status check_held(const whet_plan *p, const whet_pgraph *g, whet_error *err) {
    for (int32_t i = 0; i < p->n_tensors; i++) {
        const whet_pvalue *v = &g->values[p->tensors[i].value];
        if (whet_pvalue_is_const(v) && !v->data)
            WHET_FAIL(err, WHET_E_UNSUPPORTED,
                      "the engine holds no weights of \"%s\", so it cannot be planned anew",
                      v->name);
    }
    return WHET_OK;
}

static whet_status pack_one(whet_plan *p, const whet_pgraph *g, whet_env *env, whet_packed *k,
                            const whet_vshape *shapes, whet_arena *arena, whet_error *err) {
    const whet_pvalue *v = &g->values[k->value];
    whet_tensor src = whet_pvalue_tensor(v);
    if (k->step < 0) {
        memcpy((void *)k->data, src.data, k->bytes);
        return WHET_OK;
    }
    const whet_pstep *s = &p->steps[k->step];
    whet_problem_ports ports = {0};
    whet_problem pr;
    if (whet_plan_problem(p, g, s, shapes, env, 1, arena, &ports, &pr)) return WHET_NOMEM(err);
    whet_status status = s->kernel->pack(&pr, s->params, k->input, &src, (void *)k->data);
    if (status == WHET_OK) return status;
    return whet_error_set(err, status, "%s: packing \"%s\" for %s failed", s->name, v->name,
                          s->kernel->name);
}

static bool same_layout(const whet_plan *a, int32_t x, const whet_plan *b, int32_t y) {
    if (x < 0 || y < 0) return x == y;
    return a->tensors[x].value == b->tensors[y].value &&
           whet_ptensor_alike(&a->tensors[x], &b->tensors[y]);
}

// Packing depends on kernel, parameters, attributes and layouts, never on open dimensions.
bool whet_plan_same_packing(const whet_plan *a, const whet_packed *x, const whet_plan *b,
                            const whet_packed *y) {
    if (x->value != y->value || x->bytes != y->bytes || x->input != y->input) return false;
    if (x->step < 0 || y->step < 0) return x->step == y->step;
    const whet_pstep *s = &a->steps[x->step], *t = &b->steps[y->step];
    if (s->kernel != t->kernel || memcmp(s->params, t->params, sizeof s->params) ||
        s->attrs != t->attrs || s->op != t->op || s->n_in != t->n_in || s->n_out != t->n_out ||
        s->backend != t->backend)
        return false;
    for (int32_t i = 0; i < s->n_in; i++)
        if (!same_layout(a, s->in[i], b, t->in[i])) return false;
    for (int32_t i = 0; i < s->n_out; i++)
        if ((s->out[i] < 0) != (t->out[i] < 0) ||
            (s->out[i] >= 0 &&
             !whet_ptensor_alike(&a->tensors[s->out[i]], &b->tensors[t->out[i]])))
            return false;
    return true;
}

static const void *find_shared(const whet_plan *p, const whet_packed *k, whet_plan *const *others,
                               int32_t n) {
    for (int32_t i = 0; i < n; i++)
        for (int32_t j = 0; j < others[i]->n_packed; j++)
            if (others[i] != p &&
                whet_plan_same_packing(p, k, others[i], &others[i]->packed[j]))
                return others[i]->packed[j].data;
    return NULL;
}

// A constant that several steps pack alike, as layers with the same weights do, is kept once.
static void share_packed(whet_plan *p, int32_t i) {
    whet_packed *k = &p->packed[i];
    for (int32_t j = 0; j < i; j++) {
        const whet_packed *other = &p->packed[j];
        if (other->value != k->value || other->bytes != k->bytes || other->data == k->data ||
            memcmp(other->data, k->data, k->bytes))
            continue;
        k->data = other->data;
        return;
    }
}

// Sets data of what needs no packing here; the rest gets offsets in a block of *total bytes.
static whet_status lay_out(whet_plan *p, const whet_pgraph *g, whet_plan *const *others, int32_t n,
                           size_t *total, whet_error *err) {
    *total = 0;
    for (int32_t i = 0; i < p->n_packed; i++) {
        whet_packed *k = &p->packed[i];
        k->data = borrowed(k, g) ? g->values[k->value].data : find_shared(p, k, others, n);
        if (k->data) continue;
        k->offset = *total;
        size_t bytes = (k->bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        if (bytes < k->bytes || __builtin_add_overflow(*total, bytes, total))
            WHET_FAIL(err, WHET_E_LIMIT, "packed weights are too large");
    }
    return WHET_OK;
}

static whet_status pack_tree(whet_plan *p, const whet_pgraph *g, whet_env *env,
                             const whet_vshape *inputs, whet_plan *const *others, int32_t n_others,
                             whet_error *err);

static whet_status pack_blocks(whet_plan *p, const whet_pgraph *g, whet_env *env,
                               const whet_vshape *shapes, whet_plan *const *others,
                               int32_t n_others, whet_arena *arena, whet_error *err) {
    whet_plan **same = WHET_NEW_ARRAY(arena, whet_plan *, n_others);
    if (!same) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_blocks; i++) {
        whet_vshape *inputs;
        if (whet_plan_block_inputs(g, i, shapes, arena, &inputs)) return WHET_NOMEM(err);
        for (int32_t k = 0; k < n_others; k++) same[k] = others[k]->blocks[i];
        WHET_TRY(pack_tree(p->blocks[i], g->blocks[i], env, inputs, same, n_others, err));
    }
    return WHET_OK;
}

static whet_status pack_tree(whet_plan *p, const whet_pgraph *g, whet_env *env,
                             const whet_vshape *inputs, whet_plan *const *others, int32_t n_others,
                             whet_error *err) {
    size_t total;
    WHET_TRY(check_held(p, g, err));
    WHET_TRY(lay_out(p, g, others, n_others, &total, err));
    if (posix_memalign(&p->owned, ALIGN, total ? total : ALIGN)) {
        p->owned = NULL;
        return WHET_NOMEM(err);
    }
    whet_arena arena;
    whet_arena_init(&arena);
    whet_vshape *shapes = WHET_NEW_ARRAY(&arena, whet_vshape, g->n_values);
    bool good = shapes && whet_plan_shapes(g, p->box, inputs, &arena, shapes) == WHET_OK;
    whet_status status = good ? WHET_OK : WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_packed && status == WHET_OK; i++) {
        whet_packed *k = &p->packed[i];
        if (k->data) continue;
        size_t padded = (k->bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        k->data = (char *)p->owned + k->offset;
        memset((char *)k->data + k->bytes, 0, padded - k->bytes); // files are the same every time
        status = pack_one(p, g, env, k, shapes, &arena, err);
        if (status == WHET_OK) share_packed(p, i);
    }
    if (status == WHET_OK)
        status = pack_blocks(p, g, env, shapes, others, n_others, &arena, err);
    whet_arena_fini(&arena);
    return status;
}

whet_status whet_plan_pack(whet_plan *p, const whet_pgraph *g, whet_env *env,
                           whet_plan *const *others, int32_t n_others, whet_error *err) {
    return pack_tree(p, g, env, NULL, others, n_others, err);
}

// Of each constant once, however often it is packed.
static double plain_bytes(const whet_plan *p, const whet_pgraph *g, int32_t i) {
    for (int32_t k = 0; k < i; k++)
        if (p->packed[k].value == p->packed[i].value) return 0;
    return (double)whet_pvalue_tensor(&g->values[p->packed[i].value]).bytes;
}

void whet_plan_packed_bytes(const whet_plan *p, const whet_pgraph *g, double *packed,
                            double *plain) {
    *packed = *plain = 0;
    for (int32_t i = 0; i < p->n_packed; i++) {
        *packed += (double)p->packed[i].bytes;
        *plain += plain_bytes(p, g, i);
    }
    for (int32_t i = 0; i < p->n_blocks; i++) {
        double more, less;
        whet_plan_packed_bytes(p->blocks[i], g->blocks[i], &more, &less);
        *packed += more;
        *plain += less;
    }
}

void whet_plan_unpack(whet_plan *p) {
    free(p->owned);
    p->owned = NULL;
    for (int32_t i = 0; i < p->n_blocks; i++) whet_plan_unpack(p->blocks[i]);
}

// ---- where packed bytes lie in a file ----

typedef struct {
    const void **data;
    size_t *at; // [n] offset of data[i]
    int32_t cap; // of the table by address, a power of two
    bool with_sources;
    whet_piece *pieces;
    size_t n_pieces, end;
} placed;

static size_t *find_placed(placed *p, const void *data) {
    uint64_t h = (uint64_t)(uintptr_t)data * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    for (;; h++) {
        int32_t i = (int32_t)(h & (uint64_t)(p->cap - 1));
        if (p->data[i] && p->data[i] != data) continue;
        if (!p->data[i]) p->at[i] = SIZE_MAX;
        p->data[i] = data;
        return &p->at[i];
    }
}

static size_t count_packed(const whet_plan *p) {
    size_t n = (size_t)p->n_packed;
    for (int32_t i = 0; i < p->n_blocks; i++) n += count_packed(p->blocks[i]);
    return n;
}

static void place_packed(placed *t, const whet_plan *p, const whet_pgraph *g) {
    for (int32_t i = 0; i < p->n_packed; i++) {
        whet_packed *k = &p->packed[i];
        k->offset = WHET_PACKED_SOURCE;
        if (t->with_sources && k->bytes >= WORTH_SHARING && borrowed(k, g)) continue;
        size_t *offset = find_placed(t, k->data);
        if (*offset == SIZE_MAX) {
            *offset = t->end;
            t->end += (k->bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
            t->pieces[t->n_pieces++] = (whet_piece){k->data, k->bytes};
        }
        k->offset = *offset;
    }
    for (int32_t i = 0; i < p->n_blocks; i++) place_packed(t, p->blocks[i], g->blocks[i]);
}

whet_status whet_plan_place_packed(whet_plan *const *plans, int32_t n, const whet_pgraph *g,
                                   bool with_sources, whet_arena *arena, whet_piece **pieces,
                                   size_t *n_pieces) {
    size_t count = 0;
    for (int32_t i = 0; i < n; i++) count += count_packed(plans[i]);
    placed table = {.cap = 16, .with_sources = with_sources};
    while ((size_t)table.cap < count * 2) table.cap *= 2;
    table.data = WHET_NEW_ARRAY(arena, const void *, table.cap);
    table.at = WHET_NEW_ARRAY(arena, size_t, table.cap);
    table.pieces = WHET_NEW_ARRAY(arena, whet_piece, count);
    if (!table.data || !table.at || !table.pieces) return WHET_E_NOMEM;
    for (int32_t i = 0; i < n; i++) place_packed(&table, plans[i], g);
    *pieces = table.pieces;
    *n_pieces = table.n_pieces;
    return WHET_OK;
}

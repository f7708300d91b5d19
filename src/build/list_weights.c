// SPDX-License-Identifier: Apache-2.0
// Which constants of the model a refit may change: those that the portable graph still has, unless
// a pass or a shape function made the graph what it is because of their contents.
#include <stdlib.h>
#include <string.h>

#include "base/crc_fork.h"
#include "build/builder_impl.h"
#include "engine/model_weights.h"
#include "ops/attrs.h"

// ---- before the passes: what the model has ----

static int compare_names(const void *a, const void *b) {
    return strcmp((*(whet_value *const *)a)->name, (*(whet_value *const *)b)->name);
}

static whet_weight_rows rows_of(const whet_node *n, const whet_value *v) {
    const whet_matmul_attrs *m = n->attrs;
    const whet_gemm_attrs *p = n->attrs;
    if (n->n_in < 2 || n->in[1] != v || v->data->rank != 2) return WHET_ROWS_UNKNOWN;
    if (n->op == &whet_op_matmul) return m->trans_b ? WHET_ROWS_OUT : WHET_ROWS_IN;
    if (n->op == &whet_op_gemm) return p->trans_b ? WHET_ROWS_OUT : WHET_ROWS_IN;
    return WHET_ROWS_UNKNOWN;
}

static int32_t find_listed(const whet_build *x, const whet_value *v) {
    const whet_value **at = bsearch(&v, x->listed, (size_t)x->n_listed, sizeof *x->listed,
                                    compare_names);
    return at && *at == v ? (int32_t)(at - x->listed) : -1;
}

// A product reads it, or its transposition.
static void list_rows(whet_build *x, const whet_graph *g) {
    WHET_FOR_NODES(g, n) {
        for (int32_t i = 0; i < n->n_subgraphs; i++) list_rows(x, n->subgraphs[i]);
        const whet_value *v = n->n_in > 1 ? n->in[1] : NULL;
        if (!v || n->n_in < 2) continue;
        bool turned = v->producer && v->producer->op == &whet_op_transpose;
        const whet_value *w = turned ? v->producer->in[0] : v;
        if (!w->data || w->data->rank != 2 || w->producer) continue;
        whet_weight_rows rows = WHET_ROWS_UNKNOWN;
        if (!turned) rows = rows_of(n, w);
        else if (n->op == &whet_op_matmul && !((const whet_matmul_attrs *)n->attrs)->trans_b)
            rows = WHET_ROWS_OUT;
        int32_t at = rows ? find_listed(x, w) : -1;
        if (at >= 0) x->listed_rows[at] = (uint8_t)rows;
    }
}

whet_status whet_list_weights(whet_build *x, const whet_graph *g) {
    x->listed = WHET_NEW_ARRAY(&x->arena, const whet_value *, g->n_values + 1);
    x->listed_rows = WHET_NEW_ARRAY(&x->arena, uint8_t, g->n_values + 1);
    if (!x->listed || !x->listed_rows) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_value *v = g->values[i];
        bool model = v->data && !v->producer && !v->literal && *v->name && v->n_uses;
        if (model && v->data->dtype != WHET_DTYPE_STRING) x->listed[x->n_listed++] = v;
    }
    qsort(x->listed, (size_t)x->n_listed, sizeof *x->listed, compare_names);
    list_rows(x, g);
    return WHET_OK;
}

// ---- behind them: what of it may change ----

static void decide_small(const whet_value *v) {
    if (v && v->data && !whet_dtype_is_float(v->data->dtype) && whet_tensor_count(v->data) == 1)
        whet_value_decide(v);
}

// What shape functions read, what counts and ends loops, what plugins look at when they are loaded.
void whet_list_decide(const whet_graph *g) {
    WHET_FOR_NODES(g, n) {
        const whet_op *op = n->op;
        bool looks = op->ext && op->ext->attach;
        for (int32_t i = 0; i < n->n_in; i++) {
            const whet_arg *arg = op->n_in ? &op->in[i < op->n_in ? i : op->n_in - 1] : NULL;
            if (looks || (arg && arg->flags & (WHET_ARG_SHAPE | WHET_ARG_VALUE)))
                whet_value_decide(n->in[i]);
            if (n->n_subgraphs) decide_small(n->in[i]);
        }
        for (int32_t i = 0; i < n->n_subgraphs; i++) {
            const whet_graph *block = n->subgraphs[i];
            for (int32_t k = 0; k < block->n_outputs; k++) decide_small(block->outputs[k]);
            whet_list_decide(block);
        }
    }
}

typedef struct {
    const char **v;
    int32_t n, cap;
} name_list;

static bool push_sources(whet_arena *arena, const whet_pgraph *g, name_list *l) {
    for (int32_t i = 0; i < g->n_values; i++)
        if (g->values[i].kind == WHET_PVALUE_SOURCE &&
            !WHET_ARENA_PUSH(arena, l->v, l->n, l->cap, g->values[i].name))
            return false;
    for (int32_t i = 0; i < g->n_blocks; i++)
        if (!push_sources(arena, g->blocks[i], l)) return false;
    return true;
}

static int compare_texts(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

whet_status whet_list_encode(whet_build *x, whet_writer *out) {
    name_list l = {0};
    whet_model_weights w = {0};
    bool rounds = whet_config_int8(x->c) || whet_config_int4(x->c);
    w.v = WHET_NEW_ARRAY(&x->arena, whet_model_weight, x->n_listed + 1);
    if (!w.v || !push_sources(&x->arena, x->graph, &l)) return WHET_NOMEM(x->err);
    if (l.n) qsort(l.v, (size_t)l.n, sizeof *l.v, compare_texts);
    for (int32_t i = 0; i < x->n_listed; i++) {
        const whet_value *v = x->listed[i];
        const whet_tensor *t = v->data;
        if (w.n && !strcmp(w.v[w.n - 1].name, v->name)) continue; // none can be told apart
        bool there = l.n && bsearch(&v->name, l.v, (size_t)l.n, sizeof *l.v, compare_texts);
        whet_model_weight *m = &w.v[w.n++];
        *m = (whet_model_weight){.name = v->name, .rows = x->listed_rows[i], .dtype = t->dtype,
                                 .rank = t->rank};
        m->state = there && !v->decided ? WHET_WEIGHT_FREE : WHET_WEIGHT_DECIDED;
        if (m->state && rounds && whet_dtype_is_float(t->dtype) && whet_tensor_count(t) > 1)
            m->state = WHET_WEIGHT_ROUNDED;
        memcpy(m->dims, t->dims, sizeof m->dims);
        m->sum = whet_crc32c_fork(x->env->workers, t->data, t->bytes);
    }
    whet_model_weights_encode(&w, out);
    return out->failed ? WHET_NOMEM(x->err) : WHET_OK;
}

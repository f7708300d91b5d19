// SPDX-License-Identifier: Apache-2.0
// Contexts of blocks: made when a block is first entered, part of the context whose graph has it.
#include <stdlib.h>
#include <string.h>

#include "run/control.h"

static whet_status alloc_block(whet_block_run *b, const whet_pgraph *g, const whet_pnode *n) {
    size_t n_in = (size_t)g->n_inputs + 1, n_out = (size_t)g->n_outputs + 1;
    b->in = calloc(n_in, sizeof *b->in);
    b->slices = calloc(n_in, sizeof *b->slices);
    b->out = calloc(n_out, sizeof *b->out);
    b->spare = calloc(n_out, sizeof *b->spare);
    b->collected = calloc(n_out, sizeof *b->collected);
    b->each = calloc(n_out, sizeof *b->each);
    b->node_in = calloc((size_t)n->n_in + 1, sizeof *b->node_in);
    bool good = b->in && b->slices && b->out && b->spare && b->collected && b->each && b->node_in;
    return good ? WHET_OK : WHET_E_NOMEM;
}

void whet_block_run_free(whet_context *c) {
    whet_block_run *b = c->block;
    if (!b) return;
    for (int32_t i = 0; b->slices && i < c->graph->n_inputs; i++) free(b->slices[i].data);
    for (int32_t i = 0; b->spare && i < c->graph->n_outputs; i++) free(b->spare[i].data);
    for (int32_t i = 0; b->collected && i < c->graph->n_outputs; i++) free(b->collected[i].data);
    void *arrays[] = {b->in, b->slices, b->out, b->spare, b->collected, b->each, b->node_in, b};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
}

whet_status whet_block_context(whet_context *c, const whet_pnode *n, int32_t block,
                               whet_context **out) {
    int32_t k = n->first_block + block;
    if (!c->blocks) c->blocks = calloc((size_t)c->graph->n_blocks, sizeof *c->blocks);
    if (!c->blocks) return WHET_NOMEM(&c->handle.error);
    whet_context *b = c->blocks[k];
    if (!b) {
        WHET_TRY(whet_context_create_block(c, k, &b));
        b->block = calloc(1, sizeof *b->block);
        if (!b->block || alloc_block(b->block, b->graph, n)) {
            whet_context_destroy(b);
            return WHET_NOMEM(&c->handle.error);
        }
        c->blocks[k] = b;
    }
    b->lane = &b->lanes[c->lane - c->lanes];
    b->threads = c->threads;
    b->stream = c->stream;
    b->n_streams = c->n_streams;
    b->profile = c->profile;
    b->profile_user = c->profile_user;
    b->tap = c->tap;
    b->tap_user = c->tap_user;
    b->watch = c->watch;
    b->watch_user = c->watch_user;
    *out = b;
    return WHET_OK;
}

// Inputs are what the block was made for; else kernels and layouts would not fit.
static whet_status check_inputs(whet_context *b) {
    const whet_pgraph *g = b->graph;
    for (int32_t i = 0; i < g->n_inputs; i++) {
        const whet_pvalue *v = &g->values[g->inputs[i]];
        const whet_tensor *t = &b->block->in[i];
        bool same = t->dtype == v->type.dtype && (v->type.rank < 0 || t->rank == v->type.rank);
        for (int32_t d = 0; same && d < v->type.rank; d++)
            same = !whet_dim_is_const(v->type.dims[d]) || v->type.dims[d] == t->dims[d];
        if (!same)
            WHET_FAIL(&b->handle.error, WHET_E_SHAPE,
                      "\"%s\" enters with another type than the block was made for", v->name);
    }
    return WHET_OK;
}

whet_status whet_block_run_once(whet_context *c, whet_context *b) {
    b->inputs = b->block->in;
    b->run_outputs = b->block->out;
    whet_status status = check_inputs(b);
    if (status == WHET_OK) status = whet_context_run_graph(b);
    if (status != WHET_OK) whet_error_set(&c->handle.error, status, "%s", b->handle.error.text);
    return status;
}

// ---- shapes of what was never computed ----

void whet_block_shape(whet_context *b, int32_t output, whet_tensor *t) {
    const whet_pgraph *g = b->graph;
    const whet_pvalue *v = &g->values[g->outputs[output]];
    b->inputs = b->block->in;
    bool known = check_inputs(b) == WHET_OK && whet_context_start(b) == WHET_OK &&
                 (v->node < 0 || (v->node < b->lane->plan->segments[0].end_node &&
                                  !(g->nodes[v->node].op->flags & WHET_OP_DYNAMIC_OUT)));
    const whet_vshape *s = known ? &b->frame->shapes[g->outputs[output]] : NULL;
    known = s && s->rank >= 0;
    *t = (whet_tensor){.dtype = v->type.dtype, .rank = known ? s->rank : v->type.rank};
    if (t->rank < 0) t->rank = 0;
    for (int32_t d = 0; d < t->rank; d++) {
        bool number = whet_dim_is_const(v->type.dims[d]);
        t->dims[d] = known ? s->dims[d] : number ? v->type.dims[d] : 0;
    }
    whet_error_clear(&b->handle.error);
}

// ---- profile ----

void whet_block_report(whet_context *b) {
    whet_lane *l = b->lane;
    for (int32_t i = 0; i < l->plan->n_steps; i++) {
        if (l->ran[i])
            b->profile(b->profile_user, l->plan->steps[i].name, l->ran[i]->name, l->sums[i]);
        l->ran[i] = NULL;
        l->sums[i] = 0;
        whet_block_report_step(b, &l->plan->steps[i]);
    }
}

void whet_block_report_step(whet_context *c, const whet_pstep *s) {
    if (!s->op || !s->op->n_blocks || !c->blocks) return;
    const whet_pnode *n = &c->graph->nodes[s->nodes[0]];
    for (int32_t i = 0; i < n->n_blocks; i++)
        if (c->blocks[n->first_block + i]) whet_block_report(c->blocks[n->first_block + i]);
}

double whet_block_seconds(const whet_context *c, const whet_pnode *n) {
    double sum = 0;
    for (int32_t i = 0; c->blocks && i < n->n_blocks; i++) {
        const whet_context *b = c->blocks[n->first_block + i];
        for (int32_t k = 0; b && k < b->lane->plan->n_steps; k++) {
            const whet_pstep *s = &b->lane->plan->steps[k];
            sum += b->lane->sums[k];
            if (s->op && s->op->n_blocks)
                sum += whet_block_seconds(b, &b->graph->nodes[s->nodes[0]]);
        }
    }
    return sum;
}

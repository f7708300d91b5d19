// SPDX-License-Identifier: Apache-2.0
// SequenceMap: applied to each element where the sequences are known when the model is read, else a
// loop over their elements that appends to sequences.
#include <string.h>

#include "onnx/importer.h"
#include "ops/flow.h"

enum { MAX_UNROLLED = 1024 };

// ---- sequences that are known ----

static bool is_sequence(const whet_import_node *n, int32_t i) {
    const whet_import_list *list = whet_import_in_list(n, i);
    const whet_value *v = whet_import_in(n, i);
    return list ? list->kind == WHET_DTYPE_SEQUENCE : v && v->type.dtype == WHET_DTYPE_SEQUENCE;
}

// The number of elements that all sequences have; -1: not known now.
static int32_t known_length(const whet_import_node *n) {
    int32_t length = -1;
    for (int32_t i = 0; i < n->n_in; i++) {
        if (!is_sequence(n, i)) continue;
        const whet_import_list *list = whet_import_in_list(n, i);
        if (!list || list->inner || (length >= 0 && list->n < length)) return -1;
        if (length < 0) length = list->n;
    }
    return length <= MAX_UNROLLED ? length : -1;
}

static void unroll(whet_import_node *n, whet_span body, int32_t length) {
    whet_arena *arena = n->imp->arena;
    int32_t n_out = n->onnx->n_out;
    whet_value **in = WHET_NEW_ARRAY(arena, whet_value *, n->n_in);
    whet_value **out = WHET_NEW_ARRAY(arena, whet_value *, n_out);
    whet_value **all = WHET_NEW_ARRAY(arena, whet_value *, n_out * length);
    if (!in || !out || !all) {
        n->failed = true;
        whet_import_nomem(n->imp);
    }
    for (int32_t at = 0; at < length && !n->failed; at++) {
        for (int32_t i = 0; i < n->n_in; i++)
            in[i] = is_sequence(n, i) ? whet_import_in_list(n, i)->v[at] : whet_import_in(n, i);
        whet_import_apply_many(n, body, in, n->n_in, out, n_out);
        for (int32_t i = 0; i < n_out && !n->failed; i++) all[i * length + at] = out[i];
    }
    for (int32_t i = 0; i < n_out && !n->failed; i++)
        whet_import_result_list(n, i, all + i * length, length, WHET_DTYPE_SEQUENCE,
                                (whet_elem)all[i * length]->type.dtype);
}

// ---- a loop ----

typedef struct {
    whet_import_block block;
    whet_import_captures captures;
    whet_value **in;   // of the node, as values
    whet_value **made; // [results] sequences as they enter an iteration
    int32_t n_made;
} map;

static bool enter(whet_import_node *n, whet_import_block *b, whet_scope *scope) {
    map *m = b->user;
    const whet_onnx_graph *g = scope->graph;
    const whet_type number = {.dtype = WHET_DTYPE_I64}, cond = {.dtype = WHET_DTYPE_BOOL};
    const whet_type sequence = {.dtype = WHET_DTYPE_SEQUENCE};
    if (g->n_inputs != n->n_in) {
        whet_import_fail(n, WHET_E_MODEL, "its body has %d inputs instead of %d", g->n_inputs,
                         n->n_in);
        return false;
    }
    whet_value *at = whet_import_block_input(n->imp, b, "number", &number);
    if (!at || !whet_import_block_input(n->imp, b, "go", &cond)) return false;
    for (int32_t i = 0; i < m->n_made; i++) {
        m->made[i] = whet_import_block_input(n->imp, b, "made", &sequence);
        if (!m->made[i]) return false;
    }
    for (int32_t i = 0; i < n->n_in && !n->failed; i++) {
        whet_value *v = whet_import_captured(n->imp, m->in[i]);
        n->n_emitted++;
        if (v && is_sequence(n, i))
            v = whet_import_emit(n, "sequence_at", NULL, WHET_VALUES(v, at));
        if (v) whet_scope_define(n->imp, scope, g->inputs[i].name, v, NULL);
    }
    return !n->failed && !n->imp->stopped;
}

static bool leave(whet_import_node *n, whet_import_block *b, const whet_scope *scope) {
    map *m = b->user;
    const whet_onnx_graph *g = scope->graph;
    if (!whet_graph_add_output(b->graph, b->graph->inputs[1], "go"))
        return whet_import_nomem(n->imp);
    for (int32_t i = 0; i < m->n_made; i++) {
        whet_value *v = whet_import_block_result(n, b, scope, i);
        if (!v) return false;
        m->made[i]->type.elem = (whet_elem)v->type.dtype;
        n->n_emitted++;
        v = whet_import_emit(n, "sequence_insert", NULL, WHET_VALUES(m->made[i], v));
        if (!v) return false;
        if (!whet_graph_add_output(b->graph, v, g->outputs[i].name))
            return whet_import_nomem(n->imp);
    }
    return true;
}

static void loop(whet_import_node *n, map *m) {
    whet_onnx_graph *g = WHET_NEW(n->imp->arena, whet_onnx_graph);
    whet_value **own = WHET_NEW_ARRAY(n->imp->arena, whet_value *, m->n_made + 2);
    if (!g || !own) {
        n->failed = true;
        whet_import_nomem(n->imp);
        return;
    }
    n->n_emitted++; // its name is the loop's
    own[0] = whet_import_emit(n, "sequence_length", NULL, WHET_VALUES(m->in[0]));
    if (n->failed || !whet_import_block_parse(n, "body", g) ||
        !whet_import_block_read(n, g, "body", NULL, 0, &m->block)) {
        n->failed = true;
        return;
    }
    for (int32_t i = 0; i < m->n_made; i++)
        own[i + 2] = whet_import_emit(
            n, "sequence_empty",
            WHET_SETS({"dtype", .number = whet_elem_dtype(m->made[i]->type.elem)}), NULL, 0);
    n->op = whet_op_find(n->imp->options->ops, "loop");
    if (n->failed || !n->op) return;
    const whet_flow_attrs attrs = {.carried = m->n_made};
    whet_import_flow_node(n, &attrs, own, m->n_made + 2, &m->captures,
                          (whet_import_block *[]){&m->block}, 1);
}

void whet_import_sequence_map(whet_import_node *n) {
    const whet_onnx_attr *body = whet_import_attr_of(n, "body", WHET_ONNX_GRAPH);
    map m = {.n_made = n->onnx->n_out};
    m.block = (whet_import_block){.captures = &m.captures, .user = &m, .enter = enter,
                                  .leave = leave};
    if (!body || !body->g.data)
        whet_import_fail(n, WHET_E_MODEL, "the required attribute 'body' is missing");
    for (int32_t i = 0; i < n->n_in; i++)
        if (!n->in[i] && !n->in_lists[i])
            whet_import_fail(n, WHET_E_MODEL, "its input %d is missing", i);
    if (n->n_in < 1 || !is_sequence(n, 0))
        whet_import_fail(n, WHET_E_MODEL, "its first input must be a sequence");
    int32_t length = n->failed ? -1 : known_length(n);
    if (n->failed) return;
    if (length > 0) {
        unroll(n, body->g, length);
        return;
    }
    m.in = WHET_NEW_ARRAY(n->imp->arena, whet_value *, n->n_in);
    m.made = WHET_NEW_ARRAY(n->imp->arena, whet_value *, m.n_made);
    if (!m.in || !m.made) {
        n->failed = true;
        whet_import_nomem(n->imp);
        return;
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        n->n_emitted++;
        m.in[i] = whet_import_object(n, i);
    }
    if (!n->failed) loop(n, &m);
}

// SPDX-License-Identifier: Apache-2.0
#include "engine/pgraph.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

whet_pgraph *whet_pgraph_create(void) {
    whet_pgraph *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    whet_arena_init(&g->arena);
    g->dims = whet_dims_create();
    g->name = "";
    if (g->dims) return g;
    free(g);
    return NULL;
}

whet_pgraph *whet_pgraph_block(whet_pgraph *parent) {
    whet_pgraph *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    whet_arena_init(&g->arena);
    g->dims = parent->dims;
    g->name = "";
    g->parent = parent;
    g->depth = parent->depth + 1;
    if (WHET_ARENA_PUSH(&parent->arena, parent->blocks, parent->n_blocks, parent->cap_blocks, g))
        return g;
    free(g);
    return NULL;
}

static void detach(whet_pgraph *g) {
    for (int32_t i = 0; i < g->n_nodes; i++) {
        whet_pnode *n = &g->nodes[i];
        if (n->op && n->attrs && n->op->ext && n->op->ext->detach)
            n->op->ext->detach(n->op, n->attrs);
    }
}

void whet_pgraph_destroy(whet_pgraph *g) {
    if (!g) return;
    detach(g);
    for (int32_t i = 0; i < g->n_blocks; i++) whet_pgraph_destroy(g->blocks[i]);
    if (!g->parent) whet_dims_destroy(g->dims);
    whet_arena_fini(&g->arena);
    free(g);
}

whet_tensor whet_pvalue_tensor(const whet_pvalue *v) {
    whet_tensor t = {.dtype = v->type.dtype, .rank = v->type.rank, .data = (void *)v->data};
    memcpy(t.dims, v->type.dims, sizeof t.dims);
    t.bytes = whet_tensor_bytes(t.dtype, whet_dims_count(t.dims, t.rank));
    return t;
}

bool whet_pvalue_inline(const whet_pvalue *v) {
    return v->type.dtype == WHET_DTYPE_STRING ||
           whet_pvalue_tensor(v).bytes <= WHET_INLINE_CONST_BYTES;
}

bool whet_pvalue_is_source(const whet_pgraph *g, const whet_pvalue *v) {
    for (; v->kind == WHET_PVALUE_OUTER; g = g->parent) v = &g->parent->values[v->outer];
    return v->kind == WHET_PVALUE_SOURCE;
}

void whet_pgraph_link(whet_pgraph *g) {
    for (int32_t i = 0; g->parent && i < g->n_values; i++) {
        whet_pvalue *v = &g->values[i];
        if (v->kind == WHET_PVALUE_OUTER && !v->data) v->data = g->parent->values[v->outer].data;
    }
    for (int32_t i = 0; i < g->n_blocks; i++) whet_pgraph_link(g->blocks[i]);
}

typedef struct {
    const whet_type **in;
    const whet_tensor **data;
    whet_tensor *tensors;
    whet_type *out;
    int32_t cap_in, cap_out;
} infer_scratch;

static bool scratch_for(whet_arena *arena, infer_scratch *s, const whet_pnode *n) {
    if (n->n_in > s->cap_in) {
        s->cap_in = n->n_in * 2;
        s->in = WHET_NEW_ARRAY(arena, const whet_type *, s->cap_in);
        s->data = WHET_NEW_ARRAY(arena, const whet_tensor *, s->cap_in);
        s->tensors = WHET_NEW_ARRAY(arena, whet_tensor, s->cap_in);
    }
    if (n->n_out > s->cap_out) {
        s->cap_out = n->n_out * 2;
        s->out = WHET_NEW_ARRAY(arena, whet_type, s->cap_out);
    }
    return (s->in && s->data && s->tensors) || n->n_in == 0 ? s->out || n->n_out == 0 : false;
}

// ---- contents that a shape function used only in part ----

typedef struct {
    const whet_pgraph *g;
    const whet_pnode *n;
    const char *name; // looked for, NULL: any unknown one
    bool found;
} name_search;

static void compare_name(void *user, const char *name) {
    name_search *s = user;
    if (!strcmp(name, s->name)) s->found = true;
}

static bool in_input_dims(const whet_pgraph *g, const whet_pnode *n, const char *name) {
    name_search s = {g, n, name, false};
    for (int32_t i = 0; i < n->n_in && !s.found; i++) {
        if (n->in[i] < 0) continue;
        const whet_type *t = &g->values[n->in[i]].type;
        for (int32_t d = 0; d < t->rank; d++)
            if (!whet_dim_is_const(t->dims[d]))
                whet_dim_names(g->dims, t->dims[d], compare_name, &s);
    }
    return s.found;
}

static void find_unknown(void *user, const char *name) {
    name_search *s = user;
    if (name[0] == '?' && !in_input_dims(s->g, s->n, name)) s->found = true;
}

// A shape tensor of which some elements are known has contents as far as its readers are
// concerned. When
// an unknown element got into a shape, the reader needs the numbers at run time all the same.
static void note_unknown_contents(const whet_pgraph *g, whet_pnode *n, const whet_type *out) {
    name_search s = {g, n, NULL, false};
    if (n->op->flags & WHET_OP_DYNAMIC_OUT) return;
    for (int32_t i = 0; i < n->n_out; i++)
        for (int32_t d = 0; d < out[i].rank; d++)
            if (!whet_dim_is_const(out[i].dims[d]))
                whet_dim_names(g->dims, out[i].dims[d], find_unknown, &s);
    for (int32_t i = 0; i < n->n_in && i < 64 && s.found; i++) {
        const whet_pvalue *v = n->in[i] < 0 ? NULL : &g->values[n->in[i]];
        if (v && !v->data && whet_dtype_is_int(v->type.dtype) && v->type.rank <= 1)
            n->needs_value |= UINT64_C(1) << i;
    }
}

// ---- blocks ----

static whet_status block_types(whet_pgraph *block, whet_block_types *types) {
    whet_arena *arena = &block->arena;
    const whet_type **in = WHET_NEW_ARRAY(arena, const whet_type *, block->n_inputs);
    const whet_type **out = WHET_NEW_ARRAY(arena, const whet_type *, block->n_outputs);
    const whet_tensor **data = WHET_NEW_ARRAY(arena, const whet_tensor *, block->n_outputs);
    if (!in || !out || !data) return WHET_E_NOMEM;
    for (int32_t i = 0; i < block->n_inputs; i++) in[i] = &block->values[block->inputs[i]].type;
    for (int32_t i = 0; i < block->n_outputs; i++) {
        const whet_pvalue *v = &block->values[block->outputs[i]];
        out[i] = &v->type;
        if (!v->data) continue;
        whet_tensor *t = WHET_NEW(arena, whet_tensor);
        if (!t) return WHET_E_NOMEM;
        *t = whet_pvalue_tensor(v);
        data[i] = t;
    }
    *types = (whet_block_types){block->n_inputs, block->n_outputs, in, out, data};
    return WHET_OK;
}

static whet_status infer_blocks(whet_pgraph *g, const whet_pnode *n, const whet_block_types **out,
                                whet_error *err) {
    whet_block_types *types = WHET_NEW_ARRAY(&g->arena, whet_block_types, n->n_blocks);
    if (!types) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_blocks; i++) {
        whet_pgraph *block = g->blocks[n->first_block + i];
        WHET_TRY(whet_pgraph_infer(block, err));
        if (block_types(block, &types[i])) return WHET_NOMEM(err);
    }
    *out = types;
    return WHET_OK;
}

static bool fill_scratch(whet_pgraph *g, const whet_pnode *n, infer_scratch *s) {
    if (!scratch_for(&g->arena, s, n)) return false;
    for (int32_t i = 0; i < n->n_in; i++) {
        const whet_pvalue *v = n->in[i] < 0 ? NULL : &g->values[n->in[i]];
        s->in[i] = v ? &v->type : NULL;
        s->data[i] = NULL;
        if (!v || !v->data) continue;
        s->tensors[i] = whet_pvalue_tensor(v);
        s->data[i] = &s->tensors[i];
    }
    return true;
}

static whet_status infer_node(whet_pgraph *g, whet_pnode *n, infer_scratch *s, whet_error *err) {
    const whet_block_types *blocks = NULL;
    if (n->n_blocks) WHET_TRY(infer_blocks(g, n, &blocks, err));
    if (!fill_scratch(g, n, s)) return WHET_NOMEM(err);
    whet_infer ctx = {.op = n->op, .attrs = n->attrs, .node = n->name, .dims = g->dims,
                      .n_in = n->n_in, .n_out = n->n_out, .in = s->in, .data = s->data,
                      .out = s->out, .blocks = blocks, .n_blocks = n->n_blocks,
                      .arena = &g->arena, .err = err};
    WHET_TRY(whet_op_infer(&ctx));
    n->needs_value = ctx.needs_value;
    if (!n->recipe) note_unknown_contents(g, n, s->out);
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        whet_pvalue *v = &g->values[n->out[i]];
        if (v->kind == WHET_PVALUE_NODE) v->type = s->out[i];
    }
    return WHET_OK;
}

whet_status whet_pgraph_infer(whet_pgraph *g, whet_error *err) {
    infer_scratch s = {0};
    for (int32_t i = 0; i < g->n_nodes; i++)
        if (!g->nodes[i].recipe) WHET_TRY(infer_node(g, &g->nodes[i], &s, err));
    for (int32_t i = 0; i < g->n_nodes; i++)
        for (int32_t k = 0; k < g->nodes[i].n_in && k < 64; k++)
            if ((g->nodes[i].needs_value >> k & 1) && g->nodes[i].in[k] >= 0)
                g->values[g->nodes[i].in[k]].host_value = true;
    return WHET_OK;
}

// An output whose shape only the evaluation knows: it must be the one in the file.
static whet_status keep_result(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    const whet_tensor *t = &((const whet_tensor *)e->alloc_user)[i];
    if (t->rank != rank || (rank && memcmp(t->dims, dims, (size_t)rank * sizeof *dims)))
        WHET_FAIL(e->err, WHET_E_MODEL, "%s: output %d does not have the shape in the file",
                  e->node, i);
    e->out[i].data = t->data;
    return WHET_OK;
}

static whet_status replay_node(whet_pgraph *g, const whet_pnode *n, whet_arena *scratch,
                               whet_error *err) {
    bool missing = false;
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0 && !g->values[n->out[i]].data) missing = true;
    if (!missing) return WHET_OK;
    whet_tensor *in = WHET_NEW_ARRAY(scratch, whet_tensor, n->n_in);
    whet_tensor *out = WHET_NEW_ARRAY(scratch, whet_tensor, n->n_out);
    if (!in || !out) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        const whet_pvalue *v = &g->values[n->in[i]];
        if (!v->data)
            WHET_FAIL(err, WHET_E_UNSUPPORTED,
                      "the engine holds no weights of \"%s\", which %s needs to be planned anew",
                      v->name, n->name);
        in[i] = whet_pvalue_tensor(v);
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        out[i] = whet_pvalue_tensor(&g->values[n->out[i]]);
        if (out[i].bytes == SIZE_MAX)
            WHET_FAIL(err, WHET_E_LIMIT, "%s: a derived constant is too large", n->name);
        out[i].data = whet_arena_alloc(&g->arena, out[i].bytes);
        if (!out[i].data) return WHET_NOMEM(err);
    }
    // what operators do to `out` themselves does not count
    whet_tensor *out_of = whet_arena_memdup(scratch, out, (size_t)n->n_out * sizeof *out);
    if (!out_of) return WHET_NOMEM(err);
    whet_eval e = {.op = n->op, .attrs = n->attrs, .node = n->name, .n_in = n->n_in,
                   .n_out = n->n_out, .in = in, .out = out, .scratch = scratch,
                   .objects = &g->arena, .err = err, .alloc = keep_result, .alloc_user = out_of};
    WHET_TRY(whet_op_eval(&e));
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] >= 0) g->values[n->out[i]].data = out[i].data;
    return WHET_OK;
}

// Recipe nodes come from a file, so their declared types are checked against infer first.
static whet_status check_recipe(whet_pgraph *g, whet_pnode *n, infer_scratch *s, whet_error *err) {
    WHET_TRY(infer_node(g, n, s, err));
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        const whet_type *t = &g->values[n->out[i]].type;
        if (t->dtype != s->out[i].dtype || t->rank != s->out[i].rank ||
            memcmp(t->dims, s->out[i].dims, (size_t)t->rank * sizeof t->dims[0]))
            WHET_FAIL(err, WHET_E_MODEL, "%s: the recipe does not give the type of \"%s\"", n->name,
                      g->values[n->out[i]].name);
    }
    return WHET_OK;
}

whet_status whet_pgraph_replay(whet_pgraph *g, whet_error *err) {
    infer_scratch s = {0};
    whet_arena scratch;
    whet_arena_init(&scratch);
    whet_status status = WHET_OK;
    for (int32_t i = 0; i < g->n_nodes && status == WHET_OK; i++) {
        if (!g->nodes[i].recipe) continue;
        status = check_recipe(g, &g->nodes[i], &s, err);
        if (status == WHET_OK) status = replay_node(g, &g->nodes[i], &scratch, err);
        whet_arena_reset(&scratch);
    }
    whet_arena_fini(&scratch);
    if (status != WHET_OK || !g->n_blocks) return status;
    whet_pgraph_link(g);
    for (int32_t i = 0; i < g->n_blocks && status == WHET_OK; i++)
        status = whet_pgraph_replay(g->blocks[i], err);
    return status;
}

// A type that no value has (an absent output) is empty.
static whet_status attach_node(whet_pgraph *g, whet_pnode *n, infer_scratch *s, bool save,
                               whet_error *err) {
    if (!fill_scratch(g, n, s)) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n->n_out; i++) {
        s->out[i] = (whet_type){.rank = -1};
        if (n->out[i] >= 0) s->out[i] = g->values[n->out[i]].type;
    }
    whet_infer node = {.op = n->op, .attrs = n->attrs, .node = n->name, .dims = g->dims,
                       .n_in = n->n_in, .n_out = n->n_out, .in = s->in, .data = s->data,
                       .out = s->out, .arena = &g->arena, .err = err};
    return n->op->ext->attach(&node, n->attrs, save);
}

whet_status whet_pgraph_attach(whet_pgraph *g, bool save, whet_error *err) {
    infer_scratch s = {0};
    for (int32_t i = 0; i < g->n_nodes; i++) {
        whet_pnode *n = &g->nodes[i];
        if (!n->recipe && n->op->ext && n->op->ext->attach)
            WHET_TRY(attach_node(g, n, &s, save, err));
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        WHET_TRY(whet_pgraph_attach(g->blocks[i], save, err));
    return WHET_OK;
}

uint64_t whet_pgraph_hash(const whet_pgraph *g) {
    uint64_t h = whet_hash64_mix((uint64_t)g->n_values, (uint64_t)g->n_nodes);
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_pnode *n = &g->nodes[i];
        if (n->recipe) continue;
        h = whet_hash64_text(n->op->name, h);
        h = whet_op_attr_hash(n->op, n->attrs, h);
        h = whet_hash64(n->in, (size_t)n->n_in * sizeof n->in[0], h);
        h = whet_hash64(n->out, (size_t)n->n_out * sizeof n->out[0], h);
    }
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_type *t = &g->values[i].type;
        if (!whet_pvalue_is_const(&g->values[i])) continue;
        h = whet_hash64_mix(h, (uint64_t)t->dtype << 8 | (uint64_t)t->rank);
        h = whet_hash64(t->dims, (size_t)t->rank * sizeof t->dims[0], h);
        if (g->values[i].kind == WHET_PVALUE_OUTER)
            h = whet_hash64_mix(h, (uint64_t)g->values[i].outer);
    }
    for (int32_t i = 0; i < g->n_blocks; i++)
        h = whet_hash64_mix(h, whet_pgraph_hash(g->blocks[i]));
    return h;
}

// SPDX-License-Identifier: Apache-2.0
// The graph section of an engine file: docs/engine-format.md, section "Graph". Everything read is
// bounded; ids are checked here, types by the shape functions afterwards.
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/texts.h"
#include "engine/pgraph.h"

#define MAX_ITEMS (1u << 24)
#define HAS_BLOCKS 2 // beside 1, a recipe
#define HAS_DEMAND 4
#define NO_RANK 0xff // of a block's input

// ---- writing ----

static void write_texts(whet_writer *w, const whet_text *v, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (v[i].size > UINT32_MAX) w->failed = true;
        whet_write_u32(w, (uint32_t)v[i].size);
        whet_write_bytes(w, v[i].data, v[i].size);
    }
}

static void write_contents(whet_writer *w, const whet_tensor *t) {
    if (t->dtype == WHET_DTYPE_STRING) write_texts(w, t->data, whet_tensor_count(t));
    else whet_write_bytes(w, t->data, t->bytes);
}

static void write_tensor(whet_writer *w, const whet_tensor *t) {
    whet_write_u8(w, (uint8_t)t->dtype);
    whet_write_u8(w, (uint8_t)t->rank);
    for (int32_t i = 0; i < t->rank; i++) whet_write_i64(w, t->dims[i]);
    whet_write_u64(w, t->bytes);
    write_contents(w, t);
}

static void write_attr(whet_writer *w, const whet_attr *a, const void *attrs) {
    const char *field = (const char *)attrs + a->offset;
    switch (a->type) {
    case WHET_ATTR_INT: whet_write_i64(w, *(const int64_t *)(const void *)field); break;
    case WHET_ATTR_FLOAT: whet_write_f32(w, *(const float *)(const void *)field); break;
    case WHET_ATTR_BOOL: whet_write_u8(w, *(const bool *)field); break;
    case WHET_ATTR_ENUM:
    case WHET_ATTR_DTYPE:
        whet_write_u32(w, (uint32_t) * (const int32_t *)(const void *)field);
        break;
    case WHET_ATTR_STRING: whet_write_text(w, *(const char *const *)(const void *)field); break;
    case WHET_ATTR_INTS: {
        const whet_ints *v = (const whet_ints *)(const void *)field;
        whet_write_u32(w, v->v ? (uint32_t)v->n : UINT32_MAX);
        for (int32_t i = 0; v->v && i < v->n; i++) whet_write_i64(w, v->v[i]);
        break;
    }
    case WHET_ATTR_FLOATS: {
        const whet_floats *v = (const whet_floats *)(const void *)field;
        whet_write_u32(w, v->v ? (uint32_t)v->n : UINT32_MAX);
        for (int32_t i = 0; v->v && i < v->n; i++) whet_write_f32(w, v->v[i]);
        break;
    }
    case WHET_ATTR_STRINGS: {
        const whet_strings *v = (const whet_strings *)(const void *)field;
        whet_write_u32(w, v->v ? (uint32_t)v->n : UINT32_MAX);
        if (v->v) write_texts(w, v->v, v->n);
        break;
    }
    case WHET_ATTR_TENSOR: {
        const whet_tensor *t = *(const whet_tensor *const *)(const void *)field;
        whet_write_u8(w, t != NULL);
        if (t) write_tensor(w, t);
        break;
    }
    }
}

static void write_value(whet_writer *w, const whet_pgraph *g, const whet_pvalue *v) {
    whet_write_text(w, v->name);
    whet_write_u8(w, (uint8_t)v->kind);
    whet_write_u64(w, v->type_set);
    if (v->kind == WHET_PVALUE_NODE) return;
    if (v->kind == WHET_PVALUE_OUTER) {
        whet_write_u32(w, (uint32_t)v->outer);
        return;
    }
    whet_write_u8(w, (uint8_t)v->type.dtype);
    if (whet_dtype_is_object(v->type.dtype)) whet_write_u32(w, v->type.elem);
    whet_write_u8(w, (uint8_t)v->type.rank);
    for (int32_t d = 0; d < v->type.rank; d++) {
        whet_str text;
        whet_str_init(&text);
        whet_dim_print(g->dims, v->type.dims[d], &text);
        whet_write_text(w, whet_str_text(&text));
        if (text.failed) w->failed = true;
        whet_str_fini(&text);
    }
    if (v->kind == WHET_PVALUE_INPUT) {
        for (int32_t d = 0; d < v->type.rank; d++) whet_write_text(w, v->dim_names[d]);
        return;
    }
    whet_tensor t = whet_pvalue_tensor(v);
    bool held = whet_pvalue_inline(v) && t.data;
    whet_write_u8(w, held);
    if (held) write_contents(w, &t);
}

static void write_ids(whet_writer *w, const int32_t *ids, int32_t n) {
    whet_write_u32(w, (uint32_t)n);
    for (int32_t i = 0; i < n; i++) whet_write_u32(w, (uint32_t)ids[i]);
}

void whet_pgraph_encode(const whet_pgraph *g, whet_writer *w) {
    whet_write_text(w, g->name);
    whet_write_u32(w, (uint32_t)g->imported_nodes);
    whet_write_u32(w, (uint32_t)g->n_values);
    for (int32_t i = 0; i < g->n_values; i++) write_value(w, g, &g->values[i]);
    whet_write_u32(w, (uint32_t)g->n_nodes);
    for (int32_t i = 0; i < g->n_nodes; i++) {
        const whet_pnode *n = &g->nodes[i];
        whet_write_text(w, n->op->name);
        whet_write_text(w, n->name);
        whet_write_text(w, n->origin);
        bool demand = whet_demand_any(n->demand);
        whet_write_u8(w, (uint8_t)(n->recipe | (n->n_blocks ? HAS_BLOCKS : 0) |
                                   (demand ? HAS_DEMAND : 0)));
        if (demand) whet_write_u8(w, n->demand.compute);
        if (demand) whet_write_u8(w, n->demand.store);
        write_ids(w, n->in, n->n_in);
        write_ids(w, n->out, n->n_out);
        whet_write_u32(w, (uint32_t)n->op->n_attrs);
        for (int32_t a = 0; a < n->op->n_attrs; a++) {
            whet_write_text(w, n->op->attrs[a].name);
            write_attr(w, &n->op->attrs[a], n->attrs);
        }
        if (n->n_blocks) whet_write_u32(w, (uint32_t)n->n_blocks);
        for (int32_t k = 0; k < n->n_blocks; k++)
            whet_pgraph_encode(g->blocks[n->first_block + k], w);
    }
    write_ids(w, g->inputs, g->n_inputs);
    write_ids(w, g->outputs, g->n_outputs);
    for (int32_t i = 0; i < g->n_outputs; i++) whet_write_text(w, g->output_names[i]);
}

// ---- reading ----

typedef struct {
    whet_reader r;
    whet_pgraph *g;
    const whet_op_table *ops;
    whet_error *err;
} decoder;

static whet_status malformed(decoder *d, const char *what) {
    WHET_FAIL(d->err, WHET_E_PARSE, "engine graph: %s at byte %zu of the section", what, d->r.at);
}

static whet_status read_text(decoder *d, const char **text) {
    size_t n;
    const char *p = whet_read_text(&d->r, &n);
    if (!p || memchr(p, 0, n)) return malformed(d, "bad text");
    *text = whet_arena_strndup(&d->g->arena, p, n);
    return *text ? WHET_OK : WHET_NOMEM(d->err);
}

static whet_status read_dims(decoder *d, whet_type *t, bool numbers) {
    for (int32_t i = 0; i < t->rank; i++) {
        const char *text;
        WHET_TRY(read_text(d, &text));
        WHET_TRY(whet_dim_parse(d->g->dims, &text, &t->dims[i], d->err));
        bool number = whet_dim_is_const(t->dims[i]);
        if (*text || whet_dim_is_error(t->dims[i]) || (number && t->dims[i] < 0) ||
            (numbers && !number))
            return malformed(d, "bad dimension");
    }
    return WHET_OK;
}

static whet_status read_texts(decoder *d, int64_t n, const void **out) {
    if (n < 0 || (uint64_t)n > whet_reader_left(&d->r) / 4) return malformed(d, "too many texts");
    whet_text *v = WHET_NEW_ARRAY(&d->g->arena, whet_text, n);
    if (!v) return WHET_NOMEM(d->err);
    for (int64_t i = 0; i < n; i++) {
        const char *p = whet_read_text(&d->r, &v[i].size);
        if (!p) return malformed(d, "bad text");
        v[i].data = whet_arena_strndup(&d->g->arena, p, v[i].size);
        if (!v[i].data) return WHET_NOMEM(d->err);
    }
    *out = v;
    return WHET_OK;
}

static whet_status read_contents(decoder *d, whet_tensor *t, const void **out) {
    if (whet_dtype_is_object(t->dtype)) return malformed(d, "constant that is no tensor");
    if (t->dtype == WHET_DTYPE_STRING) return read_texts(d, whet_tensor_count(t), out);
    const void *p = whet_read_span(&d->r, t->bytes);
    if (!p) return malformed(d, "constant runs past the end");
    *out = whet_arena_memdup(&d->g->arena, p, t->bytes);
    return *out ? WHET_OK : WHET_NOMEM(d->err);
}

static whet_status read_outer(decoder *d, whet_pvalue *v) {
    const whet_pgraph *around = d->g->parent;
    uint32_t id = whet_read_u32(&d->r);
    if (!around || d->r.failed || id >= (uint32_t)around->n_values ||
        !whet_pvalue_is_const(&around->values[id]))
        return malformed(d, "constant that is not there");
    v->outer = (int32_t)id;
    v->type = around->values[id].type;
    return WHET_OK;
}

static whet_status read_value(decoder *d, whet_pvalue *v) {
    WHET_TRY(read_text(d, &v->name));
    uint8_t kind = whet_read_u8(&d->r);
    v->type_set = whet_read_u64(&d->r);
    v->node = -1;
    v->type.rank = -1;
    if (kind > WHET_PVALUE_OUTER) return malformed(d, "unknown kind of value");
    v->kind = (whet_pvalue_kind)kind;
    if (v->kind == WHET_PVALUE_NODE) return WHET_OK;
    if (v->kind == WHET_PVALUE_OUTER) return read_outer(d, v);
    uint8_t dtype = whet_read_u8(&d->r);
    bool object = whet_dtype_is_object((whet_dtype)dtype);
    if (object) v->type.elem = whet_read_u32(&d->r);
    uint8_t rank = whet_read_u8(&d->r);
    bool open = rank == NO_RANK && v->kind == WHET_PVALUE_INPUT && d->g->parent;
    if (d->r.failed || !whet_dtype_known(dtype) || (rank > WHET_MAX_RANK && !open) ||
        (object && rank) || !whet_elem_valid((whet_dtype)dtype, v->type.elem))
        return malformed(d, "bad type");
    v->type.dtype = (whet_dtype)dtype;
    v->type.rank = open ? -1 : rank;
    WHET_TRY(read_dims(d, &v->type, whet_pvalue_is_const(v)));
    if (v->kind == WHET_PVALUE_INPUT) {
        for (int32_t i = 0; i < v->type.rank; i++) {
            WHET_TRY(read_text(d, &v->dim_names[i]));
            if (!*v->dim_names[i]) v->dim_names[i] = NULL;
        }
        return WHET_OK;
    }
    whet_tensor t = whet_pvalue_tensor(v);
    if (t.bytes == SIZE_MAX) return malformed(d, "constant too large");
    uint8_t held = whet_read_u8(&d->r);
    if (held > 1) return malformed(d, "bad flag");
    return held ? read_contents(d, &t, &v->data) : WHET_OK;
}

static whet_status read_ids(decoder *d, int32_t **ids, int32_t *n, int32_t bound, bool absent) {
    uint32_t count = whet_read_count(&d->r, 4, MAX_ITEMS);
    *ids = WHET_NEW_ARRAY(&d->g->arena, int32_t, count);
    if (!*ids) return WHET_NOMEM(d->err);
    for (uint32_t i = 0; i < count; i++) {
        int32_t id = (int32_t)whet_read_u32(&d->r);
        if (id >= bound || id < (absent ? -1 : 0)) return malformed(d, "id out of range");
        (*ids)[i] = id;
    }
    *n = (int32_t)count;
    return d->r.failed ? malformed(d, "truncated") : WHET_OK;
}

static whet_status read_tensor(decoder *d, const whet_tensor **out) {
    whet_tensor *t = WHET_NEW(&d->g->arena, whet_tensor);
    if (!t) return WHET_NOMEM(d->err);
    uint8_t dtype = whet_read_u8(&d->r), rank = whet_read_u8(&d->r);
    if (!whet_dtype_known(dtype) || rank > WHET_MAX_RANK) return malformed(d, "bad type");
    t->dtype = (whet_dtype)dtype;
    t->rank = rank;
    for (int32_t i = 0; i < rank; i++) t->dims[i] = whet_read_i64(&d->r);
    t->bytes = (size_t)whet_read_u64(&d->r);
    if (d->r.failed || whet_dims_count(t->dims, rank) < 0 ||
        t->bytes != whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, rank)))
        return malformed(d, "tensor attribute of the wrong size");
    const void *data;
    WHET_TRY(read_contents(d, t, &data));
    t->data = (void *)data;
    *out = t;
    return WHET_OK;
}

static whet_status read_list(decoder *d, size_t size, const void **v, int32_t *n) {
    size_t at = d->r.at;
    *v = NULL;
    *n = 0;
    if (whet_read_u32(&d->r) == UINT32_MAX && !d->r.failed) return WHET_OK;
    d->r.at = at;
    uint32_t count = whet_read_count(&d->r, size, MAX_ITEMS);
    const void *p = whet_read_span(&d->r, count * size);
    if (!p) return malformed(d, "list runs past the end");
    *v = whet_arena_memdup(&d->g->arena, p, count * size); // little endian, as all our targets
    *n = (int32_t)count;
    return *v ? WHET_OK : WHET_NOMEM(d->err);
}

static whet_status read_attr(decoder *d, const whet_attr *a, void *attrs) {
    char *field = (char *)attrs + a->offset;
    switch (a->type) {
    case WHET_ATTR_INT: *(int64_t *)(void *)field = whet_read_i64(&d->r); break;
    case WHET_ATTR_FLOAT: *(float *)(void *)field = whet_read_f32(&d->r); break;
    case WHET_ATTR_BOOL: *(bool *)field = whet_read_u8(&d->r) != 0; break;
    case WHET_ATTR_ENUM:
    case WHET_ATTR_DTYPE: {
        uint32_t v = whet_read_u32(&d->r), bound = 0;
        if (a->type == WHET_ATTR_ENUM)
            while (a->choices[bound]) bound++;
        bool good = a->type == WHET_ATTR_ENUM ? v < bound : v == 0 || whet_dtype_known((int32_t)v);
        if (!good) return malformed(d, "attribute out of range");
        *(int32_t *)(void *)field = (int32_t)v;
        break;
    }
    case WHET_ATTR_STRING: return read_text(d, (const char **)(void *)field);
    case WHET_ATTR_INTS: {
        whet_ints *v = (whet_ints *)(void *)field;
        return read_list(d, 8, (const void **)&v->v, &v->n);
    }
    case WHET_ATTR_FLOATS: {
        whet_floats *v = (whet_floats *)(void *)field;
        return read_list(d, 4, (const void **)&v->v, &v->n);
    }
    case WHET_ATTR_STRINGS: {
        whet_strings *v = (whet_strings *)(void *)field;
        uint32_t n = whet_read_u32(&d->r);
        *v = (whet_strings){0};
        if (n == UINT32_MAX && !d->r.failed) return WHET_OK;
        WHET_TRY(read_texts(d, n, (const void **)&v->v));
        v->n = (int32_t)n;
        return WHET_OK;
    }
    case WHET_ATTR_TENSOR: {
        const whet_tensor **t = (const whet_tensor **)(void *)field;
        *t = NULL;
        return whet_read_u8(&d->r) ? read_tensor(d, t) : WHET_OK;
    }
    }
    return WHET_OK;
}

static whet_status read_graph(decoder *d);

static whet_status read_blocks(decoder *d, whet_pnode *n) {
    whet_pgraph *g = d->g;
    uint32_t count = whet_read_count(&d->r, 24, 16);
    if (n->op->n_blocks == 0 || count != (uint32_t)n->op->n_blocks || n->recipe)
        return malformed(d, "bad number of blocks");
    if (g->depth == WHET_PGRAPH_MAX_DEPTH)
        WHET_FAIL(d->err, WHET_E_LIMIT, "%s: blocks nested deeper than %d", n->name,
                  WHET_PGRAPH_MAX_DEPTH);
    n->first_block = g->n_blocks;
    n->n_blocks = (int32_t)count;
    whet_status status = WHET_OK;
    for (uint32_t i = 0; i < count && status == WHET_OK; i++) {
        d->g = whet_pgraph_block(g);
        status = d->g ? read_graph(d) : WHET_NOMEM(d->err);
    }
    d->g = g;
    return status;
}

static whet_status read_demand(decoder *d, whet_demand *demand) {
    demand->compute = whet_read_u8(&d->r);
    demand->store = whet_read_u8(&d->r);
    bool good = (!demand->compute || whet_dtype_known(demand->compute)) &&
                (!demand->store || whet_dtype_known(demand->store));
    return good ? WHET_OK : malformed(d, "bad type of a layer");
}

static whet_status read_node(decoder *d, whet_pnode *n) {
    const char *op;
    WHET_TRY(read_text(d, &op));
    WHET_TRY(read_text(d, &n->name));
    WHET_TRY(read_text(d, &n->origin));
    n->op = whet_op_get(d->ops, op, d->err);
    if (!n->op && d->err && d->err->status != WHET_OK)
        return whet_error_prefix(d->err, d->err->status, "%s", n->name);
    if (!n->op)
        WHET_FAIL(d->err, WHET_E_UNSUPPORTED, "%s: this library has no operator \"%s\"", n->name,
                  op);
    uint8_t flags = whet_read_u8(&d->r);
    n->recipe = flags & 1;
    if (flags & HAS_DEMAND) WHET_TRY(read_demand(d, &n->demand));
    WHET_TRY(read_ids(d, &n->in, &n->n_in, d->g->n_values, true));
    WHET_TRY(read_ids(d, &n->out, &n->n_out, d->g->n_values, true));
    n->attrs = whet_arena_alloc(&d->g->arena, n->op->attrs_size);
    if (!n->attrs) return WHET_NOMEM(d->err);
    whet_op_attr_defaults(n->op, n->attrs);
    uint32_t count = whet_read_count(&d->r, 4, 1024);
    for (uint32_t i = 0; i < count; i++) {
        const char *name;
        WHET_TRY(read_text(d, &name));
        const whet_attr *a = whet_op_attr_find(n->op, name);
        if (!a)
            WHET_FAIL(d->err, WHET_E_VERSION, "%s: this library's %s has no attribute \"%s\"",
                      n->name, op, name);
        WHET_TRY(read_attr(d, a, n->attrs));
    }
    if (d->r.failed || flags > (1 | HAS_BLOCKS | HAS_DEMAND)) return malformed(d, "truncated node");
    WHET_TRY(whet_op_attr_check(n->op, n->attrs, d->err));
    return flags & HAS_BLOCKS ? read_blocks(d, n) : WHET_OK;
}

// Every value has one definition, before its uses; constants come from sources or recipe nodes.
static whet_status check_node(decoder *d, int32_t index, bool *defined) {
    whet_pnode *n = &d->g->nodes[index];
    for (int32_t i = 0; i < n->n_blocks; i++) {
        const whet_pgraph *block = d->g->blocks[n->first_block + i];
        for (int32_t k = 0; k < block->n_values; k++)
            if (block->values[k].kind == WHET_PVALUE_OUTER && !defined[block->values[k].outer])
                return malformed(d, "value used before it is made");
    }
    for (int32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] < 0) continue;
        const whet_pvalue *v = &d->g->values[n->in[i]];
        if (!defined[n->in[i]]) return malformed(d, "value used before it is made");
        if (n->recipe && !whet_pvalue_is_const(v)) return malformed(d, "recipe of no constant");
    }
    for (int32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] < 0) continue;
        whet_pvalue *v = &d->g->values[n->out[i]];
        whet_pvalue_kind want = n->recipe ? WHET_PVALUE_DERIVED : WHET_PVALUE_NODE;
        if (v->kind != want || v->node >= 0) return malformed(d, "value made twice");
        v->node = index;
        defined[n->out[i]] = true;
    }
    return WHET_OK;
}

static whet_status check_graph(decoder *d) {
    whet_pgraph *g = d->g;
    bool *defined = WHET_NEW_ARRAY(&g->arena, bool, g->n_values);
    if (!defined) return WHET_NOMEM(d->err);
    for (int32_t i = 0; i < g->n_inputs; i++) {
        if (g->values[g->inputs[i]].kind != WHET_PVALUE_INPUT || defined[g->inputs[i]])
            return malformed(d, "bad input");
        defined[g->inputs[i]] = true;
    }
    for (int32_t i = 0; i < g->n_values; i++)
        if (g->values[i].kind == WHET_PVALUE_SOURCE || g->values[i].kind == WHET_PVALUE_OUTER)
            defined[i] = true;
    for (int32_t i = 0; i < g->n_nodes; i++) WHET_TRY(check_node(d, i, defined));
    for (int32_t i = 0; i < g->n_values; i++)
        if (g->values[i].kind == WHET_PVALUE_DERIVED && !defined[i])
            return malformed(d, "derived constant without recipe");
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (!defined[g->outputs[i]]) return malformed(d, "output that nothing makes");
    return WHET_OK;
}

static whet_status read_graph(decoder *d) {
    whet_pgraph *g = d->g;
    WHET_TRY(read_text(d, &g->name));
    g->imported_nodes = (int32_t)whet_read_u32(&d->r);
    uint32_t n = whet_read_count(&d->r, 13, MAX_ITEMS);
    g->values = WHET_NEW_ARRAY(&g->arena, whet_pvalue, n);
    if (!g->values) return WHET_NOMEM(d->err);
    g->n_values = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) WHET_TRY(read_value(d, &g->values[i]));
    n = whet_read_count(&d->r, 25, MAX_ITEMS);
    g->nodes = WHET_NEW_ARRAY(&g->arena, whet_pnode, n);
    if (!g->nodes) return WHET_NOMEM(d->err);
    g->n_nodes = (int32_t)n;
    for (uint32_t i = 0; i < n; i++) WHET_TRY(read_node(d, &g->nodes[i]));
    WHET_TRY(read_ids(d, &g->inputs, &g->n_inputs, g->n_values, false));
    WHET_TRY(read_ids(d, &g->outputs, &g->n_outputs, g->n_values, false));
    g->output_names = WHET_NEW_ARRAY(&g->arena, const char *, g->n_outputs);
    if (!g->output_names) return WHET_NOMEM(d->err);
    for (int32_t i = 0; i < g->n_outputs; i++) WHET_TRY(read_text(d, &g->output_names[i]));
    if (d->r.failed) return malformed(d, "truncated");
    return check_graph(d);
}

whet_status whet_pgraph_decode(const void *data, size_t size, const whet_op_table *ops,
                               whet_pgraph **graph, whet_error *err) {
    decoder d = {.g = whet_pgraph_create(), .ops = ops, .err = err};
    if (!d.g) return WHET_NOMEM(err);
    whet_reader_init(&d.r, data, size);
    whet_status status = read_graph(&d);
    if (status == WHET_OK && whet_reader_left(&d.r)) status = malformed(&d, "wrong length");
    if (status == WHET_OK) {
        whet_pgraph_link(d.g);
        status = whet_pgraph_infer(d.g, err);
    }
    if (status != WHET_OK) {
        whet_pgraph_destroy(d.g);
        return status;
    }
    *graph = d.g;
    return WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// The operator of a plugin: attribute and argument tables, shape function, reference, state.
#include <string.h>

#include "plugin/plugin_entry.h"

// Bytes of `save`; no model's attribute is called so, since names hold no brackets.
#define SAVED_NAME "(state)"

static const uint64_t any_number =
    WHET_PLUGIN_TYPE(WHET_DTYPE_F32) | WHET_PLUGIN_TYPE(WHET_DTYPE_U8) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_I8) | WHET_PLUGIN_TYPE(WHET_DTYPE_U16) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_I16) | WHET_PLUGIN_TYPE(WHET_DTYPE_I32) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_I64) | WHET_PLUGIN_TYPE(WHET_DTYPE_BOOL) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_F16) | WHET_PLUGIN_TYPE(WHET_DTYPE_F64) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_U32) | WHET_PLUGIN_TYPE(WHET_DTYPE_U64) |
    WHET_PLUGIN_TYPE(WHET_DTYPE_BF16);

// ---- tables ----

static whet_attr_type attr_type(whet_plugin_attr_type type) {
    switch (type) {
    case WHET_PLUGIN_INT: return WHET_ATTR_INT;
    case WHET_PLUGIN_FLOAT: return WHET_ATTR_FLOAT;
    case WHET_PLUGIN_BOOL: return WHET_ATTR_BOOL;
    case WHET_PLUGIN_CHOICE: return WHET_ATTR_ENUM;
    case WHET_PLUGIN_DTYPE: return WHET_ATTR_DTYPE;
    case WHET_PLUGIN_STRING: return WHET_ATTR_STRING;
    case WHET_PLUGIN_INTS: return WHET_ATTR_INTS;
    case WHET_PLUGIN_FLOATS: return WHET_ATTR_FLOATS;
    case WHET_PLUGIN_STRINGS: return WHET_ATTR_STRINGS;
    case WHET_PLUGIN_TENSOR: break;
    }
    return WHET_ATTR_TENSOR;
}

static bool make_attrs(whet_plugin_entry *e) {
    int32_t n = e->p.n_attrs + (e->p.save != NULL);
    whet_attr *rows = WHET_NEW_ARRAY(&e->arena, whet_attr, n);
    if (!rows) return false;
    for (int32_t i = 0; i < n; i++) rows[i].offset = (uint32_t)(i + 1) * WHET_PLUGIN_FIELD_BYTES;
    for (int32_t i = 0; i < e->p.n_attrs; i++) {
        const whet_plugin_attr *a = &e->p.attrs[i];
        rows[i] = (whet_attr){.name = a->name, .type = attr_type(a->type),
                              .offset = rows[i].offset, .required = a->required, .def = a->def,
                              .choices = a->choices, .def_text = a->def_text, .min = a->min,
                              .max = a->max};
        // absence is seen by a value that no model has
        if (a->required && a->type == WHET_PLUGIN_INT) rows[i].def = (double)WHET_ATTR_ABSENT;
        if (a->required) rows[i].def_text = NULL;
    }
    e->saved_attr = e->p.save ? n - 1 : -1;
    if (e->p.save) {
        rows[n - 1].name = SAVED_NAME;
        rows[n - 1].type = WHET_ATTR_TENSOR;
    }
    e->op.attrs = rows;
    e->op.n_attrs = n;
    e->op.attrs_size = (size_t)(n + 1) * WHET_PLUGIN_FIELD_BYTES;
    return true;
}

static whet_arg *make_args(whet_plugin_entry *e, const whet_plugin_arg *from, int32_t n, bool out) {
    whet_arg *rows = WHET_NEW_ARRAY(&e->arena, whet_arg, n);
    for (int32_t i = 0; rows && i < n; i++) {
        const whet_plugin_arg *a = &from[i];
        rows[i] = (whet_arg){.name = a->name, .dtypes = a->types ? a->types : any_number,
                             .var = a->var};
        // an output of a variable has whatever type the input has
        if (out && !a->types && a->var) rows[i].dtypes = 0;
        if (a->flags & WHET_PLUGIN_ARG_OPTIONAL) rows[i].flags |= WHET_ARG_OPTIONAL;
        if (a->flags & WHET_PLUGIN_ARG_VARIADIC) rows[i].flags |= WHET_ARG_VARIADIC;
        if (a->flags & WHET_PLUGIN_ARG_SHAPE) rows[i].flags |= WHET_ARG_SHAPE;
    }
    return rows;
}

// ---- shapes ----

static whet_status default_shapes(whet_infer *ctx) {
    for (int32_t i = 0; i < ctx->n_out; i++) whet_infer_copy_shape(ctx, i, 0);
    return WHET_OK;
}

static whet_status infer(whet_infer *ctx) {
    const whet_plugin_entry *e = whet_plugin_of(ctx->op);
    if (!e->p.shapes) return default_shapes(ctx);
    whet_plugin_view v;
    whet_plugin_view_init(&v, ctx->op, ctx->attrs, ctx->node, ctx->err);
    v.infer = ctx;
    return whet_plugin_view_status(&v, e->p.shapes(&v.node), "shapes");
}

// ---- state ----

static const whet_tensor **saved_field(const whet_plugin_entry *e, void *attrs) {
    if (e->saved_attr < 0) return NULL;
    char *field = (char *)attrs + e->op.attrs[e->saved_attr].offset;
    return (const whet_tensor **)(void *)field;
}

// Dimensions that are not fixed become -1.
static void set_port(whet_port *port, const whet_type *t, const whet_tensor *data) {
    if (!t) return;
    *port = (whet_port){.dtype = t->dtype, .rank = t->rank, .constant = data != NULL,
                        .data = data ? data->data : NULL};
    for (int32_t d = 0; d < t->rank; d++)
        port->dims[d] = whet_dim_is_const(t->dims[d]) ? t->dims[d] : -1;
}

static whet_status create(const whet_infer *node, void *attrs, bool save) {
    const whet_plugin_entry *e = whet_plugin_of(node->op);
    whet_plugin_slot *slot = attrs;
    whet_port *in = WHET_NEW_ARRAY(node->arena, whet_port, node->n_in);
    whet_port *out = WHET_NEW_ARRAY(node->arena, whet_port, node->n_out);
    if (!in || !out) return WHET_NOMEM(node->err);
    for (int32_t i = 0; i < node->n_in; i++) set_port(&in[i], node->in[i], node->data[i]);
    for (int32_t i = 0; i < node->n_out; i++) set_port(&out[i], &node->out[i], NULL);
    whet_problem p = {.op = e->op.name, .desc = &e->op, .attrs = attrs, .n_in = node->n_in,
                      .n_out = node->n_out, .in = in, .out = out, .threads = 1};
    whet_plugin_view v;
    whet_plugin_view_init(&v, &e->op, attrs, node->node, node->err);
    v.problem = &p;
    v.state = NULL;
    void *state = NULL;
    WHET_TRY(whet_plugin_view_status(&v, e->p.create(&v.node, &state), "create"));
    slot->state = state;
    slot->attached = true;
    if (!save || !e->p.save) return WHET_OK;
    v.state = state;
    v.save = saved_field(e, attrs);
    v.save_arena = node->arena;
    *v.save = NULL;
    return whet_plugin_view_status(&v, e->p.save(&v.node), "save");
}

whet_status whet_plugin_attach(const whet_infer *node, void *attrs, bool save) {
    const whet_plugin_slot *slot = attrs;
    return slot->attached ? WHET_OK : create(node, attrs, save);
}

void whet_plugin_detach(const whet_op *op, void *attrs) {
    const whet_plugin_entry *e = whet_plugin_of(op);
    whet_plugin_slot *slot = attrs;
    if (!slot->attached) return;
    e->p.destroy(slot->state, e->p.user);
    *slot = (whet_plugin_slot){0};
}

// ---- reference ----

typedef struct {
    whet_problem problem;
    whet_call call;
    whet_plugin_view view;
    int32_t tactic;
} evaluation;

static void port_of(whet_port *port, const whet_tensor *t) {
    *port = (whet_port){.dtype = t->dtype, .rank = t->rank, .data = t->data};
    memcpy(port->dims, t->dims, sizeof port->dims);
}

static whet_status fill(evaluation *x, whet_eval *e) {
    whet_port *in = WHET_NEW_ARRAY(e->scratch, whet_port, e->n_in);
    whet_port *out = WHET_NEW_ARRAY(e->scratch, whet_port, e->n_out);
    const void **in_data = WHET_NEW_ARRAY(e->scratch, const void *, e->n_in);
    void **out_data = WHET_NEW_ARRAY(e->scratch, void *, e->n_out);
    if (!in || !out || !in_data || !out_data) return WHET_NOMEM(e->err);
    for (int32_t i = 0; i < e->n_in; i++) {
        port_of(&in[i], &e->in[i]);
        in_data[i] = e->in[i].data;
    }
    for (int32_t i = 0; i < e->n_out; i++) {
        port_of(&out[i], &e->out[i]);
        out_data[i] = e->out[i].dtype ? e->out[i].data : NULL;
    }
    x->problem = (whet_problem){.op = e->op->name, .desc = e->op, .attrs = e->attrs,
                                .n_in = e->n_in, .n_out = e->n_out, .in = in, .out = out,
                                .threads = 1};
    x->call = (whet_call){.p = &x->problem, .in = in_data, .out = out_data, .err = e->err,
                          .node = e->node && *e->node ? e->node : e->op->name,
                          .arena = e->scratch};
    return WHET_OK;
}

static whet_status find_tactic(evaluation *x, const whet_plugin_entry *entry, whet_error *err) {
    for (x->tactic = 0; x->tactic < entry->p.n_tactics; x->tactic++)
        if (whet_plugin_tactic_accepts(entry, x->tactic, &x->problem)) return WHET_OK;
    WHET_FAIL(err, WHET_E_UNSUPPORTED, "%s: no tactic of plugin %s takes these types and shapes",
              x->call.node, entry->op.name);
}

static whet_status give_memory(evaluation *x, const whet_plugin_tactic *t, whet_eval *e) {
    size_t workspace = t->workspace ? t->workspace(&x->view.node) : 0;
    size_t scratch = t->scratch ? t->scratch(&x->view.node) : 0;
    // from 64 bytes on an arena aligns to 64
    x->call.workspace = whet_arena_alloc_raw(e->scratch, workspace < 64 ? 64 : workspace);
    x->call.scratch = whet_arena_alloc_raw(e->scratch, scratch < 64 ? 64 : scratch);
    return x->call.workspace && x->call.scratch ? WHET_OK : WHET_NOMEM(e->err);
}

static whet_status run_phases(evaluation *x, const whet_plugin_tactic *t) {
    whet_plugin_view *v = &x->view;
    for (v->phase = 0; v->phase < (t->phases ? t->phases : 1); v->phase++) {
        int64_t n = t->tasks ? t->tasks(&v->node, v->phase) : 1;
        if (n <= 0) continue;
        WHET_TRY(whet_plugin_view_status(v, t->run(&v->node, 0, n), t->name));
    }
    return WHET_OK;
}

// A node that is computed while a model is built has no state yet: one for this call.
static whet_status temporary_state(const whet_eval *e, void *attrs) {
    whet_infer node = {.op = e->op, .attrs = attrs, .node = e->node, .n_in = e->n_in,
                       .n_out = e->n_out, .arena = e->scratch, .err = e->err};
    const whet_type **in = WHET_NEW_ARRAY(e->scratch, const whet_type *, e->n_in);
    const whet_tensor **data = WHET_NEW_ARRAY(e->scratch, const whet_tensor *, e->n_in);
    whet_type *types = WHET_NEW_ARRAY(e->scratch, whet_type, e->n_in);
    node.out = WHET_NEW_ARRAY(e->scratch, whet_type, e->n_out);
    if (!in || !data || !types || !node.out) return WHET_NOMEM(e->err);
    for (int32_t i = 0; i < e->n_in; i++) {
        const whet_tensor *t = &e->in[i];
        if (!t->dtype) continue;
        types[i] = (whet_type){.dtype = t->dtype, .rank = t->rank};
        memcpy(types[i].dims, t->dims, sizeof types[i].dims);
        in[i] = &types[i];
        data[i] = t;
    }
    for (int32_t i = 0; i < e->n_out; i++)
        node.out[i] = (whet_type){.dtype = e->out[i].dtype, .rank = -1};
    node.in = in;
    node.data = data;
    return create(&node, attrs, false);
}

static whet_status eval_with(whet_eval *e, const whet_plugin_entry *entry, const void *attrs) {
    evaluation x;
    WHET_TRY(fill(&x, e));
    x.problem.attrs = attrs;
    WHET_TRY(find_tactic(&x, entry, e->err));
    whet_plugin_view_init(&x.view, e->op, attrs, e->node, e->err);
    x.view.problem = &x.problem;
    const whet_plugin_tactic *t = &entry->p.tactics[x.tactic];
    WHET_TRY(give_memory(&x, t, e));
    x.view.call = &x.call;
    x.view.state = ((const whet_plugin_slot *)attrs)->state;
    if (!t->tasks) x.view.arena = e->scratch;
    if (entry->p.flags & WHET_PLUGIN_DYNAMIC_OUT) x.view.eval = e;
    WHET_TRY(run_phases(&x, t));
    for (int32_t i = 0; x.view.eval && i < e->n_out; i++)
        if (whet_eval_wants(e, i) && !e->out[i].data)
            WHET_FAIL(e->err, WHET_E_INVALID, "%s: plugin %s did not ask for output %d",
                      x.call.node, entry->op.name, i);
    return WHET_OK;
}

whet_status whet_plugin_eval(whet_eval *e) {
    const whet_plugin_entry *entry = whet_plugin_of(e->op);
    const whet_plugin_slot *slot = e->attrs;
    if (!entry->p.create || slot->attached) return eval_with(e, entry, e->attrs);
    whet_plugin_slot *attrs = whet_arena_memdup(e->scratch, e->attrs, e->op->attrs_size);
    if (!attrs) return WHET_NOMEM(e->err);
    whet_status status = temporary_state(e, attrs);
    if (status == WHET_OK) status = eval_with(e, entry, attrs);
    whet_plugin_detach(e->op, attrs);
    return status;
}

whet_status whet_plugin_make_op(whet_plugin_entry *e, const whet_plugin_origin *origin,
                                whet_error *err) {
    const whet_plugin *p = &e->p;
    e->op.name = whet_arena_printf(&e->arena, "%s%s%s@%s", p->domain, *p->domain ? "::" : "",
                                   p->name, p->version);
    e->op.in = make_args(e, p->inputs, p->n_inputs, false);
    e->op.out = make_args(e, p->outputs, p->n_outputs, true);
    e->ext = (whet_op_extern){.domain = p->domain, .type = p->name, .version = p->version,
                              .library = whet_arena_strdup(&e->arena, origin->library),
                              .library_version = whet_arena_strdup(&e->arena, origin->version),
                              .path = whet_arena_strdup(&e->arena, origin->path)};
    if (!make_attrs(e) || !e->op.name || !e->op.in || !e->op.out || !e->ext.library ||
        !e->ext.library_version || !e->ext.path)
        return WHET_NOMEM(err);
    if (p->create) {
        e->ext.attach = whet_plugin_attach;
        e->ext.detach = whet_plugin_detach;
    }
    e->op.n_in = p->n_inputs;
    e->op.n_out = p->n_outputs;
    e->op.min_in = p->min_inputs;
    e->op.ext = &e->ext;
    if (p->flags & WHET_PLUGIN_DYNAMIC_OUT) e->op.flags |= WHET_OP_DYNAMIC_OUT;
    if (p->flags & WHET_PLUGIN_IMPURE) e->op.flags |= WHET_OP_IMPURE;
    e->op.infer = infer;
    e->op.eval = whet_plugin_eval;
    return WHET_OK;
}

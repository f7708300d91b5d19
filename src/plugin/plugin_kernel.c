// SPDX-License-Identifier: Apache-2.0
// A kernel for each tactic. Kernel functions are not told which kernel they belong to, so there is
// one set of them for each position in a plugin's table; the plugin comes with the problem.
#include <string.h>

#include "plugin/plugin_entry.h"

#define MAX_PORTS 256 // of a problem in a layout other than plain
#define MOST_BYTES ((size_t)1 << 46)

static const whet_plugin_tactic *tactic_of(const whet_problem *p, int32_t i) {
    return &whet_plugin_of(p->desc)->p.tactics[i];
}

static void open_view(whet_plugin_view *v, const whet_problem *p, const char *name,
                      whet_error *err) {
    whet_plugin_view_init(v, p->desc, p->attrs, name, err);
    v->problem = p;
}

// ---- layouts ----

static void default_layouts(const whet_problem *p, whet_layout l, whet_layout *in,
                            whet_layout *out) {
    int32_t rank = p->n_out ? p->out[0].rank : 0;
    bool blocked = rank >= 3 && rank <= 5;
    for (int32_t i = 0; i < p->n_in; i++)
        in[i] = blocked && !p->in[i].constant && p->in[i].rank == rank ? l : WHET_LAYOUT_PLAIN;
    for (int32_t i = 0; i < p->n_out; i++)
        out[i] = blocked && p->out[i].rank == rank ? l : WHET_LAYOUT_PLAIN;
}

static void ask_ports(const whet_problem *p, int32_t tactic, whet_layout l, whet_layout *in,
                      whet_layout *out) {
    const whet_plugin_tactic *t = tactic_of(p, tactic);
    default_layouts(p, l, in, out);
    if (!t->ports) return;
    whet_plugin_view v;
    open_view(&v, p, NULL, NULL);
    v.set_in = in;
    v.set_out = out;
    t->ports(&v.node, (whet_plugin_layout)l);
}

static bool is_variant(const whet_problem *p, int32_t tactic, whet_layout l) {
    whet_layout in[MAX_PORTS], out[WHET_PLUGIN_MAX_ROWS];
    ask_ports(p, tactic, l, in, out);
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].dtype && p->in[i].layout != in[i]) return false;
    for (int32_t i = 0; i < p->n_out; i++)
        if (p->out[i].dtype && p->out[i].layout != out[i]) return false;
    return true;
}

static bool layouts_offered(const whet_problem *p, int32_t tactic) {
    bool plain = true;
    for (int32_t i = 0; i < p->n_in; i++) plain &= p->in[i].layout == WHET_LAYOUT_PLAIN;
    for (int32_t i = 0; i < p->n_out; i++) plain &= p->out[i].layout == WHET_LAYOUT_PLAIN;
    uint32_t layouts = tactic_of(p, tactic)->layouts;
    if (plain && (layouts & WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN))) return true;
    if (p->n_in > MAX_PORTS || p->n_out > WHET_PLUGIN_MAX_ROWS) return false;
    for (int32_t l = 0; l < WHET_LAYOUT_COUNT; l++)
        if ((layouts >> l & 1) && is_variant(p, tactic, (whet_layout)l)) return true;
    return false;
}

// ---- one tactic ----

bool whet_plugin_tactic_accepts(const whet_plugin_entry *e, int32_t tactic, const whet_problem *p) {
    if (p->desc != &e->op || !whet_epilogue_empty(&p->epi)) return false;
    for (int32_t i = 0; i < p->n_in; i++)
        if (p->in[i].dtype && p->in[i].rank < 0) return false;
    if (!layouts_offered(p, tactic)) return false;
    const whet_plugin_tactic *t = &e->p.tactics[tactic];
    if (!t->accepts) return true;
    whet_plugin_view v;
    open_view(&v, p, NULL, NULL);
    return t->accepts(&v.node);
}

// The descriptor may be another operator's, or none, when an epilogue is tried.
static bool accepts(const whet_problem *p, int32_t tactic) {
    if (!p->desc || !p->desc->ext || p->desc->eval != whet_plugin_eval) return false;
    const whet_plugin_entry *e = whet_plugin_of(p->desc);
    return tactic < e->p.n_tactics && whet_plugin_tactic_accepts(e, tactic, p);
}

static size_t bytes_of(const whet_problem *p, size_t (*ask)(whet_plugin_node *n)) {
    whet_plugin_view v;
    open_view(&v, p, NULL, NULL);
    size_t bytes = ask(&v.node);
    return bytes < MOST_BYTES ? bytes : MOST_BYTES; // more is refused by the allocator
}

static int64_t tasks(const whet_problem *p, int32_t tactic, int32_t phase) {
    whet_plugin_view v;
    open_view(&v, p, NULL, NULL);
    v.phase = phase;
    int64_t n = tactic_of(p, tactic)->tasks(&v.node, phase);
    return n < 0 ? 0 : n;
}

static double cost(const whet_problem *p, int32_t tactic) {
    whet_plugin_view v;
    open_view(&v, p, NULL, NULL);
    double seconds = tactic_of(p, tactic)->cost(&v.node);
    return seconds > 0 && seconds < 1e6 ? seconds : 1e-6;
}

static whet_status run(const whet_call *c, int32_t tactic, int32_t phase, int64_t begin,
                       int64_t end) {
    const whet_problem *p = c->p;
    const whet_plugin_tactic *t = tactic_of(p, tactic);
    whet_plugin_view v;
    open_view(&v, p, c->node, c->err);
    v.call = c;
    v.phase = phase;
    v.state = ((const whet_plugin_slot *)p->attrs)->state;
    if (!t->tasks && c->arena) {
        v.arena = c->arena;
        if (phase == 0) whet_arena_reset(c->arena);
    }
    if (!(p->desc->flags & WHET_OP_DYNAMIC_OUT))
        return whet_plugin_view_status(&v, t->run(&v.node, begin, end), t->name);
    whet_tensor *out = WHET_NEW_ARRAY(c->arena, whet_tensor, p->n_out);
    if (!out) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < p->n_out; i++) out[i].dtype = p->out[i].dtype;
    whet_eval e = {.op = p->desc, .attrs = p->attrs, .node = c->node, .n_in = p->n_in,
                   .n_out = p->n_out, .out = out, .scratch = c->arena, .err = c->err,
                   .alloc = c->alloc, .alloc_user = c->alloc_user};
    v.eval = &e;
    WHET_TRY(whet_plugin_view_status(&v, t->run(&v.node, begin, end), t->name));
    for (int32_t i = 0; i < p->n_out; i++)
        if (out[i].dtype && !out[i].data)
            WHET_FAIL(c->err, WHET_E_INVALID, "%s: plugin %s did not ask for output %d", c->node,
                      p->op, i);
    return WHET_OK;
}

static bool inplace(const whet_problem *p, int32_t i) {
    const whet_port *in = &p->in[i], *out = &p->out[0];
    return i == 0 && (whet_plugin_of(p->desc)->p.flags & WHET_PLUGIN_INPLACE) &&
           in->dtype == out->dtype && in->layout == out->layout && in->rank == out->rank &&
           !memcmp(in->dims, out->dims, (size_t)in->rank * sizeof in->dims[0]);
}

// ---- a set of functions for each position ----

typedef struct {
    void (*ports)(const whet_problem *p, whet_layout l, whet_layout *in, whet_layout *out);
    bool (*accepts)(const whet_problem *p);
    double (*cost)(const whet_problem *p, const int32_t *params);
    size_t (*workspace)(const whet_problem *p, const int32_t *params);
    size_t (*scratch)(const whet_problem *p, const int32_t *params);
    int64_t (*tasks)(const whet_problem *p, const int32_t *params, int32_t phase);
    whet_status (*run)(const whet_call *c, int32_t phase, int64_t begin, int64_t end);
} position;

#define POSITION(i)                                                                                \
    static void ports_##i(const whet_problem *p, whet_layout l, whet_layout *in,                   \
                          whet_layout *out) {                                                      \
        ask_ports(p, i, l, in, out);                                                               \
    }                                                                                              \
    static bool accepts_##i(const whet_problem *p) { return accepts(p, i); }                       \
    static double cost_##i(const whet_problem *p, const int32_t *params) {                         \
        (void)params;                                                                              \
        return cost(p, i);                                                                         \
    }                                                                                              \
    static size_t workspace_##i(const whet_problem *p, const int32_t *params) {                    \
        (void)params;                                                                              \
        return bytes_of(p, tactic_of(p, i)->workspace);                                            \
    }                                                                                              \
    static size_t scratch_##i(const whet_problem *p, const int32_t *params) {                      \
        (void)params;                                                                              \
        return bytes_of(p, tactic_of(p, i)->scratch);                                              \
    }                                                                                              \
    static int64_t tasks_##i(const whet_problem *p, const int32_t *params, int32_t phase) {        \
        (void)params;                                                                              \
        return tasks(p, i, phase);                                                                 \
    }                                                                                              \
    static whet_status run_##i(const whet_call *c, int32_t phase, int64_t begin, int64_t end) {    \
        return run(c, i, phase, begin, end);                                                       \
    }
#define EACH(X)                                                                                    \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)          \
    X(16) X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

EACH(POSITION)

static const position positions[WHET_PLUGIN_MAX_TACTICS] = {
#define ROW(i)                                                                                     \
    {ports_##i, accepts_##i, cost_##i, workspace_##i, scratch_##i, tasks_##i, run_##i},
    EACH(ROW)
#undef ROW
};

whet_status whet_plugin_make_kernels(whet_plugin_entry *e, whet_error *err) {
    const whet_plugin *p = &e->p;
    e->kernels = WHET_NEW_ARRAY(&e->arena, whet_kernel, p->n_tactics);
    if (!e->kernels) return WHET_NOMEM(err);
    for (int32_t i = 0; i < p->n_tactics; i++) {
        const whet_plugin_tactic *t = &p->tactics[i];
        const position *f = &positions[i];
        e->kernels[i] = (whet_kernel){
            .name = whet_arena_printf(&e->arena, "%s/%s", e->op.name, t->name),
            .op = e->op.name, .revision = p->revision, .layouts = t->layouts,
            .accepts = f->accepts, .run = f->run, .phases = t->phases,
            .ports = t->ports ? f->ports : NULL, .cost = t->cost ? f->cost : NULL,
            .workspace = t->workspace ? f->workspace : NULL,
            .scratch = t->scratch ? f->scratch : NULL, .tasks = t->tasks ? f->tasks : NULL,
            .inplace = p->flags & WHET_PLUGIN_INPLACE ? inplace : NULL};
        if (!e->kernels[i].name) return WHET_NOMEM(err);
    }
    return WHET_OK;
}

whet_status whet_plugin_entry_make(const whet_plugin *plugin, const whet_plugin_origin *origin,
                                   whet_plugin_entry **entry, whet_error *err) {
    whet_arena arena;
    whet_arena_init(&arena);
    whet_plugin_entry *e = WHET_NEW(&arena, whet_plugin_entry);
    if (!e) {
        whet_arena_fini(&arena);
        return WHET_NOMEM(err);
    }
    e->arena = arena;
    whet_status status = whet_plugin_copy(e, plugin, err);
    if (status == WHET_OK) status = whet_plugin_make_op(e, origin, err);
    if (status == WHET_OK) status = whet_plugin_make_kernels(e, err);
    if (status != WHET_OK) {
        arena = e->arena;
        whet_arena_fini(&arena);
        return status;
    }
    *entry = e;
    return WHET_OK;
}

void whet_plugin_entry_drop(whet_plugin_entry *e) {
    whet_arena arena = e->arena;
    whet_arena_fini(&arena);
}

void whet_plugin_entry_destroy(whet_plugin_entry *e) {
    if (e->p.release) e->p.release(e->p.user);
    whet_plugin_entry_drop(e);
}

// SPDX-License-Identifier: Apache-2.0
// Islands of a model that states its quantization: a value in float is rounded to 8 bits, integers
// are computed from it, and what comes out is float again. Rounding may cost more than integers
// save there; the tuner's times tell. Taking an island out leaves rounding out, which changes
// results a little, so that is done only where an option allows it.
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"
#include "ops/attrs.h"
#include "pass/quant_match.h"

enum { MOST_ISLANDS = 32, MOST_NAMES = 16 };
#define LEAST_GAIN 0.002 // of the plan's time

typedef struct {
    const char *quantize;            // the node that rounds
    const char *readers[MOST_NAMES]; // what computes in integers, the first few
    int32_t n;
} island;

// ---- in the plan ----

typedef struct {
    const whet_pgraph *g;
    const whet_plan *p;
    island *list;
    int32_t n;
} finder;

static whet_dtype type_of(const finder *f, int32_t tensor) {
    return f->g->values[f->p->tensors[tensor].value].type.dtype;
}

static bool is_8_bit(whet_dtype t) { return t == WHET_DTYPE_I8 || t == WHET_DTYPE_U8; }

static bool reads(const whet_pstep *s, int32_t tensor) {
    for (int32_t i = 0; i < s->n_in; i++)
        if (s->in[i] == tensor) return true;
    return s->other == tensor;
}

static bool is_heavy(const whet_pstep *s) {
    return s->op == &whet_op_quant_conv || s->op == &whet_op_quant_matmul;
}

// Conversions and operators that pick elements: what they give is what they take.
static bool only_moves(const whet_pstep *s) {
    return (!s->op && !s->chain) || s->op == &whet_op_max_pool ||
           (s->op && s->op->flags & (WHET_OP_VIEW | WHET_OP_MOVES));
}

// Whether all that reads the tensor gives floats; notes what computes from it.
static bool ends_in_float(const finder *f, int32_t tensor, island *found, int32_t depth) {
    const whet_plan *p = f->p;
    if (depth > 16) return false;
    for (int32_t i = 0; i < p->n_tensors; i++)
        if (p->tensors[i].alias == tensor && !ends_in_float(f, i, found, depth + 1)) return false;
    for (int32_t i = 0; i < f->g->n_outputs; i++)
        if (p->outputs[i] == tensor) return false;
    for (int32_t i = 0; i < p->n_steps; i++) {
        const whet_pstep *s = &p->steps[i];
        if (!reads(s, tensor)) continue;
        for (int32_t k = 0; k < s->n_out; k++) {
            if (s->out[k] < 0 || !is_8_bit(type_of(f, s->out[k]))) continue;
            if (!only_moves(s) || !ends_in_float(f, s->out[k], found, depth + 1)) return false;
        }
        if (is_heavy(s) && found->n < MOST_NAMES)
            found->readers[found->n++] = f->g->nodes[s->nodes[0]].name;
    }
    return true;
}

// The node of a step that rounds floats to what the step gives; NULL: there is none.
static const whet_pnode *rounds(const finder *f, const whet_pstep *s) {
    if (s->n_out != 1 || s->out[0] < 0 || !is_8_bit(type_of(f, s->out[0])) || is_heavy(s))
        return NULL;
    for (int32_t i = 0; i < s->n_in; i++)
        if (s->in[i] >= 0 && is_8_bit(type_of(f, s->in[i])) &&
            !whet_pvalue_is_const(&f->g->values[f->p->tensors[s->in[i]].value]))
            return NULL;
    for (int32_t i = 0; i < s->n_nodes; i++) {
        const whet_pnode *n = &f->g->nodes[s->nodes[i]];
        if (n->op == &whet_op_quantize_linear && n->out[0] == f->p->tensors[s->out[0]].value)
            return n;
    }
    return NULL;
}

static void find(finder *f) {
    for (int32_t i = 0; i < f->p->n_steps && f->n < MOST_ISLANDS; i++) {
        const whet_pstep *s = &f->p->steps[i];
        const whet_pnode *n = rounds(f, s);
        island found = {0};
        if (!n || !ends_in_float(f, s->out[0], &found, 0)) continue;
        found.quantize = n->name;
        f->list[f->n++] = found;
    }
}

// ---- in the graph ----

static bool takes_back(const whet_node *n, const whet_node *quantize) {
    whet_dq d;
    return whet_is(n, &whet_op_dequantize_linear) && n->in[0] == quantize->out[0] &&
           whet_match_dq(n->out[0], &d) &&
           whet_dq_same(&d, quantize->in[1], whet_input(quantize, 2)) &&
           quantize->in[0]->type.dtype == WHET_DTYPE_F32;
}

// Whoever takes back what that node rounds reads it unrounded. False: nothing is changed, since
// something else reads the numbers.
static bool take_out(whet_graph *g, const char *quantize) {
    bool done = false;
    WHET_FOR_NODES(g, n) {
        if (!whet_is(n, &whet_op_quantize_linear) || strcmp(n->name, quantize)) continue;
        int32_t uses = 0;
        for (const whet_node *r = n->next; r; r = r->next) uses += takes_back(r, n);
        if (!uses || uses != n->out[0]->n_uses) continue;
        for (whet_node *r = n->next; r; r = r->next)
            if (takes_back(r, n)) whet_value_replace(r->out[0], n->in[0]);
        done = true;
    }
    return done;
}

static whet_status price(whet_build *x, whet_graph *g, const char *without, whet_variant *v) {
    const whet_clone_options as_it_is = {0};
    whet_graph *ir;
    WHET_TRY(whet_graph_clone(g, &as_it_is, &ir, x->err));
    if (without) {
        take_out(ir, without);
        whet_graph_sweep(ir);
    }
    return whet_variant_of(x, ir, without ? 0 : WHET_VARIANT_SHOW, v, x->err);
}

static whet_status report(whet_build *x, const island *i, double with, double without) {
    whet_str names;
    whet_str_init(&names);
    for (int32_t k = 0; k < i->n; k++)
        whet_str_printf(&names, "%s\"%s\"", k ? ", " : "", i->readers[k]);
    whet_env_log(x->env, WHET_LOG_INFO,
                 "%s\"%s\" rounds a value between floats, for %s: %.4g ms more than in float%s",
                 x->c->remove_islands ? "taken out: " : "", i->quantize,
                 i->n ? whet_str_text(&names) : "nothing that computes", (with - without) * 1e3,
                 x->c->remove_islands ? "" : " (option remove-islands takes it out)");
    bool failed = names.failed;
    whet_str_fini(&names);
    return failed ? WHET_NOMEM(x->err) : WHET_OK;
}

static bool states_quantization(const whet_graph *g) {
    WHET_FOR_NODES(g, n)
        if (whet_is(n, &whet_op_quantize_linear)) return true;
    return false;
}

static whet_status weigh(whet_build *x, whet_graph *g, const finder *f, double time) {
    for (int32_t i = 0; i < f->n; i++) {
        whet_variant v;
        WHET_TRY(price(x, g, f->list[i].quantize, &v));
        double without = v.time;
        whet_variant_free(&v);
        if (!whet_build_report(x, i + 1, f->n))
            WHET_FAIL(x->err, WHET_E_CANCELLED, "the build was cancelled");
        if (without >= time * (1 - LEAST_GAIN)) continue;
        WHET_TRY(report(x, &f->list[i], time, without));
        if (!x->c->remove_islands || !take_out(g, f->list[i].quantize)) continue;
        whet_graph_sweep(g);
        time = without;
    }
    return WHET_OK;
}

whet_status whet_islands(whet_build *x, whet_graph *g) {
    const whet_config *c = x->c;
    whet_variant v;
    island list[MOST_ISLANDS];
    int32_t least = c->remove_islands ? 1 : 3; // level
    if (c->level < least || c->deterministic || c->plan != WHET_PLAN_TUNED || x->calibrated ||
        !states_quantization(g))
        return WHET_OK;
    WHET_TRY(whet_build_start(x, "tuning"));
    WHET_TRY(price(x, g, NULL, &v));
    finder f = {.g = v.graph, .p = v.plan, .list = list};
    find(&f);
    whet_status status = f.n ? whet_build_start(x, "looking at islands") : WHET_OK;
    if (status == WHET_OK) status = weigh(x, g, &f, v.time);
    whet_variant_free(&v);
    return status;
}

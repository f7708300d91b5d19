// SPDX-License-Identifier: Apache-2.0
// Precision constraints of layers: which types nodes of the model are to compute in and to store,
// by name. They become demands of the graph's nodes; passes and the plan keep them where they can,
// and what they could not keep is found here. docs/quantization.md.
#include <string.h>

#include "base/nearest.h"
#include "build/builder_impl.h"
#include "build/calib.h"
#include "pass/match.h"

enum { MOST_WARNINGS = 8 };

static const struct {
    const char *name;
    uint8_t dtype;
    int32_t bit;
} types[] = {
#define PRECISION(id, name, dtype) {name, WHET_DTYPE_##dtype, WHET_PRECISION_##id},
#include "build/precisions.def"
#undef PRECISION
};

static const char *type_name(uint8_t dtype) {
    for (int32_t i = 0; i < WHET_COUNT(types); i++)
        if (types[i].dtype == dtype) return types[i].name + (*types[i].name == '!');
    return "?";
}

static bool allows(const whet_build *x, uint8_t dtype) {
    int32_t set = x->c->precision | WHET_PRECISION_FP32;
    if (whet_config_bf16(x->c)) set |= WHET_PRECISION_BF16;
    if (whet_config_fp16(x->c)) set |= WHET_PRECISION_FP16;
    if (whet_config_int8(x->c)) set |= WHET_PRECISION_INT8;
    if (whet_config_int4(x->c)) set |= WHET_PRECISION_INT4;
    for (int32_t i = 0; i < WHET_COUNT(types); i++)
        if (types[i].dtype == dtype && (set & types[i].bit)) return true;
    return false;
}

// ---- NAME:TYPE,PREFIX*:TYPE ----

typedef struct {
    const char *name;
    size_t n;
    const char *star; // in name, or NULL
    uint8_t dtype;
    bool matched;
} rule;

typedef struct {
    whet_build *x;
    const char *option;
    bool store;
    rule *rules;
    int32_t n, cap;
    int32_t unmet;
    bool quantized; // the graph computes in integers, or will
    whet_arena *arena;
} rules;

static whet_status parse_type(rules *r, const char *text, size_t n, uint8_t *dtype) {
    for (int32_t i = 0; i < WHET_COUNT(types); i++) {
        bool refused = *types[i].name == '!';
        const char *name = types[i].name + refused;
        if (strlen(name) != n || memcmp(name, text, n) || !types[i].dtype) continue;
        if (refused)
            WHET_FAIL(r->x->err, WHET_E_UNSUPPORTED,
                      "option %s: \"%s\" is no type that this version computes in", r->option,
                      name);
        *dtype = types[i].dtype;
        return WHET_OK;
    }
    whet_str known;
    whet_str_init(&known);
    for (int32_t i = 0; i < WHET_COUNT(types); i++)
        if (types[i].dtype && *types[i].name != '!')
            whet_str_printf(&known, "%s%s", known.len ? ", " : "", types[i].name);
    whet_error_set(r->x->err, WHET_E_INVALID, "option %s: \"%.*s\" is no type, expected one of %s",
                   r->option, (int)(n < 100 ? n : 100), text, whet_str_text(&known));
    whet_str_fini(&known);
    return WHET_E_INVALID;
}

// Types of several outputs are joined by '+'; a layer here has one.
static whet_status parse_types(rules *r, const char *text, size_t n, uint8_t *dtype) {
    uint8_t next;
    for (size_t at = 0;;) {
        const char *plus = memchr(text + at, '+', n - at);
        size_t k = plus ? (size_t)(plus - text) - at : n - at;
        WHET_TRY(parse_type(r, text + at, k, &next));
        if (at && next != *dtype)
            WHET_FAIL(r->x->err, WHET_E_UNSUPPORTED,
                      "option %s: \"%.*s\": all outputs of a layer are stored as one type",
                      r->option, (int)(n < 100 ? n : 100), text);
        *dtype = next;
        if (!plus) return WHET_OK;
        at += k + 1;
    }
}

static whet_status parse(rules *r, const char *text) {
    whet_error *err = r->x->err;
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, ","), k = n;
        while (k && at[k - 1] != ':') k--;
        if (k < 2)
            WHET_FAIL(err, WHET_E_INVALID, "option %s: \"%.*s\", expected NAME:TYPE", r->option,
                      (int)(n < 100 ? n : 100), at);
        rule next = {.name = at, .n = k - 1, .star = memchr(at, '*', k - 1)};
        if (next.star && memchr(next.star + 1, '*', (size_t)(at + k - 1 - next.star - 1)))
            WHET_FAIL(err, WHET_E_INVALID, "option %s: \"%.*s\": a name has at most one *",
                      r->option, (int)(n < 100 ? n : 100), at);
        WHET_TRY(r->store ? parse_types(r, at + k, n - k, &next.dtype)
                          : parse_type(r, at + k, n - k, &next.dtype));
        if (!WHET_ARENA_PUSH(r->arena, r->rules, r->n, r->cap, next)) return WHET_NOMEM(err);
        at += n + (at[n] == ',');
    }
    return WHET_OK;
}

static bool matches(const rule *r, const char *name) {
    size_t n = strlen(name);
    if (!r->star) return n == r->n && !memcmp(name, r->name, n);
    size_t before = (size_t)(r->star - r->name), after = r->n - before - 1;
    return n >= before + after && !memcmp(name, r->name, before) &&
           !memcmp(name + n - after, r->star + 1, after);
}

// ---- demands ----

// What cannot be: an error, or a warning.
static whet_status refuse(whet_build *x, int32_t *unmet, const char *layer, bool store,
                          uint8_t dtype, const char *why) {
    size_t n = strlen(layer);
    if (x->c->constraints == WHET_CONSTRAINTS_OBEY)
        WHET_FAIL(x->err, WHET_E_UNSUPPORTED,
                  "layer \"%.*s\" cannot %s %s: %s (option precision-constraints=obey)",
                  (int)(n < 200 ? n : 200), layer, store ? "store" : "compute in",
                  type_name(dtype), why);
    whet_env_log(x->env, *unmet < MOST_WARNINGS ? WHET_LOG_WARNING : WHET_LOG_VERBOSE,
                 "layer \"%.*s\" does not %s %s: %s", (int)(n < 200 ? n : 200), layer,
                 store ? "store" : "compute in", type_name(dtype), why);
    if (++*unmet == MOST_WARNINGS)
        whet_env_log(x->env, WHET_LOG_WARNING, "more such layers are told with --verbose");
    return WHET_OK;
}

static bool has_f32(const whet_node *n) {
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i] && n->out[i]->type.dtype == WHET_DTYPE_F32) return true;
    return false;
}

static whet_status demand(rules *r, whet_node *n, const char *name, const rule *of) {
    bool shared = of->star, known = allows(r->x, of->dtype);
    if (n->n_subgraphs || !has_f32(n)) { // `*` is about those that a type can be chosen for
        if (shared) return WHET_OK;
        const char *why = n->n_subgraphs ? "it runs blocks of other layers"
                                         : "its result is not of the type f32 in the model";
        return refuse(r->x, &r->unmet, name, r->store, of->dtype, why);
    }
    if (of->dtype == WHET_DTYPE_I8) known = known || r->quantized;
    if (!known)
        return refuse(r->x, &r->unmet, name, r->store, of->dtype,
                      "the type is not among the precisions of the build");
    if (r->store) n->demand.store = of->dtype;
    else n->demand.compute = of->dtype;
    if (!r->store) n->demand.store = of->dtype == WHET_DTYPE_F32 ? of->dtype : WHET_DTYPE_NONE;
    return WHET_OK;
}

static const char *path_name(rules *r, const char *path, const char *name) {
    if (!*path || !strncmp(name, path, strlen(path))) return name;
    return whet_arena_printf(r->arena, "%s%s", path, name);
}

// Later rules win; all that match count as used.
static whet_status walk(rules *r, whet_graph *g, const char *path, whet_nearest *near) {
    WHET_FOR_NODES(g, n) {
        if (n->recipe) continue;
        const char *name = path_name(r, path, n->name);
        const char *origin = n->origin ? path_name(r, path, n->origin) : name;
        const rule *found = NULL;
        if (!name || !origin) return WHET_NOMEM(r->x->err);
        for (int32_t i = 0; i < r->n && !near; i++) {
            if (!matches(&r->rules[i], name) && !matches(&r->rules[i], origin)) continue;
            r->rules[i].matched = true;
            found = &r->rules[i];
        }
        if (near) whet_nearest_add(near, name);
        if (found) WHET_TRY(demand(r, n, name, found));
        for (int32_t i = 0; i < n->n_subgraphs; i++) {
            const char *inner = whet_arena_printf(r->arena, "%s/", name);
            if (!inner) return WHET_NOMEM(r->x->err);
            WHET_TRY(walk(r, n->subgraphs[i], inner, near));
        }
    }
    return WHET_OK;
}

static whet_status no_such_layer(rules *r, whet_graph *g, const rule *of) {
    whet_nearest near = {.wanted = whet_arena_strndup(r->arena, of->name, of->n)};
    if (!near.wanted) return WHET_NOMEM(r->x->err);
    WHET_TRY(walk(r, g, "", &near));
    whet_str names;
    whet_str_init(&names);
    whet_nearest_print(&near, &names);
    whet_error_set(r->x->err, WHET_E_NOT_FOUND,
                   "option %s: no layer of the model is called \"%s\"%s", r->option, near.wanted,
                   whet_str_text(&names));
    whet_str_fini(&names);
    return WHET_E_NOT_FOUND;
}

static whet_status apply(rules *r, whet_graph *g, const char *text) {
    WHET_TRY(parse(r, text));
    WHET_TRY(walk(r, g, "", NULL));
    for (int32_t i = 0; i < r->n; i++)
        if (!r->rules[i].matched && !(r->rules[i].star && r->rules[i].n == 1))
            return no_such_layer(r, g, &r->rules[i]);
    return WHET_OK;
}

static bool computes_in_integers(const whet_graph *g) {
    WHET_FOR_NODES(g, n)
        if (n->op == &whet_op_dequantize_linear || n->op == &whet_op_qlinear_conv ||
            n->op == &whet_op_qlinear_matmul)
            return true;
    return false;
}

whet_status whet_constraints_apply(whet_build *x, whet_graph *g, bool quantizing) {
    const whet_config *c = x->c;
    if (!c->layer_precisions && !c->layer_output_types) return WHET_OK;
    if (c->constraints == WHET_CONSTRAINTS_NONE) {
        whet_env_log(x->env, WHET_LOG_WARNING,
                     "%s is ignored, since precision-constraints is none",
                     c->layer_precisions ? "layer-precisions" : "layer-output-types");
        return WHET_OK;
    }
    whet_arena arena;
    whet_arena_init(&arena);
    rules r = {.x = x, .option = "layer-precisions", .arena = &arena};
    r.quantized = quantizing || computes_in_integers(g);
    whet_status status = apply(&r, g, c->layer_precisions);
    r = (rules){.x = x, .option = "layer-output-types", .arena = &arena, .store = true,
                .quantized = r.quantized, .unmet = r.unmet};
    if (status == WHET_OK) status = apply(&r, g, c->layer_output_types);
    whet_arena_fini(&arena);
    return status;
}

whet_status whet_config_check_typed(const whet_config *c, whet_error *err) {
    const char *option = c->precision & ~WHET_PRECISION_FP32 ? "precision"
                         : c->bf16                           ? "bf16"
                         : c->fp16                           ? "fp16"
                         : c->int8                           ? "int8"
                         : c->int4                           ? "int4"
                         : c->best                           ? "best"
                         : c->accuracy                       ? "accuracy"
                         : c->remove_islands                 ? "remove-islands"
                         : c->layer_precisions               ? "layer-precisions"
                         : c->layer_output_types             ? "layer-output-types"
                         : c->calibration || c->calib_next   ? "calibration"
                         : c->calib                          ? "calib"
                         : whet_calib_hand_any(c)            ? "ranges"
                                                             : NULL;
    if (c->strongly_typed && option)
        WHET_FAIL(err, WHET_E_INVALID,
                  "option %s chooses types, but with strongly-typed they are the model's", option);
    return WHET_OK;
}

// ---- whether they were met ----

typedef struct {
    whet_build *x;
    const whet_pgraph *g;
    const whet_plan *p;
    int32_t *unmet;
} checker;

static const whet_type *type_of(const checker *c, int32_t tensor) {
    return &c->g->values[c->p->tensors[tensor].value].type;
}

static bool moves(const checker *c, int32_t tensor) {
    return tensor >= 0 && !whet_pvalue_is_const(&c->g->values[c->p->tensors[tensor].value]);
}

static bool is_8_bit(whet_dtype t) { return t == WHET_DTYPE_I8 || t == WHET_DTYPE_U8; }

// On integers, not just moving or rounding them.
static bool is_integer(const whet_pstep *s) {
    static const whet_op *const ops[] = {
        &whet_op_quant_conv, &whet_op_quant_matmul, &whet_op_qlinear_conv,
        &whet_op_qlinear_matmul, &whet_op_conv_integer, &whet_op_matmul_integer};
    for (int32_t i = 0; i < WHET_COUNT(ops); i++)
        if (s->op == ops[i]) return true;
    return false;
}

static bool takes_8_bits(const checker *c, const whet_pstep *s) {
    for (int32_t i = 0; i < s->n_in; i++)
        if (moves(c, s->in[i]) && is_8_bit(type_of(c, s->in[i])->dtype)) return true;
    return false;
}

static bool all_stored(const checker *c, const int32_t *tensors, int32_t n, whet_dtype stored) {
    for (int32_t i = 0; i < n; i++)
        if (moves(c, tensors[i]) && type_of(c, tensors[i])->dtype == WHET_DTYPE_F32 &&
            c->p->tensors[tensors[i]].stored != stored)
            return false;
    return true;
}

static const char *no_integers(const checker *c, const whet_pnode *n) {
    bool heavy = n->op == &whet_op_conv || n->op == &whet_op_matmul;
    if (!heavy) return "its operator has no form on integers here";
    return whet_pvalue_is_const(&c->g->values[n->in[1]])
               ? "no scale is known for what it takes, or it was kept in float"
               : "its weights are no constants";
}

// FP16 is about weights.
static bool takes_half(const checker *c, const whet_pnode *n, const whet_pstep *s) {
    bool heavy = n->op == &whet_op_conv || n->op == &whet_op_matmul || n->op == &whet_op_gemm;
    if (!heavy || !whet_pvalue_is_const(&c->g->values[n->in[1]])) return true;
    return s->kernel->stores & WHET_STORE_BIT(WHET_STORE_HALF);
}

static const char *compute_problem(const checker *c, const whet_pnode *n, const whet_pstep *s) {
    if (whet_demand_is_float(n->demand.compute) && is_integer(s))
        return "the model states its arithmetic on integers";
    switch (n->demand.compute) {
    case WHET_DTYPE_F32:
        return all_stored(c, s->in, s->n_in, WHET_DTYPE_NONE)
                   ? NULL : "a value it takes is rounded";
    case WHET_DTYPE_BF16:
        return all_stored(c, s->in, s->n_in, WHET_DTYPE_BF16)
                   ? NULL : "no kernel of this machine takes it stored so";
    case WHET_DTYPE_F16: return takes_half(c, n, s) ? NULL : "no kernel takes its weights so";
    case WHET_DTYPE_I4:
        return s->op == &whet_op_block_matmul || s->op == &whet_op_ms_matmul_nbits
                   ? NULL : "it is no matrix product whose weights could be of 4 bits";
    case WHET_DTYPE_I8: return takes_8_bits(c, s) ? NULL : no_integers(c, n);
    default: return "no kernel of this machine computes so";
    }
}

static const char *store_problem(const checker *c, const whet_pnode *n, const whet_pstep *s) {
    int32_t t = s->n_out ? s->out[0] : -1;
    whet_dtype type = t < 0 ? WHET_DTYPE_NONE : type_of(c, t)->dtype;
    if (!n->demand.store || t < 0) return NULL;
    if (n->demand.store == WHET_DTYPE_I8)
        return is_8_bit(type) ? NULL : "what reads the result takes it in float";
    if (is_8_bit(type)) return "the result is rounded to 8 bits in the same step";
    bool f32 = n->demand.store == WHET_DTYPE_F32;
    if (type != WHET_DTYPE_F32) return NULL;
    return c->p->tensors[t].stored == (f32 ? WHET_DTYPE_NONE : n->demand.store)
               ? NULL : "no kernel of this machine stores it so";
}

static whet_status check_step(checker *c, const whet_pstep *s) {
    for (int32_t i = 0; i < s->n_nodes; i++) {
        const whet_pnode *n = &c->g->nodes[s->nodes[i]];
        const char *layer = n->origin ? n->origin : n->name;
        const char *why = n->demand.compute ? compute_problem(c, n, s) : NULL;
        if (why)
            WHET_TRY(refuse(c->x, c->unmet, layer, false, n->demand.compute, why));
        why = store_problem(c, n, s);
        if (why) WHET_TRY(refuse(c->x, c->unmet, layer, true, n->demand.store, why));
    }
    return WHET_OK;
}

static whet_status check(whet_build *x, const whet_pgraph *g, const whet_plan *p, int32_t *unmet) {
    checker c = {x, g, p, unmet};
    for (int32_t i = 0; i < p->n_steps; i++) WHET_TRY(check_step(&c, &p->steps[i]));
    for (int32_t i = 0; i < p->n_blocks; i++)
        WHET_TRY(check(x, g->blocks[i], p->blocks[i], unmet));
    return WHET_OK;
}

whet_status whet_constraints_check(whet_build *x) {
    int32_t unmet = 0;
    bool any = x->c->layer_precisions || x->c->layer_output_types;
    if (!any || x->c->constraints == WHET_CONSTRAINTS_NONE || x->c->plan != WHET_PLAN_TUNED)
        return WHET_OK;
    for (int32_t i = 0; i < x->n_plans; i++)
        WHET_TRY(check(x, x->graph, x->plans[i], &unmet));
    return WHET_OK;
}

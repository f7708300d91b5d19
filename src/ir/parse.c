// SPDX-License-Identifier: Apache-2.0
// Text to graph, in one pass: a name stands for the value defined before it. Types of results may
// be left out; recipes are evaluated, so their contents are never in the text.
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "ir/text.h"

#define MAX_DEPTH 64
// Elements that recipes of a text may compute together.
#define MAX_DERIVED (INT64_C(1) << 26)

typedef struct {
    const char *name; // "%1" for unnamed ones, and then `anon`
    bool anon;
    whet_value *value;
} symbol;

typedef struct {
    whet_lexer lex;
    whet_arena arena; // of tokens and symbols
    whet_graph *root;
    whet_error *err;
    symbol *symbols; // open addressing
    int32_t n_symbols, cap_symbols;
    int64_t derived;
} parser;

static whet_status nomem(parser *p) { return WHET_NOMEM(p->err); }

// ---- names ----

static symbol *slot(const parser *p, const char *name, bool anon) {
    uint32_t mask = (uint32_t)p->cap_symbols - 1;
    uint32_t i = (uint32_t)whet_hash64_text(name, anon) & mask;
    while (p->symbols[i].name && (p->symbols[i].anon != anon || strcmp(p->symbols[i].name, name)))
        i = (i + 1) & mask;
    return &p->symbols[i];
}

static bool grow_symbols(parser *p) {
    symbol *old = p->symbols;
    int32_t cap = p->cap_symbols;
    if (cap > INT32_MAX / 4) return false;
    p->cap_symbols = cap ? cap * 2 : 64;
    p->symbols = WHET_NEW_ARRAY(&p->arena, symbol, p->cap_symbols);
    if (!p->symbols) return false;
    for (int32_t i = 0; i < cap; i++)
        if (old[i].name) *slot(p, old[i].name, old[i].anon) = old[i];
    return true;
}

static bool is_value_name(const parser *p) {
    whet_token_kind kind = p->lex.token.kind;
    return kind == WHET_TOKEN_NAME || kind == WHET_TOKEN_STRING || kind == WHET_TOKEN_ANON;
}

static bool is_absent(const parser *p) { return whet_lexer_is_word(&p->lex, "_"); }

// Gives the value the name that is the current token.
static whet_status define(parser *p, whet_value *v) {
    if (!is_value_name(p) || is_absent(p))
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a name");
    const char *name = p->lex.token.text;
    bool anon = p->lex.token.kind == WHET_TOKEN_ANON;
    if (p->n_symbols * 2 >= p->cap_symbols && !grow_symbols(p)) return nomem(p);
    symbol *s = slot(p, name, anon);
    if (s->name) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "%s is there already", name);
    *s = (symbol){.name = name, .anon = anon, .value = v};
    p->n_symbols++;
    if (!anon) v->name = whet_arena_strdup(p->root->arena, name);
    if (!v->name) return nomem(p);
    whet_lexer_next(&p->lex);
    return WHET_OK;
}

// Of graphs around only constants are seen.
static bool visible(const whet_graph *from, const whet_value *v) {
    if (v->graph == from) return true;
    for (; from; from = from->parent)
        if (v->graph == from) return v->data;
    return false;
}

// The value that the current token names.
static whet_status find(parser *p, const whet_graph *g, whet_value **v) {
    if (!is_value_name(p)) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a name");
    const char *name = p->lex.token.text;
    symbol *s = p->cap_symbols ? slot(p, name, p->lex.token.kind == WHET_TOKEN_ANON) : NULL;
    if (!s || !s->name || !visible(g, s->value))
        return whet_lexer_fail(&p->lex, WHET_E_NOT_FOUND, "%s is not defined here", name);
    *v = s->value;
    whet_lexer_next(&p->lex);
    return WHET_OK;
}

// A name or quoted text that names no value.
static whet_status parse_label(parser *p, const char **label) {
    if (p->lex.token.kind != WHET_TOKEN_NAME && p->lex.token.kind != WHET_TOKEN_STRING)
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a name");
    *label = whet_arena_strdup(p->root->arena, p->lex.token.text);
    if (!*label) return nomem(p);
    whet_lexer_next(&p->lex);
    return WHET_OK;
}

// ---- types ----

static whet_status parse_type_set(parser *p, uint64_t *set) {
    *set = 0;
    if (!whet_lexer_accept(&p->lex, '<')) return WHET_OK;
    do {
        whet_dtype dtype = WHET_DTYPE_NONE;
        if (p->lex.token.kind == WHET_TOKEN_NAME) dtype = whet_dtype_parse(p->lex.token.text);
        if (!dtype) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a data type");
        *set |= WHET_DTYPE_BIT(dtype);
        whet_lexer_next(&p->lex);
    } while (whet_lexer_accept(&p->lex, ','));
    return whet_lexer_expect(&p->lex, '>');
}

// ": type" with its set of storage types; dtype NONE when it is left out.
static whet_status parse_type(parser *p, whet_type *type, uint64_t *set) {
    *type = (whet_type){.rank = -1};
    *set = 0;
    if (!whet_lexer_accept(&p->lex, ':')) return WHET_OK;
    WHET_TRY(whet_parse_type(&p->lex, p->root->dims, type));
    return parse_type_set(p, set);
}

static void take_type(whet_value *v, const whet_type *type, uint64_t set) {
    v->type.dtype = type->dtype;
    v->type.rank = type->rank;
    v->type.elem = type->elem;
    memcpy(v->type.dims, type->dims, sizeof type->dims);
    v->type_set = set ? set : WHET_DTYPE_BIT(type->dtype);
}

// The stated type may say more than the inferred one, nothing else.
static whet_status merge_type(parser *p, whet_value *v, const whet_type *stated, uint64_t set) {
    const whet_type *type = &v->type;
    if (!stated->dtype) return WHET_OK;
    whet_elem elem;
    bool ok = stated->dtype == type->dtype || !type->dtype;
    ok = ok && whet_elem_merge(stated->elem, type->elem, &elem);
    if (type->rank >= 0) ok = ok && stated->rank == type->rank;
    for (int32_t i = 0; ok && i < type->rank; i++)
        if (whet_dim_is_const(type->dims[i]))
            ok = !whet_dim_is_const(stated->dims[i]) ? !v->data
                                                     : stated->dims[i] == type->dims[i];
    if (!ok)
        return whet_lexer_fail(&p->lex, WHET_E_SHAPE,
                               "the type of %s is not what its operator gives",
                               *v->name ? v->name : "a value");
    if (!v->data) take_type(v, stated, set);
    return WHET_OK;
}

// ---- items ----

static whet_status parse_input(parser *p, whet_graph *g) {
    whet_type type;
    uint64_t set;
    whet_value *v = whet_graph_value(g, "");
    if (!v || !whet_graph_add_input(g, v)) return nomem(p);
    WHET_TRY(define(p, v));
    WHET_TRY(parse_type(p, &type, &set));
    if (!type.dtype) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a type");
    take_type(v, &type, set);
    for (int32_t i = 0; i < type.rank; i++)
        if (!whet_dim_is_const(type.dims[i]))
            v->dim_names[i] = whet_dim_name(g->dims, type.dims[i]);
    return WHET_OK;
}

static whet_status parse_const(parser *p, whet_graph *g) {
    whet_type type;
    uint64_t set;
    whet_tensor t = {0};
    whet_token name = p->lex.token;
    if (!is_value_name(p)) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a name");
    whet_lexer_next(&p->lex);
    WHET_TRY(parse_type(p, &type, &set));
    t.dtype = type.dtype;
    t.rank = type.rank;
    for (int32_t i = 0; i < type.rank; i++) t.dims[i] = type.dims[i];
    if (whet_dims_count(t.dims, t.rank) < 0 || t.rank < 0 || !t.dtype)
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "a constant has a type of fixed shape");
    WHET_TRY(whet_lexer_expect(&p->lex, '='));
    WHET_TRY(whet_parse_data(&p->lex, g->arena, &t));
    whet_value *v = whet_graph_constant(g, "", &t, false);
    if (!v) return nomem(p);
    if (set) v->type_set = set;
    whet_lexer after = p->lex;
    p->lex.token = name;
    WHET_TRY(define(p, v));
    p->lex = after;
    return WHET_OK;
}

static whet_status parse_output(parser *p, whet_graph *g) {
    whet_value *v;
    const char *name;
    WHET_TRY(find(p, g, &v));
    name = v->name;
    if (whet_lexer_is_word(&p->lex, "as")) {
        whet_lexer_next(&p->lex);
        WHET_TRY(parse_label(p, &name));
    }
    return whet_graph_add_output(g, v, name) ? WHET_OK : nomem(p);
}

// ---- nodes ----

typedef struct {
    whet_token name; // of the value; kind END: absent
    whet_type type;
    uint64_t set;
} result;

typedef struct {
    result *results;
    int32_t n_results, cap_results;
    whet_value **in;
    int32_t n_in, cap_in;
} node_text;

static whet_status parse_result(parser *p, node_text *t) {
    result r = {.name = p->lex.token};
    if (!is_value_name(p)) return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected a name");
    if (is_absent(p)) r.name.kind = WHET_TOKEN_END;
    whet_lexer_next(&p->lex);
    WHET_TRY(parse_type(p, &r.type, &r.set));
    if (!WHET_ARENA_PUSH(&p->arena, t->results, t->n_results, t->cap_results, r))
        return nomem(p);
    return WHET_OK;
}

static whet_status parse_results(parser *p, node_text *t) {
    if (!whet_lexer_accept(&p->lex, '(')) return parse_result(p, t);
    while (!whet_lexer_is(&p->lex, ')')) {
        if (t->n_results) WHET_TRY(whet_lexer_expect(&p->lex, ','));
        WHET_TRY(parse_result(p, t));
    }
    return whet_lexer_expect(&p->lex, ')');
}

static whet_status parse_arguments(parser *p, const whet_graph *g, node_text *t) {
    WHET_TRY(whet_lexer_expect(&p->lex, '('));
    while (!whet_lexer_is(&p->lex, ')')) {
        whet_value *v = NULL;
        if (t->n_in) WHET_TRY(whet_lexer_expect(&p->lex, ','));
        if (is_absent(p)) whet_lexer_next(&p->lex);
        else WHET_TRY(find(p, g, &v));
        if (!WHET_ARENA_PUSH(&p->arena, t->in, t->n_in, t->cap_in, v)) return nomem(p);
    }
    return whet_lexer_expect(&p->lex, ')');
}

static whet_status parse_graph(parser *p, whet_graph *g, int depth);

// Whether the current word begins an item rather than naming a result: "input x" against "input:".
static bool is_keyword(parser *p, const char *word) {
    return whet_lexer_is_word(&p->lex, word) && !strchr(":=", whet_lexer_peek(&p->lex));
}

static whet_status parse_subgraphs(parser *p, whet_node *n, int depth) {
    int32_t cap = 0;
    while (is_keyword(p, "graph")) {
        const char *name;
        whet_lexer_next(&p->lex);
        WHET_TRY(parse_label(p, &name));
        whet_graph *sub = whet_graph_sub(n->graph, name);
        if (!sub ||
            !WHET_ARENA_PUSH(n->graph->arena, n->subgraphs, n->n_subgraphs, cap, sub))
            return nomem(p);
        WHET_TRY(parse_graph(p, sub, depth + 1));
    }
    return WHET_OK;
}

static whet_status parse_tail(parser *p, whet_node *n, int depth) {
    WHET_TRY(whet_parse_attrs(&p->lex, n->op, n->attrs, n->graph->arena));
    if (whet_lexer_accept(&p->lex, '@')) WHET_TRY(parse_label(p, &n->name));
    if (whet_lexer_is_word(&p->lex, "from") && strchr("\"", whet_lexer_peek(&p->lex))) {
        whet_lexer_next(&p->lex);
        WHET_TRY(parse_label(p, &n->origin));
    }
    return parse_subgraphs(p, n, depth);
}

static whet_status name_results(parser *p, whet_node *n, const node_text *t) {
    whet_lexer after = p->lex;
    for (int32_t i = 0; i < t->n_results; i++) {
        p->lex.token = t->results[i].name;
        if (p->lex.token.kind == WHET_TOKEN_END) {
            n->out[i]->producer = NULL;
            n->out[i] = NULL;
            continue;
        }
        WHET_TRY(define(p, n->out[i]));
    }
    p->lex = after;
    return WHET_OK;
}

static whet_status derive(parser *p, whet_node *n) {
    for (int32_t i = 0; i < n->n_in; i++)
        if (n->in[i] && !n->in[i]->data)
            return whet_lexer_fail(&p->lex, WHET_E_PARSE,
                                   "a recipe has an input that is no constant");
    if (n->prev && !n->prev->recipe)
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "recipes come before other nodes");
    for (int32_t i = 0; i < n->n_out; i++) {
        int64_t count = n->out[i] ? whet_value_count(n->out[i]) : 0;
        if (count > MAX_DERIVED - p->derived)
            return whet_lexer_fail(&p->lex, WHET_E_LIMIT, "recipes with too large results");
        p->derived += count > 0 ? count : 0;
    }
    if (whet_graph_fold_node(n, p->err) == WHET_OK) return WHET_OK;
    return whet_lexer_fail(&p->lex, p->err ? p->err->status : WHET_E_MODEL, "%s",
                           p->err ? p->err->text : "recipe");
}

// The subgraphs' inputs have the types that the text states.
static whet_status infer_results(parser *p, whet_node *n) {
    whet_type *out = WHET_NEW_ARRAY(&p->arena, whet_type, n->n_out);
    if (!out) return nomem(p);
    WHET_TRY(whet_graph_infer_results(n, out, &p->arena, p->err));
    for (int32_t i = 0; i < n->n_out; i++) {
        if (!n->out[i]) continue;
        n->out[i]->type = out[i];
        n->out[i]->type_set = WHET_DTYPE_BIT(out[i].dtype);
    }
    return WHET_OK;
}

static whet_status finish_node(parser *p, whet_node *n, const node_text *t, bool recipe) {
    whet_status status = whet_op_attr_check(n->op, n->attrs, p->err);
    if (status == WHET_OK)
        status = n->n_subgraphs ? infer_results(p, n) : whet_graph_infer_node(n, p->err);
    if (status != WHET_OK)
        return whet_lexer_fail(&p->lex, status, "%s", p->err ? p->err->text : n->op->name);
    if (recipe) WHET_TRY(derive(p, n));
    for (int32_t i = 0; i < n->n_out; i++)
        if (n->out[i])
            WHET_TRY(merge_type(p, n->out[i], &t->results[i].type, t->results[i].set));
    return WHET_OK;
}

static whet_status parse_node(parser *p, whet_graph *g, int depth) {
    node_text t = {0};
    whet_token start = p->lex.token;
    bool recipe = is_keyword(p, "recipe");
    if (recipe) whet_lexer_next(&p->lex);
    WHET_TRY(parse_results(p, &t));
    WHET_TRY(whet_lexer_expect(&p->lex, '='));
    const whet_op *op = NULL;
    if (p->lex.token.kind == WHET_TOKEN_NAME || p->lex.token.kind == WHET_TOKEN_STRING)
        op = whet_op_get(g->ops, p->lex.token.text, p->lex.err);
    if (!op) return whet_lexer_fail(&p->lex, WHET_E_NOT_FOUND, "no operator of that name");
    whet_lexer_next(&p->lex);
    WHET_TRY(parse_arguments(p, g, &t));
    whet_node *n = whet_graph_node(g, op, NULL, NULL, t.in, t.n_in, t.n_results, NULL);
    if (!n) return nomem(p);
    WHET_TRY(parse_tail(p, n, depth));
    WHET_TRY(name_results(p, n, &t));
    whet_token behind = p->lex.token;
    p->lex.token = start; // where errors are
    WHET_TRY(finish_node(p, n, &t, recipe));
    p->lex.token = behind;
    return WHET_OK;
}

static whet_status parse_item(parser *p, whet_graph *g, int depth) {
    static const struct {
        const char *word;
        whet_status (*parse)(parser *p, whet_graph *g);
    } items[] = {{"input", parse_input}, {"const", parse_const}, {"output", parse_output}};
    for (int32_t i = 0; i < WHET_COUNT(items); i++) {
        if (!is_keyword(p, items[i].word)) continue;
        whet_lexer_next(&p->lex);
        return items[i].parse(p, g);
    }
    return parse_node(p, g, depth);
}

static whet_status parse_graph(parser *p, whet_graph *g, int depth) {
    if (depth > MAX_DEPTH)
        return whet_lexer_fail(&p->lex, WHET_E_LIMIT, "graphs nested deeper than %d", MAX_DEPTH);
    WHET_TRY(whet_lexer_expect(&p->lex, '{'));
    while (!whet_lexer_is(&p->lex, '}')) {
        if (p->lex.token.kind == WHET_TOKEN_END)
            return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected '}'");
        WHET_TRY(parse_item(p, g, depth));
    }
    whet_lexer_next(&p->lex);
    return WHET_OK;
}

static whet_status parse_root(parser *p) {
    if (!whet_lexer_is_word(&p->lex, "graph"))
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected 'graph'");
    whet_lexer_next(&p->lex);
    WHET_TRY(parse_label(p, &p->root->name));
    WHET_TRY(parse_graph(p, p->root, 0));
    if (p->lex.token.kind != WHET_TOKEN_END)
        return whet_lexer_fail(&p->lex, WHET_E_PARSE, "expected the end of the text");
    return WHET_OK;
}

// Dimensions "?7" and "?v7" of the text must not meet those that inference makes, which are
// numbered from the largest known number on.
static whet_status reserve_fresh(parser *p, const char *text) {
    long long largest = 0;
    for (const char *at = text; (at = strchr(at, '?'));) {
        at += at[1] == 'v' ? 2 : 1;
        long long v = *at >= '0' && *at <= '9' ? strtoll(at, NULL, 10) : 0;
        if (v > largest) largest = v;
    }
    if (largest == 0) return WHET_OK;
    const char *name = whet_arena_printf(&p->arena, "?%lld", largest);
    if (!name || whet_dim_is_error(whet_dim_named(p->root->dims, name))) return nomem(p);
    return WHET_OK;
}

whet_status whet_graph_parse(const whet_op_table *ops, const char *text, size_t n,
                             whet_graph **graph, whet_error *err) {
    parser p = {.err = err};
    whet_arena_init(&p.arena);
    p.root = whet_graph_create(ops);
    const char *copy = n == SIZE_MAX ? NULL : whet_arena_strndup(&p.arena, text, n);
    whet_status status = WHET_E_NOMEM;
    if (!p.root || !copy) {
        nomem(&p);
    } else {
        whet_lexer_init(&p.lex, copy, &p.arena, err);
        status = reserve_fresh(&p, copy);
        if (status == WHET_OK) status = parse_root(&p);
    }
    whet_arena_fini(&p.arena);
    if (status == WHET_OK) *graph = p.root;
    else whet_graph_destroy(p.root);
    return status;
}

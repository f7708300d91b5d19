// SPDX-License-Identifier: Apache-2.0
// Text form of dimension expressions, their names, and their value for given names.
#include <stdlib.h>
#include <string.h>

#include "shape/dim_pool.h"

static const char *const function_names[] = {
    [DIM_FLOORDIV] = "floordiv", [DIM_MOD] = "mod", [DIM_MIN] = "min", [DIM_MAX] = "max"};

// ---- print ----

static bool name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '?';
}
static bool name_part(char c) { return name_start(c) || (c >= '0' && c <= '9') || c == '.'; }

// Plain where it reads back as a name, else in quotes with \" \\ and \xHH.
static void print_name(const char *name, whet_str *out) {
    const char *c = name;
    bool plain = name_start(*c);
    while (name_part(*c)) c++;
    if (plain && !*c) {
        whet_str_add(out, name);
        return;
    }
    whet_str_add(out, "\"");
    for (c = name; *c; c++) {
        if (*c == '"' || *c == '\\') whet_str_printf(out, "\\%c", *c);
        else if ((unsigned char)*c < 32) whet_str_printf(out, "\\x%02x", (unsigned char)*c);
        else whet_str_add_n(out, c, 1);
    }
    whet_str_add(out, "\"");
}

// A part of an expression as text, for sorting: the order of the pool depends on its history, that
// of the text must not.
typedef struct piece {
    whet_str text;
    int32_t degree; // larger ones first; 0: a number
    int64_t coef;
} piece;

static int by_text(const void *a, const void *b) {
    const piece *x = a, *y = b;
    if (x->degree != y->degree) return x->degree > y->degree ? -1 : 1;
    return strcmp(whet_str_text(&x->text), whet_str_text(&y->text));
}

static piece *pieces_create(int32_t n, whet_str *out) {
    piece *p = calloc((size_t)n + 1, sizeof *p);
    if (!p) out->failed = true;
    for (int32_t i = 0; p && i < n; i++) whet_str_init(&p[i].text);
    return p;
}

static void pieces_destroy(piece *p, int32_t n, whet_str *out) {
    for (int32_t i = 0; i < n; i++) {
        if (p[i].text.failed) out->failed = true;
        whet_str_fini(&p[i].text);
    }
    free(p);
}

static void print_call(const whet_dims *pool, const dim_atom *a, whet_str *out) {
    piece *p = pieces_create(a->n_args, out);
    if (!p) return;
    for (int32_t i = 0; i < a->n_args; i++) {
        whet_dim_print(pool, a->args[i], &p[i].text);
        p[i].degree = !whet_dim_is_const(a->args[i]); // numbers last
    }
    if (a->kind == DIM_MIN || a->kind == DIM_MAX)
        qsort(p, (size_t)a->n_args, sizeof *p, by_text);
    whet_str_add(out, function_names[a->kind]);
    for (int32_t i = 0; i < a->n_args; i++) {
        whet_str_add(out, i ? ", " : "(");
        whet_str_add(out, whet_str_text(&p[i].text));
    }
    whet_str_add(out, ")");
    pieces_destroy(p, a->n_args, out);
}

// Higher powers first, names before functions.
static int32_t mono_degree(const whet_dims *pool, const dim_mono *m) {
    bool call = false;
    for (int32_t i = 0; i < m->n; i++) call = call || pool->atoms[m->atoms[i]].kind != DIM_NAME;
    return 2 * m->n - call;
}

static void print_mono(const whet_dims *pool, const dim_mono *m, whet_str *out) {
    piece *p = pieces_create(m->n, out);
    if (!p) return;
    for (int32_t i = 0; i < m->n; i++) {
        const dim_atom *a = &pool->atoms[m->atoms[i]];
        if (a->kind == DIM_NAME) print_name(a->name, &p[i].text);
        else print_call(pool, a, &p[i].text);
    }
    qsort(p, (size_t)m->n, sizeof *p, by_text);
    for (int32_t i = 0; i < m->n; i++) {
        if (i) whet_str_add(out, "*");
        whet_str_add(out, whet_str_text(&p[i].text));
    }
    pieces_destroy(p, m->n, out);
}

static void print_term(const piece *t, bool first, whet_str *out) {
    uint64_t size = t->coef < 0 ? 0 - (uint64_t)t->coef : (uint64_t)t->coef;
    if (t->coef < 0) whet_str_add(out, first ? "-" : " - ");
    else if (!first) whet_str_add(out, " + ");
    if (size != 1 || t->degree == 0) whet_str_printf(out, "%llu", (unsigned long long)size);
    if (size != 1 && t->degree) whet_str_add(out, "*");
    whet_str_add(out, whet_str_text(&t->text));
}

static void print_expr(const whet_dims *pool, const dim_expr *e, whet_str *out) {
    piece *p = pieces_create(e->n, out);
    if (!p) return;
    for (int32_t i = 0; i < e->n; i++) {
        const dim_mono *m = &pool->monos[e->terms[i].mono];
        print_mono(pool, m, &p[i].text);
        p[i].degree = mono_degree(pool, m);
        p[i].coef = e->terms[i].coef;
    }
    qsort(p, (size_t)e->n, sizeof *p, by_text);
    for (int32_t i = 0; i < e->n; i++) print_term(&p[i], i == 0, out);
    pieces_destroy(p, e->n, out);
}

void whet_dim_print(const whet_dims *pool, whet_dim d, whet_str *out) {
    const dim_expr *e = whet_dim_as_expr(pool, d);
    if (whet_dim_is_const(d)) whet_str_printf(out, "%lld", (long long)d);
    else if (!e) whet_str_add(out, "error");
    else print_expr(pool, e, out);
}

// ---- parse ----

// sum = ['-'] product {('+' | '-') product};  product = factor {'*' factor}
// factor = number | name | function '(' sum {',' sum} ')' | '(' sum ')'
typedef struct parser {
    whet_dims *pool;
    const char *at;
    int32_t depth;
    whet_error *err;
} parser;

static whet_status parse_sum(parser *p, whet_dim *d);

static char peek(parser *p) {
    while (*p->at == ' ' || *p->at == '\t') p->at++;
    return *p->at;
}

static bool accept(parser *p, char c) {
    if (peek(p) != c) return false;
    p->at++;
    return true;
}

static whet_status expected(parser *p, const char *what) {
    WHET_FAIL(p->err, WHET_E_PARSE, "dimension: expected %s at \"%.20s\"", what, p->at);
}

static whet_status parse_number(parser *p, whet_dim *d) {
    int64_t v = 0;
    for (; *p->at >= '0' && *p->at <= '9'; p->at++)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p->at - '0', &v))
            return expected(p, "a number below 2^63");
    *d = v;
    return WHET_OK;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static whet_status parse_quoted(parser *p, char *name, size_t cap) {
    size_t n = 0;
    for (p->at++; *p->at != '"'; p->at++) {
        if (n + 1 >= cap || !*p->at) return expected(p, "the end of a quoted name");
        if (*p->at != '\\') {
            name[n++] = *p->at;
        } else if (p->at[1] == 'x') {
            int high = hex_digit(p->at[2]), low = high < 0 ? -1 : hex_digit(p->at[3]);
            if (low < 0 || high * 16 + low == 0) return expected(p, "two hexadecimal digits");
            name[n++] = (char)(high * 16 + low);
            p->at += 3;
        } else if (*++p->at == '"' || *p->at == '\\') {
            name[n++] = *p->at;
        } else {
            return expected(p, "an escaped character");
        }
    }
    p->at++;
    name[n] = 0;
    return WHET_OK;
}

static whet_dim apply(whet_dims *pool, dim_kind kind, whet_dim a, whet_dim b) {
    switch (kind) {
    case DIM_FLOORDIV: return whet_dim_floordiv(pool, a, b);
    case DIM_MOD: return whet_dim_mod(pool, a, b);
    case DIM_MIN: return whet_dim_min(pool, a, b);
    case DIM_MAX: return whet_dim_max(pool, a, b);
    case DIM_NAME: break;
    }
    return WHET_DIM_ERROR;
}

static whet_status parse_call(parser *p, const char *name, whet_dim *d) {
    dim_kind kind = DIM_NAME;
    for (dim_kind k = DIM_FLOORDIV; k <= DIM_MAX; k++)
        if (!strcmp(name, function_names[k])) kind = k;
    bool ceildiv = !strcmp(name, "ceildiv");
    if (kind == DIM_NAME && !ceildiv) return expected(p, "a function before");
    WHET_TRY(parse_sum(p, d));
    int32_t n = 1;
    for (; accept(p, ','); n++) {
        whet_dim b;
        WHET_TRY(parse_sum(p, &b));
        *d = ceildiv ? whet_dim_ceildiv(p->pool, *d, b) : apply(p->pool, kind, *d, b);
    }
    if (n < 2 || (n > 2 && kind != DIM_MIN && kind != DIM_MAX)) return expected(p, "two operands");
    return accept(p, ')') ? WHET_OK : expected(p, "')'");
}

static whet_status parse_name(parser *p, whet_dim *d) {
    char name[1024];
    if (*p->at == '"') {
        WHET_TRY(parse_quoted(p, name, sizeof name));
    } else {
        size_t n = 0;
        while (name_part(p->at[n])) n++;
        if (n >= sizeof name) return expected(p, "a shorter name");
        memcpy(name, p->at, n);
        name[n] = 0;
        p->at += n;
        if (*p->at == '(') {
            p->at++;
            return parse_call(p, name, d);
        }
    }
    *d = whet_dim_named(p->pool, name);
    return WHET_OK;
}

static whet_status parse_factor(parser *p, whet_dim *d) {
    char c = peek(p);
    if (c >= '0' && c <= '9') return parse_number(p, d);
    if (c == '"' || name_start(c)) return parse_name(p, d);
    if (!accept(p, '(')) return expected(p, "a number or a name");
    WHET_TRY(parse_sum(p, d));
    return accept(p, ')') ? WHET_OK : expected(p, "')'");
}

static whet_status parse_product(parser *p, bool negative, whet_dim *d) {
    *d = negative ? -1 : 1;
    do {
        whet_dim factor;
        WHET_TRY(parse_factor(p, &factor));
        *d = whet_dim_mul(p->pool, *d, factor);
    } while (accept(p, '*'));
    return WHET_OK;
}

static whet_status parse_sum(parser *p, whet_dim *d) {
    if (++p->depth > 2 * DIM_MAX_DEPTH) return expected(p, "less nesting");
    WHET_TRY(parse_product(p, accept(p, '-'), d));
    for (char c; (c = peek(p)) == '+' || c == '-';) {
        whet_dim term;
        p->at++;
        WHET_TRY(parse_product(p, c == '-', &term));
        *d = whet_dim_add(p->pool, *d, term);
    }
    p->depth--;
    return WHET_OK;
}

whet_status whet_dim_parse(whet_dims *pool, const char **text, whet_dim *d, whet_error *err) {
    parser p = {pool, *text, 0, err};
    whet_dim value;
    WHET_TRY(parse_sum(&p, &value));
    if (whet_dim_is_error(value))
        WHET_FAIL(err, WHET_E_PARSE, "dimension: \"%.60s\" has no value", *text);
    *d = value;
    *text = p.at;
    return WHET_OK;
}

// ---- names and values ----

static whet_dim atom_eval(const whet_dims *pool, const dim_atom *a, whet_dim_lookup lookup,
                          void *user) {
    if (a->kind == DIM_NAME) {
        int64_t v = lookup(user, a->name);
        return v < 0 ? WHET_DIM_ERROR : v;
    }
    whet_dim v = whet_dim_eval(pool, a->args[0], lookup, user);
    for (int32_t i = 1; i < a->n_args; i++)
        v = apply(NULL, a->kind, v, whet_dim_eval(pool, a->args[i], lookup, user));
    return v;
}

whet_dim whet_dim_eval(const whet_dims *pool, whet_dim d, whet_dim_lookup lookup, void *user) {
    if (whet_dim_is_const(d)) return d;
    const dim_expr *e = whet_dim_as_expr(pool, d);
    if (!e) return WHET_DIM_ERROR;
    whet_dim sum = 0;
    for (int32_t i = 0; i < e->n; i++) {
        const dim_mono *m = &pool->monos[e->terms[i].mono];
        whet_dim product = e->terms[i].coef;
        for (int32_t j = 0; j < m->n; j++)
            product = whet_dim_mul(NULL, product,
                                   atom_eval(pool, &pool->atoms[m->atoms[j]], lookup, user));
        sum = whet_dim_add(NULL, sum, product);
    }
    return sum;
}

typedef struct name_list {
    const char *names[DIM_MAX_SIZE];
    int32_t n;
} name_list;

static void collect(const whet_dims *pool, whet_dim d, name_list *list) {
    const dim_expr *e = whet_dim_as_expr(pool, d);
    for (int32_t i = 0; e && i < e->n; i++) {
        const dim_mono *m = &pool->monos[e->terms[i].mono];
        for (int32_t j = 0; j < m->n; j++) {
            const dim_atom *a = &pool->atoms[m->atoms[j]];
            int32_t known = 0;
            for (int32_t k = 0; k < a->n_args; k++) collect(pool, a->args[k], list);
            if (a->kind != DIM_NAME) continue;
            while (known < list->n && list->names[known] != a->name) known++;
            if (known == list->n && known < DIM_MAX_SIZE) list->names[list->n++] = a->name;
        }
    }
}

void whet_dim_names(const whet_dims *pool, whet_dim d, void (*visit)(void *user, const char *name),
                    void *user) {
    name_list list;
    list.n = 0;
    collect(pool, d, &list);
    for (int32_t i = 0; i < list.n; i++) visit(user, list.names[i]);
}

const char *whet_dim_name(const whet_dims *pool, whet_dim d) {
    const dim_atom *a = whet_dim_as_atom(pool, d);
    return a && a->kind == DIM_NAME ? a->name : NULL;
}

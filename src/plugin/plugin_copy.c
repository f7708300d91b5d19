// SPDX-License-Identifier: Apache-2.0
// The public struct is checked and copied, row by row, into one of this library's size: an older
// plugin's rows are shorter, and what they lack is zero.
#include <stddef.h>
#include <string.h>

#include "plugin/plugin_entry.h"

#define MAX_NAME 120
#define MAX_STRUCT 4096
#define MAX_DEFAULTS 4096
// sizes of the first interface: everything up to the last member that a row cannot do without
#define LEAST(type, member) (offsetof(type, member) + sizeof(((type *)0)->member))
#define LEAST_PLUGIN LEAST(whet_plugin, n_tactics)
#define LEAST_ATTR LEAST(whet_plugin_attr, type)
#define LEAST_ARG LEAST(whet_plugin_arg, types)
#define LEAST_TACTIC LEAST(whet_plugin_tactic, run)

typedef struct {
    whet_plugin_entry *e;
    whet_error *err;
    const char *name;
} copier;

// `size` bytes of foreign memory into `to` of `known` bytes. What it has beyond must be zero.
static whet_status copy_struct(copier *c, void *to, size_t known, const void *from, size_t size,
                               size_t least, const char *what) {
    if (size < least || size > MAX_STRUCT)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: the size of its %s is %zu", c->name, what,
                  size);
    memset(to, 0, known);
    memcpy(to, from, size < known ? size : known);
    for (size_t i = known; i < size; i++)
        if (((const uint8_t *)from)[i])
            WHET_FAIL(c->err, WHET_E_VERSION,
                      "plugin %s uses members of its %s that this library does not know", c->name,
                      what);
    return WHET_OK;
}

static bool good_char(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
           ch == '_' || ch == '.' || ch == '-' || ch == ':';
}

static bool good_text(const char *text, size_t least) {
    size_t n = strnlen(text, MAX_NAME + 1);
    if (n < least || n > MAX_NAME) return false;
    for (size_t i = 0; i < n; i++)
        if (!good_char(text[i])) return false;
    return true;
}

static whet_status copy_name(copier *c, const char **text, size_t least, const char *what) {
    if (!*text && least)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: its %s is NULL", c->name, what);
    if (*text && !good_text(*text, least))
        WHET_FAIL(c->err, WHET_E_INVALID,
                  "plugin %s: its %s must be %s %d letters, digits and \"_.-:\"", c->name, what,
                  least ? "1 to" : "at most", MAX_NAME);
    *text = whet_arena_strdup(&c->e->arena, *text ? *text : "");
    return *text ? WHET_OK : WHET_NOMEM(c->err);
}

static whet_status check_table(copier *c, const void *rows, int32_t n, int32_t least, int32_t most,
                               const char *what) {
    if (n < least || n > most)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s has %d %s, expected %d to %d", c->name, n,
                  what, least, most);
    if (n && !rows)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: the table of its %s is NULL", c->name, what);
    return WHET_OK;
}

// ---- attributes ----

static whet_status copy_choices(copier *c, whet_plugin_attr *a) {
    int32_t n = 0;
    while (a->choices && n <= MAX_DEFAULTS && a->choices[n]) n++;
    if (!n || n > MAX_DEFAULTS || !(a->def >= 0 && a->def < n))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: attribute %s has no choices or default",
                  c->name, a->name);
    const char **own = WHET_NEW_ARRAY(&c->e->arena, const char *, n + 1);
    if (!own) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < n; i++)
        if (!(own[i] = whet_arena_strdup(&c->e->arena, a->choices[i]))) return WHET_NOMEM(c->err);
    a->choices = own;
    return WHET_OK;
}

static whet_status copy_default_list(copier *c, const whet_plugin_attr *a, int32_t row) {
    bool list = a->type == WHET_PLUGIN_INTS || a->type == WHET_PLUGIN_FLOATS;
    if (!list || (!a->def_list && !a->n_def)) return WHET_OK;
    if (!a->def_list || a->n_def < 0 || a->n_def > MAX_DEFAULTS)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: attribute %s has a default list of %d",
                  c->name, a->name, a->n_def);
    int64_t *ints = WHET_NEW_ARRAY(&c->e->arena, int64_t, a->n_def);
    float *floats = WHET_NEW_ARRAY(&c->e->arena, float, a->n_def);
    if (!ints || !floats) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < a->n_def; i++) {
        double v = a->def_list[i];
        if (a->type == WHET_PLUGIN_FLOATS) floats[i] = (float)v;
        else if (v >= -0x1p63 && v < 0x1p63) ints[i] = (int64_t)v;
    }
    if (a->type == WHET_PLUGIN_INTS) c->e->def_ints[row] = (whet_ints){ints, a->n_def};
    else c->e->def_floats[row] = (whet_floats){floats, a->n_def};
    return WHET_OK;
}

static whet_status copy_attr(copier *c, whet_plugin_attr *a, int32_t row) {
    if (!a->name || !good_text(a->name, 1))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: attribute %d has no name or a bad one",
                  c->name, row);
    a->name = whet_arena_strdup(&c->e->arena, a->name);
    a->def_text = whet_arena_strdup(&c->e->arena, a->def_text ? a->def_text : "");
    if (!a->name || !a->def_text) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < row; i++)
        if (!strcmp(c->e->p.attrs[i].name, a->name))
            WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s has two attributes %s", c->name, a->name);
    if (a->type < WHET_PLUGIN_INT || a->type > WHET_PLUGIN_STRINGS)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: attribute %s has the unknown type %d",
                  c->name, a->name, (int)a->type);
    if (a->type == WHET_PLUGIN_DTYPE &&
        !(a->def >= 0 && a->def < 64 && (a->def == 0 || whet_dtype_known((int32_t)a->def))))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: attribute %s has an unknown type as default",
                  c->name, a->name);
    if (a->type == WHET_PLUGIN_CHOICE) WHET_TRY(copy_choices(c, a));
    return copy_default_list(c, a, row);
}

static whet_status copy_attrs(copier *c) {
    whet_plugin *p = &c->e->p;
    const char *from = (const char *)p->attrs;
    WHET_TRY(check_table(c, from, p->n_attrs, 0, WHET_PLUGIN_MAX_ROWS, "attributes"));
    whet_plugin_attr *rows = WHET_NEW_ARRAY(&c->e->arena, whet_plugin_attr, p->n_attrs);
    c->e->def_ints = WHET_NEW_ARRAY(&c->e->arena, whet_ints, p->n_attrs);
    c->e->def_floats = WHET_NEW_ARRAY(&c->e->arena, whet_floats, p->n_attrs);
    if (!rows || !c->e->def_ints || !c->e->def_floats) return WHET_NOMEM(c->err);
    p->attrs = rows;
    for (int32_t i = 0; i < p->n_attrs; i++) {
        WHET_TRY(copy_struct(c, &rows[i], sizeof *rows, from + (size_t)i * p->attr_size,
                             p->attr_size, LEAST_ATTR, "attributes"));
        WHET_TRY(copy_attr(c, &rows[i], i));
    }
    return WHET_OK;
}

// ---- inputs and outputs ----

static whet_status copy_arg(copier *c, whet_plugin_arg *a, int32_t i, int32_t n, bool out) {
    const char *side = out ? "output" : "input";
    if (!a->name || !good_text(a->name, 1))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: %s %d has no name or a bad one", c->name,
                  side, i);
    a->name = whet_arena_strdup(&c->e->arena, a->name);
    if (!a->name) return WHET_NOMEM(c->err);
    uint32_t known = WHET_PLUGIN_ARG_OPTIONAL | WHET_PLUGIN_ARG_VARIADIC | WHET_PLUGIN_ARG_SHAPE;
    if ((a->flags & ~known) || (out && (a->flags & WHET_PLUGIN_ARG_SHAPE)) ||
        (unsigned char)a->var > 127)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: %s %s has flags or a variable that cannot be",
                  c->name, side, a->name);
    if (a->types & WHET_DTYPES_OBJECT)
        WHET_FAIL(c->err, WHET_E_UNSUPPORTED,
                  "plugin %s: %s %s: plugins take tensors, no sequences, optionals or maps",
                  c->name, side, a->name);
    if ((a->flags & WHET_PLUGIN_ARG_VARIADIC) && i != n - 1)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: %s %s is variadic but not the last",
                  c->name, side, a->name);
    return WHET_OK;
}

static whet_status copy_args(copier *c, const whet_plugin_arg **table, int32_t n, bool out) {
    const char *from = (const char *)*table, *what = out ? "outputs" : "inputs";
    WHET_TRY(check_table(c, from, n, out, WHET_PLUGIN_MAX_ROWS, what));
    whet_plugin_arg *rows = WHET_NEW_ARRAY(&c->e->arena, whet_plugin_arg, n);
    if (!rows) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < n; i++) {
        WHET_TRY(copy_struct(c, &rows[i], sizeof *rows, from + (size_t)i * c->e->p.arg_size,
                             c->e->p.arg_size, LEAST_ARG, what));
        WHET_TRY(copy_arg(c, &rows[i], i, n, out));
    }
    *table = rows;
    return WHET_OK;
}

// ---- tactics ----

static whet_status copy_tactic(copier *c, whet_plugin_tactic *t, int32_t row) {
    whet_plugin *p = &c->e->p;
    if (!t->name || !good_text(t->name, 1))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: tactic %d has no name or a bad one", c->name,
                  row);
    t->name = whet_arena_strdup(&c->e->arena, t->name);
    if (!t->name) return WHET_NOMEM(c->err);
    for (int32_t i = 0; i < row; i++)
        if (!strcmp(p->tactics[i].name, t->name))
            WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s has two tactics %s", c->name, t->name);
    if (!t->run && t->run_cuda)
        WHET_FAIL(c->err, WHET_E_UNSUPPORTED,
                  "plugin %s: tactic %s computes on CUDA only and this build has no CUDA backend",
                  c->name, t->name);
    if (!t->run)
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: tactic %s has no run function", c->name,
                  t->name);
    if (!t->layouts) t->layouts = WHET_PLUGIN_LAYOUT(WHET_PLUGIN_PLAIN);
    if (t->layouts >> WHET_LAYOUT_COUNT || t->phases < 0 || t->phases > 4)
        WHET_FAIL(c->err, WHET_E_INVALID,
                  "plugin %s: tactic %s has layouts 0x%x and %d phases, which cannot be", c->name,
                  t->name, (unsigned)t->layouts, t->phases);
    if (row == 0 && !(t->layouts & WHET_PLUGIN_LAYOUT(WHET_PLUGIN_PLAIN)))
        WHET_FAIL(c->err, WHET_E_INVALID, "plugin %s: its first tactic %s must take plain layout",
                  c->name, t->name);
    bool one = t->layouts == WHET_PLUGIN_LAYOUT(WHET_PLUGIN_PLAIN) && !t->tasks && t->phases <= 1;
    if ((p->flags & WHET_PLUGIN_DYNAMIC_OUT) && !one)
        WHET_FAIL(c->err, WHET_E_INVALID,
                  "plugin %s: tactic %s must be one task in plain layout, since only it finds out "
                  "the shape of an output", c->name, t->name);
    return WHET_OK;
}

static whet_status copy_tactics(copier *c) {
    whet_plugin *p = &c->e->p;
    const char *from = (const char *)p->tactics;
    WHET_TRY(check_table(c, from, p->n_tactics, 1, WHET_PLUGIN_MAX_TACTICS, "tactics"));
    whet_plugin_tactic *rows = WHET_NEW_ARRAY(&c->e->arena, whet_plugin_tactic, p->n_tactics);
    if (!rows) return WHET_NOMEM(c->err);
    p->tactics = rows;
    for (int32_t i = 0; i < p->n_tactics; i++) {
        WHET_TRY(copy_struct(c, &rows[i], sizeof *rows, from + (size_t)i * p->tactic_size,
                             p->tactic_size, LEAST_TACTIC, "tactics"));
        WHET_TRY(copy_tactic(c, &rows[i], i));
    }
    return WHET_OK;
}

whet_status whet_plugin_copy(whet_plugin_entry *e, const whet_plugin *plugin, whet_error *err) {
    copier c = {e, err, "?"};
    whet_plugin *p = &e->p;
    if (!plugin) WHET_FAIL(err, WHET_E_INVALID, "the plugin is NULL");
    WHET_TRY(copy_struct(&c, p, sizeof *p, plugin, plugin->struct_size, LEAST_PLUGIN, "struct"));
    WHET_TRY(copy_name(&c, &p->name, 1, "name"));
    c.name = p->name;
    WHET_TRY(copy_name(&c, &p->version, 1, "version"));
    WHET_TRY(copy_name(&c, &p->domain, 0, "domain"));
    uint32_t known = WHET_PLUGIN_DYNAMIC_OUT | WHET_PLUGIN_IMPURE | WHET_PLUGIN_INPLACE;
    if (p->flags & ~known)
        WHET_FAIL(err, WHET_E_VERSION, "plugin %s: this library does not know its flags 0x%x",
                  c.name, (unsigned)p->flags);
    WHET_TRY(copy_attrs(&c));
    WHET_TRY(copy_args(&c, &p->inputs, p->n_inputs, false));
    WHET_TRY(copy_args(&c, &p->outputs, p->n_outputs, true));
    WHET_TRY(copy_tactics(&c));
    if (p->min_inputs < 0 || p->min_inputs > p->n_inputs)
        WHET_FAIL(err, WHET_E_INVALID, "plugin %s: min_inputs is %d of %d", c.name, p->min_inputs,
                  p->n_inputs);
    if (!p->shapes && !p->n_inputs)
        WHET_FAIL(err, WHET_E_INVALID, "plugin %s has neither inputs nor a function `shapes`",
                  c.name);
    if (p->create && !p->destroy)
        WHET_FAIL(err, WHET_E_INVALID, "plugin %s has `create` but no `destroy`", c.name);
    if (p->save && !p->create)
        WHET_FAIL(err, WHET_E_INVALID, "plugin %s has `save` but no `create`", c.name);
    return WHET_OK;
}

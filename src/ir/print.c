// SPDX-License-Identifier: Apache-2.0
// Graph to text. Unnamed values are numbered in the order in which they appear, so that parsing and
// printing again gives the same text.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/object.h"
#include "base/texts.h"
#include "ir/text.h"

typedef struct {
    whet_str *out;
    const whet_graph *root;
    int32_t max_data;
    int32_t *number; // [n_values] of unnamed values, 0: none yet
    int32_t n_numbers;
} printer;

static void indent(printer *p, int depth) { whet_str_printf(p->out, "%*s", depth * 2, ""); }

// ---- names ----

static bool is_bare(const char *name) {
    if (!whet_text_name_start(*name) || !strcmp(name, "_")) return false;
    while (whet_text_name_char(*name)) name++;
    return !*name;
}

static void print_text(printer *p, whet_text text) {
    whet_str_add(p->out, "\"");
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '"' || c == '\\') whet_str_printf(p->out, "\\%c", c);
        else if (c == '\n') whet_str_add(p->out, "\\n");
        else if (c == '\t') whet_str_add(p->out, "\\t");
        else if ((unsigned char)c < 32 || c == 127) whet_str_printf(p->out, "\\x%02x", (unsigned)c);
        else whet_str_add_n(p->out, &c, 1);
    }
    whet_str_add(p->out, "\"");
}

static void print_quoted(printer *p, const char *text) { print_text(p, whet_text_of(text)); }

static void print_name(printer *p, const char *name) {
    if (is_bare(name)) whet_str_add(p->out, name);
    else print_quoted(p, name);
}

static void print_value(printer *p, const whet_value *v) {
    if (!v) {
        whet_str_add(p->out, "_");
    } else if (*v->name) {
        print_name(p, v->name);
    } else {
        if (!p->number[v->id]) p->number[v->id] = ++p->n_numbers;
        whet_str_printf(p->out, "%%%d", p->number[v->id]);
    }
}

// ---- types ----

static void print_dim(printer *p, whet_dim d) {
    if (whet_dim_is_const(d)) whet_str_printf(p->out, "%" PRId64, d);
    else whet_dim_print(p->root->dims, d, p->out);
}

static void print_dims(printer *p, int32_t rank, const whet_dim *dims) {
    whet_str_add(p->out, "[");
    if (rank < 0) whet_str_add(p->out, "*");
    for (int32_t i = 0; i < rank; i++) {
        if (i) whet_str_add(p->out, ", ");
        print_dim(p, dims[i]);
    }
    whet_str_add(p->out, "]");
}

static void print_type(printer *p, const whet_value *v) {
    whet_str_printf(p->out, ": %s", whet_dtype_text(v->type.dtype));
    for (whet_elem e = v->type.elem; e; e = whet_elem_inner(e))
        whet_str_printf(p->out, ".%s", whet_dtype_text(whet_elem_dtype(e)));
    print_dims(p, v->type.rank, v->type.dims);
    if (v->type_set == WHET_DTYPE_BIT(v->type.dtype) || !v->type_set) return;
    const char *separator = "<";
    for (int32_t d = 1; d < 64; d++) {
        if (!(v->type_set >> d & 1)) continue;
        whet_str_printf(p->out, "%s%s", separator, whet_dtype_text((whet_dtype)d));
        separator = ", ";
    }
    whet_str_add(p->out, ">");
}

// ---- contents ----

static void print_f64(printer *p, double v, whet_dtype dtype) {
    if (isnan(v)) whet_str_add(p->out, "nan");
    else if (isinf(v)) whet_str_add(p->out, v < 0 ? "-inf" : "inf");
    else whet_str_printf(p->out, dtype == WHET_DTYPE_F64 ? "%.17g" : "%.9g", v);
}

static void print_data(printer *p, const whet_tensor *t) {
    whet_str_add(p->out, "{");
    int64_t n = whet_dims_count(t->dims, t->rank);
    for (int64_t i = 0; i < n; i++) {
        if (i) whet_str_add(p->out, ", ");
        if (t->dtype == WHET_DTYPE_STRING)
            print_text(p, ((const whet_text *)t->data)[i]);
        else if (whet_dtype_is_float(t->dtype))
            print_f64(p, whet_load_f64(t->data, t->dtype, i), t->dtype);
        else if (t->dtype == WHET_DTYPE_U64)
            whet_str_printf(p->out, "%" PRIu64, whet_load_u64(t->data, t->dtype, i));
        else
            whet_str_printf(p->out, "%" PRId64, whet_load_i64(t->data, t->dtype, i));
    }
    whet_str_add(p->out, "}");
}

static void print_contents(printer *p, const whet_tensor *t) {
    if (p->max_data < 0 || whet_dims_count(t->dims, t->rank) <= p->max_data)
        print_data(p, t);
    else if (t->dtype == WHET_DTYPE_STRING)
        whet_str_printf(p->out, "hash %016" PRIx64,
                        whet_texts_hash(t->data, whet_tensor_count(t), 0));
    else
        whet_str_printf(p->out, "hash %016" PRIx64, whet_hash64(t->data, t->bytes, 0));
}

// ---- attributes ----

static void print_ints(printer *p, const whet_ints *v) {
    whet_str_add(p->out, "[");
    for (int32_t i = 0; i < v->n; i++)
        whet_str_printf(p->out, "%s%" PRId64, i ? ", " : "", v->v[i]);
    whet_str_add(p->out, "]");
}

static void print_floats(printer *p, const whet_floats *v) {
    whet_str_add(p->out, "[");
    for (int32_t i = 0; i < v->n; i++) {
        if (i) whet_str_add(p->out, ", ");
        print_f64(p, (double)v->v[i], WHET_DTYPE_F32);
    }
    whet_str_add(p->out, "]");
}

static void print_strings(printer *p, const whet_strings *v) {
    whet_str_add(p->out, "[");
    for (int32_t i = 0; i < v->n; i++) {
        if (i) whet_str_add(p->out, ", ");
        print_text(p, v->v[i]);
    }
    whet_str_add(p->out, "]");
}

static void print_attr_tensor(printer *p, const whet_tensor *t) {
    whet_str_add(p->out, whet_dtype_text(t->dtype));
    print_dims(p, t->rank, t->dims);
    whet_str_add(p->out, " ");
    print_contents(p, t);
}

static void print_attr(printer *p, const whet_attr *a, const void *field) {
    switch (a->type) {
    case WHET_ATTR_INT: whet_str_printf(p->out, "%" PRId64, *(const int64_t *)field); break;
    case WHET_ATTR_FLOAT: print_f64(p, (double)*(const float *)field, WHET_DTYPE_F32); break;
    case WHET_ATTR_BOOL: whet_str_add(p->out, *(const bool *)field ? "true" : "false"); break;
    case WHET_ATTR_ENUM: print_name(p, a->choices[*(const int32_t *)field]); break;
    case WHET_ATTR_DTYPE:
        whet_str_add(p->out, whet_dtype_text((whet_dtype) * (const int32_t *)field));
        break;
    case WHET_ATTR_STRING: print_quoted(p, *(const char *const *)field); break;
    case WHET_ATTR_INTS: print_ints(p, field); break;
    case WHET_ATTR_FLOATS: print_floats(p, field); break;
    case WHET_ATTR_STRINGS: print_strings(p, field); break;
    case WHET_ATTR_TENSOR: print_attr_tensor(p, *(const whet_tensor *const *)field); break;
    }
}

static void print_attrs(printer *p, const whet_node *n) {
    const char *separator = " {";
    for (int32_t i = 0; i < n->op->n_attrs; i++) {
        const whet_attr *a = &n->op->attrs[i];
        const void *field = (const char *)n->attrs + a->offset;
        if (whet_op_attr_is_default(a, field)) continue;
        whet_str_printf(p->out, "%s%s = ", separator, a->name);
        print_attr(p, a, field);
        separator = ", ";
    }
    if (separator[0] == ',') whet_str_add(p->out, "}");
}

// ---- items ----

static void print_graph(printer *p, const whet_graph *g, int depth);

static void print_results(printer *p, const whet_node *n) {
    bool list = n->n_out != 1;
    if (list) whet_str_add(p->out, "(");
    for (int32_t i = 0; i < n->n_out; i++) {
        if (i) whet_str_add(p->out, ", ");
        print_value(p, n->out[i]);
        if (n->out[i]) print_type(p, n->out[i]);
    }
    if (list) whet_str_add(p->out, ")");
}

static void print_node(printer *p, const whet_node *n, int depth) {
    indent(p, depth);
    if (n->recipe) whet_str_add(p->out, "recipe ");
    print_results(p, n);
    whet_str_add(p->out, " = ");
    print_name(p, n->op->name);
    whet_str_add(p->out, "(");
    for (int32_t i = 0; i < n->n_in; i++) {
        if (i) whet_str_add(p->out, ", ");
        print_value(p, n->in[i]);
    }
    whet_str_add(p->out, ")");
    print_attrs(p, n);
    if (strcmp(n->name, n->op->name)) {
        whet_str_add(p->out, " @");
        print_name(p, n->name);
    }
    if (n->origin && strcmp(n->origin, n->name)) {
        whet_str_add(p->out, " from ");
        print_quoted(p, n->origin);
    }
    for (int32_t i = 0; i < n->n_subgraphs; i++) {
        whet_str_add(p->out, " ");
        print_graph(p, n->subgraphs[i], depth);
    }
    whet_str_add(p->out, "\n");
}

static void print_inputs(printer *p, const whet_graph *g, int depth) {
    for (int32_t i = 0; i < g->n_inputs; i++) {
        indent(p, depth);
        whet_str_add(p->out, "input ");
        print_value(p, g->inputs[i]);
        print_type(p, g->inputs[i]);
        whet_str_add(p->out, "\n");
    }
}

static void print_constants(printer *p, const whet_graph *g, int depth) {
    for (int32_t i = 0; i < g->root->n_values; i++) {
        const whet_value *v = g->root->values[i];
        if (v->graph != g || !v->data || v->producer || v->n_uses == 0) continue;
        indent(p, depth);
        whet_str_add(p->out, "const ");
        print_value(p, v);
        print_type(p, v);
        whet_str_add(p->out, " = ");
        print_contents(p, v->data);
        whet_str_add(p->out, "\n");
    }
}

static void print_outputs(printer *p, const whet_graph *g, int depth) {
    for (int32_t i = 0; i < g->n_outputs; i++) {
        indent(p, depth);
        whet_str_add(p->out, "output ");
        print_value(p, g->outputs[i]);
        if (strcmp(g->output_names[i], g->outputs[i]->name)) {
            whet_str_add(p->out, " as ");
            print_name(p, g->output_names[i]);
        }
        whet_str_add(p->out, "\n");
    }
}

static void print_graph(printer *p, const whet_graph *g, int depth) {
    whet_str_add(p->out, "graph ");
    print_name(p, g->name);
    whet_str_add(p->out, " {\n");
    print_inputs(p, g, depth + 1);
    print_constants(p, g, depth + 1);
    WHET_FOR_NODES(g, n) print_node(p, n, depth + 1);
    print_outputs(p, g, depth + 1);
    indent(p, depth);
    whet_str_add(p->out, "}");
}

void whet_graph_print(const whet_graph *g, whet_str *out, int32_t max_data) {
    printer p = {.out = out, .root = g->root, .max_data = max_data};
    p.number = calloc((size_t)g->root->n_values + 1, sizeof *p.number);
    if (!p.number) {
        out->failed = true;
        return;
    }
    print_graph(&p, g, 0);
    whet_str_add(out, "\n");
    free(p.number);
}

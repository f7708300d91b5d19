// SPDX-License-Identifier: Apache-2.0
// Nodes of an ONNX file: the operator's spelling, its attributes, its version.
#include <string.h>

#include "onnx/onnx_write.h"

enum { TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_STRING = 3, TYPE_TENSOR = 4, TYPE_FLOATS = 6,
       TYPE_INTS = 7, TYPE_STRINGS = 8 };

// ---- attributes ----

// Ends one AttributeProto, begun with its name.
static void finish_attr(whet_writer *attrs, const char *name, whet_writer *a, int32_t type) {
    whet_proto_text(a, WHET_PB_ATTR_NAME, name);
    whet_proto_int(a, WHET_PB_ATTR_TYPE, type);
    whet_proto_message(attrs, WHET_PB_NODE_ATTR, a);
}

void whet_onnx_out_attr_int(whet_writer *attrs, const char *name, int64_t v) {
    whet_writer a;
    whet_writer_init(&a);
    whet_proto_int(&a, WHET_PB_ATTR_I, v);
    finish_attr(attrs, name, &a, TYPE_INT);
    whet_writer_fini(&a);
}

void whet_onnx_out_attr_float(whet_writer *attrs, const char *name, float v) {
    whet_writer a;
    whet_writer_init(&a);
    whet_proto_float(&a, WHET_PB_ATTR_F, v);
    finish_attr(attrs, name, &a, TYPE_FLOAT);
    whet_writer_fini(&a);
}

void whet_onnx_out_attr_text(whet_writer *attrs, const char *name, const char *v) {
    whet_writer a;
    whet_writer_init(&a);
    whet_proto_text(&a, WHET_PB_ATTR_S, v);
    finish_attr(attrs, name, &a, TYPE_STRING);
    whet_writer_fini(&a);
}

void whet_onnx_out_attr_ints(whet_writer *attrs, const char *name, const int64_t *v, int32_t n) {
    whet_writer a;
    whet_writer_init(&a);
    for (int32_t i = 0; i < n; i++) whet_proto_int(&a, WHET_PB_ATTR_INTS, v[i]);
    finish_attr(attrs, name, &a, TYPE_INTS);
    whet_writer_fini(&a);
}

static void attr_floats(whet_writer *attrs, const char *name, const whet_floats *v) {
    whet_writer a;
    whet_writer_init(&a);
    for (int32_t i = 0; i < v->n; i++) whet_proto_float(&a, WHET_PB_ATTR_FLOATS, v->v[i]);
    finish_attr(attrs, name, &a, TYPE_FLOATS);
    whet_writer_fini(&a);
}

static void attr_strings(whet_writer *attrs, const char *name, const whet_strings *v) {
    whet_writer a;
    whet_writer_init(&a);
    for (int32_t i = 0; i < v->n; i++)
        whet_proto_bytes(&a, WHET_PB_ATTR_STRINGS, v->v[i].data, v->v[i].size);
    finish_attr(attrs, name, &a, TYPE_STRINGS);
    whet_writer_fini(&a);
}

// The activations of recurrent operators: a list separated by commas here, a list of texts there.
static void attr_split(whet_writer *attrs, const char *name, const char *list) {
    whet_writer a;
    whet_writer_init(&a);
    for (;;) {
        size_t n = strcspn(list, ",");
        whet_proto_bytes(&a, WHET_PB_ATTR_STRINGS, list, n);
        if (!list[n]) break;
        list += n + 1;
    }
    finish_attr(attrs, name, &a, TYPE_STRINGS);
    whet_writer_fini(&a);
}

static void attr_tensor(whet_writer *attrs, const char *name, const whet_tensor *t) {
    whet_writer a, tensor;
    whet_writer_init(&a);
    whet_writer_init(&tensor);
    whet_onnx_out_tensor(&tensor, "", t);
    whet_proto_message(&a, WHET_PB_ATTR_T, &tensor);
    finish_attr(attrs, name, &a, TYPE_TENSOR);
    whet_writer_fini(&a);
    whet_writer_fini(&tensor);
}

static void write_attr(whet_writer *w, const whet_attr *row, const void *field) {
    switch (row->type) {
    case WHET_ATTR_INT: whet_onnx_out_attr_int(w, row->name, *(const int64_t *)field); break;
    case WHET_ATTR_FLOAT: whet_onnx_out_attr_float(w, row->name, *(const float *)field); break;
    case WHET_ATTR_BOOL: whet_onnx_out_attr_int(w, row->name, *(const bool *)field); break;
    case WHET_ATTR_DTYPE: whet_onnx_out_attr_int(w, row->name, *(const int32_t *)field); break;
    case WHET_ATTR_ENUM:
        whet_onnx_out_attr_text(w, row->name, row->choices[*(const int32_t *)field]);
        break;
    case WHET_ATTR_STRING:
        if (!strcmp(row->name, "activations"))
            attr_split(w, row->name, *(const char *const *)field);
        else
            whet_onnx_out_attr_text(w, row->name, *(const char *const *)field);
        break;
    case WHET_ATTR_INTS: {
        const whet_ints *v = field;
        whet_onnx_out_attr_ints(w, row->name, v->v, v->n);
        break;
    }
    case WHET_ATTR_FLOATS: attr_floats(w, row->name, field); break;
    case WHET_ATTR_STRINGS: attr_strings(w, row->name, field); break;
    case WHET_ATTR_TENSOR:
        attr_tensor(w, row->name, *(const whet_tensor *const *)field);
        break;
    }
}

void whet_onnx_out_attrs(const whet_node *n, whet_writer *node) {
    for (int32_t i = 0; i < n->op->n_attrs; i++) {
        const whet_attr *row = &n->op->attrs[i];
        const void *field = (const char *)n->attrs + row->offset;
        if (row->required || !whet_op_attr_is_default(row, field)) write_attr(node, row, field);
    }
}

// ---- nodes ----

static void write_names(whet_writer *w, uint32_t field, const char *const *names, int32_t n) {
    for (int32_t i = 0; i < n; i++) whet_proto_text(w, field, names[i]);
}

// Whether no node of that name has been written.
static bool is_new(whet_onnx_out *x, const char *name) {
    whet_name_slot *slot = whet_names_put(&x->node_names, &x->arena, name);
    bool fresh = slot && !slot->item;
    if (slot) slot->item = x;
    return fresh;
}

// The first one that a node becomes has its name.
void whet_onnx_out_emit(whet_onnx_out_node *n, const char *domain, const char *op_type,
                        const char *const *in, int32_t n_in, const char *const *out, int32_t n_out,
                        whet_writer *attrs) {
    whet_writer w;
    whet_writer_init(&w);
    write_names(&w, WHET_PB_NODE_INPUT, in, n_in);
    write_names(&w, WHET_PB_NODE_OUTPUT, out, n_out);
    if (n->n_written++ == 0 && is_new(n->x, n->node->name))
        whet_proto_text(&w, WHET_PB_NODE_NAME, n->node->name);
    whet_proto_text(&w, WHET_PB_NODE_OP, op_type);
    if (*domain) whet_proto_text(&w, WHET_PB_NODE_DOMAIN, domain);
    if (attrs) {
        whet_write_bytes(&w, attrs->data, attrs->size);
        w.failed = w.failed || attrs->failed;
        whet_writer_fini(attrs);
        whet_writer_init(attrs);
    }
    n->x->microsoft = n->x->microsoft || !strcmp(domain, "com.microsoft");
    n->x->ml = n->x->ml || !strcmp(domain, "ai.onnx.ml");
    whet_proto_message(n->nodes, WHET_PB_GRAPH_NODE, &w);
    whet_writer_fini(&w);
}

const char *whet_onnx_out_constant(whet_onnx_out_node *n, const whet_tensor *t) {
    whet_writer attrs;
    const char *name = whet_onnx_out_fresh(n->x, "const");
    if (!name) return NULL;
    whet_writer_init(&attrs);
    attr_tensor(&attrs, "value", t);
    n->n_written++; // it does not get the node's name
    whet_onnx_out_emit(n, "", "Constant", NULL, 0, &name, 1, &attrs);
    n->n_written -= 2;
    whet_writer_fini(&attrs);
    return name;
}

// The spelling of today: of the default domain if there is one.
static const whet_onnx_row *find_row(const whet_op *op) {
    const whet_onnx_row *found = NULL;
    for (int32_t i = 0; i < op->n_onnx; i++) {
        const whet_onnx_row *row = &op->onnx[i];
        if (row->import || (row->until && row->until < WHET_ONNX_OUT_BASE)) continue;
        if (!found || (*found->domain && !*row->domain)) found = row;
    }
    return found;
}

// What came later than its operator.
static const struct {
    const char *op, *attr; // attr NULL: when input number `input` is there
    int32_t input, since;
} later[] = {
    {"attention", NULL, 6, 24},
    {"cast", "round_mode", 0, 24},
    {"dequantize_linear", "output_dtype", 0, 23},
    {"quantize_linear", "precision", 0, 23},
    {"range", "stash_type", 0, 27},
    {"space_to_depth", "mode", 0, 28},
};

static int64_t later_version(const whet_node *n, int64_t since) {
    for (int32_t i = 0; i < WHET_COUNT(later); i++) {
        if (strcmp(later[i].op, n->op->name) || later[i].since <= since) continue;
        const whet_attr *a = later[i].attr ? whet_op_attr_find(n->op, later[i].attr) : NULL;
        bool used = a ? !whet_op_attr_is_default(a, (const char *)n->attrs + a->offset)
                      : !later[i].attr && later[i].input < n->n_in && n->in[later[i].input];
        if (used) since = later[i].since;
    }
    return since;
}

// The opset that first had a type.
static int64_t type_version(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_U2:
    case WHET_DTYPE_I2: return 25;
    case WHET_DTYPE_F8E8M0: return 24;
    case WHET_DTYPE_F4E2M1: return 23;
    case WHET_DTYPE_F6E2M3:
    case WHET_DTYPE_F6E3M2: return 28;
    default: return 0;
    }
}

int64_t whet_onnx_out_version(const whet_node *n) {
    const whet_onnx_row *row = find_row(n->op);
    int64_t since = row && !*row->domain ? later_version(n, row->since) : 0;
    for (int32_t i = 0; i < n->n_out; i++) {
        int64_t v = n->out[i] ? type_version(n->out[i]->type.dtype) : 0;
        if (v > since) since = v;
    }
    return since;
}

// Domains that the model has to name.
static bool note_domain(whet_onnx_out *x, const char *domain) {
    bool known = !*domain || !strcmp(domain, "com.microsoft") || !strcmp(domain, "ai.onnx.ml");
    for (int32_t i = 0; i < x->n_domains && !known; i++) known = !strcmp(x->domains[i], domain);
    return known || WHET_ARENA_PUSH(&x->arena, x->domains, x->n_domains, x->cap_domains, domain);
}

static whet_status write_by_row(whet_onnx_out_node *n) {
    const whet_op_extern *ext = n->node->op->ext;
    const whet_onnx_row plugin = {ext ? ext->domain : "", ext ? ext->type : "", 1, 0, NULL};
    const whet_onnx_row *row = ext ? &plugin : find_row(n->node->op);
    whet_onnx_out *x = n->x;
    if (ext && !note_domain(x, ext->domain)) return WHET_NOMEM(x->err);
    if (!row)
        WHET_FAIL(x->err, WHET_E_UNSUPPORTED, "%s: ONNX has no operator for %s", n->node->name,
                  n->node->op->name);
    const char **in = WHET_NEW_ARRAY(&x->arena, const char *, n->node->n_in + 1);
    const char **out = WHET_NEW_ARRAY(&x->arena, const char *, n->node->n_out + 1);
    if (!in || !out) return WHET_NOMEM(x->err);
    int32_t n_out = 0;
    for (int32_t i = 0; i < n->node->n_in; i++) in[i] = whet_onnx_out_name(x, n->node->in[i]);
    for (int32_t i = 0; i < n->node->n_out; i++) {
        bool wanted = n->node->out[i] && x->used[n->node->out[i]->id];
        out[i] = wanted || i == 0 ? whet_onnx_out_name(x, n->node->out[i]) : "";
        if (*out[i]) n_out = i + 1;
    }
    whet_writer attrs;
    whet_writer_init(&attrs);
    whet_onnx_out_attrs(n->node, &attrs);
    if (ext && strcmp(ext->version, "1"))
        whet_onnx_out_attr_text(&attrs, "plugin_version", ext->version);
    whet_onnx_out_emit(n, row->domain, row->op_type, in, n->node->n_in, out, n_out, &attrs);
    whet_writer_fini(&attrs);
    return WHET_OK;
}

whet_status whet_onnx_out_node_write(whet_onnx_out *x, const whet_node *node, whet_writer *nodes) {
    whet_onnx_out_node n = {x, node, nodes, 0};
    whet_onnx_out_fn special = whet_onnx_out_special(node);
    WHET_TRY(special ? special(&n) : write_by_row(&n));
    return nodes->failed ? WHET_NOMEM(x->err) : WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// ModelProto, GraphProto, NodeProto, FunctionProto, ValueInfoProto; field numbers as in onnx.proto.
#include "onnx/model.h"

#include <string.h>

#include "onnx/model_read.h"

// UTF-8 without surrogates and overlong forms; NUL is refused because names become C strings.
static bool text_valid(const uint8_t *s, size_t n) {
    for (size_t i = 0; i < n;) {
        uint8_t c = s[i++];
        if (!c) return false;
        if (c < 0x80) continue;
        int more = c < 0xc2 || c > 0xf4 ? 0 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (!more || n - i < (size_t)more) return false;
        uint8_t lo = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
        uint8_t hi = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
        if (s[i] < lo || s[i] > hi) return false;
        for (int k = 1; k < more; k++)
            if ((s[i + (size_t)k] & 0xc0) != 0x80) return false;
        i += (size_t)more;
    }
    return true;
}

whet_status whet_onnx_reader_fail(whet_onnx_reader *r, const uint8_t *at, whet_status status,
                                  const char *what, const char *text) {
    if (r->w.err->status == WHET_OK)
        whet_error_set(r->w.err, status, "byte %zu: %s %s", (size_t)(at - r->w.base), what, text);
    return r->w.err->status;
}

bool whet_onnx_reader_nomem(whet_onnx_reader *r) {
    if (r->w.err->status == WHET_OK) WHET_NOMEM(r->w.err);
    return false;
}

const char *whet_onnx_text(whet_onnx_reader *r, whet_span span, const char *what) {
    if (!span.size) return "";
    r->budget->text += (int64_t)span.size + 1;
    if (r->budget->text > r->budget->max_text) {
        whet_onnx_reader_fail(r, span.data, WHET_E_LIMIT, what,
                              "brings the text of all names above the limit");
        return "";
    }
    if (!text_valid(span.data, span.size)) {
        whet_onnx_reader_fail(r, span.data, WHET_E_PARSE, what, "is not valid UTF-8 text");
        return "";
    }
    char *text = whet_arena_strndup(r->arena, (const char *)span.data, span.size);
    if (!text) whet_onnx_reader_nomem(r);
    return text ? text : "";
}

const char *whet_onnx_read_text(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                                const char *what) {
    return whet_wire_is(w, f, WHET_WIRE_BYTES, what) ? whet_onnx_text(r, f->bytes, what) : "";
}

static const char *domain_text(whet_onnx_reader *r, whet_wire *w, const whet_field *f) {
    const char *domain = whet_onnx_read_text(r, w, f, "domain");
    return strcmp(domain, "ai.onnx") ? domain : "";
}

static bool count_node(whet_onnx_reader *r, const whet_field *f) {
    if (++r->budget->nodes <= r->budget->max_nodes) return true;
    whet_onnx_reader_fail(r, f->bytes.data, WHET_E_LIMIT, "node",
                          "is one more than the limit on nodes");
    return false;
}

static bool count_value(whet_onnx_reader *r, const uint8_t *at) {
    if (++r->budget->values <= r->budget->max_values) return true;
    whet_onnx_reader_fail(r, at, WHET_E_LIMIT, "value", "is one more than the limit on values");
    return false;
}

static void push_name(whet_onnx_reader *r, whet_wire *w, const whet_field *f, const char ***v,
                      int32_t *n, int32_t *cap, const char *what) {
    const char *name = whet_onnx_read_text(r, w, f, what);
    if (w->err->status == WHET_OK && count_value(r, f->bytes.data) &&
        !WHET_ARENA_PUSH(r->arena, *v, *n, *cap, name))
        whet_onnx_reader_nomem(r);
}

// ---- types ----

static void read_dim(whet_onnx_reader *r, const whet_wire *outer, whet_span span,
                     whet_onnx_value *v) {
    whet_wire w = whet_wire_open(outer, span);
    whet_field f;
    whet_onnx_dim dim = {-1, NULL};
    while (whet_wire_next(&w, &f)) {
        if (f.number == 1 && whet_wire_is(&w, &f, WHET_WIRE_VARINT, "dim_value"))
            dim = (whet_onnx_dim){(int64_t)f.value, NULL};
        else if (f.number == 2)
            dim = (whet_onnx_dim){-1, whet_onnx_read_text(r, &w, &f, "dim_param")};
    }
    if (dim.value < 0) dim.value = -1;
    if (dim.param && !*dim.param) dim.param = NULL;
    if (w.err->status != WHET_OK || !count_value(r, span.data)) return;
    if (!WHET_ARENA_PUSH(r->arena, v->dims, v->rank, v->cap_dims, dim)) whet_onnx_reader_nomem(r);
}

static void read_tensor_type(whet_onnx_reader *r, const whet_wire *outer, whet_span span,
                             whet_onnx_value *v) {
    whet_wire w = whet_wire_open(outer, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        if (f.number == 1 && whet_wire_is(&w, &f, WHET_WIRE_VARINT, "elem_type")) {
            v->elem_type = (int32_t)f.value;
        } else if (f.number == 2 && whet_wire_is(&w, &f, WHET_WIRE_BYTES, "shape")) {
            whet_wire shape = whet_wire_open(&w, f.bytes);
            whet_field dim;
            v->rank = 0;
            while (whet_wire_next(&shape, &dim))
                if (dim.number == 1 && whet_wire_is(&shape, &dim, WHET_WIRE_BYTES, "dim"))
                    read_dim(r, &shape, dim.bytes, v);
        }
    }
}

static void read_type(whet_onnx_reader *r, const whet_wire *outer, whet_span span, int32_t depth,
                      whet_onnx_value *v);

// The one type inside of a sequence or optional, key and value of a map. What cannot be told of it
// leaves v->object at NONE.
static void read_object_type(whet_onnx_reader *r, const whet_wire *outer, whet_span span,
                             whet_dtype object, int32_t depth, whet_onnx_value *v) {
    whet_wire w = whet_wire_open(outer, span);
    whet_field f;
    whet_onnx_value inner = {.rank = -1};
    int32_t key = 0;
    uint32_t type_field = object == WHET_DTYPE_MAP ? 2 : 1;
    while (whet_wire_next(&w, &f)) {
        if (f.number == type_field && whet_wire_is(&w, &f, WHET_WIRE_BYTES, "elem_type"))
            read_type(r, &w, f.bytes, depth + 1, &inner);
        else if (f.number == 1 && whet_wire_is(&w, &f, WHET_WIRE_VARINT, "key_type"))
            key = (int32_t)f.value;
    }
    whet_dtype dtype = inner.object ? inner.object : (whet_dtype)inner.elem_type;
    whet_elem elem;
    if (!whet_dtype_known((int32_t)dtype) || !whet_elem_make(dtype, inner.elem, &elem)) return;
    if (object == WHET_DTYPE_MAP && !whet_elem_make((whet_dtype)(key & 0xff), elem, &elem)) return;
    if (!whet_elem_valid(object, elem)) return;
    v->object = object;
    v->elem = elem;
}

static void read_type(whet_onnx_reader *r, const whet_wire *outer, whet_span span, int32_t depth,
                      whet_onnx_value *v) {
    static const char *const kinds[] = {
        [1] = "tensor", [4] = "sequence", [5] = "map", [7] = "opaque", [8] = "sparse tensor",
        [9] = "optional",
    };
    whet_wire w = whet_wire_open(outer, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        if (f.number >= sizeof kinds / sizeof kinds[0] || !kinds[f.number]) continue;
        if (!whet_wire_is(&w, &f, WHET_WIRE_BYTES, "type")) return;
        v->kind = kinds[f.number];
        if (depth > 4) continue;
        if (f.number == 1) read_tensor_type(r, &w, f.bytes, v);
        if (f.number == 4) read_object_type(r, &w, f.bytes, WHET_DTYPE_SEQUENCE, depth, v);
        if (f.number == 5) read_object_type(r, &w, f.bytes, WHET_DTYPE_MAP, depth, v);
        if (f.number == 9) read_object_type(r, &w, f.bytes, WHET_DTYPE_OPTIONAL, depth, v);
    }
}

whet_status whet_onnx_type_read(whet_onnx_reader *r, whet_span span, whet_onnx_value *v) {
    *v = (whet_onnx_value){.name = "", .rank = -1};
    read_type(r, &r->w, span, 0, v);
    return r->w.err->status;
}

static void read_value(whet_onnx_reader *r, const whet_wire *outer, const whet_field *field,
                       whet_onnx_value **values, int32_t *n, int32_t *cap) {
    whet_wire w = *outer;
    if (!whet_wire_is(&w, field, WHET_WIRE_BYTES, "value info")) return;
    w = whet_wire_open(outer, field->bytes);
    whet_onnx_value v = {.name = "", .rank = -1};
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        if (f.number == 1) v.name = whet_onnx_read_text(r, &w, &f, "value name");
        else if (f.number == 2 && whet_wire_is(&w, &f, WHET_WIRE_BYTES, "type"))
            read_type(r, &w, f.bytes, 0, &v);
    }
    if (w.err->status != WHET_OK || !count_value(r, field->bytes.data)) return;
    if (!WHET_ARENA_PUSH(r->arena, *values, *n, *cap, v)) whet_onnx_reader_nomem(r);
}

// ---- nodes ----

static void read_attr(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                      whet_onnx_attr **attrs, int32_t *n, int32_t *cap) {
    whet_onnx_attr attr;
    if (!whet_wire_is(w, f, WHET_WIRE_BYTES, "attribute")) return;
    whet_onnx_attr_read(r, w, f->bytes, &attr);
    if (w->err->status != WHET_OK || !count_value(r, f->bytes.data)) return;
    if (!WHET_ARENA_PUSH(r->arena, *attrs, *n, *cap, attr)) whet_onnx_reader_nomem(r);
}

static void read_node(whet_onnx_reader *r, const whet_wire *outer, const whet_field *field,
                      whet_onnx_graph *graph) {
    whet_wire w = *outer;
    if (!whet_wire_is(&w, field, WHET_WIRE_BYTES, "node") || !count_node(r, field)) return;
    w = whet_wire_open(outer, field->bytes);
    whet_onnx_node n = {.name = "", .op_type = "", .domain = "", .overload = ""};
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        switch (f.number) {
        case 1: push_name(r, &w, &f, &n.in, &n.n_in, &n.cap_in, "node input"); break;
        case 2: push_name(r, &w, &f, &n.out, &n.n_out, &n.cap_out, "node output"); break;
        case 3: n.name = whet_onnx_read_text(r, &w, &f, "node name"); break;
        case 4: n.op_type = whet_onnx_read_text(r, &w, &f, "op_type"); break;
        case 5: read_attr(r, &w, &f, &n.attrs, &n.n_attrs, &n.cap_attrs); break;
        case 7: n.domain = domain_text(r, &w, &f); break;
        case 8: n.overload = whet_onnx_read_text(r, &w, &f, "overload"); break;
        default: break;
        }
    }
    if (w.err->status == WHET_OK &&
        !WHET_ARENA_PUSH(r->arena, graph->nodes, graph->n_nodes, graph->cap_nodes, n))
        whet_onnx_reader_nomem(r);
}

// ---- graphs ----

static void read_initializer(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                             whet_onnx_graph *g) {
    whet_onnx_tensor t;
    if (!whet_wire_is(w, f, WHET_WIRE_BYTES, "initializer") ||
        whet_onnx_tensor_read(r, f->bytes, &t) != WHET_OK || !count_value(r, f->bytes.data))
        return;
    if (!WHET_ARENA_PUSH(r->arena, g->initializers, g->n_initializers, g->cap_initializers, t))
        whet_onnx_reader_nomem(r);
}

static void read_sparse(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                        whet_onnx_graph *g) {
    whet_onnx_sparse t;
    if (!whet_wire_is(w, f, WHET_WIRE_BYTES, "sparse initializer") ||
        whet_onnx_sparse_read(r, f->bytes, &t) != WHET_OK || !count_value(r, f->bytes.data))
        return;
    if (!WHET_ARENA_PUSH(r->arena, g->sparse, g->n_sparse, g->cap_sparse, t))
        whet_onnx_reader_nomem(r);
}

whet_status whet_onnx_graph_read(whet_onnx_reader *r, whet_span span, whet_onnx_graph *g) {
    *g = (whet_onnx_graph){.name = ""};
    whet_wire w = whet_wire_open(&r->w, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        switch (f.number) {
        case 1: read_node(r, &w, &f, g); break;
        case 2: g->name = whet_onnx_read_text(r, &w, &f, "graph name"); break;
        case 5: read_initializer(r, &w, &f, g); break;
        case 11: read_value(r, &w, &f, &g->inputs, &g->n_inputs, &g->cap_inputs); break;
        case 12: read_value(r, &w, &f, &g->outputs, &g->n_outputs, &g->cap_outputs); break;
        case 13: read_value(r, &w, &f, &g->infos, &g->n_infos, &g->cap_infos); break;
        case 15: read_sparse(r, &w, &f, g); break;
        default: break;
        }
    }
    return r->w.err->status;
}

// ---- the model ----

static void read_opset(whet_onnx_reader *r, whet_wire *outer, const whet_field *field,
                       whet_onnx_opsets *opsets) {
    if (!whet_wire_is(outer, field, WHET_WIRE_BYTES, "opset_import")) return;
    whet_wire w = whet_wire_open(outer, field->bytes);
    whet_onnx_opset opset = {"", 0};
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        if (f.number == 1) opset.domain = domain_text(r, &w, &f);
        else if (f.number == 2 && whet_wire_is(&w, &f, WHET_WIRE_VARINT, "opset version"))
            opset.version = (int64_t)f.value;
    }
    if (w.err->status != WHET_OK || !count_value(r, field->bytes.data)) return;
    if (!WHET_ARENA_PUSH(r->arena, opsets->v, opsets->n, opsets->cap, opset))
        whet_onnx_reader_nomem(r);
}

static void read_function(whet_onnx_reader *r, whet_wire *outer, const whet_field *field,
                          whet_onnx_model *model) {
    if (!whet_wire_is(outer, field, WHET_WIRE_BYTES, "function")) return;
    whet_wire w = whet_wire_open(outer, field->bytes);
    whet_onnx_function fn = {.name = "", .domain = "", .overload = "", .body.name = ""};
    whet_onnx_graph *b = &fn.body;
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        switch (f.number) {
        case 1: fn.name = whet_onnx_read_text(r, &w, &f, "function name"); break;
        case 4: push_name(r, &w, &f, &fn.in, &fn.n_in, &fn.cap_in, "function input"); break;
        case 5: push_name(r, &w, &f, &fn.out, &fn.n_out, &fn.cap_out, "function output"); break;
        case 6:
            push_name(r, &w, &f, &fn.attr_names, &fn.n_attr_names, &fn.cap_attr_names,
                      "function attribute");
            break;
        case 7: read_node(r, &w, &f, b); break;
        case 9: read_opset(r, &w, &f, &fn.opsets); break;
        case 10: fn.domain = domain_text(r, &w, &f); break;
        case 11: read_attr(r, &w, &f, &fn.attrs, &fn.n_attrs, &fn.cap_attrs); break;
        case 12: read_value(r, &w, &f, &b->infos, &b->n_infos, &b->cap_infos); break;
        case 13: fn.overload = whet_onnx_read_text(r, &w, &f, "overload"); break;
        default: break;
        }
    }
    if (w.err->status != WHET_OK || !count_value(r, field->bytes.data)) return;
    if (!WHET_ARENA_PUSH(r->arena, model->functions, model->n_functions, model->cap_functions, fn))
        whet_onnx_reader_nomem(r);
}

whet_status whet_onnx_model_read(whet_onnx_reader *r, whet_onnx_model *model) {
    *model = (whet_onnx_model){.producer = "", .producer_version = "", .graph.name = ""};
    whet_wire *w = &r->w;
    whet_field f;
    while (whet_wire_next(w, &f)) {
        switch (f.number) {
        case 1:
            if (whet_wire_is(w, &f, WHET_WIRE_VARINT, "ir_version"))
                model->ir_version = (int64_t)f.value;
            break;
        case 2: model->producer = whet_onnx_read_text(r, w, &f, "producer_name"); break;
        case 3: model->producer_version = whet_onnx_read_text(r, w, &f, "producer_version"); break;
        case 7:
            if (model->has_graph) whet_wire_fail(w, &f, WHET_E_PARSE, "a second graph");
            else if (whet_wire_is(w, &f, WHET_WIRE_BYTES, "graph"))
                whet_onnx_graph_read(r, f.bytes, &model->graph);
            model->has_graph = true;
            break;
        case 8: read_opset(r, w, &f, &model->opsets); break;
        case 25: read_function(r, w, &f, model); break;
        default: break;
        }
    }
    return w->err->status;
}

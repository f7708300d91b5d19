// SPDX-License-Identifier: Apache-2.0
// AttributeProto and the head of TensorProto.
#include <string.h>

#include "onnx/model_read.h"

const char *whet_onnx_attr_type_text(int32_t type) {
    static const char *const texts[] = {
        "UNDEFINED", "FLOAT",   "INT",    "STRING",         "TENSOR",         "GRAPH",
        "FLOATS",    "INTS",    "STRINGS", "TENSORS",       "GRAPHS",         "SPARSE_TENSOR",
        "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS",
    };
    return type >= 0 && type < WHET_COUNT(texts) ? texts[type] : "?";
}

const char *whet_onnx_dtype_text(int32_t type) {
    static const char *const texts[] = {
        "UNDEFINED", "FLOAT", "UINT8", "INT8", "UINT16", "INT16", "INT32", "INT64", "STRING",
        "BOOL", "FLOAT16", "DOUBLE", "UINT32", "UINT64", "COMPLEX64", "COMPLEX128", "BFLOAT16",
        "FLOAT8E4M3FN", "FLOAT8E4M3FNUZ", "FLOAT8E5M2", "FLOAT8E5M2FNUZ", "UINT4", "INT4",
        "FLOAT4E2M1", "FLOAT8E8M0", "UINT2", "INT2", "FLOAT6E2M3", "FLOAT6E3M2",
    };
    return type >= 0 && type < WHET_COUNT(texts) ? texts[type] : "?";
}

// ---- attributes ----

typedef struct attr_lists { // growing lists of one attribute
    int64_t *ints;
    float *floats;
    whet_span *strings;
    int32_t n_ints, cap_ints, n_floats, cap_floats, n_strings, cap_strings;
    bool has_f, has_i, has_s;
} attr_lists;

static float float_of_bits(uint64_t bits64) {
    uint32_t bits = (uint32_t)bits64;
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void read_ints(whet_onnx_reader *r, whet_wire *w, const whet_field *f, attr_lists *l) {
    whet_numbers it = whet_wire_numbers(w, f, WHET_WIRE_VARINT, "ints");
    uint64_t v;
    while (whet_numbers_next(&it, &v))
        if (!WHET_ARENA_PUSH(r->arena, l->ints, l->n_ints, l->cap_ints, (int64_t)v))
            whet_onnx_reader_nomem(r);
}

static void read_floats(whet_onnx_reader *r, whet_wire *w, const whet_field *f, attr_lists *l) {
    whet_numbers it = whet_wire_numbers(w, f, WHET_WIRE_FIXED32, "floats");
    uint64_t v;
    while (whet_numbers_next(&it, &v))
        if (!WHET_ARENA_PUSH(r->arena, l->floats, l->n_floats, l->cap_floats, float_of_bits(v)))
            whet_onnx_reader_nomem(r);
}

static void read_string(whet_onnx_reader *r, whet_wire *w, const whet_field *f, attr_lists *l) {
    if (whet_wire_is(w, f, WHET_WIRE_BYTES, "strings") &&
        !WHET_ARENA_PUSH(r->arena, l->strings, l->n_strings, l->cap_strings, f->bytes))
        whet_onnx_reader_nomem(r);
}

// Files of IR version 1 have no types.
static int32_t guess_type(const whet_onnx_attr *a, const attr_lists *l) {
    if (a->t.data) return WHET_ONNX_TENSOR;
    if (a->g.data) return WHET_ONNX_GRAPH;
    if (a->tp.data) return WHET_ONNX_TYPE_PROTO;
    if (l->n_floats) return WHET_ONNX_FLOATS;
    if (l->n_ints) return WHET_ONNX_INTS;
    if (l->n_strings) return WHET_ONNX_STRINGS;
    return l->has_f ? WHET_ONNX_FLOAT : l->has_i ? WHET_ONNX_INT : l->has_s ? WHET_ONNX_STRING : 0;
}

static void read_attr_field(whet_onnx_reader *r, whet_wire *w, const whet_field *f,
                            whet_onnx_attr *a, attr_lists *l) {
    switch (f->number) {
    case 1: a->name = whet_onnx_read_text(r, w, f, "attribute name"); break;
    case 2:
        l->has_f = whet_wire_is(w, f, WHET_WIRE_FIXED32, "f");
        a->f = float_of_bits(f->value);
        break;
    case 3:
        l->has_i = whet_wire_is(w, f, WHET_WIRE_VARINT, "i");
        a->i = (int64_t)f->value;
        break;
    case 4:
        l->has_s = whet_wire_is(w, f, WHET_WIRE_BYTES, "s");
        a->s = f->bytes;
        break;
    case 5:
        if (whet_wire_is(w, f, WHET_WIRE_BYTES, "t")) a->t = f->bytes;
        break;
    case 6:
        if (whet_wire_is(w, f, WHET_WIRE_BYTES, "g")) a->g = f->bytes;
        break;
    case 7: read_floats(r, w, f, l); break;
    case 8: read_ints(r, w, f, l); break;
    case 9: read_string(r, w, f, l); break;
    case 14:
        if (whet_wire_is(w, f, WHET_WIRE_BYTES, "tp")) a->tp = f->bytes;
        break;
    case 22:
        if (whet_wire_is(w, f, WHET_WIRE_BYTES, "sparse_tensor")) a->sparse = f->bytes;
        break;
    case 20:
        if (whet_wire_is(w, f, WHET_WIRE_VARINT, "attribute type")) a->type = (int32_t)f->value;
        break;
    case 21: a->ref = whet_onnx_read_text(r, w, f, "ref_attr_name"); break;
    default: break;
    }
}

void whet_onnx_attr_read(whet_onnx_reader *r, const whet_wire *outer, whet_span span,
                         whet_onnx_attr *a) {
    *a = (whet_onnx_attr){.name = ""};
    attr_lists l = {0};
    whet_wire w = whet_wire_open(outer, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) read_attr_field(r, &w, &f, a, &l);
    if (a->ref && !*a->ref) a->ref = NULL;
    if (!a->type) a->type = guess_type(a, &l);
    a->ints = (whet_ints){l.ints, l.n_ints};
    a->floats = (whet_floats){l.floats, l.n_floats};
    a->strings = l.strings;
    a->n_strings = l.n_strings;
}

// ---- tensors ----

static bool parse_int(whet_span span, int64_t *v) {
    if (!span.size || span.size > 18) return false;
    int64_t result = 0;
    for (size_t i = 0; i < span.size; i++) {
        if (span.data[i] < '0' || span.data[i] > '9') return false;
        result = result * 10 + (span.data[i] - '0');
    }
    *v = result;
    return true;
}

static bool span_is(whet_span span, const char *text) {
    return span.size == strlen(text) && !memcmp(span.data, text, span.size);
}

static void read_external(whet_onnx_reader *r, whet_wire *outer, const whet_field *field,
                          whet_onnx_tensor *t) {
    if (!whet_wire_is(outer, field, WHET_WIRE_BYTES, "external_data")) return;
    whet_wire w = whet_wire_open(outer, field->bytes);
    whet_span key = {0}, value = {0};
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        if (f.number == 1 && whet_wire_is(&w, &f, WHET_WIRE_BYTES, "key")) key = f.bytes;
        if (f.number == 2 && whet_wire_is(&w, &f, WHET_WIRE_BYTES, "value")) value = f.bytes;
    }
    if (w.err->status != WHET_OK) return;
    if (span_is(key, "location")) t->location = whet_onnx_text(r, value, "location");
    else if (span_is(key, "offset") && !parse_int(value, &t->offset))
        whet_wire_fail(&w, field, WHET_E_PARSE, "offset of external data is not a number");
    else if (span_is(key, "length") && !parse_int(value, &t->length))
        whet_wire_fail(&w, field, WHET_E_PARSE, "length of external data is not a number");
}

static void read_dims(whet_wire *w, const whet_field *f, int64_t *rank, int64_t *dims) {
    whet_numbers it = whet_wire_numbers(w, f, WHET_WIRE_VARINT, "dims");
    uint64_t v;
    while (whet_numbers_next(&it, &v)) {
        if (*rank < WHET_MAX_RANK) dims[*rank] = (int64_t)v;
        ++*rank;
    }
}

whet_status whet_onnx_tensor_read(whet_onnx_reader *r, whet_span span, whet_onnx_tensor *t) {
    *t = (whet_onnx_tensor){.name = "", .message = span, .offset = -1, .length = -1};
    whet_wire w = whet_wire_open(&r->w, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        switch (f.number) {
        case 1: read_dims(&w, &f, &t->rank, t->dims); break;
        case 2:
            if (whet_wire_is(&w, &f, WHET_WIRE_VARINT, "data_type"))
                t->data_type = (int32_t)f.value;
            break;
        case 3: t->segment = true; break;
        case 8: t->name = whet_onnx_read_text(r, &w, &f, "tensor name"); break;
        case 9:
            t->has_raw = whet_wire_is(&w, &f, WHET_WIRE_BYTES, "raw_data");
            t->raw = f.bytes;
            break;
        case 13: read_external(r, &w, &f, t); break;
        case 14:
            if (whet_wire_is(&w, &f, WHET_WIRE_VARINT, "data_location")) t->external = f.value == 1;
            break;
        default: break;
        }
    }
    return w.err->status;
}

whet_status whet_onnx_sparse_read(whet_onnx_reader *r, whet_span span, whet_onnx_sparse *t) {
    *t = (whet_onnx_sparse){.values = {.name = ""}, .indices = {.name = ""}};
    whet_wire w = whet_wire_open(&r->w, span);
    whet_field f;
    while (whet_wire_next(&w, &f)) {
        switch (f.number) {
        case 1:
        case 2:
            if (whet_wire_is(&w, &f, WHET_WIRE_BYTES, f.number == 1 ? "values" : "indices"))
                whet_onnx_tensor_read(r, f.bytes, f.number == 1 ? &t->values : &t->indices);
            break;
        case 3: read_dims(&w, &f, &t->rank, t->dims); break;
        default: break;
        }
    }
    return w.err->status;
}

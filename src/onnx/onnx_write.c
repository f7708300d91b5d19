// SPDX-License-Identifier: Apache-2.0
// The file around the nodes: names, types, initializers, the model. Weights are never copied: the
// file is written from pieces.
#include "onnx/onnx_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "onnx/importer.h"

enum { EXTERNAL_MIN = 1024 };
#define PROTOBUF_LIMIT (UINT64_C(2147483647) - (1 << 20)) // of a whole message

// ---- names ----

const char *whet_onnx_out_name(const whet_onnx_out *x, const whet_value *v) {
    return v ? x->names[v->id] : "";
}

const char *whet_onnx_out_fresh(whet_onnx_out *x, const char *hint) {
    return whet_arena_printf(&x->arena, "%s%s%lld", x->made_up, hint, (long long)++x->n_made_up);
}

// A prefix that no name in the graph begins with.
static whet_status choose_prefix(whet_onnx_out *x) {
    size_t longest = 0;
    for (int32_t i = 0; i < x->root->n_values; i++) {
        const char *name = x->root->values[i]->name;
        size_t n = strspn(name, "_");
        if (n > longest) longest = n;
    }
    for (int32_t i = 0; i < x->root->n_outputs; i++) {
        size_t n = strspn(x->root->output_names[i], "_");
        if (n > longest) longest = n;
    }
    char *prefix = whet_arena_alloc(&x->arena, longest + 2);
    if (!prefix) return WHET_NOMEM(x->err);
    memset(prefix, '_', longest + 1);
    x->made_up = longest ? prefix : "_";
    return WHET_OK;
}

typedef struct {
    const char *name;
    const whet_value *value;
} taken;

static int compare_taken(const void *a, const void *b) {
    return strcmp(((const taken *)a)->name, ((const taken *)b)->name);
}

// The names that outputs of the root must have, sorted.
static whet_status list_outputs(whet_onnx_out *x, taken **list) {
    const whet_graph *g = x->root;
    *list = WHET_NEW_ARRAY(&x->arena, taken, g->n_outputs + 1);
    if (!*list) return WHET_NOMEM(x->err);
    for (int32_t i = 0; i < g->n_outputs; i++)
        (*list)[i] = (taken){g->output_names[i], g->outputs[i]};
    if (g->n_outputs) qsort(*list, (size_t)g->n_outputs, sizeof **list, compare_taken);
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const whet_value *v = (*list)[i].value;
        if (v->producer && !v->data && !x->names[v->id]) x->names[v->id] = (*list)[i].name;
    }
    return WHET_OK;
}

static whet_status give_names(whet_onnx_out *x) {
    taken *outputs;
    const whet_graph *g = x->root;
    WHET_TRY(choose_prefix(x));
    WHET_TRY(list_outputs(x, &outputs));
    for (int32_t i = 0; i < g->n_values; i++) {
        const whet_value *v = g->values[i];
        if (x->names[i]) continue; // that of an output
        taken key = {v->name, NULL}, *found = NULL;
        if (g->n_outputs)
            found = bsearch(&key, outputs, (size_t)g->n_outputs, sizeof key, compare_taken);
        bool free_name = *v->name && (!found || found->value == v);
        x->names[i] = free_name ? v->name : whet_onnx_out_fresh(x, "v");
        if (!x->names[i]) return WHET_NOMEM(x->err);
    }
    for (int32_t i = 0; i < g->n_inputs; i++) // they must be found by those who run it
        if (strcmp(x->names[g->inputs[i]->id], g->inputs[i]->name))
            WHET_FAIL(x->err, WHET_E_INVALID, "input %s has the name of an output that is not it",
                      g->inputs[i]->name);
    return WHET_OK;
}

// ---- types ----

static void write_tensor_type(const whet_onnx_out *x, const whet_type *type, whet_writer *w) {
    whet_writer tensor, shape, dim;
    whet_writer_init(&tensor);
    whet_writer_init(&shape);
    whet_writer_init(&dim);
    whet_proto_int(&tensor, 1, (int64_t)type->dtype);
    for (int32_t i = 0; i < type->rank; i++) {
        const char *name = NULL;
        bool known = whet_dim_is_const(type->dims[i]);
        if (!known) name = whet_dim_name(x->root->dims, type->dims[i]);
        if (known) whet_proto_int(&dim, 1, type->dims[i]);
        else if (name && *name != '?') whet_proto_text(&dim, 2, name);
        whet_proto_message(&shape, 1, &dim);
    }
    if (type->rank >= 0) whet_proto_message(&tensor, 2, &shape);
    whet_proto_message(w, 1, &tensor);
    whet_writer_fini(&tensor);
    whet_writer_fini(&shape);
    whet_writer_fini(&dim);
}

// TypeProto of `dtype` with what is in it.
static void write_type_of(const whet_onnx_out *x, const whet_type *type, whet_writer *w) {
    whet_writer inner, outer;
    whet_type element = {.dtype = whet_elem_dtype(type->elem), .rank = -1,
                         .elem = whet_elem_inner(type->elem)};
    if (!whet_dtype_is_object(type->dtype)) {
        write_tensor_type(x, type, w);
        return;
    }
    whet_writer_init(&inner);
    whet_writer_init(&outer);
    if (type->dtype == WHET_DTYPE_MAP) {
        whet_proto_int(&outer, 1, (int64_t)element.dtype);
        element.dtype = whet_elem_dtype(element.elem);
        element.elem = whet_elem_inner(element.elem);
    }
    write_type_of(x, &element, &inner);
    whet_proto_message(&outer, type->dtype == WHET_DTYPE_MAP ? 2 : 1, &inner);
    whet_proto_message(w, type->dtype == WHET_DTYPE_SEQUENCE ? 4
                          : type->dtype == WHET_DTYPE_MAP    ? 5
                                                             : 9, &outer);
    whet_writer_fini(&inner);
    whet_writer_fini(&outer);
}

static void write_info(const whet_onnx_out *x, uint32_t field, const char *name,
                       const whet_type *type, whet_writer *w) {
    whet_writer info, t;
    whet_writer_init(&info);
    whet_writer_init(&t);
    whet_proto_text(&info, 1, name);
    if (type->dtype) {
        write_type_of(x, type, &t);
        whet_proto_message(&info, 2, &t);
    }
    whet_proto_message(w, field, &info);
    whet_writer_fini(&info);
    whet_writer_fini(&t);
}

// ---- tensors ----

static void tensor_head(whet_writer *w, const char *name, const whet_tensor *t) {
    for (int32_t d = 0; d < t->rank; d++) whet_proto_int(w, WHET_PB_TENSOR_DIMS, t->dims[d]);
    whet_proto_int(w, WHET_PB_TENSOR_TYPE, (int64_t)t->dtype);
    if (*name) whet_proto_text(w, WHET_PB_TENSOR_NAME, name);
}

void whet_onnx_out_tensor(whet_writer *w, const char *name, const whet_tensor *t) {
    tensor_head(w, name, t);
    if (t->dtype != WHET_DTYPE_STRING) {
        whet_proto_bytes(w, WHET_PB_TENSOR_RAW, t->data, t->bytes);
        return;
    }
    const whet_text *v = t->data;
    for (int64_t i = 0; i < whet_tensor_count(t); i++)
        whet_proto_bytes(w, WHET_PB_TENSOR_STRINGS, v[i].data, v[i].size);
}

// ---- graphs ----

static void mark_used(whet_onnx_out *x, const whet_graph *g) {
    WHET_FOR_NODES(g, n) {
        if (n->recipe) continue;
        for (int32_t i = 0; i < n->n_in; i++)
            if (n->in[i]) x->used[n->in[i]->id] = true;
        for (int32_t i = 0; i < n->n_subgraphs; i++) mark_used(x, n->subgraphs[i]);
    }
    for (int32_t i = 0; i < g->n_outputs; i++) x->used[g->outputs[i]->id] = true;
}

static int64_t newest(const whet_onnx_out *x, const whet_graph *g) {
    int64_t version = 0;
    WHET_FOR_NODES(g, n) {
        int64_t v = n->recipe ? 0 : whet_onnx_out_version(n);
        if (v > version) version = v;
        for (int32_t i = 0; i < n->n_subgraphs; i++) {
            v = newest(x, n->subgraphs[i]);
            if (v > version) version = v;
        }
    }
    return version;
}

static bool is_initializer(const whet_onnx_out *x, const whet_value *v, const whet_graph *g) {
    return v->graph == g && v->data && x->used[v->id];
}

// Nodes, and what makes outputs of values that cannot have their names.
static whet_status write_nodes(whet_onnx_out *x, const whet_graph *g, bool root, whet_writer *w,
                               const char **output_names) {
    WHET_FOR_NODES(g, n)
        if (!n->recipe) WHET_TRY(whet_onnx_out_node_write(x, n, w));
    for (int32_t i = 0; i < g->n_outputs; i++) {
        const whet_value *v = g->outputs[i];
        const char *have = x->names[v->id], *want = root ? g->output_names[i] : have;
        bool local = v->producer && !v->data && v->graph == g, again = false;
        for (int32_t k = 0; k < i; k++) again = again || g->outputs[k] == v;
        output_names[i] = want;
        if (root && !strcmp(have, want)) continue;
        if (!root && local && !again) continue;
        if (!root && !(want = whet_onnx_out_fresh(x, "out"))) return WHET_NOMEM(x->err);
        output_names[i] = want;
        whet_node made = {.name = want};
        whet_onnx_out_node n = {x, &made, w, 0};
        whet_onnx_out_emit(&n, "", "Identity", &have, 1, &want, 1, NULL);
    }
    return w->failed ? WHET_NOMEM(x->err) : WHET_OK;
}

static whet_status write_rest(whet_onnx_out *x, const whet_graph *g, bool root, int32_t n_inputs,
                              whet_writer *w) {
    const char **names = WHET_NEW_ARRAY(&x->arena, const char *, g->n_outputs + 1);
    if (!names) return WHET_NOMEM(x->err);
    WHET_TRY(write_nodes(x, g, root, w, names));
    whet_proto_text(w, WHET_PB_GRAPH_NAME, g->name && *g->name ? g->name : "network");
    for (int32_t i = 0; i < n_inputs; i++)
        write_info(x, WHET_PB_GRAPH_INPUT, x->names[g->inputs[i]->id], &g->inputs[i]->type, w);
    for (int32_t i = 0; i < g->n_outputs; i++)
        write_info(x, WHET_PB_GRAPH_OUTPUT, names[i], &g->outputs[i]->type, w);
    return w->failed ? WHET_NOMEM(x->err) : WHET_OK;
}

whet_status whet_onnx_out_graph(whet_onnx_out *x, const whet_graph *g, int32_t n_inputs,
                                whet_writer *w) {
    whet_writer tensor;
    whet_writer_init(&tensor);
    for (int32_t i = 0; i < x->root->n_values; i++) {
        const whet_value *v = x->root->values[i];
        if (!is_initializer(x, v, g)) continue;
        whet_onnx_out_tensor(&tensor, x->names[i], v->data);
        whet_proto_message(w, WHET_PB_GRAPH_INITIALIZER, &tensor);
    }
    whet_writer_fini(&tensor);
    return write_rest(x, g, false, n_inputs, w);
}

// ---- the model ----

// Everything of the file in order: bytes of `head`, then for each initializer bytes of `heads` and
// its data, then the rest.
typedef struct {
    whet_onnx_out out;
    const whet_onnx_write_options *options;
    whet_writer model, heads, rest;
    whet_piece *pieces, *data; // of the model, of the file of external data
    size_t n_pieces, n_data;
    uint64_t n_external;       // bytes of that file so far
    bool external;
} file_writer;

static void put_entry(whet_writer *w, const char *key, const char *value) {
    whet_writer entry;
    whet_writer_init(&entry);
    whet_proto_text(&entry, 1, key);
    whet_proto_text(&entry, 2, value);
    whet_proto_message(w, WHET_PB_TENSOR_EXTERNAL, &entry);
    whet_writer_fini(&entry);
}

// What is in the file name of external data: the last part of its path.
static const char *data_name(file_writer *f) {
    const char *slash = strrchr(f->options->path, '/');
    return whet_arena_printf(&f->out.arena, "%s.data", slash ? slash + 1 : f->options->path);
}

static whet_status external_head(file_writer *f, const whet_tensor *t, whet_writer *w) {
    static const uint8_t zeros[64];
    size_t gap = (size_t)(-f->n_external & 63);
    const char *name = data_name(f);
    if (gap) f->data[f->n_data++] = (whet_piece){zeros, gap};
    f->n_external += gap;
    char *offset = whet_arena_printf(&f->out.arena, "%llu", (unsigned long long)f->n_external);
    char *length = whet_arena_printf(&f->out.arena, "%zu", t->bytes);
    if (!name || !offset || !length) return WHET_NOMEM(f->out.err);
    put_entry(w, "location", name);
    put_entry(w, "offset", offset);
    put_entry(w, "length", length);
    whet_proto_int(w, WHET_PB_TENSOR_LOCATION, 1);
    f->data[f->n_data++] = (whet_piece){t->data, t->bytes};
    f->n_external += t->bytes;
    return WHET_OK;
}

// The bytes of `heads` move while it grows: pieces hold offsets into it until all is written.
static whet_status put_initializer(file_writer *f, const whet_value *v) {
    const whet_tensor *t = v->data;
    whet_writer head;
    size_t start = f->heads.size, inside = 0;
    whet_status status = WHET_OK;
    whet_writer_init(&head);
    if (t->dtype == WHET_DTYPE_STRING) {
        whet_onnx_out_tensor(&head, f->out.names[v->id], t);
    } else {
        tensor_head(&head, f->out.names[v->id], t);
        if (f->external && t->bytes >= EXTERNAL_MIN) {
            status = external_head(f, t, &head);
        } else {
            inside = t->bytes;
            whet_proto_head(&head, WHET_PB_TENSOR_RAW, inside);
        }
    }
    whet_proto_head(&f->heads, WHET_PB_GRAPH_INITIALIZER, head.size + inside);
    whet_write_bytes(&f->heads, head.data, head.size);
    if (head.failed || f->heads.failed) status = WHET_NOMEM(f->out.err);
    f->pieces[f->n_pieces++] = (whet_piece){(const void *)start, f->heads.size - start};
    f->pieces[f->n_pieces++] = (whet_piece){t->data, inside};
    whet_writer_fini(&head);
    return status;
}

static whet_status put_initializers(file_writer *f) {
    const whet_graph *g = f->out.root;
    int32_t n = 0;
    uint64_t bytes = 0;
    for (int32_t i = 0; i < g->n_values; i++) {
        if (!is_initializer(&f->out, g->values[i], g)) continue;
        n++;
        bytes += g->values[i]->data->bytes;
    }
    f->external = f->options->external || bytes > PROTOBUF_LIMIT;
    f->pieces = WHET_NEW_ARRAY(&f->out.arena, whet_piece, 2 * (int64_t)n + 2);
    f->data = WHET_NEW_ARRAY(&f->out.arena, whet_piece, 2 * (int64_t)n + 1);
    if (!f->pieces || !f->data) return WHET_NOMEM(f->out.err);
    f->n_pieces = 1; // the model's head
    for (int32_t i = 0; i < g->n_values; i++)
        if (is_initializer(&f->out, g->values[i], g))
            WHET_TRY(put_initializer(f, g->values[i]));
    for (size_t i = 1; i < f->n_pieces; i += 2)
        f->pieces[i].data = f->heads.data + (uintptr_t)f->pieces[i].data;
    f->pieces[f->n_pieces++] = (whet_piece){f->rest.data, f->rest.size};
    return WHET_OK;
}

static void put_opset(whet_writer *w, const char *domain, int64_t version) {
    whet_writer opset;
    whet_writer_init(&opset);
    if (*domain) whet_proto_text(&opset, 1, domain);
    whet_proto_int(&opset, 2, version);
    whet_proto_message(w, 8, &opset);
    whet_writer_fini(&opset);
}

static void put_model(file_writer *f, uint64_t graph_bytes) {
    const whet_onnx_out *x = &f->out;
    int64_t v = x->version;
    whet_proto_int(&f->model, 1, v >= 25 ? 13 : v == 24 ? 12 : v == 23 ? 11 : 10);
    whet_proto_text(&f->model, 2, "whet");
    whet_proto_text(&f->model, 3, whet_version());
    put_opset(&f->model, "", v);
    if (x->microsoft) put_opset(&f->model, "com.microsoft", 1);
    if (x->ml) put_opset(&f->model, "ai.onnx.ml", whet_import_newest_opset("ai.onnx.ml"));
    for (int32_t i = 0; i < x->n_domains; i++) put_opset(&f->model, x->domains[i], 1);
    whet_proto_head(&f->model, 7, graph_bytes);
}

static whet_status write_files(file_writer *f) {
    whet_error *err = f->out.err;
    uint64_t bytes = 0;
    for (size_t i = 1; i < f->n_pieces; i++) bytes += f->pieces[i].size;
    put_model(f, bytes);
    if (f->model.failed) return WHET_NOMEM(err);
    f->pieces[0] = (whet_piece){f->model.data, f->model.size};
    if (bytes > PROTOBUF_LIMIT)
        WHET_FAIL(err, WHET_E_LIMIT, "%s would have more than 2 GB", f->options->path);
    if (f->n_data) {
        const char *path = whet_arena_printf(&f->out.arena, "%s.data", f->options->path);
        if (!path) return WHET_NOMEM(err);
        WHET_TRY(whet_file_write(path, f->data, f->n_data, err));
    }
    return whet_file_write(f->options->path, f->pieces, f->n_pieces, err);
}

static whet_status write_all(file_writer *f) {
    whet_onnx_out *x = &f->out;
    const whet_graph *g = x->root;
    x->names = WHET_NEW_ARRAY(&x->arena, const char *, g->n_values + 1);
    x->used = WHET_NEW_ARRAY(&x->arena, bool, g->n_values + 1);
    if (!x->names || !x->used) return WHET_NOMEM(x->err);
    mark_used(x, g);
    WHET_TRY(give_names(x));
    x->version = newest(x, g);
    if (x->version < WHET_ONNX_OUT_BASE) x->version = WHET_ONNX_OUT_BASE;
    WHET_TRY(write_rest(x, g, true, g->n_inputs, &f->rest));
    WHET_TRY(put_initializers(f));
    return write_files(f);
}

whet_status whet_onnx_write(const whet_graph *g, const whet_onnx_write_options *options,
                            whet_error *err) {
    file_writer f = {.out = {.root = g, .err = err}, .options = options};
    whet_arena_init(&f.out.arena);
    whet_writer_init(&f.model);
    whet_writer_init(&f.heads);
    whet_writer_init(&f.rest);
    whet_status status = write_all(&f);
    whet_writer_fini(&f.model);
    whet_writer_fini(&f.heads);
    whet_writer_fini(&f.rest);
    whet_arena_fini(&f.out.arena);
    return status;
}

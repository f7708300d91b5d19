// SPDX-License-Identifier: Apache-2.0
// ONNX files are protobuf messages: what is kept of one is copied, the rest left out. Numbers of
// fields are those of onnx.proto.
#include "compare_slice.h"

#include <stdlib.h>
#include <string.h>

enum { GRAPH = 7, NODE = 1, INITIALIZER = 5, INPUT = 11, SPARSE = 15, OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_ATTRIBUTE = 5, ATTRIBUTE_G = 6, ATTRIBUTE_GS = 11 };

typedef struct {
    const uint8_t *p;
    size_t n;
} span;

typedef enum { A_NODE, A_CONSTANT, AN_INPUT } kind;
typedef struct {
    kind kind;
    uint32_t field; // that it is, in the graph
    span whole;     // the message
    span name;      // of constants and inputs
    bool kept;
} item;

typedef struct {
    span name;
    int32_t item;  // node or constant that makes it, else the input
    int32_t input; // graph input of the name, -1
    bool edge;     // held, and not computed once more
} row;

struct whet_cli_slicer {
    const char *path;
    uint8_t *data;
    size_t size;
    span graph;
    item *items; // in the order of the file
    int32_t n_items, cap_items;
    row *rows;   // open addressing; name.p NULL: free
    size_t n_rows, cap_rows;
    bool failed; // out of memory, or the file is damaged
};

// ---- protobuf ----

typedef struct {
    const uint8_t *at, *end;
    uint32_t field, wire;
    span whole, body; // the field with its tag; what is inside
    uint64_t number;
    bool bad;
} cursor;

static cursor start(span s) { return (cursor){.at = s.p, .end = s.p + s.n}; }

static uint64_t varint(cursor *c) {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (c->at == c->end) break;
        uint8_t b = *c->at++;
        v |= (uint64_t)(b & 127) << shift;
        if (b < 128) return v;
    }
    c->bad = true;
    return 0;
}

static bool next(cursor *c) {
    const uint8_t *begin = c->at;
    if (c->bad || c->at == c->end) return false;
    uint64_t tag = varint(c), n = 0;
    c->field = (uint32_t)(tag >> 3);
    c->wire = tag & 7;
    c->number = 0;
    if (c->wire == 0) c->number = varint(c);
    else if (c->wire == 1) n = 8;
    else if (c->wire == 2) n = varint(c);
    else if (c->wire == 5) n = 4;
    else c->bad = true;
    if (c->bad || n > (size_t)(c->end - c->at)) {
        c->bad = true;
        return false;
    }
    c->body = (span){c->at, (size_t)n};
    c->at += n;
    c->whole = (span){begin, (size_t)(c->at - begin)};
    return true;
}

static span text_field(span message, uint32_t field) {
    cursor c = start(message);
    span found = {NULL, 0};
    while (next(&c))
        if (c.field == field && c.wire == 2) found = c.body;
    return found;
}

// ---- names ----

static row *slot(const whet_cli_slicer *s, span name) {
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < name.n; i++) h = (h ^ name.p[i]) * 16777619u;
    size_t i = h & (s->cap_rows - 1);
    while (s->rows[i].name.p && (s->rows[i].name.n != name.n ||
                                 memcmp(s->rows[i].name.p, name.p, name.n)))
        i = (i + 1) & (s->cap_rows - 1);
    return &s->rows[i];
}

static row *find(const whet_cli_slicer *s, span name) {
    row *r = s->cap_rows && name.n ? slot(s, name) : NULL;
    return r && r->name.p ? r : NULL;
}

static void grow_rows(whet_cli_slicer *s) {
    row *old = s->rows;
    size_t cap = s->cap_rows;
    s->cap_rows = cap ? cap * 2 : 256;
    s->rows = calloc(s->cap_rows, sizeof *s->rows);
    if (!s->rows) {
        s->rows = old;
        s->cap_rows = cap;
        s->failed = true;
        return;
    }
    for (size_t i = 0; i < cap; i++)
        if (old[i].name.p) *slot(s, old[i].name) = old[i];
    free(old);
}

static void add_row(whet_cli_slicer *s, span name, int32_t of, bool input) {
    if (!name.n) return;
    if (2 * s->n_rows >= s->cap_rows) grow_rows(s);
    if (s->failed) return;
    row *r = slot(s, name);
    if (!r->name.p) {
        *r = (row){.name = name, .item = of, .input = -1};
        s->n_rows++;
    }
    if (input) r->input = of;
    else r->item = of;
}

// ---- reading ----

static void add_item(whet_cli_slicer *s, item it) {
    if (s->n_items == s->cap_items) {
        int32_t cap = s->cap_items ? s->cap_items * 2 : 256;
        item *grown = realloc(s->items, (size_t)cap * sizeof *grown);
        if (!grown) {
            s->failed = true;
            return;
        }
        s->items = grown;
        s->cap_items = cap;
    }
    int32_t at = s->n_items++;
    s->items[at] = it;
    if (it.kind != A_NODE) {
        add_row(s, it.name, at, it.kind == AN_INPUT);
        return;
    }
    cursor c = start(it.whole);
    while (next(&c))
        if (c.field == NODE_OUTPUT && c.wire == 2) add_row(s, c.body, at, false);
    s->failed |= c.bad;
}

static void read_graph(whet_cli_slicer *s) {
    cursor c = start(s->graph);
    while (next(&c) && !s->failed) {
        item it = {.field = c.field, .whole = c.body};
        if (c.wire != 2) continue;
        if (c.field == NODE) it.kind = A_NODE;
        else if (c.field == INPUT) it = (item){AN_INPUT, INPUT, c.body, text_field(c.body, 1), 0};
        else if (c.field == INITIALIZER)
            it = (item){A_CONSTANT, INITIALIZER, c.body, text_field(c.body, 8), 0};
        else if (c.field == SPARSE)
            it = (item){A_CONSTANT, SPARSE, c.body, text_field(text_field(c.body, 1), 8), 0};
        else continue;
        add_item(s, it);
    }
    s->failed |= c.bad;
}

whet_cli_slicer *whet_cli_slicer_open(const char *path) {
    whet_cli_slicer *s = calloc(1, sizeof *s);
    if (!s) return whet_cli_fail("out of memory"), NULL;
    s->path = path;
    s->data = whet_cli_read_file(path, &s->size);
    if (!s->data) {
        free(s);
        return NULL;
    }
    cursor c = start((span){s->data, s->size});
    while (next(&c))
        if (c.field == GRAPH && c.wire == 2) s->graph = c.body;
    s->failed = c.bad;
    if (s->graph.n && !s->failed) read_graph(s);
    if (!s->failed) return s;
    whet_cli_fail("%s: it cannot be taken apart", path);
    whet_cli_slicer_close(s);
    return NULL;
}

void whet_cli_slicer_close(whet_cli_slicer *s) {
    if (!s) return;
    free(s->data);
    free(s->items);
    free(s->rows);
    free(s);
}

bool whet_cli_slicer_makes(const whet_cli_slicer *s, const char *value) {
    const row *r = find(s, (span){(const uint8_t *)value, strlen(value)});
    return r && s->items[r->item].kind == A_NODE;
}

// ---- walking back ----

typedef struct {
    whet_cli_slicer *s;
    const whet_cli_slice *what;
    int32_t *waiting, n_waiting, cap_waiting; // rows, whose makers are to be kept
    int32_t *edges, n_edges, cap_edges;
} walk;

static bool push(int32_t **v, int32_t *n, int32_t *cap, int32_t row_at) {
    if (*n == *cap) {
        int32_t more = *cap ? *cap * 2 : 64;
        int32_t *grown = realloc(*v, (size_t)more * sizeof *grown);
        if (!grown) return false;
        *v = grown;
        *cap = more;
    }
    (*v)[(*n)++] = row_at;
    return true;
}

static const whet_tensor *held(const walk *w, span name) {
    char text[1024];
    if (name.n >= sizeof text) return NULL;
    memcpy(text, name.p, name.n);
    text[name.n] = 0;
    return w->what->held(w->what->user, text);
}

static void need(walk *w, span name) {
    whet_cli_slicer *s = w->s;
    row *r = find(s, name);
    if (!r) return; // absent, or made inside a block
    if (r->input >= 0) s->items[r->input].kept = true;
    item *it = &s->items[r->item];
    if (it->kind != A_NODE || it->kept || r->edge) {
        it->kept |= it->kind != A_NODE;
        return;
    }
    int32_t at = (int32_t)(r - s->rows);
    r->edge = held(w, name) != NULL;
    bool good = r->edge ? push(&w->edges, &w->n_edges, &w->cap_edges, at)
                        : push(&w->waiting, &w->n_waiting, &w->cap_waiting, at);
    s->failed |= !good;
}

// Inputs of a node; names used in its blocks may be those of the graph around.
static void need_inputs(walk *w, span node, int depth) {
    cursor c = start(node);
    if (depth > 64) return;
    while (next(&c)) {
        if (c.wire != 2) continue;
        if (c.field == NODE_INPUT) need(w, c.body);
        if (c.field != NODE_ATTRIBUTE) continue;
        cursor a = start(c.body);
        while (next(&a)) {
            if (a.wire != 2 || (a.field != ATTRIBUTE_G && a.field != ATTRIBUTE_GS)) continue;
            cursor g = start(a.body);
            while (next(&g)) {
                if (g.field == NODE && g.wire == 2) need_inputs(w, g.body, depth + 1);
                if (g.field == OUTPUT && g.wire == 2) need(w, text_field(g.body, 1));
            }
        }
    }
}

static void walk_back(walk *w) {
    whet_cli_slicer *s = w->s;
    for (int32_t i = 0; i < s->n_items; i++) s->items[i].kept = false;
    for (size_t i = 0; i < s->cap_rows; i++) s->rows[i].edge = false;
    span name = {(const uint8_t *)w->what->output, strlen(w->what->output)};
    row *r = find(s, name);
    s->failed |= !r || !push(&w->waiting, &w->n_waiting, &w->cap_waiting, (int32_t)(r - s->rows));
    for (int32_t round = 0; !s->failed; round++) {
        while (w->n_waiting && !s->failed) {
            item *it = &s->items[s->rows[w->waiting[--w->n_waiting]].item];
            if (it->kept) continue;
            it->kept = true;
            need_inputs(w, it->whole, 0);
        }
        if (round == w->what->depth || !w->n_edges) break;
        for (int32_t i = 0; i < w->n_edges && !s->failed; i++)
            s->failed |= !push(&w->waiting, &w->n_waiting, &w->cap_waiting, w->edges[i]);
        w->n_edges = 0;
    }
}

// ---- writing ----

typedef struct {
    uint8_t *data;
    size_t n, cap;
    bool failed;
} buffer;

static void put(buffer *b, const void *data, size_t n) {
    if (b->n + n > b->cap && !b->failed) {
        size_t cap = (b->n + n) * 2 + 256;
        uint8_t *grown = realloc(b->data, cap);
        b->failed = !grown;
        if (grown) {
            b->data = grown;
            b->cap = cap;
        }
    }
    if (b->failed) return;
    if (n) memcpy(b->data + b->n, data, n);
    b->n += n;
}

static void put_varint(buffer *b, uint64_t v) {
    uint8_t bytes[10];
    int n = 0;
    do {
        bytes[n++] = (uint8_t)((v & 127) | (v > 127 ? 128 : 0));
        v >>= 7;
    } while (v);
    put(b, bytes, (size_t)n);
}

static void put_field(buffer *b, uint32_t field, span body) {
    put_varint(b, (uint64_t)field << 3 | 2);
    put_varint(b, body.n);
    put(b, body.p, body.n);
}

static void put_number(buffer *b, uint32_t field, uint64_t v) {
    put_varint(b, (uint64_t)field << 3);
    put_varint(b, v);
}

static void put_message(buffer *b, uint32_t field, buffer *message) {
    put_field(b, field, (span){message->data, message->n});
    b->failed |= message->failed;
    free(message->data);
}

// ValueInfoProto: a name and the type of a tensor.
static void put_value(buffer *b, uint32_t field, span name, const whet_tensor *t) {
    buffer value = {0}, type = {0}, tensor = {0}, shape = {0};
    for (int32_t d = 0; d < t->rank; d++) {
        buffer dim = {0};
        put_number(&dim, 1, (uint64_t)t->dims[d]);
        put_message(&shape, 1, &dim);
    }
    put_number(&tensor, 1, (uint64_t)t->dtype);
    put_message(&tensor, 2, &shape);
    put_message(&type, 1, &tensor);
    put_field(&value, 1, name);
    put_message(&value, 2, &type);
    put_message(b, field, &value);
}

// Bytes of an initializer that lie in a file beside the model. False: printed.
static bool put_external(const whet_cli_slicer *s, buffer *b, span tensor) {
    char location[1024] = "", path[2048];
    size_t offset = 0, length = SIZE_MAX, size;
    buffer inside = {0};
    cursor c = start(tensor);
    while (next(&c)) {
        if (c.field != 13 && c.field != 14) put(&inside, c.whole.p, c.whole.n);
        if (c.field != 13 || c.wire != 2) continue;
        span key = text_field(c.body, 1), value = text_field(c.body, 2);
        char text[1024] = "";
        if (value.n < sizeof text) memcpy(text, value.p, value.n);
        if (key.n == 8 && !memcmp(key.p, "location", 8)) memcpy(location, text, sizeof text);
        if (key.n == 6 && !memcmp(key.p, "offset", 6)) offset = strtoull(text, NULL, 10);
        if (key.n == 6 && !memcmp(key.p, "length", 6)) length = strtoull(text, NULL, 10);
    }
    const char *slash = strrchr(s->path, '/');
    snprintf(path, sizeof path, "%.*s%s", slash ? (int)(slash + 1 - s->path) : 0, s->path,
             location);
    bool inner = *location && *location != '/' && !strstr(location, "..");
    uint8_t *bytes = inner ? whet_cli_read_file(path, &size) : NULL;
    if (!inner) whet_cli_fail("%s: external data at \"%s\"", s->path, location);
    bool good = bytes && offset <= size && (length == SIZE_MAX || length <= size - offset);
    if (bytes && !good) whet_cli_fail("%s: it ends before the data of a weight", path);
    if (good) {
        put_field(&inside, 9, (span){bytes + offset, length == SIZE_MAX ? size - offset : length});
        put_field(b, INITIALIZER, (span){inside.data, inside.n});
        b->failed |= inside.failed;
    }
    free(bytes);
    free(inside.data);
    return good;
}

static bool is_external(span tensor) {
    cursor c = start(tensor);
    while (next(&c))
        if (c.field == 14 && c.number == 1) return true;
    return false;
}

static bool put_graph(walk *w, buffer *b) {
    whet_cli_slicer *s = w->s;
    const whet_cli_slice *what = w->what;
    put_field(b, 2, (span){(const uint8_t *)"failing", 7});
    for (int32_t i = 0; i < s->n_items; i++) {
        const item *it = &s->items[i];
        if (!it->kept) continue;
        if (it->field == INITIALIZER && is_external(it->whole)) {
            if (!put_external(s, b, it->whole)) return false;
        } else {
            put_field(b, it->field, it->whole);
        }
    }
    for (int32_t i = 0; i < w->n_edges; i++) {
        span name = s->rows[w->edges[i]].name;
        if (!s->items[s->rows[w->edges[i]].item].kept) put_value(b, INPUT, name, held(w, name));
    }
    span output = {(const uint8_t *)what->output, strlen(what->output)};
    put_value(b, OUTPUT, output, what->sample);
    return true;
}

static bool write_model(walk *w, const char *path) {
    buffer model = {0}, graph = {0};
    bool good = put_graph(w, &graph);
    cursor c = start((span){w->s->data, w->s->size});
    while (next(&c))
        if (c.field != GRAPH) put(&model, c.whole.p, c.whole.n);
    put_message(&model, GRAPH, &graph);
    if (good && model.failed) whet_cli_fail("out of memory");
    const void *piece = model.data;
    good = good && !model.failed && whet_cli_write_file(path, &piece, &model.n, 1);
    free(model.data);
    return good;
}

static bool write_inputs(walk *w, const char *path) {
    whet_cli_slicer *s = w->s;
    size_t most = (size_t)w->n_edges + (size_t)s->n_items + 1;
    char **names = calloc(most, sizeof *names);
    const whet_tensor **tensors = calloc(most, sizeof *tensors);
    int32_t n = 0;
    bool good = names && tensors;
    for (int32_t i = 0; i < w->n_edges + s->n_items && good; i++) {
        const item *it = i < w->n_edges ? &s->items[s->rows[w->edges[i]].item]
                                        : &s->items[i - w->n_edges];
        bool edge = i < w->n_edges && !it->kept;
        if (!edge && (i < w->n_edges || it->kind != AN_INPUT || !it->kept)) continue;
        span name = edge ? s->rows[w->edges[i]].name : it->name;
        tensors[n] = held(w, name);
        if (!tensors[n]) continue; // an initializer as well
        names[n] = strndup((const char *)name.p, name.n);
        good = names[n++] != NULL;
    }
    if (!good) whet_cli_fail("out of memory");
    good = good && whet_cli_write_npz(path, (const char *const *)names, tensors, n);
    for (int32_t i = 0; names && i < n; i++) free(names[i]);
    free(names);
    free((void *)tensors);
    return good;
}

bool whet_cli_slicer_write(whet_cli_slicer *s, const whet_cli_slice *slice, const char *model,
                           const char *inputs, int32_t *nodes, bool *whole) {
    walk w = {.s = s, .what = slice};
    walk_back(&w);
    if (s->failed) whet_cli_fail("%s: it cannot be taken apart", s->path);
    *nodes = 0;
    for (int32_t i = 0; i < s->n_items; i++)
        *nodes += s->items[i].kept && s->items[i].kind == A_NODE;
    *whole = true;
    for (int32_t i = 0; i < w.n_edges; i++)
        if (!s->items[s->rows[w.edges[i]].item].kept) *whole = false;
    bool good = !s->failed && write_model(&w, model) && write_inputs(&w, inputs);
    free(w.waiting);
    free(w.edges);
    return good;
}

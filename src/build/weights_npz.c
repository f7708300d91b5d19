// SPDX-License-Identifier: Apache-2.0
// numpy's .npz: a zip file (stored or deflated members, zip64 too) of .npy arrays. The list comes
// from the central directory; a member is read when it is asked for.
#include <string.h>

#include "build/inflate.h"
#include "build/weights_impl.h"

enum { END_BYTES = 22, END64_LOCATOR = 20, END64_BYTES = 56, ENTRY_BYTES = 46, LOCAL_BYTES = 30 };

typedef struct {
    uint64_t offset, bytes; // of the central directory
    uint64_t count;
} directory;

static whet_status damaged(whet_weights *w, const char *what) {
    WHET_FAIL(&w->handle.error, WHET_E_PARSE, "the zip file is damaged: %s", what);
}

static uint64_t at(const uint8_t *p, int32_t bytes) { // little endian
    uint64_t v = 0;
    for (int32_t i = bytes; i-- > 0;) v = v << 8 | p[i];
    return v;
}

// ---- the directory ----

// `end`: where the end record lies.
static bool read_end64(const whet_weights *w, size_t end, directory *d) {
    if (end < END64_LOCATOR) return false;
    const uint8_t *locator = w->data + end - END64_LOCATOR;
    if (memcmp(locator, "PK\6\7", 4)) return false;
    uint64_t offset = at(locator + 8, 8);
    if (w->size < END64_BYTES || offset > w->size - END64_BYTES) return false;
    const uint8_t *p = w->data + offset;
    if (memcmp(p, "PK\6\6", 4)) return false;
    *d = (directory){.count = at(p + 32, 8), .bytes = at(p + 40, 8), .offset = at(p + 48, 8)};
    return true;
}

static whet_status find_directory(whet_weights *w, directory *d) {
    if (w->size < END_BYTES) return damaged(w, "it is too short");
    size_t last = w->size - END_BYTES, first = last > 65535 ? last - 65535 : 0;
    for (size_t i = last + 1; i-- > first;) {
        const uint8_t *p = w->data + i;
        if (memcmp(p, "PK\5\6", 4)) continue;
        *d = (directory){.count = at(p + 10, 2), .bytes = at(p + 12, 4), .offset = at(p + 16, 4)};
        bool big = d->count == 0xffff || d->bytes == 0xffffffff || d->offset == 0xffffffff;
        if (big && !read_end64(w, i, d)) return damaged(w, "its end record");
        if (d->offset > w->size || d->bytes > w->size - d->offset)
            return damaged(w, "its directory lies outside");
        return WHET_OK;
    }
    return damaged(w, "it has no end record");
}

typedef struct {
    whet_weight e;
    uint64_t offset; // of the local header
    uint32_t flags;
} member;

// Numbers of 64 bits stand in an extra field, in this order, for those that are all ones.
static bool read_extra(const uint8_t *extra, size_t n, member *m) {
    uint64_t *slots[] = {&m->e.bytes, &m->e.packed_bytes, &m->offset};
    bool missing = false;
    for (size_t i = 0; i < 3; i++) missing = missing || *slots[i] == 0xffffffff;
    for (size_t i = 0; missing && n - i >= 4 && i <= n;) {
        size_t id = (size_t)at(extra + i, 2), size = (size_t)at(extra + i + 2, 2);
        i += 4;
        if (size > n - i) return false;
        const uint8_t *p = extra + i, *end = p + size;
        for (size_t k = 0; id == 1 && k < 3; k++) {
            if (*slots[k] != 0xffffffff) continue;
            if (end - p < 8) return false;
            *slots[k] = at(p, 8);
            p += 8;
        }
        if (id == 1) return true;
        i += size;
    }
    return !missing;
}

static whet_status find_data(whet_weights *w, member *m) {
    if (w->size < LOCAL_BYTES || m->offset > w->size - LOCAL_BYTES)
        return damaged(w, "a member lies outside");
    const uint8_t *p = w->data + m->offset;
    if (memcmp(p, "PK\3\4", 4)) return damaged(w, "a member has no header");
    uint64_t start = m->offset + LOCAL_BYTES + at(p + 26, 2) + at(p + 28, 2);
    if (start > w->size || m->e.packed_bytes > w->size - start)
        return damaged(w, "a member lies outside");
    m->e.packed = w->data + start;
    if (m->e.method == 0 && m->e.packed_bytes != m->e.bytes)
        return damaged(w, "a stored member has two sizes");
    return WHET_OK;
}

static whet_status add_member(whet_weights *w, const member *m, const char *name, size_t n_name) {
    if (n_name && name[n_name - 1] == '/') return WHET_OK; // a folder
    if (memchr(name, 0, n_name)) return damaged(w, "a name with a zero in it");
    bool npy = n_name > 4 && !memcmp(name + n_name - 4, ".npy", 4);
    whet_weight *e =
        whet_weights_push(w, whet_arena_strndup(&w->arena, name, npy ? n_name - 4 : n_name));
    if (!e) return w->handle.error.status;
    const char *own = e->name;
    *e = m->e;
    e->name = own;
    if (!npy) e->problem = "it is not a .npy array";
    else if (m->flags & 1) e->problem = "it is encrypted";
    else if (e->method != 0 && e->method != 8)
        e->problem = "it is compressed by another method than deflate";
    return WHET_OK;
}

whet_status whet_weights_read_npz(whet_weights *w) {
    directory d = {0};
    WHET_TRY(find_directory(w, &d));
    const uint8_t *p = w->data + d.offset, *end = p + d.bytes;
    for (uint64_t i = 0; i < d.count; i++) {
        if (end - p < ENTRY_BYTES || memcmp(p, "PK\1\2", 4))
            return damaged(w, "its directory ends early");
        size_t n_name = (size_t)at(p + 28, 2), n_extra = (size_t)at(p + 30, 2);
        size_t n_comment = (size_t)at(p + 32, 2);
        if (n_name + n_extra + n_comment > (size_t)(end - p) - ENTRY_BYTES)
            return damaged(w, "its directory ends early");
        member m = {.flags = (uint32_t)at(p + 8, 2), .offset = at(p + 42, 4)};
        m.e.method = (uint32_t)at(p + 10, 2);
        m.e.crc = (uint32_t)at(p + 16, 4);
        m.e.packed_bytes = at(p + 20, 4);
        m.e.bytes = at(p + 24, 4);
        const uint8_t *name = p + ENTRY_BYTES;
        if (!read_extra(name + n_name, n_extra, &m)) return damaged(w, "a field of 64 bits");
        WHET_TRY(find_data(w, &m));
        WHET_TRY(add_member(w, &m, (const char *)name, n_name));
        p = name + n_name + n_extra + n_comment;
    }
    return WHET_OK;
}

// ---- one array ----

// deflate makes at most 1032 bytes of one, so that a claim of more is no reason to allocate.
static whet_status unpack(whet_weights *w, whet_weight *e, const uint8_t **data) {
    whet_error *err = &w->handle.error;
    *data = e->packed;
    if (e->method == 8) {
        if (e->bytes / 1032 > e->packed_bytes + 1 || e->bytes > SIZE_MAX / 2)
            WHET_FAIL(err, WHET_E_PARSE, "%s: its size cannot be true", e->name);
        uint8_t *out = whet_arena_alloc_raw(&w->arena, (size_t)e->bytes);
        if (!out) return WHET_NOMEM(err);
        whet_status status =
            whet_inflate(e->packed, (size_t)e->packed_bytes, out, (size_t)e->bytes, err);
        if (status != WHET_OK) return whet_error_prefix(err, status, "%s", e->name);
        *data = out;
    }
    if (whet_crc32(*data, (size_t)e->bytes) != e->crc)
        WHET_FAIL(err, WHET_E_CHECKSUM, "%s: its checksum is wrong", e->name);
    return WHET_OK;
}

typedef struct {
    const char *at, *end; // of the header's text
} cursor;

static void skip_space(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n')) c->at++;
}

static bool accept(cursor *c, const char *word) {
    size_t n = strlen(word);
    skip_space(c);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n)) return false;
    c->at += n;
    return true;
}

static bool read_text(cursor *c, char *text, size_t size) {
    if (!accept(c, "'")) return false;
    const char *end = memchr(c->at, '\'', (size_t)(c->end - c->at));
    if (!end || (size_t)(end - c->at) >= size) return false;
    memcpy(text, c->at, (size_t)(end - c->at));
    text[end - c->at] = 0;
    c->at = end + 1;
    return true;
}

static bool read_shape(cursor *c, whet_tensor *t) {
    if (!accept(c, "(")) return false;
    while (!accept(c, ")")) {
        int64_t v = 0;
        bool digits = false;
        skip_space(c);
        for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, digits = true)
            if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *c->at - '0', &v))
                return false;
        if (!digits || t->rank == WHET_MAX_RANK) return false;
        t->dims[t->rank++] = v;
        if (!accept(c, ",") && !(c->at < c->end && *c->at == ')')) return false;
    }
    return true;
}

static whet_dtype dtype_of(const char *descr) {
    static const struct {
        const char *text;
        whet_dtype dtype;
    } rows[] = {{"<f4", WHET_DTYPE_F32}, {"<f8", WHET_DTYPE_F64}, {"<f2", WHET_DTYPE_F16},
                {"<i8", WHET_DTYPE_I64}, {"<i4", WHET_DTYPE_I32}, {"<i2", WHET_DTYPE_I16},
                {"|i1", WHET_DTYPE_I8},  {"<u8", WHET_DTYPE_U64}, {"<u4", WHET_DTYPE_U32},
                {"<u2", WHET_DTYPE_U16}, {"|u1", WHET_DTYPE_U8},  {"|b1", WHET_DTYPE_BOOL},
                {"<c8", WHET_DTYPE_C64}, {"<c16", WHET_DTYPE_C128}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].text, descr)) return rows[i].dtype;
    return WHET_DTYPE_NONE;
}

typedef struct {
    char descr[64];
    bool fortran, complete;
} npy_head;

// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
static bool read_head(cursor *c, npy_head *h, whet_tensor *t) {
    int32_t found = 0;
    if (!accept(c, "{")) return false;
    while (!accept(c, "}")) {
        char key[32];
        if (!read_text(c, key, sizeof key) || !accept(c, ":")) return false;
        if (!strcmp(key, "descr")) {
            if (!read_text(c, h->descr, sizeof h->descr)) return false;
            found |= 1;
        } else if (!strcmp(key, "fortran_order")) {
            h->fortran = accept(c, "True");
            if (!h->fortran && !accept(c, "False")) return false;
            found |= 2;
        } else if (!strcmp(key, "shape") && !(found & 4)) {
            if (!read_shape(c, t)) return false;
            found |= 4;
        } else {
            return false;
        }
        if (!accept(c, ",") && !(c->at < c->end && *c->at == '}')) return false;
    }
    return found == 7;
}

// Column-major contents to row-major ones.
static whet_status reorder(whet_weights *w, whet_tensor *t) {
    size_t size = (size_t)whet_tensor_bytes(t->dtype, 1);
    uint8_t *out = whet_arena_alloc(&w->arena, t->bytes);
    int64_t index[WHET_MAX_RANK] = {0}, count = size ? (int64_t)(t->bytes / size) : 0;
    if (!out) return WHET_NOMEM(&w->handle.error);
    for (int64_t i = 0; i < count; i++) {
        int64_t from = 0;
        for (int32_t d = t->rank; d-- > 0;) from = from * t->dims[d] + index[d];
        memcpy(out + (size_t)i * size, (const uint8_t *)t->data + (size_t)from * size, size);
        for (int32_t d = t->rank; d-- > 0;) {
            if (++index[d] < t->dims[d]) break;
            index[d] = 0;
        }
    }
    t->data = out;
    return WHET_OK;
}

whet_status whet_weights_load_npy(whet_weights *w, whet_weight *e) {
    const uint8_t *data;
    npy_head head = {0};
    whet_error *err = &w->handle.error;
    if (e->problem) return WHET_OK;
    WHET_TRY(unpack(w, e, &data));
    size_t start = 10, length = 0;
    if (e->bytes >= 12 && !memcmp(data, "\x93NUMPY", 6)) {
        start = data[6] == 1 ? 10 : 12;
        length = (size_t)at(data + 8, data[6] == 1 ? 2 : 4);
    }
    e->tensor = (whet_tensor){0};
    cursor c = {(const char *)data + start, (const char *)data + start + length};
    if (!length || length > e->bytes - start || !read_head(&c, &head, &e->tensor))
        WHET_FAIL(err, WHET_E_PARSE, "%s: its header is damaged", e->name);
    e->tensor.dtype = dtype_of(head.descr);
    if (!e->tensor.dtype) {
        e->problem = whet_arena_printf(&w->arena, "elements of type '%s' are not supported",
                                       head.descr);
        return e->problem ? WHET_OK : WHET_NOMEM(err);
    }
    WHET_TRY(whet_weights_place(w, e, data + start + length, e->bytes - start - length));
    return head.fortran && e->tensor.rank > 1 ? reorder(w, &e->tensor) : WHET_OK;
}

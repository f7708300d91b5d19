// SPDX-License-Identifier: Apache-2.0
// SafeTensors: 8 bytes of length, a JSON object {name: {dtype, shape, data_offsets}}, the data. The
// reader of JSON knows as much of it as that takes, and skips what "__metadata__" holds.
#include <string.h>

#include "build/weights_impl.h"

enum { MAX_HEADER = 100000000, MAX_NESTING = 32 };

typedef struct {
    whet_weights *w;
    const char *at, *end;
} json;

static whet_status damaged(json *j, const char *what) {
    WHET_FAIL(&j->w->handle.error, WHET_E_PARSE, "its header is damaged at byte %zu: %s",
              (size_t)(j->at - (const char *)j->w->data), what);
}

static char peek(json *j) {
    while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at) j->at++;
    return j->at < j->end ? *j->at : 0;
}

static bool accept(json *j, char c) {
    if (peek(j) != c || !c) return false;
    j->at++;
    return true;
}

static whet_status expect(json *j, char c) {
    char text[] = "expected ' '";
    text[10] = c;
    return accept(j, c) ? WHET_OK : damaged(j, text);
}

// ---- texts ----

static bool hex4(json *j, uint32_t *v) {
    *v = 0;
    if (j->end - j->at < 4) return false;
    for (int32_t i = 0; i < 4; i++) {
        char c = *j->at++;
        int32_t d = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (d < 0) return false;
        *v = *v * 16 + (uint32_t)d;
    }
    return true;
}

static size_t put_utf8(char *out, uint32_t c) {
    if (c < 0x80) return out[0] = (char)c, 1;
    if (c < 0x800) return out[0] = (char)(0xc0 | c >> 6), out[1] = (char)(0x80 | (c & 63)), 2;
    size_t n = c < 0x10000 ? 3 : 4;
    out[0] = (char)((n == 3 ? 0xe0 : 0xf0) | c >> 6 * (n - 1));
    for (size_t i = 1; i < n; i++) out[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 63));
    return n;
}

// What follows a backslash; at least 4 bytes of room. 0: nothing that JSON knows.
static size_t read_escape(json *j, char *out) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at >= j->end) return 0;
    char c = *j->at++;
    const char *known = c ? strchr(from, c) : NULL;
    if (known) return *out = to[known - from], 1;
    uint32_t v, low;
    if (c != 'u' || !hex4(j, &v) || !v) return 0;
    if (v >= 0xd800 && v < 0xdc00) {
        if (j->end - j->at < 2 || j->at[0] != '\\' || j->at[1] != 'u') return 0;
        j->at += 2;
        if (!hex4(j, &low) || low < 0xdc00 || low >= 0xe000) return 0;
        v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
    } else if (v >= 0xdc00 && v < 0xe000) {
        return 0;
    }
    return put_utf8(out, v);
}

// In the arena. An escape is never shorter than what it stands for.
static whet_status read_text(json *j, const char **text) {
    WHET_TRY(expect(j, '"'));
    const char *close = j->at;
    while (close < j->end && *close != '"') close += *close == '\\' ? 2 : 1;
    if (close >= j->end) return damaged(j, "a text without an end");
    char *out = whet_arena_alloc(&j->w->arena, (size_t)(close - j->at) + 1);
    if (!out) return WHET_NOMEM(&j->w->handle.error);
    *text = out;
    while (*j->at != '"') {
        if ((unsigned char)*j->at < 32) return damaged(j, "a control character in a text");
        if (*j->at != '\\') {
            *out++ = *j->at++;
            continue;
        }
        j->at++;
        size_t n = read_escape(j, out);
        if (!n) return damaged(j, "an escape in a text");
        out += n;
    }
    j->at++;
    return WHET_OK;
}

// ---- numbers and values that do not matter ----

static whet_status read_number(json *j, int64_t *v) {
    bool digits = false;
    *v = 0;
    peek(j);
    for (; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++, digits = true)
        if (__builtin_mul_overflow(*v, 10, v) || __builtin_add_overflow(*v, *j->at - '0', v))
            return damaged(j, "a number that is too large");
    return digits ? WHET_OK : damaged(j, "expected a number");
}

static whet_status skip_value(json *j, int32_t depth) {
    const char *text;
    if (depth > MAX_NESTING) return damaged(j, "it is nested too deeply");
    char c = peek(j);
    if (c == '"') return read_text(j, &text);
    if (c != '{' && c != '[') { // a number or a word
        const char *start = j->at;
        while (j->at < j->end && *j->at && !strchr(",]} \t\r\n", *j->at)) j->at++;
        return j->at > start ? WHET_OK : damaged(j, "expected a value");
    }
    j->at++;
    char close = c == '{' ? '}' : ']';
    if (accept(j, close)) return WHET_OK;
    do {
        if (c == '{') {
            WHET_TRY(read_text(j, &text));
            WHET_TRY(expect(j, ':'));
        }
        WHET_TRY(skip_value(j, depth + 1));
    } while (accept(j, ','));
    return expect(j, close);
}

// ---- tensors ----

typedef struct {
    whet_tensor tensor;
    const char *dtype;
    int64_t offsets[2];
    bool shape, place;
} entry;

static whet_status read_shape(json *j, entry *e) {
    WHET_TRY(expect(j, '['));
    e->shape = true;
    e->tensor.rank = 0;
    if (accept(j, ']')) return WHET_OK;
    do {
        if (e->tensor.rank == WHET_MAX_RANK) return damaged(j, "a shape of too many dimensions");
        WHET_TRY(read_number(j, &e->tensor.dims[e->tensor.rank++]));
    } while (accept(j, ','));
    return expect(j, ']');
}

static whet_status read_offsets(json *j, entry *e) {
    e->place = true;
    WHET_TRY(expect(j, '['));
    WHET_TRY(read_number(j, &e->offsets[0]));
    WHET_TRY(expect(j, ','));
    WHET_TRY(read_number(j, &e->offsets[1]));
    return expect(j, ']');
}

static whet_status read_entry(json *j, entry *e) {
    WHET_TRY(expect(j, '{'));
    do {
        const char *key;
        WHET_TRY(read_text(j, &key));
        WHET_TRY(expect(j, ':'));
        if (!strcmp(key, "dtype")) WHET_TRY(read_text(j, &e->dtype));
        else if (!strcmp(key, "shape")) WHET_TRY(read_shape(j, e));
        else if (!strcmp(key, "data_offsets")) WHET_TRY(read_offsets(j, e));
        else WHET_TRY(skip_value(j, 0));
    } while (accept(j, ','));
    WHET_TRY(expect(j, '}'));
    if (!e->dtype || !e->shape || !e->place) return damaged(j, "a tensor lacks a member");
    return WHET_OK;
}

static whet_dtype dtype_of(const char *name) {
    static const struct {
        const char *text;
        whet_dtype dtype;
    } rows[] = {{"F32", WHET_DTYPE_F32}, {"F16", WHET_DTYPE_F16}, {"BF16", WHET_DTYPE_BF16},
                {"F64", WHET_DTYPE_F64}, {"I64", WHET_DTYPE_I64}, {"I32", WHET_DTYPE_I32},
                {"I16", WHET_DTYPE_I16}, {"I8", WHET_DTYPE_I8},   {"U64", WHET_DTYPE_U64},
                {"U32", WHET_DTYPE_U32}, {"U16", WHET_DTYPE_U16}, {"U8", WHET_DTYPE_U8},
                {"BOOL", WHET_DTYPE_BOOL}, {"C64", WHET_DTYPE_C64},
                {"F8_E4M3", WHET_DTYPE_F8E4M3FN}, {"F8_E5M2", WHET_DTYPE_F8E5M2},
                {"F8_E8M0", WHET_DTYPE_F8E8M0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!strcmp(rows[i].text, name)) return rows[i].dtype;
    return WHET_DTYPE_NONE;
}

static whet_status add_entry(whet_weights *w, const char *name, const entry *from, size_t start) {
    uint64_t room = w->size - start;
    uint64_t begin = (uint64_t)from->offsets[0], end = (uint64_t)from->offsets[1];
    if (begin > end || end > room)
        WHET_FAIL(&w->handle.error, WHET_E_PARSE, "%s: its data lie outside of the file", name);
    whet_weight *e = whet_weights_push(w, name);
    if (!e) return w->handle.error.status;
    e->tensor = from->tensor;
    e->tensor.dtype = dtype_of(from->dtype);
    if (e->tensor.dtype) return whet_weights_place(w, e, w->data + start + begin, end - begin);
    e->problem = whet_arena_printf(&w->arena, "elements of type %.32s are not supported",
                                   from->dtype);
    return e->problem ? WHET_OK : WHET_NOMEM(&w->handle.error);
}

whet_status whet_weights_read_safetensors(whet_weights *w) {
    uint64_t length = 0;
    for (int32_t i = 8; w->size > 8 && i-- > 0;) length = length << 8 | w->data[i];
    if (w->size <= 8 || !length || length > w->size - 8 || length > MAX_HEADER ||
        w->data[8] != '{')
        WHET_FAIL(&w->handle.error, WHET_E_PARSE,
                  "it is neither a .npz nor a .safetensors file");
    json j = {w, (const char *)w->data + 8, (const char *)w->data + 8 + length};
    size_t start = 8 + (size_t)length;
    WHET_TRY(expect(&j, '{'));
    if (!accept(&j, '}')) {
        do {
            const char *name;
            entry e = {0};
            WHET_TRY(read_text(&j, &name));
            WHET_TRY(expect(&j, ':'));
            if (!strcmp(name, "__metadata__")) {
                WHET_TRY(skip_value(&j, 0));
                continue;
            }
            WHET_TRY(read_entry(&j, &e));
            WHET_TRY(add_entry(w, name, &e, start));
        } while (accept(&j, ','));
        WHET_TRY(expect(&j, '}'));
    }
    return peek(&j) || j.at < j.end ? damaged(&j, "something behind its end") : WHET_OK;
}

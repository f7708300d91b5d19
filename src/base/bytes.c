// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

void whet_reader_init(whet_reader *r, const void *data, size_t size) {
    *r = (whet_reader){.data = data, .size = size};
}

const void *whet_read_span(whet_reader *r, size_t n) {
    if (r->failed || n > r->size - r->at) {
        r->failed = true;
        return NULL;
    }
    // an empty span of empty data is still a span, so never NULL
    const void *p = r->data ? r->data + r->at : (const void *)"";
    r->at += n;
    return p;
}

static uint64_t read_le(whet_reader *r, size_t n) {
    const uint8_t *p = whet_read_span(r, n);
    uint64_t v = 0;
    if (p)
        for (size_t i = 0; i < n; i++) v |= (uint64_t)p[i] << (8 * i);
    return v;
}

uint8_t whet_read_u8(whet_reader *r) { return (uint8_t)read_le(r, 1); }
uint16_t whet_read_u16(whet_reader *r) { return (uint16_t)read_le(r, 2); }
uint32_t whet_read_u32(whet_reader *r) { return (uint32_t)read_le(r, 4); }
uint64_t whet_read_u64(whet_reader *r) { return read_le(r, 8); }
int64_t whet_read_i64(whet_reader *r) { return (int64_t)read_le(r, 8); }

float whet_read_f32(whet_reader *r) {
    uint32_t bits = whet_read_u32(r);
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

double whet_read_f64(whet_reader *r) {
    uint64_t bits = whet_read_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

const char *whet_read_text(whet_reader *r, size_t *n) {
    size_t size = whet_read_u32(r);
    const char *text = whet_read_span(r, size);
    *n = text ? size : 0;
    return text;
}

uint32_t whet_read_count(whet_reader *r, size_t min_bytes, uint32_t limit) {
    uint32_t n = whet_read_u32(r);
    if (r->failed || n > limit || (min_bytes && n > whet_reader_left(r) / min_bytes)) {
        r->failed = true;
        return 0;
    }
    return n;
}

void whet_read_align(whet_reader *r, size_t align) {
    size_t over = align ? r->at % align : 0;
    if (over) whet_read_span(r, align - over);
}

void whet_writer_init(whet_writer *w) { *w = (whet_writer){0}; }

void whet_writer_fini(whet_writer *w) {
    free(w->data);
    *w = (whet_writer){0};
}

// n more bytes at the end, uninitialized; NULL when out of memory.
static uint8_t *extend(whet_writer *w, size_t n) {
    if (w->failed) return NULL;
    if (n > w->cap - w->size) {
        size_t cap = w->cap ? w->cap : 256;
        while (n > cap - w->size) {
            if (cap > SIZE_MAX / 4) {
                w->failed = true;
                return NULL;
            }
            cap *= 2;
        }
        uint8_t *data = realloc(w->data, cap);
        if (!data) {
            w->failed = true;
            return NULL;
        }
        w->data = data;
        w->cap = cap;
    }
    uint8_t *p = w->data + w->size;
    w->size += n;
    return p;
}

static void write_le(whet_writer *w, uint64_t v, size_t n) {
    uint8_t *p = extend(w, n);
    if (p)
        for (size_t i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

void whet_write_u8(whet_writer *w, uint8_t v) { write_le(w, v, 1); }
void whet_write_u16(whet_writer *w, uint16_t v) { write_le(w, v, 2); }
void whet_write_u32(whet_writer *w, uint32_t v) { write_le(w, v, 4); }
void whet_write_u64(whet_writer *w, uint64_t v) { write_le(w, v, 8); }
void whet_write_i64(whet_writer *w, int64_t v) { write_le(w, (uint64_t)v, 8); }

void whet_write_f32(whet_writer *w, float v) {
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    whet_write_u32(w, bits);
}

void whet_write_f64(whet_writer *w, double v) {
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    whet_write_u64(w, bits);
}

void whet_write_bytes(whet_writer *w, const void *data, size_t n) {
    if (n == 0) return;
    uint8_t *p = extend(w, n);
    if (p) memcpy(p, data, n);
}

void whet_write_text(whet_writer *w, const char *text) {
    size_t n = text ? strlen(text) : 0;
    if (n > UINT32_MAX) {
        w->failed = true;
        return;
    }
    whet_write_u32(w, (uint32_t)n);
    whet_write_bytes(w, text, n);
}

void whet_write_align(whet_writer *w, size_t align) {
    size_t over = align ? w->size % align : 0;
    if (!over) return;
    uint8_t *p = extend(w, align - over);
    if (p) memset(p, 0, align - over);
}

// SPDX-License-Identifier: Apache-2.0
// Bounded little-endian reader and growable writer. A reader that once ran past its end stays
// failed and returns zeros, so callers check `failed` at natural stops. Never reads outside.
#ifndef WHET_BASE_BYTES_H
#define WHET_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct whet_reader {
    const uint8_t *data;
    size_t size, at;
    bool failed;
} whet_reader;

void whet_reader_init(whet_reader *r, const void *data, size_t size);
uint8_t whet_read_u8(whet_reader *r);
uint16_t whet_read_u16(whet_reader *r);
uint32_t whet_read_u32(whet_reader *r);
uint64_t whet_read_u64(whet_reader *r);
int64_t whet_read_i64(whet_reader *r);
float whet_read_f32(whet_reader *r);
double whet_read_f64(whet_reader *r);
// n bytes in place, NULL when there are fewer.
const void *whet_read_span(whet_reader *r, size_t n);
// u32 length, bytes, in place and not NUL-terminated; length in *n.
const char *whet_read_text(whet_reader *r, size_t *n);
// u32 count, which must be at most `left / min_bytes` and `limit`, else failed and 0.
uint32_t whet_read_count(whet_reader *r, size_t min_bytes, uint32_t limit);
void whet_read_align(whet_reader *r, size_t align); // relative to data
static inline size_t whet_reader_left(const whet_reader *r) { return r->size - r->at; }

typedef struct whet_writer {
    uint8_t *data;
    size_t size, cap;
    bool failed; // out of memory
} whet_writer;

void whet_writer_init(whet_writer *w);
void whet_writer_fini(whet_writer *w);
void whet_write_u8(whet_writer *w, uint8_t v);
void whet_write_u16(whet_writer *w, uint16_t v);
void whet_write_u32(whet_writer *w, uint32_t v);
void whet_write_u64(whet_writer *w, uint64_t v);
void whet_write_i64(whet_writer *w, int64_t v);
void whet_write_f32(whet_writer *w, float v);
void whet_write_f64(whet_writer *w, double v);
void whet_write_bytes(whet_writer *w, const void *data, size_t n);
void whet_write_text(whet_writer *w, const char *text); // u32 length, bytes; NULL as ""
void whet_write_align(whet_writer *w, size_t align);    // zeros

#endif

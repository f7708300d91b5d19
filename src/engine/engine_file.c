// SPDX-License-Identifier: Apache-2.0
#include "engine/engine_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc_fork.h"
#include "base/hash.h"

static size_t align_up(size_t v) {
    return (v + WHET_ENGINE_ALIGN - 1) & ~(size_t)(WHET_ENGINE_ALIGN - 1);
}

// ---- reading ----

static whet_status read_entry(whet_engine_file *f, whet_reader *r, whet_section *s, size_t *end,
                              whet_error *err) {
    s->kind = whet_read_u32(r);
    s->id = whet_read_u32(r);
    uint64_t offset = whet_read_u64(r), size = whet_read_u64(r);
    s->crc = whet_read_u32(r);
    whet_read_span(r, WHET_ENGINE_ENTRY_BYTES - 28);
    if (offset % WHET_ENGINE_ALIGN || offset < *end || offset > f->size || size > f->size - offset)
        WHET_FAIL(err, WHET_E_PARSE,
                  "engine file: section %u lies at %llu with %llu bytes, the file has %zu bytes",
                  s->kind, (unsigned long long)offset, (unsigned long long)size, f->size);
    s->offset = (size_t)offset;
    s->size = (size_t)size;
    s->data = f->data + offset;
    *end = s->offset + s->size;
    return WHET_OK;
}

static whet_status read_header(whet_engine_file *f, uint32_t *n, whet_error *err) {
    if (f->size < WHET_ENGINE_HEADER_BYTES || memcmp(f->data, WHET_ENGINE_MAGIC, 8))
        WHET_FAIL(err, WHET_E_PARSE, "this is no engine file (it does not start with its mark)");
    whet_reader r;
    whet_reader_init(&r, f->data + 8, WHET_ENGINE_HEADER_BYTES - 8);
    uint32_t version = whet_read_u32(&r);
    if (version != WHET_ENGINE_FORMAT)
        WHET_FAIL(err, WHET_E_VERSION,
                  "engine file format %u, this library reads format %d: build the engine again or "
                  "use a library that reads it", version, WHET_ENGINE_FORMAT);
    *n = whet_read_u32(&r);
    uint64_t size = whet_read_u64(&r);
    uint32_t table_crc = whet_read_u32(&r);
    memcpy(f->library, whet_read_span(&r, 23), 23);
    whet_read_u8(&r);
    whet_read_u64(&r);
    uint32_t header_crc = whet_read_u32(&r);
    if (header_crc != whet_crc32c(0, f->data, WHET_ENGINE_HEADER_BYTES - 4))
        WHET_FAIL(err, WHET_E_CHECKSUM, "engine file: the header is damaged");
    if (size != f->size)
        WHET_FAIL(err, WHET_E_PARSE, "engine file: it says %llu bytes, there are %zu (truncated?)",
                  (unsigned long long)size, f->size);
    size_t table = (size_t)*n * WHET_ENGINE_ENTRY_BYTES;
    if (*n > WHET_ENGINE_MAX_SECTIONS || table > f->size - WHET_ENGINE_HEADER_BYTES)
        WHET_FAIL(err, WHET_E_PARSE, "engine file: %u sections do not fit", *n);
    if (table_crc != whet_crc32c(0, f->data + WHET_ENGINE_HEADER_BYTES, table))
        WHET_FAIL(err, WHET_E_CHECKSUM, "engine file: the section table is damaged");
    return WHET_OK;
}

whet_status whet_engine_file_open(const void *data, size_t size, whet_engine_file *f,
                                  whet_error *err) {
    *f = (whet_engine_file){.data = data, .size = size};
    uint32_t n = 0;
    WHET_TRY(read_header(f, &n, err));
    f->sections = calloc(n ? n : 1, sizeof *f->sections);
    if (!f->sections) return WHET_NOMEM(err);
    f->n_sections = (int32_t)n;
    whet_reader r;
    size_t end = WHET_ENGINE_HEADER_BYTES + (size_t)n * WHET_ENGINE_ENTRY_BYTES;
    whet_reader_init(&r, f->data + WHET_ENGINE_HEADER_BYTES, end - WHET_ENGINE_HEADER_BYTES);
    for (uint32_t i = 0; i < n; i++) {
        whet_status status = read_entry(f, &r, &f->sections[i], &end, err);
        if (status == WHET_OK) continue;
        whet_engine_file_close(f);
        return status;
    }
    return WHET_OK;
}

void whet_engine_file_close(whet_engine_file *f) {
    free(f->sections);
    *f = (whet_engine_file){0};
}

whet_section *whet_engine_file_find(whet_engine_file *f, whet_section_kind kind, uint32_t id) {
    return whet_engine_file_nth(f, kind, id, 0);
}

whet_section *whet_engine_file_nth(whet_engine_file *f, whet_section_kind kind, uint32_t id,
                                   int32_t i) {
    for (int32_t k = 0; k < f->n_sections; k++)
        if (f->sections[k].kind == kind && f->sections[k].id == id && i-- == 0)
            return &f->sections[k];
    return NULL;
}

whet_status whet_section_check(whet_section *s, whet_workers *workers, whet_error *err) {
    if (s->checked) return WHET_OK;
    if (whet_crc32c_fork(workers, s->data, s->size) != s->crc)
        WHET_FAIL(err, WHET_E_CHECKSUM, "engine file: section %u at byte %zu is damaged", s->kind,
                  s->offset);
    s->checked = true;
    return WHET_OK;
}

// ---- writing ----

static bool section_bytes(const whet_section_out *s, size_t *size) {
    *size = 0;
    for (size_t i = 0; i < s->n_pieces; i++)
        if (__builtin_add_overflow(*size, s->pieces[i].size, size)) return false;
    return *size < SIZE_MAX / 4;
}

static bool write_header(uint8_t *file, size_t size, int32_t n) {
    whet_writer w;
    whet_writer_init(&w);
    size_t table = (size_t)n * WHET_ENGINE_ENTRY_BYTES;
    char library[24] = {0};
    memcpy(library, whet_version(), strnlen(whet_version(), sizeof library - 1));
    whet_write_bytes(&w, WHET_ENGINE_MAGIC, 8);
    whet_write_u32(&w, WHET_ENGINE_FORMAT);
    whet_write_u32(&w, (uint32_t)n);
    whet_write_u64(&w, size);
    whet_write_u32(&w, whet_crc32c(0, file + WHET_ENGINE_HEADER_BYTES, table));
    whet_write_bytes(&w, library, sizeof library);
    whet_write_u64(&w, 0);
    if (!w.failed) whet_write_u32(&w, whet_crc32c(0, w.data, WHET_ENGINE_HEADER_BYTES - 4));
    bool good = !w.failed;
    if (good) memcpy(file, w.data, WHET_ENGINE_HEADER_BYTES);
    whet_writer_fini(&w);
    return good;
}

whet_status whet_engine_file_make(const whet_section_out *sections, int32_t n, void **data,
                                  size_t *size, whet_error *err) {
    size_t at = WHET_ENGINE_HEADER_BYTES + (size_t)n * WHET_ENGINE_ENTRY_BYTES;
    for (int32_t i = 0; i < n; i++) {
        size_t bytes;
        if (!section_bytes(&sections[i], &bytes) || at > SIZE_MAX / 4)
            WHET_FAIL(err, WHET_E_LIMIT, "the engine is too large for this machine");
        at = align_up(at) + bytes;
    }
    void *memory;
    if (posix_memalign(&memory, WHET_ENGINE_ALIGN, align_up(at))) return WHET_NOMEM(err);
    uint8_t *file = memory;
    whet_writer table;
    whet_writer_init(&table);
    *size = at;
    at = WHET_ENGINE_HEADER_BYTES + (size_t)n * WHET_ENGINE_ENTRY_BYTES;
    for (int32_t i = 0; i < n; i++) {
        size_t start = align_up(at);
        memset(file + at, 0, start - at);
        at = start;
        for (size_t k = 0; k < sections[i].n_pieces; k++) {
            const whet_piece *p = &sections[i].pieces[k];
            if (p->size) memcpy(file + at, p->data, p->size);
            at += p->size;
        }
        whet_write_u32(&table, sections[i].kind);
        whet_write_u32(&table, sections[i].id);
        whet_write_u64(&table, start);
        whet_write_u64(&table, at - start);
        whet_write_u32(&table, whet_crc32c(0, file + start, at - start));
        for (int32_t k = 28; k < WHET_ENGINE_ENTRY_BYTES; k += 4) whet_write_u32(&table, 0);
    }
    bool failed = table.failed;
    if (!failed && table.size) memcpy(file + WHET_ENGINE_HEADER_BYTES, table.data, table.size);
    whet_writer_fini(&table);
    if (failed || !write_header(file, *size, n)) {
        free(memory);
        return WHET_NOMEM(err);
    }
    *data = memory;
    return WHET_OK;
}

// ---- machine ----

void whet_machine_encode(const whet_machine *m, whet_writer *w) {
    whet_write_u32(w, m->features);
    whet_write_u32(w, m->threads);
    whet_write_bytes(w, m->vendor, sizeof m->vendor);
    whet_write_u32(w, m->family);
    whet_write_u32(w, m->model);
    whet_write_u32(w, m->stepping);
    whet_write_u32(w, m->l1d_bytes);
    whet_write_u32(w, m->l2_bytes);
    whet_write_u32(w, m->l3_bytes);
}

whet_status whet_machine_decode(const void *data, size_t size, whet_machine *m, whet_error *err) {
    whet_reader r;
    whet_reader_init(&r, data, size);
    m->features = whet_read_u32(&r);
    m->threads = whet_read_u32(&r);
    const void *vendor = whet_read_span(&r, sizeof m->vendor);
    if (vendor) memcpy(m->vendor, vendor, sizeof m->vendor);
    m->vendor[sizeof m->vendor - 1] = 0;
    m->family = whet_read_u32(&r);
    m->model = whet_read_u32(&r);
    m->stepping = whet_read_u32(&r);
    m->l1d_bytes = whet_read_u32(&r);
    m->l2_bytes = whet_read_u32(&r);
    m->l3_bytes = whet_read_u32(&r);
    if (r.failed || whet_reader_left(&r))
        WHET_FAIL(err, WHET_E_PARSE, "engine file: the machine section has %zu bytes", size);
    return WHET_OK;
}

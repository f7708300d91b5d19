// SPDX-License-Identifier: Apache-2.0
// The engine file: header, section table, aligned and checksummed sections. docs/engine-format.md
// is the normative text.
#ifndef WHET_ENGINE_ENGINE_FILE_H
#define WHET_ENGINE_ENGINE_FILE_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/file.h"
#include "base/workers.h"

#define WHET_ENGINE_MAGIC "WHETENG\n"
#define WHET_ENGINE_FORMAT 1
#define WHET_ENGINE_HEADER_BYTES 64
#define WHET_ENGINE_ENTRY_BYTES 48
#define WHET_ENGINE_ALIGN 4096
#define WHET_ENGINE_MAX_SECTIONS 1024

typedef enum whet_section_kind {
    WHET_SECTION_GRAPH = 1,   // portable graph
    WHET_SECTION_INDEX = 2,   // where each source constant lies in SOURCES
    WHET_SECTION_SOURCES = 3, // source constants
    WHET_SECTION_MACHINE = 4, // machine that PLAN and PACKED of the same id are for
    WHET_SECTION_PLAN = 5,
    WHET_SECTION_PACKED = 6,
    WHET_SECTION_PROFILES = 7,     // shapes that there are plans for, layer one
    WHET_SECTION_PROFILE_PLAN = 8, // of each profile but the first, in order
    WHET_SECTION_PLUGINS = 9,      // operators from outside, layer one
    WHET_SECTION_LIBRARY = 10,     // a shared object with some of them
    WHET_SECTION_SUMS = 11,        // checksum of each constant of INDEX
    WHET_SECTION_VERIFIED = 12,    // what --verify=full found of the plans of that machine
    WHET_SECTION_WEIGHTS = 13,     // constants of the model by name, layer one
} whet_section_kind;

typedef struct whet_section {
    uint32_t kind, id; // id: which machine; 0 for the portable layer
    const uint8_t *data;
    size_t size, offset;
    uint32_t crc;
    bool checked;
} whet_section;

typedef struct whet_engine_file {
    const uint8_t *data;
    size_t size;
    whet_section *sections; // freed by close
    int32_t n_sections;
    char library[24];       // version of the library that wrote it
} whet_engine_file;

// Checks header and table. data must stay. WHET_E_PARSE, WHET_E_VERSION, WHET_E_CHECKSUM.
whet_status whet_engine_file_open(const void *data, size_t size, whet_engine_file *f,
                                  whet_error *err);
void whet_engine_file_close(whet_engine_file *f);
// The section, NULL when there is none.
whet_section *whet_engine_file_find(whet_engine_file *f, whet_section_kind kind, uint32_t id);
// The i-th of the sections of that kind and id, NULL when there are fewer.
whet_section *whet_engine_file_nth(whet_engine_file *f, whet_section_kind kind, uint32_t id,
                                   int32_t i);
// Checks the checksum at first use. A large section by all workers (NULL: on this thread), which
// brings it into memory too.
whet_status whet_section_check(whet_section *s, whet_workers *workers, whet_error *err);

// Sections to be written; data borrowed.
typedef struct whet_section_out {
    whet_section_kind kind;
    uint32_t id;
    const whet_piece *pieces;
    size_t n_pieces;
} whet_section_out;
// The whole file as one 4096-byte aligned allocation. WHET_E_NOMEM, WHET_E_LIMIT.
whet_status whet_engine_file_make(const whet_section_out *sections, int32_t n, void **data,
                                  size_t *size, whet_error *err);

// ---- the machine section ----

typedef struct whet_machine {
    uint32_t features, threads;
    char vendor[16];
    uint32_t family, model, stepping, l1d_bytes, l2_bytes, l3_bytes;
} whet_machine;
void whet_machine_encode(const whet_machine *m, whet_writer *w);
whet_status whet_machine_decode(const void *data, size_t size, whet_machine *m, whet_error *err);

#endif

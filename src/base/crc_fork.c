// SPDX-License-Identifier: Apache-2.0
#include "base/crc_fork.h"

#include <stdatomic.h>

#include "base/file.h"
#include "base/hash.h"

#define CHUNK ((size_t)2 << 20) // a large page
#define MAX_CHUNKS 256          // of one fork

typedef struct {
    const uint8_t *data;
    size_t size;
    size_t chunks;
    _Atomic(size_t) next;
    uint32_t *crc; // [chunks]
} fork_state;

static size_t chunk_bytes(const fork_state *f, size_t i) {
    return f->size - i * CHUNK < CHUNK ? f->size - i * CHUNK : CHUNK;
}

static void fork_main(void *user, int32_t index, int32_t n) {
    fork_state *f = user;
    (void)index, (void)n;
    for (size_t i; (i = atomic_fetch_add(&f->next, 1)) < f->chunks;) {
        whet_map_bring(f->data + i * CHUNK, chunk_bytes(f, i));
        f->crc[i] = whet_crc32c(0, f->data + i * CHUNK, chunk_bytes(f, i));
    }
}

uint32_t whet_crc32c_fork(whet_workers *workers, const void *data, size_t n) {
    uint32_t crc = 0, crcs[MAX_CHUNKS];
    int32_t threads = workers ? whet_workers_count(workers) : 1;
    for (size_t at = 0; at < n;) {
        size_t left = n - at, most = CHUNK * MAX_CHUNKS;
        fork_state f = {.data = (const uint8_t *)data + at, .size = left < most ? left : most,
                        .crc = crcs};
        f.chunks = (f.size + CHUNK - 1) / CHUNK;
        int32_t wanted = f.chunks < (size_t)threads ? (int32_t)f.chunks : threads;
        if (wanted > 1) whet_workers_fork(workers, wanted, fork_main, &f);
        else fork_main(&f, 0, 1);
        for (size_t i = 0; i < f.chunks; i++)
            crc = whet_crc32c_join(crc, crcs[i], chunk_bytes(&f, i));
        at += f.size;
    }
    return crc;
}

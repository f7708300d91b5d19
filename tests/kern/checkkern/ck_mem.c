// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "checkkern.h"

#define CANARY 0xA5

bool ck_block_make(ck_block *b, size_t bytes, size_t align) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t used = (bytes + 64 + page - 1) / page * page; // at least 64 bytes of canary in front
    memset(b, 0, sizeof *b);
    b->map_bytes = used + 2 * page;
    b->map = mmap(NULL, b->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b->map == MAP_FAILED) {
        b->map = NULL;
        return false;
    }
    uint8_t *first = (uint8_t *)b->map + page, *end = first + used;
    if (mprotect(first, used, PROT_READ | PROT_WRITE)) return false;
    memset(first, CANARY, used);
    b->data = (uint8_t *)((uintptr_t)(end - bytes) / align * align);
    b->bytes = bytes;
    b->front = (size_t)(b->data - first);
    b->back = (size_t)(end - b->data) - bytes;
    return true;
}

const char *ck_block_check(const ck_block *b) {
    for (size_t i = 1; i <= b->front && i <= 4096; i++)
        if (b->data[-(ptrdiff_t)i] != CANARY) return "overwritten in front of";
    for (size_t i = 0; i < b->back; i++)
        if (b->data[b->bytes + i] != CANARY) return "overwritten behind";
    return NULL;
}

void ck_block_free(ck_block *b) {
    if (b->map) munmap(b->map, b->map_bytes);
    memset(b, 0, sizeof *b);
}

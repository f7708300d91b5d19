// SPDX-License-Identifier: Apache-2.0
// Arrays in a .npz file: a zip archive of .npy files, stored as they are.
#include <stdlib.h>
#include <string.h>

#include "compare_slice.h"

#define LOCAL 30
#define CENTRAL 46
#define END 22

static void put(unsigned char **at, uint64_t v, int bytes) {
    for (int i = 0; i < bytes; i++) *(*at)++ = (unsigned char)(v >> 8 * i);
}

static uint32_t crc_more(uint32_t crc, const void *data, size_t n) {
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    const unsigned char *p = data;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return crc;
}

typedef struct {
    char head[WHET_CLI_NPY_HEAD];
    size_t head_size, offset;
    uint32_t crc;
    unsigned char local[LOCAL];
} member;

static void describe(unsigned char **at, const member *m, size_t name, size_t bytes) {
    put(at, 20, 2); // version that can extract it
    put(at, 0, 2);
    put(at, 0, 2);        // stored
    put(at, 0x21 << 16, 4); // the first day that there is
    put(at, m->crc, 4);
    put(at, m->head_size + bytes, 4);
    put(at, m->head_size + bytes, 4);
    put(at, name, 2);
    put(at, 0, 2);
}

static bool make_member(const char *path, member *m, const char *name, const whet_tensor *t,
                        size_t *offset) {
    m->head_size = whet_cli_npy_head(path, t, m->head);
    if (!m->head_size) return false;
    m->offset = *offset;
    m->crc = ~crc_more(crc_more(~0u, m->head, m->head_size), t->data, t->bytes);
    unsigned char *at = m->local;
    put(&at, 0x04034b50, 4);
    describe(&at, m, strlen(name) + 4, t->bytes);
    *offset += LOCAL + strlen(name) + 4 + m->head_size + t->bytes;
    if (*offset > UINT32_MAX) return whet_cli_fail("%s: more than 4 GB", path), false;
    return true;
}

static size_t make_directory(unsigned char *to, const member *m, const char *const *names,
                             const whet_tensor *const *tensors, int32_t n, size_t offset) {
    unsigned char *at = to;
    for (int32_t i = 0; i < n; i++) {
        size_t name = strlen(names[i]) + 4;
        put(&at, 0x02014b50, 4);
        put(&at, 20, 2);
        describe(&at, &m[i], name, tensors[i]->bytes);
        put(&at, 0, 6); // no comment, disk 0, no attributes
        put(&at, 0, 4);
        put(&at, m[i].offset, 4);
        at += sprintf((char *)at, "%s.npy", names[i]);
    }
    size_t size = (size_t)(at - to);
    put(&at, 0x06054b50, 4);
    put(&at, 0, 4);
    put(&at, (uint64_t)n, 2);
    put(&at, (uint64_t)n, 2);
    put(&at, size, 4);
    put(&at, offset, 4);
    put(&at, 0, 2);
    return (size_t)(at - to);
}

bool whet_cli_write_npz(const char *path, const char *const *names,
                        const whet_tensor *const *tensors, int32_t n) {
    size_t offset = 0, room = END + 1;
    for (int32_t i = 0; i < n; i++) room += CENTRAL + strlen(names[i]) + 5;
    member *m = calloc((size_t)n + 1, sizeof *m);
    const void **pieces = calloc((size_t)n * 5 + 1, sizeof *pieces);
    size_t *sizes = calloc((size_t)n * 5 + 1, sizeof *sizes);
    unsigned char *directory = malloc(room);
    bool good = m && pieces && sizes && directory;
    if (!good) whet_cli_fail("out of memory");
    if (n > UINT16_MAX) good = false;
    int k = 0;
    for (int32_t i = 0; i < n && good; i++) {
        good = make_member(path, &m[i], names[i], tensors[i], &offset);
        const void *parts[] = {m[i].local, names[i], ".npy", m[i].head, tensors[i]->data};
        size_t bytes[] = {LOCAL, strlen(names[i]), 4, m[i].head_size, tensors[i]->bytes};
        memcpy((void *)(pieces + k), parts, sizeof parts);
        memcpy(sizes + k, bytes, sizeof bytes);
        k += 5;
    }
    if (good) {
        pieces[k] = directory;
        sizes[k++] = make_directory(directory, m, names, tensors, n, offset);
        good = whet_cli_write_file(path, pieces, sizes, k);
    }
    free(m);
    free((void *)pieces);
    free(sizes);
    free(directory);
    return good;
}

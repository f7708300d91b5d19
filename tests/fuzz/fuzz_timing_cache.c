// SPDX-License-Identifier: Apache-2.0
// Timing caches: read, and when good written in memory's order and read again.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "build/timing_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// A last line with the right checksum, so that changed lines are reached.
static char *mend(const uint8_t *data, size_t size, size_t *n) {
    size_t end = size;
    for (size_t i = 0; i + 7 < size; i++)
        if ((i == 0 || data[i - 1] == '\n') && !memcmp(data + i, "crc32c ", 7)) end = i;
    char *text = malloc(end + 32);
    if (!text) abort();
    memcpy(text, data, end);
    int tail = snprintf(text + end, 32, "crc32c %08x\n", whet_crc32c(0, text, end));
    *n = end + (size_t)tail;
    return text;
}

static void read_cache(const char *text, size_t n) {
    whet_timing_cache *c = NULL, *other = NULL;
    whet_error err;
    if (whet_timing_cache_load(NULL, NULL, &c) || whet_timing_cache_load(NULL, NULL, &other))
        abort();
    if (whet_timing_cache_parse(c, text, n, &err) == WHET_OK) {
        whet_timing_cache_merge(other, c);
        if (whet_timing_cache_count(other) != whet_timing_cache_count(c)) abort();
    }
    whet_timing_cache_destroy(c);
    whet_timing_cache_destroy(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t n;
    read_cache((const char *)data, size);
    char *text = mend(data, size, &n);
    read_cache(text, n);
    free(text);
    return 0;
}

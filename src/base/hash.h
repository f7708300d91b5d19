// SPDX-License-Identifier: Apache-2.0
// hash64: for tables and keys of our own data, the same on every machine, not for security.
// crc32c: Castagnoli, of what lies in files; uses SSE4.2 where the CPU has it.
#ifndef WHET_BASE_HASH_H
#define WHET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t whet_hash64(const void *data, size_t n, uint64_t seed);
uint64_t whet_hash64_text(const char *text, uint64_t seed);
uint64_t whet_hash64_mix(uint64_t a, uint64_t b);
// crc of the concatenation: pass the former result; start with 0.
uint32_t whet_crc32c(uint32_t crc, const void *data, size_t n);
// crc of the concatenation of two pieces with these, the second of n bytes.
uint32_t whet_crc32c_join(uint32_t a, uint32_t b, uint64_t n);
// The same as whet_crc32c by tables, on any machine.
uint32_t whet_crc32c_table(uint32_t crc, const void *data, size_t n);

#endif

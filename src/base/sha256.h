// SPDX-License-Identifier: Apache-2.0
// SHA-256 (FIPS 180-4), for what an attacker may have changed; CRC32C is for accidents.
#ifndef WHET_BASE_SHA256_H
#define WHET_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define WHET_SHA256_BYTES 32

void whet_sha256(const void *data, size_t n, uint8_t digest[WHET_SHA256_BYTES]);

#endif

// SPDX-License-Identifier: Apache-2.0
// DEFLATE (RFC 1951) and the CRC-32 of zip files.
#ifndef WHET_BUILD_INFLATE_H
#define WHET_BUILD_INFLATE_H

#include "base/error.h"

// Decompresses all of `data` into exactly `size` bytes. WHET_E_PARSE, WHET_E_NOMEM.
whet_status whet_inflate(const void *data, size_t bytes, void *out, size_t size, whet_error *err);
uint32_t whet_crc32(const void *data, size_t bytes);

#endif

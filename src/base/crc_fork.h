// SPDX-License-Identifier: Apache-2.0
// The CRC-32C of much data, by all workers that are free.
#ifndef WHET_BASE_CRC_FORK_H
#define WHET_BASE_CRC_FORK_H

#include "base/workers.h"

// The same as whet_crc32c(0, data, n). Brings the memory in on the way (whet_map_bring), so that
// what a mapped file holds is there when it has been checked. workers NULL: on this thread.
uint32_t whet_crc32c_fork(whet_workers *workers, const void *data, size_t n);

#endif

// SPDX-License-Identifier: Apache-2.0
// Processors by number, and threads that stay on one.
#ifndef WHET_BASE_CPU_LIST_H
#define WHET_BASE_CPU_LIST_H

#include "base/error.h"

#define WHET_MAX_CPUS 1024

// Reads a list such as "0-3,8,node1", in which nodeN is all processors of that memory node. Each
// may occur once and must be one that this process may use. WHET_E_INVALID says which is not.
whet_status whet_cpu_list_parse(const char *text, int32_t cpus[WHET_MAX_CPUS], int32_t *n,
                                whet_error *err);
// Keeps the calling thread on a processor; false when the system refuses.
bool whet_cpu_pin(int32_t cpu);

#endif

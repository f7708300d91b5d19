// SPDX-License-Identifier: Apache-2.0
// The table of built-in kernels: rows of the ISAs that this build compiles.
#include "kern/kernel.h"

// a first row keeps the array non-empty; skipped in the table
static const whet_kernel *const builtin[] = {
#define KERNEL(isa, name) &whet_kernel_##name,
#include "kern/kernels.def"
#undef KERNEL
    NULL,
};

const whet_kernel_table *whet_kernels_builtin(void) {
    static const whet_kernel_table table = {builtin, WHET_COUNT(builtin) - 1};
    return &table;
}

// SPDX-License-Identifier: Apache-2.0
// What libwhet_ops.so gives: the descriptors of operators with dependencies.
#ifndef WHET_ENV_RARE_H
#define WHET_ENV_RARE_H

#include "ops/op.h"

#define WHET_RARE_FILE "libwhet_ops.so"
#define WHET_RARE_ENTRY "whet_ops_library"

typedef struct whet_rare_library {
    const char *version; // of whet; that of the library that opens it
    size_t op_size;      // of whet_op
    const whet_op *const *ops;
    int32_t n_ops;
} whet_rare_library;

// The one symbol that the library exports.
typedef const whet_rare_library *(*whet_rare_entry)(void);
WHET_API const whet_rare_library *whet_ops_library(void);

#endif

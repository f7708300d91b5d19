// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#define GEMM_HALF
#include "kern/gemm/gemm_tmpl.h"
#endif

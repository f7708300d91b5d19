// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/gemm/gemm_bf16_tmpl.h"
#endif

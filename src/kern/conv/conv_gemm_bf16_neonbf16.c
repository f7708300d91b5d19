// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/conv/conv_gemm_bf16_tmpl.h"
#endif

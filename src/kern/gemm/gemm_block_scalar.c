// SPDX-License-Identifier: Apache-2.0
#define GEMM_BLOCK
#include "kern/gemm/gemm_tmpl.h"

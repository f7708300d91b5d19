// SPDX-License-Identifier: Apache-2.0
#define GEMM_HALF
#include "kern/gemm/gemm_tmpl.h"

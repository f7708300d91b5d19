// SPDX-License-Identifier: Apache-2.0
#include "kern/gemm/gemm_bf16_tmpl.h"

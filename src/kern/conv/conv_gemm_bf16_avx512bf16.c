// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_gemm_bf16_tmpl.h"

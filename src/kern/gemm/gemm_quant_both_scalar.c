// SPDX-License-Identifier: Apache-2.0
#include "kern/gemm/gemm_quant_both_tmpl.h"

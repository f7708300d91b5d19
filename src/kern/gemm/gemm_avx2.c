// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/gemm/gemm_tmpl.h"
#endif

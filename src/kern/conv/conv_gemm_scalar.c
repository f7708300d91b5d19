// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_gemm_tmpl.h"

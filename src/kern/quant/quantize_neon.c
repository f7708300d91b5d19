// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/quant/quantize_tmpl.h"
#endif

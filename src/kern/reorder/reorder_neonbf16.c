// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/reorder/reorder_bf16_tmpl.h"
#endif

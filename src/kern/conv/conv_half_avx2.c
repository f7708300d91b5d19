// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#define CONV_HALF
#include "kern/conv/conv_direct_tmpl.h"
#endif

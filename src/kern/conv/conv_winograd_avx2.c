// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/conv/conv_winograd_tmpl.h"
#endif

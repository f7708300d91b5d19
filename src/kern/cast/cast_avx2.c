// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/cast/cast_tmpl.h"
#endif

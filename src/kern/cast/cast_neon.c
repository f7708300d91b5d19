// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/cast/cast_tmpl.h"
#endif

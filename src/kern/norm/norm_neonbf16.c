// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/norm/norm_tmpl.h"
#endif

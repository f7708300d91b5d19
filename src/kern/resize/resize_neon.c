// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/resize/resize_tmpl.h"
#endif

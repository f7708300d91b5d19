// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/qtile_tmpl.h"
#endif

// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/lrn/lrn_tmpl.h"
#endif

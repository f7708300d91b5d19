// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/softmax/softmax_tmpl.h"
#endif

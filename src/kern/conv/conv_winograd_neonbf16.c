// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/conv/conv_winograd_tmpl.h"
#endif

// SPDX-License-Identifier: Apache-2.0
#define CONV_HALF
#include "kern/conv/conv_direct_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_bf16_tmpl.h"

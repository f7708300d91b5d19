// SPDX-License-Identifier: Apache-2.0
#include "kern/microtile_bf16_tmpl.h"

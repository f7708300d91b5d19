// SPDX-License-Identifier: Apache-2.0
#include "kern/reorder/reorder_bf16_tmpl.h"

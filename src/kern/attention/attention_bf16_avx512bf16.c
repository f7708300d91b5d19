// SPDX-License-Identifier: Apache-2.0
#include "kern/attention/attention_bf16_tmpl.h"

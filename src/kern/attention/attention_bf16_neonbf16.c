// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/attention/attention_bf16_tmpl.h"
#endif

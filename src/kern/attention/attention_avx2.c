// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/attention/attention_tmpl.h"
#endif

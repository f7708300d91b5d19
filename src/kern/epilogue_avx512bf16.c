// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/epilogue_tmpl.h"
#endif

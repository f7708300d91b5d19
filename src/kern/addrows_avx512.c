// SPDX-License-Identifier: Apache-2.0
#ifdef __x86_64__
#include "kern/addrows_tmpl.h"
#endif

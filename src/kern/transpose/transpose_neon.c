// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/transpose/transpose_tmpl.h"
#endif

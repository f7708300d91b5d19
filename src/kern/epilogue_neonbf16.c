// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/epilogue_tmpl.h"
#endif

// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/pool/pool_tmpl.h"
#endif

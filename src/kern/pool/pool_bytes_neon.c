// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/pool/pool_bytes_tmpl.h"
#endif

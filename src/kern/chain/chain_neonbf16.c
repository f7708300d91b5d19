// SPDX-License-Identifier: Apache-2.0
#ifdef __aarch64__
#include "kern/chain/chain_tmpl.h"
#endif

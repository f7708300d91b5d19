// SPDX-License-Identifier: Apache-2.0
#include "kern/pool/pool_bytes_tmpl.h"

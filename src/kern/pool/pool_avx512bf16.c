// SPDX-License-Identifier: Apache-2.0
#include "kern/pool/pool_tmpl.h"

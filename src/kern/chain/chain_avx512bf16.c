// SPDX-License-Identifier: Apache-2.0
#include "kern/chain/chain_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/reduce/reduce_tmpl.h"

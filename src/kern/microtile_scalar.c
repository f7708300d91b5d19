// SPDX-License-Identifier: Apache-2.0
#include "kern/microtile_tmpl.h"

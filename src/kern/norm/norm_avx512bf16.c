// SPDX-License-Identifier: Apache-2.0
#include "kern/norm/norm_tmpl.h"

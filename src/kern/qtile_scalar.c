// SPDX-License-Identifier: Apache-2.0
#include "kern/qtile_tmpl.h"

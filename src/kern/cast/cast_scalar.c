// SPDX-License-Identifier: Apache-2.0
#include "kern/cast/cast_tmpl.h"

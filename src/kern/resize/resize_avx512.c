// SPDX-License-Identifier: Apache-2.0
#include "kern/resize/resize_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/lrn/lrn_tmpl.h"

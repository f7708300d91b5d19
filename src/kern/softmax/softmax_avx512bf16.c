// SPDX-License-Identifier: Apache-2.0
#include "kern/softmax/softmax_tmpl.h"

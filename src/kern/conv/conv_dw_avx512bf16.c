// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_dw_tmpl.h"

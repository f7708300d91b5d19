// SPDX-License-Identifier: Apache-2.0
#include "kern/conv/conv_winograd_tmpl.h"

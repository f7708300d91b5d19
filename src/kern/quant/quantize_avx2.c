// SPDX-License-Identifier: Apache-2.0
#include "kern/quant/quantize_tmpl.h"

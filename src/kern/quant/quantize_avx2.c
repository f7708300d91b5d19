// SPDX-License-Identifier: Apache-2.0
#include "kern/quant/quantize_tmpl.h"
#include "kern/quant/dynamic_quantize_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/epilogue_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/transpose/transpose_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "kern/addrows_tmpl.h"

// SPDX-License-Identifier: Apache-2.0
#include "checkkern.h"

#define FAMILY(name) extern const ck_family ck_family_##name;
#include "families.def" // one row FAMILY(name) a family
#undef FAMILY

const ck_family *const ck_families[] = {
#define FAMILY(name) &ck_family_##name,
#include "families.def" // one row FAMILY(name) a family
#undef FAMILY
    NULL,
};

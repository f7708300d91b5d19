// SPDX-License-Identifier: Apache-2.0
// Attributes of operators whose struct is private to their file.
#ifndef WHET_KERN_ATTR_H
#define WHET_KERN_ATTR_H

#include "kern/kernel.h"

// Where attribute `name` of the problem's operator lies; NULL when there is none of that type.
static inline const void *whet_problem_attr(const whet_problem *p, const char *name,
                                            whet_attr_type type) {
    const whet_op *op = whet_op_find(whet_ops_builtin(), p->op);
    const whet_attr *a = op && p->attrs ? whet_op_attr_find(op, name) : NULL;
    return a && a->type == type ? (const char *)p->attrs + a->offset : NULL;
}
static inline int64_t whet_problem_int(const whet_problem *p, const char *name, int64_t absent) {
    const int64_t *v = whet_problem_attr(p, name, WHET_ATTR_INT);
    return v ? *v : absent;
}
static inline float whet_problem_float(const whet_problem *p, const char *name, float absent) {
    const float *v = whet_problem_attr(p, name, WHET_ATTR_FLOAT);
    return v ? *v : absent;
}
static inline int32_t whet_problem_enum(const whet_problem *p, const char *name) {
    const int32_t *v = whet_problem_attr(p, name, WHET_ATTR_ENUM);
    return v ? *v : -1;
}

#endif

// SPDX-License-Identifier: Apache-2.0
// The table of built-in operators, from ops.def.
#include <string.h>

#include "ops/op.h"

static const whet_op *const builtin[] = {
#define OP(name) &whet_op_##name,
#include "ops/ops.def"
#undef OP
};

const whet_op_table *whet_ops_builtin(void) {
    static const whet_op_table table = {builtin, WHET_COUNT(builtin), NULL, NULL};
    return &table;
}

const whet_op *whet_op_find(const whet_op_table *table, const char *name) {
    int32_t lo = 0, hi = table->n;
    while (lo < hi) {
        int32_t mid = (lo + hi) / 2;
        int c = strcmp(name, table->ops[mid]->name);
        if (c == 0) return table->ops[mid];
        if (c < 0) hi = mid;
        else lo = mid + 1;
    }
    return NULL;
}

const whet_op *whet_op_get(const whet_op_table *table, const char *name, whet_error *err) {
    const whet_op *op = whet_op_find(table, name);
    whet_error_clear(err);
    return !op && table->more ? table->more(table->user, name, err) : op;
}

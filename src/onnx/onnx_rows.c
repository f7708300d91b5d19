// SPDX-License-Identifier: Apache-2.0
// Which ONNX spellings can be imported: the rows of all operators, and those of import_rows.def
// that have no operator of their own.
#include <stdlib.h>
#include <string.h>

#include "onnx/importer.h"

static const struct {
    const char *name;
    whet_import_fn fn;
} functions[] = {
#define IMPORT(name) {#name, whet_import_##name},
#include "onnx/import.def"
#undef IMPORT
};

static const whet_onnx_row extra_rows[] = {
#define ROW(domain, op_type, since, until, name) {domain, op_type, since, until, #name},
#include "onnx/import_rows.def"
#undef ROW
};

// Newest opset versions whose changes this importer knows.
static const whet_onnx_opset newest[] = {
    {"", 28},           {"ai.onnx.ml", 5},   {"ai.onnx.preview", 1},
    {"ai.onnx.preview.training", 1}, {"com.microsoft", 1},
};

int64_t whet_import_newest_opset(const char *domain) {
    for (int32_t i = 0; i < WHET_COUNT(newest); i++)
        if (!strcmp(newest[i].domain, domain)) return newest[i].version;
    return 0;
}

static whet_import_fn function_find(const char *name) {
    for (int32_t i = 0; i < WHET_COUNT(functions); i++)
        if (!strcmp(functions[i].name, name)) return functions[i].fn;
    return NULL;
}

static int compare(const void *a, const void *b) {
    const whet_onnx_row *x = ((const whet_import_row *)a)->row;
    const whet_onnx_row *y = ((const whet_import_row *)b)->row;
    int c = strcmp(x->op_type, y->op_type);
    if (!c) c = strcmp(x->domain, y->domain);
    return c ? c : (x->since > y->since) - (x->since < y->since);
}

static bool add_row(whet_importer *imp, const whet_onnx_row *row, const whet_op *op) {
    whet_import_row r = {row, op, row->import ? function_find(row->import) : NULL};
    if (row->import && !r.import) return true; // reported as not supported where it is used
    return WHET_ARENA_PUSH(imp->arena, imp->rows.v, imp->rows.n, imp->rows.cap, r) ||
           whet_import_nomem(imp);
}

bool whet_import_rows_make(whet_importer *imp) {
    const whet_op_table *ops = imp->options->ops;
    for (int32_t i = 0; i < ops->n; i++)
        for (int32_t k = 0; k < ops->ops[i]->n_onnx; k++)
            if (!add_row(imp, &ops->ops[i]->onnx[k], ops->ops[i])) return false;
    for (int32_t i = 0; i < WHET_COUNT(extra_rows); i++)
        if (!add_row(imp, &extra_rows[i], NULL)) return false;
    if (imp->rows.n) qsort(imp->rows.v, (size_t)imp->rows.n, sizeof *imp->rows.v, compare);
    return true;
}

// First row with that op_type.
static int32_t first_of(const whet_import_rows *rows, const char *op_type) {
    int32_t lo = 0, hi = rows->n;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        if (strcmp(rows->v[mid].row->op_type, op_type) < 0) lo = mid + 1;
        else hi = mid;
    }
    return lo;
}

const whet_import_row *whet_import_row_find(const whet_import_rows *rows, const char *domain,
                                            const char *op_type, int64_t version) {
    for (int32_t i = first_of(rows, op_type); i < rows->n; i++) {
        const whet_onnx_row *row = rows->v[i].row;
        if (strcmp(row->op_type, op_type)) break;
        if (!strcmp(row->domain, domain) && row->since <= version &&
            (!row->until || version <= row->until))
            return &rows->v[i];
    }
    return NULL;
}

static void add_versions(const whet_import_rows *rows, const whet_import_node *n, whet_str *s) {
    for (int32_t i = first_of(rows, n->onnx->op_type); i < rows->n; i++) {
        const whet_onnx_row *row = rows->v[i].row;
        if (strcmp(row->op_type, n->onnx->op_type)) break;
        if (strcmp(row->domain, n->onnx->domain)) continue;
        if (s->len) whet_str_add(s, ", ");
        if (row->until) whet_str_printf(s, "%d to %d", row->since, row->until);
        else whet_str_printf(s, "%d and newer", row->since);
    }
}

static const char *nearest(const whet_import_rows *rows, const whet_onnx_node *node) {
    int32_t length = (int32_t)strnlen(node->op_type, 64);
    int32_t best = length < 5 ? 0 : length < 8 ? 1 : length < 12 ? 2 : 3;
    const char *name = NULL;
    for (int32_t i = 0; i < rows->n; i++) {
        const whet_onnx_row *row = rows->v[i].row;
        if (strcmp(row->domain, node->domain)) continue;
        int32_t distance = whet_import_distance(row->op_type, node->op_type, best);
        if (distance > best) continue;
        best = distance - 1;
        name = row->op_type;
        if (best < 0) break;
    }
    return name;
}

static const char *elsewhere(const whet_import_rows *rows, const whet_onnx_node *node) {
    int32_t i = first_of(rows, node->op_type);
    return i < rows->n && !strcmp(rows->v[i].row->op_type, node->op_type) &&
                   strcmp(rows->v[i].row->domain, node->domain)
               ? rows->v[i].row->domain
               : NULL;
}

void whet_import_row_missing(whet_importer *imp, const whet_import_node *n) {
    const whet_onnx_node *node = n->onnx;
    if (imp->import->n_problems >= WHET_IMPORT_PROBLEMS) { // its text would not be kept
        whet_import_problem_add(imp, n, WHET_E_UNSUPPORTED, "%s", "");
        return;
    }
    const char *domain = *node->domain ? node->domain : "ai.onnx";
    const char *near = nearest(&imp->rows, node), *other = elsewhere(&imp->rows, node);
    whet_str versions;
    whet_str_init(&versions);
    add_versions(&imp->rows, n, &versions);
    if (versions.len)
        whet_import_problem_add(
            imp, n, WHET_E_UNSUPPORTED,
            "%s of opset %lld is not supported; supported are opsets %s of domain %s",
            node->op_type, (long long)n->version, whet_str_text(&versions), domain);
    else if (!whet_import_newest_opset(node->domain))
        whet_import_problem_add(imp, n, WHET_E_UNSUPPORTED,
                                "domain '%s' is not known, the model has no function %s in it and "
                                "no plugin of that name is loaded",
                                domain, node->op_type);
    else if (near)
        whet_import_problem_add(imp, n, WHET_E_UNSUPPORTED,
                                "there is no operator %s in domain %s; did you mean %s?",
                                node->op_type, domain, near);
    else if (other)
        whet_import_problem_add(imp, n, WHET_E_UNSUPPORTED,
                                "domain %s has no operator %s; domain %s has one", domain,
                                node->op_type, *other ? other : "ai.onnx");
    else
        whet_import_problem_add(imp, n, WHET_E_UNSUPPORTED,
                                "opset %lld %s is not supported by this version",
                                (long long)n->version, node->op_type);
    whet_str_fini(&versions);
}

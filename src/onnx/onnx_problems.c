// SPDX-License-Identifier: Apache-2.0
// Problems are collected: an import reports everything that it finds wrong, not only the first.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "onnx/importer.h"

void whet_import_limit(whet_importer *imp, const char *what, int64_t limit) {
    if (!imp->stopped)
        whet_import_problem_add(imp, NULL, WHET_E_LIMIT, "%s: more than %lld", what,
                                (long long)limit);
    imp->stopped = true;
}

bool whet_import_nomem(whet_importer *imp) {
    if (!imp->stopped) whet_import_problem_add(imp, NULL, WHET_E_NOMEM, "out of memory");
    imp->stopped = true;
    return false;
}

void whet_import_type_print(const whet_graph *g, const whet_value *v, whet_str *out) {
    if (!v) {
        whet_str_add(out, "?");
        return;
    }
    whet_str_add(out, whet_dtype_text(v->type.dtype));
    if (v->type.rank < 0) {
        whet_str_add(out, "[...]");
        return;
    }
    whet_str_add(out, "[");
    for (int32_t i = 0; i < v->type.rank; i++) {
        if (i) whet_str_add(out, ",");
        whet_dim_print(g->dims, v->type.dims[i], out);
    }
    whet_str_add(out, "]");
}

static const char *shapes_text(whet_importer *imp, const whet_import_node *n) {
    whet_str s;
    whet_str_init(&s);
    for (int32_t i = 0; i < n->n_in; i++) {
        if (i) whet_str_add(&s, ", ");
        if (!n->in[i] && i < n->onnx->n_in && !*n->onnx->in[i]) whet_str_add(&s, "-");
        else whet_import_type_print(imp->graph, n->in[i], &s);
    }
    const char *text = s.failed ? NULL : whet_arena_strdup(imp->arena, whet_str_text(&s));
    whet_str_fini(&s);
    return text ? text : "";
}

// Texts of shape functions start with the node's name, which a problem has already.
static const char *without_name(const char *text, const whet_import_node *n) {
    size_t len = n ? strlen(n->name) : 0;
    if (len && !strncmp(text, n->name, len) && text[len] == ':' && text[len + 1] == ' ')
        return text + len + 2;
    return text;
}

void whet_import_problem_add(whet_importer *imp, const whet_import_node *n, whet_status status,
                             const char *format, ...) {
    whet_import *import = imp->import;
    import->n_found++;
    if (status == WHET_E_NOMEM) imp->stopped = true;
    if (import->n_problems >= WHET_IMPORT_PROBLEMS) return;
    char text[WHET_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    whet_problem_report p = {.status = status};
    p.text = whet_arena_strdup(imp->arena, without_name(text, n));
    if (!p.text) p.text = "out of memory";
    if (n) {
        p.node = n->name;
        p.op_type = n->onnx->op_type;
        p.domain = n->onnx->domain;
        p.version = n->version;
        p.shapes = shapes_text(imp, n);
    }
    if (!WHET_ARENA_PUSH(imp->arena, import->problems, import->n_problems, import->cap_problems,
                         p))
        imp->stopped = true;
}

void whet_import_fail(whet_import_node *n, whet_status status, const char *format, ...) {
    char text[WHET_ERROR_TEXT];
    if (n->failed) return;
    n->failed = true;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    whet_import_problem_add(n->imp, n, status, "%s", text);
}

enum { MAX_WORD = 64 };

static int lower(char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; }

// Letter case counts nothing.
int32_t whet_import_distance(const char *a, const char *b, int32_t limit) {
    size_t n = strlen(a), m = strlen(b);
    if (n > MAX_WORD || m > MAX_WORD || n > m + (size_t)limit || m > n + (size_t)limit)
        return limit + 1;
    int32_t row[MAX_WORD + 1];
    for (size_t k = 0; k <= m; k++) row[k] = (int32_t)k;
    for (size_t i = 1; i <= n; i++) {
        int32_t corner = row[0];
        row[0] = (int32_t)i;
        for (size_t k = 1; k <= m; k++) {
            int32_t best = corner + (lower(a[i - 1]) != lower(b[k - 1]));
            if (row[k] + 1 < best) best = row[k] + 1;
            if (row[k - 1] + 1 < best) best = row[k - 1] + 1;
            corner = row[k];
            row[k] = best;
        }
    }
    return row[m] <= limit ? row[m] : limit + 1;
}

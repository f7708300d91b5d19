// SPDX-License-Identifier: Apache-2.0
#include "compare_values.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash(const char *name) {
    uint32_t h = 2166136261u;
    for (; *name; name++) h = (h ^ (unsigned char)*name) * 16777619u;
    return h;
}

static int32_t *slot(const whet_cli_values *all, const char *name) {
    uint32_t i = hash(name), mask = (uint32_t)all->table_size - 1;
    while (all->table[i & mask] >= 0 && strcmp(all->v[all->table[i & mask]].name, name)) i++;
    return &all->table[i & mask];
}

whet_cli_seen *whet_cli_values_find(const whet_cli_values *all, const char *name) {
    int32_t i = all->table_size ? *slot(all, name) : -1;
    return i < 0 ? NULL : &all->v[i];
}

static bool grow(whet_cli_values *all) {
    int32_t cap = all->cap ? all->cap * 2 : 64;
    whet_cli_seen *grown = realloc(all->v, (size_t)cap * sizeof *grown);
    if (!grown) return false;
    all->v = grown;
    int32_t *table = malloc((size_t)cap * 2 * sizeof *table);
    if (!table) return false;
    free(all->table);
    all->table = table;
    all->cap = cap;
    all->table_size = cap * 2;
    memset(table, 0xff, (size_t)cap * 2 * sizeof *table);
    for (int32_t i = 0; i < all->n; i++) *slot(all, all->v[i].name) = i;
    return true;
}

void whet_cli_values_free(whet_cli_values *all) {
    for (int32_t i = 0; i < all->n; i++) {
        free(all->v[i].name);
        free(all->v[i].tensor.data);
    }
    free(all->v);
    free(all->table);
}

// ---- taps ----

void whet_cli_values_want(void *user, const char *name, const whet_tensor *t) {
    whet_cli_values *all = user;
    if (!whet_cli_is_number(t->dtype) || whet_cli_values_find(all, name)) return;
    char *copy = (all->n < all->cap || grow(all)) ? strdup(name) : NULL;
    if (!copy) {
        all->failed = true;
        return;
    }
    *slot(all, copy) = all->n;
    all->v[all->n++] = (whet_cli_seen){.name = copy};
}

void whet_cli_values_keep(void *user, const char *name, const whet_tensor *t) {
    whet_cli_values *all = user;
    whet_cli_seen *v = whet_cli_values_find(all, name);
    if (!v || v->tensor.data) return;
    v->tensor = *t;
    v->tensor.data = malloc(t->bytes ? t->bytes : 1);
    if (!v->tensor.data) all->failed = true;
    else memcpy(v->tensor.data, t->data, t->bytes);
}

void whet_cli_values_keep_outputs(void *user, const char *name, const whet_tensor *t) {
    if (!strncmp(name, "output ", 7)) whet_cli_values_keep(user, name, t);
}

void whet_cli_values_compare(void *user, const char *name, const whet_tensor *t) {
    whet_cli_values *all = user;
    whet_cli_seen *v = whet_cli_values_find(all, name);
    if (!v || !v->tensor.data || v->compared) return;
    const whet_tensor *r = &v->tensor;
    v->compared = true;
    if (t->dtype != r->dtype) v->why = "another type";
    if (t->rank != r->rank || memcmp(t->dims, r->dims, (size_t)t->rank * sizeof t->dims[0]))
        v->why = "another shape";
    int64_t n = 1;
    for (int32_t d = 0; d < r->rank; d++) n *= r->dims[d];
    for (int64_t i = 0; i < n && !v->why; i++) {
        double a = whet_cli_value(t, i), b = whet_cli_value(r, i);
        double error = a == b || (isnan(a) && isnan(b)) ? 0 : fabs(a - b);
        if (isnan(error)) error = INFINITY;
        if (isfinite(b) && fabs(b) > v->scale) v->scale = fabs(b);
        if (error <= v->error) continue;
        v->error = error;
        v->at = i;
    }
}

bool whet_cli_seen_differs(const whet_cli_seen *v, double tolerance) {
    return v->compared && (v->why || v->error > tolerance * v->scale);
}

bool whet_cli_values_run(whet_engine *engine, const whet_cli_inputs *in, whet_tap_fn tap,
                         whet_cli_values *all) {
    whet_context *context = NULL;
    int32_t n = whet_engine_output_count(engine);
    whet_tensor *outputs = calloc((size_t)n + 1, sizeof *outputs);
    whet_status status = outputs ? whet_context_create(engine, &context) : WHET_E_NOMEM;
    if (status == WHET_OK) {
        whet_context_set_tap(context, tap, all);
        status = whet_context_run(context, in->v, in->n, outputs, n);
        if (status != WHET_OK) whet_cli_fail_status(status, context);
    } else {
        whet_cli_fail("out of memory");
    }
    for (int32_t i = 0; i < n && status == WHET_OK; i++) {
        char name[600];
        whet_io_info info;
        if (whet_engine_output(engine, i, &info)) continue;
        snprintf(name, sizeof name, "output %s", info.name);
        tap(all, name, &outputs[i]);
    }
    whet_context_destroy(context);
    free(outputs);
    if (status == WHET_OK && all->failed) whet_cli_fail("out of memory");
    return status == WHET_OK && !all->failed;
}

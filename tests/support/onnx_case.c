// SPDX-License-Identifier: Apache-2.0
#include "support/onnx_case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "onnx/import.h"
#include "onnx/onnx_tensor.h"
#include "support/ir_eval.h"

// ---- tensors in files ----

static whet_status read_tensor(const char *path, whet_arena *arena, const char **name,
                               whet_tensor *tensor, whet_error *err) {
    whet_map map;
    whet_onnx_tensor t;
    whet_onnx_budget budget = {.max_nodes = 1, .max_values = 1000, .max_text = 100000};
    whet_onnx_reader r = {.arena = arena, .budget = &budget};
    WHET_TRY(whet_map_open(&map, path, err));
    uint8_t *copy = whet_arena_memdup(arena, map.data, map.size);
    whet_span all = {copy, map.size};
    whet_map_close(&map);
    if (!copy) return WHET_NOMEM(err);
    whet_wire_init(&r.w, all.data, all.size, err);
    WHET_TRY(whet_onnx_tensor_read(&r, all, &t));
    *name = t.name;
    return whet_onnx_tensor_load(&t, arena, NULL, tensor, err);
}

static bool tensor_path(char *path, size_t size, const char *folder, int set, const char *kind,
                        int i) {
    snprintf(path, size, "%s/test_data_set_%d/%s_%d.pb", folder, set, kind, i);
    return !access(path, R_OK);
}

// ---- comparison: the tolerances of ONNX's own runner ----

static bool element_equal(const whet_tensor *want, const whet_tensor *got, int64_t i) {
    if (!whet_dtype_is_float(want->dtype))
        return whet_load_i64(want->data, want->dtype, i) == whet_load_i64(got->data, got->dtype, i);
    double a = whet_load_f64(want->data, want->dtype, i);
    double b = whet_load_f64(got->data, got->dtype, i);
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b || fabs(a - b) <= 1e-7 + 1e-3 * fabs(a);
}

static bool equal(const whet_tensor *want, const whet_tensor *got, int i, whet_str *text) {
    bool same = want->dtype == got->dtype && want->rank == got->rank;
    for (int32_t d = 0; same && d < want->rank; d++) same = want->dims[d] == got->dims[d];
    if (!same) {
        whet_str_printf(text, "output %d: %s of rank %d [", i, whet_dtype_text(got->dtype),
                        got->rank);
        for (int32_t d = 0; d < got->rank; d++)
            whet_str_printf(text, "%lld,", (long long)got->dims[d]);
        whet_str_printf(text, "], expected %s of rank %d [", whet_dtype_text(want->dtype),
                        want->rank);
        for (int32_t d = 0; d < want->rank; d++)
            whet_str_printf(text, "%lld,", (long long)want->dims[d]);
        whet_str_add(text, "]");
        return false;
    }
    int64_t n = whet_tensor_count(want), bad = 0, first = -1;
    for (int64_t k = 0; k < n; k++) {
        if (element_equal(want, got, k)) continue;
        if (first < 0) first = k;
        bad++;
    }
    if (bad)
        whet_str_printf(text, "output %d: %lld of %lld differ, element %lld is %.9g, not %.9g", i,
                        (long long)bad, (long long)n, (long long)first,
                        whet_load_f64(got->data, got->dtype, first),
                        whet_load_f64(want->data, want->dtype, first));
    return !bad;
}

// ---- running ----

static int32_t input_index(const whet_graph *g, const char *name, int32_t position) {
    for (int32_t i = 0; i < g->n_inputs; i++)
        if (!strcmp(g->inputs[i]->name, name)) return i;
    return position;
}

static onnx_case_result run_set(const whet_graph *g, const char *folder, int set,
                                whet_arena *arena, whet_str *text, whet_error *err) {
    char path[4096];
    const char *name = "";
    whet_tensor want;
    whet_tensor *in = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs);
    whet_tensor *out = WHET_NEW_ARRAY(arena, whet_tensor, g->n_outputs);
    if (!in || !out) return ONNX_CASE_FAIL;
    whet_status status = WHET_OK;
    for (int i = 0; i < g->n_inputs; i++) {
        whet_tensor t;
        if (!tensor_path(path, sizeof path, folder, set, "input", i)) break;
        status = read_tensor(path, arena, &name, &t, err);
        if (status != WHET_OK) break;
        in[input_index(g, name, i)] = t;
    }
    if (status == WHET_OK) status = ir_eval(g, in, out, arena, err);
    if (status != WHET_OK) {
        whet_str_printf(text, "%s: %s", whet_status_name(status), err->text);
        return ONNX_CASE_FAIL;
    }
    for (int i = 0; i < g->n_outputs; i++) {
        if (!tensor_path(path, sizeof path, folder, set, "output", i)) continue;
        if (read_tensor(path, arena, &name, &want, err) != WHET_OK) {
            whet_str_printf(text, "%s: %s", path, err->text);
            return ONNX_CASE_FAIL;
        }
        if (!equal(&want, &out[i], i, text)) return ONNX_CASE_FAIL;
    }
    return ONNX_CASE_PASS;
}

static onnx_case_result refused(const whet_import *import, whet_status status, const char *why,
                                whet_str *text) {
    bool unsupported = status == WHET_E_UNSUPPORTED;
    for (int32_t i = 0; i < import->n_problems; i++) {
        const whet_problem_report *p = &import->problems[i];
        unsupported &= p->status == WHET_E_UNSUPPORTED;
        whet_str_printf(text, "%s%s: %s", i ? "; " : "", p->op_type ? p->op_type : "", p->text);
    }
    if (!import->n_problems) whet_str_add(text, why);
    return unsupported ? ONNX_CASE_UNSUPPORTED : ONNX_CASE_FAIL;
}

static onnx_case_result run_model(const whet_map *model, const char *folder, whet_str *text,
                                  whet_error *err) {
    whet_import import;
    whet_import_options options = {.ops = whet_ops_builtin(), .external_dir = folder};
    whet_status status = whet_import_onnx(&import, model->data, model->size, &options, err);
    onnx_case_result result = ONNX_CASE_PASS;
    if (status != WHET_OK) result = refused(&import, status, err->text, text);
    else if (whet_graph_verify(import.graph, err) != WHET_OK) {
        whet_str_printf(text, "verify: %s", err->text);
        result = ONNX_CASE_FAIL;
    }
    for (int set = 0; result == ONNX_CASE_PASS; set++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/test_data_set_%d", folder, set);
        if (access(path, R_OK)) break;
        whet_arena arena;
        whet_arena_init(&arena);
        result = run_set(import.graph, folder, set, &arena, text, err);
        whet_arena_fini(&arena);
    }
    whet_import_close(&import);
    return result;
}

onnx_case_result onnx_case_run(const char *folder, whet_str *text) {
    char path[4096];
    whet_map model;
    onnx_case_result result = ONNX_CASE_FAIL;
    whet_error *err = calloc(1, sizeof *err);
    if (!err) return result;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (whet_map_open(&model, path, err) == WHET_OK) {
        result = run_model(&model, folder, text, err);
        whet_map_close(&model);
    } else {
        whet_str_add(text, err->text);
    }
    free(err);
    return result;
}

// SPDX-License-Identifier: Apache-2.0
#include "onnx/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx/importer.h"

static int64_t or_default(int64_t limit, int64_t def) { return limit > 0 ? limit : def; }

// Dense bytes that the sparse tensors of a model may take, and for each byte of the model.
#define DENSE_BYTES ((size_t)64 << 20)
#define DENSE_GROWTH 256

static void importer_init(whet_importer *imp, whet_import *import, const void *data, size_t size,
                          const whet_import_options *options, whet_error *read_err) {
    const whet_import_limits *l = &options->limits;
    *imp = (whet_importer){.import = import, .options = options, .arena = &import->arena};
    imp->budget = (whet_onnx_budget){
        .max_nodes = or_default(l->max_nodes, INT64_C(1) << 20),
        .max_values = or_default(l->max_values, INT64_C(1) << 22),
        .max_text = or_default(l->max_text, INT64_C(1) << 28),
    };
    imp->max_depth = (int32_t)or_default(l->max_depth < 1000 ? l->max_depth : 1000, 64);
    imp->sparse_room = DENSE_BYTES + size * DENSE_GROWTH;
    imp->reader = (whet_onnx_reader){.arena = imp->arena, .budget = &imp->budget};
    whet_wire_init(&imp->reader.w, data, size, read_err);
}

// ---- the head of the model ----

// Files of IR versions 1 and 2 need not import opset 1 of the default domain.
static bool fill_opsets(whet_importer *imp) {
    whet_onnx_opsets *opsets = &imp->model.opsets;
    if (opsets->n) return true;
    if (imp->model.ir_version >= 3) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                "the model has no opset_import, which IR version %lld requires",
                                (long long)imp->model.ir_version);
        return true;
    }
    whet_onnx_opset one = {"", 1};
    return WHET_ARENA_PUSH(imp->arena, opsets->v, opsets->n, opsets->cap, one) ||
           whet_import_nomem(imp);
}

static void check_opsets(whet_importer *imp, const whet_onnx_opsets *opsets) {
    for (int32_t i = 0; i < opsets->n; i++) {
        const whet_onnx_opset *o = &opsets->v[i];
        const char *domain = *o->domain ? o->domain : "ai.onnx";
        int64_t newest = whet_import_newest_opset(o->domain);
        for (int32_t k = 0; k < i && k < 64; k++)
            if (!strcmp(opsets->v[k].domain, o->domain) && opsets->v[k].version != o->version)
                whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                        "domain %s is imported in two versions", domain);
        if (newest && o->version > newest)
            whet_import_problem_add(imp, NULL, WHET_E_VERSION,
                                    "opset %lld of domain %s is newer than %lld, the newest known; "
                                    "export the model with opset %lld or older",
                                    (long long)o->version, domain, (long long)newest,
                                    (long long)newest);
        else if (o->version < 1)
            whet_import_problem_add(imp, NULL, WHET_E_VERSION, "domain %s has opset version %lld",
                                    domain, (long long)o->version);
    }
}

static bool read_model(whet_importer *imp) {
    whet_import *import = imp->import;
    whet_status status = whet_onnx_model_read(&imp->reader, &imp->model);
    const whet_onnx_model *m = &imp->model;
    import->ir_version = m->ir_version;
    import->producer = whet_arena_printf(imp->arena, "%s%s%s", m->producer,
                                         *m->producer_version ? " " : "", m->producer_version);
    if (!import->producer) return whet_import_nomem(imp);
    if (status != WHET_OK) {
        whet_import_problem_add(imp, NULL, status, "%s", imp->reader.w.err->text);
        return false;
    }
    if (!m->has_graph) {
        whet_import_problem_add(imp, NULL, WHET_E_MODEL,
                                "there is no graph in it; is it an ONNX model?");
        return false;
    }
    return fill_opsets(imp);
}

static bool keep_opsets(whet_importer *imp) {
    whet_import *import = imp->import;
    const whet_onnx_opsets *o = &imp->model.opsets;
    import->opsets = whet_arena_array(imp->arena, (size_t)o->n, sizeof *import->opsets);
    if (!import->opsets) return whet_import_nomem(imp);
    for (int32_t i = 0; i < o->n; i++) {
        import->opsets[i].domain = o->v[i].domain;
        import->opsets[i].version = o->v[i].version;
    }
    import->n_opsets = o->n;
    return true;
}

// ---- lists of inputs and outputs for the report ----

static const char *io_text(whet_importer *imp, whet_value *const *v, const char *const *names,
                           int32_t n) {
    whet_str s;
    whet_str_init(&s);
    for (int32_t i = 0; i < n; i++) {
        whet_str_printf(&s, "%s%s: ", i ? "\n" : "", names ? names[i] : v[i]->name);
        whet_import_type_print(imp->graph, v[i], &s);
    }
    const char *text = s.failed ? NULL : whet_arena_strdup(imp->arena, whet_str_text(&s));
    whet_str_fini(&s);
    if (!text) whet_import_nomem(imp);
    return text ? text : "";
}

static int compare_counts(const void *a, const void *b) {
    const whet_import_op_count *x = a, *y = b;
    int c = strcmp(x->domain, y->domain);
    return c ? c : strcmp(x->op_type, y->op_type);
}

static void finish_report(whet_importer *imp) {
    whet_import *import = imp->import;
    const whet_graph *g = imp->graph;
    import->inputs_text = io_text(imp, g->inputs, NULL, g->n_inputs);
    import->outputs_text = io_text(imp, g->outputs, g->output_names, g->n_outputs);
    if (import->n_op_counts)
        qsort(import->op_counts, (size_t)import->n_op_counts, sizeof *import->op_counts,
              compare_counts);
}

// ---- the whole ----

static void import_graph(whet_importer *imp) {
    whet_scope scope = {.prefix = "", .opsets = &imp->model.opsets, .graph = &imp->model.graph};
    check_opsets(imp, &imp->model.opsets);
    for (int32_t i = 0; i < imp->model.n_functions; i++)
        check_opsets(imp, &imp->model.functions[i].opsets);
    imp->graph->name = whet_arena_strdup(imp->graph->arena, imp->model.graph.name);
    if (!imp->graph->name || !keep_opsets(imp) || !whet_import_rows_make(imp) ||
        !whet_import_functions_index(imp)) {
        whet_import_nomem(imp);
        return;
    }
    whet_import_constants(imp, &scope);
    whet_import_inputs(imp, &scope);
    if (imp->stopped || !whet_scope_declare(imp, &scope)) return;
    whet_scope_order(imp, &scope);
    whet_import_nodes(imp, &scope);
    if (!imp->stopped) whet_import_outputs(imp, &scope);
    imp->graph->n_imported_nodes = (int32_t)(imp->n_visited - imp->n_calls - imp->n_wasted);
    finish_report(imp);
}

static whet_status summarize(const whet_import *import, whet_error *err) {
    if (!import->n_found) return WHET_OK;
    if (!import->n_problems) return WHET_NOMEM(err);
    const whet_problem_report *p = &import->problems[0];
    char more[64] = "";
    if (import->n_found > 1)
        snprintf(more, sizeof more, " (and %lld more problems)", (long long)import->n_found - 1);
    if (p->node)
        return whet_error_set(err, p->status, "node '%s' (%s%s%s-%lld, inputs %s): %s%s", p->node,
                              p->domain, *p->domain ? "." : "", p->op_type, (long long)p->version,
                              *p->shapes ? p->shapes : "none", p->text, more);
    return whet_error_set(err, p->status, "%s%s", p->text, more);
}

whet_status whet_import_onnx(whet_import *import, const void *data, size_t size,
                             const whet_import_options *options, whet_error *err) {
    whet_importer imp;
    whet_error *scratch = calloc(2, sizeof *scratch); // too large for small stacks
    *import = (whet_import){.producer = "", .inputs_text = "", .outputs_text = ""};
    whet_arena_init(&import->arena);
    import->external.dir = options->external_dir;
    if (!scratch) return WHET_NOMEM(err);
    importer_init(&imp, import, data, size, options, &scratch[0]);
    imp.err = &scratch[1];
    imp.graph = whet_graph_create(options->ops);
    if (!imp.graph) whet_import_nomem(&imp);
    else if (read_model(&imp)) import_graph(&imp);
    if (import->n_found) whet_graph_destroy(imp.graph);
    else import->graph = imp.graph;
    free(scratch);
    return summarize(import, err);
}

void whet_import_close(whet_import *import) {
    whet_graph_destroy(import->graph);
    whet_external_close(&import->external);
    whet_arena_fini(&import->arena);
    *import = (whet_import){0};
}

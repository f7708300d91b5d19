// SPDX-License-Identifier: Apache-2.0
#include "support/import_case.h"

#include <stdio.h>
#include <stdlib.h>

static import_case *run(import_case *c, const void *data, size_t size,
                        const whet_import_options *options) {
    whet_import_options defaults = {.ops = whet_ops_builtin(), .external_dir = "tests/data"};
    whet_str_init(&c->text);
    c->status = whet_import_onnx(&c->import, data, size, options ? options : &defaults, &c->err);
    return c;
}

import_case *import_case_bytes(const void *data, size_t size, const whet_import_options *options) {
    import_case *c = calloc(1, sizeof *c);
    return c ? run(c, data, size, options) : NULL;
}

import_case *import_case_load(const char *name, const whet_import_options *options) {
    char path[512];
    import_case *c = calloc(1, sizeof *c);
    snprintf(path, sizeof path, "tests/data/%s.onnx", name);
    if (!c || whet_map_open(&c->map, path, &c->err) != WHET_OK) {
        fprintf(stderr, "%s\n", c ? c->err.text : "out of memory");
        free(c);
        return NULL;
    }
    return run(c, c->map.data, c->map.size, options);
}

const char *import_case_report(import_case *c, bool json) {
    whet_str_clear(&c->text);
    whet_import_report(&c->import, json, &c->text);
    return whet_str_text(&c->text);
}

const char *import_case_graph(import_case *c) {
    whet_str_clear(&c->text);
    if (c->import.graph) whet_graph_print(c->import.graph, &c->text, 16);
    return whet_str_text(&c->text);
}

void import_case_free(import_case *c) {
    if (!c) return;
    whet_import_close(&c->import);
    if (c->map.data) whet_map_close(&c->map);
    whet_str_fini(&c->text);
    free(c);
}

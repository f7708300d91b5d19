// SPDX-License-Identifier: Apache-2.0
// Bytes to IR: whatever the bytes are, an import ends with a graph that verifies or with problems.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "onnx/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static whet_error err;
    whet_import import;
    whet_import_shape shape = {"x", 2, {2, 4}};
    whet_import_options options = {
        .ops = whet_ops_builtin(),
        .external_dir = "tests/data",
        .shapes = &shape,
        .n_shapes = size & 1,
        .limits = {.max_nodes = 2000, .max_values = 20000, .max_text = 1 << 20},
    };
    whet_status status = whet_import_onnx(&import, data, size, &options, &err);
    if ((status == WHET_OK) != (import.graph != NULL)) abort();
    if (import.graph && whet_graph_verify(import.graph, &err) != WHET_OK) {
        fprintf(stderr, "%s\n", err.text);
        abort();
    }
    whet_str text;
    whet_str_init(&text);
    whet_import_report(&import, false, &text);
    whet_import_report(&import, true, &text);
    whet_str_fini(&text);
    whet_import_close(&import);
    return 0;
}

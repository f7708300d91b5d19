// SPDX-License-Identifier: Apache-2.0
// Imports of the models of tests/data.
#ifndef WHET_TESTS_IMPORT_CASE_H
#define WHET_TESTS_IMPORT_CASE_H

#include "base/file.h"
#include "onnx/import.h"

typedef struct import_case {
    whet_map map;
    whet_import import;
    whet_status status;
    whet_error err;
    whet_str text; // of the report, or of the graph
} import_case;

// tests/data/<name>.onnx; options NULL: built-in operators, external data from tests/data.
import_case *import_case_load(const char *name, const whet_import_options *options);
// The same from memory.
import_case *import_case_bytes(const void *data, size_t size, const whet_import_options *options);
const char *import_case_report(import_case *c, bool json);
const char *import_case_graph(import_case *c); // text form, short constants in full
void import_case_free(import_case *c);

#endif

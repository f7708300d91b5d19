// SPDX-License-Identifier: Apache-2.0
// The text form: whatever is parsed verifies, and prints to a text that gives the same again.
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(const whet_graph *g, whet_str *out) {
    whet_str_init(out);
    whet_graph_print(g, out, -1);
    if (out->failed) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const whet_op_table *ops = whet_ops_builtin();
    static whet_error err;
    whet_graph *g = NULL, *again = NULL;
    if (whet_graph_parse(ops, (const char *)data, size, &g, &err) != WHET_OK) return 0;
    if (whet_graph_verify(g, &err) != WHET_OK) abort();
    whet_str first, second;
    print(g, &first);
    if (whet_graph_parse(ops, first.text, first.len, &again, &err) == WHET_OK) {
        print(again, &second);
        if (strcmp(first.text, second.text)) abort();
        whet_str_fini(&second);
    } else if (err.status != WHET_E_LIMIT) {
        abort();
    }
    whet_graph_destroy(again);
    whet_graph_destroy(g);
    whet_str_fini(&first);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Removes nodes and recipes whose results nobody uses.
#include "pass/pass.h"

static whet_status run(whet_graph *g, int32_t *changed, whet_error *err) {
    (void)err;
    *changed += whet_graph_sweep(g);
    return WHET_OK;
}

const whet_pass whet_pass_dead = {
    .name = "dead",
    .help = "removes nodes whose results nobody uses",
    .run = run,
};

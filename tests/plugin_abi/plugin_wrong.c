// SPDX-License-Identifier: Apache-2.0
// A plugin that takes the place of Softplus and is a little off, for `whet compare`.
#include "plugin_v1.h"

static int64_t count_of(v1_node *n) {
    const int64_t *d = n->host->dims(n, false, 0);
    int64_t count = 1;
    for (int32_t i = 0; i < n->host->rank(n, false, 0); i++) count *= d[i];
    return count;
}

static int64_t tasks(v1_node *n, int32_t phase) {
    (void)phase;
    return count_of(n);
}

static int run(v1_node *n, int64_t begin, int64_t end) {
    const float *x = n->host->in_data(n, 0);
    float *y = n->host->out_data(n, 0);
    for (int64_t i = begin; i < end; i++) y[i] = x[i] > 0 ? x[i] : 0;
    return 0;
}

static const v1_arg inputs[] = {{"x", 1u << 1, 'T', 0}}; // f32
static const v1_arg outputs[] = {{"y", 0, 'T', 0}};
static const v1_tactic tactics[] = {{.name = "plain", .tasks = tasks, .run = run}};
static const v1_plugin softplus = {sizeof softplus, sizeof(v1_attr), sizeof(v1_arg),
                                   sizeof(v1_tactic), "Softplus", "1", "", 0, inputs, outputs,
                                   tactics, 0, 1, 1, 1};

__attribute__((visibility("default"))) const v1_library *whet_plugin_library_get(const v1_host *h);
const v1_library *whet_plugin_library_get(const v1_host *h) {
    static const v1_plugin *const plugins[] = {&softplus};
    static const v1_library library = {sizeof library, 1, "wrong", "1.0", plugins, 1};
    return h->interface_version >= 1 ? &library : 0;
}

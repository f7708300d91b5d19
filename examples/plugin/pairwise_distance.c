// SPDX-License-Identifier: Apache-2.0
// A plugin in one file: PairwiseDistance(x [n, c], y [m, c]) -> [n, m], the distances between the
// rows of x and those of y. docs/plugins.md walks through it.
//
//     cc -O2 -shared -fPIC -o libpairwise.so pairwise_distance.c
//     whet build pairwise.onnx --plugins=./libpairwise.so -o pairwise.whet
#include <math.h>

#include <whet/plugin.h>

// 1. What a model may say: the norm, 1 or 2. A model without it means 2.
static const whet_plugin_attr attrs[] = {
    {.name = "p", .type = WHET_PLUGIN_INT, .def = 2, .min = 1, .max = 2},
};

// 2. What goes in and out. The letter T ties the types together.
static const whet_plugin_arg inputs[] = {
    {"x", WHET_PLUGIN_F32, 'T', 0},
    {"y", WHET_PLUGIN_F32, 'T', 0},
};
static const whet_plugin_arg outputs[] = {{"distances", 0, 'T', 0}};

// 3. The shape of the output, with numbers or with names such as "batch" for them, and everything
// that `run` relies on.
static whet_status shapes(whet_plugin_node *n) {
    if (whet_plugin_in_rank(n, 0) != 2 || whet_plugin_in_rank(n, 1) != 2)
        return whet_plugin_fail(n, WHET_E_SHAPE, "x and y must be matrices, not of rank %d and %d",
                                whet_plugin_in_rank(n, 0), whet_plugin_in_rank(n, 1));
    int64_t a, b;
    if (whet_plugin_dim_value(n, whet_plugin_in_dim(n, 0, 1), &a) &&
        whet_plugin_dim_value(n, whet_plugin_in_dim(n, 1, 1), &b) && a != b)
        return whet_plugin_fail(n, WHET_E_SHAPE, "rows of x have %lld elements, those of y %lld",
                                (long long)a, (long long)b);
    whet_plugin_dim dims[] = {whet_plugin_in_dim(n, 0, 0), whet_plugin_in_dim(n, 1, 0)};
    whet_plugin_set_shape(n, 0, 2, dims);
    return WHET_OK;
}

// 4. The work: one task a row of x; workers share them.
static int64_t tasks(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return whet_plugin_in_dims(n, 0)[0];
}

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t m = whet_plugin_in_dims(n, 1)[0], c = whet_plugin_in_dims(n, 0)[1];
    int64_t p = whet_plugin_int(n, "p");
    const float *x = whet_plugin_in(n, 0), *y = whet_plugin_in(n, 1);
    float *distances = whet_plugin_out(n, 0);
    for (int64_t i = begin; i < end; i++)
        for (int64_t j = 0; j < m; j++) {
            double sum = 0;
            for (int64_t k = 0; k < c; k++) {
                double d = (double)x[i * c + k] - (double)y[j * c + k];
                sum += p == 1 ? fabs(d) : d * d;
            }
            distances[i * m + j] = (float)(p == 1 ? sum : sqrt(sum));
        }
    return WHET_OK;
}

static const whet_plugin_tactic tactics[] = {{.name = "rows", .tasks = tasks, .run = run}};

// 5. All of it together, and the one symbol that the library exports.
static const whet_plugin pairwise_distance = {
    WHET_PLUGIN_SIZES,
    .name = "PairwiseDistance",
    .version = "1",
    .domain = "mydomain",
    WHET_PLUGIN_ROWS(attrs, attrs),
    WHET_PLUGIN_ROWS(inputs, inputs),
    WHET_PLUGIN_ROWS(outputs, outputs),
    WHET_PLUGIN_ROWS(tactics, tactics),
    .shapes = shapes,
};

WHET_PLUGIN_LIBRARY("pairwise", "1.0", &pairwise_distance)

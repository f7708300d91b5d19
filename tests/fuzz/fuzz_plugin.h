// SPDX-License-Identifier: Apache-2.0
// Plugins that use every part of the interface, for engine files that were tampered with.
#ifndef WHET_TESTS_FUZZ_PLUGIN_H
#define WHET_TESTS_FUZZ_PLUGIN_H

#include <stdlib.h>
#include <string.h>

#include <whet/plugin.h>

static const char *const fuzz_choices[] = {"one", "two", NULL};
static const double fuzz_list[] = {1, 2, 3};
static const whet_plugin_attr fuzz_attrs[] = {
    {.name = "i", .type = WHET_PLUGIN_INT, .def = 1, .min = -8, .max = 8},
    {.name = "f", .type = WHET_PLUGIN_FLOAT, .def = 0.5},
    {.name = "b", .type = WHET_PLUGIN_BOOL},
    {.name = "c", .type = WHET_PLUGIN_CHOICE, .choices = fuzz_choices},
    {.name = "d", .type = WHET_PLUGIN_DTYPE},
    {.name = "s", .type = WHET_PLUGIN_STRING, .def_text = "x"},
    {.name = "ints", .type = WHET_PLUGIN_INTS, .def_list = fuzz_list, .n_def = 3},
    {.name = "floats", .type = WHET_PLUGIN_FLOATS},
    {.name = "t", .type = WHET_PLUGIN_TENSOR},
    {.name = "texts", .type = WHET_PLUGIN_STRINGS},
};
static const whet_plugin_arg fuzz_inputs[] = {
    {"x", WHET_PLUGIN_F32, 'T', 0},
    {"shape", WHET_PLUGIN_TYPE(WHET_DTYPE_I64), 0,
     WHET_PLUGIN_ARG_OPTIONAL | WHET_PLUGIN_ARG_SHAPE},
    {"more", WHET_PLUGIN_F32, 'T', WHET_PLUGIN_ARG_OPTIONAL | WHET_PLUGIN_ARG_VARIADIC},
};
static const whet_plugin_arg fuzz_outputs[] = {{"y", 0, 'T', 0},
                                               {"z", 0, 'T', WHET_PLUGIN_ARG_OPTIONAL}};

// y: what `shape` says, else x's shape; z: [sum of x's dimensions]
static whet_status fuzz_shapes(whet_plugin_node *n) {
    whet_plugin_dim sum = whet_plugin_dim_number(n, whet_plugin_int(n, "i"));
    for (int32_t i = 0; i < whet_plugin_in_rank(n, 0); i++)
        sum = whet_plugin_dim_max(n, sum, whet_plugin_in_dim(n, 0, i));
    whet_plugin_set_shape(n, 1, 1, &sum);
    if (!whet_plugin_has(n, 1)) {
        whet_plugin_set_shape_of(n, 0, 0);
        return WHET_OK;
    }
    int64_t count = 0;
    const whet_plugin_dim *v = whet_plugin_in_values(n, 1, &count);
    if (v && count > WHET_MAX_RANK) return whet_plugin_fail(n, WHET_E_SHAPE, "rank %d", (int)count);
    if (v) whet_plugin_set_shape(n, 0, (int32_t)count, v);
    else whet_plugin_set_unknown(n, 0, -1);
    return WHET_OK;
}

static whet_status fuzz_create(whet_plugin_node *n, void **state) {
    size_t bytes = 0;
    const char *saved = whet_plugin_saved(n, &bytes);
    char *s = calloc(1, 16);
    if (!s) return WHET_E_NOMEM;
    if (saved) memcpy(s, saved, bytes < 16 ? bytes : 16);
    *state = s;
    return WHET_OK;
}

static void fuzz_destroy(void *state, void *user) {
    (void)user;
    free(state);
}

static whet_status fuzz_save(whet_plugin_node *n) {
    return whet_plugin_save(n, whet_plugin_state(n), 16);
}

// Looks at all attributes, then fills the outputs.
static whet_status fuzz_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int32_t a = 0, b = 0, c = 0;
    const int64_t *ints = whet_plugin_ints(n, "ints", &a);
    const float *floats = whet_plugin_floats(n, "floats", &b);
    const whet_text *texts = whet_plugin_strings(n, "texts", &c);
    const whet_tensor *t = whet_plugin_tensor(n, "t");
    float sum = (float)whet_plugin_int(n, "i") + (float)whet_plugin_float(n, "f") +
                (float)strlen(whet_plugin_text(n, "s")) + (float)strlen(whet_plugin_text(n, "c"));
    for (int32_t i = 0; i < a; i++) sum += (float)ints[i];
    for (int32_t i = 0; i < b; i++) sum += floats[i];
    for (int32_t i = 0; i < c; i++) sum += texts[i].size ? (float)texts[i].data[0] : 0;
    if (t && t->bytes) sum += (float)((const char *)t->data)[t->bytes - 1];
    sum += (float)((const char *)whet_plugin_state(n))[15];
    const float *x = whet_plugin_in(n, 0);
    for (int64_t i = 0; i < whet_plugin_in_count(n, 0); i++) sum += x[i];
    (void)begin, (void)end;
    for (int32_t k = 0; k < whet_plugin_out_n(n); k++) {
        float *y = whet_plugin_out(n, k);
        for (int64_t i = 0; y && i < whet_plugin_out_count(n, k); i++) y[i] = sum;
    }
    return WHET_OK;
}

// Some of the elements of x.
static whet_status fuzz_some_shapes(whet_plugin_node *n) {
    whet_plugin_dim d = whet_plugin_dim_unknown(n);
    whet_plugin_set_shape(n, 0, 1, &d);
    return WHET_OK;
}

static whet_status fuzz_some_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    int64_t all = whet_plugin_in_count(n, 0), half = all / 2;
    float *y = whet_plugin_output(n, 0, 1, &all);
    (void)begin, (void)end;
    if (!y) return WHET_E_NOMEM;
    if (all) memcpy(y, whet_plugin_in(n, 0), (size_t)all * sizeof *y);
    return whet_plugin_output(n, 0, 1, &half) ? WHET_OK : WHET_E_NOMEM;
}

static bool fuzz_accepts_c8(whet_plugin_node *n) {
    return whet_plugin_in_layout(n, 0) == WHET_PLUGIN_C8 && !whet_plugin_has(n, 1);
}

static whet_status fuzz_run_c8(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t count = d[0] * ((d[1] + 7) / 8 * 8);
    for (int32_t i = 2; i < whet_plugin_in_rank(n, 0); i++) count *= d[i];
    (void)begin, (void)end;
    if (count) memcpy(whet_plugin_out(n, 0), whet_plugin_in(n, 0), (size_t)count * sizeof(float));
    return WHET_OK;
}

static const whet_plugin_tactic fuzz_tactics[] = {
    {.name = "plain", .run = fuzz_run},
    {.name = "c8", .layouts = WHET_PLUGIN_LAYOUT(WHET_PLUGIN_C8), .accepts = fuzz_accepts_c8,
     .run = fuzz_run_c8},
};
static const whet_plugin_tactic fuzz_some_tactics[] = {{.name = "plain", .run = fuzz_some_run}};

static const whet_plugin fuzz_everything = {
    WHET_PLUGIN_SIZES, .name = "Everything", .version = "1", .domain = "fuzz",
    WHET_PLUGIN_ROWS(attrs, fuzz_attrs), WHET_PLUGIN_ROWS(inputs, fuzz_inputs),
    WHET_PLUGIN_ROWS(outputs, fuzz_outputs), WHET_PLUGIN_ROWS(tactics, fuzz_tactics),
    .shapes = fuzz_shapes, .create = fuzz_create, .destroy = fuzz_destroy, .save = fuzz_save};
static const whet_plugin fuzz_some = {
    WHET_PLUGIN_SIZES, .name = "Some", .version = "2", .flags = WHET_PLUGIN_DYNAMIC_OUT,
    .inputs = fuzz_inputs, .n_inputs = 1, .outputs = fuzz_outputs, .n_outputs = 1,
    WHET_PLUGIN_ROWS(tactics, fuzz_some_tactics), .shapes = fuzz_some_shapes};

#endif

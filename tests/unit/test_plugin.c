// SPDX-License-Identifier: Apache-2.0
// test: labels=threads
// Plugins of this process: import, shapes, tactics, state, data-dependent outputs, engines.
#include "support/test.h"

#include <math.h>
#include <stdatomic.h>

#include <whet/plugin.h>

#include "support/temp_folder.h"

// ---- Times: y = x * factor, in tasks, two layouts ----

static const whet_plugin_attr times_attrs[] = {
    {.name = "factor", .type = WHET_PLUGIN_FLOAT, .def = 2, .min = -100, .max = 100},
};
static const whet_plugin_arg one_input[] = {{"x", WHET_PLUGIN_F32, 'T', 0}};
static const whet_plugin_arg one_output[] = {{"y", 0, 'T', 0}};

#define CHUNK 16
static int64_t times_tasks(whet_plugin_node *n, int32_t phase) {
    (void)phase;
    return (whet_plugin_in_count(n, 0) + CHUNK - 1) / CHUNK;
}

static whet_status times_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0), factor = (float)whet_plugin_float(n, "factor");
    int64_t count = whet_plugin_in_count(n, 0), last = end * CHUNK < count ? end * CHUNK : count;
    for (int64_t i = begin * CHUNK; i < last; i++) y[i] = x[i] * factor;
    return WHET_OK;
}

// All bytes of a blocked tensor, lanes behind the last channel included.
static whet_status times_run_c8(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    int64_t count = d[0] * ((d[1] + 7) / 8 * 8);
    for (int32_t i = 2; i < whet_plugin_in_rank(n, 0); i++) count *= d[i];
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0), factor = (float)whet_plugin_float(n, "factor");
    (void)begin, (void)end;
    if (whet_plugin_in_layout(n, 0) != WHET_PLUGIN_C8) return WHET_E_INTERNAL;
    for (int64_t i = 0; i < count; i++) y[i] = x[i] * factor;
    return WHET_OK;
}

static bool times_accepts_c8(whet_plugin_node *n) {
    return whet_plugin_in_layout(n, 0) == WHET_PLUGIN_C8;
}
static double free_of_charge(whet_plugin_node *n) {
    (void)n;
    return 1e-9;
}

static const whet_plugin_tactic times_tactics[] = {
    {.name = "plain", .tasks = times_tasks, .run = times_run},
    {.name = "blocked", .layouts = WHET_PLUGIN_LAYOUT(WHET_PLUGIN_C8), .run = times_run_c8,
     .accepts = times_accepts_c8, .cost = free_of_charge},
};

#define ELEMENTWISE(attr_rows, tactic_rows)                                                        \
    WHET_PLUGIN_SIZES, WHET_PLUGIN_ROWS(inputs, one_input), WHET_PLUGIN_ROWS(outputs, one_output), \
        WHET_PLUGIN_ROWS(attrs, attr_rows), WHET_PLUGIN_ROWS(tactics, tactic_rows)

static const whet_plugin times = {ELEMENTWISE(times_attrs, times_tactics), .name = "Times",
                                  .version = "1", .domain = "mydomain",
                                  .flags = WHET_PLUGIN_INPLACE};

// ---- helpers ----

static whet_env *make_env(bool override) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .plugin_override = override,
                          .verbosity = WHET_LOG_WARNING};
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    return env;
}

static void add(whet_env *env, const whet_plugin *p) {
    if (whet_env_register_plugin(env, p)) fail_msg("%s", whet_error_text(env));
}

static whet_engine *finish(whet_builder *b, whet_config *c) {
    whet_engine *e = NULL;
    if (whet_builder_build(b, c, &e)) fail_msg("%s", whet_error_text(b));
    whet_config_destroy(c);
    whet_builder_destroy(b);
    return e;
}

static whet_config *level(whet_env *env, const char *value) {
    whet_config *c = NULL;
    assert_int_equal(whet_config_create(env, &c), WHET_OK);
    assert_int_equal(whet_config_set(c, "level", value), WHET_OK);
    return c;
}

static whet_engine *build(whet_env *env, const char *path) {
    whet_builder *b = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    if (whet_builder_load_onnx(b, path)) fail_msg("%s", whet_error_text(b));
    return finish(b, level(env, "0"));
}

static void refused(whet_env *env, const char *path, whet_status want, const char *text) {
    whet_builder *b = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, path), want);
    if (!strstr(whet_error_text(b), text)) fail_msg("%s", whet_error_text(b));
    whet_builder_destroy(b);
}

static whet_tensor tensor(const float *data, int32_t rank, const int64_t *dims) {
    whet_tensor t = {.dtype = WHET_DTYPE_F32, .rank = rank, .data = (void *)(uintptr_t)data,
                     .bytes = sizeof *data};
    for (int32_t i = 0; i < rank; i++) {
        t.dims[i] = dims[i];
        t.bytes *= (size_t)dims[i];
    }
    return t;
}

// Runs the engine's first output of one input; the result must be `want`.
static void check_run(whet_engine *e, const whet_tensor *in, const float *want, int64_t count) {
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    for (int round = 0; round < 2; round++) {
        whet_tensor out = {0};
        if (whet_context_run(c, in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
        assert_int_equal(out.bytes, (size_t)count * sizeof *want);
        for (int64_t i = 0; i < count; i++)
            if (((const float *)out.data)[i] != want[i])
                fail_msg("[%d] %g, not %g", (int)i, (double)((const float *)out.data)[i],
                         (double)want[i]);
    }
    whet_context_destroy(c);
}

static whet_engine *reload(whet_env *env, whet_engine *e, whet_status want) {
    size_t bytes;
    const void *data = whet_engine_data(e, &bytes);
    whet_engine *again = NULL;
    whet_status status = whet_engine_load_memory(env, data, bytes, &again);
    if (status != want) fail_msg("%s", whet_error_text(env));
    return again;
}

// x of these dims (-1: "n"), through one node of the plugin
static whet_engine *through(whet_env *env, const char *op, int32_t rank, const int64_t *dims,
                            const whet_tensor *constant, const char *with_level) {
    whet_builder *b = NULL;
    whet_network *net = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_builder_network(b, &net), WHET_OK);
    whet_value *in[2] = {0}, *out = NULL;
    const char *names[WHET_MAX_RANK] = {"n"};
    if (whet_network_input(net, "x", WHET_DTYPE_F32, rank, dims, names, &in[0]) ||
        (constant && whet_network_constant(net, "c", constant, true, &in[1])) ||
        whet_network_add(net, op, "node", in, constant ? 2 : 1, NULL, 0, &out, 1) ||
        whet_network_mark_output(net, out, "y"))
        fail_msg("%s", whet_error_text(net));
    return finish(b, level(env, with_level));
}

// ---- tests: import ----

static void imports_by_name_and_domain(void **state) {
    (void)state;
    static const float x[] = {1, -2, 3, -4}, want[] = {3, 0, 9, 0};
    whet_env *env = make_env(false);
    refused(env, "tests/data/plugin.onnx", WHET_E_UNSUPPORTED, "no plugin of that name");
    add(env, &times);
    assert_non_null(strstr(whet_env_describe(env), "\"name\":\"Times\",\"version\":\"1\""));
    whet_engine *e = build(env, "tests/data/plugin.onnx");
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@1/plain"));
    whet_tensor in = tensor(x, 2, (int64_t[]){1, 4});
    check_run(e, &in, want, 4);
    whet_engine *again = reload(env, e, WHET_OK);
    check_run(again, &in, want, 4);
    whet_engine_destroy(again);
    whet_engine_destroy(e);
    refused(env, "tests/data/plugin_wrong.onnx", WHET_E_UNSUPPORTED, "attribute 'colour'");
    refused(env, "tests/data/plugin_version.onnx", WHET_E_UNSUPPORTED, "trt.plugins");
    whet_env_destroy(env);
}

static void honours_version_and_namespace(void **state) {
    (void)state;
    static const float x[] = {1, -2, 3, -4}, want[] = {0.5f, -1, 1.5f, -2};
    whet_env *env = make_env(false);
    whet_plugin second = times, other = times;
    second.version = "2";
    other.version = "2";
    other.domain = "elsewhere";
    add(env, &times);
    add(env, &other);
    add(env, &second);
    whet_engine *e = build(env, "tests/data/plugin_version.onnx");
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@2/"));
    whet_tensor in = tensor(x, 2, (int64_t[]){1, 4});
    check_run(e, &in, want, 4);
    whet_engine_destroy(e);
    // without an attribute version 1 is meant, whatever else is there
    e = build(env, "tests/data/plugin.onnx");
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@1/"));
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

static void folds_constants(void **state) {
    (void)state;
    static const float x[] = {0, 0, 1, 1}, want[] = {2, 4, 7, 9};
    whet_env *env = make_env(false);
    add(env, &times);
    whet_engine *e = build(env, "tests/data/plugin_constant.onnx");
    assert_null(strstr(whet_engine_inspect(e, true), "Times@1/"));
    whet_tensor in = tensor(x, 2, (int64_t[]){1, 4});
    check_run(e, &in, want, 4);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

// A network with plugins becomes an ONNX model that means the same ones.
static void writes_onnx(void **state) {
    (void)state;
    static const float x[] = {1, -2, 3, -4}, want[] = {21, -42, 63, -84};
    whet_env *env = make_env(false);
    whet_plugin second = times;
    second.version = "2";
    add(env, &times);
    add(env, &second);
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_value *v = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_network_input(net, "x", WHET_DTYPE_F32, 2, (int64_t[]){1, 4}, NULL, &v);
    const whet_attribute three = {.name = "factor", .kind = WHET_ATTRIBUTE_FLOAT, .f = 3};
    const whet_attribute seven = {.name = "factor", .kind = WHET_ATTRIBUTE_INT, .i = 7};
    temp_folder t;
    temp_create(&t);
    if (whet_network_add(net, "mydomain::Times@1", "a", &v, 1, &three, 1, &v, 1) ||
        whet_network_add(net, "mydomain::Times@2", "b", &v, 1, &seven, 1, &v, 1) ||
        whet_network_mark_output(net, v, "y") ||
        whet_network_save_onnx(net, temp_path(&t, "a.onnx"), false))
        fail_msg("%s", whet_error_text(net));
    whet_builder_destroy(b);
    whet_engine *e = build(env, temp_path(&t, "a.onnx"));
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@1/"));
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@2/"));
    whet_tensor in = tensor(x, 2, (int64_t[]){1, 4});
    check_run(e, &in, want, 4);
    whet_engine_destroy(e);
    temp_remove(&t);
    whet_env_destroy(env);
}

static whet_status minus_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0);
    (void)begin, (void)end;
    for (int64_t i = 0; i < whet_plugin_in_count(n, 0); i++) y[i] = -x[i];
    return WHET_OK;
}

static void wins_only_when_asked(void **state) {
    (void)state;
    static const whet_plugin_tactic tactics[] = {{.name = "only", .run = minus_run}};
    static const whet_plugin relu = {WHET_PLUGIN_SIZES, .name = "Relu", .version = "1",
                                     WHET_PLUGIN_ROWS(inputs, one_input),
                                     WHET_PLUGIN_ROWS(outputs, one_output),
                                     WHET_PLUGIN_ROWS(tactics, tactics)};
    static const float x[] = {1, -2, 3, -4}, plain[] = {2, 0, 6, 0}, minus[] = {-2, 4, -6, 8};
    for (int override = 0; override < 2; override++) {
        whet_env *env = make_env(override);
        add(env, &relu);
        whet_engine *e = build(env, "tests/data/add.onnx"); // relu(x + {1, -2, 3, -4})
        whet_tensor in = tensor(x, 2, (int64_t[]){1, 4});
        check_run(e, &in, override ? minus : plain, 4);
        whet_engine_destroy(e);
        whet_env_destroy(env);
    }
}

// ---- tests: tactics ----

static void measures_tactics(void **state) {
    (void)state;
    enum { N = 2 * 11 * 3 * 5 };
    static float x[N], want[N];
    for (int i = 0; i < N; i++) {
        x[i] = (float)i;
        want[i] = (float)i * 2;
    }
    whet_env *env = make_env(false);
    add(env, &times);
    int64_t dims[] = {2, 11, 3, 5};
    whet_tensor in = tensor(x, 4, dims);
    static const char *const levels[] = {"0", "3", "5"};
    for (size_t i = 0; i < COUNT(levels); i++) {
        whet_engine *e = through(env, "mydomain::Times@1", 4, dims, NULL, levels[i]);
        check_run(e, &in, want, N);
        whet_engine_destroy(e);
    }
    // two in a row stay in the layout of the one that costs nothing
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_value *v = NULL;
    assert_int_equal(whet_network_input(net, "x", WHET_DTYPE_F32, 4, dims, NULL, &v), WHET_OK);
    for (int i = 0; i < 8; i++)
        if (whet_network_add(net, "mydomain::Times@1", NULL, &v, 1, NULL, 0, &v, 1))
            fail_msg("%s", whet_error_text(net));
    assert_int_equal(whet_network_mark_output(net, v, "y"), WHET_OK);
    whet_config *c = level(env, "0");
    whet_config_set(c, "disable-kernels", "mydomain::Times@1/plain");
    whet_engine *e = finish(b, c);
    assert_non_null(strstr(whet_engine_inspect(e, true), "mydomain::Times@1/blocked"));
    for (int i = 0; i < N; i++) want[i] = x[i] * 256;
    check_run(e, &in, want, N);
    whet_engine *again = reload(env, e, WHET_OK);
    check_run(again, &in, want, N);
    whet_engine_destroy(again);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

// ---- tests: workspace, scratch, phases ----

// y = x / sum(x): partial sums in the workspace, added up by one task, then the division. Each task
// goes through its worker's scratch.
#define PARTS 4
static int64_t share_tasks(whet_plugin_node *n, int32_t phase) {
    (void)n;
    return phase == 1 ? 1 : PARTS;
}
static size_t share_workspace(whet_plugin_node *n) {
    return whet_plugin_in_count(n, 0) > 0 ? (PARTS + 1) * sizeof(double) : 0;
}
static size_t share_scratch(whet_plugin_node *n) {
    return (size_t)whet_plugin_in_count(n, 0) * sizeof(float);
}

static whet_status share_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0), *scratch = whet_plugin_scratch(n);
    double *sums = whet_plugin_workspace(n);
    int64_t count = whet_plugin_in_count(n, 0);
    if ((uintptr_t)sums % 64 || (uintptr_t)scratch % 64) return WHET_E_INTERNAL;
    if (whet_plugin_phase(n) == 1) {
        sums[PARTS] = 0;
        for (int i = 0; i < PARTS; i++) sums[PARTS] += sums[i];
        return WHET_OK;
    }
    for (int64_t task = begin; task < end; task++) {
        int64_t from = count * task / PARTS, to = count * (task + 1) / PARTS;
        memcpy(scratch, x + from, (size_t)(to - from) * sizeof *x);
        if (whet_plugin_phase(n) == 0) sums[task] = 0;
        for (int64_t i = from; i < to; i++) {
            if (whet_plugin_phase(n) == 0) sums[task] += (double)scratch[i - from];
            else y[i] = (float)((double)scratch[i - from] / sums[PARTS]);
        }
    }
    return WHET_OK;
}

static void runs_in_phases(void **state) {
    (void)state;
    static const whet_plugin_tactic tactics[] = {
        {.name = "only", .phases = 3, .tasks = share_tasks, .workspace = share_workspace,
         .scratch = share_scratch, .run = share_run}};
    static const whet_plugin share = {ELEMENTWISE(times_attrs, tactics), .name = "Share",
                                      .version = "1", .flags = WHET_PLUGIN_INPLACE};
    static float x[32], want[32];
    for (int i = 0; i < 32; i++) {
        x[i] = (float)(i + 1);
        want[i] = (float)((double)x[i] / 528);
    }
    whet_env *env = make_env(false);
    add(env, &share);
    whet_tensor in = tensor(x, 1, (int64_t[]){32});
    static const char *const levels[] = {"0", "5"};
    for (size_t i = 0; i < COUNT(levels); i++) {
        whet_engine *e = through(env, "Share@1", 1, (int64_t[]){-1}, NULL, levels[i]);
        assert_non_null(strstr(whet_engine_inspect(e, true), "Share@1/only"));
        check_run(e, &in, want, 32);
        whet_engine_destroy(e);
    }
    // by the reference too
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_value *v = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_network_input(net, "x", WHET_DTYPE_F32, 1, (int64_t[]){32}, NULL, &v);
    whet_network_add(net, "Share@1", "s", &v, 1, NULL, 0, &v, 1);
    whet_network_mark_output(net, v, "y");
    whet_config *c = level(env, "0");
    whet_config_set(c, "plan", "reference");
    whet_engine *e = finish(b, c);
    assert_non_null(strstr(whet_engine_inspect(e, true), "\"reference\""));
    check_run(e, &in, want, 32);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

// ---- tests: shapes ----

// [n, c] -> [n * (n - 1) / 2, c, 2]
static whet_status pairs_shapes(whet_plugin_node *n) {
    if (whet_plugin_in_rank(n, 0) != 2)
        return whet_plugin_fail(n, WHET_E_SHAPE, "pairs are of rows, not of rank %d",
                                whet_plugin_in_rank(n, 0));
    whet_plugin_dim rows = whet_plugin_in_dim(n, 0, 0), one = whet_plugin_dim_number(n, 1);
    whet_plugin_dim pairs = whet_plugin_dim_mul(n, rows, whet_plugin_dim_sub(n, rows, one));
    whet_plugin_dim dims[] = {whet_plugin_dim_div(n, pairs, whet_plugin_dim_number(n, 2)),
                              whet_plugin_in_dim(n, 0, 1), whet_plugin_dim_number(n, 2)};
    whet_plugin_set_shape(n, 0, 3, dims);
    return WHET_OK;
}

static whet_status pairs_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const int64_t *d = whet_plugin_in_dims(n, 0);
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0);
    (void)begin, (void)end;
    for (int64_t a = 0; a < d[0]; a++)
        for (int64_t b = a + 1; b < d[0]; b++)
            for (int64_t k = 0; k < d[1]; k++) {
                *y++ = x[a * d[1] + k];
                *y++ = x[b * d[1] + k];
            }
    return WHET_OK;
}

static void computes_symbolic_shapes(void **state) {
    (void)state;
    static const whet_plugin_tactic tactics[] = {{.name = "only", .run = pairs_run}};
    static const whet_plugin pairs = {
        WHET_PLUGIN_SIZES, .name = "Pairs", .version = "1", .shapes = pairs_shapes,
        WHET_PLUGIN_ROWS(inputs, one_input), WHET_PLUGIN_ROWS(outputs, one_output),
        WHET_PLUGIN_ROWS(tactics, tactics)};
    static const float x[] = {1, 2, 3}, want[] = {1, 2, 1, 3, 2, 3};
    whet_env *env = make_env(false);
    add(env, &pairs);
    whet_engine *e = through(env, "Pairs@1", 2, (int64_t[]){-1, 1}, NULL, "0");
    whet_io_info info;
    assert_int_equal(whet_engine_output(e, 0, &info), WHET_OK);
    assert_int_equal(info.rank, 3);
    assert_int_equal(info.dims[0], -1);
    assert_int_equal(info.dims[2], 2);
    whet_tensor in = tensor(x, 2, (int64_t[]){3, 1});
    check_run(e, &in, want, 6);
    in = tensor(x, 2, (int64_t[]){2, 1});
    check_run(e, &in, want, 2);
    in = tensor(x, 2, (int64_t[]){1, 1}); // nothing to pair
    check_run(e, &in, want, 0);
    whet_engine_destroy(e);

    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_value *v = NULL;
    whet_network_input(net, "x", WHET_DTYPE_F32, 1, (int64_t[]){4}, NULL, &v);
    assert_int_equal(whet_network_add(net, "Pairs@1", "couples", &v, 1, NULL, 0, &v, 1),
                     WHET_E_SHAPE);
    assert_non_null(strstr(whet_error_text(net), "couples: pairs are of rows, not of rank 1"));
    whet_builder_destroy(b);
    whet_env_destroy(env);
}

// The positive elements, which only the data tell the number of.
static whet_status positive_shapes(whet_plugin_node *n) {
    whet_plugin_dim count = whet_plugin_dim_number(n, 1);
    for (int32_t i = 0; i < whet_plugin_in_rank(n, 0); i++)
        count = whet_plugin_dim_mul(n, count, whet_plugin_in_dim(n, 0, i));
    whet_plugin_dim dims[] = {whet_plugin_dim_at_most(n, count)};
    whet_plugin_set_shape(n, 0, 1, dims);
    return WHET_OK;
}

static whet_status positive_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    int64_t all = whet_plugin_in_count(n, 0), found = 0;
    float *y = whet_plugin_output(n, 0, 1, &all);
    (void)begin, (void)end;
    if (!y) return WHET_E_NOMEM;
    for (int64_t i = 0; i < all; i++)
        if (x[i] > 0) y[found++] = x[i];
    return whet_plugin_output(n, 0, 1, &found) ? WHET_OK : WHET_E_NOMEM;
}

static const whet_plugin_tactic positive_tactics[] = {
    {.name = "one", .run = positive_run}, {.name = "two", .run = positive_run}};
static const whet_plugin positive = {
    ELEMENTWISE(times_attrs, positive_tactics), .name = "Positive", .version = "1",
    .shapes = positive_shapes, .flags = WHET_PLUGIN_DYNAMIC_OUT};

static void finds_out_shapes(void **state) {
    (void)state;
    static const float x[] = {1, -2, 3, -4, 5, 6}, want[] = {1, 3, 5, 6}, y[] = {-1, 2, -3};
    whet_env *env = make_env(false);
    add(env, &positive);
    static const char *const levels[] = {"0", "5"};
    for (size_t i = 0; i < COUNT(levels); i++) {
        whet_engine *e = through(env, "Positive@1", 2, (int64_t[]){-1, 3}, NULL, levels[i]);
        assert_non_null(strstr(whet_engine_inspect(e, true), "Positive@1/"));
        whet_tensor in = tensor(x, 2, (int64_t[]){2, 3});
        check_run(e, &in, want, 4);
        in = tensor(y, 2, (int64_t[]){1, 3});
        check_run(e, &in, y + 1, 1);
        whet_engine_destroy(e);
    }
    // of a constant: folded
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_value *in[2] = {0}, *v = NULL;
    whet_tensor c = tensor(x, 2, (int64_t[]){2, 3});
    whet_network_input(net, "x", WHET_DTYPE_F32, 1, (int64_t[]){1}, NULL, &in[0]);
    whet_network_constant(net, "c", &c, true, &v);
    if (whet_network_add(net, "Positive@1", "p", &v, 1, NULL, 0, &in[1], 1) ||
        whet_network_add(net, "add", "s", in, 2, NULL, 0, &v, 1) ||
        whet_network_mark_output(net, v, "y"))
        fail_msg("%s", whet_error_text(net));
    whet_engine *e = finish(b, level(env, "0"));
    static const float zero[] = {0};
    c = tensor(zero, 1, (int64_t[]){1});
    check_run(e, &c, want, 4);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

// ---- tests: state ----

typedef struct {
    float sum;
    int32_t saved;
} sum_state;
static atomic_int states_alive, states_saved;

static whet_status sum_create(whet_plugin_node *n, void **state) {
    sum_state *s = calloc(1, sizeof *s);
    size_t bytes;
    const sum_state *saved = whet_plugin_saved(n, &bytes);
    const float *c = whet_plugin_in(n, 1);
    if (!s) return WHET_E_NOMEM;
    if (saved && bytes == sizeof *saved) {
        memcpy(s, saved, sizeof *s);
        s->saved = 1;
    } else if (c) {
        for (int64_t i = 0; i < whet_plugin_in_count(n, 1); i++) s->sum += c[i];
    } else {
        free(s);
        return whet_plugin_fail(n, WHET_E_UNSUPPORTED, "the second input must be a constant");
    }
    atomic_fetch_add(&states_alive, 1);
    *state = s;
    return WHET_OK;
}

static void sum_destroy(void *state, void *user) {
    assert_ptr_equal(user, (void *)(uintptr_t)times_attrs);
    free(state);
    atomic_fetch_sub(&states_alive, 1);
}

static whet_status sum_save(whet_plugin_node *n) {
    return whet_plugin_save(n, whet_plugin_state(n), sizeof(sum_state));
}

static whet_status sum_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const sum_state *s = whet_plugin_state(n);
    const float *x = whet_plugin_in(n, 0);
    float *y = whet_plugin_out(n, 0);
    (void)begin, (void)end;
    if (s->saved) atomic_store(&states_saved, 1);
    float *copy = whet_plugin_alloc(n, (size_t)whet_plugin_in_count(n, 0) * sizeof *copy);
    if (!copy) return WHET_E_NOMEM;
    for (int64_t i = 0; i < whet_plugin_in_count(n, 0); i++) copy[i] = x[i] + s->sum;
    memcpy(y, copy, (size_t)whet_plugin_in_count(n, 0) * sizeof *copy);
    return WHET_OK;
}

static void keeps_state(void **state) {
    (void)state;
    static const whet_plugin_arg inputs[] = {{"x", WHET_PLUGIN_F32, 'T', 0},
                                             {"c", WHET_PLUGIN_F32, 'T', 0}};
    static const whet_plugin_tactic tactics[] = {{.name = "only", .run = sum_run}};
    static const whet_plugin sum = {
        WHET_PLUGIN_SIZES, .name = "AddSum", .version = "1", .create = sum_create,
        .destroy = sum_destroy, .save = sum_save, .user = (void *)(uintptr_t)times_attrs,
        WHET_PLUGIN_ROWS(inputs, inputs), WHET_PLUGIN_ROWS(outputs, one_output),
        WHET_PLUGIN_ROWS(tactics, tactics)};
    static const float x[] = {1, 2, 3}, c[] = {10, 20}, want[] = {31, 32, 33};
    whet_env *env = make_env(false);
    add(env, &sum);
    whet_tensor in = tensor(x, 1, (int64_t[]){3}), constant = tensor(c, 1, (int64_t[]){2});
    whet_engine *e = through(env, "AddSum@1", 1, (int64_t[]){-1}, &constant, "3");
    assert_int_equal(atomic_load(&states_alive), 1); // the build's are gone
    check_run(e, &in, want, 3);
    whet_engine *again = reload(env, e, WHET_OK), *tuned = NULL;
    assert_int_equal(atomic_load(&states_alive), 2);
    check_run(again, &in, want, 3);
    assert_int_equal(atomic_load(&states_saved), 1);
    whet_config *config = level(env, "1");
    if (whet_engine_tune(again, config, &tuned)) fail_msg("%s", whet_error_text(again));
    whet_config_destroy(config);
    check_run(tuned, &in, want, 3);
    whet_engine_destroy(tuned);
    whet_engine_destroy(again);
    whet_engine_destroy(e);
    assert_int_equal(atomic_load(&states_alive), 0);

    // of two constants: computed at build, with a state for that once
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_value *v[2] = {0}, *s = NULL, *y = NULL;
    whet_network_input(net, "x", WHET_DTYPE_F32, 1, (int64_t[]){3}, NULL, &y);
    whet_network_constant(net, "a", &in, true, &v[0]);
    whet_network_constant(net, "c", &constant, true, &v[1]);
    if (whet_network_add(net, "AddSum@1", "p", v, 2, NULL, 0, &s, 1)) fail();
    whet_value *both[] = {y, s};
    if (whet_network_add(net, "sub", "s", both, 2, NULL, 0, &y, 1)) fail();
    assert_int_equal(whet_network_mark_output(net, y, "y"), WHET_OK);
    e = finish(b, level(env, "0"));
    static const float thirties[] = {-30, -30, -30};
    check_run(e, &in, thirties, 3);
    whet_engine_destroy(e);
    assert_int_equal(atomic_load(&states_alive), 0);

    // not a constant: create says so, and names the node
    whet_builder_create(env, &b);
    whet_builder_network(b, &net);
    whet_network_input(net, "x", WHET_DTYPE_F32, 1, (int64_t[]){3}, NULL, &v[0]);
    v[1] = v[0];
    whet_network_add(net, "AddSum@1", "p", v, 2, NULL, 0, &s, 1);
    whet_network_mark_output(net, s, "y");
    assert_int_equal(whet_builder_build(b, NULL, &e), WHET_E_UNSUPPORTED);
    assert_string_equal(whet_error_text(b), "p: the second input must be a constant");
    whet_builder_destroy(b);
    whet_env_destroy(env);
}

// ---- tests: failures ----

static whet_status nan_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    const float *x = whet_plugin_in(n, 0);
    (void)begin, (void)end;
    if (isnan(x[0])) return whet_plugin_fail(n, WHET_E_RANGE, "element %d is no number", 0);
    return x[0] == 7 ? (whet_status)12345 : minus_run(n, 0, 1);
}

static void names_the_node_that_fails(void **state) {
    (void)state;
    static const whet_plugin_tactic tactics[] = {{.name = "only", .run = nan_run}};
    static const whet_plugin p = {ELEMENTWISE(times_attrs, tactics), .name = "Checked",
                                  .version = "1"};
    whet_env *env = make_env(false);
    add(env, &p);
    whet_engine *e = through(env, "Checked@1", 1, (int64_t[]){1}, NULL, "0");
    whet_context *c = NULL;
    whet_context_create(e, &c);
    float x[] = {NAN};
    whet_tensor in = tensor(x, 1, (int64_t[]){1}), out = {0};
    assert_int_equal(whet_context_run(c, &in, 1, &out, 1), WHET_E_RANGE);
    assert_string_equal(whet_error_text(c), "node: element 0 is no number");
    x[0] = 7;
    assert_int_equal(whet_context_run(c, &in, 1, &out, 1), WHET_E_INTERNAL);
    assert_non_null(strstr(whet_error_text(c), "node: plugin Checked@1: only failed"));
    x[0] = 1;
    assert_int_equal(whet_context_run(c, &in, 1, &out, 1), WHET_OK);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imports_by_name_and_domain),
        cmocka_unit_test(honours_version_and_namespace),
        cmocka_unit_test(folds_constants),
        cmocka_unit_test(writes_onnx),
        cmocka_unit_test(wins_only_when_asked),
        cmocka_unit_test(measures_tactics),
        cmocka_unit_test(runs_in_phases),
        cmocka_unit_test(computes_symbolic_shapes),
        cmocka_unit_test(finds_out_shapes),
        cmocka_unit_test(keeps_state),
        cmocka_unit_test(names_the_node_that_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Loops that repeat allocate nothing; those that never end are stopped; blocks are seen by the
// profiler and the tap under their path.
#include "support/failing_alloc.h"
#include "support/test.h"

#include "env/env.h"

static whet_context *open_case(const char *path, whet_env **env, whet_engine **e) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_ERROR};
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_context *c = NULL;
    assert_int_equal(whet_env_create(&o, env), WHET_OK);
    assert_int_equal(whet_builder_create(*env, &b), WHET_OK);
    assert_int_equal(whet_config_create(*env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, path), WHET_OK);
    if (whet_builder_build(b, config, e)) fail_msg("%s", whet_error_text(b));
    whet_config_destroy(config);
    whet_builder_destroy(b);
    assert_int_equal(whet_context_create(*e, &c), WHET_OK);
    return c;
}

static void close_case(whet_context *c, whet_engine *e, whet_env *env) {
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

// loop_flow.onnx: y, ys = Loop(m, cond, v) { v += sum of a Scan over w inside an If; collects v }
static whet_status run(whet_context *c, int64_t m, bool cond, float *y, float *ys, int64_t *n) {
    static float v[3] = {1, 2, 3}, w[6] = {1, 0, 0, 0, 1, 0};
    whet_tensor in[] = {{.dtype = WHET_DTYPE_I64, .data = &m, .bytes = 8},
                        {.dtype = WHET_DTYPE_BOOL, .data = &cond, .bytes = 1},
                        {WHET_DTYPE_F32, 1, {3}, v, sizeof v},
                        {WHET_DTYPE_F32, 2, {2, 3}, w, sizeof w}};
    whet_tensor out[] = {{.data = y, .bytes = 12}, {.data = ys, .bytes = 3000}};
    whet_status status = whet_context_run(c, in, 4, out, 2);
    if (status == WHET_OK) *n = out[1].dims[0];
    return status;
}

static void repeats_without_allocation(void **state) {
    (void)state;
    whet_env *env = NULL;
    whet_engine *e = NULL;
    whet_context *c = open_case("tests/data/loop_flow.onnx", &env, &e);
    float y[3], ys[750];
    int64_t n;
    for (int64_t m = 0; m < 12; m++) assert_int_equal(run(c, m, m != 7, y, ys, &n), WHET_OK);
    test_alloc_count();
    for (int64_t m = 0; m < 12; m++) {
        assert_int_equal(run(c, m, m != 7, y, ys, &n), WHET_OK);
        assert_int_equal(n, m == 7 ? 0 : m);
    }
    assert_int_equal(test_alloc_counted(), 0);
    // each turn adds (1, 1, 0): odd ones through the scan, even ones through its reverse
    assert_int_equal(run(c, 3, true, y, ys, &n), WHET_OK);
    assert_float_equal(y[0], 4, 0);
    assert_float_equal(y[1], 5, 0);
    assert_float_equal(y[2], 3, 0);
    assert_float_equal(ys[4], 4, 0);
    close_case(c, e, env);
}

// Whatever allocation fails, the context can be used afterwards.
static void lacks_memory(void **state) {
    (void)state;
    whet_env *env = NULL;
    whet_engine *e = NULL;
    float y[3], ys[750];
    int64_t n;
    whet_context_destroy(open_case("tests/data/loop_flow.onnx", &env, &e));
    for (int64_t k = 0;; k++) {
        whet_context *c = NULL;
        assert_int_equal(whet_context_create(e, &c), WHET_OK);
        test_alloc_fail_at(k);
        whet_status status = run(c, 3, true, y, ys, &n);
        bool failed = test_alloc_end();
        assert_int_equal(status, failed ? WHET_E_NOMEM : WHET_OK);
        assert_int_equal(run(c, 4, true, y, ys, &n), WHET_OK);
        assert_int_equal(n, 4);
        assert_float_equal(y[0], 5, 0);
        whet_context_destroy(c);
        if (!failed) break;
    }
    whet_engine_destroy(e);
    whet_env_destroy(env);
}

static void limits(void **state) {
    (void)state;
    whet_env *env = NULL;
    whet_engine *e = NULL;
    whet_context *c = open_case("tests/data/loop_flow.onnx", &env, &e);
    float y[3], ys[750];
    int64_t n;
    assert_int_equal(whet_context_set_loop_limit(c, 0), WHET_E_INVALID);
    assert_int_equal(whet_context_set_loop_limit(c, 100), WHET_OK);
    assert_int_equal(run(c, 100, true, y, ys, &n), WHET_OK);
    assert_int_equal(run(c, INT64_MAX, true, y, ys, &n), WHET_E_LIMIT);
    assert_non_null(strstr(whet_error_text(c), "outer: more than 100 iterations"));
    assert_int_equal(whet_context_set_loop_limit(c, INT64_MAX), WHET_OK);
    assert_int_equal(whet_context_set_time_limit(c, -1), WHET_E_INVALID);
    assert_int_equal(whet_context_set_time_limit(c, 0.02), WHET_OK);
    assert_int_equal(run(c, INT64_MAX, true, y, ys, &n), WHET_E_LIMIT);
    assert_non_null(strstr(whet_error_text(c), "seconds"));
    assert_int_equal(whet_context_set_time_limit(c, 0), WHET_OK);
    assert_int_equal(run(c, 2, true, y, ys, &n), WHET_OK);
    close_case(c, e, env);
}

typedef struct {
    int32_t layers, inner, values;
} seen;

static void profile(void *user, const char *layer, const char *kernel, double seconds) {
    seen *s = user;
    assert_non_null(kernel);
    assert_true(seconds >= -1e-3);
    s->layers++;
    s->inner += !strncmp(layer, "outer/body/", 11);
}

static void tap(void *user, const char *value, const whet_tensor *tensor) {
    seen *s = user;
    assert_true(tensor->rank >= 0);
    s->values += !strncmp(value, "outer/body/", 11);
}

static void paths(void **state) {
    (void)state;
    whet_env *env = NULL;
    whet_engine *e = NULL;
    whet_context *c = open_case("tests/data/loop_flow.onnx", &env, &e);
    float y[3], ys[750];
    int64_t n;
    seen s = {0};
    whet_context_set_profiler(c, profile, &s);
    assert_int_equal(run(c, 4, true, y, ys, &n), WHET_OK);
    assert_true(s.inner > 3 && s.layers > s.inner);
    int32_t layers = s.layers;
    assert_int_equal(run(c, 9, true, y, ys, &n), WHET_OK);
    assert_int_equal(s.layers, 2 * layers); // one line a step, whatever the number of iterations
    whet_context_set_profiler(c, NULL, NULL);
    whet_context_set_tap(c, tap, &s);
    assert_int_equal(run(c, 4, true, y, ys, &n), WHET_OK);
    assert_true(s.values >= 4);
    assert_non_null(strstr(whet_engine_inspect(e, false), "outer/body/"));
    assert_non_null(strstr(whet_engine_inspect(e, true), "\"blocks\""));
    close_case(c, e, env);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(repeats_without_allocation),
                                       cmocka_unit_test(lacks_memory),
                                       cmocka_unit_test(limits), cmocka_unit_test(paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

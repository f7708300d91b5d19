// SPDX-License-Identifier: Apache-2.0
// test: labels=threads timeout=600
// The trained networks on two backends: what the mock has no kernel for falls back to the CPU,
// copies
// are planned, results agree with the CPU's alone.
#include "support/test.h"

#include <math.h>
#include <unistd.h>

#include "backend_mock.h"
#include "env/env.h"

static char logged[65536]; // lines of the environment with the mock

static void keep_line(void *user, whet_severity severity, const char *text) {
    (void)user, (void)severity;
    size_t n = strlen(logged);
    snprintf(logged + n, sizeof logged - n, "%s\n", text);
}

static whet_env *make_env(bool mock) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_WARNING};
    if (mock) {
        logged[0] = 0;
        o.log = keep_line;
        o.verbosity = WHET_LOG_VERBOSE;
    }
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    if (mock)
        assert_int_equal(whet_env_register(env, &test_mock_backend, test_mock_kernels, 5), WHET_OK);
    return env;
}

static whet_engine *build(whet_env *env, const char *path) {
    whet_builder *b = NULL;
    whet_config *c = NULL;
    whet_engine *e = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &c), WHET_OK);
    assert_int_equal(whet_config_set(c, "level", "0"), WHET_OK);
    const char *verify = strstr(path, "mobilenet") ? "full" : "auto";
    assert_int_equal(whet_config_set(c, "verify", verify), WHET_OK);
    if (whet_builder_load_onnx(b, path) || whet_builder_build(b, c, &e))
        fail_msg("%s", whet_error_text(b));
    whet_config_destroy(c);
    whet_builder_destroy(b);
    return e;
}

static void run(whet_context *c, int64_t batch, float *logits) {
    float *image = malloc((size_t)batch * 48 * 48 * sizeof *image);
    uint64_t state = 7;
    assert_non_null(image);
    for (int64_t i = 0; i < batch * 48 * 48; i++)
        image[i] = (float)test_random(&state) * 0x1p-31f - 1;
    whet_tensor in = {WHET_DTYPE_F32, 4, {batch, 1, 48, 48}, image,
                      (size_t)batch * 48 * 48 * sizeof *image};
    whet_tensor out = {.data = logits, .bytes = (size_t)batch * 62 * sizeof *logits};
    if (whet_context_run(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
    assert_int_equal(out.dims[0], batch);
    assert_int_equal(out.dims[1], 62);
    free(image);
}

static void same_on_both(const char *path) {
    whet_env *plain = make_env(false), *mock = make_env(true);
    whet_engine *a = build(plain, path), *b = build(mock, path);
    const char *text = whet_engine_inspect(b, true);
    assert_non_null(strstr(text, "\"backend\":\"mock\""));
    assert_non_null(strstr(text, "\"backend\":\"cpu\""));
    assert_non_null(strstr(text, "\"kernel\":\"copy\""));
    whet_context *x = NULL, *y = NULL;
    assert_int_equal(whet_context_create(a, &x), WHET_OK);
    assert_int_equal(whet_context_create(b, &y), WHET_OK);
    int64_t before = test_mock_steps();
    for (int64_t batch = 1; batch <= 3; batch += 2) {
        static float want[3 * 62], got[3 * 62];
        for (int round = 0; round < 2; round++) {
            run(x, batch, want);
            run(y, batch, got);
            for (int64_t i = 0; i < batch * 62; i++) assert_true(fabsf(want[i] - got[i]) < 1e-3f);
        }
    }
    assert_true(test_mock_steps() > before);
    whet_context_destroy(x);
    whet_context_destroy(y);
    whet_engine_destroy(a);
    whet_engine_destroy(b);
    whet_env_destroy(plain);
    whet_env_destroy(mock);
}

static void mobilenet(void **state) {
    (void)state;
    same_on_both("examples/glyphs/glyph_mobilenetv2.onnx");
}

static void resnet(void **state) {
    (void)state;
    same_on_both("tests/data/glyphs/glyph_resnet18.onnx");
}

static void vit(void **state) {
    (void)state;
    same_on_both("tests/data/glyphs/glyph_vit.onnx");
}

static void run_loop(whet_context *c, int64_t m, float *y, float *ys) {
    float x[12], w[16];
    for (int i = 0; i < 12; i++) x[i] = (float)(i % 7) / 3 - 1;
    for (int i = 0; i < 16; i++) w[i] = (float)(i % 3) / 2;
    whet_tensor in[] = {{.dtype = WHET_DTYPE_I64, .data = &m, .bytes = 8},
                        {WHET_DTYPE_F32, 2, {3, 4}, x, sizeof x},
                        {WHET_DTYPE_F32, 2, {4, 4}, w, sizeof w}};
    whet_tensor out[] = {{.data = y, .bytes = 48}, {.data = ys, .bytes = 480}};
    if (whet_context_run(c, in, 3, out, 2)) fail_msg("%s", whet_error_text(c));
    assert_int_equal(out[1].dims[0], m);
}

// Blocks run on both too: their contexts share the streams.
static void loop(void **state) {
    (void)state;
    whet_env *plain = make_env(false), *mock = make_env(true);
    whet_engine *a = build(plain, "tests/data/loop_product.onnx");
    whet_engine *b = build(mock, "tests/data/loop_product.onnx");
    const char *blocks = strstr(whet_engine_inspect(b, true), "\"blocks\"");
    assert_non_null(blocks);
    assert_non_null(strstr(blocks, "\"backend\":\"mock\""));
    whet_context *x = NULL, *y = NULL;
    assert_int_equal(whet_context_create(a, &x), WHET_OK);
    assert_int_equal(whet_context_create(b, &y), WHET_OK);
    for (int64_t m = 4; m >= 0; m -= 2) {
        float want[12], got[12], all[120] = {0}, parts[120] = {0};
        run_loop(x, m, want, all);
        run_loop(y, m, got, parts);
        for (int i = 0; i < 12; i++) assert_true(fabsf(want[i] - got[i]) < 1e-4f);
        for (int i = 0; i < 120; i++) assert_true(fabsf(all[i] - parts[i]) < 1e-4f);
    }
    whet_context_destroy(x);
    whet_context_destroy(y);
    whet_engine_destroy(a);
    whet_engine_destroy(b);
    whet_env_destroy(plain);
    whet_env_destroy(mock);
}

// What the layer's line of the inspector says, up to the next layer.
static bool layer_says(const char *json, const char *layer, const char *text) {
    char key[256];
    snprintf(key, sizeof key, "{\"name\":\"%s\",\"op\"", layer);
    const char *at = strstr(json, key);
    assert_non_null(at);
    const char *end = strstr(at, "expected_ms"), *found = strstr(at, text);
    return found && found < end;
}

// conv and top_k: the mock has a kernel for the one only, so the other falls back, with a copy.
static void says_what_falls_back(void **state) {
    (void)state;
    whet_env *env = make_env(true);
    whet_builder *b = NULL;
    whet_network *net = NULL;
    whet_config *c = NULL;
    whet_engine *e = NULL;
    whet_context *ctx = NULL;
    static const float weights[4] = {1, 2, 3, 4};
    static const int64_t two[1] = {2};
    whet_tensor w = {WHET_DTYPE_F32, 2, {2, 2}, (void *)(uintptr_t)weights, sizeof weights};
    whet_tensor k = {WHET_DTYPE_I64, 1, {1}, (void *)(uintptr_t)two, sizeof two};
    whet_value *in[2], *v = NULL, *top[2];
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_builder_network(b, &net), WHET_OK);
    whet_network_input(net, "x", WHET_DTYPE_F32, 2, (int64_t[]){2, 2}, NULL, &in[0]);
    whet_network_constant(net, "w", &w, true, &in[1]);
    assert_int_equal(whet_network_add(net, "matmul", "product", in, 2, NULL, 0, &v, 1), WHET_OK);
    in[0] = v;
    whet_network_constant(net, "k", &k, true, &in[1]);
    assert_int_equal(whet_network_add(net, "top_k", "largest", in, 2, NULL, 0, top, 2), WHET_OK);
    assert_int_equal(whet_network_mark_output(net, top[0], "y"), WHET_OK);
    whet_config_create(env, &c);
    whet_config_set(c, "level", "0");
    if (whet_builder_build(b, c, &e)) fail_msg("%s", whet_error_text(b));
    assert_non_null(strstr(logged, "largest: backend mock has no kernel for it (top_k)"));
    assert_null(strstr(logged, "product: backend mock has no kernel"));
    assert_non_null(strstr(logged, "1 of 4 steps run on the CPU since backend mock has no kernel "
                                   "for them; 2 copies between memories"));
    const char *json = whet_engine_inspect(e, true);
    assert_true(layer_says(json, "largest", "\"fallback_from\":\"mock\""));
    assert_true(layer_says(json, "largest", "\"backend\":\"cpu\""));
    assert_true(layer_says(json, "product", "\"backend\":\"mock\""));
    assert_false(layer_says(json, "product", "fallback_from"));
    assert_non_null(strstr(whet_engine_inspect(e, false),
                           "largest  (on the CPU: mock has no kernel for it)"));
    assert_int_equal(whet_context_create(e, &ctx), WHET_OK);
    float x[4] = {1, 0, 0, 1}, want[4] = {2, 1, 4, 3};
    whet_tensor xt = {WHET_DTYPE_F32, 2, {2, 2}, x, sizeof x}, y = {0};
    if (whet_context_run(ctx, &xt, 1, &y, 1)) fail_msg("%s", whet_error_text(ctx));
    assert_memory_equal(y.data, want, sizeof want);
    whet_context_destroy(ctx);
    whet_engine_destroy(e);
    whet_config_destroy(c);
    whet_builder_destroy(b);
    whet_env_destroy(env);
}

// An engine planned with the mock still loads where there is none: it is planned anew.
static void loads_without_the_mock(void **state) {
    (void)state;
    whet_env *plain = make_env(false), *mock = make_env(true);
    whet_engine *b = build(mock, "examples/glyphs/glyph_mobilenetv2.onnx"), *a = NULL;
    size_t bytes;
    const void *data = whet_engine_data(b, &bytes);
    assert_int_equal(whet_engine_load_memory(plain, data, bytes, &a), WHET_OK);
    assert_null(strstr(whet_engine_inspect(a, true), "mock"));
    whet_engine_destroy(a);
    whet_engine_destroy(b);
    whet_env_destroy(plain);
    whet_env_destroy(mock);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mobilenet),
        cmocka_unit_test(resnet),
        cmocka_unit_test(vit),
        cmocka_unit_test(loop),
        cmocka_unit_test(says_what_falls_back),
        cmocka_unit_test(loads_without_the_mock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

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

static whet_env *make_env(bool mock) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_WARNING};
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
    assert_int_equal(whet_config_set(c, "verify", "off"), WHET_OK);
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
        cmocka_unit_test(loads_without_the_mock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

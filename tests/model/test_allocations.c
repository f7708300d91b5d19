// SPDX-License-Identifier: Apache-2.0
// A run at a shape already seen, into the caller's outputs, allocates nothing; nor does one that
// comes
// back to an earlier shape.
#include "support/failing_alloc.h"
#include "support/test.h"

#include "env/env.h"

static float image[4 * 48 * 48], logits[4 * 62];

static void run(whet_context *c, int64_t batch) {
    whet_tensor in = {WHET_DTYPE_F32, 4, {batch, 1, 48, 48}, image,
                      (size_t)batch * 48 * 48 * sizeof(float)};
    whet_tensor out = {.data = logits, .bytes = sizeof logits};
    if (whet_context_run(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
}

static void count_allocations(const char *path) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_WARNING};
    whet_env *env = NULL;
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_engine *e = NULL;
    whet_context *c = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_config_set(config, "verify", "off"), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, path), WHET_OK);
    assert_int_equal(whet_builder_build(b, config, &e), WHET_OK);
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    for (int64_t batch = 1; batch <= 4; batch++) run(c, batch);
    test_alloc_count();
    for (int round = 0; round < 5; round++)
        for (int64_t batch = 1; batch <= 4; batch++) run(c, batch);
    assert_int_equal(test_alloc_counted(), 0);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_config_destroy(config);
    whet_builder_destroy(b);
    whet_env_destroy(env);
}

static void mobilenet(void **state) {
    (void)state;
    count_allocations("examples/glyphs/glyph_mobilenetv2.onnx");
}

static void vit(void **state) {
    (void)state;
    count_allocations("tests/data/glyphs/glyph_vit.onnx");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mobilenet), cmocka_unit_test(vit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

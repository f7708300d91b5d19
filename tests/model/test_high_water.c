// SPDX-License-Identifier: Apache-2.0
// The arena of a context grows only when a shape needs more than all before it; a signature that
// was seen is not planned again, neither by a query nor by a run.
#include "support/failing_alloc.h"
#include "support/test.h"

#include "env/env.h"

static float image[8 * 48 * 48], logits[8 * 62];
static whet_env *env;

static whet_engine *build(void) {
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_engine *e = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_config_set(config, "verify", "off"), WHET_OK);
    if (whet_builder_load_onnx(b, "examples/glyphs/glyph_mobilenetv2.onnx") ||
        whet_builder_build(b, config, &e))
        fail_msg("%s", whet_error_text(b));
    whet_config_destroy(config);
    whet_builder_destroy(b);
    return e;
}

static whet_tensor images(int64_t batch) {
    return (whet_tensor){WHET_DTYPE_F32, 4, {batch, 1, 48, 48}, image,
                         (size_t)batch * 48 * 48 * sizeof(float)};
}

static size_t run(whet_context *c, int64_t batch) {
    whet_tensor in = images(batch), out = {.data = logits, .bytes = sizeof logits};
    if (whet_context_run(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
    assert_int_equal(out.dims[0], batch);
    return whet_context_arena_bytes(c);
}

// Allocations of a query of output shapes, which plans.
static int64_t query(whet_context *c, int64_t batch) {
    whet_tensor in = images(batch), out = {0};
    in.data = NULL;
    test_alloc_count();
    if (whet_context_infer(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
    int64_t count = test_alloc_counted();
    assert_int_equal(out.dims[0], batch);
    return count;
}

static void arena_grows_past_its_high_water_mark(void **state) {
    whet_context *c = NULL;
    static const int64_t batches[] = {3, 1, 2, 3, 5, 4, 1, 5, 8, 2, 6, 8, 7, 1};
    int64_t most = 0;
    size_t arena = 0;
    assert_int_equal(whet_context_create(*state, &c), WHET_OK);
    for (size_t i = 0; i < sizeof batches / sizeof *batches; i++) {
        size_t now = run(c, batches[i]);
        if (batches[i] > most) assert_true(now > arena);
        else assert_int_equal(now, arena);
        if (batches[i] > most) most = batches[i];
        arena = now;
    }
    whet_context_destroy(c);
    assert_int_equal(whet_context_create(*state, &c), WHET_OK);
    assert_int_equal(run(c, most), arena); // what came before does not matter
    whet_context_destroy(c);
}

static void repeated_signatures_are_not_planned(void **state) {
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(*state, &c), WHET_OK);
    for (int64_t batch = 8; batch >= 5; batch--) assert_true(query(c, batch) > 0);
    for (int64_t batch = 5; batch <= 8; batch++) assert_int_equal(query(c, batch), 0);
    for (int64_t batch = 5; batch <= 8; batch++) run(c, batch); // scratch memory
    test_alloc_count();
    for (int64_t batch = 8; batch >= 5; batch--) run(c, batch);
    assert_int_equal(test_alloc_counted(), 0);
    assert_true(query(c, 1) > 0);
    test_alloc_end();
    whet_context_destroy(c);
}

static int open_engine(void **state) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_WARNING};
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    *state = build();
    return 0;
}

static int close_engine(void **state) {
    whet_engine_destroy(*state);
    whet_env_destroy(env);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_grows_past_its_high_water_mark),
        cmocka_unit_test(repeated_signatures_are_not_planned),
    };
    return cmocka_run_group_tests(tests, open_engine, close_engine);
}

// SPDX-License-Identifier: Apache-2.0
// A run at a shape already seen, into the caller's outputs, allocates nothing, locks nothing and
// logs nothing; nor does one that comes back to an earlier shape, also in two streams at once.
#include "support/failing_alloc.h"
#include "support/failing_threads.h"
#include "support/test.h"

#include "env/env.h"

#include <pthread.h>
#include <stdatomic.h>

#define RUNS 5

static float image[4 * 48 * 48];
static _Atomic(int32_t) logged;

static void count_lines(void *user, whet_severity severity, const char *text) {
    (void)user, (void)severity, (void)text;
    atomic_fetch_add(&logged, 1);
}

static bool run(whet_context *c, int64_t batch) {
    float logits[4 * 62];
    whet_tensor in = {WHET_DTYPE_F32, 4, {batch, 1, 48, 48}, image,
                      (size_t)batch * 48 * 48 * sizeof(float)};
    whet_tensor out = {.data = logits, .bytes = sizeof logits};
    return whet_context_run(c, &in, 1, &out, 1) == WHET_OK;
}

static void *run_again(void *context) {
    for (int round = 0; round < RUNS; round++)
        for (int64_t batch = 1; batch <= 4; batch++)
            if (!run(context, batch)) return context;
    return NULL;
}

static void warm(whet_context *c) {
    for (int64_t batch = 1; batch <= 4; batch++)
        if (!run(c, batch)) fail_msg("%s", whet_error_text(c));
}

static void refuse_all(whet_context *const contexts[2]) {
    pthread_t other;
    void *bad = NULL;
    int64_t locks = test_mutex_locks();
    int32_t lines = atomic_load(&logged);
    assert_int_equal(pthread_create(&other, NULL, run_again, contexts[1]), 0);
    test_alloc_fail_from(0);
    void *mine = run_again(contexts[0]);
    pthread_join(other, &bad);
    assert_false(test_alloc_end());
    assert_null(mine);
    assert_null(bad);
    assert_int_equal(test_mutex_locks(), locks);
    assert_int_equal(atomic_load(&logged), lines);
}

static void count_allocations(const char *path) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .log = count_lines,
                          .verbosity = WHET_LOG_VERBOSE};
    whet_env *env = NULL;
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_engine *e = NULL;
    whet_context *c[2] = {NULL};
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_config_set(config, "verify", "off"), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, path), WHET_OK);
    assert_int_equal(whet_builder_build(b, config, &e), WHET_OK);
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(whet_context_create(e, &c[i]), WHET_OK);
        warm(c[i]);
    }
    test_alloc_count();
    assert_null(run_again(c[0]));
    assert_int_equal(test_alloc_counted(), 0);
    refuse_all(c); // contexts that take what workers are free
    for (int32_t i = 0; i < 2; i++) {
        assert_int_equal(whet_context_set_stream(c[i], i, 2), WHET_OK);
        warm(c[i]);
    }
    refuse_all(c); // each with its share
    assert_int_equal(whet_context_set_stream(c[0], 2, 2), WHET_E_RANGE);
    assert_int_equal(whet_context_set_stream(c[0], 0, 0), WHET_E_RANGE);
    assert_int_equal(whet_context_pin_thread(c[0]), WHET_E_UNSUPPORTED);
    for (int32_t i = 0; i < 2; i++) whet_context_destroy(c[i]);
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

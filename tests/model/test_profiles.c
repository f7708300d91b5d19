// SPDX-License-Identifier: Apache-2.0
// test: timeout=300
// Profiles: plans of their own, chosen by shape, right outside of them, kept in the file.
#include "support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <whet/whet.h>

#define MODEL "examples/glyphs/glyph_mobilenetv2.onnx"
#define IMAGE (48 * 48)

static int32_t warnings;

static void count_warnings(void *user, whet_severity severity, const char *text) {
    (void)user;
    if (severity <= WHET_LOG_WARNING && strstr(text, "not tuned for this shape")) warnings++;
}

static whet_env *make_env(void) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_WARNING,
                          .log = count_warnings};
    whet_env *env = NULL;
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    return env;
}

static void add(whet_config *c, int64_t min, int64_t opt, int64_t max) {
    whet_profile *p = NULL;
    assert_int_equal(whet_profile_create(NULL, &p), WHET_OK);
    assert_int_equal(whet_profile_set_shape(p, "image", 4, (int64_t[]){min, 1, 48, 48},
                                            (int64_t[]){opt, 1, 48, 48},
                                            (int64_t[]){max, 1, 48, 48}), WHET_OK);
    assert_int_equal(whet_config_add_profile(c, p), WHET_OK);
    whet_profile_destroy(p);
}

static whet_config *make_config(whet_env *env) {
    whet_config *c = NULL;
    assert_int_equal(whet_config_create(env, &c), WHET_OK);
    assert_int_equal(whet_config_set(c, "level", "0"), WHET_OK);
    return c;
}

static whet_engine *build(whet_env *env, whet_config *c) {
    whet_builder *b = NULL;
    whet_engine *e = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    if (whet_builder_load_onnx(b, MODEL) || whet_builder_build(b, c, &e))
        fail_msg("%s", whet_error_text(b));
    whet_builder_destroy(b);
    return e;
}

static const float *run(whet_context *c, const float *images, int64_t batch) {
    whet_tensor in = {WHET_DTYPE_F32, 4, {batch, 1, 48, 48}, (void *)images,
                      (size_t)batch * IMAGE * sizeof(float)};
    whet_tensor out = {0};
    if (whet_context_run(c, &in, 1, &out, 1)) fail_msg("%s", whet_error_text(c));
    assert_int_equal(out.dims[0], batch);
    return out.data;
}

static float *make_images(int64_t batch) {
    float *v = malloc((size_t)batch * IMAGE * sizeof *v);
    uint32_t state = 7;
    for (int64_t i = 0; i < batch * IMAGE; i++) {
        state = state * 1664525u + 1013904223u;
        v[i] = (float)(int32_t)state * 0x1p-31f;
    }
    return v;
}

static void check_run(whet_context *c, whet_context *plain, const float *images, int64_t batch,
                      int32_t profile, bool tuned) {
    const float *a = run(c, images, batch), *b = run(plain, images, batch);
    float largest = 0, error = 0;
    for (int64_t i = 0; i < batch * 10; i++) {
        largest = fmaxf(largest, fabsf(b[i]));
        error = fmaxf(error, fabsf(a[i] - b[i]));
    }
    assert_true(error <= 1e-4f * largest);
    bool is_tuned;
    assert_int_equal(whet_context_profile(c, &is_tuned), profile);
    assert_int_equal(is_tuned, tuned);
}

static void check_engine(whet_engine *e, whet_engine *plain) {
    int64_t min[4], opt[4], max[4];
    float *images = make_images(80);
    whet_context *c = NULL, *p = NULL;
    assert_int_equal(whet_engine_profile_count(e), 2);
    assert_int_equal(whet_engine_profile_shape(e, 1, 0, min, opt, max), WHET_OK);
    assert_true(min[0] == 8 && opt[0] == 16 && max[0] == 64 && opt[3] == 48);
    assert_int_equal(whet_engine_profile_shape(e, 2, 0, min, opt, max), WHET_E_RANGE);
    assert_int_equal(whet_engine_profile_value_count(e, 0, 0), 0);
    assert_non_null(strstr(whet_engine_inspect(e, false), "profile 1: image 8x1x48x48..16x"));
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    assert_int_equal(whet_context_create(plain, &p), WHET_OK);
    assert_int_equal(whet_context_profile(c, NULL), -1);
    warnings = 0;
    check_run(c, p, images, 1, 0, true);
    check_run(c, p, images, 20, 1, true);
    check_run(c, p, images, 3, 0, true);
    assert_int_equal(warnings, 0);
    check_run(c, p, images, 7, 1, false); // between the two, nearer to the second
    check_run(c, p, images, 80, 1, false);
    assert_int_equal(warnings, 1); // said once
    assert_int_equal(whet_context_set_profile(c, 2), WHET_E_RANGE);
    assert_int_equal(whet_context_set_profile(c, 0), WHET_OK);
    check_run(c, p, images, 20, 0, false);
    assert_int_equal(whet_context_set_profile(c, -1), WHET_OK);
    check_run(c, p, images, 20, 1, true);
    whet_context_destroy(p);
    whet_context_destroy(c);
    free(images);
}

static void test_plans_are_chosen_by_shape(void **state) {
    (void)state;
    whet_env *env = make_env();
    whet_config *c = make_config(env);
    whet_engine *plain = build(env, c), *loaded = NULL, *tuned = NULL;
    add(c, 1, 1, 4);
    add(c, 8, 16, 64);
    whet_engine *e = build(env, c);
    check_engine(e, plain);
    size_t alone, both;
    const void *data = whet_engine_data(e, &both);
    whet_engine_data(plain, &alone);
    assert_true(both < alone + alone / 2); // most packed weights are shared
    assert_int_equal(whet_engine_load_memory(env, data, both, &loaded), WHET_OK);
    check_engine(loaded, plain);
    whet_config_destroy(c);
    c = make_config(env);
    if (whet_engine_tune(loaded, c, &tuned)) fail_msg("%s", whet_error_text(loaded));
    check_engine(tuned, plain);
    add(c, 1, 1, 1);
    assert_int_equal(whet_engine_tune(loaded, c, &tuned), WHET_E_UNSUPPORTED);
    whet_engine_destroy(tuned);
    whet_engine_destroy(loaded);
    whet_engine_destroy(e);
    whet_engine_destroy(plain);
    whet_config_destroy(c);
    whet_env_destroy(env);
}

static void check_refused(whet_env *env, const char *input, int32_t rank, const int64_t *min,
                          const int64_t *opt, const int64_t *max, const char *text) {
    whet_config *c = make_config(env);
    whet_profile *p = NULL;
    whet_builder *b = NULL;
    whet_engine *e = NULL;
    assert_int_equal(whet_profile_create(env, &p), WHET_OK);
    assert_int_equal(whet_profile_set_shape(p, input, rank, min, opt, max), WHET_OK);
    assert_int_equal(whet_config_add_profile(c, p), WHET_OK);
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, MODEL), WHET_OK);
    assert_true(whet_builder_build(b, c, &e) != WHET_OK);
    assert_non_null(strstr(whet_error_text(b), text));
    whet_builder_destroy(b);
    whet_profile_destroy(p);
    whet_config_destroy(c);
}

static void test_profiles_that_do_not_fit_are_refused(void **state) {
    (void)state;
    whet_env *env = make_env();
    whet_profile *p = NULL;
    const int64_t a[] = {1, 1, 48, 48}, b[] = {2, 1, 48, 48}, wide[] = {1, 1, 50, 50};
    check_refused(env, "picture", 4, a, a, b, "no input \"picture\"");
    check_refused(env, "image", 3, a, a, b, "has 4 dimensions, 3 given");
    check_refused(env, "image", 4, wide, wide, wide, "dimension 2 is 48 in the model");
    assert_int_equal(whet_profile_create(env, &p), WHET_OK);
    assert_int_equal(whet_profile_set_shape(p, "image", 4, b, a, a), WHET_E_INVALID);
    assert_int_equal(whet_profile_set_shape(p, "image", 13, a, a, a), WHET_E_INVALID);
    assert_int_equal(whet_profile_set_shape(p, NULL, 4, a, a, a), WHET_E_INVALID);
    assert_int_equal(whet_profile_set_shape(NULL, "image", 4, a, a, a), WHET_E_INVALID);
    assert_int_equal(whet_profile_set_values(p, "image", 2000, NULL, NULL, NULL), WHET_E_INVALID);
    whet_profile_destroy(p);
    whet_env_destroy(env);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans_are_chosen_by_shape),
        cmocka_unit_test(test_profiles_that_do_not_fit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Calibration: histograms, ranges, caches, and what a small network becomes.
#include "support/temp_folder.h"
#include "support/test.h"

#include <math.h>

#include <whet/calibration.h>

#include "build/calib.h"

// ---- histograms ----

static double normal(uint64_t *state) {
    double sum = 0;
    for (int i = 0; i < 12; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 11) * 0x1p-53;
    }
    return sum - 6;
}

static void counts_do_not_depend_on_the_order(void **state) {
    (void)state;
    enum { N = 4000 };
    float x[N];
    uint64_t seed = 7;
    for (int i = 0; i < N; i++) x[i] = i % 5 ? (float)(normal(&seed) * exp(normal(&seed))) : 0;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_calib_stats a, b;
    assert_true(whet_calib_stats_init(&a, &arena) && whet_calib_stats_init(&b, &arena));
    whet_calib_stats_add(&a, x, N);
    for (int i = N; i-- > 0;) whet_calib_stats_add(&b, x + i, 1);
    assert_true(a.width == b.width && a.min == b.min && a.max == b.max);
    assert_int_equal(a.zeros, N / 5);
    assert_int_equal(a.n, N);
    assert_memory_equal(a.bins, b.bins, sizeof *a.bins * WHET_CALIB_BINS);
    uint64_t sum = 0;
    for (int i = 0; i < WHET_CALIB_BINS; i++) sum += a.bins[i];
    assert_int_equal(sum, N - N / 5);
    whet_arena_fini(&arena);
}

static void edges_of_floats_are_counted(void **state) {
    (void)state;
    float x[] = {3.4e38f, -3.4e38f, 1e-40f, -1e-40f, INFINITY, NAN, 0, -0.0f};
    whet_arena arena;
    whet_arena_init(&arena);
    whet_calib_stats s;
    assert_true(whet_calib_stats_init(&s, &arena));
    whet_calib_stats_add(&s, x + 2, 1); // a denormal decides the first width
    whet_calib_stats_add(&s, x, 8);
    assert_int_equal(s.bad, 2);
    assert_int_equal(s.zeros, 2);
    assert_int_equal(s.n, 9);
    uint64_t sum = 0;
    for (int i = 0; i < WHET_CALIB_BINS; i++) sum += s.bins[i];
    assert_int_equal(sum, 5);
    whet_arena_fini(&arena);
}

// ---- ranges ----

static whet_calib_range range_of(whet_calib_method method, bool symmetric, bool cut) {
    enum { N = 20000 };
    static float x[N];
    uint64_t seed = 3;
    for (int i = 0; i < N; i++) {
        double v = normal(&seed) + 0.5;
        x[i] = cut && v < 0 ? 0 : (float)v;
    }
    x[17] = 100; // one far out
    whet_arena arena;
    whet_arena_init(&arena);
    whet_calib_stats s;
    assert_true(whet_calib_stats_init(&s, &arena));
    whet_calib_stats_add(&s, x, N);
    whet_calib_range r = whet_calib_range_find(&s, method, 99.9, symmetric);
    whet_arena_fini(&arena);
    return r;
}

static void methods_cut_off_what_is_far_out(void **state) {
    (void)state;
    assert_true(range_of(WHET_CALIB_MINMAX, false, false).high == 100);
    static const whet_calib_method others[] = {WHET_CALIB_ENTROPY, WHET_CALIB_PERCENTILE,
                                               WHET_CALIB_LEGACY};
    for (size_t i = 0; i < COUNT(others); i++) {
        whet_calib_range r = range_of(others[i], false, false);
        assert_true(r.high > 1.5f && r.high < 6 && r.low < -1 && r.low > -6);
        r = range_of(others[i], true, false);
        assert_true(r.low == -r.high);
        r = range_of(others[i], true, true);
        assert_true(r.low == 0 && r.high > 1.5f && r.high < 10);
    }
    // its square costs more than coarser steps for all others, but not than half its distance
    whet_calib_range r = range_of(WHET_CALIB_MSE, false, false);
    assert_true(r.high > 6 && r.high < 100 && r.low < -2);
}

static void nothing_but_zeros_has_an_empty_range(void **state) {
    (void)state;
    float zeros[3] = {0};
    whet_arena arena;
    whet_arena_init(&arena);
    whet_calib_stats s;
    assert_true(whet_calib_stats_init(&s, &arena));
    whet_calib_stats_add(&s, zeros, 3);
    for (int m = WHET_CALIB_MSE; m <= WHET_CALIB_LEGACY; m++) {
        whet_calib_range r = whet_calib_range_find(&s, (whet_calib_method)m, 99, m & 1);
        assert_true(r.low == 0 && r.high == 0);
    }
    whet_arena_fini(&arena);
}

// ---- caches ----

static whet_status parse(whet_calib_cache *c, const char *text) {
    whet_error err = {0};
    whet_calib_cache_init(c);
    return whet_calib_cache_parse(c, text, strlen(text), &err);
}

static void reads_what_tensorrt_writes(void **state) {
    (void)state;
    whet_calib_cache c;
    assert_int_equal(parse(&c, "TRT-8601-EntropyCalibration2\ninput: 3c010a14\r\n"
                               "a:0: 3f800000\n(Unnamed Layer* 1): 40000000\n\n"), WHET_OK);
    assert_int_equal(c.n, 3);
    assert_true(whet_calib_cache_find(&c, "a:0")->scale == 1);
    assert_true(whet_calib_cache_find(&c, "(Unnamed Layer* 1)")->scale == 2);
    assert_true(fabsf(whet_calib_cache_find(&c, "input")->scale - 1.0f / 127) < 1e-5f);
    assert_false(whet_calib_cache_find(&c, "input")->bounded);
    assert_null(whet_calib_cache_find(&c, "inpu"));
    assert_null(whet_calib_cache_find(&c, "input2"));
    whet_calib_cache_fini(&c);
}

static void refuses_other_texts(void **state) {
    (void)state;
    static const char *const texts[] = {
        "TRT-1\nx 3f800000\n",   "TRT-1\nx: \n",          "TRT-1\nx: 3f80000g\n",
        "TRT-1\n: 3f800000\n",   "TRT-1\nx: 7f800000\n",  "TRT-1\nx: bf800000\n",
        "TRT-1\nx: 3f8000001\n", "TRT-1\nx (low): 3f800000\n", "TRT-1\nx (high): bf800000\n"};
    whet_calib_cache c;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(parse(&c, texts[i]), WHET_E_PARSE);
        whet_calib_cache_fini(&c);
    }
    assert_int_equal(parse(&c, "x: 3f800000\n"), WHET_E_VERSION);
    whet_calib_cache_fini(&c);
    assert_int_equal(parse(&c, ""), WHET_E_VERSION);
    whet_calib_cache_fini(&c);
}

static void writes_what_it_reads(void **state) {
    (void)state;
    whet_calib_cache c, again;
    whet_str s;
    whet_error err = {0};
    whet_calib_cache_init(&c);
    whet_calib_cache_init(&again);
    whet_str_init(&s);
    assert_true(whet_calib_cache_put(&c, "b", &(whet_calib_range){-2, 2}));
    assert_true(whet_calib_cache_put(&c, "a", &(whet_calib_range){0, 6}));
    assert_true(whet_calib_cache_put(&c, "c", &(whet_calib_range){-3, 0.5f}));
    whet_calib_cache_print(&c, WHET_CALIB_MINMAX, &s);
    assert_string_equal(whet_str_text(&s),
                        "TRT-8601-MinMaxCalibration\n"
                        "a: 3d418306\na (low): 00000000\na (high): 40c00000\n"
                        "b: 3c810204\n"
                        "c: 3cc18306\nc (low): c0400000\nc (high): 3f000000\n");
    assert_int_equal(whet_calib_cache_parse(&again, s.text, s.len, &err), WHET_OK);
    assert_int_equal(again.n, 3);
    assert_true(whet_calib_cache_find(&again, "c")->low == -3);
    assert_true(whet_calib_cache_find(&again, "c")->high == 0.5f);
    assert_false(whet_calib_cache_find(&again, "b")->bounded);
    whet_str_fini(&s);
    whet_calib_cache_fini(&c);
    whet_calib_cache_fini(&again);
}

// ---- builds ----

#define MODEL "tests/data/glyphs/glyph_resnet18.onnx"

typedef struct {
    float x[2 * 48 * 48];
    int left, calls, answer;
} feeder;

static int32_t feed(void *user, const char *const *names, whet_tensor *inputs, int32_t n) {
    feeder *f = user;
    f->calls++;
    if (n != 1 || strcmp(names[0], "image")) return -1;
    if (f->answer) return f->answer;
    if (!f->left--) return 0;
    uint64_t seed = (uint64_t)f->left;
    for (size_t i = 0; i < COUNT(f->x); i++) f->x[i] = (float)normal(&seed);
    inputs[0] = (whet_tensor){WHET_DTYPE_F32, 4, {2, 1, 48, 48}, f->x, sizeof f->x};
    return 1;
}

static whet_status build(const char *const *set, int n, feeder *f, whet_engine **engine,
                         char *text) {
    whet_builder *b = NULL;
    whet_config *c = NULL;
    assert_int_equal(whet_builder_create(NULL, &b), WHET_OK);
    assert_int_equal(whet_config_create(NULL, &c), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, MODEL), WHET_OK);
    assert_int_equal(whet_config_set(c, "level", "0"), WHET_OK);
    assert_int_equal(whet_config_set(c, "int8", "true"), WHET_OK);
    for (int i = 0; i + 1 < n; i += 2) assert_int_equal(whet_config_set(c, set[i], set[i + 1]), 0);
    if (f) assert_int_equal(whet_config_set_calibration(c, feed, f), WHET_OK);
    *engine = NULL;
    whet_status status = whet_builder_build(b, c, engine);
    snprintf(text, 512, "%s", whet_error_text(b));
    whet_config_destroy(c);
    whet_builder_destroy(b);
    return status;
}

static void a_cache_alone_gives_the_same_engine(void **state) {
    (void)state;
    (void)state;
    char text[512];
    whet_engine *a, *b;
    size_t size_a, size_b;
    temp_folder t;
    temp_create(&t);
    const char *cache = temp_path(&t, "cache");
    const char *set[] = {"calib", cache, "deterministic", "true", "no-bias-correction", "true"};
    feeder f = {.left = 2};
    whet_status status = build(set, 6, &f, &a, text);
    if (status) print_error("%s\n", text);
    assert_int_equal(status, WHET_OK);
    assert_int_equal(f.calls, 3);
    assert_int_equal(build(set, 6, NULL, &b, text), WHET_OK);
    const void *data_a = whet_engine_data(a, &size_a), *data_b = whet_engine_data(b, &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(data_a, data_b, size_a);
    assert_non_null(strstr(whet_engine_inspect(a, true), "quant_conv"));
    whet_engine_destroy(a);
    whet_engine_destroy(b);
    temp_remove(&t);
}

static void mistakes_are_told(void **state) {
    (void)state;
    char text[512];
    whet_engine *e;
    assert_int_equal(build(NULL, 0, NULL, &e, text), WHET_E_INVALID);
    assert_non_null(strstr(text, "calibration"));
    feeder cancels = {.answer = -1}, empty = {.left = 0};
    assert_int_equal(build(NULL, 0, &cancels, &e, text), WHET_E_CANCELLED);
    assert_int_equal(build(NULL, 0, &empty, &e, text), WHET_E_INVALID);
    assert_non_null(strstr(text, "not one whole batch"));
    const char *missing[] = {"calib", "no/such/file"};
    assert_int_equal(build(missing, 2, NULL, &e, text), WHET_E_INVALID);
    const char *wrong[] = {"calibration", "tests/data/glyphs/glyph_test.npz"};
    assert_int_equal(build(wrong, 2, NULL, &e, text), WHET_E_DTYPE);
    const char *folder[] = {"calibration", "tests/unit"};
    assert_int_equal(build(folder, 2, NULL, &e, text), WHET_E_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_do_not_depend_on_the_order),
        cmocka_unit_test(edges_of_floats_are_counted),
        cmocka_unit_test(methods_cut_off_what_is_far_out),
        cmocka_unit_test(nothing_but_zeros_has_an_empty_range),
        cmocka_unit_test(reads_what_tensorrt_writes),
        cmocka_unit_test(refuses_other_texts),
        cmocka_unit_test(writes_what_it_reads),
        cmocka_unit_test(a_cache_alone_gives_the_same_engine),
        cmocka_unit_test(mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Prices come from the cache, else from a measurement, else (time is up) from the cost model.
#include "support/test.h"

#include "base/bench.h"
#include "build/tuner.h"

typedef struct {
    whet_env *env;
    whet_timing_cache *cache;
    whet_tuner *tuner;
    whet_port in, out;
    whet_problem problem;
    const whet_kernel *kernel;
} fixture;

static void open_fixture(fixture *f, bool measure) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_ERROR};
    whet_error err;
    *f = (fixture){0};
    assert_int_equal(whet_env_create(&o, &f->env), WHET_OK);
    assert_int_equal(whet_timing_cache_load(f->env, NULL, &f->cache), WHET_OK);
    assert_int_equal(whet_tuner_create(f->env, f->cache, 2, measure, &f->tuner, &err), WHET_OK);
    f->in = (whet_port){.dtype = WHET_DTYPE_F32, .rank = 4, .dims = {1, 64, 28, 28}};
    f->out = f->in;
    f->out.layout = WHET_LAYOUT_C16;
    f->problem = (whet_problem){.op = "reorder", .n_in = 1, .n_out = 1, .in = &f->in,
                                .out = &f->out, .threads = 2, .cpu = f->env->cpu};
    const whet_kernel_table *t = whet_env_kernels(f->env);
    for (int32_t i = 0; i < t->n && !f->kernel; i++)
        if (!strcmp(t->kernels[i]->op, "reorder") && whet_env_can_run(f->env, t->kernels[i]) &&
            t->kernels[i]->accepts(&f->problem))
            f->kernel = t->kernels[i];
    assert_non_null(f->kernel);
}

static void close_fixture(fixture *f) {
    whet_tuner_destroy(f->tuner);
    whet_timing_cache_destroy(f->cache);
    whet_env_destroy(f->env);
}

static double price(fixture *f, int64_t channels, double best) {
    static const int32_t params[WHET_MAX_PARAMS];
    f->in.dims[1] = f->out.dims[1] = channels;
    return whet_tuner_price(f->tuner, &f->problem, f->kernel, params, best);
}

static void measures_once(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, true);
    double first = price(&f, 64, -1);
    assert_true(first > 0);
    assert_int_equal(whet_tuner_measured(f.tuner), 1);
    assert_true(price(&f, 64, -1) == first);
    assert_int_equal(whet_tuner_measured(f.tuner), 1);
    assert_true(price(&f, 256, 1e-12) > 0); // hopeless: a few calls only
    assert_int_equal(whet_tuner_measured(f.tuner), 2);
    close_fixture(&f);
}

static void stops_at_the_deadline(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, true);
    double first = price(&f, 64, -1);
    double model = whet_kernel_cost(f.kernel, &f.problem, (int32_t[WHET_MAX_PARAMS]){0});
    whet_tuner_set_deadline(f.tuner, whet_now() - 1);
    whet_tuner_share(f.tuner, 3);
    double second = price(&f, 128, -1);
    assert_int_equal(whet_tuner_measured(f.tuner), 1);
    assert_int_equal(whet_tuner_skipped(f.tuner), 1);
    double scaled = whet_kernel_cost(f.kernel, &f.problem, (int32_t[WHET_MAX_PARAMS]){0}) * first /
                    model;
    assert_true(second > 0.999 * scaled && second < 1.001 * scaled);
    assert_true(price(&f, 64, -1) == first); // known
    close_fixture(&f);
}

static void measures_nothing_when_told(void **state) {
    (void)state;
    fixture f;
    open_fixture(&f, false);
    assert_true(price(&f, 64, -1) > 0);
    assert_int_equal(whet_tuner_measured(f.tuner), 0);
    assert_int_equal(whet_tuner_skipped(f.tuner), 0);
    close_fixture(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_once),
        cmocka_unit_test(stops_at_the_deadline),
        cmocka_unit_test(measures_nothing_when_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

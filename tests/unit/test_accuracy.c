// SPDX-License-Identifier: Apache-2.0
// Budgets of accuracy: what they mean, and what so many samples can tell.
#include "support/test.h"

#include <math.h>

#include "build/accuracy.h"

static void budgets_are_read(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool metric;
        whet_budget_kind kind;
        double limit;
    } good[] = {
        {"0.1%", false, WHET_BUDGET_TOP1, 0.001},
        {"top1:2%", false, WHET_BUDGET_TOP1, 0.02},
        {"0%", false, WHET_BUDGET_TOP1, 0},
        {"cosine:0.999", false, WHET_BUDGET_COSINE, 0.999},
        {"snr:30dB", false, WHET_BUDGET_SNR, 30},
        {"snr:30", false, WHET_BUDGET_SNR, 30},
        {"kl:1e-3", false, WHET_BUDGET_KL, 1e-3},
        {"0.5%", true, WHET_BUDGET_PART, 0.005},
        {"drop:0.002", true, WHET_BUDGET_DROP, 0.002},
        {"drop:1%", true, WHET_BUDGET_PART, 0.01},
        {"least:-2", true, WHET_BUDGET_LEAST, -2},
    };
    static const char *const bad[] = {"",       "%",       "0.1",     "-1%",    "101%", "snr:30%",
                                      "kl:-1",  "snr:",    "cosine:2", "top1:1", "nan%", "30dB",
                                      "snr:3 dB", "drop:1", "least:0", "0.1%%"};
    whet_budget b;
    whet_error err;
    for (int32_t i = 0; i < WHET_COUNT(good); i++) {
        assert_int_equal(whet_budget_parse(good[i].text, good[i].metric, &b, &err), WHET_OK);
        assert_int_equal(b.kind, good[i].kind);
        assert_true(fabs(b.limit - good[i].limit) < 1e-12);
    }
    for (int32_t i = 0; i < WHET_COUNT(bad); i++)
        assert_int_equal(whet_budget_parse(bad[i], false, &b, &err), WHET_E_INVALID);
    assert_int_equal(whet_budget_parse("snr:30dB", true, &b, &err), WHET_E_INVALID);
}

static bool near(double a, double b) { return fabs(a - b) < 1e-4; }

static void intervals_are_those_of_the_books(void **state) {
    (void)state;
    double low, high;
    whet_interval_wilson(10, 100, &low, &high);
    assert_true(near(low, 0.0552) && near(high, 0.1744));
    whet_interval_wilson(0, 512, &low, &high);
    assert_true(low == 0 && near(high, 0.00745));
    whet_interval_wilson(7, 7, &low, &high);
    assert_true(near(low, 0.6457) && high == 1);
    whet_interval_paired(15, 5, 100, &low, &high); // (b - c) / (n + 2) and its deviation
    assert_true(near((low + high) / 2, 10. / 102) && near(high - low, 0.1720));
    whet_interval_paired(0, 0, 0, &low, &high);
    assert_true(low == -1 && high == 1);
}

static void margins_tell_changes(void **state) {
    (void)state;
    enum { N = 10000 };
    static double v[N];
    for (int32_t i = 0; i < N; i++) v[i] = (i + 0.5) / N; // evenly from 0 to 1
    whet_margins m = {v, N, N};
    // half of the mean magnitude of what moves
    assert_true(fabs(whet_margins_expect(&m, 0.02) / (0.02 * 0.39894) - 1) < 0.01);
    whet_margins few = {v + 50, 100, 100}; // 0.005 to 0.015: none is that small
    assert_true(whet_margins_expect(&few, 1e-4) > 5e-4);
    assert_true(whet_margins_expect(&m, 0) == 0);
    // by what to divide the noise
    whet_budget b = {WHET_BUDGET_TOP1, 0.0001};
    whet_figures f = {.decisions = N, .sigma = 0.02, .expected = whet_margins_expect(&m, 0.02)};
    double room = whet_budget_room(&b, &f, &m);
    assert_true(!whet_budget_holds(&b, &f) && room < 1);
    assert_true(whet_margins_expect(&m, 0.02 * sqrt(room)) <= b.limit * 1.001);
    b.limit = 0.01; // can be counted
    assert_true(!whet_budget_is_fine(&b, &f) && whet_budget_holds(&b, &f));
    f.changed = 101;
    assert_false(whet_budget_holds(&b, &f));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budgets_are_read),
        cmocka_unit_test(intervals_are_those_of_the_books),
        cmocka_unit_test(margins_tell_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Dimension expressions: normal form, divisions, bounds, text form, values.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "shape/dim.h"

static whet_dims *pool;
static whet_dim h, w, n;

static int setup(void **state) {
    (void)state;
    pool = whet_dims_create();
    assert_non_null(pool);
    h = whet_dim_named(pool, "h");
    w = whet_dim_named(pool, "w");
    n = whet_dim_named(pool, "n");
    return 0;
}
static int teardown(void **state) {
    (void)state;
    whet_dims_destroy(pool);
    return 0;
}

static whet_dim parse(const char *text) {
    whet_error err;
    whet_dim d = WHET_DIM_ERROR;
    const char *at = text;
    whet_status status = whet_dim_parse(pool, &at, &d, &err);
    if (status) fail_msg("%s", err.text);
    assert_string_equal(at, "");
    return d;
}

static void expect(whet_dim d, const char *text) {
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(pool, d, &s);
    assert_string_equal(whet_str_text(&s), text);
    if (!whet_dim_is_error(d)) assert_true(parse(text) == d);
    whet_str_fini(&s);
}

static void test_constants(void **state) {
    (void)state;
    assert_int_equal(whet_dim_add(NULL, 2, 3), 5);
    assert_int_equal(whet_dim_sub(NULL, 2, 3), -1);
    assert_int_equal(whet_dim_mul(NULL, -2, 3), -6);
    assert_int_equal(whet_dim_floordiv(NULL, -7, 2), -4);
    assert_int_equal(whet_dim_floordiv(NULL, 7, -2), -4);
    assert_int_equal(whet_dim_ceildiv(NULL, 7, 2), 4);
    assert_int_equal(whet_dim_ceildiv(NULL, -7, 2), -3);
    assert_int_equal(whet_dim_ceildiv(NULL, 8, 2), 4);
    assert_int_equal(whet_dim_mod(NULL, -7, 3), 2);
    assert_int_equal(whet_dim_mod(NULL, 7, -3), -2);
    assert_int_equal(whet_dim_mod(NULL, 6, -3), 0);
    assert_int_equal(whet_dim_min(NULL, 4, -3), -3);
    assert_int_equal(whet_dim_max(NULL, 4, -3), 4);
    whet_dim q = 0;
    assert_true(whet_dim_divides(NULL, 12, 4, &q));
    assert_int_equal(q, 3);
    assert_false(whet_dim_divides(NULL, 13, 4, &q));
}

static void test_errors(void **state) {
    (void)state;
    whet_dim q;
    assert_true(whet_dim_is_error(whet_dim_add(NULL, INT64_MAX, 1)));
    assert_true(whet_dim_is_error(whet_dim_mul(NULL, INT64_MAX, 2)));
    assert_true(whet_dim_is_error(whet_dim_mul(NULL, -INT64_MAX, 1)));
    assert_true(whet_dim_is_error(whet_dim_sub(NULL, WHET_DIM_EXPR_END, 1)));
    assert_true(whet_dim_is_error(whet_dim_floordiv(NULL, 1, 0)));
    assert_true(whet_dim_is_error(whet_dim_ceildiv(pool, h, 0)));
    assert_true(whet_dim_is_error(whet_dim_mod(pool, h, 0)));
    assert_true(whet_dim_is_error(whet_dim_add(pool, h, WHET_DIM_ERROR)));
    assert_true(whet_dim_is_error(whet_dim_mul(pool, WHET_DIM_ERROR, 0)));
    assert_true(whet_dim_is_error(whet_dim_max(pool, h, WHET_DIM_ERROR)));
    assert_true(whet_dim_is_error(whet_dim_add(NULL, h, 1)));
    assert_true(whet_dim_is_error(whet_dim_fresh(NULL)));
    assert_false(whet_dim_divides(pool, h, 0, &q));
    assert_false(whet_dim_divides(NULL, h, h, &q));
    whet_dim big = whet_dim_mul(pool, h, INT64_MAX);
    assert_true(whet_dim_is_error(whet_dim_add(pool, big, big)));
}

static void test_normal_form(void **state) {
    (void)state;
    whet_dim a = whet_dim_add(pool, whet_dim_mul(pool, h, w), 1);
    whet_dim b = whet_dim_sub(pool, whet_dim_add(pool, 3, whet_dim_mul(pool, w, h)), 2);
    assert_true(a == b);
    assert_false(whet_dim_is_const(a));
    assert_int_equal(whet_dim_sub(pool, a, b), 0);
    assert_true(whet_dim_named(pool, "h") == h);
    expect(a, "h*w + 1");
    whet_dim s = whet_dim_add(pool, h, w);
    expect(whet_dim_mul(pool, s, whet_dim_sub(pool, h, w)), "h*h - w*w");
    expect(whet_dim_sub(pool, 1, whet_dim_mul(pool, 2, h)), "-2*h + 1");
    assert_string_equal(whet_dim_name(pool, h), "h");
    assert_null(whet_dim_name(pool, a));
    assert_null(whet_dim_name(pool, 3));
}

static void test_division(void **state) {
    (void)state;
    whet_dim q, hw = whet_dim_mul(pool, h, w);
    assert_true(whet_dim_divides(pool, whet_dim_mul(pool, hw, 6), whet_dim_mul(pool, h, 2), &q));
    expect(q, "3*w");
    whet_dim sum = parse("h*w + 2*h + w*w + 2*w"), by = parse("h + w");
    assert_true(whet_dim_divides(pool, sum, by, &q));
    expect(q, "w + 2");
    assert_false(whet_dim_divides(pool, parse("h*w + 1"), h, &q));
    assert_false(whet_dim_divides(pool, parse("3*h"), 2, &q));
    assert_true(whet_dim_divides(pool, 0, h, &q));
    assert_int_equal(q, 0);

    expect(parse("floordiv(h - 1, 2) + 1"), "floordiv(h + 1, 2)");
    expect(parse("floordiv(5*h + 7, 2)"), "2*h + floordiv(h + 1, 2) + 3");
    expect(parse("floordiv(4*h + 3, 6)"), "floordiv(2*h + 1, 3)");
    expect(parse("floordiv(floordiv(h + 1, 2) + 1, 2)"), "floordiv(h + 3, 4)");
    expect(parse("floordiv(h, -2)"), "floordiv(-h, 2)");
    expect(parse("floordiv(6*h + 5, 3)"), "2*h + 1");
    expect(parse("ceildiv(h, 4)"), "floordiv(h + 3, 4)");
    expect(parse("ceildiv(4*h, 2)"), "2*h");
    expect(parse("floordiv(h*w + h, 2*h)"), "floordiv(w + 1, 2)");
    expect(parse("floordiv(h, w)"), "floordiv(h, w)");
    expect(parse("mod(7*h + 9, 3)"), "mod(h, 3)");
    expect(parse("mod(6*h, 3)"), "0");
    expect(parse("mod(h*w, h)"), "0");
    expect(parse("mod(mod(h, 3), 4)"), "mod(h, 3)");
}

static void test_extrema(void **state) {
    (void)state;
    assert_true(parse("min(h, h + 1)") == h);
    expect(parse("max(h, h + 1)"), "h + 1");
    expect(parse("max(h, 0)"), "h");
    expect(parse("min(h, -1)"), "-1");
    assert_true(parse("min(h, 9223372036854775807)") == h);
    assert_true(parse("min(min(h, w), 4)") == parse("min(4, min(w, h))"));
    expect(parse("min(min(h, 4), 3)"), "min(h, 3)");
    expect(parse("max(min(h, 4), 0)"), "min(h, 4)");
    expect(parse("max(max(h, w), n)"), "max(h, n, w)");
}

static void test_bounds(void **state) {
    (void)state;
    whet_dim v = whet_dim_unknown(pool), f = whet_dim_fresh(pool);
    assert_true(whet_dim_known_nonnegative(pool, f));
    assert_false(whet_dim_known_nonnegative(pool, v));
    assert_true(whet_dim_known_nonnegative(pool, h));
    assert_false(whet_dim_known_positive(pool, h));
    assert_true(whet_dim_known_positive(pool, parse("h*w + 1")));
    assert_false(whet_dim_known_nonnegative(pool, parse("h - 1")));
    assert_true(whet_dim_known_nonnegative(pool, parse("floordiv(h + 3, 4)")));
    assert_true(whet_dim_known_positive(pool, parse("5 - mod(h, 5)")));
    assert_true(whet_dim_known_nonnegative(pool, parse("7 - min(h, 7)")));
    assert_true(whet_dim_known_positive(pool, parse("max(h - 5, 1)")));
    assert_true(whet_dim_known_nonnegative(pool, parse("h - floordiv(h, 2)")));
    assert_true(whet_dim_known_positive(pool, parse("2*floordiv(h, 2) - h + 2")));
    assert_false(whet_dim_known_positive(pool, parse("2*floordiv(h, 2) - h + 1")));
    assert_false(whet_dim_known_positive(pool, parse("h - floordiv(h, 2)")));
    assert_true(whet_dim_known_nonnegative(pool, parse("h + w - min(h, n) - min(w, 3)")));
    assert_false(whet_dim_known_nonnegative(pool, parse("max(h, w) - h - w")));
    expect(parse("min(h, floordiv(h, 2))"), "floordiv(h, 2)");
    expect(parse("max(h - floordiv(h, 2), 0) + floordiv(h, 2)"), "h");
    assert_true(whet_dim_known_positive(NULL, 3));
    assert_false(whet_dim_known_nonnegative(NULL, -3));
}

static int64_t lookup(void *user, const char *name) {
    const int64_t *v = user;
    if (!strcmp(name, "h")) return v[0];
    if (!strcmp(name, "w")) return v[1];
    return -1;
}

static void test_values(void **state) {
    (void)state;
    static const char *const texts[] = {"floordiv(h - 7, 2) + 1", "mod(5*h - w, 3)",
        "ceildiv(3*h + 1, 4)*w", "min(h, w, 5) - max(h - 3, w)", "floordiv(h*w - 9, w + 1)",
        "floordiv(-3*h + 5, 4)", "floordiv(floordiv(h, 3) + w, 2)", "mod(h - 4*w, w + 2)"};
    // the same computed with numbers from the start
    for (int64_t a = 0; a < 12; a++)
        for (int64_t b = 0; b < 12; b++) {
            int64_t v[2] = {a, b};
            int64_t want[] = {
                whet_dim_add(NULL, whet_dim_floordiv(NULL, a - 7, 2), 1),
                whet_dim_mod(NULL, 5 * a - b, 3), whet_dim_ceildiv(NULL, 3 * a + 1, 4) * b,
                whet_dim_min(NULL, whet_dim_min(NULL, a, b), 5) - whet_dim_max(NULL, a - 3, b),
                whet_dim_floordiv(NULL, a * b - 9, b + 1), whet_dim_floordiv(NULL, -3 * a + 5, 4),
                whet_dim_floordiv(NULL, a / 3 + b, 2), whet_dim_mod(NULL, a - 4 * b, b + 2)};
            for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
                assert_int_equal(whet_dim_eval(pool, parse(texts[i]), lookup, v), want[i]);
        }
    int64_t v[2] = {5, 0};
    assert_true(whet_dim_is_error(whet_dim_eval(pool, n, lookup, v)));
    assert_true(whet_dim_is_error(whet_dim_eval(pool, parse("floordiv(h, w)"), lookup, v)));
    v[0] = INT64_MAX;
    assert_true(whet_dim_is_error(whet_dim_eval(pool, parse("2*h"), lookup, v)));
}

// An expression and its values for a few h and w.
enum { N_POINTS = 6 };
typedef struct sample {
    whet_dim d;
    int64_t v[N_POINTS];
} sample;

static const int64_t points[N_POINTS][2] = {{0, 0}, {1, 0}, {2, 7}, {5, 3}, {12, 12}, {31, 8}};

static uint32_t next(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*state >> 33);
}

static whet_dim combine(whet_dims *p, uint32_t how, whet_dim a, whet_dim b) {
    switch (how) {
    case 0: return whet_dim_add(p, a, b);
    case 1: return whet_dim_sub(p, a, b);
    case 2: return whet_dim_mul(p, a, b);
    case 3: return whet_dim_floordiv(p, a, b);
    case 4: return whet_dim_ceildiv(p, a, b);
    case 5: return whet_dim_mod(p, a, b);
    case 6: return whet_dim_min(p, a, b);
    default: return whet_dim_max(p, a, b);
    }
}

// Whatever is simplified, values stay and what is said about signs is true.
static void test_random(void **state) {
    (void)state;
    uint64_t seed = 1;
    sample s[24];
    for (int round = 0; round < 400; round++) {
        for (int i = 0; i < 24; i++) {
            uint32_t how = next(&seed) % 8;
            sample *a = &s[i ? next(&seed) % (uint32_t)i : 0];
            sample *b = &s[i ? next(&seed) % (uint32_t)i : 0];
            if (i < 6) s[i].d = i == 0 ? h : i == 1 ? w : (whet_dim)(next(&seed) % 9) - 2;
            else s[i].d = combine(pool, how, a->d, b->d);
            for (int k = 0; k < N_POINTS; k++) {
                if (i < 6) s[i].v[k] = i < 2 ? points[k][i] : s[i].d;
                else s[i].v[k] = combine(NULL, how, a->v[k], b->v[k]);
                if (whet_dim_is_error(s[i].v[k])) continue;
                whet_dim v = whet_dim_eval(pool, s[i].d, lookup, (void *)(uintptr_t)points[k]);
                if (!whet_dim_is_error(v)) assert_int_equal(v, s[i].v[k]);
                if (whet_dim_known_nonnegative(pool, s[i].d)) assert_true(s[i].v[k] >= 0);
                if (whet_dim_known_positive(pool, s[i].d)) assert_true(s[i].v[k] > 0);
            }
        }
    }
}

static void count_name(void *user, const char *name) {
    (void)name;
    ++*(int *)user;
}

static void test_names(void **state) {
    (void)state;
    int count = 0;
    whet_dim_names(pool, parse("h*h + floordiv(h + w, 3) + 1"), count_name, &count);
    assert_int_equal(count, 2);
    expect(whet_dim_named(pool, "batch size \"x\"\\\n"), "\"batch size \\\"x\\\"\\\\\\x0a\"");
    expect(whet_dim_named(pool, "a-b"), "\"a-b\"");
    expect(whet_dim_named(pool, "2x"), "\"2x\"");
    expect(whet_dim_named(pool, "min"), "min");
    // a generated name read from a file is not given out again
    whet_dim read = parse("?7");
    for (int i = 0; i < 9; i++) assert_true(whet_dim_fresh(pool) != read);
}

static void test_bad_text(void **state) {
    (void)state;
    static const char *const texts[] = {"", "+", "h +", "floordiv(h)", "floordiv(h, w, n)", "min(h",
        "99999999999999999999", "foo(h, w)", "\"x", "\"\\q\"", "(h", "floordiv(h, 0)", "h * ",
        "\"\\x00\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        whet_error err;
        whet_dim d;
        const char *at = texts[i];
        assert_int_equal(whet_dim_parse(pool, &at, &d, &err), WHET_E_PARSE);
    }
    char deep[2000];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = 0;
    whet_error err;
    whet_dim d;
    const char *at = deep;
    assert_int_equal(whet_dim_parse(pool, &at, &d, &err), WHET_E_PARSE);
}

// Growing without bound ends in unknowns, not in memory.
static void test_limits(void **state) {
    (void)state;
    whet_dim sum = 0, product = 1, nested = h;
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof name, "d%d", i);
        whet_dim d = whet_dim_named(pool, name);
        sum = whet_dim_add(pool, sum, d);
        product = whet_dim_mul(pool, product, d);
        nested = whet_dim_min(pool, whet_dim_floordiv(pool, w, whet_dim_add(pool, nested, 1)),
                              whet_dim_mod(pool, whet_dim_mul(pool, nested, 2), 7));
        assert_false(whet_dim_is_error(sum) || whet_dim_is_error(product) ||
                     whet_dim_is_error(nested));
        assert_true(whet_dim_known_nonnegative(pool, sum));
        assert_true(whet_dim_known_nonnegative(pool, product));
    }
    whet_str s;
    whet_str_init(&s);
    whet_dim_print(pool, nested, &s);
    assert_in_range(s.len, 1, 100000);
    whet_str_fini(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_constants), TEST(test_errors), TEST(test_normal_form), TEST(test_division),
        TEST(test_extrema), TEST(test_bounds), TEST(test_values), TEST(test_random),
        TEST(test_names),
        TEST(test_bad_text), TEST(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

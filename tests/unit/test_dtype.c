// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "base/dtype.h"

#include <math.h>

static void names_and_numbers(void **state) {
    (void)state;
#define ROW(name, number, text, nbits)                                                             \
    assert_int_equal(WHET_DTYPE_##name, number);                                                   \
    assert_string_equal(whet_dtype_text(WHET_DTYPE_##name), text);                                 \
    assert_int_equal(whet_dtype_bits(WHET_DTYPE_##name), nbits);                                   \
    assert_int_equal(whet_dtype_parse(text), number);                                              \
    assert_int_equal(whet_dtype_known(number), number != 0);
    WHET_DTYPE_MAP(ROW)
#undef ROW
    static const int32_t unknown[] = {-1, 0, 29, 59, 63, 1000, INT32_MIN, INT32_MAX};
    for (size_t i = 0; i < COUNT(unknown); i++) {
        assert_false(whet_dtype_known(unknown[i]));
        assert_int_equal(whet_dtype_bits((whet_dtype)unknown[i]), 0);
        assert_non_null(whet_dtype_text((whet_dtype)unknown[i]));
        assert_int_equal(whet_tensor_bytes((whet_dtype)unknown[i], 1), SIZE_MAX);
    }
    assert_string_equal(whet_dtype_text((whet_dtype)29), "?");
    assert_int_equal(whet_dtype_parse("f31"), WHET_DTYPE_NONE);
}

static void classes_split_all_types(void **state) {
    (void)state;
#define ROW(name, number, text, nbits)                                                             \
    if (number) {                                                                                  \
        whet_dtype t = WHET_DTYPE_##name;                                                          \
        bool pair = WHET_DTYPES_COMPLEX >> t & 1;                                                  \
        assert_int_equal(whet_dtype_is_float(t) + whet_dtype_is_signed(t) +                        \
                             whet_dtype_is_unsigned(t) + (t == WHET_DTYPE_BOOL) + pair +           \
                             (t == WHET_DTYPE_STRING) + whet_dtype_is_object(t),                   \
                         1);                                                                       \
        assert_int_equal(whet_dtype_is_int(t), (text)[0] == 'i' || (text)[0] == 'u');              \
        assert_int_equal((WHET_DTYPES_TENSOR | WHET_DTYPES_OBJECT) >> t & 1, 1);                   \
        assert_int_equal(WHET_DTYPES_PACKED >> t & 1, nbits < 8);                                  \
    }
    WHET_DTYPE_MAP(ROW)
#undef ROW
}

static void sizes_do_not_overflow(void **state) {
    (void)state;
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_F32, 3), 12);
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_BOOL, 0), 0);
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_F64, INT64_MAX), SIZE_MAX);
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_F32, -1), SIZE_MAX);
    const int64_t dims[] = {2, 3, 4}, zero[] = {INT64_MAX, 0, INT64_MAX}, negative[] = {2, -1};
    const int64_t large[] = {1 << 30, 1 << 30, 1 << 30}, edge[] = {INT64_MAX / 8};
    assert_int_equal(whet_dims_count(dims, 3), 24);
    assert_int_equal(whet_dims_count(dims, 0), 1);
    assert_int_equal(whet_dims_count(negative, 2), -1);
    assert_int_equal(whet_dims_count(large, 3), -1);
    assert_int_equal(whet_dims_count(edge, 1), -1);
    assert_true(whet_dims_count(zero, 3) <= 0);
}

static bool same(float a, float b) { return (isnan(a) && isnan(b)) || !memcmp(&a, &b, 4); }

// The value of a binary16 or bfloat16 pattern from the definition.
static double value_of(uint16_t v, int digits, int bias) {
    int mant = v & ((1 << digits) - 1), exp = (v & 0x7fff) >> digits;
    int top = 0x7fff >> digits;
    double a = exp == top ? (mant ? NAN : INFINITY)
               : exp      ? ldexp(1 + ldexp(mant, -digits), exp - bias)
                          : ldexp(mant, 1 - bias - digits);
    return v & 0x8000 ? -a : a;
}

static void all_half_values_round_trip(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t v = (uint16_t)i;
        float h = whet_f16_to_f32(v), b = whet_bf16_to_f32(v);
        if (!same(h, (float)value_of(v, 10, 15))) fail_msg("f16 %04x is %a", v, (double)h);
        if (!same(b, (float)value_of(v, 7, 127))) fail_msg("bf16 %04x is %a", v, (double)b);
        if (isnan(h)) {
            assert_true(isnan(whet_f16_to_f32(whet_f32_to_f16(h))));
            assert_true(isnan(whet_f16_to_f32(whet_f64_to_f16(h))));
        } else if (whet_f32_to_f16(h) != v || whet_f64_to_f16(h) != v) {
            fail_msg("f16 %04x does not round trip", v);
        }
        if (isnan(b)) {
            assert_true(isnan(whet_bf16_to_f32(whet_f32_to_bf16(b))));
            assert_true(isnan(whet_bf16_to_f32(whet_f64_to_bf16(b))));
        } else if (whet_f32_to_bf16(b) != v || whet_f64_to_bf16(b) != v) {
            fail_msg("bf16 %04x does not round trip", v);
        }
    }
}

typedef struct format {
    uint16_t (*from_f32)(float);
    uint16_t (*from_f64)(double);
    float (*to_f32)(uint16_t);
    uint16_t infinity;
    double past; // the value that the exponent after the largest finite one would have
} format;

// Between each two neighbours: the middle goes to the even one, all else to the nearer one.
static void check_rounding(const format *f) {
    for (uint16_t v = 0; v < f->infinity; v++) {
        double a = f->to_f32(v), b = v + 1 == f->infinity ? f->past : f->to_f32((uint16_t)(v + 1));
        double mid = (a + b) / 2;
        uint16_t even = v & 1 ? (uint16_t)(v + 1) : v, up = (uint16_t)(v + 1);
        bool good = f->from_f64(mid) == even && f->from_f64(nextafter(mid, INFINITY)) == up &&
                    f->from_f64(nextafter(mid, 0)) == v && f->from_f64(-mid) == (even | 0x8000);
        float m = (float)mid;
        if ((double)m == mid)
            good = good && f->from_f32(m) == even && f->from_f32(nextafterf(m, INFINITY)) == up &&
                   f->from_f32(nextafterf(m, 0)) == v && f->from_f32(-m) == (even | 0x8000);
        if (!good) fail_msg("wrong rounding after %04x", v);
    }
}

static void half_rounds_to_nearest_even(void **state) {
    (void)state;
    const format f16 = {whet_f32_to_f16, whet_f64_to_f16, whet_f16_to_f32, 0x7c00, 65536};
    const format bf16 = {whet_f32_to_bf16, whet_f64_to_bf16, whet_bf16_to_f32, 0x7f80, 0x1p128};
    check_rounding(&f16);
    check_rounding(&bf16);
    assert_int_equal(whet_f64_to_f16(1e300), 0x7c00);
    assert_int_equal(whet_f64_to_bf16(-1e300), 0xff80);
    assert_int_equal(whet_f32_to_f16(-INFINITY), 0xfc00);
    assert_int_equal(whet_f64_to_f16(1e-300), 0);
    assert_int_equal(whet_f64_to_bf16(-1e-300), 0x8000);
    // one rounding, not two: past the middle by less than float can say
    assert_int_equal(whet_f64_to_f16(1 + 0x1p-11 + 0x1p-40), 0x3c01);
    assert_int_equal(whet_f64_to_bf16(1 + 0x1p-8 + 0x1p-40), 0x3f81);
}

static void doubles_saturate_to_integers(void **state) {
    (void)state;
    static const struct {
        whet_dtype dtype;
        double v;
        int64_t want;
    } rows[] = {
        {WHET_DTYPE_I8, 300, 127},          {WHET_DTYPE_I8, -1e30, -128},
        {WHET_DTYPE_I8, -1.9, -1},          {WHET_DTYPE_U8, -3, 0},
        {WHET_DTYPE_U8, 255.9, 255},        {WHET_DTYPE_U8, 1e9, 255},
        {WHET_DTYPE_I16, 40000, 32767},     {WHET_DTYPE_U16, 70000, 65535},
        {WHET_DTYPE_I32, 3e9, INT32_MAX},   {WHET_DTYPE_I32, -3e9, INT32_MIN},
        {WHET_DTYPE_U32, 5e9, UINT32_MAX},  {WHET_DTYPE_I64, 1e19, INT64_MAX},
        {WHET_DTYPE_I64, -1e19, INT64_MIN}, {WHET_DTYPE_I64, NAN, 0},
        {WHET_DTYPE_I32, NAN, 0},           {WHET_DTYPE_BOOL, 0.25, 1},
        {WHET_DTYPE_BOOL, 0, 0},            {WHET_DTYPE_BOOL, NAN, 1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t cell[2] = {0, 0};
        whet_store_f64(cell, rows[i].dtype, 0, rows[i].v);
        assert_int_equal(whet_load_i64(cell, rows[i].dtype, 0), rows[i].want);
        assert_int_equal(cell[1], 0);
    }
    uint64_t u;
    whet_store_f64(&u, WHET_DTYPE_U64, 0, 1e20);
    assert_true(u == UINT64_MAX);
    whet_store_f64(&u, WHET_DTYPE_U64, 0, 0x1p63);
    assert_true(u == UINT64_C(1) << 63);
    whet_store_f64(&u, WHET_DTYPE_U64, 0, -5);
    assert_true(u == 0);
}

static void integers_wrap(void **state) {
    (void)state;
    int64_t cell = 0;
    whet_store_i64(&cell, WHET_DTYPE_I8, 0, 200);
    assert_int_equal(whet_load_i64(&cell, WHET_DTYPE_I8, 0), -56);
    whet_store_i64(&cell, WHET_DTYPE_U16, 0, -1);
    assert_int_equal(whet_load_i64(&cell, WHET_DTYPE_U16, 0), 65535);
    whet_store_u64(&cell, WHET_DTYPE_U64, 0, UINT64_MAX);
    assert_true(whet_load_u64(&cell, WHET_DTYPE_U64, 0) == UINT64_MAX);
    assert_true(whet_load_f64(&cell, WHET_DTYPE_U64, 0) == 0x1p64);
    whet_store_i64(&cell, WHET_DTYPE_BOOL, 0, 256);
    assert_int_equal(whet_load_i64(&cell, WHET_DTYPE_BOOL, 0), 1);
    whet_store_i64(&cell, WHET_DTYPE_F16, 0, -3);
    assert_int_equal(whet_load_i64(&cell, WHET_DTYPE_F16, 0), -3);
}

// Exact at every code, ties to even between neighbours, and the largest number beyond it.
static void small_floats_round_trip(void **state) {
    (void)state;
    static const struct {
        whet_dtype dtype;
        double max, min;
        uint8_t nan, inf;
    } rows[] = {
        {WHET_DTYPE_F8E4M3FN, 448, 0x1p-9, 0x7f, 0x7f},
        {WHET_DTYPE_F8E4M3FNUZ, 240, 0x1p-10, 0x80, 0x80},
        {WHET_DTYPE_F8E5M2, 57344, 0x1p-16, 0x7e, 0x7c},
        {WHET_DTYPE_F8E5M2FNUZ, 57344, 0x1p-17, 0x80, 0x80},
        {WHET_DTYPE_F4E2M1, 6, 0.5, 8, 7},
        {WHET_DTYPE_F6E2M3, 7.5, 0x1p-3, 32, 31},
        {WHET_DTYPE_F6E3M2, 28, 0x1p-4, 32, 31},
    };
    for (size_t r = 0; r < COUNT(rows); r++) {
        whet_dtype t = rows[r].dtype;
        int codes = 1 << whet_dtype_bits(t);
        double above = 0;
        for (int c = 0; c < codes; c++) {
            double v = whet_float8_load(t, (uint8_t)c);
            if (isnan(v)) continue;
            assert_int_equal(whet_float8_store(t, v, false), c);
            if (c == 0 || c >= codes / 2 || isinf(v)) continue;
            double below = whet_float8_load(t, (uint8_t)(c - 1)), middle = (v + below) / 2;
            assert_true(v > below);
            assert_int_equal(whet_float8_store(t, middle, true), c & 1 ? c - 1 : c);
            assert_int_equal(whet_float8_store(t, nextafter(middle, 1e9), true), c);
            assert_int_equal(whet_float8_store(t, nextafter(middle, 0), true), c - 1);
            above = v;
        }
        assert_true(above == rows[r].max);
        assert_true(whet_float8_load(t, 1) == rows[r].min);
        assert_int_equal(whet_float8_store(t, (double)NAN, true), rows[r].nan);
        assert_int_equal(whet_float8_store(t, (double)INFINITY, false), rows[r].inf);
        assert_int_equal(whet_float8_store(t, 1e300, false), rows[r].inf);
        assert_true(whet_float8_load(t, whet_float8_store(t, 1e300, true)) == rows[r].max);
        assert_true(whet_float8_load(t, whet_float8_store(t, -(double)INFINITY, true)) ==
                    -rows[r].max);
    }
    assert_int_equal(whet_e8m0_store(3, true, WHET_E8M0_UP), 129);
    assert_int_equal(whet_e8m0_store(3, true, WHET_E8M0_DOWN), 128);
    assert_int_equal(whet_e8m0_store(2.9, true, WHET_E8M0_NEAREST), 128);
    assert_int_equal(whet_e8m0_store(3, true, WHET_E8M0_NEAREST), 129);
    assert_int_equal(whet_e8m0_store(0, true, WHET_E8M0_UP), 0);
    assert_int_equal(whet_e8m0_store(0, false, WHET_E8M0_NEAREST), 255);
    assert_true(whet_float8_load(WHET_DTYPE_F8E8M0, 254) == 0x1p127);
}

static void packed_elements_stay_apart(void **state) {
    (void)state;
    static const whet_dtype types[] = {WHET_DTYPE_U4, WHET_DTYPE_I4, WHET_DTYPE_U2, WHET_DTYPE_I2};
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_U4, 3), 2);
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_I2, 9), 3);
    for (size_t k = 0; k < COUNT(types); k++) {
        whet_dtype t = types[k];
        int64_t span = 1 << whet_dtype_bits(t), low = whet_dtype_is_signed(t) ? -span / 2 : 0;
        uint8_t data[8] = {0}, wide[7], again[8] = {0};
        for (int64_t i = 0; i < 7; i++) whet_store_i64(data, t, i, low + i % span);
        for (int64_t i = 0; i < 7; i++) {
            assert_int_equal(whet_load_i64(data, t, i), low + i % span);
            assert_true(whet_load_f64(data, t, i) == (double)(low + i % span));
        }
        whet_unpack(wide, data, t, 7);
        whet_pack(again, t, wide, 7);
        assert_memory_equal(data, again, sizeof data);
        whet_store_f64(data, t, 3, 1e9);
        assert_int_equal(whet_load_i64(data, t, 3), low + span - 1);
        whet_store_f64(data, t, 3, -1e9);
        assert_int_equal(whet_load_i64(data, t, 3), low);
        assert_int_equal(whet_load_i64(data, t, 2), low + 2);
        assert_int_equal(whet_load_i64(data, t, 4), low + 4 % span);
        assert_int_equal(data[7], 0);
    }
}

static void six_bits_lie_in_two_bytes(void **state) {
    (void)state;
    uint8_t data[6] = {0}, wide[5], again[4];
    static const uint8_t packed[] = {0x81, 0x30, 0xfc, 0x25}; // 1, 2, 3, 63, 37
    static const uint8_t codes[] = {1, 2, 3, 63, 37};
    assert_int_equal(whet_tensor_bytes(WHET_DTYPE_F6E2M3, 5), 4);
    whet_pack(again, WHET_DTYPE_F6E2M3, codes, 5);
    assert_memory_equal(again, packed, 4);
    whet_unpack(wide, packed, WHET_DTYPE_F6E3M2, 5);
    assert_memory_equal(wide, codes, 5);
    for (int32_t i = 4; i >= 0; i--)
        whet_store_f64(data, WHET_DTYPE_F6E2M3, i, whet_float8_load(WHET_DTYPE_F6E2M3, codes[i]));
    assert_memory_equal(data, packed, 4);
    for (int32_t i = 0; i < 5; i++)
        assert_true(whet_load_f64(data, WHET_DTYPE_F6E2M3, i) ==
                    whet_float8_load(WHET_DTYPE_F6E2M3, codes[i]));
    assert_int_equal(data[4] | data[5], 0);
}

static void arrays_agree_with_elements(void **state) {
    (void)state;
    static const whet_dtype types[] = {WHET_DTYPE_F32, WHET_DTYPE_F16, WHET_DTYPE_BF16,
                                       WHET_DTYPE_F64, WHET_DTYPE_I8,  WHET_DTYPE_U8,
                                       WHET_DTYPE_I16, WHET_DTYPE_U16, WHET_DTYPE_I32,
                                       WHET_DTYPE_U32, WHET_DTYPE_I64, WHET_DTYPE_U64};
    double in[33], out[33];
    for (int i = 0; i < 33; i++) in[i] = i * 3;
    for (size_t t = 0; t < COUNT(types); t++) {
        uint64_t data[34];
        memset(data, 0xab, sizeof data);
        whet_store_f64_array(data, types[t], in, 33);
        size_t used = whet_tensor_bytes(types[t], 33);
        assert_int_equal(((uint8_t *)data)[used], 0xab);
        whet_load_f64_array(out, data, types[t], 33);
        for (int i = 0; i < 33; i++) {
            assert_true(out[i] == in[i]);
            assert_true(whet_load_f64(data, types[t], i) == in[i]);
            assert_int_equal(whet_load_i64(data, types[t], i), i * 3);
            assert_int_equal(whet_load_u64(data, types[t], i), i * 3);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_numbers),
        cmocka_unit_test(classes_split_all_types),
        cmocka_unit_test(sizes_do_not_overflow),
        cmocka_unit_test(all_half_values_round_trip),
        cmocka_unit_test(half_rounds_to_nearest_even),
        cmocka_unit_test(doubles_saturate_to_integers),
        cmocka_unit_test(integers_wrap),
        cmocka_unit_test(small_floats_round_trip),
        cmocka_unit_test(packed_elements_stay_apart),
        cmocka_unit_test(six_bits_lie_in_two_bytes),
        cmocka_unit_test(arrays_agree_with_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: Apache-2.0
// Files of weights: both formats, types, orders, conversions, damage. scripts/make_weights.py makes
// tests/data/weights/.
#include "support/failing_alloc.h"
#include "support/temp_folder.h"
#include "support/test.h"

#include <whet/whet.h>

#include "build/inflate.h"

#define FOLDER "tests/data/weights/"
static const char *const files[] = {FOLDER "stored.npz", FOLDER "packed.npz",
                                    FOLDER "some.safetensors"};

static whet_weights *open_file(const char *path) {
    whet_weights *w = NULL;
    whet_status status = whet_weights_open(NULL, path, &w);
    if (status) print_error("%s: %s\n", path, whet_error_text(NULL));
    assert_int_equal(status, WHET_OK);
    return w;
}

static void finds_tensors(void **state) {
    (void)state;
    for (size_t f = 0; f < COUNT(files); f++) {
        whet_weights *w = open_file(files[f]);
        whet_tensor t;
        assert_int_equal(whet_weights_find(w, "layer.weight", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.dtype, WHET_DTYPE_F32);
        assert_int_equal(t.rank, 2);
        assert_int_equal(t.dims[0], 40);
        assert_int_equal(t.dims[1], 30);
        for (int i = 0; i < 1200; i++) assert_true(((float *)t.data)[i] == (float)(i % 17) / 4);
        assert_int_equal(whet_weights_find(w, "scalar", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.rank, 0);
        assert_true(*(double *)t.data == 2.5);
        assert_int_equal(whet_weights_find(w, "ids", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.dtype, WHET_DTYPE_I64);
        assert_int_equal(((int64_t *)t.data)[2], -3);
        assert_int_equal(whet_weights_find(w, "half", WHET_DTYPE_F32, &t), WHET_OK);
        assert_true(((float *)t.data)[1] == 0.5f);
        assert_int_equal(whet_weights_find(w, "mask", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.dtype, WHET_DTYPE_BOOL);
        assert_int_equal(((uint8_t *)t.data)[1], 1);
        assert_int_equal(whet_weights_find(w, "empty", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.bytes, 0);
        assert_int_equal(whet_weights_find(w, "ids", WHET_DTYPE_F16, &t), WHET_OK);
        assert_int_equal(((uint16_t *)t.data)[2], 0xc200);
        assert_int_equal(whet_weights_find(w, "nothing", WHET_DTYPE_NONE, &t), WHET_E_NOT_FOUND);
        assert_non_null(strstr(whet_error_text(w), "nothing"));
        assert_int_equal(whet_weights_find(w, "ids", WHET_DTYPE_STRING, &t), WHET_E_DTYPE);
        int32_t found = 0;
        for (int32_t i = 0; i < whet_weights_count(w); i++)
            found += !strcmp(whet_weights_name(w, i), "layer.weight");
        assert_int_equal(found, 1);
        assert_null(whet_weights_name(w, whet_weights_count(w)));
        whet_weights_close(w);
    }
}

static void column_order_becomes_row_order(void **state) {
    (void)state;
    for (size_t f = 0; f < 2; f++) {
        whet_weights *w = open_file(files[f]);
        whet_tensor t;
        assert_int_equal(whet_weights_find(w, "columns", WHET_DTYPE_NONE, &t), WHET_OK);
        assert_int_equal(t.dims[0], 2);
        for (int i = 0; i < 6; i++) assert_int_equal(((int32_t *)t.data)[i], i);
        assert_int_equal(whet_weights_find(w, "big_endian", WHET_DTYPE_NONE, &t),
                         WHET_E_UNSUPPORTED);
        assert_non_null(strstr(whet_error_text(w), ">f4"));
        whet_weights_close(w);
    }
}

static void knows_safetensors_types(void **state) {
    (void)state;
    whet_weights *w = open_file(files[2]);
    whet_tensor t;
    assert_int_equal(whet_weights_find(w, "brain", WHET_DTYPE_NONE, &t), WHET_OK);
    assert_int_equal(t.dtype, WHET_DTYPE_BF16);
    assert_int_equal(whet_weights_find(w, "brain", WHET_DTYPE_F32, &t), WHET_OK);
    assert_true(((float *)t.data)[0] == 1.5f && ((float *)t.data)[1] == -2);
    assert_int_equal(whet_weights_find(w, "tab\t\"\xc3\xa9\xf0\x9f\x98\x80", WHET_DTYPE_NONE, &t),
                     WHET_OK);
    assert_int_equal(whet_weights_find(w, "odd", WHET_DTYPE_NONE, &t), WHET_E_UNSUPPORTED);
    whet_weights_close(w);
}

// Every file cut short and with a byte changed: an error or the same list, never a crash.
static void survives_damage(void **state) {
    (void)state;
    for (size_t f = 0; f < COUNT(files); f++) {
        size_t size;
        char *good = temp_read(files[f], &size), *bad = malloc(size);
        for (size_t n = 0; n < size; n += n < 200 ? 1 : 37) {
            memcpy(bad, good, size);
            for (int kind = 0; kind < 2; kind++) {
                whet_weights *w = NULL;
                if (kind) bad[n] = (char)(bad[n] ^ 0x15);
                whet_status status = whet_weights_open_memory(NULL, bad, kind ? size : n, &w);
                assert_true(status == WHET_OK || whet_error_text(NULL)[0]);
                for (int32_t i = 0; !status && i < whet_weights_count(w); i++) {
                    whet_tensor t;
                    if (!whet_weights_find(w, whet_weights_name(w, i), WHET_DTYPE_NONE, &t))
                        assert_true(whet_tensor_bytes(t.dtype, 1) > 0);
                }
                whet_weights_close(w);
            }
        }
        free(good);
        free(bad);
    }
}

static whet_status open_text(const char *header, size_t data) {
    uint8_t file[512] = {0};
    size_t n = strlen(header);
    file[0] = (uint8_t)n;
    file[1] = (uint8_t)(n >> 8);
    memcpy(file + 8, header, n);
    whet_weights *w = NULL;
    whet_status status = whet_weights_open_memory(NULL, file, 8 + n + data, &w);
    whet_weights_close(w);
    return status;
}

static void checks_safetensors(void **state) {
    (void)state;
    static const char *const bad[] = {
        "{",
        "{}x",
        "{\"a\":1}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[9999999999,9999999999],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,4]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
        "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"\\u0000\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"\\ud800\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{\"__metadata__\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
        "]]]]]]]]}",
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(open_text(bad[i], 8), WHET_E_PARSE);
        assert_true(whet_error_text(NULL)[0] != 0);
    }
    assert_int_equal(open_text("{}", 0), WHET_OK);
    assert_int_equal(open_text("{\"__metadata__\":{\"a\":\"b\",\"c\":[1,{\"d\":null}]}} ", 0),
                     WHET_OK);
    assert_int_equal(open_text("{\"a\":{\"shape\":[2],\"dtype\":\"F32\",\"data_offsets\":[0,8],"
                               "\"more\":1}}", 8), WHET_OK);
    whet_weights *w;
    assert_int_equal(whet_weights_open(NULL, "tests/data/add.onnx", &w), WHET_E_PARSE);
    assert_int_equal(whet_weights_open(NULL, "tests/data/nothing.npz", &w), WHET_E_IO);
    assert_int_equal(whet_weights_open(NULL, NULL, &w), WHET_E_INVALID);
}

static void checks_checksums(void **state) {
    (void)state;
    assert_int_equal(whet_crc32("123456789", 9), 0xcbf43926u);
    for (size_t f = 0; f < 2; f++) {
        size_t size;
        char *file = temp_read(files[f], &size);
        file[100] ^= 1; // inside of the first member, layer.weight
        whet_weights *w = NULL;
        whet_tensor t;
        assert_int_equal(whet_weights_open_memory(NULL, file, size, &w), WHET_OK);
        whet_status status = whet_weights_find(w, "layer.weight", WHET_DTYPE_NONE, &t);
        assert_true(status == WHET_E_CHECKSUM || status == WHET_E_PARSE);
        assert_int_equal(whet_weights_find(w, "ids", WHET_DTYPE_NONE, &t), WHET_OK);
        whet_weights_close(w);
        free(file);
    }
}

static void survives_missing_memory(void **state) {
    (void)state;
    for (size_t f = 0; f < COUNT(files); f++) {
        for (int64_t n = 0;; n++) {
            whet_weights *w = NULL;
            whet_tensor t;
            test_alloc_fail_from(n);
            whet_status status = whet_weights_open(NULL, files[f], &w);
            if (!status) status = whet_weights_find(w, "layer.weight", WHET_DTYPE_F64, &t);
            whet_weights_close(w);
            if (!test_alloc_end()) break;
            assert_int_equal(status, WHET_E_NOMEM);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_tensors),      cmocka_unit_test(column_order_becomes_row_order),
        cmocka_unit_test(knows_safetensors_types), cmocka_unit_test(survives_damage),
        cmocka_unit_test(checks_safetensors), cmocka_unit_test(checks_checksums),
        cmocka_unit_test(survives_missing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

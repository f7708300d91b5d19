// SPDX-License-Identifier: Apache-2.0
#include "support/test.h"

#include "base/crc_fork.h"
#include "base/hash.h"

typedef uint32_t (*crc_fn)(uint32_t crc, const void *data, size_t n);
static const crc_fn crcs[] = {whet_crc32c, whet_crc32c_table};

// "123456789" is the usual check value; the others are the examples of RFC 3720, B.4.
static void crc_known_values(void **state) {
    (void)state;
    uint8_t zeros[32] = {0}, ones[32], up[32], down[32];
    for (int i = 0; i < 32; i++) {
        ones[i] = 0xff;
        up[i] = (uint8_t)i;
        down[i] = (uint8_t)(31 - i);
    }
    static const uint8_t scsi_read[48] = {0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14,
                                          [31] = 0x18, 0x28, [40] = 0x02};
    for (size_t i = 0; i < COUNT(crcs); i++) {
        assert_int_equal(crcs[i](0, "", 0), 0);
        assert_int_equal(crcs[i](0, "123456789", 9), 0xe3069283);
        assert_int_equal(crcs[i](0, zeros, 32), 0x8a9136aa);
        assert_int_equal(crcs[i](0, ones, 32), 0x62a8ab43);
        assert_int_equal(crcs[i](0, up, 32), 0x46dd794e);
        assert_int_equal(crcs[i](0, down, 32), 0x113fdb5c);
        assert_int_equal(crcs[i](0, scsi_read, 48), 0xd9963a56);
    }
}

// One bit at a time, from the definition.
static uint32_t crc_slow(const uint8_t *p, size_t n) {
    uint32_t c = 0xffffffff;
    for (; n; n--, p++) {
        c ^= *p;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
    }
    return ~c;
}

static void crc_all_lengths_and_offsets(void **state) {
    (void)state;
    uint8_t data[300];
    uint64_t seed = 2;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)test_random(&seed);
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n < 270; n++)
            for (size_t i = 0; i < COUNT(crcs); i++)
                assert_int_equal(crcs[i](0, data + at, n), crc_slow(data + at, n));
}

static void crc_of_pieces_is_crc_of_whole(void **state) {
    (void)state;
    size_t size = 200001;
    uint8_t *data = malloc(size);
    uint64_t seed = 3;
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)test_random(&seed);
    uint32_t whole = crc_slow(data, size);
    for (size_t i = 0; i < COUNT(crcs); i++) {
        assert_int_equal(crcs[i](0, data, size), whole);
        for (int round = 0; round < 20; round++) {
            uint32_t crc = 0;
            for (size_t at = 0, n; at < size; at += n) {
                n = test_random(&seed) % 60000;
                if (n > size - at) n = size - at;
                crc = crcs[i](crc, data + at, n);
            }
            assert_int_equal(crc, whole);
        }
    }
    free(data);
}

// These numbers are in files; they must not change.
static void hash_is_pinned(void **state) {
    (void)state;
    uint8_t data[200];
    for (int i = 0; i < 200; i++) data[i] = (uint8_t)(i * 37 + 11);
    static const struct {
        size_t n;
        uint64_t seed, want;
    } rows[] = {
        {0, 0, UINT64_C(0x95e7968e14652f30)},
        {0, 1, UINT64_C(0x99b58f4e5f53ba8e)},
        {1, 0, UINT64_C(0x3097b9177e55009d)},
        {7, 0, UINT64_C(0xd49c1fc08820f65f)},
        {8, 0, UINT64_C(0x03656086d6d76966)},
        {8, 1, UINT64_C(0x705e866bba8d2404)},
        {31, 0, UINT64_C(0x6a40424419ac5bc7)},
        {63, 0, UINT64_C(0xcb1e56c999502a91)},
        {64, 0, UINT64_C(0x698a3c35f6322814)},
        {64, 1, UINT64_C(0x236203f49a422c84)},
        {100, 0, UINT64_C(0x2d664944690fc1a3)},
        {200, 0, UINT64_C(0xa822c679c637a9a1)},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (whet_hash64(data, rows[i].n, rows[i].seed) != rows[i].want)
            fail_msg("row %zu is 0x%016llx", i,
                     (unsigned long long)whet_hash64(data, rows[i].n, rows[i].seed));
    assert_true(whet_hash64_text("abc", 5) == whet_hash64("abc", 3, 5));
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

// All lengths with all single-bit changes, seeds and mixes: no two equal.
static void hash_has_no_easy_collisions(void **state) {
    (void)state;
    enum { N = 200000 };
    uint64_t *seen = malloc(N * sizeof *seen);
    size_t count = 0;
    uint8_t data[128] = {0};
    for (size_t n = 0; n <= 128; n++) {
        seen[count++] = whet_hash64(data, n, 0);
        for (size_t bit = 0; bit < n * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            seen[count++] = whet_hash64(data, n, 0);
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    for (uint64_t i = 1; i < 10000; i++) seen[count++] = whet_hash64("x", 1, i);
    for (uint64_t i = 0; i < 200; i++)
        for (uint64_t k = 0; k < 200; k++) seen[count++] = whet_hash64_mix(i, k);
    assert_true(count <= N);
    qsort(seen, count, sizeof *seen, compare);
    for (size_t i = 1; i < count; i++) assert_true(seen[i] != seen[i - 1]);
    free(seen);
}

static void hash_moves_half_of_the_bits(void **state) {
    (void)state;
    uint8_t data[96] = {0};
    for (size_t n = 1; n <= 96; n += 5) {
        uint64_t flips = 0, base = whet_hash64(data, n, 1);
        for (size_t bit = 0; bit < n * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
            flips += (uint64_t)__builtin_popcountll(base ^ whet_hash64(data, n, 1));
            data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        double mean = (double)flips / (double)(n * 8);
        assert_true(mean > 26 && mean < 38);
    }
}

static void crc_of_halves_joins(void **state) {
    (void)state;
    uint8_t data[1000];
    uint64_t seed = 5;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)test_random(&seed);
    uint32_t whole = crc_slow(data, sizeof data);
    for (size_t n = 0; n <= sizeof data; n += 25)
        assert_int_equal(whet_crc32c_join(whet_crc32c(0, data, n),
                                          whet_crc32c(0, data + n, sizeof data - n),
                                          sizeof data - n),
                         whole);
}

static void crc_by_workers(void **state) {
    (void)state;
    size_t size = (5u << 20) + 17;
    uint8_t *data = calloc(1, size);
    whet_workers *workers = NULL;
    for (size_t i = 0; i < size; i += 4099) data[i] = (uint8_t)(i / 4099 + 1);
    assert_int_equal(whet_workers_create(3, &workers, NULL), WHET_OK);
    size_t sizes[] = {0, 1, 2u << 20, (2u << 20) + 1, size};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        uint32_t want = whet_crc32c(0, data, sizes[i]);
        assert_int_equal(whet_crc32c_fork(workers, data, sizes[i]), want);
        assert_int_equal(whet_crc32c_fork(NULL, data, sizes[i]), want);
    }
    whet_workers_destroy(workers);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_known_values),
        cmocka_unit_test(crc_all_lengths_and_offsets),
        cmocka_unit_test(crc_of_pieces_is_crc_of_whole),
        cmocka_unit_test(crc_of_halves_joins),
        cmocka_unit_test(crc_by_workers),
        cmocka_unit_test(hash_is_pinned),
        cmocka_unit_test(hash_has_no_easy_collisions),
        cmocka_unit_test(hash_moves_half_of_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

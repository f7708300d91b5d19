// SPDX-License-Identifier: Apache-2.0
// CRC-32C with the polynomial 0x1edc6f41, bit-reflected, and a 64-bit hash of four lanes.
#include "base/hash.h"

#include <string.h>

#define C1 UINT64_C(0x9fb21c651e98df25)
#define C2 UINT64_C(0xd6e8feb86659fd93)
#define C3 UINT64_C(0xa0761d6478bd642f)

static uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

static uint64_t rotate(uint64_t v, int bits) { return v << bits | v >> (64 - bits); }

// A bijection in which every bit of v moves about half of the result.
static uint64_t scramble(uint64_t v) {
    v = (v ^ v >> 32) * C2;
    v = (v ^ v >> 29) * C1;
    return v ^ v >> 32;
}

// One step of a lane: a bijection of the lane for fixed data and the other way round.
static uint64_t absorb(uint64_t lane, uint64_t data) {
    lane = (lane ^ data) * C1;
    return lane ^ lane >> 35;
}

uint64_t whet_hash64_mix(uint64_t a, uint64_t b) {
    return scramble(a * C3 + rotate(scramble(b + C1), 23));
}

uint64_t whet_hash64(const void *data, size_t n, uint64_t seed) {
    const uint8_t *p = data;
    size_t left = n;
    uint64_t h = scramble(seed + C3 * (n + 1));
    if (left >= 64) {
        uint64_t a = h ^ C1, b = h ^ C2, c = h ^ C3, d = h;
        for (; left >= 32; left -= 32, p += 32) {
            a = absorb(a, load64(p));
            b = absorb(b, load64(p + 8));
            c = absorb(c, load64(p + 16));
            d = absorb(d, load64(p + 24));
        }
        h = whet_hash64_mix(whet_hash64_mix(a, b), whet_hash64_mix(c, d));
    }
    for (; left >= 8; left -= 8, p += 8) h = rotate(absorb(h, load64(p)), 29);
    uint64_t tail = 0;
    for (size_t i = 0; i < left; i++) tail |= (uint64_t)p[i] << (8 * i);
    return scramble(absorb(h, tail));
}

uint64_t whet_hash64_text(const char *text, uint64_t seed) {
    return whet_hash64(text, strlen(text), seed);
}

// The table of byte values follows from its eight single bits, because the CRC is linear; table k
// is for a byte that k more bytes follow.
#define BIT(n, b, v) ((n) >> (b) & 1 ? (v) : 0)
#define ENTRY(n, v0, v1, v2, v3, v4, v5, v6, v7)                                                   \
    (BIT(n, 0, v0) ^ BIT(n, 1, v1) ^ BIT(n, 2, v2) ^ BIT(n, 3, v3) ^ BIT(n, 4, v4) ^               \
     BIT(n, 5, v5) ^ BIT(n, 6, v6) ^ BIT(n, 7, v7))
#define FOUR(n, ...)                                                                               \
    ENTRY(n, __VA_ARGS__), ENTRY(n + 1, __VA_ARGS__), ENTRY(n + 2, __VA_ARGS__),                   \
        ENTRY(n + 3, __VA_ARGS__)
#define SIXTEEN(n, ...)                                                                            \
    FOUR(n, __VA_ARGS__), FOUR(n + 4, __VA_ARGS__), FOUR(n + 8, __VA_ARGS__),                      \
        FOUR(n + 12, __VA_ARGS__)
#define SIXTY_FOUR(n, ...)                                                                         \
    SIXTEEN(n, __VA_ARGS__), SIXTEEN(n + 16, __VA_ARGS__), SIXTEEN(n + 32, __VA_ARGS__),           \
        SIXTEEN(n + 48, __VA_ARGS__)
#define TABLE(...)                                                                                 \
    {SIXTY_FOUR(0, __VA_ARGS__), SIXTY_FOUR(64, __VA_ARGS__), SIXTY_FOUR(128, __VA_ARGS__),        \
     SIXTY_FOUR(192, __VA_ARGS__)}

static const uint32_t crc_table[8][256] = {
    TABLE(0xf26b8303, 0xe13b70f7, 0xc79a971f, 0x8ad958cf, 0x105ec76f, 0x20bd8ede, 0x417b1dbc,
          0x82f63b78),
    TABLE(0x13a29877, 0x274530ee, 0x4e8a61dc, 0x9d14c3b8, 0x3fc5f181, 0x7f8be302, 0xff17c604,
          0xfbc3faf9),
    TABLE(0xa541927e, 0x4f6f520d, 0x9edea41a, 0x38513ec5, 0x70a27d8a, 0xe144fb14, 0xc76580d9,
          0x8b277743),
    TABLE(0xdd45aab8, 0xbf672381, 0x7b2231f3, 0xf64463e6, 0xe964b13d, 0xd725148b, 0xaba65fe7,
          0x52a0c93f),
    TABLE(0x38116fac, 0x7022df58, 0xe045beb0, 0xc5670b91, 0x8f2261d3, 0x1ba8b557, 0x37516aae,
          0x6ea2d55c),
    TABLE(0xef306b19, 0xdb8ca0c3, 0xb2f53777, 0x6006181f, 0xc00c303e, 0x85f4168d, 0x0e045beb,
          0x1c08b7d6),
    TABLE(0x68032cc8, 0xd0065990, 0xa5e0c5d1, 0x4e2dfd53, 0x9c5bfaa6, 0x3d5b83bd, 0x7ab7077a,
          0xf56e0ef4),
    TABLE(0x493c7d27, 0x9278fa4e, 0x211d826d, 0x423b04da, 0x847609b4, 0x0d006599, 0x1a00cb32,
          0x34019664),
};

// Of polynomials modulo that of the CRC, lowest power in the highest bit.
static uint32_t multiply(uint32_t a, uint32_t b) {
    uint32_t product = 0;
    for (int i = 0; i < 32; i++) {
        product ^= b & (0 - (a >> (31 - i) & 1));
        b = b >> 1 ^ (0x82f63b78u & (0 - (b & 1)));
    }
    return product;
}

// Moves `a` past n zero bytes: a product with x^(8 n), by squaring.
uint32_t whet_crc32c_join(uint32_t a, uint32_t b, uint64_t n) {
    uint32_t power = 0x00800000; // x^8
    for (; n; n >>= 1, power = multiply(power, power))
        if (n & 1) a = multiply(a, power);
    return a ^ b;
}

uint32_t whet_crc32c_table(uint32_t crc, const void *data, size_t n) {
    const uint8_t *p = data;
    uint32_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t v = load64(p) ^ c;
        c = 0;
        for (int i = 0; i < 8; i++) c ^= crc_table[7 - i][v >> (8 * i) & 0xff];
    }
    for (; n; n--, p++) c = crc_table[0][(c ^ *p) & 0xff] ^ c >> 8;
    return ~c;
}

#if defined(__x86_64__)

// The instruction takes three cycles but one can start every cycle: three runs of LANE bytes go
// side by side, and are joined by moving a CRC past LANE zero bytes, a product with x^(8 LANE).
#define LANE 8192
#define PAST_LANE 0x28461564u

__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
                                                               size_t n) {
    const uint8_t *p = data;
    uint64_t c = ~crc;
    for (; n >= 3 * LANE; n -= 3 * LANE, p += 3 * LANE) {
        uint64_t c1 = 0, c2 = 0;
        for (size_t i = 0; i < LANE; i += 8) {
            c = __builtin_ia32_crc32di(c, load64(p + i));
            c1 = __builtin_ia32_crc32di(c1, load64(p + LANE + i));
            c2 = __builtin_ia32_crc32di(c2, load64(p + 2 * LANE + i));
        }
        c = multiply((uint32_t)c, PAST_LANE) ^ c1;
        c = multiply((uint32_t)c, PAST_LANE) ^ c2;
    }
    for (; n >= 8; n -= 8, p += 8) c = __builtin_ia32_crc32di(c, load64(p));
    for (; n; n--, p++) c = __builtin_ia32_crc32qi((uint32_t)c, *p);
    return ~(uint32_t)c;
}

uint32_t whet_crc32c(uint32_t crc, const void *data, size_t n) {
    if (__builtin_cpu_supports("sse4.2")) return crc32c_sse42(crc, data, n);
    return whet_crc32c_table(crc, data, n);
}

#else

uint32_t whet_crc32c(uint32_t crc, const void *data, size_t n) {
    return whet_crc32c_table(crc, data, n);
}

#endif

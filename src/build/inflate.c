// SPDX-License-Identifier: Apache-2.0
// Codes of up to 15 bits are looked up whole, in tables of 2^15 entries made once a block.
#include "build/inflate.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_BITS = 15, TABLE = 1 << MAX_BITS, N_LITERALS = 288, N_DISTANCES = 30, N_LENGTHS = 29 };

typedef struct {
    const uint8_t *in;
    size_t n_in, at_in;
    uint8_t *out;
    size_t n_out, at_out;
    uint64_t bits; // the next ones, lowest first
    int32_t n_bits;
    uint16_t literals[TABLE], distances[TABLE]; // symbol << 4 | length; 0: no such code
} inflater;

// ---- bits ----

// Beyond the end of the input there are zeros, whose use take() notices.
static void fill(inflater *x) {
    while (x->n_bits <= 56 && x->at_in < x->n_in) {
        x->bits |= (uint64_t)x->in[x->at_in++] << x->n_bits;
        x->n_bits += 8;
    }
}

static bool take(inflater *x, int32_t n, uint32_t *v) {
    fill(x);
    *v = (uint32_t)(x->bits & ((UINT64_C(1) << n) - 1));
    if (x->n_bits < n) return false;
    x->bits >>= n;
    x->n_bits -= n;
    return true;
}

static bool decode(inflater *x, const uint16_t *table, uint32_t *symbol) {
    fill(x);
    uint16_t entry = table[x->bits & (TABLE - 1)];
    int32_t length = entry & 15;
    if (!length || length > x->n_bits) return false;
    x->bits >>= length;
    x->n_bits -= length;
    *symbol = entry >> 4;
    return true;
}

// ---- codes ----

static uint32_t reversed(uint32_t code, int32_t length) {
    uint32_t r = 0;
    for (int32_t i = 0; i < length; i++) r |= (code >> i & 1) << (length - 1 - i);
    return r;
}

// Lengths of n symbols to a table. Codes that are not used are refused only when they come up, but
// more codes than there is room for are refused here.
static bool make_table(uint16_t *table, const uint8_t *lengths, int32_t n) {
    int32_t count[MAX_BITS + 1] = {0};
    uint32_t next[MAX_BITS + 1], code = 0;
    int64_t room = 1;
    for (int32_t i = 0; i < n; i++) count[lengths[i]]++;
    count[0] = 0;
    for (int32_t b = 1; b <= MAX_BITS; b++) {
        room = room * 2 - count[b];
        if (room < 0) return false;
        code = (code + (uint32_t)count[b - 1]) << 1;
        next[b] = code;
    }
    memset(table, 0, TABLE * sizeof *table);
    for (int32_t i = 0; i < n; i++) {
        int32_t length = lengths[i];
        if (!length) continue;
        uint32_t first = reversed(next[length]++, length);
        for (uint32_t k = first; k < TABLE; k += 1u << length)
            table[k] = (uint16_t)(i << 4 | length);
    }
    return true;
}

static bool fixed_tables(inflater *x) {
    uint8_t lengths[N_LITERALS];
    for (int32_t i = 0; i < N_LITERALS; i++)
        lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    if (!make_table(x->literals, lengths, N_LITERALS)) return false;
    memset(lengths, 5, N_DISTANCES);
    return make_table(x->distances, lengths, N_DISTANCES);
}

// One run of code lengths: a length, or a repeat of the last one or of zero.
static bool read_run(inflater *x, uint8_t *lengths, int32_t total, int32_t *at) {
    uint32_t symbol, extra = 0;
    if (!decode(x, x->literals, &symbol)) return false;
    if (symbol < 16) {
        lengths[(*at)++] = (uint8_t)symbol;
        return true;
    }
    int32_t bits = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (!take(x, bits, &extra)) return false;
    int32_t repeat = (symbol == 18 ? 11 : 3) + (int32_t)extra;
    if ((symbol == 16 && *at == 0) || repeat > total - *at) return false;
    uint8_t value = symbol == 16 ? lengths[*at - 1] : 0;
    memset(lengths + *at, value, (size_t)repeat);
    *at += repeat;
    return true;
}

static bool dynamic_tables(inflater *x) {
    static const uint8_t order[] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                    11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[N_LITERALS + 32] = {0}, codes[19] = {0};
    uint32_t n_literals, n_distances, n_codes, v;
    if (!take(x, 5, &n_literals) || !take(x, 5, &n_distances) || !take(x, 4, &n_codes))
        return false;
    n_literals += 257;
    n_distances += 1;
    if (n_literals > 286 || n_distances > N_DISTANCES) return false;
    for (uint32_t i = 0; i < n_codes + 4; i++) {
        if (!take(x, 3, &v)) return false;
        codes[order[i]] = (uint8_t)v;
    }
    if (!make_table(x->literals, codes, 19)) return false;
    int32_t total = (int32_t)(n_literals + n_distances);
    for (int32_t at = 0; at < total;)
        if (!read_run(x, lengths, total, &at)) return false;
    if (!lengths[256]) return false; // nothing could end the block
    return make_table(x->literals, lengths, (int32_t)n_literals) &&
           make_table(x->distances, lengths + n_literals, (int32_t)n_distances);
}

// ---- blocks ----

static bool copy_stored(inflater *x) {
    uint32_t skip, n, check;
    if (!take(x, x->n_bits & 7, &skip) || !take(x, 16, &n) || !take(x, 16, &check)) return false;
    if (n != (~check & 0xffff) || n > x->n_out - x->at_out) return false;
    for (; n && x->n_bits; n--) { // what has been read ahead
        x->out[x->at_out++] = (uint8_t)x->bits;
        x->bits >>= 8;
        x->n_bits -= 8;
    }
    if (n > x->n_in - x->at_in) return false;
    if (n) memcpy(x->out + x->at_out, x->in + x->at_in, n);
    x->at_in += n;
    x->at_out += n;
    return true;
}

static bool copy_match(inflater *x, uint32_t symbol) {
    static const uint16_t length_base[N_LENGTHS] = {3,  4,  5,  6,  7,  8,  9,  10,  11,  13,
                                                    15, 17, 19, 23, 27, 31, 35, 43,  51,  59,
                                                    67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const uint16_t distance_base[N_DISTANCES] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    uint32_t code = symbol - 257, length, distance, extra;
    if (code >= N_LENGTHS) return false;
    int32_t bits = code < 8 || code == 28 ? 0 : (int32_t)(code - 4) / 4;
    if (!take(x, bits, &extra)) return false;
    length = length_base[code] + extra;
    if (!decode(x, x->distances, &code) || code >= N_DISTANCES) return false;
    if (!take(x, code < 4 ? 0 : (int32_t)(code - 2) / 2, &extra)) return false;
    distance = distance_base[code] + extra;
    if (distance > x->at_out || length > x->n_out - x->at_out) return false;
    for (; length; length--, x->at_out++) x->out[x->at_out] = x->out[x->at_out - distance];
    return true;
}

static bool copy_coded(inflater *x) {
    uint32_t symbol;
    while (decode(x, x->literals, &symbol)) {
        if (symbol == 256) return true;
        if (symbol > 256) {
            if (!copy_match(x, symbol)) return false;
        } else if (x->at_out == x->n_out) {
            return false;
        } else {
            x->out[x->at_out++] = (uint8_t)symbol;
        }
    }
    return false;
}

static bool inflate_all(inflater *x) {
    uint32_t last, type;
    do {
        if (!take(x, 1, &last) || !take(x, 2, &type) || type == 3) return false;
        if (type == 0) {
            if (!copy_stored(x)) return false;
        } else if (!(type == 1 ? fixed_tables(x) : dynamic_tables(x)) || !copy_coded(x)) {
            return false;
        }
    } while (!last);
    return x->at_out == x->n_out;
}

whet_status whet_inflate(const void *data, size_t bytes, void *out, size_t size, whet_error *err) {
    inflater *x = calloc(1, sizeof *x);
    if (!x) return WHET_NOMEM(err);
    x->in = data;
    x->n_in = bytes;
    x->out = out;
    x->n_out = size;
    bool ok = inflate_all(x);
    free(x);
    if (!ok) WHET_FAIL(err, WHET_E_PARSE, "the compressed data are damaged");
    return WHET_OK;
}

// ---- checksum ----

uint32_t whet_crc32(const void *data, size_t bytes) {
    uint32_t table[8][256], crc = 0xffffffffu;
    const uint8_t *p = data;
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int32_t k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320u : c >> 1;
        table[0][i] = c;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int32_t k = 1; k < 8; k++)
            table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
    for (; bytes >= 8; bytes -= 8, p += 8) {
        uint32_t low = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                              (uint32_t)p[3] << 24);
        crc = table[7][low & 255] ^ table[6][low >> 8 & 255] ^ table[5][low >> 16 & 255] ^
              table[4][low >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
              table[0][p[7]];
    }
    for (; bytes; bytes--) crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
    return ~crc;
}

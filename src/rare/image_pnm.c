// SPDX-License-Identifier: Apache-2.0
// Portable bitmaps, graymaps and pixmaps: P1 to P3 in digits, P4 to P6 in bytes.
#include "rare/image.h"

typedef struct reader {
    const uint8_t *at, *end;
} reader;

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static void skip_blank(reader *r) {
    while (r->at < r->end && (is_space(*r->at) || *r->at == '#')) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n') r->at++;
        else r->at++;
    }
}

// -1: none, or too large.
static int64_t number(reader *r) {
    skip_blank(r);
    if (r->at == r->end || *r->at < '0' || *r->at > '9') return -1;
    int64_t v = 0;
    for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
        if ((v = v * 10 + (*r->at - '0')) > INT32_MAX) return -1;
    return v;
}

static uint8_t scaled(int64_t v, int64_t most) {
    return (uint8_t)(v >= most ? 255 : (v * 255 + most / 2) / most);
}

static bool read_digits(reader *r, whet_image *image, int64_t most, bool bits) {
    int64_t n = image->width * image->height * image->channels;
    for (int64_t i = 0; i < n; i++) {
        int64_t v;
        if (bits) { // digits need nothing between them
            skip_blank(r);
            v = r->at < r->end ? *r->at++ - '0' : -1;
            if (v < 0 || v > 1) return false;
            v = !v;
        } else if ((v = number(r)) < 0) {
            return false;
        }
        image->pixels[i] = scaled(v, most);
    }
    return true;
}

static void read_bits(reader *r, whet_image *image) {
    int64_t row = (image->width + 7) / 8;
    for (int64_t y = 0; y < image->height; y++, r->at += row)
        for (int64_t x = 0; x < image->width; x++)
            image->pixels[y * image->width + x] = r->at[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
}

static void read_bytes(reader *r, whet_image *image, int64_t most) {
    int64_t n = image->width * image->height * image->channels, wide = most > 255;
    for (int64_t i = 0; i < n; i++, r->at += wide + 1)
        image->pixels[i] = scaled(wide ? r->at[0] << 8 | r->at[1] : r->at[0], most);
}

// Whether so much follows as an image of that size takes, so that no memory is asked for in vain.
static bool is_whole(const reader *r, int kind, int64_t width, int64_t height, int64_t most) {
    int64_t left = r->end - r->at, n = width * height * (kind == 3 || kind == 6 ? 3 : 1);
    if (kind == 1) return left >= n;
    if (kind <= 3) return left >= 2 * n - 1;
    if (kind == 4) return left > (width + 7) / 8 * height;
    return left > n * (most > 255 ? 2 : 1);
}

whet_status whet_image_pnm(const uint8_t *data, size_t size, whet_image *image, whet_error *err) {
    reader r = {data + 2, data + size};
    int kind = data[1] - '0';
    bool bits = kind == 1 || kind == 4;
    int64_t width = number(&r), height = number(&r), most = bits ? 1 : number(&r);
    if (most < 1 || most > 65535) return WHET_E_PARSE;
    WHET_TRY(whet_image_check(width, height, err));
    if (!is_whole(&r, kind, width, height, most)) return WHET_E_PARSE;
    WHET_TRY(whet_image_alloc(image, width, height, kind == 3 || kind == 6 ? 3 : 1, err));
    if (kind <= 3) return read_digits(&r, image, most, bits) ? WHET_OK : WHET_E_PARSE;
    if (!is_space(*r.at++)) return WHET_E_PARSE;
    if (bits) read_bits(&r, image);
    else read_bytes(&r, image, most);
    return WHET_OK;
}

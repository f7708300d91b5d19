// SPDX-License-Identifier: Apache-2.0
// Windows bitmaps: 1 to 32 bits a pixel, palettes, bit fields, run lengths.
#include <string.h>

#include "rare/image.h"

enum { PLAIN = 0, RLE8 = 1, RLE4 = 2, BITFIELDS = 3, ALPHABITFIELDS = 6 };

typedef struct bmp {
    const uint8_t *data;
    size_t size;
    int64_t width, height;
    bool top_down;
    uint32_t bits, compression, offset, n_colors;
    uint32_t masks[3];
    const uint8_t *palette;
    size_t color_bytes;
} bmp;

static uint32_t u16(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }
static uint32_t u32(const uint8_t *p) { return u16(p) | u16(p + 2) << 16; }

static bool read_masks(bmp *b, uint32_t header) {
    static const uint32_t five[] = {0x7c00, 0x3e0, 0x1f}, eight[] = {0xff0000, 0xff00, 0xff};
    memcpy(b->masks, b->bits == 16 ? five : eight, sizeof b->masks);
    if (b->compression != BITFIELDS && b->compression != ALPHABITFIELDS) return true;
    if (b->size < 14 + 40 + 12 || header < 40) return false;
    for (int i = 0; i < 3; i++) b->masks[i] = u32(b->data + 14 + 40 + 4 * i);
    return b->masks[0] && b->masks[1] && b->masks[2];
}

static bool read_header(bmp *b) {
    const uint8_t *p = b->data;
    if (b->size < 14 + 12) return false;
    uint32_t header = u32(p + 14);
    bool old = header == 12; // of OS/2
    if (!old && (header < 40 || header > 256 || b->size < 14 + header)) return false;
    b->offset = u32(p + 10);
    b->width = old ? (int32_t)u16(p + 18) : (int32_t)u32(p + 18);
    b->height = old ? (int32_t)u16(p + 20) : (int32_t)u32(p + 22);
    b->bits = u16(p + (old ? 24 : 28));
    b->compression = old ? PLAIN : u32(p + 30);
    b->top_down = b->height < 0;
    if (b->top_down) b->height = -b->height;
    b->n_colors = old ? 0 : u32(p + 46);
    b->color_bytes = old ? 3 : 4;
    if (b->bits <= 8 && (b->n_colors == 0 || b->n_colors > 1u << b->bits))
        b->n_colors = 1u << b->bits;
    bool fields = b->compression == BITFIELDS || b->compression == ALPHABITFIELDS;
    size_t palette = 14 + header + (fields && header == 40 ? 12 : 0);
    if (b->bits <= 8 && (palette > b->size || b->size - palette < b->n_colors * b->color_bytes))
        return false;
    b->palette = p + (b->bits <= 8 ? palette : 0);
    bool known = b->compression == PLAIN
                     ? b->bits == 1 || b->bits == 4 || b->bits == 8 || b->bits == 16 ||
                           b->bits == 24 || b->bits == 32
                 : b->compression == RLE8 ? b->bits == 8
                 : b->compression == RLE4 ? b->bits == 4
                                          : fields && (b->bits == 16 || b->bits == 32);
    return known && b->offset <= b->size && read_masks(b, header);
}

// A field of any width as 8 bits.
static uint8_t field(uint32_t v, uint32_t mask) {
    uint32_t shift = (uint32_t)__builtin_ctz(mask), most = mask >> shift;
    return (uint8_t)(((uint64_t)((v & mask) >> shift) * 255 + most / 2) / most);
}

static void put_color(const bmp *b, uint32_t index, uint8_t *out) {
    const uint8_t *c = b->palette + (index < b->n_colors ? index : 0) * b->color_bytes;
    out[0] = c[2];
    out[1] = c[1];
    out[2] = c[0];
}

static uint8_t *row_of(const bmp *b, whet_image *image, int64_t y) {
    return image->pixels + (b->top_down ? y : b->height - 1 - y) * b->width * 3;
}

static int64_t row_bytes(const bmp *b) { return (b->width * b->bits + 31) / 32 * 4; }

static whet_status read_plain(const bmp *b, whet_image *image) {
    int64_t row = row_bytes(b);
    for (int64_t y = 0; y < b->height; y++) {
        const uint8_t *in = b->data + b->offset + y * row;
        uint8_t *out = row_of(b, image, y);
        for (int64_t x = 0; x < b->width; x++, out += 3) {
            if (b->bits <= 8) {
                uint32_t at = (uint32_t)(x * b->bits % 8);
                put_color(b, in[x * b->bits / 8] >> (8 - b->bits - at) & ((1u << b->bits) - 1),
                          out);
            } else if (b->bits == 24) {
                for (int c = 0; c < 3; c++) out[c] = in[x * 3 + 2 - c];
            } else {
                uint32_t v = b->bits == 16 ? u16(in + x * 2) : u32(in + x * 4);
                for (int c = 0; c < 3; c++) out[c] = field(v, b->masks[c]);
            }
        }
    }
    return WHET_OK;
}

typedef struct pen {
    const bmp *b;
    whet_image *image;
    int64_t x, y;
} pen;

static bool draw(pen *p, uint32_t index) {
    if (p->x >= p->b->width || p->y >= p->b->height) return false;
    put_color(p->b, index, row_of(p->b, p->image, p->y) + p->x++ * 3);
    return true;
}

// Pixels written out, padded to 16 bits.
static const uint8_t *draw_literal(pen *p, const uint8_t *in, const uint8_t *end, int n) {
    bool four = p->b->bits == 4;
    int bytes = four ? (n + 1) / 2 : n;
    bytes += bytes & 1;
    if (end - in < bytes) return NULL;
    for (int i = 0; i < n; i++) {
        uint32_t v = four ? in[i / 2] >> (i % 2 ? 0 : 4) & 15 : in[i];
        if (!draw(p, v)) return NULL;
    }
    return in + bytes;
}

// Pixels that are skipped show the first color.
static whet_status read_runs(const bmp *b, whet_image *image) {
    pen p = {b, image, 0, 0};
    const uint8_t *in = b->data + b->offset, *end = b->data + b->size;
    for (int64_t i = 0; i < b->width * b->height; i++) put_color(b, 0, image->pixels + i * 3);
    while (end - in >= 2) {
        uint8_t n = in[0], v = in[1];
        in += 2;
        if (n) {
            for (int i = 0; i < n; i++)
                if (!draw(&p, b->bits == 8 ? v : i % 2 ? v & 15u : v >> 4u)) return WHET_E_PARSE;
        } else if (v == 0) {
            p.x = 0;
            p.y++;
        } else if (v == 1) {
            return WHET_OK;
        } else if (v == 2) {
            if (end - in < 2) return WHET_E_PARSE;
            p.x += in[0];
            p.y += in[1];
            in += 2;
        } else {
            in = draw_literal(&p, in, end, v);
            if (!in) return WHET_E_PARSE;
        }
    }
    return WHET_E_PARSE; // without an end
}

whet_status whet_image_bmp(const uint8_t *data, size_t size, whet_image *image, whet_error *err) {
    bmp b = {.data = data, .size = size};
    if (!read_header(&b)) return WHET_E_PARSE;
    bool runs = b.compression == RLE8 || b.compression == RLE4;
    WHET_TRY(whet_image_check(b.width, b.height, err));
    if (!runs && (int64_t)(size - b.offset) < row_bytes(&b) * b.height) return WHET_E_PARSE;
    WHET_TRY(whet_image_alloc(image, b.width, b.height, 3, err));
    return runs ? read_runs(&b, image) : read_plain(&b, image);
}

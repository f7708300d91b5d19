// SPDX-License-Identifier: Apache-2.0
// image_decoder: a file's bytes to [height, width, channels]. Bytes that are no image give an empty
// result, as ONNX asks; an image above the limit is an error.
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "rare/image.h"

enum { BGR, RGB, GRAYSCALE };
static const char *const formats[] = {"BGR", "RGB", "Grayscale", NULL};

typedef struct decoder_attrs {
    int32_t pixel_format;
} decoder_attrs;

// ---- kinds of files ----

static bool starts(const uint8_t *data, size_t size, const char *magic, size_t n) {
    return size >= n && !memcmp(data, magic, n);
}
#define STARTS(magic) starts(data, size, magic, sizeof magic - 1)

static bool is_bmp(const uint8_t *data, size_t size) { return STARTS("BM"); }
static bool is_pnm(const uint8_t *data, size_t size) {
    return size > 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '6';
}
static bool is_jpeg(const uint8_t *data, size_t size) { return STARTS("\xff\xd8\xff"); }
static bool is_png(const uint8_t *data, size_t size) { return STARTS("\x89PNG\r\n\x1a\n"); }
static bool is_jpeg2000(const uint8_t *data, size_t size) {
    return STARTS("\0\0\0\x0cjP  \r\n\x87\n") || STARTS("\xff\x4f\xff\x51");
}
static bool is_tiff(const uint8_t *data, size_t size) {
    return STARTS("II*\0") || STARTS("MM\0*") || STARTS("II+\0") || STARTS("MM\0+");
}
static bool is_webp(const uint8_t *data, size_t size) {
    return STARTS("RIFF") && size >= 12 && !memcmp(data + 8, "WEBP", 4);
}

#ifndef WHET_HAVE_JPEG
#define whet_image_jpeg NULL
#endif
#ifndef WHET_HAVE_PNG
#define whet_image_png NULL
#endif
#ifndef WHET_HAVE_JPEG2000
#define whet_image_jpeg2000 NULL
#endif
#ifndef WHET_HAVE_TIFF
#define whet_image_tiff NULL
#endif
#ifndef WHET_HAVE_WEBP
#define whet_image_webp NULL
#endif

typedef struct kind {
    const char *name, *package; // Debian's, needed where libwhet_ops is built
    bool (*is)(const uint8_t *data, size_t size);
    whet_image_decode decode; // NULL: not built in
} kind;
static const kind kinds[] = {
    {"BMP", "", is_bmp, whet_image_bmp},
    {"PNM", "", is_pnm, whet_image_pnm},
    {"JPEG", "libjpeg62-turbo-dev", is_jpeg, whet_image_jpeg},
    {"PNG", "libpng-dev", is_png, whet_image_png},
    {"JPEG 2000", "libopenjp2-7-dev", is_jpeg2000, whet_image_jpeg2000},
    {"TIFF", "libtiff-dev", is_tiff, whet_image_tiff},
    {"WebP", "libwebp-dev", is_webp, whet_image_webp},
};

// ---- pixels ----

whet_status whet_image_check(int64_t width, int64_t height, whet_error *err) {
    if (width < 1 || height < 1)
        WHET_FAIL(err, WHET_E_PARSE, "the image has %lld x %lld pixels", (long long)width,
                  (long long)height);
    if (width > WHET_IMAGE_PIXELS || height > WHET_IMAGE_PIXELS / width)
        WHET_FAIL(err, WHET_E_LIMIT, "the image has %lld x %lld pixels, at most %lld are decoded",
                  (long long)width, (long long)height, (long long)WHET_IMAGE_PIXELS);
    return WHET_OK;
}

whet_status whet_image_alloc(whet_image *image, int64_t width, int64_t height, int32_t channels,
                             whet_error *err) {
    WHET_TRY(whet_image_check(width, height, err));
    *image = (whet_image){width, height, channels, NULL};
    image->pixels = calloc((size_t)(width * height), (size_t)channels);
    return image->pixels ? WHET_OK : WHET_NOMEM(err);
}

// Luma as ITU-R 601 weighs it, in 16 bits.
static uint8_t gray(const uint8_t *p) {
    return (uint8_t)((p[0] * 19595u + p[1] * 38470u + p[2] * 7471u + 0x8000u) >> 16);
}

static void convert(const whet_image *image, int32_t format, uint8_t *out) {
    int64_t n = image->width * image->height;
    const uint8_t *p = image->pixels;
    for (int64_t i = 0; i < n; i++, p += image->channels) {
        if (format == GRAYSCALE) {
            *out++ = image->channels == 1 ? *p : gray(p);
            continue;
        }
        for (int32_t c = 0; c < 3; c++)
            *out++ = image->channels == 1 ? *p : p[format == RGB ? c : 2 - c];
    }
}

static whet_status decode(whet_eval *e, whet_image *image) {
    const uint8_t *data = e->in[0].data;
    size_t size = e->in[0].bytes;
    for (int32_t i = 0; i < WHET_COUNT(kinds); i++) {
        if (!kinds[i].is(data, size)) continue;
        if (kinds[i].decode) return kinds[i].decode(data, size, image, e->err);
        WHET_FAIL(e->err, WHET_E_UNSUPPORTED,
                  "libwhet_ops was built without %s images: Debian package %s was not there",
                  kinds[i].name, kinds[i].package);
    }
    return WHET_E_PARSE;
}

static whet_status eval(whet_eval *e) {
    int32_t format = ((const decoder_attrs *)e->attrs)->pixel_format;
    int64_t channels = format == GRAYSCALE ? 1 : 3;
    whet_image image = {0};
    whet_status status = decode(e, &image);
    if (status == WHET_E_PARSE) {
        image.width = image.height = 0;
        whet_error_clear(e->err);
        status = WHET_OK;
    }
    if (status == WHET_OK)
        status = whet_eval_output(e, 0, 3, (const int64_t[]){image.height, image.width, channels});
    if (status == WHET_OK && image.width && whet_eval_wants(e, 0))
        convert(&image, format, e->out[0].data);
    free(image.pixels);
    return status;
}

static whet_status infer(whet_infer *ctx) {
    WHET_TRY(whet_infer_rank(ctx, 0, 1));
    whet_infer_unknown(ctx, 0, 3);
    ctx->out[0].dims[2] =
        ((const decoder_attrs *)ctx->attrs)->pixel_format == GRAYSCALE ? 1 : 3;
    return WHET_OK;
}

extern const whet_op whet_op_image_decoder;
const whet_op whet_op_image_decoder = {
    .name = "image_decoder",
    WHET_IN({"encoded_stream", WHET_DTYPE_BIT(WHET_DTYPE_U8)}),
    WHET_OUT({"image", WHET_DTYPE_BIT(WHET_DTYPE_U8)}),
    WHET_ATTRS(decoder_attrs, {"pixel_format", WHET_ATTR_ENUM,
                               offsetof(decoder_attrs, pixel_format), .def = RGB,
                               .choices = formats}),
    WHET_ONNX({"", "ImageDecoder", 20, 0, "image_decoder"}), .flags = WHET_OP_DYNAMIC_OUT,
    .infer = infer, .eval = eval,
};

// SPDX-License-Identifier: Apache-2.0
// Decoders of image files. What lies in a file is foreign: sizes are checked before memory is
// asked for, and nothing is believed that a decoder library has not checked.
#ifndef WHET_RARE_IMAGE_H
#define WHET_RARE_IMAGE_H

#include "base/error.h"

// More pixels than these are refused: 8192 x 8192.
#define WHET_IMAGE_PIXELS (INT64_C(1) << 26)

typedef struct whet_image {
    int64_t width, height;
    int32_t channels; // 1: gray, 3: red, green, blue
    uint8_t *pixels;  // malloc; [height, width, channels]
} whet_image;

// Whether an image may have that size: WHET_E_PARSE, WHET_E_LIMIT.
whet_status whet_image_check(int64_t width, int64_t height, whet_error *err);
// Sets the size and gets zeroed memory. WHET_E_LIMIT, WHET_E_NOMEM, WHET_E_PARSE (no pixels).
whet_status whet_image_alloc(whet_image *image, int64_t width, int64_t height, int32_t channels,
                             whet_error *err);

// WHET_E_PARSE: the bytes are no whole image. The caller frees the pixels, whatever comes back.
typedef whet_status (*whet_image_decode)(const uint8_t *data, size_t size, whet_image *image,
                                         whet_error *err);
whet_status whet_image_bmp(const uint8_t *data, size_t size, whet_image *image, whet_error *err);
whet_status whet_image_pnm(const uint8_t *data, size_t size, whet_image *image, whet_error *err);
whet_status whet_image_jpeg(const uint8_t *data, size_t size, whet_image *image, whet_error *err);
whet_status whet_image_png(const uint8_t *data, size_t size, whet_image *image, whet_error *err);
whet_status whet_image_jpeg2000(const uint8_t *data, size_t size, whet_image *image,
                                whet_error *err);
whet_status whet_image_tiff(const uint8_t *data, size_t size, whet_image *image, whet_error *err);
whet_status whet_image_webp(const uint8_t *data, size_t size, whet_image *image, whet_error *err);

#endif

// SPDX-License-Identifier: Apache-2.0
// PNG through libpng: palettes and few bits are widened, 16 bits and transparency are dropped.
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "rare/image.h"

typedef struct decoder {
    png_structp png;
    png_infop info;
    const uint8_t *at;
    size_t left;
} decoder;

static void on_error(png_structp png, png_const_charp text) {
    (void)text;
    png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void on_read(png_structp png, png_bytep out, size_t n) {
    decoder *d = png_get_io_ptr(png);
    if (n > d->left) png_error(png, "end of data");
    memcpy(out, d->at, n);
    d->at += n;
    d->left -= n;
}

static whet_status read_image(decoder *d, whet_image *image, whet_error *err) {
    if (setjmp(png_jmpbuf(d->png))) return WHET_E_PARSE; // nothing of this function lives on
    png_set_read_fn(d->png, d, on_read);
    png_set_user_limits(d->png, WHET_IMAGE_PIXELS, WHET_IMAGE_PIXELS);
    png_set_chunk_malloc_max(d->png, (png_alloc_size_t)1 << 24);
    png_set_chunk_cache_max(d->png, 128);
    png_read_info(d->png, d->info);
    png_set_expand(d->png);
    png_set_strip_16(d->png);
    png_set_strip_alpha(d->png);
    int passes = png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    int channels = png_get_channels(d->png, d->info);
    whet_status status =
        whet_image_alloc(image, png_get_image_width(d->png, d->info),
                         png_get_image_height(d->png, d->info), channels == 1 ? 1 : 3, err);
    if (status != WHET_OK) return status;
    size_t row = (size_t)(image->width * image->channels);
    if (channels != image->channels || png_get_rowbytes(d->png, d->info) != row)
        return WHET_E_PARSE;
    for (int pass = 0; pass < passes; pass++)
        for (int64_t y = 0; y < image->height; y++)
            png_read_row(d->png, image->pixels + (size_t)y * row, NULL);
    png_read_end(d->png, NULL);
    return WHET_OK;
}

whet_status whet_image_png(const uint8_t *data, size_t size, whet_image *image, whet_error *err) {
    decoder d = {.at = data, .left = size};
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, on_error, on_warning);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    whet_status status = d.info ? read_image(&d, image, err) : WHET_NOMEM(err);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    return status;
}

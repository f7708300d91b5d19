// SPDX-License-Identifier: Apache-2.0
// TIFF through libtiff, which turns any kind into red, green, blue and alpha; the first image.
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "rare/image.h"

typedef struct source {
    const uint8_t *data;
    uint64_t size, at;
} source;

static tmsize_t on_read(thandle_t user, void *out, tmsize_t n) {
    source *s = user;
    uint64_t left = s->at < s->size ? s->size - s->at : 0;
    if (n < 0) return 0;
    if ((uint64_t)n > left) n = (tmsize_t)left;
    if (n) memcpy(out, s->data + s->at, (size_t)n);
    s->at += (uint64_t)n;
    return n;
}
static tmsize_t on_write(thandle_t user, void *data, tmsize_t n) {
    (void)user, (void)data, (void)n;
    return 0;
}
static toff_t on_seek(thandle_t user, toff_t offset, int whence) {
    source *s = user;
    s->at = whence == SEEK_SET ? offset : whence == SEEK_CUR ? s->at + offset : s->size + offset;
    return s->at;
}
static int on_close(thandle_t user) { return (void)user, 0; }
static toff_t on_size(thandle_t user) { return ((source *)user)->size; }
static int on_message(TIFF *tiff, void *user, const char *module, const char *format,
                      va_list args) {
    (void)tiff, (void)user, (void)module, (void)format, (void)args;
    return 1; // said nothing, and nobody else shall
}

static whet_status read_image(TIFF *tiff, whet_image *image, whet_error *err) {
    uint32_t width = 0, height = 0;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &height))
        return WHET_E_PARSE;
    WHET_TRY(whet_image_alloc(image, width, height, 3, err));
    size_t n = (size_t)(image->width * image->height);
    uint32_t *raster = calloc(n, sizeof *raster);
    if (!raster) return WHET_NOMEM(err);
    bool good = TIFFReadRGBAImageOriented(tiff, width, height, raster, ORIENTATION_TOPLEFT, 1);
    for (size_t i = 0; good && i < n; i++) {
        image->pixels[i * 3] = (uint8_t)TIFFGetR(raster[i]);
        image->pixels[i * 3 + 1] = (uint8_t)TIFFGetG(raster[i]);
        image->pixels[i * 3 + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    free(raster);
    return good ? WHET_OK : WHET_E_PARSE;
}

whet_status whet_image_tiff(const uint8_t *data, size_t size, whet_image *image,
                            whet_error *err) {
    source s = {data, size, 0};
    TIFFOpenOptions *o = TIFFOpenOptionsAlloc();
    if (!o) return WHET_NOMEM(err);
    TIFFOpenOptionsSetMaxSingleMemAlloc(o, (tmsize_t)WHET_IMAGE_PIXELS * 8);
    TIFFOpenOptionsSetErrorHandlerExtR(o, on_message, NULL);
    TIFFOpenOptionsSetWarningHandlerExtR(o, on_message, NULL);
    TIFF *tiff = TIFFClientOpenExt("image", "rm", &s, on_read, on_write, on_seek, on_close,
                                   on_size, NULL, NULL, o);
    TIFFOpenOptionsFree(o);
    if (!tiff) return WHET_E_PARSE;
    whet_status status = read_image(tiff, image, err);
    TIFFClose(tiff);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// JPEG 2000 through openjpeg, as a file (JP2) or a bare codestream.
#include <string.h>

#include <openjpeg.h>

#include "rare/image.h"

typedef struct source {
    const uint8_t *data;
    size_t size, at;
} source;

static OPJ_SIZE_T on_read(void *out, OPJ_SIZE_T n, void *user) {
    source *s = user;
    if (s->at >= s->size) return (OPJ_SIZE_T)-1;
    if (n > s->size - s->at) n = s->size - s->at;
    memcpy(out, s->data + s->at, n);
    s->at += n;
    return n;
}
static OPJ_OFF_T on_skip(OPJ_OFF_T n, void *user) {
    source *s = user;
    if (n < 0 || (size_t)n > s->size - s->at) return -1;
    s->at += (size_t)n;
    return n;
}
static OPJ_BOOL on_seek(OPJ_OFF_T at, void *user) {
    source *s = user;
    if (at < 0 || (size_t)at > s->size) return OPJ_FALSE;
    s->at = (size_t)at;
    return OPJ_TRUE;
}

static int32_t clamped(int64_t v) { return v < 0 ? 0 : v > 255 ? 255 : (int32_t)v; }

// The sample of a component at a pixel as 8 bits.
static int32_t sample(const opj_image_comp_t *c, int64_t x, int64_t y) {
    int64_t cx = x / c->dx < c->w ? x / c->dx : c->w - 1;
    int64_t cy = y / c->dy < c->h ? y / c->dy : c->h - 1;
    int64_t v = c->data[cy * c->w + cx];
    if (c->sgnd) v += INT64_C(1) << (c->prec - 1);
    return clamped(c->prec >= 8 ? v >> (c->prec - 8) : v * 255 / ((1 << c->prec) - 1));
}

static void to_rgb(uint8_t *p) { // from luma and chroma
    double y = p[0], b = p[1] - 128.0, r = p[2] - 128.0;
    p[0] = (uint8_t)clamped((int64_t)(y + 1.402 * r + 0.5));
    p[1] = (uint8_t)clamped((int64_t)(y - 0.344136 * b - 0.714136 * r + 0.5));
    p[2] = (uint8_t)clamped((int64_t)(y + 1.772 * b + 0.5));
}

static bool components_good(const opj_image_t *in) {
    for (uint32_t i = 0; i < in->numcomps; i++) {
        const opj_image_comp_t *c = &in->comps[i];
        if (!c->data || !c->w || !c->h || !c->dx || !c->dy || c->prec < 1 || c->prec > 31)
            return false;
    }
    return in->numcomps > 0;
}

static whet_status take(const opj_image_t *in, whet_image *image) {
    if (!components_good(in)) return WHET_E_PARSE;
    uint8_t *p = image->pixels;
    for (int64_t y = 0; y < image->height; y++)
        for (int64_t x = 0; x < image->width; x++, p += image->channels) {
            for (int32_t c = 0; c < image->channels; c++)
                p[c] = (uint8_t)sample(&in->comps[c], x, y);
            if (image->channels == 3 && in->color_space == OPJ_CLRSPC_SYCC) to_rgb(p);
        }
    return WHET_OK;
}

static whet_status read_image(opj_codec_t *codec, opj_stream_t *stream, whet_image *image,
                              whet_error *err) {
    opj_dparameters_t parameters;
    opj_image_t *in = NULL;
    opj_set_default_decoder_parameters(&parameters);
    if (!opj_setup_decoder(codec, &parameters) || !opj_read_header(stream, codec, &in)) {
        opj_image_destroy(in);
        return WHET_E_PARSE;
    }
    whet_status status = in->numcomps < 1 || in->numcomps > 64 || in->x1 < in->x0 ||
                                 in->y1 < in->y0
                             ? WHET_E_PARSE
                             : whet_image_alloc(image, (int64_t)in->x1 - in->x0,
                                                (int64_t)in->y1 - in->y0,
                                                in->numcomps < 3 ? 1 : 3, err);
    if (status == WHET_OK)
        status = opj_decode(codec, stream, in) && opj_end_decompress(codec, stream) ? WHET_OK
                                                                                  : WHET_E_PARSE;
    // a palette may have made components
    if (status == WHET_OK && in->numcomps < (uint32_t)image->channels) status = WHET_E_PARSE;
    if (status == WHET_OK) status = take(in, image);
    opj_image_destroy(in);
    return status;
}

whet_status whet_image_jpeg2000(const uint8_t *data, size_t size, whet_image *image,
                                whet_error *err) {
    source s = {data, size, 0};
    opj_codec_t *codec =
        opj_create_decompress(data[0] == 0xff ? OPJ_CODEC_J2K : OPJ_CODEC_JP2);
    opj_stream_t *stream = opj_stream_default_create(OPJ_TRUE);
    whet_status status = WHET_E_NOMEM;
    if (codec && stream) {
        opj_stream_set_user_data(stream, &s, NULL);
        opj_stream_set_user_data_length(stream, size);
        opj_stream_set_read_function(stream, on_read);
        opj_stream_set_skip_function(stream, on_skip);
        opj_stream_set_seek_function(stream, on_seek);
        status = read_image(codec, stream, image, err);
    } else {
        WHET_NOMEM(err);
    }
    opj_stream_destroy(stream);
    opj_destroy_codec(codec);
    return status;
}

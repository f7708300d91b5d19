// SPDX-License-Identifier: Apache-2.0
// JPEG through libjpeg: slow integer transform, smooth upsampling of chroma, as ONNX asks.
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "rare/image.h"

#define MAX_SCANS 500 // a progressive file may have any number, each costing a pass

typedef struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
} decoder;

static void give_up(j_common_ptr jpeg) { longjmp(((decoder *)jpeg->client_data)->back, 1); }
static void be_silent(j_common_ptr jpeg) { (void)jpeg; }
static void on_message(j_common_ptr jpeg, int level) {
    if (level < 0 && jpeg->err->msg_code == JWRN_JPEG_EOF) give_up(jpeg);
}
static void on_progress(j_common_ptr jpeg) {
    if (((j_decompress_ptr)jpeg)->input_scan_number > MAX_SCANS) give_up(jpeg);
}

// Inks to light; Adobe's files hold them inverted.
static void inks_to_rgb(const decoder *d, uint8_t *row, int64_t width) {
    bool inverted = d->jpeg.saw_Adobe_marker;
    for (int64_t x = 0; x < width; x++) {
        uint32_t black = inverted ? row[x * 4 + 3] : 255u - row[x * 4 + 3];
        for (int c = 0; c < 3; c++) {
            uint32_t v = inverted ? row[x * 4 + c] : 255u - row[x * 4 + c];
            row[x * 3 + c] = (uint8_t)((v * black + 127) / 255);
        }
    }
}

static whet_status read_rows(decoder *d, whet_image *image, uint8_t *row) {
    bool inks = d->jpeg.out_color_space == JCS_CMYK;
    size_t bytes = (size_t)(image->width * image->channels);
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        uint8_t *to = image->pixels + d->jpeg.output_scanline * bytes;
        JSAMPROW rows[] = {inks ? row : to};
        if (jpeg_read_scanlines(&d->jpeg, rows, 1) != 1) return WHET_E_PARSE;
        if (!inks) continue;
        inks_to_rgb(d, row, image->width);
        memcpy(to, row, bytes);
    }
    jpeg_finish_decompress(&d->jpeg);
    return WHET_OK;
}

static whet_status read_image(decoder *d, const uint8_t *data, size_t size, whet_image *image,
                              whet_error *err) {
    struct jpeg_decompress_struct *j = &d->jpeg;
    if (setjmp(d->back)) return WHET_E_PARSE; // nothing of this function lives on
    jpeg_create_decompress(j);
    jpeg_mem_src(j, data, (unsigned long)size);
    if (jpeg_read_header(j, TRUE) != JPEG_HEADER_OK) return WHET_E_PARSE;
    j->progress = &d->progress;
    bool inks = j->jpeg_color_space == JCS_CMYK || j->jpeg_color_space == JCS_YCCK;
    bool gray = j->jpeg_color_space == JCS_GRAYSCALE;
    j->out_color_space = inks ? JCS_CMYK : gray ? JCS_GRAYSCALE : JCS_RGB;
    j->dct_method = JDCT_ISLOW;
    j->do_fancy_upsampling = TRUE;
    whet_status status =
        whet_image_alloc(image, j->image_width, j->image_height, gray ? 1 : 3, err);
    if (status != WHET_OK) return status;
    if (!jpeg_start_decompress(j)) return WHET_E_PARSE;
    if (j->output_components != (inks ? 4 : gray ? 1 : 3)) return WHET_E_PARSE;
    uint8_t *row = (*j->mem->alloc_small)((j_common_ptr)j, JPOOL_IMAGE,
                                          (size_t)image->width * 4);
    return read_rows(d, image, row);
}

whet_status whet_image_jpeg(const uint8_t *data, size_t size, whet_image *image,
                            whet_error *err) {
    decoder d;
    memset(&d, 0, sizeof d);
    d.jpeg.err = jpeg_std_error(&d.errors);
    d.jpeg.client_data = &d;
    d.errors.error_exit = give_up;
    d.errors.output_message = be_silent;
    d.errors.emit_message = on_message;
    d.progress.progress_monitor = on_progress;
    whet_status status = read_image(&d, data, size, image, err);
    jpeg_destroy_decompress(&d.jpeg);
    return status;
}

// SPDX-License-Identifier: Apache-2.0
// The decoders of images that are our own: bitmaps and portable maps.
#include <stdint.h>
#include <stdlib.h>

#include "rare/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whet_image image = {0};
    whet_error err;
    if (size < 3) return 0;
    whet_status status = data[0] == 'P' && data[1] >= '1' && data[1] <= '6'
                             ? whet_image_pnm(data, size, &image, &err)
                             : whet_image_bmp(data, size, &image, &err);
    unsigned sum = 0;
    for (int64_t i = 0; !status && i < image.width * image.height * image.channels; i++)
        sum += image.pixels[i];
    free(image.pixels);
    return sum == 1u << 31;
}

// SPDX-License-Identifier: Apache-2.0
// WebP through libwebp; of an animation the first picture is not looked for: it is no image here.
#include <webp/decode.h>

#include "rare/image.h"

whet_status whet_image_webp(const uint8_t *data, size_t size, whet_image *image,
                            whet_error *err) {
    WebPBitstreamFeatures f;
    if (WebPGetFeatures(data, size, &f) != VP8_STATUS_OK || f.has_animation) return WHET_E_PARSE;
    WHET_TRY(whet_image_alloc(image, f.width, f.height, 3, err));
    size_t bytes = (size_t)(image->width * image->height * 3);
    return WebPDecodeRGBInto(data, size, image->pixels, bytes, f.width * 3) ? WHET_OK
                                                                          : WHET_E_PARSE;
}

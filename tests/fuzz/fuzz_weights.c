// SPDX-License-Identifier: Apache-2.0
// Files of weights: every tensor of whatever can be opened is read and converted.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <whet/whet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *copy = malloc(size ? size : 1); // so that reads behind its end are seen
    whet_weights *w = NULL;
    memcpy(copy, data, size);
    if (whet_weights_open_memory(NULL, copy, size, &w) == WHET_OK) {
        for (int32_t i = 0; i < whet_weights_count(w); i++) {
            whet_tensor t;
            uint8_t sum = 0;
            if (whet_weights_find(w, whet_weights_name(w, i), WHET_DTYPE_NONE, &t)) continue;
            for (size_t k = 0; k < t.bytes; k++) sum ^= ((const uint8_t *)t.data)[k];
            if (sum != 1) whet_weights_find(w, whet_weights_name(w, i), WHET_DTYPE_F32, &t);
        }
    }
    whet_weights_close(w);
    free(copy);
    return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Calibration caches: read, and when good printed and read again to the same text.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "build/calib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_again(whet_calib_cache *c) {
    whet_calib_cache again;
    whet_error err;
    whet_str a, b;
    whet_calib_cache_init(&again);
    whet_str_init(&a);
    whet_str_init(&b);
    whet_calib_cache_print(c, WHET_CALIB_MSE, &a);
    if (whet_calib_cache_parse(&again, whet_str_text(&a), a.len, &err) != WHET_OK) abort();
    whet_calib_cache_print(&again, WHET_CALIB_MSE, &b);
    if (again.n != c->n || a.len != b.len || strcmp(whet_str_text(&a), whet_str_text(&b))) abort();
    whet_str_fini(&a);
    whet_str_fini(&b);
    whet_calib_cache_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    whet_calib_cache c;
    whet_error err;
    whet_calib_cache_init(&c);
    if (whet_calib_cache_parse(&c, (const char *)data, size, &err) == WHET_OK) print_again(&c);
    whet_calib_cache_fini(&c);
    return 0;
}

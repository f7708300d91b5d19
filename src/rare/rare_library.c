// SPDX-License-Identifier: Apache-2.0
// The entry of libwhet_ops.so.
#include "env/rare.h"

extern const whet_op whet_op_image_decoder, whet_op_regex_full_match, whet_op_tokenizer;

static const whet_op *const ops[] = {
    &whet_op_image_decoder,
#ifdef WHET_HAVE_RE2
    &whet_op_regex_full_match, &whet_op_tokenizer,
#endif
};

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define VERSION TEXT(WHET_VERSION_MAJOR) "." TEXT(WHET_VERSION_MINOR) "." TEXT(WHET_VERSION_PATCH)

const whet_rare_library *whet_ops_library(void) {
    static const whet_rare_library library = {VERSION, sizeof(whet_op), ops, WHET_COUNT(ops)};
    return &library;
}

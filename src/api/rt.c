// SPDX-License-Identifier: Apache-2.0
// What both libraries export beside the functions that live with their objects.
#include "base/error.h"
#include "env/env.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *whet_version(void) {
    return TEXT(WHET_VERSION_MAJOR) "." TEXT(WHET_VERSION_MINOR) "." TEXT(WHET_VERSION_PATCH);
}

const char *whet_error_text(const void *handle) {
    const whet_handle *h = handle ? handle : (const void *)whet_env_get(NULL);
    if (!h) return "out of memory";
    return h->magic == WHET_HANDLE_MAGIC ? h->error.text : "this is no handle of this library";
}

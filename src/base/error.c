// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

whet_status whet_error_set(whet_error *err, whet_status status, const char *format, ...) {
    if (!err) return status;
    va_list args;
    va_start(args, format);
    // the arguments may point into err->text
    char text[WHET_ERROR_TEXT];
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
    err->status = status;
    return status;
}

whet_status whet_error_prefix(whet_error *err, whet_status status, const char *format, ...) {
    if (!err) return status;
    char prefix[512], text[WHET_ERROR_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    memcpy(text, err->text, sizeof text);
    text[sizeof text - 1] = 0;
    return whet_error_set(err, status, "%s: %s", prefix, text);
}

void whet_error_clear(whet_error *err) {
    if (!err) return;
    err->status = WHET_OK;
    err->text[0] = 0;
}

const char *whet_status_text(whet_status status) {
    switch (status) {
#define ROW(name, number, text)                                                                    \
    case name: return text;
        WHET_STATUS_MAP(ROW)
#undef ROW
    }
    return "unknown status";
}

const char *whet_status_name(whet_status status) {
    switch (status) {
#define ROW(name, number, text)                                                                    \
    case name: return #name;
        WHET_STATUS_MAP(ROW)
#undef ROW
    }
    return "WHET_E_UNKNOWN";
}

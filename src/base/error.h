// SPDX-License-Identifier: Apache-2.0
// Status and detail text: written once where a failure is found, forwarded by everyone above.
#ifndef WHET_BASE_ERROR_H
#define WHET_BASE_ERROR_H

#include <whet/whet.h>

#define WHET_ERROR_TEXT 4096

typedef struct whet_error {
    whet_status status;
    char text[WHET_ERROR_TEXT];
} whet_error;

// Every public handle starts with this, so that whet_error_text() takes any of them.
typedef struct whet_handle {
    uint32_t magic; // WHET_HANDLE_MAGIC
    whet_error error;
} whet_handle;
#define WHET_HANDLE_MAGIC 0x74656877u

// Stores status and text (err may be NULL) and returns status.
whet_status whet_error_set(whet_error *err, whet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Puts "<prefix>: " before the text already there; returns its status.
whet_status whet_error_prefix(whet_error *err, whet_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void whet_error_clear(whet_error *err);

#define WHET_FAIL(err, status, ...) return whet_error_set((err), (status), __VA_ARGS__)
#define WHET_TRY(call)                                                                             \
    do {                                                                                           \
        whet_status try_status_ = (call);                                                          \
        if (try_status_ != WHET_OK) return try_status_;                                            \
    } while (0)
// For functions that clean up under one `fail:` label with a local `status`.
#define WHET_TRY_GOTO(call)                                                                        \
    do {                                                                                           \
        status = (call);                                                                           \
        if (status != WHET_OK) goto fail;                                                          \
    } while (0)
#define WHET_NOMEM(err) whet_error_set((err), WHET_E_NOMEM, "out of memory")

#endif

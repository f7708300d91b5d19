// SPDX-License-Identifier: Apache-2.0
// Shared objects with plugins in them.
#ifndef WHET_PLUGIN_PLUGIN_FILE_H
#define WHET_PLUGIN_PLUGIN_FILE_H

#include <whet/plugin.h>

#include "base/error.h"

typedef struct whet_plugin_file {
    void *handle;
    int fd;     // of one that came from memory: kept open so that its name stays taken; -1
    char *path; // where it was found
    whet_plugin_library table; // complete; name and version never NULL
} whet_plugin_file;

// Opens and checks; plugins are not looked at yet. A name without a slash is looked for in the
// folder at hand, beside this library, then where the system looks for libraries. WHET_E_IO,
// WHET_E_VERSION, WHET_E_INVALID, WHET_E_UNSUPPORTED (it refuses this host), WHET_E_NOMEM.
whet_status whet_plugin_file_open(whet_plugin_file *f, const char *path, whet_error *err);
// The same from bytes; `name` is for messages.
whet_status whet_plugin_file_open_memory(whet_plugin_file *f, const char *name, const void *data,
                                         size_t size, whet_error *err);
void whet_plugin_file_close(whet_plugin_file *f);

#endif

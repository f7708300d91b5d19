// SPDX-License-Identifier: Apache-2.0
// The table that the library exports.
#include "plugin_util.h"

#define PLUGIN(name) extern const whet_plugin plugin_##name;
#include "plugins.def"
#undef PLUGIN

#define PLUGIN(name) &plugin_##name,
static const whet_plugin *const plugins[] = {
#include "plugins.def"
};
#undef PLUGIN

static const whet_plugin_library library = {
    sizeof library, WHET_PLUGIN_INTERFACE, "whet_plugins", "1.0", plugins,
    (int32_t)(sizeof plugins / sizeof plugins[0])};

WHET_PLUGIN_EXPORT const whet_plugin_library *whet_plugin_library_get(const whet_plugin_host *host);

const whet_plugin_library *whet_plugin_library_get(const whet_plugin_host *host) {
    (void)host;
    return &library;
}

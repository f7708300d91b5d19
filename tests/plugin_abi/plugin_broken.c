// SPDX-License-Identifier: Apache-2.0
// Libraries that must be refused, one for each BROKEN_...
#include <whet/plugin.h>

static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)n, (void)begin, (void)end;
    return WHET_OK;
}
static const whet_plugin_arg args[] = {{"x", 0, 'T', 0}};
static const whet_plugin_tactic tactics[] = {{.name = "only", .run = run}};
#define PLUGIN(plugin_name)                                                                        \
    {                                                                                              \
        WHET_PLUGIN_SIZES, .name = plugin_name, .version = "1", WHET_PLUGIN_ROWS(inputs, args),    \
            WHET_PLUGIN_ROWS(outputs, args), WHET_PLUGIN_ROWS(tactics, tactics)                    \
    }
static const whet_plugin good = PLUGIN("Good");

#ifdef BROKEN_SYMBOL
extern const whet_plugin *const another_name;
WHET_API const whet_plugin *const another_name = &good;
#elif defined BROKEN_TWICE
static const whet_plugin other = PLUGIN("Other");
WHET_PLUGIN_LIBRARY("twice", "1.0", &good, &other, &good)
#else
WHET_PLUGIN_EXPORT const whet_plugin_library *whet_plugin_library_get(const whet_plugin_host *h);
const whet_plugin_library *whet_plugin_library_get(const whet_plugin_host *h) {
    static const whet_plugin *plugins[] = {&good, 0};
    static whet_plugin_library library = {sizeof library, WHET_PLUGIN_INTERFACE, "broken", "1.0",
                                          plugins, 1};
    (void)h;
#ifdef BROKEN_REFUSES
    return 0;
#elif defined BROKEN_NEWER
    library.interface_version = 1000;
#elif defined BROKEN_SIZE
    library.struct_size = 8;
#elif defined BROKEN_NAME
    library.name = 0;
#elif defined BROKEN_COUNT
    library.n_plugins = -5;
#elif defined BROKEN_NULL
    library.n_plugins = 2;
#endif
    return &library;
}
#endif

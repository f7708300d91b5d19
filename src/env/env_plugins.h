// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_ENV_ENV_PLUGINS_H
#define WHET_ENV_ENV_PLUGINS_H

#include "env/env.h"

// Loads a plugin library from its bytes; `name` is for messages. As whet_env_load_plugins.
whet_status whet_env_load_plugins_memory(whet_env *env, const char *name, const void *data,
                                         size_t size, whet_error *err);

#endif

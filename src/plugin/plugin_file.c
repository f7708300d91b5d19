// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // memfd_create, dlinfo
#include "plugin/plugin_file.h"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "plugin/plugin_entry.h"

#define MAX_PLUGINS 4096

static whet_status check_table(whet_plugin_file *f, const whet_plugin_library *t, const char *path,
                               whet_error *err) {
    size_t least = offsetof(whet_plugin_library, n_plugins) + sizeof t->n_plugins;
    if (!t)
        WHET_FAIL(err, WHET_E_UNSUPPORTED, "plugin library %s refuses this version of whet (%s)",
                  path, whet_plugin_host_table.library_version);
    if (t->struct_size < least || t->struct_size > 4096)
        WHET_FAIL(err, WHET_E_INVALID, "plugin library %s: the size of its table is %zu", path,
                  t->struct_size);
    memcpy(&f->table, t, t->struct_size < sizeof f->table ? t->struct_size : sizeof f->table);
    if (t->interface_version < 1 || t->interface_version > WHET_PLUGIN_INTERFACE)
        WHET_FAIL(err, WHET_E_VERSION,
                  "plugin library %s was built against plugin interface %u; this library knows 1 "
                  "to %d", path, (unsigned)t->interface_version, WHET_PLUGIN_INTERFACE);
    if (!t->name || !t->version || strnlen(t->name, 121) > 120 || strnlen(t->version, 121) > 120)
        WHET_FAIL(err, WHET_E_INVALID,
                  "plugin library %s: its name or version is NULL or too long", path);
    if (!t->plugins || t->n_plugins < 1 || t->n_plugins > MAX_PLUGINS)
        WHET_FAIL(err, WHET_E_INVALID, "plugin library %s has %d plugins, expected 1 to %d", path,
                  t->plugins ? t->n_plugins : 0, MAX_PLUGINS);
    return WHET_OK;
}

static whet_status open_handle(whet_plugin_file *f, const char *name, const char *path,
                               whet_error *err) {
    f->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!f->handle) {
        const char *why = dlerror();
        WHET_FAIL(err, WHET_E_IO, "cannot open plugin library: %s", why ? why : name);
    }
    // a pointer to a function comes as one to data
    void *symbol = dlsym(f->handle, WHET_PLUGIN_LIBRARY_SYMBOL);
    whet_plugin_library_fn get = NULL;
    memcpy(&get, &symbol, sizeof get);
    if (!get)
        WHET_FAIL(err, WHET_E_INVALID, "%s is no plugin library: it has no symbol %s", name,
                  WHET_PLUGIN_LIBRARY_SYMBOL);
    return check_table(f, get(&whet_plugin_host_table), name, err);
}

static whet_status keep_path(whet_plugin_file *f, const char *path, whet_error *err) {
    struct link_map *map = NULL;
    if (!dlinfo(f->handle, RTLD_DI_LINKMAP, &map) && map && map->l_name && *map->l_name)
        path = map->l_name;
    f->path = strdup(path);
    return f->path ? WHET_OK : WHET_NOMEM(err);
}

whet_status whet_plugin_file_open(whet_plugin_file *f, const char *path, whet_error *err) {
    *f = (whet_plugin_file){.fd = -1};
    char here[4096];
    const char *name = path;
    if (!strchr(path, '/') && strlen(path) < sizeof here - 3 && !access(path, F_OK)) {
        snprintf(here, sizeof here, "./%s", path);
        path = here;
    } else if (!strchr(path, '/') && whet_file_beside(path, here, sizeof here)) {
        path = here;
    }
    whet_status status = open_handle(f, name, path, err);
    if (status == WHET_OK) status = keep_path(f, path, err);
    if (status != WHET_OK) whet_plugin_file_close(f);
    return status;
}

static whet_status write_all(int fd, const char *name, const void *data, size_t size,
                             whet_error *err) {
    for (size_t at = 0; at < size;) {
        ssize_t n = write(fd, (const char *)data + at, size - at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0)
            WHET_FAIL(err, WHET_E_IO, "plugin library %s: its copy cannot be written: %s", name,
                      strerror(n < 0 ? errno : EIO));
        at += (size_t)n;
    }
    return WHET_OK;
}

whet_status whet_plugin_file_open_memory(whet_plugin_file *f, const char *name, const void *data,
                                         size_t size, whet_error *err) {
    *f = (whet_plugin_file){.fd = -1};
    char path[64];
    whet_status status;
    f->fd = memfd_create("whet-plugins", MFD_CLOEXEC);
    if (f->fd < 0)
        WHET_FAIL(err, WHET_E_IO, "plugin library %s: no file in memory: %s", name,
                  strerror(errno));
    // the loader knows libraries by this name, which is another's only when the file is closed
    snprintf(path, sizeof path, "/proc/self/fd/%d", f->fd);
    WHET_TRY_GOTO(write_all(f->fd, name, data, size, err));
    WHET_TRY_GOTO(open_handle(f, name, path, err));
    f->path = strdup(name);
    if (!f->path) status = WHET_NOMEM(err);
fail:
    if (status != WHET_OK) whet_plugin_file_close(f);
    return status;
}

void whet_plugin_file_close(whet_plugin_file *f) {
    if (f->handle) dlclose(f->handle);
    if (f->fd >= 0) close(f->fd);
    free(f->path);
    *f = (whet_plugin_file){.fd = -1};
}

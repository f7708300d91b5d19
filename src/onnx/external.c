// SPDX-License-Identifier: Apache-2.0
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "onnx/external.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static whet_status check_location(const char *location, whet_error *err) {
    if (!*location) WHET_FAIL(err, WHET_E_INVALID, "external data without location");
    if (*location == '/')
        WHET_FAIL(err, WHET_E_INVALID, "external data location '%s' is absolute", location);
    for (const char *at = location;; at++) {
        size_t n = strcspn(at, "/");
        if (n == 2 && !memcmp(at, "..", 2))
            WHET_FAIL(err, WHET_E_INVALID, "external data location '%s' has a '..' part", location);
        at += n;
        if (!*at) return WHET_OK;
    }
}

// For kernels without openat2: the resolved path must start with the resolved folder.
static int open_resolved(const char *dir, const char *location) {
    char root[PATH_MAX], joined[PATH_MAX], path[PATH_MAX];
    size_t dir_len = strlen(dir), len = strlen(location);
    if (dir_len + len + 2 > sizeof joined) return errno = ENAMETOOLONG, -1;
    memcpy(joined, dir, dir_len);
    joined[dir_len] = '/';
    memcpy(joined + dir_len + 1, location, len + 1);
    if (!realpath(dir, root) || !realpath(joined, path)) return -1;
    size_t n = strlen(root);
    if (n == 1) n = 0; // the root folder
    if (strncmp(root, path, n) || path[n] != '/') return errno = EXDEV, -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
}

static int open_beneath(const char *dir, const char *location) {
    int folder = open(*dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return -1;
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    int fd = (int)syscall(SYS_openat2, folder, location, &how, sizeof how);
    int saved = errno;
    close(folder);
    if (fd < 0 && (saved == ENOSYS || saved == EPERM))
        return open_resolved(*dir ? dir : ".", location);
    errno = saved;
    return fd;
}

static whet_status map_file(int fd, const char *location, whet_map *map, whet_error *err) {
    struct stat st;
    if (fstat(fd, &st) || !S_ISREG(st.st_mode))
        WHET_FAIL(err, WHET_E_IO, "external data '%s' is not a regular file", location);
    *map = (whet_map){NULL, (size_t)st.st_size};
    if (!st.st_size) return WHET_OK;
    void *data = mmap(NULL, map->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        WHET_FAIL(err, WHET_E_IO, "external data '%s': %s", location, strerror(errno));
    map->data = data;
    return WHET_OK;
}

static whet_status open_failure(const char *location, int code, whet_error *err) {
    if (code == EXDEV || code == ELOOP)
        WHET_FAIL(err, WHET_E_INVALID,
                  "external data '%s' leads out of the model's folder by a symbolic link",
                  location);
    WHET_FAIL(err, WHET_E_IO, "external data '%s': %s", location, strerror(code));
}

whet_status whet_external_open(whet_external *ext, whet_arena *arena, const char *location,
                               whet_map *map, whet_error *err) {
    if (!ext || !ext->dir)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "external data '%s' is needed, but no folder was given for it", location);
    WHET_TRY(check_location(location, err));
    for (int32_t i = 0; i < ext->n; i++) {
        if (strcmp(ext->names[i], location)) continue;
        *map = ext->maps[i];
        return WHET_OK;
    }
    int fd = open_beneath(ext->dir, location);
    if (fd < 0) return open_failure(location, errno, err);
    whet_status status = map_file(fd, location, map, err);
    close(fd);
    WHET_TRY(status);
    int32_t n = ext->n;
    if (!WHET_ARENA_PUSH(arena, ext->names, n, ext->cap_names, location) ||
        !WHET_ARENA_PUSH(arena, ext->maps, ext->n, ext->cap_maps, *map)) {
        whet_map_close(map);
        return WHET_NOMEM(err);
    }
    return WHET_OK;
}

void whet_external_close(whet_external *ext) {
    for (int32_t i = 0; i < ext->n; i++) whet_map_close(&ext->maps[i]);
    ext->n = 0;
}

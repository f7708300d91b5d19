// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // dladdr
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

static bool in_folder(const char *file, const char *folder, const char *name, char *path,
                      size_t size) {
    const char *end = strrchr(file, '/');
    if (!end) return false;
    int n = snprintf(path, size, "%.*s/%s%s", (int)(end - file), file, folder, name);
    return n > 0 && (size_t)n < size && !access(path, R_OK);
}

bool whet_file_beside(const char *name, char *path, size_t size) {
    Dl_info info;
    if (!dladdr((void *)(uintptr_t)in_folder, &info) || !info.dli_fname) return false;
    return in_folder(info.dli_fname, "", name, path, size) ||
           in_folder(info.dli_fname, "../lib/", name, path, size);
}

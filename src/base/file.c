// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include "base/hash.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PIECES_AT_ONCE 64

static whet_status fail_errno(whet_error *err, const char *what, const char *path) {
    int code = errno;
    char text[128];
    // the GNU and the POSIX strerror_r differ in what they return; %m does not need either
    errno = code;
    snprintf(text, sizeof text, "%m");
    return whet_error_set(err, WHET_E_IO, "%s: %s: %s", path, what, text);
}

whet_status whet_map_open(whet_map *map, const char *path, whet_error *err) {
    *map = (whet_map){0};
    // a FIFO would block the open
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return fail_errno(err, "cannot open", path);
    whet_status status = WHET_OK;
    struct stat st;
    if (fstat(fd, &st)) {
        status = fail_errno(err, "cannot examine", path);
    } else if (!S_ISREG(st.st_mode)) {
        status = whet_error_set(err, WHET_E_IO, "%s: not a regular file", path);
    } else if ((uint64_t)st.st_size > SIZE_MAX / 2) {
        status = whet_error_set(err, WHET_E_LIMIT, "%s: too large to map", path);
    } else if (st.st_size > 0) {
        void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) status = fail_errno(err, "cannot map", path);
        else *map = (whet_map){data, (size_t)st.st_size};
    }
    close(fd);
    return status;
}

void whet_map_close(whet_map *map) {
    if (map->data) munmap((void *)map->data, map->size);
    *map = (whet_map){0};
}

void whet_map_bring(const void *data, size_t size) {
#ifdef MADV_POPULATE_READ
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)data & ~(page - 1);
    if (size) madvise((void *)at, size + ((uintptr_t)data - at), MADV_POPULATE_READ);
#else
    (void)data, (void)size;
#endif
}

// Fills up to PIECES_AT_ONCE vectors from piece *at on, *skip bytes of it already written.
static int gather(struct iovec *v, const whet_piece *pieces, size_t n, size_t at, size_t skip) {
    int count = 0;
    for (; at < n && count < PIECES_AT_ONCE; at++, skip = 0)
        if (pieces[at].size > skip)
            v[count++] = (struct iovec){(char *)pieces[at].data + skip, pieces[at].size - skip};
    return count;
}

static bool write_pieces(int fd, const whet_piece *pieces, size_t n) {
    size_t at = 0, skip = 0;
    struct iovec v[PIECES_AT_ONCE];
    for (int count; (count = gather(v, pieces, n, at, skip)) > 0;) {
        ssize_t wrote = writev(fd, v, count);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote == 0) errno = ENOSPC;
        if (wrote <= 0) return false;
        size_t left = (size_t)wrote;
        while (at < n && left >= pieces[at].size - skip) {
            left -= pieces[at++].size - skip;
            skip = 0;
        }
        skip += left;
    }
    return true;
}

// A device or pipe is written in place: renaming over it would replace it.
static whet_status write_in_place(const char *path, const whet_piece *pieces, size_t n,
                                  whet_error *err) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno(err, "cannot open", path);
    whet_status status = WHET_OK;
    if (!write_pieces(fd, pieces, n)) status = fail_errno(err, "cannot write", path);
    if (close(fd) && status == WHET_OK) status = fail_errno(err, "cannot write", path);
    return status;
}

// Creates a file of a fresh name in the folder of `path`, whose length is `folder`.
static int create_beside(const char *path, size_t folder, whet_str *name) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t random = whet_hash64_mix((uint64_t)t.tv_nsec ^ (uint64_t)t.tv_sec << 30,
                                      (uint64_t)getpid() << 32 ^ (uintptr_t)&t);
    for (int attempt = 0; attempt < 100; attempt++) {
        random = whet_hash64_mix(random, (uint64_t)attempt);
        whet_str_clear(name);
        whet_str_add_n(name, path, folder);
        whet_str_printf(name, ".whet-%016llx.tmp", (unsigned long long)random);
        if (name->failed) {
            errno = ENOMEM;
            return -1;
        }
        int fd = open(name->text, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

// Makes the rename itself last. Not every file system can, and the data is safe either way.
static void sync_folder(const char *path, size_t folder, whet_str *name) {
    whet_str_clear(name);
    if (folder) whet_str_add_n(name, path, folder);
    else whet_str_add(name, ".");
    if (name->failed) return;
    int fd = open(name->text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static whet_status write_and_rename(const char *path, const struct stat *former,
                                    const whet_piece *pieces, size_t n, whet_error *err) {
    const char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    whet_status status = WHET_OK;
    whet_str name;
    whet_str_init(&name);
    int fd = create_beside(path, folder, &name);
    if (fd < 0) {
        status = fail_errno(err, "cannot create", path);
        whet_str_fini(&name);
        return status;
    }
    bool good = write_pieces(fd, pieces, n);
    // some file systems have no modes; that is no reason to fail
    if (good && former && fchmod(fd, former->st_mode & 07777)) errno = 0;
    if (good && fsync(fd) && errno != EINVAL && errno != ENOTSUP) good = false;
    int code = errno;
    if (close(fd) && good) {
        good = false;
        code = errno;
    }
    errno = code;
    if (!good) status = fail_errno(err, "cannot write", path);
    else if (rename(name.text, path)) status = fail_errno(err, "cannot replace", path);
    if (status != WHET_OK) unlink(name.text);
    else sync_folder(path, folder, &name);
    whet_str_fini(&name);
    return status;
}

whet_status whet_file_write(const char *path, const whet_piece *pieces, size_t n, whet_error *err) {
    struct stat st;
    if (stat(path, &st)) return write_and_rename(path, NULL, pieces, n, err);
    if (S_ISDIR(st.st_mode)) WHET_FAIL(err, WHET_E_IO, "%s: is a folder", path);
    if (!S_ISREG(st.st_mode)) return write_in_place(path, pieces, n, err);
    // a symbolic link stays one: its target is what is replaced
    char *target = realpath(path, NULL);
    if (!target) return fail_errno(err, "cannot resolve", path);
    whet_status status = write_and_rename(target, &st, pieces, n, err);
    free(target);
    return status;
}

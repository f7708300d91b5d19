// SPDX-License-Identifier: Apache-2.0
// Files: read-only maps, and writes that appear under their name only when complete.
#ifndef WHET_BASE_FILE_H
#define WHET_BASE_FILE_H

#include "base/error.h"

typedef struct whet_map {
    const void *data; // NULL for an empty file
    size_t size;
} whet_map;

// Maps a regular file (MAP_PRIVATE, read only). Errors name the path and errno's text.
whet_status whet_map_open(whet_map *map, const char *path, whet_error *err);
void whet_map_close(whet_map *map);
// Brings these bytes of a map, or of any memory, in before they are read: one call instead of a
// fault for every few pages. A hint: nothing happens where the system cannot.
void whet_map_bring(const void *data, size_t size);

// A piece of a file to write; gather writes need no copy.
typedef struct whet_piece {
    const void *data;
    size_t size;
} whet_piece;

// Writes to a temporary file in the same folder, syncs it, renames it over `path`. On any failure
// (full disk, kill) the former `path` is untouched and the temporary file is removed when possible.
whet_status whet_file_write(const char *path, const whet_piece *pieces, size_t n, whet_error *err);

// The path of a file that is installed with this library: beside the library or program that this
// code is in, or in ../lib from there. False: not there.
bool whet_file_beside(const char *name, char *path, size_t size);

#endif

// SPDX-License-Identifier: Apache-2.0
// A folder for the files of one test, in $TMPDIR or /tmp.
#ifndef WHET_TESTS_TEMP_FOLDER_H
#define WHET_TESTS_TEMP_FOLDER_H

#include <stddef.h>

typedef struct temp_folder {
    char path[256];
    char file[512]; // of the last temp_path
} temp_folder;

void temp_create(temp_folder *t);
// Removes the folder and the files in it, but no folders below it.
void temp_remove(temp_folder *t);
// <folder>/<name>, valid until the next call.
const char *temp_path(temp_folder *t, const char *name);
// Files in it; hidden ones count.
int temp_count(temp_folder *t);
// The whole file, NUL-terminated, to free(); NULL when it cannot be read.
char *temp_read(const char *path, size_t *size);

#endif

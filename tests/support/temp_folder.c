// SPDX-License-Identifier: Apache-2.0
#include "support/temp_folder.h"

#include "support/test.h"

#include <dirent.h>
#include <unistd.h>

void temp_create(temp_folder *t) {
    const char *base = getenv("TMPDIR");
    snprintf(t->path, sizeof t->path, "%s/whet-test-XXXXXX", base && *base ? base : "/tmp");
    assert_non_null(mkdtemp(t->path));
}

const char *temp_path(temp_folder *t, const char *name) {
    snprintf(t->file, sizeof t->file, "%s/%s", t->path, name);
    return t->file;
}

static int each_file(temp_folder *t, bool remove_them) {
    DIR *folder = opendir(t->path);
    assert_non_null(folder);
    int n = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        if (remove_them) unlink(temp_path(t, e->d_name));
        n++;
    }
    closedir(folder);
    return n;
}

int temp_count(temp_folder *t) { return each_file(t, false); }

void temp_remove(temp_folder *t) {
    each_file(t, true);
    rmdir(t->path);
}

char *temp_read(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *text = NULL;
    size_t n = 0, cap = 0;
    do {
        cap = cap ? cap * 2 : 4096;
        text = realloc(text, cap + 1);
        assert_non_null(text);
        n += fread(text + n, 1, cap - n, file);
    } while (n == cap);
    fclose(file);
    text[n] = 0;
    if (size) *size = n;
    return text;
}

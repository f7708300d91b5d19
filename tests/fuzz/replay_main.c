// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over files and folders of files, for builds without libFuzzer. Each input is
// copied to memory of exactly its size, so that a sanitizer sees any read past its end.
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t size) {
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    int good = file && data && fread(data, 1, size, file) == size;
    if (file) fclose(file);
    if (good) LLVMFuzzerTestOneInput(data, size);
    else fprintf(stderr, "%s: cannot read\n", path);
    free(data);
    return good ? 1 : -1;
}

// Inputs replayed, negative after an error.
static int replay(const char *path) {
    struct stat st;
    if (stat(path, &st)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(st.st_mode)) return replay_file(path, (size_t)st.st_size);
    DIR *folder = opendir(path);
    if (!folder) return -1;
    int count = 0;
    for (struct dirent *e; count >= 0 && (e = readdir(folder));) {
        char name[4096];
        if (e->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        int n = replay(name);
        count = n < 0 ? -1 : count + n;
    }
    closedir(folder);
    return count;
}

int main(int argc, char **argv) {
    int total = 0;
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++) {
        int n = replay(argv[i]);
        if (n < 0) return 1;
        total += n;
    }
    printf("%d inputs replayed\n", total);
    return total > 0 || argc == 1 ? 0 : 1;
}

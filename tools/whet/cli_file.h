// SPDX-License-Identifier: Apache-2.0
// Tensors in files: NumPy's .npy, or the bytes as they are.
#ifndef WHET_TOOLS_CLI_FILE_H
#define WHET_TOOLS_CLI_FILE_H

#include "cli.h"

// The whole file in memory of malloc. NULL: printed.
void *whet_cli_read_file(const char *path, size_t *size);
// Writes pieces; the file appears under its name only when complete. False: printed.
bool whet_cli_write_file(const char *path, const void *const *pieces, const size_t *sizes, int n);

bool whet_cli_is_npy(const char *path); // by its name
// Type, shape and data of a file's bytes; data points into them. False: printed.
bool whet_cli_parse_npy(const char *path, void *bytes, size_t size, whet_tensor *tensor);
bool whet_cli_write_npy(const char *path, const whet_tensor *tensor);
// What stands before the values of a .npy file; path: for the message. Gives its size, 0: printed.
#define WHET_CLI_NPY_HEAD 512
size_t whet_cli_npy_head(const char *path, const whet_tensor *tensor, char *head);

// Inputs of a run, in the engine's order.
typedef struct whet_cli_inputs {
    whet_tensor *v;
    int32_t n;
    void **memory;
} whet_cli_inputs;
typedef struct whet_cli_feed { // what the command line says about them
    const whet_cli_list *files; // NAME:FILE
    const char *shapes;
    bool random;                // fill what has no file
    int64_t seed;
    int32_t profile;            // of the engine, whose tuned shapes stand for what is left open
} whet_cli_feed;
// False: printed.
bool whet_cli_make_inputs(const whet_engine *engine, const whet_cli_feed *feed,
                          whet_cli_inputs *inputs);
void whet_cli_free_inputs(whet_cli_inputs *inputs);
// The longest name of an input or output that `text` starts with before a ':', -1: none. rest: what
// follows. Names may hold colons themselves.
int32_t whet_cli_find_io(const whet_engine *engine, bool input, const char *text,
                         const char **rest);
// `whet_cli_fail` with the names that there are.
bool whet_cli_fail_io(const whet_engine *engine, bool input, const char *text);

bool whet_cli_is_int(whet_dtype dtype);
// Whether whet_cli_value tells its values.
bool whet_cli_is_number(whet_dtype dtype);
bool whet_cli_is_object(whet_dtype dtype); // a sequence, an optional, a map
double whet_cli_value(const whet_tensor *t, int64_t i);
// "name f32[1,2]: 0.5 1.5 ...", texts as JSON has them; items of objects on lines of their own
// The lines of a file as a string tensor of one dimension. The memory, of malloc, gets larger: the
// elements lie behind the bytes. False: printed.
bool whet_cli_parse_lines(const char *path, void **memory, size_t size, whet_tensor *tensor);
bool whet_cli_write_lines(const char *path, const whet_tensor *tensor);
void whet_cli_print_tensor(FILE *out, const char *name, const whet_tensor *t, int64_t most);

#endif

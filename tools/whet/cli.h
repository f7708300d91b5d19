// SPDX-License-Identifier: Apache-2.0
// The command line: tables of commands and options, from which parsing, help and docs/cli.md come.
// A new command is a file cmd_<name>.c with a whet_cli_command, and a row in commands.def.
#ifndef WHET_TOOLS_CLI_H
#define WHET_TOOLS_CLI_H

#include <stdio.h>
#include <whet/whet.h>

enum { WHET_CLI_OK = 0, WHET_CLI_FAILED = 1, WHET_CLI_USAGE = 2 }; // exit codes

typedef enum whet_cli_type {
    WHET_CLI_FLAG,   // bool
    WHET_CLI_INT,    // int64_t, not negative
    WHET_CLI_NUMBER, // double, not negative
    WHET_CLI_TEXT,   // const char *
    WHET_CLI_LIST,   // whet_cli_list; may be given more than once
} whet_cli_type;

typedef struct whet_cli_list {
    const char **v;
    int32_t n;
} whet_cli_list;

typedef struct whet_cli_option {
    const char *name; // without dashes
    char letter;      // short form or 0
    const char *arg;  // what the help calls its value; NULL for flags
    whet_cli_type type;
    size_t offset;    // in the command's struct, whose first member is a whet_cli
    const char *help;
} whet_cli_option;

typedef struct whet_cli_command whet_cli_command;

// What every command has: the options that all of them take, and the arguments that are none.
typedef struct whet_cli {
    const whet_cli_command *command;
    bool help, verbose, quiet;
    bool engine_libraries, plugin_override;
    whet_cli_list plugins;  // libraries to open, each maybe several with commas
    const char *cpumask, *cpus, *spin;
    bool copy_weights;
    const char *refit;      // of run and bench: weights that the engine gets
    int64_t threads;
    whet_cli_list args;
    whet_cli_list settings; // options of a build: name, value, name, value...
    whet_cli_list profiles; // of a build: "INPUT:MIN..OPT..MAX,..." each
    whet_env *env;          // whet_cli_open_env
} whet_cli;

struct whet_cli_command {
    const char *name;
    const char *args;    // "MODEL.onnx -o ENGINE.whet"
    const char *summary; // one line
    const char *notes;   // more lines of help, or NULL
    const whet_cli_option *options;
    int32_t n_options;
    size_t size; // of its struct
    const void *defaults; // of that struct, NULL: zeros
    int32_t min_args, max_args;
    bool builds; // takes the options of a build
    int (*run)(whet_cli *cli);
    // A command that reads its arguments itself; argv[0] is the program. `program`: this command
    // also answers when the program is called by that name.
    int (*raw)(int argc, char **argv);
    const char *program;
};

#define WHET_CLI_COUNT(a) ((int32_t)(sizeof(a) / sizeof((a)[0])))

const whet_cli_command *const *whet_cli_commands(int32_t *n);
const whet_cli_command *whet_cli_find(const char *name);
const whet_cli_option *whet_cli_global_options(int32_t *n);

// Reads argv[first] on into the command's struct. False: the problem has been printed.
bool whet_cli_parse(whet_cli *cli, int argc, char **argv, int first);
// Which of the names is nearest to `name`, NULL when none is near. next gives the names in turn.
typedef struct whet_cli_nearest {
    const char *name, *best;
    char best_text[64];
    size_t distance;
} whet_cli_nearest;
void whet_cli_near(whet_cli_nearest *near, const char *candidate, size_t n);

// A row of whet_config_help().
typedef struct whet_cli_setting {
    char name[48], values[64], fallback[32], help[256];
} whet_cli_setting;
// Reads the row at *at and moves on; false at the end.
bool whet_cli_next_setting(const char **at, whet_cli_setting *s);

void whet_cli_print_help(FILE *out);
void whet_cli_print_command_help(FILE *out, const whet_cli_command *command);
void whet_cli_print_markdown(FILE *out);

// "whet: " and the sentence on stderr; returns WHET_CLI_FAILED.
int whet_cli_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same with the error text of the handle, or of the status when it has none.
int whet_cli_fail_status(whet_status status, const void *handle);

// Makes cli->env from the global options. False: the problem has been printed.
bool whet_cli_open_env(whet_cli *cli);
// Options of the environment from the global ones. False: printed.
bool whet_cli_env_options(const whet_cli *cli, whet_env_options *o);
// Puts a context of one of so many streams on its threads, and the calling thread where it belongs
// (--cpus). False: printed.
bool whet_cli_enter_stream(const whet_cli *cli, whet_context *context, int64_t index,
                           int64_t count);
// Opens these plugin libraries. False: printed.
bool whet_cli_open_plugins(whet_cli *cli, const whet_cli_list *libraries);
// A config with the options of a build that were given. NULL: printed.
whet_config *whet_cli_make_config(whet_cli *cli, const char *shapes);
whet_engine *whet_cli_build_engine(whet_cli *cli, const char *path, const char *shapes);
// Loads an engine, or builds one from a model (shapes: of inputs, may be NULL). NULL: printed.
whet_engine *whet_cli_open_engine(whet_cli *cli, const char *path, const char *shapes);
// Whether the file starts as engines do.
bool whet_cli_is_engine(const char *path);
// Shows how far a build is on the terminal.
bool whet_cli_progress(void *user, const char *phase, int64_t done, int64_t total, double left);
void whet_cli_progress_clear(void);

// "in:1x3x224x224,other:2x?" one by one, ? being -1. False at the end or, with *bad set, at
// something else.
typedef struct whet_cli_shape {
    char input[256];
    int32_t rank;
    int64_t dims[WHET_MAX_RANK];
} whet_cli_shape;
bool whet_cli_next_shape(const char **at, whet_cli_shape *shape, bool *bad);

// "in:1x8..4x8..16x8,other:2" of a profile one by one, in the same way; one shape stands for all
// three.
typedef struct whet_cli_range {
    whet_cli_shape min, opt, max;
} whet_cli_range;
bool whet_cli_next_range(const char **at, whet_cli_range *range, bool *bad);

// "f32[1,3,?]"
void whet_cli_print_type(char *text, size_t size, whet_dtype dtype, int32_t rank,
                         const int64_t *dims, const char *const *names);
void whet_cli_print_json_string(FILE *out, const char *text);
void whet_cli_print_json_text(FILE *out, whet_text text);
// JSON as indented lines of text.
void whet_cli_print_json_as_text(FILE *out, const char *json);

#endif

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <whet/refit.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    const char *output, *shapes;
} build_args;

static const whet_cli_option options[] = {
    {"output", 'o', "ENGINE.whet", WHET_CLI_TEXT, offsetof(build_args, output),
     "where the engine goes"},
    {"shapes", 0, "INPUT:1x3x8,...", WHET_CLI_TEXT, offsetof(build_args, shapes),
     "fix the shapes of inputs; ? leaves a dimension open"},
    {"profile", 0, "INPUT:1x8..4x8..16x8,...", WHET_CLI_LIST, offsetof(build_args, cli.profiles),
     "smallest, tuned and largest shapes of inputs; may be given more than once, each gets a plan"},
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

// Minutes of tuning are not lost to a path that cannot be written.
static int check_writable(const char *path) {
    struct stat st;
    if (!*path) return whet_cli_fail("option --output: the path is empty");
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) return whet_cli_fail("%s: is a folder", path);
    const char *slash = strrchr(path, '/');
    char *folder = !slash ? strdup(".")
                   : slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
    if (!folder) return whet_cli_fail("out of memory");
    int code = WHET_CLI_OK;
    if (access(folder, W_OK | X_OK) && !(stat(path, &st) == 0 && !S_ISREG(st.st_mode)))
        code = whet_cli_fail("%s: cannot write to %s: %s", path, folder, strerror(errno));
    free(folder);
    return code;
}

// The number of `"key":N` in the inspector's JSON, which puts totals before the layers.
static long long find_number(const char *json, const char *key) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(json, pattern);
    return at ? strtoll(at + strlen(pattern), NULL, 10) : 0;
}

static void print_summary(whet_engine *engine, const char *path, double seconds) {
    size_t bytes;
    const char *json = whet_engine_inspect(engine, true);
    whet_engine_data(engine, &bytes);
    if (whet_engine_is_stripped(engine)) {
        printf("%s: %lld nodes in the model; %zu bytes, without weights; built in %.1f s\n", path,
               find_number(json, "model_nodes"), bytes, seconds);
        return;
    }
    printf("%s: %lld nodes in the model, %lld steps, %lld nodes fused into other steps\n", path,
           find_number(json, "model_nodes"), find_number(json, "steps"),
           find_number(json, "fused_nodes"));
    printf("%zu bytes, %lld of packed weights; built in %.1f s\n", bytes,
           find_number(json, "packed_bytes"), seconds);
}

static int run(whet_cli *cli) {
    build_args *a = (build_args *)cli;
    if (!a->output) {
        whet_cli_fail("build: option -o ENGINE.whet is missing");
        return WHET_CLI_USAGE;
    }
    if (check_writable(a->output)) return WHET_CLI_FAILED;
    if (whet_cli_is_engine(cli->args.v[0]))
        return whet_cli_fail("%s: is an engine already, expected a model", cli->args.v[0]);
    double begin = now();
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_engine *engine = whet_cli_build_engine(cli, cli->args.v[0], a->shapes);
    if (!engine) return WHET_CLI_FAILED;
    whet_status status = whet_engine_save(engine, a->output);
    int code = WHET_CLI_OK;
    if (status != WHET_OK) code = whet_cli_fail_status(status, engine);
    else if (!cli->quiet) print_summary(engine, a->output, now() - begin);
    whet_engine_destroy(engine);
    return code;
}

const whet_cli_command whet_cli_build = {
    .name = "build", .args = "MODEL.onnx -o ENGINE.whet",
    .summary = "Optimize a model, tune it for this machine and write an engine.",
    .notes = "The engine appears under its name only when it is complete.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(build_args),
    .min_args = 1, .max_args = 1, .builds = true, .run = run,
};

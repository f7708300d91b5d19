// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <string.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    const char *output;
} tune_args;

static const whet_cli_option options[] = {
    {"output", 'o', "ENGINE.whet", WHET_CLI_TEXT, offsetof(tune_args, output),
     "where the tuned engine goes; without it the file itself is replaced"},
};

static int run(whet_cli *cli) {
    const char *path = cli->args.v[0], *output = ((tune_args *)cli)->output;
    whet_engine *engine = NULL, *tuned = NULL;
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_config *config = whet_cli_make_config(cli, NULL);
    if (!config) return WHET_CLI_FAILED;
    int code = WHET_CLI_FAILED;
    whet_status status = whet_engine_load(cli->env, path, &engine);
    if (status != WHET_OK) {
        whet_cli_fail_status(status, cli->env);
        goto done;
    }
    status = whet_engine_tune(engine, config, &tuned);
    whet_cli_progress_clear();
    if (status != WHET_OK) {
        whet_cli_fail("%s: %s", path, whet_error_text(engine));
        goto done;
    }
    if (!output) output = path;
    status = whet_engine_save(tuned, output);
    if (status != WHET_OK) {
        whet_cli_fail_status(status, tuned);
        goto done;
    }
    size_t bytes;
    whet_engine_data(tuned, &bytes);
    if (!cli->quiet) printf("%s: tuned for this machine, %zu bytes\n", output, bytes);
    code = WHET_CLI_OK;
done:
    whet_engine_destroy(tuned);
    whet_engine_destroy(engine);
    whet_config_destroy(config);
    return code;
}

const whet_cli_command whet_cli_tune = {
    .name = "tune", .args = "ENGINE.whet",
    .summary = "Add a section tuned for this machine to an engine, beside those of others.",
    .notes = "Needs an engine that holds its source weights. Options of the build that change what "
             "the engine computes are refused.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(tune_args),
    .min_args = 1, .max_args = 1, .builds = true, .run = run,
};

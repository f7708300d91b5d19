// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include <whet/refit.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    bool json;
} inspect_args;

static const whet_cli_option options[] = {
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(inspect_args, json), "print JSON"},
};

static int run(whet_cli *cli) {
    whet_engine *engine = NULL;
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_status status = whet_engine_load_stripped(cli->env, cli->args.v[0], &engine);
    if (status != WHET_OK) return whet_cli_fail_status(status, cli->env);
    bool json = ((inspect_args *)cli)->json;
    printf("%s%s", whet_engine_inspect(engine, json), json ? "\n" : "");
    whet_engine_destroy(engine);
    return WHET_CLI_OK;
}

const whet_cli_command whet_cli_inspect = {
    .name = "inspect", .args = "ENGINE.whet",
    .summary = "Show an engine's inputs, outputs, steps, kernels and sizes.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(inspect_args),
    .min_args = 1, .max_args = 1, .run = run,
};

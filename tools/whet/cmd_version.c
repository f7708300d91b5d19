// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    bool json;
} version_args;

static const whet_cli_option options[] = {
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(version_args, json), "print JSON"},
};

static int run(whet_cli *cli) {
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    const char *json = whet_env_describe(cli->env);
    if (((version_args *)cli)->json) {
        printf("%s\n", json);
        return WHET_CLI_OK;
    }
    printf("whet %s\n", whet_version());
    whet_cli_print_json_as_text(stdout, json);
    return WHET_CLI_OK;
}

const whet_cli_command whet_cli_version = {
    .name = "version", .args = "",
    .summary = "Print the version and what this machine offers.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(version_args),
    .run = run,
};

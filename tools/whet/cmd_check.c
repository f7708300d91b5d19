// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <string.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    bool json;
    const char *onnx;
} check_args;

static const whet_cli_option options[] = {
    {"json", 0, NULL, WHET_CLI_FLAG, offsetof(check_args, json), "print JSON"},
    {"onnx", 0, "OUT.onnx", WHET_CLI_TEXT, offsetof(check_args, onnx),
     "write the model as it was understood: functions and old spellings resolved"},
};

static int write_onnx(whet_builder *builder, const char *path) {
    whet_network *network = NULL;
    whet_status status = whet_builder_network(builder, &network);
    if (status != WHET_OK) return whet_cli_fail_status(status, builder);
    status = whet_network_save_onnx(network, path, false);
    return status == WHET_OK ? WHET_CLI_OK : whet_cli_fail_status(status, network);
}

static int run(whet_cli *cli) {
    whet_builder *builder = NULL;
    bool json = ((check_args *)cli)->json;
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    if (whet_builder_create(cli->env, &builder)) return whet_cli_fail("out of memory");
    whet_status status = whet_builder_load_onnx(builder, cli->args.v[0]);
    char text[4096]; // asking for the report may end the life of the error's text
    snprintf(text, sizeof text, "%s", whet_error_text(builder));
    const char *report = whet_builder_report(builder, json);
    size_t n = strlen(report);
    if (status == WHET_OK || n > 2) printf("%s%s", report, n && report[n - 1] != '\n' ? "\n" : "");
    int code = WHET_CLI_OK;
    if (status != WHET_OK) code = whet_cli_fail("%s", *text ? text : whet_status_text(status));
    const char *onnx = ((check_args *)cli)->onnx;
    if (status == WHET_OK && onnx) code = write_onnx(builder, onnx);
    whet_builder_destroy(builder);
    return code;
}

const whet_cli_command whet_cli_check = {
    .name = "check", .args = "MODEL.onnx",
    .summary = "Say what a model is made of and list every problem that keeps it from running.",
    .notes = "The exit code is 1 when there are problems.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(check_args),
    .min_args = 1, .max_args = 1, .run = run,
};

// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <string.h>

#include <whet/calibration.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    const char *output;
    bool external;
} quantize_args;

static const whet_cli_option options[] = {
    {"output", 'o', "MODEL.onnx", WHET_CLI_TEXT, offsetof(quantize_args, output),
     "where the quantized model goes"},
    {"external", 0, NULL, WHET_CLI_FLAG, offsetof(quantize_args, external),
     "put the weights into MODEL.onnx.data beside it"},
};

static whet_status quantize(const quantize_args *a, whet_config *config, whet_builder *builder) {
    whet_network *network;
    whet_status status = whet_builder_load_onnx(builder, a->cli.args.v[0]);
    if (status == WHET_OK) status = whet_builder_quantize(builder, config);
    if (status == WHET_OK) status = whet_builder_network(builder, &network);
    whet_cli_progress_clear();
    if (status != WHET_OK) {
        whet_cli_fail_status(status, builder);
        return status;
    }
    status = whet_network_save_onnx(network, a->output, a->external);
    if (status != WHET_OK) whet_cli_fail_status(status, network);
    return status;
}

static int run(whet_cli *cli) {
    quantize_args *a = (quantize_args *)cli;
    whet_builder *builder = NULL;
    if (!a->output || !*a->output) {
        whet_cli_fail("quantize: option -o MODEL.onnx is missing");
        return WHET_CLI_USAGE;
    }
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_config *config = whet_cli_make_config(cli, NULL);
    if (!config) return WHET_CLI_FAILED;
    whet_status status = whet_builder_create(cli->env, &builder);
    if (status != WHET_OK) whet_cli_fail("out of memory");
    else status = quantize(a, config, builder);
    whet_builder_destroy(builder);
    whet_config_destroy(config);
    return status == WHET_OK ? WHET_CLI_OK : WHET_CLI_FAILED;
}

const whet_cli_command whet_cli_quantize = {
    .name = "quantize", .args = "MODEL.onnx -o QUANTIZED.onnx --calibration=FILE",
    .summary = "Quantize a model to 8 or 4 bits and write it as ONNX.",
    .notes = "Ranges come from samples (--calibration) or from a calibration cache (--calib). What "
             "is written has QuantizeLinear and DequantizeLinear around what computes in integers; "
             "other runtimes load it too. With --int4=true weights of matrix products get 4 bits, "
             "nothing else changes. docs/quantization.md.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(quantize_args),
    .min_args = 1, .max_args = 1, .builds = true, .run = run,
};

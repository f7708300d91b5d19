// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli_file.h"

typedef struct {
    whet_cli cli;
    whet_cli_list inputs, outputs;
    const char *shapes;
    bool random;
    int64_t seed;
} run_args;

static const whet_cli_option options[] = {
    {"input", 'i', "NAME:FILE", WHET_CLI_LIST, offsetof(run_args, inputs),
     "values of an input: a .npy file, or the bytes of its values, of texts one a line; once for "
     "each input; or FILE.npz with arrays of their names"},
    {"random", 0, NULL, WHET_CLI_FLAG, offsetof(run_args, random),
     "fill inputs without a file: floats from -1 to 1, empty texts, zeros for other types"},
    {"seed", 0, "N", WHET_CLI_INT, offsetof(run_args, seed), "start of the random values"},
    {"shapes", 0, "INPUT:1x3x8,...", WHET_CLI_TEXT, offsetof(run_args, shapes),
     "shapes of inputs whose file or model does not say them"},
    {"refit", 0, "FILE", WHET_CLI_TEXT, offsetof(run_args, cli.refit),
     "weights that the engine gets when it is loaded: a model (.onnx), .npz or .safetensors"},
    {"output", 'o', "NAME:FILE", WHET_CLI_LIST, offsetof(run_args, outputs),
     "write an output: as .npy, or as bytes (texts: lines) when the file is called otherwise"},
};

static bool check_outputs(const whet_engine *engine, const whet_cli_list *l) {
    const char *path;
    for (int32_t i = 0; i < l->n; i++)
        if (whet_cli_find_io(engine, false, l->v[i], &path) < 0)
            return whet_cli_fail_io(engine, false, l->v[i]);
    return true;
}

static bool write_outputs(const whet_engine *engine, const whet_cli_list *l,
                          const whet_tensor *outputs) {
    for (int32_t i = 0; i < l->n; i++) {
        const char *path = "";
        const whet_tensor *t = &outputs[whet_cli_find_io(engine, false, l->v[i], &path)];
        const void *data = t->data;
        if (whet_cli_is_object(t->dtype))
            return whet_cli_fail("%s: a %s cannot be written to a file", path,
                                 whet_dtype_text(t->dtype)), false;
        if (t->dtype == WHET_DTYPE_STRING && !whet_cli_is_npy(path)) {
            if (!whet_cli_write_lines(path, t)) return false;
            continue;
        }
        if (whet_cli_is_npy(path) ? !whet_cli_write_npy(path, t)
                                  : !whet_cli_write_file(path, &data, &t->bytes, 1))
            return false;
    }
    return true;
}

static int run_engine(run_args *a, whet_engine *engine) {
    whet_cli_feed feed = {&a->inputs, a->shapes, a->random, a->seed};
    whet_cli_inputs in = {0};
    whet_context *context = NULL;
    int32_t n = whet_engine_output_count(engine);
    whet_tensor *outputs = calloc((size_t)n + 1, sizeof *outputs);
    int code = WHET_CLI_FAILED;
    if (!outputs || whet_context_create(engine, &context)) {
        whet_cli_fail("out of memory");
    } else if (check_outputs(engine, &a->outputs) && whet_cli_make_inputs(engine, &feed, &in)) {
        whet_status status = whet_context_run(context, in.v, in.n, outputs, n);
        if (status != WHET_OK) whet_cli_fail_status(status, context);
        else if (write_outputs(engine, &a->outputs, outputs)) code = WHET_CLI_OK;
    }
    for (int32_t i = 0; i < n && code == WHET_CLI_OK; i++) {
        whet_io_info info;
        if (whet_engine_output(engine, i, &info)) break;
        whet_cli_print_tensor(stdout, info.name, &outputs[i], 10);
    }
    whet_cli_free_inputs(&in);
    whet_context_destroy(context);
    free(outputs);
    return code;
}

static int run(whet_cli *cli) {
    run_args *a = (run_args *)cli;
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_engine *engine = whet_cli_open_engine(cli, cli->args.v[0], a->shapes);
    if (!engine) return WHET_CLI_FAILED;
    int code = run_engine(a, engine);
    whet_engine_destroy(engine);
    return code;
}

const whet_cli_command whet_cli_run = {
    .name = "run", .args = "ENGINE.whet|MODEL.onnx",
    .summary = "Run an engine, or a model that is built for it, and print what comes out.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(run_args),
    .min_args = 1, .max_args = 1, .builds = true, .run = run,
};

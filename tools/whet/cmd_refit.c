// SPDX-License-Identifier: Apache-2.0
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <whet/refit.h>

#include "cli.h"

typedef struct {
    whet_cli cli;
    whet_cli_list weights, lora;
    const char *output;
    double alpha;
    bool list, strip;
} refit_args;

static const whet_cli_option options[] = {
    {"weights", 'w', "FILE", WHET_CLI_LIST, offsetof(refit_args, weights),
     "a model (.onnx), or arrays by the names of the model's weights (.npz, .safetensors); may be "
     "given more than once, the last one that has a name counts"},
    {"lora", 0, "FILE[:SCALE]", WHET_CLI_LIST, offsetof(refit_args, lora),
     "an adapter (.safetensors, .npz) that is added, times a scale [1]; several add up"},
    {"alpha", 0, "N", WHET_CLI_NUMBER, offsetof(refit_args, alpha),
     "of adapters whose file does not say it; 0: their rank, so that B A counts as it is"},
    {"output", 'o', "ENGINE.whet", WHET_CLI_TEXT, offsetof(refit_args, output),
     "where the engine goes; without it the file itself is replaced"},
    {"strip", 0, NULL, WHET_CLI_FLAG, offsetof(refit_args, strip),
     "write it without the weights that a refit gives it"},
    {"list", 0, NULL, WHET_CLI_FLAG, offsetof(refit_args, list),
     "print the weights, and write nothing"},
};

static void print_weights(whet_refitter *r) {
    for (int32_t i = 0; i < whet_refitter_count(r); i++) {
        whet_weight_info info = {.name = ""};
        char type[512];
        whet_refitter_weight(r, i, &info);
        whet_cli_print_type(type, sizeof type, info.dtype, info.rank, info.dims, NULL);
        printf("%s %s%s\n", info.name, type, info.refittable ? "" : " (cannot be changed)");
    }
}

static bool add_lora(refit_args *a, whet_refitter *r, const char *text) {
    char *path = strdup(text);
    if (!path) return whet_cli_fail("out of memory"), false;
    char *colon = strrchr(path, ':'), *end = NULL;
    double scale = colon && colon[1] ? strtod(colon + 1, &end) : 1;
    bool has = end && !*end;
    if (has) *colon = 0;
    whet_status status = whet_refitter_load_lora(r, text, path, a->alpha);
    if (status == WHET_OK && has) status = whet_refitter_set_adapter(r, text, scale);
    free(path);
    if (status != WHET_OK) whet_cli_fail_status(status, r);
    return status == WHET_OK;
}

static bool refit(refit_args *a, whet_refitter *r) {
    for (int32_t i = 0; i < a->weights.n; i++) {
        whet_status status = whet_refitter_load(r, a->weights.v[i]);
        if (status != WHET_OK) return whet_cli_fail_status(status, r), false;
    }
    for (int32_t i = 0; i < a->lora.n; i++)
        if (!add_lora(a, r, a->lora.v[i])) return false;
    whet_status status = whet_refitter_run(r);
    if (status != WHET_OK) whet_cli_fail_status(status, r);
    return status == WHET_OK;
}

static int save(refit_args *a, whet_engine *engine) {
    const char *path = a->output ? a->output : a->cli.args.v[0];
    whet_status status =
        a->strip ? whet_engine_save_stripped(engine, path) : whet_engine_save(engine, path);
    if (status != WHET_OK) return whet_cli_fail_status(status, engine);
    if (!a->cli.quiet) printf("%s: %s\n", path, a->strip ? "without weights" : "refitted");
    return WHET_CLI_OK;
}

static int run(whet_cli *cli) {
    refit_args *a = (refit_args *)cli;
    whet_engine *engine = NULL;
    whet_refitter *r = NULL;
    if (!a->list && !a->strip && !a->weights.n && !a->lora.n) {
        whet_cli_fail("refit: nothing to do, expected --weights=FILE, --lora=FILE, --strip or "
                      "--list");
        return WHET_CLI_USAGE;
    }
    if (!whet_cli_open_env(cli)) return WHET_CLI_FAILED;
    whet_status status = whet_engine_load_stripped(cli->env, cli->args.v[0], &engine);
    if (status != WHET_OK) return whet_cli_fail_status(status, cli->env);
    int code = WHET_CLI_FAILED;
    status = whet_refitter_create(engine, &r);
    if (status != WHET_OK) {
        whet_cli_fail_status(status, engine);
    } else if (a->list) {
        print_weights(r);
        code = WHET_CLI_OK;
    } else if ((!a->weights.n && !a->lora.n) || refit(a, r)) {
        code = save(a, engine);
    }
    whet_refitter_destroy(r);
    whet_engine_destroy(engine);
    return code;
}

const whet_cli_command whet_cli_refit = {
    .name = "refit", .args = "ENGINE.whet",
    .summary = "Give an engine other weights by their names in the model, without building again.",
    .notes = "Tactics stay, so it is as fast as before and what a build from these weights with "
             "the same tactics makes. docs/refit.md.",
    .options = options, .n_options = WHET_CLI_COUNT(options), .size = sizeof(refit_args),
    .min_args = 1, .max_args = 1, .run = run,
};

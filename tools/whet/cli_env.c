// SPDX-License-Identifier: Apache-2.0
// Environment, log, progress and the engine that a command works on.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <whet/refit.h>

#include "cli.h"

static bool line_shown; // a progress line stands on the terminal

void whet_cli_progress_clear(void) {
    if (line_shown) fputs("\r\033[K", stderr);
    line_shown = false;
}

bool whet_cli_progress(void *user, const char *phase, int64_t done, int64_t total, double left) {
    const whet_cli *cli = user;
    if (cli->quiet || !isatty(STDERR_FILENO)) return true;
    fprintf(stderr, "\r\033[K%s", phase);
    if (total > 1) fprintf(stderr, " %lld/%lld", (long long)done, (long long)total);
    if (left >= 0.5) fprintf(stderr, ", %.0f s left", left);
    fflush(stderr);
    line_shown = true;
    return true;
}

static void log_line(void *user, whet_severity severity, const char *text) {
    (void)user;
    static const char *const prefix[] = {"", "warning: ", "", ""};
    whet_cli_progress_clear();
    fprintf(stderr, "whet: %s%s\n", prefix[severity & 3], text);
}

static bool open_plugins(whet_cli *cli, const char *list) {
    while (*list) {
        size_t n = strcspn(list, ",");
        char *path = strndup(list, n);
        whet_status status = path ? whet_env_load_plugins(cli->env, path) : WHET_E_NOMEM;
        free(path);
        if (status != WHET_OK) return whet_cli_fail_status(status, cli->env), false;
        list += n + (list[n] == ',');
    }
    return true;
}

bool whet_cli_open_plugins(whet_cli *cli, const whet_cli_list *libraries) {
    for (int32_t i = 0; i < libraries->n; i++)
        if (!open_plugins(cli, libraries->v[i])) return false;
    return true;
}

bool whet_cli_env_options(const whet_cli *cli, whet_env_options *o) {
    *o = (whet_env_options){.struct_size = sizeof *o, .threads = (int32_t)cli->threads,
                            .cpu_mask = cli->cpumask, .plugin_override = cli->plugin_override,
                            .engine_libraries = cli->engine_libraries, .cpus = cli->cpus,
                            .copy_weights = cli->copy_weights};
    if (!cli->spin) return true;
    char *end;
    long us = strtol(cli->spin, &end, 10);
    if (end == cli->spin || *end || us < 0 || us > 1000000000)
        return whet_cli_fail("option --spin: \"%s\", expected microseconds", cli->spin), false;
    o->spin_us = us ? (int32_t)us : -1;
    return true;
}

bool whet_cli_enter_stream(const whet_cli *cli, whet_context *context, int64_t index,
                           int64_t count) {
    whet_status status = whet_context_set_stream(context, (int32_t)index, (int32_t)count);
    if (status == WHET_OK && cli->cpus) status = whet_context_pin_thread(context);
    if (status != WHET_OK) whet_cli_fail_status(status, context);
    return status == WHET_OK;
}

bool whet_cli_open_env(whet_cli *cli) {
    whet_env_options o;
    if (!whet_cli_env_options(cli, &o)) return false;
    o.log = log_line;
    o.log_user = cli;
    o.verbosity = cli->quiet ? WHET_LOG_ERROR : cli->verbose ? WHET_LOG_VERBOSE : WHET_LOG_INFO;
    whet_status status = whet_env_create(&o, &cli->env); // logs its errors
    if (status == WHET_E_NOMEM) whet_cli_fail("out of memory");
    return status == WHET_OK && whet_cli_open_plugins(cli, &cli->plugins);
}

// Adds one profile; false: printed.
static bool add_profile(whet_config *config, const char *text) {
    whet_profile *profile = NULL;
    whet_cli_range r;
    bool bad = false;
    const char *at = text;
    if (whet_profile_create(NULL, &profile)) return whet_cli_fail("out of memory"), false;
    whet_status status = WHET_OK;
    while (status == WHET_OK && whet_cli_next_range(&at, &r, &bad))
        status = whet_profile_set_shape(profile, r.min.input, r.min.rank, r.min.dims, r.opt.dims,
                                        r.max.dims);
    if (bad)
        whet_cli_fail("option --profile: \"%s\" is no range, expected INPUT:1x8..4x8..16x8", at);
    else if (status != WHET_OK)
        whet_cli_fail_status(status, profile);
    else if ((status = whet_config_add_profile(config, profile)) != WHET_OK)
        whet_cli_fail_status(status, config);
    whet_profile_destroy(profile);
    return !bad && status == WHET_OK;
}

whet_config *whet_cli_make_config(whet_cli *cli, const char *shapes) {
    whet_config *config = NULL;
    if (whet_config_create(cli->env, &config)) return whet_cli_fail("out of memory"), NULL;
    for (int32_t i = 0; i + 1 < cli->settings.n; i += 2) {
        whet_status status = whet_config_set(config, cli->settings.v[i], cli->settings.v[i + 1]);
        if (status == WHET_OK) continue;
        whet_cli_fail_status(status, config);
        goto fail;
    }
    whet_cli_shape shape;
    bool bad = false;
    const char *at = shapes;
    while (whet_cli_next_shape(&at, &shape, &bad)) {
        whet_status status = whet_config_set_shape(config, shape.input, shape.rank, shape.dims);
        if (status == WHET_OK) continue;
        whet_cli_fail_status(status, config);
        goto fail;
    }
    if (bad) {
        whet_cli_fail("option --shapes: \"%s\" is no shape, expected INPUT:2x3x4", at);
        goto fail;
    }
    for (int32_t i = 0; i < cli->profiles.n; i++)
        if (!add_profile(config, cli->profiles.v[i])) goto fail;
    whet_config_set_progress(config, whet_cli_progress, cli);
    return config;
fail:
    whet_config_destroy(config);
    return NULL;
}

bool whet_cli_is_engine(const char *path) {
    char mark[8];
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    bool is = fread(mark, 1, sizeof mark, f) == sizeof mark && !memcmp(mark, "WHETENG\n", 8);
    fclose(f);
    return is;
}

static whet_engine *load(whet_cli *cli, const char *path) {
    if (cli->settings.n) {
        whet_cli_fail("option --%s is for building, %s is an engine already",
                      cli->settings.v[0], path);
        return NULL;
    }
    whet_engine *engine = NULL;
    whet_status status = cli->refit
                             ? whet_engine_load_refit(cli->env, path, cli->refit, &engine)
                             : whet_engine_load(cli->env, path, &engine);
    if (status != WHET_OK) whet_cli_fail_status(status, cli->env);
    return engine;
}

whet_engine *whet_cli_build_engine(whet_cli *cli, const char *path, const char *shapes) {
    whet_config *config = whet_cli_make_config(cli, shapes);
    whet_builder *builder = NULL;
    whet_engine *engine = NULL;
    if (!config) return NULL;
    if (whet_builder_create(cli->env, &builder)) {
        whet_cli_fail("out of memory");
    } else {
        whet_status status = whet_builder_load_onnx(builder, path);
        // what a model lacks may be the shapes that the build is about to fix
        if (status == WHET_OK || (shapes && status != WHET_E_IO))
            status = whet_builder_build(builder, config, &engine);
        whet_cli_progress_clear();
        if (status != WHET_OK) whet_cli_fail_status(status, builder);
    }
    whet_builder_destroy(builder);
    whet_config_destroy(config);
    return engine;
}

whet_engine *whet_cli_open_engine(whet_cli *cli, const char *path, const char *shapes) {
    const char *dot = strrchr(path, '.');
    bool engine = whet_cli_is_engine(path) || (dot && !strcmp(dot, ".whet"));
    if (engine) return load(cli, path);
    if (!cli->refit) return whet_cli_build_engine(cli, path, shapes);
    whet_cli_fail("option --refit is for engines, %s is a model", path);
    return NULL;
}

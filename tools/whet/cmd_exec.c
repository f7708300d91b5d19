// SPDX-License-Identifier: Apache-2.0
// `whet exec`, and `trtexec`: builds or loads an engine and measures it.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <whet/refit.h>

#include "exec.h"

#define MIB (1024.0 * 1024.0)

static const whet_exec defaults = {
    .level = 3, .iterations = 10, .avg_runs = 10, .streams = 1, .warm_up = 200, .duration = 3,
    .use_profile = -1, .percentiles = "90,95,99", .verbosity = "layer_names_only",
    .constraints = "none",
};

static void print_frame(const char *state, int argc, char **argv) {
    printf("&&&& %s TensorRT.trtexec [whet v%s] # %s", state, whet_version(), argv[0]);
    for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
    putchar('\n');
    fflush(stdout);
}

// The text of `"key":"text"` or the list of `"key":[...]`, without quotes.
static void find_text(const char *json, const char *key, char *text, size_t size) {
    char pattern[64];
    int n = snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(json, pattern);
    size_t k = 0;
    text[0] = 0;
    if (!at) return;
    at += n;
    const char *end = *at == '[' ? "]" : *at == '"' ? "\"" : ",}";
    if (*at == '[' || *at == '"') at++;
    for (; *at && !strchr(end, *at) && k + 1 < size; at++)
        if (*at != '"') text[k++] = *at;
    text[k] = 0;
}

static void print_device(const whet_exec *e) {
    char cpu[128], features[256], threads[32];
    const char *json = whet_env_describe(e->cli.env);
    find_text(json, "cpu", cpu, sizeof cpu);
    find_text(json, "features", features, sizeof features);
    find_text(json, "threads", threads, sizeof threads);
    double memory = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    whet_exec_info("=== Device Information ===");
    whet_exec_info("Available Devices:");
    whet_exec_info("  Device 0: \"%s\"", cpu);
    whet_exec_info("Selected Device: %s", cpu);
    whet_exec_info("Selected Device ID: 0");
    whet_exec_info("Instruction Sets: %s", features);
    whet_exec_info("Threads: %s", threads);
    whet_exec_info("Device Global Memory: %.0f MiB", memory / MIB);
    whet_exec_info("TensorRT version: none (whet %s)", whet_version());
}

// ---- the engine ----

static bool add_setting(whet_exec *e, const char *name, const char *value) {
    whet_cli_list *l = &e->cli.settings;
    const char **grown = realloc((void *)l->v, (size_t)(l->n + 2) * sizeof *grown);
    if (!grown) return whet_cli_fail("out of memory"), false;
    l->v = grown;
    l->v[l->n++] = name;
    l->v[l->n++] = value;
    return true;
}

// Libraries that the engine carries, as the option of a build wants them.
static bool add_carried(whet_exec *e) {
    size_t size = 1;
    for (int32_t i = 0; i < e->carried.n; i++) size += strlen(e->carried.v[i]) + 1;
    char *list = e->carried.n ? whet_exec_keep(e, calloc(1, size)) : NULL;
    if (!list) return !e->carried.n || (whet_cli_fail("out of memory"), false);
    for (int32_t i = 0; i < e->carried.n; i++)
        snprintf(list + strlen(list), size - strlen(list), "%s%s", i ? "," : "", e->carried.v[i]);
    return add_setting(e, "embed-plugins", list);
}

static whet_engine *build_with(whet_exec *e, whet_config *config, whet_builder *builder) {
    whet_engine *engine = NULL;
    double begin = whet_exec_now();
    whet_exec_info("Start parsing network model.");
    whet_status status = whet_builder_load_onnx(builder, e->onnx);
    // what a model lacks may be the shapes that the build is about to fix
    if (status == WHET_OK || (*e->build_shapes && status != WHET_E_IO)) {
        double parsed = whet_exec_now();
        whet_exec_info("Finished parsing network model. Parse time: %g", parsed - begin);
        status = whet_builder_build(builder, config, &engine);
        if (status == WHET_OK)
            whet_exec_info("Engine built in %g sec.", whet_exec_now() - parsed);
    }
    if (status != WHET_OK) whet_cli_fail_status(status, builder);
    return engine;
}

static whet_engine *build(whet_exec *e) {
    char level[8];
    snprintf(level, sizeof level, "%d", (int)e->level);
    if (!add_setting(e, "level", level)) return NULL;
    if (e->fp16 && !add_setting(e, "fp16", "true")) return NULL;
    if (e->int8 && !add_setting(e, "int8", "true")) return NULL;
    if (e->int4 && !add_setting(e, "int4", "true")) return NULL;
    if (e->calib && !add_setting(e, "calib", e->calib)) return NULL;
    if (e->bf16 && !add_setting(e, "bf16", "true")) return NULL;
    if (e->best && !add_setting(e, "best", "true")) return NULL;
    if (e->strongly_typed && !add_setting(e, "strongly-typed", "true")) return NULL;
    if (e->layer_precisions && !add_setting(e, "layer-precisions", e->layer_precisions))
        return NULL;
    if (e->layer_output_types && !add_setting(e, "layer-output-types", e->layer_output_types))
        return NULL;
    if (!add_setting(e, "precision-constraints", e->constraints)) return NULL;
    if (e->timing_cache && !add_setting(e, "timing-cache", e->timing_cache)) return NULL;
    if (!add_carried(e)) return NULL;
    whet_config *config = whet_cli_make_config(&e->cli, e->build_shapes);
    whet_builder *builder = NULL;
    whet_engine *engine = NULL;
    if (!config) return NULL;
    if (whet_builder_create(e->cli.env, &builder)) whet_cli_fail("out of memory");
    else engine = build_with(e, config, builder);
    whet_builder_destroy(builder);
    whet_config_destroy(config);
    if (!engine) return NULL;
    size_t bytes;
    whet_engine_data(engine, &bytes);
    whet_exec_info("Created engine with size: %g MiB", (double)bytes / MIB);
    whet_status status = !e->save_engine ? WHET_OK
                         : e->strip ? whet_engine_save_stripped(engine, e->save_engine)
                                    : whet_engine_save(engine, e->save_engine);
    if (status == WHET_OK) return engine;
    whet_cli_fail_status(status, engine);
    whet_engine_destroy(engine);
    return NULL;
}

static whet_engine *load(const whet_exec *e) {
    whet_engine *engine = NULL;
    size_t bytes;
    double begin = whet_exec_now();
    whet_status status =
        e->refit_onnx ? whet_engine_load_refit(e->cli.env, e->load_engine, e->onnx, &engine)
                      : whet_engine_load(e->cli.env, e->load_engine, &engine);
    if (status != WHET_OK) return whet_cli_fail_status(status, e->cli.env), NULL;
    double seconds = whet_exec_now() - begin;
    whet_engine_data(engine, &bytes);
    whet_exec_info("Loaded engine with size: %g MiB", (double)bytes / MIB);
    whet_exec_info("Engine deserialized in %g sec.", seconds);
    return engine;
}

// A built engine is read back from its bytes for the time that it takes.
static bool time_deserialize(const whet_exec *e, whet_engine *engine) {
    whet_engine *copy = NULL;
    size_t bytes;
    const void *data = whet_engine_data(engine, &bytes);
    double begin = whet_exec_now();
    whet_status status = whet_engine_load_memory(e->cli.env, data, bytes, &copy);
    if (status != WHET_OK) return whet_cli_fail_status(status, e->cli.env), false;
    whet_exec_info("Engine deserialized in %g sec.", whet_exec_now() - begin);
    whet_engine_destroy(copy);
    return true;
}

static bool print_plan_version(whet_engine *engine) {
    char version[64];
    find_text(whet_engine_inspect(engine, true), "library", version, sizeof version);
    whet_exec_info("Plan was created with whet version %s", version);
    return true;
}

static void print_bounds(const char *input, bool values, const int64_t v[3][1024], int32_t n) {
    static const char *const names[] = {"MIN", "OPT", "MAX"};
    char line[512];
    for (int k = 0; k < 3; k++) {
        int at = 0;
        line[0] = 0;
        for (int32_t d = 0; d < n && at < (int)sizeof line - 24; d++)
            at += snprintf(line + at, sizeof line - (size_t)at, "%s%lld", d ? "x" : "",
                           (long long)v[k][d]);
        whet_exec_info("  %s%s %s: %s", input, values ? " (values)" : "", names[k], line);
    }
}

static void print_profiles(const whet_engine *engine) {
    static int64_t v[3][1024];
    for (int32_t p = 0; p < whet_engine_profile_count(engine); p++) {
        whet_exec_info("Optimization Profile %d:", p);
        for (int32_t i = 0; i < whet_engine_input_count(engine); i++) {
            whet_io_info info = {.name = ""};
            whet_engine_input(engine, i, &info);
            if (!whet_engine_profile_shape(engine, p, i, v[0], v[1], v[2]))
                print_bounds(info.name, false, v, info.rank);
            if (!whet_engine_profile_values(engine, p, i, v[0], v[1], v[2]))
                print_bounds(info.name, true, v, whet_engine_profile_value_count(engine, p, i));
        }
    }
}

// ---- inference ----

// Which file an input comes from, NULL: none.
static const char *file_of(const whet_exec *e, const whet_engine *engine, int32_t input) {
    const char *path;
    for (int32_t k = 0; k < e->inputs.n; k++)
        if (whet_cli_find_io(engine, true, e->inputs.v[k], &path) == input) return path;
    return NULL;
}

static void print_inputs(const whet_exec *e, const whet_engine *engine,
                         const whet_cli_inputs *in) {
    for (int32_t i = 0; i < in->n; i++) {
        whet_io_info info = {.name = ""};
        whet_engine_input(engine, i, &info);
        bool open = info.rank < 0;
        for (int32_t d = 0; d < info.rank; d++) open |= info.dims[d] < 0;
        char type[512];
        whet_cli_print_type(type, sizeof type, info.dtype, in->v[i].rank, in->v[i].dims, NULL);
        const char *path = file_of(e, engine, i);
        if (open && !*e->shapes && !path)
            whet_exec_warn("Dynamic dimensions required for input: %s, but no shapes were "
                           "provided. Automatically overriding shape to: %s", info.name, type);
        if (path) whet_exec_info("Using values loaded from %s for input %s", path, info.name);
        else whet_exec_info("Using random values for input %s", info.name);
        whet_exec_info("Input binding for %s is %s.", info.name, type);
    }
}

static bool infer_with(const whet_exec *e, whet_engine *engine, whet_context *const *contexts,
                       const whet_cli_inputs *in) {
    int32_t n_outputs = whet_engine_output_count(engine);
    whet_exec_trace trace = {0};
    print_inputs(e, engine, in);
    whet_exec_info("Starting inference");
    fflush(stdout);
    bool good = whet_exec_measure(e, contexts, n_outputs, in, &trace);
    if (good) {
        whet_exec_info("Warmup completed %lld queries over %g ms", (long long)trace.warm_up,
                       e->warm_up);
        whet_exec_info("Timing trace has %lld queries over %g s", (long long)trace.n,
                       trace.seconds);
        whet_exec_print_trace(e, &trace);
        good = (!e->times_file || whet_exec_write_times(e->times_file, &trace)) &&
               whet_exec_show_outputs(e, engine, contexts[0], in) &&
               whet_exec_profile(e, contexts[0], in, n_outputs);
    }
    free(trace.v);
    return good;
}

static bool infer(const whet_exec *e, whet_engine *engine) {
    whet_cli_feed feed = {&e->inputs, e->shapes, true, 0,
                          e->use_profile < 0 ? 0 : (int32_t)e->use_profile};
    whet_cli_inputs in = {0};
    whet_context **contexts = calloc((size_t)e->streams, sizeof(whet_context *));
    bool good = contexts != NULL;
    for (int64_t k = 0; good && k < e->streams; k++)
        good = whet_context_create(engine, &contexts[k]) == WHET_OK &&
               whet_context_set_stream(contexts[k], (int32_t)k, (int32_t)e->streams) == WHET_OK;
    if (!good) whet_cli_fail("out of memory");
    for (int64_t k = 0; good && e->use_profile >= 0 && k < e->streams; k++) {
        whet_status status = whet_context_set_profile(contexts[k], (int32_t)e->use_profile);
        good = status == WHET_OK;
        if (!good) whet_cli_fail_status(status, contexts[k]);
    }
    if (good) whet_exec_info("Created %lld execution context(s)", (long long)e->streams);
    good = good && whet_cli_make_inputs(engine, &feed, &in) && infer_with(e, engine, contexts, &in);
    whet_cli_free_inputs(&in);
    for (int64_t k = 0; contexts && k < e->streams; k++) whet_context_destroy(contexts[k]);
    free(contexts);
    return good;
}

static bool run(whet_exec *e) {
    whet_env_options o = {.struct_size = sizeof o, .log = whet_exec_log,
                          .plugin_override = e->cli.plugin_override,
                          .engine_libraries = e->cli.engine_libraries,
                          .verbosity = e->cli.verbose ? WHET_LOG_VERBOSE : WHET_LOG_INFO};
    whet_status status = whet_env_create(&o, &e->cli.env);
    if (status == WHET_E_NOMEM) whet_cli_fail("out of memory");
    if (status != WHET_OK || !whet_cli_open_plugins(&e->cli, &e->cli.plugins) ||
        !whet_cli_open_plugins(&e->cli, &e->carried))
        return false;
    e->cli.quiet = true; // no progress line between the lines of the log
    if (!e->version_only) {
        whet_exec_print_options(e);
        print_device(e);
    }
    whet_engine *engine = e->load_engine ? load(e) : build(e);
    if (!engine) return false;
    bool good = true;
    if (e->version_only) {
        good = print_plan_version(engine);
    } else {
        if (e->deserialize && !e->load_engine) good = time_deserialize(e, engine);
        if (e->dump_profiles) print_profiles(engine);
        if (e->dump_refit || e->time_refit) good = good && whet_exec_refit(e, engine);
        good = good && whet_exec_show_layers(e, engine);
        if (e->skip) whet_exec_info("Skipped inference phase since --skipInference is added.");
        else good = good && infer(e, engine);
    }
    whet_engine_destroy(engine);
    return good;
}

static int raw(int argc, char **argv) {
    whet_exec e = defaults;
    if (argc == 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
        whet_exec_print_help(stdout);
        return WHET_CLI_OK;
    }
    if (argc == 2 && !strcmp(argv[1], "--version")) {
        printf("TensorRT.trtexec [whet v%s]\n", whet_version());
        return WHET_CLI_OK;
    }
    print_frame("RUNNING", argc, argv);
    bool good = whet_exec_parse(&e, argc, argv);
    if (good && e.cli.help) whet_exec_print_help(stdout);
    else if (good) good = run(&e);
    print_frame(good ? "PASSED" : "FAILED", argc, argv);
    whet_env_destroy(e.cli.env);
    whet_exec_free(&e);
    return good ? WHET_CLI_OK : WHET_CLI_FAILED;
}

const whet_cli_command whet_cli_exec = {
    .name = "exec", .args = "--onnx=FILE|--loadEngine=FILE [FLAGS]",
    .summary = "Build or load an engine and measure it, with the flags and lines of trtexec.",
    .notes = "Also what the program does when it is called `trtexec`. `whet exec --help` lists the "
             "flags: those that do what they say, hints that are accepted with a warning because "
             "they mean nothing on a CPU, and those that are refused with the reason because "
             "ignoring them would change results, files or devices. The exit code is 0 after "
             "`&&&& PASSED` and 1 after `&&&& FAILED`.",
    .raw = raw, .program = "trtexec",
};

// SPDX-License-Identifier: Apache-2.0
// `whet exec`: the flags and lines of trtexec 10, on top of the public header.
#ifndef WHET_TOOLS_EXEC_H
#define WHET_TOOLS_EXEC_H

#include "cli_file.h"

// --minShapes, --optShapes and --maxShapes of one profile; NULL where not given.
typedef struct whet_exec_bounds {
    const char *shapes[3];
} whet_exec_bounds;

// What the flags say. The members are set through the table in exec_flags.c.
typedef struct whet_exec {
    whet_cli cli;
    const char *onnx, *load_engine, *save_engine, *timing_cache, *verbosity;
    whet_exec_bounds *profiles; // as many as the largest --profile=I says
    int32_t n_profiles;
    int64_t at_profile;          // that the next shapes are of
    const char *run_shapes;
    int64_t use_profile;
    int64_t level, iterations, avg_runs, streams;
    double warm_up, duration, sleep, idle; // ms, s, ms, ms
    const char *percentiles;
    whet_cli_list inputs, carried;
    bool version_only, skip, threads, dump_output, dump_profile, dump_layers, separate, deserialize;
    bool dump_profiles, bf16, fp16, int8, int4, strongly_typed, best;
    const char *calib, *constraints, *layer_precisions, *layer_output_types;
    bool strip, refit_onnx, time_refit, dump_refit;
    const char *times_file, *output_file, *profile_file, *layers_file;
    int64_t ignored; // where flags without an effect here put their value
    char **owned;    // texts made while reading
    int32_t n_owned;
    char *build_shapes, *shapes; // of the build and of the runs: "x:1x4,y:2"
} whet_exec;

// Reads the flags. False: printed, nothing else done.
bool whet_exec_parse(whet_exec *e, int argc, char **argv);
void whet_exec_print_help(FILE *out);
void whet_exec_print_options(const whet_exec *e);
// The next of 90,95,99; false at the end or, with *bad set, at something else.
bool whet_exec_next_percentile(const char **at, double *value, bool *bad);
// The shapes of the profile that the next ones are of; NULL: out of memory.
const char **whet_exec_profile_shapes(whet_exec *e);
// build_shapes, profiles of the build and shapes of the runs. False: printed.
bool whet_exec_resolve_shapes(whet_exec *e);
// Owns the text from now on; NULL: out of memory, or it was NULL.
char *whet_exec_keep(whet_exec *e, char *text);
void whet_exec_free(whet_exec *e);

// "[date] [I] text" to standard output, warnings and errors to standard error.
void whet_exec_log(void *user, whet_severity severity, const char *text);
void whet_exec_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void whet_exec_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

// One run of the engine: seconds since the start of the measurement.
typedef struct whet_exec_query {
    double begin, seconds;
    int32_t stream;
} whet_exec_query;
typedef struct whet_exec_trace {
    whet_exec_query *v; // by begin
    int64_t n, warm_up; // queries; those before the measurement
    double seconds;
} whet_exec_trace;
double whet_exec_now(void);
// Runs as the flags say, one context and thread a stream. False: printed.
bool whet_exec_measure(const whet_exec *e, whet_context *const *contexts, int32_t n_outputs,
                       const whet_cli_inputs *in, whet_exec_trace *trace);
void whet_exec_print_trace(const whet_exec *e, const whet_exec_trace *trace);
// The percentile of sorted values as trtexec has it.
double whet_exec_percentile(const double *sorted, int64_t n, double p);
double whet_exec_median(const double *sorted, int64_t n);
int whet_exec_by_value(const void *a, const void *b);

// Runs with the profiler on: prints the table, writes the file. False: printed.
bool whet_exec_profile(const whet_exec *e, whet_context *context, const whet_cli_inputs *in,
                       int32_t n_outputs);

// Lists the weights that can be changed, times a refit. False: printed.
bool whet_exec_refit(const whet_exec *e, whet_engine *engine);

// Files and lists; false: printed.
bool whet_exec_write_times(const char *path, const whet_exec_trace *trace);
bool whet_exec_show_outputs(const whet_exec *e, whet_engine *engine, whet_context *context,
                            const whet_cli_inputs *in);
bool whet_exec_show_layers(const whet_exec *e, whet_engine *engine);
bool whet_exec_write_text(const char *path, FILE *stream, char **text, const size_t *size);

#endif

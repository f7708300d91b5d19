// SPDX-License-Identifier: Apache-2.0
#include "build/config_impl.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "env/env.h"

// OPT_SET: names with commas between, a bit for each
typedef enum { OPT_INT, OPT_NUMBER, OPT_BOOL, OPT_CHOICE, OPT_SET, OPT_TEXT } option_type;

typedef struct {
    const char *name;
    option_type type;
    size_t offset;
    int64_t min, max;
    const char *const *choices; // with a '!' in front: known but refused, see `refusal`
    const char *values, *refusal;
} option;

static const char *const verify_choices[] = {"auto", "off", "full", NULL};
static const char *const portable_choices[] = {"full", "none", NULL};
static const char *const memory_choices[] = {"auto", "min", "any", NULL};
static const char *const plan_choices[] = {"tuned", "plain", "reference", NULL};
static const char *const precision_choices[] = {
#define PRECISION(id, name, dtype) name,
#include "build/precisions.def"
#undef PRECISION
    NULL};
static const char *const layer_choices[] = {"faster", "all", NULL};
static const char *const constraint_choices[] = {"obey", "prefer", "none", NULL};
static const char *const method_choices[] = {"mse",    "entropy", "minmax", "percentile",
                                             "legacy", NULL};
static const char *const activation_choices[] = {"asymmetric", "symmetric", NULL};

// X(name, type, field, min, max, choices, values, default, help, why some choices are refused)
#define OPTIONS(X)                                                                                 \
    X("level", OPT_INT, level, 0, 5, NULL, "0-5", "3",                                             \
      "0 picks kernels by the cost model; 1 to 4 time the 3, 8, 16 and 32 cheapest of each "       \
      "step; 5 all", NULL)                                                                         \
    X("threads", OPT_INT, threads, 0, 1024, NULL, "N", "0",                                        \
      "threads to tune for; 0: those of the environment", NULL)                                    \
    X("budget", OPT_INT, budget, 0, 1 << 30, NULL, "SECONDS", "0",                                 \
      "most seconds that a build should take; what is not measured by then is priced by the cost " \
      "model; 0: no bound", NULL)                                                                  \
    X("memory", OPT_CHOICE, memory, 0, 0, memory_choices, "auto|min|any", "auto",                  \
      "auto: packed weights take at most 2.1 times the room of the weights, or 64 MiB more; min: " \
      "the form that takes the least, whatever it costs in time; any: the fastest", NULL)          \
    X("precision", OPT_SET, precision, 0, 0, precision_choices,                                    \
      "fp32|bf16|fp16|int8|int4|best,...", "fp32",                                                 \
      "arithmetic that the engine may use; fp32 always",                                           \
      "this version computes in fp32, bf16 and int8; fp16 and int4 are for weights")               \
    X("bf16", OPT_BOOL, bf16, 0, 0, NULL, "true|false", "false",                                   \
      "the same as bf16 among the precisions: values of fp32 are stored as bf16 and multiplied "   \
      "so where that is faster", NULL)                                                             \
    X("fp16", OPT_BOOL, fp16, 0, 0, NULL, "true|false", "false",                                   \
      "the same as fp16 among the precisions: weights of convolutions and matrix products are "    \
      "stored as fp16 where that takes no longer", NULL)                                           \
    X("int8", OPT_BOOL, int8, 0, 0, NULL, "true|false", "false",                                   \
      "the same as int8 among the precisions: a model in float is quantized with the scales of "   \
      "`calibration` or `calib`", NULL)                                                            \
    X("int4", OPT_BOOL, int4, 0, 0, NULL, "true|false", "false",                                   \
      "the same as int4 among the precisions: constant weights of matrix products are stored in "  \
      "4 bits with a scale for each group; rounded by GPTQ where `calibration` is given", NULL)    \
    X("int4-group", OPT_INT, int4_group, 8, 4096, NULL, "N", "32",                                 \
      "weights along the inner dimension that share a scale, a multiple of 8", NULL)               \
    X("best", OPT_BOOL, best, 0, 0, NULL, "true|false", "false",                                   \
      "the same as best among the precisions: all arithmetic of this machine, fp32, bf16, and "    \
      "int8 where scales are given", NULL)                                                         \
    X("int8-layers", OPT_CHOICE, int8_layers, 0, 0, layer_choices, "faster|all", "faster",         \
      "what calibration quantizes: what is timed to be faster so (from level 1 on), or all that "  \
      "has a form on integers", NULL)                                                              \
    X("remove-islands", OPT_BOOL, remove_islands, 0, 0, NULL, "true|false", "false",               \
      "of a model that states its quantization, leave out rounding between floats that slows the " \
      "engine down, which the log tells from level 3 on", NULL)                                    \
    X("strongly-typed", OPT_BOOL, strongly_typed, 0, 0, NULL, "true|false", "false",               \
      "types are the model's: options that choose others are refused", NULL)                       \
    X("precision-constraints", OPT_CHOICE, constraints, 0, 0, constraint_choices,                  \
      "obey|prefer|none", "obey",                                                                  \
      "what layer-precisions and layer-output-types mean: refuse where they cannot be met, warn, " \
      "or ignore them", NULL)                                                                      \
    X("layer-precisions", OPT_TEXT, layer_precisions, 0, 0, NULL, "NAME:TYPE,PREFIX*:TYPE", "",    \
      "types that nodes of the model compute in, of those in `precision`; later ones win. fp32 "   \
      "is the type of the result too", NULL)                                                       \
    X("layer-output-types", OPT_TEXT, layer_output_types, 0, 0, NULL, "NAME:TYPE,PREFIX*:TYPE",    \
      "", "types that the results of nodes are stored as", NULL)                                   \
    X("calibration", OPT_TEXT, calibration, 0, 0, NULL, "FILE|FOLDER", "",                         \
      "samples: .npz, .npy, or a folder of such and of raw files (.bin, .raw)", NULL)              \
    X("calib", OPT_TEXT, calib, 0, 0, NULL, "FILE", "",                                            \
      "calibration cache in TensorRT's format: written after calibrating, else read", NULL)        \
    X("ranges", OPT_TEXT, ranges_text, 0, 0, NULL, "NAME:LOW:HIGH,...", "",                        \
      "ranges of values by hand, beside or instead of samples and a cache", NULL)                  \
    X("ranges-file", OPT_TEXT, ranges_file, 0, 0, NULL, "FILE", "",                                \
      "the same from a file with a line \"NAME: LOW HIGH\" each", NULL)                            \
    X("calib-method", OPT_CHOICE, calib_method, 0, 0, method_choices,                              \
      "mse|entropy|minmax|percentile|legacy", "mse",                                               \
      "how a range is chosen from what was seen", NULL)                                            \
    X("calib-percentile", OPT_NUMBER, calib_percentile, 50, 100, NULL, "50-100", "99.99",          \
      "of the methods percentile and legacy", NULL)                                                \
    X("calib-batch", OPT_INT, calib_batch, 1, 4096, NULL, "N", "8",                                \
      "samples in a batch where the model leaves that open", NULL)                                 \
    X("calib-samples", OPT_INT, calib_samples, 0, INT64_C(1) << 40, NULL, "N", "0",                \
      "most samples to take; 0: all", NULL)                                                        \
    X("activations", OPT_CHOICE, activations, 0, 0, activation_choices, "asymmetric|symmetric",    \
      "asymmetric", "u8 with a zero point, or i8 around zero as TensorRT has it", NULL)            \
    X("equalize", OPT_BOOL, equalize, 0, 0, NULL, "true|false", "false",                           \
      "cross-layer equalization before calibrating: scales move between the channels of "          \
      "convolutions that follow each other", NULL)                                                 \
    X("smooth", OPT_NUMBER, smooth, 0, 1, NULL, "0-1", "0",                                        \
      "SmoothQuant before calibrating: how much of the difference between channels goes from "     \
      "normalizations into weights; 0: nothing. The samples are run twice", NULL)                  \
    X("no-bias-correction", OPT_BOOL, no_bias_correction, 0, 0, NULL, "true|false", "false",       \
      "leave biases as they are when weights are rounded", NULL)                                   \
    X("keep-float", OPT_TEXT, keep_float, 0, 0, NULL, "NODE,PREFIX*,...", "",                      \
      "nodes that calibration does not quantize", NULL)                                            \
    X("accuracy", OPT_TEXT, accuracy, 0, 0, NULL, "0.1%|cosine:0.999|snr:30dB|kl:0.01", "",        \
      "the fastest mix of int8, bf16 and fp32 (of those allowed; all where none is stated) whose " \
      "outputs on the samples stay so near to fp32; with an array \"label\" beside the samples "   \
      "0.1% is of top-1, else of the choices that change", NULL)                                   \
    X("accuracy-report", OPT_TEXT, accuracy_report, 0, 0, NULL, "FILE", "",                        \
      "what accuracy chose, layer by layer, as JSON", NULL)                                        \
    X("accuracy-runs", OPT_INT, accuracy_runs, 1, 1 << 20, NULL, "N", "64",                        \
      "most runs on samples that look at one operator, or one group of them, alone", NULL)         \
    X("verify", OPT_CHOICE, verify, 0, 0, verify_choices, "auto|full|off", "auto",                 \
      "auto: compare one sample with a plan without fusions in plain layout, and each step with "  \
      "another kernel; full: compare every step with its C reference and the whole with the "      \
      "model as it was before the passes; an engine that differs is refused", NULL)                \
    X("verify-warn", OPT_BOOL, verify_warn, 0, 0, NULL, "true|false", "false",                     \
      "warn of what verification finds instead of refusing the engine", NULL)                      \
    X("verify-samples", OPT_INT, verify_samples, 1, 1 << 30, NULL, "N", "1",                       \
      "batches of `calibration` that verify=full takes", NULL)                                     \
    X("plan", OPT_CHOICE, plan, 0, 0, plan_choices, "tuned|plain|reference", "tuned",              \
      "plain: no fusions, plain layouts, nothing timed; reference: the same with the C "           \
      "references only, slow and exact", NULL)                                                     \
    X("portable", OPT_CHOICE, portable, 0, 0, portable_choices, "full|none", "full",               \
      "none leaves the source weights out: smaller, for this kind of machine only", NULL)          \
    X("strip-weights", OPT_BOOL, strip_weights, 0, 0, NULL, "true|false", "false",                 \
      "leave out the weights that the model gives back when the engine is loaded (--refit, "       \
      "docs/refit.md)", NULL)                                                                      \
    X("deterministic", OPT_BOOL, deterministic, 0, 0, NULL, "true|false", "false",                 \
      "same model and timing cache, same bytes: nothing is timed, the cost model prices what the " \
      "cache lacks", NULL)                                                                         \
    X("timing-cache", OPT_TEXT, timing_cache, 0, 0, NULL, "FILE", "",                              \
      "times are read from and added to this file", NULL)                                          \
    X("timing-cache-readonly", OPT_BOOL, timing_cache_readonly, 0, 0, NULL, "true|false", "false", \
      "never write the timing cache", NULL)                                                        \
    X("disable-pass", OPT_TEXT, disable_pass, 0, 0, NULL, "NAME,...|all", "",                      \
      "passes to leave out", NULL)                                                                 \
    X("dump-ir", OPT_TEXT, dump_ir, 0, 0, NULL, "after:NAME|after:all", "",                        \
      "log the graph's text form after a pass", NULL)                                              \
    X("disable-kernels", OPT_TEXT, disable_kernels, 0, 0, NULL, "NAME,PREFIX*,...", "",            \
      "kernels to leave out", NULL)                                                                \
    X("embed-plugins", OPT_TEXT, embed_plugins, 0, 0, NULL, "used|FILE,...", "",                   \
      "plugin libraries that the engine carries: all that it uses, or these", NULL)                \
    X("max-nodes", OPT_INT, max_nodes, 0, 1 << 30, NULL, "N", "1048576",                           \
      "most nodes of a model, those of functions in every call", NULL)                             \
    X("max-depth", OPT_INT, max_depth, 0, 1000, NULL, "N", "64",                                   \
      "how deep functions and subgraphs may lie in one another", NULL)

static const option options[] = {
#define ROW(name, type, field, min, max, choices, values, def, help, refusal)                      \
    {name, type, offsetof(struct whet_config, field), min, max, choices, values, refusal},
    OPTIONS(ROW)
#undef ROW
};
#define N_OPTIONS ((int32_t)(sizeof options / sizeof options[0]))

whet_status whet_config_create(whet_env *env, whet_config **config) {
    if (!config) return WHET_E_INVALID;
    whet_config *c = calloc(1, sizeof *c);
    if (!c) return WHET_E_NOMEM;
    c->handle.magic = WHET_HANDLE_MAGIC;
    c->env = whet_env_get(env);
    whet_arena_init(&c->arena);
    c->level = 3;
    c->calib_percentile = 99.99;
    c->calib_batch = 8;
    c->accuracy_runs = 64;
    c->verify_samples = 1;
    c->int4_group = 32;
    *config = c;
    return WHET_OK;
}

void whet_config_destroy(whet_config *c) {
    if (!c) return;
    whet_arena_fini(&c->arena);
    free(c);
}

static whet_status bad_value(whet_config *c, const option *o, const char *value) {
    WHET_FAIL(&c->handle.error, WHET_E_INVALID, "option %s: \"%s\", expected %s", o->name, value,
              o->values);
}

// The number of the choice that the n bytes of `name` are.
static whet_status find_choice(whet_config *c, const option *o, const char *name, size_t n,
                               const char *value, int32_t *found) {
    for (int32_t i = 0; o->choices[i]; i++) {
        bool refused = o->choices[i][0] == '!';
        const char *choice = o->choices[i] + refused;
        if (strlen(choice) != n || memcmp(name, choice, n)) continue;
        if (refused)
            WHET_FAIL(&c->handle.error, WHET_E_UNSUPPORTED, "option %s: \"%s\": %s", o->name,
                      choice, o->refusal);
        *found = i;
        return WHET_OK;
    }
    return bad_value(c, o, value);
}

static whet_status set_choice(whet_config *c, const option *o, const char *value) {
    int32_t found;
    WHET_TRY(find_choice(c, o, value, strlen(value), value, &found));
    *(int32_t *)(void *)((char *)c + o->offset) = found;
    return WHET_OK;
}

static whet_status set_names(whet_config *c, const option *o, const char *value) {
    int32_t set = 0, found;
    for (const char *at = value;; at++) {
        size_t n = strcspn(at, ",");
        WHET_TRY(find_choice(c, o, at, n, value, &found));
        set |= 1 << found;
        at += n;
        if (!*at) break;
    }
    *(int32_t *)(void *)((char *)c + o->offset) = set;
    return WHET_OK;
}

static whet_status set_int(whet_config *c, const option *o, const char *value) {
    char *end;
    long long v = strtoll(value, &end, 10);
    if (end == value || *end || v < o->min || v > o->max) return bad_value(c, o, value);
    *(int64_t *)(void *)((char *)c + o->offset) = v;
    return WHET_OK;
}

static whet_status set_number(whet_config *c, const option *o, const char *value) {
    char *end;
    double v = strtod(value, &end);
    if (end == value || *end || !(v >= (double)o->min && v <= (double)o->max))
        return bad_value(c, o, value);
    *(double *)(void *)((char *)c + o->offset) = v;
    return WHET_OK;
}

static whet_status set_bool(whet_config *c, const option *o, const char *value) {
    bool on = !strcmp(value, "true") || !strcmp(value, "1");
    if (!on && strcmp(value, "false") && strcmp(value, "0")) return bad_value(c, o, value);
    *(bool *)(void *)((char *)c + o->offset) = on;
    return WHET_OK;
}

static whet_status set_text(whet_config *c, const option *o, const char *value) {
    char *copy = whet_arena_strdup(&c->arena, value);
    if (!copy) return WHET_NOMEM(&c->handle.error);
    *(const char **)(void *)((char *)c + o->offset) = *copy ? copy : NULL;
    return WHET_OK;
}

whet_status whet_config_set(whet_config *c, const char *name, const char *value) {
    if (!c) return WHET_E_INVALID;
    whet_error_clear(&c->handle.error);
    if (!name || !value)
        WHET_FAIL(&c->handle.error, WHET_E_INVALID, "whet_config_set: name or value is NULL");
    for (int32_t i = 0; i < N_OPTIONS; i++) {
        const option *o = &options[i];
        if (strcmp(o->name, name)) continue;
        switch (o->type) {
        case OPT_INT: return set_int(c, o, value);
        case OPT_NUMBER: return set_number(c, o, value);
        case OPT_BOOL: return set_bool(c, o, value);
        case OPT_CHOICE: return set_choice(c, o, value);
        case OPT_SET: return set_names(c, o, value);
        case OPT_TEXT: return set_text(c, o, value);
        }
    }
    WHET_FAIL(&c->handle.error, WHET_E_NOT_FOUND, "there is no option \"%s\"", name);
}

whet_status whet_config_set_shape(whet_config *c, const char *input, int32_t rank,
                                  const int64_t *dims) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    if (!input || rank < 0 || rank > WHET_MAX_RANK || (rank && !dims))
        WHET_FAIL(err, WHET_E_INVALID, "shape of input \"%s\": rank %d, expected 0 to %d",
                  input ? input : "", rank, WHET_MAX_RANK);
    whet_import_shape s = {.rank = rank};
    for (int32_t i = 0; i < rank; i++) {
        if (dims[i] < -1)
            WHET_FAIL(err, WHET_E_INVALID, "shape of input \"%s\": dimension %d is %lld", input, i,
                      (long long)dims[i]);
        s.dims[i] = dims[i];
    }
    s.input = whet_arena_strdup(&c->arena, input);
    if (!s.input || !WHET_ARENA_PUSH(&c->arena, c->shapes, c->n_shapes, c->cap_shapes, s))
        return WHET_NOMEM(err);
    return WHET_OK;
}

whet_status whet_config_add_profile(whet_config *c, const whet_profile *profile) {
    if (!c) return WHET_E_INVALID;
    whet_error *err = &c->handle.error;
    whet_error_clear(err);
    if (!profile) WHET_FAIL(err, WHET_E_INVALID, "whet_config_add_profile: profile is NULL");
    if (c->n_profiles == WHET_MAX_PROFILES)
        WHET_FAIL(err, WHET_E_LIMIT, "at most %d profiles are possible", WHET_MAX_PROFILES);
    const whet_profile *copy = whet_profile_copy(profile, &c->arena);
    if (!copy ||
        !WHET_ARENA_PUSH(&c->arena, c->profiles, c->n_profiles, c->cap_profiles, copy))
        return WHET_NOMEM(err);
    return WHET_OK;
}

whet_status whet_config_set_progress(whet_config *c, whet_progress_fn progress, void *user) {
    if (!c) return WHET_E_INVALID;
    c->progress = progress;
    c->progress_user = user;
    return WHET_OK;
}

whet_status whet_config_set_calibration(whet_config *c, whet_calibration_fn next, void *user) {
    if (!c) return WHET_E_INVALID;
    c->calib_next = next;
    c->calib_user = user;
    return WHET_OK;
}

whet_status whet_config_set_metric(whet_config *c, whet_metric_fn metric, void *user) {
    if (!c) return WHET_E_INVALID;
    c->metric = metric;
    c->metric_user = user;
    return WHET_OK;
}

const char *whet_config_help(void) {
#define LINE(name, type, field, min, max, choices, values, def, help, refusal)                     \
    name "\t" values "\t" def "\t" help "\n"
    return OPTIONS(LINE);
#undef LINE
}

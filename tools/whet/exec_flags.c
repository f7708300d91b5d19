// SPDX-License-Identifier: Apache-2.0
// The flags of trtexec: one row each says what becomes of it here.
#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

typedef enum {
    HONOUR, // does what it says
    HINT,   // accepted with a warning: without meaning on a CPU
    REFUSE, // ignoring it would change results, files or devices
} flag_class;

// SHAPES: one of the three of a profile, min is which; ANY: a value or none, not read
typedef enum { FLAG, INT, NUMBER, TEXT, FILES, SHAPES, ANY } flag_arg;

typedef struct {
    const char *name;
    flag_arg arg;
    flag_class class;
    const char *text;   // HONOUR: what it does; else the reason
    size_t offset;      // HONOUR
    double min, max;    // INT, NUMBER
    const char *plain;  // values that ask for what is done anyway, "a|b"
} flag;

#define AT(member) offsetof(whet_exec, member)
#define FP32_ONLY "this version computes in FP32, BF16 and INT8; FP8 is for constants of a model"
#define CACHE_ONLY "a calibration cache needs no shapes; `whet build --calibration` makes one"
#define NO_DLA "there is no DLA here"
#define NO_DEBUG "values inside an engine are not kept; `whet compare` shows them"
#define NO_SAFETY "this version has no safety runtime"
#define NO_CUDA "nothing is launched on a GPU"
#define NO_COPIES "nothing is copied to or from a GPU"
#define TIMES_ANYWAY "the tuner decides itself how often it times what"
#define MEMORY "memory is not limited by this version"

static const flag flags[] = {
    // model and shapes
    {"onnx", TEXT, HONOUR, "=FILE the model", AT(onnx)},
    {"explicitBatch", FLAG, HONOUR, "the only mode", AT(ignored)},
    {"minShapes", SHAPES, HONOUR, "=SPEC smallest shapes: in0:1x3x8,in1:2", 0, 0},
    {"optShapes", SHAPES, HONOUR, "=SPEC shapes to tune for", 0, 1},
    {"maxShapes", SHAPES, HONOUR, "=SPEC largest shapes", 0, 2},
    {"minShapesCalib", ANY, HINT, CACHE_ONLY},
    {"optShapesCalib", ANY, HINT, CACHE_ONLY},
    {"maxShapesCalib", ANY, HINT, CACHE_ONLY},
    {"profile", INT, HONOUR, "=I the profile that the next shapes are of [0]", AT(at_profile), 0,
     511},
    {"calibProfile", ANY, HINT, CACHE_ONLY},
    {"inputIOFormats", ANY, REFUSE, "inputs have the model's types in plain layout"},
    {"outputIOFormats", ANY, REFUSE, "outputs have the model's types in plain layout"},
    {"directIO", ANY, REFUSE, "layouts inside the engine are free"},
    // precision
    {"fp16", FLAG, HONOUR, "store weights as FP16 where that takes no longer", AT(fp16)},
    {"bf16", FLAG, HONOUR, "store and multiply in BF16 where that is faster", AT(bf16)},
    {"int8", FLAG, HONOUR, "quantize with the scales of --calib", AT(int8)},
    {"fp8", ANY, REFUSE, FP32_ONLY},
    {"int4", FLAG, HONOUR, "store weights of matrix products in 4 bits", AT(int4)},
    {"best", FLAG, HONOUR, "all of these that the machine has, INT8 with --calib", AT(best)},
    {"noTF32", FLAG, HONOUR, "FP32 is never rounded to TF32", AT(ignored)},
    {"stronglyTyped", FLAG, HONOUR, "types are the model's; flags that choose others are refused",
     AT(strongly_typed)},
    {"precisionConstraints", TEXT, HONOUR,
     "=none|prefer|obey what the next two mean: nothing, a wish, an order [none]",
     AT(constraints)},
    {"layerPrecisions", TEXT, HONOUR, "=SPEC types that layers compute in: conv1:fp32,head*:bf16",
     AT(layer_precisions)},
    {"layerOutputTypes", TEXT, HONOUR, "=SPEC types that their results are stored as",
     AT(layer_output_types)},
    {"calib", TEXT, HONOUR, "=FILE a calibration cache to read", AT(calib)},
    {"sparsity", ANY, REFUSE, "this version has no sparse kernels", .plain = "disable"},
    {"decomposableAttentions", ANY, HINT, "attentions are fused or split as is faster"},
    // search
    {"builderOptimizationLevel", INT, HONOUR, "=0..5 how much to time [3]", AT(level), 0, 5},
    {"timingCacheFile", TEXT, HONOUR, "=FILE read times from it and add to it", AT(timing_cache)},
    {"maxTactics", ANY, HINT, TIMES_ANYWAY},
    {"avgTiming", ANY, HINT, TIMES_ANYWAY},
    {"minTiming", ANY, HINT, TIMES_ANYWAY},
    {"tacticSources", ANY, HINT, "the kernels do not come from such libraries"},
    {"tilingOptimizationLevel", ANY, HINT, TIMES_ANYWAY},
    {"l2LimitForTiling", ANY, HINT, TIMES_ANYWAY},
    {"noBuilderCache", FLAG, HONOUR, "times are kept in --timingCacheFile only", AT(ignored)},
    {"noCompilationCache", ANY, HINT, "nothing is compiled by a build"},
    {"errorOnTimingCacheMiss", ANY, REFUSE, "a time that is missing is always measured"},
    {"preview", ANY, HINT, "there are no such features"},
    {"memPoolSize", ANY, HINT, MEMORY},
    {"workspace", ANY, HINT, MEMORY},
    {"maxAuxStreams", ANY, HINT, NO_CUDA},
    {"profilingVerbosity", TEXT, HONOUR, "=layer_names_only|detailed what lists of layers hold",
     AT(verbosity)},
    {"monitorMemory", ANY, HINT, "memory is not watched"},
    {"distributiveIndependence", ANY, REFUSE, "no such promise can be made"},
    // engine file
    {"saveEngine", TEXT, HONOUR, "=FILE write the engine", AT(save_engine)},
    {"loadEngine", TEXT, HONOUR, "=FILE run this engine", AT(load_engine)},
    {"asyncFileReader", ANY, HINT, "engine files are mapped"},
    {"getPlanVersionOnly", FLAG, HONOUR, "print which version wrote the engine",
     AT(version_only)},
    {"refit", FLAG, HONOUR, "engines can always be refitted", AT(ignored)},
    {"stripWeights", FLAG, HONOUR, "save the engine without its weights", AT(strip)},
    {"stripAllWeights", FLAG, HONOUR, "the same", AT(strip)},
    {"weightless", FLAG, HONOUR, "the same", AT(strip)},
    {"refitFromOnnx", FLAG, HONOUR, "give the loaded engine the weights of --onnx",
     AT(refit_onnx)},
    {"allowWeightStreaming", ANY, REFUSE, "weights are not streamed in this version"},
    {"versionCompatible", ANY, REFUSE, "engines of this version do not promise it"},
    {"vc", ANY, REFUSE, "engines of this version do not promise it"},
    {"excludeLeanRuntime", ANY, REFUSE, "engines never hold a runtime"},
    {"useRuntime", ANY, REFUSE, "there is one runtime", .plain = "full"},
    {"leanDLLPath", ANY, REFUSE, "there is one runtime"},
    {"hardwareCompatibilityLevel", ANY, REFUSE, "engines are for CPUs", .plain = "none"},
    {"runtimePlatform", ANY, REFUSE, "engines are for this platform",
     .plain = "SameAsBuild|sameAsBuild"},
    {"tempdir", ANY, HINT, "no temporary files are made"},
    {"tempfileControls", ANY, HINT, "no temporary files are made"},
    // debug, parser, DLA, safety
    {"markDebug", ANY, REFUSE, NO_DEBUG},
    {"markUnfusedTensorsAsDebugTensors", ANY, REFUSE, NO_DEBUG},
    {"saveDebugTensors", ANY, REFUSE, NO_DEBUG},
    {"saveAllDebugTensors", ANY, REFUSE, NO_DEBUG},
    {"pluginInstanceNorm", ANY, HINT, "the operator is built in"},
    {"pi", ANY, HINT, "the operator is built in"},
    {"enablePluginOverride", FLAG, HONOUR, "plugins win over operators of the same name",
     AT(cli.plugin_override)},
    {"uint8AsymmetricQuantizationDLA", ANY, REFUSE, NO_DLA},
    {"reportCapabilityDLA", ANY, REFUSE, NO_DLA},
    {"adjustForDLA", ANY, REFUSE, NO_DLA},
    {"useDLACore", ANY, REFUSE, NO_DLA, .plain = "-1"},
    {"allowGPUFallback", ANY, HINT, NO_DLA},
    {"buildDLAStandalone", ANY, REFUSE, NO_DLA},
    {"layerDeviceTypes", ANY, REFUSE, "all layers run on the CPU"},
    {"safe", ANY, REFUSE, NO_SAFETY},
    {"consistency", ANY, REFUSE, NO_SAFETY},
    {"restricted", ANY, REFUSE, NO_SAFETY},
    {"dumpKernelText", ANY, REFUSE, NO_SAFETY},
    {"remoteAutoTuningConfig", ANY, REFUSE, "tuning happens on this machine"},
    {"cpuOnly", FLAG, HONOUR, "everything is on the CPU", AT(ignored)},
    // inference
    {"shapes", TEXT, HONOUR, "=SPEC shapes of the runs", AT(run_shapes)},
    {"loadInputs", FILES, HONOUR, "=NAME:FILE,... values of inputs, raw bytes or .npy",
     AT(inputs)},
    {"iterations", INT, HONOUR, "=N run at least so often [10]", AT(iterations), 0, 1e9},
    {"warmUp", NUMBER, HONOUR, "=MS run so long before measuring [200]", AT(warm_up), 0, 1e9},
    {"duration", NUMBER, HONOUR, "=S measure at least so long, -1: without an end [3]",
     AT(duration), -1, 1e9},
    {"sleepTime", NUMBER, HONOUR, "=MS wait before the first run [0]", AT(sleep), 0, 1e9},
    {"idleTime", NUMBER, HONOUR, "=MS wait between runs [0]", AT(idle), 0, 1e9},
    {"infStreams", INT, HONOUR, "=N run so many contexts at once [1]", AT(streams), 1, 256},
    {"streams", INT, HONOUR, "=N the same", AT(streams), 1, 256},
    {"threads", FLAG, HONOUR, "each stream has a thread, also without it", AT(threads)},
    {"exposeDMA", ANY, HINT, NO_COPIES},
    {"noDataTransfers", ANY, HINT, NO_COPIES},
    {"includeDataTransfers", ANY, HINT, NO_COPIES},
    {"useManagedMemory", ANY, HINT, NO_COPIES},
    {"useSpinWait", ANY, HINT, NO_CUDA},
    {"noSpinWait", ANY, HINT, NO_CUDA},
    {"useCudaGraph", ANY, HINT, NO_CUDA},
    {"noCudaGraph", ANY, HINT, NO_CUDA},
    {"timeDeserialize", FLAG, HONOUR, "time the loading of the engine", AT(deserialize)},
    {"timeRefit", FLAG, HONOUR, "time a refit with the weights that the engine has",
     AT(time_refit)},
    {"separateProfileRun", FLAG, HONOUR, "profiles are always made in runs of their own",
     AT(separate)},
    {"skipInference", FLAG, HONOUR, "build only", AT(skip)},
    {"buildOnly", FLAG, HONOUR, "the same", AT(skip)},
    {"persistentCacheRatio", ANY, HINT, NO_CUDA},
    {"useProfile", INT, HONOUR, "=I run with this profile [the first that fits]",
     AT(use_profile), 0, 511},
    {"allocationStrategy", ANY, HINT, "memory is sized for the shapes of a run"},
    {"weightStreamingBudget", ANY, REFUSE, "weights are not streamed in this version",
     .plain = "-2"},
    // reporting
    {"verbose", FLAG, HONOUR, "say more", AT(cli.verbose)},
    {"avgRuns", INT, HONOUR, "=N runs in a line of the trace [10]", AT(avg_runs), 1, 1e9},
    {"percentile", TEXT, HONOUR, "=P,... percentiles to print [90,95,99]", AT(percentiles)},
    {"dumpRefit", FLAG, HONOUR, "print the weights that can be changed", AT(dump_refit)},
    {"dumpOutput", FLAG, HONOUR, "print the outputs", AT(dump_output)},
    {"dumpRawBindingsToFile", ANY, REFUSE, "`whet run --output=NAME:FILE` writes raw values"},
    {"dumpProfile", FLAG, HONOUR, "print the time of each layer", AT(dump_profile)},
    {"dumpLayerInfo", FLAG, HONOUR, "print the layers", AT(dump_layers)},
    {"dumpOptimizationProfile", FLAG, HONOUR, "print the profiles", AT(dump_profiles)},
    {"exportTimes", TEXT, HONOUR, "=FILE times of all runs as JSON", AT(times_file)},
    {"exportOutput", TEXT, HONOUR, "=FILE outputs as JSON", AT(output_file)},
    {"exportProfile", TEXT, HONOUR, "=FILE times of layers as JSON", AT(profile_file)},
    {"exportLayerInfo", TEXT, HONOUR, "=FILE layers as JSON", AT(layers_file)},
    // system
    {"device", ANY, REFUSE, "there is one device, 0", .plain = "0"},
    {"plugins", FILES, HONOUR, "=FILE,... open plugin libraries", AT(cli.plugins)},
    {"staticPlugins", FILES, HONOUR, "=FILE,... the same", AT(cli.plugins)},
    {"dynamicPlugins", FILES, HONOUR, "=FILE,... the same", AT(cli.plugins)},
    {"setPluginsToSerialize", FILES, HONOUR, "=FILE,... open them; the engine carries them",
     AT(carried)},
    {"engineHostCodeAllowed", FLAG, HONOUR, "load libraries that the engine carries (ours)",
     AT(cli.engine_libraries)},
    {"ignoreParsedPluginLibs", FLAG, HONOUR, "no engine carries one that is not named",
     AT(ignored)},
    {"safetyPlugins", ANY, REFUSE, NO_SAFETY},
    {"help", FLAG, HONOUR, "print this help", AT(cli.help)},
};

static bool is_plain(const flag *f, const char *value) {
    size_t n = value ? strlen(value) : 0;
    for (const char *p = f->plain; p && n; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strcspn(p, "|") == n && !strncmp(p, value, n)) return true;
    return false;
}

static bool unknown_flag(const char *name) {
    whet_cli_nearest near = {.name = name};
    for (int32_t i = 0; i < WHET_CLI_COUNT(flags); i++)
        whet_cli_near(&near, flags[i].name, strlen(flags[i].name));
    if (near.best)
        whet_cli_fail("exec: there is no flag --%s; did you mean --%s?", name, near.best);
    else
        whet_cli_fail("exec: there is no flag --%s; `whet exec --help` lists them", name);
    return false;
}

// ---- values ----

static bool set_number(whet_exec *e, const flag *f, const char *value) {
    char *end;
    errno = 0;
    double v = strtod(value, &end);
    bool good = *value && !*end && !errno && isfinite(v) && v >= f->min && v <= f->max;
    if (f->arg == INT) good = good && v == floor(v);
    if (!good)
        return whet_cli_fail("exec: flag --%s: \"%s\", expected a %snumber from %g to %g", f->name,
                             value, f->arg == INT ? "whole " : "", f->min, f->max), false;
    void *to = (char *)e + f->offset;
    if (f->arg == INT) *(int64_t *)to = (int64_t)v;
    else *(double *)to = v;
    return true;
}

// NAME:FILE,'NAME':FILE: one entry each, without the quotes around the name.
static bool set_files(whet_exec *e, const flag *f, const char *value) {
    whet_cli_list *l = (void *)((char *)e + f->offset);
    while (*value) {
        size_t n = strcspn(value, ",");
        char *text = whet_exec_keep(e, strndup(value, n));
        const char **grown = realloc((void *)l->v, (size_t)(l->n + 1) * sizeof *grown);
        if (grown) l->v = grown;
        if (!text || !grown) return whet_cli_fail("out of memory"), false;
        char *close = text[0] == '\'' ? strchr(text + 1, '\'') : NULL;
        if (close) {
            memmove(text, text + 1, (size_t)(close - text - 1));
            memmove(close - 1, close + 1, strlen(close + 1) + 1);
        }
        l->v[l->n++] = text;
        value += n + (value[n] == ',');
    }
    return true;
}

static bool set(whet_exec *e, const flag *f, const char *value) {
    void *to = (char *)e + f->offset;
    const char **shapes;
    switch (f->arg) {
    case FLAG:
        if (value) return whet_cli_fail("exec: flag --%s takes no value", f->name), false;
        *(bool *)to = true;
        return true;
    case INT:
    case NUMBER: return set_number(e, f, value);
    case TEXT: *(const char **)to = value; return true;
    case FILES: return set_files(e, f, value);
    case SHAPES:
        shapes = whet_exec_profile_shapes(e);
        if (!shapes) return whet_cli_fail("out of memory"), false;
        shapes[(int)f->min] = value;
        return true;
    case ANY: break;
    }
    return true;
}

static bool take(whet_exec *e, const char *text) {
    if (!strcmp(text, "-h")) text = "--help";
    if (strncmp(text, "--", 2) || !text[2])
        return whet_cli_fail("exec: \"%s\" is no flag; expected --NAME or --NAME=VALUE", text),
               false;
    const char *equal = strchr(text, '='), *value = equal ? equal + 1 : NULL;
    size_t n = equal ? (size_t)(equal - text - 2) : strlen(text + 2);
    for (int32_t i = 0; i < WHET_CLI_COUNT(flags); i++) {
        const flag *f = &flags[i];
        if (strlen(f->name) != n || strncmp(f->name, text + 2, n)) continue;
        if (is_plain(f, value)) return true;
        if (f->class == REFUSE)
            return whet_cli_fail("exec: flag %s is refused: %s", text, f->text), false;
        if (f->class == HINT) {
            whet_exec_warn("%s has no effect: %s", text, f->text);
            return true;
        }
        if (f->arg != FLAG && (!value || !*value))
            return whet_cli_fail("exec: flag --%s needs a value", f->name), false;
        return set(e, f, value);
    }
    char *name = whet_exec_keep(e, strndup(text + 2, n));
    return name ? unknown_flag(name) : (whet_cli_fail("out of memory"), false);
}

bool whet_exec_next_percentile(const char **at, double *value, bool *bad) {
    *bad = false;
    if (!**at) return false;
    char *end;
    *value = strtod(*at, &end);
    *bad = end == *at || (*end && *end != ',') || !(*value >= 0 && *value <= 100);
    if (!*bad) *at = end + (*end == ',');
    return !*bad;
}

static bool check(const whet_exec *e) {
    double p;
    bool bad = false;
    const char *at = e->percentiles;
    while (whet_exec_next_percentile(&at, &p, &bad)) continue;
    if (bad)
        whet_cli_fail("exec: flag --percentile: \"%s\", expected numbers from 0 to 100", at);
    else if (strcmp(e->verbosity, "layer_names_only") && strcmp(e->verbosity, "detailed"))
        whet_cli_fail("exec: flag --profilingVerbosity: \"%s\", expected layer_names_only or "
                      "detailed; engines always know their layers", e->verbosity);
    else if (!e->onnx && !e->load_engine)
        whet_cli_fail("exec: something is missing; expected --onnx=FILE or --loadEngine=FILE");
    else if (e->refit_onnx && (!e->onnx || !e->load_engine))
        whet_cli_fail("exec: --refitFromOnnx needs --loadEngine=FILE and --onnx=FILE");
    else if (e->strip && (e->load_engine || !e->save_engine))
        whet_cli_fail("exec: --stripWeights needs --onnx=FILE and --saveEngine=FILE");
    else if (e->onnx && e->load_engine && !e->refit_onnx)
        whet_cli_fail("exec: --onnx and --loadEngine exclude each other");
    else if (e->save_engine && e->load_engine)
        whet_cli_fail("exec: --saveEngine and --loadEngine exclude each other");
    else if (e->version_only && !e->load_engine)
        whet_cli_fail("exec: --getPlanVersionOnly needs --loadEngine=FILE");
    else if (e->duration < 0 && e->duration > -1)
        whet_cli_fail("exec: flag --duration: %g, expected -1 or seconds from 0 on", e->duration);
    else
        return true;
    return false;
}

bool whet_exec_parse(whet_exec *e, int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (!take(e, argv[i])) return false;
    return e->cli.help || (check(e) && whet_exec_resolve_shapes(e));
}

// ---- help ----

static void print_class(FILE *out, flag_class class) {
    for (int32_t i = 0; i < WHET_CLI_COUNT(flags); i++) {
        const flag *f = &flags[i];
        if (f->class != class) continue;
        size_t n = *f->text == '=' ? strcspn(f->text, " ") : 0;
        int width = fprintf(out, "  --%s%.*s", f->name, (int)n, f->text);
        fprintf(out, "%*s%s", width < 34 ? 34 - width : 1, "", f->text + n + (n > 0));
        if (f->plain) fprintf(out, " (accepted: %s)", f->plain);
        fputc('\n', out);
    }
}

void whet_exec_print_help(FILE *out) {
    fprintf(out, "usage: whet exec --onnx=FILE|--loadEngine=FILE [FLAGS]\n\n"
                 "Builds or loads an engine and measures it, with the flags and lines of "
                 "trtexec.\n\nflags:\n");
    print_class(out, HONOUR);
    fprintf(out, "\naccepted with a warning, without an effect:\n");
    print_class(out, HINT);
    fprintf(out, "\nrefused:\n");
    print_class(out, REFUSE);
}

// SPDX-License-Identifier: Apache-2.0
// Options of a build: one table row each, shared by C, Python and the command line.
#ifndef WHET_BUILD_CONFIG_IMPL_H
#define WHET_BUILD_CONFIG_IMPL_H

#include <whet/calibration.h>

#include "base/arena.h"
#include "base/error.h"
#include "build/profile.h"
#include "onnx/import.h"

enum { WHET_VERIFY_AUTO, WHET_VERIFY_OFF, WHET_VERIFY_FULL };
enum { WHET_PLAN_TUNED, WHET_PLAN_PLAIN, WHET_PLAN_REFERENCE };
enum { WHET_MEMORY_AUTO, WHET_MEMORY_MIN, WHET_MEMORY_ANY };
enum { WHET_PORTABLE_FULL, WHET_PORTABLE_NONE };
enum { WHET_INT8_FASTER, WHET_INT8_ALL };
enum { WHET_CONSTRAINTS_OBEY, WHET_CONSTRAINTS_PREFER, WHET_CONSTRAINTS_NONE };
enum {
#define PRECISION(id, name, dtype) WHET_PRECISION_INDEX_##id,
#include "build/precisions.def"
#undef PRECISION
    WHET_PRECISION_COUNT
};
enum { // bits
#define PRECISION(id, name, dtype) WHET_PRECISION_##id = 1 << WHET_PRECISION_INDEX_##id,
#include "build/precisions.def"
#undef PRECISION
};

typedef struct whet_hand_range {
    const char *name;
    float low, high;
} whet_hand_range;

struct whet_config {
    whet_handle handle;
    whet_env *env;
    whet_arena arena;
    int64_t level, threads, budget;
    int64_t max_nodes, max_depth; // of a model; 0: the importer's
    bool strip_weights;
    int32_t verify, portable, precision, plan, memory;
    bool deterministic, timing_cache_readonly, bf16, fp16;
    int64_t calib_batch, calib_samples;
    int64_t verify_samples;
    bool verify_warn;
    double calib_percentile, smooth;
    int32_t calib_method, activations; // a whet_calib_method; 0: asymmetric
    bool strongly_typed, best, remove_islands;
    int64_t int4_group;
    bool int8, int4, equalize, no_bias_correction;
    int32_t constraints, int8_layers;
    const char *layer_precisions, *layer_output_types;
    const char *calibration, *calib, *keep_float, *accuracy, *accuracy_report;
    const char *ranges_text, *ranges_file;
    whet_hand_range *ranges;
    int32_t n_ranges, cap_ranges;
    int64_t accuracy_runs;
    whet_metric_fn metric;
    void *metric_user;
    whet_calibration_fn calib_next;
    void *calib_user;
    const char *timing_cache, *disable_pass, *dump_ir, *disable_kernels, *embed_plugins;
    whet_import_shape *shapes;
    int32_t n_shapes, cap_shapes;
    const whet_profile **profiles; // copies
    int32_t n_profiles, cap_profiles;
    whet_progress_fn progress;
    void *progress_user;
};

// A budget without a choice of arithmetic allows all.
static inline bool whet_config_any(const struct whet_config *c) {
    return c->accuracy && !c->precision && !c->bf16 && !c->int8;
}

// All that this machine has; int8 where something gives scales.
static inline bool whet_config_best(const struct whet_config *c) {
    return c->best || (c->precision & WHET_PRECISION_BEST);
}
static inline bool whet_config_scales(const struct whet_config *c) {
    return c->calibration || c->calib_next || c->calib || c->n_ranges || c->ranges_text ||
           c->ranges_file;
}

static inline bool whet_config_bf16(const struct whet_config *c) {
    return c->bf16 || (c->precision & WHET_PRECISION_BF16) || whet_config_any(c) ||
           whet_config_best(c);
}

static inline bool whet_config_fp16(const struct whet_config *c) {
    return c->fp16 || (c->precision & WHET_PRECISION_FP16);
}

static inline bool whet_config_int4(const struct whet_config *c) {
    return c->int4 || (c->precision & WHET_PRECISION_INT4);
}

static inline bool whet_config_int8(const struct whet_config *c) {
    return c->int8 || (c->precision & WHET_PRECISION_INT8) || whet_config_any(c) ||
           (whet_config_best(c) && whet_config_scales(c));
}

#endif

// SPDX-License-Identifier: Apache-2.0
// Calibration: what values reach on samples decides the scales with which they are rounded to 8
// bits. docs/quantization.md.
#ifndef WHET_BUILD_CALIB_H
#define WHET_BUILD_CALIB_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "env/env.h"
#include "ir/graph.h"

struct whet_build;

// ---- what was seen of a value (calib_stats.c) ----

// Bins are a power of two wide and lie around zero, so that what is counted does not depend on the
// order of the samples: when a number lies outside, pairs of bins become one.
enum { WHET_CALIB_BINS = 8192 };

typedef struct whet_calib_stats {
    double min, max;
    int64_t n, zeros; // finite elements; those of them that are 0, which are in no bin
    double width;     // of a bin; 0: nothing but zeros yet
    uint64_t *bins;   // [WHET_CALIB_BINS]: bin i begins at (i - WHET_CALIB_BINS / 2) * width
    int64_t bad;      // elements that are not finite
} whet_calib_stats;

bool whet_calib_stats_init(whet_calib_stats *s, whet_arena *arena);
void whet_calib_stats_add(whet_calib_stats *s, const float *x, int64_t n);

// ---- what is kept of it (calib_range.c) ----

typedef enum whet_calib_method {
    WHET_CALIB_MSE,
    WHET_CALIB_ENTROPY,
    WHET_CALIB_MINMAX,
    WHET_CALIB_PERCENTILE,
    WHET_CALIB_LEGACY,
} whet_calib_method;

typedef struct whet_calib_range {
    float low, high; // low <= 0 <= high; what lies outside is clipped
} whet_calib_range;

// percentile: of 100, for the methods percentile and legacy. symmetric: as far below zero as above.
whet_calib_range whet_calib_range_find(const whet_calib_stats *s, whet_calib_method method,
                                       double percentile, bool symmetric);
// Squares of what rounding to that range changes, over the squares of the numbers.
double whet_calib_range_noise(const whet_calib_stats *s, const whet_calib_range *range);

// ---- TensorRT's calibration cache (calib_cache.c) ----

typedef struct whet_calib_entry {
    const char *name;
    float scale;
    float low, high;
    bool bounded; // low and high are given
} whet_calib_entry;

typedef struct whet_calib_cache {
    whet_arena arena;
    whet_calib_entry *v; // sorted by name
    int32_t n, cap;
} whet_calib_cache;

void whet_calib_cache_init(whet_calib_cache *c);
void whet_calib_cache_fini(whet_calib_cache *c);
// WHET_E_PARSE names the line; WHET_E_VERSION: another kind of text.
whet_status whet_calib_cache_parse(whet_calib_cache *c, const char *text, size_t n,
                                   whet_error *err);
whet_status whet_calib_cache_load(whet_calib_cache *c, const char *path, whet_error *err);
const whet_calib_entry *whet_calib_cache_find(const whet_calib_cache *c, const char *name);
// A range that is not symmetric takes two lines more, under names that no value has.
bool whet_calib_cache_put(whet_calib_cache *c, const char *name, const whet_calib_range *range);
void whet_calib_cache_print(whet_calib_cache *c, whet_calib_method method, whet_str *out);
whet_status whet_calib_cache_save(whet_calib_cache *c, whet_calib_method method, const char *path,
                                  whet_error *err);

// ---- ranges by hand (calib_hand.c) ----

bool whet_calib_hand_any(const struct whet_config *o);
// All that the config gives, as a cache. WHET_E_NOT_FOUND: g has no such value.
whet_status whet_calib_hand_read(const struct whet_config *o, const whet_graph *g,
                                 whet_calib_cache *hand, whet_error *err);

// ---- where (calib_sites.c) ----

// A value whose range is looked for. Several sites may share it: what a pool takes and gives.
typedef struct whet_calib_seen {
    whet_value *v;       // computed by a step, or an input
    whet_calib_stats stats;
    whet_calib_range range;
    bool symmetric;      // the range came without bounds, in a file
    bool known, nonnegative;
} whet_calib_seen;

typedef struct whet_calib_site { // gets quantize_linear and dequantize_linear behind it
    whet_value *v;
    int32_t seen;
} whet_calib_site;

// Where the elements of an output channel of weights lie.
typedef struct whet_calib_layout {
    int64_t channels, count, step, run, stride; // count: elements of a channel
    int32_t axis;
} whet_calib_layout;

typedef struct whet_calib_weights { // rounded to i8
    whet_calib_layout l;
    int8_t *q;
    float *scale, *shift; // a channel; shift: what goes into the bias
    double noise;         // squares of what rounding changes, over the squares of the weights
} whet_calib_weights;

typedef struct whet_calib_op { // a convolution or product that will compute in integers
    whet_node *node;
    int32_t index;       // among all that could, those left in float too
    whet_calib_weights *weights; // NULL: not rounded yet
    int64_t in_channels; // of what it takes, all groups
    int32_t site;
    whet_value *x;       // of the same bytes as its input, computed by a step or an input
    double *sum;         // [in_channels] of x, for the bias
    float *top;          // [in_channels] largest |x|
    int64_t n;           // elements a channel
} whet_calib_op;

typedef struct whet_calib {
    struct whet_build *x;
    whet_graph *g;
    whet_arena *arena;
    whet_calib_cache hand;
    whet_calib_op *ops;
    int32_t n_ops, cap_ops;
    whet_calib_site *sites;
    int32_t n_sites, cap_sites;
    whet_calib_seen *seen;
    int32_t n_seen, cap_seen;
    int32_t *taps, n_taps; // by id of the value: seen + 1
    int32_t *op_taps;      // by id of the value: first op + 1, the others follow by `next`
    int32_t *next_op;      // [n_ops]
    const bool *keep;      // by index of an operator: stays in float; NULL: none
    bool building;         // an engine, not only a graph
    struct whet_accuracy *accuracy; // gets the samples; may be NULL
    const bool *watched;   // by id: goes to `watch` too; NULL: none
    void (*watch)(void *user, int32_t id, const whet_tensor *t);
    void *watch_user;
} whet_calib;

// The graph with what belongs into weights put there, in operators that ONNX has words for.
whet_status whet_calib_simplify(struct whet_build *x, whet_graph *g);

// Finds operators and sites in c->g.
whet_status whet_calib_sites_find(whet_calib *c, whet_error *err);
// The same for g, a copy of `of`'s graph or that graph itself, with what `of` has found out; the
// operators that `keep` marks stay in float.
whet_status whet_calib_sites_choose(const whet_calib *of, whet_graph *g, const bool *keep,
                                    whet_arena *arena, whet_calib *c, whet_error *err);
// Whether the node was asked to stay in float.
bool whet_calib_is_kept(const whet_calib *c, const whet_node *n);
// The value with the same bytes that a step or the caller makes.
whet_value *whet_calib_same_bytes(whet_value *v);

// ---- the samples (calib_data.c) ----

typedef struct whet_calib_data whet_calib_data;
whet_status whet_calib_data_open(struct whet_build *x, const whet_graph *g, whet_arena *arena,
                                 whet_calib_data **data, whet_error *err);
void whet_calib_data_close(whet_calib_data *d);
// The next batch: tensors in the order of the graph's inputs, valid until the next call. *inputs
// NULL: no more.
whet_status whet_calib_data_next(whet_calib_data *d, const whet_tensor **inputs, whet_error *err);
// The labels of that batch, from an array "label" or "labels" beside the samples; NULL: none.
const int64_t *whet_calib_data_labels(const whet_calib_data *d, int64_t *n);
int64_t whet_calib_data_done(const whet_calib_data *d, int64_t *total); // samples; total 0: unknown

// ---- running the model on them (calib_run.c) ----

// Sums and tops of operators, and histograms where wanted, from none on.
whet_status whet_calib_run(whet_calib *c, whet_calib_data *d, bool histograms, whet_error *err);

// ---- changing the graph ----

// calib_insert.c
whet_calib_layout whet_calib_layout_of(const whet_node *n);
static inline int64_t whet_calib_at(const whet_calib_layout *l, int64_t channel, int64_t k) {
    return channel * l->step + k / l->run * l->stride + k % l->run;
}

// Factors moved from channels into the weights that read them (calib_equalize.c); smoothing needs
// the tops of operators. Ranges are to be looked for after that.
whet_status whet_calib_equalize(whet_calib *c, int32_t *changed, whet_error *err);
whet_status whet_calib_smooth(whet_calib *c, double alpha, int32_t *changed, whet_error *err);
// Rounds the operator's weights, if they are not yet.
whet_status whet_calib_round_weights(whet_calib_op *op, whet_arena *arena, whet_error *err);
// quantize_linear and dequantize_linear at the sites, weights of i8 (calib_insert.c).
whet_status whet_calib_insert(whet_calib *c, bool signed_8, bool correct_bias, whet_error *err);

// Which operators stay in float since integers make them no faster, in the arena of c; NULL where
// that is not looked for (choose_int8.c).
whet_status whet_choose_int8(whet_calib *c, const bool **keep, whet_error *err);

// Everything: ranges from the build's samples or cache, then the change. Does nothing to a graph
// that is quantized already.
// building: an engine follows, so that times count.
whet_status whet_calibrate(struct whet_build *x, whet_graph *g, bool building);

#endif

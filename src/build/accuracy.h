// SPDX-License-Identifier: Apache-2.0
// Automatic mixed precision: which operators compute in integers and which stay in float, so that
// the engine is the fastest whose outputs on the samples stay within a budget.
// docs/quantization.md.
#ifndef WHET_BUILD_ACCURACY_H
#define WHET_BUILD_ACCURACY_H

#include <whet/calibration.h>

#include "base/arena.h"
#include "base/error.h"
#include "build/calib.h"
#include "plan/plan.h"

struct whet_build;

// ---- budgets (accuracy_budget.c) ----

typedef enum whet_budget_kind {
    WHET_BUDGET_TOP1,   // part of the decisions that may come out otherwise, or be lost
    WHET_BUDGET_COSINE, // of each sample, at least
    WHET_BUDGET_SNR,    // dB, at least
    WHET_BUDGET_KL,     // mean of the samples, at most
    WHET_BUDGET_DROP,   // of the caller's figure, at most
    WHET_BUDGET_PART,   // the same as a part of the figure in float
    WHET_BUDGET_LEAST,  // of the caller's figure
} whet_budget_kind;

typedef struct whet_budget {
    whet_budget_kind kind;
    double limit;
} whet_budget;

// metric: a function of the caller's gives the figure. WHET_E_INVALID says what is expected.
whet_status whet_budget_parse(const char *text, bool metric, whet_budget *b, whet_error *err);

// What the outputs on the samples say, compared with those in FP32.
typedef struct whet_figures {
    double noise;       // squares of what differs over the squares of what is compared with
    double cosine;      // of the sample where it is the lowest
    double kl;          // of the softmax, mean
    int64_t decisions;  // rows of classes in the first output that has them; 0: none does
    int64_t changed;    // rows whose largest element is another
    int64_t lost, won;  // rows that only FP32 had right, or only these; with labels
    bool labelled;
    double sigma;       // how far the margin of a row moves, root mean square
    double expected;    // rows that move over to another class at that, as a part of all
    double low, high;   // 95 % interval of the part lost (changed, without labels)
    double metric, metric_float; // the caller's
} whet_figures;

// Margins of the rows in FP32, by which expected changes are told.
typedef struct whet_margins {
    double *v;          // ascending; with labels those of rows that FP32 has right
    int64_t n, rows;    // rows: all
} whet_margins;

// Rows whose margin is used up when margins move by sigma, normally distributed, as a part of all.
double whet_margins_expect(const whet_margins *m, double sigma);
// 95 % intervals: of k of n (Wilson); of the difference of two counts of n that are paired.
void whet_interval_wilson(int64_t k, int64_t n, double *low, double *high);
void whet_interval_paired(int64_t lost, int64_t won, int64_t n, double *low, double *high);

// Whether the budget is too fine for so many decisions to be counted.
static inline bool whet_budget_is_fine(const whet_budget *b, const whet_figures *f) {
    return b->kind == WHET_BUDGET_TOP1 && b->limit * (double)f->decisions < 3;
}
bool whet_budget_holds(const whet_budget *b, const whet_figures *f);
// By what the noise may be multiplied for the budget to hold, about: below 1 where it does not.
double whet_budget_room(const whet_budget *b, const whet_figures *f, const whet_margins *m);

// ---- samples and their outputs (accuracy_data.c) ----

typedef struct whet_sample_batch {
    whet_tensor *inputs;
    whet_tensor *reference, *outputs; // in FP32, of the assignment looked at
    int64_t *labels;                  // or NULL
    int64_t n_labels, samples;
} whet_sample_batch;

// An operator that could compute in integers, in the order of the graph.
typedef enum whet_choice {
    WHET_CHOICE_INT8,
    WHET_CHOICE_ASKED,   // in integers, as the option layer-precisions says
    WHET_CHOICE_UNSEEN,  // its range is not known
    WHET_CHOICE_SLOWER,  // in integers it is not faster
    WHET_CHOICE_COSTLY,  // what it loses costs less time elsewhere
    WHET_CHOICE_ALL,     // the float engine is the fastest, or the only one that holds
} whet_choice;

typedef struct whet_candidate {
    const char *name, *op;
    whet_choice choice;
    double rounding;              // noise of its result from rounding what it takes and its weights
    double noise;                 // of the outputs when its group alone is rounded; < 0: not run
    double int8_time, float_time; // seconds; < 0: not known
    int32_t group;
} whet_candidate;

// An assignment: its graph and plan.
typedef struct whet_variant {
    whet_arena arena;
    whet_graph *ir;
    whet_pgraph *graph;
    whet_plan *plan;
    double time; // of the plan: the sum of its steps'
} whet_variant;

typedef struct whet_accuracy {
    struct whet_build *x;
    whet_arena arena;
    whet_budget budget;
    whet_sample_batch *batches;
    int32_t n_batches, cap_batches;
    int32_t n_inputs, n_outputs;
    const char **names;        // of outputs
    int64_t samples;
    size_t bytes;
    bool full, labelled;
    whet_margins margins;
    whet_variant whole;        // in FP32; its plan is gone
    whet_candidate *ops;
    int32_t n_ops;
    int32_t runs;              // of the samples, all or some
    bool no_bf16;              // what stays in float stays f32
    bool searched;
    double float_time, int8_time, chosen_time; // plans, seconds: sums of steps
    double float_whole, chosen_whole;          // measured; 0: not
    whet_figures figures;      // of the chosen assignment
} whet_accuracy;

// NULL when the config states no budget.
whet_status whet_accuracy_create(struct whet_build *x, whet_accuracy **accuracy, whet_error *err);
void whet_accuracy_destroy(whet_accuracy *a);
// Copies a batch and its labels; those that there is no room for are left out.
whet_status whet_accuracy_add(whet_accuracy *a, const whet_calib_data *d,
                              const whet_tensor *inputs, int32_t n, whet_error *err);
// Runs the engine on the batches until so many samples have been run (0: all), into the reference
// or the outputs.
whet_status whet_accuracy_run(whet_accuracy *a, whet_engine *e, int64_t most, bool reference,
                              whet_error *err);
// Of the outputs of the samples last run.
whet_status whet_accuracy_compare(whet_accuracy *a, int64_t most, whet_figures *f,
                                  whet_error *err);

// ---- assignments (accuracy_variant.c) ----

enum {
    WHET_VARIANT_TUNED = 1, // planned with measured costs and all types allowed, else in FP32
    WHET_VARIANT_WHOLE = 2, // nothing is rounded
    WHET_VARIANT_SHOW = 4,  // with progress
};

// The graph of c with the operators in float that `keep` marks, and its plan.
whet_status whet_variant_make(const whet_calib *c, const bool *keep, int32_t flags,
                              whet_variant *v, whet_error *err);
// The same for a graph as it is, which the variant owns from then on, tuned.
whet_status whet_variant_of(struct whet_build *x, whet_graph *ir, int32_t flags, whet_variant *v,
                            whet_error *err);
void whet_variant_free(whet_variant *v);
// On the samples: whet_accuracy_run.
whet_status whet_variant_run(whet_variant *v, whet_accuracy *a, int64_t most, bool reference,
                             whet_error *err);
// Seconds that the steps of each operator take, with the conversions made for it; < 0: not found.
whet_status whet_variant_times(const whet_variant *v, const whet_accuracy *a, double *times,
                               whet_error *err);
// The operator that a step computes; -1: none of those.
int32_t whet_accuracy_op_of(const whet_accuracy *a, const whet_pgraph *g, const whet_pstep *s);

// ---- the search (accuracy.c) ----

// Chooses for a graph whose ranges are known; *keep [operators] gets those that stay in float, in
// the arena of c.
whet_status whet_accuracy_search(whet_accuracy *a, whet_calib *c, bool **keep, whet_error *err);
// Figures of the finished engine on the samples.
whet_status whet_accuracy_confirm(whet_accuracy *a, whet_engine *e, whet_error *err);

// ---- each layer (accuracy_layers.c) ----

// Ratio of signal to noise (dB) of what each step of the engine makes of the first batch, against
// FP32; NAN: what it makes is not there in FP32. Scale and offset of what is rounded do not matter.
whet_status whet_accuracy_layers(whet_accuracy *a, whet_engine *e, double *snr, whet_error *err);

// ---- the report (accuracy_report.c) ----

// e NULL: of a model that was only quantized.
whet_status whet_accuracy_report(whet_accuracy *a, whet_engine *e, const char *path,
                                 whet_error *err);
// One line about the whole to the log, one an operator where verbose.
void whet_accuracy_log(const whet_accuracy *a);

#endif

// SPDX-License-Identifier: Apache-2.0
// What lstm, gru and rnn share: shapes, activations, the walk over directions and time. A cell
// computes one row (batch element) of one step.
#ifndef WHET_OPS_RNN_REF_H
#define WHET_OPS_RNN_REF_H

#include "ops/attrs.h"

enum { // inputs
    WHET_RNN_X,
    WHET_RNN_W,
    WHET_RNN_R,
    WHET_RNN_B,
    WHET_RNN_LENS,
    WHET_RNN_H0,
    WHET_RNN_C0,
    WHET_RNN_P
};
#define WHET_RNN_MAX_ACTS 3

typedef struct whet_rnn_act {
    int32_t f; // number in the table of activations
    double alpha, beta;
} whet_rnn_act;

// The activations of one operator: per_direction x directions, with alpha and beta taken from the
// attribute lists in order by those that have them. WHET_E_INVALID names an unknown one.
whet_status whet_rnn_acts_parse(const whet_rnn_attrs *a, const char *defaults,
                                int32_t per_direction, whet_rnn_act *acts, whet_error *err);
double whet_rnn_act_apply(const whet_rnn_act *act, double x);

typedef struct whet_rnn_run {
    const whet_rnn_attrs *a;
    int64_t seq, batch, input, hidden, dirs;
    int32_t gates;
    const double *bias;  // of the direction: [2, gates hidden], NULL: none
    const double *peep;  // of the direction: [3 hidden], NULL: none
    const double *rt;    // recurrent weights of the direction, transposed: [hidden, gates hidden]
    const whet_rnn_act *acts; // of the direction
    double *tmp;         // [hidden]
} whet_rnn_run;

// xw, hr: products of input and state with their weights, [gates hidden], without biases; h, c:
// state of the row, replaced.
typedef void (*whet_rnn_cell)(const whet_rnn_run *r, const double *xw, const double *hr, double *h,
                              double *c);

whet_status whet_rnn_infer(whet_infer *ctx, int32_t gates, const char *defaults,
                           int32_t per_direction);
whet_status whet_rnn_eval(whet_eval *e, int32_t gates, const char *defaults, int32_t per_direction,
                          whet_rnn_cell cell);
double whet_rnn_flops(const whet_tensor *x, const whet_tensor *r);

// Bias b (0: of the input, 1: recurrent) of gate g, row j.
static inline double whet_rnn_bias(const whet_rnn_run *r, int32_t b, int32_t g, int64_t j) {
    return r->bias ? r->bias[(b * r->gates + g) * r->hidden + j] : 0;
}
// Activation i of the direction, of the clipped x.
static inline double whet_rnn_activate(const whet_rnn_run *r, int32_t i, double x) {
    double clip = (double)r->a->clip;
    if (clip > 0) x = x > clip ? clip : x < -clip ? -clip : x;
    return whet_rnn_act_apply(&r->acts[i], x);
}

extern const char *const whet_rnn_direction_choices[];
#define WHET_RNN_ROWS                                                                              \
    {"direction", WHET_ATTR_ENUM, offsetof(whet_rnn_attrs, direction),                             \
     .choices = whet_rnn_direction_choices},                                                       \
        {"hidden_size", WHET_ATTR_INT, offsetof(whet_rnn_attrs, hidden_size), .min = 0,            \
         .max = INT32_MAX},                                                                        \
        {"layout", WHET_ATTR_INT, offsetof(whet_rnn_attrs, layout), .min = 0, .max = 1},           \
        {"activations", WHET_ATTR_STRING, offsetof(whet_rnn_attrs, activations), .def_text = ""},  \
        {"activation_alpha", WHET_ATTR_FLOATS, offsetof(whet_rnn_attrs, activation_alpha)},        \
        {"activation_beta", WHET_ATTR_FLOATS, offsetof(whet_rnn_attrs, activation_beta)},          \
        {"clip", WHET_ATTR_FLOAT, offsetof(whet_rnn_attrs, clip)}

#endif

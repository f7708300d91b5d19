// SPDX-License-Identifier: Apache-2.0
// The activation functions that recurrent operators name, and the parser of their list.
#include <math.h>
#include <string.h>

#include "ops/rnn_ref.h"

typedef struct act_row {
    const char *name;
    bool has_alpha, has_beta;
    double alpha, beta; // defaults
} act_row;

enum {
    RELU,
    TANH,
    SIGMOID,
    AFFINE,
    LEAKY_RELU,
    THRESHOLDED_RELU,
    SCALED_TANH,
    HARD_SIGMOID,
    ELU,
    SOFTSIGN,
    SOFTPLUS
};

static const act_row act_rows[] = {
    [RELU] = {"relu"},
    [TANH] = {"tanh"},
    [SIGMOID] = {"sigmoid"},
    [AFFINE] = {"affine", true, true, 1, 0},
    [LEAKY_RELU] = {"leakyrelu", true, false, 0.01, 0},
    [THRESHOLDED_RELU] = {"thresholdedrelu", true, false, 1, 0},
    [SCALED_TANH] = {"scaledtanh", true, true, 1, 1},
    [HARD_SIGMOID] = {"hardsigmoid", true, true, 0.2, 0.5},
    [ELU] = {"elu", true, false, 1, 0},
    [SOFTSIGN] = {"softsign"},
    [SOFTPLUS] = {"softplus"},
};

double whet_rnn_act_apply(const whet_rnn_act *act, double x) {
    double alpha = act->alpha, beta = act->beta;
    switch (act->f) {
    case RELU: return x < 0 ? 0 : x;
    case TANH: return tanh(x);
    case SIGMOID: return 1 / (1 + exp(-x));
    case AFFINE: return alpha * x + beta;
    case LEAKY_RELU: return x < 0 ? alpha * x : x;
    case THRESHOLDED_RELU: return x > alpha ? x : 0;
    case SCALED_TANH: return alpha * tanh(beta * x);
    case HARD_SIGMOID: return fmin(fmax(alpha * x + beta, 0), 1);
    case ELU: return x < 0 ? alpha * expm1(x) : x;
    case SOFTSIGN: return x / (1 + fabs(x));
    default: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    }
}

// Names are compared without regard to case.
static int32_t act_find(const char *name, size_t n) {
    for (int32_t i = 0; i < WHET_COUNT(act_rows); i++) {
        const char *known = act_rows[i].name;
        size_t k = 0;
        while (k < n && known[k] && (name[k] | 0x20) == known[k]) k++;
        if (k == n && !known[k]) return i;
    }
    return -1;
}

whet_status whet_rnn_acts_parse(const whet_rnn_attrs *a, const char *defaults,
                                int32_t per_direction, whet_rnn_act *acts, whet_error *err) {
    bool given = a->activations && *a->activations;
    const char *p = given ? a->activations : defaults;
    int32_t n = per_direction * (a->direction == WHET_RNN_BIDIRECTIONAL ? 2 : 1);
    int32_t alphas = 0, betas = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!given && i % per_direction == 0) p = defaults;
        size_t len = strcspn(p, ",");
        int32_t f = act_find(p, len);
        if (f < 0)
            WHET_FAIL(err, WHET_E_INVALID, "activation %d, \"%.*s\", is not known (%d are needed)",
                      (int)i, (int)(len > 40 ? 40 : len), p, (int)n);
        const act_row *row = &act_rows[f];
        acts[i] = (whet_rnn_act){f, row->alpha, row->beta};
        if (row->has_alpha && alphas < a->activation_alpha.n)
            acts[i].alpha = (double)a->activation_alpha.v[alphas++];
        if (row->has_beta && betas < a->activation_beta.n)
            acts[i].beta = (double)a->activation_beta.v[betas++];
        p += len;
        if (*p == ',') p++;
    }
    return WHET_OK;
}

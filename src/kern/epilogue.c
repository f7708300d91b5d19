// SPDX-License-Identifier: Apache-2.0
#include "kern/epilogue.h"

#include <math.h>
#include <string.h>

static bool act_known(whet_pw f) {
    switch (f) {
    case WHET_PW_NONE:
    case WHET_PW_IDENTITY:
    case WHET_PW_RELU:
    case WHET_PW_CLIP:
    case WHET_PW_LEAKY_RELU:
    case WHET_PW_ELU:
    case WHET_PW_SIGMOID:
    case WHET_PW_TANH:
    case WHET_PW_HARD_SIGMOID:
    case WHET_PW_HARD_SWISH:
    case WHET_PW_SWISH:
    case WHET_PW_MISH:
    case WHET_PW_SOFTPLUS:
    case WHET_PW_GELU:
    case WHET_PW_EXP:
    case WHET_PW_SQRT:
    case WHET_PW_ABS:
    case WHET_PW_NEG:
    case WHET_PW_ERF: return true;
    default: return false;
    }
}

static bool binary_known(whet_pw f) {
    switch (f) {
    case WHET_PW_ADD:
    case WHET_PW_SUB:
    case WHET_PW_MUL:
    case WHET_PW_DIV:
    case WHET_PW_MIN:
    case WHET_PW_MAX: return true;
    default: return false;
    }
}

bool whet_epilogue_accepts(const whet_epilogue *e, const whet_port *out) {
    if (!act_known(e->act1) || !act_known(e->act2)) return false;
    if (!e->binary) return e->other.dtype == WHET_DTYPE_NONE;
    const whet_port *o = &e->other;
    return binary_known(e->binary) && o->dtype == out->dtype && o->layout == out->layout &&
           o->rank == out->rank &&
           !memcmp(o->dims, out->dims, sizeof out->dims[0] * (size_t)out->rank);
}

// The function as a clamp, when it is one.
static bool act_clamp(whet_pw f, const float p[2], whet_epi_plan *plan) {
    *plan = (whet_epi_plan){WHET_EPI_CLAMP, -INFINITY, INFINITY};
    if (f == WHET_PW_RELU) plan->lo = 0;
    else if (f == WHET_PW_CLIP) plan->lo = p[0], plan->hi = p[1];
    else return f == WHET_PW_NONE || f == WHET_PW_IDENTITY;
    return true;
}

whet_epi_plan whet_epilogue_plan(const whet_epilogue *e) {
    whet_epi_plan one, two, stored = {WHET_EPI_STORED, 0, 0};
    if (whet_epilogue_empty(e)) return (whet_epi_plan){WHET_EPI_NONE, 0, 0};
    if (!act_clamp(e->act1, e->p1, &one) || !act_clamp(e->act2, e->p2, &two)) return stored;
    bool first = e->act1 && e->act1 != WHET_PW_IDENTITY;
    if (!e->binary) {
        if (!first) return two;
        return e->act2 ? stored : one;
    }
    if (e->binary != WHET_PW_ADD || first) return stored;
    two.mode = WHET_EPI_ADD;
    return two;
}

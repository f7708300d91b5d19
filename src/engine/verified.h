// SPDX-License-Identifier: Apache-2.0
// What --verify=full found, as it lies in the engine file: for each step of each plan by which rule
// its results were judged, and how near they came to what the rule allows.
#ifndef WHET_ENGINE_VERIFIED_H
#define WHET_ENGINE_VERIFIED_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/error.h"

typedef enum whet_verified_state {
    WHET_VERIFIED_NEVER_RAN = 0, // no sample came here
    WHET_VERIFIED_AGREES = 1,
    WHET_VERIFIED_REFERENCE = 2, // runs the C reference itself
    WHET_VERIFIED_DIFFERS = 3,
    WHET_VERIFIED_UNKNOWN = 4,   // ran, but there is nothing to compare with
    WHET_VERIFIED_HOST = 5,      // copies and control flow, whose blocks have steps of their own
    WHET_VERIFIED_NOTHING = 6,   // had nothing to do: empty, or its results lie in place already
    WHET_VERIFIED_STATES
} whet_verified_state;

typedef enum whet_verified_rule {
    WHET_RULE_NONE = 0,
    WHET_RULE_EXACT = 1, // equal
    WHET_RULE_SUM = 2,   // c k u sum|a||b|
    WHET_RULE_STEPS = 3, // 8-bit numbers, `c` steps off at most
    WHET_RULE_TYPE = 4,  // c k u times the largest element: nothing is known of the operator
    WHET_RULES
} whet_verified_rule;

typedef struct whet_verified_step {
    uint8_t state, rule;
    double c, k, unit; // unit: roundoff of the type that results are stored in
    double error;      // largest error, as a part of what is allowed for that element
    double rms;        // root mean square of the errors, as a part of what is allowed
    double largest;    // largest error as it is
} whet_verified_step;

typedef struct whet_verified_plan {
    whet_verified_step *steps;
    int32_t n_steps, n_blocks;
    struct whet_verified_plan *blocks; // of the plan's blocks, in their order
} whet_verified_plan;

typedef struct whet_verified {
    int32_t samples, n_plans;
    bool calibration; // the samples were those of the calibration; else random
    whet_verified_plan *plans;
} whet_verified;

const char *whet_verified_state_text(int32_t state); // "agrees"
const char *whet_verified_rule_text(int32_t rule);
void whet_verified_encode(const whet_verified *v, whet_writer *w);
// WHET_E_PARSE, WHET_E_NOMEM.
whet_status whet_verified_decode(const void *data, size_t size, whet_arena *arena,
                                 whet_verified **v, whet_error *err);

#endif

// SPDX-License-Identifier: Apache-2.0
// Pricing by measurement: a whet_cost_source over the timing cache and the CPU backend.
#ifndef WHET_BUILD_TUNER_H
#define WHET_BUILD_TUNER_H

#include "build/timing_cache.h"
#include "env/env.h"
#include "plan/plan.h"

typedef struct whet_tuner whet_tuner;

// cache is borrowed. measure false: only what the cache holds, else the cost model (deterministic).
whet_status whet_tuner_create(whet_env *env, whet_timing_cache *cache, int32_t threads,
                              bool measure, whet_tuner **tuner, whet_error *err);
void whet_tuner_destroy(whet_tuner *t);
// For whet_cost_source; user is the tuner.
double whet_tuner_price(void *user, const whet_problem *p, const whet_kernel *k,
                        const int32_t *params, double best);
// Nothing is measured after that time (whet_now); what the cache does not hold is then priced by
// the cost model, scaled by how far off it was where there are times. 0: no bound.
void whet_tuner_set_deadline(whet_tuner *t, double until);
// Tells that `left` steps are still to be priced: each may take its share of the time that is left.
void whet_tuner_share(whet_tuner *t, int32_t left);
int64_t whet_tuner_measured(const whet_tuner *t); // kernels timed so far
int64_t whet_tuner_skipped(const whet_tuner *t);  // those that were not, for want of time

#endif

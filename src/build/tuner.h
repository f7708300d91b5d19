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
                        const int32_t *params);
int64_t whet_tuner_measured(const whet_tuner *t); // kernels timed so far

#endif

// SPDX-License-Identifier: Apache-2.0
// Worker threads of an environment. A fork runs fn(user, index, n) on the calling thread (index 0)
// and on as many free workers as asked for and free right now; n says how many really run, so work
// must be right with n = 1 and when some of them never begin. Several threads may fork at once:
// each worker serves one fork at a time. Workers spin a short time (by clock) for the next fork,
// then sleep on a futex.
#ifndef WHET_BASE_WORKERS_H
#define WHET_BASE_WORKERS_H

#include "base/error.h"

typedef struct whet_workers whet_workers;
typedef void (*whet_fork_fn)(void *user, int32_t index, int32_t n);

#define WHET_SPIN_SECONDS 50e-6

typedef struct whet_workers_options {
    int32_t threads;     // >= 1, the caller included
    double spin_seconds; // of workers without work and of callers that wait; 0: they sleep at once
    const int32_t *cpus; // [threads] processor of each, copied; the first is the caller's, which is
                         // not pinned here; NULL: the system places them
} whet_workers_options;

// threads - 1 are started, lazily at the first fork that asks.
whet_status whet_workers_create_with(const whet_workers_options *options, whet_workers **workers,
                                     whet_error *err);
// Not pinned, spinning for WHET_SPIN_SECONDS.
whet_status whet_workers_create(int32_t threads, whet_workers **workers, whet_error *err);
void whet_workers_destroy(whet_workers *workers);
int32_t whet_workers_count(const whet_workers *workers);
// Returns when every participant that began has returned; those that have not begun when the
// caller's share returns are called off. max_threads <= 1 calls fn inline. Allocates nothing.
void whet_workers_fork(whet_workers *workers, int32_t max_threads, whet_fork_fn fn, void *user);
// The same with the workers numbered first + 1 to first + max_threads - 1 only, the caller being
// number `first`: callers that divide the numbers among themselves never take each other's.
void whet_workers_fork_in(whet_workers *workers, int32_t first, int32_t max_threads,
                          whet_fork_fn fn, void *user);

#endif

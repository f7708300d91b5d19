// SPDX-License-Identifier: Apache-2.0
// The CPU backend: one fork a segment; workers walk the steps, each doing its share of the tasks,
// with a barrier after every phase.
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backend.h"
#include "base/bench.h"

typedef struct {
    whet_segment_run *run;
    _Atomic(int32_t) status; // first failure; later steps are skipped
    _Atomic(int32_t) failed_worker;
    int32_t first, end;      // steps of this fork
} fork_state;

static void run_phase(fork_state *f, const whet_step *step, int32_t phase, int32_t worker,
                      int32_t n) {
    whet_segment_run *run = f->run;
    int64_t tasks = step->tasks[phase];
    if (n > step->max_threads) n = step->max_threads;
    if (worker >= n || tasks <= 0) return;
    int64_t begin = tasks * worker / n, end = tasks * (worker + 1) / n;
    if (begin >= end) return;
    whet_call call = step->call;
    call.scratch = run->scratch + (size_t)worker * run->scratch_stride;
    call.err = &run->errors[worker];
    whet_status status = step->kernel->run(&call, phase, begin, end);
    if (status == WHET_OK) return;
    int32_t none = 0;
    if (atomic_compare_exchange_strong(&f->status, &none, (int32_t)status))
        atomic_store(&f->failed_worker, worker);
}

static void fork_main(void *user, int32_t worker, int32_t n) {
    fork_state *f = user;
    whet_segment_run *run = f->run;
    bool timed = run->times && worker == 0;
    double last = timed ? whet_now() : 0;
    for (int32_t i = f->first; i < f->end; i++) {
        const whet_step *step = &run->steps[i];
        for (int32_t phase = 0; phase < step->phases; phase++) {
            if (atomic_load_explicit(&f->status, memory_order_relaxed) == 0)
                run_phase(f, step, phase, worker, n);
            if (n > 1) whet_barrier_wait(run->barrier, n);
        }
        if (timed) {
            double now = whet_now();
            run->times[i] = now - last;
            last = now;
        }
    }
}

static whet_status fork_steps(whet_segment_run *run, int32_t first, int32_t end, whet_error *err) {
    fork_state f = {.run = run, .first = first, .end = end};
    int32_t wanted = 1;
    for (int32_t i = first; i < end; i++)
        if (run->steps[i].max_threads > wanted) wanted = run->steps[i].max_threads;
    if (wanted > run->max_threads) wanted = run->max_threads;
    whet_workers_fork(run->workers, wanted, fork_main, &f);
    whet_status status = (whet_status)atomic_load(&f.status);
    if (status != WHET_OK && err) *err = run->errors[atomic_load(&f.failed_worker)];
    return status;
}

static whet_status cpu_run_segment(whet_segment_run *run, whet_error *err) {
    if (!run->after) return fork_steps(run, 0, run->n_steps, err);
    for (int32_t i = 0; i < run->n_steps; i++) {
        WHET_TRY(fork_steps(run, i, i + 1, err));
        WHET_TRY(run->after(run->after_user, i));
    }
    return WHET_OK;
}

static void *cpu_alloc(size_t bytes) {
    void *p = NULL;
    return posix_memalign(&p, 64, bytes ? bytes : 64) ? NULL : p;
}

static whet_status cpu_copy_in(void *stream, void *to, const void *from, size_t bytes,
                               whet_error *err) {
    (void)stream, (void)err;
    if (bytes) memcpy(to, from, bytes);
    return WHET_OK;
}

const whet_backend whet_backend_cpu = {
    .name = "cpu",
    .host_memory = true,
    .layouts = WHET_LAYOUT_BIT(WHET_LAYOUT_PLAIN) | WHET_LAYOUT_BIT(WHET_LAYOUT_C8) |
               WHET_LAYOUT_BIT(WHET_LAYOUT_C16) | WHET_LAYOUT_BIT(WHET_LAYOUT_NHWC),
    .alloc = cpu_alloc,
    .free = free,
    .copy_in = cpu_copy_in,
    .copy_out = cpu_copy_in,
    .run_segment = cpu_run_segment,
};

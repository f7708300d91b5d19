// SPDX-License-Identifier: Apache-2.0
// The CPU backend: one fork a segment, all workers walk the same stages (a phase of a step each). A
// stage's tasks are split into one range a worker, taken in chunks; who is done with its own range
// takes chunks of the others', and nobody waits for a worker that has not come: a stage is over
// when its tasks are done. So a worker that the system has put aside delays at most the chunk it
// holds.
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "backend/backend.h"
#include "base/bench.h"

#define CHUNKS 4         // of a worker's range
#define LARGE_PAGE ((size_t)2 << 20)
#define SPIN_TURNS 2000  // before giving the processor to somebody else

typedef struct {
    _Alignas(64) _Atomic(int64_t) value;
} counter;

typedef struct {
    whet_segment_run *run;
    counter *counters;       // [stages][1 + max_threads]: tasks done, then taken of each range
    _Atomic(int32_t) status; // first failure; what is left is skipped
    _Atomic(int32_t) failed_worker;
    int32_t first, end;      // steps of this fork
} fork_state;

static void run_tasks(fork_state *f, const whet_step *step, int32_t phase, int64_t begin,
                      int64_t end, int32_t worker) {
    whet_segment_run *run = f->run;
    if (atomic_load_explicit(&f->status, memory_order_relaxed)) return;
    whet_call call = step->call;
    call.scratch = run->scratch + (size_t)worker * run->scratch_stride;
    call.err = &run->errors[worker];
    whet_status status = step->kernel->run(&call, phase, begin, end);
    if (status == WHET_OK) return;
    int32_t none = 0;
    if (atomic_compare_exchange_strong(&f->status, &none, (int32_t)status))
        atomic_store(&f->failed_worker, worker);
}

static void wait_until(counter *done, int64_t tasks) {
    for (int32_t turn = 0; atomic_load_explicit(&done->value, memory_order_acquire) < tasks;
         turn++) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
        if (turn >= SPIN_TURNS) sched_yield();
    }
}

static void run_stage(fork_state *f, const whet_step *step, int32_t phase, counter *counters,
                      int32_t worker, int32_t n) {
    int64_t tasks = step->tasks[phase], done = 0;
    int32_t ranges = n < step->max_threads ? n : step->max_threads;
    if (tasks <= 0) return;
    if (ranges > tasks) ranges = (int32_t)tasks;
    if (atomic_load_explicit(&counters[0].value, memory_order_acquire) >= tasks) return;
    // one range: it belongs to whoever comes first
    for (int32_t i = 0; i < ranges; i++) {
        int32_t r = (worker + i) % ranges;
        int64_t begin = tasks * r / ranges, end = tasks * (r + 1) / ranges;
        int64_t chunk = ranges == 1 ? tasks : (end - begin + CHUNKS - 1) / CHUNKS;
        counter *taken = &counters[1 + r];
        while (atomic_load_explicit(&taken->value, memory_order_relaxed) < end - begin) {
            int64_t at = atomic_fetch_add_explicit(&taken->value, chunk, memory_order_relaxed);
            if (at >= end - begin) break;
            int64_t to = at + chunk < end - begin ? at + chunk : end - begin;
            run_tasks(f, step, phase, begin + at, begin + to, worker);
            done += to - at;
        }
    }
    if (done) atomic_fetch_add_explicit(&counters[0].value, done, memory_order_acq_rel);
    wait_until(&counters[0], tasks);
}

static void fork_main(void *user, int32_t worker, int32_t n) {
    fork_state *f = user;
    whet_segment_run *run = f->run;
    bool timed = run->times && worker == 0;
    double last = timed ? whet_now() : 0;
    counter *counters = f->counters;
    for (int32_t i = f->first; i < f->end; i++) {
        const whet_step *step = &run->steps[i];
        for (int32_t phase = 0; phase < step->phases; phase++) {
            if (n == 1) {
                if (step->tasks[phase] > 0)
                    run_tasks(f, step, phase, 0, step->tasks[phase], 0);
            } else {
                run_stage(f, step, phase, counters, worker, n);
            }
            counters += 1 + run->max_threads;
        }
        if (timed) {
            double now = whet_now();
            run->times[i] = now - last;
            last = now;
        }
    }
}

size_t whet_cpu_counter_bytes(const whet_step *steps, int32_t n_steps, int32_t max_threads) {
    size_t stages = 0;
    for (int32_t i = 0; i < n_steps; i++) stages += (size_t)steps[i].phases;
    return stages * (size_t)(1 + max_threads) * sizeof(counter);
}

static whet_status fork_steps(whet_segment_run *run, int32_t first, int32_t end, whet_error *err) {
    fork_state f = {.run = run, .counters = run->counters, .first = first, .end = end};
    int32_t wanted = 1;
    for (int32_t i = first; i < end; i++)
        if (run->steps[i].max_threads > wanted) wanted = run->steps[i].max_threads;
    if (wanted > run->max_threads) wanted = run->max_threads;
    if (wanted > 1)
        memset(run->counters, 0,
               whet_cpu_counter_bytes(run->steps + first, end - first, run->max_threads));
    if (run->own_threads)
        whet_workers_fork_in(run->workers, run->first_thread, wanted, fork_main, &f);
    else
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

// Large memory lies in large pages where the system has them: fewer faults in the first run, fewer
// misses in all.
static void *cpu_alloc(size_t bytes) {
    void *p = NULL;
    size_t align = bytes >= 2 * LARGE_PAGE ? LARGE_PAGE : 64;
    if (posix_memalign(&p, align, bytes ? bytes : 64)) return NULL;
#ifdef MADV_HUGEPAGE
    if (align == LARGE_PAGE) madvise(p, bytes, MADV_HUGEPAGE); // a hint
#endif
    return p;
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

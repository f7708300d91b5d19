// SPDX-License-Identifier: Apache-2.0
// A worker is a mailbox of one word. Its owner is the worker while the word says IDLE or ASLEEP,
// the forking thread from CLAIMED to READY, whoever takes it out of READY (the worker to run, the
// forking thread to call it off) after that, and the worker from RUNNING until it says IDLE. READY
// carries a ticket, so that only the fork that wrote it calls it off.
#include "base/workers.h"

#include "base/bench.h"
#include "base/cpu_list.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLEEPING 0x80000000u // in fork_task.pending: the forking thread sleeps on it

enum { IDLE, ASLEEP, CLAIMED, RUNNING, STOP, READY }; // READY: + ticket * TICKET
#define TICKET 8u
#define MAX_CALLED_OFF 64 // workers of one fork that can be called off

typedef struct fork_task {
    whet_fork_fn fn;
    void *user;
    int32_t n;
    _Atomic(uint32_t) pending; // workers that have not returned
} fork_task;

typedef struct worker {
    _Alignas(64) _Atomic(uint32_t) state;
    uint32_t ticket;
    int32_t index; // within the fork
    fork_task *task;
    struct worker *next; // list of those claimed by a fork
    bool asleep;         // when claimed
    int32_t cpu;         // that it runs on, -1: any
    double spin_seconds;
    pthread_t thread;
} worker;

struct whet_workers {
    int32_t threads;
    double spin_seconds;
    pthread_mutex_t start;      // held while threads are started
    _Atomic(int32_t) n_started; // first so many of `pool` run
    _Atomic(int32_t) n_startable;
    worker *pool; // [threads - 1]
};

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic(uint32_t) *word, uint32_t value) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic(uint32_t) *word) {
    syscall(SYS_futex, (uint32_t *)word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

// One turn of a bounded spin; false once `limit` has passed. The clock is read every 32 turns.
typedef struct spin {
    double until;
    uint32_t turns;
} spin;

static bool spin_turn(spin *s, double limit) {
    if (limit <= 0) return false;
    pause_cpu();
    if (++s->turns % 32) return true;
    double now = whet_now();
    if (s->until == 0) s->until = now + limit;
    return now < s->until;
}

// Takes the work when the mailbox says READY (true); false when it says STOP.
static bool wait_for_work(worker *w) {
    spin s = {0};
    for (;;) {
        uint32_t state = atomic_load_explicit(&w->state, memory_order_acquire);
        if (state % TICKET == READY) {
            if (atomic_compare_exchange_strong_explicit(&w->state, &state, RUNNING,
                                                        memory_order_acquire,
                                                        memory_order_relaxed))
                return true;
            continue; // called off
        }
        if (state == STOP) return false;
        if (state != ASLEEP && spin_turn(&s, w->spin_seconds)) continue;
        if (state == CLAIMED) sched_yield();
        uint32_t idle = IDLE;
        if (state == ASLEEP || atomic_compare_exchange_strong(&w->state, &idle, ASLEEP))
            futex_wait(&w->state, ASLEEP);
    }
}

static void *worker_main(void *user) {
    worker *w = user;
    if (w->cpu >= 0) whet_cpu_pin(w->cpu); // it was there when the list was read
    while (wait_for_work(w)) {
        fork_task *task = w->task;
        task->fn(task->user, w->index, task->n);
        // free before the fork can return, so that its next fork finds this worker free
        atomic_store_explicit(&w->state, IDLE, memory_order_release);
        // the task is gone as soon as the count is zero: only its address is used after that
        uint32_t left = atomic_fetch_sub_explicit(&task->pending, 1, memory_order_acq_rel);
        if (left == (SLEEPING | 1)) futex_wake(&task->pending);
    }
    return NULL;
}

whet_status whet_workers_create(int32_t threads, whet_workers **workers, whet_error *err) {
    whet_workers_options o = {.threads = threads, .spin_seconds = WHET_SPIN_SECONDS};
    return whet_workers_create_with(&o, workers, err);
}

whet_status whet_workers_create_with(const whet_workers_options *o, whet_workers **workers,
                                     whet_error *err) {
    int32_t threads = o->threads;
    if (threads < 1) WHET_FAIL(err, WHET_E_INVALID, "threads must be at least 1, not %d", threads);
    whet_workers *ws = calloc(1, sizeof *ws);
    if (!ws) return WHET_NOMEM(err);
    size_t n = (size_t)threads - 1;
    if (n && posix_memalign((void **)&ws->pool, 64, n * sizeof *ws->pool)) {
        free(ws);
        return WHET_NOMEM(err);
    }
    for (size_t i = 0; i < n; i++) {
        ws->pool[i] = (worker){.cpu = o->cpus ? o->cpus[i + 1] : -1,
                               .spin_seconds = o->spin_seconds};
        atomic_init(&ws->pool[i].state, IDLE);
    }
    ws->threads = threads;
    ws->spin_seconds = o->spin_seconds;
    atomic_init(&ws->n_started, 0);
    atomic_init(&ws->n_startable, threads - 1);
    pthread_mutex_init(&ws->start, NULL);
    *workers = ws;
    return WHET_OK;
}

void whet_workers_destroy(whet_workers *ws) {
    if (!ws) return;
    int32_t n = atomic_load(&ws->n_started);
    for (int32_t i = 0; i < n; i++) {
        atomic_store(&ws->pool[i].state, STOP);
        futex_wake(&ws->pool[i].state);
    }
    for (int32_t i = 0; i < n; i++) pthread_join(ws->pool[i].thread, NULL);
    pthread_mutex_destroy(&ws->start);
    free(ws->pool);
    free(ws);
}

int32_t whet_workers_count(const whet_workers *ws) { return ws->threads; }

// The program's signals stay with its own threads; faults must hit the thread that made them.
static int start_thread(worker *w) {
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGSEGV);
    sigdelset(&all, SIGBUS);
    sigdelset(&all, SIGFPE);
    sigdelset(&all, SIGILL);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&w->thread, NULL, worker_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

// Whether worker i runs, after starting it if it is the next one to start.
static bool ensure_started(whet_workers *ws, int32_t i) {
    if (i < atomic_load_explicit(&ws->n_started, memory_order_acquire)) return true;
    if (i >= atomic_load_explicit(&ws->n_startable, memory_order_relaxed)) return false;
    pthread_mutex_lock(&ws->start);
    while (atomic_load(&ws->n_started) <= i && i < atomic_load(&ws->n_startable)) {
        int32_t n = atomic_load(&ws->n_started);
        if (start_thread(&ws->pool[n])) atomic_store(&ws->n_startable, n); // do with what there is
        else atomic_store(&ws->n_started, n + 1);
    }
    pthread_mutex_unlock(&ws->start);
    return i < atomic_load(&ws->n_started);
}

static bool claim(worker *w) {
    uint32_t state = atomic_load_explicit(&w->state, memory_order_relaxed);
    while (state == IDLE || state == ASLEEP) {
        if (atomic_compare_exchange_weak_explicit(&w->state, &state, CLAIMED, memory_order_acquire,
                                                  memory_order_relaxed)) {
            w->asleep = state == ASLEEP;
            return true;
        }
    }
    return false;
}

static void wait_for_others(fork_task *task, double spin_seconds) {
    spin s = {0};
    for (;;) {
        uint32_t left = atomic_load_explicit(&task->pending, memory_order_acquire);
        if ((left & ~SLEEPING) == 0) return;
        if (!(left & SLEEPING)) {
            if (spin_turn(&s, spin_seconds)) continue;
            if (!atomic_compare_exchange_strong(&task->pending, &left, left | SLEEPING)) continue;
            left |= SLEEPING;
        }
        futex_wait(&task->pending, left);
    }
}

// Workers that have not begun by now would only be waited for.
static void call_off(fork_task *task, worker *const *mine, const uint32_t *ready, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        uint32_t state = ready[i];
        if (atomic_compare_exchange_strong(&mine[i]->state, &state, IDLE))
            atomic_fetch_sub(&task->pending, 1);
    }
}

// With free ones of the pool's workers begin to end.
static void fork_among(whet_workers *ws, int32_t begin, int32_t end, int32_t max_threads,
                       whet_fork_fn fn, void *user) {
    int32_t want = max_threads < ws->threads ? max_threads : ws->threads;
    fork_task task = {.fn = fn, .user = user, .n = 1};
    worker *claimed = NULL, *mine[MAX_CALLED_OFF];
    uint32_t ready[MAX_CALLED_OFF];
    int32_t n_mine = 0;
    for (int32_t i = begin; i < end && task.n < want; i++) {
        if (!ensure_started(ws, i)) break;
        worker *w = &ws->pool[i];
        if (!claim(w)) continue;
        w->index = task.n++;
        w->next = claimed;
        claimed = w;
    }
    atomic_init(&task.pending, (uint32_t)task.n - 1);
    for (worker *w = claimed, *next; w; w = next) {
        next = w->next; // once READY it may be claimed by another fork
        bool asleep = w->asleep;
        uint32_t state = READY + ++w->ticket * TICKET;
        if (n_mine < MAX_CALLED_OFF) {
            mine[n_mine] = w;
            ready[n_mine++] = state;
        }
        w->task = &task;
        atomic_store_explicit(&w->state, state, memory_order_release);
        if (asleep) futex_wake(&w->state);
    }
    fn(user, 0, task.n);
    if (!claimed) return;
    call_off(&task, mine, ready, n_mine);
    wait_for_others(&task, ws->spin_seconds);
}

void whet_workers_fork(whet_workers *ws, int32_t max_threads, whet_fork_fn fn, void *user) {
    fork_among(ws, 0, ws->threads - 1, max_threads, fn, user);
}

void whet_workers_fork_in(whet_workers *ws, int32_t first, int32_t max_threads, whet_fork_fn fn,
                          void *user) {
    int32_t n = ws->threads - 1;
    int32_t end = max_threads - 1 < n - first ? first + max_threads - 1 : n;
    fork_among(ws, first, end, max_threads, fn, user);
}

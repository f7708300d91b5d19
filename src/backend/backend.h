// SPDX-License-Identifier: Apache-2.0
// A backend runs segments of bound steps on one kind of processor with its own memory.
#ifndef WHET_BACKEND_BACKEND_H
#define WHET_BACKEND_BACKEND_H

#include "base/str.h"
#include "base/workers.h"
#include "kern/kernel.h"

#define WHET_MAX_PHASES 4

// A step bound to shapes and memory. Pointers are in the backend's memory space.
typedef struct whet_step {
    const whet_kernel *kernel;
    whet_problem problem;
    int32_t params[WHET_MAX_PARAMS];
    whet_call call;     // all but scratch and err, which the backend sets for each worker
    int64_t tasks[WHET_MAX_PHASES];
    int32_t phases;
    int32_t max_threads; // as many as the work is worth
    const char *name;    // for messages and profiles
} whet_step;

typedef struct whet_segment_run {
    whet_step *steps;
    int32_t n_steps;
    void *stream; // of the backend; NULL when it has none
    // of the CPU
    whet_workers *workers;
    int32_t max_threads;
    int32_t first_thread; // with own_threads: forks take those numbered from it on, else free ones
    bool own_threads;
    char *scratch;      // [max_threads][scratch_stride]
    size_t scratch_stride;
    whet_error *errors; // [max_threads]
    void *counters;     // whet_cpu_counter_bytes of memory, 64-byte aligned
    double *times;      // NULL or [n_steps]: seconds of each step as the calling thread sees them
    // Called on the calling thread after each step when not NULL; steps then run one by one.
    whet_status (*after)(void *user, int32_t step);
    void *after_user;
} whet_segment_run;

typedef struct whet_backend {
    const char *name;
    bool host_memory;  // its memory is the host's: values need no copies
    uint32_t layouts;  // WHET_LAYOUT_BIT set that its kernels may use
    whet_status (*probe)(whet_error *err); // optional; one that fails is not registered
    void *(*alloc)(size_t bytes);          // 64-byte aligned; NULL when memory is out
    void (*free)(void *memory);
    // In order with the segments of the stream. copy_in has read the host's memory when it returns;
    // copy_out has written it after sync.
    whet_status (*copy_in)(void *stream, void *device, const void *host, size_t bytes,
                           whet_error *err);
    whet_status (*copy_out)(void *stream, void *host, const void *device, size_t bytes,
                            whet_error *err);
    whet_status (*stream_create)(void **stream, whet_error *err); // optional
    void (*stream_destroy)(void *stream);                         // optional
    whet_status (*sync)(void *stream, whet_error *err);           // optional: all is synchronous
    whet_status (*run_segment)(whet_segment_run *run, whet_error *err);
    void (*describe)(whet_str *json); // optional: members of an object
} whet_backend;

// Bytes that the CPU backend needs to share these steps among workers.
size_t whet_cpu_counter_bytes(const whet_step *steps, int32_t n_steps, int32_t max_threads);

#define BACKEND(name) extern const whet_backend whet_backend_##name;
#include "backend/backends.def"
#undef BACKEND

#endif

// SPDX-License-Identifier: Apache-2.0
// The environment: logger, workers, CPU facts, tables of operators, kernels and backends, filled
// from the .def files, by whet_env_register (backends of other libraries, the mock of the tests)
// and by plugins. Tables may grow at any time on any thread: whoever reads one takes it once, and
// what was taken stays as it is until the environment is destroyed.
#ifndef WHET_ENV_ENV_H
#define WHET_ENV_ENV_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/backend.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/str.h"
#include "base/workers.h"
#include "kern/kernel.h"
#include "ops/op.h"

#define WHET_MAX_BACKENDS 8

typedef struct whet_env_tables {
    whet_op_table ops;         // sorted by name
    whet_kernel_table kernels; // in order of registration
    char *description;
    struct whet_env_tables *older;
} whet_env_tables;

typedef struct whet_env_plugins whet_env_plugins; // env_plugins.c

struct whet_env {
    whet_handle handle;
    whet_log_fn log;
    void *log_user;
    whet_severity verbosity;
    int32_t threads;
    uint32_t cpu; // features after the mask
    whet_cpu_info cpu_info;
    whet_workers *workers;
    int32_t *cpus;         // [threads] processor of each, NULL: not pinned
    double spin_seconds;
    bool copy_weights;     // whet_env_options
    _Atomic(bool) plugin_override, engine_libraries; // whet_env_options
    pthread_mutex_t lock;                   // of registration
    _Atomic(const whet_env_tables *) tables; // the newest; `older` ones are still read
    const whet_backend *backends[WHET_MAX_BACKENDS]; // [0] is the CPU
    _Atomic(int32_t) n_backends;
    whet_env_plugins *plugins;
    // libwhet_ops.so
    char *ops_library; // whet_env_options
    void *rare_library; // NULL: not open
    pthread_mutex_t rare_lock;
};

// The given environment, or the default one when NULL (made once). NULL: it could not be made.
whet_env *whet_env_get(whet_env *env);
void whet_env_log(whet_env *env, whet_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Adds a backend and its kernels. Arrays are borrowed for the life of the environment.
whet_status whet_env_register(whet_env *env, const whet_backend *backend,
                              const whet_kernel *const *kernels, int32_t n_kernels);
const whet_op_table *whet_env_ops(const whet_env *env);
const whet_kernel_table *whet_env_kernels(const whet_env *env);
const whet_kernel *whet_env_kernel(const whet_env *env, const char *name); // NULL: unknown
int32_t whet_env_backend_index(const whet_env *env, const char *name);     // -1: unknown
// Whether the CPU features and the backend that the kernel needs are there.
bool whet_env_can_run(const whet_env *env, const whet_kernel *k);

// ---- inside env/ ----

// New tables with these added; all or none. `err` gets the reason; the lock is held.
whet_status whet_env_grow(whet_env *env, const whet_op *const *ops, int32_t n_ops,
                          const whet_kernel *const *kernels, int32_t n_kernels, whet_error *err);
void whet_env_plugins_destroy(whet_env *env);
// whet_op_table.more with user = the environment.
const whet_op *whet_env_rare_op(void *user, const char *name, whet_error *err);
void whet_env_rare_close(whet_env *env);
// Loads what WHET_PLUGINS names; what is wrong is logged.
void whet_env_plugins_from_variable(whet_env *env);

#endif

// SPDX-License-Identifier: Apache-2.0
// The environment: logger, workers, CPU facts, tables of operators, kernels and backends, filled
// from the .def files and by whet_env_register (backends of other libraries, the mock of the
// tests).
#ifndef WHET_ENV_ENV_H
#define WHET_ENV_ENV_H

#include "backend/backend.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/str.h"
#include "base/workers.h"
#include "kern/kernel.h"
#include "ops/op.h"

#define WHET_MAX_BACKENDS 8

struct whet_env {
    whet_handle handle;
    whet_log_fn log;
    void *log_user;
    whet_severity verbosity;
    int32_t threads;
    uint32_t cpu; // features after the mask
    whet_cpu_info cpu_info;
    whet_workers *workers;
    whet_op_table ops;
    const whet_kernel **kernels; // in order of registration
    int32_t n_kernels, cap_kernels;
    const whet_backend *backends[WHET_MAX_BACKENDS]; // [0] is the CPU
    int32_t n_backends;
    whet_str description;
};

// The given environment, or the default one when NULL (made once). NULL: it could not be made.
whet_env *whet_env_get(whet_env *env);
void whet_env_log(whet_env *env, whet_severity severity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Adds a backend and its kernels. Arrays are borrowed for the life of the environment.
whet_status whet_env_register(whet_env *env, const whet_backend *backend,
                              const whet_kernel *const *kernels, int32_t n_kernels);
const whet_kernel *whet_env_kernel(const whet_env *env, const char *name); // NULL: unknown
int32_t whet_env_backend_index(const whet_env *env, const char *name);     // -1: unknown
// Whether the CPU features and the backend that the kernel needs are there.
bool whet_env_can_run(const whet_env *env, const whet_kernel *k);

#endif

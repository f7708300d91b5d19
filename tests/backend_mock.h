// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_TESTS_BACKEND_MOCK_H
#define WHET_TESTS_BACKEND_MOCK_H

#include "backend/backend.h"

// A second backend as a device would be: memory that faults when the CPU touches it, commands that
// run
// later on a thread of its own, and five kernels.
extern const whet_backend test_mock_backend;
extern const whet_kernel *const test_mock_kernels[5];
// Steps that the mock has run since the process started.
int64_t test_mock_steps(void);

#endif

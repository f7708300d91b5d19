// SPDX-License-Identifier: Apache-2.0
// The configuration of a build from Python objects.
#ifndef WHET_PYTHON_CONFIG_H
#define WHET_PYTHON_CONFIG_H

#include "whet_values.h"

#include <whet/calibration.h>

// Samples from a Python function, which takes a list of names and gives None or a list of tensors.
typedef struct {
    PyObject *next;
    tensor_list batch;
    bool failed; // with this exception
    PyObject *type, *value, *trace;
} sample_source;

// A Python function that takes a list of names and two lists of batches, each a list of outputs,
// and gives a number.
typedef struct {
    PyObject *call;
    bool failed; // with this exception
    PyObject *type, *value, *trace;
} metric_function;

// False with an exception set.
bool set_options(whet_config *config, PyObject *options);
bool set_shapes(whet_config *config, PyObject *shapes);
// The functions of the config; user: a Python function, or a sample_source.
bool call_progress(void *user, const char *phase, int64_t done, int64_t total, double left);
double call_metric(void *user, const char *const *names, const whet_tensor *const *reference,
                   const whet_tensor *const *outputs, int32_t n_batches, int32_t n_outputs);
int32_t call_calibration(void *user, const char *const *names, whet_tensor *inputs, int32_t n);

#endif

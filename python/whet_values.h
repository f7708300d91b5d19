// SPDX-License-Identifier: Apache-2.0
// Values between Python and the library: (buffer, dtype number, shape) triples. Strings are a list
// of bytes; sequences, optionals and maps a list of triples.
#ifndef WHET_PYTHON_VALUES_H
#define WHET_PYTHON_VALUES_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>

#include <whet/whet.h>

// Tensors of a call, and what they view until it returns.
typedef struct {
    whet_tensor *tensors;
    struct held *first;
    Py_ssize_t n, n_views;
} tensor_list;

// Gives NULL with whet.Error set.
PyObject *raise_status(whet_status status, const char *text);
// False with an exception set; the list is to be released in any case.
bool read_tensors(PyObject *sequence, bool writable, tensor_list *l);
bool read_shape(PyObject *shape, whet_tensor *t);
void release_tensors(tensor_list *l);
// Copies of what is in the library's memory; data is None without `with_data`.
PyObject *make_outputs(const tensor_list *l, bool with_data);
PyObject *make_data(const whet_tensor *t);

#endif

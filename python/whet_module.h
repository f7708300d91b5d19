// SPDX-License-Identifier: Apache-2.0
// What the files of the extension share beside whet_values.h.
#ifndef WHET_PYTHON_WHET_MODULE_H
#define WHET_PYTHON_WHET_MODULE_H

#include "whet_values.h"

// Frees an object of a heap type.
void whet_py_free(PyObject *self);
PyTypeObject *whet_py_type(const char *name, size_t size, destructor dealloc,
                           PyMethodDef *methods);
// (name, dtype number, shape).
PyObject *whet_py_io(const whet_io_info *info);

// ---- network_module.c ----
// Adds the types and functions of networks and files of weights.
bool whet_py_add_networks(PyObject *module);
// The builder of a Builder object, or NULL when it is none.
whet_builder *whet_py_builder(PyObject *object);

#endif

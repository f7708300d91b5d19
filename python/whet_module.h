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

// The engine of an Engine object, or NULL when it is none; the object that takes an engine.
whet_engine *whet_py_engine(PyObject *object);
PyObject *whet_py_wrap_engine(whet_engine *engine);

// ---- network_module.c, refit_module.c, weights_module.c ----
// Add the types and functions of networks, of refitters and of files of weights.
bool whet_py_add_networks(PyObject *module);
bool whet_py_add_refitters(PyObject *module);
bool whet_py_add_weights(PyObject *module);
// Appends an item, whose reference it takes; NULL is a failure before.
bool whet_py_push(PyObject *list, PyObject *item);
PyObject *whet_py_dims(const whet_tensor *t); // a tuple
// The builder of a Builder object, or NULL when it is none.
whet_builder *whet_py_builder(PyObject *object);

#endif

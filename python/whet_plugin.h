// SPDX-License-Identifier: Apache-2.0
// Plugins written in Python.
#ifndef WHET_PYTHON_WHET_PLUGIN_H
#define WHET_PYTHON_WHET_PLUGIN_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#include <Python.h>

// register_plugin(domain, name, version, attrs, inputs, outputs, flags, shapes, run) -> status
PyObject *whet_python_register_plugin(PyObject *module, PyObject *args);
// plugin_dim(function, a, b): arithmetic on dimensions, inside a shape function only
PyObject *whet_python_plugin_dim(PyObject *module, PyObject *args);
// plugin_values(input): contents as dimensions, or None
PyObject *whet_python_plugin_values(PyObject *module, PyObject *args);

#endif

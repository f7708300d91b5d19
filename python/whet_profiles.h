// SPDX-License-Identifier: Apache-2.0
// Optimization profiles: lists of (input, min, opt, max), three tuples of one length.
#ifndef WHET_PYTHON_PROFILES_H
#define WHET_PYTHON_PROFILES_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>

#include <stdbool.h>

#include <whet/whet.h>

// False with an exception set.
bool add_profiles(whet_config *config, PyObject *profiles);
// [[(input, values?, min, opt, max)]] of an engine.
PyObject *list_profiles(const whet_engine *e);

#endif

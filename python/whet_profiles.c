// SPDX-License-Identifier: Apache-2.0
// Optimization profiles between Python and the library.
#include "whet_profiles.h"

#include "whet_values.h"

static bool read_numbers(PyObject *tuple, int64_t *v, Py_ssize_t n) {
    for (Py_ssize_t i = 0; i < n; i++) {
        v[i] = PyLong_AsLongLong(PyTuple_GetItem(tuple, i));
        if (PyErr_Occurred()) return false;
    }
    return true;
}

// (name, min, opt, max) with three tuples of one length.
static bool set_range(whet_profile *profile, PyObject *row) {
    const char *name;
    PyObject *min, *opt, *max;
    int64_t v[3 * 1024];
    if (!PyArg_ParseTuple(row, "sO!O!O!", &name, &PyTuple_Type, &min, &PyTuple_Type, &opt,
                          &PyTuple_Type, &max))
        return false;
    Py_ssize_t n = PyTuple_Size(min);
    if (n > 1024) {
        PyErr_SetString(PyExc_ValueError, "profile: at most 1024 numbers an input");
        return false;
    }
    if (!read_numbers(min, v, n) || !read_numbers(opt, v + n, n) ||
        !read_numbers(max, v + 2 * n, n))
        return false;
    bool values = n > WHET_MAX_RANK; // no shape has so many numbers, or negative ones
    for (Py_ssize_t i = 0; i < n; i++) values = values || v[i] < 0;
    whet_status status = values
        ? whet_profile_set_values(profile, name, (int32_t)n, v, v + n, v + 2 * n)
        : whet_profile_set_shape(profile, name, (int32_t)n, v, v + n, v + 2 * n);
    if (status) raise_status(status, whet_error_text(profile));
    return !status;
}

static bool add_bounds(whet_config *config, PyObject *rows) {
    whet_profile *profile = NULL;
    whet_status status = whet_profile_create(NULL, &profile);
    if (status) {
        raise_status(status, NULL);
        return false;
    }
    bool good = true;
    for (Py_ssize_t i = 0, n = PyList_Size(rows); i < n && good; i++)
        good = set_range(profile, PyList_GetItem(rows, i));
    if (good && (status = whet_config_add_profile(config, profile))) {
        raise_status(status, whet_error_text(config));
        good = false;
    }
    whet_profile_destroy(profile);
    return good && !PyErr_Occurred();
}

bool add_profiles(whet_config *config, PyObject *profiles) {
    for (Py_ssize_t i = 0, n = PyList_Size(profiles); i < n; i++)
        if (!add_bounds(config, PyList_GetItem(profiles, i))) return false;
    return true;
}

static PyObject *make_tuple(const int64_t *v, int32_t n) {
    PyObject *tuple = PyTuple_New(n);
    for (int32_t i = 0; tuple && i < n; i++) PyTuple_SetItem(tuple, i, PyLong_FromLongLong(v[i]));
    return tuple;
}

PyObject *list_profiles(const whet_engine *e) {
    PyObject *list = PyList_New(0);
    int64_t v[3][1024];
    for (int32_t p = 0; list && p < whet_engine_profile_count(e); p++) {
        PyObject *rows = PyList_New(0);
        for (int32_t i = 0; rows && i < 2 * whet_engine_input_count(e); i++) {
            whet_io_info info;
            whet_engine_input(e, i / 2, &info);
            bool values = i % 2;
            int32_t n = values ? whet_engine_profile_value_count(e, p, i / 2) : info.rank;
            if (values && !n) continue;
            if (values) whet_engine_profile_values(e, p, i / 2, v[0], v[1], v[2]);
            else whet_engine_profile_shape(e, p, i / 2, v[0], v[1], v[2]);
            PyObject *row = Py_BuildValue("(siNNN)", info.name, (int)values, make_tuple(v[0], n),
                                          make_tuple(v[1], n), make_tuple(v[2], n));
            if (!row || PyList_Append(rows, row)) Py_CLEAR(rows);
            Py_XDECREF(row);
        }
        if (!rows || PyList_Append(list, rows)) Py_CLEAR(list);
        Py_XDECREF(rows);
    }
    return list;
}

// SPDX-License-Identifier: Apache-2.0
#include "whet_config.h"

#include <math.h>

bool set_options(whet_config *config, PyObject *options) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(options, &at, &key, &value)) {
        const char *k = PyUnicode_AsUTF8AndSize(key, NULL),
                   *v = k ? PyUnicode_AsUTF8AndSize(value, NULL) : NULL;
        if (!v) return false;
        whet_status status = whet_config_set(config, k, v);
        if (status) {
            raise_status(status, whet_error_text(config));
            return false;
        }
    }
    return true;
}

bool set_shapes(whet_config *config, PyObject *shapes) {
    PyObject *key, *value;
    Py_ssize_t at = 0;
    while (PyDict_Next(shapes, &at, &key, &value)) {
        whet_tensor t = {0};
        const char *name = PyUnicode_AsUTF8AndSize(key, NULL);
        if (!name || !read_shape(value, &t)) return false;
        whet_status status = whet_config_set_shape(config, name, t.rank, t.dims);
        if (status) {
            raise_status(status, whet_error_text(config));
            return false;
        }
    }
    return true;
}

bool call_progress(void *user, const char *phase, int64_t done, int64_t total, double left) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *r =
        PyObject_CallFunction(user, "sLLd", phase, (long long)done, (long long)total, left);
    bool go_on = r && r != Py_False;
    if (!r) PyErr_WriteUnraisable(user);
    Py_XDECREF(r);
    PyGILState_Release(gil);
    return go_on;
}

static PyObject *list_names(const char *const *names, int32_t n) {
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < n; i++) {
        PyObject *name = PyUnicode_FromString(names[i]);
        if (!name || PyList_Append(list, name)) Py_CLEAR(list);
        Py_XDECREF(name);
    }
    return list;
}

int32_t call_calibration(void *user, const char *const *names, whet_tensor *inputs,
                                int32_t n) {
    sample_source *s = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *list = list_names(names, n), *batch = NULL;
    release_tensors(&s->batch);
    s->batch = (tensor_list){0};
    if (list) batch = PyObject_CallFunctionObjArgs(s->next, list, NULL);
    int32_t got = batch == Py_None ? 0 : 1;
    if (!batch || (got && !read_tensors(batch, false, &s->batch)) || (got && s->batch.n != n)) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "calibration: wrong inputs");
        s->failed = true;
        got = -1;
    }
    for (int32_t i = 0; got > 0 && i < n; i++) inputs[i] = s->batch.tensors[i];
    Py_XDECREF(list);
    Py_XDECREF(batch);
    if (s->failed) PyErr_Fetch(&s->type, &s->value, &s->trace);
    PyGILState_Release(gil);
    return got;
}

static PyObject *list_batches(const whet_tensor *const *batches, int32_t n, int32_t n_outputs) {
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < n; i++) {
        tensor_list l = {.tensors = (whet_tensor *)(uintptr_t)batches[i], .n = n_outputs};
        PyObject *batch = make_outputs(&l, true);
        if (!batch || PyList_Append(list, batch)) Py_CLEAR(list);
        Py_XDECREF(batch);
    }
    return list;
}

double call_metric(void *user, const char *const *names, const whet_tensor *const *reference,
                   const whet_tensor *const *outputs, int32_t n_batches, int32_t n_outputs) {
    metric_function *m = user;
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *list = list_names(names, n_outputs), *result = NULL;
    PyObject *a = list_batches(reference, n_batches, n_outputs);
    PyObject *b = list_batches(outputs, n_batches, n_outputs);
    if (list && a && b) result = PyObject_CallFunctionObjArgs(m->call, list, a, b, NULL);
    double figure = result ? PyFloat_AsDouble(result) : NAN;
    if (PyErr_Occurred()) {
        m->failed = true;
        figure = NAN;
        PyErr_Fetch(&m->type, &m->value, &m->trace);
    }
    Py_XDECREF(list);
    Py_XDECREF(a);
    Py_XDECREF(b);
    Py_XDECREF(result);
    PyGILState_Release(gil);
    return figure;
}

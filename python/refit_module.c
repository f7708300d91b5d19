// SPDX-License-Identifier: Apache-2.0
// Refitters. What is given from arrays is given and applied in one call, so that their memory need
// not stay.
#include <whet/refit.h>

#include "whet_module.h"

typedef struct {
    PyObject_HEAD
    whet_refitter *refitter;
    PyObject *engine; // kept alive
} RefitterObject;

static PyTypeObject *refitter_type;

static void refitter_dealloc(PyObject *self) {
    whet_refitter_destroy(((RefitterObject *)self)->refitter);
    Py_XDECREF(((RefitterObject *)self)->engine);
    whet_py_free(self);
}

static PyObject *module_refitter(PyObject *module, PyObject *object) {
    (void)module;
    whet_engine *engine = whet_py_engine(object);
    whet_refitter *r = NULL;
    if (!engine) return PyErr_SetString(PyExc_TypeError, "expected an engine"), NULL;
    whet_status status = whet_refitter_create(engine, &r);
    if (status) return raise_status(status, whet_error_text(engine));
    RefitterObject *o = (RefitterObject *)PyType_GenericAlloc(refitter_type, 0);
    if (!o) {
        whet_refitter_destroy(r);
        return NULL;
    }
    o->refitter = r;
    o->engine = Py_NewRef(object);
    return (PyObject *)o;
}

static PyObject *refitter_weights(PyObject *self, PyObject *none) {
    (void)none;
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < whet_refitter_count(r); i++) {
        whet_weight_info info;
        whet_refitter_weight(r, i, &info);
        whet_tensor t = {.dtype = info.dtype, .rank = info.rank};
        for (int32_t d = 0; d < info.rank; d++) t.dims[d] = info.dims[d];
        PyObject *item = Py_BuildValue("(siNN)", info.name, (int)info.dtype, whet_py_dims(&t),
                                       PyBool_FromLong(info.refittable));
        if (!whet_py_push(list, item)) Py_CLEAR(list);
    }
    return list;
}

// get(name) -> (bytes, dtype number, shape)
static PyObject *refitter_get(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    const char *name;
    whet_tensor t;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    whet_status status = whet_refitter_get(r, name, &t);
    if (status) return raise_status(status, whet_error_text(r));
    return Py_BuildValue("(y#iN)", (const char *)t.data, (Py_ssize_t)t.bytes, (int)t.dtype,
                         whet_py_dims(&t));
}

static bool give(whet_refitter *r, PyObject *names, const tensor_list *l) {
    for (Py_ssize_t i = 0; i < l->n; i++) {
        PyObject *name = PyList_GetItem(names, i);
        const char *text = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
        if (!text) return false;
        whet_status status = whet_refitter_set(r, text, &l->tensors[i]);
        if (status) return raise_status(status, whet_error_text(r)), false;
    }
    return true;
}

// run([name], [(buffer, dtype, shape)])
static PyObject *refitter_run(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    PyObject *names, *values;
    tensor_list l = {0};
    if (!PyArg_ParseTuple(args, "O!O", &PyList_Type, &names, &values)) return NULL;
    bool good = read_tensors(values, false, &l) && give(r, names, &l);
    whet_status status = WHET_OK;
    if (good) {
        Py_BEGIN_ALLOW_THREADS
        status = whet_refitter_run(r);
        Py_END_ALLOW_THREADS
    }
    if (!good || status) whet_refitter_clear(r); // nothing may stay lent
    release_tensors(&l);
    if (status) return raise_status(status, whet_error_text(r));
    return good ? Py_NewRef(Py_None) : NULL;
}

static PyObject *refitter_load(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    const char *text = PyBytes_AsString(path);
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whet_refitter_load(r, text);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (status) return raise_status(status, whet_error_text(r));
    Py_RETURN_NONE;
}

static PyObject *refitter_missing(PyObject *self, PyObject *none) {
    (void)none;
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    PyObject *list = PyList_New(0);
    const char *name;
    for (int32_t i = 0; list && (name = whet_refitter_missing(r, i)); i++)
        if (!whet_py_push(list, PyUnicode_FromString(name))) Py_CLEAR(list);
    return list;
}

static PyObject *refitter_clear(PyObject *self, PyObject *none) {
    (void)none;
    whet_refitter_clear(((RefitterObject *)self)->refitter);
    Py_RETURN_NONE;
}

// add_lora(adapter, name, [a, b], alpha)
static PyObject *refitter_add_lora(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    const char *adapter, *name;
    PyObject *values;
    double alpha;
    tensor_list l = {0};
    if (!PyArg_ParseTuple(args, "ssOd", &adapter, &name, &values, &alpha)) return NULL;
    bool good = read_tensors(values, false, &l);
    if (good && l.n != 2) {
        PyErr_SetString(PyExc_ValueError, "expected two arrays");
        good = false;
    }
    whet_status status =
        good ? whet_refitter_add_lora(r, adapter, name, &l.tensors[0], &l.tensors[1], alpha)
             : WHET_OK;
    release_tensors(&l);
    if (status) return raise_status(status, whet_error_text(r));
    return good ? Py_NewRef(Py_None) : NULL;
}

static PyObject *refitter_load_lora(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    const char *adapter;
    PyObject *path;
    double alpha;
    if (!PyArg_ParseTuple(args, "sO&d", &adapter, PyUnicode_FSConverter, &path, &alpha))
        return NULL;
    whet_status status = whet_refitter_load_lora(r, adapter, PyBytes_AsString(path), alpha);
    Py_DECREF(path);
    if (status) return raise_status(status, whet_error_text(r));
    Py_RETURN_NONE;
}

static PyObject *refitter_set_adapter(PyObject *self, PyObject *args) {
    whet_refitter *r = ((RefitterObject *)self)->refitter;
    const char *adapter;
    double scale;
    if (!PyArg_ParseTuple(args, "sd", &adapter, &scale)) return NULL;
    whet_status status = whet_refitter_set_adapter(r, adapter, scale);
    if (status) return raise_status(status, whet_error_text(r));
    Py_RETURN_NONE;
}

static PyMethodDef refitter_methods[] = {
    {"weights", refitter_weights, METH_NOARGS, "[(name, dtype number, shape, refittable)]"},
    {"get", refitter_get, METH_VARARGS, "get(name) -> (bytes, dtype number, shape)"},
    {"run", refitter_run, METH_VARARGS, "run([name], [(buffer, dtype number, shape)])"},
    {"load", refitter_load, METH_VARARGS, "load(path)"},
    {"missing", refitter_missing, METH_NOARGS, "[name]"},
    {"clear", refitter_clear, METH_NOARGS, "clear()"},
    {"add_lora", refitter_add_lora, METH_VARARGS, "add_lora(adapter, name, [a, b], alpha)"},
    {"load_lora", refitter_load_lora, METH_VARARGS, "load_lora(adapter, path, alpha)"},
    {"set_adapter", refitter_set_adapter, METH_VARARGS, "set_adapter(adapter, scale)"},
    {NULL, NULL, 0, NULL},
};

// load_stripped(path) -> Engine, perhaps without weights
static PyObject *module_load_stripped(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    whet_engine *engine = NULL;
    whet_status status = whet_engine_load_stripped(NULL, PyBytes_AsString(path), &engine);
    Py_DECREF(path);
    return status ? raise_status(status, whet_error_text(NULL)) : whet_py_wrap_engine(engine);
}

static PyObject *module_save_stripped(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *object, *path;
    if (!PyArg_ParseTuple(args, "OO&", &object, PyUnicode_FSConverter, &path)) return NULL;
    whet_engine *engine = whet_py_engine(object);
    whet_status status = WHET_E_INVALID;
    if (engine) status = whet_engine_save_stripped(engine, PyBytes_AsString(path));
    Py_DECREF(path);
    if (status) return raise_status(status, engine ? whet_error_text(engine) : NULL);
    Py_RETURN_NONE;
}

static PyObject *module_is_stripped(PyObject *module, PyObject *object) {
    (void)module;
    return PyBool_FromLong(whet_engine_is_stripped(whet_py_engine(object)));
}

static PyMethodDef functions[] = {
    {"refitter", module_refitter, METH_O, "refitter(engine) -> Refitter"},
    {"load_stripped", module_load_stripped, METH_VARARGS, "load_stripped(path) -> Engine"},
    {"save_stripped", module_save_stripped, METH_VARARGS, "save_stripped(engine, path)"},
    {"is_stripped", module_is_stripped, METH_O, "is_stripped(engine)"},
    {NULL, NULL, 0, NULL},
};

bool whet_py_add_refitters(PyObject *module) {
    refitter_type = whet_py_type("whet._whet.Refitter", sizeof(RefitterObject), refitter_dealloc,
                                 refitter_methods);
    return refitter_type && !PyModule_AddFunctions(module, functions);
}

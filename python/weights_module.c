// SPDX-License-Identifier: Apache-2.0
// Files of weights: their tensors are buffers over the file's memory.
#include "whet_module.h"

typedef struct {
    PyObject_HEAD
    whet_weights *weights;
} WeightsObject;

// Memory of a file of weights, for as long as anyone looks at it.
typedef struct {
    PyObject_HEAD
    PyObject *owner;
    void *data;
    Py_ssize_t bytes;
} BlobObject;

static PyTypeObject *weights_type, *blob_type;

static void weights_dealloc(PyObject *self) {
    whet_weights_close(((WeightsObject *)self)->weights);
    whet_py_free(self);
}

static PyObject *module_weights(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    whet_weights *w = NULL;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    whet_status status = whet_weights_open(NULL, PyBytes_AsString(path), &w);
    Py_DECREF(path);
    if (status) return raise_status(status, whet_error_text(NULL));
    WeightsObject *o = (WeightsObject *)PyType_GenericAlloc(weights_type, 0);
    if (o) o->weights = w;
    else whet_weights_close(w);
    return (PyObject *)o;
}

static PyObject *weights_names(PyObject *self, PyObject *none) {
    (void)none;
    const whet_weights *w = ((WeightsObject *)self)->weights;
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < whet_weights_count(w); i++)
        if (!whet_py_push(list, PyUnicode_FromString(whet_weights_name(w, i)))) Py_CLEAR(list);
    return list;
}

// find(name, dtype number or 0) -> (buffer, dtype number, shape)
static PyObject *weights_find(PyObject *self, PyObject *args) {
    whet_weights *w = ((WeightsObject *)self)->weights;
    const char *name;
    int dtype;
    whet_tensor t;
    if (!PyArg_ParseTuple(args, "si", &name, &dtype)) return NULL;
    whet_status status = whet_weights_find(w, name, (whet_dtype)dtype, &t);
    if (status) return raise_status(status, whet_error_text(w));
    BlobObject *blob = (BlobObject *)PyType_GenericAlloc(blob_type, 0);
    if (!blob) return NULL;
    blob->owner = Py_NewRef(self);
    blob->data = t.data;
    blob->bytes = (Py_ssize_t)t.bytes;
    return Py_BuildValue("(NiN)", blob, (int)t.dtype, whet_py_dims(&t));
}

static PyMethodDef weights_methods[] = {
    {"names", weights_names, METH_NOARGS, "[name]"},
    {"find", weights_find, METH_VARARGS, "find(name, dtype number) -> (buffer, dtype, shape)"},
    {NULL, NULL, 0, NULL},
};

static int blob_buffer(PyObject *self, Py_buffer *view, int flags) {
    BlobObject *b = (BlobObject *)self;
    return PyBuffer_FillInfo(view, self, b->data, b->bytes, 1, flags);
}

static void blob_dealloc(PyObject *self) {
    Py_XDECREF(((BlobObject *)self)->owner);
    whet_py_free(self);
}

static PyTypeObject *make_blob_type(void) {
    PyType_Slot slots[] = {{Py_tp_dealloc, (void *)blob_dealloc},
                           {Py_bf_getbuffer, (void *)blob_buffer},
                           {0, NULL}};
    PyType_Spec spec = {"whet._whet.Blob", (int)sizeof(BlobObject), 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    return (PyTypeObject *)PyType_FromSpec(&spec);
}

static PyMethodDef functions[] = {
    {"weights", module_weights, METH_VARARGS, "weights(path) -> Weights"},
    {NULL, NULL, 0, NULL},
};

bool whet_py_add_weights(PyObject *module) {
    weights_type = whet_py_type("whet._whet.Weights", sizeof(WeightsObject), weights_dealloc,
                                weights_methods);
    blob_type = make_blob_type();
    return weights_type && blob_type && !PyModule_AddFunctions(module, functions);
}

// SPDX-License-Identifier: Apache-2.0
#include "whet_values.h"

// What a call keeps until it returns: buffers that are viewed, memory, objects. In the order made.
typedef struct held {
    struct held *next;
    Py_buffer view; // obj NULL: none
    whet_object *object;
    void *memory;
} held;

void release_tensors(tensor_list *l) {
    for (held *h = l->first, *next; h; h = next) {
        next = h->next;
        if (h->view.obj) PyBuffer_Release(&h->view);
        whet_object_destroy(h->object);
        PyMem_Free(h->memory);
        PyMem_Free(h);
    }
    PyMem_Free(l->tensors);
}

static held *hold(tensor_list *l, size_t bytes) {
    held *h = PyMem_Calloc(1, sizeof *h);
    if (h && bytes) h->memory = PyMem_Calloc(1, bytes);
    if (!h || (bytes && !h->memory)) {
        PyMem_Free(h);
        PyErr_NoMemory();
        return NULL;
    }
    h->next = l->first;
    return l->first = h;
}

bool read_shape(PyObject *shape, whet_tensor *t) {
    Py_ssize_t rank = PyTuple_Size(shape);
    if (rank < 0) return false;
    if (rank > WHET_MAX_RANK) {
        PyErr_Format(PyExc_ValueError, "rank %zd, at most %d", rank, WHET_MAX_RANK);
        return false;
    }
    t->rank = (int32_t)rank;
    for (Py_ssize_t d = 0; d < rank; d++) {
        t->dims[d] = PyLong_AsLongLong(PyTuple_GetItem(shape, d));
        if (PyErr_Occurred()) return false;
    }
    return true;
}

static bool read_tensor(PyObject *item, bool writable, tensor_list *l, whet_tensor *t);

// A list of bytes objects, which stays as long as the arguments.
static bool read_texts(PyObject *list, tensor_list *l, whet_tensor *t) {
    Py_ssize_t n = PyList_Size(list);
    held *h = n < 0 ? NULL : hold(l, ((size_t)n + 1) * sizeof(whet_text));
    if (!h) return false;
    whet_text *texts = h->memory;
    for (Py_ssize_t i = 0; i < n; i++) {
        char *data;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyList_GetItem(list, i), &data, &size)) return false;
        texts[i] = (whet_text){data, (size_t)size};
    }
    t->data = texts;
    t->bytes = (size_t)n * sizeof *texts;
    return true;
}

// A list of items, each as read_tensor() takes it.
static bool read_object(PyObject *list, tensor_list *l, whet_tensor *t) {
    Py_ssize_t n = PyList_Size(list);
    held *items = n < 0 ? NULL : hold(l, ((size_t)n + 1) * sizeof(whet_tensor));
    held *object = items ? hold(l, 0) : NULL;
    if (!object || Py_EnterRecursiveCall(" in a sequence")) return false;
    bool good = true;
    whet_tensor *v = items->memory;
    for (Py_ssize_t i = 0; i < n && good; i++)
        good = read_tensor(PyList_GetItem(list, i), false, l, &v[i]);
    Py_LeaveRecursiveCall();
    whet_status status = good ? whet_object_create(t->dtype, v, n, &object->object) : WHET_OK;
    if (status) raise_status(status, "what is in a sequence, optional or map does not go together");
    t->data = &object->object;
    t->bytes = sizeof object->object;
    return good && !status;
}

// (buffer, list or None, dtype number, shape), or None for an output that the context brings memory
// for. Strings are a list of bytes, sequences, optionals and maps a list of such items.
static bool read_tensor(PyObject *item, bool writable, tensor_list *l, whet_tensor *t) {
    if (item == Py_None) return true;
    PyObject *object, *shape;
    int dtype;
    if (!PyArg_ParseTuple(item, "OiO!", &object, &dtype, &PyTuple_Type, &shape)) return false;
    t->dtype = (whet_dtype)dtype;
    if (!read_shape(shape, t)) return false;
    if (object == Py_None) return true;
    if (dtype == WHET_DTYPE_STRING) return read_texts(object, l, t);
    if (dtype >= WHET_DTYPE_SEQUENCE) return read_object(object, l, t);
    held *h = hold(l, 0);
    int flags = writable ? PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE : PyBUF_C_CONTIGUOUS;
    if (!h || PyObject_GetBuffer(object, &h->view, flags)) return false;
    l->n_views++;
    t->data = h->view.buf;
    t->bytes = (size_t)h->view.len;
    return true;
}

bool read_tensors(PyObject *sequence, bool writable, tensor_list *l) {
    *l = (tensor_list){0};
    Py_ssize_t n = PyList_Size(sequence);
    if (n < 0) return false;
    l->tensors = PyMem_Calloc((size_t)n + 1, sizeof *l->tensors);
    if (!l->tensors) {
        PyErr_NoMemory();
        return false;
    }
    l->n = n;
    for (Py_ssize_t i = 0; i < n; i++)
        if (!read_tensor(PyList_GetItem(sequence, i), writable, l, &l->tensors[i])) return false;
    return true;
}

static PyObject *make_item(const whet_tensor *t, bool with_data);

// Strings as a list of bytes, objects as a list of items.
static PyObject *make_list(const whet_tensor *t) {
    const whet_object *o = t->dtype == WHET_DTYPE_STRING ? NULL : *(whet_object **)t->data;
    int64_t n = o ? whet_object_count(o) : (int64_t)(t->bytes / sizeof(whet_text));
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < n; i++) {
        const whet_text *text = o ? NULL : &((const whet_text *)t->data)[i];
        whet_tensor part;
        PyObject *item = text ? PyBytes_FromStringAndSize(text->data, (Py_ssize_t)text->size)
                         : whet_object_item(o, i, &part) ? NULL : make_item(&part, true);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

// A copy of what is in the library's memory.
PyObject *make_data(const whet_tensor *t) {
    if (t->dtype == WHET_DTYPE_STRING || t->dtype >= WHET_DTYPE_SEQUENCE) return make_list(t);
    return PyBytes_FromStringAndSize(t->data, (Py_ssize_t)t->bytes);
}

static PyObject *make_item(const whet_tensor *t, bool with_data) {
    PyObject *shape = PyTuple_New(t->rank < 0 ? 0 : t->rank);
    for (int32_t d = 0; shape && d < t->rank; d++)
        PyTuple_SetItem(shape, d, PyLong_FromLongLong(t->dims[d]));
    if (shape && t->rank < 0) {
        Py_DECREF(shape);
        shape = Py_NewRef(Py_None);
    }
    PyObject *data = with_data ? make_data(t) : Py_NewRef(Py_None);
    if (shape && data) return Py_BuildValue("(NiN)", data, (int)t->dtype, shape);
    Py_XDECREF(shape);
    Py_XDECREF(data);
    return NULL;
}

PyObject *make_outputs(const tensor_list *l, bool with_data) {
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < l->n; i++) {
        PyObject *item = make_item(&l->tensors[i], with_data);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

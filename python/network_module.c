// SPDX-License-Identifier: Apache-2.0
// Networks by hand. Values and nodes are integers here (their addresses),
// which whet/network.py wraps together with their network, so that they cannot outlive it.
#include "whet_module.h"

#include <string.h>

typedef struct {
    PyObject_HEAD
    whet_builder *builder;
    PyObject *source; // what a model was loaded from; kept alive
    PyObject *kept;   // list of buffers that constants borrow
    bool taken;       // somebody has its network
} BuilderObject;

typedef struct {
    PyObject_HEAD
    whet_network *net;
    PyObject *builder;
} NetworkObject;

static PyTypeObject *builder_type, *network_type;

#define NET(self) (((NetworkObject *)(self))->net)

static PyObject *fail(PyObject *self, whet_status status) {
    return raise_status(status, whet_error_text(NET(self)));
}

static PyObject *done(PyObject *self, whet_status status) {
    if (status) return fail(self, status);
    Py_RETURN_NONE;
}

static PyObject *handle_of(const void *p) {
    if (!p) Py_RETURN_NONE;
    return PyLong_FromVoidPtr((void *)(uintptr_t)p);
}

static int to_handle(PyObject *object, void *out) { // for "O&"
    void *p = object == Py_None ? NULL : PyLong_AsVoidPtr(object);
    memcpy(out, &p, sizeof p);
    return !PyErr_Occurred();
}

#define push whet_py_push
bool whet_py_push(PyObject *list, PyObject *item) {
    bool good = list && item && !PyList_Append(list, item);
    Py_XDECREF(item);
    return good;
}

// A list of n items made by `make`, NULL when one fails.
static PyObject *list_of(PyObject *self, int32_t n, PyObject *(*make)(PyObject *self, int32_t i)) {
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < n; i++)
        if (!push(list, make(self, i))) Py_CLEAR(list);
    return list;
}

#define shape_of whet_py_dims
PyObject *whet_py_dims(const whet_tensor *t) {
    PyObject *shape = PyTuple_New(t->rank);
    for (int32_t d = 0; shape && d < t->rank; d++)
        PyTuple_SetItem(shape, d, PyLong_FromLongLong(t->dims[d]));
    return shape;
}

// (bytes or texts, dtype number, shape)
static PyObject *copy_tensor(const whet_tensor *t) {
    return Py_BuildValue("(NiN)", make_data(t), (int)t->dtype, shape_of(t));
}

// ---- builders ----

static PyObject *module_builder(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    whet_builder *builder;
    whet_status status = whet_builder_create(NULL, &builder);
    if (status) return raise_status(status, NULL);
    BuilderObject *o = (BuilderObject *)PyType_GenericAlloc(builder_type, 0);
    if (!o) {
        whet_builder_destroy(builder);
        return NULL;
    }
    o->builder = builder;
    o->kept = PyList_New(0);
    if (!o->kept) Py_CLEAR(o);
    return (PyObject *)o;
}

static void builder_dealloc(PyObject *self) {
    BuilderObject *o = (BuilderObject *)self;
    whet_builder_destroy(o->builder);
    Py_XDECREF(o->source);
    Py_XDECREF(o->kept);
    whet_py_free(self);
}

whet_builder *whet_py_builder(PyObject *object) {
    return Py_TYPE(object) == builder_type ? ((BuilderObject *)object)->builder : NULL;
}

// load(path as bytes, or a buffer that is kept)
static PyObject *builder_load(PyObject *self, PyObject *args) {
    BuilderObject *o = (BuilderObject *)self;
    PyObject *model, *path = NULL, *view = NULL;
    Py_buffer buffer = {0};
    whet_status status;
    if (!PyArg_ParseTuple(args, "O", &model)) return NULL;
    if (o->taken) {
        PyErr_SetString(PyExc_RuntimeError,
                        "the network of this builder is in use; make another builder");
        return NULL;
    }
    if (PyUnicode_Check(model)) {
        if (!PyUnicode_FSConverter(model, &path)) return NULL;
    } else if (!(view = PyMemoryView_FromObject(model)) ||
               PyObject_GetBuffer(view, &buffer, PyBUF_C_CONTIGUOUS)) {
        Py_XDECREF(view);
        return NULL;
    }
    const char *text = path ? PyBytes_AsString(path) : NULL;
    Py_BEGIN_ALLOW_THREADS
    status = text ? whet_builder_load_onnx(o->builder, text)
                  : whet_builder_load_onnx_memory(o->builder, buffer.buf, (size_t)buffer.len, NULL);
    Py_END_ALLOW_THREADS
    if (view) PyBuffer_Release(&buffer); // the memory view keeps the memory where it is
    Py_XDECREF(path);
    Py_XDECREF(o->source);
    o->source = view;
    if (status) return raise_status(status, whet_error_text(o->builder));
    Py_RETURN_NONE;
}

static PyObject *wrap_network(whet_network *net, PyObject *builder) {
    NetworkObject *o = (NetworkObject *)PyType_GenericAlloc(network_type, 0);
    if (!o) return NULL;
    o->net = net;
    o->builder = Py_NewRef(builder);
    return (PyObject *)o;
}

static PyObject *builder_network(PyObject *self, PyObject *none) {
    (void)none;
    whet_builder *builder = ((BuilderObject *)self)->builder;
    whet_network *net;
    whet_status status = whet_builder_network(builder, &net);
    if (status) return raise_status(status, whet_error_text(builder));
    ((BuilderObject *)self)->taken = true;
    return wrap_network(net, self);
}

static PyMethodDef builder_methods[] = {
    {"load", builder_load, METH_VARARGS, "load(path or buffer)"},
    {"network", builder_network, METH_NOARGS, "its Network"},
    {NULL, NULL, 0, NULL},
};

// ---- making ----

static void network_dealloc(PyObject *self) {
    Py_XDECREF(((NetworkObject *)self)->builder);
    whet_py_free(self);
}

// dims with a name where one is -1; None: rank not known.
static bool read_dims(PyObject *dims, PyObject *names, whet_tensor *t, const char **texts) {
    t->rank = -1;
    if (dims == Py_None) return true;
    if (!PyTuple_Check(dims) || !PyTuple_Check(names) ||
        PyTuple_Size(names) != PyTuple_Size(dims)) {
        PyErr_SetString(PyExc_TypeError, "dims and names are tuples of one length");
        return false;
    }
    if (!read_shape(dims, t)) return false;
    for (int32_t d = 0; d < t->rank; d++) {
        PyObject *name = PyTuple_GetItem(names, d);
        texts[d] = name == Py_None ? NULL : PyUnicode_AsUTF8AndSize(name, NULL);
        if (PyErr_Occurred()) return false;
    }
    return true;
}

static PyObject *network_input(PyObject *self, PyObject *args) {
    const char *name, *texts[WHET_MAX_RANK];
    PyObject *dims, *names;
    whet_tensor t = {0};
    int dtype;
    whet_value *v;
    if (!PyArg_ParseTuple(args, "siOO", &name, &dtype, &dims, &names) ||
        !read_dims(dims, names, &t, texts))
        return NULL;
    whet_status status =
        whet_network_input(NET(self), name, (whet_dtype)dtype, t.rank, t.dims, texts, &v);
    return status ? fail(self, status) : handle_of(v);
}

static PyObject *network_set_input_type(PyObject *self, PyObject *args) {
    const char *texts[WHET_MAX_RANK];
    PyObject *dims, *names;
    whet_tensor t = {0};
    whet_value *v;
    int dtype;
    if (!PyArg_ParseTuple(args, "O&iOO", to_handle, &v, &dtype, &dims, &names) ||
        !read_dims(dims, names, &t, texts))
        return NULL;
    return done(self, whet_network_set_input_type(NET(self), v, (whet_dtype)dtype, t.rank, t.dims,
                                                  texts));
}

// A tensor from (buffer or list of texts, dtype number, shape). What cannot change under it is
// borrowed and kept, the rest to be copied; texts are in `list`, to be released.
static bool read_tensor(PyObject *self, PyObject *item, tensor_list *list, whet_tensor *t,
                        bool *copy) {
    PyObject *object, *shape;
    Py_buffer view;
    int dtype;
    *list = (tensor_list){0};
    if (!PyArg_ParseTuple(item, "OiO!", &object, &dtype, &PyTuple_Type, &shape)) return false;
    t->dtype = (whet_dtype)dtype;
    if (PyList_Check(object)) {
        PyObject *one = PyList_New(0);
        bool good = push(one, Py_NewRef(item)) && read_tensors(one, false, list);
        Py_XDECREF(one);
        if (good) *t = list->tensors[0];
        return *copy = good;
    }
    if (!read_shape(shape, t) || PyObject_GetBuffer(object, &view, PyBUF_C_CONTIGUOUS))
        return false;
    t->data = view.buf;
    t->bytes = (size_t)view.len;
    *copy = !view.readonly;
    PyBuffer_Release(&view); // `item` and, when borrowed, `kept` hold it
    if (*copy) return true;
    PyObject *kept = ((BuilderObject *)((NetworkObject *)self)->builder)->kept;
    return push(kept, PyMemoryView_FromObject(object));
}

static PyObject *network_constant(PyObject *self, PyObject *args) {
    const char *name;
    PyObject *item;
    PyObject *result = NULL;
    whet_tensor t = {0};
    whet_value *v;
    tensor_list list;
    bool copy;
    if (!PyArg_ParseTuple(args, "zO!", &name, &PyTuple_Type, &item)) return NULL;
    if (read_tensor(self, item, &list, &t, &copy)) {
        whet_status status = whet_network_constant(NET(self), name, &t, copy, &v);
        result = status ? fail(self, status) : handle_of(v);
    }
    release_tensors(&list);
    return result;
}

static PyObject *network_set_data(PyObject *self, PyObject *args) {
    PyObject *item;
    PyObject *result = NULL;
    whet_tensor t = {0};
    whet_value *v;
    tensor_list list;
    bool copy;
    if (!PyArg_ParseTuple(args, "O&O!", to_handle, &v, &PyTuple_Type, &item)) return NULL;
    if (read_tensor(self, item, &list, &t, &copy))
        result = done(self, whet_network_set_data(NET(self), v, &t, copy));
    release_tensors(&list);
    return result;
}

// ---- attributes: (name, kind, payload) ----

typedef struct {
    whet_attribute a;
    whet_tensor tensor;
    tensor_list list;
    void *array;
} attribute;

static bool read_list(PyObject *list, attribute *x) {
    Py_ssize_t n = PyTuple_Check(list) ? PyTuple_Size(list) : -1;
    if (n < 0) {
        PyErr_SetString(PyExc_TypeError, "a list comes as a tuple");
        return false;
    }
    x->array = PyMem_Calloc((size_t)n + 1, sizeof(whet_text));
    if (!x->array) return PyErr_NoMemory(), false;
    x->a.n = n;
    x->a.ints = x->array;
    x->a.floats = x->array;
    x->a.texts = x->array;
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *item = PyTuple_GetItem(list, i);
        whet_text *text = (whet_text *)x->array + i;
        Py_ssize_t size = 0;
        if (x->a.kind == WHET_ATTRIBUTE_INTS)
            ((int64_t *)x->array)[i] = PyLong_AsLongLong(item);
        else if (x->a.kind == WHET_ATTRIBUTE_FLOATS)
            ((float *)x->array)[i] = (float)PyFloat_AsDouble(item);
        else
            text->data = PyUnicode_AsUTF8AndSize(item, &size), text->size = (size_t)size;
        if (PyErr_Occurred()) return false;
    }
    return true;
}

static bool read_attribute(PyObject *self, PyObject *row, attribute *x) {
    PyObject *payload;
    int kind;
    bool copy;
    *x = (attribute){.array = NULL};
    if (!PyArg_ParseTuple(row, "siO", &x->a.name, &kind, &payload)) return false;
    x->a.kind = (whet_attribute_kind)kind;
    switch (x->a.kind) {
    case WHET_ATTRIBUTE_TEXT: x->a.text = PyUnicode_AsUTF8AndSize(payload, NULL); break;
    case WHET_ATTRIBUTE_INT: x->a.i = PyLong_AsLongLong(payload); break;
    case WHET_ATTRIBUTE_FLOAT: x->a.f = PyFloat_AsDouble(payload); break;
    case WHET_ATTRIBUTE_TENSOR:
        x->a.tensor = &x->tensor;
        return read_tensor(self, payload, &x->list, &x->tensor, &copy);
    default: return read_list(payload, x);
    }
    return !PyErr_Occurred();
}

static PyObject *network_set_attribute(PyObject *self, PyObject *args) {
    PyObject *row, *result = NULL;
    whet_node *node;
    attribute x;
    if (!PyArg_ParseTuple(args, "O&O!", to_handle, &node, &PyTuple_Type, &row)) return NULL;
    if (read_attribute(self, row, &x))
        result = done(self, whet_network_set_attribute(NET(self), node, &x.a));
    release_tensors(&x.list);
    PyMem_Free(x.array);
    return result;
}

// ---- nodes ----

typedef struct {
    whet_value **in, **out;
    attribute *attributes;
    whet_attribute *plain;
    Py_ssize_t n_in, n_attributes;
} node_args;

static bool read_node(PyObject *self, PyObject *inputs, PyObject *rows, int n_out, node_args *x) {
    x->n_in = PyTuple_Size(inputs);
    x->n_attributes = PyTuple_Size(rows);
    x->in = PyMem_Calloc((size_t)x->n_in + 1, sizeof *x->in);
    x->out = PyMem_Calloc((size_t)(n_out > 0 ? n_out : 0) + 1, sizeof *x->out);
    x->attributes = PyMem_Calloc((size_t)x->n_attributes + 1, sizeof *x->attributes);
    x->plain = PyMem_Calloc((size_t)x->n_attributes + 1, sizeof *x->plain);
    if (!x->in || !x->out || !x->attributes || !x->plain) return PyErr_NoMemory(), false;
    for (Py_ssize_t i = 0; i < x->n_in; i++)
        if (!to_handle(PyTuple_GetItem(inputs, i), &x->in[i])) return false;
    for (Py_ssize_t i = 0; i < x->n_attributes; i++) {
        if (!read_attribute(self, PyTuple_GetItem(rows, i), &x->attributes[i])) return false;
        x->plain[i] = x->attributes[i].a;
    }
    return true;
}

static void free_node(node_args *x) {
    for (Py_ssize_t i = 0; x->attributes && i < x->n_attributes; i++) {
        release_tensors(&x->attributes[i].list);
        PyMem_Free(x->attributes[i].array);
    }
    PyMem_Free(x->in);
    PyMem_Free(x->out);
    PyMem_Free(x->attributes);
    PyMem_Free(x->plain);
}

static PyObject *handles(whet_value *const *v, int32_t n) {
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < n; i++)
        if (!push(list, handle_of(v[i]))) Py_CLEAR(list);
    return list;
}

enum { MAX_BLOCKS = 8 };

static int32_t read_blocks(PyObject *tuple, whet_network **blocks) {
    Py_ssize_t n = PyTuple_Size(tuple);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *b = PyTuple_GetItem(tuple, i);
        if (n > MAX_BLOCKS || Py_TYPE(b) != network_type) {
            PyErr_SetString(PyExc_TypeError, "blocks are a few networks");
            return -1;
        }
        blocks[i] = NET(b);
    }
    return (int32_t)n;
}

// add(op, name or None, inputs, attributes, number of outputs, blocks) -> [values]
static PyObject *network_add(PyObject *self, PyObject *args) {
    const char *op, *name;
    PyObject *inputs, *rows, *tuple, *result = NULL;
    node_args x = {0};
    whet_network *blocks[MAX_BLOCKS];
    int n_out;
    if (!PyArg_ParseTuple(args, "szO!O!iO!", &op, &name, &PyTuple_Type, &inputs, &PyTuple_Type,
                          &rows, &n_out, &PyTuple_Type, &tuple))
        return NULL;
    int32_t n_blocks = read_blocks(tuple, blocks);
    if (n_blocks < 0) return NULL;
    if (read_node(self, inputs, rows, n_out, &x)) {
        whet_status status =
            n_blocks ? whet_network_add_flow(NET(self), op, name, x.in, (int32_t)x.n_in, blocks,
                                             n_blocks, x.plain, (int32_t)x.n_attributes, x.out,
                                             n_out)
                     : whet_network_add(NET(self), op, name, x.in, (int32_t)x.n_in, x.plain,
                                        (int32_t)x.n_attributes, x.out, n_out);
        result = status ? fail(self, status) : handles(x.out, n_out);
    }
    free_node(&x);
    return result;
}

static PyObject *network_block(PyObject *self, PyObject *args) {
    const char *name;
    whet_network *block;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    whet_status status = whet_network_block(NET(self), name, &block);
    if (status) return fail(self, status);
    return wrap_network(block, ((NetworkObject *)self)->builder);
}

// blocks(node) -> [Network]
static PyObject *network_blocks(PyObject *self, PyObject *args) {
    whet_node *n;
    whet_node_info info;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &n)) return NULL;
    whet_status status = whet_network_node(NET(self), n, &info);
    if (status) return fail(self, status);
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < info.n_blocks; i++) {
        whet_network *block = whet_network_node_block(NET(self), n, i);
        if (!block) fail(self, WHET_E_NOMEM);
        if (!block || !push(list, wrap_network(block, ((NetworkObject *)self)->builder)))
            Py_CLEAR(list);
    }
    return list;
}

static PyObject *network_input_like(PyObject *self, PyObject *args) {
    const char *name;
    whet_value *like, *v;
    if (!PyArg_ParseTuple(args, "zO&", &name, to_handle, &like)) return NULL;
    whet_status status = whet_network_input_like(NET(self), name, like, &v);
    return status ? fail(self, status) : handle_of(v);
}

static PyObject *network_mark_output(PyObject *self, PyObject *args) {
    whet_value *v;
    const char *name;
    if (!PyArg_ParseTuple(args, "O&z", to_handle, &v, &name)) return NULL;
    return done(self, whet_network_mark_output(NET(self), v, name));
}

static PyObject *network_unmark_output(PyObject *self, PyObject *args) {
    whet_value *v;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &v)) return NULL;
    return done(self, whet_network_unmark_output(NET(self), v));
}

// ---- looking ----

static PyObject *network_name(PyObject *self, PyObject *none) {
    (void)none;
    return PyUnicode_FromString(whet_network_name(NET(self)));
}

static PyObject *input_at(PyObject *self, int32_t i) {
    return handle_of(whet_network_input_at(NET(self), i));
}

static PyObject *output_at(PyObject *self, int32_t i) {
    const char *name = "";
    whet_value *v = whet_network_output_at(NET(self), i, &name);
    return Py_BuildValue("(sN)", name, handle_of(v));
}

static PyObject *network_inputs(PyObject *self, PyObject *none) {
    (void)none;
    return list_of(self, whet_network_input_count(NET(self)), input_at);
}

static PyObject *network_outputs(PyObject *self, PyObject *none) {
    (void)none;
    return list_of(self, whet_network_output_count(NET(self)), output_at);
}

static PyObject *network_nodes(PyObject *self, PyObject *none) {
    (void)none;
    PyObject *list = PyList_New(0);
    whet_node *n = NULL;
    while (list && (n = whet_network_next_node(NET(self), n)))
        if (!push(list, handle_of(n))) Py_CLEAR(list);
    return list;
}

static PyObject *network_find_node(PyObject *self, PyObject *args) {
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    return handle_of(whet_network_find_node(NET(self), name));
}

static PyObject *network_find_value(PyObject *self, PyObject *args) {
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    return handle_of(whet_network_find_value(NET(self), name));
}

// node(handle) -> (name, op, [inputs], [outputs])
static PyObject *network_node(PyObject *self, PyObject *args) {
    whet_node *n;
    whet_node_info info;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &n)) return NULL;
    whet_status status = whet_network_node(NET(self), n, &info);
    if (status) return fail(self, status);
    PyObject *in = PyList_New(0), *out = PyList_New(0);
    for (int32_t i = 0; in && i < info.n_inputs; i++)
        if (!push(in, handle_of(whet_network_node_input(NET(self), n, i)))) Py_CLEAR(in);
    for (int32_t i = 0; out && i < info.n_outputs; i++)
        if (!push(out, handle_of(whet_network_node_output(NET(self), n, i)))) Py_CLEAR(out);
    if (in && out) return Py_BuildValue("(ssNN)", info.name, info.op, in, out);
    Py_XDECREF(in);
    Py_XDECREF(out);
    return NULL;
}

static PyObject *list_value(const whet_attribute *a) {
    if (a->n < 0) Py_RETURN_NONE;
    PyObject *list = PyList_New(0);
    for (int64_t i = 0; list && i < a->n; i++) {
        PyObject *item = a->kind == WHET_ATTRIBUTE_INTS ? PyLong_FromLongLong(a->ints[i])
                         : a->kind == WHET_ATTRIBUTE_FLOATS
                             ? PyFloat_FromDouble((double)a->floats[i])
                             : PyUnicode_FromStringAndSize(a->texts[i].data,
                                                           (Py_ssize_t)a->texts[i].size);
        if (!push(list, item)) Py_CLEAR(list);
    }
    return list;
}

static PyObject *attribute_value(const whet_attribute *a) {
    switch (a->kind) {
    case WHET_ATTRIBUTE_INT: return PyLong_FromLongLong(a->i);
    case WHET_ATTRIBUTE_FLOAT: return PyFloat_FromDouble(a->f);
    case WHET_ATTRIBUTE_TEXT:
        if (!a->text) Py_RETURN_NONE;
        return PyUnicode_FromString(a->text);
    case WHET_ATTRIBUTE_TENSOR:
        if (!a->tensor) Py_RETURN_NONE;
        return copy_tensor(a->tensor);
    default: return list_value(a);
    }
}

// attributes(node) -> {name: value}
static PyObject *network_attributes(PyObject *self, PyObject *args) {
    whet_node *n;
    whet_node_info info;
    whet_attribute a;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &n)) return NULL;
    whet_status status = whet_network_node(NET(self), n, &info);
    if (status) return fail(self, status);
    PyObject *dict = PyDict_New();
    for (int32_t i = 0; dict && i < info.n_attributes; i++) {
        PyObject *value = NULL;
        if (!whet_network_attribute(NET(self), n, i, &a)) value = attribute_value(&a);
        if (!value || PyDict_SetItemString(dict, a.name, value)) Py_CLEAR(dict);
        Py_XDECREF(value);
    }
    return dict;
}

// value(handle) -> (name, dtype number, shape)
static PyObject *network_value(PyObject *self, PyObject *args) {
    whet_value *v;
    whet_io_info info;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &v)) return NULL;
    whet_status status = whet_network_value(NET(self), v, &info);
    return status ? fail(self, status) : whet_py_io(&info);
}

// data(handle) -> (bytes, dtype number, shape) of a constant
static PyObject *network_data(PyObject *self, PyObject *args) {
    whet_value *v;
    whet_tensor t;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &v)) return NULL;
    whet_status status = whet_network_value_data(NET(self), v, &t);
    return status ? fail(self, status) : copy_tensor(&t);
}

static PyObject *network_producer(PyObject *self, PyObject *args) {
    whet_value *v;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &v)) return NULL;
    return handle_of(whet_network_producer(NET(self), v));
}

static PyObject *network_users(PyObject *self, PyObject *args) {
    whet_value *v;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &v)) return NULL;
    PyObject *list = PyList_New(0);
    whet_node *n = NULL;
    while (list && (n = whet_network_next_user(NET(self), v, n)))
        if (!push(list, handle_of(n))) Py_CLEAR(list);
    return list;
}

static PyObject *text_of(PyObject *self, const char *text) {
    return text ? PyUnicode_FromString(text) : fail(self, WHET_E_NOMEM);
}

static PyObject *network_text(PyObject *self, PyObject *args) {
    int max_data;
    if (!PyArg_ParseTuple(args, "i", &max_data)) return NULL;
    return text_of(self, whet_network_text(NET(self), max_data));
}

static PyObject *network_operators(PyObject *self, PyObject *none) {
    (void)none;
    return text_of(self, whet_network_operators(NET(self)));
}

static PyObject *network_save_onnx(PyObject *self, PyObject *args) {
    PyObject *path;
    int external;
    whet_status status;
    if (!PyArg_ParseTuple(args, "O&p", PyUnicode_FSConverter, &path, &external)) return NULL;
    const char *text = PyBytes_AsString(path);
    Py_BEGIN_ALLOW_THREADS
    status = whet_network_save_onnx(NET(self), text, external);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    return done(self, status);
}

// ---- editing ----

static PyObject *network_set_name(PyObject *self, PyObject *args) {
    const char *name;
    if (!PyArg_ParseTuple(args, "s", &name)) return NULL;
    return done(self, whet_network_set_name(NET(self), name));
}

static PyObject *network_set_value_name(PyObject *self, PyObject *args) {
    whet_value *v;
    const char *name;
    if (!PyArg_ParseTuple(args, "O&s", to_handle, &v, &name)) return NULL;
    return done(self, whet_network_set_value_name(NET(self), v, name));
}

static PyObject *network_set_node_name(PyObject *self, PyObject *args) {
    whet_node *n;
    const char *name;
    if (!PyArg_ParseTuple(args, "O&s", to_handle, &n, &name)) return NULL;
    return done(self, whet_network_set_node_name(NET(self), n, name));
}

static PyObject *network_set_node_input(PyObject *self, PyObject *args) {
    whet_node *n;
    whet_value *v;
    int i;
    if (!PyArg_ParseTuple(args, "O&iO&", to_handle, &n, &i, to_handle, &v)) return NULL;
    return done(self, whet_network_set_node_input(NET(self), n, i, v));
}

static PyObject *network_replace(PyObject *self, PyObject *args) {
    whet_value *from, *to;
    if (!PyArg_ParseTuple(args, "O&O&", to_handle, &from, to_handle, &to)) return NULL;
    return done(self, whet_network_replace(NET(self), from, to));
}

static PyObject *network_remove(PyObject *self, PyObject *args) {
    whet_node *n;
    if (!PyArg_ParseTuple(args, "O&", to_handle, &n)) return NULL;
    return done(self, whet_network_remove(NET(self), n));
}

static PyObject *network_sweep(PyObject *self, PyObject *none) {
    (void)none;
    return PyLong_FromLong(whet_network_sweep(NET(self)));
}

#define METHOD(name, kind) {#name, network_##name, kind, NULL}
static PyMethodDef network_methods[] = {
    METHOD(add, METH_VARARGS),           METHOD(attributes, METH_VARARGS),
    METHOD(block, METH_VARARGS),         METHOD(blocks, METH_VARARGS),
    METHOD(constant, METH_VARARGS),      METHOD(data, METH_VARARGS),
    METHOD(find_node, METH_VARARGS),     METHOD(find_value, METH_VARARGS),
    METHOD(input, METH_VARARGS),         METHOD(input_like, METH_VARARGS),
    METHOD(inputs, METH_NOARGS),
    METHOD(mark_output, METH_VARARGS),   METHOD(name, METH_NOARGS),
    METHOD(node, METH_VARARGS),          METHOD(nodes, METH_NOARGS),
    METHOD(operators, METH_NOARGS),      METHOD(outputs, METH_NOARGS),
    METHOD(producer, METH_VARARGS),      METHOD(remove, METH_VARARGS),
    METHOD(replace, METH_VARARGS),       METHOD(save_onnx, METH_VARARGS),
    METHOD(set_attribute, METH_VARARGS), METHOD(set_data, METH_VARARGS),
    METHOD(set_input_type, METH_VARARGS), METHOD(set_name, METH_VARARGS),
    METHOD(set_node_input, METH_VARARGS), METHOD(set_node_name, METH_VARARGS),
    METHOD(set_value_name, METH_VARARGS), METHOD(sweep, METH_NOARGS),
    METHOD(text, METH_VARARGS),          METHOD(unmark_output, METH_VARARGS),
    METHOD(users, METH_VARARGS),         METHOD(value, METH_VARARGS),
    {NULL, NULL, 0, NULL},
};

// ---- module ----

static PyMethodDef functions[] = {
    {"builder", module_builder, METH_NOARGS, "builder() -> Builder"},
    {NULL, NULL, 0, NULL},
};

bool whet_py_add_networks(PyObject *module) {
    builder_type = whet_py_type("whet._whet.Builder", sizeof(BuilderObject), builder_dealloc,
                                builder_methods);
    network_type = whet_py_type("whet._whet.Network", sizeof(NetworkObject), network_dealloc,
                                network_methods);
    return builder_type && network_type && !PyModule_AddFunctions(module, functions);
}

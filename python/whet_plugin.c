// SPDX-License-Identifier: Apache-2.0
// Plugins written in Python: callbacks take the GIL and call two functions of the package, which
// turn tuples into arrays and exceptions into texts. A dimension is an int, or (handle,) while it
// is not a number.
#include "whet_plugin.h"

#include <stdlib.h>
#include <string.h>

#include <whet/plugin.h>

typedef struct {
    whet_plugin p;
    PyObject *shapes, *run; // callables of whet/plugins.py
    whet_plugin_attr *attrs;
    whet_plugin_arg *inputs, *outputs;
    whet_plugin_tactic tactic;
} python_plugin;

// The node whose shape function runs on this thread.
static _Thread_local whet_plugin_node *shaping;

// ---- dimensions ----

static PyObject *from_dim(whet_plugin_node *n, whet_plugin_dim d) {
    int64_t value;
    if (whet_plugin_dim_value(n, d, &value)) return PyLong_FromLongLong(value);
    return Py_BuildValue("(L)", (long long)d.handle);
}

static bool to_dim(whet_plugin_node *n, PyObject *o, whet_plugin_dim *d) {
    if (o == Py_None) {
        *d = whet_plugin_dim_unknown(n);
        return true;
    }
    bool expression = PyTuple_Check(o) && PyTuple_Size(o) == 1;
    long long v = PyLong_AsLongLong(expression ? PyTuple_GetItem(o, 0) : o);
    if (PyErr_Occurred()) return false;
    *d = expression ? (whet_plugin_dim){v} : whet_plugin_dim_number(n, v);
    return true;
}

static bool inside(void) {
    if (!shaping)
        PyErr_SetString(PyExc_RuntimeError, "dimensions live only inside of a shape function");
    return shaping != NULL;
}

PyObject *whet_python_plugin_dim(PyObject *module, PyObject *args) {
    (void)module;
    int f;
    PyObject *a, *b;
    whet_plugin_dim x, y;
    if (!PyArg_ParseTuple(args, "iOO", &f, &a, &b) || !inside()) return NULL;
    if (!to_dim(shaping, a, &x) || !to_dim(shaping, b, &y)) return NULL;
    return from_dim(shaping, shaping->host->dim_math(shaping, f, x, y));
}

PyObject *whet_python_plugin_values(PyObject *module, PyObject *args) {
    (void)module;
    int i;
    int64_t count;
    if (!PyArg_ParseTuple(args, "i", &i) || !inside()) return NULL;
    const whet_plugin_dim *v = whet_plugin_in_values(shaping, i, &count);
    if (!v) Py_RETURN_NONE;
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (int64_t k = 0; list && k < count; k++) {
        PyObject *item = from_dim(shaping, v[k]);
        if (!item || PyList_SetItem(list, (Py_ssize_t)k, item)) Py_CLEAR(list);
    }
    return list;
}

// ---- what callbacks are given ----

static PyObject *number_list(const int64_t *ints, const float *floats, int32_t n) {
    if (!ints && !floats) return Py_NewRef(Py_None);
    PyObject *list = PyList_New(n);
    for (int32_t i = 0; list && i < n; i++)
        PyList_SetItem(list, i, ints ? PyLong_FromLongLong(ints[i])
                                     : PyFloat_FromDouble((double)floats[i]));
    return list;
}

static PyObject *dims_tuple(const int64_t *dims, int32_t rank) {
    PyObject *shape = PyTuple_New(rank);
    for (int32_t d = 0; shape && d < rank; d++)
        PyTuple_SetItem(shape, d, PyLong_FromLongLong(dims[d]));
    return shape;
}

static PyObject *attr_value(whet_plugin_node *n, const whet_plugin_attr *a) {
    int32_t count;
    switch (a->type) {
    case WHET_PLUGIN_FLOAT: return PyFloat_FromDouble(whet_plugin_float(n, a->name));
    case WHET_PLUGIN_BOOL: return PyBool_FromLong((long)whet_plugin_int(n, a->name));
    case WHET_PLUGIN_STRING: {
        const char *text = whet_plugin_text(n, a->name);
        return PyUnicode_FromString(text ? text : "");
    }
    case WHET_PLUGIN_INTS: {
        const int64_t *v = whet_plugin_ints(n, a->name, &count);
        return number_list(v, NULL, count);
    }
    case WHET_PLUGIN_FLOATS: {
        const float *v = whet_plugin_floats(n, a->name, &count);
        return number_list(NULL, v, count);
    }
    case WHET_PLUGIN_TENSOR: {
        const whet_tensor *t = whet_plugin_tensor(n, a->name);
        if (!t) return Py_NewRef(Py_None);
        return Py_BuildValue("(y#iN)", (const char *)t->data, (Py_ssize_t)t->bytes, (int)t->dtype,
                             dims_tuple(t->dims, t->rank));
    }
    default: return PyLong_FromLongLong(whet_plugin_int(n, a->name));
    }
}

static PyObject *attr_dict(whet_plugin_node *n, const python_plugin *p) {
    PyObject *dict = PyDict_New();
    for (int32_t i = 0; dict && i < p->p.n_attrs; i++) {
        PyObject *v = attr_value(n, &p->attrs[i]);
        if (!v || PyDict_SetItemString(dict, p->attrs[i].name, v)) Py_CLEAR(dict);
        Py_XDECREF(v);
    }
    return dict;
}

// (dtype, dimensions) of an input
static PyObject *input_type(whet_plugin_node *n, int32_t i) {
    if (!whet_plugin_has(n, i)) return Py_NewRef(Py_None);
    int32_t rank = whet_plugin_in_rank(n, i);
    PyObject *dims = PyTuple_New(rank < 0 ? 0 : rank);
    for (int32_t d = 0; dims && d < rank; d++) {
        PyObject *item = from_dim(n, whet_plugin_in_dim(n, i, d));
        if (!item || PyTuple_SetItem(dims, d, item)) Py_CLEAR(dims);
    }
    return dims ? Py_BuildValue("(iN)", (int)whet_plugin_in_type(n, i), dims) : NULL;
}

// (memory, dtype, dimensions); without memory for an output whose shape is not known
static PyObject *tensor_view(whet_plugin_node *n, bool out, int32_t i) {
    whet_dtype dtype = n->host->dtype(n, out, i);
    if (dtype == WHET_DTYPE_NONE) return Py_NewRef(Py_None);
    const python_plugin *p = whet_plugin_user(n);
    if (out && (p->p.flags & WHET_PLUGIN_DYNAMIC_OUT))
        return Py_BuildValue("(OiO)", Py_None, (int)dtype, Py_None);
    static char nothing[1];
    int64_t count = out ? whet_plugin_out_count(n, i) : whet_plugin_in_count(n, i);
    size_t bytes = whet_tensor_bytes(dtype, count);
    char *data = out ? whet_plugin_out(n, i) : (char *)(uintptr_t)whet_plugin_in(n, i);
    PyObject *view = PyMemoryView_FromMemory(data && bytes ? data : nothing,
                                             data ? (Py_ssize_t)bytes : 0,
                                             out ? PyBUF_WRITE : PyBUF_READ);
    PyObject *dims = dims_tuple(n->host->dims(n, out, i), n->host->rank(n, out, i));
    if (view && dims) return Py_BuildValue("(NiN)", view, (int)dtype, dims);
    Py_XDECREF(view);
    Py_XDECREF(dims);
    return NULL;
}

static PyObject *list_of(whet_plugin_node *n, int32_t count, bool out,
                         PyObject *(*item_of)(whet_plugin_node *n, bool out, int32_t i)) {
    PyObject *list = PyList_New(count);
    for (int32_t i = 0; list && i < count; i++) {
        PyObject *item = item_of(n, out, i);
        if (!item || PyList_SetItem(list, i, item)) Py_CLEAR(list);
    }
    return list;
}

static PyObject *type_item(whet_plugin_node *n, bool out, int32_t i) {
    (void)out;
    return input_type(n, i);
}

// ---- callbacks ----

// What a callable said that went wrong; result is taken.
static whet_status finish(whet_plugin_node *n, PyObject *result, whet_status status) {
    if (!result || PyErr_Occurred()) {
        PyErr_Clear();
        Py_XDECREF(result);
        return whet_plugin_fail(n, WHET_E_INTERNAL, "the Python function could not be called");
    }
    if (PyUnicode_Check(result)) {
        PyObject *text = PyUnicode_AsEncodedString(result, "utf-8", "replace");
        status = whet_plugin_fail(n, WHET_E_INVALID, "%s", text ? PyBytes_AsString(text) : "?");
        Py_XDECREF(text);
        PyErr_Clear();
    }
    Py_DECREF(result);
    return status;
}

static bool set_output_shape(whet_plugin_node *n, int32_t i, PyObject *item) {
    int dtype;
    PyObject *dims;
    whet_plugin_dim v[WHET_MAX_RANK];
    if (!PyArg_ParseTuple(item, "iO", &dtype, &dims)) return false;
    if (dtype) whet_plugin_set_type(n, i, (whet_dtype)dtype);
    if (dims == Py_None) {
        whet_plugin_set_unknown(n, i, -1);
        return true;
    }
    Py_ssize_t rank = PyList_Size(dims);
    if (rank < 0) return false;
    for (Py_ssize_t d = 0; d < rank && d < WHET_MAX_RANK; d++)
        if (!to_dim(n, PyList_GetItem(dims, d), &v[d])) return false;
    whet_plugin_set_shape(n, i, (int32_t)(rank > INT32_MAX ? INT32_MAX : rank), v);
    return true;
}

static whet_status call_shapes(whet_plugin_node *n) {
    const python_plugin *p = whet_plugin_user(n);
    PyGILState_STATE gil = PyGILState_Ensure();
    whet_plugin_node *before = shaping;
    shaping = n;
    PyObject *in = list_of(n, whet_plugin_in_n(n), false, type_item), *attrs = attr_dict(n, p);
    PyObject *result = in && attrs ? PyObject_CallFunction(p->shapes, "OOi", in, attrs,
                                                           (int)whet_plugin_out_n(n))
                                   : NULL;
    if (result && PyList_Check(result))
        for (Py_ssize_t i = 0; i < PyList_Size(result); i++)
            if (!set_output_shape(n, (int32_t)i, PyList_GetItem(result, i))) break;
    whet_status status = finish(n, result, WHET_OK);
    Py_XDECREF(in);
    Py_XDECREF(attrs);
    shaping = before;
    PyGILState_Release(gil);
    return status;
}

// (buffer, dimensions) of an output that found out its shape
static whet_status store_output(whet_plugin_node *n, int32_t i, PyObject *item) {
    Py_buffer view;
    PyObject *shape;
    int64_t dims[WHET_MAX_RANK];
    if (item == Py_None) return WHET_OK;
    if (!PyArg_ParseTuple(item, "y*O!", &view, &PyTuple_Type, &shape)) return WHET_E_INTERNAL;
    Py_ssize_t rank = PyTuple_Size(shape);
    int64_t count = rank <= WHET_MAX_RANK ? 1 : -1;
    for (Py_ssize_t d = 0; count >= 0 && d < rank; d++) {
        dims[d] = PyLong_AsLongLong(PyTuple_GetItem(shape, d));
        if (dims[d] < 0 || __builtin_mul_overflow(count, dims[d], &count)) count = -1;
    }
    size_t bytes = whet_tensor_bytes(whet_plugin_out_type(n, i), count);
    whet_status status = WHET_E_SHAPE;
    if (count >= 0 && bytes == (size_t)view.len) {
        void *to = whet_plugin_output(n, i, (int32_t)rank, dims);
        if (to && bytes) memcpy(to, view.buf, bytes);
        status = to ? WHET_OK : WHET_E_NOMEM;
    }
    PyBuffer_Release(&view);
    return status;
}

static whet_status call_run(whet_plugin_node *n, int64_t begin, int64_t end) {
    (void)begin, (void)end;
    const python_plugin *p = whet_plugin_user(n);
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *in = list_of(n, whet_plugin_in_n(n), false, tensor_view), *attrs = attr_dict(n, p);
    PyObject *out = list_of(n, whet_plugin_out_n(n), true, tensor_view);
    PyObject *result =
        in && attrs && out ? PyObject_CallFunction(p->run, "OOO", in, attrs, out) : NULL;
    whet_status status = WHET_OK;
    if (result && PyList_Check(result))
        for (Py_ssize_t i = 0; i < PyList_Size(result) && status == WHET_OK; i++)
            status = store_output(n, (int32_t)i, PyList_GetItem(result, i));
    status = finish(n, result, status);
    Py_XDECREF(in);
    Py_XDECREF(attrs);
    Py_XDECREF(out);
    PyGILState_Release(gil);
    return status;
}

// ---- registration ----

static char *keep_text(PyObject *o) {
    PyObject *bytes = PyUnicode_Check(o) ? PyUnicode_AsUTF8String(o) : NULL;
    char *text = bytes ? strdup(PyBytes_AsString(bytes)) : NULL;
    Py_XDECREF(bytes);
    if (!text && !PyErr_Occurred()) PyErr_SetString(PyExc_TypeError, "expected a text");
    return text;
}

static bool read_list(PyObject *list, whet_plugin_attr *a) {
    if (list == Py_None) return true;
    Py_ssize_t n = PyList_Size(list);
    double *v = n < 0 ? NULL : calloc((size_t)n + 1, sizeof *v);
    for (Py_ssize_t i = 0; v && i < n; i++) v[i] = PyFloat_AsDouble(PyList_GetItem(list, i));
    a->def_list = v;
    a->n_def = (int32_t)n;
    return v && !PyErr_Occurred();
}

// (name, type, required, default, default text, default list)
static bool read_attr(PyObject *row, whet_plugin_attr *a) {
    PyObject *name, *text, *list;
    int type, required;
    if (!PyArg_ParseTuple(row, "OipdOO", &name, &type, &required, &a->def, &text, &list))
        return false;
    a->type = (whet_plugin_attr_type)type;
    a->required = required;
    a->name = keep_text(name);
    if (text != Py_None && !(a->def_text = keep_text(text))) return false;
    return a->name && read_list(list, a);
}

// (name, set of types, variable, flags)
static bool read_arg(PyObject *row, whet_plugin_arg *a) {
    PyObject *name;
    unsigned long long types;
    int var;
    unsigned flags;
    if (!PyArg_ParseTuple(row, "OKiI", &name, &types, &var, &flags)) return false;
    *a = (whet_plugin_arg){keep_text(name), types, (char)var, flags};
    return a->name != NULL;
}

static bool read_rows(PyObject *attrs, PyObject *inputs, PyObject *outputs, python_plugin *p) {
    Py_ssize_t n[3] = {PyList_Size(attrs), PyList_Size(inputs), PyList_Size(outputs)};
    if (n[0] < 0 || n[1] < 0 || n[2] < 0) return false;
    p->attrs = calloc((size_t)n[0] + 1, sizeof *p->attrs);
    p->inputs = calloc((size_t)n[1] + 1, sizeof *p->inputs);
    p->outputs = calloc((size_t)n[2] + 1, sizeof *p->outputs);
    bool good = p->attrs && p->inputs && p->outputs;
    for (Py_ssize_t i = 0; good && i < n[0]; i++)
        good = read_attr(PyList_GetItem(attrs, i), &p->attrs[i]);
    for (Py_ssize_t i = 0; good && i < n[1]; i++)
        good = read_arg(PyList_GetItem(inputs, i), &p->inputs[i]);
    for (Py_ssize_t i = 0; good && i < n[2]; i++)
        good = read_arg(PyList_GetItem(outputs, i), &p->outputs[i]);
    p->p.attrs = p->attrs;
    p->p.inputs = p->inputs;
    p->p.outputs = p->outputs;
    p->p.n_attrs = (int32_t)n[0];
    p->p.n_inputs = (int32_t)n[1];
    p->p.n_outputs = (int32_t)n[2];
    return good;
}

// What a plugin is made of stays as long as the process, as the default environment does.
PyObject *whet_python_register_plugin(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *domain, *name, *version, *attrs, *inputs, *outputs, *shapes, *run;
    unsigned flags;
    if (!PyArg_ParseTuple(args, "UUUO!O!O!IOO", &domain, &name, &version, &PyList_Type, &attrs,
                          &PyList_Type, &inputs, &PyList_Type, &outputs, &flags, &shapes, &run))
        return NULL;
    python_plugin *p = calloc(1, sizeof *p);
    if (!p) return PyErr_NoMemory();
    p->p = (whet_plugin){WHET_PLUGIN_SIZES, .domain = keep_text(domain), .name = keep_text(name),
                         .version = keep_text(version), .flags = flags, .shapes = call_shapes,
                         .tactics = &p->tactic, .n_tactics = 1, .user = p};
    p->tactic = (whet_plugin_tactic){.name = "python", .run = call_run};
    p->shapes = Py_NewRef(shapes);
    p->run = Py_NewRef(run);
    if (!read_rows(attrs, inputs, outputs, p))
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whet_env_register_plugin(NULL, &p->p);
    Py_END_ALLOW_THREADS
    return Py_BuildValue("(is)", (int)status, status ? whet_error_text(NULL) : "");
}

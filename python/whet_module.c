// SPDX-License-Identifier: Apache-2.0
// whet._whet: the C API for Python, limited API. The Python half of the package turns arrays into
// (buffer, dtype number, shape) triples; nothing here knows numpy. The GIL is released while
// building, loading and running.
#include "whet_config.h"
#include "whet_module.h"
#include "whet_plugin.h"
#include "whet_profiles.h"
#include "whet_values.h"

#include <string.h>

static PyObject *error_type; // whet.Error, made when the module is

PyObject *raise_status(whet_status status, const char *text) {
    PyObject *e = PyObject_CallFunction(error_type, "s", text && *text ? text
                                                                     : whet_status_text(status));
    if (!e) return NULL;
    PyObject *number = PyLong_FromLong(status);
    PyObject *name = PyUnicode_FromString(whet_status_name(status));
    if (number && name && !PyObject_SetAttrString(e, "status", number) &&
        !PyObject_SetAttrString(e, "name", name))
        PyErr_SetObject(error_type, e);
    Py_XDECREF(number);
    Py_XDECREF(name);
    Py_DECREF(e);
    return NULL;
}

// ---- engines ----

typedef struct {
    PyObject_HEAD
    whet_engine *engine;
} EngineObject;

typedef struct {
    PyObject_HEAD
    whet_context *context;
    PyObject *engine; // kept alive
    bool running;
    struct giver *givers; // [outputs] made with the first allocator
} ContextObject;

// The Python function that gives an output its memory, and what it gave last.
struct giver {
    PyObject *call, *memory;
    Py_buffer view; // of memory
};

static PyTypeObject *engine_type, *context_type;

#define free_object whet_py_free
void whet_py_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static void engine_dealloc(PyObject *self) {
    whet_engine_destroy(((EngineObject *)self)->engine);
    free_object(self);
}

PyObject *whet_py_wrap_engine(whet_engine *engine) {
    EngineObject *o = (EngineObject *)PyType_GenericAlloc(engine_type, 0);
    if (o) o->engine = engine;
    else whet_engine_destroy(engine);
    return (PyObject *)o;
}

whet_engine *whet_py_engine(PyObject *object) {
    return Py_TYPE(object) == engine_type ? ((EngineObject *)object)->engine : NULL;
}

PyObject *whet_py_io(const whet_io_info *info) {
    PyObject *shape = PyTuple_New(info->rank < 0 ? 0 : info->rank);
    if (!shape) return NULL;
    for (int32_t d = 0; d < info->rank; d++) {
        PyObject *item = info->dims[d] >= 0    ? PyLong_FromLongLong(info->dims[d])
                         : info->dim_names[d] ? PyUnicode_FromString(info->dim_names[d])
                                               : PyUnicode_FromString("?");
        if (!item || PyTuple_SetItem(shape, d, item)) {
            Py_DECREF(shape);
            return NULL;
        }
    }
    if (info->rank < 0) {
        Py_DECREF(shape);
        shape = Py_NewRef(Py_None);
    }
    return Py_BuildValue("(siNI)", info->name, (int)info->dtype, shape, (unsigned)info->elem);
}

static PyObject *engine_io(EngineObject *self, bool input) {
    int32_t n = input ? whet_engine_input_count(self->engine)
                      : whet_engine_output_count(self->engine);
    PyObject *list = PyList_New(0);
    for (int32_t i = 0; list && i < n; i++) {
        whet_io_info info;
        if (input) whet_engine_input(self->engine, i, &info);
        else whet_engine_output(self->engine, i, &info);
        PyObject *item = whet_py_io(&info);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

static PyObject *engine_inputs(PyObject *self, PyObject *none) {
    (void)none;
    return engine_io((EngineObject *)self, true);
}

static PyObject *engine_outputs(PyObject *self, PyObject *none) {
    (void)none;
    return engine_io((EngineObject *)self, false);
}

static PyObject *engine_save(PyObject *self, PyObject *args) {
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    whet_engine *engine = ((EngineObject *)self)->engine;
    const char *text = PyBytes_AsString(path);
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whet_engine_save(engine, text);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (status) return raise_status(status, whet_error_text(engine));
    Py_RETURN_NONE;
}

static PyObject *engine_serialize(PyObject *self, PyObject *none) {
    (void)none;
    size_t bytes;
    const void *data = whet_engine_data(((EngineObject *)self)->engine, &bytes);
    return PyBytes_FromStringAndSize(data, (Py_ssize_t)bytes);
}

static PyObject *engine_inspect(PyObject *self, PyObject *args) {
    int json;
    if (!PyArg_ParseTuple(args, "p", &json)) return NULL;
    return PyUnicode_FromString(whet_engine_inspect(((EngineObject *)self)->engine, json));
}

static PyObject *engine_context(PyObject *self, PyObject *args) {
    int threads, index, count;
    if (!PyArg_ParseTuple(args, "iii", &threads, &index, &count)) return NULL;
    whet_context *context = NULL;
    whet_engine *engine = ((EngineObject *)self)->engine;
    whet_status status = whet_context_create(engine, &context);
    if (status)
        return raise_status(status, status == WHET_E_NOMEM ? NULL : whet_error_text(engine));
    status = whet_context_set_threads(context, threads);
    if (!status) status = whet_context_set_stream(context, index, count);
    if (status) {
        raise_status(status, whet_error_text(context));
        whet_context_destroy(context);
        return NULL;
    }
    ContextObject *o = (ContextObject *)PyType_GenericAlloc(context_type, 0);
    if (!o) {
        whet_context_destroy(context);
        return NULL;
    }
    o->context = context;
    o->engine = Py_NewRef(self);
    return (PyObject *)o;
}

// profiles() -> [[(input, values?, min, opt, max)]]
static PyObject *engine_profiles(PyObject *self, PyObject *none) {
    (void)none;
    return list_profiles(((EngineObject *)self)->engine);
}

static PyMethodDef engine_methods[] = {
    {"inputs", engine_inputs, METH_NOARGS, "[(name, dtype number, shape, elem)]"},
    {"outputs", engine_outputs, METH_NOARGS, "[(name, dtype number, shape, elem)]"},
    {"profiles", engine_profiles, METH_NOARGS, "[[(input, values?, min, opt, max)]]"},
    {"save", engine_save, METH_VARARGS, "save(path)"},
    {"serialize", engine_serialize, METH_NOARGS, "bytes of the engine file"},
    {"inspect", engine_inspect, METH_VARARGS, "inspect(json)"},
    {"context", engine_context, METH_VARARGS, "context(threads, stream, streams)"},
    {NULL, NULL, 0, NULL},
};

// ---- contexts ----

static void drop_memory(struct giver *g) {
    if (g->memory) PyBuffer_Release(&g->view);
    Py_CLEAR(g->memory);
}

static void context_dealloc(PyObject *self) {
    ContextObject *o = (ContextObject *)self;
    int32_t n = o->givers ? whet_engine_output_count(((EngineObject *)o->engine)->engine) : 0;
    whet_context_destroy(o->context);
    for (int32_t i = 0; i < n; i++) {
        drop_memory(&o->givers[i]);
        Py_XDECREF(o->givers[i].call);
    }
    PyMem_Free(o->givers);
    Py_XDECREF(o->engine);
    free_object(self);
}

static PyObject *take(ContextObject *self) {
    if (self->running) {
        PyErr_SetString(PyExc_RuntimeError,
                        "this context is running in another thread; make one context a thread");
        return NULL;
    }
    self->running = true;
    return Py_None;
}

// run(inputs, outputs): writes into the outputs' buffers; None entries come back as bytes.
static PyObject *context_run(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    PyObject *inputs, *outputs, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &inputs, &PyList_Type, &outputs)) return NULL;
    if (!take(self)) return NULL;
    tensor_list in = {0}, out = {0};
    if (read_tensors(inputs, false, &in) && read_tensors(outputs, true, &out)) {
        whet_status status;
        bool own = out.n_views == out.n;
        Py_BEGIN_ALLOW_THREADS
        status = whet_context_run(self->context, in.tensors, (int32_t)in.n, out.tensors,
                                  (int32_t)out.n);
        Py_END_ALLOW_THREADS
        if (status) raise_status(status, whet_error_text(self->context));
        else result = own ? Py_NewRef(Py_None) : make_outputs(&out, true);
    }
    release_tensors(&in);
    release_tensors(&out);
    self->running = false;
    return result;
}

static PyObject *context_infer(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    PyObject *inputs, *result = NULL;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &inputs)) return NULL;
    if (!take(self)) return NULL;
    tensor_list in = {0}, out = {0};
    if (read_tensors(inputs, false, &in)) {
        whet_engine *engine = ((EngineObject *)self->engine)->engine;
        out.n = whet_engine_output_count(engine);
        out.tensors = PyMem_Calloc((size_t)out.n + 1, sizeof *out.tensors);
        whet_status status =
            out.tensors ? whet_context_infer(self->context, in.tensors, (int32_t)in.n, out.tensors,
                                             (int32_t)out.n)
                        : WHET_E_NOMEM;
        if (status) raise_status(status, whet_error_text(self->context));
        else result = make_outputs(&out, false);
    }
    release_tensors(&in);
    release_tensors(&out);
    self->running = false;
    return result;
}

static PyObject *context_bench(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    PyObject *inputs, *result = NULL;
    double warmup, seconds;
    long long min_runs;
    if (!PyArg_ParseTuple(args, "O!ddL", &PyList_Type, &inputs, &warmup, &seconds, &min_runs))
        return NULL;
    if (!take(self)) return NULL;
    tensor_list in = {0};
    enum { MAX_SAMPLES = 100000 };
    double *samples = PyMem_Calloc(MAX_SAMPLES, sizeof *samples);
    if (samples && read_tensors(inputs, false, &in)) {
        int64_t n = 0;
        whet_status status;
        Py_BEGIN_ALLOW_THREADS
        status = whet_context_bench(self->context, in.tensors, (int32_t)in.n, warmup, seconds,
                                    min_runs, samples, MAX_SAMPLES, &n);
        Py_END_ALLOW_THREADS
        if (status) raise_status(status, whet_error_text(self->context));
        else result = PyList_New((Py_ssize_t)n);
        for (int64_t i = 0; result && i < n; i++)
            PyList_SetItem(result, (Py_ssize_t)i, PyFloat_FromDouble(samples[i]));
    }
    PyMem_Free(samples);
    release_tensors(&in);
    self->running = false;
    return result;
}

// Rows that the library's callbacks add during one run.
typedef struct {
    PyObject *list;
    bool failed;
} row_list;

static void add_row(row_list *rows, PyObject *row) {
    if (!row || PyList_Append(rows->list, row)) rows->failed = true;
    Py_XDECREF(row);
}

static void add_profile(void *user, const char *layer, const char *kernel, double seconds) {
    PyGILState_STATE gil = PyGILState_Ensure();
    add_row(user, Py_BuildValue("(ssd)", layer, kernel, seconds));
    PyGILState_Release(gil);
}

static void add_tap(void *user, const char *value, const whet_tensor *t) {
    PyGILState_STATE gil = PyGILState_Ensure();
    PyObject *shape = PyTuple_New(t->rank);
    for (int32_t d = 0; shape && d < t->rank; d++)
        PyTuple_SetItem(shape, d, PyLong_FromLongLong(t->dims[d]));
    PyObject *data = make_data(t);
    if (shape && data)
        add_row(user, Py_BuildValue("(sNiN)", value, data, (int)t->dtype, shape));
    else
        ((row_list *)user)->failed = true;
    PyGILState_Release(gil);
}

// One run with a profiler or a tap; its rows.
static PyObject *run_observed(ContextObject *self, PyObject *args, bool profile) {
    PyObject *inputs;
    if (!PyArg_ParseTuple(args, "O!", &PyList_Type, &inputs)) return NULL;
    if (!take(self)) return NULL;
    tensor_list in = {0}, out = {0};
    row_list rows = {PyList_New(0), false};
    if (rows.list && read_tensors(inputs, false, &in)) {
        out.n = whet_engine_output_count(((EngineObject *)self->engine)->engine);
        out.tensors = PyMem_Calloc((size_t)out.n + 1, sizeof *out.tensors);
        whet_status status = WHET_E_NOMEM;
        if (profile) whet_context_set_profiler(self->context, add_profile, &rows);
        else whet_context_set_tap(self->context, add_tap, &rows);
        Py_BEGIN_ALLOW_THREADS
        if (out.tensors)
            status = whet_context_run(self->context, in.tensors, (int32_t)in.n, out.tensors,
                                      (int32_t)out.n);
        Py_END_ALLOW_THREADS
        whet_context_set_profiler(self->context, NULL, NULL);
        whet_context_set_tap(self->context, NULL, NULL);
        if (status) {
            raise_status(status, whet_error_text(self->context));
            Py_CLEAR(rows.list);
        }
    } else {
        Py_CLEAR(rows.list);
    }
    release_tensors(&in);
    release_tensors(&out);
    self->running = false;
    if (rows.failed) Py_CLEAR(rows.list);
    return rows.list;
}

// profile(inputs): [(layer, kernel, seconds)] of one run.
static PyObject *context_profile(PyObject *self, PyObject *args) {
    return run_observed((ContextObject *)self, args, true);
}

// tap(inputs): [(value name, bytes, dtype number, shape)] of each value that one run shows.
static PyObject *context_tap(PyObject *self, PyObject *args) {
    return run_observed((ContextObject *)self, args, false);
}

static PyObject *context_arena(PyObject *self, PyObject *none) {
    (void)none;
    return PyLong_FromSize_t(whet_context_arena_bytes(((ContextObject *)self)->context));
}

static PyObject *context_set_profile(PyObject *self, PyObject *args) {
    int profile;
    if (!PyArg_ParseTuple(args, "i", &profile)) return NULL;
    whet_context *context = ((ContextObject *)self)->context;
    whet_status status = whet_context_set_profile(context, profile);
    if (status) return raise_status(status, whet_error_text(context));
    Py_RETURN_NONE;
}

static PyObject *context_set_limits(PyObject *self, PyObject *args) {
    long long iterations;
    double seconds;
    Py_ssize_t objects;
    if (!PyArg_ParseTuple(args, "Ldn", &iterations, &seconds, &objects)) return NULL;
    if (objects < 0) return raise_status(WHET_E_INVALID, "a limit of bytes that is negative");
    whet_context *context = ((ContextObject *)self)->context;
    whet_status status = whet_context_set_loop_limit(context, iterations);
    if (!status) status = whet_context_set_time_limit(context, seconds);
    if (!status) status = whet_context_set_object_limit(context, (size_t)objects);
    if (status) return raise_status(status, whet_error_text(context));
    Py_RETURN_NONE;
}

// profile_used() -> (number, tuned)
static PyObject *context_profile_used(PyObject *self, PyObject *none) {
    (void)none;
    bool tuned;
    int32_t profile = whet_context_profile(((ContextObject *)self)->context, &tuned);
    return Py_BuildValue("(iN)", (int)profile, PyBool_FromLong(tuned));
}

// On the thread of the run, which has let the GIL go.
static void *give_memory(void *user, int32_t output, void *memory, size_t bytes,
                         size_t alignment) {
    (void)memory, (void)alignment;
    struct giver *g = &((struct giver *)user)[output];
    PyGILState_STATE gil = PyGILState_Ensure();
    drop_memory(g);
    void *data = NULL;
    PyObject *made = PyObject_CallFunction(g->call, "n", (Py_ssize_t)bytes);
    if (made && !PyObject_GetBuffer(made, &g->view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) {
        g->memory = Py_NewRef(made);
        if ((size_t)g->view.len >= bytes) data = g->view.buf;
        else PyErr_Format(PyExc_ValueError, "%zu bytes are needed, the allocator gave %zd", bytes,
                          g->view.len);
    }
    if (!data) PyErr_WriteUnraisable(g->call);
    Py_XDECREF(made);
    PyGILState_Release(gil);
    return data;
}

// set_allocator(output, function or None)
static PyObject *context_set_allocator(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    int output;
    PyObject *call;
    if (!PyArg_ParseTuple(args, "iO", &output, &call)) return NULL;
    int32_t n = whet_engine_output_count(((EngineObject *)self->engine)->engine);
    if (!self->givers) self->givers = PyMem_Calloc((size_t)n + 1, sizeof *self->givers);
    if (!self->givers) return PyErr_NoMemory();
    whet_output_allocator a = {sizeof a, self->givers, give_memory, NULL};
    whet_status status =
        whet_context_set_output_allocator(self->context, output, call == Py_None ? NULL : &a);
    if (status) return raise_status(status, whet_error_text(self->context));
    struct giver *g = &self->givers[output];
    drop_memory(g);
    Py_XDECREF(g->call);
    g->call = call == Py_None ? NULL : Py_NewRef(call);
    Py_RETURN_NONE;
}

// given(output) -> what its allocator gave in the last run
static PyObject *context_given(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    int output;
    if (!PyArg_ParseTuple(args, "i", &output)) return NULL;
    int32_t n = whet_engine_output_count(((EngineObject *)self->engine)->engine);
    bool some = self->givers && output >= 0 && output < n && self->givers[output].memory;
    return Py_NewRef(some ? self->givers[output].memory : Py_None);
}

static PyObject *context_lacking(PyObject *self, PyObject *none) {
    (void)none;
    PyObject *list = PyList_New(0);
    const char *name;
    for (int32_t i = 0;
         list && (name = whet_context_lacking(((ContextObject *)self)->context, i)); i++) {
        PyObject *item = PyUnicode_FromString(name);
        if (!item || PyList_Append(list, item)) Py_CLEAR(list);
        Py_XDECREF(item);
    }
    return list;
}

// max_output_bytes(inputs, output) -> bytes
static PyObject *context_max_bytes(PyObject *object, PyObject *args) {
    ContextObject *self = (ContextObject *)object;
    PyObject *inputs, *result = NULL;
    int output;
    if (!PyArg_ParseTuple(args, "O!i", &PyList_Type, &inputs, &output)) return NULL;
    if (!take(self)) return NULL;
    tensor_list in = {0};
    if (read_tensors(inputs, false, &in)) {
        size_t bytes = 0;
        whet_status status = whet_context_max_output_bytes(self->context, in.tensors,
                                                           (int32_t)in.n, output, &bytes);
        result = status ? raise_status(status, whet_error_text(self->context))
                        : PyLong_FromSize_t(bytes);
    }
    release_tensors(&in);
    self->running = false;
    return result;
}

static PyMethodDef context_methods[] = {
    {"set_allocator", context_set_allocator, METH_VARARGS, "set_allocator(output, function)"},
    {"given", context_given, METH_VARARGS, "given(output)"},
    {"lacking", context_lacking, METH_NOARGS, "lacking() -> [name]"},
    {"max_output_bytes", context_max_bytes, METH_VARARGS, "max_output_bytes(inputs, output)"},
    {"set_profile", context_set_profile, METH_VARARGS, "set_profile(number)"},
    {"set_limits", context_set_limits, METH_VARARGS,
     "set_limits(iterations, seconds, object_bytes)"},
    {"profile_used", context_profile_used, METH_NOARGS, "profile_used() -> (number, tuned)"},
    {"run", context_run, METH_VARARGS, "run(inputs, outputs)"},
    {"infer", context_infer, METH_VARARGS, "infer(inputs) -> [(None, dtype, shape)]"},
    {"bench", context_bench, METH_VARARGS, "bench(inputs, warmup, seconds, min_runs) -> [seconds]"},
    {"profile", context_profile, METH_VARARGS, "profile(inputs) -> [(layer, kernel, seconds)]"},
    {"tap", context_tap, METH_VARARGS, "tap(inputs) -> [(name, bytes, dtype, shape)]"},
    {"arena_bytes", context_arena, METH_NOARGS, "bytes of the activation arena"},
    {NULL, NULL, 0, NULL},
};

// ---- building and loading ----

typedef struct {
    Py_buffer view;
    PyObject *path; // bytes; NULL: from memory
    whet_builder *builder; // that has a model or network already, or NULL
} model_source;

// A path (str, bytes of the file system, os.PathLike) was made text by the Python half.
static bool open_source(PyObject *model, model_source *s) {
    *s = (model_source){.builder = whet_py_builder(model)};
    if (s->builder) return true;
    if (PyUnicode_Check(model)) return PyUnicode_FSConverter(model, &s->path) != 0;
    return PyObject_GetBuffer(model, &s->view, PyBUF_C_CONTIGUOUS) == 0;
}

static void close_source(model_source *s) {
    if (s->path) Py_DECREF(s->path);
    else if (s->view.obj) PyBuffer_Release(&s->view);
}

static whet_status load_source(whet_builder *builder, const model_source *s) {
    const char *path = s->path ? PyBytes_AsString(s->path) : NULL;
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = path ? whet_builder_load_onnx(builder, path)
                  : whet_builder_load_onnx_memory(builder, s->view.buf, (size_t)s->view.len, NULL);
    Py_END_ALLOW_THREADS
    return status;
}

typedef struct {
    model_source source;
    whet_builder *builder;
    whet_config *config;
    sample_source samples;
    metric_function metric;
} build_call;

// What building and quantizing begin with. False with an exception set; close_build in any case.
static bool open_build(build_call *c, PyObject *model, PyObject *options, PyObject *progress,
                       PyObject *calibration, PyObject *metric) {
    *c = (build_call){0};
    if (!open_source(model, &c->source)) return false;
    whet_status status = WHET_OK;
    if (c->source.builder) c->builder = c->source.builder;
    else status = whet_builder_create(NULL, &c->builder);
    if (!status) status = whet_config_create(NULL, &c->config);
    if (status) return raise_status(status, NULL), false;
    if (!set_options(c->config, options)) return false;
    if (progress != Py_None) whet_config_set_progress(c->config, call_progress, progress);
    c->samples.next = calibration;
    if (calibration != Py_None)
        whet_config_set_calibration(c->config, call_calibration, &c->samples);
    c->metric.call = metric;
    if (metric != Py_None) whet_config_set_metric(c->config, call_metric, &c->metric);
    if (!c->source.builder) status = load_source(c->builder, &c->source);
    if (status) raise_status(status, whet_error_text(c->builder));
    return !status;
}

static void close_build(build_call *c) {
    whet_config_destroy(c->config);
    if (!c->source.builder) whet_builder_destroy(c->builder);
    close_source(&c->source);
    release_tensors(&c->samples.batch);
}

// The error of a build: that of a function of the caller's, if one failed.
static PyObject *raise_build(build_call *c, whet_status status) {
    sample_source *s = &c->samples;
    metric_function *m = &c->metric;
    if (s->failed) PyErr_Restore(s->type, s->value, s->trace);
    else if (m->failed) PyErr_Restore(m->type, m->value, m->trace);
    else return raise_status(status, whet_error_text(c->builder));
    return NULL;
}

// build(model, options, shapes, profiles, progress, calibration, metric) -> Engine
static PyObject *module_build(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *model, *options, *shapes, *profiles, *progress, *calibration, *metric;
    PyObject *result = NULL;
    if (!PyArg_ParseTuple(args, "OO!O!O!OOO", &model, &PyDict_Type, &options, &PyDict_Type, &shapes,
                          &PyList_Type, &profiles, &progress, &calibration, &metric))
        return NULL;
    build_call c;
    if (open_build(&c, model, options, progress, calibration, metric) &&
        set_shapes(c.config, shapes) &&
        add_profiles(c.config, profiles)) {
        whet_engine *engine = NULL;
        whet_status status;
        Py_BEGIN_ALLOW_THREADS
        status = whet_builder_build(c.builder, c.config, &engine);
        Py_END_ALLOW_THREADS
        result = status ? raise_build(&c, status) : whet_py_wrap_engine(engine);
    }
    close_build(&c);
    return result;
}

// quantize(model, options, progress, calibration, metric, path, external)
static PyObject *module_quantize(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *model, *options, *progress, *calibration, *metric, *path = NULL, *result = NULL;
    int external;
    if (!PyArg_ParseTuple(args, "OO!OOOO&p", &model, &PyDict_Type, &options, &progress,
                          &calibration, &metric, PyUnicode_FSConverter, &path, &external))
        return NULL;
    build_call c;
    if (open_build(&c, model, options, progress, calibration, metric)) {
        whet_network *network = NULL;
        const char *to = PyBytes_AsString(path);
        whet_status status;
        Py_BEGIN_ALLOW_THREADS
        status = whet_builder_quantize(c.builder, c.config);
        if (!status) status = whet_builder_network(c.builder, &network);
        Py_END_ALLOW_THREADS
        if (status) {
            raise_build(&c, status);
        } else if ((status = whet_network_save_onnx(network, to, external))) {
            raise_status(status, whet_error_text(network));
        } else {
            result = Py_NewRef(Py_None);
        }
    }
    close_build(&c);
    Py_DECREF(path);
    return result;
}

// check(model) -> (status, JSON report)
static PyObject *module_check(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *model, *result = NULL;
    if (!PyArg_ParseTuple(args, "O", &model)) return NULL;
    model_source source;
    whet_builder *builder = NULL;
    if (!open_source(model, &source)) return NULL;
    if (source.builder) {
        PyErr_SetString(PyExc_TypeError, "check takes a model, not a network");
        return NULL;
    }
    whet_status status = whet_builder_create(NULL, &builder);
    if (status) {
        raise_status(status, NULL);
    } else {
        status = load_source(builder, &source);
        result = Py_BuildValue("(is)", (int)status, whet_builder_report(builder, true));
    }
    whet_builder_destroy(builder);
    close_source(&source);
    return result;
}

static PyObject *module_load(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    whet_engine *engine = NULL;
    const char *text = PyBytes_AsString(path);
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whet_engine_load(NULL, text, &engine);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    return status ? raise_status(status, whet_error_text(NULL)) : whet_py_wrap_engine(engine);
}

// loads(buffer) -> Engine over a copy
static PyObject *module_loads(PyObject *module, PyObject *args) {
    (void)module;
    Py_buffer view;
    if (!PyArg_ParseTuple(args, "y*", &view)) return NULL;
    whet_engine *engine = NULL;
    // a misaligned address makes the library copy, so that the buffer may go
    char *copy = PyMem_Malloc((size_t)view.len + 65);
    if (!copy) {
        PyBuffer_Release(&view);
        return PyErr_NoMemory();
    }
    char *odd = copy + (((uintptr_t)copy % 64) ? 0 : 1);
    memcpy(odd, view.buf, (size_t)view.len);
    whet_status status = whet_engine_load_memory(NULL, odd, (size_t)view.len, &engine);
    PyMem_Free(copy);
    PyBuffer_Release(&view);
    return status ? raise_status(status, whet_error_text(NULL)) : whet_py_wrap_engine(engine);
}

static PyObject *module_load_plugins(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *path;
    if (!PyArg_ParseTuple(args, "O&", PyUnicode_FSConverter, &path)) return NULL;
    const char *text = PyBytes_AsString(path);
    whet_status status;
    Py_BEGIN_ALLOW_THREADS
    status = whet_env_load_plugins(NULL, text);
    Py_END_ALLOW_THREADS
    Py_DECREF(path);
    if (status) return raise_status(status, whet_error_text(NULL));
    Py_RETURN_NONE;
}

// plugin_options(override, engine_libraries)
static PyObject *module_plugin_options(PyObject *module, PyObject *args) {
    (void)module;
    int plugin_override, engine_libraries;
    if (!PyArg_ParseTuple(args, "pp", &plugin_override, &engine_libraries)) return NULL;
    whet_status status = whet_env_set_plugin_options(NULL, plugin_override, engine_libraries);
    if (status) return raise_status(status, NULL);
    Py_RETURN_NONE;
}

static PyObject *module_version(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyUnicode_FromString(whet_version());
}

static PyObject *module_describe(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyUnicode_FromString(whet_env_describe(NULL));
}

static PyObject *module_options(PyObject *module, PyObject *none) {
    (void)module, (void)none;
    return PyUnicode_FromString(whet_config_help());
}

static PyMethodDef module_methods[] = {
    {"build", module_build, METH_VARARGS,
     "build(model, options, shapes, profiles, progress, calibration, metric) -> Engine"},
    {"quantize", module_quantize, METH_VARARGS,
     "quantize(model, options, progress, calibration, metric, path, external)"},
    {"check", module_check, METH_VARARGS, "check(model) -> (status, JSON report)"},
    {"load", module_load, METH_VARARGS, "load(path) -> Engine"},
    {"loads", module_loads, METH_VARARGS, "loads(bytes) -> Engine"},
    {"load_plugins", module_load_plugins, METH_VARARGS, "load_plugins(path)"},
    {"plugin_options", module_plugin_options, METH_VARARGS, "of whet/plugins.py"},
    {"register_plugin", whet_python_register_plugin, METH_VARARGS, "of whet/plugins.py"},
    {"plugin_dim", whet_python_plugin_dim, METH_VARARGS, "of whet/plugins.py"},
    {"plugin_values", whet_python_plugin_values, METH_VARARGS, "of whet/plugins.py"},
    {"version", module_version, METH_NOARGS, "version of the library"},
    {"describe", module_describe, METH_NOARGS, "JSON about library and machine"},
    {"options", module_options, METH_NOARGS, "options of a build, a line each"},
    {NULL, NULL, 0, NULL},
};

#define make_type whet_py_type
PyTypeObject *whet_py_type(const char *name, size_t size, destructor dealloc,
                           PyMethodDef *methods) {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, (void *)dealloc}, {Py_tp_methods, methods}, {0, NULL}};
    PyType_Spec spec = {name, (int)size, 0,
                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
    return (PyTypeObject *)PyType_FromSpec(&spec);
}

static int add_dtypes(PyObject *module) {
#define ROW(name, number, text, bits)                                                              \
    if (PyModule_AddIntConstant(module, "DTYPE_" #name, number)) return -1;
    WHET_DTYPE_MAP(ROW)
#undef ROW
#define ROW(name, number, text)                                                                    \
    if (PyModule_AddIntConstant(module, #name, number)) return -1;
    WHET_STATUS_MAP(ROW)
#undef ROW
    return 0;
}

static struct PyModuleDef module_def = {PyModuleDef_HEAD_INIT, .m_name = "whet._whet", .m_size = -1,
                                        .m_methods = module_methods};

PyMODINIT_FUNC PyInit__whet(void) {
    PyObject *module = PyModule_Create(&module_def);
    if (!module) return NULL;
    error_type = PyErr_NewExceptionWithDoc(
        "whet.Error",
        "What the library says of a failure; `status` is its number, `name` its name.",
        PyExc_RuntimeError, NULL);
    engine_type =
        make_type("whet._whet.Engine", sizeof(EngineObject), engine_dealloc, engine_methods);
    context_type =
        make_type("whet._whet.Context", sizeof(ContextObject), context_dealloc, context_methods);
    if (!error_type || !engine_type || !context_type ||
        PyModule_AddObjectRef(module, "Error", error_type) || add_dtypes(module) ||
        !whet_py_add_networks(module) || !whet_py_add_refitters(module) ||
        !whet_py_add_weights(module)) {
        Py_DECREF(module);
        return NULL;
    }
    return module;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whet plugins: operators of one's own, written in C against this header alone. A plugin library
 * links nothing of whet: every function below calls through a table that the host passes in, so one
 * binary works in libwhet and libwhet_rt and in later versions of both.
 *
 *     #include <whet/plugin.h>
 *
 *     // y = x * factor: y has the shape and type of x, which is the default
 *     static const whet_plugin_attr attrs[] = {
 *         {.name = "factor", .type = WHET_PLUGIN_FLOAT, .def = 2},
 *     };
 *     static const whet_plugin_arg inputs[] = {{"x", WHET_PLUGIN_F32, 'T', 0}};
 *     static const whet_plugin_arg outputs[] = {{"y", 0, 'T', 0}};
 *
 *     static whet_status run(whet_plugin_node *n, int64_t begin, int64_t end) {
 *         const float *x = whet_plugin_in(n, 0);
 *         float *y = whet_plugin_out(n, 0), factor = (float)whet_plugin_float(n, "factor");
 *         int64_t count = whet_plugin_in_count(n, 0);
 *         (void)begin, (void)end; // no `tasks`: one task, all of it
 *         for (int64_t i = 0; i < count; i++) y[i] = x[i] * factor;
 *         return WHET_OK;
 *     }
 *     static const whet_plugin_tactic tactics[] = {{.name = "plain", .run = run}};
 *
 *     static const whet_plugin times = {
 *         WHET_PLUGIN_SIZES, .name = "Times", .version = "1", .domain = "mydomain",
 *         WHET_PLUGIN_ROWS(attrs, attrs), WHET_PLUGIN_ROWS(inputs, inputs),
 *         WHET_PLUGIN_ROWS(outputs, outputs), WHET_PLUGIN_ROWS(tactics, tactics),
 *     };
 *     WHET_PLUGIN_LIBRARY("mylibrary", "1.0", &times)
 *
 *     $ cc -shared -fPIC -o libtimes.so times.c
 *     $ whet build model.onnx --plugins=libtimes.so -o model.whet
 *
 * A node of domain "mydomain" and type Times in an ONNX model is that plugin then; docs/plugins.md
 * walks through a larger one.
 *
 * Rules that hold for every callback:
 *  - it may be called on any thread, and for different nodes, engines and contexts at once: a
 *    plugin has no unguarded state of its own outside of what `create` makes;
 *  - it fails by `return whet_plugin_fail(n, WHET_E_..., "what is wrong: %d", value)`; the node's
 *    name is put in front. It must not end the process, throw, or jump out;
 *  - what accessors return is the host's, borrowed until the callback returns;
 *  - shapes, types and constants come from files that may be broken or hostile: everything that a
 *    callback relies on must be checked by `shapes` (or `accepts`), which run before it for every
 *    engine that is loaded and every new shape. What data decide (indices, sizes) `run` checks.
 */
#ifndef WHET_PLUGIN_H
#define WHET_PLUGIN_H

#include <stdarg.h>

#include <whet/whet.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. A library built against a newer interface than the host's is refused; one built
 * against an older loads, since structs only grow at their end and say how long they are. */
#define WHET_PLUGIN_INTERFACE 1

/* One node as its callbacks see it: an opaque pointer but for the host's table. */
typedef struct whet_plugin_host whet_plugin_host;
typedef struct whet_plugin_node {
    const whet_plugin_host *host;
} whet_plugin_node;

/* A dimension, or an element of a shape tensor, as `shapes` sees it: a number, or an expression
 * over named dimensions while an engine is built. Only the functions whet_plugin_dim_* look in. */
typedef struct whet_plugin_dim {
    int64_t handle;
} whet_plugin_dim;

/* ---- attributes --------------------------------------------------------------------------- */

typedef enum whet_plugin_attr_type {
    WHET_PLUGIN_INT = 1,    /* int64_t */
    WHET_PLUGIN_FLOAT = 2,  /* float */
    WHET_PLUGIN_BOOL = 3,   /* ONNX int, 0 or 1 */
    WHET_PLUGIN_CHOICE = 4, /* ONNX string, one of `choices`; whet_plugin_int gives its index */
    WHET_PLUGIN_DTYPE = 5,  /* ONNX int, a whet_dtype */
    WHET_PLUGIN_STRING = 6,
    WHET_PLUGIN_INTS = 7,   /* int64_t */
    WHET_PLUGIN_FLOATS = 8, /* float */
    WHET_PLUGIN_TENSOR = 9,
    WHET_PLUGIN_STRINGS = 10
} whet_plugin_attr_type;

/* One attribute. A model that leaves it out gets the default; a model's attribute without a row is
 * an error. Fill with zeros what is not needed. */
typedef struct whet_plugin_attr {
    const char *name;
    whet_plugin_attr_type type;
    bool required;              /* no default */
    double def;                 /* INT, FLOAT, BOOL, CHOICE (index), DTYPE */
    const char *def_text;       /* STRING; NULL: "" */
    const double *def_list;     /* INTS, FLOATS: n_def elements */
    int32_t n_def;
    const char *const *choices; /* CHOICE: ended by NULL */
    double min, max;            /* INT, FLOAT, each of INTS: allowed range when min < max */
} whet_plugin_attr;

/* ---- inputs and outputs ------------------------------------------------------------------- */

/* A set of data types is an or of these bits. */
#define WHET_PLUGIN_TYPE(dtype) (UINT64_C(1) << (dtype))
#define WHET_PLUGIN_F32 WHET_PLUGIN_TYPE(WHET_DTYPE_F32)
#define WHET_PLUGIN_FLOAT_TYPES                                                                    \
    (WHET_PLUGIN_F32 | WHET_PLUGIN_TYPE(WHET_DTYPE_F16) | WHET_PLUGIN_TYPE(WHET_DTYPE_BF16) |      \
     WHET_PLUGIN_TYPE(WHET_DTYPE_F64))
#define WHET_PLUGIN_INDEX_TYPES                                                                    \
    (WHET_PLUGIN_TYPE(WHET_DTYPE_I32) | WHET_PLUGIN_TYPE(WHET_DTYPE_I64))

enum {
    WHET_PLUGIN_ARG_OPTIONAL = 1,
    WHET_PLUGIN_ARG_VARIADIC = 2, /* last row only: any number of further ones like it */
    WHET_PLUGIN_ARG_SHAPE = 4     /* input: `shapes` reads it with whet_plugin_in_values, `run`
                                     never looks at it */
};

/* One input or output. */
typedef struct whet_plugin_arg {
    const char *name;
    uint64_t types; /* set; 0: bool, integers and floats of 8 to 64 bits, but no float8. STRING is a
                       whet_text an element, which an output may copy from an input, not make */
    char var;       /* type variable: inputs and outputs of one letter have one type; 0: none. An
                       output without a variable has the one type of its set, else that of the
                       first DTYPE attribute, else what `shapes` says by whet_plugin_set_type */
    uint32_t flags; /* WHET_PLUGIN_ARG_... */
} whet_plugin_arg;

/* ---- tactics ------------------------------------------------------------------------------ */

typedef enum whet_plugin_layout {
    WHET_PLUGIN_PLAIN = 0, /* row major */
    WHET_PLUGIN_C8 = 1,    /* rank 3 to 5: [n, ceil(c / 8), spatial..., 8]; lanes beyond c hold
                              anything */
    WHET_PLUGIN_C16 = 2,   /* the same with 16 */
    WHET_PLUGIN_NHWC = 3   /* rank 3 to 5: [n, spatial..., c] */
} whet_plugin_layout;
#define WHET_PLUGIN_LAYOUT(layout) (1u << (layout))

/* One way to compute the operator. The tuner measures every tactic and layout that accepts a node;
 * engines store a tactic by its name. The first tactic must take in plain layout whatever `shapes`
 * lets through: it computes where nothing else does. */
typedef struct whet_plugin_tactic {
    const char *name;
    /* Set of WHET_PLUGIN_LAYOUT bits that it is offered with; 0: plain. With layout l every input
     * that is computed, and every output, has layout l where it has the rank of output 0 and that
     * is 3 to 5; everything else is plain; `ports` can say otherwise. */
    uint32_t layouts;
    int32_t phases; /* 0 means 1; at most 4. A phase starts when the one before has ended */
    /* Optional: sets other layouts for the variant `layout` by whet_plugin_set_layout. */
    void (*ports)(whet_plugin_node *n, whet_plugin_layout layout);
    /* Optional: whether it takes these types, shapes and layouts. NULL: all. */
    bool (*accepts)(whet_plugin_node *n);
    /* Optional: bytes of memory shared by all tasks of one run, and of memory of each worker. */
    size_t (*workspace)(whet_plugin_node *n);
    size_t (*scratch)(whet_plugin_node *n);
    /* Optional: number of tasks of a phase that any workers may compute at once; NULL: 1. */
    int64_t (*tasks)(whet_plugin_node *n, int32_t phase);
    /* Optional: seconds expected, to order tactics before they are measured. */
    double (*cost)(whet_plugin_node *n);
    /* Computes tasks begin <= i < end on the CPU. */
    whet_status (*run)(whet_plugin_node *n, int64_t begin, int64_t end);
    /* Optional: queues all of the computation on a CUDA stream (a cudaStream_t); pointers are then
     * device memory. A tactic that has only this is refused where there is no CUDA backend. */
    whet_status (*run_cuda)(whet_plugin_node *n, void *stream);
} whet_plugin_tactic;

/* ---- the plugin --------------------------------------------------------------------------- */

enum {
    WHET_PLUGIN_DYNAMIC_OUT = 1, /* `run` finds out the shape of an output and asks for its memory
                                    with whet_plugin_output: one task, plain layout */
    WHET_PLUGIN_IMPURE = 2,      /* random, or another result each time: never folded or merged */
    WHET_PLUGIN_INPLACE = 4      /* output 0 may use the memory of input 0 where both have the same
                                    type, shape and layout */
};

/* Borrowed, with all that it points to, until the environment is destroyed. Fill with zeros what is
 * not needed. */
typedef struct whet_plugin {
    size_t struct_size;                          /* sizeof(whet_plugin) */
    size_t attr_size, arg_size, tactic_size;     /* sizeof of the rows below */
    const char *name;                            /* ONNX operator type, 1 to 120 characters */
    const char *version;                         /* "1"; several versions of a name may be there */
    const char *domain;                          /* ONNX domain (TensorRT's namespace); NULL: "" */
    const whet_plugin_attr *attrs;
    const whet_plugin_arg *inputs, *outputs;     /* at most 64 rows each, at least one output */
    const whet_plugin_tactic *tactics;           /* 1 to 32 rows */
    int32_t n_attrs, n_inputs, n_outputs, n_tactics;
    int32_t min_inputs;                          /* 0: all that are not OPTIONAL */
    uint32_t flags;                              /* WHET_PLUGIN_... */
    uint32_t revision;                           /* raised when a tactic became faster or slower, so
                                                    that old measurements no longer count */
    /* Types and shapes of the outputs from those of the inputs: called while an engine is built,
     * with expressions for dynamic dimensions, and for every new shape at run time, with numbers.
     * Checks what later callbacks rely on. NULL: every output has the shape of input 0. */
    whet_status (*shapes)(whet_plugin_node *n);
    /* Optional: state of a node, made once when an engine is built or loaded, shared by all its
     * contexts and read-only in `run`. Sees attributes, types, constant inputs, and the bytes of
     * `save` when it comes from a file. */
    whet_status (*create)(whet_plugin_node *n, void **state);
    void (*destroy)(void *state, void *user);
    /* Optional: bytes of the state that go into the engine file, by whet_plugin_save. NULL: the
     * attributes are enough to make it again. */
    whet_status (*save)(whet_plugin_node *n);
    void *user;                                  /* of the plugin, see whet_plugin_user */
    void (*release)(void *user);                 /* optional: when the environment is destroyed */
} whet_plugin;

#define WHET_PLUGIN_SIZES                                                                          \
    .struct_size = sizeof(whet_plugin), .attr_size = sizeof(whet_plugin_attr),                     \
    .arg_size = sizeof(whet_plugin_arg), .tactic_size = sizeof(whet_plugin_tactic)
/* A table and its count: WHET_PLUGIN_ROWS(inputs, my_inputs). */
#define WHET_PLUGIN_ROWS(field, array)                                                             \
    .field = (array), .n_##field = (int32_t)(sizeof(array) / sizeof((array)[0]))

/* ---- libraries ---------------------------------------------------------------------------- */

typedef struct whet_plugin_library {
    size_t struct_size;         /* sizeof(whet_plugin_library) */
    uint32_t interface_version; /* WHET_PLUGIN_INTERFACE that it was built against */
    const char *name, *version; /* of the library, for messages and engines */
    const whet_plugin *const *plugins;
    int32_t n_plugins;
} whet_plugin_library;

/* The one symbol that a plugin library exports. NULL refuses the host. */
typedef const whet_plugin_library *(*whet_plugin_library_fn)(const whet_plugin_host *host);
#define WHET_PLUGIN_LIBRARY_SYMBOL "whet_plugin_library_get"

#ifdef __cplusplus
#define WHET_PLUGIN_EXPORT extern "C" WHET_API
#else
#define WHET_PLUGIN_EXPORT WHET_API
#endif

/* Defines that symbol: WHET_PLUGIN_LIBRARY("name", "1.0", &plugin_a, &plugin_b). */
#define WHET_PLUGIN_LIBRARY(library_name, library_version, ...)                                    \
    WHET_PLUGIN_EXPORT const whet_plugin_library *whet_plugin_library_get(                         \
        const whet_plugin_host *host);                                                             \
    const whet_plugin_library *whet_plugin_library_get(const whet_plugin_host *host) {             \
        static const whet_plugin *const plugins[] = {__VA_ARGS__};                                 \
        static const whet_plugin_library library = {                                               \
            sizeof library, WHET_PLUGIN_INTERFACE, library_name, library_version, plugins,         \
            (int32_t)(sizeof plugins / sizeof plugins[0])};                                        \
        (void)host;                                                                                \
        return &library;                                                                           \
    }

/* Adds a plugin of this process to an environment (NULL: the default one), which may then import,
 * build, load and run models with it; engines that are there already are not touched. Any thread.
 * WHET_E_INVALID: a struct, table or name that cannot be, the text says which; WHET_E_UNSUPPORTED:
 * computes on CUDA only, which this build lacks; WHET_E_VERSION: of a newer interface;
 * WHET_E_NOMEM. */
WHET_API whet_status whet_env_register_plugin(whet_env *env, const whet_plugin *plugin);

/* ---- the host's table --------------------------------------------------------------------- */

/* Used through the functions below. Grows at its end only. */
struct whet_plugin_host {
    size_t struct_size;
    uint32_t interface_version;  /* newest that it knows */
    const char *library_version; /* whet_version() */
    whet_status (*report)(whet_plugin_node *n, whet_status status, const char *format,
                          va_list args);
    const char *(*node_name)(whet_plugin_node *n);
    void *(*user)(whet_plugin_node *n);
    void *(*state)(whet_plugin_node *n);
    int32_t (*counts)(whet_plugin_node *n, bool out);
    bool (*attr_given)(whet_plugin_node *n, const char *name);
    int64_t (*attr_int)(whet_plugin_node *n, const char *name);
    double (*attr_float)(whet_plugin_node *n, const char *name);
    const char *(*attr_text)(whet_plugin_node *n, const char *name);
    const int64_t *(*attr_ints)(whet_plugin_node *n, const char *name, int32_t *count);
    const float *(*attr_floats)(whet_plugin_node *n, const char *name, int32_t *count);
    const whet_tensor *(*attr_tensor)(whet_plugin_node *n, const char *name);
    const whet_text *(*attr_strings)(whet_plugin_node *n, const char *name, int32_t *count);
    whet_dtype (*dtype)(whet_plugin_node *n, bool out, int32_t i);
    int32_t (*rank)(whet_plugin_node *n, bool out, int32_t i);
    const int64_t *(*dims)(whet_plugin_node *n, bool out, int32_t i);
    bool (*constant)(whet_plugin_node *n, int32_t i);
    const void *(*in_data)(whet_plugin_node *n, int32_t i);
    void *(*out_data)(whet_plugin_node *n, int32_t i);
    whet_plugin_layout (*layout)(whet_plugin_node *n, bool out, int32_t i);
    void (*set_layout)(whet_plugin_node *n, bool out, int32_t i, whet_plugin_layout layout);
    whet_plugin_dim (*in_dim)(whet_plugin_node *n, int32_t i, int32_t axis);
    const whet_plugin_dim *(*in_values)(whet_plugin_node *n, int32_t i, int64_t *count);
    whet_plugin_dim (*dim_number)(whet_plugin_node *n, int64_t value);
    bool (*dim_value)(whet_plugin_node *n, whet_plugin_dim d, int64_t *value);
    whet_plugin_dim (*dim_unknown)(whet_plugin_node *n, const whet_plugin_dim *upper);
    whet_plugin_dim (*dim_math)(whet_plugin_node *n, int32_t f, whet_plugin_dim a,
                                whet_plugin_dim b);
    void (*set_type)(whet_plugin_node *n, int32_t i, whet_dtype dtype);
    void (*set_shape)(whet_plugin_node *n, int32_t i, int32_t rank, const whet_plugin_dim *dims);
    void *(*output)(whet_plugin_node *n, int32_t i, int32_t rank, const int64_t *dims);
    void *(*workspace)(whet_plugin_node *n);
    void *(*scratch)(whet_plugin_node *n);
    void *(*alloc)(whet_plugin_node *n, size_t bytes);
    int32_t (*threads)(whet_plugin_node *n);
    int32_t (*phase)(whet_plugin_node *n);
    const void *(*saved)(whet_plugin_node *n, size_t *bytes);
    whet_status (*save)(whet_plugin_node *n, const void *data, size_t bytes);
};

/* ---- in every callback -------------------------------------------------------------------- */

/* Remembers what is wrong and returns `status` (not WHET_OK). */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4), unused))
#endif
static whet_status
whet_plugin_fail(whet_plugin_node *n, whet_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    status = n->host->report(n, status, format, args);
    va_end(args);
    return status;
}

/* The node's name in the model. */
static inline const char *whet_plugin_node_name(whet_plugin_node *n) {
    return n->host->node_name(n);
}
/* whet_plugin.user */
static inline void *whet_plugin_user(whet_plugin_node *n) { return n->host->user(n); }
/* What `create` made; in `run` and `save` only, NULL elsewhere. */
static inline void *whet_plugin_state(whet_plugin_node *n) { return n->host->state(n); }

/* Attributes by name, defaults filled in. A name or type that is not in the table gives 0 or
 * NULL. INT, BOOL, CHOICE (index) and DTYPE are ints; STRING and CHOICE are texts. */
static inline int64_t whet_plugin_int(whet_plugin_node *n, const char *name) {
    return n->host->attr_int(n, name);
}
static inline double whet_plugin_float(whet_plugin_node *n, const char *name) {
    return n->host->attr_float(n, name);
}
static inline const char *whet_plugin_text(whet_plugin_node *n, const char *name) {
    return n->host->attr_text(n, name);
}
/* count: elements; 0 and NULL when the model has none and there is no default. */
static inline const int64_t *whet_plugin_ints(whet_plugin_node *n, const char *name,
                                              int32_t *count) {
    return n->host->attr_ints(n, name, count);
}
static inline const float *whet_plugin_floats(whet_plugin_node *n, const char *name,
                                              int32_t *count) {
    return n->host->attr_floats(n, name, count);
}
static inline const whet_tensor *whet_plugin_tensor(whet_plugin_node *n, const char *name) {
    return n->host->attr_tensor(n, name);
}
static inline const whet_text *whet_plugin_strings(whet_plugin_node *n, const char *name,
                                                   int32_t *count) {
    return n->host->attr_strings(n, name, count);
}
/* Whether an INTS, FLOATS, STRINGS, TENSOR or STRING attribute is in the model or has a default. */
static inline bool whet_plugin_attr_given(whet_plugin_node *n, const char *name) {
    return n->host->attr_given(n, name);
}

/* Inputs and outputs that the node has, absent ones in between included. */
static inline int32_t whet_plugin_in_n(whet_plugin_node *n) { return n->host->counts(n, false); }
static inline int32_t whet_plugin_out_n(whet_plugin_node *n) { return n->host->counts(n, true); }
/* WHET_DTYPE_NONE: no such input, or absent. */
static inline whet_dtype whet_plugin_in_type(whet_plugin_node *n, int32_t i) {
    return n->host->dtype(n, false, i);
}
/* WHET_DTYPE_NONE: nobody wants it. */
static inline whet_dtype whet_plugin_out_type(whet_plugin_node *n, int32_t i) {
    return n->host->dtype(n, true, i);
}
static inline bool whet_plugin_has(whet_plugin_node *n, int32_t i) {
    return whet_plugin_in_type(n, i) != WHET_DTYPE_NONE;
}
static inline bool whet_plugin_wants(whet_plugin_node *n, int32_t i) {
    return whet_plugin_out_type(n, i) != WHET_DTYPE_NONE;
}
static inline int32_t whet_plugin_in_rank(whet_plugin_node *n, int32_t i) {
    return n->host->rank(n, false, i);
}
/* Whether the input is a constant of the model. */
static inline bool whet_plugin_in_constant(whet_plugin_node *n, int32_t i) {
    return n->host->constant(n, i);
}
/* Contents in the layout of the port: in `run` of every input (NULL when absent or empty), in
 * `create`, `shapes` and `accepts` of constants where they are held, else NULL. */
static inline const void *whet_plugin_in(whet_plugin_node *n, int32_t i) {
    return n->host->in_data(n, i);
}

/* ---- in every callback but `shapes` ------------------------------------------------------- */

/* Dimensions, `rank` of them, in the model's order whatever the layout. In `create` those that are
 * not fixed are -1; of a DYNAMIC_OUT output they mean nothing. */
static inline const int64_t *whet_plugin_in_dims(whet_plugin_node *n, int32_t i) {
    return n->host->dims(n, false, i);
}
static inline int32_t whet_plugin_out_rank(whet_plugin_node *n, int32_t i) {
    return n->host->rank(n, true, i);
}
static inline const int64_t *whet_plugin_out_dims(whet_plugin_node *n, int32_t i) {
    return n->host->dims(n, true, i);
}
/* Elements; 0 when absent. */
static inline int64_t whet_plugin_in_count(whet_plugin_node *n, int32_t i) {
    const int64_t *dims = whet_plugin_in_dims(n, i);
    int64_t count = dims ? 1 : 0;
    for (int32_t k = 0; k < whet_plugin_in_rank(n, i); k++) count *= dims[k];
    return count;
}
static inline int64_t whet_plugin_out_count(whet_plugin_node *n, int32_t i) {
    const int64_t *dims = whet_plugin_out_dims(n, i);
    int64_t count = dims ? 1 : 0;
    for (int32_t k = 0; k < whet_plugin_out_rank(n, i); k++) count *= dims[k];
    return count;
}
static inline whet_plugin_layout whet_plugin_in_layout(whet_plugin_node *n, int32_t i) {
    return n->host->layout(n, false, i);
}
static inline whet_plugin_layout whet_plugin_out_layout(whet_plugin_node *n, int32_t i) {
    return n->host->layout(n, true, i);
}
/* Workers that will share the tasks at most. */
static inline int32_t whet_plugin_threads(whet_plugin_node *n) { return n->host->threads(n); }

/* ---- in `ports` --------------------------------------------------------------------------- */

static inline void whet_plugin_set_in_layout(whet_plugin_node *n, int32_t i,
                                             whet_plugin_layout layout) {
    n->host->set_layout(n, false, i, layout);
}
static inline void whet_plugin_set_out_layout(whet_plugin_node *n, int32_t i,
                                              whet_plugin_layout layout) {
    n->host->set_layout(n, true, i, layout);
}

/* ---- in `shapes` -------------------------------------------------------------------------- */

/* Dimension `axis` of an input that has it; outside [0, rank) gives an unknown one. */
static inline whet_plugin_dim whet_plugin_in_dim(whet_plugin_node *n, int32_t i, int32_t axis) {
    return n->host->in_dim(n, i, axis);
}
/* Contents of an input of integers as dimensions (`count` elements, at most 1024), or NULL when
 * they are not known now: then set shapes that are not known by whet_plugin_set_unknown; where they
 * are computed the host runs what computes them first and calls again. */
static inline const whet_plugin_dim *whet_plugin_in_values(whet_plugin_node *n, int32_t i,
                                                           int64_t *count) {
    return n->host->in_values(n, i, count);
}
static inline whet_plugin_dim whet_plugin_dim_number(whet_plugin_node *n, int64_t value) {
    return n->host->dim_number(n, value);
}
/* Whether it is a number, and which. */
static inline bool whet_plugin_dim_value(whet_plugin_node *n, whet_plugin_dim d, int64_t *value) {
    return n->host->dim_value(n, d, value);
}
/* A size that only `run` finds out (WHET_PLUGIN_DYNAMIC_OUT). */
static inline whet_plugin_dim whet_plugin_dim_unknown(whet_plugin_node *n) {
    return n->host->dim_unknown(n, NULL);
}
/* The same, and it will never be more than `upper`. */
static inline whet_plugin_dim whet_plugin_dim_at_most(whet_plugin_node *n, whet_plugin_dim upper) {
    return n->host->dim_unknown(n, &upper);
}
static inline whet_plugin_dim whet_plugin_dim_add(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 0, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_sub(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 1, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_mul(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 2, a, b);
}
/* a / b rounded down, rounded up, and the remainder (sign of b). */
static inline whet_plugin_dim whet_plugin_dim_div(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 3, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_div_up(whet_plugin_node *n, whet_plugin_dim a,
                                                     whet_plugin_dim b) {
    return n->host->dim_math(n, 4, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_mod(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 5, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_min(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 6, a, b);
}
static inline whet_plugin_dim whet_plugin_dim_max(whet_plugin_node *n, whet_plugin_dim a,
                                                  whet_plugin_dim b) {
    return n->host->dim_math(n, 7, a, b);
}
/* Whether the two are the same for certain, whatever the names stand for. */
static inline bool whet_plugin_dim_same(whet_plugin_node *n, whet_plugin_dim a, whet_plugin_dim b) {
    (void)n;
    return a.handle == b.handle;
}
/* Sets the shape of an output: rank 0 to WHET_MAX_RANK, rank dimensions. */
static inline void whet_plugin_set_shape(whet_plugin_node *n, int32_t i, int32_t rank,
                                         const whet_plugin_dim *dims) {
    n->host->set_shape(n, i, rank, dims);
}
/* The shape of input `in`. */
static inline void whet_plugin_set_shape_of(whet_plugin_node *n, int32_t i, int32_t in) {
    whet_plugin_dim dims[WHET_MAX_RANK];
    int32_t rank = whet_plugin_in_rank(n, in);
    for (int32_t k = 0; k < rank && k < WHET_MAX_RANK; k++) dims[k] = whet_plugin_in_dim(n, in, k);
    n->host->set_shape(n, i, rank, dims);
}
/* All dimensions unknown; rank -1: that as well. */
static inline void whet_plugin_set_unknown(whet_plugin_node *n, int32_t i, int32_t rank) {
    n->host->set_shape(n, i, rank, NULL);
}
/* The type of an output whose row does not say it. */
static inline void whet_plugin_set_type(whet_plugin_node *n, int32_t i, whet_dtype dtype) {
    n->host->set_type(n, i, dtype);
}

/* ---- in `run` ----------------------------------------------------------------------------- */

/* Where to write output i, in the layout of the port; NULL when it is not wanted or empty. */
static inline void *whet_plugin_out(whet_plugin_node *n, int32_t i) {
    return n->host->out_data(n, i);
}
/* DYNAMIC_OUT: sets the shape of output i and gives its memory; NULL: out of memory or too large,
 * return WHET_E_NOMEM then. A second call with a shape of no more bytes (ask for the upper bound,
 * compute, call again with what it was) keeps memory and contents. Every wanted output needs it. */
static inline void *whet_plugin_output(whet_plugin_node *n, int32_t i, int32_t rank,
                                       const int64_t *dims) {
    return n->host->output(n, i, rank, dims);
}
/* The bytes that the tactic's `workspace` asked for, 64-byte aligned, the same for all tasks of a
 * run; not zeroed. And those of `scratch`, of this worker. NULL where it asked for none. */
static inline void *whet_plugin_workspace(whet_plugin_node *n) { return n->host->workspace(n); }
static inline void *whet_plugin_scratch(whet_plugin_node *n) { return n->host->scratch(n); }
/* Memory that is forgotten after the call, zeroed; only in tactics without `tasks`. NULL: out of
 * memory. */
static inline void *whet_plugin_alloc(whet_plugin_node *n, size_t bytes) {
    return n->host->alloc(n, bytes);
}
/* The phase that runs, from 0. */
static inline int32_t whet_plugin_phase(whet_plugin_node *n) { return n->host->phase(n); }

/* ---- in `create` and `save` --------------------------------------------------------------- */

/* In `create`: what `save` left in the engine file, 64-byte alignment not promised; NULL when the
 * node comes from a model. It may be anything: check it. */
static inline const void *whet_plugin_saved(whet_plugin_node *n, size_t *bytes) {
    return n->host->saved(n, bytes);
}
/* In `save`: these bytes go into the engine file; once. */
static inline whet_status whet_plugin_save(whet_plugin_node *n, const void *data, size_t bytes) {
    return n->host->save(n, data, bytes);
}

#ifdef __cplusplus
}
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whet: turns a trained network into an engine tuned for this machine, and runs it.
 *
 *     #include <whet/whet.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *         whet_builder *builder = NULL;
 *         whet_engine *engine = NULL;
 *         whet_context *context = NULL;
 *         static float image[3 * 224 * 224], logits[1000];
 *
 *         if (whet_builder_create(NULL, &builder) ||
 *             whet_builder_load_onnx(builder, "resnet50.onnx") ||
 *             whet_builder_build(builder, NULL, &engine)) {
 *             fprintf(stderr, "%s\n", whet_error_text(builder));
 *             return 1;
 *         }
 *         whet_engine_save(engine, "resnet50.whet");
 *         whet_context_create(engine, &context);
 *         whet_tensor in = {WHET_DTYPE_F32, 4, {1, 3, 224, 224}, image, sizeof image};
 *         whet_tensor out = {WHET_DTYPE_F32, 2, {1, 1000}, logits, sizeof logits};
 *         if (whet_context_run(context, &in, 1, &out, 1))
 *             fprintf(stderr, "%s\n", whet_error_text(context));
 *         whet_context_destroy(context);
 *         whet_engine_destroy(engine);
 *         whet_builder_destroy(builder);
 *         return 0;
 *     }
 *
 * Rules that hold for every function:
 *  - a function that can fail returns a whet_status; 0 is success, every error is negative and
 *    pinned; results go through out-parameters, which are written on success only;
 *  - after a failure whet_error_text(handle) of the handle that the call was made on says what
 *    happened, where (node, tensor, file, flag) and what was expected; the text stays until the
 *    next call on that handle. Calls that make a handle leave it on the environment, where it is
 *    that of the last failure on any thread: threads that may fail at once need their own;
 *  - `destroy` takes NULL; pointers passed in are borrowed for the call unless the text says
 *    longer;
 *  - a whet_env and a whet_engine may be used from any number of threads at once; a builder, a
 *    config and a context by one thread at a time.
 */
#ifndef WHET_WHET_H
#define WHET_WHET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define WHET_API __attribute__((visibility("default")))
#else
#define WHET_API
#endif

#define WHET_VERSION_MAJOR 0
#define WHET_VERSION_MINOR 1
#define WHET_VERSION_PATCH 0

/* The version of the library in use as "major.minor.patch"; static storage. */
WHET_API const char *whet_version(void);

/* ---- status ------------------------------------------------------------------------------- */

/* X(name, number, text): numbers never change, new ones are added at the end. */
#define WHET_STATUS_MAP(X)                                                                         \
    X(WHET_OK, 0, "ok")                                                                            \
    X(WHET_E_NOMEM, -1, "out of memory")                                                           \
    X(WHET_E_INVALID, -2, "invalid argument")                                                      \
    X(WHET_E_IO, -3, "input or output error")                                                      \
    X(WHET_E_PARSE, -4, "malformed data")                                                          \
    X(WHET_E_MODEL, -5, "invalid model")                                                           \
    X(WHET_E_UNSUPPORTED, -6, "not supported")                                                     \
    X(WHET_E_SHAPE, -7, "shape mismatch")                                                          \
    X(WHET_E_DTYPE, -8, "data type mismatch")                                                      \
    X(WHET_E_RANGE, -9, "value out of range")                                                      \
    X(WHET_E_LIMIT, -10, "limit exceeded")                                                         \
    X(WHET_E_VERSION, -11, "unsupported version")                                                  \
    X(WHET_E_CHECKSUM, -12, "checksum mismatch")                                                   \
    X(WHET_E_BUFFER, -13, "buffer too small")                                                      \
    X(WHET_E_NOT_FOUND, -14, "not found")                                                          \
    X(WHET_E_VERIFY, -15, "verification failed")                                                   \
    X(WHET_E_BACKEND, -16, "backend error")                                                        \
    X(WHET_E_CANCELLED, -17, "cancelled")                                                          \
    X(WHET_E_INTERNAL, -18, "internal error")

typedef enum whet_status {
#define WHET_STATUS_ENUM(name, number, text) name = number,
    WHET_STATUS_MAP(WHET_STATUS_ENUM)
#undef WHET_STATUS_ENUM
} whet_status;

/* The short text of a status, such as "shape mismatch"; static storage; never NULL. */
WHET_API const char *whet_status_text(whet_status status);

/* The name of a status, such as "WHET_E_SHAPE"; static storage; never NULL. */
WHET_API const char *whet_status_name(whet_status status);

/* The detail of the last failure on a handle made by this library (env, builder, config, network,
 * engine, context, timing cache); "" when there was none. NULL gives the text of the default
 * environment. Owned by the handle, valid until the next call on it. */
WHET_API const char *whet_error_text(const void *handle);

/* ---- data types and tensors --------------------------------------------------------------- */

/* X(name, number, text, bits): numbers are those of ONNX's TensorProto.DataType. Elements of less
 * than a byte are packed, the first in the low bits. c64 and c128 are a real and an imaginary part.
 * An element of a string tensor is a whet_text. sequence, optional and map are values that are no
 * tensors: as a tensor, one element that is a pointer. */
#define WHET_DTYPE_MAP(X)                                                                          \
    X(NONE, 0, "none", 0)                                                                          \
    X(F32, 1, "f32", 32)                                                                           \
    X(U8, 2, "u8", 8)                                                                              \
    X(I8, 3, "i8", 8)                                                                              \
    X(U16, 4, "u16", 16)                                                                           \
    X(I16, 5, "i16", 16)                                                                           \
    X(I32, 6, "i32", 32)                                                                           \
    X(I64, 7, "i64", 64)                                                                           \
    X(STRING, 8, "string", 128)                                                                    \
    X(BOOL, 9, "bool", 8)                                                                          \
    X(F16, 10, "f16", 16)                                                                          \
    X(F64, 11, "f64", 64)                                                                          \
    X(U32, 12, "u32", 32)                                                                          \
    X(U64, 13, "u64", 64)                                                                          \
    X(C64, 14, "c64", 64)                                                                          \
    X(C128, 15, "c128", 128)                                                                       \
    X(BF16, 16, "bf16", 16)                                                                        \
    X(F8E4M3FN, 17, "f8e4m3fn", 8)                                                                 \
    X(F8E4M3FNUZ, 18, "f8e4m3fnuz", 8)                                                             \
    X(F8E5M2, 19, "f8e5m2", 8)                                                                     \
    X(F8E5M2FNUZ, 20, "f8e5m2fnuz", 8)                                                             \
    X(U4, 21, "u4", 4)                                                                             \
    X(I4, 22, "i4", 4)                                                                             \
    X(F4E2M1, 23, "f4e2m1", 4)                                                                     \
    X(F8E8M0, 24, "f8e8m0", 8)                                                                     \
    X(U2, 25, "u2", 2)                                                                             \
    X(I2, 26, "i2", 2)                                                                             \
    X(F6E2M3, 27, "f6e2m3", 6)                                                                     \
    X(F6E3M2, 28, "f6e3m2", 6)                                                                     \
    X(SEQUENCE, 60, "sequence", 64)                                                                \
    X(OPTIONAL, 61, "optional", 64)                                                                \
    X(MAP, 62, "map", 64)

typedef enum whet_dtype {
#define WHET_DTYPE_ENUM(name, number, text, bits) WHET_DTYPE_##name = number,
    WHET_DTYPE_MAP(WHET_DTYPE_ENUM)
#undef WHET_DTYPE_ENUM
} whet_dtype;

/* An element of a string tensor: `size` bytes of UTF-8, not terminated. They belong to whom the
 * tensor belongs to. */
typedef struct whet_text {
    const char *data;
    size_t size;
} whet_text;

/* "f32", "i64", ...; "?" for a number that names no type. Static storage. */
WHET_API const char *whet_dtype_text(whet_dtype dtype);

/* Bytes that `count` elements of `dtype` take; SIZE_MAX when that overflows or dtype is unknown. */
WHET_API size_t whet_tensor_bytes(whet_dtype dtype, int64_t count);

#define WHET_MAX_RANK 12

/* A dense row-major tensor. The memory at `data` is the caller's, `bytes` its size. */
typedef struct whet_tensor {
    whet_dtype dtype;
    int32_t rank;
    int64_t dims[WHET_MAX_RANK];
    void *data;
    size_t bytes;
} whet_tensor;

/* ---- sequences, optionals, maps ----------------------------------------------------------- */

/* A value that is no tensor. It never changes once made. As an input or output of an engine it is a
 * whet_tensor of dtype sequence, optional or map, rank 0, whose `data` points to one pointer to the
 * object and whose `bytes` is the size of that pointer. */
typedef struct whet_object whet_object;

/* An object over the caller's items: a sequence has any number, all of one type; an optional none
 * or one; a map two, a list of keys (i64 or string) and a list of values, equally long. The items
 * are copied, not what they point to, which must stay as long as the object. WHET_E_INVALID,
 * WHET_E_DTYPE, WHET_E_SHAPE, WHET_E_BUFFER, WHET_E_NOMEM. */
WHET_API whet_status whet_object_create(whet_dtype kind, const whet_tensor *items, int64_t n_items,
                                        whet_object **object);
/* Only for objects that whet_object_create() made. */
WHET_API void whet_object_destroy(whet_object *object);

/* WHET_DTYPE_SEQUENCE, WHET_DTYPE_OPTIONAL or WHET_DTYPE_MAP; WHET_DTYPE_NONE for NULL. */
WHET_API whet_dtype whet_object_kind(const whet_object *object);
/* Items of a sequence; 0 or 1 for an optional; 2 for a map; 0 for NULL. */
WHET_API int64_t whet_object_count(const whet_object *object);
/* An item; of a map, 0 is the list of keys and 1 that of values. Its memory belongs to the object.
 * WHET_E_RANGE. */
WHET_API whet_status whet_object_item(const whet_object *object, int64_t index, whet_tensor *item);
/* What is in it as a chain of dtypes, the outermost in the low byte: of a sequence of f32 F32, of a
 * sequence of maps from i64 to f32 MAP | I64 << 8 | F32 << 16. 0: not known (an empty one). */
WHET_API uint32_t whet_object_elem(const whet_object *object);

/* ---- environment -------------------------------------------------------------------------- */

typedef struct whet_env whet_env;

typedef enum whet_severity {
    WHET_LOG_ERROR = 0, WHET_LOG_WARNING = 1, WHET_LOG_INFO = 2, WHET_LOG_VERBOSE = 3
} whet_severity;

/* Called from any thread; must not call back into the library. `text` has no line end. */
typedef void (*whet_log_fn)(void *user, whet_severity severity, const char *text);

/* Fill with zeros, set struct_size to sizeof, then what is wanted. */
typedef struct whet_env_options {
    size_t struct_size;
    whet_log_fn log;         /* NULL: warnings and errors to standard error */
    void *log_user;
    whet_severity verbosity; /* the least important severity that is passed on */
    int32_t threads;         /* the caller included; 0: the smaller of affinity and cgroup quota */
    const char *cpu_mask;    /* "native": all features of this CPU; "avx512", "avx2", "neon",
                                "scalar": no kernel above that level; NULL: WHET_CPU_MASK, else
                                native */
    bool plugin_override;    /* a plugin wins over an operator or function of the same name */
    bool engine_libraries;   /* plugin libraries carried inside an engine file may be loaded, which
                                runs code from the file */
    const char *ops_library; /* path of libwhet_ops.so (image decoding, regular expressions), opened
                                when a model needs it; NULL: beside this library, in ../lib from
                                there, then where the loader looks */
    const char *cpus;        /* processors that the worker threads stay on: "0-3,8", node0: those of
                                a memory node; the first is the calling thread's
                                (whet_context_pin_thread). NULL: WHET_CPUS, else anywhere. */
    int32_t spin_us;         /* microseconds that threads look for work before they sleep; negative:
                                none; 0: the variable WHET_SPIN_US, else 50 */
    bool copy_weights;       /* packed weights of engine files are copied into memory that the
                                workers touch first, instead of being used where they are mapped */
} whet_env_options;

/* Makes an environment: logger, worker threads, tables of operators, kernels and backends.
 * options NULL: defaults. WHET_E_NOMEM, WHET_E_INVALID (unknown mask, struct_size, threads < 0). */
WHET_API whet_status whet_env_create(const whet_env_options *options, whet_env **env);

/* Everything made from the environment must have been destroyed before. */
WHET_API void whet_env_destroy(whet_env *env);

/* Sets the two options of that name (whet_env_options) of an environment that is there; what is
 * loaded from now on heeds them. env NULL: the default environment. Any thread. WHET_E_NOMEM: the
 * default environment cannot be made. */
WHET_API whet_status whet_env_set_plugin_options(whet_env *env, bool plugin_override,
                                                 bool engine_libraries);

/* Opens a plugin library (whet/plugin.h) and registers its plugins, all or none; the same library
 * again does nothing. A name without a slash is looked for in the folder at hand, beside this
 * library, then where the system looks for libraries. env NULL: the default environment. Any
 * thread. The variable WHET_PLUGINS (paths with ':' between them) does this for every environment
 * that is made; what fails there is logged. WHET_E_IO (cannot be opened), WHET_E_INVALID (no plugin
 * library, or a plugin that cannot be or is there already), WHET_E_VERSION (built against a newer
 * interface), WHET_E_UNSUPPORTED (it refuses this library, or computes on CUDA only), WHET_E_NOMEM.
 * The error text is on the environment. */
WHET_API whet_status whet_env_load_plugins(whet_env *env, const char *path);

/* What this library and machine offer, as JSON text (library version, instruction sets, CPU, cache
 * sizes, threads, backends, counts of operators and kernels, plugins). Owned by the environment
 * (NULL: the default one). */
WHET_API const char *whet_env_describe(whet_env *env);

/* ---- configuration of a build ------------------------------------------------------------- */

typedef struct whet_config whet_config;

/* All options at their defaults. env NULL: the default environment. WHET_E_NOMEM. */
WHET_API whet_status whet_config_create(whet_env *env, whet_config **config);
WHET_API void whet_config_destroy(whet_config *config);

/* Sets one option from text; whet_config_help() lists them all. Names are those of the command line
 * without dashes: "level", "threads", "precision", "verify", "portable", "deterministic",
 * "timing-cache", ...
 * WHET_E_NOT_FOUND: no such option; WHET_E_INVALID: bad value; WHET_E_UNSUPPORTED: a value that is
 * known but not available here, the text says why. */
WHET_API whet_status whet_config_set(whet_config *config, const char *name, const char *value);

/* Fixes the shape of an input. rank dims, -1: this one stays as the model has it. The input's own
 * fixed dimensions must agree, which is checked by the build; numbers that can only be the contents
 * of an integer input (see whet_profile_set_shape) fix nothing. WHET_E_INVALID, WHET_E_NOMEM. */
WHET_API whet_status whet_config_set_shape(whet_config *config, const char *input, int32_t rank,
                                           const int64_t *dims);

/* A profile: bounds of input shapes and, between them, the shape to tune for. A build makes a plan
 * for each profile of its config; a run takes the plan of the first profile that holds its shapes.
 * Profiles add speed, they forbid nothing: any other shape that the model allows runs as well, on
 * the nearest profile's plan, and the context says once that it is not tuned for it. */
typedef struct whet_profile whet_profile;

/* env NULL: the default environment. WHET_E_NOMEM. */
WHET_API whet_status whet_profile_create(whet_env *env, whet_profile **profile);
WHET_API void whet_profile_destroy(whet_profile *profile);

/* Bounds of an input's dimensions: rank numbers each, 0 <= min <= opt <= max. An integer input of
 * fixed shape that `rank` numbers cannot be the shape of takes them as bounds of its contents. An
 * input may be left out when its open dimensions have names that other inputs of the profile bound.
 * A second call for the same input replaces the first. WHET_E_INVALID, WHET_E_NOMEM. */
WHET_API whet_status whet_profile_set_shape(whet_profile *profile, const char *input, int32_t rank,
                                            const int64_t *min, const int64_t *opt,
                                            const int64_t *max);
/* Bounds of the contents of an integer input that decides shapes: `count` numbers each, at most
 * 1024, of any sign. WHET_E_INVALID, WHET_E_NOMEM. */
WHET_API whet_status whet_profile_set_values(whet_profile *profile, const char *input,
                                             int32_t count, const int64_t *min,
                                             const int64_t *opt, const int64_t *max);

/* Adds a copy of the profile, up to 512; their order is their number, from 0. The build checks them
 * against the model (WHET_E_INVALID: no such input, an open dimension without bounds; WHET_E_SHAPE:
 * another rank, a fixed dimension outside, different bounds for one name).
 * WHET_E_INVALID, WHET_E_LIMIT, WHET_E_NOMEM. */
WHET_API whet_status whet_config_add_profile(whet_config *config, const whet_profile *profile);

/* Called with the phase, steps done and in all, and an estimate of the seconds left (< 0: unknown).
 * Returning false cancels the build with WHET_E_CANCELLED. */
typedef bool (*whet_progress_fn)(void *user, const char *phase, int64_t done, int64_t total,
                                 double seconds_left);
WHET_API whet_status whet_config_set_progress(whet_config *config, whet_progress_fn progress,
                                              void *user);

/* One line an option, "name\tvalues\tdefault\thelp\n"; static storage. */
WHET_API const char *whet_config_help(void);

/* ---- timing cache ------------------------------------------------------------------------- */

typedef struct whet_timing_cache whet_timing_cache;

/* An empty cache (path NULL) or one read from a file. A file that is not there gives an empty
 * cache. WHET_E_PARSE, WHET_E_VERSION, WHET_E_CHECKSUM, WHET_E_IO, WHET_E_NOMEM. */
WHET_API whet_status whet_timing_cache_load(whet_env *env, const char *path,
                                            whet_timing_cache **cache);
/* Writes the cache; the file appears under its name only when complete. WHET_E_IO, WHET_E_NOMEM. */
WHET_API whet_status whet_timing_cache_save(whet_timing_cache *cache, const char *path);
/* Adds the entries of `other`; entries already there win. WHET_E_NOMEM. */
WHET_API whet_status whet_timing_cache_merge(whet_timing_cache *cache,
                                             const whet_timing_cache *other);
WHET_API int64_t whet_timing_cache_count(const whet_timing_cache *cache);
WHET_API void whet_timing_cache_destroy(whet_timing_cache *cache);

/* ---- building ----------------------------------------------------------------------------- */

typedef struct whet_builder whet_builder;
typedef struct whet_engine whet_engine;

/* env NULL: the default environment. WHET_E_NOMEM. */
WHET_API whet_status whet_builder_create(whet_env *env, whet_builder **builder);
WHET_API void whet_builder_destroy(whet_builder *builder);

/* Reads an ONNX model. The file stays mapped until the builder is destroyed or loads another model.
 * WHET_E_IO, WHET_E_PARSE, WHET_E_MODEL, WHET_E_UNSUPPORTED, WHET_E_LIMIT, WHET_E_VERSION,
 * WHET_E_SHAPE, WHET_E_DTYPE, WHET_E_NOMEM; whet_builder_report() lists every problem found. */
WHET_API whet_status whet_builder_load_onnx(whet_builder *builder, const char *path);

/* The same from memory, which must stay until the builder is destroyed or loads another model.
 * external_dir: folder of external data files, NULL refuses them. */
WHET_API whet_status whet_builder_load_onnx_memory(whet_builder *builder, const void *data,
                                                   size_t bytes, const char *external_dir);

/* The report of the last load: operators, opsets, inputs, outputs, and every problem with node,
 * operator, version, shapes and what is missing; as text or JSON. Owned by the builder; never
 * NULL. */
WHET_API const char *whet_builder_report(whet_builder *builder, bool json);

/* Optimizes, tunes and returns an engine. config NULL: defaults. The engine keeps nothing of the
 * builder. Any status; WHET_E_CANCELLED when the progress function said so. */
WHET_API whet_status whet_builder_build(whet_builder *builder, whet_config *config,
                                        whet_engine **engine);

/* ---- engines ------------------------------------------------------------------------------ */

/* Maps an engine file. WHET_E_IO, WHET_E_PARSE, WHET_E_VERSION, WHET_E_CHECKSUM, WHET_E_LIMIT,
 * WHET_E_UNSUPPORTED (no section for this machine and no source weights), WHET_E_NOMEM. The error
 * text is on the environment. */
WHET_API whet_status whet_engine_load(whet_env *env, const char *path, whet_engine **engine);

/* The same from memory, which must stay for the life of the engine. */
WHET_API whet_status whet_engine_load_memory(whet_env *env, const void *data, size_t bytes,
                                             whet_engine **engine);

/* Writes the engine; the file appears under its name only when complete. WHET_E_IO. */
WHET_API whet_status whet_engine_save(whet_engine *engine, const char *path);

/* The serialized bytes, owned by the engine. */
WHET_API const void *whet_engine_data(const whet_engine *engine, size_t *bytes);

/* All contexts of the engine must have been destroyed before. */
WHET_API void whet_engine_destroy(whet_engine *engine);

/* Inputs and outputs in the model's order. An index out of range gives 0 or NULL. */
WHET_API int32_t whet_engine_input_count(const whet_engine *engine);
WHET_API int32_t whet_engine_output_count(const whet_engine *engine);

typedef struct whet_io_info {
    const char *name;              /* owned by the engine */
    whet_dtype dtype;
    int32_t rank;                  /* -1: unknown until run */
    int64_t dims[WHET_MAX_RANK];   /* -1: dynamic */
    const char *dim_names[WHET_MAX_RANK]; /* name of a dynamic dimension or NULL */
    uint32_t elem;                 /* what is in a sequence, optional or map (whet_object_elem) */
} whet_io_info;

/* WHET_E_RANGE: no such index. */
WHET_API whet_status whet_engine_input(const whet_engine *engine, int32_t index,
                                       whet_io_info *info);
WHET_API whet_status whet_engine_output(const whet_engine *engine, int32_t index,
                                        whet_io_info *info);

/* Optimization profiles in the order they were added; 0: none. */
WHET_API int32_t whet_engine_profile_count(const whet_engine *engine);

/* Bounds of an input's dimensions in a profile, as many as the input's rank; a pointer may be NULL.
 * Dimensions without bounds of their own have those of their name or their fixed number.
 * WHET_E_RANGE: no such profile or input. */
WHET_API whet_status whet_engine_profile_shape(const whet_engine *engine, int32_t profile,
                                               int32_t input, int64_t *min, int64_t *opt,
                                               int64_t *max);
/* How many values of an input's contents a profile bounds; 0: none. */
WHET_API int32_t whet_engine_profile_value_count(const whet_engine *engine, int32_t profile,
                                                 int32_t input);
/* Those bounds. WHET_E_RANGE: the profile bounds no values of such an input. */
WHET_API whet_status whet_engine_profile_values(const whet_engine *engine, int32_t profile,
                                                int32_t input, int64_t *min, int64_t *opt,
                                                int64_t *max);

/* The inspector: inputs, outputs, layers (nodes covered, kernel, layouts, shapes, packed bytes),
 * memory, sections; text or JSON. Owned by the engine, valid until the next call. Never NULL. */
WHET_API const char *whet_engine_inspect(whet_engine *engine, bool json);

/* Tunes an engine for this machine and gives another one that has a section for it beside those of
 * `engine`; a section for this same machine is replaced. config NULL: defaults; options that change
 * the graph (shapes, passes) are refused. The error text is on `engine`. WHET_E_UNSUPPORTED (built
 * with portable=none, or such an option), WHET_E_CHECKSUM, WHET_E_VERIFY, WHET_E_CANCELLED,
 * WHET_E_NOMEM and what whet_builder_build gives. In libwhet only. */
WHET_API whet_status whet_engine_tune(whet_engine *engine, whet_config *config,
                                      whet_engine **tuned);

/* ---- running ------------------------------------------------------------------------------ */

typedef struct whet_context whet_context;

/* One context runs one request at a time, several of an engine run at once. WHET_E_NOMEM. */
WHET_API whet_status whet_context_create(whet_engine *engine, whet_context **context);
WHET_API void whet_context_destroy(whet_context *context);

/* Caps the threads of a run, the caller included; 0: all. WHET_E_INVALID when negative. */
WHET_API whet_status whet_context_set_threads(whet_context *context, int32_t threads);

/* The context is one of `count` that run at the same time: it takes its share of the environment's
 * threads (at least one), and none of another index's. Build for as many threads as a share has.
 * count 1: whatever is free (the start). WHET_E_RANGE: not 0 <= index < count <= 1024. */
WHET_API whet_status whet_context_set_stream(whet_context *context, int32_t index, int32_t count);

/* Keeps the calling thread on the context's first processor of whet_env_options.cpus.
 * WHET_E_UNSUPPORTED: there is no such list, or the system refuses. */
WHET_API whet_status whet_context_pin_thread(whet_context *context);

/* Runs take this profile's plan whatever their shapes; -1 (the start): the first profile that holds
 * them, else the nearest. WHET_E_RANGE: no such profile. */
WHET_API whet_status whet_context_set_profile(whet_context *context, int32_t profile);
/* The profile whose plan ran or was inferred with last, -1: none yet, or the engine has none.
 * *tuned (may be NULL): whether the shapes lay inside it. */
WHET_API int32_t whet_context_profile(const whet_context *context, bool *tuned);

/* The most iterations that one Loop or Scan may make in a run; 100,000,000 unless set. A run that
 * goes beyond ends with WHET_E_LIMIT, naming the node. WHET_E_INVALID when below 1. */
WHET_API whet_status whet_context_set_loop_limit(whet_context *context, int64_t iterations);

/* The longest time that a run may take, looked at between the iterations of loops; 0, the default:
 * any. A run that takes longer ends with WHET_E_LIMIT. WHET_E_INVALID when negative. */
WHET_API whet_status whet_context_set_time_limit(whet_context *context, double seconds);

/* Runs the engine. inputs: one tensor an input in the engine's order, shapes and types must match;
 * outputs: one an output; where `data` is not NULL it is written there (`bytes` must suffice, else
 * WHET_E_BUFFER and rank, dims and bytes of every output say what is needed) and where it is NULL
 * it is set to memory of the context, valid until the next run. dtype, rank and dims are set in
 * either case. Characters and objects that outputs point to are memory of the context, valid until
 * the next run. After the first run at a shape nothing is allocated. The calling thread works too.
 * WHET_E_INVALID, WHET_E_SHAPE, WHET_E_DTYPE, WHET_E_BUFFER, WHET_E_RANGE (an index, a division by
 * zero, a shape computed at run time), WHET_E_NOMEM. */
WHET_API whet_status whet_context_run(whet_context *context, const whet_tensor *inputs,
                                      int32_t n_inputs, whet_tensor *outputs, int32_t n_outputs);

/* How many bytes the strings, sequences, optionals and maps of one run may take; 0: no limit.
 * Default: 1 GiB. A run that needs more fails with WHET_E_LIMIT. What outputs refer to counts and
 * lives until the next run. */
WHET_API whet_status whet_context_set_object_limit(whet_context *context, size_t bytes);

/* Memory for outputs whose size the caller does not know before a run. */
typedef struct whet_output_allocator {
    size_t struct_size; /* sizeof(whet_output_allocator) */
    void *user;
    /* Called in a run as soon as the output's size is known, on the thread of the run, when the
     * tensor given brings no memory or too little. memory: what that tensor brought, or NULL.
     * Returns at least `bytes` bytes at a multiple of `alignment`, or NULL: the run fails with
     * WHET_E_NOMEM. The memory is the caller's; it must stay until the run is over. */
    void *(*reallocate)(void *user, int32_t output, void *memory, size_t bytes, size_t alignment);
    /* Called at the end of a run that succeeded. May be NULL. */
    void (*notify_shape)(void *user, int32_t output, int32_t rank, const int64_t *dims);
} whet_output_allocator;

/* Sets the allocator of an output (a copy; NULL: none). WHET_E_RANGE: no such output,
 * WHET_E_INVALID: no reallocate, another struct_size. */
WHET_API whet_status whet_context_set_output_allocator(whet_context *context, int32_t output,
                                                       const whet_output_allocator *allocator);

/* Shapes and bytes of the outputs for inputs of these shapes, without running. `data` of the inputs
 * may be NULL; contents that are given are used where shapes depend on them. A dimension that is
 * not known is -1, and bytes then 0: only running tells it, or contents are missing that
 * whet_context_lacking names. Planning for the shapes is done here, so that a run need not. */
WHET_API whet_status whet_context_infer(whet_context *context, const whet_tensor *inputs,
                                        int32_t n_inputs, whet_tensor *outputs, int32_t n_outputs);

/* The name of the index-th input whose contents decide a shape and were missing in the last
 * whet_context_infer or whet_context_max_output_bytes; NULL: no more. Owned by the engine. */
WHET_API const char *whet_context_lacking(const whet_context *context, int32_t index);

/* Bytes that an output cannot exceed for inputs of these shapes, whatever their contents (those
 * given are used). WHET_E_NOT_FOUND: no bound is known, or contents are lacking; WHET_E_INVALID,
 * WHET_E_SHAPE, WHET_E_DTYPE, WHET_E_NOMEM. */
WHET_API whet_status whet_context_max_output_bytes(whet_context *context,
                                                   const whet_tensor *inputs, int32_t n_inputs,
                                                   int32_t output, size_t *bytes);

/* One line a step of the plan. Called in order after each run while a profiler is set. */
typedef void (*whet_profile_fn)(void *user, const char *layer, const char *kernel, double seconds);
/* profile NULL: off. Times of steps include their barriers. */
WHET_API whet_status whet_context_set_profiler(whet_context *context, whet_profile_fn profile,
                                               void *user);

/* Called with each graph value as soon as it is computed (plain layout, host memory), for comparing
 * two engines; values inside a fused step are never seen. Slows runs down. */
typedef void (*whet_tap_fn)(void *user, const char *value, const whet_tensor *tensor);
WHET_API whet_status whet_context_set_tap(whet_context *context, whet_tap_fn tap, void *user);

/* The timing core: runs until `seconds` and `min_runs` are both reached after `warmup_seconds`,
 * writes up to `max_samples` times of single runs in seconds to `samples`, their count to `count`.
 * inputs as for whet_context_run. */
WHET_API whet_status whet_context_bench(whet_context *context, const whet_tensor *inputs,
                                        int32_t n_inputs, double warmup_seconds, double seconds,
                                        int64_t min_runs, double *samples, int64_t max_samples,
                                        int64_t *count);

/* Bytes of the activation arena at the shapes seen last. */
WHET_API size_t whet_context_arena_bytes(const whet_context *context);

/* ---- networks ----------------------------------------------------------------------------- */

/* A network made or edited by hand: the graph that a builder builds from. Values and nodes are
 * handles that belong to their network; they stay valid until its builder is destroyed or loads
 * another model. Each call that adds or changes something infers types and shapes at once, so that
 * a mistake is reported where it is made; a call that fails leaves the network as it was.
 * A network is used by one thread at a time, and not during a build of its builder. */
typedef struct whet_network whet_network;
typedef struct whet_node whet_node;
typedef struct whet_value whet_value;

/* The network of a builder, owned by it: what whet_builder_load_onnx read, or an empty one when
 * nothing has been loaded. From then on whet_builder_build builds a copy of the network as it is at
 * that moment, as often as wanted. WHET_E_INVALID (the last load failed), WHET_E_NOMEM; the text is
 * on the builder. */
WHET_API whet_status whet_builder_network(whet_builder *builder, whet_network **network);

/* Adds an input. rank dimensions; one of -1 is dynamic and called dim_names[i], or "<name>_d<i>"
 * where dim_names or the entry is NULL. Dimensions of one name are the same number in every run.
 * rank -1: unknown until a build fixes it (whet_config_set_shape). WHET_E_INVALID (the name is
 * taken, NULL or empty; a dimension below -1), WHET_E_DTYPE, WHET_E_RANGE (rank), WHET_E_NOMEM. */
WHET_API whet_status whet_network_input(whet_network *network, const char *name, whet_dtype dtype,
                                        int32_t rank, const int64_t *dims,
                                        const char *const *dim_names, whet_value **value);

/* Changes type and shape of an input; what depends on it is inferred again. Errors as above, and
 * those of inference. */
WHET_API whet_status whet_network_set_input_type(whet_network *network, whet_value *input,
                                                 whet_dtype dtype, int32_t rank,
                                                 const int64_t *dims,
                                                 const char *const *dim_names);

/* Adds a constant: weights, indices, shapes. `bytes` of the tensor must be what its shape takes.
 * copy false: the memory is borrowed for the life of the network. name NULL: none.
 * WHET_E_INVALID, WHET_E_DTYPE, WHET_E_RANGE, WHET_E_BUFFER (bytes), WHET_E_NOMEM. */
WHET_API whet_status whet_network_constant(whet_network *network, const char *name,
                                           const whet_tensor *tensor, bool copy,
                                           whet_value **value);

/* An attribute of an operator: a name and the member that `kind` says. */
typedef enum whet_attribute_kind {
    WHET_ATTRIBUTE_TEXT = 0, /* `text`: any attribute in the text form of docs/ir.md, such as "3",
                                "0.5", "true", "f32", "[2, 2]"; texts and choices without quotes */
    WHET_ATTRIBUTE_INT = 1,     /* `i`: integers, booleans, data types; floats too */
    WHET_ATTRIBUTE_FLOAT = 2,   /* `f` */
    WHET_ATTRIBUTE_INTS = 3,    /* `ints` and `n`; lists of floats too */
    WHET_ATTRIBUTE_FLOATS = 4,  /* `floats` and `n` */
    WHET_ATTRIBUTE_TENSOR = 5,  /* `tensor` */
    WHET_ATTRIBUTE_TEXTS = 6    /* `texts` and `n` */
} whet_attribute_kind;

typedef struct whet_attribute {
    const char *name;
    whet_attribute_kind kind;
    const char *text;
    int64_t i;
    double f;
    const int64_t *ints;
    const float *floats;
    int64_t n;
    const whet_tensor *tensor;
    const whet_text *texts;
} whet_attribute;

/* Adds a node of the operator `op` (whet_network_operators lists all; docs/network.md says which
 * stands for which layer of TensorRT). inputs: NULL entries are absent optional inputs. Attributes
 * are copied. n_outputs >= 1 values are wanted and written to `outputs`, which may be NULL. name
 * NULL: made up; otherwise it must be free, and its outputs are called after it.
 * WHET_E_NOT_FOUND (operator, attribute), WHET_E_INVALID (counts, values of another network or out
 * of scope, a required attribute or input that is missing), WHET_E_PARSE and WHET_E_RANGE
 * (attributes), WHET_E_SHAPE, WHET_E_DTYPE, WHET_E_UNSUPPORTED, WHET_E_NOMEM. */
WHET_API whet_status whet_network_add(whet_network *network, const char *op, const char *name,
                                      whet_value *const *inputs, int32_t n_inputs,
                                      const whet_attribute *attributes, int32_t n_attributes,
                                      whet_value **outputs, int32_t n_outputs);

/* -- control flow: the operators if, loop and scan have blocks, which are networks too -- */

/* An empty block, owned by `network` (itself perhaps a block). It may use values of the networks
 * around it. The inputs that it must have, in this order, then its outputs by
 * whet_network_mark_output (name NULL will do):
 *   if    none                                         its results, the same for `then` and `else`
 *   loop  number (i64, rank 0), go on (bool, rank 0),  go on, a value for each carried one, what
 *         one for each carried value                   each iteration collects
 *   scan  one for each carried value, a slice of each  a value for each carried one, what each
 *         scanned one                                  iteration collects
 * Calls on a block report their errors on the block. WHET_E_LIMIT (nesting), WHET_E_NOMEM. */
WHET_API whet_status whet_network_block(whet_network *network, const char *name,
                                        whet_network **block);
/* An input of a block in the making with the type of another value; name NULL: none. */
WHET_API whet_status whet_network_input_like(whet_network *block, const char *name,
                                             const whet_value *like, whet_value **value);
/* Adds
 *   an if    inputs: condition; blocks: then, else
 *   a loop   inputs: number of iterations or NULL, go on or NULL, carried values...; block: body
 *   a scan   inputs: NULL, carried values..., scanned values...; attribute `scanned`: how many of
 *            these; block: body
 * Outputs of loop and scan: the carried values after the last iteration, then the collected ones
 * stacked along a new first dimension. The blocks are the node's from now on and get no more inputs
 * and outputs. Errors as for whet_network_add. */
WHET_API whet_status whet_network_add_flow(whet_network *network, const char *op, const char *name,
                                           whet_value *const *inputs, int32_t n_inputs,
                                           whet_network *const *blocks, int32_t n_blocks,
                                           const whet_attribute *attributes, int32_t n_attributes,
                                           whet_value **outputs, int32_t n_outputs);
/* A block of a node, of an imported one too; not to be used once the node is removed. NULL: no such
 * index. */
WHET_API whet_network *whet_network_node_block(whet_network *network, const whet_node *node,
                                               int32_t index);

/* Makes a value an output of the network, called `name` (NULL: the value's own name, which it must
 * then have). A value may be an output several times under several names. WHET_E_INVALID (the name
 * is taken), WHET_E_NOMEM. */
WHET_API whet_status whet_network_mark_output(whet_network *network, whet_value *value,
                                              const char *name);
/* Takes that back, for each of its names. WHET_E_NOT_FOUND: it is no output. */
WHET_API whet_status whet_network_unmark_output(whet_network *network, whet_value *value);

/* -- looking; an index out of range and a name that is not there give NULL, without an error -- */

WHET_API const char *whet_network_name(const whet_network *network);
WHET_API whet_status whet_network_set_name(whet_network *network, const char *name);
WHET_API int32_t whet_network_input_count(const whet_network *network);
WHET_API whet_value *whet_network_input_at(const whet_network *network, int32_t index);
WHET_API int32_t whet_network_output_count(const whet_network *network);
/* name: the output's name; may be NULL. */
WHET_API whet_value *whet_network_output_at(const whet_network *network, int32_t index,
                                            const char **name);
WHET_API int32_t whet_network_node_count(const whet_network *network);
/* The node after `node` in an order in which every value is made before it is used; node NULL: the
 * first. NULL behind the last. */
WHET_API whet_node *whet_network_next_node(const whet_network *network, const whet_node *node);
WHET_API whet_node *whet_network_find_node(const whet_network *network, const char *name);
/* By its own name, not by that of an output. */
WHET_API whet_value *whet_network_find_value(const whet_network *network, const char *name);

/* Texts are the network's: `name` and `op` stay as long as the node. */
typedef struct whet_node_info {
    const char *name, *op;
    int32_t n_inputs, n_outputs, n_attributes, n_blocks;
} whet_node_info;
/* WHET_E_INVALID: not a node of this network, or removed. */
WHET_API whet_status whet_network_node(whet_network *network, const whet_node *node,
                                       whet_node_info *info);
/* NULL: absent, or not wanted. */
WHET_API whet_value *whet_network_node_input(const whet_network *network, const whet_node *node,
                                             int32_t index);
WHET_API whet_value *whet_network_node_output(const whet_network *network, const whet_node *node,
                                              int32_t index);
/* Attribute `index` with the value it has, which may be the default; choices and texts come as TEXT
 * (NULL: absent), an absent list has n -1. Arrays are the network's. WHET_E_RANGE, _INVALID. */
WHET_API whet_status whet_network_attribute(whet_network *network, const whet_node *node,
                                            int32_t index, whet_attribute *attribute);

/* Type and shape of a value: as whet_io_info; a dynamic dimension is -1 and its name is an
 * expression over named dimensions, such as "2*batch + 1". Texts stay until the next call on the
 * network. WHET_E_INVALID, WHET_E_NOMEM. */
WHET_API whet_status whet_network_value(whet_network *network, const whet_value *value,
                                        whet_io_info *info);
/* Contents of a constant, borrowed. WHET_E_INVALID: it is none. */
WHET_API whet_status whet_network_value_data(whet_network *network, const whet_value *value,
                                             whet_tensor *tensor);
/* The node that makes it; NULL for inputs and constants. */
WHET_API whet_node *whet_network_producer(const whet_network *network, const whet_value *value);
/* The first node after `node` (NULL: of all) that reads the value. */
WHET_API whet_node *whet_network_next_user(const whet_network *network, const whet_value *value,
                                           const whet_node *node);

/* The text form (docs/ir.md); constants up to max_data elements are written out, others as a hash
 * (-1: all are written). Owned by the network until the next call. NULL: out of memory. */
WHET_API const char *whet_network_text(whet_network *network, int32_t max_data);
/* JSON about every operator that whet_network_add takes: inputs, outputs, attributes with types,
 * defaults and choices. Owned by the network until the next call. NULL: out of memory. */
WHET_API const char *whet_network_operators(whet_network *network);

/* Writes the network as an ONNX model of the oldest opset from 21 on that has all its operators.
 * external: weights go to "<path>.data" beside it, as they do when they take more than 2 GB. The
 * files appear under their names only when complete. WHET_E_UNSUPPORTED: an operator that ONNX has
 * no word for; WHET_E_IO, WHET_E_INVALID, WHET_E_LIMIT, WHET_E_NOMEM. */
WHET_API whet_status whet_network_save_onnx(whet_network *network, const char *path,
                                            bool external);

/* -- editing -- */

/* WHET_E_INVALID: the name is taken or not a value or node of this network. */
WHET_API whet_status whet_network_set_value_name(whet_network *network, whet_value *value,
                                                 const char *name);
WHET_API whet_status whet_network_set_node_name(whet_network *network, whet_node *node,
                                                const char *name);
WHET_API whet_status whet_network_set_attribute(whet_network *network, whet_node *node,
                                                const whet_attribute *attribute);
/* Other contents for a constant, of any shape and type that its users take. */
WHET_API whet_status whet_network_set_data(whet_network *network, whet_value *constant,
                                           const whet_tensor *tensor, bool copy);
/* value NULL: absent. Nodes are put in order again. WHET_E_INVALID: a cycle. */
WHET_API whet_status whet_network_set_node_input(whet_network *network, whet_node *node,
                                                 int32_t index, whet_value *value);
/* Every use of `from`, outputs included, becomes `to`, but for the uses by which `to` is computed
 * itself: to put a node behind x, make y from x and replace x by y. */
WHET_API whet_status whet_network_replace(whet_network *network, whet_value *from, whet_value *to);
/* Removes a node whose outputs nobody uses any more. WHET_E_INVALID names a user. */
WHET_API whet_status whet_network_remove(whet_network *network, whet_node *node);
/* Removes every node that contributes to no output; gives their number. */
WHET_API int32_t whet_network_sweep(whet_network *network);

/* ---- files of weights --------------------------------------------------------------------- */

/* Named tensors in a file: numpy's .npz (stored or deflated), SafeTensors, or numpy's .npy, whose
 * one tensor is called ""; told apart by their contents. One thread at a time. */
typedef struct whet_weights whet_weights;

/* Maps the file and reads its list of tensors. WHET_E_IO, WHET_E_PARSE, WHET_E_LIMIT, WHET_E_NOMEM;
 * the error text is on the environment (NULL: the default one). */
WHET_API whet_status whet_weights_open(whet_env *env, const char *path, whet_weights **weights);
/* The same from memory, which must stay until the weights are closed. */
WHET_API whet_status whet_weights_open_memory(whet_env *env, const void *data, size_t bytes,
                                              whet_weights **weights);
WHET_API void whet_weights_close(whet_weights *weights);
WHET_API int32_t whet_weights_count(const whet_weights *weights);
/* In the order of the file; NULL: no such index. Owned by `weights`. */
WHET_API const char *whet_weights_name(const whet_weights *weights, int32_t index);
/* The tensor of that name, as it is stored (dtype NONE) or converted, each element rounded to the
 * nearest. The data stay until `weights` is closed: a network that borrows them must go first.
 * WHET_E_NOT_FOUND, WHET_E_PARSE and WHET_E_CHECKSUM (a damaged member), WHET_E_UNSUPPORTED (its
 * elements), WHET_E_DTYPE (no such conversion), WHET_E_NOMEM. */
WHET_API whet_status whet_weights_find(whet_weights *weights, const char *name, whet_dtype dtype,
                                       whet_tensor *tensor);

#ifdef __cplusplus
}
#endif

#endif

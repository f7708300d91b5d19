// SPDX-License-Identifier: Apache-2.0
// What a run is fed: files, or random values.
#include <stdlib.h>
#include <string.h>

#include "cli_file.h"

static whet_io_info io(const whet_engine *engine, bool input, int32_t i) {
    whet_io_info info = {0};
    if (input) whet_engine_input(engine, i, &info);
    else whet_engine_output(engine, i, &info);
    return info;
}

int32_t whet_cli_find_io(const whet_engine *engine, bool input, const char *text,
                         const char **rest) {
    int32_t n = input ? whet_engine_input_count(engine) : whet_engine_output_count(engine);
    int32_t best = -1;
    size_t longest = 0;
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info = io(engine, input, i);
        size_t k = strlen(info.name);
        if (strncmp(text, info.name, k) || text[k] != ':' || (best >= 0 && k <= longest)) continue;
        best = i;
        longest = k;
        *rest = text + k + 1;
    }
    return best;
}

bool whet_cli_fail_io(const whet_engine *engine, bool input, const char *text) {
    int32_t n = input ? whet_engine_input_count(engine) : whet_engine_output_count(engine);
    char names[512] = "";
    size_t at = 0;
    for (int32_t i = 0; i < n && at < sizeof names; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s\"%s\"", i ? ", " : "",
                               io(engine, input, i).name);
    whet_cli_fail("\"%s\" names no %s%s; the engine has %s", text, input ? "input" : "output",
                  strchr(text, ':') ? "" : " and a colon after it", n ? names : "none");
    return false;
}

// ---- shapes ----

static void store_int(whet_tensor *t, int64_t i, int64_t v) {
    switch (t->dtype) {
    case WHET_DTYPE_I64:
    case WHET_DTYPE_U64: ((int64_t *)t->data)[i] = v; break;
    case WHET_DTYPE_I32:
    case WHET_DTYPE_U32: ((int32_t *)t->data)[i] = (int32_t)v; break;
    case WHET_DTYPE_I16:
    case WHET_DTYPE_U16: ((int16_t *)t->data)[i] = (int16_t)v; break;
    case WHET_DTYPE_I8:
    case WHET_DTYPE_U8: ((int8_t *)t->data)[i] = (int8_t)v; break;
    default: break;
    }
}

bool whet_cli_is_int(whet_dtype t) {
    return t == WHET_DTYPE_I64 || t == WHET_DTYPE_U64 || t == WHET_DTYPE_I32 ||
           t == WHET_DTYPE_U32 || t == WHET_DTYPE_I16 || t == WHET_DTYPE_U16 ||
           t == WHET_DTYPE_I8 || t == WHET_DTYPE_U8;
}

bool whet_cli_is_object(whet_dtype t) {
    return t == WHET_DTYPE_SEQUENCE || t == WHET_DTYPE_OPTIONAL || t == WHET_DTYPE_MAP;
}

// Whether numbers for an input can only be its contents: an integer tensor of so many elements.
static bool are_contents(const whet_io_info *info, const whet_cli_shape *s) {
    int64_t count = 1;
    bool same = s->rank == info->rank;
    for (int32_t d = 0; d < info->rank; d++) {
        if (info->dims[d] < 0) return false;
        same = same && (s->dims[d] < 0 || s->dims[d] == info->dims[d]);
        if (__builtin_mul_overflow(count, info->dims[d], &count)) return false;
    }
    return whet_cli_is_int(info->dtype) && info->rank >= 0 && !same && count == s->rank;
}

static bool set_contents(const whet_io_info *info, const int64_t *v, int32_t n, whet_tensor *t,
                         void **memory) {
    t->rank = info->rank;
    memcpy(t->dims, info->dims, sizeof t->dims);
    t->bytes = whet_tensor_bytes(t->dtype, n);
    free(*memory);
    t->data = *memory = calloc(1, t->bytes ? t->bytes : 1);
    if (!t->data) return whet_cli_fail("out of memory"), false;
    for (int32_t k = 0; k < n; k++) store_int(t, k, v[k]);
    return true;
}

// Numbers for the dimensions of inputs out of --shapes; false: printed.
static bool apply_shapes(const whet_engine *engine, const char *shapes, whet_cli_inputs *in) {
    whet_tensor *inputs = in->v;
    whet_cli_shape s;
    bool bad;
    const char *at = shapes;
    while (whet_cli_next_shape(&at, &s, &bad)) {
        char text[300];
        const char *rest;
        snprintf(text, sizeof text, "%s:", s.input);
        int32_t i = whet_cli_find_io(engine, true, text, &rest);
        if (i < 0) return whet_cli_fail_io(engine, true, s.input);
        whet_io_info info = io(engine, true, i);
        if (are_contents(&info, &s)) {
            if (!set_contents(&info, s.dims, s.rank, &inputs[i], &in->memory[i])) return false;
            continue;
        }
        inputs[i].rank = s.rank;
        memcpy(inputs[i].dims, s.dims, sizeof s.dims);
    }
    if (bad) whet_cli_fail("option --shapes: \"%s\" is no shape, expected INPUT:2x3x4", at);
    return !bad;
}

// One text a line; a shape that was said holds.
static bool load_lines(const char *path, void **memory, size_t size, whet_tensor *t) {
    whet_tensor said = *t;
    if (!whet_cli_parse_lines(path, memory, size, t)) return false;
    if (said.rank < 0) return true;
    t->rank = said.rank;
    memcpy(t->dims, said.dims, sizeof t->dims);
    return true;
}

static bool load_file(const char *path, const whet_io_info *info, whet_tensor *t, void **memory) {
    size_t size = 0;
    *memory = whet_cli_read_file(path, &size);
    if (!*memory) return false;
    if (whet_cli_is_npy(path)) return whet_cli_parse_npy(path, *memory, size, t);
    if (info->dtype == WHET_DTYPE_STRING) return load_lines(path, memory, size, t);
    t->data = *memory; // its shape must come from elsewhere
    t->bytes = size;
    t->dtype = info->dtype;
    return true;
}

// The number that another input gives the dimension of this name, -1: none.
static int64_t dim_elsewhere(const whet_engine *engine, const whet_tensor *inputs, int32_t n,
                             const char *name) {
    for (int32_t i = 0; i < n && name; i++) {
        whet_io_info info = io(engine, true, i);
        for (int32_t d = 0; d < info.rank && d < inputs[i].rank; d++)
            if (info.dim_names[d] && !strcmp(info.dim_names[d], name) && inputs[i].dims[d] >= 0)
                return inputs[i].dims[d];
    }
    return -1;
}

// Fixes what is still unknown of the shape. Random inputs take the profile's tuned number for it,
// or 1; files do not.
static bool complete_shape(const whet_engine *engine, const whet_cli_feed *feed,
                           whet_tensor *inputs, int32_t n, int32_t i, bool random) {
    whet_io_info info = io(engine, true, i);
    int64_t opt[WHET_MAX_RANK];
    bool tuned = !whet_engine_profile_shape(engine, feed->profile, i, NULL, opt, NULL);
    whet_tensor *t = &inputs[i];
    if (t->rank < 0) {
        t->rank = info.rank;
        memcpy(t->dims, info.dims, sizeof t->dims);
    }
    char type[512];
    whet_cli_print_type(type, sizeof type, info.dtype, info.rank, info.dims, info.dim_names);
    for (int32_t d = 0; d < t->rank; d++) {
        if (t->dims[d] < 0)
            t->dims[d] = d < info.rank ? dim_elsewhere(engine, inputs, n, info.dim_names[d]) : -1;
        if (t->dims[d] < 0 && !random)
            return whet_cli_fail("input \"%s\": dimension %d of %s is missing; give "
                                 "--shapes=%s:... or a .npy file", info.name, d, type, info.name),
                   false;
        if (t->dims[d] < 0) t->dims[d] = tuned && d < info.rank ? opt[d] : 1;
    }
    return true;
}

static bool size_of(const whet_tensor *t, const char *name, size_t *bytes, int64_t *count) {
    *count = 1;
    bool large = false;
    for (int32_t d = 0; d < t->rank; d++)
        large |= __builtin_mul_overflow(*count, t->dims[d], count);
    *bytes = large ? SIZE_MAX : whet_tensor_bytes(t->dtype, *count);
    if (*bytes == SIZE_MAX) whet_cli_fail("input \"%s\": its shape is too large", name);
    return *bytes != SIZE_MAX;
}

// ---- values ----

static uint64_t next(uint64_t *state) {
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

// Uniform in [-1, 1) for floats; 0 for the others, which may be indices or lengths; empty texts.
static void fill_random(whet_tensor *t, int64_t count, uint64_t *state) {
    memset(t->data, 0, t->bytes);
    for (int64_t i = 0; i < count; i++) {
        float v = (float)((double)(next(state) >> 11) * 0x1p-52 - 1);
        uint32_t bits;
        memcpy(&bits, &v, sizeof bits);
        // half: through a multiple of 2^-10, which it represents exactly
        int32_t k = (int32_t)(v * 1024);
        uint16_t sign = k < 0 ? 0x8000 : 0, half = 0;
        uint32_t a = (uint32_t)(k < 0 ? -k : k);
        if (a) {
            int32_t top = 31 - __builtin_clz(a);
            half = (uint16_t)(sign | (top + 5) << 10 | (a << (10 - top) & 0x3ff));
        }
        uint16_t brain = (uint16_t)(bits >> 16);
        if (t->dtype == WHET_DTYPE_F32) ((float *)t->data)[i] = v;
        else if (t->dtype == WHET_DTYPE_F64) ((double *)t->data)[i] = (double)v;
        else if (t->dtype == WHET_DTYPE_F16) ((uint16_t *)t->data)[i] = half;
        else if (t->dtype == WHET_DTYPE_BF16) ((uint16_t *)t->data)[i] = brain;
    }
}

static bool make_one(const whet_engine *engine, const whet_cli_feed *feed, whet_cli_inputs *in,
                     int32_t i, uint64_t *state) {
    whet_io_info info = io(engine, true, i);
    whet_tensor *t = &in->v[i];
    bool file = t->data != NULL;
    int64_t count;
    size_t bytes;
    char type[512];
    whet_cli_print_type(type, sizeof type, info.dtype, info.rank, info.dims, info.dim_names);
    static int64_t values[1024];
    if (!file && feed->random &&
        !whet_engine_profile_values(engine, feed->profile, i, NULL, values, NULL)) {
        int32_t n = whet_engine_profile_value_count(engine, feed->profile, i);
        return set_contents(&info, values, n, t, &in->memory[i]);
    }
    if (whet_cli_is_object(info.dtype))
        return whet_cli_fail("input \"%s\" is a %s, which the command line cannot make; run the "
                             "engine from C, C++ or Python", info.name,
                             whet_dtype_text(info.dtype)), false;
    if (!file && !feed->random)
        return whet_cli_fail("input \"%s\" (%s) is missing; give --input=%s:FILE or --random",
                             info.name, type, info.name), false;
    if (!complete_shape(engine, feed, in->v, in->n, i, !file) ||
        !size_of(t, info.name, &bytes, &count))
        return false;
    if (file && bytes != t->bytes) {
        whet_cli_print_type(type, sizeof type, t->dtype, t->rank, t->dims, NULL);
        if (t->dtype == WHET_DTYPE_STRING)
            return whet_cli_fail("input \"%s\" has %zu texts, %s takes %lld", info.name,
                                 t->bytes / sizeof(whet_text), type, (long long)count), false;
        return whet_cli_fail("input \"%s\" has %zu bytes, %s takes %zu", info.name, t->bytes, type,
                             bytes), false;
    }
    if (file) return true;
    t->bytes = bytes;
    t->data = in->memory[i] = malloc(bytes ? bytes : 1);
    if (!t->data) return whet_cli_fail("out of memory (%zu bytes)", bytes), false;
    fill_random(t, count, state);
    return true;
}

static bool is_npz(const char *text) {
    size_t n = strlen(text);
    return n > 4 && !strcmp(text + n - 4, ".npz") && !strchr(text, ':');
}

// Every array of the file, for the input of its name.
static bool load_npz(const whet_engine *engine, const char *path, whet_cli_inputs *in) {
    whet_weights *w = NULL;
    whet_status status = whet_weights_open(NULL, path, &w);
    if (status != WHET_OK) return whet_cli_fail_status(status, NULL), false;
    bool good = true;
    for (int32_t k = 0; k < whet_weights_count(w) && good; k++) {
        const char *name = whet_weights_name(w, k), *rest = NULL;
        char text[1024];
        whet_tensor t = {0};
        snprintf(text, sizeof text, "%s:", name);
        int32_t i = whet_cli_find_io(engine, true, text, &rest);
        status = whet_weights_find(w, name, WHET_DTYPE_NONE, &t);
        void *copy = status == WHET_OK ? malloc(t.bytes ? t.bytes : 1) : NULL;
        good = i >= 0 && !*rest && copy && !in->memory[i];
        if (i < 0 || *rest) whet_cli_fail_io(engine, true, name);
        else if (!copy) whet_cli_fail("%s: \"%s\" cannot be read", path, name);
        else if (!good) whet_cli_fail("input \"%s\" is given more than once", name);
        if (!good) {
            free(copy);
            continue;
        }
        memcpy(copy, t.data, t.bytes);
        t.data = in->memory[i] = copy;
        in->v[i] = t;
    }
    whet_weights_close(w);
    return good;
}

static bool load_files(const whet_engine *engine, const whet_cli_list *files,
                       whet_cli_inputs *in) {
    for (int32_t k = 0; files && k < files->n; k++) {
        const char *path = NULL;
        if (is_npz(files->v[k])) {
            if (!load_npz(engine, files->v[k], in)) return false;
            continue;
        }
        int32_t i = whet_cli_find_io(engine, true, files->v[k], &path);
        if (i < 0) return whet_cli_fail_io(engine, true, files->v[k]);
        whet_io_info info = io(engine, true, i);
        if (in->memory[i])
            return whet_cli_fail("input \"%s\" is given more than once", info.name), false;
        if (whet_cli_is_object(info.dtype))
            return whet_cli_fail("input \"%s\": a %s cannot be read from a file; run the "
                                 "engine from C, C++ or Python", info.name,
                                 whet_dtype_text(info.dtype)), false;
        whet_tensor *t = &in->v[i], shaped = *t;
        if (!load_file(path, &info, t, &in->memory[i])) return false;
        bool npy = whet_cli_is_npy(path), differ = shaped.rank >= 0 && t->rank != shaped.rank;
        for (int32_t d = 0; d < shaped.rank && !differ; d++) differ = t->dims[d] != shaped.dims[d];
        if (npy && differ)
            return whet_cli_fail("input \"%s\": %s has another shape than --shapes says",
                                 info.name, path), false;
    }
    return true;
}

bool whet_cli_make_inputs(const whet_engine *engine, const whet_cli_feed *feed,
                          whet_cli_inputs *in) {
    int32_t n = whet_engine_input_count(engine);
    *in = (whet_cli_inputs){calloc((size_t)n + 1, sizeof *in->v), n,
                            calloc((size_t)n + 1, sizeof *in->memory)};
    if (!in->v || !in->memory) return whet_cli_fail("out of memory"), false;
    for (int32_t i = 0; i < n; i++)
        in->v[i] = (whet_tensor){.dtype = io(engine, true, i).dtype, .rank = -1};
    if (!apply_shapes(engine, feed->shapes, in)) return false;
    if (!load_files(engine, feed->files, in)) return false;
    uint64_t state = (uint64_t)feed->seed;
    for (int32_t i = 0; i < n; i++)
        if (!make_one(engine, feed, in, i, &state)) return false;
    return true;
}

void whet_cli_free_inputs(whet_cli_inputs *in) {
    for (int32_t i = 0; i < in->n && in->memory; i++) free(in->memory[i]);
    free(in->memory);
    free(in->v);
}

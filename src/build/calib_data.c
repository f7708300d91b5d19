// SPDX-License-Identifier: Apache-2.0
// Samples: a function of the caller's, an .npz or .npy file, or a folder of such and of raw files,
// cut into batches that the model takes.
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build/builder_impl.h"
#include "build/calib.h"
#include "build/weights_impl.h"

struct whet_calib_data {
    whet_build *x;
    const whet_graph *g;
    whet_error *err;
    whet_arena arena;   // of the list of files
    const char *const *names;
    whet_tensor *batch; // [inputs]
    const char **files;
    int32_t n_files, cap_files, at_file;
    // the file at hand
    whet_weights *weights;
    whet_map map;
    whet_tensor *arrays; // [inputs]
    int64_t at, count, step; // samples given, there, a batch
    bool stacked;            // each sample is a whole batch
    int64_t *labels, n_labels;         // of the file
    const int64_t *batch_labels;       // of the batch, or NULL
    int64_t n_batch_labels;
    int64_t done;
};

static whet_status fail_file(whet_calib_data *d, const char *file, whet_status status) {
    return whet_error_prefix(d->err, status, "calibration: %s", file);
}

// ---- finding files ----

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_end(const char *name, const char *end) {
    size_t n = strlen(name), k = strlen(end);
    return n > k && !strcmp(name + n - k, end);
}

static bool is_raw(const char *name) { return has_end(name, ".bin") || has_end(name, ".raw"); }

static whet_status list_folder(whet_calib_data *d, const char *path) {
    DIR *dir = opendir(path);
    if (!dir) WHET_FAIL(d->err, WHET_E_IO, "calibration: %s: the folder cannot be read", path);
    bool good = true;
    for (struct dirent *e; good && (e = readdir(dir));) {
        if (e->d_name[0] == '.' || (!has_end(e->d_name, ".npz") && !has_end(e->d_name, ".npy") &&
                                    !is_raw(e->d_name)))
            continue;
        const char *file = whet_arena_printf(&d->arena, "%s/%s", path, e->d_name);
        good = file && WHET_ARENA_PUSH(&d->arena, d->files, d->n_files, d->cap_files, file);
    }
    closedir(dir);
    if (!good) return WHET_NOMEM(d->err);
    if (!d->n_files)
        WHET_FAIL(d->err, WHET_E_NOT_FOUND,
                  "calibration: %s: no .npz, .npy, .bin or .raw file is in this folder", path);
    qsort((void *)d->files, (size_t)d->n_files, sizeof *d->files, by_name);
    return WHET_OK;
}

static whet_status list_files(whet_calib_data *d, const char *path) {
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) return list_folder(d, path);
    return WHET_ARENA_PUSH(&d->arena, d->files, d->n_files, d->cap_files, path)
               ? WHET_OK
               : WHET_NOMEM(d->err);
}

// ---- reading one ----

static void close_file(whet_calib_data *d) {
    whet_weights_close(d->weights);
    whet_map_close(&d->map);
    d->weights = NULL;
    d->map = (whet_map){0};
    d->labels = NULL;
    d->batch_labels = NULL;
    d->count = d->at = 0;
}

// How an array becomes batches of an input: cut along the first dimension, or as many batches as
// its first dimension says.
static bool cut(const whet_calib_data *d, const whet_type *type, const whet_tensor *t,
                bool *stacked, int64_t *count, int64_t *step) {
    *stacked = t->rank == type->rank + 1;
    if (t->rank < 1 || type->rank < 1 || (t->rank != type->rank && !*stacked)) return false;
    for (int32_t i = *stacked ? 0 : 1; i < type->rank; i++) {
        whet_dim n = type->dims[i];
        if (whet_dim_is_const(n) && n != t->dims[i + *stacked]) return false;
    }
    whet_dim batch = type->dims[0];
    *count = t->dims[0];
    *step = *stacked ? 1 : whet_dim_is_const(batch) ? batch : d->x->c->calib_batch;
    return *step > 0;
}

static whet_status fit(whet_calib_data *d, int32_t i) {
    const whet_value *in = d->g->inputs[i];
    const whet_tensor *t = &d->arrays[i];
    bool stacked;
    int64_t count, step;
    if (t->dtype != in->type.dtype)
        WHET_FAIL(d->err, WHET_E_DTYPE, "input \"%s\" is %s, the array %s", in->name,
                  whet_dtype_text(in->type.dtype), whet_dtype_text(t->dtype));
    if (!cut(d, &in->type, t, &stacked, &count, &step))
        WHET_FAIL(d->err, WHET_E_SHAPE,
                  "the array of %d dimensions cannot be cut into batches of input \"%s\"", t->rank,
                  in->name);
    if (i == 0) {
        d->stacked = stacked, d->count = count, d->step = step;
    } else if (stacked != d->stacked || count != d->count || step != d->step) {
        WHET_FAIL(d->err, WHET_E_SHAPE, "inputs \"%s\" and \"%s\" have different numbers of "
                  "samples", d->g->inputs[0]->name, in->name);
    }
    return WHET_OK;
}

static whet_status need_one_input(whet_calib_data *d) {
    if (d->g->n_inputs == 1) return WHET_OK;
    WHET_FAIL(d->err, WHET_E_INVALID,
              "the model has %d inputs: a .npz file names the array of each", d->g->n_inputs);
}

static bool is_input(const whet_calib_data *d, const char *name) {
    for (int32_t i = 0; i < d->g->n_inputs; i++)
        if (!strcmp(d->g->inputs[i]->name, name)) return true;
    return false;
}

// One integer a sample, under a name that no input has; else there are none.
static whet_status read_labels(whet_calib_data *d) {
    const whet_tensor *in = &d->arrays[0];
    int64_t want = d->stacked ? d->count * in->dims[1] : d->count;
    for (int64_t i = 0; i < whet_weights_count(d->weights); i++) {
        const char *name = whet_weights_name(d->weights, i);
        whet_tensor t;
        if ((strcmp(name, "label") && strcmp(name, "labels")) || is_input(d, name)) continue;
        whet_status status = whet_weights_find(d->weights, name, WHET_DTYPE_NONE, &t);
        if (status != WHET_OK)
            return whet_error_set(d->err, status, "%s", d->weights->handle.error.text);
        if (!whet_dtype_is_int(t.dtype) || whet_tensor_count(&t) != want)
            WHET_FAIL(d->err, WHET_E_SHAPE, "the array \"%s\" holds no integer for each of %lld "
                      "samples", name, (long long)want);
        d->labels = WHET_NEW_ARRAY(&d->arena, int64_t, want + 1);
        if (!d->labels) return WHET_NOMEM(d->err);
        for (int64_t k = 0; k < want; k++) d->labels[k] = whet_load_i64(t.data, t.dtype, k);
        d->n_labels = want;
        return WHET_OK;
    }
    return WHET_OK;
}

static whet_status read_arrays(whet_calib_data *d, const char *file) {
    whet_status status = whet_weights_open(d->x->env, file, &d->weights);
    if (status != WHET_OK)
        return whet_error_set(d->err, status, "%s", d->x->env->handle.error.text);
    const char *only = whet_weights_name(d->weights, 0);
    bool npy = whet_weights_count(d->weights) == 1 && !*only;
    if (npy) WHET_TRY(need_one_input(d));
    for (int32_t i = 0; i < d->g->n_inputs; i++) {
        const char *name = npy ? only : d->g->inputs[i]->name;
        status = whet_weights_find(d->weights, name, WHET_DTYPE_NONE, &d->arrays[i]);
        if (status != WHET_OK)
            return whet_error_set(d->err, status, "%s", d->weights->handle.error.text);
        WHET_TRY(fit(d, i));
    }
    return d->x->c->accuracy ? read_labels(d) : WHET_OK;
}

// The bytes of a batch whose only open dimension may be the first.
static whet_status read_raw(whet_calib_data *d, const char *file) {
    WHET_TRY(need_one_input(d));
    WHET_TRY(whet_map_open(&d->map, file, d->err));
    const whet_type *type = &d->g->inputs[0]->type;
    whet_tensor *t = &d->arrays[0];
    *t = (whet_tensor){.dtype = type->dtype, .rank = type->rank, .bytes = d->map.size,
                       .data = (void *)(uintptr_t)d->map.data};
    int64_t inner = 1;
    for (int32_t i = 1; i < type->rank; i++) {
        if (!whet_dim_is_const(type->dims[i]) ||
            __builtin_mul_overflow(inner, type->dims[i], &inner))
            WHET_FAIL(d->err, WHET_E_SHAPE, "a raw file needs an input of fixed shape");
        t->dims[i] = type->dims[i];
    }
    size_t sample = whet_tensor_bytes(type->dtype, inner);
    if (type->rank < 1 || !sample || sample == SIZE_MAX || d->map.size % sample)
        WHET_FAIL(d->err, WHET_E_SHAPE, "%zu bytes are no whole number of samples of %zu",
                  d->map.size, sample);
    t->dims[0] = (int64_t)(d->map.size / sample);
    return fit(d, 0);
}

static whet_status open_file(whet_calib_data *d, const char *file) {
    close_file(d);
    whet_status status = is_raw(file) ? read_raw(d, file) : read_arrays(d, file);
    return status == WHET_OK ? status : fail_file(d, file, status);
}

// ---- batches ----

static void take_batch(whet_calib_data *d, int64_t n) {
    for (int32_t i = 0; i < d->g->n_inputs; i++) {
        const whet_tensor *a = &d->arrays[i];
        size_t sample = a->bytes / (size_t)a->dims[0];
        whet_tensor *t = &d->batch[i];
        *t = (whet_tensor){.dtype = a->dtype, .rank = a->rank - d->stacked};
        for (int32_t k = 0; k < t->rank; k++) t->dims[k] = a->dims[k + d->stacked];
        if (!d->stacked) t->dims[0] = n;
        t->data = (uint8_t *)a->data + (size_t)d->at * sample;
        t->bytes = (size_t)n * sample;
    }
    int64_t each = d->count > 0 ? d->n_labels / d->count : 0; // of what is cut off
    d->batch_labels = d->labels ? d->labels + d->at * each : NULL;
    d->n_batch_labels = n * each;
    d->at += n;
    d->done += n;
}

static bool is_fixed(const whet_calib_data *d) {
    return whet_dim_is_const(d->g->inputs[0]->type.dims[0]);
}

static whet_status next_of_files(whet_calib_data *d, const whet_tensor **inputs) {
    for (;;) {
        int64_t left = d->count - d->at;
        int64_t n = left < d->step ? left : d->step;
        if (n > 0 && !d->stacked && n < d->step && is_fixed(d)) n = 0; // no whole batch is left
        if (n > 0) {
            take_batch(d, n);
            *inputs = d->batch;
            return WHET_OK;
        }
        if (d->at_file == d->n_files) return WHET_OK;
        WHET_TRY(open_file(d, d->files[d->at_file++]));
    }
}

static whet_status next_of_caller(whet_calib_data *d, const whet_tensor **inputs) {
    const whet_config *c = d->x->c;
    memset(d->batch, 0, sizeof *d->batch * (size_t)d->g->n_inputs);
    int32_t got = c->calib_next(c->calib_user, d->names, d->batch, d->g->n_inputs);
    if (got < 0) WHET_FAIL(d->err, WHET_E_CANCELLED, "the calibration was cancelled");
    if (!got) return WHET_OK;
    for (int32_t i = 0; i < d->g->n_inputs; i++) {
        const whet_tensor *t = &d->batch[i];
        int64_t n = t->rank < 0 || t->rank > WHET_MAX_RANK ? -1 : whet_dims_count(t->dims, t->rank);
        if (n < 0 || !t->data || whet_tensor_bytes(t->dtype, n) != t->bytes)
            WHET_FAIL(d->err, WHET_E_BUFFER,
                      "calibration: the bytes of input \"%s\" are not those of its shape",
                      d->names[i]);
    }
    d->done += d->batch[0].rank ? d->batch[0].dims[0] : 1;
    *inputs = d->batch;
    return WHET_OK;
}

whet_status whet_calib_data_next(whet_calib_data *d, const whet_tensor **inputs,
                                 whet_error *err) {
    int64_t most = d->x->c->calib_samples;
    *inputs = NULL;
    d->err = err;
    if (most && d->done >= most) return WHET_OK;
    return d->x->c->calib_next ? next_of_caller(d, inputs) : next_of_files(d, inputs);
}

const int64_t *whet_calib_data_labels(const whet_calib_data *d, int64_t *n) {
    *n = d->n_batch_labels;
    return d->batch_labels;
}

int64_t whet_calib_data_done(const whet_calib_data *d, int64_t *total) {
    *total = d->x->c->calib_samples;
    if (d->n_files == 1 && d->count && (!*total || d->count < *total)) *total = d->count;
    return d->done;
}

whet_status whet_calib_data_open(whet_build *x, const whet_graph *g, whet_arena *arena,
                                 whet_calib_data **data, whet_error *err) {
    whet_calib_data *d = WHET_NEW(arena, whet_calib_data);
    if (!d) return WHET_NOMEM(err);
    d->x = x, d->g = g, d->err = err;
    whet_arena_init(&d->arena);
    d->batch = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs + 1);
    d->arrays = WHET_NEW_ARRAY(arena, whet_tensor, g->n_inputs + 1);
    const char **names = WHET_NEW_ARRAY(arena, const char *, g->n_inputs + 1);
    *data = d;
    if (!d->batch || !d->arrays || !names) return WHET_NOMEM(err);
    for (int32_t i = 0; i < g->n_inputs; i++) names[i] = g->inputs[i]->name;
    d->names = names;
    if (!g->n_inputs) WHET_FAIL(err, WHET_E_INVALID, "calibration: the model has no inputs");
    return x->c->calib_next ? WHET_OK : list_files(d, x->c->calibration);
}

void whet_calib_data_close(whet_calib_data *d) {
    if (!d) return;
    close_file(d);
    whet_arena_fini(&d->arena);
}

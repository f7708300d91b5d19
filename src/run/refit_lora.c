// SPDX-License-Identifier: Apache-2.0
// Adapters: products of two narrow matrices that are added to a weight (LoRA, Hu et al., 2021).
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "run/refitter_impl.h"

// ---- adding ----

static int32_t find_adapter(const whet_refitter *r, const char *name) {
    for (int32_t i = 0; i < r->n_adapters; i++)
        if (!strcmp(r->adapters[i].name, name)) return i;
    return -1;
}

static whet_status check_factors(whet_refitter *r, const whet_model_weight *w, const whet_tensor *a,
                                 const whet_tensor *b) {
    whet_error *err = &r->handle.error;
    if (!whet_dtype_is_float(w->dtype) || w->rank != 2 || w->state != WHET_WEIGHT_FREE)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "weight \"%s\": adapters are for weights of floats with two dimensions that can "
                  "be refitted", w->name);
    const whet_tensor *both[] = {a, b};
    for (int32_t i = 0; i < 2; i++) {
        if (!whet_dtype_is_float(both[i]->dtype))
            WHET_FAIL(err, WHET_E_DTYPE, "weight \"%s\": its adapter's matrices must be of floats",
                      w->name);
        if (both[i]->rank != 2 || !both[i]->data || both[i]->dims[0] < 1 || both[i]->dims[1] < 1)
            WHET_FAIL(err, WHET_E_SHAPE, "weight \"%s\": its adapter's matrices must have two "
                      "dimensions", w->name);
    }
    int64_t out = b->dims[0], in = a->dims[1];
    bool as_out = w->dims[0] == out && w->dims[1] == in,
         as_in = w->dims[0] == in && w->dims[1] == out;
    if (w->rows == WHET_ROWS_OUT) as_in = false;
    if (w->rows == WHET_ROWS_IN) as_out = false;
    if (a->dims[0] != b->dims[1] || (!as_out && !as_in))
        WHET_FAIL(err, WHET_E_SHAPE,
                  "weight \"%s\" is [%lld,%lld]; A [%lld,%lld] and B [%lld,%lld] do not fit it",
                  w->name, (long long)w->dims[0], (long long)w->dims[1], (long long)a->dims[0],
                  (long long)a->dims[1], (long long)b->dims[0], (long long)b->dims[1]);
    if (as_out && as_in)
        WHET_FAIL(err, WHET_E_UNSUPPORTED,
                  "weight \"%s\" is square, and the model does not tell which of its dimensions is "
                  "the output's: no matrix product reads it by itself", w->name);
    return WHET_OK;
}

static bool is_transposed(const whet_model_weight *w, const whet_lora *l) { // lies as [in, out]
    return w->rows == WHET_ROWS_IN ||
           (w->rows == WHET_ROWS_UNKNOWN && w->dims[0] != l->b.dims[0]);
}

static bool copy_f64(whet_tensor *to, const whet_tensor *from) {
    *to = *from;
    int64_t n = whet_dims_count(from->dims, from->rank);
    to->dtype = WHET_DTYPE_F64;
    to->bytes = n < 0 ? SIZE_MAX : whet_tensor_bytes(WHET_DTYPE_F64, n);
    to->data = to->bytes == SIZE_MAX ? NULL : malloc(to->bytes);
    if (to->data) whet_load_f64_array(to->data, from->data, from->dtype, n);
    return to->data != NULL;
}

static bool keep_base(whet_refitter *r, int32_t i, const whet_tensor *t) {
    void *copy = malloc(t->bytes ? t->bytes : 1);
    if (!copy) return false;
    memcpy(copy, t->data, t->bytes);
    free(r->base[i]);
    r->base[i] = copy;
    return true;
}

static whet_status add(whet_refitter *r, int32_t adapter, int32_t weight, const whet_tensor *a,
                       const whet_tensor *b, double alpha) {
    whet_tensor now;
    whet_lora l = {.adapter = adapter, .weight = weight,
                   .alpha = alpha != 0 ? alpha : (double)a->dims[0]};
    pthread_mutex_lock(&r->engine->refit_lock); // another refit would free what it looks at
    bool held = !r->base[weight] && !whet_engine_is_stripped(r->engine) &&
                whet_refitter_now(r, weight, &now);
    whet_status status = held ? whet_refitter_check(r, weight, &now) : WHET_OK;
    if (held && status == WHET_OK && !keep_base(r, weight, &now))
        status = WHET_NOMEM(&r->handle.error);
    pthread_mutex_unlock(&r->engine->refit_lock);
    WHET_TRY(status);
    if (copy_f64(&l.a, a) && copy_f64(&l.b, b) &&
        WHET_ARENA_PUSH(&r->arena, r->loras, r->n_loras, r->cap_loras, l)) {
        r->adapters[adapter].changed = true;
        return WHET_OK;
    }
    free(l.a.data);
    free(l.b.data);
    return WHET_NOMEM(&r->handle.error);
}

whet_status whet_refitter_add_lora(whet_refitter *r, const char *adapter, const char *name,
                                   const whet_tensor *a, const whet_tensor *b, double alpha) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    if (!adapter || !name || !a || !b || !isfinite(alpha))
        WHET_FAIL(err, WHET_E_INVALID, "whet_refitter_add_lora: bad argument");
    int32_t weight = whet_refitter_find(r, name), at = find_adapter(r, adapter);
    if (weight < 0) WHET_FAIL(err, WHET_E_NOT_FOUND, "the engine has no weight \"%s\"", name);
    WHET_TRY(check_factors(r, &r->engine->listed.v[weight], a, b));
    for (int32_t i = 0; i < r->n_loras && at >= 0; i++)
        if (r->loras[i].adapter == at && r->loras[i].weight == weight)
            WHET_FAIL(err, WHET_E_INVALID, "adapter \"%s\" has matrices for weight \"%s\" already",
                      adapter, name);
    if (at < 0) {
        whet_adapter fresh = {whet_arena_strdup(&r->arena, adapter), 1, true};
        if (!fresh.name ||
            !WHET_ARENA_PUSH(&r->arena, r->adapters, r->n_adapters, r->cap_adapters, fresh))
            return WHET_NOMEM(err);
        at = r->n_adapters - 1;
    }
    return add(r, at, weight, a, b, alpha);
}

whet_status whet_refitter_set_adapter(whet_refitter *r, const char *adapter, double scale) {
    if (!r) return WHET_E_INVALID;
    whet_error *err = &r->handle.error;
    whet_error_clear(err);
    int32_t at = adapter ? find_adapter(r, adapter) : -1;
    if (at < 0)
        WHET_FAIL(err, WHET_E_NOT_FOUND, "there is no adapter \"%s\"", adapter ? adapter : "");
    if (!isfinite(scale)) WHET_FAIL(err, WHET_E_RANGE, "the scale of an adapter must be finite");
    r->adapters[at].changed = r->adapters[at].changed || r->adapters[at].scale != scale;
    r->adapters[at].scale = scale;
    return WHET_OK;
}

// ---- the sum ----

typedef struct {
    const whet_refitter *r;
    int32_t weight;
    const void *from;
    void *to;
    _Atomic(int64_t) next;
    atomic_bool failed;
} sum;

// Row `row` of the weight as it lies; acc [columns].
static void add_row(const sum *s, int64_t row, double *acc) {
    const whet_refitter *r = s->r;
    const whet_model_weight *w = &r->engine->listed.v[s->weight];
    int64_t columns = w->dims[1];
    whet_load_f64_array(acc, (const char *)s->from + whet_tensor_bytes(w->dtype, row * columns),
                        w->dtype, columns);
    for (int32_t i = 0; i < r->n_loras; i++) {
        const whet_lora *l = &r->loras[i];
        double scale = r->adapters[l->adapter].scale;
        if (l->weight != s->weight || scale == 0) continue;
        int64_t rank = l->a.dims[0];
        const double *a = l->a.data, *b = l->b.data; // [rank][in], [out][rank]
        bool turned = is_transposed(w, l);
        for (int64_t k = 0; k < rank; k++) {
            int64_t in = l->a.dims[1];
            double by = scale * (l->alpha / (double)rank) *
                        (turned ? a[k * in + row] : b[row * rank + k]);
            if (turned)
                for (int64_t c = 0; c < columns; c++) acc[c] += by * b[c * rank + k];
            else
                for (int64_t c = 0; c < columns; c++) acc[c] += by * a[k * in + c];
        }
    }
}

static void add_rows(void *user, int32_t index, int32_t n) {
    sum *s = user;
    (void)index, (void)n;
    const whet_model_weight *w = &s->r->engine->listed.v[s->weight];
    double *acc = malloc((size_t)w->dims[1] * sizeof *acc);
    if (!acc) atomic_store(&s->failed, true);
    for (int64_t row; acc && (row = atomic_fetch_add(&s->next, 1)) < w->dims[0];) {
        add_row(s, row, acc);
        whet_store_f64_array((char *)s->to + whet_tensor_bytes(w->dtype, row * w->dims[1]),
                             w->dtype, acc, w->dims[1]);
    }
    free(acc);
}

static whet_status adapt_weight(whet_refitter *r, int32_t i, whet_arena *arena,
                                const whet_tensor **all) {
    const whet_model_weight *w = &r->engine->listed.v[i];
    const void *from = r->given[i] ? r->given[i]->data : r->base[i];
    if (!from)
        WHET_FAIL(&r->handle.error, WHET_E_NOT_FOUND,
                  "weight \"%s\" has an adapter, and the engine does not hold it: give it too",
                  w->name);
    whet_tensor *t = WHET_NEW(arena, whet_tensor);
    if (!t) return WHET_NOMEM(&r->handle.error);
    *t = (whet_tensor){.dtype = w->dtype, .rank = w->rank};
    memcpy(t->dims, w->dims, sizeof t->dims);
    t->bytes = whet_tensor_bytes(w->dtype, whet_dims_count(w->dims, w->rank));
    t->data = (void *)(uintptr_t)from;
    all[i] = t;
    bool any = false;
    for (int32_t k = 0; k < r->n_loras; k++)
        any = any || (r->loras[k].weight == i && r->adapters[r->loras[k].adapter].scale != 0);
    if (!any) return WHET_OK; // the very contents
    t->data = whet_arena_alloc_raw(arena, t->bytes);
    if (!t->data) return WHET_NOMEM(&r->handle.error);
    sum s = {.r = r, .weight = i, .from = from, .to = t->data};
    whet_workers_fork(r->engine->env->workers, r->engine->env->threads, add_rows, &s);
    return atomic_load(&s.failed) ? WHET_NOMEM(&r->handle.error) : WHET_OK;
}

whet_status whet_refit_adapt(whet_refitter *r, whet_arena *arena, const whet_tensor **all) {
    uint8_t *due = WHET_NEW_ARRAY(arena, uint8_t, r->engine->listed.n + 1);
    if (!due) return WHET_NOMEM(&r->handle.error);
    for (int32_t k = 0; k < r->n_loras; k++) {
        const whet_lora *l = &r->loras[k];
        if (r->adapters[l->adapter].changed || r->given[l->weight]) due[l->weight] = 1;
    }
    for (int32_t i = 0; i < r->engine->listed.n; i++)
        if (due[i]) WHET_TRY(adapt_weight(r, i, arena, all));
    return WHET_OK;
}

whet_status whet_refit_keep(whet_refitter *r) {
    for (int32_t k = 0; k < r->n_loras; k++) {
        int32_t i = r->loras[k].weight;
        const whet_tensor *t = r->given[i];
        if (!t) continue;
        whet_tensor whole = *t;
        whole.bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
        if (!keep_base(r, i, &whole)) return WHET_NOMEM(&r->handle.error);
    }
    return WHET_OK;
}

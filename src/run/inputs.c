// SPDX-License-Identifier: Apache-2.0
// Checking what a caller feeds: every message names the tensor, what it has and what was expected.
#include <string.h>

#include "base/object.h"
#include "run/context_impl.h"
#include "run/query.h"

static void print_type(const whet_pgraph *g, const whet_type *t, whet_str *s) {
    whet_str_add(s, whet_dtype_text(t->dtype));
    for (whet_elem e = t->elem; e; e = whet_elem_inner(e))
        whet_str_printf(s, ".%s", whet_dtype_text(whet_elem_dtype(e)));
    whet_str_add(s, "[");
    for (int32_t d = 0; d < t->rank; d++) {
        if (d) whet_str_add(s, ",");
        whet_dim_print(g->dims, t->dims[d], s);
    }
    whet_str_add(s, "]");
}

static void print_tensor(const whet_tensor *t, whet_str *s) {
    whet_str_printf(s, "%s[", whet_dtype_text(t->dtype));
    for (int32_t d = 0; d < t->rank && d < WHET_MAX_RANK; d++)
        whet_str_printf(s, "%s%lld", d ? "," : "", (long long)t->dims[d]);
    whet_str_add(s, "]");
}

static whet_status mismatch(const whet_pgraph *g, const whet_pvalue *v, const whet_tensor *t,
                            whet_status status, const char *what, whet_error *err) {
    whet_str has, want;
    whet_str_init(&has);
    whet_str_init(&want);
    print_tensor(t, &has);
    print_type(g, &v->type, &want);
    whet_error_set(err, status, "input \"%s\" is %s, expected %s: %s", v->name,
                   whet_str_text(&has), whet_str_text(&want), what);
    whet_str_fini(&has);
    whet_str_fini(&want);
    return status;
}

// Elements that are pointers are followed: what operators meet must be what the type says.
static whet_status check_pointers(const whet_pvalue *v, const whet_tensor *t, whet_error *err) {
    whet_status status = WHET_OK;
    if (t->dtype == WHET_DTYPE_STRING)
        status = whet_texts_check(t->data, whet_tensor_count(t), err);
    else if (whet_dtype_is_object(t->dtype))
        status = whet_object_check(whet_object_of(t), t->dtype, v->type.elem, err);
    return status == WHET_OK ? status
                             : whet_error_prefix(err, status, "input \"%s\"", v->name);
}

static whet_status check_one(const whet_pgraph *g, const whet_tensor *inputs, int32_t i,
                             bool with_data, whet_error *err) {
    const whet_pvalue *v = &g->values[g->inputs[i]];
    const whet_tensor *t = &inputs[i];
    if (t->rank < 0 || t->rank > WHET_MAX_RANK)
        WHET_FAIL(err, WHET_E_SHAPE, "input \"%s\" has rank %d, at most %d is possible", v->name,
                  t->rank, WHET_MAX_RANK);
    if (t->dtype != v->type.dtype)
        return mismatch(g, v, t, WHET_E_DTYPE, "the data type differs", err);
    if (t->rank != v->type.rank) return mismatch(g, v, t, WHET_E_SHAPE, "the rank differs", err);
    whet_input_names l = {g, inputs, i + 1};
    for (int32_t d = 0; d < t->rank; d++) {
        whet_dim want = v->type.dims[d];
        if (!whet_dim_is_const(want)) want = whet_dim_eval(g->dims, want, whet_input_dim, &l);
        if (t->dims[d] < 0) return mismatch(g, v, t, WHET_E_SHAPE, "a dimension is missing", err);
        if (whet_dim_is_const(want) && want != t->dims[d])
            return mismatch(g, v, t, WHET_E_SHAPE, "a dimension differs", err);
    }
    size_t bytes = whet_tensor_bytes(t->dtype, whet_dims_count(t->dims, t->rank));
    if (bytes == SIZE_MAX) return mismatch(g, v, t, WHET_E_LIMIT, "it is too large", err);
    if (!with_data && !t->data) return WHET_OK;
    if (t->bytes != bytes)
        WHET_FAIL(err, WHET_E_BUFFER, "input \"%s\" has %zu bytes, its shape needs %zu", v->name,
                  t->bytes, bytes);
    if (!t->data && bytes) WHET_FAIL(err, WHET_E_INVALID, "input \"%s\" has no data", v->name);
    return check_pointers(v, t, err);
}

whet_status whet_context_check_inputs(whet_context *c, const whet_tensor *inputs, int32_t n,
                                      bool with_data, whet_error *err) {
    const whet_pgraph *g = c->graph;
    if (n != g->n_inputs || (n && !inputs))
        WHET_FAIL(err, WHET_E_INVALID, "%d inputs given, the engine has %d", inputs ? n : 0,
                  g->n_inputs);
    for (int32_t i = 0; i < n; i++) WHET_TRY(check_one(g, inputs, i, with_data, err));
    return WHET_OK;
}

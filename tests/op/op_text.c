// SPDX-License-Identifier: Apache-2.0
#include "op/op_text.h"

#include <ctype.h>
#include <math.h>

#include "base/texts.h"
#include "op/op_run.h"
#include "support/test.h"

static void read_dims(const char **text, whet_tensor *t) {
    assert_int_equal(*(*text)++, '[');
    while (**text != ']') {
        t->dims[t->rank++] = strtoll(*text, (char **)text, 10);
        if (**text == ',') (*text)++;
    }
    (*text)++;
}

// One number, or one word, into element i; the text behind it.
static const char *read_number(const char *text, const whet_tensor *t, int64_t i) {
    char *end;
    if (t->dtype == WHET_DTYPE_STRING) {
        text += strspn(text, " ");
        end = (char *)(uintptr_t)text + strcspn(text, " ");
        ((whet_text *)t->data)[i] = (whet_text){text, (size_t)(end - text)};
    } else if (WHET_DTYPES_FLOAT8 >> t->dtype & 1)
        ((uint8_t *)t->data)[i] = whet_float8_store(t->dtype, strtod(text, &end), false);
    else if (whet_dtype_is_float(t->dtype))
        whet_store_f64(t->data, t->dtype, i, strtod(text, &end));
    else if (t->dtype == WHET_DTYPE_U64)
        whet_store_u64(t->data, t->dtype, i, strtoull(text, &end, 10));
    else whet_store_i64(t->data, t->dtype, i, strtoll(text, &end, 10));
    assert_ptr_not_equal(end, text);
    while (isspace((unsigned char)*end)) end++;
    return end;
}

whet_tensor op_text_tensor(whet_arena *arena, const char *text) {
    char name[16] = {0};
    size_t n = strcspn(text, "[");
    assert_true(n < sizeof name);
    memcpy(name, text, n);
    text += n;
    whet_tensor t = {.dtype = whet_dtype_parse(name)};
    assert_int_not_equal(t.dtype, WHET_DTYPE_NONE);
    read_dims(&text, &t);
    int64_t count = whet_tensor_count(&t);
    t.bytes = whet_tensor_bytes(t.dtype, count);
    t.data = whet_arena_alloc(arena, t.bytes ? t.bytes : 1);
    const char *at = text;
    for (int64_t i = 0; i < count; i++) {
        if (!*at) at = text; // fewer numbers than elements: they repeat
        at = read_number(at, &t, i);
    }
    return t;
}

static double tolerance(whet_dtype dtype) {
    switch (dtype) {
    case WHET_DTYPE_F64: return 1e-12;
    case WHET_DTYPE_F32: return 1e-6;
    case WHET_DTYPE_F16: return 1e-3;
    case WHET_DTYPE_BF16: return 8e-3;
    default: return 0;
    }
}

static bool close_to(whet_dtype dtype, double got, double want) {
    if (isnan(want)) return isnan(got);
    return got == want || fabs(got - want) <= tolerance(dtype) * fabs(want);
}

static void check_tensor(int32_t index, const op_case *c, const whet_tensor *got,
                         const whet_tensor *want) {
    if (got->dtype != want->dtype || got->rank != want->rank ||
        memcmp(got->dims, want->dims, (size_t)got->rank * sizeof got->dims[0]))
        fail_msg("case %d, %s: got %s of rank %d", index, c->op, whet_dtype_text(got->dtype),
                 got->rank);
    for (int64_t i = 0; i < whet_tensor_count(want); i++) {
        if (want->dtype == WHET_DTYPE_STRING) {
            const whet_text *a = got->data, *b = want->data;
            if (!whet_text_equal(a[i], b[i]))
                fail_msg("case %d, %s: element %lld is %.*s, not %.*s", index, c->op, (long long)i,
                         (int)a[i].size, a[i].data, (int)b[i].size, b[i].data);
            continue;
        }
        bool integer = !whet_dtype_is_float(want->dtype);
        double g = whet_load_f64(got->data, got->dtype, i);
        double w = whet_load_f64(want->data, want->dtype, i);
        if (integer ? whet_load_i64(got->data, got->dtype, i) !=
                          whet_load_i64(want->data, want->dtype, i)
                    : !close_to(want->dtype, g, w))
            fail_msg("case %d, %s: element %lld is %g, not %g", index, c->op, (long long)i, g, w);
    }
}

static void check_case(int32_t index, const op_case *c) {
    op_run r;
    whet_tensor in[OP_TEXT_MAX] = {0};
    uint64_t wanted = 0;
    int32_t n_in = 0, n_out = 0;
    op_run_init(&r);
    const whet_op *op = whet_op_find(whet_ops_builtin(), c->op);
    if (!op) fail_msg("case %d: no operator %s", index, c->op);
    for (; n_in < OP_TEXT_MAX && c->in[n_in]; n_in++)
        if (*c->in[n_in]) in[n_in] = op_text_tensor(&r.arena, c->in[n_in]);
    for (; n_out < OP_TEXT_MAX && c->out[n_out]; n_out++)
        if (*c->out[n_out]) wanted |= UINT64_C(1) << n_out;
    whet_status status =
        op_run_case(&r, op, c->attrs ? c->attrs : "", in, n_in, n_out ? n_out : 1, wanted);
    if (status != c->status)
        fail_msg("case %d, %s: status %d, %s", index, c->op, status, r.error.text);
    if (c->text && !strstr(r.error.text, c->text))
        fail_msg("case %d, %s: text is %s", index, c->op, r.error.text);
    for (int32_t i = 0; status == WHET_OK && i < n_out; i++) {
        if (!*c->out[i]) continue;
        whet_tensor want = op_text_tensor(&r.arena, c->out[i]);
        check_tensor(index, c, &r.out[i], &want);
    }
    op_run_fini(&r);
}

void op_text_check(const op_case *cases, int32_t n) {
    for (int32_t i = 0; i < n; i++) check_case(i, &cases[i]);
}

// SPDX-License-Identifier: Apache-2.0
#include "op/op_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void op_run_init(op_run *r) {
    memset(r, 0, sizeof *r);
    whet_arena_init(&r->arena);
}

static void free_outputs(op_run *r) {
    for (int32_t i = 0; i < OP_RUN_MAX; i++) free(r->out[i].data);
    memset(r->out, 0, sizeof r->out);
}

void op_run_fini(op_run *r) {
    free_outputs(r);
    whet_arena_fini(&r->arena);
}

// ---- attributes from text ----

static int32_t count_items(const char *text) {
    int32_t n = *text != 0;
    for (; *text; text++) n += *text == ',';
    return n;
}

static bool set_attr(op_run *r, const whet_attr *a, void *p, const char *text) {
    int32_t n = count_items(text);
    switch (a->type) {
    case WHET_ATTR_INT: *(int64_t *)p = strtoll(text, NULL, 10); return true;
    case WHET_ATTR_BOOL: *(bool *)p = strtoll(text, NULL, 10) != 0; return true;
    case WHET_ATTR_FLOAT: *(float *)p = strtof(text, NULL); return true;
    case WHET_ATTR_DTYPE: *(int32_t *)p = (int32_t)strtol(text, NULL, 10); return true;
    case WHET_ATTR_STRING: *(char **)p = whet_arena_strdup(&r->arena, text); return true;
    case WHET_ATTR_ENUM:
        for (int32_t i = 0; a->choices[i]; i++)
            if (!strcmp(a->choices[i], text)) return *(int32_t *)p = i, true;
        return false;
    case WHET_ATTR_INTS: {
        int64_t *v = WHET_NEW_ARRAY(&r->arena, int64_t, n + 1);
        for (int32_t i = 0; i < n; i++, text++) v[i] = strtoll(text, (char **)&text, 10);
        *(whet_ints *)p = (whet_ints){v, n};
        return true;
    }
    case WHET_ATTR_FLOATS: {
        float *v = WHET_NEW_ARRAY(&r->arena, float, n + 1);
        for (int32_t i = 0; i < n; i++, text++) v[i] = strtof(text, (char **)&text);
        *(whet_floats *)p = (whet_floats){v, n};
        return true;
    }
    default: return false;
    }
}

static whet_status parse_attrs(op_run *r, const whet_op *op, const char *text, void **attrs) {
    *attrs = whet_arena_alloc(&r->arena, op->attrs_size ? op->attrs_size : 1);
    whet_op_attr_defaults(op, *attrs);
    char *copy = whet_arena_strdup(&r->arena, text), *state = NULL;
    for (char *item = strtok_r(copy, " ", &state); item; item = strtok_r(NULL, " ", &state)) {
        char *value = strchr(item, '=');
        if (!value) WHET_FAIL(&r->error, WHET_E_INVALID, "attribute without value: %s", item);
        *value++ = 0;
        const whet_attr *a = whet_op_attr_find(op, item);
        if (!a || !set_attr(r, a, (char *)*attrs + a->offset, value))
            WHET_FAIL(&r->error, WHET_E_NOT_FOUND, "attribute %s=%s of %s", item, value, op->name);
    }
    return whet_op_attr_check(op, *attrs, &r->error);
}

// ---- inference ----

typedef struct names {
    const whet_tensor *in;
} names;

static int64_t lookup(void *user, const char *name) {
    const whet_tensor *in = ((const names *)user)->in;
    int i, k;
    return sscanf(name, "d%d_%d", &i, &k) == 2 ? in[i].dims[k] : -1;
}

// Where a symbolic result has a value, it must be the number; contents of inputs are given or not.
static whet_status check_symbols(op_run *r, whet_infer ctx, const whet_tensor *in, bool contents) {
    whet_type types[OP_RUN_MAX] = {0}, out[OP_RUN_MAX] = {0};
    const whet_type *in_types[OP_RUN_MAX];
    const whet_type *numbers = ctx.out;
    names user = {in};
    ctx.dims = whet_dims_create();
    ctx.out = out;
    ctx.in = in_types;
    if (!contents) ctx.data = NULL;
    for (int32_t i = 0; i < ctx.n_in; i++) {
        types[i] = (whet_type){.dtype = in[i].dtype, .rank = in[i].rank};
        in_types[i] = in[i].dtype ? &types[i] : NULL;
        bool fixed = contents && !whet_dtype_is_float(in[i].dtype);
        for (int32_t k = 0; k < in[i].rank; k++) {
            char name[32];
            snprintf(name, sizeof name, "d%d_%d", i, k);
            types[i].dims[k] = fixed ? in[i].dims[k] : whet_dim_named(ctx.dims, name);
        }
    }
    whet_status status = whet_op_infer(&ctx);
    for (int32_t i = 0; status == WHET_OK && i < ctx.n_out; i++) {
        if (out[i].rank < 0 || numbers[i].rank < 0) continue;
        if (out[i].rank != numbers[i].rank || out[i].dtype != numbers[i].dtype)
            status = whet_error_set(&r->error, WHET_E_VERIFY, "symbolic type of output %d", i);
        for (int32_t k = 0; k < out[i].rank && status == WHET_OK; k++) {
            whet_dim d = whet_dim_eval(ctx.dims, out[i].dims[k], lookup, &user);
            if (!whet_dim_is_error(d) && whet_dim_is_const(numbers[i].dims[k]) &&
                d != numbers[i].dims[k])
                status = whet_error_set(&r->error, WHET_E_VERIFY,
                                        "symbolic dimension %d of output %d is %lld, not %lld", k,
                                        i, (long long)d, (long long)numbers[i].dims[k]);
        }
    }
    whet_dims_destroy(ctx.dims);
    return status;
}

// ---- evaluation ----

static whet_status give_memory(whet_eval *e, int32_t i, int32_t rank, const int64_t *dims) {
    whet_tensor *t = &e->out[i];
    t->bytes = whet_tensor_bytes(t->dtype, whet_dims_count(dims, rank));
    if (t->bytes > (size_t)1 << 30) WHET_FAIL(e->err, WHET_E_LIMIT, "output %d is too large", i);
    free(t->data);
    t->data = malloc(t->bytes ? t->bytes : 1);
    memset(t->data, 0xcd, t->bytes);
    return t->data ? WHET_OK : WHET_NOMEM(e->err);
}

static whet_status shape_output(whet_eval *e, const whet_type *type, int32_t i) {
    whet_tensor *t = &e->out[i];
    *t = (whet_tensor){.dtype = type->dtype, .rank = type->rank};
    for (int32_t k = 0; k < type->rank; k++) {
        if (!whet_dim_is_const(type->dims[k])) {
            if (e->op->flags & WHET_OP_DYNAMIC_OUT) return WHET_OK;
            WHET_FAIL(e->err, WHET_E_VERIFY, "output %d has no shape", i);
        }
        t->dims[k] = type->dims[k];
    }
    if (type->rank < 0) return WHET_OK;
    return give_memory(e, i, t->rank, t->dims);
}

// What the reference wrote must have the shape and type that inference promised.
static whet_status check_output(op_run *r, const whet_type *type, int32_t i) {
    const whet_tensor *t = &r->out[i];
    bool ok = t->dtype == type->dtype && (type->rank < 0 || t->rank == type->rank) && t->data;
    for (int32_t k = 0; ok && k < type->rank; k++)
        ok = !whet_dim_is_const(type->dims[k]) || type->dims[k] == t->dims[k];
    if (ok) return WHET_OK;
    WHET_FAIL(&r->error, WHET_E_VERIFY, "output %d is not of the inferred type", i);
}

whet_status op_run_case(op_run *r, const whet_op *op, const char *attrs, const whet_tensor *in,
                        int32_t n_in, int32_t n_out, uint64_t wanted) {
    void *attr_struct;
    whet_type types[OP_RUN_MAX] = {0}, out[OP_RUN_MAX] = {0};
    const whet_type *in_types[OP_RUN_MAX];
    const whet_tensor *data[OP_RUN_MAX];
    free_outputs(r);
    whet_error_clear(&r->error);
    WHET_TRY(parse_attrs(r, op, attrs, &attr_struct));
    for (int32_t i = 0; i < n_in; i++) {
        types[i] = (whet_type){.dtype = in[i].dtype, .rank = in[i].rank};
        memcpy(types[i].dims, in[i].dims, sizeof types[i].dims);
        in_types[i] = in[i].dtype ? &types[i] : NULL;
        data[i] = in[i].dtype ? &in[i] : NULL;
    }
    whet_infer ctx = {.op = op, .attrs = attr_struct, .node = "node", .n_in = n_in,
                      .n_out = n_out, .in = in_types, .data = data, .out = out,
                      .arena = &r->arena, .err = &r->error};
    WHET_TRY(whet_op_infer(&ctx));
    WHET_TRY(check_symbols(r, ctx, in, true));
    WHET_TRY(check_symbols(r, ctx, in, false));
    whet_eval e = {.op = op, .attrs = attr_struct, .node = "node", .n_in = n_in, .n_out = n_out,
                   .in = in, .out = r->out, .scratch = &r->arena,
                   .objects = &r->arena, .err = &r->error,
                   .alloc = give_memory};
    for (int32_t i = 0; i < n_out; i++)
        if (!wanted || wanted >> i & 1) WHET_TRY(shape_output(&e, &out[i], i));
    WHET_TRY(whet_op_eval(&e));
    for (int32_t i = 0; i < n_out; i++)
        if (!wanted || wanted >> i & 1) WHET_TRY(check_output(r, &out[i], i));
    return WHET_OK;
}

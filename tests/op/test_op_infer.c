// SPDX-License-Identifier: Apache-2.0
// Shapes and contents as expressions over named dimensions.
#include "support/test.h"

#include "ops/op.h"

typedef struct fixture {
    whet_arena arena;
    whet_dims *dims;
    whet_error error;
    whet_dim batch, width; // named
    whet_type out[2];
    uint64_t needs_value;
} fixture;

static int setup(void **state) {
    fixture *f = calloc(1, sizeof *f);
    whet_arena_init(&f->arena);
    f->dims = whet_dims_create();
    f->batch = whet_dim_named(f->dims, "batch");
    f->width = whet_dim_named(f->dims, "width");
    *state = f;
    return 0;
}
static int teardown(void **state) {
    fixture *f = *state;
    whet_dims_destroy(f->dims);
    whet_arena_fini(&f->arena);
    free(f);
    return 0;
}

static whet_type vector(const whet_dim *value, int64_t n) {
    return (whet_type){.dtype = WHET_DTYPE_I64, .rank = 1, .dims = {n}, .value = value};
}

static whet_status infer(fixture *f, const char *name, void *attrs, const whet_type *in,
                         int32_t n_in) {
    const whet_op *op = whet_op_find(whet_ops_builtin(), name);
    const whet_type *types[4];
    assert_non_null(op);
    for (int32_t i = 0; i < n_in; i++) types[i] = in[i].dtype ? &in[i] : NULL;
    void *defaults = whet_arena_alloc(&f->arena, op->attrs_size + 1);
    whet_op_attr_defaults(op, defaults);
    whet_infer ctx = {.op = op, .attrs = attrs ? attrs : defaults, .node = "n", .dims = f->dims,
                      .n_in = n_in, .n_out = 1, .in = types, .out = f->out, .arena = &f->arena,
                      .err = &f->error};
    whet_status status = whet_op_infer(&ctx);
    f->needs_value = ctx.needs_value;
    return status;
}

static void shapes_broadcast(void **state) {
    fixture *f = *state;
    whet_type in[] = {{WHET_DTYPE_F32, 3, {f->batch, 1, 4}}, {WHET_DTYPE_F32, 2, {f->width, 1}}};
    assert_int_equal(infer(f, "add", NULL, in, 2), WHET_OK);
    assert_int_equal(f->out[0].rank, 3);
    assert_int_equal(f->out[0].dims[0], f->batch);
    assert_int_equal(f->out[0].dims[1], f->width);
    assert_int_equal(f->out[0].dims[2], 4);
    // a number above 1 wins over a name; two names may be anything
    whet_type wide[] = {{WHET_DTYPE_F32, 2, {f->batch, f->batch}},
                        {WHET_DTYPE_F32, 2, {7, f->width}}};
    assert_int_equal(infer(f, "add", NULL, wide, 2), WHET_OK);
    assert_int_equal(f->out[0].dims[0], 7);
    assert_int_not_equal(f->out[0].dims[1], f->batch);
    assert_int_not_equal(f->out[0].dims[1], f->width);
}

static void unknown_ranks_pass(void **state) {
    fixture *f = *state;
    whet_type in[] = {{WHET_DTYPE_F32, -1}, {WHET_DTYPE_F32, 1, {3}}};
    assert_int_equal(infer(f, "add", NULL, in, 2), WHET_OK);
    assert_int_equal(f->out[0].rank, -1);
    assert_int_equal(f->out[0].dtype, WHET_DTYPE_F32);
}

static void reductions_keep_names(void **state) {
    fixture *f = *state;
    const whet_dim axes[] = {1};
    whet_type in[] = {{WHET_DTYPE_F32, 2, {f->batch, 4}}, vector(axes, 1)};
    assert_int_equal(infer(f, "reduce_sum", NULL, in, 2), WHET_OK);
    assert_int_equal(f->out[0].dims[0], f->batch);
    assert_int_equal(f->out[0].dims[1], 1);
    in[1].value = NULL; // computed axes
    assert_int_equal(infer(f, "reduce_sum", NULL, in, 2), WHET_OK);
    assert_int_equal(f->out[0].rank, 2);
    assert_int_equal(f->needs_value, 2);
}

// (batch, width * 2) from (batch, width) and (1, 2)
static void contents_multiply(void **state) {
    fixture *f = *state;
    const whet_dim shape[] = {f->batch, f->width}, factors[] = {1, 2};
    whet_type in[] = {vector(shape, 2), vector(factors, 2)};
    assert_int_equal(infer(f, "mul", NULL, in, 2), WHET_OK);
    assert_non_null(f->out[0].value);
    assert_int_equal(f->out[0].value[0], f->batch);
    assert_int_equal(f->out[0].value[1], whet_dim_mul(f->dims, f->width, 2));
    assert_int_equal(f->needs_value, 0);
}

static void contents_divide(void **state) {
    fixture *f = *state;
    const whet_dim a[] = {f->width, -7, 7, 7}, b[] = {2, 2, 0, f->width};
    whet_type in[] = {vector(a, 4), vector(b, 4)};
    assert_int_equal(infer(f, "div", NULL, in, 2), WHET_OK);
    const whet_dim *v = f->out[0].value;
    assert_int_equal(v[0], whet_dim_floordiv(f->dims, f->width, 2));
    assert_int_equal(v[1], -3);               // toward zero
    assert_false(whet_dim_is_const(v[2]));    // left to the run, which fails
    assert_false(whet_dim_is_const(v[3]));    // width may be 0
    assert_false(whet_dim_is_error(v[2]));
}

// the idiom of exported expand: where(equal(shape, -1), ones, shape)
static void contents_select(void **state) {
    fixture *f = *state;
    const whet_dim shape[] = {f->batch, -1, 5}, minus[] = {-1}, ones[] = {1};
    whet_type in[] = {vector(shape, 3), vector(minus, 1)};
    assert_int_equal(infer(f, "equal", NULL, in, 2), WHET_OK);
    assert_int_equal(f->out[0].dtype, WHET_DTYPE_BOOL);
    assert_int_equal(f->out[0].value[0], 0); // a dimension is never -1
    assert_int_equal(f->out[0].value[1], 1);
    whet_type pick[] = {f->out[0], vector(ones, 1), vector(shape, 3)};
    assert_int_equal(infer(f, "where", NULL, pick, 3), WHET_OK);
    assert_int_equal(f->out[0].value[0], f->batch);
    assert_int_equal(f->out[0].value[1], 1);
    assert_int_equal(f->out[0].value[2], 5);
}

static void contents_fold(void **state) {
    fixture *f = *state;
    const whet_dim shape[] = {f->batch, 3, f->width};
    whet_type in[] = {vector(shape, 3)};
    assert_int_equal(infer(f, "reduce_prod", NULL, in, 1), WHET_OK);
    whet_dim want = whet_dim_mul(f->dims, whet_dim_mul(f->dims, f->batch, f->width), 3);
    assert_int_equal(f->out[0].value[0], want);
    assert_int_equal(infer(f, "reduce_sum", NULL, in, 1), WHET_OK);
    want = whet_dim_add(f->dims, whet_dim_add(f->dims, f->batch, f->width), 3);
    assert_int_equal(f->out[0].value[0], want);
}

// A cast keeps contents as far as the new type holds them.
static void contents_cast(void **state) {
    fixture *f = *state;
    const whet_dim v[] = {f->batch, INT64_C(1) << 40};
    struct {
        int32_t to, round_mode;
        bool saturate;
    } attrs = {WHET_DTYPE_I32, 0, true};
    whet_type in[] = {vector(v, 2)};
    assert_int_equal(infer(f, "cast", &attrs, in, 1), WHET_OK);
    assert_int_equal(f->out[0].dtype, WHET_DTYPE_I32);
    assert_int_equal(f->out[0].value[0], f->batch);
    assert_false(whet_dim_is_const(f->out[0].value[1]));
    attrs.to = WHET_DTYPE_F32;
    assert_int_equal(infer(f, "cast", &attrs, in, 1), WHET_OK);
    assert_null(f->out[0].value);
}

static void narrow_types_do_not_wrap(void **state) {
    fixture *f = *state;
    const whet_dim a[] = {INT32_MAX}, b[] = {1};
    whet_type in[] = {vector(a, 1), vector(b, 1)};
    in[0].dtype = in[1].dtype = WHET_DTYPE_I32;
    assert_int_equal(infer(f, "add", NULL, in, 2), WHET_OK);
    assert_false(whet_dim_is_const(f->out[0].value[0]));
}

static void sizes_are_limited(void **state) {
    fixture *f = *state;
    whet_type in[] = {{WHET_DTYPE_F32, 2, {INT64_C(1) << 40, 1}},
                      {WHET_DTYPE_F32, 1, {INT64_C(1) << 40}}};
    assert_int_equal(infer(f, "add", NULL, in, 2), WHET_E_LIMIT);
    assert_non_null(strstr(f->error.text, "n: output 0"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(shapes_broadcast),         TEST(unknown_ranks_pass), TEST(reductions_keep_names),
        TEST(contents_multiply),        TEST(contents_divide),    TEST(contents_select),
        TEST(contents_fold),            TEST(contents_cast),      TEST(narrow_types_do_not_wrap),
        TEST(sizes_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

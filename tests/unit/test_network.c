// SPDX-License-Identifier: Apache-2.0
// Networks made and edited by hand: results, inference, edits that are taken back, misuse.
#include "support/failing_alloc.h"
#include "support/test.h"

#include <whet/whet.h>

typedef struct {
    whet_builder *builder;
    whet_network *net;
} made;

static int setup(void **state) {
    made *m = calloc(1, sizeof *m);
    if (whet_builder_create(NULL, &m->builder) || whet_builder_network(m->builder, &m->net))
        return -1;
    *state = m;
    return 0;
}

static int teardown(void **state) {
    made *m = *state;
    whet_builder_destroy(m->builder);
    free(m);
    return 0;
}

static void check(whet_network *net, whet_status status, whet_status want, const char *text) {
    if (status != want) print_error("%s\n", whet_error_text(net));
    assert_int_equal(status, want);
    if (text && !strstr(whet_error_text(net), text)) print_error("%s\n", whet_error_text(net));
    if (text) assert_non_null(strstr(whet_error_text(net), text));
}
#define OK(call) check(m->net, (call), WHET_OK, NULL)
#define FAILS(call, status, text) check(m->net, (call), status, text)

static whet_value *input(made *m, const char *name, int64_t columns) {
    whet_value *v = NULL;
    OK(whet_network_input(m->net, name, WHET_DTYPE_F32, 2, (int64_t[]){-1, columns},
                          (const char *[]){"n", NULL}, &v));
    return v;
}

static whet_value *constant(made *m, const char *name, int64_t rows, int64_t columns,
                            const float *data) {
    whet_tensor t = {WHET_DTYPE_F32, 2, {rows, columns}, (void *)(uintptr_t)data,
                     (size_t)(rows * columns) * 4};
    whet_value *v = NULL;
    OK(whet_network_constant(m->net, name, &t, true, &v));
    return v;
}

static whet_value *add2(made *m, const char *op, const char *name, whet_value *a, whet_value *b) {
    whet_value *in[] = {a, b}, *out = NULL;
    OK(whet_network_add(m->net, op, name, in, b ? 2 : 1, NULL, 0, &out, 1));
    return out;
}

// out[rows, columns] of the network's only output for input x of `rows` rows.
static void run(made *m, int64_t rows, int64_t columns, const float *x, int64_t out_columns,
                float *out) {
    whet_config *config;
    whet_engine *engine = NULL;
    whet_context *context;
    whet_config_create(NULL, &config);
    whet_config_set(config, "level", "0");
    whet_status status = whet_builder_build(m->builder, config, &engine);
    if (status) print_error("%s\n", whet_error_text(m->builder));
    assert_int_equal(status, WHET_OK);
    whet_config_destroy(config);
    assert_int_equal(whet_context_create(engine, &context), WHET_OK);
    whet_tensor in = {WHET_DTYPE_F32, 2, {rows, columns}, (void *)(uintptr_t)x,
                      (size_t)(rows * columns) * 4};
    whet_tensor y = {WHET_DTYPE_F32, 2, {0}, out, (size_t)(rows * out_columns) * 4};
    status = whet_context_run(context, &in, 1, &y, 1);
    if (status) print_error("%s\n", whet_error_text(context));
    assert_int_equal(status, WHET_OK);
    assert_int_equal(y.dims[0], rows);
    assert_int_equal(y.dims[1], out_columns);
    whet_context_destroy(context);
    whet_engine_destroy(engine);
}

// y = relu(x w + b), w [2,3]
static void make_layer(made *m, whet_value **x, whet_value **y) {
    *x = input(m, "x", 2);
    whet_value *w = constant(m, "w", 2, 3, (float[]){1, 2, 3, 4, 5, 6});
    whet_value *b = constant(m, "b", 1, 3, (float[]){-10, 0, 1});
    *y = add2(m, "relu", "act", add2(m, "add", "bias", add2(m, "matmul", "mm", *x, w), b), NULL);
    OK(whet_network_mark_output(m->net, *y, "y"));
}

static void builds_and_runs(void **state) {
    made *m = *state;
    whet_value *x, *y;
    float out[6];
    make_layer(m, &x, &y);
    run(m, 2, 2, (float[]){1, 1, 2, -1}, 3, out);
    assert_memory_equal(out, ((float[]){0, 7, 10, 0, 0, 1}), sizeof out);
    // a build leaves the network as it was
    OK(whet_network_set_data(m->net, whet_network_find_value(m->net, "b"),
                             &(whet_tensor){WHET_DTYPE_F32, 2, {1, 3}, (float[]){0, 0, 0}, 12},
                             true));
    run(m, 1, 2, (float[]){1, 1}, 3, out);
    assert_memory_equal(out, ((float[]){5, 7, 9}), 12);
}

static void looks(void **state) {
    made *m = *state;
    whet_value *x, *y;
    make_layer(m, &x, &y);
    assert_int_equal(whet_network_node_count(m->net), 3);
    whet_node *mm = whet_network_find_node(m->net, "mm");
    assert_ptr_equal(mm, whet_network_next_node(m->net, NULL));
    assert_ptr_equal(mm, whet_network_next_user(m->net, x, NULL));
    assert_null(whet_network_next_user(m->net, x, mm));
    whet_node_info info;
    OK(whet_network_node(m->net, mm, &info));
    assert_string_equal(info.op, "matmul");
    assert_int_equal(info.n_inputs, 2);
    assert_ptr_equal(whet_network_node_input(m->net, mm, 0), x);
    assert_null(whet_network_node_input(m->net, mm, 2));
    whet_value *out = whet_network_node_output(m->net, mm, 0);
    assert_ptr_equal(whet_network_producer(m->net, out), mm);
    whet_io_info io;
    OK(whet_network_value(m->net, out, &io));
    assert_string_equal(io.name, "mm");
    assert_int_equal(io.rank, 2);
    assert_int_equal(io.dims[0], -1);
    assert_string_equal(io.dim_names[0], "n");
    assert_int_equal(io.dims[1], 3);
    whet_attribute a;
    OK(whet_network_attribute(m->net, mm, 0, &a));
    assert_int_equal(a.kind, WHET_ATTRIBUTE_INT);
    FAILS(whet_network_attribute(m->net, mm, 99, &a), WHET_E_RANGE, "asked for 99");
    const char *name;
    assert_ptr_equal(whet_network_output_at(m->net, 0, &name), y);
    assert_string_equal(name, "y");
    assert_ptr_equal(whet_network_input_at(m->net, 0), x);
    assert_null(whet_network_input_at(m->net, 1));
    whet_tensor t;
    OK(whet_network_value_data(m->net, whet_network_find_value(m->net, "w"), &t));
    assert_int_equal(t.dims[1], 3);
    FAILS(whet_network_value_data(m->net, x, &t), WHET_E_INVALID, "x is no constant");
    assert_non_null(strstr(whet_network_text(m->net, 8), "mm: f32[n, 3] = matmul(x, w) @mm"));
    assert_non_null(strstr(whet_network_operators(m->net), "\"softmax\""));
}

static void attributes(void **state) {
    made *m = *state;
    whet_value *x, *y;
    OK(whet_network_input(m->net, "x", WHET_DTYPE_F32, 4, (int64_t[]){1, 2, 8, 8}, NULL, &x));
    whet_attribute texts[] = {{"kernel_shape", .text = "[3, 3]"},
                              {"auto_pad", .text = "SAME_UPPER"}};
    OK(whet_network_add(m->net, "max_pool", "p", &x, 1, texts, 2, &y, 1));
    whet_io_info io;
    OK(whet_network_value(m->net, y, &io));
    assert_int_equal(io.dims[2], 8);
    whet_attribute strides = {"strides", WHET_ATTRIBUTE_INTS, .ints = (int64_t[]){2, 2}, .n = 2};
    whet_node *p = whet_network_find_node(m->net, "p");
    OK(whet_network_set_attribute(m->net, p, &strides));
    OK(whet_network_value(m->net, y, &io));
    assert_int_equal(io.dims[2], 4);
    whet_attribute bad[] = {
        {"kernel_shape", .text = "[3, "},
        {"kernel_shape", .text = "[3, 3], ceil_mode = true"},
        {"auto_pad", .text = "SAME"},
        {"kernel_shape", WHET_ATTRIBUTE_INT, .i = 3},
        {"ceil_mode", WHET_ATTRIBUTE_INT, .i = 2},
        {"kernel_size", .text = "[3, 3]"},
        {NULL, .text = "1"},
        {"kernel_shape", .text = NULL},
        {"strides", WHET_ATTRIBUTE_INTS, .ints = (int64_t[]){2, 2, 2}, .n = 3},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_not_equal(whet_network_set_attribute(m->net, p, &bad[i]), WHET_OK);
        assert_true(whet_error_text(m->net)[0] != 0);
        OK(whet_network_value(m->net, y, &io)); // as it was
        assert_int_equal(io.dims[2], 4);
    }
    FAILS(whet_network_set_attribute(m->net, p, &bad[5]), WHET_E_NOT_FOUND, "it has: auto_pad");
    FAILS(whet_network_add(m->net, "max_pool", NULL, &x, 1, NULL, 0, &y, 1), WHET_E_INVALID,
          "needs the attribute kernel_shape");
}

static void edits(void **state) {
    made *m = *state;
    whet_value *x, *y;
    float out[3];
    make_layer(m, &x, &y);
    // put a node behind x: x + x, and one before the output
    whet_value *twice = add2(m, "add", "twice", x, x);
    OK(whet_network_replace(m->net, x, twice));
    assert_ptr_equal(whet_network_next_node(m->net, NULL), whet_network_find_node(m->net, "twice"));
    assert_ptr_equal(whet_network_node_input(m->net, whet_network_find_node(m->net, "mm"), 0),
                     twice);
    whet_value *minus = add2(m, "neg", NULL, y, NULL);
    OK(whet_network_replace(m->net, y, minus));
    run(m, 1, 2, (float[]){1, 1}, 3, out);
    assert_memory_equal(out, ((float[]){-0.0f, -14, -19}), sizeof out);
    // a cycle is refused
    whet_node *node = whet_network_find_node(m->net, "twice");
    FAILS(whet_network_set_node_input(m->net, node, 0, y), WHET_E_INVALID, "its own output");
    assert_ptr_equal(whet_network_node_input(m->net, node, 0), x);
    // and a shape that does not fit
    whet_value *w = constant(m, "w5", 5, 3, (float[15]){0});
    whet_node *mm = whet_network_find_node(m->net, "mm");
    FAILS(whet_network_set_node_input(m->net, mm, 1, w), WHET_E_SHAPE, "mm");
    FAILS(whet_network_replace(m->net, whet_network_find_value(m->net, "w"), w), WHET_E_SHAPE,
          "mm");
    FAILS(whet_network_set_data(m->net, whet_network_find_value(m->net, "w"),
                                &(whet_tensor){WHET_DTYPE_F32, 2, {1, 3}, (float[3]){0}, 12}, true),
          WHET_E_SHAPE, "mm");
    FAILS(whet_network_set_input_type(m->net, x, WHET_DTYPE_F32, 2, (int64_t[]){1, 7}, NULL),
          WHET_E_SHAPE, "mm");
    FAILS(whet_network_remove(m->net, mm), WHET_E_INVALID, "read by bias");
    run(m, 1, 2, (float[]){1, 1}, 3, out);
    assert_memory_equal(out, ((float[]){-0.0f, -14, -19}), sizeof out);
    // bypass `twice` and remove it
    OK(whet_network_replace(m->net, twice, x));
    OK(whet_network_remove(m->net, node));
    FAILS(whet_network_remove(m->net, node), WHET_E_INVALID, "has been removed");
    FAILS(whet_network_mark_output(m->net, twice, "t"), WHET_E_INVALID, "has been removed");
    assert_null(whet_network_find_node(m->net, "twice"));
    OK(whet_network_set_input_type(m->net, x, WHET_DTYPE_F32, 2, (int64_t[]){1, 2}, NULL));
    run(m, 1, 2, (float[]){1, 1}, 3, out);
    assert_memory_equal(out, ((float[]){-0.0f, -7, -10}), sizeof out);
    // another output, the old one unmarked
    OK(whet_network_mark_output(m->net, whet_network_find_value(m->net, "bias"), NULL));
    OK(whet_network_unmark_output(m->net, minus));
    FAILS(whet_network_unmark_output(m->net, minus), WHET_E_NOT_FOUND, "no output");
    assert_int_equal(whet_network_sweep(m->net), 2);
    run(m, 1, 2, (float[]){1, 1}, 3, out);
    assert_memory_equal(out, ((float[]){-5, 7, 10}), sizeof out);
}

static void misuse(void **state) {
    made *m = *state, other;
    void *second;
    whet_value *x = input(m, "x", 2), *v = NULL, *foreign, *in[2] = {x, x};
    assert_int_equal(setup(&second), 0);
    other = *(made *)second;
    foreign = input(&other, "x", 2);
    FAILS(whet_network_input(m->net, "x", WHET_DTYPE_F32, 0, NULL, NULL, &v), WHET_E_INVALID,
          "called x already");
    FAILS(whet_network_input(m->net, "", WHET_DTYPE_F32, 0, NULL, NULL, &v), WHET_E_INVALID, NULL);
    FAILS(whet_network_input(m->net, "q", (whet_dtype)55, 0, NULL, NULL, &v), WHET_E_DTYPE, "55");
    FAILS(whet_network_input(m->net, "q", WHET_DTYPE_F32, 13, NULL, NULL, &v), WHET_E_RANGE, "13");
    FAILS(whet_network_input(m->net, "q", WHET_DTYPE_F32, 1, NULL, NULL, &v), WHET_E_INVALID, NULL);
    FAILS(whet_network_input(m->net, "q", WHET_DTYPE_F32, 1, (int64_t[]){-2}, NULL, &v),
          WHET_E_INVALID, "-2");
    FAILS(whet_network_input(m->net, "q", WHET_DTYPE_F32, 2,
                             (int64_t[]){INT64_C(1) << 40, INT64_C(1) << 40}, NULL, &v),
          WHET_E_RANGE, "too large");
    FAILS(whet_network_constant(m->net, NULL, NULL, true, &v), WHET_E_INVALID, NULL);
    FAILS(whet_network_constant(m->net, NULL, &(whet_tensor){WHET_DTYPE_F32, 1, {2}, "abc", 4},
                                true, &v),
          WHET_E_BUFFER, "takes 8");
    FAILS(whet_network_constant(m->net, NULL, &(whet_tensor){WHET_DTYPE_F32, 1, {-2}, "abc", 4},
                                true, &v), WHET_E_RANGE, NULL);
    FAILS(whet_network_add(m->net, "addd", NULL, in, 2, NULL, 0, &v, 1), WHET_E_NOT_FOUND, "addd");
    FAILS(whet_network_add(m->net, NULL, NULL, in, 2, NULL, 0, &v, 1), WHET_E_INVALID, NULL);
    FAILS(whet_network_add(m->net, "add", NULL, in, 1, NULL, 0, &v, 1), WHET_E_INVALID,
          "input 1 (B) of add is missing");
    FAILS(whet_network_add(m->net, "relu", NULL, in, 2, NULL, 0, &v, 1), WHET_E_INVALID, "at most");
    FAILS(whet_network_add(m->net, "add", NULL, in, 2, NULL, 0, &v, 2), WHET_E_INVALID, "outputs");
    FAILS(whet_network_add(m->net, "add", NULL, NULL, 2, NULL, 0, &v, 1), WHET_E_INVALID, NULL);
    FAILS(whet_network_add(m->net, "add", NULL, in, -1, NULL, 0, &v, 1), WHET_E_INVALID, NULL);
    FAILS(whet_network_add(m->net, "add", NULL, in, 2, NULL, 1, &v, 1), WHET_E_INVALID, NULL);
    in[1] = foreign;
    FAILS(whet_network_add(m->net, "add", NULL, in, 2, NULL, 0, &v, 1), WHET_E_INVALID,
          "another network");
    in[1] = NULL;
    FAILS(whet_network_add(m->net, "add", NULL, in, 2, NULL, 0, &v, 1), WHET_E_INVALID, "missing");
    FAILS(whet_network_mark_output(m->net, foreign, NULL), WHET_E_INVALID, "another network");
    FAILS(whet_network_mark_output(m->net, NULL, NULL), WHET_E_INVALID, "NULL");
    v = add2(m, "abs", NULL, x, NULL);
    FAILS(whet_network_mark_output(m->net, v, NULL), WHET_E_INVALID, "give one");
    FAILS(whet_network_set_value_name(m->net, v, "x"), WHET_E_INVALID, "already");
    FAILS(whet_network_remove(m->net, NULL), WHET_E_INVALID, NULL);
    FAILS(whet_network_replace(m->net, x, foreign), WHET_E_INVALID, "another network");
    assert_int_equal(whet_network_add(NULL, "add", NULL, in, 2, NULL, 0, &v, 1), WHET_E_INVALID);
    whet_engine *engine;
    assert_int_equal(whet_builder_build(m->builder, NULL, &engine), WHET_E_INVALID);
    assert_non_null(strstr(whet_error_text(m->builder), "no outputs"));
    assert_int_equal(whet_network_node_count(m->net), 1);
    teardown(&second);
}

static void edits_an_imported_model(void **state) {
    made *m = *state;
    float out[4];
    assert_int_equal(whet_builder_load_onnx(m->builder, "tests/data/add.onnx"), WHET_OK);
    assert_int_equal(whet_builder_network(m->builder, &m->net), WHET_OK);
    whet_value *y = whet_network_output_at(m->net, 0, NULL); // relu(x + {1, -2, 3, -4})
    whet_node *relu = whet_network_producer(m->net, y);
    OK(whet_network_replace(m->net, y, whet_network_node_input(m->net, relu, 0)));
    OK(whet_network_remove(m->net, relu));
    run(m, 1, 4, (float[]){1, 1, 1, 1}, 4, out);
    assert_memory_equal(out, ((float[]){2, -1, 4, -3}), sizeof out);
    whet_config *config;
    whet_engine *engine;
    whet_config_create(NULL, &config);
    whet_config_set(config, "level", "0");
    whet_config_set_shape(config, "x", 2, (int64_t[]){7, 4});
    assert_int_equal(whet_builder_build(m->builder, config, &engine), WHET_OK);
    whet_io_info io;
    whet_engine_output(engine, 0, &io);
    assert_int_equal(io.dims[0], 7);
    whet_engine_destroy(engine);
    whet_config_destroy(config);
    whet_config_create(NULL, &config);
    whet_config_set_shape(config, "x", 2, (int64_t[]){7, 5});
    assert_int_equal(whet_builder_build(m->builder, config, &engine), WHET_E_SHAPE);
    whet_config_destroy(config);
    // loading again starts anew
    assert_int_equal(whet_builder_load_onnx(m->builder, "tests/data/add.onnx"), WHET_OK);
    assert_int_equal(whet_builder_network(m->builder, &m->net), WHET_OK);
    run(m, 1, 4, (float[]){1, 1, 1, 1}, 4, out);
    assert_memory_equal(out, ((float[]){2, 0, 4, 0}), sizeof out);
}

static whet_network *block_of(whet_network *net) {
    whet_network *b = NULL;
    check(net, whet_network_block(net, "body", &b), WHET_OK, NULL);
    return b;
}

// v = v + x, n times, from a block inside of a block
static void loops(void **state) {
    made *m = *state;
    whet_value *x = input(m, "x", 2), *n, *v, *sum, *number, *go_on, *out[2], *none = NULL;
    OK(whet_network_constant(m->net, NULL, &(whet_tensor){WHET_DTYPE_I64, 0, {0},
                                                          (int64_t[]){3}, 8}, true, &n));
    whet_network *b = block_of(m->net), *inner = block_of(b);
    check(b, whet_network_input(b, "i", WHET_DTYPE_I64, 0, NULL, NULL, &number), WHET_OK, NULL);
    check(b, whet_network_input(b, "c", WHET_DTYPE_BOOL, 0, NULL, NULL, &go_on), WHET_OK, NULL);
    check(b, whet_network_input_like(b, NULL, x, &v), WHET_OK, NULL);
    // then: v + x (x from two networks up); else: v
    check(inner, whet_network_add(inner, "add", NULL, (whet_value *[]){v, x}, 2, NULL, 0, &sum, 1),
          WHET_OK, NULL);
    check(inner, whet_network_mark_output(inner, sum, NULL), WHET_OK, NULL);
    whet_network *other = block_of(b), *both[] = {inner, other};
    check(other, whet_network_mark_output(other, v, NULL), WHET_OK, NULL);
    FAILS(whet_network_add_flow(m->net, "if", NULL, &go_on, 1, both, 2, NULL, 0, out, 1),
          WHET_E_INVALID, NULL);
    check(b, whet_network_add_flow(b, "if", NULL, &go_on, 1, both, 1, NULL, 0, out, 1),
          WHET_E_INVALID, "has 2 blocks");
    check(b, whet_network_add_flow(b, "if", NULL, &go_on, 1, (whet_network *[]){inner, inner}, 2,
                                   NULL, 0, out, 1), WHET_E_INVALID, "twice");
    check(b, whet_network_add_flow(b, "if", "choose", &go_on, 1, both, 2, NULL, 0, &sum, 1),
          WHET_OK, NULL);
    check(inner, whet_network_mark_output(inner, v, NULL), WHET_E_INVALID, "already");
    check(b, whet_network_mark_output(b, go_on, NULL), WHET_OK, NULL);
    check(b, whet_network_mark_output(b, sum, NULL), WHET_OK, NULL);
    check(b, whet_network_mark_output(b, number, NULL), WHET_OK, NULL);
    whet_value *in[] = {n, none, x};
    FAILS(whet_network_add(m->net, "loop", NULL, in, 3, NULL, 0, out, 2), WHET_E_INVALID, "blocks");
    OK(whet_network_add_flow(m->net, "loop", "times", in, 3, &b, 1, NULL, 0, out, 2));
    FAILS(whet_network_add_flow(m->net, "loop", NULL, in, 3, &b, 1, NULL, 0, out, 2),
          WHET_E_INVALID, "another node's");
    OK(whet_network_mark_output(m->net, out[0], "y"));
    float y[2];
    run(m, 1, 2, (float[]){1, -2}, 2, y);
    assert_memory_equal(y, ((float[]){4, -8}), sizeof y);
    // edit inside: a constant instead of x, then a new capture from outside
    whet_node *loop = whet_network_find_node(m->net, "times");
    whet_network *body = whet_network_node_block(m->net, loop, 0);
    assert_ptr_equal(body, b);
    whet_node *choose = whet_network_find_node(body, "choose");
    assert_ptr_equal(whet_network_node_block(body, choose, 0), inner);
    whet_value *twice = add2(m, "add", "twice", x, x);
    whet_node *plus = whet_network_next_node(inner, NULL);
    check(inner, whet_network_set_node_input(inner, plus, 1, twice), WHET_OK, NULL);
    run(m, 1, 2, (float[]){1, -2}, 2, y);
    assert_memory_equal(y, ((float[]){7, -14}), sizeof y);
    assert_non_null(strstr(whet_network_text(m->net, 4), "graph body"));
    // a block outlives its node, but takes in nothing more
    whet_value *fresh = add2(m, "mul", "fresh", x, x);
    OK(whet_network_replace(m->net, out[0], x));
    OK(whet_network_remove(m->net, loop));
    check(b, whet_network_add(b, "relu", NULL, &fresh, 1, NULL, 0, &v, 1), WHET_E_INVALID,
          "removed");
    run(m, 1, 2, (float[]){1, -2}, 2, y);
    assert_memory_equal(y, ((float[]){1, -2}), sizeof y);
}

// if c: x + x, else: x
static whet_status make_if(whet_network *net, whet_value *x, whet_value *c) {
    whet_network *block[2];
    whet_value *y;
    whet_status status = whet_network_block(net, "then", &block[0]);
    if (!status) status = whet_network_block(net, "else", &block[1]);
    if (!status)
        status = whet_network_add(block[0], "add", NULL, (whet_value *[]){x, x}, 2, NULL, 0, &y, 1);
    if (!status) status = whet_network_mark_output(block[0], y, NULL);
    if (!status) status = whet_network_mark_output(block[1], x, NULL);
    if (!status)
        status = whet_network_add_flow(net, "if", NULL, &c, 1, block, 2, NULL, 0, &y, 1);
    if (!status) status = whet_network_mark_output(net, y, "z");
    return status;
}

static whet_status make_all(whet_builder *b) {
    whet_network *net;
    whet_value *x = NULL, *v[2], *y;
    whet_status status = whet_builder_network(b, &net);
    if (!status)
        status = whet_network_input(net, "x", WHET_DTYPE_F32, 2, (int64_t[]){-1, 2}, NULL, &x);
    if (!status)
        status = whet_network_constant(
            net, "c", &(whet_tensor){WHET_DTYPE_F32, 1, {2}, (float[]){1, 2}, 8}, true, &v[1]);
    v[0] = x;
    if (!status) status = whet_network_add(net, "add", "sum", v, 2, NULL, 0, &y, 1);
    if (!status) status = whet_network_mark_output(net, y, "y");
    if (!status) status = whet_network_add(net, "relu", NULL, &x, 1, NULL, 0, &y, 1);
    if (!status) status = whet_network_replace(net, x, y);
    if (!status) status = whet_network_input(net, "b", WHET_DTYPE_BOOL, 0, NULL, NULL, &v[0]);
    if (!status) status = make_if(net, x, v[0]);
    if (!status && !whet_network_text(net, 4)) status = WHET_E_NOMEM;
    return status;
}

static void survives_missing_memory(void **state) {
    (void)state;
    for (int64_t n = 0;; n++) {
        whet_builder *b = NULL;
        test_alloc_fail_from(n);
        whet_status status = whet_builder_create(NULL, &b);
        if (!status) status = make_all(b);
        whet_builder_destroy(b);
        if (!test_alloc_end()) break;
        assert_int_equal(status, WHET_E_NOMEM);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(builds_and_runs, setup, teardown),
        cmocka_unit_test_setup_teardown(looks, setup, teardown),
        cmocka_unit_test_setup_teardown(attributes, setup, teardown),
        cmocka_unit_test_setup_teardown(edits, setup, teardown),
        cmocka_unit_test_setup_teardown(misuse, setup, teardown),
        cmocka_unit_test_setup_teardown(edits_an_imported_model, setup, teardown),
        cmocka_unit_test_setup_teardown(loops, setup, teardown),
        cmocka_unit_test(survives_missing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

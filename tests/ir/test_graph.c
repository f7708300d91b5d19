// SPDX-License-Identifier: Apache-2.0
// Editing keeps use counts, derivations are shared, the verifier sees what is broken.
#include "ir/graph.h"
#include "support/test.h"

static whet_graph *parse(const char *text) {
    whet_error err = {0};
    whet_graph *g = NULL;
    if (whet_graph_parse(whet_ops_builtin(), text, strlen(text), &g, &err))
        fail_msg("%s", err.text);
    return g;
}

static whet_graph *parse_chain(void) {
    return parse("graph g {\n  input x: f32[2]\n  const c: f32[2] = {1, 2}\n"
                 "  a = relu(x)\n  b = add(a, c)\n  y = mul(b, a)\n  output y\n}\n");
}

static void assert_good(const whet_graph *g) {
    whet_error err = {0};
    if (whet_graph_verify(g, &err)) fail_msg("%s", err.text);
}

static void assert_bad(const whet_graph *g, const char *text) {
    whet_error err = {0};
    assert_int_equal(whet_graph_verify(g, &err), WHET_E_VERIFY);
    if (!strstr(err.text, text)) fail_msg("\"%s\" does not say \"%s\"", err.text, text);
}

static void test_edit(void **state) {
    (void)state;
    whet_graph *g = parse_chain();
    whet_node *relu = g->first, *add = relu->next, *mul = add->next;
    assert_int_equal(relu->out[0]->n_uses, 2);
    assert_true(whet_value_is_output(mul->out[0]));
    assert_int_equal(whet_graph_sweep(g), 0);
    whet_value_replace(add->out[0], relu->out[0]);
    assert_int_equal(relu->out[0]->n_uses, 3);
    assert_ptr_equal(mul->in[0], relu->out[0]);
    assert_good(g);
    assert_int_equal(whet_graph_sweep(g), 1); // the addition
    assert_int_equal(relu->out[0]->n_uses, 2);
    assert_good(g);
    whet_value_replace(mul->out[0], relu->out[0]);
    assert_ptr_equal(g->outputs[0], relu->out[0]);
    assert_string_equal(g->output_names[0], "y");
    assert_int_equal(whet_graph_sweep(g), 1);
    assert_good(g);
    whet_graph_destroy(g);
}

static void test_uses(void **state) {
    (void)state;
    whet_arena arena;
    whet_arena_init(&arena);
    whet_graph *g = parse_chain();
    whet_node *relu = g->first, *add = relu->next, *mul = add->next;
    whet_uses *uses = whet_graph_uses(g, &arena);
    assert_non_null(uses);
    assert_ptr_equal(whet_value_single_user(uses, add->out[0]), mul);
    assert_null(whet_value_single_user(uses, relu->out[0])); // two users
    assert_null(whet_value_single_user(uses, mul->out[0]));  // an output
    whet_graph_destroy(g);
    whet_arena_fini(&arena);
}

static void test_derive(void **state) {
    (void)state;
    whet_error err = {0};
    whet_graph *g = parse_chain();
    whet_value *c = g->first->next->in[1], *in[] = {c, c};
    whet_value *sum = whet_graph_const_derive(g, &whet_op_add, NULL, in, 2, &err);
    assert_non_null(sum);
    assert_true(sum->producer->recipe);
    assert_ptr_equal(g->first, sum->producer);
    assert_true(whet_load_f64(sum->data->data, WHET_DTYPE_F32, 1) == 4);
    assert_ptr_equal(whet_graph_const_derive(g, &whet_op_add, NULL, in, 2, &err), sum);
    assert_ptr_not_equal(whet_graph_const_derive(g, &whet_op_mul, NULL, in, 2, &err), sum);
    assert_good(g);
    assert_int_equal(whet_graph_sweep(g), 2);
    whet_value *x = g->inputs[0], *bad[] = {c, x};
    assert_null(whet_graph_const_derive(g, &whet_op_add, NULL, bad, 2, &err));
    assert_good(g);
    whet_graph_destroy(g);
}

static void test_literals(void **state) {
    (void)state;
    whet_graph *g = parse_chain();
    int64_t v[] = {1, 2};
    whet_value *a = whet_graph_const_i64(g, "x", v, 2);
    assert_string_equal(a->name, "x.5"); // x is taken
    assert_ptr_equal(whet_graph_const_i64(g, "other", v, 2), a);
    assert_ptr_not_equal(whet_graph_const_i64(g, "x", v, 1), a);
    double number;
    assert_true(whet_value_scalar(whet_graph_const_f32(g, "half", 0.5f), &number));
    assert_true(number == 0.5);
    assert_false(whet_value_scalar(a, &number));
    whet_graph_destroy(g);
}

static void test_origin(void **state) {
    (void)state;
    whet_graph *g = parse("graph g {\n  input x: f32[2]\n  a = relu(x) @one from \"p,q\"\n"
                          "  b = relu(a) @two from \"q,r\"\n  output b\n}\n");
    assert_true(whet_node_absorb(g->last, g->first));
    assert_string_equal(g->last->origin, "q,r,p");
    whet_graph_destroy(g);
}

static void test_verify(void **state) {
    (void)state;
    whet_graph *g = parse_chain();
    whet_node *relu = g->first, *add = relu->next, *mul = add->next;
    relu->out[0]->n_uses++;
    assert_bad(g, "is used 2 times");
    relu->out[0]->n_uses--;
    whet_node_move_before(mul, add);
    assert_bad(g, "before it is defined");
    whet_node_move_before(add, mul);
    assert_good(g);
    add->out[0]->name = "a";
    assert_bad(g, "two values are named a");
    add->out[0]->name = "b";
    add->out[0]->type.dims[0] = 3;
    assert_bad(g, "is stored as 3 but is 2");
    add->out[0]->type.dims[0] = 2;
    add->out[0]->type.dtype = WHET_DTYPE_F16;
    assert_bad(g, "is stored as f16");
    add->out[0]->type.dtype = WHET_DTYPE_F32;
    add->recipe = true;
    assert_bad(g, "recipe behind other nodes");
    add->recipe = false;
    add->out[0]->producer = mul;
    assert_bad(g, "has another producer");
    add->out[0]->producer = add;
    add->prev = NULL;
    assert_bad(g, "not linked");
    add->prev = relu;
    assert_good(g);
    whet_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edit),     cmocka_unit_test(test_uses),
        cmocka_unit_test(test_derive),   cmocka_unit_test(test_literals),
        cmocka_unit_test(test_origin),   cmocka_unit_test(test_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

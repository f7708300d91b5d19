// SPDX-License-Identifier: Apache-2.0
// Models that are imported: what the graph is.
#include "support/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "support/failing_alloc.h"
#include "support/import_case.h"
#include "support/ir_eval.h"
#include "support/temp_folder.h"

static import_case *load_good(const char *name, const whet_import_options *options) {
    import_case *c = import_case_load(name, options);
    assert_non_null(c);
    if (c->status != WHET_OK) print_message("%s: %s\n", name, c->err.text);
    assert_int_equal(c->status, WHET_OK);
    if (whet_graph_verify(c->import.graph, &c->err) != WHET_OK)
        fail_msg("%s: %s", name, c->err.text);
    return c;
}

static void check_text(const char *name, const char *const *texts) {
    import_case *c = load_good(name, NULL);
    const char *graph = import_case_graph(c);
    for (; *texts; texts++) {
        if (!strstr(graph, *texts)) print_message("not found: %s\n%s", *texts, graph);
        assert_non_null(strstr(graph, *texts));
    }
    import_case_free(c);
}
#define CHECK_TEXT(name, ...) check_text(name, (const char *const[]){__VA_ARGS__, NULL})

static void test_add(void **state) {
    (void)state;
    CHECK_TEXT("add", "input x: f32[n, 4]", "const b: f32[4] = {1, -2, 3, -4}",
               "s: f32[n, 4] = add(x, b) @sum", "y: f32[n, 4] = relu(s) @Relu_1", "output y");
    import_case *c = load_good("add", NULL);
    assert_string_equal(c->import.producer, "test 1");
    assert_string_equal(c->import.inputs_text, "x: f32[n,4]");
    assert_string_equal(c->import.outputs_text, "y: f32[n,4]");
    assert_int_equal(c->import.n_op_counts, 2);
    assert_int_equal(c->import.graph->n_imported_nodes, 2);
    assert_string_equal(c->import.graph->inputs[0]->dim_names[0], "n");
    assert_null(c->import.graph->inputs[0]->dim_names[1]);
    assert_non_null(strstr(import_case_report(c, false), "problems: none"));
    import_case_free(c);
}

static void test_dims(void **state) {
    (void)state;
    CHECK_TEXT("dims", "input x: f32[n, x_d1, 3]", "input z: f32[n, \"2 * n\", _?q]",
               "input w: f32[*]");
}

static void test_dtypes(void **state) {
    (void)state;
    static const char *const names[] = {"f32", "u8",  "i8",  "u16", "i16", "i32", "i64",
                                        "f16", "f64", "u32", "u64"};
    import_case *c = load_good("dtypes", NULL);
    const char *graph = import_case_graph(c);
    for (size_t i = 0; i < COUNT(names); i++) {
        char line[128];
        snprintf(line, sizeof line, "const %s_raw: %s[3] = {1, 2, 3}", names[i], names[i]);
        assert_non_null(strstr(graph, line));
        snprintf(line, sizeof line, "const %s_typed: %s[3] = {1, 2, 3}", names[i], names[i]);
        assert_non_null(strstr(graph, line));
    }
    assert_non_null(strstr(graph, "const bf16: bf16[3] = {1, 2, 3}"));
    assert_non_null(strstr(graph, "const bool_typed: bool[3] = {1, 0, 1}"));
    import_case_free(c);
    CHECK_TEXT("bools", "const c: bool[3] = {1, 0, 1}"); // two and 255 are true
}

static void test_constants(void **state) {
    (void)state;
    CHECK_TEXT("constants", "const a: f32[4] = {1, 2, 3, 4}", "const b: f32[] = {2}",
               "const c: f32[4] = {1, 2, 3, 4}", "const e: i64[2] = {-1, 4}", "output d");
}

static void test_external(void **state) {
    (void)state;
    CHECK_TEXT("external", "const w: f32[4] = {4, 5, 6, 7}");
    CHECK_TEXT("external_rest", "const w: f32[4] = {0, 1, 2, 3}");
    import_case_free(load_good("external_unaligned", NULL));
}

// A symbolic link inside the folder may not lead out of it.
static void test_external_link(void **state) {
    (void)state;
    temp_folder t;
    char here[1024], target[2048];
    temp_create(&t);
    whet_import_options options = {.ops = whet_ops_builtin(), .external_dir = t.path};
    assert_non_null(getcwd(here, sizeof here));
    snprintf(target, sizeof target, "%s/tests/data/external.bin", here);
    assert_int_equal(symlink(target, temp_path(&t, "link.bin")), 0);
    import_case *c = import_case_load("external_link", &options);
    assert_int_equal(c->status, WHET_E_INVALID);
    assert_non_null(strstr(c->err.text, "leads out of the model's folder"));
    import_case_free(c);
    // one that stays inside is fine
    FILE *f = fopen(temp_path(&t, "inside.bin"), "wb");
    assert_non_null(f);
    for (int i = 0; i < 16; i++) fputc(0, f);
    fclose(f);
    assert_int_equal(unlink(temp_path(&t, "link.bin")), 0);
    assert_int_equal(symlink("inside.bin", temp_path(&t, "link.bin")), 0);
    import_case_free(load_good("external_link", &options));
    temp_remove(&t);
}

static void test_functions(void **state) {
    (void)state;
    CHECK_TEXT("functions", "call/Leaky_0/t: f32[n, 4] = leaky_relu(x) {alpha = 0.5}",
               "@call/Leaky_0/inner", "{alpha = 0.25}", "@absent/inner", "{alpha = 0.125}",
               "@call.1/inner", "t: f32[n, 4] = identity(", "output y");
    import_case *c = load_good("function_deep", NULL);
    assert_int_equal(c->import.graph->n_imported_nodes, 65536);
    import_case_free(c);
}

static void test_branches(void **state) {
    (void)state;
    CHECK_TEXT("branches_known", "const out/in/k: f32[4] = {1, 2, 3, 4}",
               "out/t: f32[n, 4] = relu(x) @out/Relu_0", "add(out/t, out/in/k) @out/in/Add_0");
}

static void test_sequences(void **state) {
    (void)state;
    CHECK_TEXT("sequences", "split(x, ", "squeeze(", "a: f32[3, 4] = concat(",
               "b: f32[8] = concat(", "output d", "output e");
    import_case *c = load_good("sequences", NULL);
    const whet_graph *g = c->import.graph;
    double v;
    assert_true(whet_value_scalar(g->outputs[0], &v) && v == 3);
    assert_true(whet_value_scalar(g->outputs[1], &v) && v == 1);
    assert_true(whet_value_scalar(g->outputs[2], &v) && v == 0);
    import_case_free(c);
}

static void test_overridable(void **state) {
    (void)state;
    import_case *c = load_good("overridable", NULL);
    assert_int_equal(c->import.graph->n_inputs, 1);
    import_case_free(c);
}

static void test_legacy(void **state) {
    (void)state;
    CHECK_TEXT("no_opset_ir2", "relu(x)");
    CHECK_TEXT("legacy", "unsqueeze(b, ", "y: f32[2, 3] = add(", "identity(");
    CHECK_TEXT("microsoft", "gelu(", "{approximate = tanh}", "swish(", "{alpha = 1.702",
               "{transB = true, alpha = 0.5}");
}

// ---- given shapes ----

static import_case *with_shape(const char *model, const char *input, int32_t rank, int64_t a,
                               int64_t b) {
    whet_import_shape shape = {input, rank, {a, b}};
    whet_import_options options = {.ops = whet_ops_builtin(), .shapes = &shape, .n_shapes = 1};
    return import_case_load(model, &options);
}

static void check_shape_problem(import_case *c, whet_status status, const char *text) {
    assert_int_equal(c->status, status);
    if (!strstr(c->err.text, text)) print_message("%s\n", c->err.text);
    assert_non_null(strstr(c->err.text, text));
    import_case_free(c);
}

static void test_shapes(void **state) {
    (void)state;
    import_case *c = with_shape("add", "x", 2, 7, 4);
    assert_int_equal(c->status, WHET_OK);
    assert_non_null(strstr(import_case_graph(c), "y: f32[7, 4] = relu(s)"));
    assert_null(c->import.graph->inputs[0]->dim_names[0]);
    import_case_free(c);
    check_shape_problem(with_shape("add", "x", 2, 7, 5), WHET_E_SHAPE,
                        "dimension 1 of input 'x' is 4 in the model, 5 in the given shape");
    check_shape_problem(with_shape("add", "x", 1, 7, 0), WHET_E_SHAPE, "has 1 dimensions, not 2");
    check_shape_problem(with_shape("add", "q", 1, 7, 0), WHET_E_INVALID,
                        "a shape is given for 'q', but the inputs are: x");
}

// A dimension that one shape fixes is fixed by its name everywhere.
static void test_shapes_by_name(void **state) {
    (void)state;
    whet_import_shape shapes[] = {{"x", 3, {5, -1, 3}}, {"w", 2, {1, 2}}, {"z", 3, {6, 1, 1}}};
    whet_import_options options = {.ops = whet_ops_builtin(), .shapes = shapes, .n_shapes = 2};
    import_case *c = load_good("dims", &options);
    const char *graph = import_case_graph(c);
    assert_non_null(strstr(graph, "input x: f32[5, x_d1, 3]"));
    assert_non_null(strstr(graph, "input z: f32[5, \"2 * n\", _?q]"));
    assert_non_null(strstr(graph, "input w: f32[1, 2]"));
    import_case_free(c);
    options.n_shapes = 3;
    check_shape_problem(import_case_load("dims", &options), WHET_E_SHAPE,
                        "the given shapes make dimension 'n' both 5 and 6");
}

// ---- memory ----

static void test_no_memory(void **state) {
    (void)state;
    static const char *const models[] = {"functions", "legacy", "branches", "cycle",
                                         "loop_flow"};
    for (size_t i = 0; i < COUNT(models); i++)
        for (int64_t n = 0;; n++) {
            test_alloc_count(); // the case itself may allocate
            import_case *c = calloc(1, sizeof *c);
            whet_import_options options = {.ops = whet_ops_builtin()};
            char path[256];
            snprintf(path, sizeof path, "tests/data/%s.onnx", models[i]);
            assert_int_equal(whet_map_open(&c->map, path, &c->err), WHET_OK);
            test_alloc_fail_from(n);
            c->status = whet_import_onnx(&c->import, c->map.data, c->map.size, &options, &c->err);
            bool failed = test_alloc_end();
            if (failed && c->status == WHET_OK) fail_msg("%s: allocation %d", models[i], (int)n);
            import_case_free(c);
            if (!failed) break;
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),           cmocka_unit_test(test_dims),
        cmocka_unit_test(test_dtypes),        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_external),      cmocka_unit_test(test_external_link),
        cmocka_unit_test(test_functions),     cmocka_unit_test(test_overridable),
        cmocka_unit_test(test_branches),      cmocka_unit_test(test_sequences),
        cmocka_unit_test(test_legacy),        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_shapes_by_name), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

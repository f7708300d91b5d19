// SPDX-License-Identifier: Apache-2.0
// Models that are refused: status of the first problem, texts of all.
#include "support/test.h"

#include "support/import_case.h"

typedef struct {
    const char *model;
    whet_status status;
    int problems;
    const char *texts[8];
} row;

static const row rows[] = {
    {"attributes", WHET_E_MODEL, 7,
     {"node 'LeakyRelu_0' (LeakyRelu, opset 20, inputs f32[n,4]): attribute 'alpha' is of type "
      "STRING instead of FLOAT",
      "attribute 'beta' is not known for LeakyRelu of opset 20",
      "the required attribute 'axis' is missing",
      "attribute 'approximate' is 'fast'; supported are: none, tanh",
      "attribute 'to': type ? (99) is not supported", "it must be 0 or 1",
      "it has 3 results, relu gives at most 1"}},
    {"bad_tensors", WHET_E_MODEL, 8,
     {"tensor 'count': its shape takes 3 numbers, but float_data holds 2",
      "tensor 'raw': its shape takes 12 bytes, but raw_data has 4", "tensor 'negative'",
      "tensor 'number': elements of type ? (77)", "13 dimensions, at most 12",
      "tensor 'fit': an element does not fit u8", "an initializer has no name"}},
    {"branches", WHET_E_UNSUPPORTED, 1,
     {"node 'If_0/else/Frobnicate_0'", "opset 17 Frobnicate is not supported by this version"}},
    {"cycle", WHET_E_MODEL, 1,
     {"node 'Add_0' (Add): its input 'b' depends on its own result: the graph has a cycle"}},
    {"declared", WHET_E_DTYPE, 3,
     {"'a' is declared as DOUBLE, but it is FLOAT", "Frobnicate",
      "node 'Concat_4' (Concat, opset 17, inputs f32["}},
    {"duplicate", WHET_E_MODEL, 4,
     {"initializer 'c' is there twice", "input 'x' is there twice",
      "'y', a result of node 'Abs_1' (Abs), is defined twice", "output 'y' is there twice"}},
    {"external_absolute", WHET_E_INVALID, 1, {"'/etc/hostname' is absolute"}},
    {"external_dotdot", WHET_E_INVALID, 1, {"has a '..' part"}},
    {"external_folder", WHET_E_IO, 1, {"'.' is not a regular file"}},
    {"external_length", WHET_E_MODEL, 1, {"external data has length 12"}},
    {"external_missing", WHET_E_IO, 1, {"'nowhere.bin': No such file"}},
    {"external_nolocation", WHET_E_MODEL, 1, {"external data without location"}},
    {"external_number", WHET_E_PARSE, 1, {"offset of external data is not a number"}},
    {"external_short", WHET_E_MODEL, 1, {"16 bytes at offset 24 go beyond the end"}},
    {"function_bad", WHET_E_MODEL, 3,
     {"it has more inputs than function Leaky", "function Leaky has no attribute 'slip'",
      "function Empty does not define result 0"}},
    {"function_recursive", WHET_E_MODEL, 1, {"function Again calls itself"}},
    {"misspelt", WHET_E_UNSUPPORTED, 2, {"did you mean Relu?", "did you mean Softmax?"}},
    {"newer", WHET_E_VERSION, 1, {"opset 99 of domain ai.onnx is newer than 28, the newest known"}},
    {"no_graph", WHET_E_MODEL, 1, {"there is no graph in it"}},
    {"no_opset", WHET_E_MODEL, 2,
     {"the model has no opset_import, which IR version 8 requires",
      "opset_import has no version of domain 'ai.onnx'"}},
    {"no_outputs", WHET_E_MODEL, 1, {"the graph has no outputs"}},
    {"other_domain", WHET_E_UNSUPPORTED, 1,
     {"domain ai.onnx has no operator BiasGelu; domain com.microsoft has one"}},
    {"reference_outside", WHET_E_MODEL, 1, {"refers to an attribute outside of a function"}},
    {"sparse", WHET_E_MODEL, 5,
     {"sparse tensor 'far': index 0 is outside", "'back': index 1 is outside of it or out of order",
      "'flat': index 0 is outside", "'short': its indices do not fit its values",
      "'huge': 4294967296 bytes are too many"}},
    {"sequences_bad", WHET_E_DTYPE, 4,
     {"input 0 (X) of relu cannot be sequence", "its first input must be a sequence",
      "position 2 is outside of a sequence of 2", "it has neither input nor type"}},
    {"too_old", WHET_E_UNSUPPORTED, 1,
     {"Gelu of opset 17 is not supported; supported are opsets 20 and newer of domain ai.onnx"}},
    {"training", WHET_E_UNSUPPORTED, 1,
     {"the derivative of ceil (node 'Ceil_1') is not supported"}},
    {"undefined", WHET_E_MODEL, 2,
     {"its input 1 'nothing' is not defined", "output 'neither' of the graph is not defined"}},
    {"unknown_domain", WHET_E_UNSUPPORTED, 2,
     {"domain 'nobody' is not known, the model has no function Relu in it and no plugin of that "
      "name is loaded",
      "opset_import has no version of domain 'com.microsoft'"}},
    {"unordered", WHET_E_MODEL, 1,
     {"node 'Relu_0' (Relu): its input 't' is made by a later node"}},
};

static void check_row(const row *r) {
    import_case *c = import_case_load(r->model, NULL);
    assert_non_null(c);
    const char *report = import_case_report(c, false);
    if (c->status != r->status || c->import.n_found != r->problems)
        print_message("%s: %s\n%s\n", r->model, whet_status_name(c->status), report);
    assert_int_equal(c->status, r->status);
    assert_int_equal(c->import.n_found, r->problems);
    assert_null(c->import.graph);
    assert_int_equal(c->err.status, r->status);
    for (int i = 0; i < 8 && r->texts[i]; i++) {
        if (!strstr(report, r->texts[i]))
            print_message("%s: not found: %s\n%s\n", r->model, r->texts[i], report);
        assert_non_null(strstr(report, r->texts[i]));
    }
    import_case_free(c);
}

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) check_row(&rows[i]);
}

static void test_many(void **state) {
    (void)state;
    import_case *c = import_case_load("problems", NULL);
    assert_int_equal(c->status, WHET_E_UNSUPPORTED);
    assert_int_equal(c->import.n_found, 250);
    assert_int_equal(c->import.n_problems, WHET_IMPORT_PROBLEMS);
    assert_non_null(strstr(c->err.text, "(and 249 more problems)"));
    assert_non_null(strstr(c->err.text, "node 'Frobnicate_0' (Frobnicate-17, inputs f32[n,4])"));
    const char *report = import_case_report(c, false);
    assert_non_null(strstr(report, "problems: 250\n"));
    assert_non_null(strstr(report, "... and 50 more"));
    assert_non_null(strstr(report, "250 Frobnicate (not supported)"));
    import_case_free(c);
}

static void test_json(void **state) {
    (void)state;
    import_case *c = import_case_load("misspelt", NULL);
    const char *report = import_case_report(c, true);
    assert_non_null(strstr(report, "\"ir_version\":8"));
    assert_non_null(strstr(report, "{\"domain\":\"ai.onnx\",\"version\":17}"));
    assert_non_null(strstr(report, "\"problem_count\":2"));
    assert_non_null(strstr(report, "\"node\":\"Reluu_0\",\"op_type\":\"Reluu\""));
    assert_non_null(strstr(report, "\"status\":\"WHET_E_UNSUPPORTED\""));
    import_case_free(c);
}

static void check_limit(const char *model, whet_import_limits limits, const char *text) {
    whet_import_options options = {.ops = whet_ops_builtin(), .limits = limits};
    import_case *c = import_case_load(model, &options);
    assert_int_equal(c->status, WHET_E_LIMIT);
    if (!strstr(c->err.text, text)) print_message("%s: %s\n", model, c->err.text);
    assert_non_null(strstr(c->err.text, text));
    import_case_free(c);
}

static void test_limits(void **state) {
    (void)state;
    check_limit("add", (whet_import_limits){.max_nodes = 1}, "limit on nodes");
    check_limit("add", (whet_import_limits){.max_values = 5}, "limit on values");
    check_limit("add", (whet_import_limits){.max_text = 8}, "text of all names above the limit");
    check_limit("function_deep", (whet_import_limits){.max_nodes = 1000},
                "nodes, those of functions in every call: more than 1000");
    check_limit("function_deep", (whet_import_limits){.max_text = 10000},
                "bytes of the names of all values: more than 10000");
    check_limit("function_deep", (whet_import_limits){.max_depth = 8}, "nested too deeply");
    check_limit("branches_known", (whet_import_limits){.max_nodes = 5}, "limit on nodes");
    check_limit("branches_known", (whet_import_limits){.max_depth = 1}, "levels of subgraphs");
}

static void test_no_folder(void **state) {
    (void)state;
    whet_import_options options = {.ops = whet_ops_builtin()};
    import_case *c = import_case_load("external", &options);
    assert_int_equal(c->status, WHET_E_UNSUPPORTED);
    assert_non_null(strstr(c->err.text, "no folder was given"));
    import_case_free(c);
}

// Every prefix of a model is malformed or lacks something; none may crash.
static void test_truncated(void **state) {
    (void)state;
    whet_map map;
    whet_error *err = calloc(1, sizeof *err);
    assert_int_equal(whet_map_open(&map, "tests/data/functions.onnx", err), WHET_OK);
    for (size_t n = 0; n < map.size; n++) {
        uint8_t *copy = malloc(n ? n : 1); // exact size, for the sanitizers
        memcpy(copy, map.data, n);
        import_case *c = import_case_bytes(copy, n, NULL);
        assert_true((c->status == WHET_OK) == (c->import.graph != NULL));
        import_case_free(c);
        free(copy);
    }
    whet_map_close(&map);
    free(err);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_json),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_folder), cmocka_unit_test(test_truncated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

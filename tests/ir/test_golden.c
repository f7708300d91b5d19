// SPDX-License-Identifier: Apache-2.0
// Golden tests of the passes: tests/ir/golden/*.ir. A file holds cases:
//     # case: NAME
//     # pass: PASS[,PASS]      (none: only printed again)
//     graph before
//     # expect:
//     graph after, or "error: TEXT" when parsing fails
// What a pass makes must also compute the same as before, on random inputs. `--update` writes the
// expected texts anew.
#include <glob.h>

#include "pass/pass.h"
#include "support/ir_eval.h"
#include "support/test.h"

#define CASE "# case:"
#define PASS_LINE "# pass:"
#define EXPECT "# expect:\n"

static bool update;

static char *read_text(const char *path) {
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    whet_str s;
    whet_str_init(&s);
    char block[4096];
    for (size_t n; (n = fread(block, 1, sizeof block, f)) > 0;) whet_str_add_n(&s, block, n);
    fclose(f);
    assert_non_null(s.text);
    return s.text;
}

static void run_passes(whet_graph *g, const char *names, const char *label) {
    whet_error err = {0};
    int32_t n;
    const whet_pass *const *list = whet_passes(&n);
    for (size_t len; *names; names += len + (names[len] == ',')) {
        len = strcspn(names, ",");
        int32_t i = 0, changed = 0;
        while (i < n && (strlen(list[i]->name) != len || memcmp(list[i]->name, names, len))) i++;
        if (i == n) fail_msg("%s: no pass %s", label, names);
        if (list[i]->run(g, &changed, &err)) fail_msg("%s: %s", label, err.text);
        if (whet_graph_verify(g, &err)) fail_msg("%s: after %s: %s", label, names, err.text);
    }
}

static void check_results(const whet_graph *before, const whet_graph *after, const char *label) {
    whet_error err = {0};
    whet_arena arena;
    whet_arena_init(&arena);
    whet_tensor a[16], b[16];
    assert_true(before->n_outputs <= 16);
    assert_int_equal(before->n_outputs, after->n_outputs);
    for (uint64_t seed = 1; seed <= 3; seed++) {
        whet_tensor *in = ir_eval_inputs(before, seed, &arena);
        if (ir_eval(before, in, a, &arena, &err)) continue; // a model that fails when it runs
        if (ir_eval(after, in, b, &arena, &err)) fail_msg("%s: after: %s", label, err.text);
        for (int32_t i = 0; i < before->n_outputs; i++) {
            double tolerance = a[i].dtype == WHET_DTYPE_F32   ? 2e-5
                               : a[i].dtype == WHET_DTYPE_F64 ? 1e-9
                                                              : 1e-2;
            if (!ir_eval_same(before->output_names[i], &a[i], &b[i], tolerance))
                fail_msg("%s: results differ", label);
        }
    }
    whet_arena_fini(&arena);
}

static void check_round_trip(const char *text, const char *label) {
    whet_error err = {0};
    whet_graph *g = NULL;
    if (strstr(text, "= hash ")) return;
    if (whet_graph_parse(whet_ops_builtin(), text, strlen(text), &g, &err))
        fail_msg("%s: the printed text: %s", label, err.text);
    whet_str again;
    whet_str_init(&again);
    whet_graph_print(g, &again, 16);
    assert_string_equal(whet_str_text(&again), text);
    whet_str_fini(&again);
    whet_graph_destroy(g);
}

static bool has_blocks(const whet_graph *g) { // which the references do not run
    WHET_FOR_NODES(g, n) {
        if (n->n_subgraphs) return true;
    }
    return false;
}

// The text that the case gives now.
static void run_case(const char *input, const char *names, const char *label, whet_str *out) {
    whet_error err = {0};
    whet_graph *before = NULL, *after = NULL;
    whet_status status = whet_graph_parse(whet_ops_builtin(), input, strlen(input), &before, &err);
    if (status != WHET_OK) {
        whet_str_printf(out, "error: %s\n", err.text);
        return;
    }
    if (whet_graph_verify(before, &err)) fail_msg("%s: input: %s", label, err.text);
    status = whet_graph_parse(whet_ops_builtin(), input, strlen(input), &after, &err);
    assert_int_equal(status, WHET_OK);
    run_passes(after, names, label);
    whet_graph_print(after, out, 16);
    check_round_trip(whet_str_text(out), label);
    if (*names && !has_blocks(after)) check_results(before, after, label);
    whet_graph_destroy(before);
    whet_graph_destroy(after);
}

static char *line_value(const char *line, const char *key) {
    line += strlen(key);
    line += strspn(line, " ");
    return strndup(line, strcspn(line, "\n"));
}

// Runs the case at `at`; its text as it should be goes to `file`.
static void check_case(const char *path, const char *at, const char *end, whet_str *file) {
    char *text = strndup(at, (size_t)(end - at));
    char *name = line_value(text, CASE), *pass = strstr(text, PASS_LINE), label[300];
    char *expect = strstr(text, EXPECT);
    snprintf(label, sizeof label, "%s: %s", path, name);
    char *names = pass ? line_value(pass, PASS_LINE) : strdup("");
    whet_str now;
    whet_str_init(&now);
    if (!expect && !update) fail_msg("%s: nothing is expected", label);
    size_t head = expect ? (size_t)(expect - text) : strlen(text);
    while (head > 1 && text[head - 2] == '\n') head--;
    char *input = strndup(text, head);
    run_case(input, names, label, &now);
    whet_str_add_n(file, text, head);
    if (head && text[head - 1] != '\n') whet_str_add(file, "\n");
    whet_str_printf(file, "%s%s%s", EXPECT, whet_str_text(&now), *end ? "\n" : "");
    if (!update) {
        char *want = expect + strlen(EXPECT);
        size_t n = strlen(want);
        while (n > 1 && want[n - 1] == '\n' && want[n - 2] == '\n') want[--n] = 0;
        if (strcmp(want, whet_str_text(&now))) {
            // too long for cmocka's message
            fprintf(stderr, "--- expected\n%s--- got\n%s", want, whet_str_text(&now));
            fail_msg("%s", label);
        }
    }
    whet_str_fini(&now);
    free(input);
    free(names);
    free(name);
    free(text);
}

static void check_file(void **state) {
    const char *path = *state;
    char *text = read_text(path);
    whet_str file;
    whet_str_init(&file);
    char *at = strstr(text, CASE);
    assert_non_null(at);
    whet_str_add_n(&file, text, (size_t)(at - text));
    while (*at) {
        char *end = strstr(at + 1, "\n" CASE);
        end = end ? end + 1 : at + strlen(at);
        check_case(path, at, end, &file);
        at = end;
    }
    if (update && strcmp(text, whet_str_text(&file))) {
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        fputs(whet_str_text(&file), f);
        fclose(f);
    }
    whet_str_fini(&file);
    free(text);
}

int main(int argc, char **argv) {
    struct CMUnitTest tests[64] = {0};
    glob_t found;
    update = argc > 1 && !strcmp(argv[1], "--update");
    if (glob("tests/ir/golden/*.ir", 0, NULL, &found)) return 1;
    size_t n = found.gl_pathc < COUNT(tests) ? found.gl_pathc : COUNT(tests);
    for (size_t i = 0; i < n; i++)
        tests[i] = (struct CMUnitTest){.name = found.gl_pathv[i], .test_func = check_file,
                                       .initial_state = found.gl_pathv[i]};
    int failed = _cmocka_run_group_tests("golden", tests, n, NULL, NULL);
    globfree(&found);
    return failed;
}

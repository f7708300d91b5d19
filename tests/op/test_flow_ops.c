// SPDX-License-Identifier: Apache-2.0
// Types at the borders of blocks: what inference refuses and what it widens.
#include "ir/graph.h"
#include "support/test.h"

typedef struct {
    const char *text, *error; // error NULL: output `type`
    const char *type;
} row;

#define LOOP(inputs, attrs, block)                                                                 \
    "graph g {\n input m: i64[]\n input x: f32[3]\n input n: i32[]\n y = loop(" inputs             \
    ") {" attrs "} graph body {\n" block "}\n output y\n}\n"
#define OWN "input i: i64[]\n input go: bool[]\n"
#define SCAN(attrs, row)                                                                           \
    "graph g {\n input x: f32[4, 3]\n input s: f32[]\n (a, y) = scan(_, s, x) {carried = 1" attrs  \
    "} graph body {\n input t: f32[]\n input r: " row "\n u = add(t, r)\n output t\n output u\n}"  \
    "\n output y\n}\n"

static const row rows[] = {
    {LOOP("m, _, x", "carried = 1", OWN "input v: i32[3]\n output go\n output v\n"),
     "input 2 of its block is i32, but f32 is there"},
    {LOOP("m, _, x", "carried = 1", OWN "input v: f32[4]\n output go\n output v\n"),
     "dimension 0 of input 2 of its block is 4, not 3"},
    {LOOP("m, _, x", "carried = 1", OWN "input v: f32[3]\n w = concat(v, v)\n output go\n"
                                        " output w\n"),
     "dimension 0 of carried value 0 of its block is 3, not 6"},
    {LOOP("m, _, x", "carried = 1", OWN "input v: f32[?1]\n w = concat(v, v)\n output go\n"
                                        " output w\n"), NULL, "f32[?"},
    {LOOP("m, _, x", "carried = 1", OWN "input v: f32[*]\n output go\n output v\n"), NULL,
     "f32[*]"},
    {LOOP("m, _, x", "carried = 1", OWN "input v: f32[3]\n output v\n output v\n"),
     "the condition that its block leaves is f32"},
    {LOOP("m, _, x", "carried = 1", OWN "output go\n output go\n"), "2 inputs and 2 results"},
    {LOOP("m, _, x", "carried = 2", OWN "input v: f32[3]\n output go\n output v\n"),
     "do not fit 2 carried"},
    {LOOP("n, _, x", "carried = 1", OWN "input v: f32[3]\n output go\n output v\n"),
     "cannot be i32"},
    {LOOP("m, _, x", "", OWN "input v: f32[3]\n output go\n output v\n"), NULL, "f32[?"},
    {SCAN("", "f32[3]"), NULL, "f32[4, 3]"},
    {SCAN(", in_axes = [1]", "f32[4]"), NULL, "f32[3, 4]"},
    {SCAN(", out_axes = [-1]", "f32[3]"), NULL, "f32[3, 4]"},
    {SCAN(", in_axes = [2]", "f32[3]"), "axis 2"},
    {SCAN(", out_axes = [2]", "f32[3]"), "axis 2"},
    {SCAN(", in_axes = [0, 0]", "f32[3]"), "for 1 scanned and 1 collected"},
    {"graph g {\n input c: f32[]\n y = if(c) graph a {\n const k: f32[] = {1}\n output k\n}"
     " graph b {\n const l: f32[] = {2}\n output l\n}\n output y\n}\n", "cannot be f32"},
    {"graph g {\n input c: bool[]\n y = if(c) graph a {\n const k: f32[2] = {1, 2}\n output k\n}"
     " graph b {\n const l: f32[1] = {2}\n output l\n}\n output y\n}\n", NULL, "f32[?"},
    {"graph g {\n input c: bool[]\n y = if(c) graph a {\n const k: f32[2] = {1, 2}\n output k\n}"
     " graph b {\n const l: i32[2] = {2, 3}\n output l\n}\n output y\n}\n",
     "result 0 is f32 or i32"},
    {"graph g {\n input c: bool[]\n y = if(c)\n output y\n}\n", "if has 2 blocks, not 0"},
    {"graph g {\n input x: f32[]\n y = relu(x) graph a {\n const k: f32[] = {1}\n output k\n}\n"
     " output y\n}\n", "relu has 0 blocks, not 1"},
    {"graph g {\n input c: bool[]\n input x: f32[]\n y = if(c) graph a {\n z = relu(x)\n output z"
     "\n} graph b {\n output c\n}\n output y\n}\n", "x is not defined here"},
};

static void test_rows(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const row *r = &rows[i];
        whet_error err = {0};
        whet_graph *g = NULL;
        whet_status status =
            whet_graph_parse(whet_ops_builtin(), r->text, strlen(r->text), &g, &err);
        if (r->error) {
            if (status == WHET_OK || !strstr(err.text, r->error))
                fail_msg("row %zu: %s", i, status ? err.text : "no error");
            continue;
        }
        if (status != WHET_OK) fail_msg("row %zu: %s", i, err.text);
        if (whet_graph_verify(g, &err)) fail_msg("row %zu: %s", i, err.text);
        whet_str s;
        whet_str_init(&s);
        whet_graph_print(g, &s, -1);
        const char *at = strstr(whet_str_text(&s), "y: ");
        if (!at || strncmp(at + 3, r->type, strlen(r->type)))
            fail_msg("row %zu: %s", i, whet_str_text(&s));
        whet_str_fini(&s);
        whet_graph_destroy(g);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

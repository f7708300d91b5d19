// SPDX-License-Identifier: Apache-2.0
// Random graphs compute the same before and after every pass, and after all of them; the runner's
// options; memory that runs out anywhere.
#include <math.h>

#include "pass/pass.h"
#include "support/failing_alloc.h"
#include "support/ir_eval.h"
#include "support/test.h"

// ---- random graphs, as text ----

#define MAX_VALUES 40
typedef struct {
    int64_t dims[6];
    int rank;
} shape;

typedef struct {
    uint64_t state;
    whet_str text;
    shape values[MAX_VALUES];
    int n;        // values v0 .. v<n-1>
    int n_consts; // c0 ..
} generator;

static int below(generator *g, int n) { return (int)(test_random(&g->state) % (uint32_t)n); }

// Recent values more often, so that chains grow.
static int pick(generator *g) {
    int back = below(g, 3) ? 0 : below(g, g->n);
    return g->n - 1 - back;
}

static int64_t count(const shape *s) {
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++) n *= s->dims[i];
    return n;
}

static void add_dims(generator *g, const shape *s) {
    for (int i = 0; i < s->rank; i++)
        whet_str_printf(&g->text, "%s%lld", i ? ", " : "", (long long)s->dims[i]);
}

static int add_const(generator *g, const shape *s, bool positive) {
    whet_str_printf(&g->text, "  const c%d: f32[", g->n_consts);
    add_dims(g, s);
    whet_str_add(&g->text, "] = ");
    if (positive) whet_str_printf(&g->text, "fill %g\n", 0.5 + below(g, 4));
    else whet_str_printf(&g->text, "rand %d\n", below(g, 100));
    return g->n_consts++;
}

static int add_number(generator *g) {
    static const char *const numbers[] = {"0", "1", "2", "0.5", "3", "6", "0.25", "0.70710678",
                                          "0.16666667", "-1.5"};
    whet_str_printf(&g->text, "  const c%d: f32[%s] = {%s}\n", g->n_consts,
                    below(g, 4) ? "" : "1", numbers[below(g, COUNT(numbers))]);
    return g->n_consts++;
}

static int add_ints(generator *g, const int64_t *v, int n) {
    whet_str_printf(&g->text, "  const c%d: i64[%d] = {", g->n_consts, n);
    for (int i = 0; i < n; i++)
        whet_str_printf(&g->text, "%s%lld", i ? ", " : "", (long long)v[i]);
    whet_str_add(&g->text, "}\n");
    return g->n_consts++;
}

static void begin(generator *g, const shape *s) {
    g->values[g->n] = *s;
    whet_str_printf(&g->text, "  v%d = ", g->n++);
}

static void make_unary(generator *g) {
    static const char *const ops[] = {"relu",    "sigmoid", "tanh",         "erf",
                                      "identity", "swish",  "hard_sigmoid", "neg"};
    int x = pick(g);
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "%s(v%d)\n", ops[below(g, COUNT(ops))], x);
}

static void make_clip(generator *g) {
    int x = pick(g);
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "clip(v%d) {min = 0, max = 6}\n", x);
}

static void make_number(generator *g) {
    static const char *const ops[] = {"add", "sub", "mul", "mul", "add", "div", "pow"};
    int x = pick(g), c = add_number(g), op = below(g, COUNT(ops));
    if (op == 5) // no division by zero
        whet_str_printf(&g->text, "  const d%d: f32[] = {%d}\n", c, 2 + below(g, 7));
    if (op == 6) whet_str_printf(&g->text, "  const d%d: f32[] = {%d}\n", c, 2 + below(g, 2));
    begin(g, &g->values[x]);
    bool swap = op < 5 && below(g, 2);
    char operand = op >= 5 ? 'd' : 'c';
    if (swap) whet_str_printf(&g->text, "%s(%c%d, v%d)\n", ops[op], operand, c, x);
    else whet_str_printf(&g->text, "%s(v%d, %c%d)\n", ops[op], x, operand, c);
}

static void make_binary(generator *g) {
    static const char *const ops[] = {"add", "mul", "sub"};
    int x = pick(g), y = below(g, g->n);
    if (count(&g->values[x]) != count(&g->values[y]) || g->values[x].rank != g->values[y].rank ||
        memcmp(g->values[x].dims, g->values[y].dims, sizeof g->values[x].dims))
        y = x;
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "%s(v%d, v%d)\n", ops[below(g, COUNT(ops))], x, y);
}

// A constant along one dimension.
static void make_vector(generator *g) {
    int x = pick(g);
    shape c = {.rank = g->values[x].rank};
    for (int i = 0; i < c.rank; i++) c.dims[i] = 1;
    int axis = below(g, 3) ? (c.rank > 3 ? 1 : c.rank - 1) : below(g, c.rank);
    c.dims[axis] = g->values[x].dims[axis];
    if (axis == c.rank - 1 && below(g, 2)) c = (shape){{c.dims[axis]}, 1};
    int id = add_const(g, &c, false);
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "%s(v%d, c%d)\n", below(g, 2) ? "add" : "mul", x, id);
}

static void make_transpose(generator *g) {
    int x = pick(g), perm[6];
    shape from = g->values[x], to = from;
    for (int i = 0; i < from.rank; i++) perm[i] = i;
    for (int i = from.rank - 1; i > 0; i--) {
        int j = below(g, i + 1), swap = perm[i];
        perm[i] = perm[j], perm[j] = swap;
    }
    for (int i = 0; i < from.rank; i++) to.dims[i] = from.dims[perm[i]];
    begin(g, &to);
    whet_str_printf(&g->text, "transpose(v%d) {perm = [", x);
    for (int i = 0; i < from.rank; i++) whet_str_printf(&g->text, "%s%d", i ? ", " : "", perm[i]);
    whet_str_add(&g->text, "]}\n");
}

static void make_reshape(generator *g) {
    int x = pick(g);
    shape from = g->values[x], to = {.rank = from.rank};
    if (below(g, 3) == 0) { // back to four
        to = (shape){{1, count(&from), 1, 1}, 4};
        int64_t n = count(&from);
        for (int64_t d = 2; d <= 3; d++)
            if (n % d == 0) to.dims[2] = d, to.dims[1] = n / d;
    } else if (from.rank > 1) { // two neighbours become one
        int at = below(g, from.rank - 1);
        to.rank--;
        for (int i = 0; i < from.rank; i++) to.dims[i - (i > at)] = from.dims[i];
        to.dims[at] = from.dims[at] * from.dims[at + 1];
    } else {
        to = from;
    }
    int c = add_ints(g, to.dims, to.rank);
    begin(g, &to);
    whet_str_printf(&g->text, "reshape(v%d, c%d)\n", x, c);
}

static void make_conv(generator *g) {
    int x = pick(g);
    shape from = g->values[x], to = from;
    if (from.rank != 4) return;
    int kernel = from.dims[2] > 1 && from.dims[3] > 1 && below(g, 2) ? 3 : 1;
    shape w = {{1 + below(g, 4), from.dims[1], kernel, kernel}, 4};
    bool bias = below(g, 2);
    int c = add_const(g, &w, false), b = bias ? add_const(g, &(shape){{w.dims[0]}, 1}, false) : 0;
    to.dims[1] = w.dims[0];
    begin(g, &to);
    whet_str_printf(&g->text, "conv(v%d, c%d", x, c);
    if (bias) whet_str_printf(&g->text, ", c%d", b);
    int p = kernel / 2;
    whet_str_printf(&g->text, ") {pads = [%d, %d, %d, %d]}\n", p, p, p, p);
}

static void make_matmul(generator *g) {
    int x = pick(g);
    shape from = g->values[x], to = from;
    if (from.rank < 2) return;
    bool trans = below(g, 2);
    shape w = {{from.dims[from.rank - 1], 1 + below(g, 5)}, 2};
    to.dims[to.rank - 1] = w.dims[1];
    if (trans) w = (shape){{w.dims[1], w.dims[0]}, 2};
    int c = add_const(g, &w, false);
    begin(g, &to);
    if (from.rank == 2 && below(g, 2))
        whet_str_printf(&g->text, "gemm(v%d, c%d) {alpha = 0.5, transB = %s}\n", x, c,
                        trans ? "true" : "false");
    else
        whet_str_printf(&g->text, "matmul(v%d, c%d) {transB = %s}\n", x, c,
                        trans ? "true" : "false");
}

static void make_batch_norm(generator *g) {
    int x = pick(g), c[4];
    if (g->values[x].rank < 2) return;
    shape v = {{g->values[x].dims[1]}, 1};
    for (int i = 0; i < 4; i++) c[i] = add_const(g, &v, i == 3);
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "batch_norm(v%d, c%d, c%d, c%d, c%d)\n", x, c[0], c[1], c[2], c[3]);
}

static void make_pad(generator *g) {
    int x = pick(g);
    shape to = g->values[x];
    int64_t pads[8] = {0, 0, 1, 0, 0, 0, 1, 1};
    if (to.rank != 4) return;
    int c = add_ints(g, pads, 8);
    to.dims[2] += 2;
    to.dims[3] += 1;
    begin(g, &to);
    whet_str_printf(&g->text, "pad(v%d, c%d)\n", x, c);
}

static void make_pool(generator *g) {
    int x = pick(g);
    shape to = g->values[x];
    if (to.rank != 4 || to.dims[2] < 2 || to.dims[3] < 2) return;
    to.dims[2]--, to.dims[3]--;
    begin(g, &to);
    whet_str_printf(&g->text, "average_pool(v%d) {kernel_shape = [2, 2]}\n", x);
}

static void make_reduce(generator *g) {
    int x = pick(g);
    shape to = g->values[x];
    bool space = to.rank == 4 && below(g, 2);
    int64_t axes[2] = {-1, -2};
    int c = add_ints(g, axes, space ? 2 : 1);
    to.dims[to.rank - 1] = 1;
    if (space) to.dims[to.rank - 2] = 1;
    begin(g, &to);
    whet_str_printf(&g->text, "reduce_mean(v%d, c%d)\n", x, c);
}

// A reshape to a shape computed from the value's own.
static void make_shape_chain(generator *g) {
    int x = pick(g);
    shape from = g->values[x], to = {{from.dims[0], count(&from) / from.dims[0]}, 2};
    int at = add_ints(g, (int64_t[]){0}, 1), rest = add_ints(g, (int64_t[]){-1}, 1), id = g->n;
    whet_str_printf(&g->text, "  s%d = shape(v%d)\n  t%d = gather(s%d, c%d)\n", id, x, id, id, at);
    whet_str_printf(&g->text, "  u%d = concat(t%d, c%d) {axis = 0}\n", id, id, rest);
    begin(g, &to);
    whet_str_printf(&g->text, "reshape(v%d, u%d)\n", x, id);
}

static void make_softmax(generator *g) {
    int x = pick(g);
    begin(g, &g->values[x]);
    whet_str_printf(&g->text, "softmax(v%d)\n", x);
}

static void generate(generator *g, uint64_t seed) {
    static void (*const makers[])(generator *) = {
        make_unary,     make_unary,   make_clip,   make_number, make_number, make_binary,
        make_binary,    make_vector,  make_vector, make_conv,   make_conv,   make_matmul,
        make_batch_norm, make_transpose, make_reshape, make_pad, make_pool,  make_reduce,
        make_shape_chain, make_softmax,
    };
    *g = (generator){.state = seed};
    whet_str_init(&g->text);
    whet_str_add(&g->text, "graph random {\n  input v0: f32[2, 3, 4, 4]\n  input v1: f32[3, 4]\n");
    g->values[0] = (shape){{2, 3, 4, 4}, 4};
    g->values[1] = (shape){{3, 4}, 2};
    g->n = 2;
    int want = 6 + below(g, 20);
    for (int tries = 0; g->n < want && tries < 200; tries++)
        makers[below(g, COUNT(makers))](g);
    for (int i = 2; i < g->n; i++)
        if (i == g->n - 1 || below(g, 8) == 0) whet_str_printf(&g->text, "  output v%d\n", i);
    whet_str_add(&g->text, "}\n");
}

// ---- comparison ----

static whet_graph *parse(const whet_str *text) {
    whet_error err = {0};
    whet_graph *g = NULL;
    if (whet_graph_parse(whet_ops_builtin(), text->text, text->len, &g, &err))
        fail_msg("%s\n%s", err.text, text->text);
    return g;
}

// The largest difference relative to the largest element.
static double difference(const whet_tensor *a, const whet_tensor *b) {
    double worst = 0, scale = 1;
    int64_t n = whet_tensor_count(a);
    if (whet_tensor_count(b) != n || a->rank != b->rank) return INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double x = whet_load_f64(a->data, a->dtype, i), y = whet_load_f64(b->data, b->dtype, i);
        if (isnan(x) && isnan(y)) continue;
        if (x == y) continue;
        double d = fabs(x - y);
        worst = d > worst || isnan(d) ? d : worst;
        if (isfinite(x) && fabs(x) > scale) scale = fabs(x);
    }
    return worst / scale;
}

static void check_same(const whet_graph *before, const whet_graph *after, const char *pass,
                       const whet_str *text) {
    whet_error err = {0};
    whet_arena arena;
    whet_tensor a[MAX_VALUES], b[MAX_VALUES];
    whet_arena_init(&arena);
    whet_tensor *in = ir_eval_inputs(before, 7, &arena);
    assert_int_equal(ir_eval(before, in, a, &arena, &err), WHET_OK);
    if (ir_eval(after, in, b, &arena, &err)) fail_msg("%s: %s\n%s", pass, err.text, text->text);
    for (int32_t i = 0; i < before->n_outputs; i++)
        if (!(difference(&a[i], &b[i]) < 1e-4)) {
            fprintf(stderr, "%s: output %s differs\n%s", pass, before->output_names[i], text->text);
            fail();
        }
    whet_arena_fini(&arena);
}

static uint64_t n_graphs = 400; // or the argument

static void test_random_graphs(void **state) {
    (void)state;
    whet_error err = {0};
    int32_t n;
    const whet_pass *const *passes = whet_passes(&n);
    for (uint64_t seed = 1; seed <= n_graphs; seed++) {
        generator gen;
        generate(&gen, seed);
        whet_graph *before = parse(&gen.text);
        for (int32_t i = 0; i < n; i++) {
            whet_graph *after = parse(&gen.text);
            int32_t changed = 0;
            if (passes[i]->run(after, &changed, &err) || whet_graph_verify(after, &err)) {
                fprintf(stderr, "%s: %s\n%s", passes[i]->name, err.text, gen.text.text);
                fail();
            }
            check_same(before, after, passes[i]->name, &gen.text);
            whet_graph_destroy(after);
        }
        whet_pass_options options = {.verify = true, .level = 5};
        whet_graph *after = parse(&gen.text);
        if (whet_passes_run(after, &options, NULL, &err)) {
            fprintf(stderr, "%s\n%s", err.text, gen.text.text);
            fail();
        }
        check_same(before, after, "all", &gen.text);
        whet_graph_destroy(after);
        whet_graph_destroy(before);
        whet_str_fini(&gen.text);
    }
}

// ---- the runner ----

static const char mlp[] = "graph g {\n"
                          "  input x: f32[N, 4]\n"
                          "  const w: f32[4, 3] = rand 1\n"
                          "  const b: f32[3] = rand 2\n"
                          "  const two: f32[] = {2}\n"
                          "  const axes: i64[1] = {-1}\n"
                          "  const eps: f32[] = {0.001}\n"
                          "  h = gemm(x, w) {alpha = 0.5}\n"
                          "  i = add(h, b)\n"
                          "  s = sigmoid(i)\n"
                          "  j = mul(s, i)\n"
                          "  p = pow(j, two)\n"
                          "  m = reduce_mean(p, axes)\n"
                          "  e = add(m, eps)\n"
                          "  r = sqrt(e)\n"
                          "  y = div(j, r)\n"
                          "  output y\n"
                          "}\n";

static whet_graph *parse_mlp(void) {
    whet_str text = {.text = (char *)mlp, .len = sizeof mlp - 1};
    return parse(&text);
}

static void count_dump(void *user, const char *pass, const char *text) {
    assert_non_null(strstr(text, "graph g {"));
    *(int *)user += !strcmp(pass, "canon");
}

static void test_options(void **state) {
    (void)state;
    whet_error err = {0};
    int dumps = 0;
    whet_pass_stats stats[64];
    whet_pass_options options = {.dump_after = "canon", .dump = count_dump, .dump_user = &dumps,
                                 .disable = "silu,rms_norm", .verify = true};
    whet_graph *g = parse_mlp();
    assert_int_equal(whet_passes_run(g, &options, stats, &err), WHET_OK);
    assert_true(dumps > 0);
    int32_t n;
    whet_passes(&n);
    for (int32_t i = 0; i < n; i++) {
        if (!strcmp(stats[i].name, "silu") || !strcmp(stats[i].name, "rms_norm"))
            assert_int_equal(stats[i].changed, 0);
        if (!strcmp(stats[i].name, "bias")) assert_int_equal(stats[i].changed, 1);
    }
    whet_graph_destroy(g);
}

static void test_unknown_names(void **state) {
    (void)state;
    whet_error err = {0};
    whet_graph *g = parse_mlp();
    whet_pass_options options = {.disable = "fold,folded"};
    assert_int_equal(whet_passes_run(g, &options, NULL, &err), WHET_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "\"folded\""));
    options = (whet_pass_options){.dump_after = "nothing"};
    assert_int_equal(whet_passes_run(g, &options, NULL, &err), WHET_E_NOT_FOUND);
    whet_graph_destroy(g);
}

// ---- memory ----

static whet_status parse_run_print(void) {
    whet_error err = {0};
    whet_graph *g = NULL;
    whet_status status = whet_graph_parse(whet_ops_builtin(), mlp, sizeof mlp - 1, &g, &err);
    if (status != WHET_OK) return status;
    whet_pass_options options = {.verify = true};
    status = whet_passes_run(g, &options, NULL, &err);
    whet_str text;
    whet_str_init(&text);
    if (status == WHET_OK) whet_graph_print(g, &text, 16);
    if (text.failed) status = WHET_E_NOMEM;
    whet_str_fini(&text);
    whet_graph_destroy(g);
    return status;
}

static void test_no_memory(void **state) {
    (void)state;
    for (int64_t n = 0;; n++) {
        test_alloc_fail_from(n);
        whet_status status = parse_run_print();
        if (!test_alloc_end()) break;
        assert_int_not_equal(status, WHET_OK); // dimensions poison instead of failing
    }
    for (int64_t n = 0;; n++) { // once only: what follows must not be misled
        test_alloc_fail_at(n);
        parse_run_print();
        if (!test_alloc_end()) break;
    }
}

int main(int argc, char **argv) {
    if (argc > 1) n_graphs = strtoull(argv[1], NULL, 10);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_unknown_names),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

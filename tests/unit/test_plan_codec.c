// SPDX-License-Identifier: Apache-2.0
// Plans that a file could hold but no build makes: they are refused when decoded, and a run of one
// that got past that ends with an error.
#include "support/test.h"

#include "run/engine_impl.h"

typedef struct {
    whet_env *env;
    whet_engine *e;
} fixture;

static void open_model(fixture *f, const char *path) {
    whet_env_options o = {.struct_size = sizeof o, .threads = 1, .verbosity = WHET_LOG_ERROR};
    whet_builder *b = NULL;
    whet_config *config = NULL;
    assert_int_equal(whet_env_create(&o, &f->env), WHET_OK);
    assert_int_equal(whet_builder_create(f->env, &b), WHET_OK);
    assert_int_equal(whet_config_create(f->env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "level", "0"), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, path), WHET_OK);
    if (whet_builder_build(b, config, &f->e)) fail_msg("%s", whet_error_text(b));
    whet_config_destroy(config);
    whet_builder_destroy(b);
}

static void close_model(fixture *f) {
    whet_engine_destroy(f->e);
    whet_env_destroy(f->env);
}

static whet_status decode_again(fixture *f, whet_error *err) {
    whet_writer w;
    whet_plan *plan = NULL;
    whet_writer_init(&w);
    whet_plan_encode(f->e->plan, f->e->graph, f->env, &w);
    assert_false(w.failed);
    whet_status status =
        whet_plan_decode(w.data, w.size, NULL, 0, f->e->graph, f->e->plan->box, f->env, &plan, err);
    whet_plan_destroy(plan);
    whet_writer_fini(&w);
    return status;
}

// One segment in place of segments k and k + 1.
static void join_segments(whet_plan *p, int32_t k) {
    whet_psegment *s = p->segments;
    s[k].n_steps += s[k + 1].n_steps;
    s[k].end_node = s[k + 1].end_node;
    p->n_segments--;
    memmove(&s[k + 1], &s[k + 2], (size_t)(p->n_segments - k - 1) * sizeof *s);
}

static const char *const models[] = {"tests/data/found_shapes.onnx", "tests/data/loop_flow.onnx"};

static void what_is_read_where_it_is_made_is_refused(void **state) {
    (void)state;
    int refused = 0;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        fixture f = {0};
        whet_error err;
        open_model(&f, models[m]);
        if (decode_again(&f, &err)) fail_msg("%s: %s", models[m], err.text);
        whet_plan *p = f.e->plan;
        whet_psegment *s = p->segments;
        int32_t n = p->n_segments;
        whet_psegment *saved = malloc((size_t)n * sizeof *saved);
        assert_non_null(saved);
        memcpy(saved, s, (size_t)n * sizeof *saved);
        for (int32_t k = 0; k + 1 < n; k++) {
            bool both = s[k].n_steps && s[k + 1].n_steps && s[k].backend == s[k + 1].backend;
            if (both) {
                join_segments(p, k);
                if (decode_again(&f, &err)) {
                    assert_int_equal(err.status, WHET_E_PARSE);
                    assert_non_null(strstr(err.text, "segment"));
                    refused++;
                }
            }
            memcpy(s, saved, (size_t)n * sizeof *saved);
            p->n_segments = n;
        }
        free(saved);
        close_model(&f);
    }
    assert_true(refused >= 2);
}

static void nodes_before_their_segment_are_refused(void **state) {
    (void)state;
    fixture f = {0};
    whet_error err;
    open_model(&f, models[0]);
    whet_psegment *s = f.e->plan->segments;
    assert_true(f.e->plan->n_segments > 1);
    int32_t end = s[0].end_node;
    s[0].end_node = s[1].first_node = 0; // steps of shapes that nothing has inferred
    assert_int_equal(decode_again(&f, &err), WHET_E_PARSE);
    s[0].end_node = s[1].first_node = end;
    assert_int_equal(decode_again(&f, &err), WHET_OK);
    close_model(&f);
}

// The same plans, not decoded: whatever the result is, nothing that was never written is read.
static void runs_of_such_plans_end_with_an_error(void **state) {
    (void)state;
    fixture f = {0};
    open_model(&f, models[0]);
    whet_plan *p = f.e->plan;
    for (int32_t k = 0; k + 1 < p->n_segments;)
        if (p->segments[k].backend == p->segments[k + 1].backend) join_segments(p, k);
        else k++;
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(f.e, &c), WHET_OK);
    int32_t n = f.e->graph->n_inputs;
    whet_tensor in[8] = {{0}}, out[8] = {{0}};
    char zeros[256] = {0};
    assert_true(n <= 8 && f.e->graph->n_outputs <= 8);
    for (int32_t i = 0; i < n; i++) {
        const whet_type *t = &f.e->graph->values[f.e->graph->inputs[i]].type;
        in[i] = (whet_tensor){.dtype = t->dtype, .rank = t->rank, .data = zeros};
        for (int32_t d = 0; d < t->rank; d++)
            in[i].dims[d] = whet_dim_is_const(t->dims[d]) ? t->dims[d] : 2;
        in[i].bytes = whet_tensor_bytes(t->dtype, whet_dims_count(in[i].dims, t->rank));
        assert_true(in[i].bytes <= sizeof zeros);
    }
    assert_int_equal(whet_context_run(c, in, n, out, f.e->graph->n_outputs), WHET_E_INTERNAL);
    assert_non_null(strstr(whet_error_text(c), "is read before it is made"));
    whet_context_destroy(c);
    close_model(&f);
}

static bool keeps_its_type(const whet_engine *e, int32_t tensor) {
    const whet_pvalue *v = &e->graph->values[e->plan->tensors[tensor].value];
    bool fixed = v->type.dtype != WHET_DTYPE_F32 || v->host_value || whet_pvalue_is_const(v);
    for (int32_t i = 0; i < e->graph->n_inputs; i++) fixed |= e->plan->inputs[i] == tensor;
    for (int32_t i = 0; i < e->graph->n_outputs; i++) fixed |= e->plan->outputs[i] == tensor;
    return fixed;
}

// What is stored as bf16 where it must not be, or where a kernel does not take it, is refused.
static void types_that_tensors_cannot_have_are_refused(void **state) {
    (void)state;
    int refused = 0;
    for (size_t m = 0; m < sizeof models / sizeof models[0]; m++) {
        fixture f = {0};
        whet_error err;
        open_model(&f, models[m]);
        whet_plan *p = f.e->plan;
        for (int32_t i = 0; i < p->n_tensors; i++) {
            p->tensors[i].stored = WHET_DTYPE_BF16;
            whet_status status = decode_again(&f, &err);
            if (keeps_its_type(f.e, i)) assert_int_equal(status, WHET_E_PARSE);
            else assert_true(status == WHET_OK || status == WHET_E_PARSE);
            refused += status == WHET_E_PARSE;
            p->tensors[i].stored = WHET_DTYPE_NONE;
        }
        assert_int_equal(decode_again(&f, &err), WHET_OK);
        close_model(&f);
    }
    assert_true(refused > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_where_it_is_made_is_refused),
        cmocka_unit_test(nodes_before_their_segment_are_refused),
        cmocka_unit_test(runs_of_such_plans_end_with_an_error),
        cmocka_unit_test(types_that_tensors_cannot_have_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

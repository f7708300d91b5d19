// SPDX-License-Identifier: Apache-2.0
// test: labels=threads timeout=240
// A refit gives the engine that a build from the new weights gives, byte by byte; engines without
// weights; adapters; contexts that run meanwhile.
#include <pthread.h>
#include <stdatomic.h>
#include <whet/refit.h>

#include "support/temp_folder.h"
#include "support/test.h"

#define RESNET "tests/data/glyphs/glyph_resnet18.onnx"
#define VIT "tests/data/glyphs/glyph_vit.onnx"

static whet_env *env;

static int open_env(void **state) {
    (void)state;
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_ERROR};
    return whet_env_create(&o, &env) != WHET_OK;
}

static int close_env(void **state) {
    (void)state;
    whet_env_destroy(env);
    return 0;
}

// ---- new weights ----

// Other numbers of about the same size, those of variances positive.
static void change(const whet_tensor *from, float *to, int32_t seed) {
    int64_t n = (int64_t)(from->bytes / sizeof *to);
    const float *v = from->data;
    uint64_t random = (uint64_t)seed;
    for (int64_t i = 0; i < n; i++)
        to[i] = v[i] * (0.75f + (float)(test_random(&random) >> 8) / (1 << 25));
}

typedef struct {
    char *name;
    whet_tensor t;
} weight;

typedef struct {
    weight *v;
    int32_t n;
} weights;

static void free_weights(weights *w) {
    for (int32_t i = 0; i < w->n; i++) {
        free(w->v[i].name);
        free(w->v[i].t.data);
    }
    free(w->v);
}

// Of all floats that the engine lets change.
static weights other_weights(whet_engine *e, int32_t seed) {
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    weights w = {calloc((size_t)whet_refitter_count(r) + 1, sizeof *w.v), 0};
    for (int32_t i = 0; i < whet_refitter_count(r); i++) {
        whet_weight_info info;
        whet_tensor t;
        assert_int_equal(whet_refitter_weight(r, i, &info), WHET_OK);
        if (!info.refittable || info.dtype != WHET_DTYPE_F32) continue;
        assert_int_equal(whet_refitter_get(r, info.name, &t), WHET_OK);
        weight *at = &w.v[w.n++];
        *at = (weight){strdup(info.name), t};
        at->t.data = malloc(t.bytes);
        change(&t, at->t.data, seed + i);
    }
    whet_refitter_destroy(r);
    return w;
}

static whet_engine *build(const char *model, const weights *w, const char *const *options) {
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_engine *e = NULL;
    whet_network *net = NULL;
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    assert_int_equal(whet_config_set(config, "deterministic", "true"), WHET_OK);
    assert_int_equal(whet_config_set(config, "verify", "off"), WHET_OK);
    for (; options && *options; options += 2)
        assert_int_equal(whet_config_set(config, options[0], options[1]), WHET_OK);
    assert_int_equal(whet_builder_load_onnx(b, model), WHET_OK);
    assert_int_equal(whet_builder_network(b, &net), WHET_OK);
    for (int32_t i = 0; w && i < w->n; i++) {
        whet_value *v = whet_network_find_value(net, w->v[i].name);
        assert_non_null(v);
        assert_int_equal(whet_network_set_data(net, v, &w->v[i].t, false), WHET_OK);
    }
    whet_status status = whet_builder_build(b, config, &e);
    if (status) fail_msg("%s", whet_error_text(b));
    whet_config_destroy(config);
    whet_builder_destroy(b);
    return e;
}

static void give(whet_refitter *r, const weights *w, int32_t first, int32_t step) {
    for (int32_t i = first; i < w->n; i += step)
        if (whet_refitter_set(r, w->v[i].name, &w->v[i].t)) fail_msg("%s", whet_error_text(r));
}

static void refit(whet_engine *e, const weights *w) {
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    give(r, w, 0, 1);
    if (whet_refitter_run(r)) fail_msg("%s", whet_error_text(r));
    whet_refitter_destroy(r);
}

static void same_bytes(const whet_engine *a, const whet_engine *b) {
    size_t n, m;
    const char *x = whet_engine_data(a, &n), *y = whet_engine_data(b, &m);
    assert_non_null(x);
    assert_non_null(y);
    assert_int_equal(n, m);
    size_t at = 0;
    while (at < n && x[at] == y[at]) at++;
    if (at < n) fail_msg("the files differ at byte %zu of %zu", at, n);
}

// ---- runs ----

typedef struct {
    float *in, *out;
    size_t out_bytes;
    whet_tensor input, output;
} sample;

static sample make_sample(whet_engine *e) {
    whet_io_info info;
    sample s = {0};
    assert_int_equal(whet_engine_input(e, 0, &info), WHET_OK);
    s.input = (whet_tensor){.dtype = info.dtype, .rank = info.rank};
    size_t n = 1;
    for (int32_t d = 0; d < info.rank; d++) {
        s.input.dims[d] = info.dims[d] < 0 ? 1 : info.dims[d];
        n *= (size_t)s.input.dims[d];
    }
    s.in = malloc(n * sizeof *s.in);
    uint64_t random = 1;
    for (size_t i = 0; i < n; i++) s.in[i] = (float)(test_random(&random) >> 8) / (1 << 24);
    s.input.data = s.in;
    s.input.bytes = n * sizeof *s.in;
    s.out_bytes = 4096 * sizeof *s.out;
    s.out = calloc(1, s.out_bytes);
    return s;
}

static size_t run(whet_context *c, sample *s) {
    s->output = (whet_tensor){.data = s->out, .bytes = s->out_bytes};
    if (whet_context_run(c, &s->input, 1, &s->output, 1)) fail_msg("%s", whet_error_text(c));
    return s->output.bytes;
}

static void free_sample(sample *s) {
    free(s->in);
    free(s->out);
}

static void same_outputs(whet_engine *a, whet_context *ca, whet_engine *b) {
    sample s = make_sample(a), t = make_sample(b);
    whet_context *cb = NULL;
    assert_int_equal(whet_context_create(b, &cb), WHET_OK);
    size_t n = run(ca, &s);
    assert_int_equal(run(cb, &t), n);
    assert_memory_equal(s.out, t.out, n);
    whet_context_destroy(cb);
    free_sample(&s);
    free_sample(&t);
}

// ---- tests ----

static void check_model(const char *model, const char *const *options) {
    whet_engine *e = build(model, NULL, options);
    weights one = other_weights(e, 1), two = other_weights(e, 1000);
    assert_true(one.n > 10);
    whet_engine *fresh = build(model, &one, options), *second = build(model, &two, options);
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    sample s = make_sample(e);
    run(c, &s);
    refit(e, &one);
    same_outputs(e, c, fresh);
    same_bytes(e, fresh);
    // in parts, into memory of before
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    for (int32_t part = 0; part < 3; part++) {
        give(r, &two, part, 3);
        assert_int_equal(whet_refitter_run(r), WHET_OK);
        run(c, &s);
    }
    same_outputs(e, c, second);
    same_bytes(e, second);
    give(r, &one, 0, 1);
    assert_int_equal(whet_refitter_run(r), WHET_OK);
    same_outputs(e, c, fresh);
    whet_refitter_destroy(r);
    free_sample(&s);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_engine_destroy(fresh);
    whet_engine_destroy(second);
    free_weights(&one);
    free_weights(&two);
}

static void equals_a_fresh_build(void **state) {
    (void)state;
    check_model(RESNET, NULL);
    check_model(VIT, NULL);
}

static void equals_a_fresh_build_in_bf16(void **state) {
    (void)state;
    check_model(RESNET, (const char *[]){"bf16", "true", NULL});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_a_fresh_build),
        cmocka_unit_test(equals_a_fresh_build_in_bf16),
    };
    return cmocka_run_group_tests(tests, open_env, close_env);
}

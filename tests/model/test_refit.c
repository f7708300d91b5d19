// SPDX-License-Identifier: Apache-2.0
// test: labels=threads timeout=240
// A refit gives the engine that a build from the new weights gives, byte by byte; engines without
// weights; adapters; contexts that run meanwhile.
#include <pthread.h>
#include <stdatomic.h>
#include <whet/refit.h>

#include "backend_mock.h"
#include "env/env.h"
#include "support/failing_alloc.h"
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
    s.out_bytes = 32768 * sizeof *s.out;
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
    assert_true(one.n > 0);
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

static void equals_a_fresh_build_with_blocks(void **state) {
    (void)state;
    static const char *const models[] = {"loop_product", "loop_flow"};
    for (size_t i = 0; i < COUNT(models); i++) {
        char path[256];
        snprintf(path, sizeof path, "tests/data/%s.onnx", models[i]);
        whet_engine *e = build(path, NULL, NULL);
        weights w = other_weights(e, 3);
        assert_true(w.n > 0);
        whet_engine *fresh = build(path, &w, NULL);
        refit(e, &w);
        same_bytes(e, fresh);
        whet_engine_destroy(e);
        whet_engine_destroy(fresh);
        free_weights(&w);
    }
}

static void equals_a_fresh_build_in_bf16(void **state) {
    (void)state;
    check_model(RESNET, (const char *[]){"bf16", "true", NULL});
}

// Weights in another device's memory are copied there anew.
static void other_devices_get_them(void **state) {
    (void)state;
    whet_env *plain = env;
    const char *const options[] = {"level", "0", NULL};
    whet_env_options o = {.struct_size = sizeof o, .threads = 2, .verbosity = WHET_LOG_ERROR};
    assert_int_equal(whet_env_create(&o, &env), WHET_OK);
    assert_int_equal(whet_env_register(env, &test_mock_backend, test_mock_kernels, 5), WHET_OK);
    whet_engine *e = build(RESNET, NULL, options);
    assert_non_null(strstr(whet_engine_inspect(e, true), "\"backend\":\"mock\""));
    weights w = other_weights(e, 3);
    whet_engine *fresh = build(RESNET, &w, options);
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    sample s = make_sample(e);
    run(c, &s);
    refit(e, &w);
    same_outputs(e, c, fresh);
    free_sample(&s);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_engine_destroy(fresh);
    free_weights(&w);
    whet_env_destroy(env);
    env = plain;
}

// ---- what is refused ----

static whet_status set_one(whet_refitter *r, const char *name, whet_dtype dtype, int64_t a,
                           int64_t b, size_t bytes) {
    static float zeros[62 * 256];
    whet_tensor t = {.dtype = dtype, .rank = b ? 2 : 1, .dims = {a, b}, .data = zeros,
                     .bytes = bytes};
    return whet_refitter_set(r, name, &t);
}

static void wrong_weights_are_refused(void **state) {
    (void)state;
    whet_engine *e = build(RESNET, NULL, NULL);
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    assert_int_equal(set_one(r, "nothing", WHET_DTYPE_F32, 3, 0, 0), WHET_E_NOT_FOUND);
    assert_string_equal(whet_error_text(r), "the engine has no weight \"nothing\"");
    assert_int_equal(set_one(r, "fc.weight", WHET_DTYPE_F32, 256, 62, 0), WHET_E_SHAPE);
    assert_string_equal(whet_error_text(r), "weight \"fc.weight\": the engine has f32[62,256], "
                                            "given is f32[256,62]");
    assert_int_equal(set_one(r, "fc.weight", WHET_DTYPE_F16, 62, 256, 0), WHET_E_DTYPE);
    assert_int_equal(set_one(r, "fc.weight", WHET_DTYPE_F32, 62, 256, 4), WHET_E_BUFFER);
    assert_int_equal(set_one(r, "/ReduceMean/const", WHET_DTYPE_I64, 2, 0, 0),
                     WHET_E_UNSUPPORTED); // axes
    static const int64_t axes[] = {2, 3};
    whet_tensor same = {.dtype = WHET_DTYPE_I64, .rank = 1, .dims = {2}, .data = (void *)axes};
    whet_status status = whet_refitter_set(r, "/ReduceMean/const", &same);
    static const int64_t from_end[] = {-1, -2}, other_end[] = {-2, -1};
    same.data = (void *)from_end;
    if (status) status = whet_refitter_set(r, "/ReduceMean/const", &same);
    same.data = (void *)other_end;
    if (status) status = whet_refitter_set(r, "/ReduceMean/const", &same);
    assert_int_equal(status, WHET_OK); // one of them is what it was
    assert_int_equal(whet_refitter_run(r), WHET_OK); // nothing was given
    assert_int_equal(whet_refitter_load(r, "tests/data/add.onnx"), WHET_E_NOT_FOUND);
    whet_refitter_destroy(r);
    whet_engine_destroy(e);
}

// ---- engines without source weights ----

static void missing_weights_are_named(void **state) {
    (void)state;
    const char *const none[] = {"portable", "none", NULL};
    whet_engine *e = build(VIT, NULL, none);
    whet_engine *whole = build(VIT, NULL, NULL); // which holds them
    weights one = other_weights(whole, 3);
    whet_engine *fresh = build(VIT, &one, none);
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    give(r, &one, 0, 1);
    assert_null(whet_refitter_missing(r, 0));
    assert_int_equal(whet_refitter_run(r), WHET_OK);
    same_outputs(e, c, fresh);
    whet_refitter_destroy(r);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_engine_destroy(whole);
    whet_engine_destroy(fresh);
    free_weights(&one);
}

// Convolution and batch normalization of many channels, which do not lie in the graph.
static whet_engine *build_normalized(bool whole) {
    enum { N = 300 };
    static float w[N * 3], v[4][N], bias[N];
    static const char *const names[] = {"scale", "shift", "mean", "var"};
    whet_builder *b = NULL;
    whet_config *config = NULL;
    whet_network *net = NULL;
    whet_engine *e = NULL;
    whet_value *in[5], *out[5], *x, *y;
    uint64_t random = 9;
    for (int32_t i = 0; i < N * 3; i++) w[i] = (float)(test_random(&random) >> 8) / (1 << 24);
    for (int32_t i = 0; i < 4 * N; i++)
        v[i / N][i % N] = 0.5f + (float)(test_random(&random) >> 8) / (1 << 24);
    assert_int_equal(whet_builder_create(env, &b), WHET_OK);
    assert_int_equal(whet_config_create(env, &config), WHET_OK);
    whet_config_set(config, "deterministic", "true");
    whet_config_set(config, "portable", whole ? "full" : "none");
    assert_int_equal(whet_builder_network(b, &net), WHET_OK);
    assert_int_equal(whet_network_input(net, "x", WHET_DTYPE_F32, 4,
                                        (const int64_t[]){1, 3, 8, 8}, NULL, &x), WHET_OK);
    whet_tensor t = {.dtype = WHET_DTYPE_F32, .rank = 4, .dims = {N, 3, 1, 1}, .data = w,
                     .bytes = sizeof w};
    assert_int_equal(whet_network_constant(net, "w", &t, true, &in[1]), WHET_OK);
    in[0] = x;
    t = (whet_tensor){.dtype = WHET_DTYPE_F32, .rank = 1, .dims = {N}, .data = bias,
                      .bytes = sizeof bias};
    assert_int_equal(whet_network_constant(net, "bias", &t, true, &in[2]), WHET_OK);
    assert_int_equal(whet_network_add(net, "conv", "conv", in, 3, NULL, 0, &y, 1), WHET_OK);
    in[0] = y;
    for (int32_t i = 0; i < 4; i++) {
        t.data = v[i];
        assert_int_equal(whet_network_constant(net, names[i], &t, true, &in[i + 1]), WHET_OK);
    }
    assert_int_equal(whet_network_add(net, "batch_norm", "bn", in, 5, NULL, 0, out, 1), WHET_OK);
    assert_int_equal(whet_network_mark_output(net, out[0], "y"), WHET_OK);
    if (whet_builder_build(b, config, &e)) fail_msg("%s", whet_error_text(b));
    whet_config_destroy(config);
    whet_builder_destroy(b);
    return e;
}

static void what_a_form_is_made_of_is_named(void **state) {
    (void)state;
    whet_engine *whole = build_normalized(true), *e = build_normalized(false);
    weights w = other_weights(whole, 1);
    assert_int_equal(w.n, 6);
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    whet_tensor t;
    assert_int_equal(whet_refitter_get(r, "w", &t), WHET_E_NOT_FOUND);
    assert_int_equal(whet_refitter_set(r, "w", &w.v[5].t), WHET_OK);
    assert_string_equal(whet_refitter_missing(r, 0), "scale");
    assert_string_equal(whet_refitter_missing(r, 1), "var");
    assert_null(whet_refitter_missing(r, 2));
    assert_int_equal(whet_refitter_run(r), WHET_E_NOT_FOUND);
    assert_non_null(strstr(whet_error_text(r), "\"scale\" and 1 others"));
    whet_refitter_clear(r);
    assert_null(whet_refitter_missing(r, 0));
    give(r, &w, 0, 1);
    assert_int_equal(whet_refitter_run(r), WHET_OK);
    refit(whole, &w);
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    same_outputs(e, c, whole);
    whet_context_destroy(c);
    whet_refitter_destroy(r);
    whet_engine_destroy(e);
    whet_engine_destroy(whole);
    free_weights(&w);
}

static void stripped_engines_get_their_weights(void **state) {
    (void)state;
    temp_folder folder;
    temp_create(&folder);
    const char *path = temp_path(&folder, "s.whet");
    whet_engine *whole = build(RESNET, NULL, NULL), *e = NULL;
    assert_int_equal(whet_engine_save_stripped(whole, path), WHET_OK);
    assert_int_equal(whet_engine_load(env, path, &e), WHET_E_UNSUPPORTED);
    assert_int_equal(whet_engine_load_stripped(env, path, &e), WHET_OK);
    assert_true(whet_engine_is_stripped(e));
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(e, &c), WHET_E_INVALID);
    weights own = other_weights(whole, 7);
    whet_engine *fresh = build(RESNET, &own, NULL);
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    assert_non_null(whet_refitter_missing(r, 0));
    give(r, &own, 0, 2);
    assert_int_equal(whet_refitter_run(r), WHET_E_NOT_FOUND);
    assert_true(whet_engine_is_stripped(e));
    assert_non_null(strstr(whet_refitter_missing(r, 0), ""));
    give(r, &own, 1, 2);
    if (whet_refitter_run(r)) fail_msg("%s", whet_error_text(r));
    whet_refitter_destroy(r);
    assert_false(whet_engine_is_stripped(e));
    same_bytes(e, fresh);
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    same_outputs(e, c, fresh);
    refit(e, &own); // an engine like others now
    same_outputs(e, c, fresh);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    assert_int_equal(whet_engine_load_refit(env, path, RESNET, &e), WHET_OK);
    same_bytes(e, whole);
    whet_engine_destroy(e);
    whet_engine_destroy(whole);
    whet_engine_destroy(fresh);
    free_weights(&own);
    temp_remove(&folder);
}

// ---- adapters ----

static const whet_tensor *find_weight(const weights *w, const char *name) {
    for (int32_t i = 0; i < w->n; i++)
        if (!strcmp(w->v[i].name, name)) return &w->v[i].t;
    fail_msg("no weight %s", name);
    return NULL;
}

enum { OUT = 62, IN = 256, RANK = 4 };
static void add_product(const whet_tensor *w, const float *a, const float *b, double scale,
                        float *to) {
    for (int64_t i = 0; i < OUT; i++)
        for (int64_t k = 0; k < IN; k++) {
            double sum = ((const float *)w->data)[i * IN + k];
            for (int64_t j = 0; j < RANK; j++)
                sum += scale * (double)b[i * RANK + j] * (double)a[j * IN + k];
            to[i * IN + k] = (float)sum;
        }
}

static void adapters_are_added_and_taken_away(void **state) {
    (void)state;
    static float a[RANK * IN], b[OUT * RANK], want[OUT * IN];
    uint64_t random = 5;
    for (size_t i = 0; i < COUNT(a); i++) a[i] = (float)(test_random(&random) >> 24) / 64 - 2;
    for (size_t i = 0; i < COUNT(b); i++) b[i] = (float)(test_random(&random) >> 24) / 64 - 2;
    whet_tensor ta = {.dtype = WHET_DTYPE_F32, .rank = 2, .dims = {RANK, IN}, .data = a},
                tb = {.dtype = WHET_DTYPE_F32, .rank = 2, .dims = {OUT, RANK}, .data = b}, now;
    whet_engine *e = build(RESNET, NULL, NULL), *same = build(RESNET, NULL, NULL);
    weights own = other_weights(e, 0);
    for (int32_t i = 0; i < own.n; i++) { // as they are
        whet_refitter *reader = NULL;
        assert_int_equal(whet_refitter_create(e, &reader), WHET_OK);
        assert_int_equal(whet_refitter_get(reader, own.v[i].name, &now), WHET_OK);
        memcpy(own.v[i].t.data, now.data, now.bytes);
        whet_refitter_destroy(reader);
    }
    const whet_tensor *w = find_weight(&own, "fc.weight");
    whet_refitter *r = NULL;
    assert_int_equal(whet_refitter_create(e, &r), WHET_OK);
    assert_int_equal(whet_refitter_add_lora(r, "x", "fc.weight", &tb, &ta, 0), WHET_E_SHAPE);
    assert_int_equal(whet_refitter_add_lora(r, "x", "fc.bias", &ta, &tb, 0), WHET_E_UNSUPPORTED);
    assert_int_equal(whet_refitter_add_lora(r, "x", "fc.weight", &ta, &tb, 8), WHET_OK);
    assert_int_equal(whet_refitter_add_lora(r, "y", "fc.weight", &ta, &tb, 0), WHET_OK);
    assert_int_equal(whet_refitter_set_adapter(r, "z", 1), WHET_E_NOT_FOUND);
    assert_int_equal(whet_refitter_set_adapter(r, "y", 0.5), WHET_OK);
    assert_int_equal(whet_refitter_run(r), WHET_OK);
    add_product(w, a, b, 8.0 / RANK + 0.5, want); // exact: small numbers of few bits
    assert_int_equal(whet_refitter_get(r, "fc.weight", &now), WHET_OK);
    for (size_t i = 0; i < COUNT(want); i++)
        if (((const float *)now.data)[i] - want[i] > 1e-5f ||
            want[i] - ((const float *)now.data)[i] > 1e-5f)
            fail_msg("element %zu: %g, expected %g", i, (double)((const float *)now.data)[i],
                     (double)want[i]);
    assert_int_equal(whet_refitter_set_adapter(r, "x", 0), WHET_OK);
    assert_int_equal(whet_refitter_set_adapter(r, "y", 0), WHET_OK);
    assert_int_equal(whet_refitter_run(r), WHET_OK);
    same_bytes(e, same);
    whet_refitter_destroy(r);
    whet_engine_destroy(e);
    whet_engine_destroy(same);
    free_weights(&own);
}

// ---- without memory ----

static void failures_change_nothing(void **state) {
    (void)state;
    whet_engine *e = build_normalized(true), *fresh = build_normalized(true);
    weights w = other_weights(e, 4);
    whet_context *c = NULL;
    sample s = make_sample(e), old = make_sample(e), t = make_sample(e);
    assert_int_equal(whet_context_create(e, &c), WHET_OK);
    size_t n = run(c, &old);
    refit(fresh, &w);
    for (int64_t k = 0;; k++) { // each way to fail, then a run, which may fail too
        whet_refitter *r = NULL;
        test_alloc_fail_at(k);
        whet_status status = whet_refitter_create(e, &r);
        for (int32_t i = 0; i < w.n && !status; i++)
            status = whet_refitter_set(r, w.v[i].name, &w.v[i].t);
        if (!status) status = whet_refitter_run(r);
        whet_refitter_destroy(r);
        if (!status) { // into the context
            t.output = (whet_tensor){.data = t.out, .bytes = t.out_bytes};
            status = whet_context_run(c, &t.input, 1, &t.output, 1);
        }
        bool failed = test_alloc_end();
        if (status) assert_int_equal(status, WHET_E_NOMEM);
        run(c, &s); // either is complete
        bool is_old = !memcmp(s.out, old.out, n);
        if (!failed) {
            assert_int_equal(status, WHET_OK);
            assert_false(is_old);
            break;
        }
    }
    same_outputs(e, c, fresh);
    whet_context_destroy(c);
    whet_engine_destroy(e);
    whet_engine_destroy(fresh);
    free_sample(&s);
    free_sample(&old);
    free_sample(&t);
    free_weights(&w);
}

// ---- threads ----

typedef struct {
    whet_engine *e;
    const float *outputs[2]; // of either weights
    size_t bytes;
    atomic_bool stop;
    atomic_int wrong, runs;
} load;

static void *run_all_the_time(void *user) {
    load *l = user;
    whet_context *c = NULL;
    sample s = make_sample(l->e);
    if (whet_context_create(l->e, &c)) return l;
    while (!atomic_load(&l->stop)) {
        s.output = (whet_tensor){.data = s.out, .bytes = s.out_bytes};
        if (whet_context_run(c, &s.input, 1, &s.output, 1) ||
            (memcmp(s.out, l->outputs[0], l->bytes) && memcmp(s.out, l->outputs[1], l->bytes)))
            atomic_fetch_add(&l->wrong, 1);
        atomic_fetch_add(&l->runs, 1);
    }
    whet_context_destroy(c);
    free_sample(&s);
    return NULL;
}

static void contexts_run_meanwhile(void **state) {
    (void)state;
    load l = {.e = build(RESNET, NULL, NULL)};
    weights w[2] = {other_weights(l.e, 1), other_weights(l.e, 77)};
    sample s[2] = {make_sample(l.e), make_sample(l.e)};
    whet_context *c = NULL;
    assert_int_equal(whet_context_create(l.e, &c), WHET_OK);
    for (int32_t i = 0; i < 2; i++) {
        refit(l.e, &w[i]);
        l.bytes = run(c, &s[i]);
        l.outputs[i] = s[i].out;
    }
    assert_memory_not_equal(s[0].out, s[1].out, l.bytes);
    pthread_t threads[2];
    for (int32_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_all_the_time, &l), 0);
    whet_refitter *r = NULL;
    sample mine = make_sample(l.e);
    assert_int_equal(whet_refitter_create(l.e, &r), WHET_OK);
    for (int32_t i = 0; i < 12; i++) {
        give(r, &w[i % 2], 0, 1);
        assert_int_equal(whet_refitter_run(r), WHET_OK);
        run(c, &mine); // begins behind it
        assert_memory_equal(mine.out, s[i % 2].out, l.bytes);
    }
    atomic_store(&l.stop, true);
    for (int32_t i = 0; i < 2; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&l.wrong), 0);
    assert_true(atomic_load(&l.runs) > 2);
    whet_refitter_destroy(r);
    whet_context_destroy(c);
    whet_engine_destroy(l.e);
    for (int32_t i = 0; i < 2; i++) {
        free_sample(&s[i]);
        free_weights(&w[i]);
    }
    free_sample(&mine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_a_fresh_build),
        cmocka_unit_test(equals_a_fresh_build_in_bf16),
        cmocka_unit_test(equals_a_fresh_build_with_blocks),
        cmocka_unit_test(other_devices_get_them),
        cmocka_unit_test(wrong_weights_are_refused),
        cmocka_unit_test(missing_weights_are_named),
        cmocka_unit_test(what_a_form_is_made_of_is_named),
        cmocka_unit_test(stripped_engines_get_their_weights),
        cmocka_unit_test(adapters_are_added_and_taken_away),
        cmocka_unit_test(failures_change_nothing),
        cmocka_unit_test(contexts_run_meanwhile),
    };
    return cmocka_run_group_tests(tests, open_env, close_env);
}

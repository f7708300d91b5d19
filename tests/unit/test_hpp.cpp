// SPDX-License-Identifier: Apache-2.0
// The C++ wrapper: owning, moving, exceptions, callbacks.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <whet/plugin.hpp>
#include <whet/refit.hpp>

extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
}

static_assert(!std::is_copy_constructible_v<whet::Engine>);
static_assert(!std::is_copy_constructible_v<whet::Tensor>);
static_assert(std::is_nothrow_move_constructible_v<whet::Engine>);
static_assert(std::is_move_constructible_v<whet::Context>);

static const char model[] = "tests/data/add.onnx"; // relu(x + {1, -2, 3, -4})

template <class F> static whet_status status_of(F f) {
    try {
        f();
    } catch (const whet::Error &e) {
        assert_true(e.what()[0] != 0);
        return e.status();
    }
    return WHET_OK;
}

static whet::Engine build(const whet::Env &env) {
    whet::Builder builder(env);
    builder.load_onnx(model);
    whet::Config config(env);
    config.set("level", "0");
    return builder.build(config);
}

static void builds_and_runs(void **) {
    whet::Env env;
    whet::Engine engine = build(env), other = std::move(engine);
    assert_int_equal(other.inputs().size(), 1);
    whet::Io io = other.inputs()[0];
    assert_string_equal(io.name.c_str(), "x");
    assert_int_equal(io.shape[0], -1);
    assert_string_equal(io.dim_names[0].c_str(), "n");
    assert_int_equal(io.shape[1], 4);
    whet::Context first(other), context = std::move(first);
    whet::Tensor x({1, 4}, std::vector<float>{1, 1, 1, 9});
    std::vector<whet::Tensor> out = context.run(x);
    assert_int_equal(out.size(), 1);
    const float expected[] = {2, 0, 4, 5};
    assert_memory_equal(out[0].data<float>(), expected, sizeof expected);
    whet::Tensor kept = out[0].clone();
    context.run(whet::Tensor(WHET_DTYPE_F32, {3, 4}));
    assert_memory_equal(kept.data<float>(), expected, sizeof expected);
    assert_true(other.inspect(true).find("\"steps\":1") != std::string::npos);
}

static void writes_to_given_memory(void **) {
    whet::Env env;
    whet::Engine engine = build(env);
    whet::Context context(engine);
    std::vector<whet::Tensor> in, out;
    in.emplace_back(whet::Shape{2, 4}, std::vector<float>(8, 1.0f));
    out.emplace_back(WHET_DTYPE_F32, whet::Shape{5, 4});
    const void *memory = out[0].raw();
    context.run(in, out);
    assert_ptr_equal(out[0].raw(), memory);
    assert_int_equal(out[0].shape()[0], 2);
    assert_true(out[0].data<float>()[4] == 2);
    assert_int_equal(context.infer(in)[0][0], 2);
    out.clear();
    context.run(in, out); // the context's memory
    assert_true(out[0].data<float>()[4] == 2);
    out[0] = whet::Tensor(WHET_DTYPE_F32, {1, 4});
    assert_int_equal(status_of([&] { context.run(in, out); }), WHET_E_BUFFER);
}

static void throws_errors(void **) {
    whet::Env env;
    whet::Engine engine = build(env);
    whet::Context context(engine);
    whet::Tensor x(WHET_DTYPE_F32, {1, 5}), wrong(WHET_DTYPE_I64, {1, 4});
    assert_int_equal(status_of([&] { context.run(x); }), WHET_E_SHAPE);
    assert_int_equal(status_of([&] { context.run(wrong); }), WHET_E_DTYPE);
    assert_int_equal(status_of([&] { context.run(); }), WHET_E_INVALID);
    assert_int_equal(status_of([&] { x.data<double>(); }), WHET_E_DTYPE);
    assert_int_equal(status_of([&] { whet::Config(env).set("nothing", ""); }), WHET_E_NOT_FOUND);
    assert_int_equal(status_of([&] { whet::Engine::load(env, "nothing.whet"); }), WHET_E_IO);
    assert_int_equal(status_of([&] { whet::Builder(env).load_onnx("nothing"); }), WHET_E_IO);
    assert_int_equal(status_of([&] { whet::Tensor(WHET_DTYPE_F32, {-1}); }), WHET_E_SHAPE);
    assert_int_equal(status_of([&] { whet::Tensor(WHET_DTYPE_F32, {INT64_MAX, 2}); }),
                     WHET_E_LIMIT);
    assert_int_equal(status_of([&] { whet::Tensor({3}, std::vector<float>{1}); }), WHET_E_BUFFER);
    whet::Env::Options bad;
    bad.cpu_mask = "mmx";
    bad.log = [](whet_severity, const char *) {};
    assert_int_equal(status_of([&] { whet::Env e(bad); }), WHET_E_INVALID);
}

static void calls_back(void **) {
    int lines = 0, phases = 0, layers = 0, values = 0;
    whet::Env::Options options;
    options.verbosity = WHET_LOG_INFO;
    options.log = [&](whet_severity, const char *) { lines++; };
    whet::Env env(options);
    whet::Builder builder(env);
    builder.load_onnx(model);
    whet::Config config(env);
    config.set("level", "0").set_progress(
        [&](const char *, int64_t, int64_t, double) { return ++phases > 0; });
    whet::Engine engine = builder.build(config);
    assert_true(lines > 0 && phases > 0);
    whet::Context context(engine);
    context.set_profiler([&](const char *, const char *, double seconds) {
        layers++;
        assert_true(seconds >= 0);
    });
    context.set_tap([&](const char *name, const whet::Tensor &t) {
        values++;
        assert_string_equal(name, "y");
        assert_int_equal(t.count(), 4);
    });
    whet::Tensor x(WHET_DTYPE_F32, {1, 4});
    context.run(x);
    assert_int_equal(layers, 1);
    assert_int_equal(values, 1);
    context.set_tap(nullptr);
    context.set_profiler(nullptr);
    context.run(x);
    assert_int_equal(layers + values, 2);
}

static void passes_exceptions_on(void **) {
    whet::Env env;
    whet::Builder builder(env);
    builder.load_onnx(model);
    whet::Config config(env);
    config.set("level", "0").set_progress([](const char *, int64_t, int64_t, double) -> bool {
        throw std::logic_error("enough");
    });
    bool caught = false;
    try {
        builder.build(config);
    } catch (const std::logic_error &) {
        caught = true;
    }
    assert_true(caught);
    config.set_progress([](const char *, int64_t, int64_t, double) { return false; });
    assert_int_equal(status_of([&] { builder.build(config); }), WHET_E_CANCELLED);
    whet::Engine engine = build(env);
    whet::Context context(engine);
    context.set_tap([](const char *, const whet::Tensor &) { throw std::logic_error("enough"); });
    caught = false;
    try {
        context.run(whet::Tensor(WHET_DTYPE_F32, {1, 4}));
    } catch (const std::logic_error &) {
        caught = true;
    }
    assert_true(caught);
}

static void saves_loads_and_tunes(void **) {
    char path[] = "/tmp/whet_hpp_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    fclose(fdopen(fd, "w"));
    whet::Env env;
    build(env).save(path);
    {
        whet::Engine engine = whet::Engine::load(env, path);
        auto [data, bytes] = engine.data();
        whet::Engine copy = whet::Engine::load(env, data, bytes);
        whet::Config config(env);
        config.set("level", "1");
        whet::Engine tuned = copy.tune(config);
        assert_int_equal(tuned.outputs().size(), 1);
        whet::Context context(tuned);
        whet::Tensor x(WHET_DTYPE_F32, {1, 4});
        std::vector<whet::Tensor> in;
        in.push_back(std::move(x));
        assert_true(context.bench(in, 0, 0, 3).size() >= 3);
    }
    remove(path);
    whet::TimingCache cache(env, "");
    assert_int_equal(cache.count(), 0);
    assert_true(env.describe().find(whet::version()) != std::string::npos);
}

static void allocators(void **) {
    whet::Env env;
    whet::Engine engine = build(env);
    whet::Context context(engine);
    std::vector<float> memory;
    context.set_output_allocator(0, [&](std::size_t bytes, std::size_t) {
        memory.resize(bytes / sizeof(float));
        return static_cast<void *>(memory.data());
    });
    whet::Tensor x({2, 4}, std::vector<float>(8, 3));
    std::vector<whet::Tensor> out = context.run(x);
    assert_ptr_equal(out[0].raw(), memory.data());
    assert_int_equal(memory.size(), 8);
    context.set_output_allocator(0, [](std::size_t, std::size_t) -> void * { throw 7; });
    int thrown = 0;
    try {
        context.run(x);
    } catch (int number) {
        thrown = number;
    }
    assert_int_equal(thrown, 7);
    context.set_output_allocator(0, nullptr);
    context.run(x);
    assert_int_equal(status_of([&] { context.set_output_allocator(3, nullptr); }), WHET_E_RANGE);
    std::vector<whet::Tensor> in;
    in.push_back(whet::Tensor::view(WHET_DTYPE_F32, {5, 4}, nullptr));
    assert_int_equal(context.max_output_bytes(in, 0), 80);
    assert_true(context.infer(in)[0] == whet::Shape({5, 4}));
    assert_true(context.lacking().empty());
}

static void profiles(void **) {
    whet::Env env;
    whet::Builder builder(env);
    builder.load_onnx(model);
    whet::Config config(env);
    whet::Profile profile;
    config.set("level", "0");
    config.add_profile(profile.set_shape("x", {1, 4}, {2, 4}, {8, 4}));
    assert_int_equal(status_of([&] { profile.set_shape("x", {1, 4}, {2}, {8, 4}); }),
                     WHET_E_INVALID);
    assert_int_equal(status_of([&] { profile.set_values("x", {1, 4}, {0, 4}, {8, 4}); }),
                     WHET_E_INVALID);
    whet::Engine engine = builder.build(config);
    assert_int_equal(engine.profile_count(), 1);
    assert_true(engine.profile_shape(0, 0).opt == whet::Shape({2, 4}));
    assert_true(engine.profile_values(0, 0).max.empty());
    assert_int_equal(status_of([&] { engine.profile_shape(1, 0); }), WHET_E_RANGE);
    whet::Context context(engine);
    bool tuned = true;
    assert_int_equal(context.profile(&tuned), -1);
    assert_false(tuned);
    context.run(whet::Tensor(WHET_DTYPE_F32, {3, 4}));
    assert_int_equal(context.profile(&tuned), 0);
    assert_true(tuned);
    context.set_profile(0);
    assert_int_equal(status_of([&] { context.set_profile(1); }), WHET_E_RANGE);
}

static void makes_and_reads_objects(void **) {
    whet::Tensor words({2, 2}, std::vector<std::string>{"", "a\0b", "\u00e9", std::string("\0", 1)});
    assert_int_equal(words.dtype(), WHET_DTYPE_STRING);
    whet::Tensor moved = std::move(words), copy = moved.clone();
    assert_true(copy.shape() == whet::Shape({2, 2}));
    assert_true(copy.texts() == std::vector<std::string>({"", "a", "\u00e9", std::string(1, 0)}));
    assert_ptr_not_equal(copy.raw(), moved.raw());
    assert_int_equal(status_of([] { whet::Tensor({2}, std::vector<std::string>{"a"}); }),
                     WHET_E_BUFFER);

    std::map<std::string, float> ages = {{"b", 2.5f}, {"a", 1}};
    std::vector<whet::Tensor> items;
    for (int i = 0; i < 2; i++) items.push_back(whet::Tensor::map(ages));
    whet::Tensor maps = whet::Tensor::sequence(std::move(items)), maps_copy = maps.clone();
    maps = whet::Tensor();
    assert_int_equal(whet_object_elem(maps_copy.object()),
                     WHET_DTYPE_MAP | WHET_DTYPE_STRING << 8 | WHET_DTYPE_F32 << 16);
    assert_int_equal(maps_copy.items().size(), 2);
    assert_true((maps_copy.items()[1].to_map<std::string, float>() == ages));
    assert_int_equal(status_of([&] { maps_copy.items()[0].to_map<std::int64_t, float>(); }),
                     WHET_E_DTYPE);
    assert_int_equal(status_of([&] { copy.items(); }), WHET_E_DTYPE);
    assert_true(whet::Tensor::optional().items().empty());
    whet::Tensor some = whet::Tensor::optional(whet::Tensor({1}, std::vector<float>{3}));
    assert_true(some.items()[0].values<float>() == std::vector<float>({3}));
    std::vector<whet::Tensor> mixed;
    mixed.push_back(some.clone());
    mixed.push_back(copy.clone());
    assert_int_equal(status_of([&] { whet::Tensor::sequence(std::move(mixed)); }), WHET_E_DTYPE);
}

static whet::Engine build_plain(const whet::Env &env, const char *path) {
    whet::Builder builder(env);
    builder.load_onnx(path);
    whet::Config config(env);
    config.set("level", "0");
    return builder.build(config);
}

static void runs_on_objects(void **) {
    whet::Env env;
    whet::Engine engine = build_plain(env, "tests/data/objects_out.onnx");
    assert_int_equal(engine.outputs()[2].elem,
                     WHET_DTYPE_MAP | WHET_DTYPE_STRING << 8 | WHET_DTYPE_F32 << 16);
    whet::Context context(engine);
    std::vector<whet::Tensor> kept;
    {
        std::vector<whet::Tensor> out =
            context.run(whet::Tensor({1, 2}, std::vector<float>{1, 2}),
                        whet::Tensor({2}, std::vector<std::string>{"x", "yz"}));
        for (const whet::Tensor &t : out) kept.push_back(t.clone());
    }
    context.run(whet::Tensor({1, 2}, std::vector<float>{5, 6}),
                whet::Tensor({1}, std::vector<std::string>{"other"}));
    assert_true(kept[0].items()[1].values<float>() == std::vector<float>({1, 2}));
    assert_int_equal(kept[1].items().size(), 1);
    assert_true((kept[2].items()[0].to_map<std::string, float>() ==
                 std::map<std::string, float>{{"a\"b", 1.0f}, {"c", 2.0f}}));
    assert_true(kept[3].texts() == std::vector<std::string>({"xx", "yzyz"}));
    context.set_object_limit(64);
    assert_int_equal(status_of([&] {
                         context.run(whet::Tensor({1, 2}, std::vector<float>{5, 6}),
                                     whet::Tensor({1}, std::vector<std::string>{
                                                           std::string(200, 'a')}));
                     }),
                     WHET_E_LIMIT);

    whet::Engine counts = build_plain(env, "tests/data/object_in.onnx");
    whet::Context counter(counts);
    std::vector<whet::Tensor> items;
    for (int i = 0; i < 3; i++) items.push_back(whet::Tensor({1}, std::vector<float>{1}));
    std::vector<whet::Tensor> n = counter.run(whet::Tensor::sequence(std::move(items)));
    assert_int_equal(n[0].data<std::int64_t>()[0], 3);
}

static whet::Plugin times_plugin() {
    whet::Plugin p("mydomain", "Times");
    p.input("x").output("y").attribute("factor", 2.0).attribute("text", "a");
    p.tasks([](whet::PluginNode &n) { return n.in_count(0); });
    p.run([](whet::PluginNode &n, std::int64_t begin, std::int64_t end) {
        const float *x = n.in<float>(0);
        float *y = n.out<float>(0), factor = float(n.number("factor"));
        if (n.text("text") != "a" || n.in<double>(0)) throw std::runtime_error("attributes");
        for (std::int64_t i = begin; i < end; i++) {
            if (x[i] > 100) throw whet::Error(WHET_E_RANGE, "above 100");
            y[i] = x[i] * factor;
        }
    });
    return p;
}

static void plugins(void **) {
    whet::Env env;
    times_plugin().add_to(env); // stays without the object
    whet::Plugin again = times_plugin();
    assert_int_equal(status_of([&] { again.add_to(env); }), WHET_E_INVALID);
    assert_int_equal(status_of([&] { env.load_plugins("nothing.so"); }), WHET_E_IO);
    whet::Plugin halves("mydomain", "Halves");
    halves.input("x").output("y").run([](whet::PluginNode &) {});
    halves.shapes([](whet::PluginNode &n) {
        if (n.rank(0) != 2) throw whet::Error(WHET_E_SHAPE, "no matrix");
        n.set_shape(0, {n.dim(0, 0), (n.dim(0, 1) + 1) / 2});
    });
    halves.add_to(env);
    whet::Builder builder(env);
    builder.load_onnx("tests/data/plugin.onnx");
    whet::Engine engine = builder.build();
    whet::Context context(engine);
    whet::Tensor x({1, 4}, std::vector<float>{1, -2, 3, -4});
    std::vector<whet::Tensor> y = context.run(x);
    assert_true(y[0].data<float>()[2] == 9);
    x.data<float>()[0] = 101;
    assert_int_equal(status_of([&] { context.run(x); }), WHET_E_RANGE);
}

static void calibrates(void **) {
    const char *path = "tests/data/glyphs/glyph_resnet18.onnx";
    whet::Env env;
    whet::Builder builder(env), other(env);
    builder.load_onnx(path);
    other.load_onnx(path);
    whet::Config config(env);
    int batches = 0;
    std::vector<float> image(48 * 48, 0.5f);
    config.set_calibration([&](const std::vector<std::string> &names, whet_tensor *inputs) {
        assert_string_equal(names.at(0).c_str(), "image");
        inputs[0] = {WHET_DTYPE_F32, 4, {1, 1, 48, 48}, image.data(), image.size() * sizeof(float)};
        return ++batches < 3;
    });
    builder.quantize(config);
    assert_int_equal(batches, 3);
    config.set_calibration([](const std::vector<std::string> &, whet_tensor *) -> bool {
        throw std::logic_error("enough");
    });
    bool caught = false;
    try {
        other.quantize(config);
    } catch (const std::logic_error &) {
        caught = true;
    }
    assert_true(caught);
    // a metric of the caller's judges the mix
    batches = 0;
    int32_t asked = 0;
    whet::Config mixed(env);
    mixed.set("accuracy", "least:-0.5").set("level", "0").set("verify", "off");
    mixed.set_calibration([&](const std::vector<std::string> &, whet_tensor *inputs) {
        inputs[0] = {WHET_DTYPE_F32, 4, {1, 1, 48, 48}, image.data(), image.size() * sizeof(float)};
        return ++batches < 3;
    });
    mixed.set_metric([&](const std::vector<std::string> &names, const whet_tensor *const *reference,
                         const whet_tensor *const *outputs, std::int32_t n) {
        assert_string_equal(names.at(0).c_str(), "logits");
        assert_int_equal(n, 2);
        asked++;
        return -std::fabs(static_cast<const float *>(reference[1][0].data)[0] -
                          static_cast<const float *>(outputs[1][0].data)[0]);
    });
    other.build(mixed);
    assert_true(asked >= 2);
    // a range by hand, and the type of a layer, instead of samples
    whet::Config by_hand(env);
    by_hand.set_range("image", -3, 3).set("layer-precisions", "/fc/*:fp32");
    other.quantize(by_hand);
}

static void refits(void **) {
    whet::Env env;
    whet::Engine engine = build(env);
    whet::Context context(engine);
    whet::Tensor x({1, 4}, std::vector<float>{1, 1, 1, 9});
    whet::Refitter refitter(engine);
    std::vector<whet::WeightInfo> weights = refitter.weights();
    assert_int_equal(weights.size(), 1);
    assert_string_equal(weights[0].name.c_str(), "b");
    assert_true(weights[0].refittable && weights[0].shape == whet::Shape{4});
    const float before[] = {1, -2, 3, -4};
    assert_memory_equal(refitter.current("b").data<float>(), before, sizeof before);
    whet::Tensor b({4}, std::vector<float>{10, 20, 30, 40});
    refitter.set("b", b).run();
    const float expected[] = {11, 21, 31, 49};
    assert_memory_equal(context.run(x)[0].data<float>(), expected, sizeof expected);
    refitter.load(model).run();
    assert_memory_equal(refitter.current("b").data<float>(), before, sizeof before);
    assert_true(refitter.missing().empty());
    assert_int_equal(status_of([&] { refitter.set("b", x); }), WHET_E_SHAPE);
    assert_int_equal(status_of([&] { refitter.add_lora("a", "b", x, x); }), WHET_E_UNSUPPORTED);
    assert_false(whet::is_stripped(engine));
}

int main() {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refits),
        cmocka_unit_test(calibrates),
        cmocka_unit_test(builds_and_runs),      cmocka_unit_test(plugins),
        cmocka_unit_test(allocators),           cmocka_unit_test(makes_and_reads_objects),
        cmocka_unit_test(runs_on_objects),
        cmocka_unit_test(profiles),               cmocka_unit_test(writes_to_given_memory),
        cmocka_unit_test(throws_errors),        cmocka_unit_test(calls_back),
        cmocka_unit_test(passes_exceptions_on), cmocka_unit_test(saves_loads_and_tunes),
    };
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}

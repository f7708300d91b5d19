// SPDX-License-Identifier: Apache-2.0
// Networks through network.hpp: layers, control flow, edits, errors.
#include <whet/network.hpp>

extern "C" {
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
}

using whet::Network;
using whet::Tensor;
using whet::Value;

static std::vector<Tensor> run(whet::Builder &builder, const std::vector<Tensor> &inputs) {
    static std::vector<whet::Engine> engines; // outputs are views of contexts
    static std::vector<whet::Context> contexts;
    whet::Config config;
    config.set("level", "0");
    engines.push_back(builder.build(config));
    contexts.emplace_back(engines.back());
    std::vector<Tensor> out = contexts.back().run(inputs), kept;
    for (const Tensor &t : out) kept.push_back(t.clone());
    contexts.clear();
    engines.clear();
    return kept;
}

static std::vector<Tensor> one(Tensor t) {
    std::vector<Tensor> all;
    all.push_back(std::move(t));
    return all;
}

static void layers(void **) {
    whet::Builder builder;
    Network net(builder);
    Value x = net.input("x", WHET_DTYPE_F32, {-1, 1, 4, 4}, {"batch"});
    Value w = net.constant(Tensor({2, 1, 3, 3}, std::vector<float>(18, 1)), "w");
    Value y = net.conv(x, w, nullptr, {{"pads", {1, 1, 1, 1}}});
    y = net.pooling(net.activation(y, "relu"), "max", {2, 2}, {{"strides", "[2, 2]"}});
    y = net.reshape(y, {0, -1});
    net.output(net.reduce(y, "sum", {1}), "sum");
    net.output(net.topk(y, 2)[1], "best");
    net.output(net.slice(y, {0, 6}, {1, 3}, {1, -2}), "part");
    assert_int_equal(net.info(y).shape[1], 8);
    assert_string_equal(net.info(y).dim_names[0].c_str(), "batch");
    std::vector<Tensor> out = run(builder, one(Tensor({1, 1, 4, 4}, std::vector<float>(16, 1))));
    assert_true(out[0].data<float>()[0] == 72);
    assert_int_equal(out[1].data<int64_t>()[1], 1);
    assert_int_equal(out[2].shape()[1], 3);
}

static void control_flow(void **) {
    whet::Builder builder;
    Network net(builder);
    Value n = net.input("n", WHET_DTYPE_I64, {});
    Value start = net.constant(Tensor(whet::Shape(), std::vector<float>{1}));
    Network::Values made =
        net.loop(n, nullptr, {start}, [&](Network &b, Value, const Network::Values &v) {
            return Network::Iteration{{b.add("add", {v[0], v[0]})}, {v[0]}};
        });
    net.output(made[0], "last");
    net.output(made[1], "all");
    Value big = net.add("greater", {n, net.scalar(int64_t(2))});
    net.output(net.if_(
        big, [&](Network &b) { return Network::Values{b.add("neg", {made[0]})}; },
        [&](Network &b) { return Network::Values{b.add("identity", {made[0]})}; })[0], "y");
    std::vector<Tensor> out = run(builder, one(Tensor(whet::Shape(), std::vector<int64_t>{4})));
    assert_true(out[0].data<float>()[0] == 16 && out[1].data<float>()[3] == 8);
    assert_true(out[2].data<float>()[0] == -16);
}

static void scans(void **) {
    whet::Builder builder;
    Network net(builder);
    Value x = net.input("x", WHET_DTYPE_F32, {-1, 3}, {"rows"});
    auto sum = [](Network &b, const Network::Values &v, const Network::Values &slices) {
        Value y = b.add("add", {v[0], slices[0]});
        return Network::Iteration{{y}, {y}};
    };
    Value none = net.constant(Tensor({3}, std::vector<float>{0, 0, 0}));
    Network::Values down = net.scan({none}, {x}, sum);
    Value column = net.add("reduce_sum", {x, net.constant({1})}, {{"keepdims", false}});
    Network::Values across =
        net.scan({net.add("mul", {column, net.scalar(0.0f)})}, {x}, sum, {-1});
    net.output(down[1], "down");
    net.output(across[0], "across");
    std::vector<Tensor> out =
        run(builder, one(Tensor({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6})));
    assert_true(out[0].data<float>()[2] == 3 && out[0].data<float>()[5] == 9);
    assert_true(out[1].data<float>()[0] == 6 && out[1].data<float>()[1] == 15);
    bool thrown = false;
    try {
        net.scan({none}, {x}, sum, {2});
    } catch (const whet::Error &e) {
        thrown = e.status() == WHET_E_INVALID;
    }
    assert_true(thrown);
}

static void edits_and_errors(void **) {
    whet::Builder builder;
    builder.load_onnx("tests/data/add.onnx");
    Network net(builder);
    whet::Node relu = net.nodes().back();
    assert_string_equal(net.info(relu).op, "relu");
    net.replace(net.node_output(relu, 0), net.node_input(relu, 0));
    net.remove(relu);
    std::vector<Tensor> out = run(builder, one(Tensor({1, 4}, std::vector<float>{1, 1, 1, 1})));
    assert_true(out[0].data<float>()[1] == -1);
    bool thrown = false;
    try {
        net.add("matmull", {net.find("x")});
    } catch (const whet::Error &e) {
        thrown = e.status() == WHET_E_NOT_FOUND;
    }
    assert_true(thrown);
    whet::Weights weights("tests/data/weights/some.safetensors");
    assert_int_equal(weights.find("layer.weight").shape()[0], 40);
    assert_true(weights.find("half", WHET_DTYPE_F32).data<float>()[1] == 0.5f);
}

int main() {
    const CMUnitTest tests[] = {cmocka_unit_test(layers), cmocka_unit_test(control_flow),
                                cmocka_unit_test(scans), cmocka_unit_test(edits_and_errors)};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}

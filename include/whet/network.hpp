// SPDX-License-Identifier: Apache-2.0
/*
 * Networks by hand for C++17, over whet.h. Header only.
 *
 *     whet::Builder builder;
 *     whet::Network net(builder);
 *     whet::Weights weights("mlp.safetensors");
 *     whet::Value x = net.input("x", WHET_DTYPE_F32, {-1, 784}, {"batch"});
 *     x = net.add("relu", {net.matmul(x, net.constant(weights.find("w1")))});
 *     net.output(net.softmax(x, -1), "probabilities");
 *     whet::Engine engine = builder.build();
 *
 * Every operator is added by name: net.add("conv", {x, w}, {{"strides", {2, 2}}}); the methods with
 * familiar names are short forms of that. Values and nodes are handles of their network. Failures
 * throw whet::Error and leave the network as it was. A Network is a view: its builder owns it.
 */
#ifndef WHET_NETWORK_HPP
#define WHET_NETWORK_HPP

#include <whet/whet.hpp>

namespace whet {

using Value = whet_value *; // nullptr: an input that is absent
using Node = whet_node *;

// An attribute of an operator. Texts may also be in the text form: {"strides", "[2, 2]"}.
class Attribute {
public:
    Attribute(std::string name, const char *text)
        : Attribute(std::move(name), WHET_ATTRIBUTE_TEXT) { text_ = text; }
    Attribute(std::string name, const std::string &text) : Attribute(name, text.c_str()) {}
    Attribute(std::string name, bool v) : Attribute(std::move(name), WHET_ATTRIBUTE_INT) { i_ = v; }
    Attribute(std::string name, int v) : Attribute(std::move(name), WHET_ATTRIBUTE_INT) { i_ = v; }
    Attribute(std::string name, std::int64_t v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_INT) { i_ = v; }
    Attribute(std::string name, whet_dtype v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_INT) { i_ = v; }
    Attribute(std::string name, double v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_FLOAT) { f_ = v; }
    Attribute(std::string name, std::vector<std::int64_t> v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_INTS) { ints_ = std::move(v); }
    Attribute(std::string name, std::vector<float> v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_FLOATS) { floats_ = std::move(v); }
    Attribute(std::string name, std::initializer_list<int> v)
        : Attribute(std::move(name), WHET_ATTRIBUTE_INTS) { ints_.assign(v.begin(), v.end()); }

    // Valid as long as the attribute.
    whet_attribute get() const {
        whet_attribute a = {};
        a.name = name_.c_str();
        a.kind = kind_;
        a.text = text_.c_str();
        a.i = i_;
        a.f = f_;
        a.ints = ints_.data();
        a.floats = floats_.data();
        a.n = static_cast<std::int64_t>(ints_.size() + floats_.size());
        return a;
    }

private:
    Attribute(std::string name, whet_attribute_kind kind) : name_(std::move(name)), kind_(kind) {}
    std::string name_, text_;
    whet_attribute_kind kind_;
    std::int64_t i_ = 0;
    double f_ = 0;
    std::vector<std::int64_t> ints_;
    std::vector<float> floats_;
};

// A .npz or SafeTensors file. Tensors are views of it: it must outlive who borrows them.
class Weights {
public:
    explicit Weights(const std::string &path) {
        whet_weights *weights = nullptr;
        whet_status status = whet_weights_open(nullptr, path.c_str(), &weights);
        if (status != WHET_OK) throw Error(status, whet_error_text(nullptr));
        handle_.reset(weights);
    }
    std::vector<std::string> names() const {
        std::vector<std::string> all;
        for (std::int32_t i = 0; i < whet_weights_count(get()); i++)
            all.push_back(whet_weights_name(get(), i));
        return all;
    }
    // dtype NONE: as it is stored.
    Tensor find(const std::string &name, whet_dtype dtype = WHET_DTYPE_NONE) const {
        whet_tensor t = {};
        detail::check(whet_weights_find(get(), name.c_str(), dtype, &t), get());
        return Tensor::view(t);
    }
    whet_weights *get() const noexcept { return handle_.get(); }

private:
    detail::Handle<whet_weights, whet_weights_close> handle_;
};

class Network {
public:
    using Values = std::vector<Value>;
    using Attributes = std::vector<Attribute>;
    // What the body of a loop or scan leaves: carried values, collected ones, and of a loop whether
    // it goes on (nullptr: as before).
    struct Iteration {
        Values carried, collected;
        Value go_on = nullptr;
    };

    explicit Network(Builder &builder) {
        detail::check(whet_builder_network(builder.get(), &net_), builder.get());
    }
    explicit Network(whet_network *net) : net_(net) {}
    whet_network *get() const noexcept { return net_; }

    // ---- making ----

    // -1 is dynamic; names give such dimensions a name, "" makes one up.
    Value input(const std::string &name, whet_dtype dtype, const Shape &dims,
                const std::vector<std::string> &names = {}) {
        std::vector<const char *> texts(dims.size() + 1, nullptr);
        for (std::size_t i = 0; i < names.size() && i < dims.size(); i++)
            texts[i] = names[i].empty() ? nullptr : names[i].c_str();
        Value v = nullptr;
        check(whet_network_input(net_, name.c_str(), dtype, static_cast<std::int32_t>(dims.size()),
                                 dims.data(), texts.data(), &v));
        return v;
    }
    // copy false: the memory must outlive the builder.
    Value constant(const Tensor &tensor, const std::string &name = "", bool copy = true) {
        Value v = nullptr;
        check(whet_network_constant(net_, name.empty() ? nullptr : name.c_str(), &tensor.get(),
                                    copy, &v));
        return v;
    }
    Value constant(const std::vector<std::int64_t> &v) {
        return constant(Tensor({static_cast<std::int64_t>(v.size())}, v));
    }
    Value scalar(std::int64_t v) {
        return constant(Tensor(Shape(), std::vector<std::int64_t>(1, v)));
    }
    Value scalar(float v) { return constant(Tensor(Shape(), std::vector<float>(1, v))); }

    Value add(const std::string &op, const Values &inputs, const Attributes &attributes = {},
              const std::string &name = "") {
        return add_many(op, inputs, 1, attributes, name)[0];
    }
    Values add_many(const std::string &op, const Values &inputs, std::int32_t outputs,
                    const Attributes &attributes = {}, const std::string &name = "") {
        return add_node(op, inputs, {}, outputs, attributes, name);
    }
    void output(Value v, const std::string &name = "") {
        check(whet_network_mark_output(net_, v, name.empty() ? nullptr : name.c_str()));
    }
    void unmark_output(Value v) { check(whet_network_unmark_output(net_, v)); }

    // ---- layers ----

    Value conv(Value x, Value weights, Value bias = nullptr, const Attributes &a = {}) {
        return add("conv", {x, weights, bias}, a);
    }
    Value deconv(Value x, Value weights, Value bias = nullptr, const Attributes &a = {}) {
        return add("conv_transpose", {x, weights, bias}, a);
    }
    // kind: max, average
    Value pooling(Value x, const std::string &kind, const std::vector<std::int64_t> &window,
                  Attributes a = {}) {
        a.emplace_back("kernel_shape", window);
        return add(kind + "_pool", {x}, a);
    }
    // kind: relu, sigmoid, tanh, gelu, elu, ...; elementwise: add, mul, max, less, ...; unary: exp, ...
    Value activation(Value x, const std::string &kind, const Attributes &a = {}) {
        return add(kind, {x}, a);
    }
    Value elementwise(Value a, Value b, const std::string &kind) { return add(kind, {a, b}); }
    Value unary(Value x, const std::string &kind) { return add(kind, {x}); }
    Value matmul(Value a, Value b, bool transpose_a = false, bool transpose_b = false) {
        return add("matmul", {a, b}, {{"transA", transpose_a}, {"transB", transpose_b}});
    }
    Value softmax(Value x, int axis = -1) { return add("softmax", {x}, {{"axis", axis}}); }
    // kind: sum, prod, max, min, mean
    Value reduce(Value x, const std::string &kind, const std::vector<std::int64_t> &axes,
                 bool keep = false) {
        return add("reduce_" + kind, {x, constant(axes)}, {{"keepdims", keep}});
    }
    Value reshape(Value x, const std::vector<std::int64_t> &shape) {
        return add("reshape", {x, constant(shape)});
    }
    Value transpose(Value x, const std::vector<std::int64_t> &perm) {
        return add("transpose", {x}, {{"perm", perm}});
    }
    // Elements start + i * stride, i < size, of the first dimensions.
    Value slice(Value x, const std::vector<std::int64_t> &start,
                const std::vector<std::int64_t> &size, std::vector<std::int64_t> stride = {}) {
        if (size.size() != start.size() || (!stride.empty() && stride.size() != start.size()))
            throw Error(WHET_E_INVALID, "slice: start, size and stride of several lengths");
        stride.resize(start.size(), 1);
        std::vector<std::int64_t> end, axes;
        for (std::size_t i = 0; i < start.size(); i++) {
            std::int64_t last = start[i] + size[i] * stride[i];
            end.push_back(last < 0 && stride[i] < 0 ? INT64_MIN + 1 : last);
            axes.push_back(static_cast<std::int64_t>(i));
        }
        return add("slice", {x, constant(start), constant(end), constant(axes), constant(stride)});
    }
    Value resize(Value x, const std::vector<float> &scales, const std::string &mode = "nearest") {
        Tensor t({static_cast<std::int64_t>(scales.size())}, scales);
        return add("resize", {x, nullptr, constant(t)}, {{"mode", mode}});
    }
    Value concat(const Values &values, int axis) { return add("concat", values, {{"axis", axis}}); }
    Value gather(Value data, Value indices, int axis = 0) {
        return add("gather", {data, indices}, {{"axis", axis}});
    }
    // values, indices
    Values topk(Value x, std::int64_t k, int axis = -1, bool largest = true) {
        return add_many("top_k", {x, constant({k})}, 2, {{"axis", axis}, {"largest", largest}});
    }
    Value cast(Value x, whet_dtype to) { return add("cast", {x}, {{"to", to}}); }
    Value shape(Value x) { return add("shape", {x}); }
    Value select(Value condition, Value a, Value b) { return add("where", {condition, a, b}); }

    // ---- control flow: the functions make nodes in the network of a block ----

    template <class Then, class Else> Values if_(Value condition, Then then, Else otherwise) {
        Network yes = block("then"), no = block("else");
        Values a = then(yes), b = otherwise(no);
        for (Value v : a) yes.output(v);
        for (Value v : b) no.output(v);
        return add_node("if", {condition}, {yes.net_, no.net_},
                        static_cast<std::int32_t>(a.size()), {}, "");
    }
    // body(Network &, Value number, const Values &carried) -> Iteration. count, condition: nullptr
    // for none.
    template <class Body>
    Values loop(Value count, Value condition, const Values &carried, Body body) {
        Network b = block("body");
        Value number = b.input(unique(b, "number"), WHET_DTYPE_I64, {});
        Value before = b.input(unique(b, "go_on"), WHET_DTYPE_BOOL, {});
        Iteration made = body(b, number, b.like(carried));
        b.output(made.go_on ? made.go_on : b.add("identity", {before}));
        Values inputs = {count, condition};
        inputs.insert(inputs.end(), carried.begin(), carried.end());
        return add_node("loop", inputs, {b.net_}, b.leave(made), {}, "");
    }
    // body(Network &, const Values &carried, const Values &slices) -> Iteration, for each slice of
    // the scanned values, which have ranks; axes: 0 for all when empty.
    template <class Body>
    Values scan(const Values &carried, const Values &scanned, Body body,
                std::vector<std::int64_t> axes = {}) {
        Network b = block("body");
        axes.resize(scanned.size(), 0);
        Values inner = b.like(carried), slices;
        for (std::size_t i = 0; i < scanned.size(); i++)
            slices.push_back(b.slice_like(info(scanned[i]), axes[i], i));
        Iteration made = body(b, inner, slices);
        Values inputs = {nullptr};
        inputs.insert(inputs.end(), carried.begin(), carried.end());
        inputs.insert(inputs.end(), scanned.begin(), scanned.end());
        Attributes attributes = {{"scanned", static_cast<std::int64_t>(scanned.size())},
                                 {"in_axes", axes}};
        return add_node("scan", inputs, {b.net_}, b.leave(made), attributes, "");
    }

    // ---- looking and editing ----

    Value find(const std::string &name) const { return whet_network_find_value(net_, name.c_str()); }
    Node find_node(const std::string &name) const {
        return whet_network_find_node(net_, name.c_str());
    }
    std::vector<Node> nodes() const {
        std::vector<Node> all;
        for (Node n = nullptr; (n = whet_network_next_node(net_, n));) all.push_back(n);
        return all;
    }
    whet_node_info info(Node n) const {
        whet_node_info info = {};
        check(whet_network_node(net_, n, &info));
        return info;
    }
    Io info(Value v) const {
        whet_io_info i = {};
        check(whet_network_value(net_, v, &i));
        std::int32_t rank = i.rank > 0 ? i.rank : 0;
        Io io;
        io.name = i.name;
        io.dtype = i.dtype;
        io.shape = Shape(i.dims, i.dims + rank);
        io.ranked = i.rank >= 0;
        io.elem = i.elem;
        for (std::int32_t d = 0; d < rank; d++)
            io.dim_names.push_back(i.dim_names[d] ? i.dim_names[d] : "");
        return io;
    }
    Value node_input(Node n, int i) const { return whet_network_node_input(net_, n, i); }
    Value node_output(Node n, int i) const { return whet_network_node_output(net_, n, i); }
    Node producer(Value v) const { return whet_network_producer(net_, v); }
    void set(Node n, const Attribute &a) {
        whet_attribute plain = a.get();
        check(whet_network_set_attribute(net_, n, &plain));
    }
    void set_input(Node n, int i, Value v) { check(whet_network_set_node_input(net_, n, i, v)); }
    void replace(Value from, Value to) { check(whet_network_replace(net_, from, to)); }
    void remove(Node n) { check(whet_network_remove(net_, n)); }
    int sweep() { return whet_network_sweep(net_); }
    std::string text(int max_data = 16) const {
        const char *text = whet_network_text(net_, max_data);
        if (!text) throw Error(WHET_E_NOMEM, whet_error_text(net_));
        return text;
    }
    void save_onnx(const std::string &path, bool external = false) {
        check(whet_network_save_onnx(net_, path.c_str(), external));
    }

private:
    void check(whet_status status) const { detail::check(status, net_); }
    Network block(const char *name) {
        whet_network *made = nullptr;
        check(whet_network_block(net_, name, &made));
        return Network(made);
    }
    Values like(const Values &outer) {
        Values inner;
        for (Value v : outer) {
            inner.push_back(nullptr);
            check(whet_network_input_like(net_, nullptr, v, &inner.back()));
        }
        return inner;
    }
    Value slice_like(Io whole, std::int64_t axis, std::size_t number) {
        auto rank = static_cast<std::int64_t>(whole.shape.size());
        if (axis < 0) axis += rank;
        if (!whole.ranked || axis < 0 || axis >= rank)
            throw Error(WHET_E_INVALID, "scan: a scanned value without that axis");
        whole.shape.erase(whole.shape.begin() + axis);
        whole.dim_names.erase(whole.dim_names.begin() + axis);
        return input(unique(*this, "slice" + std::to_string(number)), whole.dtype, whole.shape,
                     whole.dim_names);
    }
    std::int32_t leave(const Iteration &made) {
        for (Value v : made.carried) output(v);
        for (Value v : made.collected) output(v);
        return static_cast<std::int32_t>(made.carried.size() + made.collected.size());
    }
    static std::string unique(const Network &b, const std::string &hint) {
        return hint + "." + std::to_string(reinterpret_cast<std::uintptr_t>(b.net_));
    }
    Values add_node(const std::string &op, const Values &inputs,
                    const std::vector<whet_network *> &blocks, std::int32_t outputs,
                    const Attributes &attributes, const std::string &name) {
        std::vector<whet_attribute> plain;
        for (const Attribute &a : attributes) plain.push_back(a.get());
        Values out(static_cast<std::size_t>(outputs > 0 ? outputs : 0));
        const char *label = name.empty() ? nullptr : name.c_str();
        auto n_in = static_cast<std::int32_t>(inputs.size());
        auto n_attributes = static_cast<std::int32_t>(plain.size());
        if (blocks.empty())
            check(whet_network_add(net_, op.c_str(), label, inputs.data(), n_in, plain.data(),
                                   n_attributes, out.data(), outputs));
        else
            check(whet_network_add_flow(net_, op.c_str(), label, inputs.data(), n_in,
                                        blocks.data(), static_cast<std::int32_t>(blocks.size()),
                                        plain.data(), n_attributes, out.data(), outputs));
        return out;
    }
    whet_network *net_ = nullptr;
};

} // namespace whet

#endif

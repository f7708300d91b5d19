// SPDX-License-Identifier: Apache-2.0
/*
 * plugin.h for C++17: a plugin put together from functions. Header only.
 *
 *     #include <whet/plugin.hpp>
 *
 *     whet::Plugin times("mydomain", "Times");
 *     times.input("x").output("y").attribute("factor", 2.0);
 *     times.run([](whet::PluginNode &n) {
 *         const float *x = n.in<float>(0);
 *         float *y = n.out<float>(0), factor = float(n.number("factor"));
 *         for (std::int64_t i = 0; i < n.in_count(0); i++) y[i] = x[i] * factor;
 *     });
 *     times.add_to(env);
 *
 * In a library: `static whet::Plugin times = make_times();` and
 * `WHET_PLUGIN_LIBRARY("mylibrary", "1.0", times.get())`; get() needs nothing of libwhet.
 * Functions may be called on any thread and at once; an exception becomes an error of the node:
 * whet::Error with its status, anything else as WHET_E_INTERNAL.
 */
#ifndef WHET_PLUGIN_HPP
#define WHET_PLUGIN_HPP

#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <whet/plugin.h>
#include <whet/whet.hpp>

namespace whet {

// A dimension of a shape function: a number, or an expression while an engine is built.
class PluginDim {
public:
    PluginDim(whet_plugin_node *n, whet_plugin_dim d) : n_(n), d_(d) {}
    whet_plugin_dim get() const { return d_; }
    // Whether it is a number, and which.
    bool number(std::int64_t &value) const { return whet_plugin_dim_value(n_, d_, &value); }
    PluginDim with(std::int64_t value) const { return {n_, whet_plugin_dim_number(n_, value)}; }
    PluginDim min(PluginDim b) const { return {n_, whet_plugin_dim_min(n_, d_, b.d_)}; }
    PluginDim max(PluginDim b) const { return {n_, whet_plugin_dim_max(n_, d_, b.d_)}; }

#define WHET_DIM_OPERATOR(sign, function)                                                          \
    friend PluginDim operator sign(PluginDim a, PluginDim b) {                                     \
        return {a.n_, function(a.n_, a.d_, b.d_)};                                                 \
    }                                                                                              \
    friend PluginDim operator sign(PluginDim a, std::int64_t b) { return a sign a.with(b); }       \
    friend PluginDim operator sign(std::int64_t a, PluginDim b) { return b.with(a) sign b; }
    WHET_DIM_OPERATOR(+, whet_plugin_dim_add)
    WHET_DIM_OPERATOR(-, whet_plugin_dim_sub)
    WHET_DIM_OPERATOR(*, whet_plugin_dim_mul)
    WHET_DIM_OPERATOR(/, whet_plugin_dim_div)
    WHET_DIM_OPERATOR(%, whet_plugin_dim_mod)
#undef WHET_DIM_OPERATOR

private:
    whet_plugin_node *n_;
    whet_plugin_dim d_;
};

// A node as the functions of a plugin see it, until they return; get() for what is not here.
class PluginNode {
public:
    explicit PluginNode(whet_plugin_node *n) : n_(n) {}
    whet_plugin_node *get() const { return n_; }
    const char *name() const { return whet_plugin_node_name(n_); }

    std::int64_t integer(const char *attr) const { return whet_plugin_int(n_, attr); }
    double number(const char *attr) const { return whet_plugin_float(n_, attr); }
    bool flag(const char *attr) const { return whet_plugin_int(n_, attr) != 0; }
    std::string text(const char *attr) const {
        const char *t = whet_plugin_text(n_, attr);
        return t ? t : "";
    }
    std::vector<std::int64_t> integers(const char *attr) const {
        std::int32_t n = 0;
        const std::int64_t *v = whet_plugin_ints(n_, attr, &n);
        return std::vector<std::int64_t>(v, v + n);
    }
    std::vector<float> numbers(const char *attr) const {
        std::int32_t n = 0;
        const float *v = whet_plugin_floats(n_, attr, &n);
        return std::vector<float>(v, v + n);
    }

    bool has(int i) const { return whet_plugin_has(n_, i); }
    bool wants(int i) const { return whet_plugin_wants(n_, i); }
    int ins() const { return whet_plugin_in_n(n_); }
    int rank(int i) const { return whet_plugin_in_rank(n_, i); }
    Shape in_shape(int i) const {
        const std::int64_t *d = whet_plugin_in_dims(n_, i);
        return d ? Shape(d, d + rank(i)) : Shape();
    }
    std::int64_t in_count(int i) const { return whet_plugin_in_count(n_, i); }
    std::int64_t out_count(int i) const { return whet_plugin_out_count(n_, i); }
    // NULL when absent or of another type.
    template <class T> const T *in(int i) const {
        bool same = whet_plugin_in_type(n_, i) == detail::DtypeOf<T>::value;
        return same ? static_cast<const T *>(whet_plugin_in(n_, i)) : nullptr;
    }
    template <class T> T *out(int i) const {
        bool same = whet_plugin_out_type(n_, i) == detail::DtypeOf<T>::value;
        return same ? static_cast<T *>(whet_plugin_out(n_, i)) : nullptr;
    }
    // Of a plugin made with dynamic(): shape and memory of an output.
    template <class T> T *out(int i, const Shape &shape) const {
        bool same = whet_plugin_out_type(n_, i) == detail::DtypeOf<T>::value;
        void *p = same ? whet_plugin_output(n_, i, static_cast<std::int32_t>(shape.size()),
                                            shape.data())
                       : nullptr;
        if (!p) throw Error(WHET_E_NOMEM, "no memory for an output");
        return static_cast<T *>(p);
    }

    // In the shape function.
    PluginDim dim(int i, int axis) const { return {n_, whet_plugin_in_dim(n_, i, axis)}; }
    PluginDim dim(std::int64_t number) const { return {n_, whet_plugin_dim_number(n_, number)}; }
    PluginDim unknown() const { return {n_, whet_plugin_dim_unknown(n_)}; }
    PluginDim at_most(PluginDim d) const { return {n_, whet_plugin_dim_at_most(n_, d.get())}; }
    void set_shape(int i, const std::vector<PluginDim> &dims) const {
        std::vector<whet_plugin_dim> d;
        for (const PluginDim &dim : dims) d.push_back(dim.get());
        d.push_back({0}); // never NULL
        whet_plugin_set_shape(n_, i, static_cast<std::int32_t>(dims.size()), d.data());
    }
    void set_type(int i, whet_dtype dtype) const { whet_plugin_set_type(n_, i, dtype); }

private:
    whet_plugin_node *n_;
};

class Plugin {
public:
    Plugin(const std::string &domain, const std::string &name, const std::string &version = "1")
        : data_(std::make_shared<Data>()) {
        data_->p.domain = keep(domain);
        data_->p.name = keep(name);
        data_->p.version = keep(version);
    }

    // types: 0, or an or of WHET_PLUGIN_TYPE(dtype); flags: WHET_PLUGIN_ARG_...
    Plugin &input(const std::string &name, std::uint64_t types = WHET_PLUGIN_F32,
                  std::uint32_t flags = 0) {
        data_->inputs.push_back({keep(name), types, 0, flags});
        return *this;
    }
    // The default is float; types 0: shapes() sets it by set_type.
    Plugin &output(const std::string &name, std::uint64_t types = WHET_PLUGIN_F32,
                   std::uint32_t flags = 0) {
        data_->outputs.push_back({keep(name), types, 0, flags});
        return *this;
    }
    Plugin &attribute(const std::string &name, double value) {
        add_attr(name, WHET_PLUGIN_FLOAT).def = value;
        return *this;
    }
    Plugin &attribute(const std::string &name, int value) {
        return attribute(name, static_cast<std::int64_t>(value));
    }
    Plugin &attribute(const std::string &name, std::int64_t value) {
        add_attr(name, WHET_PLUGIN_INT).def = static_cast<double>(value);
        return *this;
    }
    Plugin &attribute(const std::string &name, bool value) {
        add_attr(name, WHET_PLUGIN_BOOL).def = value;
        return *this;
    }
    Plugin &attribute(const std::string &name, const char *value) {
        add_attr(name, WHET_PLUGIN_STRING).def_text = keep(value);
        return *this;
    }
    // INTS or FLOATS without a default, or whatever the row says.
    Plugin &attribute(const whet_plugin_attr &row) {
        data_->attrs.push_back(row);
        data_->attrs.back().name = keep(row.name);
        return *this;
    }
    // Only run() finds out the shape of an output.
    Plugin &dynamic() {
        data_->p.flags |= WHET_PLUGIN_DYNAMIC_OUT;
        return *this;
    }
    Plugin &impure() {
        data_->p.flags |= WHET_PLUGIN_IMPURE;
        return *this;
    }
    // Without it outputs have the shape of the first input.
    Plugin &shapes(std::function<void(PluginNode &)> f) {
        data_->shapes = std::move(f);
        return *this;
    }
    // How many tasks there are; run(node, begin, end) then does some of them, on any worker.
    Plugin &tasks(std::function<std::int64_t(PluginNode &)> f) {
        data_->tasks = std::move(f);
        return *this;
    }
    Plugin &run(std::function<void(PluginNode &, std::int64_t, std::int64_t)> f) {
        data_->run = std::move(f);
        return *this;
    }
    Plugin &run(std::function<void(PluginNode &)> f) {
        data_->run = [f = std::move(f)](PluginNode &n, std::int64_t, std::int64_t) { f(n); };
        return *this;
    }

    // The struct, complete; lives as long as this object.
    const whet_plugin *get() { return fill(*data_); }

    // Registers it; what it is made of stays until the environment goes.
    void add_to(const Env &env) { add(env.get()); }
    void add_to_default() { add(nullptr); }

private:
    struct Data {
        std::deque<std::string> texts;
        std::vector<whet_plugin_attr> attrs;
        std::vector<whet_plugin_arg> inputs, outputs;
        std::function<void(PluginNode &)> shapes;
        std::function<std::int64_t(PluginNode &)> tasks;
        std::function<void(PluginNode &, std::int64_t, std::int64_t)> run;
        whet_plugin_tactic tactic = {};
        whet_plugin p = {};
        std::shared_ptr<const Data> origin; // of a copy: whose texts it points at
    };

    const char *keep(const std::string &text) {
        data_->texts.push_back(text);
        return data_->texts.back().c_str();
    }
    whet_plugin_attr &add_attr(const std::string &name, whet_plugin_attr_type type) {
        data_->attrs.emplace_back();
        data_->attrs.back().name = keep(name);
        data_->attrs.back().type = type;
        return data_->attrs.back();
    }

    static const Data &data_of(whet_plugin_node *n) {
        return *static_cast<const Data *>(whet_plugin_user(n));
    }
    template <class F> static whet_status guard(whet_plugin_node *n, F f) {
        try {
            PluginNode node(n);
            f(node);
            return WHET_OK;
        } catch (const Error &e) {
            return whet_plugin_fail(n, e.status(), "%s", e.what());
        } catch (const std::exception &e) {
            return whet_plugin_fail(n, WHET_E_INTERNAL, "%s", e.what());
        } catch (...) {
            return whet_plugin_fail(n, WHET_E_INTERNAL, "an exception of unknown type");
        }
    }

    static const whet_plugin *fill(Data &d) {
        d.tactic.name = "cpp";
        d.tactic.run = d.run ? call_run : nullptr;
        d.tactic.tasks = d.tasks ? call_tasks : nullptr;
        d.p.struct_size = sizeof d.p;
        d.p.attr_size = sizeof(whet_plugin_attr);
        d.p.arg_size = sizeof(whet_plugin_arg);
        d.p.tactic_size = sizeof(whet_plugin_tactic);
        d.p.attrs = d.attrs.data();
        d.p.inputs = d.inputs.data();
        d.p.outputs = d.outputs.data();
        d.p.tactics = &d.tactic;
        d.p.n_attrs = static_cast<std::int32_t>(d.attrs.size());
        d.p.n_inputs = static_cast<std::int32_t>(d.inputs.size());
        d.p.n_outputs = static_cast<std::int32_t>(d.outputs.size());
        d.p.n_tactics = 1;
        d.p.shapes = d.shapes ? call_shapes : nullptr;
        d.p.user = &d;
        return &d.p;
    }

    static whet_status call_shapes(whet_plugin_node *n) { return guard(n, data_of(n).shapes); }
    static whet_status call_run(whet_plugin_node *n, std::int64_t begin, std::int64_t end) {
        return guard(n, [&](PluginNode &node) { data_of(n).run(node, begin, end); });
    }
    // One that throws has no tasks; its run is never reached, so it must not.
    static std::int64_t call_tasks(whet_plugin_node *n, std::int32_t) {
        std::int64_t count = 0;
        guard(n, [&](PluginNode &node) { count = data_of(n).tasks(node); });
        return count;
    }

    void add(whet_env *env) {
        auto own = std::make_unique<Data>(*data_); // of the environment from now on
        own->origin = data_;
        fill(*own);
        own->p.release = [](void *user) { delete static_cast<Data *>(user); };
        whet_status status = whet_env_register_plugin(env, &own->p);
        if (status != WHET_OK) throw Error(status, whet_error_text(env));
        own.release();
    }

    std::shared_ptr<Data> data_;
};

} // namespace whet

#endif

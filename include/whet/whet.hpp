// SPDX-License-Identifier: Apache-2.0
/*
 * whet.h for C++17: handles that destroy themselves, exceptions instead of statuses. Header only.
 *
 *     #include <whet/whet.hpp>
 *
 *     whet::Builder builder;
 *     builder.load_onnx("resnet50.onnx");
 *     whet::Engine engine = builder.build();
 *     engine.save("resnet50.whet");
 *     whet::Context context(engine);
 *     whet::Tensor image(WHET_DTYPE_F32, {1, 3, 224, 224});
 *     std::vector<whet::Tensor> out = context.run(image);
 *     float first = out[0].data<float>()[0];
 *
 * Rules: every failure throws whet::Error. Handles can be moved, not copied. What is made from
 * something must go before it: contexts before their engine, everything before its Env. An exception
 * thrown by a callback ends the call that it was made in and is thrown from there again.
 *
 * One long file, since it is one include; networks, plugins and refits have headers of their own.
 */
#ifndef WHET_WHET_HPP
#define WHET_WHET_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <limits>
#include <initializer_list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <whet/calibration.h>
#include <whet/whet.h>

namespace whet {

class Error : public std::runtime_error {
public:
    Error(whet_status status, const std::string &text)
        : std::runtime_error(text.empty() ? whet_status_text(status) : text), status_(status) {}
    whet_status status() const noexcept { return status_; }

private:
    whet_status status_;
};

namespace detail {

inline void check(whet_status status, const void *handle) {
    if (status != WHET_OK) throw Error(status, handle ? whet_error_text(handle) : "");
}

template <class T, void (*destroy)(T *)> struct Destroy {
    void operator()(T *p) const noexcept { destroy(p); }
};
template <class T, void (*destroy)(T *)> using Handle = std::unique_ptr<T, Destroy<T, destroy>>;

// A callback at an address that moving its owner does not change.
template <class F> struct Callback {
    F call;
    std::exception_ptr thrown;

    void rethrow() {
        if (thrown) std::rethrow_exception(std::exchange(thrown, nullptr));
    }
};

template <class T> struct DtypeOf;
template <> struct DtypeOf<float> { static constexpr whet_dtype value = WHET_DTYPE_F32; };
template <> struct DtypeOf<double> { static constexpr whet_dtype value = WHET_DTYPE_F64; };
template <> struct DtypeOf<std::int8_t> { static constexpr whet_dtype value = WHET_DTYPE_I8; };
template <> struct DtypeOf<std::uint8_t> { static constexpr whet_dtype value = WHET_DTYPE_U8; };
template <> struct DtypeOf<std::int16_t> { static constexpr whet_dtype value = WHET_DTYPE_I16; };
template <> struct DtypeOf<std::uint16_t> { static constexpr whet_dtype value = WHET_DTYPE_U16; };
template <> struct DtypeOf<std::int32_t> { static constexpr whet_dtype value = WHET_DTYPE_I32; };
template <> struct DtypeOf<std::uint32_t> { static constexpr whet_dtype value = WHET_DTYPE_U32; };
template <> struct DtypeOf<std::int64_t> { static constexpr whet_dtype value = WHET_DTYPE_I64; };
template <> struct DtypeOf<std::uint64_t> { static constexpr whet_dtype value = WHET_DTYPE_U64; };
template <> struct DtypeOf<bool> { static constexpr whet_dtype value = WHET_DTYPE_BOOL; };

} // namespace detail

using Shape = std::vector<std::int64_t>;

// A dense tensor, sequence, optional or map that owns its memory, or a view of memory that someone
// else owns.
class Tensor {
public:
    Tensor() : t_() {}

    // Zeros.
    Tensor(whet_dtype dtype, const Shape &shape) : t_() {
        set_shape(dtype, shape);
        owned_.resize(t_.bytes);
        t_.data = owned_.data();
    }

    // A copy of the values.
    template <class T>
    Tensor(const Shape &shape, const std::vector<T> &values)
        : Tensor(detail::DtypeOf<T>::value, shape) {
        if (values.size() * sizeof(T) != t_.bytes)
            throw Error(WHET_E_BUFFER, "the values given are not as many as the shape says");
        if (t_.bytes) std::memcpy(t_.data, values.data(), t_.bytes);
    }

    // Texts, which are copied.
    Tensor(const Shape &shape, const std::vector<std::string> &values)
        : Tensor(WHET_DTYPE_STRING, shape) {
        if (values.size() * sizeof(whet_text) != t_.bytes)
            throw Error(WHET_E_BUFFER, "the texts given are not as many as the shape says");
        std::size_t at = t_.bytes, size = at;
        for (const std::string &v : values) size += v.size();
        owned_.resize(size);
        t_.data = owned_.data();
        for (std::size_t i = 0; i < values.size(); i++) {
            char *to = reinterpret_cast<char *>(owned_.data()) + at;
            if (!values[i].empty()) std::memcpy(to, values[i].data(), values[i].size());
            static_cast<whet_text *>(t_.data)[i] = {to, values[i].size()};
            at += values[i].size();
        }
    }

    // Values that are no tensors, out of items that they take over. Items of a sequence are of one
    // type; keys of a map are i64 or string.
    static Tensor sequence(std::vector<Tensor> items) {
        return Tensor(Kind{WHET_DTYPE_SEQUENCE}, std::move(items));
    }
    static Tensor optional() { return Tensor(Kind{WHET_DTYPE_OPTIONAL}, std::vector<Tensor>()); }
    static Tensor optional(Tensor item) {
        std::vector<Tensor> items;
        items.push_back(std::move(item));
        return Tensor(Kind{WHET_DTYPE_OPTIONAL}, std::move(items));
    }
    static Tensor map(Tensor keys, Tensor values) {
        std::vector<Tensor> items;
        items.push_back(std::move(keys));
        items.push_back(std::move(values));
        return Tensor(Kind{WHET_DTYPE_MAP}, std::move(items));
    }
    template <class K, class V> static Tensor map(const std::map<K, V> &from) {
        std::vector<K> keys;
        std::vector<V> values;
        for (const auto &[key, value] : from) {
            keys.push_back(key);
            values.push_back(value);
        }
        Shape shape{static_cast<std::int64_t>(from.size())};
        return map(Tensor(shape, keys), Tensor(shape, values));
    }

    // Memory that stays the caller's.
    static Tensor view(whet_dtype dtype, const Shape &shape, void *data) {
        Tensor t;
        t.set_shape(dtype, shape);
        t.t_.data = data;
        return t;
    }
    static Tensor view(const whet_tensor &tensor) {
        Tensor t;
        t.t_ = tensor;
        return t;
    }

    Tensor(Tensor &&) = default;
    Tensor &operator=(Tensor &&) = default;
    Tensor(const Tensor &) = delete;
    Tensor &operator=(const Tensor &) = delete;

    // A copy that owns its memory, with all that is in it.
    Tensor clone() const {
        Tensor t;
        if (t_.dtype == WHET_DTYPE_STRING && t_.data) return Tensor(shape(), texts());
        if (is_object() && t_.data) {
            std::vector<Tensor> copies;
            for (const Tensor &item : items()) copies.push_back(item.clone());
            return Tensor(Kind{t_.dtype}, std::move(copies));
        }
        t.t_ = t_;
        const unsigned char *from = static_cast<const unsigned char *>(t_.data);
        if (from) t.owned_.assign(from, from + t_.bytes);
        t.t_.data = t.owned_.data();
        return t;
    }

    whet_dtype dtype() const noexcept { return t_.dtype; }
    Shape shape() const { return Shape(t_.dims, t_.dims + (t_.rank > 0 ? t_.rank : 0)); }
    std::size_t bytes() const noexcept { return t_.bytes; }
    std::int64_t count() const noexcept {
        std::int64_t n = 1;
        for (std::int32_t d = 0; d < t_.rank; d++) n *= t_.dims[d];
        return n;
    }
    void *raw() noexcept { return t_.data; }
    const void *raw() const noexcept { return t_.data; }

    // The values; WHET_E_DTYPE when they are of another type. bool stands for one byte.
    template <class T> T *data() {
        check_type(detail::DtypeOf<T>::value);
        return static_cast<T *>(t_.data);
    }
    template <class T> const T *data() const {
        check_type(detail::DtypeOf<T>::value);
        return static_cast<const T *>(t_.data);
    }

    // The texts of a string tensor.
    std::vector<std::string> texts() const {
        check_type(WHET_DTYPE_STRING);
        std::vector<std::string> all;
        const whet_text *v = static_cast<const whet_text *>(t_.data);
        for (std::int64_t i = 0, n = count(); i < n; i++)
            all.emplace_back(v[i].size ? v[i].data : "", v[i].size);
        return all;
    }

    bool is_object() const noexcept {
        return t_.dtype == WHET_DTYPE_SEQUENCE || t_.dtype == WHET_DTYPE_OPTIONAL ||
               t_.dtype == WHET_DTYPE_MAP;
    }
    // NULL for what is no sequence, optional or map.
    const whet_object *object() const noexcept {
        return is_object() && t_.data ? *static_cast<const whet_object *const *>(t_.data) : nullptr;
    }
    // Views of the items: of a sequence all, of an optional none or one, of a map keys and values.
    std::vector<Tensor> items() const {
        if (!is_object())
            throw Error(WHET_E_DTYPE, std::string("the tensor holds ") +
                                          whet_dtype_text(t_.dtype) + " and has no items");
        std::vector<Tensor> all;
        for (std::int64_t i = 0, n = whet_object_count(object()); i < n; i++) {
            whet_tensor item;
            detail::check(whet_object_item(object(), i, &item), nullptr);
            all.push_back(view(item));
        }
        return all;
    }
    // A map; V as the values are. Of equal keys the first counts.
    template <class K, class V> std::map<K, V> to_map() const {
        check_type(WHET_DTYPE_MAP);
        std::map<K, V> all;
        std::vector<Tensor> both = items();
        if (both.size() != 2) return all;
        std::vector<K> keys = both[0].values<K>();
        std::vector<V> values = both[1].values<V>();
        for (std::size_t i = 0; i < keys.size() && i < values.size(); i++)
            all.emplace(std::move(keys[i]), std::move(values[i]));
        return all;
    }
    // A copy of the values, which may be texts.
    template <class T> std::vector<T> values() const {
        if constexpr (std::is_same_v<T, std::string>) {
            return texts();
        } else {
            const T *v = data<T>();
            return std::vector<T>(v, v + count());
        }
    }

    const whet_tensor &get() const noexcept { return t_; }

private:
    struct Held { // an object and what is in it, at an address that stays
        std::vector<Tensor> items;
        whet_object *object = nullptr;

        ~Held() { whet_object_destroy(object); }
    };

    struct Kind {
        whet_dtype dtype;
    };
    Tensor(Kind kind, std::vector<Tensor> items) : t_(), held_(std::make_unique<Held>()) {
        std::vector<whet_tensor> c;
        for (const Tensor &item : items) c.push_back(item.get());
        held_->items = std::move(items);
        detail::check(whet_object_create(kind.dtype, c.data(), static_cast<std::int64_t>(c.size()),
                                         &held_->object),
                      nullptr);
        t_.dtype = kind.dtype;
        t_.data = &held_->object;
        t_.bytes = sizeof held_->object;
    }

    void set_shape(whet_dtype dtype, const Shape &shape) {
        if (shape.size() > WHET_MAX_RANK) throw Error(WHET_E_LIMIT, "a tensor of too many ranks");
        t_.dtype = dtype;
        t_.rank = static_cast<std::int32_t>(shape.size());
        std::int64_t n = 1;
        for (std::size_t d = 0; d < shape.size(); d++) {
            if (shape[d] < 0) throw Error(WHET_E_SHAPE, "a tensor with a negative dimension");
            if (shape[d] && n > INT64_MAX / shape[d])
                throw Error(WHET_E_LIMIT, "a tensor that is too large");
            t_.dims[d] = shape[d];
            n *= shape[d];
        }
        t_.bytes = whet_tensor_bytes(dtype, n);
        if (t_.bytes == SIZE_MAX) throw Error(WHET_E_LIMIT, "a tensor that is too large");
    }

    void check_type(whet_dtype want) const {
        if (t_.dtype != want)
            throw Error(WHET_E_DTYPE, std::string("the tensor holds ") +
                                          whet_dtype_text(t_.dtype) + ", asked for " +
                                          whet_dtype_text(want));
    }

    whet_tensor t_;
    std::vector<unsigned char> owned_;
    std::unique_ptr<Held> held_;
};

// An input or output of an engine. Dimensions that are not fixed are -1.
struct Io {
    std::string name;
    whet_dtype dtype;
    Shape shape;
    std::vector<std::string> dim_names; // "" where there is none
    bool ranked;                        // false: the shape is not known before a run
    std::uint32_t elem = 0;             // what is in a sequence, optional or map
};

class Env {
public:
    using Log = std::function<void(whet_severity, const char *)>;
    struct Options {
        int threads = 0;          // 0: all that the machine gives
        std::string cpu_mask;     // "": WHET_CPU_MASK or all
        whet_severity verbosity = WHET_LOG_WARNING;
        bool plugin_override = false, engine_libraries = false; // as in whet_env_options
        Log log;                  // empty: standard error; exceptions from it are dropped
        std::string cpus;         // as in whet_env_options, like the next two
        int spin_us = 0;
        bool copy_weights = false;
    };

    Env() : Env(Options()) {}
    explicit Env(const Options &options) {
        whet_env_options o = {};
        o.struct_size = sizeof o;
        o.threads = options.threads;
        o.cpu_mask = options.cpu_mask.empty() ? nullptr : options.cpu_mask.c_str();
        o.verbosity = options.verbosity;
        o.plugin_override = options.plugin_override;
        o.engine_libraries = options.engine_libraries;
        o.cpus = options.cpus.empty() ? nullptr : options.cpus.c_str();
        o.spin_us = options.spin_us;
        o.copy_weights = options.copy_weights;
        if (options.log) {
            log_ = std::make_unique<Log>(options.log);
            o.log = [](void *user, whet_severity severity, const char *text) {
                try {
                    (*static_cast<Log *>(user))(severity, text);
                } catch (...) { // from a thread that cannot take it
                }
            };
            o.log_user = log_.get();
        }
        whet_env *env = nullptr;
        detail::check(whet_env_create(&o, &env), nullptr);
        handle_.reset(env);
    }

    std::string describe() const { return whet_env_describe(handle_.get()); } // JSON
    void load_plugins(const std::string &path) {
        detail::check(whet_env_load_plugins(handle_.get(), path.c_str()), handle_.get());
    }
    whet_env *get() const noexcept { return handle_.get(); }

private:
    std::unique_ptr<Log> log_; // outlives the handle
    detail::Handle<whet_env, whet_env_destroy> handle_;
};

// Bounds of input shapes and the shape in between to tune for; see whet.h.
class Profile {
public:
    Profile() {
        whet_profile *profile = nullptr;
        detail::check(whet_profile_create(nullptr, &profile), nullptr);
        handle_.reset(profile);
    }
    Profile &set_shape(const std::string &input, const Shape &min, const Shape &opt,
                       const Shape &max) {
        return set(whet_profile_set_shape, input, min, opt, max);
    }
    // Of the contents of an integer input that decides shapes.
    Profile &set_values(const std::string &input, const std::vector<std::int64_t> &min,
                        const std::vector<std::int64_t> &opt,
                        const std::vector<std::int64_t> &max) {
        return set(whet_profile_set_values, input, min, opt, max);
    }
    whet_profile *get() const noexcept { return handle_.get(); }

private:
    template <class F>
    Profile &set(F call, const std::string &input, const std::vector<std::int64_t> &min,
                 const std::vector<std::int64_t> &opt, const std::vector<std::int64_t> &max) {
        if (min.size() != opt.size() || opt.size() != max.size())
            throw Error(WHET_E_INVALID, "a profile's min, opt and max of different lengths");
        detail::check(call(get(), input.c_str(), static_cast<std::int32_t>(min.size()), min.data(),
                           opt.data(), max.data()),
                      get());
        return *this;
    }
    detail::Handle<whet_profile, whet_profile_destroy> handle_;
};

class Config {
public:
    // true to go on, false to cancel the build
    using Progress = std::function<bool(const char *phase, std::int64_t done, std::int64_t total,
                                        double seconds_left)>;

    // The next batch of samples: inputs[i] is of names[i], its data stay until the next call.
    // Of names of outputs and two arrays of batches, each an array of outputs.
    using Metric = std::function<double(const std::vector<std::string> &names,
                                        const whet_tensor *const *reference,
                                        const whet_tensor *const *outputs,
                                        std::int32_t n_batches)>;
    using Calibration =
        std::function<bool(const std::vector<std::string> &names, whet_tensor *inputs)>;

    Config() : Config(nullptr) {}
    explicit Config(const Env &env) : Config(env.get()) {}

    Config &set(const std::string &name, const std::string &value) {
        detail::check(whet_config_set(get(), name.c_str(), value.c_str()), get());
        return *this;
    }
    Config &set_shape(const std::string &input, const Shape &dims) {
        detail::check(whet_config_set_shape(get(), input.c_str(),
                                            static_cast<std::int32_t>(dims.size()), dims.data()),
                      get());
        return *this;
    }
    Config &add_profile(const Profile &profile) {
        detail::check(whet_config_add_profile(get(), profile.get()), get());
        return *this;
    }
    Config &set_progress(Progress progress) {
        progress_ = std::make_unique<detail::Callback<Progress>>();
        progress_->call = std::move(progress);
        auto call = [](void *user, const char *phase, std::int64_t done, std::int64_t total,
                       double left) {
            auto *c = static_cast<detail::Callback<Progress> *>(user);
            try {
                return c->call(phase, done, total, left);
            } catch (...) {
                c->thrown = std::current_exception();
                return false;
            }
        };
        detail::check(whet_config_set_progress(get(), call, progress_.get()), get());
        return *this;
    }
    // The range of a value by hand.
    Config &set_range(const std::string &value, double low, double high) {
        detail::check(whet_config_set_range(get(), value.c_str(), low, high), get());
        return *this;
    }
    // Fills a tensor for each name; false: there are no more samples.
    Config &set_calibration(Calibration next) {
        calibration_ = std::make_unique<detail::Callback<Calibration>>();
        calibration_->call = std::move(next);
        auto call = [](void *user, const char *const *names, whet_tensor *inputs,
                       std::int32_t n) -> std::int32_t {
            auto *c = static_cast<detail::Callback<Calibration> *>(user);
            try {
                std::vector<std::string> all(names, names + n);
                return c->call(all, inputs) ? 1 : 0;
            } catch (...) {
                c->thrown = std::current_exception();
                return -1;
            }
        };
        detail::check(whet_config_set_calibration(get(), call, calibration_.get()), get());
        return *this;
    }
    // A figure of all outputs, larger is better, for the option "accuracy".
    Config &set_metric(Metric metric) {
        metric_ = std::make_unique<detail::Callback<Metric>>();
        metric_->call = std::move(metric);
        auto call = [](void *user, const char *const *names, const whet_tensor *const *reference,
                       const whet_tensor *const *outputs, std::int32_t n_batches,
                       std::int32_t n_outputs) -> double {
            auto *c = static_cast<detail::Callback<Metric> *>(user);
            try {
                std::vector<std::string> all(names, names + n_outputs);
                return c->call(all, reference, outputs, n_batches);
            } catch (...) {
                c->thrown = std::current_exception();
                return std::numeric_limits<double>::quiet_NaN();
            }
        };
        detail::check(whet_config_set_metric(get(), call, metric_.get()), get());
        return *this;
    }
    static std::string help() { return whet_config_help(); }
    whet_config *get() const noexcept { return handle_.get(); }
    void rethrow() {
        if (calibration_) calibration_->rethrow();
        if (metric_) metric_->rethrow();
        if (progress_) progress_->rethrow();
    }

private:
    explicit Config(whet_env *env) {
        whet_config *config = nullptr;
        detail::check(whet_config_create(env, &config), nullptr);
        handle_.reset(config);
    }
    std::unique_ptr<detail::Callback<Progress>> progress_;
    std::unique_ptr<detail::Callback<Calibration>> calibration_;
    std::unique_ptr<detail::Callback<Metric>> metric_;
    detail::Handle<whet_config, whet_config_destroy> handle_;
};

class TimingCache {
public:
    // "": an empty one; a file that is not there gives an empty one too.
    explicit TimingCache(const std::string &path = "") : TimingCache(nullptr, path) {}
    TimingCache(const Env &env, const std::string &path) : TimingCache(env.get(), path) {}

    void save(const std::string &path) {
        detail::check(whet_timing_cache_save(get(), path.c_str()), get());
    }
    void merge(const TimingCache &other) {
        detail::check(whet_timing_cache_merge(get(), other.get()), get());
    }
    std::int64_t count() const noexcept { return whet_timing_cache_count(get()); }
    whet_timing_cache *get() const noexcept { return handle_.get(); }

private:
    TimingCache(whet_env *env, const std::string &path) {
        whet_timing_cache *cache = nullptr;
        whet_status status =
            whet_timing_cache_load(env, path.empty() ? nullptr : path.c_str(), &cache);
        if (status != WHET_OK) throw Error(status, whet_error_text(env));
        handle_.reset(cache);
    }
    detail::Handle<whet_timing_cache, whet_timing_cache_destroy> handle_;
};

class Engine {
public:
    static Engine load(const std::string &path) { return load_from(nullptr, path); }
    static Engine load(const Env &env, const std::string &path) {
        return load_from(env.get(), path);
    }
    // The memory must stay for the life of the engine.
    static Engine load(const void *data, std::size_t bytes) {
        return load_memory(nullptr, data, bytes);
    }
    static Engine load(const Env &env, const void *data, std::size_t bytes) {
        return load_memory(env.get(), data, bytes);
    }
    explicit Engine(whet_engine *takes) : handle_(takes) {}

    void save(const std::string &path) {
        detail::check(whet_engine_save(get(), path.c_str()), get());
    }
    // The serialized bytes, which are the engine's.
    std::pair<const void *, std::size_t> data() const {
        std::size_t bytes = 0;
        const void *data = whet_engine_data(get(), &bytes);
        return {data, bytes};
    }
    std::vector<Io> inputs() const {
        return list(whet_engine_input_count(get()), whet_engine_input);
    }
    std::vector<Io> outputs() const {
        return list(whet_engine_output_count(get()), whet_engine_output);
    }
    int profile_count() const noexcept { return whet_engine_profile_count(get()); }
    struct Bounds {
        Shape min, opt, max;
    };
    // Bounds of an input's dimensions in a profile.
    Bounds profile_shape(int profile, int input) const {
        whet_io_info info;
        if (whet_engine_input(get(), input, &info))
            throw Error(WHET_E_RANGE, "there is no such input");
        std::size_t n = static_cast<std::size_t>(info.rank > 0 ? info.rank : 0);
        Bounds b = {Shape(n), Shape(n), Shape(n)};
        if (whet_engine_profile_shape(get(), profile, input, b.min.data(), b.opt.data(),
                                      b.max.data()))
            throw Error(WHET_E_RANGE, "there is no such profile");
        return b;
    }
    // Bounds of an input's contents; empty where the profile has none.
    Bounds profile_values(int profile, int input) const {
        std::size_t n =
            static_cast<std::size_t>(whet_engine_profile_value_count(get(), profile, input));
        Bounds b = {Shape(n), Shape(n), Shape(n)};
        if (n)
            whet_engine_profile_values(get(), profile, input, b.min.data(), b.opt.data(),
                                       b.max.data());
        return b;
    }
    std::string inspect(bool json = false) const { return whet_engine_inspect(get(), json); }
    whet_engine *get() const noexcept { return handle_.get(); }

    // In libwhet only.
    Engine tune() { return tune_with(nullptr); }
    Engine tune(Config &config) { return tune_with(&config); }

private:
    static Engine load_from(whet_env *env, const std::string &path) {
        whet_engine *engine = nullptr;
        whet_status status = whet_engine_load(env, path.c_str(), &engine);
        if (status != WHET_OK) throw Error(status, whet_error_text(env));
        return Engine(engine);
    }
    static Engine load_memory(whet_env *env, const void *data, std::size_t bytes) {
        whet_engine *engine = nullptr;
        whet_status status = whet_engine_load_memory(env, data, bytes, &engine);
        if (status != WHET_OK) throw Error(status, whet_error_text(env));
        return Engine(engine);
    }
    Engine tune_with(Config *config) {
        whet_engine *tuned = nullptr;
        whet_status status = whet_engine_tune(get(), config ? config->get() : nullptr, &tuned);
        if (config && status != WHET_OK) config->rethrow();
        detail::check(status, get());
        return Engine(tuned);
    }
    template <class F> std::vector<Io> list(std::int32_t n, F info_of) const {
        std::vector<Io> all;
        for (std::int32_t i = 0; i < n; i++) {
            whet_io_info info;
            detail::check(info_of(get(), i, &info), nullptr);
            std::int32_t rank = info.rank > 0 ? info.rank : 0;
            Io io = {info.name, info.dtype, Shape(info.dims, info.dims + rank), {},
                     info.rank >= 0, info.elem};
            for (std::int32_t d = 0; d < rank; d++)
                io.dim_names.push_back(info.dim_names[d] ? info.dim_names[d] : "");
            all.push_back(std::move(io));
        }
        return all;
    }
    detail::Handle<whet_engine, whet_engine_destroy> handle_;
};

// In libwhet only.
class Builder {
public:
    Builder() : Builder(nullptr) {}
    explicit Builder(const Env &env) : Builder(env.get()) {}

    void load_onnx(const std::string &path) {
        detail::check(whet_builder_load_onnx(get(), path.c_str()), get());
    }
    // The memory must stay until another model is loaded or the builder is gone. external_dir: folder
    // of external data, "" refuses them.
    void load_onnx(const void *data, std::size_t bytes, const std::string &external_dir = "") {
        const char *dir = external_dir.empty() ? nullptr : external_dir.c_str();
        detail::check(whet_builder_load_onnx_memory(get(), data, bytes, dir), get());
    }
    std::string report(bool json = false) { return whet_builder_report(get(), json); }
    Engine build() { return build_with(nullptr); }
    Engine build(Config &config) { return build_with(&config); }
    // The network states its quantization from now on; see whet_builder_quantize().
    void quantize(Config &config) {
        whet_status status = whet_builder_quantize(get(), config.get());
        if (status != WHET_OK) config.rethrow();
        detail::check(status, get());
    }
    whet_builder *get() const noexcept { return handle_.get(); }

private:
    explicit Builder(whet_env *env) {
        whet_builder *builder = nullptr;
        detail::check(whet_builder_create(env, &builder), nullptr);
        handle_.reset(builder);
    }
    Engine build_with(Config *config) {
        whet_engine *engine = nullptr;
        whet_status status = whet_builder_build(get(), config ? config->get() : nullptr, &engine);
        if (config && status != WHET_OK) config->rethrow();
        detail::check(status, get());
        return Engine(engine);
    }
    detail::Handle<whet_builder, whet_builder_destroy> handle_;
};

class Context {
public:
    using Profile = std::function<void(const char *layer, const char *kernel, double seconds)>;
    using Tap = std::function<void(const char *value, const Tensor &tensor)>;

    explicit Context(const Engine &engine)
        : n_outputs_(static_cast<std::size_t>(whet_engine_output_count(engine.get()))) {
        whet_context *context = nullptr;
        detail::check(whet_context_create(engine.get(), &context), nullptr);
        handle_.reset(context);
    }

    void set_threads(int threads) {
        detail::check(whet_context_set_threads(get(), threads), get());
    }

    // This is one of `count` contexts that run at the same time, each with its own threads.
    void set_stream(int index, int count) {
        detail::check(whet_context_set_stream(get(), index, count), get());
    }
    // Keeps the calling thread on the first processor of this context (Env::Options::cpus).
    void pin_thread() { detail::check(whet_context_pin_thread(get()), get()); }

    // Of iterations of one loop, and of the seconds of a run with loops (0: any).
    void set_loop_limit(std::int64_t iterations) {
        detail::check(whet_context_set_loop_limit(get(), iterations), get());
    }
    void set_time_limit(double seconds) {
        detail::check(whet_context_set_time_limit(get(), seconds), get());
    }

    // Of the bytes of strings, sequences, optionals and maps in a run; 0: any.
    void set_object_limit(std::size_t bytes) {
        detail::check(whet_context_set_object_limit(get(), bytes), get());
    }

    // Runs take this profile's plan; -1: the first that holds their shapes.
    void set_profile(int profile) {
        detail::check(whet_context_set_profile(get(), profile), get());
    }
    // The profile of the last run, -1: none; whether its bounds held the shapes.
    int profile(bool *tuned = nullptr) const noexcept {
        return whet_context_profile(get(), tuned);
    }

    // The outputs are views of the context's memory, valid until the next run.
    template <class... T> std::vector<Tensor> run(const Tensor &first, const T &...rest) {
        return run_all({first.get(), rest.get()...});
    }
    std::vector<Tensor> run(const std::vector<Tensor> &inputs) { return run_all(c_tensors(inputs)); }
    std::vector<Tensor> run() { return run_all({}); }

    // Writes the outputs to the memory of `outputs`, which take their types and shapes.
    void run(const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs) {
        std::vector<whet_tensor> in = c_tensors(inputs), out = c_tensors(outputs);
        if (out.size() != n_outputs_) out.resize(n_outputs_);
        run_c(in, out);
        outputs.resize(out.size());
        for (std::size_t i = 0; i < out.size(); i++)
            if (!adopt(outputs[i], out[i])) outputs[i] = Tensor::view(out[i]);
    }

    // Shapes of the outputs without running; -1 where only a run tells.
    std::vector<Shape> infer(const std::vector<Tensor> &inputs) {
        std::vector<whet_tensor> in = c_tensors(inputs), out(n_outputs_);
        detail::check(whet_context_infer(get(), in.data(), size_of(in), out.data(), size_of(out)),
                      get());
        std::vector<Shape> shapes;
        for (const whet_tensor &t : out)
            shapes.emplace_back(t.dims, t.dims + (t.rank > 0 ? t.rank : 0));
        return shapes;
    }

    // Inputs whose contents the last infer or max_output_bytes lacked.
    std::vector<std::string> lacking() const {
        std::vector<std::string> names;
        for (std::int32_t i = 0; const char *name = whet_context_lacking(get(), i); i++)
            names.push_back(name);
        return names;
    }
    // Bytes that an output cannot exceed at these shapes; WHET_E_NOT_FOUND where nothing bounds it.
    std::size_t max_output_bytes(const std::vector<Tensor> &inputs, int output) {
        std::vector<whet_tensor> in = c_tensors(inputs);
        std::size_t bytes = 0;
        detail::check(
            whet_context_max_output_bytes(get(), in.data(), size_of(in), output, &bytes), get());
        return bytes;
    }

    // Memory for an output, asked for when a run knows its size; must stay as long as the run's
    // results are used. Empty: none. An exception from it fails the run and comes out of it.
    using Allocate = std::function<void *(std::size_t bytes, std::size_t alignment)>;
    void set_output_allocator(int output, Allocate allocate) {
        auto callback = std::make_unique<detail::Callback<Allocate>>();
        callback->call = std::move(allocate);
        whet_output_allocator a = {};
        a.struct_size = sizeof a;
        a.user = callback.get();
        a.reallocate = [](void *user, std::int32_t, void *, std::size_t bytes,
                          std::size_t alignment) -> void * {
            auto *c = static_cast<detail::Callback<Allocate> *>(user);
            try {
                return c->call(bytes, alignment);
            } catch (...) {
                c->thrown = std::current_exception();
                return nullptr;
            }
        };
        bool on = static_cast<bool>(callback->call);
        detail::check(whet_context_set_output_allocator(get(), output, on ? &a : nullptr), get());
        allocators_.resize(n_outputs_);
        allocators_[static_cast<std::size_t>(output)] = std::move(callback);
    }

    void set_profiler(Profile profile) {
        profile_ = std::make_unique<detail::Callback<Profile>>();
        profile_->call = std::move(profile);
        auto call = [](void *user, const char *layer, const char *kernel, double seconds) {
            auto *c = static_cast<detail::Callback<Profile> *>(user);
            if (c->thrown) return;
            try {
                c->call(layer, kernel, seconds);
            } catch (...) {
                c->thrown = std::current_exception();
            }
        };
        bool on = static_cast<bool>(profile_->call);
        whet_profile_fn fn = call;
        detail::check(whet_context_set_profiler(get(), on ? fn : nullptr, profile_.get()), get());
    }

    void set_tap(Tap tap) {
        tap_ = std::make_unique<detail::Callback<Tap>>();
        tap_->call = std::move(tap);
        auto call = [](void *user, const char *value, const whet_tensor *tensor) {
            auto *c = static_cast<detail::Callback<Tap> *>(user);
            if (c->thrown) return;
            try {
                c->call(value, Tensor::view(*tensor));
            } catch (...) {
                c->thrown = std::current_exception();
            }
        };
        bool on = static_cast<bool>(tap_->call);
        whet_tap_fn fn = call;
        detail::check(whet_context_set_tap(get(), on ? fn : nullptr, tap_.get()), get());
    }

    // Seconds of single runs.
    std::vector<double> bench(const std::vector<Tensor> &inputs, double warmup_seconds,
                              double seconds, std::int64_t min_runs = 1,
                              std::int64_t max_samples = 100000) {
        std::vector<whet_tensor> in = c_tensors(inputs);
        std::vector<double> samples(static_cast<std::size_t>(max_samples));
        std::int64_t count = 0;
        whet_status status =
            whet_context_bench(get(), in.data(), size_of(in), warmup_seconds, seconds, min_runs,
                               samples.data(), max_samples, &count);
        rethrow();
        detail::check(status, get());
        samples.resize(static_cast<std::size_t>(count));
        return samples;
    }

    std::size_t arena_bytes() const noexcept { return whet_context_arena_bytes(get()); }
    whet_context *get() const noexcept { return handle_.get(); }

private:
    static std::int32_t size_of(const std::vector<whet_tensor> &v) {
        return static_cast<std::int32_t>(v.size());
    }
    static std::vector<whet_tensor> c_tensors(const std::vector<Tensor> &v) {
        std::vector<whet_tensor> c;
        for (const Tensor &t : v) c.push_back(t.get());
        return c;
    }
    // Keeps the memory that `to` owns and takes the type and shape of `from`, which lies in it.
    static bool adopt(Tensor &to, const whet_tensor &from) {
        if (!to.raw() || to.raw() != from.data) return false;
        const_cast<whet_tensor &>(to.get()) = from;
        return true;
    }
    void rethrow() {
        if (profile_) profile_->rethrow();
        if (tap_) tap_->rethrow();
        for (auto &a : allocators_)
            if (a) a->rethrow();
    }
    void run_c(const std::vector<whet_tensor> &in, std::vector<whet_tensor> &out) {
        whet_status status =
            whet_context_run(get(), in.data(), size_of(in), out.data(), size_of(out));
        rethrow();
        detail::check(status, get());
    }
    std::vector<Tensor> run_all(const std::vector<whet_tensor> &in) {
        std::vector<whet_tensor> out(n_outputs_);
        run_c(in, out);
        std::vector<Tensor> outputs;
        for (const whet_tensor &t : out) outputs.push_back(Tensor::view(t));
        return outputs;
    }

    std::size_t n_outputs_;
    std::unique_ptr<detail::Callback<Profile>> profile_;
    std::unique_ptr<detail::Callback<Tap>> tap_;
    std::vector<std::unique_ptr<detail::Callback<Allocate>>> allocators_;
    detail::Handle<whet_context, whet_context_destroy> handle_;
};

inline std::string version() { return whet_version(); }

} // namespace whet

#endif

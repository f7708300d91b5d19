// SPDX-License-Identifier: Apache-2.0
/*
 * New weights for engines, for C++17, over refit.h. Header only.
 *
 *     whet::Refitter refitter(engine);
 *     refitter.load("finetuned.onnx");
 *     refitter.run();
 *
 * Failures throw whet::Error.
 */
#ifndef WHET_REFIT_HPP
#define WHET_REFIT_HPP

#include <whet/refit.h>
#include <whet/whet.hpp>

namespace whet {

struct WeightInfo {
    std::string name;
    whet_dtype dtype;
    Shape shape;
    bool refittable, given;
};

// The engine must outlive it.
class Refitter {
public:
    explicit Refitter(Engine &engine) {
        whet_refitter *r = nullptr;
        detail::check(whet_refitter_create(engine.get(), &r), engine.get());
        handle_.reset(r);
    }

    std::vector<WeightInfo> weights() const {
        std::vector<WeightInfo> all;
        for (std::int32_t i = 0; i < whet_refitter_count(get()); i++) {
            whet_weight_info w = {};
            whet_refitter_weight(get(), i, &w);
            all.push_back({w.name, w.dtype, Shape(w.dims, w.dims + w.rank), w.refittable, w.given});
        }
        return all;
    }
    // A view of what the engine has now, until the next run of a refitter.
    Tensor current(const std::string &name) const {
        whet_tensor t = {};
        check(whet_refitter_get(get(), name.c_str(), &t));
        return Tensor::view(t);
    }

    // The tensor's memory is borrowed until run() or clear().
    Refitter &set(const std::string &name, const Tensor &tensor) {
        check(whet_refitter_set(get(), name.c_str(), &tensor.get()));
        return *this;
    }
    Refitter &load(const std::string &path) {
        check(whet_refitter_load(get(), path.c_str()));
        return *this;
    }
    std::vector<std::string> missing() {
        std::vector<std::string> all;
        const char *name;
        for (std::int32_t i = 0; (name = whet_refitter_missing(get(), i)) != nullptr; i++)
            all.push_back(name);
        return all;
    }
    void clear() noexcept { whet_refitter_clear(get()); }
    void run() { check(whet_refitter_run(get())); }

    // Matrices of an adapter, which are copied; alpha 0 stands for their rank.
    Refitter &add_lora(const std::string &adapter, const std::string &name, const Tensor &a,
                       const Tensor &b, double alpha = 0) {
        check(whet_refitter_add_lora(get(), adapter.c_str(), name.c_str(), &a.get(), &b.get(),
                                     alpha));
        return *this;
    }
    Refitter &load_lora(const std::string &adapter, const std::string &path, double alpha = 0) {
        check(whet_refitter_load_lora(get(), adapter.c_str(), path.c_str(), alpha));
        return *this;
    }
    Refitter &set_adapter(const std::string &adapter, double scale) {
        check(whet_refitter_set_adapter(get(), adapter.c_str(), scale));
        return *this;
    }

    whet_refitter *get() const noexcept { return handle_.get(); }

private:
    void check(whet_status status) const { detail::check(status, get()); }

    detail::Handle<whet_refitter, whet_refitter_destroy> handle_;
};

inline void save_stripped(Engine &engine, const std::string &path) {
    detail::check(whet_engine_save_stripped(engine.get(), path.c_str()), engine.get());
}
// An engine that may have no weights yet (is_stripped) and then gets them from a Refitter.
inline Engine load_stripped(const Env &env, const std::string &path) {
    whet_engine *engine = nullptr;
    detail::check(whet_engine_load_stripped(env.get(), path.c_str(), &engine), env.get());
    return Engine(engine);
}
inline bool is_stripped(const Engine &engine) { return whet_engine_is_stripped(engine.get()); }
// Loads an engine, stripped or not, with the weights of a model or a file.
inline Engine load_refit(const Env &env, const std::string &path, const std::string &weights) {
    whet_engine *engine = nullptr;
    detail::check(whet_engine_load_refit(env.get(), path.c_str(), weights.c_str(), &engine),
                  env.get());
    return Engine(engine);
}

} // namespace whet

#endif

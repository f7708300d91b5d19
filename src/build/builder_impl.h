// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_BUILD_BUILDER_IMPL_H
#define WHET_BUILD_BUILDER_IMPL_H

#include "base/file.h"
#include "base/str.h"
#include "build/config_impl.h"
#include "build/tuner.h"
#include "env/env.h"
#include "onnx/import.h"
#include "run/engine_impl.h"

struct whet_builder {
    whet_handle handle;
    whet_env *env;
    whet_map map;             // of the model file
    const void *data;         // the model's bytes
    size_t size;
    char *external_dir;       // NULL: refused
    whet_import import;
    bool loaded;              // import is open
    bool fresh;               // its graph has not been optimized yet
    whet_status load_status;
    whet_str report;
};

// Compares the engine with a plan without fusions in plain layout on one sample. WHET_E_VERIFY.
whet_status whet_verify_auto(whet_env *env, whet_engine *engine, whet_pgraph *graph,
                             int32_t threads, whet_error *err);

// Random inputs of an engine (dynamic dimensions from the plan's shapes, else 1), in the arena.
whet_status whet_sample_inputs(const whet_engine *e, whet_arena *arena, whet_tensor **inputs,
                               whet_error *err);

#endif

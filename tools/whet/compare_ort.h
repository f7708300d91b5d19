// SPDX-License-Identifier: Apache-2.0
#ifndef WHET_TOOLS_COMPARE_ORT_H
#define WHET_TOOLS_COMPARE_ORT_H

#include "cli_file.h"

// Runs the model with the onnxruntime of this Python and gives each output to `take`, called
// "output NAME", or, where there are probes, these values instead, as far as nodes of the model's
// graph make them. False: printed.
bool whet_cli_run_ort(const char *python, const char *model, const whet_engine *engine,
                      const whet_cli_inputs *in, const char *const *probes, int32_t n_probes,
                      whet_tap_fn take, void *user);

#endif

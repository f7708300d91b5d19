// SPDX-License-Identifier: Apache-2.0
// A part of an ONNX model as a model of its own, its nodes and weights byte for byte those of the
// file.
#ifndef WHET_TOOLS_COMPARE_SLICE_H
#define WHET_TOOLS_COMPARE_SLICE_H

#include "cli_file.h"

typedef struct whet_cli_slicer whet_cli_slicer;
// NULL: printed.
whet_cli_slicer *whet_cli_slicer_open(const char *path);
void whet_cli_slicer_close(whet_cli_slicer *s);
// Whether a node of the model's graph makes the value (not of a block or function).
bool whet_cli_slicer_makes(const whet_cli_slicer *s, const char *value);

// What a value held, NULL where that is not known or it is not to be trusted.
typedef const whet_tensor *(*whet_cli_held_fn)(void *user, const char *value);

typedef struct whet_cli_slice {
    const char *output;        // the one output
    const whet_tensor *sample; // what it was: its type
    int32_t depth;             // how many times values that were held are computed once more
    whet_cli_held_fn held;     // of values and of the model's inputs
    void *user;
} whet_cli_slice;
// Writes the nodes behind `output` up to held values, and these with the model's inputs as .npz.
// *nodes: how many; *whole: nothing is left out before the output. False: printed.
bool whet_cli_slicer_write(whet_cli_slicer *s, const whet_cli_slice *slice, const char *model,
                           const char *inputs, int32_t *nodes, bool *whole);

// Named arrays as NumPy's .npz. False: printed.
bool whet_cli_write_npz(const char *path, const char *const *names,
                        const whet_tensor *const *tensors, int32_t n);

#endif

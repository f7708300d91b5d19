// SPDX-License-Identifier: Apache-2.0
// What the rules of Gradient work with.
#ifndef WHET_ONNX_GRADIENT_H
#define WHET_ONNX_GRADIENT_H

#include "onnx/importer.h"

typedef struct whet_tape {
    whet_import_node *n;
    int32_t n_values;       // of the graph when it began
    bool *depends;          // [n_values] on what is differentiated by
    bool *leaf;             // [n_values] independent values: what made them does not count
    whet_value **gradients; // [n_values] as far as they are known
} whet_tape;

// Hands gradients on to the inputs of f. g: the gradient of its first result
typedef void (*whet_gradient_rule)(whet_tape *t, whet_node *f, whet_value *g);
whet_gradient_rule whet_gradient_rule_find(const char *op); // NULL: there is none

// Adds g, in a shape that v was broadcast to, to the gradient of v; nothing where none is wanted.
void whet_gradient_push(whet_tape *t, const whet_value *v, whet_value *g);
// A tensor of one number, in type and shape like another.
whet_value *whet_gradient_fill(whet_tape *t, whet_value *like, double v);

#endif

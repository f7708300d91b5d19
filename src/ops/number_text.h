// SPDX-License-Identifier: Apache-2.0
// Numbers as texts, and back, as ONNX's casts have them.
#ifndef WHET_OPS_NUMBER_TEXT_H
#define WHET_OPS_NUMBER_TEXT_H

#include "base/dtype.h"

#define WHET_NUMBER_TEXT 32 // room for any number and its NUL

// Element i of an array as a text: the fewest digits that give the element back, plain between 1e-4
// and 1e16; "nan", "inf", "-inf"; "True" and "False". Gives the length.
size_t whet_number_print(char to[WHET_NUMBER_TEXT], const void *data, whet_dtype dtype, int64_t i);
// Reads a decimal number ("INF" and "NaN" too, whatever the case; for bool also "True", "False")
// into element i; integers cut what is behind the point and saturate. False: it is no number, or
// longer than a thousand characters.
bool whet_number_parse(whet_text text, void *data, whet_dtype dtype, int64_t i);

#endif

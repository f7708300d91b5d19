// SPDX-License-Identifier: Apache-2.0
// Texts: elements of string tensors. Any bytes are carried; UTF-8 is asked for where characters
// matter.
#ifndef WHET_BASE_TEXTS_H
#define WHET_BASE_TEXTS_H

#include "base/arena.h"

#include <stdbool.h>

#include <whet/whet.h>

static inline whet_text whet_text_of(const char *text) {
    whet_text t = {text, 0};
    while (text[t.size]) t.size++;
    return t;
}
bool whet_text_equal(whet_text a, whet_text b);
// By bytes, which for UTF-8 is the order of code points; < 0, 0, > 0.
int whet_text_compare(whet_text a, whet_text b);
uint64_t whet_text_hash(whet_text t, uint64_t seed);

bool whet_texts_equal(const whet_text *a, const whet_text *b, int64_t n);
uint64_t whet_texts_hash(const whet_text *v, int64_t n, uint64_t seed);
// Array and characters, each with a NUL behind it. NULL: the arena gave none.
whet_text *whet_texts_copy(const whet_text *v, int64_t n, whet_arena *arena);
// Replaces the characters of each by copies in the arena.
bool whet_texts_own(whet_text *v, int64_t n, whet_arena *arena);

// The code point at *at, which moves behind it; -1 when the bytes there are no UTF-8 (overlong
// forms, surrogates and values above 0x10ffff are none). *at < t.size.
int32_t whet_text_next(whet_text t, size_t *at);
// Writes the code point (at most 4 bytes) and gives their number.
size_t whet_text_put(char *to, int32_t code);
bool whet_text_is_utf8(whet_text t);

#endif

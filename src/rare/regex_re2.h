// SPDX-License-Identifier: Apache-2.0
// RE2 for C.
#ifndef WHET_RARE_REGEX_RE2_H
#define WHET_RARE_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct whet_regex whet_regex;
// NULL: the pattern is none, `why` says what is wrong; or, with why "", memory is out.
whet_regex *whet_regex_create(const char *pattern, char *why, size_t why_size);
// The same of a pattern of so many bytes, with matches as long as can be.
whet_regex *whet_regex_create_longest(const char *pattern, size_t size, char *why, size_t why_size);
void whet_regex_destroy(whet_regex *regex);
bool whet_regex_full_match(const whet_regex *regex, const char *data, size_t size);
// The leftmost match in text[from, size), which sees all of the text around it. False: none.
bool whet_regex_find(const whet_regex *regex, const char *data, size_t size, size_t from,
                     size_t *begin, size_t *end);

#ifdef __cplusplus
}
#endif

#endif

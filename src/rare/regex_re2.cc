// SPDX-License-Identifier: Apache-2.0
#include "rare/regex_re2.h"

#include <cstdio>
#include <new>

#include <re2/re2.h>

struct whet_regex {
    RE2 re;
    whet_regex(const re2::StringPiece &pattern, const RE2::Options &options) : re(pattern, options) {}
};

static whet_regex *create(const re2::StringPiece &pattern, const RE2::Options &options, char *why,
                          size_t why_size) try {
    why[0] = 0;
    whet_regex *regex = new whet_regex(pattern, options);
    if (regex->re.ok()) return regex;
    std::snprintf(why, why_size, "%s", regex->re.error().c_str());
    delete regex;
    return nullptr;
} catch (const std::bad_alloc &) {
    return nullptr;
}

whet_regex *whet_regex_create(const char *pattern, char *why, size_t why_size) {
    return create(pattern, RE2::Options(RE2::Quiet), why, why_size);
}

whet_regex *whet_regex_create_longest(const char *pattern, size_t size, char *why,
                                      size_t why_size) {
    RE2::Options options(RE2::Quiet);
    options.set_longest_match(true);
    return create(re2::StringPiece(size ? pattern : "", size), options, why, why_size);
}

void whet_regex_destroy(whet_regex *regex) { delete regex; }

bool whet_regex_full_match(const whet_regex *regex, const char *data, size_t size) {
    return RE2::FullMatch(re2::StringPiece(size ? data : "", size), regex->re);
}

bool whet_regex_find(const whet_regex *regex, const char *data, size_t size, size_t from,
                     size_t *begin, size_t *end) {
    re2::StringPiece text(size ? data : "", size), found;
    if (!regex->re.Match(text, from, size, RE2::UNANCHORED, &found, 1)) return false;
    *begin = static_cast<size_t>(found.data() - text.data());
    *end = *begin + found.size();
    return true;
}

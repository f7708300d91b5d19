// SPDX-License-Identifier: Apache-2.0
#include "rare/regex_re2.h"

#include <cstdio>
#include <new>

#include <re2/re2.h>

struct whet_regex {
    RE2 re;
    whet_regex(const char *pattern, const RE2::Options &options) : re(pattern, options) {}
};

whet_regex *whet_regex_create(const char *pattern, char *why, size_t why_size) try {
    RE2::Options options(RE2::Quiet);
    why[0] = 0;
    whet_regex *regex = new whet_regex(pattern, options);
    if (regex->re.ok()) return regex;
    std::snprintf(why, why_size, "%s", regex->re.error().c_str());
    delete regex;
    return nullptr;
} catch (const std::bad_alloc &) {
    return nullptr;
}

void whet_regex_destroy(whet_regex *regex) { delete regex; }

bool whet_regex_full_match(const whet_regex *regex, const char *data, size_t size) {
    return RE2::FullMatch(re2::StringPiece(size ? data : "", size), regex->re);
}

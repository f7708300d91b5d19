// SPDX-License-Identifier: Apache-2.0
#include "base/nearest.h"

#include <string.h>

enum { LONGEST = 127 };

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c; }

static size_t least(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

// Edits that turn a into b: insert, remove, replace. Of long names only the end counts.
static size_t edits(const char *a, const char *b) {
    size_t row[LONGEST + 1], m = strlen(a), n = strlen(b);
    if (m > LONGEST) a += m - LONGEST, m = LONGEST;
    if (n > LONGEST) b += n - LONGEST, n = LONGEST;
    for (size_t k = 0; k <= n; k++) row[k] = k;
    for (size_t i = 0; i < m; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t above = row[k + 1];
            row[k + 1] = least(above + 1, row[k] + 1, corner + (lower(a[i]) != lower(b[k])));
            corner = above;
        }
    }
    return row[n];
}

void whet_nearest_add(whet_nearest *near, const char *name) {
    size_t want = strlen(near->wanted), have = strlen(name);
    if (!want || !have) return;
    size_t d = edits(near->wanted, name);
    bool part = want > 2 && strstr(name, near->wanted);
    if (!part && d > 1 + want / 3) return;
    int32_t at = near->n;
    while (at > 0 && near->distance[at - 1] > d) at--;
    if (at == WHET_NEAREST_MOST) return;
    if (near->n < WHET_NEAREST_MOST) near->n++;
    for (int32_t i = near->n - 1; i > at; i--) {
        near->names[i] = near->names[i - 1];
        near->distance[i] = near->distance[i - 1];
    }
    near->names[at] = name;
    near->distance[at] = d;
}

void whet_nearest_print(const whet_nearest *near, whet_str *out) {
    for (int32_t i = 0; i < near->n; i++)
        whet_str_printf(out, "%s\"%s\"", i ? ", " : "; near: ", near->names[i]);
}

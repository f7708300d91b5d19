// SPDX-License-Identifier: Apache-2.0
#include "ops/sort.h"

#include <string.h>

static void merge(int64_t *out, const int64_t *a, int64_t na, const int64_t *b, int64_t nb,
                  whet_before_fn before, const void *user) {
    while (na && nb) {
        if (before(user, *b, *a)) {
            *out++ = *b++;
            nb--;
        } else {
            *out++ = *a++;
            na--;
        }
    }
    if (na) memcpy(out, a, (size_t)na * sizeof *a);
    if (nb) memcpy(out, b, (size_t)nb * sizeof *b);
}

void whet_sort_indices(int64_t *index, int64_t n, int64_t *scratch, whet_before_fn before,
                       const void *user) {
    int64_t *from = index, *to = scratch;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t i = 0; i < n; i += 2 * width) {
            int64_t na = width < n - i ? width : n - i;
            int64_t nb = n - i - na < width ? n - i - na : width;
            merge(to + i, from + i, na, from + i + na, nb, before, user);
        }
        int64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != index) memcpy(index, from, (size_t)n * sizeof *index);
}

// SPDX-License-Identifier: Apache-2.0
#include "kern/move/box.h"

#include <string.h>

#define RUN 4096 // elements

static void merge(whet_box *b) {
    int32_t n = 0;
    for (int32_t i = 0; i < b->rank; i++) {
        if (b->dims[i] == 1) continue;
        b->dims[n] = b->dims[i];
        b->to[n] = b->to[i];
        b->from[n++] = b->from[i];
        while (n > 1 && b->to[n - 2] == b->to[n - 1] * b->dims[n - 1] &&
               b->from[n - 2] == b->from[n - 1] * b->dims[n - 1]) {
            b->dims[n - 2] *= b->dims[n - 1];
            b->to[n - 2] = b->to[n - 1];
            b->from[n - 2] = b->from[n - 1];
            n--;
        }
    }
    b->rank = n;
    if (n == 0) {
        b->rank = 1;
        b->dims[0] = b->to[0] = b->from[0] = 1;
    }
}

void whet_box_finish(whet_box *b) {
    bool empty = false;
    for (int32_t i = 0; i < b->rank; i++) empty = empty || b->dims[i] <= 0;
    b->units = 0;
    if (empty) return;
    merge(b);
    int64_t last = b->dims[b->rank - 1];
    b->run = last < RUN ? last : RUN;
    b->chunks = (last + b->run - 1) / b->run;
    b->units = b->chunks;
    for (int32_t i = 0; i < b->rank - 1; i++) b->units *= b->dims[i];
}

int64_t whet_box_unit(const whet_box *b, int64_t unit, int64_t *to, int64_t *from) {
    int32_t last = b->rank - 1;
    int64_t at = unit % b->chunks * b->run, left = b->dims[last] - at;
    *to = at * b->to[last];
    *from = at * b->from[last];
    unit /= b->chunks;
    for (int32_t i = last - 1; i >= 0; i--) {
        *to += unit % b->dims[i] * b->to[i];
        *from += unit % b->dims[i] * b->from[i];
        unit /= b->dims[i];
    }
    return left < b->run ? left : b->run;
}

#define COPY_RUN(type)                                                                             \
    static void copy_run_##type(type *restrict dst, int64_t to, const type *restrict src,          \
                                int64_t from, int64_t n) {                                         \
        if (to == 1 && from == 0)                                                                  \
            for (int64_t i = 0; i < n; i++) dst[i] = src[0];                                       \
        else                                                                                       \
            for (int64_t i = 0; i < n; i++) dst[i * to] = src[i * from];                           \
    }
COPY_RUN(uint8_t)
COPY_RUN(uint16_t)
COPY_RUN(uint32_t)
COPY_RUN(uint64_t)

static void copy_run(const whet_box *b, char *dst, const char *src, int64_t n) {
    int64_t to = b->to[b->rank - 1], from = b->from[b->rank - 1];
    if (to == 1 && from == 1) {
        memcpy(dst, src, (size_t)n * b->size);
        return;
    }
    switch (b->size) {
    case 1: copy_run_uint8_t((uint8_t *)dst, to, (const uint8_t *)src, from, n); break;
    case 2:
        copy_run_uint16_t((uint16_t *)(void *)dst, to, (const uint16_t *)(const void *)src, from,
                          n);
        break;
    case 4:
        copy_run_uint32_t((uint32_t *)(void *)dst, to, (const uint32_t *)(const void *)src, from,
                          n);
        break;
    default:
        copy_run_uint64_t((uint64_t *)(void *)dst, to, (const uint64_t *)(const void *)src, from,
                          n);
    }
}

void whet_box_copy(const whet_box *b, void *dst, const void *src, int64_t task, int64_t tasks) {
    // units / tasks and its rest apart: units times task may overflow
    int64_t share = b->units / tasks, rest = b->units % tasks;
    int64_t first = share * task + (task < rest ? task : rest), n = share + (task < rest);
    if (n == 0) return;
    int64_t pos[WHET_BOX_RANK], to, from, unit = first / b->chunks, chunk = first % b->chunks;
    int32_t last = b->rank - 1;
    for (int32_t i = last - 1; i >= 0; i--) {
        pos[i] = unit % b->dims[i];
        unit /= b->dims[i];
    }
    int64_t size = (int64_t)b->size;
    whet_box_unit(b, first - chunk, &to, &from);
    for (;;) {
        int64_t at = chunk * b->run, left = b->dims[last] - at;
        copy_run(b, (char *)dst + (to + at * b->to[last]) * size,
                 (const char *)src + (from + at * b->from[last]) * size,
                 left < b->run ? left : b->run);
        if (--n == 0) return;
        if (++chunk < b->chunks) continue;
        chunk = 0;
        for (int32_t i = last - 1; i >= 0; i--) {
            to += b->to[i];
            from += b->from[i];
            if (++pos[i] < b->dims[i]) break;
            to -= b->dims[i] * b->to[i];
            from -= b->dims[i] * b->from[i];
            pos[i] = 0;
        }
    }
}

size_t whet_port_bytes(const whet_port *port) {
    return whet_layout_bytes(port->layout, port->dtype, port->rank, port->dims);
}

bool whet_port_plain(const whet_port *port) {
    return whet_dtype_is_word(port->dtype) && port->layout == WHET_LAYOUT_PLAIN &&
           port->rank >= 0 && port->rank <= WHET_MAX_RANK && whet_port_bytes(port) < SIZE_MAX / 2;
}

int64_t whet_tasks_of_bytes(const whet_problem *p) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_out; i++)
        bytes += p->out[i].dtype ? whet_port_bytes(&p->out[i]) : 0;
    return (int64_t)(bytes / WHET_BOX_TASK) + 1;
}

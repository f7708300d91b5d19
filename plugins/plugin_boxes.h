// SPDX-License-Identifier: Apache-2.0
// What detection plugins share: candidates with box, class and score, their order, and greedy
// suppression. Boxes are four numbers, low corner then high corner.
#ifndef WHET_PLUGIN_BOXES_H
#define WHET_PLUGIN_BOXES_H

#include "plugin_util.h"

typedef struct plugin_candidate {
    float box[4], score;
    int32_t class;
    int64_t index; // of the box; decides between equal scores
} plugin_candidate;

static inline int plugin_by_score(const void *a, const void *b) {
    const plugin_candidate *x = a, *y = b;
    if (x->score != y->score) return x->score > y->score ? -1 : 1;
    if (x->index != y->index) return x->index < y->index ? -1 : 1;
    return (x->class > y->class) - (x->class < y->class);
}

static inline void plugin_sort(plugin_candidate *c, int64_t n) {
    if (n > 1) qsort(c, (size_t)n, sizeof *c, plugin_by_score);
}

// Length of a side; boxes in whole pixels include their last one (one = 1), others do not.
static inline double plugin_side(double low, double high, double one) {
    double side = high - low + one;
    return side > 0 ? side : 0;
}
static inline double plugin_area(const float *b, double one) {
    return plugin_side((double)b[0], (double)b[2], one) *
           plugin_side((double)b[1], (double)b[3], one);
}
// Intersection over union; 0 where there is no union.
static inline double plugin_overlap(const float *a, const float *b, double one) {
    double both = 1;
    for (int32_t k = 0; k < 2; k++) {
        double low = (double)(a[k] > b[k] ? a[k] : b[k]);
        double high = (double)(a[k + 2] < b[k + 2] ? a[k + 2] : b[k + 2]);
        if (high < low) return 0;
        both *= plugin_side(low, high, one);
    }
    double either = plugin_area(a, one) + plugin_area(b, one) - both;
    return either > 0 ? both / either : 0;
}

typedef struct plugin_suppress {
    double iou, one;       // above iou the worse box goes
    bool agnostic;         // boxes of other classes count too
    int64_t most;          // results in all
    int64_t most_of_class; // of one class; 0: no limit
} plugin_suppress;

// Keeps the best of n sorted candidates at the front; returns their number.
static inline int64_t plugin_keep_best(plugin_candidate *c, int64_t n, const plugin_suppress *s) {
    int64_t kept = 0;
    for (int64_t i = 0; i < n && kept < s->most; i++) {
        int64_t same = 0;
        bool keep = true;
        for (int64_t k = 0; k < kept && keep; k++) {
            bool alike = c[k].class == c[i].class;
            same += alike;
            keep = !((alike || s->agnostic) && plugin_overlap(c[k].box, c[i].box, s->one) > s->iou);
        }
        if (keep && (!s->most_of_class || same < s->most_of_class)) c[kept++] = c[i];
    }
    return kept;
}

// Memory for n candidates, given back by free(). WHET_E_NOMEM.
static inline whet_status plugin_candidates(whet_plugin_node *n, int64_t count,
                                            plugin_candidate **c) {
    *c = NULL;
    if (count >= 0 && (uint64_t)count < SIZE_MAX / sizeof **c)
        *c = malloc(count ? (size_t)count * sizeof **c : 1);
    return *c ? WHET_OK
              : whet_plugin_fail(n, WHET_E_NOMEM, "no memory for %lld boxes", (long long)count);
}

// One axis of a box in whole pixels, last one included, moved by `shift` and scaled by exp(grow)
// of its length, then cut to [0, most]: into box[0] and box[2]. Growth is at most 1000 / 16.
static inline void plugin_refine(double low, double high, double shift, double grow, double most,
                                 float *box) {
    double limit = log(1000.0 / 16), length = high - low + 1;
    double middle = low + 0.5 * length + shift * length;
    length *= exp(grow < limit ? grow : limit);
    low = middle - 0.5 * length;
    box[0] = (float)fmin(fmax(low, 0), most);
    box[2] = (float)fmin(fmax(low + length - 1, 0), most);
}

static inline float plugin_unit(float v) { return v < 0 ? 0 : v > 1 ? 1 : v; }
static inline float plugin_sigmoid(float v) { return 1 / (1 + expf(-v)); }

#endif

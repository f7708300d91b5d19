// SPDX-License-Identifier: Apache-2.0
// ai.onnx.ml: linear and support vector models, made of products and, for the latter, svm_vote.
#include <math.h>

#include "onnx/ml.h"

void whet_import_linear_regressor(whet_import_node *n) {
    int64_t targets = whet_import_int(n, "targets", 1);
    int32_t transform = whet_ml_post_transform(n);
    whet_ml_numbers w = whet_ml_floats(n, "coefficients", false);
    whet_ml_numbers c = whet_ml_floats(n, "intercepts", false);
    whet_value *y = whet_ml_linear(n, whet_ml_rows(n, WHET_DTYPE_F32), w, targets, c);
    whet_import_result(n, 0, whet_ml_transform(n, y, transform));
}

void whet_import_linear_classifier(whet_import_node *n) {
    whet_ml_labels labels = whet_ml_labels_of(n, "classlabels_ints", "classlabels_strings");
    int32_t transform = whet_ml_post_transform(n);
    whet_ml_numbers w = whet_ml_floats(n, "coefficients", false);
    whet_ml_numbers c = whet_ml_floats(n, "intercepts", false);
    int64_t targets = c.n ? c.n : labels.n;
    whet_import_ignore(n, "multi_class");
    if (!n->failed && targets != labels.n && !(targets == 1 && labels.n == 2))
        whet_import_fail(n, WHET_E_MODEL, "%lld scores are not for %lld labels",
                         (long long)targets, (long long)labels.n);
    if (n->failed) return;
    whet_value *s = whet_ml_linear(n, whet_ml_rows(n, WHET_DTYPE_F32), w, targets, c);
    bool single = targets == 1 && labels.n == 2;
    whet_ml_label_result(n, labels, single ? whet_ml_above(n, s, 0) : whet_ml_best(n, s));
    whet_import_result(n, 1, single ? whet_ml_two(n, s, true, transform)
                                    : whet_ml_transform(n, s, transform));
}

// ---- support vectors ----

enum { LINEAR, POLY, RBF, SIGMOID };

typedef struct machine {
    int32_t kernel, transform;
    double gamma, coef0, degree;
    whet_ml_numbers vectors, coefficients, rho;
    int64_t n_vectors;
} machine;

static void read_machine(whet_import_node *n, machine *m) {
    static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID", NULL};
    m->kernel = whet_ml_choice(n, "kernel_type", "LINEAR", kernels);
    m->transform = whet_ml_post_transform(n);
    whet_ml_numbers p = whet_ml_floats(n, "kernel_params", false);
    if (p.n && p.n != 3)
        whet_import_fail(n, WHET_E_MODEL, "kernel_params has %lld elements, not 3",
                         (long long)p.n);
    else if (p.n)
        m->gamma = p.v[0], m->coef0 = p.v[1], m->degree = p.v[2];
    m->vectors = whet_ml_floats(n, "support_vectors", false);
    m->coefficients = whet_ml_floats(n, "coefficients", false);
    m->rho = whet_ml_floats(n, "rho", false);
    if (!n->failed && (!m->coefficients.n || !m->rho.n))
        whet_import_fail(n, WHET_E_MODEL, "it has no coefficients or no rho");
}

// [n, vectors]: the kernel of every row with every support vector.
static whet_value *kernel_of(whet_import_node *n, const machine *m, whet_value *x) {
    whet_ml_numbers none = {0};
    if (m->n_vectors < 1 || m->vectors.n % m->n_vectors) {
        whet_import_fail(n, WHET_E_MODEL, "%lld numbers do not make %lld support vectors",
                         (long long)m->vectors.n, (long long)m->n_vectors);
        return NULL;
    }
    if (m->kernel == RBF) {
        int64_t dims[2] = {m->n_vectors, m->vectors.n / m->n_vectors};
        whet_value *d = whet_import_emit(n, "square_distance", NULL,
                                         WHET_VALUES(x, whet_ml_f32(n, m->vectors.v, 2, dims)));
        return whet_ml_apply(n, "exp", whet_ml_with(n, "mul", d, -m->gamma));
    }
    whet_value *k = whet_ml_linear(n, x, m->vectors, m->n_vectors, none);
    if (m->kernel == LINEAR) return k;
    k = whet_ml_with(n, "add", whet_ml_with(n, "mul", k, m->gamma), m->coef0);
    return m->kernel == POLY ? whet_ml_with(n, "pow", k, m->degree) : whet_ml_apply(n, "tanh", k);
}

void whet_import_svm_regressor(whet_import_node *n) {
    machine m = {0};
    read_machine(n, &m);
    m.n_vectors = whet_import_int(n, "n_supports", 0);
    bool one_class = whet_import_int(n, "one_class", 0) != 0;
    if (n->failed) return;
    whet_ml_numbers rho = {m.rho.v, 1, false};
    whet_value *x = whet_ml_rows(n, WHET_DTYPE_F32);
    if (m.n_vectors > 0) x = kernel_of(n, &m, x);
    if (m.n_vectors > 0 && m.coefficients.n != m.n_vectors)
        whet_import_fail(n, WHET_E_MODEL, "%lld coefficients are not for %lld support vectors",
                         (long long)m.coefficients.n, (long long)m.n_vectors);
    whet_value *y = whet_ml_linear(n, x, m.coefficients, 1, rho);
    if (one_class) { // 1 above 0, else -1
        whet_value *yes = whet_ml_cast(n, whet_ml_with(n, "greater", y, 0), WHET_DTYPE_F32);
        y = whet_ml_with(n, "add", whet_ml_with(n, "mul", yes, 2), -1);
    } else {
        y = whet_ml_transform(n, y, m.transform);
    }
    whet_import_result(n, 0, y);
}

static bool all_positive(whet_ml_numbers v) {
    for (int64_t i = 0; i < v.n; i++)
        if (!(v.v[i] >= 0)) return false;
    return true;
}

// Scores x W^T + rho[0] when there are no support vectors.
static void linear_machine(whet_import_node *n, const machine *m, whet_ml_labels labels) {
    int64_t classes = labels.n, one = 1;
    whet_ml_numbers none = {0};
    whet_value *s = whet_ml_linear(n, whet_ml_rows(n, WHET_DTYPE_F32), m->coefficients, classes,
                                   none);
    whet_value *rho = whet_ml_f32(n, m->rho.v, 1, &one);
    s = whet_import_emit(n, "add", NULL, WHET_VALUES(s, rho));
    whet_value *best = whet_ml_best(n, s);
    if (classes == 2) { // a best score that is high enough is always the second class
        int64_t axis = 1;
        whet_value *top = whet_import_emit(n, "reduce_max", NULL,
                                           WHET_VALUES(s, whet_import_i64(n, &axis, 1)));
        bool positive = all_positive(m->coefficients);
        double least = positive ? nextafterf(0.5f, 0) : 0;
        best = whet_import_emit(n, "max", NULL, WHET_VALUES(best, whet_ml_above(n, top, least)));
    }
    whet_ml_label_result(n, labels, best);
    whet_import_result(n, 1, whet_ml_transform(n, s, m->transform));
}

// coefficients [classes - 1, vectors]; rho, prob_a, prob_b one a pair of classes.
static bool check_votes(whet_import_node *n, const machine *m, int64_t classes,
                        whet_ml_numbers prob_a, whet_ml_numbers prob_b) {
    int64_t pairs = classes * (classes - 1) / 2;
    if (classes < 2 || classes > 65535)
        whet_import_fail(n, WHET_E_MODEL, "%lld classes cannot be told apart by pairs",
                         (long long)classes);
    else if (m->coefficients.n / (classes - 1) < m->n_vectors || m->rho.n < pairs)
        whet_import_fail(n, WHET_E_MODEL, "coefficients or rho are too few for %lld vectors of "
                         "%lld classes", (long long)m->n_vectors, (long long)classes);
    else if (prob_a.n != prob_b.n || (prob_a.n && prob_a.n < pairs))
        whet_import_fail(n, WHET_E_MODEL, "prob_a and prob_b must be given for %lld pairs",
                         (long long)pairs);
    return !n->failed;
}

static void voting_machine(whet_import_node *n, const machine *m, whet_ml_labels labels,
                           const whet_ints *per_class) {
    int64_t classes = labels.n, pairs = classes * (classes - 1) / 2;
    whet_ml_numbers prob_a = whet_ml_floats(n, "prob_a", false);
    whet_ml_numbers prob_b = whet_ml_floats(n, "prob_b", false);
    if (!check_votes(n, m, classes, prob_a, prob_b)) return;
    int64_t dims[2] = {classes - 1, m->n_vectors};
    whet_value *k = kernel_of(n, m, whet_ml_rows(n, WHET_DTYPE_F32)), *out[2];
    whet_value *a = prob_a.n ? whet_ml_f32(n, prob_a.v, 1, &pairs) : NULL;
    whet_value *b = prob_a.n ? whet_ml_f32(n, prob_b.v, 1, &pairs) : NULL;
    if (!whet_import_emit_many(n, "svm_vote", NULL,
                               WHET_VALUES(k, whet_ml_f32(n, m->coefficients.v, 2, dims),
                                           whet_ml_f32(n, m->rho.v, 1, &pairs),
                                           whet_import_i64(n, per_class->v, per_class->n), a, b),
                               out, 2))
        return;
    whet_ml_label_result(n, labels, out[0]);
    bool two = classes == 2 && !prob_a.n;
    whet_import_result(n, 1, two ? whet_ml_two(n, out[1], m->transform != WHET_ML_NONE,
                                               m->transform)
                                 : whet_ml_transform(n, out[1], m->transform));
}

void whet_import_svm_classifier(whet_import_node *n) {
    machine m = {0};
    whet_ints per_class;
    read_machine(n, &m);
    whet_ml_labels labels = whet_ml_labels_of(n, "classlabels_ints", "classlabels_strings");
    whet_import_ints(n, "vectors_per_class", &per_class);
    for (int32_t i = 0; i < per_class.n; i++) {
        int64_t v = per_class.v[i];
        if (v < 0 || v > m.vectors.n - m.n_vectors) {
            whet_import_fail(n, WHET_E_MODEL, "class %d cannot have %lld support vectors", i,
                             (long long)v);
            return;
        }
        m.n_vectors += v;
    }
    if (n->failed) return;
    if (!m.n_vectors) {
        whet_import_ignore(n, "prob_a");
        whet_import_ignore(n, "prob_b");
        linear_machine(n, &m, labels);
    } else if (per_class.n != labels.n) {
        whet_import_fail(n, WHET_E_MODEL, "vectors_per_class has %d elements for %lld classes",
                         per_class.n, (long long)labels.n);
    } else {
        voting_machine(n, &m, labels, &per_class);
    }
}

// SPDX-License-Identifier: Apache-2.0
// Samples held in memory, what engines make of them, and how far that differs.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/accuracy.h"
#include "build/builder_impl.h"

#define MOST_BYTES ((size_t)2 << 30) // of samples, of outputs

whet_status whet_accuracy_create(whet_build *x, whet_accuracy **accuracy, whet_error *err) {
    whet_budget b;
    WHET_TRY(whet_budget_parse(x->c->accuracy, x->c->metric != NULL, &b, err));
    whet_accuracy *a = calloc(1, sizeof *a);
    if (!a) return WHET_NOMEM(err);
    a->x = x;
    a->budget = b;
    whet_arena_init(&a->arena);
    *accuracy = a;
    return WHET_OK;
}

void whet_accuracy_destroy(whet_accuracy *a) {
    if (!a) return;
    whet_variant_free(&a->whole);
    whet_arena_fini(&a->arena);
    free(a);
}

// ---- samples ----

static bool copy_tensor(whet_arena *arena, const whet_tensor *from, whet_tensor *to) {
    *to = *from;
    to->data = whet_arena_alloc_raw(arena, from->bytes ? from->bytes : 1);
    if (to->data && from->bytes) memcpy(to->data, from->data, from->bytes);
    return to->data != NULL;
}

whet_status whet_accuracy_add(whet_accuracy *a, const whet_calib_data *d,
                              const whet_tensor *inputs, int32_t n, whet_error *err) {
    size_t bytes = 0;
    whet_sample_batch b = {.samples = inputs[0].rank ? inputs[0].dims[0] : 1};
    for (int32_t i = 0; i < n; i++) {
        bytes += inputs[i].bytes;
        if (inputs[i].dtype == WHET_DTYPE_STRING || whet_dtype_is_object(inputs[i].dtype))
            WHET_FAIL(err, WHET_E_UNSUPPORTED, "option accuracy: an input holds no numbers");
    }
    if (a->full || (a->n_batches && a->bytes + bytes > MOST_BYTES)) {
        a->full = true;
        return WHET_OK;
    }
    a->n_inputs = n;
    b.inputs = WHET_NEW_ARRAY(&a->arena, whet_tensor, n);
    if (!b.inputs) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n; i++)
        if (!copy_tensor(&a->arena, &inputs[i], &b.inputs[i])) return WHET_NOMEM(err);
    const int64_t *labels = whet_calib_data_labels(d, &b.n_labels);
    if (labels) {
        b.labels = whet_arena_memdup(&a->arena, labels, sizeof *labels * (size_t)b.n_labels);
        if (!b.labels) return WHET_NOMEM(err);
    }
    if (!WHET_ARENA_PUSH(&a->arena, a->batches, a->n_batches, a->cap_batches, b))
        return WHET_NOMEM(err);
    a->bytes += bytes;
    a->samples += b.samples;
    return WHET_OK;
}

// ---- running ----

static whet_status keep_outputs(whet_accuracy *a, whet_sample_batch *b, const whet_tensor *made,
                                bool reference, whet_error *err) {
    for (int32_t i = 0; i < a->n_outputs; i++) {
        const whet_tensor *t = &made[i];
        if (t->dtype == WHET_DTYPE_STRING || whet_dtype_is_object(t->dtype))
            WHET_FAIL(err, WHET_E_UNSUPPORTED, "option accuracy: an output holds no numbers");
        whet_tensor *to = reference ? &b->reference[i] : &b->outputs[i];
        if (reference) {
            a->bytes += 2 * t->bytes;
            if (!copy_tensor(&a->arena, t, to) || !copy_tensor(&a->arena, t, &b->outputs[i]))
                return WHET_NOMEM(err);
            continue;
        }
        if (t->dtype != to->dtype || t->bytes != to->bytes || t->rank != to->rank ||
            memcmp(t->dims, to->dims, sizeof *t->dims * (size_t)t->rank))
            WHET_FAIL(err, WHET_E_UNSUPPORTED,
                      "option accuracy: the shape of output %d depends on what is computed", i);
        if (t->bytes) memcpy(to->data, t->data, t->bytes);
    }
    return WHET_OK;
}

static whet_status run_batches(whet_accuracy *a, whet_context *c, int64_t most, bool reference,
                               whet_error *err) {
    whet_tensor *made = WHET_NEW_ARRAY(&a->arena, whet_tensor, a->n_outputs + 1);
    int64_t done = 0;
    size_t before = a->bytes;
    if (!made) return WHET_NOMEM(err);
    for (int32_t i = 0; i < a->n_batches && (!most || done < most); i++) {
        whet_sample_batch *b = &a->batches[i];
        memset(made, 0, sizeof *made * (size_t)a->n_outputs);
        whet_status status =
            whet_context_run(c, b->inputs, a->n_inputs, made, a->n_outputs);
        if (status != WHET_OK) WHET_FAIL(err, status, "accuracy: %s", whet_error_text(c));
        if (reference) {
            b->reference = WHET_NEW_ARRAY(&a->arena, whet_tensor, a->n_outputs + 1);
            b->outputs = WHET_NEW_ARRAY(&a->arena, whet_tensor, a->n_outputs + 1);
            if (!b->reference || !b->outputs) return WHET_NOMEM(err);
        }
        WHET_TRY(keep_outputs(a, b, made, reference, err));
        done += b->samples;
        if (reference && a->bytes - before > MOST_BYTES) {
            a->full = true;
            a->n_batches = i + 1;
            a->samples = done;
        }
    }
    return WHET_OK;
}

static whet_status take_names(whet_accuracy *a, const whet_pgraph *g, whet_error *err) {
    a->n_outputs = g->n_outputs;
    a->names = WHET_NEW_ARRAY(&a->arena, const char *, g->n_outputs + 1);
    if (!a->names) return WHET_NOMEM(err);
    for (int32_t i = 0; i < g->n_outputs; i++)
        if (!(a->names[i] = whet_arena_strdup(&a->arena, g->output_names[i])))
            return WHET_NOMEM(err);
    return WHET_OK;
}

whet_status whet_accuracy_run(whet_accuracy *a, whet_engine *e, int64_t most, bool reference,
                              whet_error *err) {
    whet_context *c = NULL;
    whet_status status = whet_context_create(e, &c);
    if (status != WHET_OK) return whet_error_set(err, status, "%s", whet_error_text(e));
    whet_context_set_threads(c, a->x->threads);
    a->runs++;
    if (reference) status = take_names(a, e->graph, err);
    if (status == WHET_OK) status = run_batches(a, c, most, reference, err);
    whet_context_destroy(c);
    return status;
}

// ---- comparing ----

// Rows of classes: the last dimension, or the second of images.
typedef struct {
    int64_t rows, classes, stride, inner;
} rows;

static bool find_rows(const whet_tensor *t, rows *r) {
    if (!whet_dtype_is_float(t->dtype) || t->rank < 2) return false;
    int32_t axis = t->rank > 3 ? 1 : t->rank - 1;
    int64_t count = whet_dims_count(t->dims, t->rank);
    if (t->dims[axis] < 2 || count <= 0) return false;
    r->classes = t->dims[axis];
    r->rows = count / r->classes;
    r->inner = 1;
    for (int32_t i = axis + 1; i < t->rank; i++) r->inner *= t->dims[i];
    return true;
}

static int32_t deciding_output(const whet_accuracy *a) {
    rows r;
    for (int32_t i = 0; i < a->n_outputs; i++)
        if (find_rows(&a->batches[0].reference[i], &r)) return i;
    return -1;
}

// A row as logits: what are probabilities become their logarithms.
static void load_row(const whet_tensor *t, const rows *r, int64_t k, double *v) {
    int64_t at = k / r->inner * r->classes * r->inner + k % r->inner;
    double sum = 0;
    bool positive = true;
    for (int64_t i = 0; i < r->classes; i++) {
        v[i] = whet_load_f64(t->data, t->dtype, at + i * r->inner);
        sum += v[i];
        positive = positive && v[i] >= 0;
    }
    if (!positive || !(fabs(sum - 1) < 0.02)) return;
    for (int64_t i = 0; i < r->classes; i++) v[i] = log(v[i] > 1e-30 ? v[i] : 1e-30);
}

static int64_t largest(const double *v, int64_t n, int64_t but) {
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if (i != but && (best < 0 || v[i] > v[best])) best = i;
    return best;
}

static double log_sum(const double *v, int64_t n, double top) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) sum += exp(v[i] - top);
    return top + log(sum);
}

static double divergence(const double *p, const double *q, int64_t n, double top_p, double top_q) {
    double lp = log_sum(p, n, top_p), lq = log_sum(q, n, top_q), sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double a = p[i] - lp;
        if (a > -80) sum += exp(a) * (a - (q[i] - lq));
    }
    return sum > 0 ? sum : 0;
}

static void compare_row(whet_figures *f, const double *p, const double *q, int64_t n,
                        const int64_t *label) {
    int64_t top = largest(p, n, -1), next = largest(p, n, top), now = largest(q, n, -1);
    double moved = (q[top] - q[next]) - (p[top] - p[next]);
    f->decisions++;
    f->changed += now != top;
    f->sigma += isfinite(moved) ? moved * moved : INFINITY;
    f->kl += divergence(p, q, n, p[top], q[now]);
    if (!label) return;
    f->lost += top == *label && now != *label;
    f->won += top != *label && now == *label;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

// Labels count when there is one for each row.
static bool has_labels(const whet_sample_batch *b, const rows *r) {
    return b->labels && b->n_labels == r->rows;
}

static whet_status find_margins(whet_accuracy *a, int32_t out, whet_error *err) {
    whet_margins *m = &a->margins;
    int64_t all = 0, classes = 0;
    rows r;
    if (m->v) return WHET_OK;
    a->labelled = true;
    for (int32_t i = 0; i < a->n_batches; i++) {
        if (!find_rows(&a->batches[i].reference[out], &r)) continue;
        all += r.rows;
        classes = r.classes > classes ? r.classes : classes;
        a->labelled = a->labelled && has_labels(&a->batches[i], &r);
    }
    m->v = WHET_NEW_ARRAY(&a->arena, double, all + 1);
    double *p = WHET_NEW_ARRAY(&a->arena, double, classes + 1);
    if (!m->v || !p) return WHET_NOMEM(err);
    m->rows = all;
    for (int32_t i = 0; i < a->n_batches; i++) {
        const whet_sample_batch *b = &a->batches[i];
        if (!find_rows(&b->reference[out], &r)) continue;
        for (int64_t k = 0; k < r.rows; k++) {
            load_row(&b->reference[out], &r, k, p);
            int64_t top = largest(p, r.classes, -1);
            double margin = p[top] - p[largest(p, r.classes, top)];
            if (isfinite(margin) && (!a->labelled || b->labels[k] == top)) m->v[m->n++] = margin;
        }
    }
    qsort(m->v, (size_t)m->n, sizeof *m->v, by_value);
    return WHET_OK;
}

static whet_status compare_rows(whet_accuracy *a, int32_t out, int32_t n, whet_figures *f,
                                whet_error *err) {
    WHET_TRY(find_margins(a, out, err));
    double *p = NULL, *q = NULL;
    int64_t room = 0;
    for (int32_t i = 0; i < n; i++) {
        const whet_sample_batch *b = &a->batches[i];
        rows r;
        if (!find_rows(&b->reference[out], &r)) continue;
        if (r.classes > room) {
            room = r.classes;
            p = WHET_NEW_ARRAY(&a->arena, double, room);
            q = WHET_NEW_ARRAY(&a->arena, double, room);
            if (!p || !q) return WHET_NOMEM(err);
        }
        for (int64_t k = 0; k < r.rows; k++) {
            load_row(&b->reference[out], &r, k, p);
            load_row(&b->outputs[out], &r, k, q);
            compare_row(f, p, q, r.classes, a->labelled ? &b->labels[k] : NULL);
        }
    }
    f->labelled = a->labelled;
    if (!f->decisions) return WHET_OK;
    f->sigma = sqrt(f->sigma / (double)f->decisions);
    f->kl /= (double)f->decisions;
    f->expected = whet_margins_expect(&a->margins, f->sigma);
    if (f->labelled) whet_interval_paired(f->lost, f->won, f->decisions, &f->low, &f->high);
    else whet_interval_wilson(f->changed, f->decisions, &f->low, &f->high);
    return WHET_OK;
}

typedef struct {
    double signal, noise; // of everything
    double aa, bb, ab;    // of the sample
} sums;

static void add_slice(sums *s, const whet_tensor *a, const whet_tensor *b, int64_t from,
                      int64_t to) {
    for (int64_t i = from; i < to; i++) {
        double x = whet_load_f64(a->data, a->dtype, i), y = whet_load_f64(b->data, b->dtype, i);
        s->aa += x * x, s->bb += y * y, s->ab += x * y;
        s->noise += (x - y) * (x - y);
    }
}

static void compare_samples(whet_accuracy *a, const whet_sample_batch *b, sums *s,
                            whet_figures *f) {
    for (int64_t k = 0; k < b->samples; k++) {
        s->aa = s->bb = s->ab = 0;
        for (int32_t o = 0; o < a->n_outputs; o++) {
            const whet_tensor *t = &b->reference[o];
            if (!whet_dtype_is_float(t->dtype)) continue;
            int64_t count = whet_dims_count(t->dims, t->rank);
            bool sliced = t->rank > 0 && t->dims[0] == b->samples;
            if (!sliced && k) continue; // all of it counts with the first
            int64_t each = sliced ? count / b->samples : count;
            add_slice(s, t, &b->outputs[o], k * each, (k + 1) * each);
        }
        s->signal += s->aa;
        double size = sqrt(s->aa) * sqrt(s->bb);
        double cosine = size > 0 ? s->ab / size : s->aa == s->bb ? 1 : 0;
        f->cosine = cosine >= f->cosine ? f->cosine : isnan(cosine) ? -1 : cosine;
    }
}

static whet_status ask_metric(whet_accuracy *a, int32_t n, whet_figures *f, whet_error *err) {
    const whet_config *c = a->x->c;
    const whet_tensor **v = WHET_NEW_ARRAY(&a->arena, const whet_tensor *, 2 * (int64_t)n + 1);
    if (!v) return WHET_NOMEM(err);
    for (int32_t i = 0; i < n; i++) {
        v[i] = a->batches[i].reference;
        v[n + i] = a->batches[i].outputs;
    }
    f->metric_float = c->metric(c->metric_user, a->names, v, v, n, a->n_outputs);
    f->metric = c->metric(c->metric_user, a->names, v, v + n, n, a->n_outputs);
    if (isnan(f->metric) || isnan(f->metric_float))
        WHET_FAIL(err, WHET_E_CANCELLED, "the metric gave no number: the build was cancelled");
    return WHET_OK;
}

whet_status whet_accuracy_compare(whet_accuracy *a, int64_t most, whet_figures *f,
                                  whet_error *err) {
    int32_t out = deciding_output(a), n = 0;
    int64_t done = 0;
    sums s = {0};
    *f = (whet_figures){.cosine = 1, .high = 1};
    for (; n < a->n_batches && (!most || done < most); n++) {
        compare_samples(a, &a->batches[n], &s, f);
        done += a->batches[n].samples;
    }
    f->noise = s.signal > 0 ? s.noise / s.signal : s.noise > 0 ? INFINITY : 0;
    if (isnan(f->noise)) f->noise = INFINITY;
    if (out >= 0) WHET_TRY(compare_rows(a, out, n, f, err));
    bool classes = a->budget.kind == WHET_BUDGET_TOP1 || a->budget.kind == WHET_BUDGET_KL;
    if (classes && !f->decisions)
        WHET_FAIL(err, WHET_E_INVALID, "option accuracy: no output holds classes to choose from; "
                  "state a budget as cosine:0.999 or snr:30dB");
    return a->x->c->metric && !most ? ask_metric(a, n, f, err) : WHET_OK;
}

// SPDX-License-Identifier: Apache-2.0
// Budgets, and what can be said from so many samples.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "build/accuracy.h"

#define Z 1.959964 // 95 % of a normal distribution lie within +-Z

// ---- budgets ----

static const struct {
    const char *name;
    whet_budget_kind kind;
    double least, most;
    bool metric;
} kinds[] = {
    {"top1", WHET_BUDGET_TOP1, 0, 1, false},
    {"cosine", WHET_BUDGET_COSINE, -1, 1, false},
    {"snr", WHET_BUDGET_SNR, -100, 300, false},
    {"kl", WHET_BUDGET_KL, 0, INFINITY, false},
    {"drop", WHET_BUDGET_DROP, 0, INFINITY, true},
    {"least", WHET_BUDGET_LEAST, -INFINITY, INFINITY, true},
};

static whet_status bad_budget(const char *text, bool metric, whet_error *err) {
    WHET_FAIL(err, WHET_E_INVALID,
              metric ? "option accuracy: \"%s\", expected of the metric given 0.5%%, drop:NUMBER "
                       "or least:NUMBER"
                     : "option accuracy: \"%s\", expected 0.1%%, top1:0.1%%, cosine:0.999, "
                       "snr:30dB or kl:0.01; drop: and least: need a metric", text);
}

whet_status whet_budget_parse(const char *text, bool metric, whet_budget *b, whet_error *err) {
    const char *colon = strchr(text, ':'), *number = colon ? colon + 1 : text;
    char *end;
    int32_t kind = -1;
    for (int32_t i = 0; colon && i < WHET_COUNT(kinds); i++)
        if (strlen(kinds[i].name) == (size_t)(colon - text) &&
            !strncmp(kinds[i].name, text, (size_t)(colon - text)))
            kind = i;
    double v = strtod(number, &end);
    if (end == number || isnan(v) || (colon && (kind < 0 || kinds[kind].metric != metric)))
        return bad_budget(text, metric, err);
    bool percent = *end == '%';
    if (percent) v /= 100, end++;
    *b = (whet_budget){colon ? kinds[kind].kind : metric ? WHET_BUDGET_PART : WHET_BUDGET_TOP1, v};
    if (percent && b->kind == WHET_BUDGET_DROP) b->kind = WHET_BUDGET_PART;
    bool part = b->kind == WHET_BUDGET_TOP1 || b->kind == WHET_BUDGET_PART;
    if (b->kind == WHET_BUDGET_SNR && !strcmp(end, "dB")) end += 2;
    double least = colon ? kinds[kind].least : 0, most = colon ? kinds[kind].most : 1;
    if (*end || percent != part || !(v >= least && v <= most)) return bad_budget(text, metric, err);
    return WHET_OK;
}

// ---- statistics ----

double whet_margins_expect(const whet_margins *m, double sigma) {
    if (!m->n || !(sigma > 0)) return 0;
    double sum = 0;
    for (int64_t i = 0; i < m->n && m->v[i] < 6 * sigma; i++)
        sum += 0.5 * erfc(m->v[i] / sigma * M_SQRT1_2);
    // where few margins are as small as sigma, the density of the smallest ones tells more
    int64_t k = (int64_t)ceil(sqrt((double)m->n));
    if (m->v[k - 1] > 3 * sigma) {
        double density = (double)k / m->v[k - 1];
        double smooth = density * sigma * 0.3989423; // half of the mean magnitude
        sum = sum > smooth ? sum : smooth;
    }
    return sum / (double)m->rows;
}

// E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of
// the American Statistical Association 22, 1927.
void whet_interval_wilson(int64_t k, int64_t n, double *low, double *high) {
    *low = 0, *high = 1;
    if (n <= 0) return;
    double p = (double)k / (double)n, z2 = Z * Z / (double)n;
    double mid = (p + z2 / 2) / (1 + z2);
    double half = Z * sqrt(p * (1 - p) / (double)n + z2 / (4 * (double)n)) / (1 + z2);
    *low = k ? fmax(mid - half, 0) : 0;
    *high = fmin(mid + half, 1);
}

// A. Agresti, Y. Min, Simple improved confidence intervals for comparing matched proportions,
// Statistics in Medicine 24, 2005: half a count is added to each of the four.
void whet_interval_paired(int64_t lost, int64_t won, int64_t n, double *low, double *high) {
    *low = -1, *high = 1;
    if (n <= 0) return;
    double b = (double)lost + 0.5, c = (double)won + 0.5, all = (double)n + 2;
    double d = (b - c) / all, half = Z * sqrt((b + c) - (b - c) * (b - c) / all) / all;
    *low = fmax(d - half, -1);
    *high = fmin(d + half, 1);
}

// ---- judging ----

static double loss_of(const whet_figures *f) {
    int64_t k = f->labelled ? f->lost - f->won : f->changed;
    return f->decisions ? (double)k / (double)f->decisions : 0;
}

bool whet_budget_holds(const whet_budget *b, const whet_figures *f) {
    switch (b->kind) {
    case WHET_BUDGET_TOP1:
        // too fine to be counted: what is expected decides, unless what was seen speaks against it
        return whet_budget_is_fine(b, f) ? f->expected <= b->limit && f->low <= b->limit
                                         : loss_of(f) <= b->limit;
    case WHET_BUDGET_COSINE: return f->cosine >= b->limit;
    case WHET_BUDGET_SNR: return f->noise <= pow(10, -b->limit / 10);
    case WHET_BUDGET_KL: return f->kl <= b->limit;
    case WHET_BUDGET_DROP: return f->metric >= f->metric_float - b->limit;
    case WHET_BUDGET_PART: return f->metric >= f->metric_float - b->limit * fabs(f->metric_float);
    case WHET_BUDGET_LEAST: return f->metric >= b->limit;
    }
    return false;
}

// Largest part of sigma at which no more changes are expected than allowed.
static double part_of_sigma(const whet_budget *b, const whet_figures *f, const whet_margins *m) {
    double low = 0, high = 1;
    if (whet_margins_expect(m, f->sigma) <= b->limit) return 1;
    for (int32_t i = 0; i < 30; i++) {
        double mid = (low + high) / 2;
        if (whet_margins_expect(m, mid * f->sigma) <= b->limit) low = mid;
        else high = mid;
    }
    return low;
}

static double ratio(double allowed, double seen) {
    if (seen <= allowed) return 1;
    return allowed > 0 ? allowed / seen : 0;
}

double whet_budget_room(const whet_budget *b, const whet_figures *f, const whet_margins *m) {
    double part = 0.5, loss = loss_of(f);
    if (whet_budget_holds(b, f)) return 1;
    switch (b->kind) {
    case WHET_BUDGET_TOP1: // changes go with the root of the noise
        part = whet_budget_is_fine(b, f) ? part_of_sigma(b, f, m) : ratio(b->limit, loss);
        return part < 1 ? part * part : 0.5;
    case WHET_BUDGET_COSINE: return ratio(1 - b->limit, 1 - f->cosine);
    case WHET_BUDGET_SNR: return ratio(pow(10, -b->limit / 10), f->noise);
    case WHET_BUDGET_KL: return ratio(b->limit, f->kl);
    case WHET_BUDGET_DROP: part = ratio(b->limit, f->metric_float - f->metric); break;
    case WHET_BUDGET_PART:
        part = ratio(b->limit * fabs(f->metric_float), f->metric_float - f->metric);
        break;
    case WHET_BUDGET_LEAST:
        part = ratio(f->metric_float - b->limit, f->metric_float - f->metric);
        break;
    }
    return part < 0.25 ? 0.25 : part > 0.8 ? 0.8 : part; // of what a figure is made is not known
}

// SPDX-License-Identifier: Apache-2.0
#include "ops/number_text.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// ---- printing ----

static double as_stored(double v, whet_dtype dtype) {
    uint64_t room = 0;
    whet_store_f64(&room, dtype, 0, v);
    return whet_load_f64(&room, dtype, 0);
}

// d.ddde-xx to digits alone, their number in *n; gives the exponent.
static int digits_of(char *text, int *n) {
    int exponent = atoi(strchr(text, 'e') + 1);
    *n = 0;
    for (const char *p = text; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9') text[(*n)++] = *p;
    while (*n > 1 && text[*n - 1] == '0') --*n;
    return exponent;
}

static size_t print_plain(char *to, const char *digits, int n, int exponent) {
    size_t at = 0;
    for (int k = exponent < 0 ? exponent : 0; k < n || k <= exponent + 1; k++) {
        if (k == exponent + 1) to[at++] = '.';
        to[at++] = k >= 0 && k < n ? digits[k] : '0';
    }
    return at;
}

static size_t print_real(char *to, double v, whet_dtype dtype) {
    char text[WHET_NUMBER_TEXT];
    size_t at = 0;
    int n, precision = 0;
    if (isnan(v)) return (size_t)snprintf(to, WHET_NUMBER_TEXT, "nan");
    if (signbit(v)) to[at++] = '-';
    v = fabs(v);
    if (isinf(v)) return at + (size_t)snprintf(to + at, WHET_NUMBER_TEXT - at, "inf");
    do snprintf(text, sizeof text, "%.*e", precision, v);
    while (precision++ < 16 && as_stored(strtod(text, NULL), dtype) != v);
    int exponent = digits_of(text, &n);
    if (exponent >= -4 && exponent < 16) return at + print_plain(to + at, text, n, exponent);
    to[at++] = text[0];
    if (n > 1) to[at++] = '.';
    for (int k = 1; k < n; k++) to[at++] = text[k];
    return at + (size_t)snprintf(to + at, WHET_NUMBER_TEXT - at, "e%+03d", exponent);
}

size_t whet_number_print(char to[WHET_NUMBER_TEXT], const void *data, whet_dtype dtype, int64_t i) {
    if (whet_dtype_is_float(dtype)) return print_real(to, whet_load_f64(data, dtype, i), dtype);
    if (dtype == WHET_DTYPE_BOOL)
        return (size_t)snprintf(to, WHET_NUMBER_TEXT, "%s",
                                whet_load_i64(data, dtype, i) ? "True" : "False");
    if (dtype == WHET_DTYPE_U64)
        return (size_t)snprintf(to, WHET_NUMBER_TEXT, "%" PRIu64, whet_load_u64(data, dtype, i));
    return (size_t)snprintf(to, WHET_NUMBER_TEXT, "%" PRId64, whet_load_i64(data, dtype, i));
}

// ---- parsing ----

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static whet_text trimmed(whet_text t) {
    while (t.size && is_space(*t.data)) t.data++, t.size--;
    while (t.size && is_space(t.data[t.size - 1])) t.size--;
    return t;
}

static bool same_word(whet_text t, const char *lower) {
    size_t n = strlen(lower);
    for (size_t i = 0; i < t.size && i < n; i++)
        if ((t.data[i] | 0x20) != lower[i]) return false;
    return t.size == n;
}

static size_t skip_digits(whet_text t, size_t at) {
    while (at < t.size && is_digit(t.data[at])) at++;
    return at;
}

// Whether it is [sign] digits [. digits] [e [sign] digits], and whether it is digits alone.
static bool is_decimal(whet_text t, bool *whole) {
    size_t at = t.size && (*t.data == '-' || *t.data == '+'), begin = at;
    at = skip_digits(t, at);
    size_t digits = at - begin;
    *whole = digits && at == t.size;
    if (at < t.size && t.data[at] == '.') {
        size_t end = skip_digits(t, at + 1);
        digits += end - at - 1;
        at = end;
    }
    if (!digits) return false;
    if (at < t.size && (t.data[at] | 0x20) == 'e') {
        at++;
        if (at < t.size && (t.data[at] == '-' || t.data[at] == '+')) at++;
        begin = at;
        at = skip_digits(t, at);
        if (at == begin) return false;
    }
    return at == t.size;
}

static bool read_special(whet_text t, double *v) {
    bool negative = t.size && *t.data == '-', sign = negative || (t.size && *t.data == '+');
    whet_text word = {t.data + sign, t.size - sign};
    if (same_word(word, "inf") || same_word(word, "infinity"))
        *v = negative ? -(double)INFINITY : (double)INFINITY;
    else if (same_word(word, "nan")) *v = (double)NAN;
    else return false;
    return true;
}

// Whole numbers go the exact way; those that do not fit 64 bits as reals, which saturate.
static bool store_whole(const char *text, void *data, whet_dtype dtype, int64_t i) {
    errno = 0;
    if (dtype == WHET_DTYPE_U64) {
        uint64_t v = strtoull(text, NULL, 10);
        if (errno || *text == '-') return false;
        whet_store_u64(data, dtype, i, v);
        return true;
    }
    int64_t v = strtoll(text, NULL, 10);
    if (errno || !whet_dtype_is_int(dtype)) return false;
    whet_store_i64(data, dtype, i, v);
    return whet_load_i64(data, dtype, i) == v;
}

bool whet_number_parse(whet_text text, void *data, whet_dtype dtype, int64_t i) {
    char copy[1024];
    double v;
    bool whole;
    text = trimmed(text);
    if (dtype == WHET_DTYPE_BOOL && (same_word(text, "true") || same_word(text, "false"))) {
        whet_store_i64(data, dtype, i, (*text.data | 0x20) == 't');
        return true;
    }
    if (read_special(text, &v)) {
        whet_store_f64(data, dtype, i, v);
        return true;
    }
    if (!is_decimal(text, &whole) || text.size >= sizeof copy) return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    if (!whole || !store_whole(copy, data, dtype, i)) {
        // in one rounding where the machine has it
        v = dtype == WHET_DTYPE_F32 ? (double)strtof(copy, NULL) : strtod(copy, NULL);
        whet_store_f64(data, dtype, i, v);
    }
    return true;
}

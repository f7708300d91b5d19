// SPDX-License-Identifier: Apache-2.0
// Values as text: numbers, texts, and what sequences, optionals and maps hold.
#include <math.h>
#include <string.h>

#include "cli_file.h"

static double half_value(uint16_t h) {
    double sign = h & 0x8000 ? -1 : 1;
    int e = h >> 10 & 31, m = h & 0x3ff;
    if (e == 31) return m ? NAN : sign * INFINITY;
    return sign * (e ? ldexp(1024 + m, e - 25) : ldexp(m, -24));
}

bool whet_cli_is_number(whet_dtype dtype) {
    return dtype == WHET_DTYPE_F16 || dtype == WHET_DTYPE_BF16 || dtype == WHET_DTYPE_F32 ||
           dtype == WHET_DTYPE_F64 || dtype == WHET_DTYPE_BOOL || whet_cli_is_int(dtype);
}

double whet_cli_value(const whet_tensor *t, int64_t i) {
    uint32_t bits;
    float v;
    switch (t->dtype) {
    case WHET_DTYPE_F32: return (double)((const float *)t->data)[i];
    case WHET_DTYPE_F64: return ((const double *)t->data)[i];
    case WHET_DTYPE_F16: return half_value(((const uint16_t *)t->data)[i]);
    case WHET_DTYPE_BF16:
        bits = (uint32_t)((const uint16_t *)t->data)[i] << 16;
        memcpy(&v, &bits, sizeof v);
        return (double)v;
    case WHET_DTYPE_U8:
    case WHET_DTYPE_BOOL: return ((const uint8_t *)t->data)[i];
    case WHET_DTYPE_I8: return ((const int8_t *)t->data)[i];
    case WHET_DTYPE_U16: return ((const uint16_t *)t->data)[i];
    case WHET_DTYPE_I16: return ((const int16_t *)t->data)[i];
    case WHET_DTYPE_U32: return ((const uint32_t *)t->data)[i];
    case WHET_DTYPE_I32: return ((const int32_t *)t->data)[i];
    case WHET_DTYPE_U64: return (double)((const uint64_t *)t->data)[i];
    case WHET_DTYPE_I64: return (double)((const int64_t *)t->data)[i];
    default: break;
    }
    return NAN;
}

static void print_value(FILE *out, const whet_tensor *t, int64_t i) {
    if (t->dtype == WHET_DTYPE_I64)
        fprintf(out, "%lld", (long long)((const int64_t *)t->data)[i]);
    else if (t->dtype == WHET_DTYPE_U64)
        fprintf(out, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    else if (t->dtype == WHET_DTYPE_STRING)
        whet_cli_print_json_text(out, ((const whet_text *)t->data)[i]);
    else if (t->dtype == WHET_DTYPE_C64)
        fprintf(out, "%.6g%+.6gi", (double)((const float *)t->data)[2 * i],
                (double)((const float *)t->data)[2 * i + 1]);
    else if (t->dtype == WHET_DTYPE_C128)
        fprintf(out, "%.6g%+.6gi", ((const double *)t->data)[2 * i],
                ((const double *)t->data)[2 * i + 1]);
    else if (whet_cli_is_number(t->dtype))
        fprintf(out, "%.6g", whet_cli_value(t, i));
    else
        fputc('?', out);
}

static int64_t count(const whet_tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dims[d];
    return n;
}

static void print_tensor(FILE *out, const whet_tensor *t, int64_t most) {
    char type[512];
    whet_cli_print_type(type, sizeof type, t->dtype, t->rank, t->dims, NULL);
    fprintf(out, "%s:", type);
    int64_t n = count(t);
    for (int64_t i = 0; i < n && i < most; i++) {
        fputc(' ', out);
        print_value(out, t, i);
    }
    fputs(n > most ? " ...\n" : "\n", out);
}

static void print_any(FILE *out, const whet_tensor *t, int64_t most, int depth);

static void print_item(FILE *out, const whet_object *o, int64_t i, int64_t most, int depth) {
    whet_tensor item;
    if (whet_object_item(o, i, &item) == WHET_OK) print_any(out, &item, most, depth);
    else fputs("?\n", out);
}

static void print_map(FILE *out, const whet_object *o, int64_t most, int depth) {
    whet_tensor keys, values;
    if (whet_object_item(o, 0, &keys) || whet_object_item(o, 1, &values)) return;
    int64_t n = count(&keys);
    fprintf(out, "map of %lld\n", (long long)n);
    for (int64_t i = 0; i < n && i < most; i++) {
        fprintf(out, "%*s", 2 * depth + 2, "");
        print_value(out, &keys, i);
        fputs(": ", out);
        print_value(out, &values, i);
        fputc('\n', out);
    }
    if (n > most) fprintf(out, "%*s...\n", 2 * depth + 2, "");
}

static void print_object(FILE *out, const whet_object *o, int64_t most, int depth) {
    int64_t n = whet_object_count(o);
    switch (whet_object_kind(o)) {
    case WHET_DTYPE_OPTIONAL:
        fputs(n ? "optional, " : "optional, empty\n", out);
        if (n) print_item(out, o, 0, most, depth);
        return;
    case WHET_DTYPE_MAP: print_map(out, o, most, depth); return;
    default: break;
    }
    fprintf(out, "sequence of %lld\n", (long long)n);
    for (int64_t i = 0; i < n && i < most; i++) {
        fprintf(out, "%*s[%lld] ", 2 * depth + 2, "", (long long)i);
        print_item(out, o, i, most, depth + 1);
    }
    if (n > most) fprintf(out, "%*s...\n", 2 * depth + 2, "");
}

static void print_any(FILE *out, const whet_tensor *t, int64_t most, int depth) {
    if (whet_cli_is_object(t->dtype)) print_object(out, *(whet_object **)t->data, most, depth);
    else print_tensor(out, t, most);
}

void whet_cli_print_tensor(FILE *out, const char *name, const whet_tensor *t, int64_t most) {
    fprintf(out, "%s ", name);
    print_any(out, t, most, 0);
}

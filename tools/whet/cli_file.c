// SPDX-License-Identifier: Apache-2.0
#include "cli_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void *fail_read(FILE *f, void *data, const char *path, const char *why) {
    whet_cli_fail("%s: cannot read: %s", path, why);
    if (f) fclose(f);
    free(data);
    return NULL;
}

void *whet_cli_read_file(const char *path, size_t *size) {
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    size_t cap = 0;
    struct stat st;
    if (!f) return fail_read(NULL, NULL, path, strerror(errno));
    if (fstat(fileno(f), &st) || S_ISDIR(st.st_mode)) return fail_read(f, data, path, "a folder");
    *size = 0;
    do {
        if (*size == cap) {
            cap = cap ? cap * 2 : S_ISREG(st.st_mode) ? (size_t)st.st_size + 1 : 65536;
            char *grown = realloc(data, cap);
            if (!grown) return fail_read(f, data, path, "out of memory");
            data = grown;
        }
        *size += fread(data + *size, 1, cap - *size, f);
    } while (!feof(f) && !ferror(f));
    if (ferror(f)) return fail_read(f, data, path, strerror(errno));
    fclose(f);
    return data;
}

static bool write_all(FILE *f, const void *const *pieces, const size_t *sizes, int n) {
    for (int i = 0; i < n; i++)
        if (sizes[i] && fwrite(pieces[i], 1, sizes[i], f) != sizes[i]) return false;
    return !fflush(f);
}

// Pipes and devices are written where they are.
static bool write_in_place(const char *path, const void *const *pieces, const size_t *sizes,
                           int n) {
    FILE *f = fopen(path, "wb");
    bool good = f && write_all(f, pieces, sizes, n);
    if (f && fclose(f)) good = false;
    if (!good) whet_cli_fail("%s: cannot write: %s", path, strerror(errno));
    return good;
}

bool whet_cli_write_file(const char *path, const void *const *pieces, const size_t *sizes, int n) {
    struct stat st;
    if (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return write_in_place(path, pieces, sizes, n);
    char *name = malloc(strlen(path) + 8);
    if (!name) return whet_cli_fail("out of memory"), false;
    sprintf(name, "%s.XXXXXX", path);
    int fd = mkstemp(name);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    bool good = f && !fchmod(fd, 0644) && write_all(f, pieces, sizes, n) && !fsync(fd);
    int code = errno;
    if (f && fclose(f) && good) {
        good = false;
        code = errno;
    }
    if (good && rename(name, path)) {
        good = false;
        code = errno;
    }
    if (!good) {
        whet_cli_fail("%s: cannot write: %s", path, strerror(code));
        if (fd >= 0) unlink(name);
    }
    free(name);
    return good;
}

// ---- .npy ----

static const struct {
    const char *text;
    whet_dtype dtype;
} kinds[] = {
    {"f4", WHET_DTYPE_F32}, {"f8", WHET_DTYPE_F64}, {"f2", WHET_DTYPE_F16}, {"u1", WHET_DTYPE_U8},
    {"i1", WHET_DTYPE_I8},  {"u2", WHET_DTYPE_U16}, {"i2", WHET_DTYPE_I16}, {"u4", WHET_DTYPE_U32},
    {"i4", WHET_DTYPE_I32}, {"u8", WHET_DTYPE_U64}, {"i8", WHET_DTYPE_I64}, {"b1", WHET_DTYPE_BOOL},
    {"V2", WHET_DTYPE_BF16}, // NumPy has no bfloat16; packages that add it write it so
};

bool whet_cli_is_npy(const char *path) {
    size_t n = strlen(path);
    return n >= 4 && !strcmp(path + n - 4, ".npy");
}

static bool bad_npy(const char *path, const char *why) {
    whet_cli_fail("%s: %s", path, why);
    return false;
}

static const char *after(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? at + strlen(key) + strspn(at + strlen(key), " :") : "";
}

static bool parse_header(const char *path, const char *text, whet_tensor *t) {
    const char *descr = after(text, "'descr'"), *order = after(text, "'fortran_order'");
    const char *shape = after(text, "'shape'");
    if (*descr != '\'' || !*order || *shape != '(') return bad_npy(path, "bad .npy header");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (!strncmp(descr + 2, kinds[i].text, 2) && descr[4] == '\'') t->dtype = kinds[i].dtype;
    if (!t->dtype || !strchr("<|=", descr[1]))
        return whet_cli_fail("%s: the type %.*s of its values is not supported", path,
                             (int)strcspn(descr, ","), descr), false;
    t->rank = 0;
    for (const char *p = shape + 1; *p && *p != ')';) {
        char *end;
        p += strspn(p, " ,");
        if (*p == ')') break;
        errno = 0;
        long long n = strtoll(p, &end, 10);
        if (end == p || n < 0 || errno || t->rank == WHET_MAX_RANK)
            return bad_npy(path, "bad shape in the .npy header");
        t->dims[t->rank++] = n;
        p = end;
    }
    if (!strncmp(order, "True", 4) && t->rank > 1)
        return bad_npy(path, "its values are in Fortran order; save numpy.ascontiguousarray(x)");
    return true;
}

bool whet_cli_parse_npy(const char *path, void *bytes, size_t size, whet_tensor *t) {
    const unsigned char *b = bytes;
    *t = (whet_tensor){0};
    if (size < 12 || memcmp(b, "\x93NUMPY", 6)) return bad_npy(path, "this is no .npy file");
    size_t head = b[6] == 1 ? 10 : 12;
    size_t n = b[8] | (size_t)b[9] << 8;
    if (b[6] > 1) n |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    if (b[6] < 1 || b[6] > 3) return bad_npy(path, "unknown version of the .npy format");
    if (n > size - head || n > 65536) return bad_npy(path, "the .npy header is truncated");
    char *text = calloc(1, n + 1);
    if (!text) return bad_npy(path, "out of memory");
    memcpy(text, b + head, n);
    bool good = parse_header(path, text, t);
    free(text);
    if (!good) return false;
    int64_t count = 1;
    for (int32_t d = 0; d < t->rank; d++)
        if (__builtin_mul_overflow(count, t->dims[d], &count)) return bad_npy(path, "too large");
    t->bytes = whet_tensor_bytes(t->dtype, count);
    t->data = (char *)bytes + head + n;
    if (t->bytes != size - head - n)
        return whet_cli_fail("%s: its shape needs %zu bytes of values, it has %zu", path, t->bytes,
                             size - head - n), false;
    return true;
}

size_t whet_cli_npy_head(const char *path, const whet_tensor *t, char *head) {
    const char *kind = NULL;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].dtype == t->dtype) kind = kinds[i].text;
    if (!kind) return bad_npy(path, "values of this type cannot be written as .npy"), 0;
    char dims[WHET_MAX_RANK * 22 + 1] = "";
    size_t at = 0;
    for (int32_t d = 0; d < t->rank; d++)
        at += (size_t)snprintf(dims + at, sizeof dims - at, "%lld,%s", (long long)t->dims[d],
                               d + 1 < t->rank ? " " : "");
    char order = whet_tensor_bytes(t->dtype, 1) == 1 ? '|' : '<';
    int n = snprintf(head + 10, WHET_CLI_NPY_HEAD - 10,
                     "{'descr': '%c%s', 'fortran_order': False, 'shape': (%s), }", order, kind,
                     dims);
    size_t total = ((size_t)n + 11 + 63) & ~(size_t)63; // values start at a multiple of 64
    memset(head + 10 + n, ' ', total - 10 - (size_t)n);
    head[total - 1] = '\n';
    memcpy(head, "\x93NUMPY\x01", 8);
    head[8] = (char)((total - 10) & 255);
    head[9] = (char)((total - 10) >> 8);
    return total;
}

bool whet_cli_write_npy(const char *path, const whet_tensor *t) {
    char head[WHET_CLI_NPY_HEAD];
    size_t n = whet_cli_npy_head(path, t, head);
    const void *pieces[] = {head, t->data};
    size_t sizes[] = {n, t->bytes};
    return n && whet_cli_write_file(path, pieces, sizes, 2);
}

// ---- lines ----

bool whet_cli_parse_lines(const char *path, void **memory, size_t size, whet_tensor *t) {
    const char *p = *memory, *end = p + size;
    int64_t n = 0;
    for (const char *at = p; at < end; n++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        at = stop ? stop + 1 : end;
    }
    size_t begin = (size + sizeof(whet_text) - 1) / sizeof(whet_text) * sizeof(whet_text);
    char *grown = realloc(*memory, begin + ((size_t)n + 1) * sizeof(whet_text));
    if (!grown) return bad_npy(path, "out of memory");
    *memory = grown;
    whet_text *v = (whet_text *)(grown + begin);
    const char *at = grown;
    for (int64_t i = 0; i < n; i++) {
        const char *stop = memchr(at, '\n', (size_t)(grown + size - at));
        v[i] = (whet_text){at, (size_t)((stop ? stop : grown + size) - at)};
        at += v[i].size + 1;
    }
    *t = (whet_tensor){WHET_DTYPE_STRING, 1, {n}, v, (size_t)n * sizeof *v};
    return true;
}

bool whet_cli_write_lines(const char *path, const whet_tensor *t) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return bad_npy(path, "out of memory");
    const whet_text *v = t->data;
    for (size_t i = 0; i < t->bytes / sizeof *v; i++) {
        if (v[i].size) fwrite(v[i].data, 1, v[i].size, out);
        fputc('\n', out);
    }
    bool good = !fclose(out) || bad_npy(path, "out of memory");
    const void *piece = text;
    good = good && whet_cli_write_file(path, &piece, &size, 1);
    free(text);
    return good;
}

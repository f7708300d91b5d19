// SPDX-License-Identifier: Apache-2.0
// Layers, outputs and times, printed or as JSON in files.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec.h"

bool whet_exec_write_text(const char *path, FILE *stream, char **text, const size_t *size) {
    bool good = !ferror(stream);
    good = !fclose(stream) && good;
    if (!good) whet_cli_fail("out of memory");
    const void *data = *text;
    good = good && whet_cli_write_file(path, &data, size, 1);
    free(*text);
    return good;
}

bool whet_exec_write_times(const char *path, const whet_exec_trace *t) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return whet_cli_fail("out of memory"), false;
    fprintf(out, "[\n");
    for (int64_t i = 0; i < t->n; i++) {
        double a = t->v[i].begin * 1e3, ms = t->v[i].seconds * 1e3, b = a + ms;
        fprintf(out, "%s{ \"startEnqMs\" : %.9g, \"endEnqMs\" : %.9g, \"startH2dMs\" : %.9g, "
                "\"endH2dMs\" : %.9g, \"startComputeMs\" : %.9g, \"endComputeMs\" : %.9g, "
                "\"startD2hMs\" : %.9g, \"endD2hMs\" : %.9g, \"h2dMs\" : 0, \"computeMs\" : %.9g, "
                "\"d2hMs\" : 0, \"latencyMs\" : %.9g }\n", i ? ", " : "  ", a, b, a, a, a, b, b, b,
                ms, ms);
    }
    fprintf(out, "]\n");
    return whet_exec_write_text(path, out, &text, &size);
}

// ---- outputs ----

static int64_t count(const whet_tensor *t) {
    int64_t n = 1;
    for (int32_t d = 0; d < t->rank; d++) n *= t->dims[d];
    return n;
}

static void print_dims(FILE *out, const whet_tensor *t) {
    for (int32_t d = 0; d < t->rank; d++)
        fprintf(out, "%s%lld", d ? "x" : "", (long long)t->dims[d]);
}

// Numbers that JSON lacks are written as Python reads them.
static void print_value(FILE *out, const whet_tensor *t, int64_t i) {
    double v;
    if (t->dtype == WHET_DTYPE_I64)
        fprintf(out, "%lld", (long long)((const int64_t *)t->data)[i]);
    else if (t->dtype == WHET_DTYPE_U64)
        fprintf(out, "%llu", (unsigned long long)((const uint64_t *)t->data)[i]);
    else if (t->dtype == WHET_DTYPE_STRING)
        whet_cli_print_json_text(out, ((const whet_text *)t->data)[i]);
    else if (!whet_cli_is_number(t->dtype))
        fputs("null", out);
    else if (isfinite(v = whet_cli_value(t, i)))
        fprintf(out, "%.*g", t->dtype == WHET_DTYPE_F64 ? 17 : 10, v);
    else
        fputs(isnan(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity", out);
}

static bool write_outputs(const char *path, const whet_engine *engine, const whet_tensor *v,
                          int32_t n) {
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return whet_cli_fail("out of memory"), false;
    fprintf(out, "[\n");
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info = {.name = ""};
        whet_engine_output(engine, i, &info);
        fprintf(out, "%s{ \"name\" : ", i ? ", " : "  ");
        whet_cli_print_json_string(out, info.name);
        fprintf(out, ", \"dimensions\" : \"");
        print_dims(out, &v[i]);
        fprintf(out, "\", \"values\" : [");
        for (int64_t k = 0, m = count(&v[i]); k < m; k++) {
            fputs(k ? ", " : " ", out);
            print_value(out, &v[i], k);
        }
        fprintf(out, " ] }\n");
    }
    fprintf(out, "]\n");
    return whet_exec_write_text(path, out, &text, &size);
}

static void print_outputs(const whet_engine *engine, const whet_tensor *v, int32_t n) {
    whet_exec_info("Output Tensors:");
    for (int32_t i = 0; i < n; i++) {
        whet_io_info info = {.name = ""};
        whet_engine_output(engine, i, &info);
        printf("%s: (", info.name);
        print_dims(stdout, &v[i]);
        printf(")\n");
        for (int64_t k = 0, m = count(&v[i]); k < m; k++) {
            print_value(stdout, &v[i], k);
            putchar(k + 1 < m ? ' ' : '\n');
        }
    }
}

bool whet_exec_show_outputs(const whet_exec *e, whet_engine *engine, whet_context *context,
                            const whet_cli_inputs *in) {
    if (!e->dump_output && !e->output_file) return true;
    int32_t n = whet_engine_output_count(engine);
    whet_tensor *v = calloc((size_t)n + 1, sizeof *v);
    if (!v) return whet_cli_fail("out of memory"), false;
    whet_status status = whet_context_run(context, in->v, in->n, v, n);
    bool good = status == WHET_OK;
    if (!good) whet_cli_fail_status(status, context);
    if (good && e->dump_output) print_outputs(engine, v, n);
    if (good && e->output_file) good = write_outputs(e->output_file, engine, v, n);
    free(v);
    return good;
}

// ---- layers ----

// The name of the next object of the list at *at, with its quotes; 0 at the end of the list.
static int next_name(const char **at, const char **name) {
    int depth = 0, length = 0;
    for (const char *p = *at; *p; p++) {
        if (*p == '"') {
            const char *end = p + 1;
            while (*end && *end != '"') end += 1 + (*end == '\\' && end[1]);
            if (!*end) return 0;
            // the first member of each object is its name
            if (depth == 1 && !length && !strncmp(p, "\"name\":\"", 8)) {
                *name = p = end + 2;
                for (end = p + 1; *end && *end != '"';) end += 1 + (*end == '\\' && end[1]);
                if (!*end) return 0;
                length = (int)(end - *name) + 1;
            }
            p = end;
        } else if (*p == '{' || *p == '[') {
            depth++;
        } else if (*p == '}' || *p == ']') {
            if (--depth < 0) return 0;
            if (!depth && *p == '}') {
                *at = p + 1;
                return length;
            }
        }
    }
    return 0;
}

static void print_names(FILE *out, whet_engine *engine) {
    const char *at = strstr(whet_engine_inspect(engine, true), "\"layers\":["), *name = NULL;
    fprintf(out, "{\"Layers\": [");
    bool first = true;
    if (at) at += strlen("\"layers\":[");
    for (int n; at && (n = next_name(&at, &name)) > 0; first = false)
        fprintf(out, "%s%.*s", first ? "" : ",\n", n, name);
    fprintf(out, "],\n\"Bindings\": [");
    int32_t inputs = whet_engine_input_count(engine), outputs = whet_engine_output_count(engine);
    for (int32_t i = 0; i < inputs + outputs; i++) {
        whet_io_info info = {.name = ""};
        if (i < inputs) whet_engine_input(engine, i, &info);
        else whet_engine_output(engine, i - inputs, &info);
        fputs(i ? ",\n" : "", out);
        whet_cli_print_json_string(out, info.name);
    }
    fprintf(out, "]}\n");
}

static void print_layers(const whet_exec *e, FILE *out, whet_engine *engine) {
    if (!strcmp(e->verbosity, "detailed"))
        fprintf(out, "%s\n", whet_engine_inspect(engine, true));
    else
        print_names(out, engine);
}

bool whet_exec_show_layers(const whet_exec *e, whet_engine *engine) {
    if (e->dump_layers) {
        whet_exec_info("Layer Information:");
        print_layers(e, stdout, engine);
    }
    if (!e->layers_file) return true;
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    if (!out) return whet_cli_fail("out of memory"), false;
    print_layers(e, out, engine);
    return whet_exec_write_text(e->layers_file, out, &text, &size);
}

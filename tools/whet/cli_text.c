// SPDX-License-Identifier: Apache-2.0
// Printing of types and JSON.
#include <string.h>

#include "cli.h"

void whet_cli_print_type(char *text, size_t size, whet_dtype dtype, int32_t rank,
                         const int64_t *dims, const char *const *names) {
    size_t at = (size_t)snprintf(text, size, "%s[", whet_dtype_text(dtype));
    if (rank < 0 && at < size) at += (size_t)snprintf(text + at, size - at, "...");
    for (int32_t d = 0; d < rank && at < size; d++) {
        const char *comma = d ? "," : "";
        if (dims[d] >= 0)
            at += (size_t)snprintf(text + at, size - at, "%s%lld", comma, (long long)dims[d]);
        else
            at += (size_t)snprintf(text + at, size - at, "%s%s", comma,
                                   names && names[d] ? names[d] : "?");
    }
    if (at < size) snprintf(text + at, size - at, "]");
}

void whet_cli_print_json_text(FILE *out, whet_text text) {
    fputc('"', out);
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == '"' || c == '\\') fprintf(out, "\\%c", c);
        else if (c < 0x20) fprintf(out, "\\u%04x", c);
        else fputc(c, out);
    }
    fputc('"', out);
}

void whet_cli_print_json_string(FILE *out, const char *text) {
    whet_cli_print_json_text(out, (whet_text){text, strlen(text)});
}

// Lists of plain values stay on one line: "name: a, b"; objects are indented below their name.
void whet_cli_print_json_as_text(FILE *out, const char *json) {
    int depth = 0;
    bool in_list[64] = {false};
    for (const char *p = json; *p; p++) {
        if (*p == '"') {
            const char *end = p + 1;
            while (*end && *end != '"') end += 1 + (*end == '\\' && end[1]);
            bool name = *end == '"' && end[1] == ':';
            if (name) fprintf(out, "%*s", depth > 1 ? 2 * (depth - 1) : 0, "");
            fprintf(out, "%.*s", (int)(end - p - 1), p + 1);
            if (!*end) break;
            p = end;
        } else if (*p == ':') {
            bool nested = p[1] == '{' || (p[1] == '[' && p[2] == '{');
            fputs(nested ? ":" : ": ", out);
        } else if (*p == '{' || *p == '[') {
            if (*p == '{' && depth) fputc('\n', out);
            if (++depth < 64) in_list[depth] = *p == '[';
        } else if (*p == '}' || *p == ']') {
            depth--;
        } else if (*p == ',') {
            bool list = depth < 64 && in_list[depth] && p[1] != '{';
            fputs(list ? ", " : in_list[depth] ? "" : "\n", out);
        } else if (*p != ' ' && *p != '\n') {
            fputc(*p, out);
        }
    }
    fputc('\n', out);
}

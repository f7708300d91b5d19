// SPDX-License-Identifier: Apache-2.0
// Help and docs/cli.md, printed from the tables.
#include <string.h>

#include "cli.h"

#define COLUMN 28 // where the texts of options start
#define WIDTH 96

// The text from `column` on, broken at blanks.
static void print_wrapped(FILE *out, const char *text, int column) {
    int at = column;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (at + n > WIDTH && at > column) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        fprintf(out, "%.*s", n, text);
        at += n;
        text += n;
        if (*text) {
            text++;
            fputc(' ', out);
            at++;
        }
    }
    fputc('\n', out);
}

static void print_row(FILE *out, const char *left, const char *help) {
    int n = fprintf(out, "  %s", left);
    if (n + 2 > COLUMN) fprintf(out, "\n%*s", COLUMN, "");
    else fprintf(out, "%*s", COLUMN - n, "");
    print_wrapped(out, help, COLUMN);
}

static void option_text(const whet_cli_option *o, char *text, size_t size) {
    char letter[8] = "";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(text, size, "%s--%s%s%s", letter, o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
}

static void print_options(FILE *out, const whet_cli_option *o, int32_t n) {
    char left[128];
    for (int32_t i = 0; i < n; i++) {
        option_text(&o[i], left, sizeof left);
        print_row(out, left, o[i].help);
    }
}

static void setting_help(const whet_cli_setting *s, char *text, size_t size) {
    bool shown = *s->fallback && strcmp(s->fallback, "false");
    snprintf(text, size, "%s%s%s%s", s->help, shown ? " [" : "", shown ? s->fallback : "",
             shown ? "]" : "");
}

static bool is_global(const char *name) {
    int32_t n;
    const whet_cli_option *o = whet_cli_global_options(&n);
    for (int32_t i = 0; i < n; i++)
        if (!strcmp(o[i].name, name)) return true;
    return false;
}

static void print_settings(FILE *out) {
    whet_cli_setting s;
    const char *at = whet_config_help();
    char left[160], help[320];
    while (whet_cli_next_setting(&at, &s)) {
        if (is_global(s.name)) continue;
        snprintf(left, sizeof left, "--%s=%s", s.name, s.values);
        setting_help(&s, help, sizeof help);
        print_row(out, left, help);
    }
}

void whet_cli_print_command_help(FILE *out, const whet_cli_command *c) {
    fprintf(out, "usage: whet %s%s%s\n\n", c->name, *c->args ? " " : "", c->args);
    print_wrapped(out, c->summary, 0);
    if (c->notes) {
        fputc('\n', out);
        print_wrapped(out, c->notes, 0);
    }
    if (c->n_options) fprintf(out, "\noptions:\n");
    print_options(out, c->options, c->n_options);
    if (c->builds) {
        fprintf(out, "\noptions of the build:\n");
        print_settings(out);
    }
    int32_t n;
    const whet_cli_option *globals = whet_cli_global_options(&n);
    fprintf(out, "\noptions of every command:\n");
    print_options(out, globals, n);
}

void whet_cli_print_help(FILE *out) {
    fprintf(out,
            "whet turns a trained network into an engine tuned for this machine, and runs it.\n"
            "\nusage: whet COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n");
    int32_t n;
    const whet_cli_command *const *c = whet_cli_commands(&n);
    for (int32_t i = 0; i < n; i++) fprintf(out, "  %-10s %s\n", c[i]->name, c[i]->summary);
    fprintf(out, "\n`whet help COMMAND` describes one.\n");
}

// ---- docs/cli.md ----

static void markdown_row(FILE *out, const char *left, const char *help) {
    fprintf(out, "| `");
    for (const char *p = left; *p; p++) fprintf(out, *p == '|' ? "\\|" : "%c", *p);
    fprintf(out, "` | ");
    for (const char *p = help; *p; p++) fprintf(out, *p == '|' ? "\\|" : "%c", *p);
    fprintf(out, " |\n");
}

static void markdown_options(FILE *out, const whet_cli_option *o, int32_t n) {
    char left[128];
    fprintf(out, "\n| option | |\n| --- | --- |\n");
    for (int32_t i = 0; i < n; i++) {
        option_text(&o[i], left, sizeof left);
        markdown_row(out, left, o[i].help);
    }
}

static void markdown_settings(FILE *out) {
    whet_cli_setting s;
    const char *at = whet_config_help();
    char left[160], help[320];
    fprintf(out, "\n| option | |\n| --- | --- |\n");
    while (whet_cli_next_setting(&at, &s)) {
        if (is_global(s.name)) continue;
        snprintf(left, sizeof left, "--%s=%s", s.name, s.values);
        setting_help(&s, help, sizeof help);
        markdown_row(out, left, help);
    }
}

static void markdown_command(FILE *out, const whet_cli_command *c) {
    fprintf(out, "\n## whet %s\n\n", c->name);
    fprintf(out, "    whet %s%s%s\n\n%s\n", c->name, *c->args ? " " : "", c->args, c->summary);
    if (c->notes) fprintf(out, "\n%s\n", c->notes);
    if (c->builds) fprintf(out, "\nTakes the options of the build.\n");
    if (c->n_options) markdown_options(out, c->options, c->n_options);
}

void whet_cli_print_markdown(FILE *out) {
    fprintf(out,
            "# The command line\n\n"
            "`whet help --markdown` prints this page from the program's own tables.\n\n"
            "A failure is one sentence on standard error that says what and where; the exit "
            "code is then 1,\nor 2 when the command line itself is wrong. A file that a failed "
            "command would have written is\nnot there or as it was.\n");
    int32_t n;
    const whet_cli_option *globals = whet_cli_global_options(&n);
    fprintf(out, "\n## Options of every command\n");
    markdown_options(out, globals, n);
    fprintf(out,
            "\n## Options of the build\n\nTaken by every command that can build an engine from "
            "a model. `--name` alone is `--name=true`.\n");
    markdown_settings(out);
    const whet_cli_command *const *c = whet_cli_commands(&n);
    for (int32_t i = 0; i < n; i++) markdown_command(out, c[i]);
}

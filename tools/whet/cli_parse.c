// SPDX-License-Identifier: Apache-2.0
// Arguments into the command's struct, by its table.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const whet_cli_option globals[] = {
    {"threads", 't', "N", WHET_CLI_INT, offsetof(whet_cli, threads),
     "threads to use, this one included; 0: all that the machine gives"},
    {"cpumask", 0, "LEVEL", WHET_CLI_TEXT, offsetof(whet_cli, cpumask),
     "use no kernel above avx512, avx2 or scalar; native: all"},
    {"cpus", 0, "0-3,8|node0", WHET_CLI_TEXT, offsetof(whet_cli, cpus),
     "processors that the threads stay on, each on one; nodeN: those of a memory node"},
    {"spin", 0, "MICROSECONDS", WHET_CLI_TEXT, offsetof(whet_cli, spin),
     "how long threads look for work before they sleep; 0: not at all [50]"},
    {"copy-weights", 0, NULL, WHET_CLI_FLAG, offsetof(whet_cli, copy_weights),
     "copy packed weights into memory near the threads instead of mapping them"},
    {"plugins", 0, "FILE,...", WHET_CLI_LIST, offsetof(whet_cli, plugins),
     "open these plugin libraries; may be repeated"},
    {"plugin-override", 0, NULL, WHET_CLI_FLAG, offsetof(whet_cli, plugin_override),
     "plugins win over operators and functions of the same name"},
    {"engine-libraries", 0, NULL, WHET_CLI_FLAG, offsetof(whet_cli, engine_libraries),
     "load plugin libraries that an engine carries, which runs code from it"},
    {"verbose", 'v', NULL, WHET_CLI_FLAG, offsetof(whet_cli, verbose), "say more"},
    {"quiet", 'q', NULL, WHET_CLI_FLAG, offsetof(whet_cli, quiet), "say nothing but errors"},
    {"help", 'h', NULL, WHET_CLI_FLAG, offsetof(whet_cli, help), "print this help"},
};

const whet_cli_option *whet_cli_global_options(int32_t *n) {
    *n = WHET_CLI_COUNT(globals);
    return globals;
}

// ---- the nearest name ----

static size_t min3(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

// Edits that turn a into b (insert, remove, replace).
static size_t edits(const char *a, const char *b, size_t n) {
    size_t row[64], m = strlen(a);
    if (n >= 63) return n;
    for (size_t k = 0; k <= n; k++) row[k] = k;
    for (size_t i = 0; i < m; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t above = row[k + 1];
            row[k + 1] = min3(above + 1, row[k] + 1, corner + (a[i] != b[k]));
            corner = above;
        }
    }
    return row[n];
}

void whet_cli_near(whet_cli_nearest *near, const char *candidate, size_t n) {
    size_t d = edits(near->name, candidate, n), limit = 1 + n / 3;
    if (d > limit || n >= sizeof near->best_text || (near->best && d >= near->distance)) return;
    memcpy(near->best_text, candidate, n);
    near->best_text[n] = 0;
    near->best = near->best_text;
    near->distance = d;
}

// ---- options of a build ----

static const char *cut(const char *at, char *to, size_t size, char end) {
    const char *stop = strchr(at, end);
    if (!stop) stop = at + strlen(at);
    size_t n = (size_t)(stop - at);
    if (n >= size) n = size - 1;
    memcpy(to, at, n);
    to[n] = 0;
    return *stop ? stop + 1 : stop;
}

bool whet_cli_next_setting(const char **at, whet_cli_setting *s) {
    if (!**at) return false;
    *at = cut(*at, s->name, sizeof s->name, '\t');
    *at = cut(*at, s->values, sizeof s->values, '\t');
    *at = cut(*at, s->fallback, sizeof s->fallback, '\t');
    *at = cut(*at, s->help, sizeof s->help, '\n');
    return true;
}

static bool find_setting(const char *name, whet_cli_setting *s) {
    const char *at = whet_config_help();
    while (whet_cli_next_setting(&at, s))
        if (!strcmp(s->name, name)) return true;
    return false;
}

// ---- one option ----

static bool push(whet_cli_list *l, const char *text) {
    const char **grown = realloc((void *)l->v, (size_t)(l->n + 1) * sizeof *grown);
    if (!grown) return whet_cli_fail("out of memory"), false;
    l->v = grown;
    l->v[l->n++] = text;
    return true;
}

static const whet_cli_option *find_in(const whet_cli_option *o, int32_t n, const char *name,
                                      char letter) {
    for (int32_t i = 0; i < n; i++)
        if (letter ? o[i].letter == letter : !strcmp(o[i].name, name)) return &o[i];
    return NULL;
}

static const whet_cli_option *find_option(const whet_cli_command *c, const char *name,
                                          char letter) {
    const whet_cli_option *o = find_in(c->options, c->n_options, name, letter);
    return o ? o : find_in(globals, WHET_CLI_COUNT(globals), name, letter);
}

static bool unknown_option(const whet_cli_command *c, const char *name) {
    whet_cli_nearest near = {.name = name};
    for (int32_t i = 0; i < c->n_options; i++)
        whet_cli_near(&near, c->options[i].name, strlen(c->options[i].name));
    for (int32_t i = 0; i < WHET_CLI_COUNT(globals); i++)
        whet_cli_near(&near, globals[i].name, strlen(globals[i].name));
    whet_cli_setting s;
    const char *at = c->builds ? whet_config_help() : "";
    while (whet_cli_next_setting(&at, &s)) whet_cli_near(&near, s.name, strlen(s.name));
    if (near.best)
        whet_cli_fail("%s: there is no option --%s; did you mean --%s?", c->name, name, near.best);
    else
        whet_cli_fail("%s: there is no option --%s; `whet help %s` lists them", c->name, name,
                      c->name);
    return false;
}

static bool set(whet_cli *cli, const whet_cli_option *o, const char *value) {
    void *to = (char *)cli + o->offset;
    char *end;
    errno = 0;
    switch (o->type) {
    case WHET_CLI_FLAG: *(bool *)to = true; return true;
    case WHET_CLI_TEXT: *(const char **)to = value; return true;
    case WHET_CLI_LIST: return push(to, value);
    case WHET_CLI_INT:
        *(int64_t *)to = strtoll(value, &end, 10);
        if (*value && !*end && !errno && *(int64_t *)to >= 0) return true;
        break;
    case WHET_CLI_NUMBER:
        *(double *)to = strtod(value, &end);
        if (*value && !*end && isfinite(*(double *)to) && *(double *)to >= 0) return true;
        break;
    }
    whet_cli_fail("%s: option --%s: \"%s\" is no %snumber from 0 on", cli->command->name, o->name,
                  value, o->type == WHET_CLI_INT ? "whole " : "");
    return false;
}

// ---- the arguments in turn ----

typedef struct {
    whet_cli *cli;
    int argc, at;
    char **argv;
} arguments;

static const char *next_value(arguments *a, const char *name, const char *arg) {
    if (a->at < a->argc) return a->argv[a->at++];
    whet_cli_fail("%s: option %s%s needs a value (%s)", a->cli->command->name,
                  strlen(name) > 1 ? "--" : "-", name, arg);
    return NULL;
}

static bool take_setting(arguments *a, const whet_cli_setting *s, const char *value) {
    bool flag = !strcmp(s->values, "true|false");
    char *name = a->argv[a->at - 1] + 2; // the option's own text, ended at its =
    if (value) name[value - name - 1] = 0;
    else value = flag ? "true" : next_value(a, s->name, s->values);
    return value && push(&a->cli->settings, name) && push(&a->cli->settings, value);
}

static bool take_long(arguments *a, const char *text) {
    const whet_cli_command *c = a->cli->command;
    const char *equal = strchr(text, '=');
    char name[64];
    size_t n = equal ? (size_t)(equal - text) : strlen(text);
    if (n >= sizeof name) return unknown_option(c, text);
    memcpy(name, text, n);
    name[n] = 0;
    const char *value = equal ? equal + 1 : NULL;
    const whet_cli_option *o = find_option(c, name, 0);
    whet_cli_setting s;
    if (!o && c->builds && find_setting(name, &s)) return take_setting(a, &s, value);
    if (!o) return unknown_option(c, name);
    if (o->type == WHET_CLI_FLAG && value) {
        whet_cli_fail("%s: option --%s takes no value", c->name, name);
        return false;
    }
    if (o->type != WHET_CLI_FLAG && !value && !(value = next_value(a, name, o->arg))) return false;
    return set(a->cli, o, value);
}

static bool take_short(arguments *a, const char *text) {
    char name[2] = {text[0], 0};
    const whet_cli_option *o = find_option(a->cli->command, name, text[0]);
    if (!o || (o->type == WHET_CLI_FLAG && text[1])) {
        whet_cli_fail("%s: there is no option -%s; `whet help %s` lists them",
                      a->cli->command->name, text, a->cli->command->name);
        return false;
    }
    const char *value = text[1] ? text + 1 + (text[1] == '=') : NULL;
    if (o->type != WHET_CLI_FLAG && !value && !(value = next_value(a, name, o->arg))) return false;
    return set(a->cli, o, value);
}

static bool check_args(const whet_cli *cli) {
    const whet_cli_command *c = cli->command;
    if (cli->help) return true;
    if (cli->args.n < c->min_args)
        whet_cli_fail("%s: something is missing; expected `whet %s%s%s`", c->name, c->name,
                      *c->args ? " " : "", c->args);
    else if (cli->args.n > c->max_args)
        whet_cli_fail("%s: \"%s\" is too much; expected `whet %s%s%s`", c->name,
                      cli->args.v[c->max_args], c->name, *c->args ? " " : "", c->args);
    else if (cli->threads > 1024)
        whet_cli_fail("%s: option --threads: %lld, at most 1024 are possible", c->name,
                      (long long)cli->threads);
    else
        return true;
    return false;
}

bool whet_cli_parse(whet_cli *cli, int argc, char **argv, int first) {
    arguments a = {.cli = cli, .argc = argc, .at = first, .argv = argv};
    bool only_names = false;
    while (a.at < argc) {
        const char *text = argv[a.at++];
        bool good;
        if (only_names || text[0] != '-' || !text[1]) good = push(&cli->args, text);
        else if (!strcmp(text, "--")) good = only_names = true;
        else good = text[1] == '-' ? take_long(&a, text + 2) : take_short(&a, text + 1);
        if (!good) return false;
    }
    return check_args(cli);
}

// ---- shapes ----

// 2x3x? from p to end; an empty text is the shape of a scalar.
static bool read_dims(const char *p, const char *end, whet_cli_shape *shape) {
    shape->rank = 0;
    while (p < end) {
        char *stop = (char *)p + 1;
        errno = 0;
        if ((*p != '?' && (*p < '0' || *p > '9')) || shape->rank == WHET_MAX_RANK) return false;
        shape->dims[shape->rank++] = *p == '?' ? -1 : strtoll(p, &stop, 10);
        if (errno || (stop < end && *stop != 'x') || stop + 1 == end) return false;
        p = stop + 1;
    }
    return true;
}

// Reads "NAME:" of the item that ends at the next comma; NULL: there is none.
static const char *read_name(const char *at, const char *end, char *name, size_t size) {
    const char *colon = end;
    while (colon > at && *colon != ':') colon--;
    size_t n = (size_t)(colon - at);
    if (*colon != ':' || !n || n >= size) return NULL;
    memcpy(name, at, n);
    name[n] = 0;
    return colon + 1;
}

bool whet_cli_next_shape(const char **at, whet_cli_shape *shape, bool *bad) {
    *bad = false;
    if (!*at || !**at) return false;
    const char *end = *at + strcspn(*at, ",");
    const char *dims = read_name(*at, end, shape->input, sizeof shape->input);
    *bad = !dims || !read_dims(dims, end, shape);
    if (!*bad) *at = end + (*end == ',');
    return !*bad;
}

bool whet_cli_next_range(const char **at, whet_cli_range *range, bool *bad) {
    *bad = false;
    if (!*at || !**at) return false;
    const char *end = *at + strcspn(*at, ",");
    const char *dims = read_name(*at, end, range->min.input, sizeof range->min.input);
    whet_cli_shape *shapes[] = {&range->min, &range->opt, &range->max};
    *bad = true;
    int n = 0;
    for (const char *p = dims; p && n < 3; n++) {
        const char *dots = strstr(p, ".."), *stop = dots && dots < end ? dots : end;
        if (!read_dims(p, stop, shapes[n])) return false;
        for (int32_t d = 0; d < shapes[n]->rank; d++)
            if (shapes[n]->dims[d] < 0) return false;
        p = stop < end ? stop + 2 : NULL;
        if (!p && n == 0) range->opt = range->max = range->min;
        if (p && n == 2) return false;
    }
    if ((n != 1 && n != 3) || range->min.rank != range->opt.rank ||
        range->opt.rank != range->max.rank)
        return false;
    *bad = false;
    *at = end + (*end == ',');
    return true;
}

// ---- failures ----

int whet_cli_fail(const char *format, ...) {
    va_list args;
    va_start(args, format);
    whet_cli_progress_clear();
    fflush(stdout);
    fputs("whet: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    return WHET_CLI_FAILED;
}

int whet_cli_fail_status(whet_status status, const void *handle) {
    const char *text = whet_error_text(handle);
    return whet_cli_fail("%s", *text ? text : whet_status_text(status));
}

// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COMMAND(name) extern const whet_cli_command whet_cli_##name;
#include "commands.def"
#undef COMMAND

static const whet_cli_command *const commands[] = {
#define COMMAND(name) &whet_cli_##name,
#include "commands.def"
#undef COMMAND
};

const whet_cli_command *const *whet_cli_commands(int32_t *n) {
    *n = WHET_CLI_COUNT(commands);
    return commands;
}

const whet_cli_command *whet_cli_find(const char *name) {
    for (int32_t i = 0; i < WHET_CLI_COUNT(commands); i++)
        if (!strcmp(commands[i]->name, name)) return commands[i];
    return NULL;
}

static int unknown_command(const char *name) {
    whet_cli_nearest near = {.name = name};
    for (int32_t i = 0; i < WHET_CLI_COUNT(commands); i++)
        whet_cli_near(&near, commands[i]->name, strlen(commands[i]->name));
    whet_cli_near(&near, "help", 4);
    if (near.best)
        whet_cli_fail("there is no command \"%s\"; did you mean \"%s\"?", name, near.best);
    else
        whet_cli_fail("there is no command \"%s\"; `whet help` lists them", name);
    return WHET_CLI_USAGE;
}

static int run_command(const whet_cli_command *c, int argc, char **argv) {
    if (c->raw) return c->raw(argc, argv);
    whet_cli *cli = calloc(1, c->size);
    if (!cli) return whet_cli_fail("out of memory");
    if (c->defaults) memcpy(cli, c->defaults, c->size);
    cli->command = c;
    int code = WHET_CLI_USAGE;
    if (whet_cli_parse(cli, argc, argv, 1)) {
        if (cli->help) {
            whet_cli_print_command_help(stdout, c);
            code = WHET_CLI_OK;
        } else {
            code = c->run(cli);
        }
    }
    whet_env_destroy(cli->env);
    free((void *)cli->args.v);
    free((void *)cli->settings.v);
    free((void *)cli->plugins.v);
    for (int32_t i = 0; i < c->n_options; i++)
        if (c->options[i].type == WHET_CLI_LIST)
            free((void *)((whet_cli_list *)(void *)((char *)cli + c->options[i].offset))->v);
    free(cli);
    return code;
}

static int help(int argc, char **argv) {
    if (argc > 2 && !strcmp(argv[2], "--markdown")) {
        whet_cli_print_markdown(stdout);
        return WHET_CLI_OK;
    }
    if (argc <= 2) {
        whet_cli_print_help(stdout);
        return WHET_CLI_OK;
    }
    const whet_cli_command *c = whet_cli_find(argv[2]);
    if (!c) return unknown_command(argv[2]);
    if (c->raw) return c->raw(2, (char *[]){argv[0], "--help", NULL});
    whet_cli_print_command_help(stdout, c);
    return WHET_CLI_OK;
}

static int dispatch(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/'), *program = slash ? slash + 1 : argv[0];
    for (int32_t i = 0; i < WHET_CLI_COUNT(commands); i++)
        if (commands[i]->program && !strcmp(commands[i]->program, program))
            return run_command(commands[i], argc, argv);
    if (argc < 2) {
        whet_cli_print_help(stderr);
        return WHET_CLI_USAGE;
    }
    const char *name = argv[1];
    if (!strcmp(name, "help") || !strcmp(name, "--help") || !strcmp(name, "-h"))
        return help(argc, argv);
    if (!strcmp(name, "--version")) name = "version";
    const whet_cli_command *c = whet_cli_find(name);
    if (!c) return unknown_command(name);
    argv[1] = argv[0];
    return run_command(c, argc - 1, argv + 1);
}

int main(int argc, char **argv) {
    if (argc < 1) return WHET_CLI_USAGE;
    signal(SIGXFSZ, SIG_IGN); // a write past the limit of file sizes fails like others
    int code = dispatch(argc, argv);
    // a full disk shows itself only when what was printed is written
    if ((fflush(stdout) || ferror(stdout)) && code == WHET_CLI_OK)
        code = whet_cli_fail("standard output: cannot write: %s", strerror(errno));
    return code;
}

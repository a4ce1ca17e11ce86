/* main.c - coherctl: find the command, do the global options. */
#include <signal.h>
#include <string.h>

#include "client/cli/cli.h"

static const char help[] =
    "usage: coherctl [--socket PATH] COMMAND [ARGUMENTS]\n"
    "\n"
    "Talk to the coherd sidecar on this machine.\n"
    "\n"
    "  invalidate  drop entries from the caches of all instances\n"
    "  publish     send a message, or the new value of a key, to all\n"
    "  await       wait until this sidecar has what a token names\n"
    "  watch       show what is invalidated and published, as it happens\n"
    "  status      show how the sidecar stands, and who is there\n"
    "  peers       show who is there\n"
    "\n"
    "  --socket PATH  the sidecar's socket; default: $COHERD_LOCAL_SOCKET,\n"
    "                 else $XDG_RUNTIME_DIR/coherd.sock (not for root),\n"
    "                 else /run/coherd/coherd.sock\n"
    "  --version      print the version\n"
    "  --help         print this; `coherctl COMMAND --help` has examples\n"
    "\n"
    "exit status: 0 done, 1 failed, 2 wrong arguments, 3 no sidecar can be\n"
    "reached, 4 sent but not confirmed in time\n";

/* The title is what getopt_long complains under. */
static struct {
    const char *name;
    char title[24];
    int (*run)(cli_env *cli, int argc, char **argv);
} commands[] = {
    {"invalidate", "coherctl invalidate", cli_invalidate},
    {"publish", "coherctl publish", cli_publish},
    {"await", "coherctl await", cli_await},
    {"watch", "coherctl watch", cli_watch},
    {"status", "coherctl status", cli_status},
    {"peers", "coherctl peers", cli_peers},
};

static int run_command(cli_env *cli, int argc, char **argv)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[0], commands[i].name) == 0) {
            argv[0] = commands[i].title;
            return commands[i].run(cli, argc, argv);
        }
    }
    if (strcmp(argv[0], "help") == 0) {
        fputs(help, stdout);
        return cli_flush() ? CLI_DONE : CLI_FAILED;
    }
    return cli_usage(NULL, "there is no command \"%s\"", argv[0]);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        CLI_COMMON_OPTIONS,
        {"version", no_argument, NULL, 'V'},
        {NULL, 0, NULL, 0},
    };
    cli_env cli = {.timeout_ms = -1};
    int option;

    /* A reader that has seen enough ends us by a failed write, quietly. */
    signal(SIGPIPE, SIG_IGN);
    while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
        if (option == 'V') {
            printf("coherctl %s\n", coherd_version());
            return cli_flush() ? CLI_DONE : CLI_FAILED;
        }
        switch (cli_take_option(&cli, option, NULL)) {
        case CLI_TAKEN:
            break;
        case CLI_HELP:
            fputs(help, stdout);
            return cli_flush() ? CLI_DONE : CLI_FAILED;
        case CLI_WRONG:
            return CLI_USAGE;
        }
    }
    if (optind == argc) {
        fputs(help, stderr);
        return CLI_USAGE;
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* begin anew, as glibc wants it said */
    return run_command(&cli, argc, argv);
}

#include <stdarg.h>

#include "client/cli/cli.h"

void cli_complain(const char *format, ...)
{
    va_list args;

    fputs("coherctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list args;

    fputs("coherctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    if (command == NULL) {
        fputs("\nTry `coherctl --help`.\n", stderr);
    } else {
        fprintf(stderr, "\nTry `coherctl %s --help`.\n", command);
    }
    return CLI_USAGE;
}

cli_taken cli_take_option(cli_env *cli, int option, const char *command)
{
    switch (option) {
    case 'S':
        cli->socket = optarg;
        return CLI_TAKEN;
    case 'j':
        cli->json = true;
        return CLI_TAKEN;
    case 'T':
        if (!cli_parse_duration(optarg, &cli->timeout_ms)) {
            (void)cli_usage(command,
                            "--timeout %s: expected a duration such as "
                            "500ms, 2s or 1m",
                            optarg);
            return CLI_WRONG;
        }
        return CLI_TAKEN;
    case 'h':
        return CLI_HELP;
    default:
        /* getopt_long has said what is wrong. */
        fprintf(stderr, "Try `coherctl %s%s--help`.\n",
                command == NULL ? "" : command, command == NULL ? "" : " ");
        return CLI_WRONG;
    }
}

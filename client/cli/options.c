#include <stdarg.h>
#include <stdlib.h>

#include "client/cli/cli.h"

/* What is told may quote the names and words of others. */
__attribute__((format(printf, 1, 0))) static void tell(const char *format,
                                                       va_list args)
{
    char *text = NULL;
    const int len = vasprintf(&text, format, args);

    fputs("coherctl: ", stderr);
    if (len < 0) {
        fputs("out of memory", stderr);
    } else {
        cli_print_bytes(stderr, text, (size_t)len);
        free(text);
    }
    fputc('\n', stderr);
}

void cli_complain(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(format, args);
    va_end(args);
}

int cli_usage(const char *command, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tell(format, args);
    va_end(args);
    if (command == NULL) {
        fputs("Try `coherctl --help`.\n", stderr);
    } else {
        fprintf(stderr, "Try `coherctl %s --help`.\n", command);
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

/* confirm.c - coherctl --wait, tokens, and coherctl await. */
#include <inttypes.h>
#include <time.h>

#include "client/cli/cli.h"

static const char help[] =
    "usage: coherctl await TOKEN [--timeout D] [--json] [--socket PATH]\n"
    "\n"
    "Wait until the sidecar on this machine has what TOKEN names: coherctl\n"
    "invalidate and publish print one with --json, and so can applications.\n"
    "\n"
    "  --timeout D  how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "  --json       print one JSON object\n"
    "\n"
    "example:\n"
    "  token=$(coherctl publish jobs done --json | jq -r .token)\n"
    "  ssh web-2 coherctl await $token\n";

uint64_t cli_now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

bool cli_parse_wait(const char *text, const char *command, coherd_wait *wait)
{
    static const struct {
        const char *name;
        coherd_wait wait;
    } levels[] = {
        {"accepted", COHERD_WAIT_ACCEPTED},
        {"replicated", COHERD_WAIT_REPLICATED},
        {"applied", COHERD_WAIT_APPLIED},
    };

    if (text == NULL) {
        *wait = COHERD_WAIT_APPLIED;
        return true;
    }
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(text, levels[i].name) == 0) {
            *wait = levels[i].wait;
            return true;
        }
    }
    (void)cli_usage(
        command, "--wait is accepted, replicated or applied, not \"%s\"", text);
    return false;
}

/* Write who is missing: "web-2, web-3 (client shop)". */
static void list_missing(const coherd_receipt *receipt, char *text, size_t cap)
{
    size_t len = 0;

    snprintf(text, cap, "the sidecar does not say who");
    for (size_t i = 0; i < receipt->named_count; i++) {
        const coherd_missing *who = &receipt->named[i];
        const bool session = who->session[0] != '\0';
        char id[20];
        snprintf(id, sizeof(id), "%016" PRIx64, who->node);
        const int added = snprintf(
            text + len, cap - len, "%s%s%s%s%s", i == 0 ? "" : ", ",
            who->name[0] != '\0' ? who->name : id, session ? " (client " : "",
            who->session, session ? ")" : "");
        if (added < 0 || (size_t)added >= cap - len) {
            break;
        }
        len += (size_t)added;
    }
}

/* Write why fewer than all instances applied it, and yet nobody is missing:
 * ", 1 is gone, 2 refuse to serve". */
static void list_others(const coherd_receipt *receipt, char *text, size_t cap)
{
    size_t len = 0;

    text[0] = '\0';
    if (receipt->gone > 0) {
        len =
            (size_t)snprintf(text, cap, ", %" PRIu32 " %s gone", receipt->gone,
                             receipt->gone == 1 ? "is" : "are");
    }
    if (receipt->refusing > 0) {
        snprintf(text + len, cap - len, ", %" PRIu32 " %s to serve",
                 receipt->refusing,
                 receipt->refusing == 1 ? "refuses" : "refuse");
    }
}

/* Name who is missing, in one line. */
static void complain_of(const coherd_receipt *receipt)
{
    char names[4096];
    char others[80];

    list_missing(receipt, names, sizeof(names));
    list_others(receipt, others, sizeof(others));
    cli_complain("%" PRIu32 " of %" PRIu32 " instances applied it%s, %" PRIu32
                 " missing: %s",
                 receipt->applied, receipt->of, others, receipt->missing,
                 names);
}

int cli_wait_result(const cli_env *cli, coherd_client *client,
                    const cli_waited *waited, coherd_err err)
{
    if (err == COHERD_ERR_TIMEOUT && waited->receipt.of > 0) {
        complain_of(&waited->receipt);
        return CLI_UNCONFIRMED;
    }
    return cli_result(cli, client, err);
}

static void print_named(cli_json *json, const coherd_receipt *receipt)
{
    cli_json_open(json, "named", '[');
    for (size_t i = 0; i < receipt->named_count; i++) {
        cli_json_open(json, NULL, '{');
        cli_json_hex(json, "node", receipt->named[i].node);
        cli_json_text(json, "name", receipt->named[i].name);
        cli_json_text(json, "session", receipt->named[i].session);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

void cli_print_waited(cli_json *json, const cli_waited *waited)
{
    const coherd_receipt *receipt = &waited->receipt;

    if (json != NULL) {
        char text[COHERD_TOKEN_BYTES_MAX];
        const coherd_token token = coherd_token_of(receipt);
        coherd_token_print(&token, text);
        cli_json_hex(json, "origin", receipt->origin);
        cli_json_uint(json, "seq", receipt->seq);
        cli_json_text(json, "token", text);
        cli_json_uint(json, "took_us", waited->took_us);
        if (waited->wait == COHERD_WAIT_APPLIED) {
            cli_json_bool(json, "confirmed", waited->err == COHERD_OK);
            cli_json_uint(json, "of", receipt->of);
            cli_json_uint(json, "applied", receipt->applied);
            cli_json_uint(json, "gone", receipt->gone);
            cli_json_uint(json, "refusing", receipt->refusing);
            cli_json_uint(json, "missing", receipt->missing);
            print_named(json, receipt);
        }
        return;
    }
    char took[32];
    cli_format_duration(waited->took_us, took, sizeof(took));
    if (waited->err != COHERD_OK) {
        return;
    }
    if (waited->wait == COHERD_WAIT_REPLICATED) {
        printf("replicated in %s\n", took);
    } else if (waited->wait == COHERD_WAIT_APPLIED) {
        char others[80];
        list_others(receipt, others, sizeof(others));
        printf("%" PRIu32 " of %" PRIu32 " instances applied it in %s%s\n",
               receipt->applied, receipt->of, took, others);
    }
}

static int await(cli_env *cli, const coherd_token *token)
{
    coherd_client *client;
    int result = cli_connect(cli, NULL, &client);

    if (result != CLI_DONE) {
        return result;
    }
    const uint64_t before = cli_now_us();
    const coherd_err err = coherd_await(client, token, cli_time_left(cli));
    const uint64_t took = cli_now_us() - before;
    result = cli_result(cli, client, err);
    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        cli_json_bool(&json, "applied", err == COHERD_OK);
        cli_json_uint(&json, "took_us", took);
        cli_json_close(&json, '}');
        putchar('\n');
    }
    (void)coherd_close(&client);
    return result == CLI_DONE && !cli_flush() ? CLI_FAILED : result;
}

int cli_await(cli_env *cli, int argc, char **argv)
{
    static const struct option options[] = {
        CLI_COMMON_OPTIONS,
        {NULL, 0, NULL, 0},
    };
    coherd_token token;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (cli_take_option(cli, option, "await")) {
        case CLI_TAKEN:
            break;
        case CLI_HELP:
            fputs(help, stdout);
            return cli_flush() ? CLI_DONE : CLI_FAILED;
        case CLI_WRONG:
            return CLI_USAGE;
        }
    }
    if (optind + 1 != argc) {
        return cli_usage("await",
                         optind == argc ? "which token?" : "one token, please");
    }
    if (coherd_token_parse(argv[optind], &token) != COHERD_OK) {
        return cli_usage("await", "\"%s\" is no token", argv[optind]);
    }
    return await(cli, &token);
}

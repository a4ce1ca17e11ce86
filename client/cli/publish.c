#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/cli.h"

/* More than any sidecar takes; what it really takes is for it to say. */
#define PAYLOAD_BYTES_MAX ((size_t)1024 * 1024)

static const char help[] =
    "usage: coherctl publish TOPIC PAYLOAD|- [--key KEY] [--wait[=LEVEL]]\n"
    "           [--timeout D] [--json] [--socket PATH]\n"
    "\n"
    "Send a message to everybody who is subscribed to TOPIC; with --key, the\n"
    "new value of that key. Waits until the sidecar has accepted it.\n"
    "\n"
    "  -               read the payload from standard input\n"
    "  --key KEY       PAYLOAD is the new value of KEY\n"
    "  --wait[=LEVEL]  until it is accepted, replicated (one more sidecar has\n"
    "                  it), or applied by all instances, which --wait alone\n"
    "                  means; else says who is missing\n"
    "  --timeout D     how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "  --json          print one JSON object\n"
    "\n"
    "examples:\n"
    "  coherctl publish new-episode '{\"id\": 51}'\n"
    "  coherctl publish flags on --key beta-search\n"
    "  gzip -c page.html | coherctl publish pages - --key /index.html\n";

static const struct option options[] = {
    CLI_COMMON_OPTIONS,
    {"key", required_argument, NULL, 'k'},
    {"wait", optional_argument, NULL, 'w'},
    {NULL, 0, NULL, 0},
};

static char *read_all(FILE *file, size_t *len)
{
    char *payload = malloc(PAYLOAD_BYTES_MAX);

    if (payload != NULL) {
        *len = fread(payload, 1, PAYLOAD_BYTES_MAX, file);
    }
    return payload;
}

static void print_done(const cli_env *cli, const char *topic,
                       const cli_waited *waited)
{
    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        cli_json_text(&json, "topic", topic);
        cli_json_uint(&json, "events", 1);
        cli_print_waited(&json, waited);
        cli_json_close(&json, '}');
        putchar('\n');
        return;
    }
    if (waited->wait <= COHERD_WAIT_ACCEPTED) {
        cli_print_bytes(stdout, topic, strlen(topic));
        printf(": published, accepted as %016" PRIx64 ":%" PRIu64 "\n",
               waited->receipt.origin, waited->receipt.seq);
    }
    cli_print_waited(NULL, waited);
}

static int send(cli_env *cli, const char *topic, const coherd_entry *entry,
                coherd_wait wait)
{
    coherd_client *client;
    cli_waited waited = {.wait = wait};
    int result = cli_connect(cli, NULL, &client);

    if (result != CLI_DONE) {
        return result;
    }
    const coherd_publish_options how = {
        .wait = wait,
        .timeout_ms = cli_time_left(cli),
    };
    const uint64_t before = cli_now_us();
    if (entry->key != NULL) {
        waited.err = coherd_update(client, topic, entry, &how, &waited.receipt);
    } else {
        waited.err = coherd_publish(client, topic, entry->value,
                                    entry->value_len, &how, &waited.receipt);
    }
    waited.took_us = cli_now_us() - before;
    result = cli_wait_result(cli, client, &waited, waited.err);
    if (waited.receipt.origin != 0) {
        print_done(cli, topic, &waited);
    }
    (void)coherd_close(&client);
    return result == CLI_DONE && !cli_flush() ? CLI_FAILED : result;
}

int cli_publish(cli_env *cli, int argc, char **argv)
{
    coherd_entry entry = {0};
    coherd_wait wait = COHERD_WAIT_ACCEPTED;
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'k') {
            entry.key = optarg;
            entry.key_len = strlen(optarg);
            continue;
        }
        if (option == 'w') {
            if (!cli_parse_wait(optarg, "publish", &wait)) {
                return CLI_USAGE;
            }
            continue;
        }
        switch (cli_take_option(cli, option, "publish")) {
        case CLI_TAKEN:
            break;
        case CLI_HELP:
            fputs(help, stdout);
            return cli_flush() ? CLI_DONE : CLI_FAILED;
        case CLI_WRONG:
            return CLI_USAGE;
        }
    }
    if (optind + 2 != argc) {
        return cli_usage("publish", "a topic and a payload are needed%s",
                         optind + 2 < argc ? ", and nothing more" : "");
    }
    const char *payload = argv[optind + 1];
    char *owned = NULL;
    entry.value = payload;
    entry.value_len = strlen(payload);
    if (strcmp(payload, "-") == 0) {
        owned = read_all(stdin, &entry.value_len);
        entry.value = owned;
        if (owned == NULL || ferror(stdin)) {
            cli_complain("the standard input could not be read");
            free(owned);
            return CLI_FAILED;
        }
    }
    const int result = send(cli, argv[optind], &entry, wait);
    free(owned);
    return result;
}

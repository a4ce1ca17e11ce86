#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/cli.h"

/* More than any sidecar takes; what it really takes is for it to say. */
#define PAYLOAD_BYTES_MAX ((size_t)1024 * 1024)

static const char help[] =
    "usage: coherctl publish TOPIC PAYLOAD|- [--key KEY] [--timeout D]\n"
    "           [--json] [--socket PATH]\n"
    "\n"
    "Send a message to everybody who is subscribed to TOPIC; with --key, the\n"
    "new value of that key. Waits until the sidecar has accepted it.\n"
    "\n"
    "  -            read the payload from standard input\n"
    "  --key KEY    PAYLOAD is the new value of KEY\n"
    "  --timeout D  how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "  --json       print one JSON object\n"
    "\n"
    "examples:\n"
    "  coherctl publish new-episode '{\"id\": 51}'\n"
    "  coherctl publish flags on --key beta-search\n"
    "  gzip -c page.html | coherctl publish pages - --key /index.html\n";

static const struct option options[] = {
    CLI_COMMON_OPTIONS,
    {"key", required_argument, NULL, 'k'},
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
                       const coherd_receipt *receipt)
{
    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        cli_json_text(&json, "topic", topic);
        cli_json_uint(&json, "events", 1);
        cli_json_hex(&json, "origin", receipt->origin);
        cli_json_uint(&json, "seq", receipt->seq);
        cli_json_close(&json, '}');
        putchar('\n');
        return;
    }
    printf("%s: published, accepted as %016" PRIx64 ":%" PRIu64 "\n", topic,
           receipt->origin, receipt->seq);
}

static int send(cli_env *cli, const char *topic, const coherd_entry *entry)
{
    coherd_client *client;
    coherd_receipt receipt = {0, 0};
    coherd_err err;
    int result = cli_connect(cli, NULL, &client);

    if (result != CLI_DONE) {
        return result;
    }
    const coherd_publish_options how = {
        .wait = COHERD_WAIT_ACCEPTED,
        .timeout_ms = cli_time_left(cli),
    };
    if (entry->key != NULL) {
        err = coherd_update(client, topic, entry, &how, &receipt);
    } else {
        err = coherd_publish(client, topic, entry->value, entry->value_len,
                             &how, &receipt);
    }
    result = cli_result(cli, client, err);
    if (err == COHERD_OK) {
        print_done(cli, topic, &receipt);
    }
    (void)coherd_close(&client);
    return result == CLI_DONE && !cli_flush() ? CLI_FAILED : result;
}

int cli_publish(cli_env *cli, int argc, char **argv)
{
    coherd_entry entry = {0};
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'k') {
            entry.key = optarg;
            entry.key_len = strlen(optarg);
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
    const int result = send(cli, argv[optind], &entry);
    free(owned);
    return result;
}

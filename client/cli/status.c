#include <inttypes.h>

#include "client/cli/cli.h"

static const char help[] =
    "usage: coherctl status [--json] [--timeout D] [--socket PATH]\n"
    "\n"
    "Show how the sidecar on this machine stands, and a table of who is "
    "there.\n"
    "\n"
    "  --json       print one JSON object\n"
    "  --timeout D  how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "\n"
    "A sidecar is \"degraded\" while peers that DNS or its configuration "
    "lists\n"
    "are missing. \"lost\" counts events that could not be fetched again; "
    "each\n"
    "was answered by a reset of the caches that it could concern. "
    "\"staleness\":\n"
    "everything that was accepted anywhere in the mesh longer ago than that "
    "is\n"
    "here.\n"
    "\n"
    "examples:\n"
    "  coherctl status\n"
    "  coherctl status --json | jq .node.state\n";

static const cli_plain self = {"status", help};

static const struct option options[] = {
    CLI_COMMON_OPTIONS,
    {NULL, 0, NULL, 0},
};

static const char *state_name(coherd_node_state state)
{
    switch (state) {
    case COHERD_NODE_STARTING:
        return "starting";
    case COHERD_NODE_READY:
        return "ready";
    case COHERD_NODE_DRAINING:
        return "draining";
    }
    return "unknown";
}

static const char *dns_name(coherd_dns dns)
{
    switch (dns) {
    case COHERD_DNS_NONE:
        return "none";
    case COHERD_DNS_ANSWER:
        return "answer";
    case COHERD_DNS_EMPTY:
        return "empty";
    case COHERD_DNS_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

static void json_node(cli_json *json, const coherd_node_info *node)
{
    cli_json_open(json, "node", '{');
    cli_json_hex(json, "node", node->node);
    cli_json_text(json, "name", node->name);
    cli_json_text(json, "region", node->region);
    cli_json_text(json, "cluster", node->cluster);
    cli_json_text(json, "release", node->release);
    cli_json_text(json, "address", node->address);
    cli_json_uint(json, "port", node->port);
    cli_json_text(json, "state", state_name(node->state));
    cli_json_bool(json, "degraded", node->degraded);
    cli_json_uint(json, "uptime_ms", node->uptime_ms);
    cli_json_uint(json, "head", node->head);
    cli_json_uint(json, "sessions", node->sessions);
    cli_json_uint(json, "subscriptions", node->subscriptions);
    cli_json_uint(json, "published", node->published);
    cli_json_uint(json, "received", node->received);
    cli_json_uint(json, "delivered", node->delivered);
    cli_json_uint(json, "resets", node->resets);
    cli_json_uint(json, "lost", node->lost);
    cli_json_uint(json, "log_bytes", node->log_bytes);
    cli_json_text(json, "dns", dns_name(node->dns));
    cli_json_uint(json, "dns_age_ms", node->dns_age_ms);
    cli_json_uint(json, "dns_count", node->dns_count);
    cli_json_age(json, "staleness_ms", node->staleness_ms);
    cli_json_hex(json, "held_by", node->held_by);
    cli_json_close(json, '}');
}

static void print_row(const char *name, const char *text)
{
    printf("%-14s ", name);
    cli_print_bytes(stdout, text, strlen(text));
    putchar('\n');
}

static void print_count(const char *name, uint64_t value)
{
    printf("%-14s %" PRIu64 "\n", name, value);
}

static void print_dns(const coherd_node_info *node)
{
    char age[32];
    char text[128];

    cli_format_duration(node->dns_age_ms * 1000, age, sizeof(age));
    switch (node->dns) {
    case COHERD_DNS_NONE:
        print_row("dns", "not asked");
        return;
    case COHERD_DNS_ANSWER:
        snprintf(text, sizeof(text), "%" PRIu64 " %s, %s ago", node->dns_count,
                 node->dns_count == 1 ? "address" : "addresses", age);
        break;
    case COHERD_DNS_EMPTY:
        snprintf(text, sizeof(text), "no address, %s ago", age);
        break;
    default:
        snprintf(text, sizeof(text),
                 "no usable answer; %" PRIu64 " %s from %s ago are kept",
                 node->dns_count,
                 node->dns_count == 1 ? "address" : "addresses", age);
        break;
    }
    print_row("dns", text);
}

/* Name the node that holds freshness back, unless it is one that answers: of
 * those, one is always the oldest. */
static void print_holder(const coherd_status_report *report)
{
    const uint64_t holder = report->node.held_by;
    const coherd_member_info *member = NULL;
    char age[32];

    for (size_t i = 0; i < report->member_count && holder != 0; i++) {
        if (report->members[i].node == holder) {
            member = &report->members[i];
        }
    }
    if (holder != 0 && member == NULL) {
        printf(", held back by node %016" PRIx64, holder);
    } else if (member != NULL && member->state != COHERD_MEMBER_LIVE) {
        fputs(", held back by ", stdout);
        cli_print_bytes(stdout, member->name, strlen(member->name));
    }
    if (member != NULL && member->state == COHERD_MEMBER_SILENT) {
        cli_format_age(member->silent_ms, age, sizeof(age));
        printf(" (silent for %s)", age);
    }
}

static void print_staleness(const coherd_status_report *report)
{
    const coherd_node_info *node = &report->node;
    char age[32];

    cli_format_age(node->staleness_ms, age, sizeof(age));
    printf("%-14s %s", "staleness", age);
    if (node->staleness_ms == COHERD_STALENESS_UNKNOWN) {
        printf(node->state == COHERD_NODE_STARTING ? ": starting" : "");
    } else {
        print_holder(report);
    }
    putchar('\n');
}

static void print_node(const coherd_status_report *report)
{
    const coherd_node_info *node = &report->node;
    char text[128];

    printf("%-14s ", "node");
    cli_print_bytes(stdout, node->name, strlen(node->name));
    printf(" (%016" PRIx64 ")\n", node->node);
    print_row("cluster", node->cluster);
    if (node->region[0] != '\0') {
        print_row("region", node->region);
    }
    print_row("release", node->release);
    cli_format_endpoint(node->address, node->port, text, sizeof(text));
    print_row("address", text);
    snprintf(text, sizeof(text), "%s%s", state_name(node->state),
             node->degraded ? ", degraded: listed peers are missing" : "");
    print_row("state", text);
    print_staleness(report);
    cli_format_duration(node->uptime_ms * 1000, text, sizeof(text));
    print_row("uptime", text);
    print_dns(node);
    printf("%-14s %" PRIu64 ", with %" PRIu64 " %s\n", "sessions",
           node->sessions, node->subscriptions,
           node->subscriptions == 1 ? "subscription" : "subscriptions");
    print_count("published", node->published);
    print_count("received", node->received);
    print_count("delivered", node->delivered);
    print_count("resets", node->resets);
    print_count("lost", node->lost);
    cli_format_bytes(node->log_bytes, text, sizeof(text));
    print_row("log", text);
}

static void print_report(const cli_env *cli, const coherd_status_report *report)
{
    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        json_node(&json, &report->node);
        cli_json_members(&json, report);
        cli_json_close(&json, '}');
        putchar('\n');
        return;
    }
    print_node(report);
    putchar('\n');
    cli_print_members(report);
}

int cli_ask(cli_env *cli, coherd_status_report **report)
{
    coherd_client *client;
    int result = cli_connect(cli, NULL, &client);

    if (result == CLI_DONE) {
        result = cli_result(cli, client,
                            coherd_status(client, cli_time_left(cli), report));
        (void)coherd_close(&client);
    }
    return result;
}

int cli_plain_options(cli_env *cli, int argc, char **argv,
                      const cli_plain *command)
{
    int option;

    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (cli_take_option(cli, option, command->name)) {
        case CLI_TAKEN:
            break;
        case CLI_HELP:
            fputs(command->help, stdout);
            return cli_flush() ? CLI_DONE : CLI_FAILED;
        case CLI_WRONG:
            return CLI_USAGE;
        }
    }
    return optind == argc ? -1
                          : cli_usage(command->name, "%s takes no arguments",
                                      command->name);
}

int cli_status(cli_env *cli, int argc, char **argv)
{
    coherd_status_report *report;
    int result = cli_plain_options(cli, argc, argv, &self);

    if (result >= 0) {
        return result;
    }
    result = cli_ask(cli, &report);
    if (result != CLI_DONE) {
        return result;
    }
    print_report(cli, report);
    coherd_status_free(report);
    return cli_flush() ? CLI_DONE : CLI_FAILED;
}

#include <inttypes.h>

#include "client/cli/cli.h"

static const char help[] =
    "usage: coherctl peers [--json] [--timeout D] [--socket PATH]\n"
    "\n"
    "Show the other sidecars that this one knows: who is listed, who is "
    "there,\n"
    "and who hears whom.\n"
    "\n"
    "  --json       print one JSON object\n"
    "  --timeout D  how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "\n"
    "STATE is listed (nothing heard yet), joining (its events do not arrive\n"
    "yet), live, silent (was live, nothing heard for a while) or refused (its\n"
    "version or cluster does not match). HEARS US is what it says itself.\n"
    "LISTED: by DNS, or as a static peer. EVENTS: how many of its events have\n"
    "arrived here. AGE: how long ago everything that it had accepted was "
    "here;\n"
    "\"-\" if it does not count for how fresh this sidecar is.\n"
    "\n"
    "examples:\n"
    "  coherctl peers\n"
    "  coherctl peers --json | jq '.members[] | select(.state != \"live\")'\n";

static const cli_plain self = {"peers", help};

static const char *state_name(coherd_member_state state)
{
    switch (state) {
    case COHERD_MEMBER_LISTED:
        return "listed";
    case COHERD_MEMBER_JOINING:
        return "joining";
    case COHERD_MEMBER_LIVE:
        return "live";
    case COHERD_MEMBER_SILENT:
        return "silent";
    case COHERD_MEMBER_REFUSED:
        return "refused";
    }
    return "unknown";
}

void cli_json_members(cli_json *json, const coherd_status_report *report)
{
    cli_json_open(json, "members", '[');
    for (size_t i = 0; i < report->member_count; i++) {
        const coherd_member_info *member = &report->members[i];
        cli_json_open(json, NULL, '{');
        cli_json_hex(json, "node", member->node);
        cli_json_text(json, "name", member->name);
        cli_json_text(json, "region", member->region);
        cli_json_text(json, "release", member->release);
        cli_json_text(json, "address", member->address);
        cli_json_uint(json, "port", member->port);
        cli_json_text(json, "state", state_name(member->state));
        cli_json_bool(json, "listed", member->listed);
        cli_json_bool(json, "hears_us", member->hears_us);
        cli_json_uint(json, "rtt_us", member->rtt_us);
        cli_json_uint(json, "received", member->received);
        cli_json_uint(json, "silent_ms", member->silent_ms);
        cli_json_age(json, "age_ms", member->age_ms);
        cli_json_bool(json, "counts", member->counts);
        cli_json_close(json, '}');
    }
    cli_json_close(json, ']');
}

void cli_format_endpoint(const char *address, uint16_t port, char *buf,
                         size_t cap)
{
    const bool is_v6 = strchr(address, ':') != NULL;

    snprintf(buf, cap, is_v6 ? "[%s]:%u" : "%s:%u", address, port);
}

static const char *or_dash(const char *text)
{
    return text[0] == '\0' ? "-" : text;
}

static void add_member(cli_table *table, const coherd_member_info *member)
{
    const bool met = member->node != 0;
    char text[128];

    cli_table_add(table, or_dash(member->name));
    cli_table_add(table, or_dash(member->region));
    cli_table_add(table, state_name(member->state));
    cli_table_add(table, !met ? "-" : member->hears_us ? "yes" : "no");
    cli_table_add(table, member->listed ? "yes" : "no");
    cli_format_duration(member->rtt_us, text, sizeof(text));
    cli_table_add(table, member->rtt_us == 0 ? "-" : text);
    cli_format_duration(member->silent_ms * 1000, text, sizeof(text));
    cli_table_add(table, met ? text : "-");
    snprintf(text, sizeof(text), "%" PRIu64, member->received);
    cli_table_add(table, met ? text : "-");
    cli_format_age(member->age_ms, text, sizeof(text));
    cli_table_add(table, member->counts ? text : "-");
    cli_table_add(table, or_dash(member->release));
    cli_format_endpoint(member->address, member->port, text, sizeof(text));
    cli_table_add(table, text);
}

void cli_print_members(const coherd_status_report *report)
{
    static const char *const head[] = {
        "NAME",   "REGION", "STATE", "HEARS US", "LISTED",  "RTT",
        "SILENT", "EVENTS", "AGE",   "RELEASE",  "ADDRESS",
    };
    const size_t columns = sizeof(head) / sizeof(head[0]);
    cli_table table;

    if (report->member_count == 0) {
        puts("no peers: this sidecar is alone");
        return;
    }
    cli_table_init(&table, columns);
    for (size_t i = 0; i < columns; i++) {
        cli_table_add(&table, head[i]);
    }
    for (size_t i = 0; i < report->member_count; i++) {
        add_member(&table, &report->members[i]);
    }
    cli_table_print(&table, stdout);
    cli_table_fini(&table);
}

int cli_peers(cli_env *cli, int argc, char **argv)
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
    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        cli_json_members(&json, report);
        cli_json_close(&json, '}');
        putchar('\n');
    } else {
        cli_print_members(report);
    }
    coherd_status_free(report);
    return cli_flush() ? CLI_DONE : CLI_FAILED;
}

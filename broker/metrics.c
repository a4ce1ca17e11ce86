#include "broker/metrics.h"

#include <inttypes.h>

static const char *const member_states[CHD_MEMBER_STATES] = {
    [CHD_MEMBER_LISTED] = "listed",   [CHD_MEMBER_JOINING] = "joining",
    [CHD_MEMBER_LIVE] = "live",       [CHD_MEMBER_SILENT] = "silent",
    [CHD_MEMBER_REFUSED] = "refused",
};

static const char *const dns_outcomes[] = {
    [CHD_DNS_NONE] = "none",
    [CHD_DNS_ANSWER] = "answer",
    [CHD_DNS_EMPTY] = "empty",
    [CHD_DNS_UNKNOWN] = "unknown",
};

void chd_metrics_collect(chd_metrics *metrics, const chd_core *core,
                         chd_now now)
{
    chd_member_report member;
    uint32_t index = 0;

    metrics->stats = *chd_core_stats(core);
    chd_core_report_node(core, now, &metrics->node);
    for (; chd_core_report_member(core, now, &index, &member); index++) {
        if (member.state < CHD_MEMBER_STATES) {
            metrics->members[member.state]++;
        }
        metrics->members_counted += member.counts;
    }
}

static void write_head(chd_writer *writer, const char *name, const char *suffix,
                       const char *help, const char *type)
{
    chd_writer_add(writer, "# HELP coherd_%s%s %s\n# TYPE coherd_%s%s %s\n",
                   name, suffix, help, name, suffix, type);
}

static void write_counter(chd_writer *writer, const char *name,
                          const char *help, uint64_t value)
{
    write_head(writer, name, "_total", help, "counter");
    chd_writer_add(writer, "coherd_%s_total %" PRIu64 "\n", name, value);
}

static void write_gauge(chd_writer *writer, const char *name, const char *help,
                        uint64_t value)
{
    write_head(writer, name, "", help, "gauge");
    chd_writer_add(writer, "coherd_%s %" PRIu64 "\n", name, value);
}

/* Write a gauge in seconds, given in units of which a second has per_second.
 */
static void write_seconds(chd_writer *writer, const char *name,
                          const char *help, uint64_t value, uint64_t per_second)
{
    write_head(writer, name, "", help, "gauge");
    chd_writer_add(writer, "coherd_%s %" PRIu64 ".%06" PRIu64 "\n", name,
                   value / per_second,
                   value % per_second * 1000000 / per_second);
}

/* Not known is NaN: no alert that compares it would mistake it for fresh. */
static void write_staleness(chd_writer *writer, const chd_node_report *node)
{
    static const char name[] = "staleness_seconds";
    static const char help[] =
        "Everything accepted anywhere before that is here; NaN: not known";

    if (node->staleness_ms == UINT64_MAX) {
        write_head(writer, name, "", help, "gauge");
        chd_writer_add(writer, "coherd_%s NaN\n", name);
    } else {
        write_seconds(writer, name, help, node->staleness_ms, 1000);
    }
}

static void write_members(chd_writer *writer, const chd_metrics *metrics)
{
    write_head(writer, "members", "", "Peers by state", "gauge");
    for (size_t i = 0; i < CHD_MEMBER_STATES; i++) {
        chd_writer_add(writer, "coherd_members{state=\"%s\"} %" PRIu64 "\n",
                       member_states[i], metrics->members[i]);
    }
}

static void write_dns(chd_writer *writer, const chd_node_report *node)
{
    write_head(writer, "dns_outcome", "", "How the last poll of DNS ended",
               "gauge");
    for (size_t i = 0; i < CHD_COUNT(dns_outcomes); i++) {
        chd_writer_add(writer, "coherd_dns_outcome{outcome=\"%s\"} %d\n",
                       dns_outcomes[i], node->dns_outcome == i);
    }
    write_seconds(writer, "dns_age_seconds",
                  "Time since the last answer of DNS", node->dns_age_ms, 1000);
    write_gauge(writer, "dns_addresses", "Addresses in the last good answers",
                node->dns_count);
}

void chd_metrics_write(const chd_metrics *metrics, chd_writer *writer)
{
    const chd_node_report *node = &metrics->node;

    write_head(writer, "build_info", "", "Version of this coherd", "gauge");
    chd_writer_add(writer, "coherd_build_info{version=\"%s\"} 1\n",
                   CHD_VERSION);
    write_gauge(writer, "ready", "Whether the node is ready",
                node->state == CHD_NODE_READY);
    write_gauge(writer, "degraded",
                "Whether a listed peer or a member is missing", node->degraded);
    write_members(writer, metrics);
    write_gauge(writer, "members_counted", "Peers that count for freshness",
                metrics->members_counted);
    write_staleness(writer, node);
    write_gauge(writer, "sessions", "Applications connected", node->sessions);
    write_gauge(writer, "subscriptions", "Subscriptions of all sessions",
                node->subscriptions);
    write_gauge(writer, "log_bytes", "Bytes of events kept for repair",
                node->log_bytes);
    write_dns(writer, node);
    write_seconds(writer, "uptime_seconds", "Time since the start",
                  node->uptime_ms, 1000);
    write_gauge(writer, "open_fds", "Descriptors open", metrics->open_fds);
    write_gauge(writer, "max_fds", "Descriptors that may be open",
                metrics->max_fds);
    write_seconds(writer, "loop_lag_seconds_max",
                  "Longest delay of something due, in the last two minutes",
                  metrics->loop_lag_ns, CHD_SECOND);
#define X(field, name, help)                                                   \
    write_counter(writer, name, help, metrics->stats.field);
#include "proto/core/stats.def"
#undef X
#define X(field, name, help)                                                   \
    write_counter(writer, name, help, metrics->tally.field);
#include "broker/tally.def"
#undef X
}

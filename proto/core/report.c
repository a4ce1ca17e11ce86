#include "proto/core/state.h"

/* Rounded down it would be an underestimate. */
static uint64_t round_up(uint64_t age_ns)
{
    return age_ns == UINT64_MAX ? UINT64_MAX
                                : age_ns / CHD_MS + (age_ns % CHD_MS != 0);
}

void chd_core_report_node(const chd_core *core, chd_now now,
                          chd_node_report *report)
{
    const chd_stats *stats = &core->stats;
    uint64_t held_by;
    const uint64_t horizon_ns = chd_core_horizon_ns(core, now, &held_by);

    *report = (chd_node_report){
        .node = core->config.node,
        .name = core->config.name,
        .region = core->config.region,
        .cluster = core->config.cluster,
        .release = core->config.release,
        .endpoint = core->config.endpoint,
        .state = core->state,
        .degraded = core->degraded,
        .uptime_ms = chd_since(now.mono_ns, core->started_ns) / CHD_MS,
        .head = core->head,
        .sessions = core->session_count,
        .subscriptions = chd_route_count(core->route),
        .published = stats->published,
        .received = stats->received,
        .delivered = stats->delivered,
        .resets = stats->resets,
        .lost = stats->lost,
        .log_bytes = chd_log_bytes(core->log),
        .dns_outcome = core->dns_outcome,
        .dns_age_ms =
            core->dns_outcome == CHD_DNS_NONE
                ? 0
                : chd_since(now.mono_ns, core->dns_answer_ns) / CHD_MS,
        .dns_count = core->dns_count,
        .staleness_ms = round_up(
            horizon_ns == 0 ? UINT64_MAX : chd_since(now.mono_ns, horizon_ns)),
        .held_by = held_by,
    };
}

bool chd_core_report_member(const chd_core *core, chd_now now, uint32_t *index,
                            chd_member_report *report)
{
    uint32_t i = *index;

    while (i < core->peers.high &&
           (!core->peers.all[i].used || core->peers.all[i].self ||
            core->peers.all[i].alias)) {
        i++;
    }
    if (i >= core->peers.high) {
        return false;
    }
    const chd_peer *peer = &core->peers.all[i];
    const chd_origin *origin = chd_vector_find(core->vector, peer->node);
    bool counts;
    const uint64_t age_ns = chd_core_age_ns(core, now, peer->node, &counts);
    *index = i;
    *report = (chd_member_report){
        .node = peer->node,
        .name = chd_name_bytes(&peer->name),
        .region = chd_name_bytes(&peer->region),
        .release = chd_name_bytes(&peer->release),
        .endpoint = peer->endpoint,
        .state = peer->state,
        .listed = peer->listed,
        .hears_us = peer->hears_us,
        .rtt_us = peer->rtt_ns / 1000,
        .received = origin == NULL ? 0 : origin->received,
        .silent_ms = chd_since(now.mono_ns, peer->heard_ns) / CHD_MS,
        .age_ms = round_up(age_ns),
        .counts = counts,
    };
    return true;
}

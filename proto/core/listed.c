/* listed.c - what discovery and configuration list.  PROTOCOL 3.2.
 *
 * Being listed only ever adds a peer.  What is no longer listed goes when it
 * is also silent (members.c), or says goodbye.
 */
#include "proto/core/state.h"

static void note_outcome(chd_core *core, const chd_input *input, chd_out *out)
{
    const chd_dns_outcome outcome = input->u.listed.outcome;
    const uint64_t count = input->u.listed.dns_count;
    chd_trace_code code = CHD_TRACE_DNS_ANSWER;

    if (outcome == CHD_DNS_EMPTY) {
        code = CHD_TRACE_DNS_EMPTY;
    } else if (outcome == CHD_DNS_UNKNOWN) {
        code = CHD_TRACE_DNS_UNKNOWN;
    }
    if (outcome != CHD_DNS_NONE &&
        (outcome != core->dns_outcome || count != core->dns_count)) {
        chd_core_trace(out, code, NULL, count, core->dns_count);
    }
    if (outcome == CHD_DNS_ANSWER) {
        core->dns_answer_ns = core->now.mono_ns;
    }
    core->dns_outcome = outcome;
    core->dns_count = count;
}

/* Returns false when there is no room for the address. */
static bool list(chd_core *core, const chd_endpoint *endpoint)
{
    chd_peer *peer = chd_peers_at(&core->peers, endpoint);

    if (peer == NULL) {
        peer = chd_peers_add(&core->peers, endpoint, core->now.mono_ns);
    }
    if (peer == NULL) {
        return false;
    }
    if (!peer->listed && peer->node == 0) {
        /* A fresh appearance ends whatever back-off the address had. */
        peer->dial_due_ns = core->now.mono_ns;
        peer->attempts = 0;
        peer->added_ns = core->now.mono_ns;
    }
    peer->listed = true;
    return true;
}

static bool contains(const chd_endpoint *endpoints, size_t count,
                     const chd_endpoint *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (chd_endpoint_equal(&endpoints[i], wanted)) {
            return true;
        }
    }
    return false;
}

void chd_core_on_listed(chd_core *core, const chd_input *input, chd_out *out)
{
    const chd_endpoint *endpoints = input->u.listed.endpoints;
    const size_t count = input->u.listed.endpoint_count;
    uint64_t surplus = 0;

    note_outcome(core, input, out);
    for (uint32_t i = 0; i < core->peers.high; i++) {
        chd_peer *peer = &core->peers.all[i];
        if (peer->listed) {
            peer->unlisted_ns = core->now.mono_ns;
            peer->listed = contains(endpoints, count, &peer->endpoint);
        }
    }
    for (size_t n = 0; n < count; n++) {
        if (!chd_endpoint_equal(&endpoints[n], &core->config.endpoint)) {
            surplus += !list(core, &endpoints[n]);
        }
    }
    if (surplus != core->surplus && surplus > 0) {
        chd_core_trace(out, CHD_TRACE_PEERS_FULL, NULL, core->peers.count_max,
                       count);
    }
    core->surplus = surplus;
    /* Without any answer it is not known who there is to wait for. */
    if (input->u.listed.outcome != CHD_DNS_UNKNOWN) {
        core->listed_once = true;
    }
    core->peers_changed = true;
}

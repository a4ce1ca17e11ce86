#include "proto/core/state.h"

/* How often a pace that holds back looks for members that are stuck. */
#define PACE_LOOK (50 * CHD_MS)

void chd_core_step(chd_core *core, chd_now now, const chd_input *input,
                   chd_out *out)
{
    CHD_ASSERT(out->count == 0);
    CHD_ASSERT(now.mono_ns >= core->now.mono_ns);
    core->now = now;

    switch (input->kind) {
    case CHD_IN_LISTED:
        chd_core_on_listed(core, input, out);
        break;
    case CHD_IN_BROADCAST:
        chd_core_on_broadcast(core, input->u.message.bytes, out);
        break;
    case CHD_IN_CONTROL:
        chd_core_on_control(core, input, out);
        break;
    case CHD_IN_BLOCKED:
        /* Every control message is repeated until it is answered, so one that
         * the transport had no room for needs no other remedy. */
        core->stats.blocked++;
        break;
    case CHD_IN_SESSION_OPEN:
        chd_core_on_session_open(core, input->u.session.session);
        break;
    case CHD_IN_SESSION_MESSAGE:
        chd_core_on_session_message(core, input->u.session.session,
                                    input->u.session.bytes, out);
        break;
    case CHD_IN_SESSION_CLOSED:
        chd_core_on_session_closed(core, input->u.session.session, out);
        break;
    case CHD_IN_DRAIN:
        chd_core_on_drain(core, out);
        break;
    case CHD_IN_TURN_END:
        chd_core_on_turn_end(core, out);
        break;
    }
}

uint64_t chd_core_deadline_ns(const chd_core *core)
{
    if (core->left) {
        return CHD_NEVER_NS;
    }
    if (core->more || core->peers_changed) {
        return 0;
    }
    uint64_t due = chd_min_u64(core->beacon_due_ns, core->peers_due_ns);
    if (core->state == CHD_NODE_STARTING) {
        due = chd_min_u64(
            due, chd_after(core->started_ns, core->config.join_timeout));
    }
    due = chd_min_u64(due, core->repair_due_ns);
    due = chd_min_u64(due, core->hurry_due_ns);
    due = chd_min_u64(due, core->confirms->due_ns);
    if (core->held_back_ns != CHD_NEVER_NS) {
        due = chd_min_u64(due, chd_after(core->now.mono_ns, PACE_LOOK));
    }
    return chd_min_u64(due, core->drain_due_ns);
}

const chd_stats *chd_core_stats(const chd_core *core)
{
    return &core->stats;
}

chd_mesh_header chd_core_header(const chd_core *core, chd_mesh_type type,
                                uint64_t version)
{
    return (chd_mesh_header){
        .version = version,
        .type = type,
        .cluster = core->config.cluster,
        .sender = core->config.node,
    };
}

uint64_t chd_core_broadcast_version(const chd_core *core)
{
    uint64_t version = core->config.version_max;

    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (peer->used && peer->node != 0) {
            version = chd_min_u64(version, peer->version);
        }
    }
    return version;
}

void chd_core_trace_text(chd_out *out, chd_trace_code code,
                         const chd_peer *peer, uint64_t a, uint64_t b,
                         chd_bytes text)
{
    chd_trace trace = {.code = code, .a = a, .b = b, .text = text};

    if (peer != NULL) {
        trace.node = peer->node;
        trace.endpoint = peer->endpoint;
    }
    chd_out_trace(out, &trace);
}

void chd_core_trace(chd_out *out, chd_trace_code code, const chd_peer *peer,
                    uint64_t a, uint64_t b)
{
    const chd_bytes text =
        peer != NULL ? chd_name_bytes(&peer->name) : (chd_bytes){NULL, 0};
    chd_core_trace_text(out, code, peer, a, b, text);
}

void chd_core_malformed(chd_core *core, uint64_t sender, chd_err err,
                        size_t bytes, chd_out *out)
{
    chd_peer *peer = sender == 0 ? NULL : chd_peers_node(&core->peers, sender);
    uint64_t *told =
        peer != NULL ? &peer->malformed_told_ns : &core->malformed_told_ns;
    uint64_t *count =
        peer != NULL ? &peer->malformed_count : &core->malformed_count;

    core->stats.malformed++;
    (*count)++;
    if (*told != 0 &&
        !chd_elapsed(core->now.mono_ns, *told, CHD_TELL_INTERVAL)) {
        return;
    }
    chd_core_trace_text(out, CHD_TRACE_MALFORMED, peer, bytes, *count,
                        chd_bytes_str(chd_err_text(err)));
    *told = core->now.mono_ns;
    *count = 0;
}

void chd_core_send(chd_core *core, const chd_peer *peer, const chd_pack *pack,
                   chd_out *out)
{
    const chd_bytes bytes = chd_out_keep(out, pack);
    chd_action *action = chd_out_add(out, CHD_ACT_SEND);
    action->peer = chd_peers_index(&core->peers, peer);
    action->bytes = bytes;
}

void chd_core_reply(uint64_t route, const chd_pack *pack, chd_out *out)
{
    const chd_bytes bytes = chd_out_keep(out, pack);
    chd_action *action = chd_out_add(out, CHD_ACT_REPLY);
    action->route = route;
    action->bytes = bytes;
}

void chd_core_tell(uint32_t index, const chd_pack *pack, chd_out *out)
{
    const chd_bytes bytes = chd_out_keep(out, pack);
    chd_action *action = chd_out_add(out, CHD_ACT_SESSION_SEND);
    action->session = index;
    action->bytes = bytes;
}

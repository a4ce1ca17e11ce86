/* pacing.c - nobody is sent more than it can take.  PROTOCOL 3.9.
 *
 * Members acknowledge what they have every so many bytes, and with each PING.
 * pace.h has the rule.
 *
 * What one member has is replicated.  Its PONG and ACK prove that; PING may
 * have been meant for the node that was at this address before.
 */
#include "proto/core/state.h"

static bool counts(const chd_peer *peer)
{
    return peer->used && !peer->lagging && !peer->leaving &&
           peer->state == CHD_MEMBER_LIVE && peer->hears_us;
}

/* Up to where everybody who counts has our events. */
static uint64_t slowest(const chd_core *core)
{
    uint64_t least = core->sent;

    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (counts(peer)) {
            least = chd_min_u64(least, peer->acknowledged);
        }
    }
    return least;
}

void chd_core_acknowledged(chd_core *core, chd_peer *peer, uint64_t received,
                           chd_out *out)
{
    /* Who has what was never sent is confused, or another's echo. */
    if (received > core->sent || received <= peer->acknowledged) {
        return;
    }
    peer->acknowledged = received;
    peer->acknowledged_ns = core->now.mono_ns;
    if (peer->lagging && received == core->sent) {
        peer->lagging = false;
        chd_core_trace(out, CHD_TRACE_PEER_CAUGHT_UP, peer, received,
                       core->sent);
    }
}

/* Those that hold everybody up without getting on drop out. */
static void drop_stuck(chd_core *core, chd_out *out)
{
    const uint64_t least = slowest(core);

    for (uint32_t i = 0; i < core->peers.high; i++) {
        chd_peer *peer = &core->peers.all[i];
        const uint64_t since =
            chd_max_u64(peer->acknowledged_ns, core->held_back_ns);
        if (counts(peer) && peer->acknowledged == least &&
            chd_elapsed(core->now.mono_ns, since,
                        CHD_PACE_PATIENCE_MS * CHD_MS)) {
            peer->lagging = true;
            chd_core_trace(out, CHD_TRACE_PEER_LAGGING, peer,
                           peer->acknowledged, core->sent);
        }
    }
}

/* While a publisher waits, one member is pinged as early as this, then after
 * twice as long, and so on.  Whoever only publishes may ask later whether all
 * of it is replicated. */
#define HURRY_MIN (10 * CHD_MS)
#define HURRY_UNASKED (50 * CHD_MS)

void chd_core_judge_replicated(chd_core *core)
{
    /* Who starts does not know yet whether there are others. */
    bool alone = core->state != CHD_NODE_STARTING;
    uint64_t most = 0;

    if (core->replicated == core->sent) {
        return;
    }
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (peer->used && peer->state == CHD_MEMBER_LIVE && !peer->leaving) {
            alone = false;
            most = chd_max_u64(most, peer->answered);
        }
    }
    core->replicated = chd_max_u64(core->replicated, alone ? core->sent : most);
}

void chd_core_hurry(chd_core *core)
{
    const uint32_t high = core->peers.high;

    if (core->now.mono_ns < core->hurry_due_ns) {
        return;
    }
    core->hurry_wait_ns =
        chd_min_u64(2 * core->hurry_wait_ns, core->config.ping_interval);
    core->hurry_due_ns = chd_after(core->now.mono_ns, core->hurry_wait_ns);
    for (uint32_t n = 0; n < high; n++) {
        core->hurry_turn = (core->hurry_turn + 1) % high;
        chd_peer *peer = &core->peers.all[core->hurry_turn];
        if (peer->used && peer->state == CHD_MEMBER_LIVE && !peer->leaving) {
            peer->ping_due_ns = core->now.mono_ns;
            core->peers_due_ns = core->now.mono_ns;
            return;
        }
    }
}

void chd_core_hurry_later(chd_core *core, chd_haste haste, bool progress)
{
    if (haste == CHD_HASTE_NONE) {
        core->hurry_due_ns = CHD_NEVER_NS;
    } else if (progress || haste > core->haste) {
        core->hurry_wait_ns =
            haste == CHD_HASTE_ASKED ? HURRY_MIN : HURRY_UNASKED;
        core->hurry_due_ns = chd_after(core->now.mono_ns, core->hurry_wait_ns);
    }
    core->haste = haste;
}

bool chd_core_may_send(chd_core *core, chd_out *out)
{
    if (chd_pace_is_open(&core->pace)) {
        core->held_back_ns = CHD_NEVER_NS;
        return true;
    }
    chd_pace_landed(&core->pace, slowest(core));
    if (!chd_pace_is_open(&core->pace)) {
        if (core->held_back_ns == CHD_NEVER_NS) {
            core->held_back_ns = core->now.mono_ns;
            core->stats.held_back++;
        }
        drop_stuck(core, out);
        chd_pace_landed(&core->pace, slowest(core));
    }
    if (chd_pace_is_open(&core->pace)) {
        core->held_back_ns = CHD_NEVER_NS;
        return true;
    }
    return false;
}

void chd_core_acknowledge(chd_core *core, chd_peer *peer, size_t bytes,
                          chd_out *out)
{
    peer->unacked_bytes += bytes;
    peer->unacked_messages++;
    if (!peer->dialled || (peer->unacked_bytes < CHD_ACK_BYTES &&
                           peer->unacked_messages < CHD_ACK_MESSAGES)) {
        return;
    }
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_ACK, peer->version);
    const chd_origin *origin = chd_vector_find(core->vector, peer->node);
    const chd_position ack = {peer->node,
                              origin == NULL ? 0 : origin->received};
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    chd_mesh_pack_ack(&pack, &header, &ack);
    chd_core_send(core, peer, &pack, out);
    peer->unacked_bytes = 0;
    peer->unacked_messages = 0;
}

bool chd_core_holds_publishers(const chd_core *core)
{
    return core->unsent_bytes >= CHD_UNSENT_BYTES_MAX;
}

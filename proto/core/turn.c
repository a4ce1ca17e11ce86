/* turn.c - what is due at the end of a turn, and leaving. */
#include "proto/core/state.h"

/* What came since the turn began is not moved into the future. */
static uint64_t forgive(const chd_core *core, uint64_t since_ns, uint64_t gap)
{
    return chd_min_u64(chd_after(since_ns, gap), core->now.mono_ns);
}

/* Nothing that we could not hear counts as silence.  A process that was
 * stopped, or a machine that slept, notices by the length of its own turn,
 * which the beacon keeps within one ping interval. */
static void forgive_lost_time(chd_core *core)
{
    const uint64_t gap = chd_since(core->now.mono_ns, core->turned_ns);

    core->turned_ns = core->now.mono_ns;
    if (gap < 3 * core->config.ping_interval) {
        return;
    }
    for (uint32_t i = 0; i < core->peers.high; i++) {
        chd_peer *peer = &core->peers.all[i];
        if (peer->used) {
            peer->heard_ns = forgive(core, peer->heard_ns, gap);
            peer->events_heard_ns = forgive(core, peer->events_heard_ns, gap);
            peer->hears_us_ns = forgive(core, peer->hears_us_ns, gap);
        }
    }
    for (uint32_t i = 0; i < core->horizon.high; i++) {
        chd_counted *counted = &core->horizon.all[i];
        counted->alive_ns = forgive(core, counted->alive_ns, gap);
    }
}

/* Repeat the head on the PUB socket: proof that the link lives, and that
 * nothing of ours is missing behind the last event. */
static void beacon(chd_core *core, chd_mesh_type type, chd_out *out)
{
    const chd_mesh_header header =
        chd_core_header(core, type, chd_core_broadcast_version(core));
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);

    chd_mesh_pack_head(&pack, &header, core->sent);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    chd_out_add(out, CHD_ACT_BROADCAST)->bytes = bytes;
}

static bool is_heard_by_all(const chd_core *core)
{
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (peer->used && peer->node != 0 && !peer->leaving &&
            !peer->hears_us) {
            return false;
        }
    }
    return true;
}

/* When everybody hears us, and has been told of the last event, fewer beacons
 * say as much: what they repeat is in each PONG, too. */
static bool is_beacon_spared(chd_core *core)
{
    const bool news = core->sent != core->beacon_head;
    uint32_t said = core->beacons_alike;

    core->beacon_head = core->sent;
    if (news || !is_heard_by_all(core)) {
        said = 0;
    }
    core->beacons_alike = said + 1;
    return said >= CHD_BEACON_REST && said % CHD_BEACON_REST != 0;
}

static void beacon_turn(chd_core *core, chd_out *out)
{
    const uint64_t interval = core->config.ping_interval;

    if (core->now.mono_ns < core->beacon_due_ns ||
        !chd_out_has_room(out, 1, CHD_PING_BYTES_MAX)) {
        return;
    }
    if (!is_beacon_spared(core)) {
        beacon(core, CHD_MESH_BEACON, out);
    }
    /* Up to an eighth early, so that a fleet that started together does not go
     * on in step. */
    core->beacon_due_ns =
        chd_after(core->now.mono_ns,
                  interval - chd_prng_below(&core->prng, interval / 8 + 1));
}

static void tell_sessions_goodbye(const chd_core *core, chd_out *out)
{
    chd_pack pack = chd_out_pack(out, 16);
    chd_local_pack_bare(&pack, CHD_LOCAL_GOODBYE);
    const chd_bytes bytes = chd_out_keep(out, &pack);

    for (uint32_t i = 0; i < core->session_high; i++) {
        if (core->sessions[i].open && core->sessions[i].greeted) {
            chd_action *action = chd_out_add(out, CHD_ACT_SESSION_SEND);
            action->session = i;
            action->bytes = bytes;
        }
    }
}

void chd_core_on_drain(chd_core *core, chd_out *out)
{
    if (core->state == CHD_NODE_DRAINING) {
        return;
    }
    core->state = CHD_NODE_DRAINING;
    core->drain_due_ns =
        chd_after(core->now.mono_ns, core->config.drain_timeout);
    chd_core_trace(out, CHD_TRACE_NODE_DRAINING, NULL, core->head,
                   core->session_count);
    tell_sessions_goodbye(core, out);
    /* Ask at once how far everybody is. */
    for (uint32_t i = 0; i < core->peers.high; i++) {
        core->peers.all[i].ping_due_ns = core->now.mono_ns;
    }
    core->peers_changed = true;
}

/* Every living member has all that this node ever said, also one that has only
 * just joined. */
static bool is_replicated(const chd_core *core)
{
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        const bool lives =
            peer->state == CHD_MEMBER_LIVE || peer->state == CHD_MEMBER_JOINING;
        if (peer->used && lives && !peer->leaving &&
            peer->answered < core->head) {
            return false;
        }
    }
    return core->sent == core->head;
}

/* Say goodbye behind the last event, and on the control links for those whose
 * events link is not up. */
static void leave(chd_core *core, chd_out *out)
{
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_BYE, chd_core_broadcast_version(core));
    chd_pack pack;

    beacon(core, CHD_MESH_BYE, out);
    pack = chd_out_pack(out, CHD_PING_BYTES_MAX);
    chd_mesh_pack_head(&pack, &header, core->sent);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (peer->used && peer->dialled && peer->node != 0) {
            chd_action *action = chd_out_add(out, CHD_ACT_SEND);
            action->peer = i;
            action->bytes = bytes;
        }
    }
    chd_out_add(out, CHD_ACT_STOPPED);
    core->drain_due_ns = CHD_NEVER_NS;
    core->left = true;
}

static void drain_turn(chd_core *core, chd_out *out)
{
    if (core->state != CHD_NODE_DRAINING) {
        return;
    }
    if (!chd_out_has_room(out, core->peers.count_max + 2,
                          2 * CHD_PING_BYTES_MAX)) {
        core->more = true;
        return;
    }
    if (is_replicated(core) || core->now.mono_ns >= core->drain_due_ns) {
        leave(core, out);
    }
}

void chd_core_on_turn_end(chd_core *core, chd_out *out)
{
    core->more = false;
    if (core->left) {
        return;
    }
    forgive_lost_time(core);
    chd_core_flush(core, out);
    beacon_turn(core, out);
    chd_core_repairs_turn(core, out);
    chd_core_hurry(core);
    chd_core_freshness_turn(core, out);
    /* Sessions come last: under load they take all the room there is, and the
     * peers' pings must not wait for that. */
    if (core->peers_changed || core->now.mono_ns >= core->peers_due_ns) {
        chd_core_members_turn(core, out);
        chd_core_judge(core, out);
    } else if (core->state == CHD_NODE_STARTING) {
        chd_core_judge(core, out);
    }
    chd_core_deliver(core, out);
    chd_core_confirms_turn(core, out);
    drain_turn(core, out);
}

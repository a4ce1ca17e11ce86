/* gossip.c - anti-entropy.  PROTOCOL 3.8.
 *
 * Every PING and PONG carries a digest of its sender's vector, and one of the
 * nodes that count for its freshness.  When a
 * member's differs from ours twice in a row, we exchange vectors and fetch
 * from each other what is missing, events of dead origins included.  One such
 * exchange in each ping interval is enough: differences travel on from node to
 * node.  This is the second phase of bimodal multicast (Birman and others, ACM
 * TOCS 17(2), 1999): an unreliable fast broadcast, and a gossip that repairs
 * it.
 */
#include "proto/core/state.h"

void chd_core_compare(chd_core *core, chd_peer *peer, const chd_mesh_ping *pong,
                      chd_out *out)
{
    if (pong->digest == chd_vector_digest(core->vector) &&
        pong->members == core->horizon.digest) {
        peer->differs = 0;
        return;
    }
    if (peer->differs > 0 && !chd_elapsed(core->now.mono_ns, peer->differed_ns,
                                          core->config.ping_interval / 2)) {
        return; /* pinged in a hurry: what differs is still on its way */
    }
    peer->differs++;
    peer->differed_ns = core->now.mono_ns;
    if (peer->differs < 2 || core->now.mono_ns < core->vector_due_ns ||
        !peer->dialled) {
        return;
    }
    chd_core_ask_vector(core, peer, out);
    peer->differs = 0;
    core->vector_due_ns =
        chd_after(core->now.mono_ns, core->config.ping_interval);
}

void chd_core_claim_all(chd_core *core, uint64_t holder, chd_bytes positions,
                        chd_out *out)
{
    chd_position position;

    while (chd_mesh_position_next(&positions, &position)) {
        const chd_claim claim = {
            .origin = position.origin,
            .seq = position.seq,
            .holder = holder,
        };
        if (position.origin != core->config.node) {
            chd_core_follow(core, &claim, out);
            (void)chd_core_claim(core, &claim);
            chd_core_claimed(core, &claim);
        }
    }
}

/* We lack events of a node that is not live, and may hold some that came
 * behind them: our position does not tell what there is. */
static bool lacks_of_silent(const chd_core *core)
{
    for (uint32_t i = 0; i < CHD_REPAIRS_MAX; i++) {
        const uint64_t origin = core->repairs[i].origin;
        const chd_peer *peer =
            origin == 0 ? NULL : chd_peers_node(&core->peers, origin);
        if (origin != 0 && (peer == NULL || peer->state != CHD_MEMBER_LIVE)) {
            return true;
        }
    }
    return false;
}

chd_err chd_core_on_vector(chd_core *core, const chd_mesh_header *header,
                           uint64_t route, chd_scan *scan, uint32_t fields,
                           chd_out *out)
{
    chd_mesh_vector vector;
    const chd_err err = chd_mesh_scan_vector(scan, fields, &vector);

    if (err != CHD_OK) {
        return err;
    }
    chd_core_claim_all(core, header->sender, vector.positions, out);
    chd_core_take_ages(core, header->sender, &vector);
    if (vector.answer) {
        chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
        /* Without the time of the question it settles nobody. */
        chd_core_pack_vector(core, &pack, header->version, false,
                             lacks_of_silent(core) ? 0 : vector.t0);
        chd_core_reply(route, &pack, out);
    }
    return CHD_OK;
}

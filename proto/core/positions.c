/* positions.c - up to where this node has the events of each origin, and what
 * follows when it cannot have them all.  PROTOCOL 3.6.
 *
 *   1. An origin that is met for the first time: its position becomes ours.
 *      What it sent before is unknown here, so caches that exist are reset.
 *   2. A gap: events of an origin are beyond reach.  Caches are reset.
 *   3. Hearsay: a HELLO says how far its sender is with other origins.  Those
 *      that we never heard of are case 1.  Where the sender is ahead of us and
 *      the origin is none of our members, nobody else will tell us: case 2.
 *      With a member it is a matter of its own beacons.
 */
#include "proto/core/state.h"

/* Where a part of the mesh cannot reach another, hearsay is all there is, and
 * goes on growing.  A RESET of everything this often is enough. */
#define HEARSAY_INTERVAL (30 * CHD_SECOND)

void chd_core_lost(chd_core *core, uint64_t node, uint64_t head, chd_out *out)
{
    const chd_origin *origin = chd_vector_find(core->vector, node);

    if (origin == NULL || origin->received >= head) {
        return;
    }
    const chd_peer *peer = chd_peers_node(&core->peers, node);
    chd_trace trace = {
        .code = CHD_TRACE_GAP,
        .node = node,
        .a = origin->received + 1,
        .b = head,
    };
    if (peer != NULL) {
        trace.endpoint = peer->endpoint;
        trace.text = chd_name_bytes(&peer->name);
    }
    chd_out_trace(out, &trace);
    core->stats.gaps++;
    core->stats.lost += head - origin->received;
    chd_core_reset_all(core, CHD_RESET_LOST);
    chd_vector_advance(core->vector, node, head);
}

static void tell_baseline(uint64_t node, uint64_t position, uint64_t previous,
                          chd_out *out)
{
    const chd_trace trace = {
        .code = CHD_TRACE_BASELINE,
        .node = node,
        .a = position,
        .b = previous,
    };
    chd_out_trace(out, &trace);
}

void chd_core_follow(chd_core *core, uint64_t node, uint64_t position,
                     chd_out *out)
{
    const chd_origin *origin = chd_vector_find(core->vector, node);
    const uint64_t previous = origin == NULL ? 0 : origin->received;

    if (origin != NULL && origin->seen_ns > 0) {
        return;
    }
    if (origin == NULL) {
        chd_vector_add(core->vector, node, position, core->now.mono_ns);
    } else {
        chd_vector_touch(core->vector, node, core->now.mono_ns);
        chd_vector_advance(core->vector, node, position);
    }
    if (position > previous) {
        tell_baseline(node, position, previous, out);
        chd_core_reset_all(core, CHD_RESET_JOINED);
    }
}

/* Take up what the sender says of an origin that we never heard from.  Where
 * there is no room nothing is lost: to meet the origin later is case 1. */
static bool believe(chd_core *core, const chd_position *position)
{
    if (chd_vector_find(core->vector, position->origin) == NULL) {
        if (chd_vector_is_full(core->vector)) {
            return false;
        }
        chd_vector_add(core->vector, position->origin, 0, 0);
    }
    chd_vector_advance(core->vector, position->origin, position->seq);
    if (position->seq > 0) {
        chd_core_reset_all(core, CHD_RESET_JOINED);
    }
    return true;
}

void chd_core_hearsay(chd_core *core, const chd_mesh_hello *hello, chd_out *out)
{
    const bool due = core->now.mono_ns >= core->hearsay_due_ns;
    chd_bytes positions = hello->positions;
    chd_position position;
    uint64_t believed = 0;

    while (chd_mesh_position_next(&positions, &position)) {
        const chd_origin *origin =
            chd_vector_find(core->vector, position.origin);
        if (origin == NULL) {
            believed += believe(core, &position);
            continue;
        }
        if (!due || position.seq <= origin->received ||
            position.origin == core->config.node ||
            chd_peers_node(&core->peers, position.origin) != NULL) {
            continue;
        }
        if (origin->seen_ns > 0) {
            chd_core_lost(core, position.origin, position.seq, out);
        } else {
            believed += believe(core, &position);
        }
        core->hearsay_due_ns = chd_after(core->now.mono_ns, HEARSAY_INTERVAL);
    }
    if (believed > 0) {
        chd_core_trace(out, CHD_TRACE_HEARSAY, NULL, believed,
                       core->session_count);
    }
}

/* members.c - what becomes of a peer.  PROTOCOL 3.3.
 *
 *   LISTED    an address; HELLO was sent, nobody answered yet
 *   JOINING   the node said hello; nothing came over its PUB socket yet
 *   LIVE      it did
 *   SILENT    nothing came for CHD_SILENT_PINGS intervals
 *   REFUSED   it speaks no version of ours, or belongs to another cluster
 *
 * A silent node is dead after dead_after: then the address is LISTED again
 * while it is listed, else forgotten.  A goodbye does the same at once.
 */
#include "proto/core/state.h"

/* Dialling an address without success: 2 s, 4 s, ... up to this. */
#define DIAL_INTERVAL_MAX (30 * CHD_SECOND)
#define DIAL_INTERVAL_MIN (2 * CHD_SECOND)

/* The second address of a node is tried again this often: it may have become
 * the address of another.  Not often, because for as long as both are dialled
 * its events come on two links, and may overtake each other. */
#define ALIAS_INTERVAL (300 * CHD_SECOND)

/* HELLO is repeated to a member that does not hear us this often. */
#define GREET_INTERVAL (10 * CHD_SECOND)
#define DIAL_ATTEMPTS_MAX 5 /* after these the interval grows no more */

/* How long what a leaving node sent may be on its way. */
#define LEAVE_GRACE (1 * CHD_SECOND)

/* The room that one peer's turn can need: HANG_UP, DIAL, HELLO, PING and two
 * traces. */
#define TURN_ACTIONS 8

static uint64_t silent_span(const chd_core *core)
{
    return CHD_SILENT_PINGS * core->config.ping_interval;
}

/* Where another claims to be, less silence is enough to look who is there. */
static uint64_t patience_with(const chd_core *core, const chd_peer *peer)
{
    return peer->doubted_ns == 0 ? silent_span(core)
                                 : 2 * core->config.ping_interval;
}

static uint64_t silent_ms(const chd_core *core, const chd_peer *peer)
{
    return chd_since(core->now.mono_ns, peer->heard_ns) / CHD_MS;
}

static uint64_t received_of(const chd_core *core, uint64_t node)
{
    const chd_origin *origin = chd_vector_find(core->vector, node);
    return origin == NULL ? 0 : origin->received;
}

/* The next dial, with jitter of a quarter so that a restarted fleet does not
 * knock in step. */
static uint64_t dial_interval(chd_core *core, const chd_peer *peer)
{
    const uint32_t shift =
        peer->attempts < DIAL_ATTEMPTS_MAX ? peer->attempts : DIAL_ATTEMPTS_MAX;
    const uint64_t span =
        chd_min_u64(DIAL_INTERVAL_MIN << shift, DIAL_INTERVAL_MAX);
    return span + chd_prng_below(&core->prng, span / 4 + 1);
}

static void hang_up(chd_core *core, chd_peer *peer, chd_out *out)
{
    if (peer->dialled) {
        chd_out_add(out, CHD_ACT_HANG_UP)->peer =
            chd_peers_index(&core->peers, peer);
        peer->dialled = false;
    }
}

void chd_core_member_gone(chd_core *core, chd_peer *peer)
{
    chd_peers_meet(&core->peers, peer, 0);
    peer->state = CHD_MEMBER_LISTED;
    peer->alias = false;
    peer->leaving = false;
    peer->hears_us = false;
    peer->deaf = false;
    peer->rtt_ns = 0;
    peer->head = 0;
    peer->version = 0;
    peer->acknowledged = 0;
    peer->answered = 0;
    peer->attempts = 0;
    peer->differs = 0;
    peer->hello_due_ns = 0;
    peer->unlisted_ns = core->now.mono_ns;
    peer->dial_due_ns = chd_after(core->now.mono_ns, DIAL_INTERVAL_MIN);
    chd_name_set(&peer->name, (chd_bytes){NULL, 0});
    chd_name_set(&peer->region, (chd_bytes){NULL, 0});
    chd_name_set(&peer->release, (chd_bytes){NULL, 0});
    core->peers_changed = true;
}

void chd_core_member_refused(chd_core *core, chd_peer *peer, chd_out *out)
{
    chd_core_member_gone(core, peer);
    hang_up(core, peer, out);
    peer->state = CHD_MEMBER_REFUSED;
    peer->attempts = DIAL_ATTEMPTS_MAX;
    peer->dial_due_ns = chd_after(core->now.mono_ns, dial_interval(core, peer));
}

void chd_core_member_self(chd_core *core, chd_peer *peer, chd_out *out)
{
    chd_core_member_gone(core, peer);
    hang_up(core, peer, out);
    peer->self = true;
}

/* Its events come, or have not yet had the time to. */
bool chd_core_member_answers(const chd_peer *peer)
{
    return peer->leaving || peer->state == CHD_MEMBER_LIVE ||
           (peer->state == CHD_MEMBER_JOINING && peer->attempts < 3);
}

/* Another node than before is at the address. */
static bool replace(chd_core *core, chd_peer *peer, chd_out *out)
{
    if (peer->node == 0) {
        return false;
    }
    chd_core_trace(out, CHD_TRACE_PEER_REPLACED, peer,
                   received_of(core, peer->node), peer->head);
    chd_core_died(core, peer->node);
    chd_core_member_gone(core, peer);
    return true;
}

void chd_core_peer_drop(chd_core *core, chd_peer *peer, chd_out *out)
{
    chd_core_trace(out, CHD_TRACE_PEER_FORGOTTEN, peer, silent_ms(core, peer),
                   peer->listed);
    hang_up(core, peer, out);
    chd_peers_remove(&core->peers, peer);
    core->peers_changed = true;
}

/* The node already answers at another address: keep the one that works. */
static bool settle_alias(chd_core *core, chd_peer *peer, uint64_t node,
                         chd_out *out)
{
    chd_peer *other = chd_peers_node(&core->peers, node);

    if (other == NULL || other == peer) {
        return false;
    }
    if (!chd_core_member_answers(other)) {
        chd_core_trace(out, CHD_TRACE_PEER_MOVED, other,
                       received_of(core, node), other->head);
        chd_core_member_gone(core, other);
        return false;
    }
    (void)replace(core, peer, out);
    peer->alias = true;
    peer->dial_due_ns = chd_after(core->now.mono_ns, ALIAS_INTERVAL);
    hang_up(core, peer, out);
    return true;
}

/* A node does not answer where it is dialled: perhaps it does elsewhere.  At
 * the end of the pass, as half a mesh may fall silent in one. */
static void try_aliases(chd_core *core)
{
    if (!core->peers.aliases_due) {
        return;
    }
    core->peers.aliases_due = false;
    for (uint32_t i = 0; i < core->peers.high; i++) {
        chd_peer *peer = &core->peers.all[i];
        if (peer->used && peer->alias) {
            peer->alias = false;
            peer->attempts = 0;
            peer->added_ns = core->now.mono_ns;
            peer->dial_due_ns = core->now.mono_ns;
            core->peers_changed = true;
        }
    }
}

void chd_core_member_hello(chd_core *core, chd_peer *peer,
                           const chd_mesh_header *header,
                           const chd_mesh_hello *hello, chd_out *out)
{
    if (settle_alias(core, peer, header->sender, out)) {
        return;
    }
    const bool known = peer->node == header->sender;
    if (!known) {
        /* Nothing of the links to the former one is worth keeping: one may
         * still lead to a host that is gone. */
        if (replace(core, peer, out)) {
            hang_up(core, peer, out);
        }
        peer->attempts = 0;
    }
    chd_peers_meet(&core->peers, peer, header->sender);
    peer->alias = false;
    peer->self = false;
    peer->head = chd_max_u64(peer->head, hello->head);
    peer->version = chd_min_u64(core->config.version_max, hello->version_max);
    chd_name_set(&peer->name, hello->name);
    chd_name_set(&peer->region, hello->region);
    chd_name_set(&peer->release, hello->release);
    if (!known) {
        peer->state = CHD_MEMBER_JOINING;
        peer->ping_due_ns = core->now.mono_ns;
        peer->hears_us_ns = core->now.mono_ns;
        peer->events_heard_ns = core->now.mono_ns;
        chd_core_trace(out, CHD_TRACE_PEER_HELLO, peer, peer->version,
                       hello->head);
    }
    const chd_claim claim = {
        .origin = header->sender,
        .seq = hello->head,
        .holder = header->sender,
    };
    chd_core_follow(core, &claim, out);
    (void)chd_core_claim(core, &claim);
    chd_core_claim_all(core, header->sender, hello->positions, out);
    chd_core_member_heard(core, peer, false, out);
    chd_core_met_at(core, peer->node, &peer->endpoint, &peer->name);
    core->peers_changed = true;
}

void chd_core_member_heard(chd_core *core, chd_peer *peer, bool on_events,
                           chd_out *out)
{
    const uint64_t silent = silent_ms(core, peer);

    peer->heard_ns = core->now.mono_ns;
    peer->doubted_ns = 0;
    chd_vector_touch(core->vector, peer->node, core->now.mono_ns);
    chd_core_alive(core, peer->node, core->now.mono_ns);
    if (on_events) {
        peer->events_heard_ns = core->now.mono_ns;
        if (peer->state == CHD_MEMBER_JOINING) {
            chd_core_trace(out, CHD_TRACE_PEER_LIVE, peer,
                           received_of(core, peer->node), peer->head);
            peer->state = CHD_MEMBER_LIVE;
            peer->attempts = 0;
            core->peers_changed = true;
        }
    }
    if (peer->state == CHD_MEMBER_SILENT) {
        peer->state = CHD_MEMBER_JOINING;
        peer->events_heard_ns = core->now.mono_ns;
        chd_core_trace(out, CHD_TRACE_PEER_BACK, peer, silent,
                       received_of(core, peer->node));
        core->peers_changed = true;
    }
}

/* What those who are due this turn are told, each written when the first one
 * is: strangers and members. */
typedef struct hellos {
    chd_bytes to[2];
} hellos;

static void say_hello(chd_core *core, const chd_peer *peer, hellos *said,
                      chd_out *out)
{
    const bool known = peer->node != 0;
    chd_bytes *hello = &said->to[known];

    if (hello->len == 0) {
        chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
        chd_core_pack_hello(core, CHD_MESH_HELLO, known, &pack);
        *hello = chd_out_keep(out, &pack);
    }
    chd_action *action = chd_out_add(out, CHD_ACT_SEND);
    action->peer = chd_peers_index(&core->peers, peer);
    action->bytes = *hello;
}

static void dial(chd_core *core, chd_peer *peer, hellos *said, chd_out *out)
{
    hang_up(core, peer, out);
    chd_action *action = chd_out_add(out, CHD_ACT_DIAL);
    action->peer = chd_peers_index(&core->peers, peer);
    action->endpoint = peer->endpoint;
    peer->dialled = true;
    peer->up = false;
    peer->pinged_ns = 0; /* what answers a PING from before shows nothing */
    peer->dial_due_ns = chd_after(core->now.mono_ns, dial_interval(core, peer));
    peer->attempts++;
    chd_core_trace(out, CHD_TRACE_PEER_DIALLED, peer, peer->listed,
                   peer->node != 0);
    say_hello(core, peer, said, out);
}

static void ping(chd_core *core, chd_peer *peer, chd_out *out)
{
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_PING, peer->version);
    const chd_mesh_ping message = {
        .t0 = core->now.mono_ns,
        .received = received_of(core, peer->node),
        .heard = peer->state == CHD_MEMBER_LIVE,
        .digest = chd_vector_digest(core->vector),
        .members = core->horizon.digest,
        .refuses_ms = chd_core_refuses_ms(core),
        .to = peer->node,
    };
    chd_pack pack = chd_out_pack(out, CHD_PING_BYTES_MAX);

    chd_mesh_pack_ping(&pack, &header, &message);
    chd_core_send(core, peer, &pack, out);
    core->stats.pings_sent++;
    peer->pinged_ns = core->now.mono_ns;
    /* With the next beacon, so that one turn in each interval pings everybody:
     * waking up for each member costs more than pinging it. */
    peer->ping_due_ns = chd_max_u64(
        core->beacon_due_ns,
        chd_after(core->now.mono_ns, core->config.ping_interval / 2));
}

void chd_core_ping_back(chd_core *core, chd_peer *peer, chd_out *out)
{
    const uint64_t interval = core->config.ping_interval;

    /* Theirs may itself be the answer to ours, a round trip ago. */
    if (!chd_elapsed(core->now.mono_ns, peer->pinged_ns,
                     interval / 2 + chd_min_u64(peer->rtt_ns, interval / 2))) {
        return;
    }
    ping(core, peer, out);
    /* The next one follows the next of theirs, while they come. */
    peer->ping_due_ns = chd_after(core->now.mono_ns, interval + interval / 4);
}

/* A link that carries control messages but no beacons is dialled again, at
 * growing intervals: what takes long to connect must get the time. */
static void mend_events_link(chd_core *core, chd_peer *peer, hellos *said,
                             chd_out *out)
{
    /* Who is told that we hear it spares beacons. */
    const uint64_t rest = peer->state == CHD_MEMBER_LIVE
                              ? CHD_BEACON_REST * core->config.ping_interval
                              : 0;

    if (!chd_elapsed(core->now.mono_ns, peer->events_heard_ns,
                     silent_span(core) + rest) ||
        core->now.mono_ns < peer->dial_due_ns) {
        return;
    }
    chd_core_trace(out, CHD_TRACE_PEER_REDIALLED, peer,
                   chd_since(core->now.mono_ns, peer->events_heard_ns) / CHD_MS,
                   peer->attempts + 1);
    core->stats.redials++;
    peer->state = CHD_MEMBER_JOINING;
    dial(core, peer, said, out);
    if (!chd_core_member_answers(peer)) {
        core->peers.aliases_due = true;
    }
}

/* A member that has forgotten us, while we still have it, dials us again when
 * it hears HELLO. */
static void greet_again(chd_core *core, chd_peer *peer, hellos *said,
                        chd_out *out)
{
    if (!peer->deaf || core->now.mono_ns < peer->hello_due_ns) {
        return;
    }
    say_hello(core, peer, said, out);
    peer->hello_due_ns = chd_after(
        core->now.mono_ns,
        GREET_INTERVAL + chd_prng_below(&core->prng, GREET_INTERVAL / 4));
}

/* It hears us again when it says so; it is deaf when it has not said so for as
 * long as we would call it silent. */
static void judge_hearing(chd_core *core, chd_peer *peer, chd_out *out)
{
    const bool lost =
        chd_elapsed(core->now.mono_ns, peer->hears_us_ns, silent_span(core));

    if (lost != peer->deaf) {
        peer->deaf = lost;
        chd_core_trace(out, lost ? CHD_TRACE_PEER_DEAF : CHD_TRACE_PEER_HEARS,
                       peer, silent_ms(core, peer),
                       received_of(core, peer->node));
    }
}

static void unknown_turn(chd_core *core, chd_peer *peer, hellos *said,
                         chd_out *out)
{
    if (!peer->listed && chd_elapsed(core->now.mono_ns, peer->unlisted_ns,
                                     core->config.dead_after)) {
        chd_core_peer_drop(core, peer, out);
        return;
    }
    if (!peer->self && core->now.mono_ns >= peer->dial_due_ns) {
        dial(core, peer, said, out);
    }
}

static void left_turn(chd_core *core, chd_peer *peer, chd_out *out)
{
    const uint64_t received = received_of(core, peer->node);

    if (received < peer->head &&
        !chd_elapsed(core->now.mono_ns, peer->left_ns, LEAVE_GRACE)) {
        return;
    }
    const chd_claim claim = {
        .origin = peer->node,
        .seq = peer->head,
        .holder = peer->node,
        .certain = true,
    };
    (void)chd_core_claim(core, &claim);
    chd_core_trace(out, CHD_TRACE_PEER_LEFT, peer, received, peer->head);
    core->peers.aliases_due = true;
    hang_up(core, peer, out);
    if (peer->listed) {
        chd_core_member_gone(core, peer);
        /* Its successor has as long to join as any other. */
        peer->added_ns = core->now.mono_ns;
    } else {
        chd_peers_remove(&core->peers, peer);
        core->peers_changed = true;
    }
}

static void silent_turn(chd_core *core, chd_peer *peer, hellos *said,
                        chd_out *out)
{
    if (chd_elapsed(core->now.mono_ns, peer->heard_ns,
                    core->config.dead_after)) {
        chd_core_trace(out, CHD_TRACE_PEER_DEAD, peer, silent_ms(core, peer),
                       received_of(core, peer->node));
        if (peer->listed) {
            chd_core_member_gone(core, peer);
        } else {
            chd_core_peer_drop(core, peer, out);
        }
        return;
    }
    /* Pings to a silent peer pile up in the transport; dialling again drops
     * them, and finds a host that was replaced behind its address. */
    if (core->now.mono_ns >= peer->dial_due_ns) {
        dial(core, peer, said, out);
    }
}

static void member_turn(chd_core *core, chd_peer *peer, hellos *said,
                        chd_out *out)
{
    if (!peer->dialled) {
        dial(core, peer, said, out);
    }
    if (core->now.mono_ns >= peer->ping_due_ns) {
        ping(core, peer, out);
    }
    if (peer->state == CHD_MEMBER_SILENT) {
        silent_turn(core, peer, said, out);
        return;
    }
    if (chd_elapsed(core->now.mono_ns, peer->heard_ns,
                    patience_with(core, peer))) {
        peer->state = CHD_MEMBER_SILENT;
        peer->attempts = 0;
        peer->dial_due_ns = core->now.mono_ns;
        core->peers_changed = true;
        core->peers.aliases_due = true;
        chd_core_trace(out, CHD_TRACE_PEER_SILENT, peer, silent_ms(core, peer),
                       received_of(core, peer->node));
        return;
    }
    mend_events_link(core, peer, said, out);
    judge_hearing(core, peer, out);
    greet_again(core, peer, said, out);
}

static void peer_turn(chd_core *core, chd_peer *peer, hellos *said,
                      chd_out *out)
{
    if (peer->leaving) {
        left_turn(core, peer, out);
    } else if (peer->node == 0) {
        unknown_turn(core, peer, said, out);
    } else {
        member_turn(core, peer, said, out);
    }
}

/* When to look again: the next ping is always early enough for everything
 * else about a node, a dial or an expiry for an address. */
static uint64_t due_of(const chd_core *core, const chd_peer *peer)
{
    const uint64_t expiry =
        peer->listed ? CHD_NEVER_NS
                     : chd_after(peer->unlisted_ns, core->config.dead_after);

    if (peer->leaving) {
        return chd_after(core->now.mono_ns, 20 * CHD_MS);
    }
    if (peer->node != 0) {
        return peer->ping_due_ns;
    }
    return peer->self ? expiry : chd_min_u64(peer->dial_due_ns, expiry);
}

void chd_core_members_turn(chd_core *core, chd_out *out)
{
    hellos said = {0};

    core->peers_changed = false;
    core->peers_due_ns = CHD_NEVER_NS;
    for (uint32_t i = 0; i < core->peers.high; i++) {
        chd_peer *peer = &core->peers.all[i];
        if (!peer->used) {
            continue;
        }
        if (!chd_out_has_room(out, TURN_ACTIONS,
                              CHD_FRAME_BYTES_MAX + CHD_PING_BYTES_MAX)) {
            core->more = true;
            core->peers_due_ns = core->now.mono_ns;
            return;
        }
        peer_turn(core, peer, &said, out);
        if (peer->used) {
            core->peers_due_ns =
                chd_min_u64(core->peers_due_ns, due_of(core, peer));
        }
    }
    try_aliases(core);
    /* What is due within a sixteenth of an interval is done in one pass, or
     * the cost would grow with the square of the peers. */
    core->peers_due_ns = chd_max_u64(
        core->peers_due_ns,
        chd_after(core->now.mono_ns, core->config.ping_interval / 16));
}

void chd_core_count_members(const chd_core *core, uint64_t *members,
                            uint64_t *missing)
{
    *members = 0;
    *missing = 0;
    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (!peer->used || peer->self || peer->alias || peer->leaving) {
            continue;
        }
        *members += peer->node != 0;
        *missing +=
            peer->node == 0 ? peer->listed : peer->state == CHD_MEMBER_SILENT;
    }
    *missing += core->surplus;
}

/* Peers that are missing for longer than a join takes. */
static uint64_t count_overdue(const chd_core *core, const chd_peer **first)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (!peer->used || peer->self || peer->alias || peer->leaving) {
            continue;
        }
        const bool overdue =
            peer->node == 0
                ? peer->listed && chd_elapsed(core->now.mono_ns, peer->added_ns,
                                              core->config.join_timeout)
                : peer->state == CHD_MEMBER_SILENT;
        if (overdue) {
            *first = count == 0 ? peer : *first;
            count++;
        }
    }
    return count;
}

void chd_core_judge(chd_core *core, chd_out *out)
{
    const chd_peer *first = NULL;
    uint64_t members;
    uint64_t missing;

    chd_core_count_members(core, &members, &missing);
    if (core->state == CHD_NODE_STARTING) {
        const bool known = core->listed_once || !core->config.discovers;
        const bool late = chd_elapsed(core->now.mono_ns, core->started_ns,
                                      core->config.join_timeout);
        if ((known && missing == 0) || late) {
            core->state = CHD_NODE_READY;
            chd_core_trace(out, CHD_TRACE_NODE_READY, NULL, members, missing);
        }
    }
    const bool degraded = count_overdue(core, &first) > 0 || core->surplus > 0;
    if (degraded != core->degraded && core->state == CHD_NODE_READY) {
        core->degraded = degraded;
        chd_core_trace(
            out, degraded ? CHD_TRACE_NODE_DEGRADED : CHD_TRACE_NODE_WHOLE,
            first, members, missing);
    }
}

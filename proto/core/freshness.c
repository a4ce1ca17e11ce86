/* freshness.c - up to when this node has everything that was accepted
 * anywhere.  PROTOCOL 3.10.
 *
 *  1. A PONG says what its sender had accepted when it saw our PING.  Once all
 *     of that is here, we have what it accepted before the time t0 at which we
 *     sent the PING, by our own clock.
 *  2. A member that hears a node which we do not hear says in VECTOR up to
 *     where, and of what age, it has that node's events; once they are here,
 *     too, we are as fresh as it was.
 *  3. The horizon is the lowest of these times, over all nodes that count.
 *     No two clocks are ever compared.
 *  4. A node that nobody hears any more is settled before it stops counting:
 *     every living member says what it has of it, and all that is fetched.
 *     Whoever could not be asked then and has more makes it count again.
 */
#include "proto/core/state.h"

/* Members that are asked for their vectors in one interval. */
#define ASK_MAX 8

/* Positions are noted by place in the horizon. */
_Static_assert(CHD_COUNTED_MAX <= CHD_ORIGINS_MAX, "the scratch has a place");

static uint64_t received_of(const chd_core *core, uint64_t node)
{
    const chd_origin *origin = chd_vector_find(core->vector, node);
    return origin == NULL ? 0 : origin->received;
}

static uint64_t silent_span(const chd_core *core)
{
    return CHD_SILENT_PINGS * core->config.ping_interval;
}

/* From when on a node counts that we meet now, or again.  No session was told
 * to be fresher than we are, so what is accepted later than that need not go
 * unnoticed: above all what a restarted sidecar has accepted before we heard
 * of it, because its predecessor has held us back since it died. */
static uint64_t met_ns(chd_core *core)
{
    chd_horizon *horizon = &core->horizon;
    uint64_t holder;

    if (core->state == CHD_NODE_STARTING) {
        return core->now.mono_ns;
    }
    /* Half a mesh may come back in one turn. */
    if (horizon->met_at_ns != core->now.mono_ns) {
        horizon->met_at_ns = core->now.mono_ns;
        horizon->met_ns = chd_core_horizon_ns(core, core->now, &holder);
    }
    return horizon->met_ns;
}

void chd_core_alive(chd_core *core, uint64_t node, uint64_t when_ns)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    if (node == 0 || node == core->config.node) {
        return;
    }
    if (counted == NULL) {
        counted = chd_horizon_add(&core->horizon, node, met_ns(core));
        if (counted != NULL) {
            counted->alive_ns = when_ns;
        }
        return;
    }
    counted->alive_ns = chd_max_u64(counted->alive_ns, when_ns);
    if (counted->state != CHD_COUNTING_ALIVE && when_ns > counted->dead_ns) {
        if (counted->state == CHD_COUNTING_NOT) {
            counted->since_ns = met_ns(core);
        }
        chd_horizon_set(&core->horizon, counted, CHD_COUNTING_ALIVE);
    }
}

void chd_core_left(chd_core *core, uint64_t node, uint64_t head)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    if (counted != NULL && counted->state != CHD_COUNTING_NOT) {
        chd_horizon_set(&core->horizon, counted, CHD_COUNTING_LEFT);
        counted->last = head;
        counted->dead_ns = CHD_NEVER_NS; /* a goodbye is final */
    }
}

static void begin_settling(chd_core *core, chd_counted *counted)
{
    chd_horizon_set(&core->horizon, counted, CHD_COUNTING_DEAD);
    counted->dead_ns = core->now.mono_ns;
    counted->last = 0;
    core->horizon.due_ns = core->now.mono_ns;
}

void chd_core_met_at(chd_core *core, uint64_t node,
                     const chd_endpoint *endpoint, const chd_name *name)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    if (counted != NULL) {
        counted->endpoint = *endpoint;
        counted->name = *name;
    }
}

void chd_core_refuses(chd_core *core, uint64_t node, uint64_t refuses_ms)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    if (counted != NULL) {
        counted->refuses_ns =
            chd_min_u64(refuses_ms, CHD_BOUND_MS_MAX) * CHD_MS;
    }
}

void chd_core_died(chd_core *core, uint64_t node)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    if (counted != NULL && counted->state == CHD_COUNTING_ALIVE) {
        begin_settling(core, counted);
    }
}

void chd_core_promised(chd_core *core, uint64_t node,
                       const chd_promise *promise)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, node);

    /* Only as honest as the member: a time that never was is no time. */
    if (counted != NULL && promise->at_ns <= core->now.mono_ns) {
        chd_fresh_promise(&counted->fresh, promise, received_of(core, node));
    }
}

/* It was settled, while who says so could not be asked.  Itself it is alive
 * when it says anything, and a goodbye is final. */
static bool is_unsettled(const chd_counted *counted, const chd_claim *claim)
{
    return counted->state == CHD_COUNTING_NOT &&
           counted->dead_ns != CHD_NEVER_NS && claim->holder != claim->origin;
}

void chd_core_claimed(chd_core *core, const chd_claim *claim)
{
    const chd_origin *origin = chd_vector_find(core->vector, claim->origin);
    const bool missing = origin != NULL && origin->received < claim->seq;

    if (core->horizon.dead == 0 && !missing) {
        return;
    }
    chd_counted *counted = chd_horizon_find(&core->horizon, claim->origin);
    if (counted != NULL && missing && is_unsettled(counted, claim)) {
        counted->since_ns = met_ns(core);
        begin_settling(core, counted);
    }
    if (counted != NULL && counted->state == CHD_COUNTING_DEAD) {
        counted->last = chd_max_u64(counted->last, claim->seq);
    }
}

/* --- the horizon ---------------------------------------------------------- */

/* Up to when we have what the node accepted, 0 when nobody has said so. */
static uint64_t known_at(const chd_core *core, const chd_counted *counted)
{
    chd_fresh fresh = counted->fresh;

    chd_fresh_reach(&fresh, received_of(core, counted->node));
    return fresh.at_ns;
}

/* The same, where of a node that we have just met nothing that it accepted
 * before counts as missed. */
static uint64_t fresh_at(const chd_core *core, const chd_counted *counted)
{
    const uint64_t at_ns = known_at(core, counted);

    return at_ns != 0 ? at_ns : counted->since_ns;
}

/* It said goodbye, and its last event is here. */
static bool is_through(const chd_core *core, const chd_counted *counted)
{
    return counted->state == CHD_COUNTING_LEFT &&
           received_of(core, counted->node) >= counted->last;
}

static bool does_count(const chd_core *core, const chd_counted *counted)
{
    return counted->state != CHD_COUNTING_NOT && !is_through(core, counted);
}

uint64_t chd_core_horizon_ns(const chd_core *core, chd_now now,
                             uint64_t *holder)
{
    uint64_t horizon = now.mono_ns;

    *holder = 0;
    if (core->state == CHD_NODE_STARTING) {
        return 0; /* others may exist that we have not met */
    }
    if (core->horizon.refused_ns != 0) {
        horizon = core->horizon.refused_ns;
    }
    for (uint32_t i = 0; i < core->horizon.high; i++) {
        const chd_counted *counted = &core->horizon.all[i];
        if (does_count(core, counted) && fresh_at(core, counted) < horizon) {
            horizon = fresh_at(core, counted);
            *holder = counted->node;
        }
    }
    return horizon;
}

uint64_t chd_core_age_ns(const chd_core *core, chd_now now, uint64_t node,
                         bool *counts)
{
    const chd_counted *counted = chd_horizon_find(&core->horizon, node);

    *counts = counted != NULL && does_count(core, counted);
    return !*counts || known_at(core, counted) == 0
               ? UINT64_MAX
               : chd_since(now.mono_ns, known_at(core, counted));
}

uint64_t chd_core_counts_since(const chd_core *core, uint64_t node)
{
    const chd_counted *counted = chd_horizon_find(&core->horizon, node);

    return counted == NULL || counted->state == CHD_COUNTING_NOT
               ? CHD_NEVER_NS
               : counted->since_ns;
}

/* --- what others say ------------------------------------------------------ */

void chd_core_pack_vector(chd_core *core, chd_pack *pack, uint64_t version,
                          bool answer, uint64_t t0)
{
    const chd_mesh_header header =
        chd_core_header(core, CHD_MESH_VECTOR, version);
    const chd_mesh_vector vector = {
        .answer = answer,
        .t0 = t0,
        .position_count = chd_vector_positions(core->vector, core->positions),
    };
    uint32_t count = 0;

    const size_t array_at =
        chd_mesh_vector_open(pack, &header, &vector, core->positions);
    for (uint32_t i = 0; i < core->horizon.high; i++) {
        const chd_counted *counted = &core->horizon.all[i];
        if (counted->state == CHD_COUNTING_ALIVE) {
            const uint64_t at_ns = known_at(core, counted);
            const chd_age age = {
                .node = counted->node,
                .age_ns = at_ns == 0 ? UINT64_MAX
                                     : chd_since(core->now.mono_ns, at_ns),
                .silent_ns = chd_since(core->now.mono_ns, counted->alive_ns),
            };
            chd_mesh_vector_add(pack, &age);
            count++;
        }
    }
    chd_mesh_vector_close(pack, array_at, count);
}

/* What a member that answers says of the age of its knowledge. */
static void take_age(chd_core *core, const chd_age *age, uint64_t t0)
{
    const uint64_t heard_ns = chd_since(t0, age->silent_ns);
    chd_counted *counted = chd_horizon_find(&core->horizon, age->node);

    if (age->silent_ns >= core->config.dead_after) {
        return; /* not for long any more */
    }
    if (counted != NULL && counted->state == CHD_COUNTING_DEAD &&
        heard_ns <= counted->dead_ns && age->silent_ns < silent_span(core)) {
        counted->dead_ns = core->now.mono_ns; /* too early to tell: ask again */
    }
    chd_core_alive(core, age->node, heard_ns);
}

/* Write down, by place in the horizon, the position that a message names. */
static void note_positions(chd_core *core, chd_bytes positions)
{
    chd_position position;

    for (uint32_t i = 0; i < core->horizon.high; i++) {
        core->positions[i] = (chd_position){0, 0};
    }
    while (chd_mesh_position_next(&positions, &position)) {
        const chd_counted *counted =
            chd_horizon_find(&core->horizon, position.origin);
        if (counted != NULL) {
            core->positions[counted - core->horizon.all] = position;
        }
    }
}

/* Positions come from the same message: what its sender has is of that age. */
static void take_promise(chd_core *core, const chd_age *age, uint64_t t0)
{
    const chd_counted *counted = chd_horizon_find(&core->horizon, age->node);

    if (counted != NULL) {
        const chd_promise promise = {
            .seq = core->positions[counted - core->horizon.all].seq,
            .at_ns = chd_since(t0, age->age_ns),
        };
        if (promise.at_ns > counted->fresh.at_ns) {
            chd_core_promised(core, age->node, &promise);
        }
    }
}

void chd_core_take_ages(chd_core *core, uint64_t sender,
                        const chd_mesh_vector *vector)
{
    chd_counted *teller = chd_horizon_find(&core->horizon, sender);
    chd_bytes ages = vector->ages;
    chd_age age;

    if (vector->answer || vector->t0 == 0 || vector->t0 > core->now.mono_ns) {
        return; /* not the answer to a question of ours */
    }
    while (chd_mesh_age_next(&ages, &age)) {
        if (age.node != core->config.node) {
            take_age(core, &age, vector->t0);
        }
    }
    note_positions(core, vector->positions);
    ages = vector->ages;
    while (chd_mesh_age_next(&ages, &age)) {
        if (age.node != core->config.node) {
            take_promise(core, &age, vector->t0);
        }
    }
    if (teller != NULL) {
        teller->answered_ns = chd_max_u64(teller->answered_ns, vector->t0);
    }
}

/* --- whom to ask ---------------------------------------------------------- */

static bool can_tell(const chd_peer *peer)
{
    return peer->used && peer->node != 0 && peer->dialled && !peer->leaving &&
           (peer->state == CHD_MEMBER_LIVE ||
            peer->state == CHD_MEMBER_JOINING);
}

void chd_core_ask_vector(chd_core *core, const chd_peer *peer, chd_out *out)
{
    chd_counted *counted = chd_horizon_find(&core->horizon, peer->node);
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    chd_core_pack_vector(core, &pack, peer->version, true, core->now.mono_ns);
    chd_core_send(core, peer, &pack, out);
    if (counted != NULL) {
        counted->asked_ns = core->now.mono_ns;
    }
}

/* Whoever is a member, and not dead itself, must tell: also one whose link is
 * being made again, and one that is silent, for it may come back with events
 * of the dead.  But not one that we never could reach. */
static bool must_tell(const chd_peer *peer)
{
    return peer->used && peer->node != 0 && !peer->leaving &&
           (peer->state == CHD_MEMBER_SILENT || chd_core_member_answers(peer) ||
            can_tell(peer));
}

/* Return since when every member has said what it has of the dead: what they
 * answered last was asked then, or later. */
static uint64_t all_told_ns(const chd_core *core)
{
    uint64_t least = CHD_NEVER_NS;

    for (uint32_t i = 0; i < core->peers.high; i++) {
        const chd_peer *peer = &core->peers.all[i];
        if (must_tell(peer)) {
            const chd_counted *counted =
                chd_horizon_find(&core->horizon, peer->node);
            if (counted == NULL) {
                return 0;
            }
            if (counted->state == CHD_COUNTING_ALIVE) {
                least = chd_min_u64(least, counted->answered_ns);
            }
        }
    }
    return least;
}

static void settle(chd_core *core, chd_counted *dead, uint64_t told_ns,
                   chd_out *out)
{
    const uint64_t received = received_of(core, dead->node);

    if (received < dead->last || told_ns < dead->dead_ns ||
        chd_core_repair_of(core, dead->node) != NULL) {
        return;
    }
    const chd_trace trace = {
        .code = CHD_TRACE_PEER_SETTLED,
        .node = dead->node,
        .a = received,
        .b = chd_since(core->now.mono_ns, dead->alive_ns) / CHD_MS,
    };
    chd_out_trace(out, &trace);
    chd_horizon_set(&core->horizon, dead, CHD_COUNTING_NOT);
}

/* Returns when the last of those was taken for dead that are not settled yet,
 * 0 when there is none. */
static uint64_t settle_dead(chd_core *core, chd_out *out)
{
    const uint64_t told_ns = core->horizon.dead > 0 ? all_told_ns(core) : 0;
    uint64_t since_ns = 0;

    for (uint32_t i = 0; i < core->horizon.high && core->horizon.dead > 0;
         i++) {
        chd_counted *counted = &core->horizon.all[i];
        if (counted->state == CHD_COUNTING_DEAD) {
            settle(core, counted, told_ns, out);
        }
        if (counted->state == CHD_COUNTING_DEAD) {
            since_ns = chd_max_u64(since_ns, counted->dead_ns);
        }
    }
    return since_ns;
}

/* Nobody hears it, for longer than the policy waits; or it is silent, and
 * another node has its place, or DNS has answered without it since it was heard
 * last: an answer from before may have been too early for it. */
static bool is_dead(const chd_core *core, const chd_counted *counted)
{
    const uint64_t silent = chd_since(core->now.mono_ns, counted->alive_ns);
    const chd_peer *peer = chd_peers_at(&core->peers, &counted->endpoint);

    if (peer == NULL) {
        return silent >= core->config.dead_after;
    }
    if (peer->self || peer->alias ||
        (peer->node != 0 && peer->node != counted->node) ||
        (!peer->listed && core->dns_answer_ns >= counted->alive_ns)) {
        return silent >= silent_span(core);
    }
    return (!peer->listed || !core->config.strict) &&
           silent >= core->config.dead_after;
}

/* We know of it from others alone, or less than they may. */
static bool is_indirect(const chd_core *core, const chd_counted *counted)
{
    const chd_peer *peer = chd_peers_node(&core->peers, counted->node);

    return (peer == NULL || peer->state != CHD_MEMBER_LIVE) &&
           chd_since(core->now.mono_ns, fresh_at(core, counted)) >
               2 * core->config.ping_interval;
}

/* Ask up to so many members that have not answered since a time. */
static void ask_around(chd_core *core, uint64_t since_ns, uint32_t count,
                       chd_out *out)
{
    const uint32_t high = core->peers.high;

    for (uint32_t n = 0; n < high && count > 0; n++) {
        const chd_peer *peer = &core->peers.all[core->horizon.turn++ % high];
        const chd_counted *counted =
            can_tell(peer) ? chd_horizon_find(&core->horizon, peer->node)
                           : NULL;
        if (counted == NULL || counted->answered_ns >= since_ns) {
            continue;
        }
        if (!chd_out_has_room(out, 1, CHD_FRAME_BYTES_MAX)) {
            return;
        }
        chd_core_ask_vector(core, peer, out);
        count--;
    }
}

void chd_core_freshness_turn(chd_core *core, chd_out *out)
{
    bool indirect = false;

    if (core->now.mono_ns < core->horizon.due_ns) {
        return;
    }
    core->horizon.due_ns =
        chd_after(core->now.mono_ns, core->config.ping_interval);
    chd_horizon_forgive(&core->horizon);
    for (uint32_t i = 0; i < core->horizon.high; i++) {
        chd_counted *counted = &core->horizon.all[i];
        if (counted->state == CHD_COUNTING_ALIVE) {
            if (is_dead(core, counted)) {
                begin_settling(core, counted);
            } else {
                indirect |= is_indirect(core, counted);
            }
        }
        if (is_through(core, counted)) {
            chd_horizon_set(&core->horizon, counted, CHD_COUNTING_NOT);
        }
    }
    const uint64_t since_ns = settle_dead(core, out);
    if (since_ns != 0) {
        ask_around(core, since_ns, ASK_MAX, out);
    } else if (indirect) {
        ask_around(core, core->now.mono_ns, 3, out);
    }
}

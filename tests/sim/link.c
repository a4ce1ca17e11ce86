#include "tests/sim/link.h"

#include <string.h>

#include "tests/sim/canary.h"
#include "tests/sim/lane.h"
#include "tests/sim/world.h"

/* ZMQ_RECONNECT_IVL and _MAX. */
#define RETRY_MIN (200 * CHD_MS)
#define RETRY_MAX (5 * CHD_SECOND)

/* A host that vanished: what TCP keepalive makes of it, on a connection where
 * nothing is under way; and when another host answers the first probe. */
#define KEEPALIVE (11 * CHD_SECOND)
#define KEEPALIVE_IDLE (5 * CHD_SECOND)
#define MAXRT (15 * CHD_SECOND)

/* One-way delays until a connection is up: TCP, greeting, and the security
 * handshake; a subscription has to travel, too. */
#define HANDSHAKE_DELAYS 4
#define SUBSCRIBE_DELAYS 5

bool sim_link_path(const sim_world *world, const sim_node *from,
                   const sim_node *to)
{
    const uint64_t until =
        world->blocked_until_ns[from->number - 1][to->number - 1];
    return world->now_ns >= until;
}

/* --- connecting ----------------------------------------------------------- */

sim_node *sim_link_node_at(const sim_world *world, const chd_endpoint *endpoint)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (world->nodes[i]->running &&
            sim_node_answers(world->nodes[i], endpoint)) {
            return world->nodes[i];
        }
    }
    return NULL;
}

static sim_node *reachable(const sim_conn *conn)
{
    sim_node *target = sim_link_node_at(conn->world, &conn->endpoint);

    if (target == NULL || target->frozen || conn->owner->frozen ||
        sim_canary_blocks(conn) ||
        !sim_link_path(conn->world, conn->owner, target) ||
        !sim_link_path(conn->world, target, conn->owner)) {
        return NULL;
    }
    return target;
}

static void try_to_connect(void *who, uint64_t token);

static void retry(sim_conn *conn)
{
    sim_world *world = conn->world;

    conn->retry_ns = conn->retry_ns == 0
                         ? RETRY_MIN
                         : chd_min_u64(2 * conn->retry_ns, RETRY_MAX);
    const uint64_t jitter =
        world->options.jitter_ns == 0 ? 0 : sim_below(world, RETRY_MIN);
    sim_agenda_add(&world->agenda, world->now_ns + conn->retry_ns + jitter,
                   try_to_connect, conn, ++conn->attempt);
}

static void subscribe(sim_conn *conn)
{
    sim_node *target = conn->target;

    if (target->subscriber_count == target->subscriber_cap) {
        target->subscriber_cap =
            target->subscriber_cap == 0 ? 16 : 2 * target->subscriber_cap;
        target->subscribers = realloc(
            target->subscribers, target->subscriber_cap * sizeof(sim_conn *));
        CHD_ASSERT(target->subscribers != NULL);
    }
    target->subscribers[target->subscriber_count++] = conn;
}

static void unsubscribe(sim_conn *conn)
{
    sim_node *target = conn->target;
    uint32_t kept = 0;

    for (uint32_t i = 0; conn->events && i < target->subscriber_count; i++) {
        if (target->subscribers[i] != conn) {
            target->subscribers[kept++] = target->subscribers[i];
        }
    }
    if (conn->events) {
        target->subscriber_count = kept;
    }
}

static void come_up(void *who, uint64_t token)
{
    sim_conn *conn = who;

    if (!conn->open || conn->up || conn->attempt != token) {
        return;
    }
    sim_node *target = reachable(conn);
    if (target == NULL) {
        retry(conn);
        return;
    }
    conn->up = true;
    conn->half_open = false;
    conn->overdue = false;
    conn->target = target;
    conn->target_life = target->life;
    conn->generation++;
    conn->retry_ns = 0;
    if (conn->events) {
        subscribe(conn);
    } else {
        sim_lane_release(conn, &conn->out);
    }
}

static void try_to_connect(void *who, uint64_t token)
{
    sim_conn *conn = who;
    sim_world *world = conn->world;

    if (!conn->open || conn->up || conn->attempt != token) {
        return;
    }
    if (reachable(conn) == NULL) {
        retry(conn);
        return;
    }
    uint64_t delay = sim_lane_delay(world) *
                     (conn->events ? SUBSCRIBE_DELAYS : HANDSHAKE_DELAYS);
    if (conn->events && world->options.joiner_ns > 0) {
        delay += sim_below(world, world->options.joiner_ns);
    }
    sim_agenda_add(&world->agenda, world->now_ns + delay, come_up, conn, token);
}

void sim_conn_break(sim_conn *conn)
{
    CHD_ASSERT(conn->up);
    unsubscribe(conn);
    /* What was sent to a process that is gone must not reach the next. */
    sim_lane_lose(conn, &conn->out,
                  !conn->target->running ||
                      conn->target->life != conn->target_life);
    sim_lane_lose(conn, &conn->in, false);
    conn->up = false;
    conn->half_open = false;
    conn->overdue = false;
    conn->generation++;
    retry(conn);
}

/* --- actions -------------------------------------------------------------- */

static sim_conn *conn_new(sim_node *owner, uint32_t peer, bool events,
                          const chd_endpoint *endpoint)
{
    sim_world *world = owner->world;
    sim_conn *conn = calloc(1, sizeof(*conn));

    CHD_ASSERT(conn != NULL);
    *conn = (sim_conn){
        .world = world,
        .id = world->conn_count,
        .events = events,
        .open = true,
        .peer = peer,
        .endpoint = *endpoint,
        .owner = owner,
        .owner_life = owner->life,
    };
    if (world->conn_count == world->conn_cap) {
        world->conn_cap = world->conn_cap == 0 ? 256 : 2 * world->conn_cap;
        world->conns =
            realloc(world->conns, world->conn_cap * sizeof(sim_conn *));
        CHD_ASSERT(world->conns != NULL);
    }
    world->conns[world->conn_count++] = conn;
    sim_agenda_add(&world->agenda, world->now_ns, try_to_connect, conn,
                   ++conn->attempt);
    return conn;
}

void sim_link_dial(sim_node *node, uint32_t peer, const chd_endpoint *endpoint)
{
    CHD_ASSERT(peer < SIM_PEERS_MAX);
    sim_link_hang_up(node, peer);
    node->events[peer] = conn_new(node, peer, true, endpoint);
    node->control[peer] = conn_new(node, peer, false, endpoint);
}

/* Messages that are on their way back may still arrive. */
static void close_conn(sim_conn *conn, bool lose)
{
    if (conn == NULL) {
        return;
    }
    conn->open = false;
    if (conn->up) {
        unsubscribe(conn);
        if (lose) {
            sim_lane_lose(conn, &conn->out, false);
        }
        conn->up = false;
    } else {
        sim_lane_lose(conn, &conn->out, true);
    }
    conn->generation++;
}

void sim_link_hang_up(sim_node *node, uint32_t peer)
{
    CHD_ASSERT(peer < SIM_PEERS_MAX);
    close_conn(node->events[peer], true);
    close_conn(node->control[peer], true);
    node->events[peer] = NULL;
    node->control[peer] = NULL;
}

static bool send_bytes(sim_conn *conn, sim_lane *lane, chd_bytes bytes)
{
    sim_blob *blob = sim_blob_new(bytes);
    const bool sent = sim_lane_send(conn, lane, blob);

    sim_blob_unref(blob);
    return sent;
}

bool sim_link_send(sim_node *node, uint32_t peer, chd_bytes bytes)
{
    CHD_ASSERT(peer < SIM_PEERS_MAX);
    sim_conn *conn = node->control[peer];

    return conn != NULL && send_bytes(conn, &conn->out, bytes);
}

bool sim_link_reply(sim_node *node, uint64_t route, chd_bytes bytes)
{
    sim_conn *conn = node->world->conns[route >> 32];

    if (!conn->up || conn->generation != (uint32_t)route) {
        return false;
    }
    /* A node that dialled itself is both ends; its HELLO came in at the
     * answering one. */
    const bool answers = conn->target == node;
    return send_bytes(conn, answers ? &conn->in : &conn->out, bytes);
}

static uint32_t count_subscriptions(const sim_node *node, const sim_node *to)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < node->subscriber_count; i++) {
        count += node->subscribers[i]->owner == to;
    }
    return count;
}

bool sim_link_hears(const sim_node *node, const sim_node *other)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < node->peer_count_max; i++) {
        const sim_conn *conn = node->events[i];
        if (conn == NULL || !sim_node_answers(other, &conn->endpoint)) {
            continue;
        }
        if (!conn->up || conn->half_open) {
            return false;
        }
        up++;
    }
    return up == 1;
}

void sim_link_broadcast(sim_node *node, chd_bytes bytes, bool is_events)
{
    sim_world *world = node->world;
    sim_blob *blob = sim_blob_new(bytes);

    for (uint32_t i = 0; i < node->subscriber_count; i++) {
        sim_conn *conn = node->subscribers[i];
        (void)sim_lane_send(conn, &conn->in, blob);
    }
    sim_blob_unref(blob);
    /* Who has no link misses it; on two links they may overtake each other. */
    for (uint32_t i = 0; is_events && i < world->node_count; i++) {
        sim_node *to = world->nodes[i];
        if (to != node && to->running && count_subscriptions(node, to) != 1) {
            to->losses++;
        }
    }
}

/* --- nodes and faults ----------------------------------------------------- */

static void notice(void *who, uint64_t token)
{
    sim_conn *conn = who;

    if (conn->open && conn->up && conn->generation == token) {
        sim_conn_break(conn);
    }
}

/* The process at the other end of conn is gone. */
static void lose_target(sim_conn *conn, sim_end end)
{
    sim_world *world = conn->world;
    const bool told =
        end != SIM_END_CRASH && sim_link_path(world, conn->target, conn->owner);
    const uint64_t patience = conn->events ? KEEPALIVE : MAXRT;

    if (end != SIM_END_ORDER) {
        sim_lane_lose(conn, &conn->in, false);
    }
    unsubscribe(conn);
    conn->half_open = true;
    const uint64_t at = told
                            ? chd_max_u64(conn->in.last_ns,
                                          world->now_ns + sim_lane_delay(world))
                            : world->now_ns + patience;
    sim_agenda_add(&world->agenda, at, notice, conn, conn->generation);
}

void sim_link_node_ended(sim_node *node, sim_end end)
{
    sim_world *world = node->world;

    for (uint32_t i = 0; i < node->peer_count_max; i++) {
        close_conn(node->events[i], end != SIM_END_ORDER);
        close_conn(node->control[i], end != SIM_END_ORDER);
        node->events[i] = node->control[i] = NULL;
    }
    for (uint64_t i = 0; i < world->conn_count; i++) {
        sim_conn *conn = world->conns[i];
        if (conn->open && conn->up && conn->target == node &&
            !conn->half_open) {
            lose_target(conn, end);
        }
    }
}

void sim_link_node_started(sim_node *node)
{
    sim_world *world = node->world;

    for (uint64_t i = 0; i < world->conn_count; i++) {
        sim_conn *conn = world->conns[i];
        if (conn->open && conn->up && conn->half_open &&
            sim_node_answers(node, &conn->endpoint)) {
            sim_agenda_add(&world->agenda, world->now_ns + KEEPALIVE_IDLE,
                           notice, conn, conn->generation);
        }
    }
}

static bool is_between(const sim_conn *conn, const sim_node *a,
                       const sim_node *b)
{
    return conn->open && conn->up &&
           ((conn->owner == a && conn->target == b) ||
            (conn->owner == b && conn->target == a));
}

void sim_link_cut(sim_world *world, const sim_node *a, const sim_node *b)
{
    world->cut_ns[a->number - 1][b->number - 1] = world->now_ns;
    world->cut_ns[b->number - 1][a->number - 1] = world->now_ns;
    for (uint64_t i = 0; i < world->conn_count; i++) {
        sim_conn *conn = world->conns[i];
        if (is_between(conn, a, b) && !conn->half_open) {
            sim_conn_break(conn);
        }
    }
}

static void unblock(void *who, uint64_t token)
{
    sim_world *world = who;
    const sim_node *from = world->nodes[token >> 16];
    const sim_node *to = world->nodes[token & 0xffff];

    if (!sim_link_path(world, from, to)) {
        return;
    }
    for (uint64_t i = 0; i < world->conn_count; i++) {
        sim_conn *conn = world->conns[i];
        if (is_between(conn, from, to)) {
            sim_lane_release(conn,
                             conn->owner == from ? &conn->out : &conn->in);
        }
    }
}

void sim_link_block(sim_world *world, const sim_node *from, const sim_node *to,
                    uint64_t until_ns)
{
    const uint32_t a = from->number - 1;
    const uint32_t b = to->number - 1;

    if (until_ns > world->blocked_until_ns[a][b]) {
        world->blocked_until_ns[a][b] = until_ns;
        sim_agenda_add(&world->agenda, until_ns, unblock, world,
                       (uint64_t)a << 16 | b);
    }
}

void sim_link_heal(sim_world *world)
{
    for (uint32_t a = 0; a < world->node_count; a++) {
        for (uint32_t b = 0; b < world->node_count; b++) {
            if (world->blocked_until_ns[a][b] > world->now_ns) {
                world->blocked_until_ns[a][b] = world->now_ns;
                unblock(world, (uint64_t)a << 16 | b);
            }
        }
    }
}

void sim_link_fini(sim_world *world)
{
    for (uint64_t i = 0; i < world->conn_count; i++) {
        sim_conn *conn = world->conns[i];
        conn->events = false; /* the nodes that count losses are gone */
        sim_lane_lose(conn, &conn->out, true);
        sim_lane_lose(conn, &conn->in, true);
        free(conn);
    }
    free(world->conns);
    world->conns = NULL;
    world->conn_count = 0;
}

#include "tests/sim/lane.h"

#include <string.h>

#include "tests/sim/canary.h"
#include "tests/sim/world.h"

/* Unacknowledged data ends a connection after this long (ZMQ_TCP_MAXRT). */
#define MAXRT (15 * CHD_SECOND)

sim_blob *sim_blob_new(chd_bytes bytes)
{
    sim_blob *blob = malloc(sizeof(*blob) + bytes.len);

    CHD_ASSERT(blob != NULL);
    blob->refs = 1;
    blob->len = bytes.len;
    memcpy(blob->bytes, bytes.ptr, bytes.len);
    return blob;
}

sim_blob *sim_blob_ref(sim_blob *blob)
{
    blob->refs++;
    return blob;
}

void sim_blob_unref(sim_blob *blob)
{
    if (--blob->refs == 0) {
        free(blob);
    }
}

uint64_t sim_lane_delay(sim_world *world)
{
    const sim_options *options = &world->options;
    uint64_t delay =
        options->delay_ns + sim_below(world, options->jitter_ns + 1);

    if (options->canary == SIM_CANARY_CHANCE) {
        delay += world->chance;
    }
    return delay;
}

sim_node *sim_lane_from(sim_conn *conn, const sim_lane *lane)
{
    return lane == &conn->in ? conn->target : conn->owner;
}

sim_node *sim_lane_to(sim_conn *conn, const sim_lane *lane)
{
    return lane == &conn->in ? conn->owner : conn->target;
}

static void count_loss(sim_conn *conn)
{
    if (conn->events) {
        conn->owner->losses++;
    }
}

static void drop(sim_lane *lane, sim_packet *packet)
{
    lane->count--;
    sim_blob_unref(packet->blob);
    free(packet);
}

/* The receiver's end of a packet's way. */
static void arrive(sim_conn *conn, sim_lane *lane, sim_packet *packet)
{
    sim_node *to = sim_lane_to(conn, lane);
    const uint32_t life =
        lane == &conn->in ? conn->owner_life : conn->target_life;

    if (!to->running || to->life != life) {
        count_loss(conn);
        drop(lane, packet);
        return;
    }
    sim_arrival *arrival = malloc(sizeof(*arrival));
    CHD_ASSERT(arrival != NULL);
    *arrival = (sim_arrival){
        .conn = conn,
        .lane = lane,
        .route = conn->id << 32 | conn->generation,
        .dialled = lane == &conn->in && conn->open,
        .blob = packet->blob,
    };
    free(packet);
    sim_node_arrive(to, arrival);
}

static void lane_due(sim_conn *conn, sim_lane *lane)
{
    while (lane->first != NULL &&
           lane->first->arrives_ns <= conn->world->now_ns) {
        sim_packet *packet = lane->first;
        lane->first = packet->next;
        arrive(conn, lane, packet);
    }
}

static void out_due(void *who, uint64_t token)
{
    sim_conn *conn = who;

    (void)token;
    lane_due(conn, &conn->out);
}

static void in_due(void *who, uint64_t token)
{
    sim_conn *conn = who;

    (void)token;
    lane_due(conn, &conn->in);
}

static void put_under_way(sim_conn *conn, sim_lane *lane, sim_packet *packet,
                          bool overtakes)
{
    sim_world *world = conn->world;
    uint64_t at = world->now_ns + sim_lane_delay(world);

    if (overtakes) {
        at += sim_below(world, 4 * world->options.delay_ns + 1);
        count_loss(conn);
    } else {
        at = chd_max_u64(at, lane->last_ns);
        lane->last_ns = at;
    }
    packet->arrives_ns = at;
    sim_agenda_add(&world->agenda, at, lane == &conn->in ? in_due : out_due,
                   conn, 0);
}

/* Insert by time of arrival; behind others of the same time. */
static void insert(sim_lane *lane, sim_packet *packet)
{
    sim_packet **at = &lane->first;

    while (*at != NULL && (*at)->arrives_ns <= packet->arrives_ns) {
        at = &(*at)->next;
    }
    packet->next = *at;
    *at = packet;
}

static void timed_out(void *who, uint64_t token)
{
    sim_conn *conn = who;

    if (!conn->open || !conn->up || conn->generation != token) {
        return;
    }
    conn->overdue = false;
    if (conn->half_open ||
        !sim_link_path(conn->world, conn->owner, conn->target) ||
        !sim_link_path(conn->world, conn->target, conn->owner)) {
        sim_conn_break(conn);
    }
}

static void expect_answer(sim_conn *conn, uint64_t patience_ns)
{
    if (!conn->overdue) {
        conn->overdue = true;
        sim_agenda_add(&conn->world->agenda, conn->world->now_ns + patience_ns,
                       timed_out, conn, conn->generation);
    }
}

static void send_one(sim_conn *conn, sim_lane *lane, sim_blob *blob,
                     bool overtakes)
{
    sim_world *world = conn->world;

    if (conn->up && conn->half_open) {
        /* A host that is there again answers with a reset. */
        const bool reset = sim_link_node_at(world, &conn->endpoint) != NULL;
        conn->overdue = conn->overdue && !reset;
        expect_answer(conn, reset ? 2 * world->options.delay_ns : MAXRT);
        count_loss(conn);
        return;
    }
    sim_packet *packet = malloc(sizeof(*packet));
    CHD_ASSERT(packet != NULL);
    *packet = (sim_packet){NULL, CHD_NEVER_NS, sim_blob_ref(blob)};
    lane->count++;
    if (conn->up) {
        const sim_node *from = sim_lane_from(conn, lane);
        const sim_node *to = sim_lane_to(conn, lane);
        const bool path = sim_link_path(world, from, to);
        if (path) {
            put_under_way(conn, lane, packet, overtakes);
        }
        if (!path || !sim_link_path(world, to, from)) {
            expect_answer(conn, MAXRT);
        }
    }
    insert(lane, packet);
}

static bool has_chance(sim_conn *conn, sim_fault fault)
{
    sim_world *world = conn->world;

    return world->phase == SIM_PHASE_FAULTS &&
           sim_has(&world->options, fault) &&
           sim_below(world, 1000000) < world->options.hostile_ppm;
}

bool sim_lane_send(sim_conn *conn, sim_lane *lane, sim_blob *blob)
{
    const sim_world *world = conn->world;
    const bool calm = world->phase != SIM_PHASE_FAULTS;

    if (lane->count >= (calm ? SIM_HWM_CALM : world->options.hwm)) {
        count_loss(conn);
        return false;
    }
    if (conn->events && sim_canary_loses(conn)) {
        return true;
    }
    if (sim_canary_keeps(conn, blob, sim_lane_to(conn, lane))) {
        return true;
    }
    if (has_chance(conn, SIM_LOSS)) {
        count_loss(conn);
        return true;
    }
    blob = sim_canary_changes(conn, sim_blob_ref(blob));
    if (conn->events) {
        blob = sim_canary_carries(conn, blob);
    }
    send_one(conn, lane, blob, has_chance(conn, SIM_REORDER));
    if (has_chance(conn, SIM_DUP)) {
        send_one(conn, lane, blob, true);
    }
    sim_blob_unref(blob);
    return true;
}

void sim_lane_release(sim_conn *conn, sim_lane *lane)
{
    sim_packet *packet = lane->first;

    lane->first = NULL;
    while (packet != NULL) {
        sim_packet *next = packet->next;
        if (packet->arrives_ns == CHD_NEVER_NS) {
            put_under_way(conn, lane, packet, false);
        }
        insert(lane, packet);
        packet = next;
    }
}

void sim_lane_lose(sim_conn *conn, sim_lane *lane, bool all)
{
    sim_packet **at = &lane->first;
    uint64_t keep = 0;

    if (!all) {
        for (const sim_packet *p = lane->first; p != NULL; p = p->next) {
            keep++;
        }
        keep = sim_below(conn->world, keep + 1);
    }
    /* What waits for the path has not left yet. */
    while (*at != NULL && keep-- > 0 && (*at)->arrives_ns != CHD_NEVER_NS) {
        at = &(*at)->next;
    }
    sim_packet *packet = *at;
    *at = NULL;
    while (packet != NULL) {
        sim_packet *next = packet->next;
        count_loss(conn);
        drop(lane, packet);
        packet = next;
    }
}

void sim_arrival_done(sim_arrival *arrival)
{
    arrival->lane->count--;
    sim_blob_unref(arrival->blob);
    free(arrival);
}

#include "tests/sim/node.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/dns.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* fd00::<number / 256>:<kind>:<number % 256> */
static chd_endpoint endpoint_of(uint8_t kind, uint32_t number)
{
    chd_endpoint endpoint = {.port = SIM_NODE_PORT};

    endpoint.address[0] = 0xfd;
    endpoint.address[13] = kind;
    endpoint.address[11] = (uint8_t)(number >> 8);
    endpoint.address[15] = (uint8_t)number;
    return endpoint;
}

sim_node *sim_node_new(sim_world *world, uint32_t number)
{
    sim_node *node = calloc(1, sizeof(*node));

    CHD_ASSERT(node != NULL);
    CHD_ASSERT(number == world->node_count + 1 && number <= SIM_NODES_MAX);
    node->world = world;
    node->number = number;
    (void)snprintf(node->name, sizeof(node->name), "node-%u", number);
    node->endpoint = endpoint_of(0, number);
    node->wake_ns = CHD_NEVER_NS;
    node->arrivals_end = &node->arrivals;
    world->nodes[world->node_count++] = node;
    return node;
}

/* Room for those who moved and for second addresses, too. */
static uint32_t peers_for(const sim_node *node)
{
    const uint32_t few = 160;
    const uint32_t enough = 3 * node->world->node_count;
    const uint32_t most = enough < SIM_PEERS_MAX ? enough : SIM_PEERS_MAX;

    return most > few ? most : few;
}

static chd_core_config config_of(sim_node *node)
{
    sim_world *world = node->world;
    const sim_node_setup *setup = &node->setup;
    const char *cluster = setup->cluster == NULL ? "test" : setup->cluster;
    chd_core_config config;

    chd_core_config_init(&config);
    config.seed = chd_prng_next(&world->prng);
    config.node = node->id;
    config.cluster = chd_bytes_str(cluster);
    config.name = chd_bytes_str(node->name);
    config.release = chd_bytes_str("0.1.0");
    config.endpoint =
        setup->announce.port == 0 ? node->endpoint : setup->announce;
    if (setup->version != 0) {
        config.version_min = config.version_max = setup->version;
    }
    config.ping_interval = world->options.ping_interval;
    config.dead_after = world->options.dead_after;
    config.strict = world->options.strict;
    config.log_bytes = CHD_LOG_BYTES_MIN;
    config.peer_count_max = node->peer_count_max =
        setup->peer_count_max == 0 ? peers_for(node) : setup->peer_count_max;
    config.session_count_max = SIM_SESSIONS_MAX;
    config.discovers = true;
    return config;
}

/* Clocks begin anywhere; in a world without chance they are far apart. */
static void set_clock(sim_node *node)
{
    sim_world *world = node->world;

    node->started_ns = world->now_ns;
    if (world->options.jitter_ns == 0) {
        node->clock_at_ns = node->number * 1000 * CHD_SECOND;
        node->wall_offset_ms = 1700000000000;
        return;
    }
    node->clock_at_ns = sim_below(world, 1000000) * CHD_SECOND;
    node->wall_offset_ms = 1700000000000 + sim_below(world, 100000);
    if (sim_has(&world->options, SIM_CLOCK)) {
        node->drift_ppm = (int64_t)sim_below(world, 2001) - 1000;
    }
}

chd_now sim_node_clock(const sim_node *node)
{
    const uint64_t passed = node->world->now_ns - node->started_ns;
    const int64_t drift = (int64_t)(passed / 1000) * node->drift_ppm / 1000;
    const uint64_t run = (uint64_t)((int64_t)passed + drift);

    return (chd_now){
        .mono_ns = node->clock_at_ns + run,
        .wall_ms = node->wall_offset_ms + node->world->now_ns / CHD_MS,
    };
}

uint64_t sim_node_when(const sim_node *node, uint64_t clock_ns)
{
    const uint64_t now_ns = node->world->now_ns;
    const uint64_t clock_now = sim_node_clock(node).mono_ns;

    if (clock_ns == CHD_NEVER_NS) {
        return CHD_NEVER_NS;
    }
    if (clock_ns <= clock_now) {
        return now_ns;
    }
    /* A slow clock takes longer; a little too late is no harm. */
    const uint64_t left = clock_ns - clock_now;
    return now_ns + left + (node->drift_ppm < 0 ? left / 900 + 2000 : 0);
}

void sim_node_start(sim_node *node)
{
    sim_world *world = node->world;

    CHD_ASSERT(!node->running);
    node->running = true;
    node->frozen = false;
    node->stopped = false;
    node->drain_due = false;
    node->life++;
    node->id = chd_prng_next(&world->prng) | 1;
    node->subscriber_count = 0;
    node->listed_count = 0;
    node->refused = 0;
    node->gaps = 0;
    node->log_bytes_max = 0;
    node->thawed_ns = 0;
    memset(node->met, 0, sizeof(node->met));
    memset(node->greeted_ns, 0, sizeof(node->greeted_ns));
    set_clock(node);
    sim_ledger_start(&world->ledger, node->id, node->number, node->life);

    const chd_core_config config = config_of(node);
    chd_err err = chd_out_new(NULL, &node->out);
    CHD_ASSERT(err == CHD_OK);
    err = chd_core_new(&config, NULL, sim_node_clock(node), &node->core);
    CHD_ASSERT(err == CHD_OK);
    sim_tell(&world->transcript, world->now_ns, node->name, "starts");
    sim_link_node_started(node);
    sim_dns_begin(node);
    sim_node_wake(node);
}

static void drop_arrivals(sim_node *node)
{
    while (node->arrivals != NULL) {
        sim_arrival *arrival = node->arrivals;
        node->arrivals = arrival->next;
        sim_arrival_done(arrival);
    }
    node->arrivals_end = &node->arrivals;
}

static void drop_sessions(sim_node *node)
{
    while (node->waiting != NULL) {
        sim_stream *stream = node->waiting;
        node->waiting = stream->next;
        sim_stream_close_node(stream, true);
    }
    for (uint32_t i = 0; i < SIM_SESSIONS_MAX; i++) {
        if (node->sessions[i] != NULL) {
            sim_stream_close_node(node->sessions[i], true);
            node->sessions[i] = NULL;
        }
    }
}

void sim_node_end(sim_node *node, sim_end end)
{
    static const char *const how[] = {"exits", "is killed", "vanishes"};
    sim_world *world = node->world;

    CHD_ASSERT(node->running);
    sim_tell(&world->transcript, world->now_ns, node->name, "%s", how[end]);
    node->running = false;
    node->frozen = false;
    node->wake_ns = CHD_NEVER_NS;
    node->wake_token++;
    sim_ledger_end(&world->ledger, node->id);
    drop_arrivals(node);
    drop_sessions(node);
    sim_link_node_ended(node, end);
    chd_core_destroy(&node->core);
    chd_out_destroy(&node->out);
}

void sim_node_free(sim_node *node)
{
    if (node->running) {
        node->running = false;
        drop_arrivals(node);
        drop_sessions(node);
        chd_core_destroy(&node->core);
        chd_out_destroy(&node->out);
    }
    free(node->subscribers);
    free(node);
}

void sim_node_drain(sim_node *node)
{
    if (node->running) {
        node->drain_due = true;
        sim_node_wake(node);
    }
}

bool sim_node_is_leaving(const sim_node *node)
{
    chd_node_report report;

    chd_core_report_node(node->core, sim_node_clock(node), &report);
    return node->drain_due || report.state == CHD_NODE_DRAINING;
}

bool sim_node_holds_back(const sim_node *node)
{
    const sim_ledger *ledger = &node->world->ledger;
    const uint32_t origin = sim_ledger_find(ledger, node->id);
    chd_node_report report;

    chd_core_report_node(node->core, sim_node_clock(node), &report);
    return report.head > ledger->origins[origin].count;
}

static void thaw(void *who, uint64_t token)
{
    sim_node *node = who;
    sim_world *world = node->world;

    if (node->running && node->frozen && node->life == token &&
        world->now_ns >= node->frozen_until_ns) {
        node->frozen = false;
        node->thawed_ns = world->now_ns;
        sim_tell(&world->transcript, world->now_ns, node->name, "thaws");
        sim_node_wake(node);
    }
}

void sim_node_freeze(sim_node *node, uint64_t until_ns)
{
    sim_world *world = node->world;

    if (!node->running) {
        return;
    }
    sim_tell(&world->transcript, world->now_ns, node->name, "freezes");
    sim_oracle_freezes(node);
    node->frozen = true;
    node->frozen_until_ns = until_ns;
    node->wake_ns = CHD_NEVER_NS;
    node->wake_token++;
    sim_agenda_add(&world->agenda, until_ns, thaw, node, node->life);
}

static void wake_at(sim_node *node, uint64_t at_ns)
{
    if (node->running && !node->frozen && at_ns < node->wake_ns) {
        node->wake_ns = at_ns;
        sim_agenda_add(&node->world->agenda, at_ns, sim_node_turn, node,
                       ++node->wake_token);
    }
}

void sim_node_wake(sim_node *node)
{
    sim_world *world = node->world;
    const uint64_t most = world->options.turn_delay_ns;

    if (node->wake_ns > world->now_ns + most) {
        wake_at(node, world->now_ns + sim_below(world, most + 1));
    }
}

void sim_node_wake_at(sim_node *node, uint64_t at_ns)
{
    wake_at(node, chd_max_u64(at_ns, node->world->now_ns));
}

void sim_node_arrive(sim_node *node, sim_arrival *arrival)
{
    arrival->next = NULL;
    *node->arrivals_end = arrival;
    node->arrivals_end = &arrival->next;
    sim_node_wake(node);
}

bool sim_node_answers(const sim_node *node, const chd_endpoint *endpoint)
{
    const chd_endpoint *own[] = {&node->endpoint, &node->alias};

    for (size_t i = 0; i < CHD_COUNT(own); i++) {
        if (own[i]->port == endpoint->port && own[i]->port != 0 &&
            memcmp(own[i]->address, endpoint->address, 16) == 0) {
            return true;
        }
    }
    return false;
}

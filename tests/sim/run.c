#include "tests/sim/run.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/dns.h"
#include "tests/sim/faults.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* How long healing may take: dials back off to 37 s, connects to 5 s. */
#define HEALING_MAX (90 * CHD_SECOND)
#define STEADY (6 * CHD_SECOND)
#define QUIET (3 * CHD_SECOND)
#define TRANSCRIPT_LINES 80

static const char *const topics[] = {"t0", "t1", "p/0", "p/1", "news"};

static void name_things(sim_world *world)
{
    const uint32_t keys = (uint32_t)sim_between(world, 1, 30);
    char name[SIM_NAME_BYTES];

    for (size_t i = 0; i < CHD_COUNT(topics); i++) {
        (void)sim_name_number(&world->model.topics, topics[i]);
    }
    for (uint32_t i = 0; i < keys; i++) {
        (void)snprintf(name, sizeof(name), "k%u", (unsigned)i);
        (void)sim_name_number(&world->model.keys, name);
    }
}

static void begin(void *who, uint64_t token)
{
    sim_node *node = who;

    (void)token;
    if (node->life == 0) { /* unless a fault started it */
        sim_node_start(node);
    }
}

static void add_nodes(sim_world *world)
{
    const uint64_t spread =
        sim_one_in(world, 2) ? 0 : sim_between(world, 1, 8) * CHD_SECOND;

    for (uint32_t n = 1; n <= world->options.nodes; n++) {
        sim_node *node = sim_node_new(world, n);
        const uint64_t at = sim_below(world, spread + 1);
        sim_agenda_add(&world->agenda, at, begin, node, 0);
        sim_dns_list(world, n, true, at + sim_below(world, CHD_SECOND));
    }
}

/* More subscriptions than one message resumes, and the others behind them. */
static void subscribe_to_many(sim_app *app)
{
    char name[SIM_NAME_BYTES];

    for (uint32_t i = 0; i < SIM_FILTERS_MAX - 10; i++) {
        (void)snprintf(name, sizeof(name), "idle-%u", (unsigned)i);
        sim_app_subscribe(app, CHD_MATCH_EXACT, name);
    }
}

static void add_app(sim_world *world, sim_node *node, uint32_t i)
{
    char name[SIM_NAME_BYTES];

    (void)snprintf(name, sizeof(name), "app-%u%c", node->number,
                   (char)('a' + i));
    sim_app *app = sim_app_new(world, node, name);
    if (sim_has(&world->options, SIM_UNPLUG) && sim_one_in(world, 8)) {
        subscribe_to_many(app);
    }
    if (node->number % 2 == 0) {
        /* All of a machine have one, or none: see guarantees.md. */
        sim_app_set_bound(app, 500 * (1 + sim_below(world, 6)));
    }
    sim_app_subscribe(app, CHD_MATCH_EXACT, topics[sim_below(world, 2)]);
    if (sim_one_in(world, 2)) {
        sim_app_subscribe(app, CHD_MATCH_PREFIX, "p/");
    }
    if (sim_one_in(world, 3)) {
        sim_app_subscribe(app, CHD_MATCH_EXACT, "news");
    }
    if (sim_one_in(world, 4)) {
        sim_app_subscribe(app, CHD_MATCH_PREFIX, "");
    }
    sim_app_begin_work(app);
}

static void build(sim_world *world)
{
    name_things(world);
    add_nodes(world);
    for (uint32_t n = 0; n < world->node_count; n++) {
        for (uint32_t i = 0; i < world->options.apps_per_node; i++) {
            if (world->app_count < SIM_APPS_MAX) {
                add_app(world, world->nodes[n], i);
            }
        }
    }
    sim_faults_begin(world);
}

static bool wait_until_settled(sim_world *world)
{
    const uint64_t until = world->now_ns + HEALING_MAX;
    char why[128] = "";

    while (world->now_ns < until) {
        if (!sim_world_run(world, world->now_ns + CHD_SECOND / 2)) {
            return false;
        }
        if (world->now_ns > world->revive_ns &&
            sim_oracle_is_settled(world, why, sizeof(why))) {
            return true;
        }
    }
    sim_fail(world, "settle", "%s", why);
    return false;
}

static void play(sim_world *world)
{
    if (!sim_world_run(world, world->options.fault_ns)) {
        return;
    }
    sim_faults_heal(world);
    if (!wait_until_settled(world)) {
        return;
    }
    sim_oracle_quiet(world);
    world->phase = SIM_PHASE_STEADY;
    sim_tell(&world->transcript, world->now_ns, "world", "is steady");
    if (!sim_world_run(world, world->now_ns + STEADY)) {
        return;
    }
    world->phase = SIM_PHASE_QUIET;
    if (!sim_world_run(world, world->now_ns + QUIET)) {
        return;
    }
    /* That a dead node's last words are nowhere may have shown late. */
    if (wait_until_settled(world)) {
        sim_oracle_quiet(world);
    }
}

sim_result sim_run(const sim_options *options, uint32_t chance)
{
    sim_world *world = malloc(sizeof(*world));
    sim_result result = {.passed = true};

    CHD_ASSERT(world != NULL);
    sim_world_init(world, options);
    world->chance = chance;
    build(world);
    play(world);

    result.passed = !world->failed;
    memcpy(result.oracle, world->oracle, sizeof(result.oracle));
    memcpy(result.verdict, world->verdict, sizeof(result.verdict));
    result.digest = world->digest;
    result.actions = world->actions;
    result.virtual_ns = world->now_ns;
    for (uint32_t i = 0; i < world->app_count; i++) {
        result.delivered += world->apps[i]->delivered;
        result.confirms += world->apps[i]->confirms;
        result.refusals += world->apps[i]->refusals;
        for (uint32_t reason = 0; reason < SIM_REASONS; reason++) {
            result.resets[reason] += world->apps[i]->reset_counts[reason];
        }
    }
    if (options->trace) {
        sim_transcript_print(&world->transcript,
                             result.passed ? SIZE_MAX : TRANSCRIPT_LINES);
    }
    sim_world_fini(world);
    free(world);
    return result;
}

#include "tests/sim/faults.h"

#include "tests/sim/dns.h"

#define SHORT (50 * CHD_MS)

static sim_node *any_node(sim_world *world)
{
    return world->nodes[sim_below(world, world->node_count)];
}

/* A duration whose order of magnitude is as likely as any other. */
static uint64_t any_duration(sim_world *world, uint64_t most_ns)
{
    const uint64_t scale = sim_between(world, 0, 9);
    const uint64_t most = most_ns >> scale;

    return sim_between(world, SHORT, most > SHORT ? most : SHORT + 1);
}

/* --- processes ------------------------------------------------------------ */

/* A machine comes back at an address of its own, or at another's. */
static void move(sim_world *world, sim_node *node)
{
    sim_node *other = any_node(world);

    if (other == node || other->running) {
        node->endpoint.address[14]++;
        return;
    }
    const chd_endpoint swap = node->endpoint;
    node->endpoint = other->endpoint;
    other->endpoint = swap;
}

static void restart(void *who, uint64_t token)
{
    sim_node *node = who;
    sim_world *world = node->world;

    (void)token;
    if (node->running || world->phase != SIM_PHASE_FAULTS) {
        return;
    }
    if (sim_has(&world->options, SIM_MOVE) && sim_one_in(world, 2)) {
        move(world, node);
    }
    sim_node_start(node);
    sim_dns_list(world, node->number, true,
                 world->now_ns + sim_below(world, 2 * CHD_SECOND));
}

/* What follows when a process ends: names lag behind, and mostly it comes
 * back. */
static void clean_up(sim_node *node)
{
    sim_world *world = node->world;

    if (!sim_one_in(world, 3)) {
        sim_dns_list(world, node->number, false,
                     world->now_ns + any_duration(world, 10 * CHD_SECOND));
    }
    if (!sim_one_in(world, 4)) {
        sim_agenda_add(&world->agenda,
                       world->now_ns + any_duration(world, 15 * CHD_SECOND),
                       restart, node, 0);
    }
}

/* What an application says as its sidecar ends is the hardest to keep: it may
 * have been read, numbered, sent and confirmed, or none of these. */
static void speak(const sim_node *node)
{
    sim_world *world = node->world;
    /* When several say the same, one event may stand for that of another. */
    const bool same = sim_one_in(world, 2);
    const sim_item item = sim_any_item(world);

    for (uint32_t i = 0; i < world->app_count; i++) {
        if (world->apps[i]->node == node && sim_one_in(world, 2)) {
            sim_app_write(world->apps[i], same ? item : sim_any_item(world));
        }
    }
}

static void end_now(void *who, uint64_t token)
{
    sim_node *node = who;

    if (node->running && node->world->phase == SIM_PHASE_FAULTS) {
        sim_node_end(node, (sim_end)token);
        clean_up(node);
    }
}

static void end_node(sim_world *world, sim_end end)
{
    sim_node *node = any_node(world);

    if (!node->running) {
        restart(node, 0);
        return;
    }
    speak(node);
    /* At once, or when one member has it and others may not. */
    const uint64_t most = sim_one_in(world, 2) ? CHD_MS : 2 * SHORT;
    sim_agenda_add(&world->agenda, world->now_ns + sim_below(world, most),
                   end_now, node, (uint64_t)end);
}

static void drain_node(sim_world *world)
{
    sim_node *node = any_node(world);

    if (node->running) {
        sim_tell(&world->transcript, world->now_ns, node->name,
                 "is asked to leave");
        speak(node);
        sim_node_drain(node);
        clean_up(node);
        sim_agenda_add(&world->agenda,
                       world->now_ns + sim_between(world, 6, 15) * CHD_SECOND,
                       restart, node, 0);
    }
}

/* --- paths ---------------------------------------------------------------- */

static void block(sim_world *world, const sim_node *from, const sim_node *to,
                  uint64_t until_ns)
{
    sim_tell(&world->transcript, world->now_ns, from->name,
             "cannot reach %s for %u ms", to->name,
             (unsigned)((until_ns - world->now_ns) / CHD_MS));
    sim_link_block(world, from, to, until_ns);
}

/* On which side of a partition a node is: 64 nodes take one number. */
static uint64_t side_of(uint64_t sides, uint32_t i)
{
    return (i < 64 ? sides : chd_mix64(sides + i / 64)) >> (i % 64) & 1;
}

static void partition(sim_world *world)
{
    const uint64_t until = world->now_ns + any_duration(world, 30 * CHD_SECOND);
    const uint64_t sides = chd_prng_next(&world->prng);

    for (uint32_t a = 0; a < world->node_count; a++) {
        for (uint32_t b = 0; b < world->node_count; b++) {
            if (side_of(sides, a) != side_of(sides, b)) {
                block(world, world->nodes[a], world->nodes[b], until);
            }
        }
    }
}

static void block_one_way(sim_world *world)
{
    const sim_node *from = any_node(world);
    const sim_node *to = any_node(world);

    if (from != to) {
        block(world, from, to,
              world->now_ns + any_duration(world, 30 * CHD_SECOND));
    }
}

static void cut(sim_world *world)
{
    const sim_node *a = any_node(world);
    const sim_node *b = any_node(world);

    if (a != b) {
        sim_tell(&world->transcript, world->now_ns, a->name,
                 "loses its connections with %s", b->name);
        sim_link_cut(world, a, b);
    }
}

/* --- applications --------------------------------------------------------- */

static void stall(sim_world *world)
{
    sim_app *app = world->apps[sim_below(world, world->app_count)];

    sim_app_pause(app, world->now_ns + any_duration(world, 10 * CHD_SECOND));
}

static void restart_app(sim_world *world)
{
    sim_app *app = world->apps[sim_below(world, world->app_count)];

    /* What was written and not accepted yet would be lost: H5, not ours. */
    if (sim_app_is_idle(app)) {
        sim_app_restart(app);
    }
}

/* Who loses its connection may come back at once, or miss a lot, and so may
 * its neighbours: a sidecar without sessions fetches less. */
static void unplug(sim_world *world)
{
    const sim_app *app = world->apps[sim_below(world, world->app_count)];
    const bool all = sim_one_in(world, 2);
    const uint64_t until = world->now_ns + any_duration(world, 20 * CHD_SECOND);
    const bool away = sim_one_in(world, 2);

    for (uint32_t i = 0; i < world->app_count; i++) {
        sim_app *other = world->apps[i];
        if (other == app || (all && other->node == app->node)) {
            sim_app_unplug(other);
            if (away) {
                sim_app_pause(other, until);
            }
        }
    }
}

/* End all subscriptions and makes them again. */
static void begin_anew(sim_app *app)
{
    for (uint32_t i = 0; i < app->filter_count; i++) {
        const sim_filter filter = app->filters[i];
        /* The RESET of an unconfirmed one would be taken for the new one's. */
        if (filter.wanted && filter.confirmed) {
            sim_app_unsubscribe(app, i);
            sim_app_subscribe(app, filter.match, filter.topic);
        }
    }
}

/* Who subscribes while the pace holds events back begins in front of them. */
static void watch_pace(void *who, uint64_t token)
{
    sim_world *world = who;

    (void)token;
    if (world->phase != SIM_PHASE_FAULTS) {
        return;
    }
    for (uint32_t i = 0; i < world->app_count; i++) {
        sim_app *app = world->apps[i];
        if (app->node->running && sim_node_holds_back(app->node) &&
            sim_one_in(world, 4)) {
            begin_anew(app);
        }
    }
    sim_agenda_add(&world->agenda, world->now_ns + SHORT, watch_pace, world, 0);
}

/* --- which, and when ------------------------------------------------------ */

static void inflict(sim_world *world, sim_fault fault)
{
    switch (fault) {
    case SIM_KILL:
        end_node(world, SIM_END_KILL);
        break;
    case SIM_CRASH:
        end_node(world, SIM_END_CRASH);
        break;
    case SIM_DRAIN:
        drain_node(world);
        break;
    case SIM_FREEZE:
        sim_node_freeze(any_node(world),
                        world->now_ns + any_duration(world, 25 * CHD_SECOND));
        break;
    case SIM_CUT:
        cut(world);
        break;
    case SIM_PARTITION:
        partition(world);
        break;
    case SIM_ONEWAY:
        block_one_way(world);
        break;
    case SIM_STALL:
        stall(world);
        break;
    case SIM_APP:
        restart_app(world);
        break;
    case SIM_UNPLUG:
        unplug(world);
        break;
    default:
        break; /* the others are always at work, or never */
    }
}

static void fault_due(void *who, uint64_t token)
{
    sim_world *world = who;

    (void)token;
    if (world->phase != SIM_PHASE_FAULTS) {
        return;
    }
    const sim_fault fault = (sim_fault)sim_below(world, SIM_FAULT_COUNT);
    if (sim_has(&world->options, fault)) {
        inflict(world, fault);
    }
    sim_agenda_add(&world->agenda,
                   world->now_ns +
                       sim_below(world, world->options.fault_every_ns),
                   fault_due, world, 0);
}

static void see_one_way(sim_world *world)
{
    for (uint32_t a = 0; a < world->node_count; a++) {
        for (uint32_t b = 0; b < a; b++) {
            const uint64_t how = sim_below(world, 3);
            world->dns.sees[a][b] = how != 0;
            world->dns.sees[b][a] = how != 1;
        }
    }
}

void sim_faults_begin(sim_world *world)
{
    if (sim_has(&world->options, SIM_SPARSE)) {
        see_one_way(world);
    }
    world->dns.aliases = sim_has(&world->options, SIM_ALIAS);
    for (uint32_t i = 0; i < world->node_count && world->dns.aliases; i++) {
        sim_node *node = world->nodes[i];
        node->alias = node->endpoint;
        node->alias.address[12] = 1;
    }
    sim_agenda_add(&world->agenda,
                   sim_below(world, world->options.fault_every_ns), fault_due,
                   world, 0);
    if (sim_has(&world->options, SIM_BURST)) {
        sim_agenda_add(&world->agenda, SHORT, watch_pace, world, 0);
    }
}

/* Its applications may have written what nobody accepted yet. */
static bool is_needed(const sim_world *world, const sim_node *node)
{
    for (uint32_t i = 0; i < world->app_count; i++) {
        if (world->apps[i]->node == node && !sim_app_is_idle(world->apps[i])) {
            return true;
        }
    }
    return false;
}

/* A node that was leaving has left by now. */
static void revive(void *who, uint64_t token)
{
    sim_node *node = who;

    (void)token;
    if (!node->running) {
        sim_node_start(node);
    }
}

void sim_faults_heal(sim_world *world)
{
    world->phase = SIM_PHASE_HEALING;
    sim_tell(&world->transcript, world->now_ns, "world", "heals");
    sim_link_heal(world);
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_node *node = world->nodes[i];
        if (node->running && sim_node_is_leaving(node)) {
            world->revive_ns = world->now_ns + 6 * CHD_SECOND;
            sim_agenda_add(&world->agenda, world->revive_ns, revive, node, 0);
        }
        if (node->running && node->frozen) {
            sim_node_freeze(node, world->now_ns);
        } else if (!node->running &&
                   (is_needed(world, node) || sim_one_in(world, 2))) {
            sim_node_start(node);
        }
        world->dns.listed[i] = node->running;
    }
    for (uint32_t i = 0; i < world->app_count; i++) {
        world->apps[i]->paused_until_ns = 0;
        sim_app_wake(world->apps[i]);
    }
}

/* trouble.c - networks and processes that misbehave. */
#include "tests/scenario/stories.h"

static void frozen_node_is_forgiven(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    sim_node_freeze(world->nodes[1], 6000 * CHD_MS);
    story_until(world, 5000);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 8000);
    story_expect(world, "");
}

static void frozen_and_forgotten(sim_world *world)
{
    /* Only node-1 is told of the other by DNS, and node-2 drops it. */
    sim_node *first = story_node(world, 1, true);
    sim_node *second = story_node(world, 2, true);

    world->dns.sees[1][0] = false;
    sim_node_start(first);
    sim_node_start(second);
    story_until(world, 2000);
    story_skip(world);
    sim_node_freeze(first, 20000 * CHD_MS);
    story_until(world, 30000);
    story_expect(world, "");
}

static void slow_session_is_reset(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "new-episode");
    }
    story_until(world, 2000);
    sim_app_pause(world->apps[1], 4000 * CHD_MS);
    for (uint32_t i = 0; i < 100; i++) {
        story_message(world->apps[0], "new-episode", 60000);
    }
    story_until(world, 3900);
    story_skip(world);
    story_until(world, 6000);
    story_expect(world, "");
}

static void short_outage_loses_nothing(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_block(world, 1, 2, 2000);
    story_block(world, 2, 1, 2000);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 6000);
    story_expect(world, "");
}

static void long_outage(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_block(world, 1, 2, 30000);
    story_block(world, 2, 1, 30000);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 70000);
    story_expect(world, "");
}

static void last_event_is_lost(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_invalidate(world->apps[0], "episodes", "51");
    sim_link_cut(world, world->nodes[0], world->nodes[1]);
    story_until(world, 5000);
    story_expect(world, "");
}

static void one_way(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_block(world, 1, 2, 8000);
    story_until(world, 15000);
    story_expect(world, "");
}

static const story list[] = {
    {"trouble-frozen-node-is-forgiven", frozen_node_is_forgiven},
    {"trouble-frozen-and-forgotten", frozen_and_forgotten},
    {"trouble-slow-session-is-reset", slow_session_is_reset},
    {"trouble-short-outage-loses-nothing", short_outage_loses_nothing},
    {"trouble-long-outage", long_outage},
    {"trouble-last-event-is-lost", last_event_is_lost},
    {"trouble-one-way", one_way},
};

const story_list stories_trouble = {list, CHD_COUNT(list)};

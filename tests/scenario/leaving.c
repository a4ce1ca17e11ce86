/* leaving.c - nodes that go, in order or not. */
#include "tests/scenario/stories.h"

static void goodbye(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_invalidate(world->apps[1], "episodes", "51");
    story_until(world, 2100);
    sim_node_drain(world->nodes[1]);
    story_until(world, 2500);
    story_list_node(world, 2, false);
    story_until(world, 20000);
    story_expect(world, "");
}

static void killed(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 2000);
    story_skip(world);
    sim_node_end(world->nodes[1], SIM_END_KILL);
    story_until(world, 8000);
    story_list_node(world, 2, false);
    story_until(world, 30000);
    story_expect(world, "");
}

static void still_talking_without_dns(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 2000);
    story_skip(world);
    story_list_node(world, 1, false);
    story_list_node(world, 2, false);
    story_until(world, 60000);
    story_expect(world, "");
}

static void restarted_at_the_same_address(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_invalidate(world->apps[1], "episodes", "51");
    story_until(world, 2100);
    story_skip(world);
    sim_node_end(world->nodes[1], SIM_END_KILL);
    story_until(world, 2200);
    sim_node_start(world->nodes[1]);
    story_until(world, 4000);
    story_invalidate(world->apps[1], "episodes", "52");
    story_until(world, 5000);
    story_expect(world, "");
}

static void drain_waits_for_replication(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_block(world, 1, 2, 1500);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 2100);
    sim_node_drain(world->nodes[0]);
    story_until(world, 6000);
    story_expect(world, "");
}

static void drain_does_not_wait_for_the_dead(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    sim_node_end(world->nodes[1], SIM_END_CRASH);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 2100);
    sim_node_drain(world->nodes[0]);
    story_until(world, 10000);
    story_expect(world, "");
}

static void last_words_of_the_dead(sim_world *world)
{
    for (uint32_t n = 1; n <= 3; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    /* Node-3 never gets the event, and its origin is not there to ask. */
    story_block(world, 1, 3, 60000);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 2100);
    sim_node_end(world->nodes[0], SIM_END_KILL);
    story_list_node(world, 1, false);
    story_until(world, 30000);
    story_expect(world, "");
}

static const story list[] = {
    {"leaving-goodbye", goodbye},
    {"leaving-killed", killed},
    {"leaving-still-talking-without-dns", still_talking_without_dns},
    {"leaving-restarted-at-the-same-address", restarted_at_the_same_address},
    {"leaving-drain-waits-for-replication", drain_waits_for_replication},
    {"leaving-drain-does-not-wait-for-the-dead", drain_does_not_wait_for_the_dead},
    {"leaving-last-words-of-the-dead", last_words_of_the_dead},
};

const story_list stories_leaving = {list, CHD_COUNT(list)};

/* refusing.c - nodes that do not fit together. */
#include "tests/scenario/stories.h"

static void other_version(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    second->setup.version = 2;
    sim_node_start(world->nodes[0]);
    world->dns.listed[0] = true;
    sim_node_start(second);
    story_until(world, 70000);
    story_expect(world, "");
}

static void other_cluster(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    second->setup.cluster = "staging";
    sim_node_start(world->nodes[0]);
    world->dns.listed[0] = true;
    sim_node_start(second);
    story_until(world, 40000);
    story_expect(world, "");
}

static void more_peers_than_room(sim_world *world)
{
    (void)story_node(world, 4, true);
    for (uint32_t n = 1; n <= 4; n++) {
        world->dns.listed[n - 1] = true;
    }
    world->nodes[0]->setup.peer_count_max = 2;
    for (uint32_t n = 1; n <= 4; n++) {
        sim_node_start(world->nodes[n - 1]);
    }
    story_until(world, 8000);
    story_expect(world, "");
}

static void two_with_the_same_address(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 2000);
    story_skip(world);
    /* The third's configuration names the second's address, as a copy would. */
    sim_node *third = story_node(world, 3, false);
    third->setup.announce = world->nodes[1]->endpoint;
    sim_node_start(third);
    story_until(world, 20000);
    story_expect(world, "");
}

static void our_own_address(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    world->dns.listed[0] = true;
    second->setup.announce = world->nodes[0]->endpoint;
    sim_node_start(world->nodes[0]);
    sim_node_start(second);
    story_until(world, 15000);
    story_expect(world, "");
}

static const story list[] = {
    {"refusing-other-version", other_version},
    {"refusing-other-cluster", other_cluster},
    {"refusing-more-peers-than-room", more_peers_than_room},
    {"refusing-two-with-the-same-address", two_with_the_same_address},
    {"refusing-our-own-address", our_own_address},
};

const story_list stories_refusing = {list, CHD_COUNT(list)};

/* addresses.c - which node is where. */
#include "tests/scenario/stories.h"

static void this_node_itself(sim_world *world)
{
    sim_node *node = story_node(world, 1, true);

    world->transcript.debug = true;
    world->dns.aliases = true;
    node->alias = node->endpoint;
    node->alias.address[12] = 1;
    sim_node_start(node);
    story_until(world, 40000);
    story_expect(world, "");
}

static void two_of_one_node(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    world->dns.aliases = true;
    second->alias = second->endpoint;
    second->alias.address[12] = 1;
    world->dns.listed[0] = true;
    sim_node_start(world->nodes[0]);
    sim_node_start(second);
    story_until(world, 5000);
    story_expect(world, "");
    /* The address in use goes away; the node does not. */
    second->endpoint.address[15] = 99;
    world->dns.listed[1] = true;
    sim_link_cut(world, world->nodes[0], second);
    story_until(world, 40000);
    story_expect(world, "");
}

static void of_a_dead_node_given_to_another(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    (void)story_app(world, 1, "episodes");
    story_until(world, 2000);
    story_skip(world);
    sim_node_end(world->nodes[1], SIM_END_CRASH);
    sim_node *third = story_node(world, 3, false);
    third->endpoint = world->nodes[1]->endpoint;
    world->nodes[1]->endpoint.address[15] = 99;
    story_until(world, 3000);
    story_list_node(world, 2, false);
    story_list_node(world, 3, true);
    sim_node_start(third);
    story_until(world, 12000);
    story_expect(world, "");
}

static const story list[] = {
    {"addresses-this-node-itself", this_node_itself},
    {"addresses-two-of-one-node", two_of_one_node},
    {"addresses-of-a-dead-node-given-to-another", of_a_dead_node_given_to_another},
};

const story_list stories_addresses = {list, CHD_COUNT(list)};

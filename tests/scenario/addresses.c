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
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                 "[    0ms] node-1 peer_dialled at node-1 listed=1 known=0\n"
                 "[    6ms] node-1 peer_is_self at node-1 listed=1 known=0\n"
                 "[    6ms] node-1 node_ready members=0 missing=0\n");
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
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-2 starts\n"
                 "[    0ms] node-1 dns_answer addresses=3 previous=0\n"
                 "[    0ms] node-2 dns_answer addresses=3 previous=0\n"
                 "[    5ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[    5ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[    6ms] node-1 node_ready members=1 missing=0\n"
                 "[    6ms] node-2 node_ready members=1 missing=0\n"
                 "[  450ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[  455ms] node-1 peer_live node-2 received=0 head=0\n");
    /* The address in use goes away; the node does not. */
    second->endpoint.address[15] = 99;
    world->dns.listed[1] = true;
    sim_link_cut(world, world->nodes[0], second);
    story_until(world, 40000);
    story_expect(world,
                 "[ 8782ms] node-1 peer_redialled node-2 silent_ms=4515 "
                 "attempts=1\n"
                 "[11000ms] node-2 peer_deaf_to_us node-1 silent_ms=212 "
                 "received=0\n"
                 "[11508ms] node-1 peer_redialled node-2 silent_ms=7241 "
                 "attempts=2\n"
                 "[16624ms] node-1 peer_redialled node-2 silent_ms=12358 "
                 "attempts=3\n"
                 "[16630ms] node-1 peer_moved node-2 received=0 head=0\n"
                 "[16630ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[16706ms] node-1 peer_live node-2 received=0 head=0\n"
                 "[17000ms] node-2 peer_hears_us node-1 silent_ms=292 "
                 "received=0\n"
                 "[26630ms] node-1 peer_forgotten at nobody "
                 "silent_ms=10372 listed=0\n");
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
    story_expect(world,
                 "[ 2000ms] node-2 vanishes\n"
                 "[ 3000ms] dns forgets node-2\n"
                 "[ 3000ms] dns lists node-3\n"
                 "[ 3000ms] node-3 starts\n"
                 "[ 3000ms] node-3 dns_answer addresses=2 previous=0\n"
                 "[ 3006ms] node-3 peer_hello node-1 version=1 head=0\n"
                 "[ 3006ms] node-3 node_ready members=1 missing=0\n"
                 "[ 3195ms] node-1 peer_silent node-2 silent_ms=1343 "
                 "received=0\n"
                 "[ 3195ms] node-1 node_degraded node-2 members=1 missing=2\n"
                 "[ 3201ms] node-1 peer_replaced node-2 received=0 head=0\n"
                 "[ 3201ms] node-1 peer_hello node-3 version=1 head=0\n"
                 "[ 3201ms] node-1 node_whole members=1 missing=1\n"
                 "[ 3443ms] node-1 peer_live node-3 received=0 head=0\n"
                 "[ 3685ms] node-3 peer_live node-1 received=0 head=0\n"
                 "[ 4250ms] node-1 peer_settled node-2 received=0 "
                 "silent_ms=2397\n");
}

static void of_a_dead_node_added_to_a_living_one(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    sim_node_start(story_node(world, 3, true));
    story_until(world, 2000);
    story_skip(world);
    world->transcript.debug = true;
    sim_node_end(world->nodes[1], SIM_END_KILL);
    world->nodes[2]->alias = world->nodes[1]->endpoint;
    world->nodes[1]->endpoint.address[15] = 99;
    world->dns.aliases = true;
    story_list_node(world, 2, false);
    story_until(world, 330000);
    story_expect(world,
                 "[ 2000ms] node-2 is killed\n"
                 "[ 2000ms] dns forgets node-2\n"
                 "[ 2272ms] node-1 peer_replaced node-2 received=0 head=0\n"
                 "[ 4657ms] node-3 peer_silent node-2 silent_ms=2795 "
                 "received=0\n"
                 "[ 4657ms] node-3 node_degraded node-2 members=2 missing=1\n"
                 "[ 4657ms] node-3 peer_dialled node-2 listed=1 known=1\n"
                 "[ 4663ms] node-3 peer_is_self node-2 listed=1 known=0\n"
                 "[ 4663ms] node-3 node_whole members=1 missing=0\n"
                 "[ 5537ms] node-1 peer_settled node-2 received=0 "
                 "silent_ms=3676\n"
                 "[ 5538ms] node-3 peer_settled node-2 received=0 "
                 "silent_ms=3676\n"
                 "[302272ms] node-1 peer_dialled at node-3 listed=1 known=0\n");
}

static const story list[] = {
    {"addresses-this-node-itself", this_node_itself},
    {"addresses-two-of-one-node", two_of_one_node},
    {"addresses-of-a-dead-node-given-to-another",
     of_a_dead_node_given_to_another},
    {"addresses-of-a-dead-node-added-to-a-living-one",
     of_a_dead_node_added_to_a_living_one},
};

const story_list stories_addresses = {list, CHD_COUNT(list)};

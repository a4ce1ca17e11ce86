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
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-2 starts\n"
                        "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                        "[    0ms] node-2 dns_answer addresses=2 previous=0\n"
                        "[    5ms] node-2 peer_refused at node-1 version_min=1 "
                        "version_max=1\n"
                        "[    5ms] node-1 peer_refused at node-2 version_min=2 "
                        "version_max=2\n"
                        "[ 5000ms] node-1 node_ready members=0 missing=1\n"
                        "[ 5000ms] node-1 node_degraded at node-2 members=0 "
                        "missing=1\n"
                        "[ 5000ms] node-2 node_ready members=0 missing=1\n"
                        "[ 5000ms] node-2 node_degraded at node-1 members=0 "
                        "missing=1\n");
}

static void other_cluster(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    second->setup.cluster = "staging";
    sim_node_start(world->nodes[0]);
    world->dns.listed[0] = true;
    sim_node_start(second);
    story_until(world, 40000);
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-2 starts\n"
                 "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                 "[    0ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[    5ms] node-2 message_of_other_cluster bytes=56 "
                 "count=1 \"test\"\n"
                 "[    5ms] node-1 message_of_other_cluster bytes=59 "
                 "count=1 \"staging\"\n"
                 "[    6ms] node-1 peer_refuses_us at node-2 version_min=1 "
                 "version_max=1 \"this node belongs to another cluster "
                 "(cluster.name)\"\n"
                 "[    6ms] node-2 peer_refuses_us at node-1 version_min=1 "
                 "version_max=1 \"this node belongs to another cluster "
                 "(cluster.name)\"\n"
                 "[ 5000ms] node-1 node_ready members=0 missing=1\n"
                 "[ 5000ms] node-1 node_degraded at node-2 members=0 "
                 "missing=1\n"
                 "[ 5000ms] node-2 node_ready members=0 missing=1\n"
                 "[ 5000ms] node-2 node_degraded at node-1 members=0 "
                 "missing=1\n");
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
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-2 starts\n"
                 "[    0ms] node-3 starts\n"
                 "[    0ms] node-4 starts\n"
                 "[    0ms] node-1 dns_answer addresses=4 previous=0\n"
                 "[    0ms] node-1 peers_full limit=2 count=4\n"
                 "[    0ms] node-2 dns_answer addresses=4 previous=0\n"
                 "[    0ms] node-3 dns_answer addresses=4 previous=0\n"
                 "[    0ms] node-4 dns_answer addresses=4 previous=0\n"
                 "[    5ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[    5ms] node-2 peer_hello node-3 version=1 head=0\n"
                 "[    5ms] node-2 peer_hello node-4 version=1 head=0\n"
                 "[    5ms] node-2 node_ready members=3 missing=0\n"
                 "[    5ms] node-3 peer_hello node-1 version=1 head=0\n"
                 "[    5ms] node-3 peer_hello node-2 version=1 head=0\n"
                 "[    5ms] node-3 peer_hello node-4 version=1 head=0\n"
                 "[    5ms] node-3 node_ready members=3 missing=0\n"
                 "[    5ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[    5ms] node-1 peer_hello node-3 version=1 head=0\n"
                 "[    5ms] node-1 peers_full limit=2 count=2\n"
                 "[    5ms] node-4 peer_hello node-2 version=1 head=0\n"
                 "[    5ms] node-4 peer_hello node-3 version=1 head=0\n"
                 "[    6ms] node-4 peer_refuses_us at node-1 version_min=1 "
                 "version_max=1 \"too many peers (limits.peers)\"\n"
                 "[  443ms] node-2 peer_live node-4 received=0 head=0\n"
                 "[  443ms] node-3 peer_live node-4 received=0 head=0\n"
                 "[  450ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[  450ms] node-3 peer_live node-1 received=0 head=0\n"
                 "[  455ms] node-1 peer_live node-2 received=0 head=0\n"
                 "[  455ms] node-3 peer_live node-2 received=0 head=0\n"
                 "[  455ms] node-4 peer_live node-2 received=0 head=0\n"
                 "[  463ms] node-1 peer_live node-3 received=0 head=0\n"
                 "[  463ms] node-2 peer_live node-3 received=0 head=0\n"
                 "[  463ms] node-4 peer_live node-3 received=0 head=0\n"
                 "[ 5000ms] node-1 node_ready members=2 missing=1\n"
                 "[ 5000ms] node-1 node_degraded members=2 missing=1\n"
                 "[ 5000ms] node-4 node_ready members=2 missing=1\n"
                 "[ 5000ms] node-4 node_degraded at node-1 members=2 "
                 "missing=1\n");
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
    story_expect(world, "[ 2000ms] node-3 starts\n"
                        "[ 2000ms] node-3 dns_answer addresses=2 previous=0\n"
                        "[ 2006ms] node-3 peer_hello node-1 version=1 head=0\n"
                        "[ 2006ms] node-3 node_ready members=1 missing=0\n"
                        "[ 2284ms] node-3 peer_live node-1 received=0 head=0\n"
                        "[ 4785ms] node-3 peer_deaf_to_us node-1 silent_ms=463 "
                        "received=0\n"
                        "[14971ms] node-2 peer_settled node-3 received=0 "
                        "silent_ms=10186\n"
                        "[14972ms] node-1 peer_settled node-3 received=0 "
                        "silent_ms=10186\n"
                        "[15457ms] node-1 peer_address_conflict node-3 known=0 "
                        "listed=1\n");
}

static void our_own_address(sim_world *world)
{
    sim_node *second = story_node(world, 2, true);

    world->dns.listed[0] = true;
    second->setup.announce = world->nodes[0]->endpoint;
    sim_node_start(world->nodes[0]);
    sim_node_start(second);
    story_until(world, 15000);
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-2 starts\n"
                        "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                        "[    0ms] node-2 dns_answer addresses=2 previous=0\n"
                        "[    5ms] node-2 peer_address_conflict node-1 known=0 "
                        "listed=0\n"
                        "[    6ms] node-2 node_ready members=0 missing=0\n"
                        "[ 5000ms] node-1 node_ready members=0 missing=1\n"
                        "[ 5000ms] node-1 node_degraded at node-2 members=0 "
                        "missing=1\n");
}

static const story list[] = {
    {"refusing-other-version", other_version},
    {"refusing-other-cluster", other_cluster},
    {"refusing-more-peers-than-room", more_peers_than_room},
    {"refusing-two-with-the-same-address", two_with_the_same_address},
    {"refusing-our-own-address", our_own_address},
};

const story_list stories_refusing = {list, CHD_COUNT(list)};

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
    story_expect(world,
                 "[ 2000ms] app-2 publishes episodes 51\n"
                 "[ 2000ms] app-2 event node-2:1 invalidate episodes 51\n"
                 "[ 2001ms] app-1 event node-2:1 invalidate episodes 51\n"
                 "[ 2100ms] node-2 node_draining head=1 sessions=1\n"
                 "[ 2100ms] node-2 exits\n"
                 "[ 2100ms] app-2 goodbye\n"
                 "[ 2101ms] node-1 peer_left node-2 received=1 head=1\n"
                 "[ 2500ms] dns forgets node-2\n"
                 "[ 3000ms] node-1 dns_answer addresses=1 previous=2\n"
                 "[13000ms] node-1 peer_forgotten at node-2 silent_ms=10899 "
                 "listed=0\n");
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
    story_expect(world,
                 "[ 2000ms] node-2 is killed\n"
                 "[ 4597ms] node-1 peer_silent node-2 silent_ms=2745 "
                 "received=0\n"
                 "[ 4597ms] node-1 node_degraded node-2 members=1 missing=1\n"
                 "[ 8000ms] dns forgets node-2\n"
                 "[ 9000ms] node-1 dns_answer addresses=1 previous=2\n"
                 "[ 9728ms] node-1 peer_settled node-2 received=0 "
                 "silent_ms=7876\n"
                 "[11995ms] node-1 peer_dead node-2 silent_ms=10143 "
                 "received=0\n"
                 "[11995ms] node-1 peer_forgotten node-2 silent_ms=10143 "
                 "listed=0\n"
                 "[11995ms] node-1 node_whole members=0 missing=0\n");
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
    story_expect(world, "[ 2000ms] dns forgets node-1\n"
                        "[ 2000ms] dns forgets node-2\n"
                        "[ 3000ms] node-1 dns_empty addresses=0 previous=2\n"
                        "[ 3000ms] node-2 dns_empty addresses=0 previous=2\n");
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
    story_expect(world,
                 "[ 2100ms] node-2 is killed\n"
                 "[ 2200ms] node-2 starts\n"
                 "[ 2200ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[ 2206ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[ 2206ms] node-2 baseline_adopted node-2 position=1 "
                 "previous=0\n"
                 "[ 2206ms] node-2 node_ready members=1 missing=0\n"
                 "[ 2284ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[ 2307ms] node-1 peer_replaced node-2 received=1 head=0\n"
                 "[ 2307ms] node-1 peer_hello node-2.2 version=1 head=0\n"
                 "[ 2327ms] node-2 session_open session=0 pid=1 \"app-2\"\n"
                 "[ 2327ms] app-2 reset subscribed episodes\n"
                 "[ 2649ms] node-1 peer_live node-2.2 received=0 head=0\n"
                 "[ 3500ms] node-1 peer_settled node-2 received=1 "
                 "silent_ms=1449\n"
                 "[ 4000ms] app-2 publishes episodes 52\n"
                 "[ 4000ms] app-2 event node-2.2:1 invalidate episodes 52\n"
                 "[ 4001ms] app-1 event node-2.2:1 invalidate episodes 52\n");
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
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-2 for 1500 ms\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2100ms] node-1 node_draining head=1 sessions=1\n"
                 "[ 2100ms] app-1 goodbye\n"
                 "[ 3501ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 3641ms] node-1 exits\n"
                 "[ 3642ms] node-2 peer_left node-1 received=1 head=1\n");
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
    story_expect(world,
                 "[ 2000ms] node-2 vanishes\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2100ms] node-1 node_draining head=1 sessions=1\n"
                 "[ 2100ms] app-1 goodbye\n"
                 "[ 4597ms] node-1 peer_silent node-2 silent_ms=2727 "
                 "received=0\n"
                 "[ 4597ms] node-1 exits\n");
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
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-3 for 60000 ms\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2001ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 2100ms] node-1 is killed\n"
                 "[ 2100ms] dns forgets node-1\n"
                 "[ 3000ms] node-2 dns_answer addresses=2 previous=3\n"
                 "[ 3000ms] node-3 dns_answer addresses=2 previous=3\n"
                 "[ 3132ms] node-3 events_repaired node-1 received=1 "
                 "took_ms=360\n"
                 "[ 3132ms] app-3 event node-1:1 invalidate episodes 51\n"
                 "[ 4502ms] node-3 peer_settled node-1 received=1 "
                 "silent_ms=2502\n"
                 "[ 4657ms] node-2 peer_silent node-1 silent_ms=2656 "
                 "received=1\n"
                 "[ 4657ms] node-2 node_degraded node-1 members=2 missing=1\n"
                 "[ 4660ms] node-3 peer_silent node-1 silent_ms=2833 "
                 "received=1\n"
                 "[ 4660ms] node-3 node_degraded node-1 members=2 missing=1\n"
                 "[ 5002ms] node-2 peer_settled node-1 received=1 "
                 "silent_ms=3001\n"
                 "[12000ms] node-3 peer_dead node-1 silent_ms=10172 "
                 "received=1\n"
                 "[12000ms] node-3 peer_forgotten node-1 silent_ms=10172 "
                 "listed=0\n"
                 "[12000ms] node-3 node_whole members=1 missing=0\n"
                 "[12087ms] node-2 peer_dead node-1 silent_ms=10086 "
                 "received=1\n"
                 "[12087ms] node-2 peer_forgotten node-1 silent_ms=10086 "
                 "listed=0\n"
                 "[12087ms] node-2 node_whole members=1 missing=0\n");
}

static const story list[] = {
    {"leaving-goodbye", goodbye},
    {"leaving-killed", killed},
    {"leaving-still-talking-without-dns", still_talking_without_dns},
    {"leaving-restarted-at-the-same-address", restarted_at_the_same_address},
    {"leaving-drain-waits-for-replication", drain_waits_for_replication},
    {"leaving-drain-does-not-wait-for-the-dead",
     drain_does_not_wait_for_the_dead},
    {"leaving-last-words-of-the-dead", last_words_of_the_dead},
};

const story_list stories_leaving = {list, CHD_COUNT(list)};

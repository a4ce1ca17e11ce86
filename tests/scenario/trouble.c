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
    story_expect(world,
                 "[ 2000ms] node-2 freezes\n"
                 "[ 4597ms] node-1 peer_silent node-2 silent_ms=2727 "
                 "received=0\n"
                 "[ 4597ms] node-1 node_degraded node-2 members=1 missing=1\n"
                 "[ 5000ms] app-1 publishes episodes 51\n"
                 "[ 5000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 6000ms] node-2 thaws\n"
                 "[ 6000ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 6001ms] node-1 peer_back node-2 silent_ms=4131 "
                 "received=0\n"
                 "[ 6001ms] node-1 node_whole members=1 missing=0\n"
                 "[ 7874ms] node-1 peer_live node-2 received=0 head=0\n");
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
    story_expect(world,
                 "[ 2000ms] node-1 freezes\n"
                 "[ 4717ms] node-2 peer_settled node-1 received=0 "
                 "silent_ms=2893\n"
                 "[ 4717ms] node-2 peer_silent node-1 silent_ms=2893 "
                 "received=0\n"
                 "[ 4717ms] node-2 node_degraded node-1 members=1 missing=1\n"
                 "[12000ms] node-2 peer_dead node-1 silent_ms=10176 "
                 "received=0\n"
                 "[12000ms] node-2 peer_forgotten node-1 silent_ms=10176 "
                 "listed=0\n"
                 "[12000ms] node-2 node_whole members=0 missing=0\n"
                 "[20000ms] node-1 thaws\n"
                 "[22782ms] node-1 peer_deaf_to_us node-2 silent_ms=466 "
                 "received=0\n"
                 "[22783ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[23275ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[23874ms] node-1 peer_hears_us node-2 silent_ms=151 "
                 "received=0\n");
}

static void slow_session_is_reset(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "new-episode");
    }
    story_until(world, 2000);
    sim_app_pause(world->apps[1], 4000 * CHD_MS);
    for (uint32_t i = 0; i < 90; i++) {
        story_message(world->apps[0], "new-episode", 60000);
    }
    story_until(world, 3900);
    story_skip(world);
    story_until(world, 6000);
    story_expect(world,
                 "[ 4000ms] app-2 event node-1:1 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:2 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:3 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:4 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:5 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:6 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:7 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:8 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:9 message new-episode\n"
                 "[ 4000ms] node-2 session_reset session=0 reason=3\n"
                 "[ 4000ms] app-2 reset slow everything\n"
                 "[ 4000ms] app-2 event node-1:68 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:69 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:70 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:71 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:72 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:73 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:74 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:75 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:76 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:77 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:78 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:79 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:80 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:81 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:82 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:83 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:84 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:85 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:86 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:87 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:88 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:89 message new-episode\n"
                 "[ 4000ms] app-2 event node-1:90 message new-episode\n");
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
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-2 for 2000 ms\n"
                 "[ 2000ms] world blocks node-2 to node-1 for 2000 ms\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 4001ms] app-2 event node-1:1 invalidate episodes 51\n");
}

static void long_outage_is_repaired(sim_world *world)
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
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-2 for 30000 ms\n"
                 "[ 2000ms] world blocks node-2 to node-1 for 30000 ms\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 4597ms] node-1 peer_silent node-2 silent_ms=2727 "
                 "received=0\n"
                 "[ 4597ms] node-1 node_degraded node-2 members=1 missing=1\n"
                 "[ 4679ms] node-2 peer_silent node-1 silent_ms=2855 "
                 "received=0\n"
                 "[ 4679ms] node-2 node_degraded node-1 members=1 missing=1\n"
                 "[11995ms] node-1 peer_dead node-2 silent_ms=10126 "
                 "received=0\n"
                 "[12000ms] node-2 peer_dead node-1 silent_ms=10176 "
                 "received=0\n"
                 "[12000ms] node-2 peer_settled node-1 received=0 "
                 "silent_ms=10176\n"
                 "[12000ms] node-1 peer_settled node-2 received=0 "
                 "silent_ms=10130\n"
                 "[32154ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[32154ms] node-1 node_whole members=1 missing=0\n"
                 "[32155ms] node-2 peer_hello node-1 version=1 head=1\n"
                 "[32155ms] node-2 node_whole members=1 missing=0\n"
                 "[32195ms] node-2 peer_live node-1 received=0 head=1\n"
                 "[32197ms] node-2 events_repaired node-1 received=1 "
                 "took_ms=42\n"
                 "[32197ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[33070ms] node-1 peer_live node-2 received=0 head=0\n");
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
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-2 for 8000 ms\n"
                 "[ 4679ms] node-2 peer_silent node-1 silent_ms=2855 "
                 "received=0\n"
                 "[ 4679ms] node-2 node_degraded node-1 members=1 missing=1\n"
                 "[ 6933ms] node-1 peer_deaf_to_us node-2 silent_ms=473 "
                 "received=0\n"
                 "[10001ms] node-2 peer_back node-1 silent_ms=8177 "
                 "received=0\n"
                 "[10001ms] node-2 node_whole members=1 missing=0\n"
                 "[10214ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[10654ms] node-1 peer_hears_us node-2 silent_ms=403 "
                 "received=0\n");
}

static const story list[] = {
    {"trouble-frozen-node-is-forgiven", frozen_node_is_forgiven},
    {"trouble-frozen-and-forgotten", frozen_and_forgotten},
    {"trouble-slow-session-is-reset", slow_session_is_reset},
    {"trouble-short-outage-loses-nothing", short_outage_loses_nothing},
    {"trouble-long-outage-is-repaired", long_outage_is_repaired},
    {"trouble-one-way", one_way},
};

const story_list stories_trouble = {list, CHD_COUNT(list)};

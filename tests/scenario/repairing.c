/* repairing.c - what was missed, and how it comes. */
#include "tests/scenario/stories.h"

/* Nodes that know each other, each with an application. */
static void begin(sim_world *world, uint32_t nodes)
{
    for (uint32_t n = 1; n <= nodes; n++) {
        sim_node_start(story_node(world, n, true));
        sim_app *app = story_app(world, n, "episodes");
        (void)sim_name_number(&world->model.topics, "new-episode");
        sim_app_subscribe(app, CHD_MATCH_EXACT, "new-episode");
    }
    story_until(world, 2000);
    story_skip(world);
}

/* Large messages of a topic that nobody here cares for, from app-1: 35 are more
 * than may be in flight, 60 more than a log holds. */
static void publish_bulk(sim_world *world, uint32_t count)
{
    world->transcript.on = false;
    for (uint32_t i = 0; i < count; i++) {
        story_message(world->apps[0], "bulk", 60000);
    }
    world->transcript.on = true;
}

static void gap_is_fetched_from_the_origin(sim_world *world)
{
    begin(world, 2);
    story_invalidate(world->apps[0], "episodes", "51");
    story_message(world->apps[0], "new-episode", 100);
    sim_link_cut(world, world->nodes[0], world->nodes[1]);
    story_until(world, 2350);
    /* The invalidation overtakes the gap, the message waits for its turn. */
    story_message(world->apps[0], "new-episode", 100);
    story_invalidate(world->apps[0], "episodes", "52");
    story_until(world, 5000);
    story_expect(world,
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 publishes new-episode\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2000ms] app-1 event node-1:2 message new-episode\n"
                 "[ 2286ms] node-2 events_repaired node-1 received=2 "
                 "took_ms=2\n"
                 "[ 2286ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 2286ms] app-2 event node-1:2 message new-episode\n"
                 "[ 2350ms] app-1 publishes new-episode\n"
                 "[ 2350ms] app-1 publishes episodes 52\n"
                 "[ 2350ms] app-1 event node-1:3 message new-episode\n"
                 "[ 2350ms] app-1 event node-1:4 invalidate episodes 52\n"
                 "[ 2351ms] app-2 event node-1:3 message new-episode\n"
                 "[ 2351ms] app-2 event node-1:4 invalidate episodes 52\n");
}

static void last_event_is_fetched(sim_world *world)
{
    begin(world, 2);
    story_invalidate(world->apps[0], "episodes", "51");
    sim_link_cut(world, world->nodes[0], world->nodes[1]);
    story_until(world, 5000);
    story_expect(world,
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2286ms] node-2 events_repaired node-1 received=1 "
                 "took_ms=2\n"
                 "[ 2286ms] app-2 event node-1:1 invalidate episodes 51\n");
}

static void origin_dies_half_way(sim_world *world)
{
    begin(world, 3);
    /* Node-2 gets both, node-3 neither. */
    story_invalidate(world->apps[0], "episodes", "51");
    story_message(world->apps[0], "new-episode", 100);
    sim_link_cut(world, world->nodes[0], world->nodes[2]);
    story_until(world, 2002);
    sim_node_end(world->nodes[0], SIM_END_KILL);
    story_until(world, 4500);
    story_expect(world,
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 publishes new-episode\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2000ms] app-1 event node-1:2 message new-episode\n"
                 "[ 2001ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 2001ms] app-2 event node-1:2 message new-episode\n"
                 "[ 2002ms] node-1 is killed\n"
                 "[ 3132ms] node-3 events_repaired node-1 received=2 "
                 "took_ms=360\n"
                 "[ 3132ms] app-3 event node-1:1 invalidate episodes 51\n"
                 "[ 3132ms] app-3 event node-1:2 message new-episode\n");
}

static void in_no_log_any_more(sim_world *world)
{
    world->options.faults = 1u << SIM_BURST; /* logs overflow */
    begin(world, 3);
    /* Node-3 has it all, so app-1 does not wait for node-2.  What app-2 has of
     * episodes stays; what it has of new-episode goes. */
    story_block(world, 1, 2, 2000);
    story_message(world->apps[0], "new-episode", 100);
    story_until(world, 2001);
    publish_bulk(world, 80);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 3000);
    sim_link_cut(world, world->nodes[0], world->nodes[1]);
    story_until(world, 8000);
    story_expect(world,
                 "[ 2000ms] world blocks node-1 to node-2 for 2000 ms\n"
                 "[ 2000ms] app-1 publishes new-episode\n"
                 "[ 2000ms] app-1 event node-1:1 message new-episode\n"
                 "[ 2001ms] app-1 publishes episodes 51\n"
                 "[ 2001ms] app-3 event node-1:1 message new-episode\n"
                 "[ 2268ms] node-1 peer_lagging node-2 acknowledged=0 "
                 "sent=37\n"
                 "[ 2272ms] app-1 event node-1:82 invalidate episodes 51\n"
                 "[ 2273ms] app-3 event node-1:82 invalidate episodes 51\n"
                 "[ 3899ms] node-2 events_lost node-1 expected=1 "
                 "received=28\n"
                 "[ 3899ms] node-2 session_reset session=0 reason=2\n"
                 "[ 3899ms] app-2 reset lost new-episode\n"
                 "[ 3933ms] node-2 events_repaired node-1 received=82 "
                 "took_ms=1162\n"
                 "[ 3933ms] app-2 event node-1:82 invalidate episodes 51\n"
                 "[ 4405ms] node-1 peer_caught_up node-2 acknowledged=82 "
                 "sent=82\n");
}

static void one_way_events_link(sim_world *world)
{
    /* Node-1's events link brings nothing, its control link works. */
    world->options.canary = SIM_CANARY_SILENCE;
    world->phase = SIM_PHASE_HEALING;
    begin(world, 2);
    story_invalidate(world->apps[1], "episodes", "51");
    story_message(world->apps[1], "new-episode", 100);
    story_until(world, 3500);
    story_expect(world,
                 "[ 2000ms] app-2 publishes episodes 51\n"
                 "[ 2000ms] app-2 publishes new-episode\n"
                 "[ 2000ms] app-2 event node-2:1 invalidate episodes 51\n"
                 "[ 2000ms] app-2 event node-2:2 message new-episode\n"
                 "[ 2259ms] node-1 events_repaired node-2 received=2 "
                 "took_ms=106\n"
                 "[ 2259ms] app-1 event node-2:1 invalidate episodes 51\n"
                 "[ 2259ms] app-1 event node-2:2 message new-episode\n"
                 "[ 2776ms] node-1 peer_redialled node-2 silent_ms=2771 "
                 "attempts=1\n"
                 "[ 2781ms] node-2 peer_deaf_to_us node-1 silent_ms=0 "
                 "received=0\n");
}

static void frozen_member_catches_up(sim_world *world)
{
    begin(world, 3);
    sim_node_freeze(world->nodes[1], 4000 * CHD_MS);
    publish_bulk(world, 45);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 6000);
    story_expect(world,
                 "[ 2000ms] node-2 freezes\n"
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2268ms] node-1 peer_lagging node-2 acknowledged=0 "
                 "sent=36\n"
                 "[ 2268ms] app-1 event node-1:46 invalidate episodes 51\n"
                 "[ 2269ms] app-3 event node-1:46 invalidate episodes 51\n"
                 "[ 4000ms] node-2 thaws\n"
                 "[ 4000ms] app-2 event node-1:46 invalidate episodes 51\n"
                 "[ 4001ms] node-1 peer_caught_up node-2 acknowledged=46 "
                 "sent=46\n");
}

static const story list[] = {
    {"repairing-gap-is-fetched-from-the-origin",
     gap_is_fetched_from_the_origin},
    {"repairing-last-event-is-fetched", last_event_is_fetched},
    {"repairing-origin-dies-half-way", origin_dies_half_way},
    {"repairing-in-no-log-any-more", in_no_log_any_more},
    {"repairing-one-way-events-link", one_way_events_link},
    {"repairing-frozen-member-catches-up", frozen_member_catches_up},
};

const story_list stories_repairing = {list, CHD_COUNT(list)};

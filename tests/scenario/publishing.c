/* publishing.c - events on their way. */
#include "tests/scenario/stories.h"

static void invalidation_reaches_everybody(sim_world *world)
{
    for (uint32_t n = 1; n <= 3; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "episodes");
    }
    story_until(world, 2000);
    story_skip(world);
    story_invalidate(world->apps[0], "episodes", "51");
    story_until(world, 3000);
    story_expect(world,
                 "[ 2000ms] app-1 publishes episodes 51\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 2001ms] app-2 event node-1:1 invalidate episodes 51\n"
                 "[ 2001ms] app-3 event node-1:1 invalidate episodes 51\n");
}

static void messages_come_in_order(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "new-episode");
    }
    story_until(world, 2000);
    story_skip(world);
    for (uint32_t i = 0; i < 3; i++) {
        story_message(world->apps[0], "new-episode", 100);
    }
    story_message(world->apps[1], "new-episode", 100);
    story_until(world, 3000);
    story_expect(world, "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-2 publishes new-episode\n"
                        "[ 2000ms] app-1 event node-1:1 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:2 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:3 message new-episode\n"
                        "[ 2000ms] app-2 event node-2:1 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:1 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:2 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:3 message new-episode\n"
                        "[ 2001ms] app-1 event node-2:1 message new-episode\n");
}

static void prefix(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    sim_app *exact = story_app(world, 1, "users/1");
    sim_app *prefix = story_app(world, 2, "seasons");
    sim_app_subscribe(prefix, CHD_MATCH_PREFIX, "users/");
    story_until(world, 2000);
    story_skip(world);
    story_invalidate(exact, "users/1", "a");
    story_invalidate(exact, "users/2", "b");
    story_invalidate(exact, "users", "c");
    story_until(world, 3000);
    story_expect(world,
                 "[ 2000ms] app-1 publishes users/1 a\n"
                 "[ 2000ms] app-1 publishes users/2 b\n"
                 "[ 2000ms] app-1 publishes users c\n"
                 "[ 2000ms] app-1 event node-1:1 invalidate users/1 a\n"
                 "[ 2001ms] app-2 event node-1:1 invalidate users/1 a\n"
                 "[ 2001ms] app-2 event node-1:2 invalidate users/2 b\n");
}

static void subscription_begins_with_reset(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_app *app = story_app(world, 1, "episodes");
    story_until(world, 1000);
    story_skip(world);
    story_invalidate(app, "seasons", "1");
    story_until(world, 1100);
    sim_app_subscribe(app, CHD_MATCH_EXACT, "seasons");
    story_until(world, 1200);
    story_invalidate(app, "seasons", "2");
    story_until(world, 1300);
    sim_app_unsubscribe(app, 1);
    story_until(world, 1400);
    story_invalidate(app, "seasons", "3");
    story_until(world, 1500);
    sim_app_subscribe(app, CHD_MATCH_EXACT, "seasons");
    story_until(world, 1600);
    story_expect(world, "[ 1000ms] app-1 publishes seasons 1\n"
                        "[ 1100ms] app-1 reset subscribed seasons\n"
                        "[ 1200ms] app-1 publishes seasons 2\n"
                        "[ 1200ms] app-1 event node-1:2 invalidate seasons 2\n"
                        "[ 1400ms] app-1 publishes seasons 3\n"
                        "[ 1500ms] app-1 reset subscribed seasons\n");
}

static void more_than_a_batch(sim_world *world)
{
    for (uint32_t n = 1; n <= 2; n++) {
        sim_node_start(story_node(world, n, true));
        (void)story_app(world, n, "new-episode");
    }
    story_until(world, 2000);
    story_skip(world);
    for (uint32_t i = 0; i < 8; i++) {
        story_message(world->apps[0], "new-episode", 60000);
    }
    story_until(world, 3000);
    story_expect(world, "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 publishes new-episode\n"
                        "[ 2000ms] app-1 event node-1:1 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:2 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:3 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:4 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:5 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:6 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:7 message new-episode\n"
                        "[ 2000ms] app-1 event node-1:8 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:1 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:2 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:3 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:4 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:5 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:6 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:7 message new-episode\n"
                        "[ 2001ms] app-2 event node-1:8 message new-episode\n");
}

static const story list[] = {
    {"publishing-invalidation-reaches-everybody",
     invalidation_reaches_everybody},
    {"publishing-messages-come-in-order", messages_come_in_order},
    {"publishing-prefix", prefix},
    {"publishing-subscription-begins-with-reset",
     subscription_begins_with_reset},
    {"publishing-more-than-a-batch", more_than_a_batch},
};

const story_list stories_publishing = {list, CHD_COUNT(list)};

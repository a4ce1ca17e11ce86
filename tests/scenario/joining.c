/* joining.c - nodes that find each other. */
#include "tests/scenario/stories.h"

static void alone(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    story_until(world, 3000);
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-1 dns_answer addresses=1 previous=0\n"
                        "[    0ms] node-1 node_ready members=0 missing=0\n");
}

static void two_by_dns(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    story_until(world, 1000);
    sim_node_start(story_node(world, 2, true));
    story_until(world, 3000);
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-1 dns_answer addresses=1 previous=0\n"
                        "[    0ms] node-1 node_ready members=0 missing=0\n"
                        "[ 1000ms] node-2 starts\n"
                        "[ 1000ms] node-2 dns_answer addresses=2 previous=0\n"
                        "[ 1005ms] node-1 peer_hello node-2 version=1 head=0\n"
                        "[ 1006ms] node-2 peer_hello node-1 version=1 head=0\n"
                        "[ 1006ms] node-2 node_ready members=1 missing=0\n"
                        "[ 1401ms] node-2 peer_live node-1 received=0 head=0\n"
                        "[ 1455ms] node-1 peer_live node-2 received=0 head=0\n"
                        "[ 2000ms] node-1 dns_answer addresses=2 previous=1\n");
}

static void third(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 2000);
    story_skip(world);
    sim_node_start(story_node(world, 3, true));
    story_until(world, 4000);
    story_expect(world, "[ 2000ms] node-3 starts\n"
                        "[ 2000ms] node-3 dns_answer addresses=3 previous=0\n"
                        "[ 2005ms] node-1 peer_hello node-3 version=1 head=0\n"
                        "[ 2005ms] node-2 peer_hello node-3 version=1 head=0\n"
                        "[ 2006ms] node-3 peer_hello node-1 version=1 head=0\n"
                        "[ 2006ms] node-3 peer_hello node-2 version=1 head=0\n"
                        "[ 2006ms] node-3 node_ready members=2 missing=0\n"
                        "[ 2284ms] node-3 peer_live node-1 received=0 head=0\n"
                        "[ 2311ms] node-3 peer_live node-2 received=0 head=0\n"
                        "[ 2463ms] node-1 peer_live node-3 received=0 head=0\n"
                        "[ 2463ms] node-2 peer_live node-3 received=0 head=0\n"
                        "[ 3000ms] node-1 dns_answer addresses=3 previous=2\n"
                        "[ 3000ms] node-2 dns_answer addresses=3 previous=2\n");
}

static void one_side_sees_the_other(sim_world *world)
{
    sim_node *first = story_node(world, 1, true);
    sim_node *second = story_node(world, 2, true);

    world->dns.sees[0][1] = false;
    sim_node_start(first);
    story_until(world, 1000);
    sim_node_start(second);
    story_until(world, 3000);
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-1 dns_answer addresses=1 previous=0\n"
                 "[    0ms] node-1 node_ready members=0 missing=0\n"
                 "[ 1000ms] node-2 starts\n"
                 "[ 1000ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[ 1005ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[ 1006ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[ 1006ms] node-2 node_ready members=1 missing=0\n"
                 "[ 1401ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[ 1455ms] node-1 peer_live node-2 received=0 head=0\n");
}

static void nobody_answers(sim_world *world)
{
    (void)story_node(world, 2, true);
    sim_node_start(story_node(world, 1, true));
    story_until(world, 7000);
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                        "[ 5000ms] node-1 node_ready members=0 missing=1\n"
                        "[ 5000ms] node-1 node_degraded at node-2 members=0 "
                        "missing=1\n");
    sim_node_start(world->nodes[1]);
    story_until(world, 9000);
    story_expect(world,
                 "[ 7000ms] node-2 starts\n"
                 "[ 7000ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[ 7005ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[ 7005ms] node-1 node_whole members=1 missing=0\n"
                 "[ 7006ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[ 7006ms] node-2 node_ready members=1 missing=0\n"
                 "[ 7387ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[ 8852ms] node-1 peer_live node-2 received=0 head=0\n");
}

static void names_do_not_answer(sim_world *world)
{
    world->dns.unknown = true;
    sim_node_start(story_node(world, 1, true));
    story_until(world, 7000);
    story_expect(world, "[    0ms] node-1 starts\n"
                        "[    0ms] node-1 dns_unknown addresses=0 previous=0\n"
                        "[ 5000ms] node-1 node_ready members=0 missing=0\n");
}

static void while_others_publish(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_app *first = story_app(world, 1, "episodes");
    story_until(world, 1000);
    story_invalidate(first, "episodes", "51");
    story_until(world, 1100);
    sim_node_start(story_node(world, 2, true));
    (void)story_app(world, 2, "episodes");
    story_until(world, 1102);
    story_invalidate(first, "episodes", "52");
    story_until(world, 1700);
    story_invalidate(first, "episodes", "53");
    story_until(world, 3000);
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-1 dns_answer addresses=1 previous=0\n"
                 "[    0ms] node-1 node_ready members=0 missing=0\n"
                 "[    0ms] node-1 session_open session=0 pid=1 \"app-1\"\n"
                 "[    0ms] app-1 reset subscribed episodes\n"
                 "[ 1000ms] app-1 publishes episodes 51\n"
                 "[ 1000ms] app-1 event node-1:1 invalidate episodes 51\n"
                 "[ 1100ms] node-2 starts\n"
                 "[ 1100ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[ 1100ms] node-2 session_open session=0 pid=1 \"app-2\"\n"
                 "[ 1100ms] app-2 reset subscribed episodes\n"
                 "[ 1102ms] app-1 publishes episodes 52\n"
                 "[ 1102ms] app-1 event node-1:2 invalidate episodes 52\n"
                 "[ 1105ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[ 1106ms] node-2 peer_hello node-1 version=1 head=2\n"
                 "[ 1106ms] node-2 baseline_adopted node-1 position=2 "
                 "previous=0\n"
                 "[ 1106ms] node-2 node_ready members=1 missing=0\n"
                 "[ 1106ms] node-2 session_reset session=0 reason=4\n"
                 "[ 1106ms] app-2 reset joined everything\n"
                 "[ 1401ms] node-2 peer_live node-1 received=2 head=2\n"
                 "[ 1563ms] node-1 peer_live node-2 received=0 head=0\n"
                 "[ 1700ms] app-1 publishes episodes 53\n"
                 "[ 1700ms] app-1 event node-1:3 invalidate episodes 53\n"
                 "[ 1701ms] app-2 event node-1:3 invalidate episodes 53\n"
                 "[ 2000ms] node-1 dns_answer addresses=2 previous=1\n");
}

static void events_do_not_come(sim_world *world)
{
    /* Control comes through, events never do: as a firewall would. */
    world->options.canary = SIM_CANARY_SILENCE;
    world->phase = SIM_PHASE_HEALING;
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 40000);
    story_expect(world,
                 "[    0ms] node-1 starts\n"
                 "[    0ms] node-2 starts\n"
                 "[    0ms] node-1 dns_answer addresses=2 previous=0\n"
                 "[    0ms] node-2 dns_answer addresses=2 previous=0\n"
                 "[    5ms] node-2 peer_hello node-1 version=1 head=0\n"
                 "[    5ms] node-2 node_ready members=1 missing=0\n"
                 "[    5ms] node-1 peer_hello node-2 version=1 head=0\n"
                 "[    5ms] node-1 node_ready members=1 missing=0\n"
                 "[  450ms] node-2 peer_live node-1 received=0 head=0\n"
                 "[ 2753ms] node-1 peer_redialled node-2 silent_ms=2748 "
                 "attempts=1\n"
                 "[ 2758ms] node-2 peer_deaf_to_us node-1 silent_ms=0 "
                 "received=0\n"
                 "[ 5333ms] node-1 peer_redialled node-2 silent_ms=5328 "
                 "attempts=2\n"
                 "[10498ms] node-1 peer_redialled node-2 silent_ms=10493 "
                 "attempts=3\n"
                 "[20566ms] node-1 peer_redialled node-2 silent_ms=20561 "
                 "attempts=4\n"
                 "[37717ms] node-1 peer_redialled node-2 silent_ms=37712 "
                 "attempts=5\n");
    world->options.canary = SIM_CANARY_NONE;
    story_until(world, 75000);
    story_expect(world, "[40899ms] node-1 peer_live node-2 received=0 head=0\n"
                        "[41000ms] node-2 peer_hears_us node-1 silent_ms=99 "
                        "received=0\n");
}

static const story list[] = {
    {"joining-alone", alone},
    {"joining-two-by-dns", two_by_dns},
    {"joining-third", third},
    {"joining-one-side-sees-the-other", one_side_sees_the_other},
    {"joining-nobody-answers", nobody_answers},
    {"joining-names-do-not-answer", names_do_not_answer},
    {"joining-while-others-publish", while_others_publish},
    {"joining-events-do-not-come", events_do_not_come},
};

const story_list stories_joining = {list, CHD_COUNT(list)};

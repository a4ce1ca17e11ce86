/* joining.c - nodes that find each other. */
#include "tests/scenario/stories.h"

static void alone(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    story_until(world, 3000);
    story_expect(world, "");
}

static void two_by_dns(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    story_until(world, 1000);
    sim_node_start(story_node(world, 2, true));
    story_until(world, 3000);
    story_expect(world, "");
}

static void third(sim_world *world)
{
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 2000);
    story_skip(world);
    sim_node_start(story_node(world, 3, true));
    story_until(world, 4000);
    story_expect(world, "");
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
    story_expect(world, "");
}

static void nobody_answers(sim_world *world)
{
    (void)story_node(world, 2, true);
    sim_node_start(story_node(world, 1, true));
    story_until(world, 7000);
    story_expect(world, "");
    sim_node_start(world->nodes[1]);
    story_until(world, 9000);
    story_expect(world, "");
}

static void names_do_not_answer(sim_world *world)
{
    world->dns.unknown = true;
    sim_node_start(story_node(world, 1, true));
    story_until(world, 7000);
    story_expect(world, "");
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
    story_expect(world, "");
}

static void events_do_not_come(sim_world *world)
{
    /* Control comes through, events never do: as a firewall would. */
    world->options.canary = SIM_CANARY_SILENCE;
    world->phase = SIM_PHASE_HEALING;
    sim_node_start(story_node(world, 1, true));
    sim_node_start(story_node(world, 2, true));
    story_until(world, 40000);
    story_expect(world, "");
    world->options.canary = SIM_CANARY_NONE;
    story_until(world, 75000);
    story_expect(world, "");
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

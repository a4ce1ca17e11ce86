/* What members say to each other while nothing happens. */
#include <criterion/criterion.h>

#include "proto/wire/mesh.h"
#include "tests/support/rig.h"

#define MEMBER UINT64_C(77)
#define ROUTE UINT64_C(7)
#define INTERVAL (500 * CHD_MS)

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();

    bench = rig_new(&config);
    rig_join(bench, MEMBER, 2);
}

static void teardown(void)
{
    rig_free(bench);
}

TestSuite(core_idle, .init = setup, .fini = teardown);

/* The member pings, and its beacon comes. */
static void ping(uint64_t route, bool heard)
{
    const chd_mesh_ping message = {.t0 = 1, .heard = heard};
    const chd_input input = {
        .kind = CHD_IN_CONTROL,
        .u.message = {.bytes =
                          rig_say_ping(buf, MEMBER, CHD_MESH_PING, &message),
                      .route = route,
                      .peer = CHD_PEER_NONE},
    };

    rig_feed(bench, &input);
    rig_broadcast(bench, rig_head(buf, MEMBER, CHD_MESH_BEACON, 0));
}

/* Let so many intervals pass, in each of which the member pings; return how
 * often something was broadcast. */
static size_t idle(size_t intervals, bool heard)
{
    const size_t before = bench->actions[CHD_ACT_BROADCAST];

    for (size_t i = 0; i < intervals; i++) {
        ping(ROUTE, heard);
        rig_pass(bench, INTERVAL);
    }
    return bench->actions[CHD_ACT_BROADCAST] - before;
}

Test(core_idle, beacons_that_say_nothing_new_are_spared)
{
    (void)idle(8, true);
    cr_expect_eq(idle(16, true), 16 / 4);
}

Test(core_idle, who_does_not_hear_us_gets_all_beacons)
{
    (void)idle(8, true);
    cr_expect_eq(idle(16, false), 16);
}

Test(core_idle, beacons_repeat_news)
{
    rig_greet(bench, 0);
    (void)idle(9, true);
    rig_publish(bench, 0, 1, 1);
    /* The events, in the turn of the first beacon. */
    cr_expect_eq(idle(4, true), 1 + 4);
    cr_expect_eq(idle(16, true), 16 / 4);
}

/* The member answers on the link that we dialled. */
static void pong(void)
{
    const chd_mesh_ping message = {.t0 = bench->now.mono_ns, .heard = true};

    rig_control(bench, bench->dialled,
                rig_say_ping(buf, MEMBER, CHD_MESH_PONG, &message));
}

/* The member dials us, too, and its HELLO comes by ROUTE. */
static void be_dialled(void)
{
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, MEMBER, CHD_MESH_HELLO, 2, 0));
    rig_turn(bench);
}

Test(core_idle, pong_travels_on_our_own_link)
{
    be_dialled();
    const size_t replies = bench->actions[CHD_ACT_REPLY];
    const size_t pongs = bench->said[CHD_MESH_PONG];
    ping(ROUTE, true);
    cr_expect_eq(bench->said[CHD_MESH_PONG], pongs + 1);
    cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies);
    cr_expect_eq(bench->said_to, bench->dialled);
}

Test(core_idle, a_link_that_nothing_comes_back_from_carries_no_pong)
{
    be_dialled();
    const size_t replies = bench->actions[CHD_ACT_REPLY];
    for (size_t i = 0; i < 5; i++) {
        ping(ROUTE, true);
        cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies);
        rig_pass(bench, INTERVAL);
    }
    ping(ROUTE, true);
    cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies + 1);
    pong();
    ping(ROUTE, true);
    cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies + 1);
}

Test(core_idle, what_may_be_meant_for_another_is_answered_where_it_came_from)
{
    be_dialled();
    const size_t replies = bench->actions[CHD_ACT_REPLY];
    const size_t pings = bench->said[CHD_MESH_PING];
    rig_pass(bench, INTERVAL / 2);
    ping(ROUTE + 1, true);
    cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies + 1);
    cr_expect_eq(bench->said[CHD_MESH_PING], pings);
}

static uint64_t misdirected(void)
{
    return chd_core_stats(bench->core)->misdirected;
}

Test(core_idle, what_is_for_another_tells_nothing_of_us)
{
    const chd_mesh_ping message = {
        .t0 = 1, .received = 1, .heard = true, .to = RIG_NODE + 1};

    be_dialled();
    rig_greet(bench, 0);
    rig_publish(bench, 0, 1, 1);
    rig_pass(bench, 1);
    const size_t replies = bench->actions[CHD_ACT_REPLY];
    const uint64_t told = bench->replicated;
    rig_control(bench, CHD_PEER_NONE,
                rig_say_ping(buf, MEMBER, CHD_MESH_PING, &message));
    cr_expect_eq(bench->actions[CHD_ACT_REPLY], replies + 1,
                 "who pings learns who is here");
    rig_control(bench, bench->dialled,
                rig_say_ping(buf, MEMBER, CHD_MESH_PONG, &message));
    rig_turn(bench);
    cr_expect_eq(misdirected(), 2);
    cr_expect_eq(bench->replicated, told);
    rig_control(bench, CHD_PEER_NONE, rig_ack(buf, MEMBER, RIG_NODE, 1));
    rig_turn(bench);
    cr_expect_neq(bench->replicated, told, "this was for us");
}

Test(core_idle, who_is_pinged_pings_back_and_keeps_that_time)
{
    be_dialled();
    (void)idle(4, true);
    size_t pings = bench->said[CHD_MESH_PING];
    rig_pass(bench, INTERVAL / 2);
    cr_assert_eq(bench->said[CHD_MESH_PING], pings);
    for (size_t i = 0; i < 8; i++) {
        pong();
        ping(ROUTE, true);
        pings++;
        cr_expect_eq(bench->said[CHD_MESH_PING], pings);
        ping(ROUTE, true);
        rig_pass(bench, INTERVAL / 2);
        rig_pass(bench, INTERVAL / 2);
        cr_expect_eq(bench->said[CHD_MESH_PING], pings, "%zu", i);
    }
    /* It stops, and we begin again by ourselves. */
    rig_pass(bench, INTERVAL);
    cr_expect_eq(bench->said[CHD_MESH_PING], pings + 1);
}

/* How a core acknowledges events, and holds back its own. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];
static uint32_t peer_77;

/* Session 0 has subscribed to everything; 77 and 78 are members. */
static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
    rig_join(bench, 77, 2);
    peer_77 = bench->dialled;
    rig_join(bench, 78, 3);
    rig_subscribe(bench, 0);
}

TestSuite(core_pacing, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

static const chd_stats *stats(void)
{
    return chd_core_stats(bench->core);
}

Test(core_pacing, events_are_acknowledged_every_so_many_bytes)
{
    size_t bytes = 0;
    uint64_t seq = 0;

    while (bytes < CHD_ACK_BYTES) {
        cr_assert_eq(bench->said[CHD_MESH_ACK], 0);
        const chd_bytes message = rig_messages(buf, 77, seq + 1, seq + 1000);
        bytes += message.len;
        seq += 1000;
        rig_broadcast(bench, message);
    }
    cr_assert_eq(bench->said[CHD_MESH_ACK], 1);
    cr_assert_eq(bench->said_to, peer_77);
    cr_assert_eq(bench->acknowledged, seq);
    finish();
}

Test(core_pacing, small_messages_are_acknowledged_every_so_many)
{
    for (uint64_t seq = 1; seq <= CHD_ACK_MESSAGES; seq++) {
        cr_assert_eq(bench->said[CHD_MESH_ACK], 0);
        rig_broadcast(bench, rig_messages(buf, 77, seq, seq));
    }
    cr_assert_eq(bench->said[CHD_MESH_ACK], 1);
    cr_assert_eq(bench->acknowledged, CHD_ACK_MESSAGES);
    finish();
}

/* 77 says that it hears us; publish until no more is taken. */
static uint64_t publish_until_held(void)
{
    uint64_t head = 0;

    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    rig_greet(bench, 1);
    while (!chd_core_holds_publishers(bench->core)) {
        cr_assert_lt(head, 1000);
        rig_publish(bench, 1, 1, 30000);
        rig_turn(bench);
        head++;
    }
    return head;
}

static void acknowledge(uint64_t node, uint64_t received)
{
    rig_control(bench, CHD_PEER_NONE, rig_ack(buf, node, RIG_NODE, received));
    rig_turn(bench);
}

Test(core_pacing, the_slowest_member_sets_the_pace)
{
    const uint64_t head = publish_until_held();
    const uint64_t sent = bench->broadcast_last;

    cr_assert_lt(sent, head);
    cr_assert_geq(sent * 30100, CHD_PACE_BYTES_MAX);
    cr_assert_leq(sent * 30000, CHD_PACE_BYTES_MAX + 30000);
    cr_assert_eq(stats()->held_back, 1);
    for (size_t i = 0; i < bench->event_count; i++) {
        cr_assert_leq(bench->events[i], sent, "a session is ahead of the mesh");
    }
    acknowledge(77, sent + 1); /* of what it was never sent */
    acknowledge(78, sent);     /* who does not hear us      */
    acknowledge(99, sent);
    cr_assert_eq(bench->broadcast_last, sent);
    acknowledge(77, 10);
    cr_assert_gt(bench->broadcast_last, sent);
    acknowledge(77, bench->broadcast_last);
    cr_assert_eq(bench->broadcast_last, head);
    cr_assert_not(chd_core_holds_publishers(bench->core));
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_LAGGING], 0);
    finish();
}

Test(core_pacing, a_member_that_does_not_get_on_stops_nobody_for_long)
{
    const uint64_t head = publish_until_held();
    const uint64_t sent = bench->broadcast_last;

    rig_pass(bench, (CHD_PACE_PATIENCE_MS - 1) * CHD_MS);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_LAGGING], 0);
    cr_assert_eq(bench->broadcast_last, sent);
    rig_pass(bench, CHD_MS);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_LAGGING], 1);
    cr_assert_eq(bench->broadcast_last, head);
    cr_assert_not(chd_core_holds_publishers(bench->core));
    acknowledge(77, head - 1);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_CAUGHT_UP], 0);
    acknowledge(77, head);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_CAUGHT_UP], 1);
    finish();
}

Test(core_pacing, a_member_that_gets_on_keeps_its_place)
{
    (void)publish_until_held();
    for (uint64_t i = 1; i <= 20; i++) {
        rig_pass(bench, (CHD_PACE_PATIENCE_MS - 50) * CHD_MS);
        rig_publish(bench, 1, 1, 30000);
        acknowledge(77, i);
    }
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_LAGGING], 0);
    finish();
}

/* Events of others lie in the log between those that wait. */
Test(core_pacing, who_subscribes_again_is_not_sent_what_it_had)
{
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};
    uint8_t said[64];
    uint64_t head = 0;
    chd_pack pack;

    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    rig_greet(bench, 1);
    for (; bench->broadcast_last == head; head++) {
        rig_publish(bench, 1, 1, 1);
        rig_turn(bench);
    }
    for (uint64_t i = 1; i <= 20; i++) {
        rig_broadcast(bench, rig_messages(buf, 77, i, i));
        rig_publish(bench, 1, 1, CHD_BATCH_BYTES);
        head++;
    }
    for (uint64_t i = 1; bench->event_count <= bench->broadcast_last; i++) {
        cr_assert_lt(i, head, "none of 77 came");
        acknowledge(77, i);
    }
    cr_assert_lt(bench->broadcast_last, head);
    const size_t before = bench->event_count;
    chd_pack_init(&pack, said, sizeof(said));
    chd_local_pack_filters(&pack, CHD_LOCAL_UNSUBSCRIBE, &all, 1);
    chd_local_pack_filters(&pack, CHD_LOCAL_SUBSCRIBE, &all, 1);
    rig_say(bench, 0, chd_bytes_of(said, pack.len / 2));
    rig_turn(bench);
    rig_say(bench, 0, chd_bytes_of(said + pack.len / 2, pack.len / 2));
    rig_turn(bench);
    cr_assert_eq(bench->event_count, before);
    finish();
}

/* What a core makes of what other nodes say, bad or merely unusual. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/mangle.h"
#include "tests/support/rig.h"
#include "tests/support/samples.h"

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
}

TestSuite(core_mesh, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

static const chd_stats *stats(void)
{
    return chd_core_stats(bench->core);
}

/* --- malformed messages --------------------------------------------------- */

Test(core_mesh, malformed_messages_are_counted_and_told_once_a_minute)
{
    for (uint32_t i = 0; i < 100; i++) {
        rig_broadcast(bench, chd_bytes_str("\xc1"));
        rig_control(bench, CHD_PEER_NONE, chd_bytes_str("\x91"));
    }
    cr_assert_eq(stats()->malformed, 200);
    cr_assert_eq(bench->traces[CHD_TRACE_MALFORMED], 1);
    rig_pass(bench, 59 * CHD_SECOND);
    rig_broadcast(bench, chd_bytes_str("\xc1"));
    cr_assert_eq(bench->traces[CHD_TRACE_MALFORMED], 1);
    rig_pass(bench, CHD_SECOND);
    rig_broadcast(bench, chd_bytes_str("\xc1"));
    cr_assert_eq(bench->traces[CHD_TRACE_MALFORMED], 2);
    cr_assert_eq(bench->out->actions[0].trace.b, 201);
    finish();
}

Test(core_mesh, each_peer_is_told_of_by_itself)
{
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    for (uint64_t node = 77; node <= 78; node++) {
        chd_bytes message = rig_events(buf, node, 1, 1);
        message.len--;
        rig_broadcast(bench, message);
        rig_broadcast(bench, message);
        cr_assert_eq(bench->traces[CHD_TRACE_MALFORMED], node - 76);
    }
    cr_assert_eq(stats()->malformed, 4);
    finish();
}

static chd_err feed_damaged(chd_bytes message)
{
    static uint64_t fed;

    rig_broadcast(bench, message);
    rig_control(bench, CHD_PEER_NONE, message);
    rig_control(bench, bench->dialled, message);
    if (++fed % 64 == 0) {
        rig_pass(bench, 100 * CHD_MS);
    }
    return CHD_ETRUNCATED;
}

/* The samples are of another cluster and other nodes, so each is tried in
 * ours, and from a member, too. */
Test(core_mesh, no_damaged_message_hurts)
{
    const sample_list samples = samples_mesh();
    uint8_t plain[SAMPLE_BYTES_MAX];

    rig_subscribe(bench, 0);
    rig_join(bench, 77, 2);
    for (size_t i = 0; i < samples.count; i++) {
        const chd_bytes message = sample_bytes(&samples.samples[i], plain);
        cr_assert_eq(mangle_truncate(message, feed_damaged), message.len);
        cr_assert_gt(mangle_change(message, feed_damaged), 0);
    }
    for (int type = CHD_MESH_EVENTS; type <= CHD_MESH_TYPE_LAST; type++) {
        chd_bytes message = {NULL, 0};
        if (type == CHD_MESH_EVENTS) {
            message = rig_events(buf, 77, 1, 3);
        } else if (type == CHD_MESH_HELLO || type == CHD_MESH_WELCOME) {
            message = rig_hello(buf, 78, (chd_mesh_type)type, 3, 1);
        } else if (type == CHD_MESH_PING || type == CHD_MESH_PONG) {
            message = rig_ping(buf, 77, (chd_mesh_type)type);
        } else if ((type >= CHD_MESH_FETCH && type <= CHD_MESH_VECTOR) ||
                   type >= CHD_MESH_WANT) {
            continue; /* test_core_repair.c, test_core_confirm.c */
        } else if (type == CHD_MESH_ACK) {
            message = rig_ack(buf, 77, RIG_NODE, 3);
        } else if (type != CHD_MESH_REFUSE) {
            message = rig_head(buf, 77, (chd_mesh_type)type, 3);
        }
        cr_assert_eq(mangle_truncate(message, feed_damaged), message.len);
        cr_assert(message.len == 0 || mangle_change(message, feed_damaged));
    }
    rig_turn(bench);
    finish();
}

Test(core_mesh, unknown_types_are_counted_and_passed_over)
{
    const chd_mesh_header header = rig_header(77, 99);
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_pack_header(&pack, &header, 0);
    rig_broadcast(bench, chd_pack_bytes(&pack));
    rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    cr_assert_eq(stats()->unknown, 2);
    cr_assert_eq(stats()->malformed, 0);
    finish();
}

/* --- events --------------------------------------------------------------- */

Test(core_mesh, events_reach_a_session_once_and_in_order)
{
    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_messages(buf, 77, 1, 3));
    rig_broadcast(bench, rig_messages(buf, 77, 2, 5));
    rig_broadcast(bench, rig_messages(buf, 77, 1, 5));
    rig_turn(bench);
    cr_assert_eq(stats()->delivered, 5);
    for (uint64_t seq = 1; seq <= 5; seq++) {
        cr_assert_eq(bench->events[seq - 1], seq);
    }
    cr_assert_eq(stats()->duplicates, 2 + 5);
    cr_assert_eq(stats()->gaps, 0);
    cr_assert_eq(rig_received(bench, 77), 5);
    finish();
}

Test(core_mesh, an_invalidation_stands_for_older_ones_of_the_same_target)
{
    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_events(buf, 77, 1, 5));
    rig_turn(bench);
    cr_assert_eq(bench->event_count, 1);
    cr_assert_eq(bench->events[0], 5);
    cr_assert_eq(rig_received(bench, 77), 5);
    finish();
}

Test(core_mesh, a_gap_is_asked_for_and_resets_nobody)
{
    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_messages(buf, 77, 1, 1));
    rig_broadcast(bench, rig_messages(buf, 77, 3, 3));
    rig_turn(bench);
    cr_assert_eq(stats()->gaps, 1);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    cr_assert_eq(bench->fetch.origin, 77);
    cr_assert_eq(bench->fetch.first, 2);
    cr_assert_eq(bench->fetch.upto, 2);
    cr_assert_eq(stats()->resets, 1, "the one that begins a subscription");
    cr_assert_eq(stats()->lost, 0);
    cr_assert_eq(bench->traces[CHD_TRACE_GAP], 0);
    cr_assert_eq(stats()->delivered, 1, "3 waits for 2");
    cr_assert_eq(rig_received(bench, 77), 1);
    finish();
}

Test(core_mesh, a_head_without_its_events_is_a_gap)
{
    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    for (uint32_t i = 0; i < 2; i++) {
        rig_broadcast(bench, rig_head(buf, 77, CHD_MESH_BEACON, 4));
        rig_turn(bench);
        cr_assert_eq(stats()->gaps, 1);
        cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
        cr_assert_eq(bench->fetch.first, 1);
        cr_assert_eq(bench->fetch.upto, 4);
    }
    cr_assert_eq(stats()->resets, 1);
    cr_assert_eq(stats()->lost, 0);
    finish();
}

Test(core_mesh, an_origin_met_late_resets_once)
{
    const uint64_t seq = CHD_WINDOW_SEQS + 2;

    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_messages(buf, 77, seq, seq));
    rig_broadcast(bench, rig_messages(buf, 77, seq + 1, seq + 1));
    rig_turn(bench);
    cr_assert_eq(stats()->resets, 2);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], 1);
    cr_assert_eq(stats()->lost, 0);
    cr_assert_eq(stats()->delivered, 2);
    finish();
}

Test(core_mesh, what_few_events_a_new_origin_sent_are_fetched)
{
    rig_subscribe(bench, 0);
    rig_join(bench, 78, 3);
    rig_broadcast(bench, rig_messages(buf, 77, 9, 9));
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    cr_assert_eq(bench->fetch.origin, 77);
    cr_assert_eq(bench->fetch.first, 1);
    cr_assert_eq(bench->fetch.upto, 8);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], 0);
    cr_assert_eq(stats()->delivered, 0);
    finish();
}

/* A frame of short records takes more of the log than of the wire.  Events of
 * our own that wait for the end of the turn must not be pushed out. */
Test(core_mesh, a_flood_does_not_lose_what_is_still_to_be_sent)
{
    rig_join(bench, 77, 2);
    rig_greet(bench, 0);
    uint64_t seq = 1;
    for (uint32_t round = 1; round <= 20; round++) {
        rig_publish(bench, 0, 1, 100);
        for (uint32_t i = 0; i < 4; i++) {
            rig_broadcast(bench, rig_messages(buf, 77, seq, seq + 59999));
            seq += 60000;
        }
        rig_turn(bench);
        cr_assert_eq(bench->broadcast_last, round);
    }
    cr_assert_eq(stats()->received, seq - 1);
    finish();
}

Test(core_mesh, a_turn_that_began_with_a_flood_can_end_with_a_publish)
{
    rig_join(bench, 77, 2);
    rig_greet(bench, 0);
    for (uint64_t seq = 1; seq <= 600000; seq += 60000) {
        rig_broadcast(bench, rig_messages(buf, 77, seq, seq + 59999));
    }
    rig_publish(bench, 0, 3, 100);
    rig_turn(bench);
    cr_assert_eq(bench->broadcast_last, 3);
    finish();
}

/* Fields that a newer release adds may make a record as long as a message. */
Test(core_mesh, a_record_longer_than_any_of_ours_is_cut_to_what_we_know)
{
    static const uint8_t filling[CHD_FRAME_BYTES_MAX - 200];
    const chd_mesh_header header = rig_header(77, CHD_MESH_EVENTS);
    chd_events_writer writer;
    chd_pack pack;

    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_events(buf, 77, 1, 1));
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_events_open(&pack, &header, 77, &writer);
    chd_pack_array(&pack, 13);
    chd_pack_uint(&pack, 2);
    chd_pack_uint(&pack, CHD_KIND_INVALIDATE);
    chd_pack_uint(&pack, 0);
    chd_pack_uint(&pack, 0);
    chd_pack_str(&pack, chd_bytes_str("topic"));
    chd_pack_uint(&pack, CHD_TARGET_KEY);
    chd_pack_bin(&pack, chd_bytes_str("key"));
    chd_pack_bin(&pack, (chd_bytes){NULL, 0});
    chd_pack_uint(&pack, 0);
    chd_pack_uint(&pack, 0);
    chd_pack_uint(&pack, 90210);
    chd_pack_uint(&pack, 2000);
    chd_pack_bin(&pack, chd_bytes_of(filling, sizeof(filling)));
    writer.count = 1;
    chd_mesh_events_close(&pack, &writer, 2, 2);
    cr_assert_not(pack.overflow);
    rig_broadcast(bench, chd_pack_bytes(&pack));
    rig_turn(bench);

    const chd_local heard = rig_heard(bench);
    chd_bytes records = heard.u.events.records.encoded;
    chd_bytes record;
    chd_event event;
    cr_assert_eq(heard.u.events.records.count, 2);
    cr_assert(chd_mesh_record_next(&records, &event, &record));
    cr_assert(chd_mesh_record_next(&records, &event, &record));
    cr_assert(chd_bytes_equal(event.target, chd_bytes_str("key")));
    cr_assert_eq(event.version, 90210);
    cr_assert_eq(event.again_ms, 2000);
    cr_assert_lt(record.len, 64);
    finish();
}

/* --- who is who ----------------------------------------------------------- */

static chd_position positions[CHD_ORIGINS_MAX];

static chd_bytes long_vector(uint64_t node, uint64_t from)
{
    for (uint32_t i = 0; i < CHD_ORIGINS_MAX; i++) {
        positions[i] = (chd_position){from + i, 1 + i};
    }
    return rig_vector(buf, node, 9, positions, CHD_ORIGINS_MAX);
}

/* Others remember more of the dead than fits: the living stay, and so does
 * this node itself. */
Test(core_mesh, hearsay_never_displaces_who_was_heard)
{
    rig_join(bench, 77, 2);
    rig_greet(bench, 0);
    rig_broadcast(bench, rig_events(buf, 77, 1, 3));
    for (uint64_t n = 0; n < 4; n++) {
        rig_control(bench, CHD_PEER_NONE,
                    long_vector(100 + n, (n + 1) * 100000));
        rig_turn(bench);
    }
    cr_assert_eq(rig_received(bench, 77), 3);
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    rig_publish(bench, 0, 1, 8);
    rig_turn(bench);
    cr_assert_eq(bench->broadcast_last, 1);
    finish();
}

/* An origin that is repaired is forgotten for one that is heard. */
Test(core_mesh, what_is_forgotten_is_not_repaired_any_more)
{
    rig_join(bench, 77, 2);
    positions[0] = (chd_position){55, 3};
    rig_control(bench, CHD_PEER_NONE, rig_vector(buf, 77, 2, positions, 1));
    positions[0] = (chd_position){55, 9};
    rig_control(bench, CHD_PEER_NONE, rig_vector(buf, 77, 2, positions, 1));
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(bench->fetch.origin, 55);
    for (uint64_t n = 0; n < CHD_ORIGINS_MAX; n++) {
        rig_broadcast(bench, rig_events(buf, 100000 + n, 1, 1));
    }
    const size_t fetches = bench->said[CHD_MESH_FETCH];
    rig_broadcast(bench, rig_head(buf, 77, CHD_MESH_BEACON, 0));
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], fetches);
    finish();
}

Test(core_mesh, origins_may_come_and_go_beyond_all_limits)
{
    rig_subscribe(bench, 0);
    for (uint64_t n = 0; n < 3 * CHD_ORIGINS_MAX; n++) {
        rig_broadcast(bench, rig_events(buf, 100000 + n, 1, 1));
    }
    rig_publish(bench, 0, 1, 8);
    do {
        rig_turn(bench);
    } while (chd_core_deadline_ns(bench->core) == 0);
    cr_assert_eq(bench->broadcast_last, 1);
    cr_assert_eq(stats()->delivered, 3 * CHD_ORIGINS_MAX + 1);
    finish();
}

Test(core_mesh, an_address_without_a_port_for_control_is_refused)
{
    const uint16_t ports[] = {0, UINT16_MAX};
    const chd_mesh_header header = rig_header(77, CHD_MESH_HELLO);

    for (size_t i = 0; i < CHD_COUNT(ports); i++) {
        chd_mesh_hello hello = {.version_min = 1, .version_max = 1};
        chd_pack pack;
        hello.endpoint = rig_endpoint(2);
        hello.endpoint.port = ports[i];
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_mesh_pack_hello(&pack, &header, &hello, NULL);
        rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
        rig_turn(bench);
        cr_assert_eq(stats()->malformed, i + 1);
    }
    cr_assert_eq(bench->actions[CHD_ACT_DIAL], 0);
    finish();
}

Test(core_mesh, goodbye_is_final_whatever_arrives_late)
{
    rig_join(bench, 77, 2);
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, 77, CHD_MESH_BYE, 0));
    rig_turn(bench);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_LEFT], 1);
    rig_control(bench, CHD_PEER_NONE, rig_hello(buf, 77, CHD_MESH_HELLO, 2, 0));
    rig_control(bench, bench->dialled,
                rig_hello(buf, 77, CHD_MESH_WELCOME, 2, 0));
    rig_broadcast(bench, rig_head(buf, 77, CHD_MESH_BEACON, 0));
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(rig_received(bench, 77), UINT64_MAX);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_HELLO], 1);
    finish();
}

Test(core_mesh, the_answer_of_a_link_that_was_hung_up_joins_nobody)
{
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, 77, CHD_MESH_WELCOME, 2, 0));
    rig_turn(bench);
    cr_assert_eq(bench->actions[CHD_ACT_DIAL], 0);
    cr_assert_eq(rig_received(bench, 77), UINT64_MAX);
    finish();
}

Test(core_mesh, a_stranger_does_not_push_out_who_answers)
{
    rig_join(bench, 77, 2);
    rig_control(bench, CHD_PEER_NONE, rig_hello(buf, 78, CHD_MESH_HELLO, 2, 0));
    cr_assert_eq(rig_received(bench, 77), 0);
    cr_assert_eq(rig_received(bench, 78), UINT64_MAX);
    /* On our own link to the address the stranger is believed. */
    rig_control(bench, bench->dialled,
                rig_hello(buf, 78, CHD_MESH_WELCOME, 2, 0));
    cr_assert_eq(rig_received(bench, 77), UINT64_MAX);
    cr_assert_eq(rig_received(bench, 78), 0);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_REPLACED], 1);
    finish();
}

Test(core_mesh, another_version_at_a_members_address_does_not_end_the_member)
{
    const chd_mesh_header header = {
        .version = 9,
        .type = CHD_MESH_HELLO,
        .cluster = chd_bytes_str("test"),
        .sender = 78,
    };
    const chd_mesh_hello hello = {
        .version_min = 9, .version_max = 9, .endpoint = rig_endpoint(2)};
    chd_pack pack;

    rig_join(bench, 77, 2);
    for (uint32_t i = 0; i < 10; i++) {
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_mesh_pack_hello(&pack, &header, &hello, NULL);
        rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    }
    cr_assert_eq(rig_received(bench, 77), 0);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_REFUSED], 1, "told once");
    cr_assert_eq(stats()->refused, 10);
    finish();
}

Test(core_mesh, silence_is_noticed_after_a_standstill_that_ended_in_talk)
{
    rig_join(bench, 77, 2);
    bench->now.mono_ns += 60 * CHD_SECOND;
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    rig_turn(bench);
    for (uint32_t i = 0; i < 5; i++) {
        cr_assert_eq(bench->traces[CHD_TRACE_PEER_SILENT], 0, "%u", i);
        rig_pass(bench, 500 * CHD_MS);
    }
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SILENT], 1);
    finish();
}

/* --- turns ---------------------------------------------------------------- */

Test(core_mesh, after_stopped_nothing_is_due)
{
    rig_join(bench, 77, 2);
    rig_feed(bench, &(chd_input){.kind = CHD_IN_DRAIN});
    rig_turn(bench);
    cr_assert_eq(bench->actions[CHD_ACT_STOPPED], 1);
    rig_control(bench, CHD_PEER_NONE, rig_hello(buf, 78, CHD_MESH_HELLO, 3, 0));
    cr_assert_eq(chd_core_deadline_ns(bench->core), CHD_NEVER_NS);
    rig_turn(bench);
    cr_assert_eq(bench->actions[CHD_ACT_STOPPED], 1);
    finish();
}

/* 77 says to have received so much: of us, if it answers us. */
static void say_received(chd_mesh_type type, uint64_t received)
{
    const chd_mesh_ping ping = {
        .t0 = bench->now.mono_ns, .received = received, .heard = true};

    rig_control(bench, CHD_PEER_NONE, rig_say_ping(buf, 77, type, &ping));
    rig_turn(bench);
}

/* Whoever pings us may take us for the node that was here before. */
Test(core_mesh, a_node_leaves_when_an_answer_says_that_all_is_received)
{
    rig_join(bench, 77, 2);
    rig_greet(bench, 0);
    rig_publish(bench, 0, 3, 10);
    rig_turn(bench);
    rig_feed(bench, &(chd_input){.kind = CHD_IN_DRAIN});
    say_received(CHD_MESH_PING, 3);
    cr_assert_eq(bench->actions[CHD_ACT_STOPPED], 0);
    say_received(CHD_MESH_PONG, 2);
    cr_assert_eq(bench->actions[CHD_ACT_STOPPED], 0);
    say_received(CHD_MESH_PONG, 3);
    cr_assert_eq(bench->actions[CHD_ACT_STOPPED], 1);
    finish();
}

Test(core_mesh, peers_are_pinged_while_sessions_take_all_the_room)
{
    rig_join(bench, 77, 2);
    const uint64_t before = stats()->pings_sent;
    for (uint32_t session = 1; session <= 60; session++) {
        rig_subscribe(bench, session);
    }
    rig_greet(bench, 0);
    for (uint32_t i = 0; i < 8; i++) {
        rig_publish(bench, 0, 1, CHD_PAYLOAD_BYTES_DEFAULT);
    }
    rig_pass(bench, 500 * CHD_MS);
    cr_assert_eq(chd_core_deadline_ns(bench->core), 0, "there is more");
    cr_assert_gt(stats()->pings_sent, before);
    finish();
}

Test(core_mesh, more_peers_than_fit_are_told_of_once)
{
    static chd_endpoint listed[CHD_PEERS_MAX + 10];
    chd_input input = {.kind = CHD_IN_LISTED};

    for (size_t i = 0; i < CHD_COUNT(listed); i++) {
        listed[i] = rig_endpoint((uint8_t)(i % 250 + 2));
        listed[i].address[13] = (uint8_t)(i / 250);
    }
    input.u.listed.outcome = CHD_DNS_ANSWER;
    input.u.listed.endpoints = listed;
    input.u.listed.endpoint_count = CHD_COUNT(listed);
    for (uint32_t i = 0; i < 10; i++) {
        rig_feed(bench, &input);
        for (uint32_t n = 0; n < 5; n++) {
            rig_turn(bench);
        }
    }
    cr_assert_eq(bench->traces[CHD_TRACE_PEERS_FULL], 1);
    cr_assert_eq(bench->actions[CHD_ACT_DIAL], CHD_PEERS_MAX);
    cr_assert_gt(chd_core_deadline_ns(bench->core), bench->now.mono_ns);
    finish();
}

/* How many positions the WELCOME names that answers a HELLO of a node. */
static uint32_t positions_for(uint64_t node, uint8_t number)
{
    chd_mesh_header header;
    chd_mesh_hello hello = {.position_count = UINT32_MAX};
    chd_scan scan;
    uint32_t fields;

    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, node, CHD_MESH_HELLO, number, 0));
    for (size_t i = 0; i < bench->out->count; i++) {
        const chd_action *action = &bench->out->actions[i];
        if (action->kind == CHD_ACT_REPLY) {
            chd_scan_init(&scan, action->bytes);
            cr_assert_eq(chd_mesh_scan_header(&scan, &header, &fields), CHD_OK);
            cr_assert_eq(header.type, CHD_MESH_WELCOME);
            cr_assert_eq(chd_mesh_scan_hello(&scan, fields, &hello), CHD_OK);
        }
    }
    return hello.position_count;
}

Test(core_mesh, who_is_a_member_already_is_not_told_the_vector_again)
{
    rig_join(bench, 77, 2);
    rig_broadcast(bench, rig_events(buf, 77, 1, 3));
    cr_assert_eq(positions_for(78, 3), 1);
    cr_assert_eq(positions_for(78, 3), 0);
    cr_assert_eq(positions_for(77, 2), 0);
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, 78, CHD_MESH_BYE, 0));
    rig_turn(bench);
    cr_assert_eq(positions_for(79, 3), 1, "another node at the address");
    finish();
}

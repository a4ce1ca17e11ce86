/* Sessions that come back: what a core resumes, what it accepts once, what it
 * withholds, and when it calls a publish replicated. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
}

TestSuite(core_resume, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

static const chd_filter topic_t = {CHD_MATCH_EXACT, {(const uint8_t *)"t", 1}};

/* Session 0 comes back; return whether WELCOME said resumed. */
static bool come_back(uint64_t node, uint64_t next)
{
    const bool resumed = rig_resume(bench, 0, node, next);

    cr_assert_eq(rig_heard(bench).u.welcome.features,
                 CHD_FEATURE_REPLICATED | CHD_FEATURE_CONFIRMED |
                     CHD_FEATURE_PROMPTS);
    return resumed;
}

/* Ask how far the stream came. */
static uint64_t next_of(uint32_t session)
{
    rig_session_ping(bench, session, 1);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_PONG);
    return rig_heard(bench).u.ping.next;
}

static void lose_something(void)
{
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, 78, CHD_MESH_HELLO, 8, CHD_WINDOW_SEQS + 9));
}

/* Session 0 publishes count messages, numbered from number on. */
static void publish_and(chd_wait wait, uint64_t request, uint64_t number,
                        uint32_t count)
{
    const chd_event item = {.kind = CHD_KIND_MESSAGE,
                            .topic = chd_bytes_str("t")};
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t at = chd_local_publish_open(&pack, request, wait);
    for (uint32_t i = 0; i < count; i++) {
        chd_local_publish_add(&pack, &item);
    }
    chd_local_publish_close(&pack, at, count, number);
    rig_say(bench, 0, chd_pack_bytes(&pack));
    rig_turn(bench);
}

static void publish(uint64_t request, uint64_t number, uint32_t count)
{
    publish_and(CHD_WAIT_NONE, request, number, count);
}

/* Origin's message seq, which is the client's publication number. */
static void bring(uint64_t origin, uint64_t seq, chd_kind kind, uint64_t number)
{
    const chd_mesh_header header = rig_header(origin, CHD_MESH_EVENTS);
    const chd_event event = {
        .seq = seq,
        .kind = kind,
        .target_kind =
            kind == CHD_KIND_MESSAGE ? CHD_TARGET_NONE : CHD_TARGET_ALL,
        .topic = chd_bytes_str("t"),
        .client = RIG_CLIENT,
        .number = number,
    };
    uint8_t record[256];
    chd_events_writer writer;
    chd_pack pack;
    chd_pack one;

    chd_pack_init(&one, record, sizeof(record));
    chd_event_pack(&one, &event);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_events_open(&pack, &header, origin, &writer);
    chd_mesh_events_add(&pack, &writer, chd_pack_bytes(&one));
    chd_mesh_events_close(&pack, &writer, seq, seq);
    rig_broadcast(bench, chd_pack_bytes(&pack));
    rig_turn(bench);
}

/* --- resuming ------------------------------------------------------------- */

Test(core_resume, a_session_goes_on_where_it_stopped)
{
    rig_join(bench, 77, 7);
    rig_subscribe(bench, 0);
    rig_broadcast(bench, rig_messages(buf, 77, 1, 2));
    rig_turn(bench);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_EVENTS);
    const uint64_t next = rig_heard(bench).u.events.next;
    rig_close(bench, 0);
    rig_broadcast(bench, rig_messages(buf, 77, 3, 4));
    rig_turn(bench);
    bench->event_count = 0;
    const size_t resets = bench->resets[CHD_RESET_SUBSCRIBED];
    cr_assert(come_back(RIG_NODE, next));
    rig_turn(bench);
    cr_assert_eq(bench->event_count, 0, "its topics are not known yet");
    rig_resume_topic(bench, 0, NULL, true);
    rig_turn(bench);
    cr_assert_eq(bench->event_count, 0, "others are to come");
    rig_resume_topic(bench, 0, &topic_t, false);
    rig_turn(bench);
    cr_assert_eq(bench->event_count, 2);
    cr_assert_eq(bench->events[0], 3);
    cr_assert_eq(bench->events[1], 4);
    cr_assert_eq(bench->resets[CHD_RESET_SUBSCRIBED], resets);
    cr_assert_eq(chd_core_stats(bench->core)->sessions_resumed, 1);
    cr_assert_eq(bench->traces[CHD_TRACE_SESSION_RESUMED], 1);
    finish();
}

Test(core_resume, what_is_not_wanted_does_not_keep_a_session_back)
{
    const chd_filter other = {CHD_MATCH_EXACT, chd_bytes_str("other")};

    rig_join(bench, 77, 7);
    rig_greet(bench, 0);
    rig_subscribe_to(bench, 0, &other);
    const uint64_t before = rig_heard(bench).u.reset.next;
    cr_assert_gt(before, 0);
    rig_broadcast(bench, rig_messages(buf, 77, 1, 5));
    rig_turn(bench);
    cr_assert_eq(next_of(0), before + 5);
    finish();
}

Test(core_resume, another_sidecars_stream_is_not_resumed)
{
    rig_subscribe(bench, 1);
    const uint64_t next = next_of(1);
    cr_assert_not(come_back(RIG_NODE + 1, next));
    rig_close(bench, 0);
    cr_assert_not(come_back(RIG_NODE, 0));
    rig_close(bench, 0);
    cr_assert_not(come_back(RIG_NODE, next + 1), "it lies ahead");
    rig_close(bench, 0);
    cr_assert(come_back(RIG_NODE, next));
    finish();
}

Test(core_resume, who_missed_a_reset_is_not_resumed)
{
    rig_subscribe(bench, 0);
    const uint64_t next = next_of(0);
    rig_close(bench, 0);
    lose_something();
    rig_turn(bench);
    cr_assert_not(come_back(RIG_NODE, next));
    finish();
}

/* The RESET is owed, but the window is full: PONG must not lead past it. */
Test(core_resume, who_is_owed_a_reset_is_not_told_how_far_it_came)
{
    rig_subscribe(bench, 0);
    lose_something();
    cr_assert_eq(next_of(0), 0);
    rig_turn(bench);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], 1);
    const uint64_t next = bench->reset_next;
    cr_assert_gt(next, 0);
    rig_close(bench, 0);
    cr_assert(come_back(RIG_NODE, next), "it has had that RESET");
    finish();
}

Test(core_resume, a_reset_while_it_resumes_is_told)
{
    rig_subscribe(bench, 0);
    const uint64_t next = next_of(0);
    rig_close(bench, 0);
    cr_assert(come_back(RIG_NODE, next));
    lose_something();
    const size_t resets = bench->resets[CHD_RESET_JOINED];
    rig_resume_topic(bench, 0, &topic_t, false);
    rig_turn(bench);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], resets + 1);
    finish();
}

Test(core_resume, what_left_the_log_is_answered_by_reset)
{
    rig_subscribe(bench, 0);
    const uint64_t next = next_of(0);
    rig_close(bench, 0);
    rig_greet(bench, 1);
    for (uint32_t i = 0; i < 200; i++) {
        rig_publish(bench, 1, 1, CHD_PAYLOAD_BYTES_DEFAULT);
        rig_turn(bench);
    }
    cr_assert_not(come_back(RIG_NODE, next));
    finish();
}

Test(core_resume, nobody_resumes_unasked)
{
    rig_subscribe(bench, 0);
    rig_resume_topic(bench, 0, &topic_t, false);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_ERROR);
    cr_assert_eq(bench->actions[CHD_ACT_SESSION_CLOSE], 1);
    finish();
}

/* --- publishing again ----------------------------------------------------- */

Test(core_resume, what_was_accepted_is_not_accepted_again)
{
    const chd_stats *stats = chd_core_stats(bench->core);

    cr_assert_not(come_back(0, 0));
    publish(1, 1, 3);
    publish(2, 4, 2);
    cr_assert_eq(stats->published, 5);
    rig_close(bench, 0);
    cr_assert_not(come_back(0, 0));
    publish(2, 4, 2);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_RECEIPT);
    cr_assert_eq(rig_heard(bench).u.receipt.request, 2);
    cr_assert_eq(stats->published, 5);
    publish(3, 6, 1);
    cr_assert_eq(stats->published, 6);
    publish(4, 0, 1);
    publish(5, 0, 1);
    cr_assert_eq(stats->published, 8, "without a number, each is new");
    finish();
}

Test(core_resume, a_message_that_another_origin_brought_before_is_withheld)
{
    rig_join(bench, 77, 7);
    rig_join(bench, 78, 8);
    rig_subscribe(bench, 0);
    bring(77, 1, CHD_KIND_MESSAGE, 5);
    cr_assert_eq(bench->event_count, 1);
    bring(78, 1, CHD_KIND_MESSAGE, 5);
    cr_assert_eq(bench->event_count, 1, "a repetition");
    cr_assert_eq(chd_core_stats(bench->core)->repeated, 1);
    bring(78, 2, CHD_KIND_MESSAGE, 6);
    cr_assert_eq(bench->event_count, 2);
    bring(77, 2, CHD_KIND_MESSAGE, 6);
    cr_assert_eq(bench->event_count, 2, "the older origin's comes late");
    /* It counts: nothing is missing, and it is in the log. */
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 0);
    cr_assert_eq(chd_core_stats(bench->core)->gaps, 0);
    finish();
}

Test(core_resume, what_was_not_delivered_is_never_withheld)
{
    rig_join(bench, 77, 7);
    rig_join(bench, 78, 8);
    rig_subscribe(bench, 0);
    bring(77, 1, CHD_KIND_MESSAGE, 5);
    bring(77, 2, CHD_KIND_MESSAGE, 9);
    bring(78, 1, CHD_KIND_MESSAGE, 7);
    cr_assert_eq(bench->event_count, 3, "5 and 9 say nothing of 7");
    bring(78, 2, CHD_KIND_INVALIDATE, 9);
    cr_assert_eq(bench->event_count, 4, "it may stand for others");
    finish();
}

/* --- replication ---------------------------------------------------------- */

static void answer(uint64_t node, uint64_t received)
{
    const chd_mesh_ping pong = {.heard = true, .received = received};

    rig_control(bench, CHD_PEER_NONE,
                rig_say_ping(buf, node, CHD_MESH_PONG, &pong));
    rig_turn(bench);
}

Test(core_resume, alone_what_is_sent_is_all_that_can_be_asked)
{
    rig_greet(bench, 0);
    publish(1, 1, 1);
    cr_assert_eq(bench->replicated, 1);
    finish();
}

Test(core_resume, with_others_one_of_them_has_to_have_it)
{
    rig_join(bench, 77, 7);
    rig_join(bench, 78, 8);
    rig_greet(bench, 0);
    publish(1, 1, 2);
    cr_assert_eq(bench->replicated, 0);
    rig_control(bench, CHD_PEER_NONE, rig_ack(buf, 77, 99, 2));
    rig_turn(bench);
    cr_assert_eq(bench->replicated, 0, "it is about an earlier node");
    answer(77, 1);
    cr_assert_eq(bench->replicated, 0, "not all of it");
    publish(2, 3, 1);
    answer(78, 2);
    cr_assert_eq(bench->replicated, 1);
    rig_control(bench, CHD_PEER_NONE, rig_ack(buf, 77, RIG_NODE, 3));
    rig_turn(bench);
    cr_assert_eq(bench->replicated, 2);
    finish();
}

Test(core_resume, a_receipt_nobody_waits_for_comes_with_replication_or_in_bulk)
{
    uint64_t items = 0;

    rig_join(bench, 77, 7);
    rig_greet(bench, 0);
    publish(1, 1, 2);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_WELCOME);
    answer(77, 2);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_RECEIPT);
    cr_assert_eq(rig_heard(bench).u.receipt.request, 1);
    cr_assert_eq(bench->replicated, 1);
    do {
        publish(2 + items, 3 + items, 1);
        items++;
    } while (rig_heard(bench).u.receipt.request == 1);
    cr_assert_eq(rig_heard(bench).u.receipt.request, 1 + items);
    cr_assert_gt(items, 1000, "not each of them");
    cr_assert_eq(bench->replicated, 1);
    finish();
}

Test(core_resume, a_member_is_asked_soon_while_publishers_wait)
{
    rig_join(bench, 77, 7);
    rig_greet(bench, 0);
    rig_pass(bench, CHD_SECOND / 10);
    const size_t pings = bench->said[CHD_MESH_PING];
    publish(1, 1, 1);
    cr_assert_gt(chd_core_deadline_ns(bench->core),
                 bench->now.mono_ns + 10 * CHD_MS, "nobody has asked");
    cr_assert_leq(chd_core_deadline_ns(bench->core),
                  bench->now.mono_ns + 50 * CHD_MS);
    publish_and(CHD_WAIT_ACCEPTED, 2, 2, 1);
    cr_assert_leq(chd_core_deadline_ns(bench->core),
                  bench->now.mono_ns + 10 * CHD_MS);
    rig_pass(bench, 10 * CHD_MS);
    cr_assert_eq(bench->said[CHD_MESH_PING], pings + 1);
    rig_pass(bench, 10 * CHD_MS);
    cr_assert_eq(bench->said[CHD_MESH_PING], pings + 1, "less and less often");
    answer(77, 2);
    cr_assert_eq(bench->replicated, 2);
    finish();
}

/* More marks than there is room for: the last ones are reported together. */
Test(core_resume, many_publishes_wait_in_little_room)
{
    const uint64_t count = 3 * CHD_REPLICATION_MARKS_MAX;

    rig_join(bench, 77, 7);
    rig_greet(bench, 0);
    for (uint64_t i = 1; i <= count; i++) {
        publish(i, i, 1);
    }
    answer(77, 3);
    cr_assert_eq(bench->replicated, 3);
    answer(77, count - 1);
    cr_assert_lt(bench->replicated, count);
    answer(77, count);
    cr_assert_eq(bench->replicated, count);
    finish();
}

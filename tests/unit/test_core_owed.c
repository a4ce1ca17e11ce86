/* Who has to be sent what stands for an event that was superseded, before it
 * counts as fresh, or as having applied it; and how places are given back. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

#define ORIGIN 77

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
    rig_pass(bench, config.join_timeout);
    rig_join(bench, ORIGIN, 7);
}

TestSuite(core_owed, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

static void want_from(uint64_t node, uint64_t origin, uint64_t seq)
{
    const chd_mesh_want asked = {origin, seq, false};

    rig_control(bench, CHD_PEER_NONE, rig_want(buf, node, &asked));
    rig_turn(bench);
}

/* More than the window of a session takes at once. */
static void publish_much(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rig_publish(bench, 1, 1, 30000);
        rig_turn(bench);
    }
}

/* ORIGIN invalidates the same again. */
static void invalidate(uint64_t seq)
{
    rig_broadcast(bench, rig_events(buf, ORIGIN, seq, seq));
    rig_turn(bench);
}

static void begin(void)
{
    rig_subscribe(bench, 0);
    rig_turn(bench);
    rig_applied(bench, 0, 1, bench->stream_bytes);
    rig_greet(bench, 1);
}

static uint64_t next_of_session(void)
{
    rig_session_ping(bench, 0, 1);
    return rig_heard(bench).u.ping.next;
}

static void come_back(uint64_t next)
{
    const chd_filter topic = {CHD_MATCH_EXACT, chd_bytes_str("t")};

    cr_assert(rig_resume(bench, 0, RIG_NODE, next));
    rig_resume_topic(bench, 0, &topic, false);
    rig_turn(bench);
}

/* --- superseded before it was read ---------------------------------------- */

Test(core_owed, freshness_waits_for_what_stands_for_it)
{
    begin();
    publish_much(25);
    cr_assert_lt(bench->event_count, 25);
    invalidate(1);
    rig_pass(bench, CHD_SECOND);
    rig_control(bench, CHD_PEER_NONE,
                rig_pong(buf, ORIGIN, bench->now.mono_ns, 1, 1));
    rig_session_ping(bench, 0, 4711);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 0);
    publish_much(25);
    invalidate(2);
    while (bench->event_count < 51) {
        cr_assert_eq(bench->fresh, 0, "%zu of 51", bench->event_count);
        rig_applied(bench, 0, 1, bench->stream_bytes);
        rig_turn(bench);
    }
    cr_assert_eq(bench->fresh, 1);
    finish();
}

/* 1 is superseded by 2, and 2 by 3, before the session has read any. */
Test(core_owed, superseded_twice_it_is_not_applied_before_the_last)
{
    begin();
    publish_much(25);
    invalidate(1);
    want_from(ORIGIN, ORIGIN, 1);
    invalidate(2);
    publish_much(25);
    invalidate(3);
    while (bench->event_count < 51) {
        cr_assert_eq(bench->said[CHD_MESH_APPLIED], 0, "%zu of 51",
                     bench->event_count);
        rig_applied(bench, 0, 1, bench->stream_bytes);
        rig_turn(bench);
    }
    rig_applied(bench, 0, 1, bench->stream_bytes);
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 1);
    finish();
}

Test(core_owed, superseded_twice_it_is_not_awaited_before_the_last)
{
    begin();
    publish_much(25);
    invalidate(1);
    rig_ask(bench, 0, CHD_LOCAL_AWAIT, &(chd_local_ask){6, ORIGIN, 1});
    rig_turn(bench);
    publish_much(1);
    invalidate(2);
    publish_much(25);
    invalidate(3);
    while (bench->event_count < 52) {
        cr_assert_neq(rig_heard(bench).type, CHD_LOCAL_AWAITED, "%zu of 52",
                      bench->event_count);
        rig_applied(bench, 0, 1, bench->stream_bytes);
        rig_turn(bench);
    }
    rig_applied(bench, 0, 1, bench->stream_bytes);
    rig_turn(bench);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_AWAITED);
    finish();
}

/* Another session holds the question open meanwhile. */
Test(core_owed, superseded_while_the_session_is_away)
{
    begin();
    rig_subscribe(bench, 2);
    rig_turn(bench);
    publish_much(25);
    const uint64_t next = next_of_session();
    invalidate(1);
    want_from(ORIGIN, ORIGIN, 1);
    rig_close(bench, 0);
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 0, "session 2 lacks it");
    publish_much(25);
    invalidate(2);
    const uint64_t before = bench->stream_bytes;
    come_back(next);
    const uint64_t sent = bench->stream_bytes - before;
    cr_assert_lt(sent, 25u * 30000u + 8000, "not all of it");
    rig_applied(bench, 0, 1, sent);
    rig_close(bench, 2);
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 0, "session 0 has neither");
    finish();
}

Test(core_owed, who_resumes_is_asked_anew)
{
    begin();
    rig_broadcast(bench, rig_messages(buf, ORIGIN, 1, 1));
    rig_turn(bench);
    want_from(ORIGIN, ORIGIN, 1);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 0);
    const uint64_t next = next_of_session();
    rig_close(bench, 0);
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 1, "nobody is connected");
    come_back(next);
    want_from(ORIGIN, ORIGIN, 1);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], 1, "it has not applied it");
    finish();
}

/* --- places --------------------------------------------------------------- */

static void answer_many(uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        rig_broadcast(bench, rig_events(buf, 1000 + i, 1, 1));
        rig_turn(bench);
        want_from(ORIGIN, 1000 + i, 1);
    }
}

Test(core_owed, what_is_answered_makes_room_for_others)
{
    answer_many(CHD_WANTS_MAX + 1);
    cr_assert_eq(bench->said[CHD_MESH_APPLIED], CHD_WANTS_MAX + 1);
    finish();
}

Test(core_owed, what_is_answered_makes_room_for_our_own)
{
    answer_many(CHD_WANTS_MAX);
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, ORIGIN, CHD_MESH_BYE, 0));
    rig_greet(bench, 3);
    rig_publish(bench, 3, 1, 10);
    rig_turn(bench);
    rig_ask(bench, 3, CHD_LOCAL_CONFIRM, &(chd_local_ask){5, RIG_NODE, 1});
    rig_turn(bench);
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_CONFIRMED);
    finish();
}

static bool is_refused(uint32_t session, chd_local_type type, uint64_t request)
{
    rig_ask(bench, session, type, &(chd_local_ask){request, 555, 1});
    const chd_local heard = rig_heard(bench);
    return heard.type == CHD_LOCAL_CONFIRMED &&
           heard.u.confirmed.request == request;
}

/* One session cannot take all places, and WHO gives one back. */
Test(core_owed, each_session_has_its_share_of_questions)
{
    static const chd_local_type types[] = {CHD_LOCAL_CONFIRM, CHD_LOCAL_AWAIT};
    uint64_t request = 0;

    rig_greet(bench, 3);
    rig_greet(bench, 4);
    for (size_t type = 0; type < 2; type++) {
        for (uint32_t i = 0; i < CHD_SESSION_ASKS_MAX; i++) {
            cr_assert_not(is_refused(3, types[type], ++request));
        }
        cr_assert(is_refused(3, types[type], ++request));
        cr_assert_not(is_refused(4, types[type], ++request));
    }
    rig_ask_who(bench, 3, request - 2);
    cr_assert_not(is_refused(3, CHD_LOCAL_AWAIT, ++request));
    cr_assert(is_refused(3, CHD_LOCAL_AWAIT, ++request));
    finish();
}

/* Who has applied what: what a core says of its own sessions, and what it tells
 * a session that waits for everybody. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/mangle.h"
#include "tests/support/rig.h"

#define ORIGIN 77
#define ASKER 78

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
    rig_pass(bench, config.join_timeout); /* it is ready from here on */
    rig_join(bench, ORIGIN, 7);
}

TestSuite(core_confirm, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

/* --- as a member ---------------------------------------------------------- */

/* The session says that it applied so many bytes. */
static void apply(uint32_t session, uint64_t position, uint64_t bytes)
{
    rig_applied(bench, session, position, bytes);
    rig_turn(bench);
}

static void want(uint64_t seq)
{
    const chd_mesh_want asked = {ORIGIN, seq, false};
    rig_control(bench, CHD_PEER_NONE, rig_want(buf, ORIGIN, &asked));
    rig_turn(bench);
}

static void bring(uint64_t first, uint64_t last)
{
    rig_broadcast(bench, rig_messages(buf, ORIGIN, first, last));
    rig_turn(bench);
}

static size_t answers(void)
{
    return bench->said[CHD_MESH_APPLIED];
}

/* Session 0, which has applied its RESET; returns the bytes of that. */
static uint64_t begin_session(void)
{
    rig_subscribe(bench, 0);
    rig_turn(bench);
    const uint64_t bytes = bench->sent_len;
    apply(0, 1, bytes);
    return bytes;
}

Test(core_confirm, without_sessions_what_arrived_is_applied)
{
    want(2);
    cr_assert_eq(answers(), 0);
    bring(1, 1);
    cr_assert_eq(answers(), 1, "part of it");
    cr_assert_eq(bench->applied.seq, 1);
    bring(2, 2);
    cr_assert_eq(answers(), 2);
    cr_assert_eq(bench->applied.origin, ORIGIN);
    cr_assert_eq(bench->applied.seq, 2);
    bring(3, 3);
    cr_assert_eq(answers(), 2, "nobody asked");
    want(2);
    cr_assert_eq(answers(), 3, "at once");
    finish();
}

Test(core_confirm, it_is_applied_when_the_session_says_so)
{
    const uint64_t reset = begin_session();

    bring(1, 1);
    const uint64_t bytes = reset + bench->sent_len;
    want(1);
    cr_assert_eq(answers(), 0);
    apply(0, 1, bytes - 1);
    cr_assert_eq(answers(), 0);
    cr_assert_eq(bench->prompts, 1, "asked once in a ping interval");
    rig_pass(bench, CHD_SECOND / 2);
    cr_assert_eq(bench->prompts, 2);
    apply(0, 2, bytes);
    cr_assert_eq(answers(), 1);
    cr_assert_eq(bench->applied.seq, 1);
    rig_pass(bench, CHD_SECOND / 2);
    cr_assert_eq(bench->prompts, 2, "nothing is waited for");
    finish();
}

Test(core_confirm, the_slowest_session_counts_and_one_that_ends_does_not)
{
    const uint64_t reset = begin_session();

    rig_subscribe(bench, 1);
    rig_turn(bench);
    bring(1, 1);
    want(1);
    apply(0, 2, reset + bench->sent_len);
    cr_assert_eq(answers(), 0, "session 1 has not even applied its RESET");
    rig_close(bench, 1);
    rig_turn(bench);
    cr_assert_eq(answers(), 1);
    finish();
}

Test(core_confirm, a_session_that_does_not_subscribe_has_passed_it)
{
    rig_greet(bench, 0);
    bring(1, 1);
    want(1);
    cr_assert_eq(answers(), 1);
    finish();
}

Test(core_confirm, what_is_missing_is_not_applied)
{
    (void)begin_session();
    rig_broadcast(bench, rig_events(buf, ORIGIN, 2, 2));
    rig_turn(bench);
    want(2);
    apply(0, 2, 1000000); /* more than was sent: the session is closed */
    cr_assert_eq(answers(), 0);
    finish();
}

Test(core_confirm, a_reset_that_is_owed_is_not_applied)
{
    const uint64_t reset = begin_session();

    bring(1, 1);
    const uint64_t bytes = reset + bench->sent_len;
    /* A member appears whose earlier events are not known. */
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, 79, CHD_MESH_HELLO, 9, CHD_WINDOW_SEQS + 9));
    want(1);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], 1);
    const uint64_t both = bytes + bench->sent_len;
    apply(0, 2, bytes);
    cr_assert_eq(answers(), 0, "the RESET is on its way");
    apply(0, 3, both);
    cr_assert_eq(answers(), 1);
    finish();
}

static void publish_much(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        rig_publish(bench, 1, 1, CHD_PAYLOAD_BYTES_DEFAULT);
        rig_turn(bench);
    }
}

/* An event that left the log, since a later one stands for it, was never sent
 * to a session that is behind: that has to apply the later one. */
Test(core_confirm, what_stands_for_it_has_to_be_applied)
{
    const uint32_t much = 12; /* more than a session is sent at once */

    begin_session();
    rig_greet(bench, 1);
    publish_much(much);
    cr_assert_lt(bench->event_count, much);
    rig_broadcast(bench, rig_events(buf, ORIGIN, 1, 1));
    rig_turn(bench);
    want(1);
    publish_much(much);
    rig_broadcast(bench, rig_events(buf, ORIGIN, 2, 2));
    rig_turn(bench);
    while (bench->event_count < 2 * much + 1) {
        const size_t had = bench->event_count;
        apply(0, 1, bench->stream_bytes);
        cr_assert_gt(bench->event_count, had);
        cr_assert_eq(answers(), 0, "of %zu", had);
    }
    apply(0, 1, bench->stream_bytes);
    cr_assert_eq(answers(), 1);
    cr_assert_eq(bench->applied.seq, 1);
    finish();
}

Test(core_confirm, nobody_is_answered_for_ever)
{
    rig_subscribe(bench, 0);
    rig_turn(bench);
    bring(1, 1);
    want(1);
    rig_pass(bench, 11 * CHD_SECOND);
    rig_close(bench, 0);
    rig_turn(bench);
    cr_assert_eq(answers(), 0);
    want(1);
    cr_assert_eq(answers(), 1);
    finish();
}

Test(core_confirm, of_more_origins_than_there_is_room_for_none_is_answered)
{
    begin_session();
    for (uint64_t i = 0; i < CHD_WANTS_MAX + 1; i++) {
        const chd_mesh_want asked = {1000 + i, 1, false};
        rig_control(bench, CHD_PEER_NONE, rig_want(buf, ORIGIN, &asked));
    }
    bring(1, 1);
    want(1);
    cr_assert_eq(answers(), 0);
    rig_pass(bench, 11 * CHD_SECOND); /* those are not asked for any more */
    want(1);
    rig_close(bench, 0);
    rig_turn(bench);
    cr_assert_eq(answers(), 1);
    finish();
}

/* --- as the one that asks ------------------------------------------------- */

static void say_applied(uint64_t node, uint64_t seq)
{
    const chd_mesh_applied said = {.origin = RIG_NODE, .seq = seq};
    rig_control(bench, CHD_PEER_NONE, rig_say_applied(buf, node, &said, NULL));
    rig_turn(bench);
}

static const chd_local_confirmed *confirmed(void)
{
    static chd_local heard;

    heard = rig_heard(bench);
    return heard.type == CHD_LOCAL_CONFIRMED ? &heard.u.confirmed : NULL;
}

/* Session 3 publishes, and asks who applied that. */
static void publish_and_ask(void)
{
    rig_greet(bench, 3);
    rig_publish(bench, 3, 1, 10);
    rig_turn(bench);
    rig_ask(bench, 3, CHD_LOCAL_CONFIRM, &(chd_local_ask){5, RIG_NODE, 1});
    rig_turn(bench);
}

Test(core_confirm, everybody_is_asked_until_he_answers)
{
    rig_join(bench, ASKER, 8);
    publish_and_ask();
    cr_assert_eq(bench->said[CHD_MESH_WANT], 2);
    cr_assert_eq(bench->want.origin, RIG_NODE);
    cr_assert_eq(bench->want.seq, 1);
    say_applied(ORIGIN, 1);
    cr_assert_null(confirmed());
    rig_pass(bench, CHD_SECOND / 4);
    cr_assert_eq(bench->said[CHD_MESH_WANT], 3, "only the other one");
    say_applied(ASKER, 0 + 9);
    cr_assert_not_null(confirmed());
    cr_assert_eq(confirmed()->request, 5);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_DONE);
    cr_assert_eq(confirmed()->total, 3);
    cr_assert_eq(confirmed()->applied, 3);
    cr_assert_eq(confirmed()->gone, 0);
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(bench->said[CHD_MESH_WANT], 3);
    finish();
}

Test(core_confirm, an_answer_for_less_or_twice_or_of_a_stranger_is_none)
{
    rig_join(bench, ASKER, 8);
    rig_greet(bench, 3);
    rig_publish(bench, 3, 2, 10);
    rig_turn(bench);
    rig_ask(bench, 3, CHD_LOCAL_CONFIRM, &(chd_local_ask){5, RIG_NODE, 2});
    rig_turn(bench);
    say_applied(ORIGIN, 1);
    say_applied(99, 2);
    say_applied(ASKER, 2);
    say_applied(ASKER, 2);
    cr_assert_null(confirmed());
    rig_ask_who(bench, 3, 5);
    rig_pass(bench, CHD_SECOND / 4);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_MISSING);
    cr_assert_eq(confirmed()->applied, 2);
    finish();
}

Test(core_confirm, who_left_or_died_is_gone)
{
    rig_join(bench, ASKER, 8);
    publish_and_ask();
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, ASKER, CHD_MESH_BYE, 0));
    rig_pass(bench, CHD_SECOND / 4);
    cr_assert_null(confirmed());
    for (int i = 0; i < 20 && confirmed() == NULL; i++) {
        rig_pass(bench, CHD_SECOND);
    }
    cr_assert_not_null(confirmed());
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_DONE);
    cr_assert_eq(confirmed()->total, 3);
    cr_assert_eq(confirmed()->applied, 1);
    cr_assert_eq(confirmed()->gone, 2);
    finish();
}

Test(core_confirm, who_is_missing_is_named)
{
    chd_missing missing;

    rig_subscribe(bench, 0);
    publish_and_ask();
    rig_ask_who(bench, 3, 5);
    rig_pass(bench, CHD_SECOND / 4);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_MISSING);
    cr_assert_eq(confirmed()->total, 2);
    cr_assert_eq(confirmed()->applied, 0);
    chd_local_list list = confirmed()->missing;
    cr_assert_eq(list.count, 2);
    cr_assert(chd_local_missing_next(&list, &missing));
    cr_assert_eq(missing.node, RIG_NODE);
    cr_assert(chd_bytes_equal(missing.session, chd_bytes_str("app")));
    cr_assert(chd_local_missing_next(&list, &missing));
    cr_assert_eq(missing.node, ORIGIN);
    cr_assert(chd_bytes_equal(missing.name, chd_bytes_str("peer")));
    cr_assert_eq(missing.session.len, 0);
    say_applied(ORIGIN, 1);
    rig_ask_who(bench, 3, 5);
    rig_pass(bench, CHD_SECOND / 4);
    cr_assert_eq(confirmed()->applied, 0, "it was answered before");
    finish();
}

Test(core_confirm, alone_it_is_enough_that_the_own_sessions_have_it)
{
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, ORIGIN, CHD_MESH_BYE, 0));
    publish_and_ask();
    cr_assert_not_null(confirmed());
    cr_assert_eq(confirmed()->total, 1);
    cr_assert_eq(confirmed()->applied, 1);
    finish();
}

Test(core_confirm, too_many_waits_are_refused_and_sessions_take_theirs_along)
{
    publish_and_ask();
    rig_greet(bench, 5);
    for (uint64_t i = 1; i < CHD_CONFIRMS_MAX; i++) {
        rig_ask(bench, i % 2 == 0 ? 3 : 5, CHD_LOCAL_CONFIRM,
                &(chd_local_ask){5 + i, RIG_NODE, 1});
    }
    cr_assert_null(confirmed());
    rig_ask(bench, 3, CHD_LOCAL_CONFIRM, &(chd_local_ask){9999, RIG_NODE, 1});
    cr_assert_eq(confirmed()->request, 9999);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_REFUSED);
    for (uint64_t i = 0; i < CHD_AWAITS_MAX; i++) {
        rig_ask(bench, i % 2 == 0 ? 3 : 5, CHD_LOCAL_AWAIT,
                &(chd_local_ask){10000 + i, 555, 1});
    }
    rig_ask(bench, 3, CHD_LOCAL_AWAIT, &(chd_local_ask){8888, 555, 1});
    cr_assert_eq(confirmed()->request, 8888);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_REFUSED);
    rig_close(bench, 3);
    rig_greet(bench, 4);
    rig_ask(bench, 4, CHD_LOCAL_CONFIRM, &(chd_local_ask){1, RIG_NODE, 1});
    rig_ask(bench, 4, CHD_LOCAL_AWAIT, &(chd_local_ask){2, 555, 1});
    cr_assert_null(confirmed());
    finish();
}

/* --- awaiting ------------------------------------------------------------- */

static bool was_awaited(uint64_t request)
{
    const chd_local heard = rig_heard(bench);
    return heard.type == CHD_LOCAL_AWAITED && heard.u.request == request;
}

Test(core_confirm, awaited_comes_behind_the_event)
{
    begin_session();
    rig_ask(bench, 0, CHD_LOCAL_AWAIT, &(chd_local_ask){6, ORIGIN, 2});
    rig_turn(bench);
    bring(1, 1);
    cr_assert_not(was_awaited(6));
    bring(2, 2);
    cr_assert(was_awaited(6));
    cr_assert_eq(bench->event_count, 2);
    rig_ask(bench, 0, CHD_LOCAL_AWAIT, &(chd_local_ask){7, ORIGIN, 1});
    rig_turn(bench);
    cr_assert(was_awaited(7));
    finish();
}

Test(core_confirm, an_origin_that_is_not_known_is_waited_for)
{
    begin_session();
    rig_ask(bench, 0, CHD_LOCAL_AWAIT, &(chd_local_ask){6, 555, 3});
    rig_turn(bench);
    cr_assert_not(was_awaited(6));
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, 555, CHD_MESH_HELLO, 9, CHD_WINDOW_SEQS + 9));
    rig_turn(bench);
    cr_assert_eq(bench->resets[CHD_RESET_JOINED], 1, "which covers it");
    cr_assert(was_awaited(6));
    finish();
}

static chd_err feed_damaged(chd_bytes message)
{
    rig_control(bench, CHD_PEER_NONE, message);
    return CHD_OK;
}

Test(core_confirm, no_damaged_message_hurts)
{
    static uint8_t plain[256];
    const chd_mesh_want asked = {RIG_NODE, 1, true};
    const chd_mesh_applied said = {.origin = RIG_NODE, .refusing = 2};

    publish_and_ask();
    for (int type = CHD_MESH_WANT; type <= CHD_MESH_APPLIED; type++) {
        const chd_bytes message =
            type == CHD_MESH_WANT ? rig_want(buf, ORIGIN, &asked)
                                  : rig_say_applied(buf, ORIGIN, &said, "shop");
        memcpy(plain, message.ptr, message.len);
        const chd_bytes copy = chd_bytes_of(plain, message.len);
        (void)mangle_truncate(copy, feed_damaged);
        cr_assert_gt(mangle_change(copy, feed_damaged), 0);
    }
    rig_turn(bench);
    finish();
}

/* Confirmations without everybody: sessions that serve nothing, members that
 * are gone or cannot be reached, and what is said of those that are missing. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

#define ORIGIN 77
#define OTHER 78
#define BOUND_MS 2000

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void begin(bool strict)
{
    chd_core_config config = rig_config();
    config.strict = strict;
    bench = rig_new(&config);
    rig_pass(bench, config.join_timeout); /* it is ready from here on */
    rig_join(bench, ORIGIN, 7);
}

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

/* A session that serves nothing staler than its bound, subscribed to all; it
 * has applied its RESET. */
static void open_bounded(uint32_t session, const char *name, uint64_t bound_ms)
{
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};
    const chd_local_hello hello = {.client = RIG_CLIENT + session,
                                   .name = chd_bytes_str(name),
                                   .bound_ms = bound_ms};
    const uint64_t before = bench->stream_bytes;

    rig_greet_as(bench, session, &hello);
    rig_subscribe_to(bench, session, &all);
    rig_turn(bench);
    rig_applied(bench, session, 1, bench->stream_bytes - before);
    rig_turn(bench);
}

static void want(uint64_t seq, bool who)
{
    const chd_mesh_want asked = {ORIGIN, seq, who};

    rig_control(bench, CHD_PEER_NONE, rig_want(buf, ORIGIN, &asked));
    rig_turn(bench);
}

static void bring(uint64_t seq)
{
    rig_broadcast(bench, rig_messages(buf, ORIGIN, seq, seq));
    rig_turn(bench);
}

static size_t answers(void)
{
    return bench->said[CHD_MESH_APPLIED];
}

/* A member lives on: it pings. */
static void hear(uint64_t node, uint64_t refuses_ms)
{
    const chd_mesh_ping ping = {
        .t0 = 1, .heard = true, .refuses_ms = refuses_ms};

    rig_control(bench, CHD_PEER_NONE,
                rig_say_ping(buf, node, CHD_MESH_PING, &ping));
}

/* --- as a member ---------------------------------------------------------- */

Test(core_refusing, a_session_refuses_when_it_was_not_told_to_be_fresh_for_long)
{
    begin(false);
    open_bounded(0, "app", BOUND_MS);
    bring(1);
    want(1, false);
    rig_pass(bench, BOUND_MS * CHD_MS);
    want(1, false);
    cr_assert_eq(answers(), 0, "a slower clock has not come so far");
    rig_pass(bench, BOUND_MS * CHD_MS / 32);
    cr_assert_eq(answers(), 1);
    cr_assert_eq(bench->applied.seq, 1);
    cr_assert_eq(bench->applied.refusing, 1);
    finish();
}

Test(core_refusing, fresh_begins_the_bound_anew)
{
    begin(false);
    open_bounded(0, "app", BOUND_MS);
    rig_pass(bench, 3 * CHD_SECOND / 2);
    rig_session_ping(bench, 0, 5);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 1);
    bring(1);
    want(1, false);
    rig_pass(bench, CHD_SECOND);
    want(1, false);
    cr_assert_eq(answers(), 0);
    rig_pass(bench, 3 * CHD_SECOND / 2);
    want(1, false);
    cr_assert_geq(answers(), 1);
    cr_assert_eq(bench->applied.refusing, 1);
    finish();
}

Test(core_refusing, one_that_has_no_bound_is_waited_for)
{
    begin(false);
    open_bounded(0, "app", BOUND_MS);
    open_bounded(1, "shop", 0);
    bring(1);
    want(1, false);
    rig_pass(bench, 3 * CHD_SECOND);
    want(1, false);
    cr_assert_eq(answers(), 0);
    finish();
}

Test(core_refusing, who_asks_is_told_the_sessions_that_lack_it)
{
    chd_bytes name;

    begin(false);
    open_bounded(0, "app", 0);
    open_bounded(1, "shop", 0);
    want(1, true);
    cr_assert_eq(answers(), 1, "at once");
    cr_assert_eq(bench->applied.seq, 0);
    cr_assert_eq(bench->applied.lacking_count, 0, "it has not arrived");
    const uint64_t before = bench->stream_bytes;
    bring(1);
    const uint64_t bytes = (bench->stream_bytes - before) / 2;
    rig_applied(bench, 0, 2, before / 2 + bytes);
    rig_turn(bench);
    want(1, true);
    cr_assert_eq(answers(), 2);
    cr_assert_eq(bench->applied.seq, 0);
    cr_assert_eq(bench->applied.lacking_count, 1);
    cr_assert(chd_mesh_lacking_next(&bench->applied.lacking, &name));
    cr_assert(chd_bytes_equal(name, chd_bytes_str("shop")));
    finish();
}

/* It has passed everything, since it wanted nothing; but what it holds from an
 * earlier connection it drops only when it has the RESET. */
Test(core_refusing, the_reset_of_a_subscription_has_to_be_applied_too)
{
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};
    const chd_mesh_want asked = {OTHER, 1, false};

    begin(false);
    rig_join(bench, OTHER, 8);
    rig_broadcast(bench, rig_messages(buf, OTHER, 1, 1));
    rig_greet(bench, 0);
    want(1, false); /* which is still to come: sessions are looked at */
    rig_subscribe_to(bench, 0, &all);
    rig_control(bench, CHD_PEER_NONE, rig_want(buf, ORIGIN, &asked));
    rig_turn(bench);
    cr_assert_eq(answers(), 0);
    rig_applied(bench, 0, 1, bench->stream_bytes);
    rig_turn(bench);
    cr_assert_eq(answers(), 1);
    cr_assert_eq(bench->applied.origin, OTHER);
    finish();
}

Test(core_refusing, a_session_that_resumes_says_first_what_came_before)
{
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};

    begin(false);
    open_bounded(0, "app", 0);
    bring(1);
    const uint64_t next = rig_heard(bench).u.events.next;
    rig_close(bench, 0);
    cr_assert(rig_resume(bench, 0, RIG_NODE, next));
    rig_resume_topic(bench, 0, &all, false);
    rig_turn(bench);
    want(1, false);
    cr_assert_eq(answers(), 0, "its callback may still run");
    rig_applied(bench, 0, 0, 0);
    rig_turn(bench);
    cr_assert_eq(answers(), 1);
    finish();
}

static uint64_t promised(void)
{
    hear(ORIGIN, 0);
    return bench->pong.refuses_ms;
}

Test(core_refusing, a_strict_node_promises_the_longest_bound_of_its_sessions)
{
    begin(true);
    cr_assert_eq(promised(), 0, "whoever comes may have none");
    open_bounded(0, "app", BOUND_MS);
    rig_greet(bench, 1); /* caches nothing */
    cr_assert_eq(promised(), BOUND_MS);
    open_bounded(2, "shop", BOUND_MS + 1);
    cr_assert_eq(promised(), BOUND_MS + 1);
    open_bounded(3, "blog", 0);
    cr_assert_eq(promised(), 0);
    finish();
}

Test(core_refusing, others_promise_nothing)
{
    begin(false);
    open_bounded(0, "app", BOUND_MS);
    cr_assert_eq(promised(), 0);
    finish();
}

/* --- as the one that asks ------------------------------------------------- */

/* Session 3 asks who applied our first event, and wants to know who did not. */
static void ask(void)
{
    rig_ask(bench, 3, CHD_LOCAL_CONFIRM, &(chd_local_ask){5, RIG_NODE, 1});
    rig_turn(bench);
}

static void ask_who(void)
{
    rig_ask_who(bench, 3, 5);
    rig_turn(bench);
}

static void publish_and_ask(void)
{
    rig_greet(bench, 3);
    rig_publish(bench, 3, 1, 10);
    rig_turn(bench);
    ask();
}

static void say_applied(uint64_t node, uint64_t seq, uint64_t refusing,
                        const char *lacking)
{
    const chd_mesh_applied said = {
        .origin = RIG_NODE, .seq = seq, .refusing = refusing};

    rig_control(bench, CHD_PEER_NONE,
                rig_say_applied(buf, node, &said, lacking));
    rig_turn(bench);
}

/* Return what was said to session 3 last, if it is CONFIRMED. */
static const chd_local_confirmed *confirmed(void)
{
    static chd_local heard;

    heard = rig_heard(bench);
    return heard.type == CHD_LOCAL_CONFIRMED ? &heard.u.confirmed : NULL;
}

static void expect_counts(uint64_t total, uint64_t applied, uint64_t gone,
                          uint64_t refusing)
{
    cr_assert_not_null(confirmed());
    cr_assert_eq(confirmed()->total, total);
    cr_assert_eq(confirmed()->applied, applied);
    cr_assert_eq(confirmed()->gone, gone);
    cr_assert_eq(confirmed()->refusing, refusing);
}

Test(core_refusing, a_member_that_refuses_is_counted_so)
{
    begin(false);
    publish_and_ask();
    say_applied(ORIGIN, 1, 2, NULL);
    expect_counts(2, 1, 0, 1);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_DONE);
    finish();
}

Test(core_refusing, sessions_of_members_are_named)
{
    chd_missing missing;

    begin(false);
    rig_join(bench, OTHER, 8);
    publish_and_ask();
    ask_who();
    cr_assert(bench->want.who);
    cr_assert_null(confirmed());
    say_applied(ORIGIN, 0, 0, "shop");
    cr_assert_null(confirmed(), "the other one may tell, too");
    say_applied(OTHER, 0, 0, NULL);
    expect_counts(3, 1, 0, 0);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_MISSING);
    chd_local_list list = confirmed()->missing;
    cr_assert(chd_local_missing_next(&list, &missing));
    cr_assert_eq(missing.node, ORIGIN);
    cr_assert(chd_bytes_equal(missing.session, chd_bytes_str("shop")));
    cr_assert(chd_local_missing_next(&list, &missing));
    cr_assert_eq(missing.node, OTHER);
    cr_assert_eq(missing.session.len, 0);
    finish();
}

Test(core_refusing, who_applied_it_just_now_is_not_missing)
{
    begin(false);
    publish_and_ask();
    ask_who();
    say_applied(ORIGIN, 1, 0, NULL);
    expect_counts(2, 2, 0, 0);
    cr_assert_eq(confirmed()->outcome, CHD_CONFIRM_DONE);
    finish();
}

/* Let so much time pass, with a look now and then. */
static void pass(uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 100) {
        rig_pass(bench, 100 * CHD_MS);
    }
}

Test(core_refusing, who_is_strict_and_out_of_reach_refuses_after_its_bound)
{
    begin(true);
    rig_list(bench, 6); /* [fd00::7] is one of them */
    hear(ORIGIN, 4000);
    publish_and_ask();
    pass(3900);
    cr_assert_null(confirmed());
    pass(400);
    expect_counts(2, 1, 0, 1);
    finish();
}

Test(core_refusing, who_promised_nothing_is_missing)
{
    chd_missing missing;

    begin(true);
    rig_list(bench, 6);
    hear(ORIGIN, 0);
    publish_and_ask();
    pass(20000);
    cr_assert_null(confirmed());
    ask_who();
    rig_pass(bench, CHD_SECOND);
    expect_counts(2, 1, 0, 0);
    chd_local_list list = confirmed()->missing;
    cr_assert(chd_local_missing_next(&list, &missing));
    cr_assert_eq(missing.node, ORIGIN);
    cr_assert(chd_bytes_equal(missing.name, chd_bytes_str("peer")));
    finish();
}

/* What is not accepted yet can be accepted any time. */
Test(core_refusing, nobody_refuses_what_does_not_exist_yet)
{
    begin(true);
    rig_list(bench, 6);
    hear(ORIGIN, 500);
    rig_greet(bench, 3);
    ask();
    pass(5000);
    rig_publish(bench, 3, 1, 10);
    rig_turn(bench);
    cr_assert_null(confirmed());
    pass(1000);
    cr_assert_null(confirmed());
    finish();
}

Test(core_refusing, who_was_taken_for_dead_and_lives_is_waited_for)
{
    begin(false);
    rig_join(bench, OTHER, 8);
    publish_and_ask();
    /* ORIGIN falls silent and dies, the other one lives, and is slow. */
    for (int i = 0; i < 120; i++) {
        rig_pass(bench, 100 * CHD_MS);
        hear(OTHER, 0);
    }
    cr_assert_null(confirmed());
    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, ORIGIN, CHD_MESH_HELLO, 7, 0));
    rig_turn(bench);
    say_applied(OTHER, 1, 0, NULL);
    cr_assert_null(confirmed());
    say_applied(ORIGIN, 1, 0, NULL);
    expect_counts(3, 3, 0, 0);
    finish();
}

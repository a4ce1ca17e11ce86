/* Up to when a core says that it has everything, and what it tells sessions. */
#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "tests/support/heap.h"
#include "tests/support/rig.h"

#define UNKNOWN UINT64_MAX

static rig *bench;
static uint8_t buf[CHD_FRAME_BYTES_MAX];

static void setup(void)
{
    const chd_core_config config = rig_config();
    bench = rig_new(&config);
}

TestSuite(core_freshness, .init = setup);

static void finish(void)
{
    rig_free(bench);
    NO_LEAKS();
}

/* --- what the core says of itself ----------------------------------------- */

static chd_node_report report(void)
{
    chd_node_report node;

    chd_core_report_node(bench->core, bench->now, &node);
    return node;
}

static void assert_staleness(uint64_t ms, uint64_t held_by)
{
    const chd_node_report node = report();

    cr_assert_eq(node.staleness_ms, ms, "%llu ms",
                 (unsigned long long)node.staleness_ms);
    cr_assert_eq(node.held_by, held_by, "%llu",
                 (unsigned long long)node.held_by);
}

static bool find_member(uint64_t node, chd_member_report *member)
{
    for (uint32_t i = 0;
         chd_core_report_member(bench->core, bench->now, &i, member); i++) {
        if (member->node == node) {
            return true;
        }
    }
    return false;
}

static uint64_t now(void)
{
    return bench->now.mono_ns;
}

/* --- what others say ------------------------------------------------------ */

/* node had accepted so much when it saw a PING that we sent at t0. */
static void pong(uint64_t node, uint64_t t0, uint64_t head, uint64_t accepted)
{
    rig_control(bench, CHD_PEER_NONE, rig_pong(buf, node, t0, head, accepted));
}

static void hear(uint64_t node, uint64_t first, uint64_t last)
{
    rig_broadcast(bench, rig_events(buf, node, first, last));
    rig_turn(bench);
}

/* Let time pass in ping intervals; the nodes up to 0 answer each PING. */
static void pass(uint64_t ms, const uint64_t *nodes)
{
    for (uint64_t gone = 0; gone < ms; gone += 500) {
        rig_pass(bench, chd_min_u64(ms - gone, 500) * CHD_MS);
        for (size_t i = 0; nodes[i] != 0; i++) {
            rig_broadcast(bench, rig_head(buf, nodes[i], CHD_MESH_BEACON, 0));
            pong(nodes[i], now(), 0, 0);
        }
        rig_turn(bench);
    }
}

#define PASS(ms, ...) pass(ms, (const uint64_t[]){__VA_ARGS__, 0})
static const uint64_t nobody[] = {0};

/* sender says what it has of a node, as an answer to what we asked at t0. */
static void tell(uint64_t sender, uint64_t t0, const chd_position *position,
                 const chd_age *age)
{
    const chd_mesh_header header = rig_header(sender, CHD_MESH_VECTOR);
    const chd_mesh_vector vector = {.position_count = position == NULL ? 0 : 1,
                                    .t0 = t0};
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t at = chd_mesh_vector_open(&pack, &header, &vector, position);
    if (age != NULL) {
        chd_mesh_vector_add(&pack, age);
    }
    chd_mesh_vector_close(&pack, at, age == NULL ? 0 : 1);
    rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    rig_turn(bench);
}

/* node sends 77's invalidations first..last from its log. */
static void repair(uint64_t node, uint64_t first, uint64_t last)
{
    rig_control(bench, CHD_PEER_NONE, rig_repair(buf, node, 77, first, last));
    rig_turn(bench);
}

/* --- promises ------------------------------------------------------------- */

Test(core_freshness, a_node_that_has_not_met_its_peers_knows_nothing)
{
    chd_core_config config = rig_config();

    rig_free(bench);
    config.discovers = true;
    bench = rig_new(&config);
    assert_staleness(UNKNOWN, 0);
    rig_subscribe(bench, 0);
    rig_session_ping(bench, 0, 1);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 0);
    rig_list(bench, 0);
    assert_staleness(0, 0);
    rig_session_ping(bench, 0, 2);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 1);
    finish();
}

Test(core_freshness, a_node_that_is_alone_is_fresh)
{
    assert_staleness(0, 0);
    rig_pass(bench, 5 * CHD_SECOND);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, a_pong_counts_when_all_that_it_tells_of_is_here)
{
    chd_member_report member;

    rig_join(bench, 77, 2);
    rig_pass(bench, CHD_SECOND);
    assert_staleness(1000, 77);
    cr_assert(find_member(77, &member));
    cr_assert(member.counts);
    cr_assert_eq(member.age_ms, UNKNOWN);
    pong(77, now() - 100 * CHD_MS, 2, 2);
    assert_staleness(1000, 77);
    hear(77, 1, 1);
    assert_staleness(1000, 77);
    hear(77, 2, 2);
    assert_staleness(100, 77);
    cr_assert(find_member(77, &member));
    cr_assert_eq(member.age_ms, 100);
    rig_pass(bench, 200 * CHD_MS + 1);
    assert_staleness(301, 77);
    finish();
}

Test(core_freshness, what_is_accepted_and_not_broadcast_counts_as_missing)
{
    rig_join(bench, 77, 2);
    rig_pass(bench, CHD_SECOND);
    pong(77, now(), 0, 1);
    assert_staleness(1000, 77);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 0, "it cannot be fetched");
    finish();
}

Test(core_freshness, what_is_received_behind_a_gap_does_not_count)
{
    rig_join(bench, 77, 2);
    rig_pass(bench, CHD_SECOND);
    pong(77, now(), 3, 3);
    hear(77, 1, 1);
    hear(77, 3, 3);
    assert_staleness(1000, 77);
    repair(77, 2, 2);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, a_time_that_never_was_is_no_time)
{
    rig_join(bench, 77, 2);
    rig_pass(bench, CHD_SECOND);
    pong(77, now() + 1, 0, 0);
    pong(77, UINT64_MAX, 0, 0);
    assert_staleness(1000, 77);
    pong(77, 0, 0, 0);
    assert_staleness(1000, 77);
    finish();
}

Test(core_freshness, the_oldest_member_is_what_counts)
{
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    rig_pass(bench, CHD_SECOND);
    pong(77, now() - 300 * CHD_MS, 0, 0);
    pong(78, now() - 200 * CHD_MS, 0, 0);
    assert_staleness(300, 77);
    pong(77, now(), 0, 0);
    assert_staleness(200, 78);
    finish();
}

/* --- silence -------------------------------------------------------------- */

Test(core_freshness, a_silent_member_that_is_listed_holds_back_until_dead)
{
    rig_list(bench, 1);
    rig_join(bench, 77, 2);
    pong(77, now(), 0, 0);
    for (uint64_t ms = 500; ms < 10000; ms += 500) {
        pass(500, nobody);
        assert_staleness(ms, 77);
    }
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 0);
    pass(1000, nobody);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, one_that_is_not_listed_any_more_is_dead_when_silent)
{
    rig_list(bench, 1);
    rig_join(bench, 77, 2);
    pong(77, now(), 0, 0);
    rig_list(bench, 0);
    pass(2000, nobody);
    assert_staleness(2000, 77);
    pass(1500, nobody);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, dns_that_answered_before_it_was_heard_has_not_dropped_it)
{
    rig_list(bench, 1);
    rig_join(bench, 77, 2);
    rig_list(bench, 0);
    PASS(1000, 77);
    pass(4000, nobody);
    assert_staleness(4000, 77);
    rig_list(bench, 0);
    pass(500, nobody);
    assert_staleness(0, 0);
    finish();
}

/* 77 answers still, so it is not believed to have been replaced; but whoever
 * says that exists, and may have accepted something. */
Test(core_freshness, who_claims_an_address_counts_before_it_is_believed)
{
    rig_list(bench, 1);
    rig_join(bench, 77, 2);
    PASS(1000, 77);
    assert_staleness(0, 0);
    rig_control(bench, CHD_PEER_NONE, rig_hello(buf, 99, CHD_MESH_HELLO, 2, 0));
    PASS(1000, 77);
    assert_staleness(1000, 99);
    finish();
}

/* The silence was ours: nobody is dead before it had the time to speak. */
Test(core_freshness, who_stood_still_takes_nobody_for_dead)
{
    rig_list(bench, 2);
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    pong(77, now(), 0, 0);
    pong(78, now(), 0, 0);
    rig_pass(bench, 30 * CHD_SECOND);
    for (int turn = 0; turn < 5; turn++) {
        assert_staleness(30000, 77);
        rig_turn(bench);
    }
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 0);
    pass(9000, nobody);
    assert_staleness(39000, 77);
    pass(1500, nobody);
    assert_staleness(0, 0);
    finish();
}

static void be_strict(void)
{
    chd_core_config config = rig_config();

    rig_free(bench);
    config.strict = true;
    bench = rig_new(&config);
    rig_list(bench, 1);
    rig_join(bench, 77, 2);
    pong(77, now(), 0, 0);
}

Test(core_freshness, under_strict_one_that_is_listed_holds_back_for_ever)
{
    be_strict();
    pass(60000, nobody);
    assert_staleness(60000, 77);
    rig_list(bench, 0);
    pass(1000, nobody);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, under_strict_a_restart_at_the_same_address_ends_it)
{
    be_strict();
    pass(60000, nobody);
    rig_join(bench, 79, 2);
    PASS(500, 79);
    assert_staleness(60500, 77);
    tell(79, now(), NULL, NULL);
    PASS(500, 79);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    assert_staleness(0, 0);
    finish();
}

/* --- settling ------------------------------------------------------------- */

/* 77 and 78 are members; 77 is dead by now, and its end is to be settled. */
static uint64_t kill_77(void)
{
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    pong(77, now(), 0, 0);
    rig_list(bench, 2);
    PASS(9000, 78);
    bench->said[CHD_MESH_VECTOR] = 0;
    const uint64_t before = now();
    PASS(1500, 78);
    cr_assert_gt(bench->said[CHD_MESH_VECTOR], 0, "78 is asked");
    assert_staleness(10500, 77);
    return before;
}

Test(core_freshness, the_dead_are_settled_when_every_member_has_answered)
{
    const uint64_t before = kill_77();

    PASS(3000, 78);
    assert_staleness(13500, 77);
    tell(78, before, NULL, NULL);
    PASS(500, 78);
    assert_staleness(14000, 77);
    tell(78, bench->vector_t0, NULL, NULL);
    PASS(500, 78);
    assert_staleness(0, 0);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    finish();
}

/* 78 asks for our vector; return the t0 of what it is answered. */
static uint64_t asked_by_78(uint64_t t0)
{
    const chd_mesh_header header = rig_header(78, CHD_MESH_VECTOR);
    const chd_mesh_vector vector = {.answer = true, .t0 = t0};
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_vector_close(
        &pack, chd_mesh_vector_open(&pack, &header, &vector, NULL), 0);
    bench->vector_t0 = UINT64_MAX;
    rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    rig_turn(bench);
    return bench->vector_t0;
}

Test(core_freshness, who_lacks_events_of_the_silent_settles_nobody)
{
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    hear(77, 2, 2);
    cr_assert_eq(asked_by_78(5), 5, "77 is live, and can be asked itself");
    PASS(9000, 78);
    cr_assert_eq(asked_by_78(6), 0, "2 is here, and our position is 0");
    repair(78, 1, 1);
    cr_assert_eq(asked_by_78(7), 7);
    finish();
}

/* What it has may be of the dead, and comes back with it. */
Test(core_freshness, a_silent_member_must_have_answered_as_well)
{
    rig_join(bench, 77, 2);
    rig_join(bench, 78, 3);
    pong(77, now(), 0, 0);
    rig_list(bench, 2);
    PASS(6000, 78);
    pass(5000, nobody);
    tell(79, now(), NULL, NULL);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 0);
    assert_staleness(11000, 77);
    PASS(500, 78);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 0);
    tell(78, now(), NULL, NULL);
    PASS(500, 78);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, what_another_has_of_the_dead_must_be_here)
{
    const chd_position position = {77, 3};

    (void)kill_77();
    bench->said[CHD_MESH_FETCH] = 0;
    tell(78, now(), &position, NULL);
    PASS(1000, 78);
    cr_assert_gt(bench->said[CHD_MESH_FETCH], 0);
    cr_assert_gt(report().staleness_ms, 10000);
    repair(78, 1, 3);
    PASS(500, 78);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, the_dead_are_not_revived_by_older_hearsay)
{
    const uint64_t before = kill_77();
    const chd_age heard = {77, UINT64_MAX, 100 * CHD_MS};

    /* 78 heard it shortly before it was dead to us: too early to tell. */
    tell(78, before, NULL, &heard);
    PASS(500, 78);
    assert_staleness(11000, 77);
    tell(78, now(), NULL, NULL);
    PASS(500, 78);
    assert_staleness(0, 0);
    tell(78, before, NULL, &heard);
    assert_staleness(0, 0);
    cr_assert_eq(chd_core_counts_since(bench->core, 77), CHD_NEVER_NS);
    finish();
}

Test(core_freshness, one_that_was_settled_and_is_heard_counts_from_then_on)
{
    const chd_age heard = {77, UINT64_MAX, 0};

    (void)kill_77();
    tell(78, now(), NULL, NULL);
    PASS(500, 78);
    assert_staleness(0, 0);
    PASS(500, 78);
    const uint64_t fresh_ns = now();
    rig_pass(bench, 100 * CHD_MS);
    tell(78, now(), NULL, &heard);
    cr_assert_eq(chd_core_counts_since(bench->core, 77), fresh_ns);
    PASS(1000, 78);
    assert_staleness(10500 + 1100 + 1000, 77);
    finish();
}

Test(core_freshness, a_node_that_was_replaced_is_settled)
{
    rig_join(bench, 77, 2);
    const uint32_t peer = bench->dialled;
    pong(77, now(), 0, 0);
    rig_control(bench, peer, rig_hello(buf, 79, CHD_MESH_WELCOME, 2, 0));
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_REPLACED], 1);
    PASS(1000, 79);
    assert_staleness(1000, 77);
    tell(79, now(), NULL, NULL);
    PASS(500, 79);
    assert_staleness(0, 0);
    finish();
}

/* It may have accepted events before we heard of it. */
Test(core_freshness, who_replaces_a_node_counts_from_when_that_was_last_known)
{
    rig_join(bench, 77, 2);
    const uint32_t peer = bench->dialled;
    const uint64_t known_ns = now();
    pong(77, known_ns, 0, 0);
    pass(1000, nobody);
    rig_control(bench, peer, rig_hello(buf, 79, CHD_MESH_WELCOME, 2, 3));
    cr_assert_eq(chd_core_counts_since(bench->core, 79), known_ns);
    pass(1500, nobody);
    tell(79, now(), NULL, NULL);
    pass(500, nobody);
    cr_assert_eq(bench->traces[CHD_TRACE_PEER_SETTLED], 1);
    assert_staleness(3000, 79);
    finish();
}

Test(core_freshness, goodbye_counts_when_its_last_event_is_here)
{
    rig_join(bench, 77, 2);
    rig_pass(bench, 300 * CHD_MS);
    rig_broadcast(bench, rig_head(buf, 77, CHD_MESH_BYE, 2));
    rig_turn(bench);
    assert_staleness(300, 77);
    hear(77, 1, 2);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, a_goodbye_with_nothing_missing_ends_it_at_once)
{
    rig_join(bench, 77, 2);
    rig_pass(bench, 300 * CHD_MS);
    rig_control(bench, CHD_PEER_NONE, rig_head(buf, 77, CHD_MESH_BYE, 0));
    assert_staleness(0, 0);
    tell(77, now(), NULL, &(chd_age){77, 0, 0});
    assert_staleness(0, 0);
    finish();
}

/* --- hearsay -------------------------------------------------------------- */

Test(core_freshness, what_only_another_reaches_is_as_fresh_as_it_says)
{
    const chd_position position = {77, 5};
    const chd_age age = {77, 100 * CHD_MS, 50 * CHD_MS};
    chd_member_report member;

    rig_join(bench, 78, 3);
    PASS(500, 78);
    tell(78, now(), &position, &age);
    cr_assert_not(find_member(77, &member), "it is no peer of ours");
    assert_staleness(100, 77);
    PASS(500, 78);
    assert_staleness(600, 77);
    tell(78, now() - 20 * CHD_MS, &position, &age);
    assert_staleness(120, 77);
    finish();
}

Test(core_freshness, an_age_counts_when_the_events_are_here)
{
    const chd_position first = {77, 5};
    const chd_position second = {77, 6};
    const chd_age age = {77, 0, 0};

    rig_join(bench, 78, 3);
    PASS(500, 78);
    tell(78, now(), &first, &age);
    assert_staleness(0, 0);
    PASS(500, 78);
    tell(78, now(), &second, &age);
    assert_staleness(500, 77);
    rig_pass(bench, 300 * CHD_MS);
    assert_staleness(800, 77);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    repair(78, 6, 6);
    assert_staleness(300, 78);
    finish();
}

Test(core_freshness, an_age_that_nobody_asked_for_is_not_believed)
{
    const chd_age age = {77, 0, 0};

    rig_join(bench, 78, 3);
    rig_join(bench, 77, 2);
    rig_pass(bench, CHD_SECOND);
    pong(78, now(), 0, 0);
    tell(78, 0, NULL, &age);
    tell(78, now() + 1, NULL, &age);
    tell(78, UINT64_MAX, NULL, &age);
    assert_staleness(1000, 77);
    tell(78, now(), NULL, &age);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, an_age_is_never_older_than_what_is_known)
{
    const chd_age age = {77, 700 * CHD_MS, 0};

    rig_join(bench, 78, 3);
    rig_join(bench, 77, 2);
    PASS(1000, 77, 78);
    tell(78, now(), NULL, &age);
    assert_staleness(0, 0);
    finish();
}

Test(core_freshness, one_who_is_not_heard_directly_is_asked_about)
{
    const chd_age age = {77, 0, 0};

    rig_join(bench, 78, 3);
    tell(78, now(), NULL, &age);
    bench->said[CHD_MESH_VECTOR] = 0;
    PASS(2000, 78);
    cr_assert_geq(bench->said[CHD_MESH_VECTOR], 1);
    cr_assert_leq(bench->said[CHD_MESH_VECTOR], 8);
    finish();
}

/* As many nodes as a VECTOR can tell of, and 78 itself. */
Test(core_freshness, more_nodes_than_fit_hold_freshness_back)
{
    const chd_mesh_header header = rig_header(78, CHD_MESH_VECTOR);
    const chd_mesh_vector vector = {.t0 = now()};
    chd_pack pack;

    rig_join(bench, 78, 3);
    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t at = chd_mesh_vector_open(&pack, &header, &vector, NULL);
    for (uint32_t i = 0; i < CHD_COUNTED_MAX; i++) {
        chd_mesh_vector_add(&pack, &(chd_age){100000 + i, 0, 0});
    }
    chd_mesh_vector_close(&pack, at, CHD_COUNTED_MAX);
    rig_control(bench, CHD_PEER_NONE, chd_pack_bytes(&pack));
    rig_turn(bench);
    pass(1000, nobody);
    assert_staleness(1000, 0);
    PASS(12000, 78);
    tell(78, now(), NULL, NULL);
    PASS(1000, 78);
    assert_staleness(0, 0);
    finish();
}

/* --- sessions ------------------------------------------------------------- */

Test(core_freshness, a_session_is_told_behind_what_it_was_sent)
{
    rig_join(bench, 77, 2);
    rig_subscribe(bench, 0);
    rig_pass(bench, CHD_SECOND);
    pong(77, now() - 100 * CHD_MS, 1, 1);
    rig_broadcast(bench, rig_events(buf, 77, 1, 1));
    rig_session_ping(bench, 0, 4711);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_PONG);
    bench->now.mono_ns += 7;
    rig_turn(bench);
    cr_assert_eq(bench->event_count, 1);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_FRESH, "the last message");
    cr_assert_eq(bench->fresh_c0, 4711);
    cr_assert_eq(bench->fresh_age_ns, 100 * CHD_MS + 7, "as of its sending");
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 1, "once for each ping");
    finish();
}

/* Publish until session 0 is sent no more; returns the bytes it was sent. */
static uint64_t fill_window(void)
{
    uint64_t bytes = 0;
    size_t before;

    do {
        before = bench->event_count;
        rig_publish(bench, 1, 1, 30000);
        rig_turn(bench);
        if (bench->event_count > before) {
            bytes += bench->sent_len;
        }
    } while (bench->event_count > before);
    return bytes;
}

Test(core_freshness, a_slow_session_is_told_when_it_has_been_sent_it_all)
{
    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    const uint64_t reset_bytes = bench->sent_len;
    const uint64_t bytes = fill_window();
    rig_session_ping(bench, 0, 1);
    rig_turn(bench);
    rig_pass(bench, CHD_SECOND);
    rig_session_ping(bench, 0, 2);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 0);
    const size_t count = bench->event_count;
    rig_applied(bench, 0, 1 + count, bytes + reset_bytes);
    rig_turn(bench);
    cr_assert_gt(bench->event_count, count);
    cr_assert_eq(bench->fresh, 1);
    cr_assert_eq(bench->fresh_c0, 1, "the older ping");
    cr_assert_eq(bench->fresh_age_ns, CHD_SECOND, "as of its sending");
    finish();
}

Test(core_freshness, a_session_that_is_owed_a_reset_is_not_told_before)
{
    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    const uint64_t bytes = fill_window();
    rig_session_ping(bench, 0, 1);
    rig_turn(bench);
    for (int i = 0; i < 200; i++) {
        rig_publish(bench, 1, 1, 30000); /* the log overruns it */
        rig_turn(bench);
    }
    cr_assert_eq(bench->resets[CHD_RESET_SLOW], 0);
    cr_assert_eq(bench->fresh, 0);
    rig_applied(bench, 0, 1 + bench->event_count, bytes);
    rig_turn(bench);
    cr_assert_eq(bench->resets[CHD_RESET_SLOW], 1);
    cr_assert_eq(bench->fresh, 1);
    cr_assert_eq(rig_heard(bench).type, CHD_LOCAL_FRESH, "behind the RESET");
    finish();
}

Test(core_freshness, own_events_that_the_pace_holds_back_count_as_missing)
{
    rig_join(bench, 77, 2);
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    rig_subscribe(bench, 0);
    rig_greet(bench, 1);
    while (!chd_core_holds_publishers(bench->core)) {
        rig_publish(bench, 1, 1, 30000);
        rig_turn(bench);
        rig_applied(bench, 0, 1 + bench->event_count,
                    bench->event_count * 30000);
        rig_turn(bench);
    }
    const uint64_t head = report().head;
    cr_assert_lt(bench->event_count, head);
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PING));
    cr_assert_eq(bench->pong.accepted, head, "others are told of them");
    cr_assert_eq(bench->pong.head, bench->event_count);
    pong(77, now(), 0, 0);
    rig_session_ping(bench, 0, 1);
    rig_turn(bench);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 0);
    rig_control(bench, CHD_PEER_NONE,
                rig_ack(buf, 77, RIG_NODE, bench->event_count));
    for (int i = 0; i < 100 && bench->event_count < head; i++) {
        cr_assert_eq(bench->fresh, 0);
        rig_turn(bench);
        rig_applied(bench, 0, 1 + bench->event_count,
                    bench->event_count * 30000);
    }
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 1);
    finish();
}

Test(core_freshness, a_session_without_subscriptions_is_told_as_well)
{
    rig_greet(bench, 0);
    rig_session_ping(bench, 0, 1);
    rig_turn(bench);
    cr_assert_eq(bench->fresh, 1);
    cr_assert_eq(bench->fresh_age_ns, 0);
    finish();
}

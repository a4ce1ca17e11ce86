/* How a core fetches what it missed, and serves those who missed something. */
#include "tests/support/mangle.h"
#include "tests/unit/test_core_fetching.h"

TestSuite(core_repair, .init = setup);

static const chd_stats *stats(void)
{
    return chd_core_stats(bench->core);
}

/* --- messages ------------------------------------------------------------- */

static chd_bytes lost_of(uint64_t node, uint64_t first, uint64_t last,
                         const char *const *topics)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_LOST);
    uint32_t count = 0;
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const chd_mesh_lost lost = {
        .origin = 77, .first = first, .last = last, .told = 3};
    const size_t at = chd_mesh_lost_open(&pack, &header, &lost);
    for (; topics[count] != NULL; count++) {
        chd_pack_str(&pack, chd_bytes_str(topics[count]));
    }
    chd_mesh_lost_close(&pack, at, count);
    return chd_pack_bytes(&pack);
}

static void tell_lost(uint64_t node, uint64_t first, uint64_t last,
                      const char *const *topics)
{
    rig_control(bench, CHD_PEER_NONE, lost_of(node, first, last, topics));
    rig_turn(bench);
}

static chd_bytes fetch_of(uint64_t node, const chd_mesh_fetch *fetch)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_FETCH);
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_pack_fetch(&pack, &header, fetch);
    return chd_pack_bytes(&pack);
}

/* 78 asks for events. */
static void fetch(uint64_t origin, uint64_t first, uint64_t upto)
{
    const chd_mesh_fetch question = {origin, first, upto, 0};

    rig_control(bench, CHD_PEER_NONE, fetch_of(78, &question));
}

static chd_bytes vector_of(uint64_t node, bool wants, uint64_t origin,
                           uint64_t seq)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_VECTOR);
    const chd_position position = {origin, seq};
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const chd_mesh_vector vector = {.answer = wants, .position_count = 1};
    const size_t at = chd_mesh_vector_open(&pack, &header, &vector, &position);
    chd_mesh_vector_close(&pack, at, 0);
    return chd_pack_bytes(&pack);
}

static void hear(uint64_t first, uint64_t last)
{
    rig_broadcast(bench, rig_messages(buf, 77, first, last));
    rig_turn(bench);
}

static void assert_asked(uint32_t peer, uint64_t first, uint64_t upto)
{
    cr_assert_eq(bench->said_to, peer);
    cr_assert_eq(bench->fetch.origin, 77);
    cr_assert_eq(bench->fetch.first, first);
    cr_assert_eq(bench->fetch.upto, upto);
}

/* --- fetching ------------------------------------------------------------- */

Test(core_repair, what_a_pong_claims_is_a_gap_once_something_else_comes)
{
    hear(1, 1);
    rig_control(bench, CHD_PEER_NONE,
                rig_pong(buf, 77, bench->now.mono_ns, 4, 4));
    hear(2, 2);
    cr_assert_eq(stats()->gaps, 0, "3 and 4 may be on their way");
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 0);
    hear(4, 4);
    hear(5, 5);
    cr_assert_eq(stats()->gaps, 1);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    assert_asked(peer_77, 3, 3);
    finish();
}

Test(core_repair, a_gap_is_fetched_from_its_origin_and_closed)
{
    hear(1, 1);
    hear(4, 4);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    assert_asked(peer_77, 2, 3);
    ASSERT_EVENTS(1);
    ANSWER(77, 2, 3, 4, 2, 3);
    ASSERT_EVENTS(1, 2, 3, 4);
    cr_assert_eq(rig_received(bench, 77), 4);
    cr_assert_eq(stats()->repaired, 2);
    cr_assert_eq(stats()->gaps, 1);
    cr_assert_eq(stats()->lost, 0);
    cr_assert_eq(bench->traces[CHD_TRACE_REPAIRED], 1);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    finish();
}

Test(core_repair, invalidations_behind_a_gap_do_not_wait)
{
    hear(1, 1);
    rig_broadcast(bench, rig_events(buf, 77, 3, 3));
    rig_turn(bench);
    ASSERT_EVENTS(1, 3);
    cr_assert_eq(rig_received(bench, 77), 1, "2 is missing nevertheless");
    assert_asked(peer_77, 2, 2);
    ANSWER(77, 2, 2, 3, 2);
    ASSERT_EVENTS(1, 3, 2);
    cr_assert_eq(rig_received(bench, 77), 3);
    finish();
}

Test(core_repair, what_waits_is_delivered_gap_by_gap)
{
    hear(1, 1);
    hear(3, 4);
    hear(6, 7);
    assert_asked(peer_77, 2, 2);
    ASSERT_EVENTS(1);
    ANSWER(77, 2, 2, 7, 2);
    ASSERT_EVENTS(1, 2, 3, 4);
    assert_asked(peer_77, 5, 5);
    ANSWER(77, 5, 5, 7, 5);
    ASSERT_EVENTS(1, 2, 3, 4, 5, 6, 7);
    cr_assert_eq(rig_received(bench, 77), 7);
    finish();
}

Test(core_repair, what_finds_no_place_to_wait_is_fetched)
{
    const uint64_t last = CHD_HOLD_MESSAGES_MAX + 20;
    const uint64_t kept = 2 + CHD_HOLD_MESSAGES_MAX;

    hear(1, 1);
    for (uint64_t seq = 3; seq <= last; seq++) {
        hear(seq, seq);
    }
    ANSWER(77, 2, 2, last, 2);
    cr_assert_eq(rig_received(bench, 77), kept);
    cr_assert_eq(bench->event_count, kept);
    assert_asked(peer_77, kept + 1, last);
    finish();
}

Test(core_repair, without_an_answer_another_member_is_asked)
{
    hear(1, 1);
    hear(3, 3);
    assert_asked(peer_77, 2, 2);
    rig_pass(bench, ANSWER_PATIENCE);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 2);
    assert_asked(peer_78, 2, 2);
    ANSWER(77, 2, 2, 3, 2);
    ASSERT_EVENTS(1);
    ANSWER(78, 2, 2, 3, 2);
    ASSERT_EVENTS(1, 2, 3);
    finish();
}

Test(core_repair, late_and_forged_answers_are_ignored)
{
    static const char *const topics[] = {"t", NULL};

    ANSWER(77, 1, 1, 1, 1);
    hear(1, 1);
    hear(4, 4);
    ANSWER(78, 2, 3, 4, 2, 3); /* was not asked                 */
    ANSWER(99, 2, 3, 4, 2, 3); /* is nobody                     */
    ANSWER(77, 1, 3, 4, 1, 2, 3);
    ANSWER(77, 3, 3, 4, 3);
    tell_lost(78, 2, 3, topics);
    ASSERT_EVENTS(1);
    cr_assert_eq(rig_received(bench, 77), 1);
    ANSWER(77, 2, 3, 4, 2, 3);
    ANSWER(77, 2, 3, 4, 2, 3);
    tell_lost(77, 2, 3, topics);
    ASSERT_EVENTS(1, 2, 3, 4);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    cr_assert_eq(stats()->lost, 0);
    finish();
}

Test(core_repair, an_answer_that_goes_beyond_the_question_is_ignored)
{
    hear(1, 1);
    hear(4, 4);
    assert_asked(peer_77, 2, 3);
    ANSWER(77, 2, CHD_SEQ_MAX, CHD_SEQ_MAX, 2, 3, CHD_SEQ_MAX);
    ASSERT_EVENTS(1);
    cr_assert_eq(rig_received(bench, 77), 1);
    ANSWER(77, 2, 3, 4, 2, 3);
    ASSERT_EVENTS(1, 2, 3, 4);
    finish();
}

Test(core_repair, who_has_nothing_is_asked_once_and_then_another)
{
    hear(1, 1);
    hear(3, 3);
    answer(77, 2, 1, 1, (const uint64_t[]){0});
    assert_asked(peer_78, 2, 2);
    ANSWER(78, 2, 2, 3, 2);
    ASSERT_EVENTS(1, 2, 3);
    finish();
}

/* --- lost ----------------------------------------------------------------- */

/* Whoever is asked says so, until it is believed; one alone is not. */
static void lose(uint64_t first, uint64_t last, const char *const *topics)
{
    tell_lost(77, first, last, topics);
    cr_assert_eq(stats()->lost, 0);
    assert_asked(peer_78, first, last);
    for (uint32_t i = 0; i < 8 && stats()->lost == 0; i++) {
        tell_lost(bench->said_to == peer_77 ? 77 : 78, first, last, topics);
    }
    cr_assert_eq(stats()->lost, last - first + 1);
}

static void subscribe(uint32_t session, const char *topic)
{
    const chd_filter filter = {CHD_MATCH_EXACT, chd_bytes_str(topic)};

    rig_greet(bench, session);
    rig_subscribe_to(bench, session, &filter);
}

Test(core_repair, what_several_members_lost_resets_its_topics)
{
    static const char *const topics[] = {"t", "u", "v", NULL};

    subscribe(1, "u");
    subscribe(2, "w");
    hear(1, 1);
    hear(4, 4);
    lose(2, 3, topics);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 2, "not who wants w");
    cr_assert_eq(bench->reset_count, 1);
    cr_assert_eq(bench->reset_topic_len, 1);
    cr_assert_eq(bench->reset_topic[0], 'u');
    cr_assert_eq(bench->traces[CHD_TRACE_GAP], 1);

    const chd_mesh_repair rest = {
        .origin = 77, .first = 2, .last = 3, .held = 5, .told = 3};
    const uint64_t teller = bench->said_to == peer_77 ? 77 : 78;
    rig_control(bench, CHD_PEER_NONE,
                repair_of(teller, &rest, (const uint64_t[]){0}));
    rig_turn(bench);
    ASSERT_EVENTS(1);
    ANSWER(teller, 4, 5, 5, 4, 5);
    ASSERT_EVENTS(1, 4, 5);
    cr_assert_eq(rig_received(bench, 77), 5);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 2);
    finish();
}

Test(core_repair, what_a_reset_stood_for_does_not_come_late)
{
    static const char *const topics[] = {"t", NULL};
    const chd_mesh_repair rest = {
        .origin = 77, .first = 2, .last = 3, .held = 5, .told = 3};

    hear(1, 1);
    hear(4, 4);
    tell_lost(77, 2, 2, topics);
    for (uint32_t i = 0; i < 8 && stats()->lost == 0; i++) {
        tell_lost(bench->said_to == peer_77 ? 77 : 78, 2, 2, topics);
    }
    const uint64_t teller = bench->said_to == peer_77 ? 77 : 78;
    rig_control(bench, CHD_PEER_NONE,
                repair_of(teller, &rest, (const uint64_t[]){3, 0}));
    rig_turn(bench);
    ASSERT_EVENTS(1, 3);
    hear(2, 2);
    ASSERT_EVENTS(1, 3, 4);
    finish();
}

/* Nobody but this node has 4 and 6, which wait for their turn. */
Test(core_repair, what_waits_is_not_lost_with_what_others_lost)
{
    static const char *const none[] = {NULL};
    const chd_mesh_repair rest = {
        .origin = 77, .first = 2, .last = 3, .held = 6, .told = 3};
    const chd_mesh_repair end = {
        .origin = 77, .first = 4, .last = 6, .held = 6, .told = 3};

    hear(1, 1);
    hear(4, 4);
    hear(6, 6);
    for (uint32_t i = 0; i < 8 && stats()->lost == 0; i++) {
        tell_lost(bench->said_to == peer_77 ? 77 : 78, 2, 6, none);
    }
    const uint64_t teller = bench->said_to == peer_77 ? 77 : 78;
    rig_control(bench, CHD_PEER_NONE,
                repair_of(teller, &rest, (const uint64_t[]){0}));
    rig_control(bench, CHD_PEER_NONE,
                repair_of(teller, &end, (const uint64_t[]){5, 0}));
    rig_turn(bench);
    ASSERT_EVENTS(1, 4, 5, 6);
    cr_assert_eq(rig_received(bench, 77), 6);
    fetch(77, 4, 4);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 0);
    cr_assert_eq(bench->repair.record_count, 1);
    cr_assert_eq(bench->repair.told, 0);
    fetch(77, 3, 4);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    finish();
}

Test(core_repair, a_member_that_has_what_another_lost_saves_the_reset)
{
    static const char *const topics[] = {"t", NULL};

    hear(1, 1);
    hear(4, 4);
    tell_lost(77, 2, 3, topics);
    ANSWER(78, 2, 3, 4, 2, 3);
    ASSERT_EVENTS(1, 2, 3, 4);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    finish();
}

Test(core_repair, without_topics_everything_is_reset)
{
    static const char *const none[] = {NULL};

    hear(1, 1);
    hear(4, 4);
    lose(2, 3, none);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    cr_assert_eq(bench->reset_count, 0);
    finish();
}

Test(core_repair, an_answer_whose_loss_was_not_told_is_not_taken)
{
    const chd_mesh_repair gone = {
        .origin = 77, .first = 2, .last = 4, .held = 4, .told = 3};

    hear(1, 1);
    hear(4, 4);
    rig_control(bench, CHD_PEER_NONE,
                repair_of(77, &gone, (const uint64_t[]){4, 0}));
    rig_turn(bench);
    ASSERT_EVENTS(1);
    cr_assert_eq(rig_received(bench, 77), 1);
    rig_pass(bench, ANSWER_PATIENCE);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 2);
    finish();
}

Test(core_repair, what_nobody_has_of_a_dead_origin_resets_everything)
{
    rig_broadcast(bench, rig_messages(buf, 55, 1, 3));
    rig_turn(bench);
    rig_control(bench, CHD_PEER_NONE, vector_of(77, false, 55, 9));
    rig_turn(bench);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 0, "it may be on its way");
    for (uint32_t i = 0; i < 5 * CHD_REPAIR_TRIES_MAX; i++) {
        rig_pass(bench, ANSWER_PATIENCE);
    }
    cr_assert_geq(bench->said[CHD_MESH_FETCH], CHD_REPAIR_TRIES_MAX);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    cr_assert_eq(stats()->lost, 6);
    const size_t fetches = bench->said[CHD_MESH_FETCH];
    rig_pass(bench, CHD_SECOND);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], fetches);
    finish();
}

/* 4 lies in the window and 5 waits, behind 3, which nobody has. */
Test(core_repair, what_came_behind_what_is_lost_is_delivered_and_served_on)
{
    rig_broadcast(bench, rig_messages(buf, 55, 1, 2));
    rig_broadcast(bench, rig_events(buf, 55, 4, 4));
    rig_broadcast(bench, rig_messages(buf, 55, 5, 5));
    rig_turn(bench);
    ASSERT_EVENTS(1, 2, 4);
    for (uint32_t i = 0; i < 5 * CHD_REPAIR_TRIES_MAX; i++) {
        rig_pass(bench, ANSWER_PATIENCE);
    }
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    cr_assert_eq(stats()->lost, 1);
    ASSERT_EVENTS(1, 2, 4, 5);
    fetch(55, 4, 5);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 0);
    cr_assert_eq(bench->repair.record_count, 2);
    cr_assert_eq(bench->repair.told, 0);
    fetch(55, 3, 5);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    finish();
}

static chd_bytes lost_of_55(uint64_t node)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_LOST);
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const chd_mesh_lost lost = {.origin = 55, .first = 4, .last = 9, .told = 3};
    chd_mesh_lost_close(&pack, chd_mesh_lost_open(&pack, &header, &lost), 0);
    return chd_pack_bytes(&pack);
}

Test(core_repair, an_origin_that_is_not_met_yet_is_waited_for)
{
    rig_broadcast(bench, rig_messages(buf, 55, 1, 3));
    rig_turn(bench);
    rig_control(bench, CHD_PEER_NONE, vector_of(77, false, 55, 9));
    rig_turn(bench);
    const uint64_t begun = bench->now.mono_ns;
    while (stats()->lost == 0) {
        cr_assert_lt(bench->now.mono_ns - begun, 60 * CHD_SECOND);
        rig_pass(bench, ANSWER_PATIENCE);
        const uint64_t teller = bench->said_to == peer_77 ? 77 : 78;
        rig_control(bench, CHD_PEER_NONE, lost_of_55(teller));
        rig_turn(bench);
    }
    cr_assert_geq(bench->now.mono_ns - begun, rig_config().dead_after);
    cr_assert_geq(bench->now.mono_ns - begun, rig_config().join_timeout);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    finish();
}

/* --- gossip --------------------------------------------------------------- */

Test(core_repair, vectors_are_compared_when_digests_differ_twice)
{
    hear(1, 1);
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PONG));
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PONG));
    cr_assert_eq(bench->said[CHD_MESH_VECTOR], 0, "too soon to count");
    rig_pass(bench, 250 * CHD_MS);
    rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 77, CHD_MESH_PONG));
    cr_assert_eq(bench->said[CHD_MESH_VECTOR], 1);
    cr_assert_eq(bench->said_to, peer_77);
    for (uint32_t i = 0; i < 10; i++) {
        rig_control(bench, CHD_PEER_NONE, rig_ping(buf, 78, CHD_MESH_PONG));
    }
    cr_assert_eq(bench->said[CHD_MESH_VECTOR], 1, "one in an interval");
    finish();
}

Test(core_repair, a_vector_is_answered_and_what_it_has_is_fetched)
{
    rig_broadcast(bench, rig_messages(buf, 55, 1, 1));
    rig_control(bench, CHD_PEER_NONE, vector_of(78, false, 55, 2));
    cr_assert_eq(bench->said[CHD_MESH_VECTOR], 0);
    rig_control(bench, CHD_PEER_NONE, vector_of(78, true, 55, 3));
    cr_assert_eq(bench->said[CHD_MESH_VECTOR], 1);
    rig_pass(bench, 101 * CHD_MS);
    cr_assert_eq(bench->fetch.origin, 55);
    cr_assert_eq(bench->fetch.first, 2);
    cr_assert_eq(bench->fetch.upto, 3);
    finish();
}

/* --- serving -------------------------------------------------------------- */

Test(core_repair, own_events_are_served)
{
    rig_publish(bench, 0, 3, 8);
    rig_turn(bench);
    fetch(RIG_NODE, 2, CHD_SEQ_MAX);
    cr_assert_eq(bench->repair.origin, RIG_NODE);
    cr_assert_eq(bench->repair.first, 2);
    cr_assert_eq(bench->repair.last, 3);
    cr_assert_eq(bench->repair.held, 3);
    cr_assert_eq(bench->repair.record_count, 2);
    fetch(RIG_NODE, 2, 2);
    cr_assert_eq(bench->repair.last, 2);
    cr_assert_eq(bench->repair.held, 3);
    fetch(RIG_NODE, 4, 9);
    cr_assert_eq(bench->repair.last, 3, "nothing yet");
    cr_assert_eq(bench->repair.record_count, 0);
    cr_assert_eq(stats()->served, 3);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 0);
    finish();
}

Test(core_repair, others_events_are_served_without_the_superseded)
{
    rig_broadcast(bench, rig_events(buf, 77, 1, 5));
    fetch(77, 1, CHD_SEQ_MAX);
    cr_assert_eq(bench->repair.last, 5);
    cr_assert_eq(bench->repair.held, 5);
    cr_assert_eq(bench->repair.record_count, 1);
    fetch(12345, 1, 9);
    cr_assert_eq(bench->repair.origin, 12345);
    cr_assert_eq(bench->repair.last, 0);
    cr_assert_eq(bench->repair.held, 0);
    finish();
}

Test(core_repair, answers_come_in_chunks)
{
    const size_t record = 10000;
    uint64_t first = 1;
    uint32_t answers = 0;

    rig_publish(bench, 0, 40, record);
    rig_turn(bench);
    do {
        fetch(RIG_NODE, first, CHD_SEQ_MAX);
        cr_assert_geq(bench->repair.last, first);
        cr_assert_leq(bench->repair.records.len,
                      CHD_REPAIR_CHUNK_BYTES + record + 100);
        first = bench->repair.last + 1;
        answers++;
    } while (bench->repair.last < bench->repair.held);
    cr_assert_eq(first, 41);
    cr_assert_eq(answers, 3);
    cr_assert_eq(stats()->served, 40);
    finish();
}

Test(core_repair, answers_are_paid_from_a_budget)
{
    rig_publish(bench, 0, 20, 10000);
    rig_turn(bench);
    for (uint32_t i = 0; i < 200; i++) {
        fetch(RIG_NODE, 1, CHD_SEQ_MAX);
    }
    const size_t answers = bench->said[CHD_MESH_REPAIR];
    cr_assert_gt(answers, 50);
    cr_assert_lt(answers, 200);
    cr_assert_leq(stats()->served_bytes, CHD_REPAIR_BYTES_PER_SECOND / 4);
    rig_pass(bench, 100 * CHD_MS);
    fetch(RIG_NODE, 1, CHD_SEQ_MAX);
    cr_assert_eq(bench->said[CHD_MESH_REPAIR], answers + 1);
    finish();
}

Test(core_repair, a_baseline_that_was_skipped_is_told_as_gone)
{
    const uint64_t head = CHD_WINDOW_SEQS + 1;

    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, 79, CHD_MESH_HELLO, 4, head));
    fetch(79, 5, CHD_SEQ_MAX);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    cr_assert_eq(bench->lost.origin, 79);
    cr_assert_eq(bench->lost.first, 5);
    cr_assert_eq(bench->lost.last, head);
    cr_assert_eq(bench->lost.topic_count, 0, "any topic");
    cr_assert_eq(bench->repair.told, bench->lost.told);
    cr_assert_eq(bench->repair.last, head);
    cr_assert_eq(bench->repair.record_count, 0);
    fetch(79, head + 1, CHD_SEQ_MAX);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    cr_assert_eq(bench->repair.told, 0);
    finish();
}

Test(core_repair, what_was_evicted_is_told_with_its_topics)
{
    chd_bytes topic;
    uint64_t seq = 1;

    for (uint32_t i = 0; i < 4; i++, seq += 50000) {
        hear(seq, seq + 49999);
    }
    fetch(77, 1, CHD_SEQ_MAX);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    cr_assert_eq(bench->lost.topic_count, 1);
    cr_assert(chd_mesh_topic_next(&bench->lost.topics, &topic));
    cr_assert(chd_bytes_equal(topic, chd_bytes_str("t")));
    cr_assert_eq(bench->repair.told, bench->lost.told);
    const uint64_t gone = bench->lost.last;
    fetch(77, gone + 1, CHD_SEQ_MAX);
    cr_assert_eq(bench->said[CHD_MESH_LOST], 1);
    cr_assert_eq(bench->repair.record_count,
                 bench->repair.last - bench->repair.first + 1);
    finish();
}

/* --- damage --------------------------------------------------------------- */

static chd_err feed_damaged(chd_bytes message)
{
    static uint64_t fed;

    rig_control(bench, CHD_PEER_NONE, message);
    rig_control(bench, peer_77, message);
    if (++fed % 64 == 0) {
        rig_pass(bench, 100 * CHD_MS);
        rig_broadcast(bench, rig_head(buf, 77, CHD_MESH_BEACON, fed));
    }
    return CHD_ETRUNCATED;
}

static void damage(chd_bytes message)
{
    uint8_t copy[256];

    cr_assert_leq(message.len, sizeof(copy));
    memcpy(copy, message.ptr, message.len);
    message.ptr = copy;
    cr_assert_eq(mangle_truncate(message, feed_damaged), message.len);
    cr_assert_gt(mangle_change(message, feed_damaged), 0);
}

Test(core_repair, no_damaged_message_hurts)
{
    static const char *const topics[] = {"t", "u", NULL};
    const chd_mesh_repair repair = {
        .origin = 77, .first = 2, .last = 5, .held = 6};
    const chd_mesh_fetch question = {77, 2, 5, 0};

    hear(1, 1);
    hear(6, 6);
    damage(repair_of(77, &repair, (const uint64_t[]){2, 3, 5, 0}));
    damage(lost_of(77, 2, 5, topics));
    damage(fetch_of(77, &question));
    damage(vector_of(77, true, 77, 9));
    damage(rig_ack(buf, 77, RIG_NODE, 0));
    rig_turn(bench);
    finish();
}

/* Holes in what members answer: when it is certain that nothing is missing. */
#include "tests/unit/test_core_fetching.h"

TestSuite(core_holes, .init = setup);

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

Test(core_holes, an_answer_with_holes_counts_when_its_sender_has_no_more)
{
    hear(1, 1);
    hear(10, 10);
    assert_asked(peer_77, 2, 9);
    ANSWER(77, 2, 5, 10, 2, 5);
    ASSERT_EVENTS(1, 2, 5);
    cr_assert_eq(rig_received(bench, 77), 2,
                 "who stands for 3 and 4 comes later");
    assert_asked(peer_77, 6, CHD_SEQ_MAX);
    ANSWER(77, 6, 8, 10, 8);
    cr_assert_eq(rig_received(bench, 77), 2);
    assert_asked(peer_77, 9, CHD_SEQ_MAX);
    ANSWER(77, 9, 10, 10, 10);
    ASSERT_EVENTS(1, 2, 5, 8, 10);
    cr_assert_eq(rig_received(bench, 77), 10);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    finish();
}

Test(core_holes, an_answer_with_holes_counts_when_the_rest_came_before)
{
    hear(1, 1);
    hear(5, 5);
    rig_broadcast(bench, rig_events(buf, 77, 6, 6));
    ANSWER(77, 2, 4, 6, 3);
    ASSERT_EVENTS(1, 6, 3, 5);
    cr_assert_eq(rig_received(bench, 77), 6);
    cr_assert_eq(bench->said[CHD_MESH_FETCH], 1);
    finish();
}

/* They were on their way when the answer was given. */
Test(core_holes, an_answer_with_holes_counts_when_the_rest_comes_later)
{
    hear(1, 1);
    hear(5, 5);
    ANSWER(77, 2, 4, 7, 3);
    ASSERT_EVENTS(1, 3);
    assert_asked(peer_77, 5, CHD_SEQ_MAX);
    rig_broadcast(bench, rig_events(buf, 77, 6, 6));
    rig_turn(bench);
    cr_assert_eq(rig_received(bench, 77), 1, "7 may stand for 2 and 4");
    hear(7, 7);
    ASSERT_EVENTS(1, 3, 6, 5, 7);
    cr_assert_eq(rig_received(bench, 77), 7);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    finish();
}

Test(core_holes, after_holes_another_member_begins_again)
{
    hear(1, 1);
    hear(10, 10);
    ANSWER(77, 2, 5, 10, 2, 5);
    rig_pass(bench, ANSWER_PATIENCE);
    assert_asked(peer_77, 6, CHD_SEQ_MAX);
    rig_pass(bench, ANSWER_PATIENCE);
    assert_asked(peer_78, 3, 4);
    ANSWER(78, 3, 4, 10, 4);
    cr_assert_eq(rig_received(bench, 77), 2, "who stands for 3 comes later");
    assert_asked(peer_78, 5, CHD_SEQ_MAX);
    ANSWER(78, 5, 10, 10, 5, 10);
    ASSERT_EVENTS(1, 2, 5, 4, 10);
    cr_assert_eq(rig_received(bench, 77), 10);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 0);
    finish();
}

Test(core_holes, beyond_the_window_holes_of_two_members_reset_everything)
{
    const uint64_t far = 2 + CHD_WINDOW_SEQS + 1;

    hear(1, 1);
    hear(far + 2, far + 2);
    ANSWER(77, 2, far, far + 2, 2, far);
    rig_pass(bench, ANSWER_PATIENCE);
    assert_asked(peer_77, far + 1, CHD_SEQ_MAX);
    rig_pass(bench, ANSWER_PATIENCE);
    assert_asked(peer_78, far + 1, CHD_SEQ_MAX);
    ANSWER(78, far + 1, far + 2, far + 2, far + 2);
    cr_assert_eq(rig_received(bench, 77), far + 2);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    cr_assert_eq(bench->reset_count, 0);
    finish();
}

Test(core_holes, holes_of_two_members_reset_when_the_rest_comes_later)
{
    const uint64_t far = 2 + CHD_WINDOW_SEQS + 1;

    hear(1, 1);
    hear(far + 1, far + 1);
    ANSWER(77, 2, far, far + 2, 2, far);
    rig_pass(bench, ANSWER_PATIENCE);
    rig_pass(bench, ANSWER_PATIENCE);
    assert_asked(peer_78, far + 1, CHD_SEQ_MAX);
    cr_assert_eq(rig_received(bench, 77), 2);
    hear(far + 2, far + 2);
    cr_assert_eq(rig_received(bench, 77), far + 2);
    cr_assert_eq(bench->resets[CHD_RESET_LOST], 1);
    finish();
}

#include <criterion/criterion.h>

#include "proto/base/limits.h"
#include "proto/core/out.h"
#include "tests/support/heap.h"

static chd_out *new_out(void)
{
    chd_out *out;
    const chd_err err = chd_out_new(heap_mem(), &out);

    cr_assert_eq(err, CHD_OK);
    return out;
}

Test(out, survives_being_out_of_memory)
{
    chd_out *out;
    chd_err err = CHD_ENOMEM;

    for (size_t nth = 1; err == CHD_ENOMEM; nth++) {
        heap_fail_nth(nth);
        err = chd_out_new(heap_mem(), &out);
        cr_assert(err == CHD_OK || (out == NULL && heap_balance() == 0));
    }
    heap_fail_nth(0);
    chd_out_destroy(&out);
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, keeps_what_was_packed_until_it_is_cleared)
{
    chd_out *out = new_out();
    chd_bytes kept[10];

    for (uint64_t i = 0; i < 10; i++) {
        chd_pack pack = chd_out_pack(out, 9);
        chd_pack_uint(&pack, i * 1000);
        kept[i] = chd_out_keep(out, &pack);
        chd_out_add(out, CHD_ACT_BROADCAST)->bytes = kept[i];
    }
    for (uint64_t i = 0; i < 10; i++) {
        chd_scan scan;
        chd_scan_init(&scan, out->actions[i].bytes);
        cr_assert_eq(chd_scan_uint(&scan, UINT64_MAX), i * 1000);
        cr_assert_eq(chd_scan_end(&scan), CHD_OK);
    }
    chd_out_clear(out);
    cr_assert_eq(out->count, 0);
    cr_assert_eq(out->used, 0);
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, offers_no_more_than_asked_for_and_than_there_is)
{
    chd_out *out = new_out();
    chd_pack pack = chd_out_pack(out, 3);

    chd_pack_uint(&pack, UINT64_MAX);
    cr_assert(pack.overflow);
    cr_assert(chd_out_has_room(out, CHD_OUT_ACTIONS_MAX, CHD_OUT_BYTES_MAX));
    cr_assert_not(chd_out_has_room(out, CHD_OUT_ACTIONS_MAX + 1, 0));
    cr_assert_not(chd_out_has_room(out, 0, CHD_OUT_BYTES_MAX + 1));
    out->used = CHD_OUT_BYTES_MAX - 2;
    pack = chd_out_pack(out, 100);
    cr_assert_eq(pack.cap, 2);
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, an_added_action_is_blank)
{
    chd_out *out = new_out();

    chd_out_add(out, CHD_ACT_DIAL)->peer = 9;
    chd_out_clear(out);
    cr_assert_eq(chd_out_add(out, CHD_ACT_SEND)->peer, 0);
    cr_assert_eq(out->actions[0].kind, CHD_ACT_SEND);
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, traces_are_copied)
{
    chd_out *out = new_out();
    char text[] = "name";
    const chd_trace trace = {
        .code = CHD_TRACE_GAP, .a = 1, .text = chd_bytes_of(text, 4)};

    chd_out_trace(out, &trace);
    text[0] = 'x';
    cr_assert_eq(out->count, 1);
    cr_assert_eq(out->actions[0].kind, CHD_ACT_TRACE);
    cr_assert(
        chd_bytes_equal(out->actions[0].trace.text, chd_bytes_str("name")));
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, traces_leave_room_for_what_matters)
{
    chd_out *out = new_out();
    const chd_trace trace = {.code = CHD_TRACE_GAP};

    for (size_t i = 0; i < 2 * CHD_OUT_ACTIONS_MAX; i++) {
        chd_out_trace(out, &trace);
    }
    cr_assert_eq(out->count, CHD_OUT_ACTIONS_MAX - CHD_OUT_ACTIONS_RESERVE);
    chd_out_clear(out);
    out->used = CHD_OUT_BYTES_MAX - CHD_OUT_BYTES_RESERVE + 1;
    chd_out_trace(out, &trace);
    cr_assert_eq(out->count, 0);
    chd_out_destroy(&out);
    NO_LEAKS();
}

Test(out, every_trace_has_a_name_of_its_own_and_fields)
{
    for (chd_trace_code a = 0; a < CHD_TRACE_COUNT; a++) {
        cr_assert_gt(strlen(chd_trace_name(a)), 0);
        cr_assert_gt(strlen(chd_trace_field_a(a)), 0);
        cr_assert_gt(strlen(chd_trace_field_b(a)), 0);
        cr_assert_leq(chd_trace_level(a), CHD_LEVEL_DEBUG);
        for (chd_trace_code b = 0; b < a; b++) {
            cr_assert_str_neq(chd_trace_name(a), chd_trace_name(b));
        }
    }
}

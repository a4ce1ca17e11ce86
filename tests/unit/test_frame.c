#include <criterion/criterion.h>
#include <signal.h>

#include "proto/wire/frame.h"

static uint8_t stream[CHD_FRAME_PREFIX_BYTES + CHD_FRAME_BYTES_MAX + 1];

/* Write a frame of len bytes, each of them fill. */
static size_t write_frame(uint8_t *at, size_t len, uint8_t fill)
{
    chd_frame_put_length(at, len);
    memset(at + CHD_FRAME_PREFIX_BYTES, fill, len);
    return CHD_FRAME_PREFIX_BYTES + len;
}

Test(frame, a_length_is_four_bytes_in_network_order)
{
    uint8_t prefix[CHD_FRAME_PREFIX_BYTES];

    chd_frame_put_length(prefix, 1);
    cr_assert_arr_eq(prefix, ((uint8_t[]){0, 0, 0, 1}), 4);
    chd_frame_put_length(prefix, 0x0a0b0c);
    cr_assert_arr_eq(prefix, ((uint8_t[]){0, 0x0a, 0x0b, 0x0c}), 4);
    chd_frame_put_length(prefix, CHD_FRAME_BYTES_MAX);
    cr_assert_arr_eq(prefix, ((uint8_t[]){0, 0x10, 0, 0}), 4);
}

Test(frame, messages_come_off_the_stream_in_order)
{
    size_t len = write_frame(stream, 3, 'a');
    len += write_frame(stream + len, 1, 'b');
    len += write_frame(stream + len, 300, 'c');
    chd_bytes rest = chd_bytes_of(stream, len);
    chd_bytes message;

    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    cr_assert(chd_bytes_equal(message, chd_bytes_str("aaa")));
    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    cr_assert(chd_bytes_equal(message, chd_bytes_str("b")));
    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    cr_assert_eq(message.len, 300);
    cr_assert_eq(rest.len, 0);
    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    cr_assert_eq(message.len, 0);
}

Test(frame, a_message_that_is_not_complete_is_waited_for)
{
    const size_t len = write_frame(stream, 20, 'a');

    for (size_t arrived = 0; arrived < len; arrived++) {
        uint8_t *exact = malloc(arrived > 0 ? arrived : 1);
        memcpy(exact, stream, arrived);
        chd_bytes rest = chd_bytes_of(exact, arrived);
        chd_bytes message = chd_bytes_str("x");
        cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
        cr_assert_eq(message.len, 0);
        cr_assert_eq(rest.ptr, exact);
        cr_assert_eq(rest.len, arrived);
        free(exact);
    }
}

Test(frame, an_empty_stream_needs_no_pointer)
{
    chd_bytes rest = {NULL, 0};
    chd_bytes message;

    cr_assert_eq(chd_frame_next(&rest, &message), CHD_OK);
    cr_assert_eq(message.len, 0);
}

Test(frame, a_message_is_as_long_as_allowed_and_no_longer)
{
    static const struct {
        uint8_t prefix[4];
        chd_err err;
    } cases[] = {
        {{0, 0, 0, 0}, CHD_ELENGTH},         {{0, 0, 0, 1}, CHD_OK},
        {{0, 0x0f, 255, 255}, CHD_OK},       {{0, 0x10, 0, 0}, CHD_OK},
        {{0, 0x10, 0, 1}, CHD_ELENGTH},      {{0x80, 0, 0, 1}, CHD_ELENGTH},
        {{255, 255, 255, 255}, CHD_ELENGTH},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        memcpy(stream, cases[i].prefix, 4);
        /* Judged by its length alone, and alike when the rest is there. */
        chd_bytes rest = chd_bytes_of(stream, 4);
        chd_bytes message;
        cr_assert_eq(chd_frame_next(&rest, &message), cases[i].err, "%zu", i);
        cr_assert_eq(message.len, 0);
        rest = chd_bytes_of(stream, sizeof(stream));
        cr_assert_eq(chd_frame_next(&rest, &message), cases[i].err, "%zu", i);
        cr_assert_eq(message.len > 0, cases[i].err == CHD_OK);
    }
}

Test(frame, writing_a_length_of_0_is_a_programmers_error, .signal = SIGABRT)
{
    chd_frame_put_length(stream, 0);
}

Test(frame, writing_a_length_above_the_limit_is_one_too, .signal = SIGABRT)
{
    chd_frame_put_length(stream, CHD_FRAME_BYTES_MAX + 1);
}

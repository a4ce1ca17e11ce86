/* Every message of the local protocol, cut, damaged and disguised. */
#include <criterion/criterion.h>

#include "proto/wire/local.h"
#include "tests/support/mangle.h"
#include "tests/support/samples.h"
#include "tests/support/walk.h"

Test(local_damage, every_message_ends_where_its_array_ends)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        chd_bytes message = sample_bytes(&list.samples[i], bytes);
        cr_assert_eq(walk_local(message), CHD_OK, "%s", list.samples[i].name);
        bytes[message.len++] = 0xc0;
        cr_assert_eq(walk_local(message), CHD_ELENGTH, "%s",
                     list.samples[i].name);
    }
}

Test(local_damage, every_message_may_have_more_fields)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        static const uint8_t more[] = {0xa3, 'n', 'e', 'w', 0x91, 0x81, 1, 2};
        uint8_t bytes[SAMPLE_BYTES_MAX];
        chd_bytes message = sample_bytes(&list.samples[i], bytes);
        cr_assert_eq(bytes[0] & 0xf0, 0x90);
        bytes[0] = (uint8_t)(bytes[0] + 2);
        memcpy(bytes + message.len, more, sizeof(more));
        message.len += sizeof(more);
        cr_assert_eq(walk_local(message), CHD_OK, "%s", list.samples[i].name);
    }
}

Test(local_damage, every_message_needs_all_of_its_fields)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], bytes);
        while ((bytes[0] & 0x0f) > 0) {
            bytes[0]--;
            cr_assert_neq(walk_local(message), CHD_OK, "%s",
                          list.samples[i].name);
        }
    }
}

Test(local_damage, every_message_cut_short_is_refused_at_every_length)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], bytes);
        cr_assert_eq(mangle_truncate(message, walk_local), message.len, "%s",
                     list.samples[i].name);
    }
}

Test(local_damage, every_damaged_message_is_refused_or_holds_together)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], bytes);
        cr_assert_gt(mangle_change(message, walk_local), message.len);
    }
}

Test(local_damage, a_message_read_as_another_type_is_refused_or_holds_together)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], bytes);
        for (uint8_t type = 0; type < 128; type++) {
            bytes[1] = type;
            const chd_err err = walk_local(message);
            cr_assert(type > CHD_LOCAL_TYPE_LAST ? err == CHD_OK : true);
        }
    }
}

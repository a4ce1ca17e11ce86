/* Every message of both protocols, cut, damaged and disguised. */
#include <criterion/criterion.h>

#include "tests/support/mangle.h"
#include "tests/support/samples.h"
#include "tests/support/walk.h"

typedef struct protocol {
    sample_list (*samples)(void);
    mangle_reader walk;
    size_t type_at; /* the byte of the message that tells its type */
    uint8_t type_first;
    uint8_t type_last;
    chd_err unknown; /* what a message of any other type is */
} protocol;

static const protocol protocols[] = {
    {samples_mesh, walk_mesh, 2, 1, CHD_MESH_TYPE_LAST, CHD_EUNKNOWN},
    {samples_local, walk_local, 1, 0, CHD_LOCAL_TYPE_LAST, CHD_OK},
};

/* Do it to each message of each protocol; name is that of its sample. */
static void for_each(void (*damage)(const protocol *of, const char *name,
                                    uint8_t *bytes, chd_bytes message))
{
    for (size_t i = 0; i < CHD_COUNT(protocols); i++) {
        const sample_list list = protocols[i].samples();
        for (size_t k = 0; k < list.count; k++) {
            uint8_t bytes[SAMPLE_BYTES_MAX];
            const chd_bytes message = sample_bytes(&list.samples[k], bytes);
            damage(&protocols[i], list.samples[k].name, bytes, message);
        }
    }
}

static void put_behind(const protocol *of, const char *name, uint8_t *bytes,
                       chd_bytes message)
{
    cr_assert_eq(of->walk(message), CHD_OK, "%s", name);
    bytes[message.len++] = 0xc0;
    cr_assert_eq(of->walk(message), CHD_ELENGTH, "%s", name);
}

Test(damage, every_message_ends_where_its_array_ends)
{
    for_each(put_behind);
}

static void add_fields(const protocol *of, const char *name, uint8_t *bytes,
                       chd_bytes message)
{
    static const uint8_t more[] = {0xa3, 'n', 'e', 'w', 0x91, 0x81, 1, 2};

    cr_assert_eq(bytes[0] & 0xf0, 0x90);
    bytes[0] = (uint8_t)(bytes[0] + 2);
    memcpy(bytes + message.len, more, sizeof(more));
    message.len += sizeof(more);
    cr_assert_eq(of->walk(message), CHD_OK, "%s", name);
}

Test(damage, every_message_may_have_more_fields)
{
    for_each(add_fields);
}

static void take_fields(const protocol *of, const char *name, uint8_t *bytes,
                        chd_bytes message)
{
    while ((bytes[0] & 0x0f) > 0) {
        bytes[0]--;
        cr_assert_neq(of->walk(message), CHD_OK, "%s", name);
    }
}

Test(damage, every_message_needs_all_of_its_fields)
{
    for_each(take_fields);
}

static void cut(const protocol *of, const char *name, uint8_t *bytes,
                chd_bytes message)
{
    (void)bytes;
    cr_assert_eq(mangle_truncate(message, of->walk), message.len, "%s", name);
}

Test(damage, every_message_cut_short_is_refused_at_every_length)
{
    for_each(cut);
}

static void change(const protocol *of, const char *name, uint8_t *bytes,
                   chd_bytes message)
{
    (void)bytes;
    cr_assert_gt(mangle_change(message, of->walk), message.len, "%s", name);
}

Test(damage, every_damaged_message_is_refused_or_holds_together)
{
    for_each(change);
}

static void disguise(const protocol *of, const char *name, uint8_t *bytes,
                     chd_bytes message)
{
    for (uint8_t type = 0; type < 128; type++) {
        bytes[of->type_at] = type;
        const chd_err err = of->walk(message);
        if (type < of->type_first || type > of->type_last) {
            cr_assert_eq(err, of->unknown, "%s as %u", name, type);
        }
    }
}

Test(damage, a_message_read_as_another_type_is_refused_or_holds_together)
{
    for_each(disguise);
}

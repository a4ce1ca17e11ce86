#include <criterion/criterion.h>
#include <msgpack.h>

#include "proto/wire/pack.h"
#include "tests/support/samples.h"

/* Each is written as the bytes that follow it. */
static const struct {
    uint64_t value;
    size_t len;
    uint8_t bytes[9];
} numbers[] = {
    {0, 1, {0}},
    {1, 1, {1}},
    {127, 1, {0x7f}},
    {128, 2, {0xcc, 0x80}},
    {255, 2, {0xcc, 0xff}},
    {256, 3, {0xcd, 1, 0}},
    {65535, 3, {0xcd, 0xff, 0xff}},
    {65536, 5, {0xce, 0, 1, 0, 0}},
    {UINT32_MAX, 5, {0xce, 0xff, 0xff, 0xff, 0xff}},
    {(uint64_t)UINT32_MAX + 1, 9, {0xcf, 0, 0, 0, 1, 0, 0, 0, 0}},
    {UINT64_MAX, 9, {0xcf, 255, 255, 255, 255, 255, 255, 255, 255}},
};

/* Sizes of strings on both sides of each change of format. */
static const size_t lengths[] = {0,   1,   31,    32,    127,   128,
                                 255, 256, 65535, 65536, 100000};

static void assert_bytes(const chd_pack *pack, const uint8_t *bytes, size_t len)
{
    cr_assert_eq(chd_pack_result(pack), CHD_OK);
    cr_assert(chd_bytes_equal(chd_pack_bytes(pack), chd_bytes_of(bytes, len)));
}

Test(pack, a_number_takes_its_shortest_format)
{
    for (size_t i = 0; i < CHD_COUNT(numbers); i++) {
        uint8_t buf[9];
        chd_pack pack;
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_pack_uint(&pack, numbers[i].value);
        assert_bytes(&pack, numbers[i].bytes, numbers[i].len);
    }
}

Test(pack, booleans_and_arrays_take_their_shortest_format)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_array(&pack, 0);
    chd_pack_array(&pack, 15);
    chd_pack_array(&pack, 16);
    chd_pack_array(&pack, 65536);
    chd_pack_bool(&pack, false);
    chd_pack_bool(&pack, true);
    assert_bytes(&pack,
                 (const uint8_t[]){0x90, 0x9f, 0xdc, 0, 16, 0xdd, 0, 1, 0, 0,
                                   0xc2, 0xc3},
                 12);
}

Test(pack, text_and_binary_are_told_apart)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_str(&pack, chd_bytes_str("ab"));
    chd_pack_bin(&pack, chd_bytes_str("ab"));
    assert_bytes(&pack, (const uint8_t[]){0xa2, 'a', 'b', 0xc4, 2, 'a', 'b'},
                 7);
}

Test(pack, empty_strings_need_no_pointer)
{
    uint8_t buf[8];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_str(&pack, (chd_bytes){NULL, 0});
    chd_pack_bin(&pack, (chd_bytes){NULL, 0});
    chd_pack_raw(&pack, (chd_bytes){NULL, 0});
    assert_bytes(&pack, (const uint8_t[]){0xa0, 0xc4, 0}, 3);
}

Test(pack, nothing_fits_into_no_room)
{
    chd_pack pack;

    chd_pack_init(&pack, NULL, 0);
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    chd_pack_raw(&pack, (chd_bytes){NULL, 0});
    cr_assert_eq(chd_pack_result(&pack), CHD_OK);
    chd_pack_uint(&pack, 0);
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    cr_assert_eq(pack.len, 0);
}

Test(pack, what_does_not_fit_is_reported_and_ends_the_writing)
{
    uint8_t buf[4] = {0};
    chd_pack pack;

    chd_pack_init(&pack, buf, 3);
    chd_pack_uint(&pack, 7);
    chd_pack_str(&pack, chd_bytes_str("abc"));
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    const size_t len = pack.len;
    chd_pack_uint(&pack, 1); /* would fit */
    chd_pack_bool(&pack, true);
    chd_pack_raw(&pack, chd_bytes_str("x"));
    cr_assert_eq(pack.len, len);
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    cr_assert_eq(buf[3], 0);
}

Test(pack, a_length_beyond_any_buffer_is_refused_unread)
{
    uint8_t buf[8];
    chd_pack pack;
    const chd_bytes huge = {buf, SIZE_MAX};

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_str(&pack, huge);
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_bin(&pack, huge);
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_raw(&pack, huge);
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
    /* Not even where the buffer claims to be as large. */
    chd_pack_init(&pack, buf, SIZE_MAX);
    chd_pack_str(&pack, (chd_bytes){buf, (size_t)UINT32_MAX + 1});
    cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
}

Test(pack, every_sample_fits_its_size_and_nothing_smaller)
{
    const sample_list lists[] = {samples_mesh(), samples_local(),
                                 samples_record()};

    for (size_t l = 0; l < CHD_COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l].count; i++) {
            const sample *one = &lists[l].samples[i];
            uint8_t buf[SAMPLE_BYTES_MAX];
            const chd_bytes whole = sample_bytes(one, buf);
            for (size_t cap = 0; cap <= whole.len; cap++) {
                uint8_t *exact = malloc(cap > 0 ? cap : 1);
                chd_pack pack;
                chd_pack_init(&pack, exact, cap);
                one->pack(&pack);
                cr_assert_eq(chd_pack_result(&pack),
                             cap < whole.len ? CHD_ENOSPACE : CHD_OK,
                             "%s in %zu", one->name, cap);
                cr_assert_leq(pack.len, cap);
                free(exact);
            }
        }
    }
}

Test(pack, an_open_array_gets_its_count_when_it_is_closed)
{
    uint8_t buf[16];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_pack_uint(&pack, 5);
    const size_t at = chd_pack_array_open(&pack);
    chd_pack_uint(&pack, 6);
    chd_pack_array_close(&pack, at, 0x01020304);
    assert_bytes(&pack, (const uint8_t[]){5, 0xdd, 1, 2, 3, 4, 6}, 7);
    chd_pack_array_close(&pack, at, 1);
    assert_bytes(&pack, (const uint8_t[]){5, 0xdd, 0, 0, 0, 1, 6}, 7);
}

Test(pack, an_open_number_gets_its_value_when_it_is_closed)
{
    uint8_t buf[16];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t at = chd_pack_uint_open(&pack);
    chd_pack_uint(&pack, 6);
    chd_pack_uint_close(&pack, at, UINT64_C(0x0102030405060708));
    assert_bytes(&pack, (const uint8_t[]){0xcf, 1, 2, 3, 4, 5, 6, 7, 8, 6}, 10);
}

Test(pack, closing_what_did_not_fit_writes_nothing)
{
    for (size_t cap = 0; cap < 14; cap++) {
        uint8_t *exact = malloc(cap > 0 ? cap : 1);
        chd_pack pack;
        chd_pack_init(&pack, exact, cap);
        const size_t array_at = chd_pack_array_open(&pack);
        const size_t uint_at = chd_pack_uint_open(&pack);
        chd_pack_array_close(&pack, array_at, UINT32_MAX);
        chd_pack_uint_close(&pack, uint_at, UINT64_MAX);
        cr_assert_eq(chd_pack_result(&pack), CHD_ENOSPACE);
        free(exact);
    }
}

/* --- what msgpack-c reads ------------------------------------------------- */

static msgpack_object unpack(msgpack_unpacked *unpacked, chd_bytes bytes)
{
    size_t used = 0;
    const msgpack_unpack_return result = msgpack_unpack_next(
        unpacked, (const char *)bytes.ptr, bytes.len, &used);

    cr_assert_eq(result, MSGPACK_UNPACK_SUCCESS);
    cr_assert_eq(used, bytes.len);
    return unpacked->data;
}

Test(pack, msgpack_c_reads_the_numbers_that_were_written)
{
    msgpack_unpacked unpacked;

    msgpack_unpacked_init(&unpacked);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t near = 0; near < 3; near++) {
            const uint64_t value = (UINT64_C(1) << bit) + near - 1;
            uint8_t buf[9];
            chd_pack pack;
            chd_pack_init(&pack, buf, sizeof(buf));
            chd_pack_uint(&pack, value);
            const msgpack_object read =
                unpack(&unpacked, chd_pack_bytes(&pack));
            cr_assert_eq(read.type, MSGPACK_OBJECT_POSITIVE_INTEGER);
            cr_assert_eq(read.via.u64, value);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
}

Test(pack, msgpack_c_reads_the_strings_that_were_written)
{
    static char bytes[100000];
    static uint8_t buf[2 * sizeof(bytes) + 32];
    msgpack_unpacked unpacked;

    memset(bytes, 'x', sizeof(bytes));
    msgpack_unpacked_init(&unpacked);
    for (size_t i = 0; i < CHD_COUNT(lengths); i++) {
        const chd_bytes written = chd_bytes_of(bytes, lengths[i]);
        chd_pack pack;
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_pack_array(&pack, 2);
        chd_pack_str(&pack, written);
        chd_pack_bin(&pack, written);
        const msgpack_object read = unpack(&unpacked, chd_pack_bytes(&pack));
        cr_assert_eq(read.type, MSGPACK_OBJECT_ARRAY);
        cr_assert_eq(read.via.array.size, 2);
        const msgpack_object *values = read.via.array.ptr;
        cr_assert_eq(values[0].type, MSGPACK_OBJECT_STR);
        cr_assert(chd_bytes_equal(
            chd_bytes_of(values[0].via.str.ptr, values[0].via.str.size),
            written));
        cr_assert_eq(values[1].type, MSGPACK_OBJECT_BIN);
        cr_assert(chd_bytes_equal(
            chd_bytes_of(values[1].via.bin.ptr, values[1].via.bin.size),
            written));
    }
    msgpack_unpacked_destroy(&unpacked);
}

Test(pack, msgpack_c_reads_the_fields_of_a_record)
{
    const chd_event event = {
        .seq = 70000,
        .hlc = UINT64_MAX,
        .kind = CHD_KIND_UPDATE,
        .target_kind = CHD_TARGET_KEY,
        .flags = 5,
        .topic = chd_bytes_str("episodes"),
        .target = chd_bytes_str("51"),
        .value = chd_bytes_str("new"),
    };
    uint8_t buf[64];
    chd_pack pack;
    msgpack_unpacked unpacked;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_event_pack(&pack, &event);
    msgpack_unpacked_init(&unpacked);
    const msgpack_object read = unpack(&unpacked, chd_pack_bytes(&pack));
    cr_assert_eq(read.type, MSGPACK_OBJECT_ARRAY);
    cr_assert_eq(read.via.array.size, 8);
    const msgpack_object *field = read.via.array.ptr;
    cr_assert_eq(field[0].via.u64, 70000);
    cr_assert_eq(field[1].via.u64, CHD_KIND_UPDATE);
    cr_assert_eq(field[2].via.u64, 5);
    cr_assert_eq(field[3].via.u64, UINT64_MAX);
    cr_assert_eq(field[4].type, MSGPACK_OBJECT_STR);
    cr_assert_eq(memcmp(field[4].via.str.ptr, "episodes", 8), 0);
    cr_assert_eq(field[5].via.u64, CHD_TARGET_KEY);
    cr_assert_eq(field[6].type, MSGPACK_OBJECT_BIN);
    cr_assert_eq(memcmp(field[6].via.bin.ptr, "51", 2), 0);
    cr_assert_eq(field[7].type, MSGPACK_OBJECT_BIN);
    cr_assert_eq(memcmp(field[7].via.bin.ptr, "new", 3), 0);
    msgpack_unpacked_destroy(&unpacked);
}

Test(pack, msgpack_c_reads_every_sample_to_its_end)
{
    const sample_list lists[] = {samples_mesh(), samples_local(),
                                 samples_record()};
    msgpack_unpacked unpacked;

    msgpack_unpacked_init(&unpacked);
    for (size_t l = 0; l < CHD_COUNT(lists); l++) {
        for (size_t i = 0; i < lists[l].count; i++) {
            uint8_t buf[SAMPLE_BYTES_MAX];
            const chd_bytes bytes = sample_bytes(&lists[l].samples[i], buf);
            cr_assert_eq(unpack(&unpacked, bytes).type, MSGPACK_OBJECT_ARRAY);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
}

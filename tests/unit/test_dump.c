#include <criterion/criterion.h>
#include <stdio.h>

#include "proto/wire/dump.h"
#include "tests/support/mangle.h"
#include "tests/support/samples.h"

typedef void (*dumper)(chd_bytes message, char *line, size_t cap);

static const char *dumped(dumper dump, chd_bytes message)
{
    static char line[CHD_DUMP_BYTES];

    memset(line, '!', sizeof(line));
    dump(message, line, sizeof(line));
    return line;
}

static const char *dumped_sample(dumper dump, sample_list list,
                                 const char *name)
{
    for (size_t i = 0; i < list.count; i++) {
        if (strcmp(list.samples[i].name, name) == 0) {
            uint8_t buf[SAMPLE_BYTES_MAX];
            return dumped(dump, sample_bytes(&list.samples[i], buf));
        }
    }
    return "no such sample";
}

/* The lines of all other messages stand in tests/vectors. */
Test(dump, a_mesh_message_is_one_line)
{
    cr_assert_str_eq(dumped_sample(chd_dump_mesh, samples_mesh(), "events"),
                     "EVENTS from 00c0ffee origin 00c0ffee 1..3 (3)");
    cr_assert_str_eq(dumped_sample(chd_dump_mesh, samples_mesh(), "beacon"),
                     "BEACON from 00c0ffee head 3");
}

Test(dump, a_local_message_is_one_line)
{
    cr_assert_str_eq(
        dumped_sample(chd_dump_local, samples_local(), "publish"),
        "PUBLISH request 7 wait 1 number 19 (3) INVALIDATE "
        "episodes KEY 51; INVALIDATE episodes TAG home flags 1; MESSAGE "
        "new-episode value {\"id\":51}");
    cr_assert_str_eq(
        dumped_sample(chd_dump_local, samples_local(), "reset"),
        "RESET position 13 reason 2 next 70013 (2) episodes user:*");
}

Test(dump, a_record_is_one_line)
{
    cr_assert_str_eq(
        dumped_sample(chd_dump_record, samples_record(), "invalidate-key"),
        "1 INVALIDATE episodes KEY 51");
    cr_assert_str_eq(
        dumped_sample(chd_dump_record, samples_record(), "invalidate-prefix"),
        "70000 INVALIDATE 0x636166c3a9 PREFIX 0x00ff");
}

Test(dump, what_cannot_be_read_is_named)
{
    const chd_bytes bomb = chd_bytes_of("\xdd\xff\0\0\0", 5);

    cr_assert_str_eq(dumped(chd_dump_mesh, bomb),
                     "malformed ELENGTH (5 bytes)");
    cr_assert_str_eq(dumped(chd_dump_local, bomb),
                     "malformed ELENGTH (5 bytes)");
    cr_assert_str_eq(dumped(chd_dump_record, bomb),
                     "malformed ELENGTH (5 bytes)");
    cr_assert_str_eq(dumped(chd_dump_local, (chd_bytes){NULL, 0}),
                     "malformed ETRUNCATED (0 bytes)");
    /* Found when half of the line was written. */
    cr_assert_str_eq(
        dumped(chd_dump_mesh, chd_bytes_of("\x95\x01\x02\xa1p\x05\xc0", 7)),
        "malformed ETYPE (7 bytes)");
}

Test(dump, a_type_that_is_not_known_is_a_number)
{
    cr_assert_str_eq(
        dumped(chd_dump_mesh, chd_bytes_of("\x94\x01\x63\xa1p\x05", 6)),
        "TYPE 99 from 00000005");
    cr_assert_str_eq(
        dumped(chd_dump_mesh, chd_bytes_of("\x94\x01\x00\xa1p\x05", 6)),
        "TYPE 0 from 00000005");
    cr_assert_str_eq(dumped(chd_dump_local, chd_bytes_of("\x91\x63", 2)),
                     "TYPE 99");
    cr_assert_str_eq(dumped(chd_dump_local, chd_bytes_of("\x91\x0d", 2)),
                     "TYPE 13");
}

Test(dump, a_line_is_cut_at_any_size)
{
    const sample_list list = samples_local();

    for (size_t i = 0; i < list.count; i++) {
        uint8_t buf[SAMPLE_BYTES_MAX];
        char whole[2 * CHD_DUMP_BYTES];
        const chd_bytes message = sample_bytes(&list.samples[i], buf);
        chd_dump_local(message, whole, sizeof(whole));
        const size_t len = strlen(whole);
        for (size_t cap = 1; cap <= len + 2; cap++) {
            char *line = malloc(cap);
            chd_dump_local(message, line, cap);
            cr_assert_eq(strlen(line), chd_min_size(len, cap - 1));
            cr_assert_eq(strncmp(line, whole, cap - 1), 0);
            free(line);
        }
    }
}

Test(dump, a_large_value_costs_no_more_than_its_line)
{
    static uint8_t value[CHD_PAYLOAD_BYTES_MAX];
    static uint8_t buf[CHD_RECORD_BYTES_MAX];
    const chd_event event = {
        .seq = 1,
        .kind = CHD_KIND_MESSAGE,
        .topic = chd_bytes_str("t"),
        .value = chd_bytes_of(value, sizeof(value)),
    };
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_event_pack(&pack, &event);
    const char *line = dumped(chd_dump_record, chd_pack_bytes(&pack));
    cr_assert_eq(strlen(line), CHD_DUMP_BYTES - 1);
    cr_assert_eq(strncmp(line, "1 MESSAGE t value 0x0000", 24), 0);
}

Test(dump, addresses_are_printed_in_their_usual_form)
{
    static const struct {
        uint8_t address[16];
        const char *text;
    } cases[] = {
        {{0}, "[::]:7420"},
        {{[15] = 1}, "[::1]:7420"},
        {{0xfd, 0, [15] = 1}, "[fd00::1]:7420"},
        {{0x20, 1, 0x0d, 0xb8, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
         "[2001:db8:1:1:1:1:1:1]:7420"},
        /* One zero group is not shortened, of two runs the longer one is, of
         * two alike the first. */
        {{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1},
         "[2001:db8:0:1:1:1:1:1]:7420"},
        {{0x20, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1},
         "[2001:0:0:1::1]:7420"},
        {{0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1},
         "[2001:db8::1:0:0:1]:7420"},
        {{0xfe, 0x80}, "[fe80::]:7420"},
        {{[10] = 0xff, 0xff, 192, 0, 2, 7}, "192.0.2.7:7420"},
        {{[10] = 0xff, 0xfe, 192, 0, 2, 7}, "[::fffe:c000:207]:7420"},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_mesh_header header = {1, CHD_MESH_HELLO, chd_bytes_str("c"),
                                        5};
        chd_mesh_hello hello = {.version_max = 1, .endpoint = {.port = 7420}};
        uint8_t buf[128];
        char expected[128];
        chd_pack pack;
        memcpy(hello.endpoint.address, cases[i].address, 16);
        chd_pack_init(&pack, buf, sizeof(buf));
        chd_mesh_pack_hello(&pack, &header, &hello, NULL);
        snprintf(expected, sizeof(expected),
                 "HELLO from 00000005 cluster c versions 0..1 name - region - "
                 "release - at %s head 0 (0)",
                 cases[i].text);
        cr_assert_str_eq(dumped(chd_dump_mesh, chd_pack_bytes(&pack)),
                         expected);
    }
}

/* --- damage --------------------------------------------------------------- */

/* Readers for mangle.h that accept what does not print as malformed. */
static chd_err judge(dumper dump, chd_bytes message)
{
    const char *line = dumped(dump, message);

    for (const char *c = line; *c != '\0'; c++) {
        CHD_ASSERT(*c >= 0x20 && *c < 0x7f);
    }
    return strncmp(line, "malformed ", 10) == 0 ? CHD_ETYPE : CHD_OK;
}

static chd_err judge_mesh(chd_bytes message)
{
    return judge(chd_dump_mesh, message);
}

static chd_err judge_local(chd_bytes message)
{
    return judge(chd_dump_local, message);
}

static chd_err judge_record(chd_bytes message)
{
    return judge(chd_dump_record, message);
}

static void mangle_all(sample_list list, mangle_reader read)
{
    for (size_t i = 0; i < list.count; i++) {
        uint8_t buf[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], buf);
        cr_assert_eq(read(message), CHD_OK, "%s", list.samples[i].name);
        cr_assert_eq(mangle_truncate(message, read), message.len);
        cr_assert_gt(mangle_change(message, read), message.len);
    }
}

Test(dump, damaged_messages_print_as_printable_text)
{
    mangle_all(samples_mesh(), judge_mesh);
    mangle_all(samples_local(), judge_local);
    mangle_all(samples_record(), judge_record);
}

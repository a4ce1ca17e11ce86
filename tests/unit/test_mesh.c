#include <criterion/criterion.h>
#include <signal.h>

#include "proto/wire/mesh.h"

#define NODE UINT64_C(0x8badf00ddeadbeef)

static uint8_t buf[CHD_FRAME_BYTES_MAX];
static const chd_mesh_hello no_hello;

static chd_mesh_header header_of(chd_mesh_type type)
{
    return (chd_mesh_header){1, (uint64_t)type, chd_bytes_str("prod"), NODE};
}

static chd_pack pack_begin(void)
{
    chd_pack pack;
    chd_pack_init(&pack, buf, sizeof(buf));
    return pack;
}

/* Read the header of what was packed; leaves the scan at the body. */
static chd_scan scan_begin(const chd_pack *pack, chd_mesh_type type,
                           uint32_t *fields)
{
    chd_scan scan;
    chd_mesh_header header;

    cr_assert_eq(chd_pack_result(pack), CHD_OK);
    chd_scan_init(&scan, chd_pack_bytes(pack));
    cr_assert_eq(chd_mesh_scan_header(&scan, &header, fields), CHD_OK);
    cr_assert_eq(header.version, 1);
    cr_assert_eq(header.type, (uint64_t)type);
    cr_assert(chd_bytes_equal(header.cluster, chd_bytes_str("prod")));
    cr_assert_eq(header.sender, NODE);
    return scan;
}

/* --- header --------------------------------------------------------------- */

static chd_err scan_header(const chd_pack *pack, chd_mesh_header *header)
{
    chd_scan scan;
    uint32_t fields = 77;

    chd_scan_init(&scan, chd_pack_bytes(pack));
    const chd_err err = chd_mesh_scan_header(&scan, header, &fields);
    cr_assert(err == CHD_OK || fields == 77, "written in spite of an error");
    return err;
}

Test(mesh, a_header_of_any_version_and_type_is_read)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header newer = {UINT64_MAX, UINT64_MAX,
                                   chd_bytes_str("staging"), 1};
    chd_mesh_header header;

    chd_mesh_pack_header(&pack, &newer, 0);
    cr_assert_eq(scan_header(&pack, &header), CHD_OK);
    cr_assert_eq(header.version, UINT64_MAX);
    cr_assert_eq(header.type, UINT64_MAX);
    cr_assert(chd_bytes_equal(header.cluster, newer.cluster));
    cr_assert_eq(header.sender, 1);
}

Test(mesh, the_sender_is_never_node_0)
{
    chd_pack pack = pack_begin();
    chd_mesh_header header = header_of(CHD_MESH_BEACON);

    header.sender = 0;
    chd_mesh_pack_header(&pack, &header, 0);
    cr_assert_eq(scan_header(&pack, &header), CHD_ERANGE);
}

Test(mesh, a_cluster_has_1_to_127_bytes_of_text)
{
    uint8_t name[CHD_NAME_BYTES_MAX + 1];

    memset(name, 'x', sizeof(name));
    for (size_t len = 0; len <= sizeof(name); len++) {
        chd_pack pack = pack_begin();
        chd_mesh_header header = header_of(CHD_MESH_BEACON);
        header.cluster = chd_bytes_of(name, len);
        chd_mesh_pack_header(&pack, &header, 0);
        cr_assert_eq(scan_header(&pack, &header),
                     len >= 1 && len <= 127 ? CHD_OK : CHD_ELENGTH, "%zu", len);
    }
    chd_pack pack = pack_begin();
    chd_mesh_header header = header_of(CHD_MESH_BEACON);
    header.cluster = chd_bytes_str("pr\nod");
    chd_mesh_pack_header(&pack, &header, 0);
    cr_assert_eq(scan_header(&pack, &header), CHD_EUTF8);
}

Test(mesh, a_header_has_all_of_its_four_fields)
{
    for (uint32_t count = 0; count < 4; count++) {
        chd_pack pack = pack_begin();
        chd_mesh_header header;
        chd_pack_array(&pack, count);
        chd_pack_uint(&pack, 1);
        chd_pack_uint(&pack, CHD_MESH_BEACON);
        chd_pack_str(&pack, chd_bytes_str("prod"));
        chd_pack_uint(&pack, NODE);
        cr_assert_eq(scan_header(&pack, &header), CHD_ETRUNCATED);
    }
}

/* --- hello ---------------------------------------------------------------- */

static const chd_mesh_hello hello_sample = {
    .version_min = 1,
    .version_max = 3,
    .name = {(const uint8_t *)"web-1", 5},
    .region = {(const uint8_t *)"fra", 3},
    .release = {(const uint8_t *)"v42", 3},
    .endpoint = {{0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                 7420},
    .head = 12,
};

static chd_err scan_hello(const chd_pack *pack, chd_mesh_type type,
                          chd_mesh_hello *hello)
{
    uint32_t fields = 0;
    chd_scan scan = scan_begin(pack, type, &fields);

    *hello = no_hello;
    const chd_err err = chd_mesh_scan_hello(&scan, fields, hello);
    cr_assert(err == CHD_OK || hello->version_max == 0, "written on error");
    return err;
}

static chd_err hello_back(const chd_mesh_hello *sent,
                          const chd_position *positions)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_HELLO);
    chd_mesh_hello hello;

    chd_mesh_pack_hello(&pack, &header, sent, positions);
    return scan_hello(&pack, CHD_MESH_HELLO, &hello);
}

Test(mesh, hello_and_welcome_come_back_as_they_were_sent)
{
    static const chd_mesh_type types[] = {CHD_MESH_HELLO, CHD_MESH_WELCOME};
    static const chd_position sent[] = {{1, 0}, {NODE, CHD_SEQ_MAX}, {7, 8}};

    for (size_t i = 0; i < CHD_COUNT(types); i++) {
        chd_pack pack = pack_begin();
        const chd_mesh_header header = header_of(types[i]);
        chd_mesh_hello hello = hello_sample;
        chd_position position;
        hello.position_count = CHD_COUNT(sent);
        chd_mesh_pack_hello(&pack, &header, &hello, sent);
        cr_assert_eq(scan_hello(&pack, types[i], &hello), CHD_OK);
        cr_assert_eq(hello.version_min, 1);
        cr_assert_eq(hello.version_max, 3);
        cr_assert(chd_bytes_equal(hello.name, hello_sample.name));
        cr_assert(chd_bytes_equal(hello.region, hello_sample.region));
        cr_assert(chd_bytes_equal(hello.release, hello_sample.release));
        cr_assert_arr_eq(hello.endpoint.address, hello_sample.endpoint.address,
                         16);
        cr_assert_eq(hello.endpoint.port, 7420);
        cr_assert_eq(hello.head, 12);
        cr_assert_eq(hello.position_count, CHD_COUNT(sent));
        for (size_t p = 0; p < CHD_COUNT(sent); p++) {
            cr_assert(chd_mesh_position_next(&hello.positions, &position));
            cr_assert_eq(position.origin, sent[p].origin);
            cr_assert_eq(position.seq, sent[p].seq);
        }
        cr_assert(!chd_mesh_position_next(&hello.positions, &position));
    }
}

Test(mesh, names_in_hello_have_up_to_127_bytes)
{
    uint8_t name[CHD_NAME_BYTES_MAX + 1];

    memset(name, 'x', sizeof(name));
    for (size_t len = 126; len <= 128; len++) {
        const chd_err expected = len <= 127 ? CHD_OK : CHD_ELENGTH;
        chd_mesh_hello hello = hello_sample;
        hello.name = chd_bytes_of(name, len);
        cr_assert_eq(hello_back(&hello, NULL), expected);
        hello = hello_sample;
        hello.region = chd_bytes_of(name, len);
        cr_assert_eq(hello_back(&hello, NULL), expected);
        hello = hello_sample;
        hello.release = chd_bytes_of(name, len);
        cr_assert_eq(hello_back(&hello, NULL), expected);
    }
}

Test(mesh, numbers_in_hello_are_within_their_limits)
{
    chd_mesh_hello hello = hello_sample;
    chd_position position = {1, CHD_SEQ_MAX};

    hello.head = CHD_SEQ_MAX;
    hello.position_count = 1;
    cr_assert_eq(hello_back(&hello, &position), CHD_OK);
    position.seq++;
    cr_assert_eq(hello_back(&hello, &position), CHD_ERANGE);
    position = (chd_position){0, 1};
    cr_assert_eq(hello_back(&hello, &position), CHD_ERANGE);
    hello.position_count = 0;
    hello.head++;
    cr_assert_eq(hello_back(&hello, NULL), CHD_ERANGE);
    hello.head = 0;
    hello.version_min = 3;
    cr_assert_eq(hello_back(&hello, NULL), CHD_OK);
    hello.version_min = 4;
    cr_assert_eq(hello_back(&hello, NULL), CHD_ERANGE);
}

/* Write a HELLO whose vector has count values. */
static chd_err hello_with_values(uint32_t count)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_HELLO);
    chd_mesh_hello hello;

    chd_mesh_pack_header(&pack, &header, 9);
    chd_pack_uint(&pack, 1);
    chd_pack_uint(&pack, 1);
    chd_pack_str(&pack, chd_bytes_str("n"));
    chd_pack_str(&pack, chd_bytes_str(""));
    chd_pack_str(&pack, chd_bytes_str(""));
    chd_endpoint_pack(&pack, &hello_sample.endpoint);
    chd_pack_uint(&pack, 1);
    chd_pack_array(&pack, count);
    for (uint32_t i = 0; i < count; i++) {
        chd_pack_uint(&pack, i + 1);
    }
    return scan_hello(&pack, CHD_MESH_HELLO, &hello);
}

Test(mesh, a_vector_has_up_to_4096_positions_and_no_half_ones)
{
    cr_assert_eq(hello_with_values(0), CHD_OK);
    cr_assert_eq(hello_with_values(1), CHD_ELENGTH);
    cr_assert_eq(hello_with_values(2), CHD_OK);
    cr_assert_eq(hello_with_values(3), CHD_ELENGTH);
    cr_assert_eq(hello_with_values(2 * CHD_ORIGINS_MAX - 2), CHD_OK);
    cr_assert_eq(hello_with_values(2 * CHD_ORIGINS_MAX - 1), CHD_ELENGTH);
    cr_assert_eq(hello_with_values(2 * CHD_ORIGINS_MAX), CHD_OK);
    cr_assert_eq(hello_with_values(2 * CHD_ORIGINS_MAX + 1), CHD_ELENGTH);
    cr_assert_eq(hello_with_values(2 * CHD_ORIGINS_MAX + 2), CHD_ELENGTH);
}

Test(mesh, half_a_position_is_not_taken_for_a_field_that_follows)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_HELLO);
    chd_mesh_hello hello;

    chd_mesh_pack_hello(&pack, &header, &hello_sample, NULL);
    cr_assert_eq(buf[0], 0x9d);
    cr_assert_eq(buf[pack.len - 1], 0x90);
    buf[0] = 0x9e;
    buf[pack.len - 1] = 0x91;
    chd_pack_uint(&pack, 7);
    cr_assert_eq(scan_hello(&pack, CHD_MESH_HELLO, &hello), CHD_ELENGTH);
}

Test(mesh, an_address_has_16_bytes_and_a_port_16_bits)
{
    static const uint8_t address[17] = {0};

    for (size_t len = 0; len <= 17; len++) {
        chd_pack pack = pack_begin();
        chd_scan scan;
        chd_endpoint endpoint;
        chd_pack_bin(&pack, chd_bytes_of(address, len));
        chd_pack_uint(&pack, 65535);
        chd_scan_init(&scan, chd_pack_bytes(&pack));
        chd_endpoint_scan(&scan, &endpoint);
        cr_assert_eq(chd_scan_end(&scan), len == 16 ? CHD_OK : CHD_ELENGTH);
    }
    chd_pack pack = pack_begin();
    chd_scan scan;
    chd_endpoint endpoint;
    chd_pack_bin(&pack, chd_bytes_of(address, 16));
    chd_pack_uint(&pack, 65536);
    chd_scan_init(&scan, chd_pack_bytes(&pack));
    chd_endpoint_scan(&scan, &endpoint);
    cr_assert_eq(chd_scan_end(&scan), CHD_ERANGE);
}

/* --- events --------------------------------------------------------------- */

static chd_events_writer writer;

static chd_pack events_begin(uint64_t origin)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_EVENTS);
    chd_mesh_events_open(&pack, &header, origin, &writer);
    return pack;
}

static void add_event(chd_pack *pack, uint64_t seq)
{
    const chd_event event = {
        .seq = seq,
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str("episodes"),
        .target = chd_bytes_str("51"),
    };
    uint8_t bytes[64];
    chd_pack record;

    chd_pack_init(&record, bytes, sizeof(bytes));
    chd_event_pack(&record, &event);
    chd_mesh_events_add(pack, &writer, chd_pack_bytes(&record));
}

static chd_err scan_events(const chd_pack *pack, chd_mesh_events *events)
{
    uint32_t fields = 0;
    chd_scan scan = scan_begin(pack, CHD_MESH_EVENTS, &fields);

    *events = (chd_mesh_events){.origin = 0};
    const chd_err err = chd_mesh_scan_events(&scan, fields, events);
    cr_assert(err == CHD_OK || events->origin == 0, "written on error");
    return err;
}

/* Send records with these sequence numbers, up to a 0, in first..last. */
static chd_err events_back(uint64_t first, uint64_t last, const uint64_t *seqs)
{
    chd_pack pack = events_begin(NODE);
    chd_mesh_events events;

    for (; *seqs > 0; seqs++) {
        add_event(&pack, *seqs);
    }
    chd_mesh_events_close(&pack, &writer, first, last);
    return scan_events(&pack, &events);
}

Test(mesh, events_come_back_as_they_were_sent)
{
    chd_pack pack = events_begin(5);
    chd_mesh_events events;
    chd_event event;
    chd_bytes record;
    size_t len = 0;

    add_event(&pack, 10);
    add_event(&pack, 12);
    chd_mesh_events_close(&pack, &writer, 9, 300);
    cr_assert_eq(scan_events(&pack, &events), CHD_OK);
    cr_assert_eq(events.origin, 5);
    cr_assert_eq(events.first, 9);
    cr_assert_eq(events.last, 300);
    cr_assert_eq(events.record_count, 2);
    chd_bytes records = events.records;
    for (uint64_t seq = 10; seq <= 12; seq += 2) {
        cr_assert(chd_mesh_record_next(&records, &event, &record));
        cr_assert_eq(event.seq, seq);
        cr_assert(chd_bytes_equal(event.topic, chd_bytes_str("episodes")));
        cr_assert_eq(record.ptr, events.records.ptr + len);
        len += record.len;
    }
    cr_assert_eq(len, events.records.len);
    cr_assert(!chd_mesh_record_next(&records, &event, &record));
}

Test(mesh, a_record_is_passed_on_byte_for_byte)
{
    /* Also one that another encoder wrote, with a kind and fields that are
     * not known here. */
    static const uint8_t foreign[] = {0xdc, 0, 13, 0xcd, 0,   5,    0x4d,
                                      0xcc, 0, 0,  0xa1, 't', 0x63, 0xc0,
                                      0x80, 0, 0,  0,    0,   0xa1, 'x'};
    chd_pack pack = events_begin(5);
    chd_mesh_events events;
    chd_event event;
    chd_bytes record;

    chd_mesh_events_add(&pack, &writer, chd_bytes_of(foreign, sizeof(foreign)));
    chd_mesh_events_close(&pack, &writer, 5, 5);
    cr_assert_eq(scan_events(&pack, &events), CHD_OK);
    cr_assert(chd_mesh_record_next(&events.records, &event, &record));
    cr_assert(chd_bytes_equal(record, chd_bytes_of(foreign, sizeof(foreign))));
    cr_assert_eq(event.target_kind, CHD_TARGET_ALL);
}

Test(mesh, events_stand_for_a_range_that_begins_at_1_or_later)
{
    static const uint64_t none[] = {0};

    cr_assert_eq(events_back(1, 1, none), CHD_OK);
    cr_assert_eq(events_back(0, 1, none), CHD_ERANGE);
    cr_assert_eq(events_back(3, 2, none), CHD_ERANGE);
    cr_assert_eq(events_back(1, CHD_SEQ_MAX, none), CHD_OK);
    cr_assert_eq(events_back(CHD_SEQ_MAX, CHD_SEQ_MAX, none), CHD_OK);
    cr_assert_eq(events_back(1, CHD_SEQ_MAX + 1, none), CHD_ERANGE);
}

Test(mesh, records_ascend_within_their_range)
{
    static const struct {
        uint64_t seqs[4];
        chd_err err;
    } cases[] = {
        {{5, 0}, CHD_OK},
        {{5, 6, 9, 0}, CHD_OK},
        {{9, 0}, CHD_OK},
        {{4, 0}, CHD_EORDER},
        {{10, 0}, CHD_EORDER},
        {{5, 5, 0}, CHD_EORDER},
        {{6, 5, 0}, CHD_EORDER},
        {{5, 9, 8, 0}, CHD_EORDER},
        {{5, 9, 10, 0}, CHD_EORDER},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        cr_assert_eq(events_back(5, 9, cases[i].seqs), cases[i].err, "%zu", i);
    }
    static const uint64_t highest[] = {CHD_SEQ_MAX, 0};
    static const uint64_t twice[] = {CHD_SEQ_MAX, CHD_SEQ_MAX, 0};
    cr_assert_eq(events_back(1, CHD_SEQ_MAX, highest), CHD_OK);
    cr_assert_eq(events_back(1, CHD_SEQ_MAX, twice), CHD_EORDER);
}

Test(mesh, the_origin_of_events_is_never_node_0)
{
    chd_pack pack = events_begin(0);
    chd_mesh_events events;

    add_event(&pack, 1);
    chd_mesh_events_close(&pack, &writer, 1, 1);
    cr_assert_eq(scan_events(&pack, &events), CHD_ERANGE);
}

Test(mesh, one_bad_record_among_many_is_found)
{
    for (uint64_t bad = 1; bad <= 20; bad++) {
        chd_pack pack = events_begin(NODE);
        chd_mesh_events events;
        for (uint64_t seq = 1; seq <= 20; seq++) {
            if (seq == bad) {
                /* A key without a byte. */
                chd_mesh_events_add(
                    &pack, &writer,
                    chd_bytes_of("\x98\x01\0\0\0\xa1t\x01\xc4\0\xc4\0", 12));
                pack.buf[pack.len - 11] = (uint8_t)seq;
            } else {
                add_event(&pack, seq);
            }
        }
        chd_mesh_events_close(&pack, &writer, 1, 20);
        cr_assert_eq(scan_events(&pack, &events), CHD_ELENGTH);
    }
}

Test(mesh, events_of_a_whole_frame_are_read)
{
    chd_pack pack = events_begin(NODE);
    chd_mesh_events events;
    chd_event event;
    chd_bytes record;
    uint64_t seq = 0;

    while (pack.cap - pack.len > 64) {
        add_event(&pack, ++seq);
    }
    chd_mesh_events_close(&pack, &writer, 1, seq);
    cr_assert_eq(scan_events(&pack, &events), CHD_OK);
    cr_assert_eq(events.record_count, seq);
    for (uint64_t i = 1; i <= seq; i++) {
        cr_assert(chd_mesh_record_next(&events.records, &event, &record));
        cr_assert_eq(event.seq, i);
    }
    cr_assert(!chd_mesh_record_next(&events.records, &event, &record));
}

Test(mesh, events_that_do_not_fit_are_reported)
{
    const chd_mesh_header header = header_of(CHD_MESH_EVENTS);
    chd_pack pack;

    for (size_t cap = 0; cap < 100; cap++) {
        chd_pack_init(&pack, buf, cap);
        chd_mesh_events_open(&pack, &header, NODE, &writer);
        add_event(&pack, 1);
        add_event(&pack, 2);
        chd_mesh_events_close(&pack, &writer, 1, 2);
        cr_assert_eq(chd_pack_result(&pack),
                     pack.overflow ? CHD_ENOSPACE : CHD_OK);
        cr_assert(cap < 70 ? pack.overflow : true);
        cr_assert_leq(pack.len, cap);
    }
    cr_assert(!pack.overflow);
}

/* --- the others ----------------------------------------------------------- */

Test(mesh, a_refusal_comes_back_as_it_was_sent)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_REFUSE);
    const chd_mesh_refuse sent = {99, 2, 1, chd_bytes_str("no room")};
    chd_mesh_refuse refuse;
    uint32_t fields = 0;

    chd_mesh_pack_refuse(&pack, &header, &sent);
    chd_scan scan = scan_begin(&pack, CHD_MESH_REFUSE, &fields);
    cr_assert_eq(chd_mesh_scan_refuse(&scan, fields, &refuse), CHD_OK);
    cr_assert_eq(refuse.reason, 99);
    cr_assert_eq(refuse.version_min, 2);
    cr_assert_eq(refuse.version_max, 1);
    cr_assert(chd_bytes_equal(refuse.text, sent.text));
}

Test(mesh, the_text_of_a_refusal_is_cut_by_the_sender)
{
    uint8_t text[CHD_TEXT_BYTES_MAX + 1];

    memset(text, 'x', sizeof(text));
    memcpy(text + 253, "\xe2\x82\xac", 3); /* ends at 256 */
    for (size_t len = 250; len <= sizeof(text); len++) {
        if (len == 254 || len == 255) {
            continue; /* would end within the character */
        }
        chd_pack pack = pack_begin();
        const chd_mesh_header header = header_of(CHD_MESH_REFUSE);
        const chd_mesh_refuse sent = {1, 1, 1, chd_bytes_of(text, len)};
        chd_mesh_refuse refuse;
        uint32_t fields = 0;
        chd_mesh_pack_refuse(&pack, &header, &sent);
        chd_scan scan = scan_begin(&pack, CHD_MESH_REFUSE, &fields);
        cr_assert_eq(chd_mesh_scan_refuse(&scan, fields, &refuse), CHD_OK);
        cr_assert_eq(refuse.text.len, len > 255 ? 253 : len);
    }
}

Test(mesh, the_text_of_a_refusal_has_up_to_255_bytes)
{
    uint8_t text[CHD_TEXT_BYTES_MAX + 1];

    memset(text, 'x', sizeof(text));
    for (size_t len = 254; len <= 256; len++) {
        chd_pack pack = pack_begin();
        const chd_mesh_header header = header_of(CHD_MESH_REFUSE);
        chd_mesh_refuse refuse = {.reason = 7};
        uint32_t fields = 0;
        chd_mesh_pack_header(&pack, &header, 4);
        chd_pack_uint(&pack, 1);
        chd_pack_uint(&pack, 1);
        chd_pack_uint(&pack, 1);
        chd_pack_str(&pack, chd_bytes_of(text, len));
        chd_scan scan = scan_begin(&pack, CHD_MESH_REFUSE, &fields);
        cr_assert_eq(chd_mesh_scan_refuse(&scan, fields, &refuse),
                     len <= 255 ? CHD_OK : CHD_ELENGTH);
        cr_assert_eq(refuse.reason, len <= 255 ? 1 : 7);
    }
}

Test(mesh, a_ping_comes_back_as_it_was_sent)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_PING);
    const chd_mesh_ping sent = {UINT64_MAX, CHD_SEQ_MAX, true, UINT64_MAX, 7,
                                8,          9,           10,   12};
    chd_mesh_ping ping;
    uint32_t fields = 0;

    chd_mesh_pack_ping(&pack, &header, &sent);
    chd_scan scan = scan_begin(&pack, CHD_MESH_PING, &fields);
    cr_assert_eq(fields, 7);
    cr_assert_eq(chd_mesh_scan_ping(&scan, fields, &ping), CHD_OK);
    cr_assert_eq(ping.t0, UINT64_MAX);
    cr_assert_eq(ping.received, CHD_SEQ_MAX);
    cr_assert(ping.heard);
    cr_assert_eq(ping.digest, UINT64_MAX);
    cr_assert_eq(ping.members, 7);
    cr_assert_eq(ping.head, 0); /* only PONG has it */
    cr_assert_eq(ping.accepted, 0);
    cr_assert_eq(ping.refuses_ms, 10);
    cr_assert_eq(ping.to, 12);
}

Test(mesh, a_pong_comes_back_as_it_was_sent)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_PONG);
    const chd_mesh_ping sent = {1,           2,  false, 3, 4, CHD_SEQ_MAX - 1,
                                CHD_SEQ_MAX, 11, 12};
    chd_mesh_ping pong;
    uint32_t fields = 0;

    chd_mesh_pack_ping(&pack, &header, &sent);
    chd_scan scan = scan_begin(&pack, CHD_MESH_PONG, &fields);
    cr_assert_eq(fields, 9);
    cr_assert_eq(chd_mesh_scan_pong(&scan, fields, &pong), CHD_OK);
    cr_assert_eq(pong.t0, 1);
    cr_assert_eq(pong.received, 2);
    cr_assert(!pong.heard);
    cr_assert_eq(pong.digest, 3);
    cr_assert_eq(pong.members, 4);
    cr_assert_eq(pong.head, CHD_SEQ_MAX - 1);
    cr_assert_eq(pong.accepted, CHD_SEQ_MAX);
    cr_assert_eq(pong.refuses_ms, 11);
    cr_assert_eq(pong.to, 12);
}

Test(mesh, positions_in_pings_are_within_their_limit)
{
    const chd_mesh_header header = header_of(CHD_MESH_PONG);
    const chd_mesh_ping bad[] = {
        {1, CHD_SEQ_MAX + 1, true, 0, 0, 1, 1, 0, 0},
        {1, 1, true, 0, 0, CHD_SEQ_MAX + 1, CHD_SEQ_MAX + 1, 0, 0},
        {1, 1, true, 0, 0, 1, CHD_SEQ_MAX + 1, 0, 0},
        {1, 1, true, 0, 0, 2, 1, 0, 0}, /* broadcast before it was accepted */
    };

    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        chd_pack pack = pack_begin();
        chd_mesh_ping pong = {.t0 = 77};
        uint32_t fields = 0;
        chd_mesh_pack_ping(&pack, &header, &bad[i]);
        chd_scan scan = scan_begin(&pack, CHD_MESH_PONG, &fields);
        cr_assert_eq(chd_mesh_scan_pong(&scan, fields, &pong), CHD_ERANGE);
        cr_assert_eq(pong.t0, 77);
        chd_scan ping_scan = scan_begin(&pack, CHD_MESH_PONG, &fields);
        cr_assert_eq(chd_mesh_scan_ping(&ping_scan, fields, &pong),
                     i == 0 ? CHD_ERANGE : CHD_OK);
    }
}

Test(mesh, beacon_and_bye_carry_a_position)
{
    static const chd_mesh_type types[] = {CHD_MESH_BEACON, CHD_MESH_BYE};
    static const uint64_t heads[] = {0, 1, CHD_SEQ_MAX, CHD_SEQ_MAX + 1};

    for (size_t t = 0; t < CHD_COUNT(types); t++) {
        for (size_t i = 0; i < CHD_COUNT(heads); i++) {
            chd_pack pack = pack_begin();
            const chd_mesh_header header = header_of(types[t]);
            uint64_t head = 77;
            uint32_t fields = 0;
            chd_mesh_pack_head(&pack, &header, heads[i]);
            chd_scan scan = scan_begin(&pack, types[t], &fields);
            cr_assert_eq(chd_mesh_scan_head(&scan, fields, &head),
                         heads[i] <= CHD_SEQ_MAX ? CHD_OK : CHD_ERANGE);
            cr_assert_eq(head, heads[i] <= CHD_SEQ_MAX ? heads[i] : 77);
        }
    }
}

/* --- programmers' errors -------------------------------------------------- */

Test(mesh, walking_records_that_were_not_validated_aborts, .signal = SIGABRT)
{
    chd_bytes records = chd_bytes_str("\x98\x01");
    chd_event event;
    chd_bytes record;

    (void)chd_mesh_record_next(&records, &event, &record);
}

Test(mesh, walking_positions_that_were_not_validated_aborts, .signal = SIGABRT)
{
    chd_bytes positions = chd_bytes_str("\x01");
    chd_position position;

    (void)chd_mesh_position_next(&positions, &position);
}

Test(mesh, writing_a_message_of_another_type_aborts, .signal = SIGABRT)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_HELLO);

    chd_mesh_pack_head(&pack, &header, 1);
}

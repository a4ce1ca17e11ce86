#include <criterion/criterion.h>
#include <signal.h>

#include "proto/wire/repair.h"
#include "tests/support/mangle.h"
#include "tests/support/samples.h"
#include "tests/support/walk.h"

#define NODE UINT64_C(0x8badf00ddeadbeef)

static uint8_t buf[CHD_FRAME_BYTES_MAX];

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
static chd_scan scan_begin(const chd_pack *pack, uint32_t *fields)
{
    chd_scan scan;
    chd_mesh_header header;

    cr_assert_eq(chd_pack_result(pack), CHD_OK);
    chd_scan_init(&scan, chd_pack_bytes(pack));
    cr_assert_eq(chd_mesh_scan_header(&scan, &header, fields), CHD_OK);
    return scan;
}

/* --- fetch ---------------------------------------------------------------- */

static chd_err fetch_back(const chd_mesh_fetch *sent, chd_mesh_fetch *fetch)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_FETCH);
    uint32_t fields = 0;

    chd_mesh_pack_fetch(&pack, &header, sent);
    chd_scan scan = scan_begin(&pack, &fields);
    *fetch = (chd_mesh_fetch){.origin = 0};
    const chd_err err = chd_mesh_scan_fetch(&scan, fields, fetch);
    cr_assert(err == CHD_OK || fetch->origin == 0, "written on error");
    return err;
}

Test(repair, a_fetch_comes_back_as_it_was_sent)
{
    const chd_mesh_fetch sent = {NODE, CHD_SEQ_MAX - 1, CHD_SEQ_MAX, 3};
    chd_mesh_fetch fetch;

    cr_assert_eq(fetch_back(&sent, &fetch), CHD_OK);
    cr_assert_eq(fetch.origin, NODE);
    cr_assert_eq(fetch.first, CHD_SEQ_MAX - 1);
    cr_assert_eq(fetch.upto, CHD_SEQ_MAX);
    cr_assert_eq(fetch.told, 3);
}

Test(repair, a_fetch_asks_for_something)
{
    static const struct {
        chd_mesh_fetch fetch;
        chd_err err;
    } cases[] = {
        {{1, 1, 1, 0}, CHD_OK},
        {{1, 9, 20, 5}, CHD_OK},
        {{0, 5, 5, 0}, CHD_ERANGE},
        {{1, 0, 1, 0}, CHD_ERANGE},
        {{1, 6, 5, 0}, CHD_ERANGE},
        {{1, 5, CHD_SEQ_MAX + 1, 0}, CHD_ERANGE},
        {{1, CHD_SEQ_MAX + 1, CHD_SEQ_MAX + 1, 0}, CHD_ERANGE},
        {{1, 5, 5, CHD_SEQ_MAX + 1}, CHD_ERANGE},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_mesh_fetch fetch;
        cr_assert_eq(fetch_back(&cases[i].fetch, &fetch), cases[i].err, "%zu",
                     i);
    }
}

/* --- repair --------------------------------------------------------------- */

static void add_event(chd_pack *pack, uint64_t seq)
{
    const chd_event event = {
        .seq = seq,
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str("episodes"),
        .target = chd_bytes_str("51"),
    };
    chd_event_pack(pack, &event);
}

/* Send records with these sequence numbers, up to a 0. */
static chd_err repair_back(const chd_mesh_repair *sent, const uint64_t *seqs,
                           chd_mesh_repair *repair)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_REPAIR);
    chd_repair_writer writer;
    uint32_t count = 0;
    uint32_t fields = 0;

    chd_mesh_repair_open(&pack, &header, sent, &writer);
    for (; seqs[count] > 0; count++) {
        add_event(&pack, seqs[count]);
    }
    chd_mesh_repair_close(&pack, &writer, sent->last, count);
    chd_scan scan = scan_begin(&pack, &fields);
    *repair = (chd_mesh_repair){.origin = 0};
    const chd_err err = chd_mesh_scan_repair(&scan, fields, repair);
    cr_assert(err == CHD_OK || repair->origin == 0, "written on error");
    return err;
}

Test(repair, a_repair_comes_back_as_it_was_sent)
{
    static const uint64_t seqs[] = {10, 12, 0};
    const chd_mesh_repair sent = {
        .origin = 5, .first = 9, .last = 300, .held = 301, .told = 9};
    chd_mesh_repair repair;
    chd_event event;
    chd_bytes record;

    cr_assert_eq(repair_back(&sent, seqs, &repair), CHD_OK);
    cr_assert_eq(repair.origin, 5);
    cr_assert_eq(repair.first, 9);
    cr_assert_eq(repair.last, 300);
    cr_assert_eq(repair.held, 301);
    cr_assert_eq(repair.told, 9);
    cr_assert_eq(repair.record_count, 2);
    for (uint64_t seq = 10; seq <= 12; seq += 2) {
        cr_assert(chd_mesh_record_next(&repair.records, &event, &record));
        cr_assert_eq(event.seq, seq);
    }
    cr_assert(!chd_mesh_record_next(&repair.records, &event, &record));
}

Test(repair, an_answer_ends_where_its_sender_knows_it_to)
{
    static const uint64_t none[] = {0};
    static const struct {
        uint64_t origin;
        uint64_t first;
        uint64_t last;
        uint64_t held;
        chd_err err;
    } cases[] = {
        {1, 1, 1, 1, CHD_OK},
        {1, 1, 0, 0, CHD_OK},
        {1, 5, 4, 0, CHD_OK}, /* it has less than the asker */
        {1, 5, 4, 9, CHD_OK}, /* it has more, but sends nothing now */
        {1, 5, 9, 9, CHD_OK},
        {1, 1, CHD_SEQ_MAX, CHD_SEQ_MAX, CHD_OK},
        {1, CHD_SEQ_MAX, CHD_SEQ_MAX - 1, 0, CHD_OK},
        {0, 1, 1, 1, CHD_ERANGE},
        {1, 0, 1, 1, CHD_ERANGE},
        {1, 0, 0, 0, CHD_ERANGE},
        {1, 5, 3, 9, CHD_ERANGE},
        {1, 5, 9, 8, CHD_ERANGE},
        {1, 5, 5, 4, CHD_ERANGE},
        {1, 1, CHD_SEQ_MAX + 1, CHD_SEQ_MAX, CHD_ERANGE},
        {1, 1, 1, CHD_SEQ_MAX + 1, CHD_ERANGE},
        {1, 1, UINT64_MAX, UINT64_MAX, CHD_ERANGE},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_mesh_repair sent = {.origin = cases[i].origin,
                                      .first = cases[i].first,
                                      .last = cases[i].last,
                                      .held = cases[i].held};
        chd_mesh_repair repair;
        cr_assert_eq(repair_back(&sent, none, &repair), cases[i].err, "%zu", i);
    }
    const chd_mesh_repair sent = {1, 1, 1, 1, CHD_SEQ_MAX + 1, 0, {NULL, 0}};
    chd_mesh_repair repair;
    cr_assert_eq(repair_back(&sent, none, &repair), CHD_ERANGE);
}

Test(repair, records_ascend_within_their_range)
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
    static const uint64_t one[] = {5, 0};
    chd_mesh_repair repair;

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        const chd_mesh_repair sent = {
            .origin = NODE, .first = 5, .last = 9, .held = 9};
        cr_assert_eq(repair_back(&sent, cases[i].seqs, &repair), cases[i].err,
                     "%zu", i);
    }
    const chd_mesh_repair empty = {
        .origin = NODE, .first = 5, .last = 4, .held = 9};
    cr_assert_eq(repair_back(&empty, one, &repair), CHD_EORDER);
}

Test(repair, more_records_than_bytes_are_not_believed)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_REPAIR);
    const chd_mesh_repair sent = {.origin = NODE, .first = 1, .held = 9};
    chd_mesh_repair repair;
    chd_repair_writer writer;
    uint32_t fields = 0;

    chd_mesh_repair_open(&pack, &header, &sent, &writer);
    add_event(&pack, 1);
    chd_mesh_repair_close(&pack, &writer, 9, UINT32_MAX);
    chd_scan scan = scan_begin(&pack, &fields);
    cr_assert_neq(chd_mesh_scan_repair(&scan, fields, &repair), CHD_OK);
}

/* --- lost ----------------------------------------------------------------- */

static chd_err lost_back(const chd_mesh_lost *sent, chd_bytes topic,
                         chd_mesh_lost *lost)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_LOST);
    uint32_t fields = 0;

    const size_t at = chd_mesh_lost_open(&pack, &header, sent);
    for (uint32_t i = 0; i < sent->topic_count; i++) {
        chd_pack_str(&pack, topic);
    }
    chd_mesh_lost_close(&pack, at, sent->topic_count);
    chd_scan scan = scan_begin(&pack, &fields);
    *lost = (chd_mesh_lost){.origin = 0};
    const chd_err err = chd_mesh_scan_lost(&scan, fields, lost);
    cr_assert(err == CHD_OK || lost->origin == 0, "written on error");
    return err;
}

Test(repair, lost_comes_back_as_it_was_sent)
{
    const chd_mesh_lost sent = {.origin = 5,
                                .first = CHD_SEQ_MAX,
                                .last = CHD_SEQ_MAX,
                                .told = 7,
                                .topic_count = 3};
    chd_mesh_lost lost;
    chd_bytes topic;

    cr_assert_eq(lost_back(&sent, chd_bytes_str("episodes"), &lost), CHD_OK);
    cr_assert_eq(lost.origin, 5);
    cr_assert_eq(lost.first, CHD_SEQ_MAX);
    cr_assert_eq(lost.last, CHD_SEQ_MAX);
    cr_assert_eq(lost.told, 7);
    cr_assert_eq(lost.topic_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert(chd_mesh_topic_next(&lost.topics, &topic));
        cr_assert(chd_bytes_equal(topic, chd_bytes_str("episodes")));
    }
    cr_assert(!chd_mesh_topic_next(&lost.topics, &topic));
}

Test(repair, lost_is_a_range_that_begins_at_1_or_later)
{
    static const struct {
        chd_mesh_lost lost;
        chd_err err;
    } cases[] = {
        {{.origin = 1, .first = 1, .last = 1, .told = 1}, CHD_OK},
        {{.origin = 1, .first = 1, .last = CHD_SEQ_MAX, .told = 1}, CHD_OK},
        {{.origin = 1, .first = 1, .last = 1}, CHD_ERANGE},
        {{.origin = 0, .first = 1, .last = 1, .told = 1}, CHD_ERANGE},
        {{.origin = 1, .first = 0, .last = 1, .told = 1}, CHD_ERANGE},
        {{.origin = 1, .first = 2, .last = 1, .told = 1}, CHD_ERANGE},
        {{.origin = 1, .first = 1, .last = CHD_SEQ_MAX + 1, .told = 1},
         CHD_ERANGE},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_mesh_lost lost;
        cr_assert_eq(lost_back(&cases[i].lost, chd_bytes_str("t"), &lost),
                     cases[i].err, "%zu", i);
    }
}

Test(repair, lost_names_up_to_1024_topics)
{
    chd_mesh_lost sent = {.origin = 1, .first = 1, .last = 1, .told = 1};
    chd_mesh_lost lost;

    sent.topic_count = CHD_RESET_TOPICS_MAX;
    cr_assert_eq(lost_back(&sent, chd_bytes_str("t"), &lost), CHD_OK);
    sent.topic_count = CHD_RESET_TOPICS_MAX + 1;
    cr_assert_eq(lost_back(&sent, chd_bytes_str("t"), &lost), CHD_ELENGTH);
}

Test(repair, topics_of_lost_are_valid)
{
    static uint8_t longest[CHD_TOPIC_BYTES_MAX + 1];
    const chd_mesh_lost sent = {
        .origin = 1, .first = 1, .last = 1, .told = 1, .topic_count = 1};
    chd_mesh_lost lost;

    memset(longest, 'x', sizeof(longest));
    cr_assert_eq(lost_back(&sent, chd_bytes_of(longest, 255), &lost), CHD_OK);
    cr_assert_neq(lost_back(&sent, chd_bytes_of(longest, 256), &lost), CHD_OK);
    cr_assert_eq(lost_back(&sent, chd_bytes_str(""), &lost), CHD_ETOPIC);
    cr_assert_neq(lost_back(&sent, chd_bytes_str("\xff"), &lost), CHD_OK);
}

/* --- vector --------------------------------------------------------------- */

Test(repair, a_vector_comes_back_as_it_was_sent)
{
    static chd_position sent[CHD_ORIGINS_MAX];
    const chd_mesh_header header = header_of(CHD_MESH_VECTOR);

    for (uint32_t i = 0; i < CHD_ORIGINS_MAX; i++) {
        sent[i] = (chd_position){i + 1, CHD_SEQ_MAX - i};
    }
    for (uint32_t count = 0; count <= CHD_ORIGINS_MAX;
         count += CHD_ORIGINS_MAX / 2) {
        chd_pack pack = pack_begin();
        chd_mesh_vector vector;
        chd_position position;
        chd_age age;
        uint32_t fields = 0;
        const chd_mesh_vector asked = {
            .answer = count > 0, .position_count = count, .t0 = count + 5};
        const size_t at = chd_mesh_vector_open(&pack, &header, &asked, sent);
        for (uint32_t i = 0; i < count / 2; i++) {
            const chd_age one = {i + 1, UINT64_MAX, UINT64_MAX - i};
            chd_mesh_vector_add(&pack, &one);
        }
        chd_mesh_vector_close(&pack, at, count / 2);
        cr_assert_not(pack.overflow);
        cr_assert_leq(pack.len, CHD_FRAME_BYTES_MAX);
        chd_scan scan = scan_begin(&pack, &fields);
        cr_assert_eq(chd_mesh_scan_vector(&scan, fields, &vector), CHD_OK);
        cr_assert_eq(vector.answer, count > 0);
        cr_assert_eq(vector.position_count, count);
        for (uint32_t i = 0; i < count; i++) {
            cr_assert(chd_mesh_position_next(&vector.positions, &position));
            cr_assert_eq(position.origin, sent[i].origin);
            cr_assert_eq(position.seq, sent[i].seq);
        }
        cr_assert(!chd_mesh_position_next(&vector.positions, &position));
        cr_assert_eq(vector.t0, count + 5);
        cr_assert_eq(vector.age_count, count / 2);
        for (uint32_t i = 0; i < count / 2; i++) {
            cr_assert(chd_mesh_age_next(&vector.ages, &age));
            cr_assert_eq(age.node, i + 1);
            cr_assert_eq(age.age_ns, UINT64_MAX);
            cr_assert_eq(age.silent_ns, UINT64_MAX - i);
        }
        cr_assert(!chd_mesh_age_next(&vector.ages, &age));
    }
}

Test(repair, a_vector_has_up_to_4096_positions_and_no_half_ones)
{
    const chd_mesh_header header = header_of(CHD_MESH_VECTOR);

    for (uint32_t count = 2 * CHD_ORIGINS_MAX - 2;
         count <= 2 * CHD_ORIGINS_MAX + 2; count++) {
        chd_pack pack = pack_begin();
        chd_mesh_vector vector = {.position_count = 77};
        uint32_t fields = 0;
        chd_mesh_pack_header(&pack, &header, 4);
        chd_pack_bool(&pack, true);
        chd_pack_array(&pack, count);
        for (uint32_t i = 0; i < count; i++) {
            chd_pack_uint(&pack, i + 1);
        }
        chd_pack_uint(&pack, 1);
        chd_pack_array(&pack, 0);
        chd_scan scan = scan_begin(&pack, &fields);
        const chd_err err = chd_mesh_scan_vector(&scan, fields, &vector);
        const bool fits = count % 2 == 0 && count <= 2 * CHD_ORIGINS_MAX;
        cr_assert_eq(err, fits ? CHD_OK : CHD_ELENGTH, "%u", count);
        cr_assert_eq(vector.position_count, fits ? count / 2 : 77);
    }
}

Test(repair, a_vector_has_up_to_2048_ages_and_no_part_of_one)
{
    const chd_mesh_header header = header_of(CHD_MESH_VECTOR);

    for (uint32_t count = 3 * CHD_COUNTED_MAX - 3;
         count <= 3 * CHD_COUNTED_MAX + 3; count++) {
        chd_pack pack = pack_begin();
        chd_mesh_vector vector = {.age_count = 77};
        uint32_t fields = 0;
        chd_mesh_pack_header(&pack, &header, 4);
        chd_pack_bool(&pack, false);
        chd_pack_array(&pack, 0);
        chd_pack_uint(&pack, 1);
        chd_pack_array(&pack, count);
        for (uint32_t i = 0; i < count; i++) {
            chd_pack_uint(&pack, i + 1);
        }
        chd_scan scan = scan_begin(&pack, &fields);
        const chd_err err = chd_mesh_scan_vector(&scan, fields, &vector);
        const bool fits = count % 3 == 0 && count <= 3 * CHD_COUNTED_MAX;
        cr_assert_eq(err, fits ? CHD_OK : CHD_ELENGTH, "%u", count);
        cr_assert_eq(vector.age_count, fits ? count / 3 : 77);
    }
}

/* --- every message -------------------------------------------------------- */

static bool is_repair(chd_bytes message)
{
    return message.ptr[2] >= CHD_MESH_FETCH &&
           message.ptr[2] <= CHD_MESH_TYPE_LAST;
}

Test(repair, cut_short_or_changed_they_are_refused_or_hold_together)
{
    const sample_list list = samples_mesh();
    size_t seen = 0;

    for (size_t i = 0; i < list.count; i++) {
        uint8_t bytes[SAMPLE_BYTES_MAX];
        const chd_bytes message = sample_bytes(&list.samples[i], bytes);
        if (!is_repair(message)) {
            continue;
        }
        seen++;
        cr_assert_eq(walk_mesh(message), CHD_OK, "%s", list.samples[i].name);
        cr_assert_eq(mangle_truncate(message, walk_mesh), message.len, "%s",
                     list.samples[i].name);
        cr_assert_gt(mangle_change(message, walk_mesh), 0);
    }
    cr_assert_geq(seen, 5);
}

Test(repair, what_does_not_fit_is_reported)
{
    const chd_mesh_header header = header_of(CHD_MESH_REPAIR);
    const chd_mesh_repair sent = {.origin = NODE, .first = 1, .held = 2};
    chd_repair_writer writer;
    chd_pack pack;

    for (size_t cap = 0; cap < 100; cap++) {
        chd_pack_init(&pack, buf, cap);
        chd_mesh_repair_open(&pack, &header, &sent, &writer);
        add_event(&pack, 1);
        add_event(&pack, 2);
        chd_mesh_repair_close(&pack, &writer, 2, 2);
        cr_assert_eq(chd_pack_result(&pack),
                     pack.overflow ? CHD_ENOSPACE : CHD_OK);
        cr_assert_leq(pack.len, cap);
    }
    cr_assert(!pack.overflow);
}

/* --- programmers' errors -------------------------------------------------- */

Test(repair, walking_topics_that_were_not_validated_aborts, .signal = SIGABRT)
{
    chd_bytes topics = chd_bytes_str("\x01");
    chd_bytes topic;

    (void)chd_mesh_topic_next(&topics, &topic);
}

Test(repair, writing_a_message_of_another_type_aborts, .signal = SIGABRT)
{
    chd_pack pack = pack_begin();
    const chd_mesh_header header = header_of(CHD_MESH_REPAIR);
    const chd_mesh_fetch fetch = {1, 1, 1, 0};

    chd_mesh_pack_fetch(&pack, &header, &fetch);
}

#include <criterion/criterion.h>
#include <signal.h>

#include "proto/wire/local.h"
#include "tests/support/samples.h"

#define NODE UINT64_C(0x8badf00ddeadbeef)

static uint8_t buf[CHD_FRAME_BYTES_MAX];
static uint8_t filler[CHD_NAME_BYTES_MAX + CHD_TEXT_BYTES_MAX];

static chd_pack pack_begin(void)
{
    chd_pack pack;
    chd_pack_init(&pack, buf, sizeof(buf));
    return pack;
}

/* Read what was packed; *local is written only when it is good. */
static chd_err scan_it(const chd_pack *pack, chd_local *local)
{
    cr_assert_eq(chd_pack_result(pack), CHD_OK);
    local->type = 77;
    const chd_err err = chd_local_scan(chd_pack_bytes(pack), local);
    cr_assert(err == CHD_OK || local->type == 77, "written on error");
    return err;
}

static void scan_good(const chd_pack *pack, chd_local_type type,
                      chd_local *local)
{
    const chd_err err = scan_it(pack, local);
    cr_assert_eq(err, CHD_OK, "%s", chd_err_name(err));
    cr_assert_eq(local->type, (uint64_t)type);
}

/* --- from the application ------------------------------------------------- */

Test(local, hello_comes_back_as_it_was_sent)
{
    const chd_local_hello sent = {1,    9,  UINT64_MAX,  chd_bytes_str("shop"),
                                  4711, 17, CHD_SEQ_MAX, 2000};
    chd_pack pack = pack_begin();
    chd_local local;

    chd_local_pack_hello(&pack, &sent);
    scan_good(&pack, CHD_LOCAL_HELLO, &local);
    cr_assert_eq(local.u.hello.version_min, 1);
    cr_assert_eq(local.u.hello.version_max, 9);
    cr_assert_eq(local.u.hello.client, UINT64_MAX);
    cr_assert(chd_bytes_equal(local.u.hello.name, sent.name));
    cr_assert_eq(local.u.hello.pid, 4711);
    cr_assert_eq(local.u.hello.bound_ms, 2000);
}

Test(local, hello_has_a_name_of_up_to_127_bytes_and_versions_in_order)
{
    memset(filler, 'x', sizeof(filler));
    for (size_t len = 126; len <= 128; len++) {
        const chd_local_hello sent = {.version_min = 1,
                                      .version_max = 1,
                                      .client = 1,
                                      .name = chd_bytes_of(filler, len)};
        chd_pack pack = pack_begin();
        chd_local local;
        chd_local_pack_hello(&pack, &sent);
        cr_assert_eq(scan_it(&pack, &local), len <= 127 ? CHD_OK : CHD_ELENGTH);
    }
    const chd_local_hello sent = {
        .version_min = 2, .version_max = 1, .client = 1};
    chd_pack pack = pack_begin();
    chd_local local;
    chd_local_pack_hello(&pack, &sent);
    cr_assert_eq(scan_it(&pack, &local), CHD_ERANGE);
}

Test(local, subscriptions_come_back_as_they_were_sent)
{
    static const chd_local_type types[] = {CHD_LOCAL_SUBSCRIBE,
                                           CHD_LOCAL_UNSUBSCRIBE};
    const chd_filter sent[] = {
        {CHD_MATCH_EXACT, chd_bytes_str("episodes")},
        {CHD_MATCH_PREFIX, chd_bytes_str("user:")},
        {CHD_MATCH_PREFIX, {NULL, 0}},
    };

    for (size_t t = 0; t < CHD_COUNT(types); t++) {
        for (uint32_t count = 0; count <= CHD_COUNT(sent); count++) {
            chd_pack pack = pack_begin();
            chd_local local;
            chd_filter filter;
            chd_local_pack_filters(&pack, types[t], sent, count);
            scan_good(&pack, types[t], &local);
            cr_assert_eq(local.u.filters.count, count);
            for (uint32_t i = 0; i < count; i++) {
                cr_assert(chd_local_filter_next(&local.u.filters, &filter));
                cr_assert_eq(filter.match, sent[i].match);
                cr_assert(chd_bytes_equal(filter.topic, sent[i].topic));
            }
            cr_assert(!chd_local_filter_next(&local.u.filters, &filter));
        }
    }
}

/* Write an array of count values, match and topic in turn. */
static void pack_filter_values(chd_pack *pack, uint32_t count)
{
    chd_pack_array(pack, count);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 2 == 0) {
            chd_pack_uint(pack, CHD_MATCH_EXACT);
        } else {
            chd_pack_str(pack, chd_bytes_str("t"));
        }
    }
}

static chd_err subscribe_to(uint32_t values)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_pack_array(&pack, 2);
    chd_pack_uint(&pack, CHD_LOCAL_SUBSCRIBE);
    pack_filter_values(&pack, values);
    return scan_it(&pack, &local);
}

Test(local, one_subscribe_names_up_to_16384_topics_and_no_half_ones)
{
    const uint32_t most = 2 * CHD_SESSION_SUBSCRIPTIONS_MAX;

    cr_assert_eq(subscribe_to(1), CHD_ELENGTH);
    cr_assert_eq(subscribe_to(3), CHD_ELENGTH);
    cr_assert_eq(subscribe_to(most - 2), CHD_OK);
    cr_assert_eq(subscribe_to(most - 1), CHD_ELENGTH);
    cr_assert_eq(subscribe_to(most), CHD_OK);
    cr_assert_eq(subscribe_to(most + 1), CHD_ELENGTH);
    cr_assert_eq(subscribe_to(most + 2), CHD_ELENGTH);
}

Test(local, half_a_filter_is_not_taken_for_a_field_that_follows)
{
    chd_local local;

    cr_assert_eq(chd_local_scan(chd_bytes_of("\x93\x02\x91\x00", 4), &local),
                 CHD_ELENGTH);
}

Test(local, a_filter_is_checked)
{
    static const struct {
        uint64_t match;
        const char *topic;
        chd_err err;
    } cases[] = {
        {0, "t", CHD_OK},       {1, "t", CHD_OK},
        {1, "", CHD_OK},        {0, "", CHD_ETOPIC},
        {2, "t", CHD_ERANGE},   {UINT64_C(1) << 32, "t", CHD_ERANGE},
        {0, "a\nb", CHD_EUTF8},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_pack pack = pack_begin();
        chd_local local;
        chd_pack_array(&pack, 2);
        chd_pack_uint(&pack, CHD_LOCAL_SUBSCRIBE);
        chd_pack_array(&pack, 2);
        chd_pack_uint(&pack, cases[i].match);
        chd_pack_str(&pack, chd_bytes_str(cases[i].topic));
        cr_assert_eq(scan_it(&pack, &local), cases[i].err, "%zu", i);
    }
}

static chd_event item_of(const char *topic, const char *key)
{
    return (chd_event){
        .seq = 99, /* neither is sent */
        .hlc = 99,
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_KEY,
        .topic = chd_bytes_str(topic),
        .target = chd_bytes_str(key),
    };
}

Test(local, a_publish_comes_back_as_it_was_sent)
{
    const chd_event sent[] = {item_of("episodes", "51"), item_of("t", "k")};
    chd_pack pack = pack_begin();
    chd_local local;
    chd_event item;

    const size_t at = chd_local_publish_open(&pack, 7, CHD_WAIT_ACCEPTED);
    for (size_t i = 0; i < CHD_COUNT(sent); i++) {
        chd_local_publish_add(&pack, &sent[i]);
    }
    chd_local_publish_close(&pack, at, CHD_COUNT(sent), 0);
    scan_good(&pack, CHD_LOCAL_PUBLISH, &local);
    cr_assert_eq(local.u.publish.request, 7);
    cr_assert_eq(local.u.publish.wait, CHD_WAIT_ACCEPTED);
    cr_assert_eq(local.u.publish.items.count, CHD_COUNT(sent));
    for (size_t i = 0; i < CHD_COUNT(sent); i++) {
        cr_assert(chd_local_item_next(&local.u.publish.items, &item));
        cr_assert_eq(item.seq, 0);
        cr_assert_eq(item.hlc, 0);
        cr_assert_eq(item.target_kind, CHD_TARGET_KEY);
        cr_assert(chd_bytes_equal(item.topic, sent[i].topic));
        cr_assert(chd_bytes_equal(item.target, sent[i].target));
    }
    cr_assert(!chd_local_item_next(&local.u.publish.items, &item));
}

Test(local, a_publish_has_up_to_4096_items)
{
    const chd_event item = item_of("t", "k");

    for (uint32_t count = 0; count <= CHD_PUBLISH_ITEMS_MAX + 1; count++) {
        if (count > 1 && count < CHD_PUBLISH_ITEMS_MAX - 1) {
            continue;
        }
        chd_pack pack = pack_begin();
        chd_local local;
        const size_t at = chd_local_publish_open(&pack, 1, CHD_WAIT_NONE);
        for (uint32_t i = 0; i < count; i++) {
            chd_local_publish_add(&pack, &item);
        }
        chd_local_publish_close(&pack, at, count, 0);
        cr_assert_eq(scan_it(&pack, &local),
                     count <= CHD_PUBLISH_ITEMS_MAX ? CHD_OK : CHD_ELENGTH);
    }
}

Test(local, what_a_publisher_waits_for_may_be_unknown)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_pack_array(&pack, 4);
    chd_pack_uint(&pack, CHD_LOCAL_PUBLISH);
    chd_pack_uint(&pack, UINT64_MAX);
    chd_pack_uint(&pack, UINT64_MAX);
    chd_pack_array(&pack, 0);
    scan_good(&pack, CHD_LOCAL_PUBLISH, &local);
    cr_assert_eq(local.u.publish.request, UINT64_MAX);
    cr_assert_eq(local.u.publish.wait, UINT64_MAX);
}

Test(local, one_bad_item_among_many_is_found)
{
    const chd_event good = item_of("t", "k");
    const chd_event bad = item_of("", "k");

    for (uint32_t at = 0; at < 20; at++) {
        chd_pack pack = pack_begin();
        chd_local local;
        const size_t array_at = chd_local_publish_open(&pack, 1, CHD_WAIT_NONE);
        for (uint32_t i = 0; i < 20; i++) {
            chd_local_publish_add(&pack, i == at ? &bad : &good);
        }
        chd_local_publish_close(&pack, array_at, 20, 0);
        cr_assert_eq(scan_it(&pack, &local), CHD_ETOPIC);
    }
}

Test(local, applied_ping_and_status_come_back_as_they_were_sent)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_local_pack_applied(&pack, CHD_SEQ_MAX, UINT64_MAX);
    scan_good(&pack, CHD_LOCAL_APPLIED, &local);
    cr_assert_eq(local.u.applied.position, CHD_SEQ_MAX);
    cr_assert_eq(local.u.applied.bytes, UINT64_MAX);

    pack = pack_begin();
    chd_local_pack_ping(&pack, UINT64_MAX);
    scan_good(&pack, CHD_LOCAL_PING, &local);
    cr_assert_eq(local.u.ping.c0, UINT64_MAX);
    cr_assert_eq(local.u.ping.position, 0);

    pack = pack_begin();
    chd_local_pack_status(&pack, 12);
    scan_good(&pack, CHD_LOCAL_STATUS, &local);
    cr_assert_eq(local.u.request, 12);
}

Test(local, bye_and_goodbye_have_no_fields)
{
    static const chd_local_type types[] = {CHD_LOCAL_BYE, CHD_LOCAL_GOODBYE};

    for (size_t i = 0; i < CHD_COUNT(types); i++) {
        chd_pack pack = pack_begin();
        chd_local local;
        chd_local_pack_bare(&pack, types[i]);
        scan_good(&pack, types[i], &local);
    }
}

/* --- from the sidecar ----------------------------------------------------- */

static const chd_local_welcome welcome_sample = {
    .version = 1,
    .node = NODE,
    .node_name = {(const uint8_t *)"web-1", 5},
    .region = {(const uint8_t *)"fra", 3},
    .cluster = {(const uint8_t *)"prod", 4},
    .session = 5,
    .window_bytes = 6,
    .payload_max = 7,
    .ping_interval_ms = 8,
};

static chd_err welcome_back(const chd_local_welcome *sent, chd_local *local)
{
    chd_pack pack = pack_begin();

    chd_local_pack_welcome(&pack, sent);
    return scan_it(&pack, local);
}

Test(local, welcome_comes_back_as_it_was_sent)
{
    chd_local local;

    cr_assert_eq(welcome_back(&welcome_sample, &local), CHD_OK);
    const chd_local_welcome *welcome = &local.u.welcome;
    cr_assert_eq(local.type, CHD_LOCAL_WELCOME);
    cr_assert_eq(welcome->version, 1);
    cr_assert_eq(welcome->node, NODE);
    cr_assert(chd_bytes_equal(welcome->node_name, welcome_sample.node_name));
    cr_assert(chd_bytes_equal(welcome->region, welcome_sample.region));
    cr_assert(chd_bytes_equal(welcome->cluster, welcome_sample.cluster));
    cr_assert_eq(welcome->session, 5);
    cr_assert_eq(welcome->window_bytes, 6);
    cr_assert_eq(welcome->payload_max, 7);
    cr_assert_eq(welcome->ping_interval_ms, 8);
}

Test(local, names_in_welcome_have_up_to_127_bytes_and_the_node_an_id)
{
    chd_local local;

    memset(filler, 'x', sizeof(filler));
    for (size_t len = 126; len <= 128; len++) {
        const chd_err expected = len <= 127 ? CHD_OK : CHD_ELENGTH;
        chd_local_welcome welcome = welcome_sample;
        welcome.node_name = chd_bytes_of(filler, len);
        cr_assert_eq(welcome_back(&welcome, &local), expected);
        welcome = welcome_sample;
        welcome.region = chd_bytes_of(filler, len);
        cr_assert_eq(welcome_back(&welcome, &local), expected);
        welcome = welcome_sample;
        welcome.cluster = chd_bytes_of(filler, len);
        cr_assert_eq(welcome_back(&welcome, &local), expected);
    }
    chd_local_welcome welcome = welcome_sample;
    welcome.node = 0;
    cr_assert_eq(welcome_back(&welcome, &local), CHD_ERANGE);
}

Test(local, a_receipt_comes_back_as_it_was_sent)
{
    chd_local_receipt sent = {7, NODE, CHD_SEQ_MAX};
    chd_pack pack = pack_begin();
    chd_local local;

    chd_local_pack_receipt(&pack, &sent);
    scan_good(&pack, CHD_LOCAL_RECEIPT, &local);
    cr_assert_eq(local.u.receipt.request, 7);
    cr_assert_eq(local.u.receipt.origin, NODE);
    cr_assert_eq(local.u.receipt.seq, CHD_SEQ_MAX);

    sent.seq++;
    pack = pack_begin();
    chd_local_pack_receipt(&pack, &sent);
    cr_assert_eq(scan_it(&pack, &local), CHD_ERANGE);
    sent = (chd_local_receipt){7, 0, 1};
    pack = pack_begin();
    chd_local_pack_receipt(&pack, &sent);
    cr_assert_eq(scan_it(&pack, &local), CHD_ERANGE);
}

/* Write EVENTS with records of these sequence numbers, up to a 0. */
static chd_err events_back(uint64_t position, uint64_t origin,
                           const uint64_t *seqs, chd_local *local)
{
    chd_pack pack = pack_begin();
    uint32_t count = 0;
    const size_t at = chd_local_events_open(&pack, position, origin);

    for (; *seqs > 0; seqs++, count++) {
        chd_event event = item_of("episodes", "51");
        event.seq = *seqs;
        chd_event_pack(&pack, &event);
    }
    chd_local_events_close(&pack, at, count, 0);
    return scan_it(&pack, local);
}

Test(local, events_come_back_as_they_were_sent)
{
    /* An invalidation may have overtaken a message. */
    static const uint64_t seqs[] = {9, 4, 12, 0};
    chd_local local;
    chd_event event;
    chd_bytes record;

    cr_assert_eq(events_back(3, NODE, seqs, &local), CHD_OK);
    cr_assert_eq(local.type, CHD_LOCAL_EVENTS);
    cr_assert_eq(local.u.events.position, 3);
    cr_assert_eq(local.u.events.origin, NODE);
    cr_assert_eq(local.u.events.records.count, 3);
    chd_bytes records = local.u.events.records.encoded;
    for (size_t i = 0; i < 3; i++) {
        cr_assert(chd_mesh_record_next(&records, &event, &record));
        cr_assert_eq(event.seq, seqs[i]);
        cr_assert_eq(event.hlc, 99);
    }
    cr_assert(!chd_mesh_record_next(&records, &event, &record));
}

Test(local, events_have_an_origin_and_a_position_within_limits)
{
    static const uint64_t seqs[] = {1, 0};
    chd_local local;

    cr_assert_eq(events_back(CHD_SEQ_MAX, 1, seqs, &local), CHD_OK);
    cr_assert_eq(events_back(CHD_SEQ_MAX + 1, 1, seqs, &local), CHD_ERANGE);
    cr_assert_eq(events_back(1, 0, seqs, &local), CHD_ERANGE);
    static const uint64_t beyond[] = {1, CHD_SEQ_MAX + 1, 0};
    cr_assert_eq(events_back(1, 1, beyond, &local), CHD_ERANGE);
}

Test(local, a_reset_comes_back_as_it_was_sent)
{
    uint8_t encoded[16];
    chd_pack names;
    chd_pack_init(&names, encoded, sizeof(encoded));
    chd_pack_uint(&names, CHD_MATCH_PREFIX);
    chd_pack_str(&names, chd_bytes_str("user:"));
    const chd_local_reset sent = {CHD_SEQ_MAX,
                                  CHD_RESET_JOINED,
                                  {1, chd_pack_bytes(&names)},
                                  CHD_SEQ_MAX - 1};
    chd_pack pack = pack_begin();
    chd_local local;
    chd_filter filter;

    chd_local_pack_reset(&pack, &sent);
    scan_good(&pack, CHD_LOCAL_RESET, &local);
    cr_assert_eq(local.u.reset.position, CHD_SEQ_MAX);
    cr_assert_eq(local.u.reset.reason, CHD_RESET_JOINED);
    cr_assert_eq(local.u.reset.next, CHD_SEQ_MAX - 1);
    cr_assert_eq(local.u.reset.filters.count, 1);
    cr_assert(chd_local_filter_next(&local.u.reset.filters, &filter));
    cr_assert_eq(filter.match, CHD_MATCH_PREFIX);
    cr_assert(chd_bytes_equal(filter.topic, chd_bytes_str("user:")));
    cr_assert(!chd_local_filter_next(&local.u.reset.filters, &filter));

    pack = pack_begin();
    const chd_local_reset all = {.position = 1, .reason = CHD_RESET_LOST};
    chd_local_pack_reset(&pack, &all);
    scan_good(&pack, CHD_LOCAL_RESET, &local);
    cr_assert_eq(local.u.reset.filters.count, 0);
    cr_assert(!chd_local_filter_next(&local.u.reset.filters, &filter));
}

static chd_err reset_of(uint64_t position, uint64_t reason, uint32_t values)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_pack_array(&pack, 4);
    chd_pack_uint(&pack, CHD_LOCAL_RESET);
    chd_pack_uint(&pack, position);
    chd_pack_uint(&pack, reason);
    pack_filter_values(&pack, values);
    return scan_it(&pack, &local);
}

Test(local, a_reset_names_up_to_1024_topics_for_any_reason)
{
    const uint32_t most = 2 * CHD_RESET_TOPICS_MAX;

    cr_assert_eq(reset_of(1, UINT64_MAX, 0), CHD_OK);
    cr_assert_eq(reset_of(CHD_SEQ_MAX + 1, 1, 0), CHD_ERANGE);
    cr_assert_eq(reset_of(1, 1, 1), CHD_ELENGTH);
    cr_assert_eq(reset_of(1, 1, most - 2), CHD_OK);
    cr_assert_eq(reset_of(1, 1, most), CHD_OK);
    cr_assert_eq(reset_of(1, 1, most + 1), CHD_ELENGTH);
    cr_assert_eq(reset_of(1, 1, most + 2), CHD_ELENGTH);
}

Test(local, a_pong_comes_back_as_it_was_sent)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_local_pack_pong(&pack, UINT64_MAX, CHD_SEQ_MAX, 17);
    scan_good(&pack, CHD_LOCAL_PONG, &local);
    cr_assert_eq(local.u.ping.next, 17);
    cr_assert_eq(local.u.ping.c0, UINT64_MAX);
    cr_assert_eq(local.u.ping.position, CHD_SEQ_MAX);
    pack = pack_begin();
    chd_local_pack_pong(&pack, 1, CHD_SEQ_MAX + 1, 0);
    cr_assert_eq(scan_it(&pack, &local), CHD_ERANGE);
}

Test(local, an_error_comes_back_as_it_was_sent)
{
    chd_pack pack = pack_begin();
    chd_local local;

    chd_local_pack_error(&pack, CHD_LOCAL_ERR_LIMIT, "too many sessions");
    scan_good(&pack, CHD_LOCAL_ERROR, &local);
    cr_assert_eq(local.u.error.code, CHD_LOCAL_ERR_LIMIT);
    cr_assert(chd_bytes_equal(local.u.error.text,
                              chd_bytes_str("too many sessions")));
}

Test(local, the_text_of_an_error_is_cut_at_255_bytes)
{
    for (size_t len = 254; len <= 257; len++) {
        char text[258] = {0};
        chd_pack pack = pack_begin();
        chd_local local;
        memset(text, 'x', len);
        chd_local_pack_error(&pack, CHD_LOCAL_ERR_STATE, text);
        scan_good(&pack, CHD_LOCAL_ERROR, &local);
        cr_assert_eq(local.u.error.text.len, len <= 255 ? len : 255);
    }
    memset(filler, 'x', sizeof(filler));
    for (size_t len = 254; len <= 256; len++) {
        chd_pack pack = pack_begin();
        chd_local local;
        chd_pack_array(&pack, 3);
        chd_pack_uint(&pack, CHD_LOCAL_ERROR);
        chd_pack_uint(&pack, UINT64_MAX);
        chd_pack_str(&pack, chd_bytes_of(filler, len));
        cr_assert_eq(scan_it(&pack, &local), len <= 255 ? CHD_OK : CHD_ELENGTH);
    }
}

/* --- fresh ---------------------------------------------------------------- */

Test(local, a_fresh_comes_back_as_it_was_sent)
{
    static const uint64_t values[] = {0, 1, UINT64_MAX};

    for (size_t i = 0; i < CHD_COUNT(values); i++) {
        chd_pack pack = pack_begin();
        chd_local local;
        chd_local_pack_fresh(&pack, values[i], UINT64_MAX - values[i]);
        cr_assert_eq(scan_it(&pack, &local), CHD_OK);
        cr_assert_eq(local.type, CHD_LOCAL_FRESH);
        cr_assert_eq(local.u.fresh.c0, values[i]);
        cr_assert_eq(local.u.fresh.age_ns, UINT64_MAX - values[i]);
    }
}

/* --- report --------------------------------------------------------------- */

static const chd_node_report node_sample = {
    .node = NODE,
    .name = {(const uint8_t *)"web-1", 5},
    .region = {(const uint8_t *)"fra", 3},
    .cluster = {(const uint8_t *)"prod", 4},
    .release = {(const uint8_t *)"0.1.0", 5},
    .endpoint = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 17},
    .state = 18,
    .degraded = true,
    .uptime_ms = 19,
    .head = 20,
    .sessions = 21,
    .subscriptions = 22,
    .published = 23,
    .received = 24,
    .delivered = 25,
    .resets = 26,
    .lost = 27,
    .log_bytes = 28,
    .dns_outcome = 29,
    .dns_age_ms = 30,
    .dns_count = 31,
    .staleness_ms = 32,
    .held_by = 33,
};

static const chd_member_report member_sample = {
    .node = 0,
    .name = {(const uint8_t *)"web-2", 5},
    .region = {(const uint8_t *)"iad", 3},
    .release = {(const uint8_t *)"v42", 3},
    .endpoint = {{9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 6}, 65535},
    .state = 1,
    .listed = false,
    .hears_us = true,
    .rtt_us = 2,
    .received = 3,
    .silent_ms = 4,
    .age_ms = 5,
    .counts = true,
};

static chd_err report_back(const chd_node_report *node,
                           const chd_member_report *member, uint32_t count,
                           chd_local *local)
{
    chd_pack pack = pack_begin();
    const size_t at = chd_local_report_open(&pack, 8, node);

    for (uint32_t i = 0; i < count; i++) {
        chd_local_report_add(&pack, member);
    }
    chd_local_report_close(&pack, at, count);
    return scan_it(&pack, local);
}

Test(local, the_node_of_a_report_comes_back_as_it_was_sent)
{
    const chd_node_report *sent = &node_sample;
    chd_local local;

    cr_assert_eq(report_back(sent, NULL, 0, &local), CHD_OK);
    const chd_node_report *node = &local.u.report.node;
    cr_assert_eq(local.u.report.request, 8);
    cr_assert_eq(node->node, NODE);
    cr_assert(chd_bytes_equal(node->name, sent->name));
    cr_assert(chd_bytes_equal(node->region, sent->region));
    cr_assert(chd_bytes_equal(node->cluster, sent->cluster));
    cr_assert(chd_bytes_equal(node->release, sent->release));
    cr_assert_arr_eq(node->endpoint.address, sent->endpoint.address, 16);
    cr_assert_eq(node->endpoint.port, 17);
    cr_assert_eq(node->state, 18);
    cr_assert(node->degraded);
    cr_assert_eq(node->uptime_ms, 19);
    cr_assert_eq(node->head, 20);
    cr_assert_eq(node->sessions, 21);
    cr_assert_eq(node->subscriptions, 22);
    cr_assert_eq(node->published, 23);
    cr_assert_eq(node->received, 24);
    cr_assert_eq(node->delivered, 25);
    cr_assert_eq(node->resets, 26);
    cr_assert_eq(node->lost, 27);
    cr_assert_eq(node->log_bytes, 28);
    cr_assert_eq(node->dns_outcome, 29);
    cr_assert_eq(node->dns_age_ms, 30);
    cr_assert_eq(node->dns_count, 31);
    cr_assert_eq(node->staleness_ms, 32);
    cr_assert_eq(node->held_by, 33);
}

Test(local, the_members_of_a_report_come_back_as_they_were_sent)
{
    const chd_member_report *sent = &member_sample;
    chd_local local;
    chd_member_report member;

    cr_assert_eq(report_back(&node_sample, sent, 2, &local), CHD_OK);
    cr_assert_eq(local.u.report.members.count, 2);
    for (int i = 0; i < 2; i++) {
        cr_assert(chd_local_member_next(&local.u.report.members, &member));
        cr_assert_eq(member.node, 0);
        cr_assert(chd_bytes_equal(member.name, sent->name));
        cr_assert(chd_bytes_equal(member.region, sent->region));
        cr_assert(chd_bytes_equal(member.release, sent->release));
        cr_assert_arr_eq(member.endpoint.address, sent->endpoint.address, 16);
        cr_assert_eq(member.endpoint.port, 65535);
        cr_assert_eq(member.state, 1);
        cr_assert(!member.listed);
        cr_assert(member.hears_us);
        cr_assert_eq(member.rtt_us, 2);
        cr_assert_eq(member.received, 3);
        cr_assert_eq(member.silent_ms, 4);
        cr_assert_eq(member.age_ms, 5);
        cr_assert(member.counts);
    }
    cr_assert(!chd_local_member_next(&local.u.report.members, &member));
}

Test(local, a_report_is_checked)
{
    chd_local local;
    chd_node_report node = node_sample;
    chd_member_report member = member_sample;

    memset(filler, 'x', sizeof(filler));
    node.node = 0;
    cr_assert_eq(report_back(&node, NULL, 0, &local), CHD_ERANGE);
    node = node_sample;
    node.head = CHD_SEQ_MAX + 1;
    cr_assert_eq(report_back(&node, NULL, 0, &local), CHD_ERANGE);
    node = node_sample;
    node.release = chd_bytes_of(filler, CHD_NAME_BYTES_MAX + 1);
    cr_assert_eq(report_back(&node, NULL, 0, &local), CHD_ELENGTH);
    member.received = CHD_SEQ_MAX + 1;
    cr_assert_eq(report_back(&node_sample, &member, 1, &local), CHD_ERANGE);
    member = member_sample;
    member.name = chd_bytes_of(filler, CHD_NAME_BYTES_MAX + 1);
    cr_assert_eq(report_back(&node_sample, &member, 1, &local), CHD_ELENGTH);
    cr_assert_eq(
        report_back(&node_sample, &member_sample, 2 * CHD_PEERS_MAX, &local),
        CHD_OK);
}

Test(local, nodes_and_members_may_have_more_fields_but_need_their_own)
{
    uint8_t bytes[SAMPLE_BYTES_MAX];
    chd_local local;
    chd_pack pack;

    /* The counts of both arrays stand in array 16 and fixarray headers. */
    for (int change = -1; change <= 1; change++) {
        for (int of_node = 0; of_node <= 1; of_node++) {
            chd_pack_init(&pack, bytes, sizeof(bytes));
            const size_t at = chd_local_report_open(&pack, 8, &node_sample);
            const size_t node_at = 3;
            const size_t member_at = pack.len;
            cr_assert_eq(bytes[node_at], 0xdc);
            cr_assert_eq(bytes[node_at + 2], 24);
            chd_local_report_add(&pack, &member_sample);
            cr_assert_eq(bytes[member_at], 0x9e);
            if (change > 0 && !of_node) {
                chd_pack_bool(&pack, true);
            }
            chd_local_report_close(&pack, at, 1);
            if (change > 0 && of_node) {
                /* Room for one more field before the list of members. */
                memmove(bytes + at + 1, bytes + at, pack.len - at);
                bytes[at] = 0xc0;
                pack.len++;
            }
            bytes[of_node ? node_at + 2 : member_at] =
                (uint8_t)(bytes[of_node ? node_at + 2 : member_at] + change);
            const chd_err err = chd_local_scan(chd_pack_bytes(&pack), &local);
            cr_assert_eq(err == CHD_OK, change >= 0, "%d %d: %s", change,
                         of_node, chd_err_name(err));
        }
    }
}

/* --- any message ---------------------------------------------------------- */

Test(local, a_type_that_is_not_known_is_for_the_receiver_to_judge)
{
    static const uint64_t types[] = {
        0, 13, 32, 45, UINT64_C(0x100000001), UINT64_MAX};

    for (size_t i = 0; i < CHD_COUNT(types); i++) {
        chd_pack pack = pack_begin();
        chd_local local;
        chd_pack_array(&pack, 3);
        chd_pack_uint(&pack, types[i]);
        chd_pack_array(&pack, 1);
        chd_pack_bool(&pack, true);
        chd_pack_str(&pack, chd_bytes_str("new"));
        cr_assert_eq(scan_it(&pack, &local), CHD_OK);
        cr_assert_eq(local.type, types[i]);
        pack.len--;
        cr_assert_eq(scan_it(&pack, &local), CHD_ETRUNCATED);
    }
}

Test(local, a_message_is_an_array_with_a_type)
{
    static const struct {
        size_t len;
        uint8_t bytes[3];
        chd_err err;
    } cases[] = {
        {0, {0}, CHD_ETRUNCATED}, {1, {0x90}, CHD_ETRUNCATED},
        {1, {8}, CHD_ETYPE},      {3, {0x81, 8, 8}, CHD_ETYPE},
        {2, {0x91, 8}, CHD_OK},   {2, {0x91, 0xff}, CHD_ERANGE},
    };

    for (size_t i = 0; i < CHD_COUNT(cases); i++) {
        chd_local local;
        cr_assert_eq(
            chd_local_scan(chd_bytes_of(cases[i].bytes, cases[i].len), &local),
            cases[i].err, "%zu", i);
    }
}

/* --- programmers' errors -------------------------------------------------- */

Test(local, walking_a_list_that_was_not_validated_aborts, .signal = SIGABRT)
{
    chd_local_list list = {1, chd_bytes_str("\x98")};
    chd_event item;

    (void)chd_local_item_next(&list, &item);
}

Test(local, writing_a_message_of_another_type_aborts, .signal = SIGABRT)
{
    chd_pack pack = pack_begin();

    chd_local_pack_bare(&pack, CHD_LOCAL_HELLO);
}

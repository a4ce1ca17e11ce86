#include "tests/support/samples.h"

#define NODE_A UINT64_C(0x00c0ffee)
#define NODE_B UINT64_C(0x8badf00ddeadbeef)

/* 2023-11-14 22:13:20 UTC, counter 1. */
#define HLC (UINT64_C(1700000000000) << 16 | 1)

#define TEXT(text)                                                             \
    {                                                                          \
        (const uint8_t *)(text), sizeof(text) - 1                              \
    }
#define NOTHING                                                                \
    {                                                                          \
        NULL, 0                                                                \
    }

/* --- records -------------------------------------------------------------- */

static const chd_event key_event = {
    .seq = 1,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_KEY,
    .topic = TEXT("episodes"),
    .target = TEXT("51"),
};

static const chd_event update_event = {
    .seq = 2,
    .hlc = HLC,
    .kind = CHD_KIND_UPDATE,
    .target_kind = CHD_TARGET_KEY,
    .topic = TEXT("episodes"),
    .target = TEXT("51"),
    .value = TEXT("\x01\x02\xff"),
};

static const chd_event message_event = {
    .seq = 3,
    .hlc = HLC + 1,
    .kind = CHD_KIND_MESSAGE,
    .target_kind = CHD_TARGET_NONE,
    .topic = TEXT("new-episode"),
    .value = TEXT("{\"id\":51}"),
};

static const chd_event tag_event = {
    .seq = 300,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_TAG,
    .flags = CHD_FLAG_SOFT,
    .topic = TEXT("episodes"),
    .target = TEXT("home"),
};

static const chd_event prefix_event = {
    .seq = 70000,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_PREFIX,
    .topic = TEXT("caf\xc3\xa9"),
    .target = TEXT("\x00\xff"),
};

static const chd_event empty_prefix_event = {
    .seq = 4294967296,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_PREFIX,
    .topic = TEXT("t"),
};

static const chd_event all_event = {
    .seq = CHD_SEQ_MAX,
    .hlc = UINT64_MAX,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_ALL,
    .flags = UINT32_MAX,
    .topic = TEXT("episodes"),
};

static const chd_event demand_event = {
    .seq = 4,
    .kind = CHD_KIND_INVALIDATE,
    .target_kind = CHD_TARGET_KEY,
    .topic = TEXT("episodes"),
    .target = TEXT("51"),
    .version = 90210,
    .again_ms = 2000,
};

static void record_demand(chd_pack *pack)
{
    chd_event_pack(pack, &demand_event);
}

static void record_key(chd_pack *pack)
{
    chd_event_pack(pack, &key_event);
}

static void record_update(chd_pack *pack)
{
    chd_event_pack(pack, &update_event);
}

static void record_message(chd_pack *pack)
{
    chd_event_pack(pack, &message_event);
}

static void record_published(chd_pack *pack)
{
    chd_event event = message_event;
    event.client = 0x1122334455667788;
    event.number = 19;
    chd_event_pack(pack, &event);
}

static void record_tag(chd_pack *pack)
{
    chd_event_pack(pack, &tag_event);
}

static void record_prefix(chd_pack *pack)
{
    chd_event_pack(pack, &prefix_event);
}

static void record_empty_prefix(chd_pack *pack)
{
    chd_event_pack(pack, &empty_prefix_event);
}

static void record_all(chd_pack *pack)
{
    chd_event_pack(pack, &all_event);
}

sample_list samples_record(void)
{
    static const sample samples[] = {
        {"invalidate-key", record_key},
        {"invalidate-tag", record_tag},
        {"invalidate-prefix", record_prefix},
        {"invalidate-empty-prefix", record_empty_prefix},
        {"invalidate-all", record_all},
        {"update", record_update},
        {"message", record_message},
        {"published", record_published},
        {"demand", record_demand},
    };

    return (sample_list){samples, CHD_COUNT(samples)};
}

/* --- mesh ----------------------------------------------------------------- */

static chd_mesh_header header_of(chd_mesh_type type)
{
    return (chd_mesh_header){
        .version = 1,
        .type = (uint64_t)type,
        .cluster = TEXT("prod"),
        .sender = NODE_A,
    };
}

static void add_record(chd_pack *pack, chd_events_writer *writer,
                       const chd_event *event)
{
    uint8_t buf[128];
    chd_pack record;

    chd_pack_init(&record, buf, sizeof(buf));
    chd_event_pack(&record, event);
    chd_mesh_events_add(pack, writer, chd_pack_bytes(&record));
}

static void mesh_events(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_EVENTS);
    chd_events_writer writer;

    chd_mesh_events_open(pack, &header, NODE_A, &writer);
    add_record(pack, &writer, &key_event);
    add_record(pack, &writer, &update_event);
    add_record(pack, &writer, &message_event);
    chd_mesh_events_close(pack, &writer, 1, 3);
}

static void mesh_events_repair(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_EVENTS);
    chd_events_writer writer;

    chd_mesh_events_open(pack, &header, NODE_B, &writer);
    add_record(pack, &writer, &tag_event);
    chd_mesh_events_close(pack, &writer, 298, 301);
}

static void mesh_events_empty(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_EVENTS);
    chd_events_writer writer;

    chd_mesh_events_open(pack, &header, NODE_A, &writer);
    chd_mesh_events_close(pack, &writer, 4, 4);
}

static void mesh_beacon(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_BEACON);
    chd_mesh_pack_head(pack, &header, 3);
}

static void mesh_hello(chd_pack *pack)
{
    static const chd_position positions[] = {{NODE_A, 3}, {NODE_B, 70000}};
    static const chd_mesh_hello hello = {
        .version_min = 1,
        .version_max = 2,
        .name = TEXT("web-1"),
        .region = TEXT("fra"),
        .release = TEXT("v42"),
        .endpoint = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 7420},
        .head = 3,
        .position_count = CHD_COUNT(positions),
    };
    const chd_mesh_header header = header_of(CHD_MESH_HELLO);

    chd_mesh_pack_hello(pack, &header, &hello, positions);
}

static void mesh_welcome(chd_pack *pack)
{
    static const chd_mesh_hello hello = {
        .version_min = 1,
        .version_max = 1,
        .name = TEXT("web-2"),
        .region = NOTHING,
        .release = NOTHING,
        .endpoint = {{[10] = 0xff, 0xff, 192, 0, 2, 7}, 65000},
    };
    const chd_mesh_header header = {1, CHD_MESH_WELCOME, TEXT("prod"), NODE_B};

    chd_mesh_pack_hello(pack, &header, &hello, NULL);
}

static void mesh_refuse(chd_pack *pack)
{
    static const chd_mesh_refuse refuse = {
        .reason = CHD_REFUSE_VERSION,
        .version_min = 2,
        .version_max = 3,
        .text = TEXT("no common protocol version"),
    };
    const chd_mesh_header header = header_of(CHD_MESH_REFUSE);

    chd_mesh_pack_refuse(pack, &header, &refuse);
}

static void mesh_ping(chd_pack *pack)
{
    static const chd_mesh_ping ping = {
        .t0 = 123456789000,
        .received = 70000,
        .heard = true,
        .digest = 0x0123456789abcdef,
        .members = 0xfedcba9876543210,
        .refuses_ms = 2000,
        .to = NODE_B,
    };
    const chd_mesh_header header = header_of(CHD_MESH_PING);

    chd_mesh_pack_ping(pack, &header, &ping);
}

static void mesh_pong(chd_pack *pack)
{
    static const chd_mesh_ping pong = {
        .t0 = 123456789000,
        .received = 0,
        .heard = false,
        .digest = UINT64_MAX,
        .members = 1,
        .head = 70001,
        .accepted = 70002,
        .to = NODE_A,
    };
    const chd_mesh_header header = {1, CHD_MESH_PONG, TEXT("prod"), NODE_B};

    chd_mesh_pack_ping(pack, &header, &pong);
}

static void mesh_bye(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_BYE);
    chd_mesh_pack_head(pack, &header, 128);
}

static void mesh_fetch(chd_pack *pack)
{
    static const chd_mesh_fetch fetch = {
        .origin = NODE_B,
        .first = 300,
        .upto = 70000,
    };
    const chd_mesh_header header = header_of(CHD_MESH_FETCH);

    chd_mesh_pack_fetch(pack, &header, &fetch);
}

static void mesh_repair(chd_pack *pack)
{
    static const chd_mesh_repair repair = {
        .origin = NODE_B,
        .first = 300,
        .held = 70001,
    };
    const chd_mesh_header header = {1, CHD_MESH_REPAIR, TEXT("prod"), NODE_B};
    chd_repair_writer writer;

    chd_mesh_repair_open(pack, &header, &repair, &writer);
    chd_event_pack(pack, &tag_event);
    chd_event_pack(pack, &prefix_event);
    chd_mesh_repair_close(pack, &writer, 70000, 2);
}

static void mesh_repair_empty(chd_pack *pack)
{
    static const chd_mesh_repair repair = {
        .origin = NODE_B,
        .first = 300,
        .held = 280,
    };
    const chd_mesh_header header = header_of(CHD_MESH_REPAIR);
    chd_repair_writer writer;

    chd_mesh_repair_open(pack, &header, &repair, &writer);
    chd_mesh_repair_close(pack, &writer, 299, 0);
}

static void mesh_lost(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_LOST);
    static const chd_mesh_lost lost = {
        .origin = NODE_B, .first = 300, .last = 1000, .told = 512};
    const size_t at = chd_mesh_lost_open(pack, &header, &lost);

    chd_pack_str(pack, chd_bytes_str("episodes"));
    chd_pack_str(pack, chd_bytes_str("caf\xc3\xa9"));
    chd_mesh_lost_close(pack, at, 2);
}

static void mesh_lost_all(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_LOST);
    static const chd_mesh_lost lost = {
        .origin = NODE_B, .first = 1, .last = 1, .told = 1};
    const size_t at = chd_mesh_lost_open(pack, &header, &lost);

    chd_mesh_lost_close(pack, at, 0);
}

static void mesh_vector(chd_pack *pack)
{
    static const chd_position positions[] = {{NODE_A, 3}, {NODE_B, 70000}};
    static const chd_age age = {NODE_B, 250000000, 70000};
    const chd_mesh_header header = header_of(CHD_MESH_VECTOR);
    const chd_mesh_vector vector = {
        .answer = true,
        .position_count = CHD_COUNT(positions),
        .t0 = 123456789000,
    };

    const size_t at = chd_mesh_vector_open(pack, &header, &vector, positions);
    chd_mesh_vector_add(pack, &age);
    chd_mesh_vector_close(pack, at, 1);
}

static void mesh_ack(chd_pack *pack)
{
    const chd_mesh_header header = header_of(CHD_MESH_ACK);
    static const chd_position ack = {NODE_B, 70000};

    chd_mesh_pack_ack(pack, &header, &ack);
}

static void mesh_want(chd_pack *pack)
{
    static const chd_mesh_want want = {NODE_A, 3, false};
    const chd_mesh_header header = header_of(CHD_MESH_WANT);
    chd_mesh_pack_want(pack, &header, &want);
}

static void mesh_applied(chd_pack *pack)
{
    static const chd_mesh_applied applied = {.origin = NODE_A, .seq = 3};
    const chd_mesh_header header = header_of(CHD_MESH_APPLIED);
    const size_t at = chd_mesh_applied_open(pack, &header, &applied);

    chd_mesh_applied_close(pack, at, 0);
}

static void mesh_applied_not(chd_pack *pack)
{
    static const chd_mesh_applied applied = {
        .origin = NODE_A, .seq = 2, .refusing = 1};
    const chd_mesh_header header = header_of(CHD_MESH_APPLIED);
    const size_t at = chd_mesh_applied_open(pack, &header, &applied);

    chd_mesh_applied_add(pack, chd_bytes_str("shop"));
    chd_mesh_applied_close(pack, at, 1);
}

sample_list samples_mesh(void)
{
    static const sample samples[] = {
        {"events", mesh_events},
        {"events-repair", mesh_events_repair},
        {"events-empty", mesh_events_empty},
        {"beacon", mesh_beacon},
        {"hello", mesh_hello},
        {"welcome", mesh_welcome},
        {"refuse", mesh_refuse},
        {"ping", mesh_ping},
        {"pong", mesh_pong},
        {"bye", mesh_bye},
        {"fetch", mesh_fetch},
        {"repair", mesh_repair},
        {"repair-empty", mesh_repair_empty},
        {"lost", mesh_lost},
        {"lost-all", mesh_lost_all},
        {"vector", mesh_vector},
        {"ack", mesh_ack},
        {"want", mesh_want},
        {"want-applied", mesh_applied},
        {"want-applied-not", mesh_applied_not},
    };

    return (sample_list){samples, CHD_COUNT(samples)};
}

/* --- local ---------------------------------------------------------------- */

static const chd_filter filters[] = {
    {CHD_MATCH_EXACT, TEXT("episodes")},
    {CHD_MATCH_PREFIX, TEXT("user:")},
    {CHD_MATCH_PREFIX, NOTHING},
};

static void local_hello(chd_pack *pack)
{
    static const chd_local_hello hello = {
        .version_min = 1,
        .version_max = 1,
        .client = 0x1122334455667788,
        .name = TEXT("shop"),
        .pid = 4711,
    };

    chd_local_pack_hello(pack, &hello);
}

static void local_hello_again(chd_pack *pack)
{
    static const chd_local_hello hello = {
        .version_min = 1,
        .version_max = 1,
        .client = 0x1122334455667788,
        .name = TEXT("shop"),
        .pid = 4711,
        .node = NODE_A,
        .next = 70014,
        .bound_ms = 2000,
    };

    chd_local_pack_hello(pack, &hello);
}

static void local_resume(chd_pack *pack)
{
    chd_local_pack_resume(pack, filters, 2, true);
}

static void local_replicated(chd_pack *pack)
{
    chd_local_pack_replicated(pack, 7);
}

static void local_subscribe(chd_pack *pack)
{
    chd_local_pack_filters(pack, CHD_LOCAL_SUBSCRIBE, filters,
                           CHD_COUNT(filters));
}

static void local_unsubscribe(chd_pack *pack)
{
    chd_local_pack_filters(pack, CHD_LOCAL_UNSUBSCRIBE, filters, 1);
}

static void local_publish(chd_pack *pack)
{
    const size_t at = chd_local_publish_open(pack, 7, CHD_WAIT_ACCEPTED);

    chd_local_publish_add(pack, &key_event);
    chd_local_publish_add(pack, &tag_event);
    chd_local_publish_add(pack, &message_event);
    chd_local_publish_close(pack, at, 3, 19);
}

static void local_applied(chd_pack *pack)
{
    chd_local_pack_applied(pack, 12, 4096);
}

static void local_ping(chd_pack *pack)
{
    chd_local_pack_ping(pack, 123456789000);
}

static void local_status(chd_pack *pack)
{
    chd_local_pack_status(pack, 8);
}

static void local_bye(chd_pack *pack)
{
    chd_local_pack_bare(pack, CHD_LOCAL_BYE);
}

static void local_welcome(chd_pack *pack)
{
    static const chd_local_welcome welcome = {
        .version = 1,
        .node = NODE_A,
        .node_name = TEXT("web-1"),
        .region = TEXT("fra"),
        .cluster = TEXT("prod"),
        .session = 5,
        .window_bytes = 1048576,
        .payload_max = 65536,
        .ping_interval_ms = 500,
        .resumed = true,
        .features = CHD_FEATURE_REPLICATED,
    };

    chd_local_pack_welcome(pack, &welcome);
}

static void local_receipt(chd_pack *pack)
{
    static const chd_local_receipt receipt = {7, NODE_A, 3};
    chd_local_pack_receipt(pack, &receipt);
}

static void local_events(chd_pack *pack)
{
    const size_t at = chd_local_events_open(pack, 10, NODE_B);

    chd_event_pack(pack, &tag_event);
    chd_event_pack(pack, &update_event);
    chd_local_events_close(pack, at, 2, 70012);
}

static void local_reset(chd_pack *pack)
{
    static const uint8_t encoded[] = "\x00\xa8"
                                     "episodes\x01\xa5user:";
    static const chd_local_reset reset = {
        13, CHD_RESET_LOST, {2, {encoded, sizeof(encoded) - 1}}, 70013};

    chd_local_pack_reset(pack, &reset);
}

static void local_reset_all(chd_pack *pack)
{
    static const chd_local_reset reset = {.position = 14,
                                          .reason = CHD_RESET_SLOW};
    chd_local_pack_reset(pack, &reset);
}

static void local_pong(chd_pack *pack)
{
    chd_local_pack_pong(pack, 123456789000, 14, 70014);
}

static void local_report(chd_pack *pack)
{
    static const chd_node_report node = {
        .node = NODE_A,
        .name = TEXT("web-1"),
        .region = TEXT("fra"),
        .cluster = TEXT("prod"),
        .release = TEXT("0.1.0"),
        .endpoint = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 7420},
        .state = CHD_NODE_READY,
        .degraded = true,
        .uptime_ms = 3600000,
        .head = 3,
        .sessions = 4,
        .subscriptions = 5,
        .published = 6,
        .received = 70000,
        .delivered = 70006,
        .resets = 1,
        .lost = 0,
        .log_bytes = 16777216,
        .dns_outcome = CHD_DNS_ANSWER,
        .dns_age_ms = 1500,
        .dns_count = 3,
        .staleness_ms = 312,
        .held_by = NODE_B,
    };
    static const chd_member_report live = {
        .node = NODE_B,
        .name = TEXT("web-2"),
        .region = TEXT("iad"),
        .release = TEXT("v42"),
        .endpoint = {{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}, 7420},
        .state = CHD_MEMBER_LIVE,
        .listed = true,
        .hears_us = true,
        .rtt_us = 91000,
        .received = 70000,
        .silent_ms = 120,
        .age_ms = 312,
        .counts = true,
    };
    static const chd_member_report listed = {
        .endpoint = {{[10] = 0xff, 0xff, 192, 0, 2, 7}, 7420},
        .state = CHD_MEMBER_LISTED,
        .listed = true,
        .age_ms = UINT64_MAX,
    };
    const size_t at = chd_local_report_open(pack, 8, &node);

    chd_local_report_add(pack, &live);
    chd_local_report_add(pack, &listed);
    chd_local_report_close(pack, at, 2);
}

static void local_fresh(chd_pack *pack)
{
    chd_local_pack_fresh(pack, 123456789000, 250000000);
}

static void local_error(chd_pack *pack)
{
    chd_local_pack_error(pack, CHD_LOCAL_ERR_INVALID, "the topic is not valid");
}

static void local_goodbye(chd_pack *pack)
{
    chd_local_pack_bare(pack, CHD_LOCAL_GOODBYE);
}

static void local_confirm(chd_pack *pack)
{
    static const chd_local_ask ask = {8, NODE_A, 3};
    chd_local_pack_ask(pack, CHD_LOCAL_CONFIRM, &ask);
}

static void local_who(chd_pack *pack)
{
    chd_local_pack_request(pack, CHD_LOCAL_WHO, 8);
}

static void local_await(chd_pack *pack)
{
    static const chd_local_ask ask = {9, NODE_B, 70000};
    chd_local_pack_ask(pack, CHD_LOCAL_AWAIT, &ask);
}

static void local_confirmed(chd_pack *pack)
{
    static const chd_local_confirmed confirmed = {
        .request = 8,
        .outcome = CHD_CONFIRM_MISSING,
        .total = 12,
        .applied = 8,
        .gone = 1,
        .refusing = 1,
    };
    static const chd_missing node = {NODE_B, TEXT("web-2"), TEXT("")};
    static const chd_missing session = {NODE_A, TEXT("web-1"), TEXT("shop")};
    const size_t at = chd_local_confirmed_open(pack, &confirmed);

    chd_local_confirmed_add(pack, &session);
    chd_local_confirmed_add(pack, &node);
    chd_local_confirmed_close(pack, at, 2);
}

static void local_awaited(chd_pack *pack)
{
    chd_local_pack_request(pack, CHD_LOCAL_AWAITED, 9);
}

static void local_prompt(chd_pack *pack)
{
    chd_local_pack_bare(pack, CHD_LOCAL_PROMPT);
}

sample_list samples_local(void)
{
    static const sample samples[] = {
        {"hello", local_hello},
        {"hello-again", local_hello_again},
        {"resume", local_resume},
        {"subscribe", local_subscribe},
        {"unsubscribe", local_unsubscribe},
        {"publish", local_publish},
        {"applied", local_applied},
        {"ping", local_ping},
        {"status", local_status},
        {"bye", local_bye},
        {"welcome", local_welcome},
        {"receipt", local_receipt},
        {"events", local_events},
        {"reset", local_reset},
        {"reset-all", local_reset_all},
        {"pong", local_pong},
        {"report", local_report},
        {"error", local_error},
        {"goodbye", local_goodbye},
        {"replicated", local_replicated},
        {"confirm", local_confirm},
        {"who", local_who},
        {"await", local_await},
        {"confirmed", local_confirmed},
        {"awaited", local_awaited},
        {"prompt", local_prompt},
        {"fresh", local_fresh},
    };

    return (sample_list){samples, CHD_COUNT(samples)};
}

chd_bytes sample_bytes(const sample *from, uint8_t buf[SAMPLE_BYTES_MAX])
{
    chd_pack pack;

    chd_pack_init(&pack, buf, SAMPLE_BYTES_MAX);
    from->pack(&pack);
    CHD_ASSERT(chd_pack_result(&pack) == CHD_OK);
    return chd_pack_bytes(&pack);
}

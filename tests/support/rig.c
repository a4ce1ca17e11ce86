#include "tests/support/rig.h"

#include <string.h>

#include "tests/support/heap.h"

static const chd_now start = {1000 * CHD_SECOND, 1700000000000};

chd_endpoint rig_endpoint(uint8_t number)
{
    chd_endpoint endpoint = {.port = RIG_PORT};

    endpoint.address[0] = 0xfd;
    endpoint.address[15] = number;
    return endpoint;
}

chd_core_config rig_config(void)
{
    chd_core_config config;

    chd_core_config_init(&config);
    config.seed = 1;
    config.node = RIG_NODE;
    config.cluster = chd_bytes_str("test");
    config.name = chd_bytes_str("rig");
    config.endpoint = rig_endpoint(1);
    config.log_bytes = CHD_LOG_BYTES_MIN;
    return config;
}

rig *rig_new(const chd_core_config *config)
{
    rig *bench = heap_mem()->zalloc(NULL, 1, sizeof(*bench));
    CHD_ASSERT(bench != NULL);

    bench->now = start;
    chd_err err = chd_out_new(heap_mem(), &bench->out);
    CHD_ASSERT(err == CHD_OK);
    err = chd_core_new(config, heap_mem(), bench->now, &bench->core);
    CHD_ASSERT(err == CHD_OK);
    rig_turn(bench);
    return bench;
}

void rig_free(rig *bench)
{
    chd_core_destroy(&bench->core);
    chd_out_destroy(&bench->out);
    heap_mem()->free(NULL, bench);
}

static void note_broadcast(rig *bench, chd_bytes message)
{
    chd_scan scan;
    uint32_t fields;
    chd_mesh_header header;
    chd_mesh_events events;

    chd_scan_init(&scan, message);
    CHD_ASSERT(chd_mesh_scan_header(&scan, &header, &fields) == CHD_OK);
    if (header.type == CHD_MESH_EVENTS) {
        CHD_ASSERT(chd_mesh_scan_events(&scan, fields, &events) == CHD_OK);
        bench->broadcast_first = events.first;
        bench->broadcast_last = events.last;
    }
}

/* Copy a message to where it stays, and read its header. */
static chd_scan keep(uint8_t *buf, chd_bytes message, chd_mesh_header *header,
                     uint32_t *fields)
{
    chd_scan scan;

    CHD_ASSERT(message.len <= CHD_FRAME_BYTES_MAX);
    memcpy(buf, message.ptr, message.len);
    chd_scan_init(&scan, chd_bytes_of(buf, message.len));
    CHD_ASSERT(chd_mesh_scan_header(&scan, header, fields) == CHD_OK);
    return scan;
}

static void note_control(rig *bench, chd_bytes message)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];
    chd_mesh_header header;
    uint32_t fields;
    chd_err err = CHD_OK;
    chd_position ack;
    chd_scan scan = keep(buf, message, &header, &fields);

    CHD_ASSERT(header.type <= CHD_MESH_TYPE_LAST);
    bench->said[header.type]++;
    if (header.type == CHD_MESH_FETCH) {
        err = chd_mesh_scan_fetch(&scan, fields, &bench->fetch);
    } else if (header.type == CHD_MESH_REPAIR) {
        scan = keep(bench->repair_bytes, message, &header, &fields);
        err = chd_mesh_scan_repair(&scan, fields, &bench->repair);
    } else if (header.type == CHD_MESH_LOST) {
        scan = keep(bench->lost_bytes, message, &header, &fields);
        err = chd_mesh_scan_lost(&scan, fields, &bench->lost);
    } else if (header.type == CHD_MESH_WANT) {
        err = chd_mesh_scan_want(&scan, fields, &bench->want);
    } else if (header.type == CHD_MESH_APPLIED) {
        CHD_ASSERT(message.len <= sizeof(bench->applied_bytes));
        scan = keep(bench->applied_bytes, message, &header, &fields);
        err = chd_mesh_scan_applied(&scan, fields, &bench->applied);
    } else if (header.type == CHD_MESH_PONG) {
        err = chd_mesh_scan_pong(&scan, fields, &bench->pong);
    } else if (header.type == CHD_MESH_VECTOR) {
        chd_mesh_vector vector;
        err = chd_mesh_scan_vector(&scan, fields, &vector);
        bench->vector_t0 = vector.t0;
    } else if (header.type == CHD_MESH_ACK) {
        err = chd_mesh_scan_ack(&scan, fields, &ack);
        bench->acknowledged = ack.seq;
    }
    CHD_ASSERT(err == CHD_OK);
}

static void note_reset(rig *bench, const chd_local_reset *reset)
{
    chd_local_list filters = reset->filters;
    chd_filter filter;

    bench->resets[reset->reason]++;
    bench->reset_count = filters.count;
    bench->reset_next = reset->next;
    bench->reset_topic_len = 0;
    if (chd_local_filter_next(&filters, &filter)) {
        memcpy(bench->reset_topic, filter.topic.ptr, filter.topic.len);
        bench->reset_topic_len = filter.topic.len;
    }
}

static void note_session(rig *bench, chd_bytes message)
{
    chd_local said;

    CHD_ASSERT(message.len <= sizeof(bench->sent));
    CHD_ASSERT(chd_local_scan(message, &said) == CHD_OK);
    /* They stand between what tests look at. */
    if (said.type == CHD_LOCAL_REPLICATED) {
        bench->replicated = said.u.request;
        return;
    }
    if (said.type == CHD_LOCAL_PROMPT) {
        bench->prompts++;
        return;
    }
    memcpy(bench->sent, message.ptr, message.len);
    bench->sent_len = message.len;
    const chd_local heard = rig_heard(bench);
    if (heard.type == CHD_LOCAL_RESET || heard.type == CHD_LOCAL_EVENTS) {
        bench->stream_bytes += message.len;
    }
    if (heard.type == CHD_LOCAL_RESET) {
        note_reset(bench, &heard.u.reset);
    } else if (heard.type == CHD_LOCAL_FRESH) {
        bench->fresh++;
        bench->fresh_c0 = heard.u.fresh.c0;
        bench->fresh_age_ns = heard.u.fresh.age_ns;
    } else if (heard.type == CHD_LOCAL_EVENTS) {
        chd_bytes records = heard.u.events.records.encoded;
        chd_event event;
        chd_bytes record;
        while (chd_mesh_record_next(&records, &event, &record)) {
            if (bench->event_count < RIG_EVENTS_MAX) {
                bench->events[bench->event_count++] = event.seq;
            }
        }
    }
}

static void note(rig *bench, const chd_action *action)
{
    bench->actions[action->kind]++;
    switch (action->kind) {
    case CHD_ACT_TRACE:
        bench->traces[action->trace.code]++;
        break;
    case CHD_ACT_SESSION_SEND:
        note_session(bench, action->bytes);
        break;
    case CHD_ACT_SEND:
        note_control(bench, action->bytes);
        bench->said_to = action->peer;
        break;
    case CHD_ACT_REPLY:
        note_control(bench, action->bytes);
        break;
    case CHD_ACT_DIAL:
        bench->dialled = action->peer;
        break;
    case CHD_ACT_BROADCAST:
        note_broadcast(bench, action->bytes);
        break;
    case CHD_ACT_HANG_UP:
    case CHD_ACT_SESSION_CLOSE:
    case CHD_ACT_STOPPED:
        break;
    }
}

void rig_feed(rig *bench, const chd_input *input)
{
    chd_out_clear(bench->out);
    chd_core_step(bench->core, bench->now, input, bench->out);
    for (size_t i = 0; i < bench->out->count; i++) {
        note(bench, &bench->out->actions[i]);
    }
}

void rig_turn(rig *bench)
{
    rig_feed(bench, &(chd_input){.kind = CHD_IN_TURN_END});
}

void rig_pass(rig *bench, uint64_t ns)
{
    bench->now.mono_ns += ns;
    bench->now.wall_ms += ns / CHD_MS;
    rig_turn(bench);
}

void rig_control(rig *bench, uint32_t peer, chd_bytes message)
{
    const chd_input input = {
        .kind = CHD_IN_CONTROL,
        .u.message = {.bytes = message, .route = 7, .peer = peer},
    };
    rig_feed(bench, &input);
}

void rig_broadcast(rig *bench, chd_bytes message)
{
    const chd_input input = {
        .kind = CHD_IN_BROADCAST,
        .u.message = {.bytes = message, .peer = CHD_PEER_NONE},
    };
    rig_feed(bench, &input);
}

/* --- messages ------------------------------------------------------------- */

chd_mesh_header rig_header(uint64_t node, chd_mesh_type type)
{
    return (chd_mesh_header){
        .version = CHD_PROTOCOL_MAX,
        .type = type,
        .cluster = chd_bytes_str("test"),
        .sender = node,
    };
}

static chd_bytes hello(uint8_t *buf, uint64_t node, chd_mesh_type type,
                       chd_mesh_hello *body, const chd_position *positions)
{
    const chd_mesh_header header = rig_header(node, type);
    chd_pack pack;

    body->version_min = CHD_PROTOCOL_MIN;
    body->version_max = CHD_PROTOCOL_MAX;
    body->name = chd_bytes_str("peer");
    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_pack_hello(&pack, &header, body, positions);
    CHD_ASSERT(!pack.overflow);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_hello(uint8_t *buf, uint64_t node, chd_mesh_type type,
                    uint8_t number, uint64_t head)
{
    chd_mesh_hello body = {.endpoint = rig_endpoint(number), .head = head};

    return hello(buf, node, type, &body, NULL);
}

chd_bytes rig_vector(uint8_t *buf, uint64_t node, uint8_t number,
                     const chd_position *positions, uint32_t count)
{
    chd_mesh_hello body = {
        .endpoint = rig_endpoint(number),
        .position_count = count,
    };

    return hello(buf, node, CHD_MESH_HELLO, &body, positions);
}

chd_bytes rig_say_ping(uint8_t *buf, uint64_t node, chd_mesh_type type,
                       const chd_mesh_ping *ping)
{
    const chd_mesh_header header = rig_header(node, type);
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_pack_ping(&pack, &header, ping);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_ping(uint8_t *buf, uint64_t node, chd_mesh_type type)
{
    return rig_say_ping(buf, node, type, &(chd_mesh_ping){.heard = true});
}

chd_bytes rig_ack(uint8_t *buf, uint64_t node, uint64_t origin,
                  uint64_t received)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_ACK);
    const chd_position ack = {origin, received};
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_pack_ack(&pack, &header, &ack);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_pong(uint8_t *buf, uint64_t node, uint64_t t0, uint64_t head,
                   uint64_t accepted)
{
    const chd_mesh_ping pong = {
        .t0 = t0,
        .heard = true,
        .head = head,
        .accepted = accepted,
    };

    return rig_say_ping(buf, node, CHD_MESH_PONG, &pong);
}

chd_bytes rig_head(uint8_t *buf, uint64_t node, chd_mesh_type type,
                   uint64_t head)
{
    const chd_mesh_header header = rig_header(node, type);
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_pack_head(&pack, &header, head);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_want(uint8_t *buf, uint64_t node, const chd_mesh_want *want)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_WANT);
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_pack_want(&pack, &header, want);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_say_applied(uint8_t *buf, uint64_t node,
                          const chd_mesh_applied *applied, const char *lacking)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_APPLIED);
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    const size_t at = chd_mesh_applied_open(&pack, &header, applied);
    if (lacking != NULL) {
        chd_mesh_applied_add(&pack, chd_bytes_str(lacking));
    }
    chd_mesh_applied_close(&pack, at, lacking != NULL);
    return chd_pack_bytes(&pack);
}

static chd_bytes events_of(uint8_t *buf, uint64_t node, uint64_t first,
                           uint64_t last, const chd_event *like)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_EVENTS);
    chd_events_writer writer;
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_events_open(&pack, &header, node, &writer);
    for (uint64_t seq = first; seq <= last; seq++) {
        chd_event event = *like;
        event.seq = seq;
        chd_event_pack(&pack, &event);
        writer.count++;
    }
    chd_mesh_events_close(&pack, &writer, first, last);
    CHD_ASSERT(!pack.overflow);
    return chd_pack_bytes(&pack);
}

chd_bytes rig_events(uint8_t *buf, uint64_t node, uint64_t first, uint64_t last)
{
    const chd_event event = {
        .kind = CHD_KIND_INVALIDATE,
        .target_kind = CHD_TARGET_ALL,
        .topic = chd_bytes_str("t"),
    };
    return events_of(buf, node, first, last, &event);
}

chd_bytes rig_messages(uint8_t *buf, uint64_t node, uint64_t first,
                       uint64_t last)
{
    const chd_event event = {
        .kind = CHD_KIND_MESSAGE,
        .topic = chd_bytes_str("t"),
    };
    return events_of(buf, node, first, last, &event);
}

chd_bytes rig_repair(uint8_t *buf, uint64_t node, uint64_t origin,
                     uint64_t first, uint64_t last)
{
    const chd_mesh_header header = rig_header(node, CHD_MESH_REPAIR);
    const chd_mesh_repair answer = {
        .origin = origin, .first = first, .last = last, .held = last};
    chd_repair_writer writer;
    chd_pack pack;

    chd_pack_init(&pack, buf, CHD_FRAME_BYTES_MAX);
    chd_mesh_repair_open(&pack, &header, &answer, &writer);
    for (uint64_t seq = first; seq <= last; seq++) {
        const chd_event event = {
            .seq = seq,
            .kind = CHD_KIND_INVALIDATE,
            .target_kind = CHD_TARGET_ALL,
            .topic = chd_bytes_str("t"),
        };
        chd_event_pack(&pack, &event);
    }
    chd_mesh_repair_close(&pack, &writer, last, (uint32_t)(last - first + 1));
    return chd_pack_bytes(&pack);
}

void rig_join(rig *bench, uint64_t node, uint8_t number)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];

    rig_control(bench, CHD_PEER_NONE,
                rig_hello(buf, node, CHD_MESH_HELLO, number, 0));
    rig_turn(bench);
    rig_control(bench, bench->dialled,
                rig_hello(buf, node, CHD_MESH_WELCOME, number, 0));
    rig_broadcast(bench, rig_head(buf, node, CHD_MESH_BEACON, 0));
    rig_turn(bench);
}

void rig_list(rig *bench, uint8_t count)
{
    chd_endpoint endpoints[UINT8_MAX];
    const chd_input input = {
        .kind = CHD_IN_LISTED,
        .u.listed = {.outcome = CHD_DNS_ANSWER,
                     .endpoints = endpoints,
                     .endpoint_count = count},
    };

    for (uint8_t i = 0; i < count; i++) {
        endpoints[i] = rig_endpoint((uint8_t)(i + 2));
    }
    rig_feed(bench, &input);
    rig_turn(bench);
}

/* --- sessions ------------------------------------------------------------- */

void rig_say(rig *bench, uint32_t session, chd_bytes message)
{
    const chd_input input = {
        .kind = CHD_IN_SESSION_MESSAGE,
        .u.session = {.session = session, .bytes = message},
    };
    rig_feed(bench, &input);
}

void rig_open(rig *bench, uint32_t session)
{
    const chd_input input = {
        .kind = CHD_IN_SESSION_OPEN,
        .u.session = {.session = session},
    };
    rig_feed(bench, &input);
}

void rig_close(rig *bench, uint32_t session)
{
    const chd_input input = {
        .kind = CHD_IN_SESSION_CLOSED,
        .u.session = {.session = session},
    };
    rig_feed(bench, &input);
}

void rig_greet_as(rig *bench, uint32_t session, const chd_local_hello *hello)
{
    chd_local_hello greeting = *hello;
    uint8_t buf[256];
    chd_pack pack;

    greeting.version_min = CHD_PROTOCOL_MIN;
    greeting.version_max = CHD_PROTOCOL_MAX;
    rig_open(bench, session);
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_hello(&pack, &greeting);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_greet(rig *bench, uint32_t session)
{
    const chd_local_hello greeting = {
        .client = RIG_CLIENT,
        .name = chd_bytes_str("app"),
        .pid = 6,
    };
    rig_greet_as(bench, session, &greeting);
}

void rig_subscribe_to(rig *bench, uint32_t session, const chd_filter *filter)
{
    uint8_t buf[64];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_filters(&pack, CHD_LOCAL_SUBSCRIBE, filter, 1);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_subscribe(rig *bench, uint32_t session)
{
    const chd_filter all = {CHD_MATCH_PREFIX, {NULL, 0}};

    rig_greet(bench, session);
    rig_subscribe_to(bench, session, &all);
}

bool rig_resume(rig *bench, uint32_t session, uint64_t node, uint64_t next)
{
    const chd_local_hello greeting = {
        .client = RIG_CLIENT,
        .node = node,
        .next = next,
    };

    rig_greet_as(bench, session, &greeting);
    const chd_local heard = rig_heard(bench);
    CHD_ASSERT(heard.type == CHD_LOCAL_WELCOME);
    return heard.u.welcome.resumed;
}

void rig_resume_topic(rig *bench, uint32_t session, const chd_filter *filter,
                      bool more)
{
    uint8_t buf[64];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_resume(&pack, filter, filter == NULL ? 0 : 1, more);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_publish(rig *bench, uint32_t session, uint32_t count, size_t bytes)
{
    static uint8_t buf[CHD_FRAME_BYTES_MAX];
    static const uint8_t value[CHD_PAYLOAD_BYTES_MAX];
    const chd_event item = {
        .kind = CHD_KIND_MESSAGE,
        .topic = chd_bytes_str("t"),
        .value = {value, bytes},
    };
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    const size_t array_at = chd_local_publish_open(&pack, 1, CHD_WAIT_NONE);
    for (uint32_t i = 0; i < count; i++) {
        chd_local_publish_add(&pack, &item);
    }
    chd_local_publish_close(&pack, array_at, count, 0);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_session_ping(rig *bench, uint32_t session, uint64_t c0)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_ping(&pack, c0);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_applied(rig *bench, uint32_t session, uint64_t position,
                 uint64_t bytes)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_applied(&pack, position, bytes);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_ask(rig *bench, uint32_t session, chd_local_type type,
             const chd_local_ask *asked)
{
    uint8_t buf[32];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_ask(&pack, type, asked);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

void rig_ask_who(rig *bench, uint32_t session, uint64_t request)
{
    uint8_t buf[16];
    chd_pack pack;

    chd_pack_init(&pack, buf, sizeof(buf));
    chd_local_pack_request(&pack, CHD_LOCAL_WHO, request);
    CHD_ASSERT(!pack.overflow);
    rig_say(bench, session, chd_pack_bytes(&pack));
}

uint64_t rig_received(const rig *bench, uint64_t node)
{
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(bench->core, bench->now, &i, &member); i++) {
        if (member.node == node) {
            return member.received;
        }
    }
    return UINT64_MAX;
}

chd_local rig_heard(const rig *bench)
{
    chd_local local;
    const chd_err err =
        chd_local_scan(chd_bytes_of(bench->sent, bench->sent_len), &local);

    CHD_ASSERT(err == CHD_OK);
    return local;
}

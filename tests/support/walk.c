#include "tests/support/walk.h"

#include "proto/wire/applied.h"
#include "proto/wire/local.h"
#include "proto/wire/repair.h"

static void within(chd_bytes part, chd_bytes whole)
{
    if (part.len > 0) {
        CHD_ASSERT(part.ptr >= whole.ptr);
        CHD_ASSERT(part.ptr + part.len <= whole.ptr + whole.len);
    }
}

static void text_within(chd_bytes text, chd_bytes whole, size_t len_max)
{
    within(text, whole);
    CHD_ASSERT(text.len <= len_max);
    CHD_ASSERT(chd_text_is_valid(text));
}

static void event_within(const chd_event *event, chd_bytes whole)
{
    within(event->topic, whole);
    within(event->target, whole);
    within(event->value, whole);
    CHD_ASSERT(chd_event_check(event, CHD_PAYLOAD_BYTES_MAX) == CHD_OK);
}

/* Walk records and return how many there are. */
static uint32_t walk_records(chd_bytes records, uint64_t first, uint64_t last)
{
    const chd_bytes whole = records;
    chd_event event;
    chd_bytes record;
    uint32_t count = 0;
    size_t len = 0;

    while (chd_mesh_record_next(&records, &event, &record)) {
        CHD_ASSERT(event.seq >= first && event.seq <= last);
        CHD_ASSERT(walk_record(record) == CHD_OK);
        event_within(&event, record);
        within(record, whole);
        len += record.len;
        count++;
    }
    CHD_ASSERT(len == whole.len);
    return count;
}

chd_err walk_record(chd_bytes record)
{
    chd_scan scan;
    chd_event event;

    chd_scan_init(&scan, record);
    chd_event_scan(&scan, &event);
    const chd_err err = chd_scan_end(&scan);
    if (err == CHD_OK) {
        event_within(&event, record);
        CHD_ASSERT(event.seq >= 1 && event.seq <= CHD_SEQ_MAX);
    }
    return err;
}

/* --- mesh ----------------------------------------------------------------- */

static chd_err walk_hello(chd_scan *scan, uint32_t fields, chd_bytes message)
{
    chd_mesh_hello hello;
    chd_position position;
    const chd_err err = chd_mesh_scan_hello(scan, fields, &hello);

    if (err != CHD_OK) {
        return err;
    }
    CHD_ASSERT(hello.version_min <= hello.version_max);
    text_within(hello.name, message, CHD_NAME_BYTES_MAX);
    text_within(hello.region, message, CHD_NAME_BYTES_MAX);
    text_within(hello.release, message, CHD_NAME_BYTES_MAX);
    within(hello.positions, message);
    uint32_t count = 0;
    while (chd_mesh_position_next(&hello.positions, &position)) {
        CHD_ASSERT(position.origin != 0 && position.seq <= CHD_SEQ_MAX);
        count++;
    }
    CHD_ASSERT(count == hello.position_count && count <= CHD_ORIGINS_MAX);
    return CHD_OK;
}

static chd_err walk_events(chd_scan *scan, uint32_t fields, chd_bytes message)
{
    chd_mesh_events events;
    const chd_err err = chd_mesh_scan_events(scan, fields, &events);

    if (err != CHD_OK) {
        return err;
    }
    CHD_ASSERT(events.origin != 0);
    CHD_ASSERT(events.first >= 1 && events.first <= events.last);
    within(events.records, message);
    CHD_ASSERT(walk_records(events.records, events.first, events.last) ==
               events.record_count);
    return CHD_OK;
}

static chd_err walk_refuse(chd_scan *scan, uint32_t fields, chd_bytes message)
{
    chd_mesh_refuse refuse;
    const chd_err err = chd_mesh_scan_refuse(scan, fields, &refuse);

    if (err == CHD_OK) {
        text_within(refuse.text, message, CHD_TEXT_BYTES_MAX);
    }
    return err;
}

static chd_err walk_answer(chd_scan *scan, uint32_t fields, chd_bytes message)
{
    chd_mesh_repair repair;
    const chd_err err = chd_mesh_scan_repair(scan, fields, &repair);

    if (err == CHD_OK) {
        CHD_ASSERT(repair.origin != 0 && repair.first >= 1);
        within(repair.records, message);
        CHD_ASSERT(walk_records(repair.records, repair.first, repair.last) ==
                   repair.record_count);
    }
    return err;
}

static chd_err walk_lost(chd_scan *scan, uint32_t fields, chd_bytes message)
{
    chd_mesh_lost lost;
    const chd_err err = chd_mesh_scan_lost(scan, fields, &lost);
    uint32_t walked = 0;
    chd_bytes topic;

    if (err == CHD_OK) {
        CHD_ASSERT(lost.first >= 1 && lost.first <= lost.last);
        while (chd_mesh_topic_next(&lost.topics, &topic)) {
            within(topic, message);
            CHD_ASSERT(chd_topic_check(topic) == CHD_OK);
            walked++;
        }
        CHD_ASSERT(walked == lost.topic_count);
    }
    return err;
}

static chd_err walk_vector(chd_scan *scan, uint32_t fields)
{
    chd_mesh_vector vector;
    const chd_err err = chd_mesh_scan_vector(scan, fields, &vector);
    uint32_t walked = 0;
    chd_position position;

    if (err == CHD_OK) {
        while (chd_mesh_position_next(&vector.positions, &position)) {
            CHD_ASSERT(position.origin != 0);
            walked++;
        }
        CHD_ASSERT(walked == vector.position_count);
    }
    return err;
}

static chd_err walk_repair(chd_scan *scan, uint32_t fields,
                           const chd_mesh_header *header, chd_bytes message)
{
    chd_mesh_fetch fetch;

    if (header->type == CHD_MESH_FETCH) {
        return chd_mesh_scan_fetch(scan, fields, &fetch);
    }
    if (header->type == CHD_MESH_REPAIR) {
        return walk_answer(scan, fields, message);
    }
    return header->type == CHD_MESH_LOST ? walk_lost(scan, fields, message)
                                         : walk_vector(scan, fields);
}

static chd_err walk_mesh_applied(chd_scan *scan, uint32_t fields,
                                 chd_bytes message)
{
    chd_mesh_applied applied;
    chd_bytes name;
    uint32_t walked = 0;
    const chd_err err = chd_mesh_scan_applied(scan, fields, &applied);

    if (err != CHD_OK) {
        return err;
    }
    within(applied.lacking, message);
    while (chd_mesh_lacking_next(&applied.lacking, &name)) {
        text_within(name, message, CHD_NAME_BYTES_MAX);
        walked++;
    }
    CHD_ASSERT(walked == applied.lacking_count && walked <= CHD_LACKING_MAX);
    return CHD_OK;
}

chd_err walk_mesh(chd_bytes message)
{
    chd_scan scan;
    chd_mesh_header header;
    chd_mesh_ping ping;
    chd_position ack;
    uint64_t head = 0;
    chd_mesh_want want;
    uint32_t fields = 0;

    chd_scan_init(&scan, message);
    const chd_err err = chd_mesh_scan_header(&scan, &header, &fields);
    if (err != CHD_OK) {
        return err;
    }
    CHD_ASSERT(header.sender != 0 && header.cluster.len > 0);
    text_within(header.cluster, message, CHD_NAME_BYTES_MAX);
    if (header.type > CHD_MESH_TYPE_LAST) {
        return CHD_EUNKNOWN;
    }
    switch ((chd_mesh_type)header.type) {
    case CHD_MESH_EVENTS:
        return walk_events(&scan, fields, message);
    case CHD_MESH_HELLO:
    case CHD_MESH_WELCOME:
        return walk_hello(&scan, fields, message);
    case CHD_MESH_REFUSE:
        return walk_refuse(&scan, fields, message);
    case CHD_MESH_PING:
        return chd_mesh_scan_ping(&scan, fields, &ping);
    case CHD_MESH_PONG:
        return chd_mesh_scan_pong(&scan, fields, &ping);
    case CHD_MESH_BEACON:
    case CHD_MESH_BYE:
        return chd_mesh_scan_head(&scan, fields, &head);
    case CHD_MESH_WANT:
        return chd_mesh_scan_want(&scan, fields, &want);
    case CHD_MESH_APPLIED:
        return walk_mesh_applied(&scan, fields, message);
    case CHD_MESH_ACK:
        return chd_mesh_scan_ack(&scan, fields, &ack);
    case CHD_MESH_FETCH:
    case CHD_MESH_REPAIR:
    case CHD_MESH_LOST:
    case CHD_MESH_VECTOR:
        return walk_repair(&scan, fields, &header, message);
    }
    return CHD_EUNKNOWN;
}

/* --- local ---------------------------------------------------------------- */

static void walk_filters(chd_local_list list, chd_bytes message)
{
    const uint32_t count = list.count;
    chd_filter filter;
    uint32_t walked = 0;

    within(list.encoded, message);
    while (chd_local_filter_next(&list, &filter)) {
        CHD_ASSERT(chd_filter_check(&filter) == CHD_OK);
        within(filter.topic, message);
        walked++;
    }
    CHD_ASSERT(walked == count && list.encoded.len == 0);
}

static void walk_items(chd_local_list list, chd_bytes message)
{
    const uint32_t count = list.count;
    chd_event item;
    uint32_t walked = 0;

    within(list.encoded, message);
    while (chd_local_item_next(&list, &item)) {
        event_within(&item, message);
        CHD_ASSERT(item.seq == 0 && item.hlc == 0);
        walked++;
    }
    CHD_ASSERT(walked == count && list.encoded.len == 0);
}

static void walk_members(chd_local_list list, chd_bytes message)
{
    const uint32_t count = list.count;
    chd_member_report member;
    uint32_t walked = 0;

    within(list.encoded, message);
    while (chd_local_member_next(&list, &member)) {
        text_within(member.name, message, CHD_NAME_BYTES_MAX);
        text_within(member.region, message, CHD_NAME_BYTES_MAX);
        text_within(member.release, message, CHD_NAME_BYTES_MAX);
        walked++;
    }
    CHD_ASSERT(walked == count && list.encoded.len == 0);
}

static void walk_missing(chd_local_list list, chd_bytes message)
{
    const uint32_t count = list.count;
    chd_missing missing;
    uint32_t walked = 0;

    within(list.encoded, message);
    while (chd_local_missing_next(&list, &missing)) {
        CHD_ASSERT(missing.node != 0);
        text_within(missing.name, message, CHD_NAME_BYTES_MAX);
        text_within(missing.session, message, CHD_NAME_BYTES_MAX);
        walked++;
    }
    CHD_ASSERT(walked == count && list.encoded.len == 0);
}

static void walk_welcome(const chd_local_welcome *welcome, chd_bytes message)
{
    CHD_ASSERT(welcome->node != 0);
    text_within(welcome->node_name, message, CHD_NAME_BYTES_MAX);
    text_within(welcome->region, message, CHD_NAME_BYTES_MAX);
    text_within(welcome->cluster, message, CHD_NAME_BYTES_MAX);
}

static void walk_report(const chd_local_report *report, chd_bytes message)
{
    CHD_ASSERT(report->node.node != 0);
    text_within(report->node.name, message, CHD_NAME_BYTES_MAX);
    text_within(report->node.region, message, CHD_NAME_BYTES_MAX);
    text_within(report->node.cluster, message, CHD_NAME_BYTES_MAX);
    text_within(report->node.release, message, CHD_NAME_BYTES_MAX);
    walk_members(report->members, message);
}

static void walk_fields(const chd_local *local, chd_bytes message)
{
    switch ((chd_local_type)local->type) {
    case CHD_LOCAL_HELLO:
        text_within(local->u.hello.name, message, CHD_NAME_BYTES_MAX);
        break;
    case CHD_LOCAL_SUBSCRIBE:
    case CHD_LOCAL_UNSUBSCRIBE:
        walk_filters(local->u.filters, message);
        break;
    case CHD_LOCAL_RESUME:
        walk_filters(local->u.resume.filters, message);
        break;
    case CHD_LOCAL_PUBLISH:
        walk_items(local->u.publish.items, message);
        break;
    case CHD_LOCAL_WELCOME:
        walk_welcome(&local->u.welcome, message);
        break;
    case CHD_LOCAL_EVENTS:
        CHD_ASSERT(local->u.events.origin != 0);
        CHD_ASSERT(walk_records(local->u.events.records.encoded, 1,
                                CHD_SEQ_MAX) == local->u.events.records.count);
        break;
    case CHD_LOCAL_RESET:
        walk_filters(local->u.reset.filters, message);
        break;
    case CHD_LOCAL_REPORT:
        walk_report(&local->u.report, message);
        break;
    case CHD_LOCAL_ERROR:
        text_within(local->u.error.text, message, CHD_TEXT_BYTES_MAX);
        break;
    case CHD_LOCAL_APPLIED:
    case CHD_LOCAL_PING:
    case CHD_LOCAL_STATUS:
    case CHD_LOCAL_BYE:
    case CHD_LOCAL_RECEIPT:
    case CHD_LOCAL_PONG:
    case CHD_LOCAL_FRESH:
    case CHD_LOCAL_GOODBYE:
    case CHD_LOCAL_REPLICATED:
    case CHD_LOCAL_CONFIRM:
    case CHD_LOCAL_WHO:
    case CHD_LOCAL_AWAIT:
    case CHD_LOCAL_AWAITED:
    case CHD_LOCAL_PROMPT:
        break;
    case CHD_LOCAL_CONFIRMED:
        walk_missing(local->u.confirmed.missing, message);
        break;
    }
}

chd_err walk_local(chd_bytes message)
{
    chd_local local;
    const chd_err err = chd_local_scan(message, &local);

    if (err == CHD_OK && local.type <= CHD_LOCAL_TYPE_LAST) {
        walk_fields(&local, message);
    }
    return err;
}

#include "proto/wire/dump.h"

#include "proto/wire/applied.h"
#include "proto/wire/line.h"
#include "proto/wire/repair.h"

void chd_dump_record(chd_bytes record, char *line, size_t cap)
{
    writer out = line_open(line, cap);
    chd_scan scan;
    chd_event event;

    chd_scan_init(&scan, record);
    chd_event_scan(&scan, &event);
    const chd_err err = chd_scan_end(&scan);
    if (err != CHD_OK) {
        chd_put_malformed(&out, err, record.len);
        return;
    }
    put_dec(&out, event.seq);
    put(&out, " ");
    chd_put_event(&out, &event);
}

/* --- mesh ----------------------------------------------------------------- */

static const char *mesh_type_name(chd_mesh_type type)
{
    static const char *const names[] = {
        [CHD_MESH_EVENTS] = "EVENTS",   [CHD_MESH_BEACON] = "BEACON",
        [CHD_MESH_HELLO] = "HELLO",     [CHD_MESH_WELCOME] = "WELCOME",
        [CHD_MESH_REFUSE] = "REFUSE",   [CHD_MESH_PING] = "PING",
        [CHD_MESH_PONG] = "PONG",       [CHD_MESH_BYE] = "BYE",
        [CHD_MESH_FETCH] = "FETCH",     [CHD_MESH_REPAIR] = "REPAIR",
        [CHD_MESH_LOST] = "LOST",       [CHD_MESH_VECTOR] = "VECTOR",
        [CHD_MESH_ACK] = "ACK",         [CHD_MESH_WANT] = "WANT",
        [CHD_MESH_APPLIED] = "APPLIED",
    };

    return names[type];
}

static chd_err put_mesh_hello(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_hello hello;
    chd_position position;
    const chd_err err = chd_mesh_scan_hello(scan, fields, &hello);

    if (err != CHD_OK) {
        return err;
    }
    chd_put_versions(out, hello.version_min, hello.version_max);
    put_label_bytes(out, " name ", hello.name);
    put_label_bytes(out, " region ", hello.region);
    put_label_bytes(out, " release ", hello.release);
    chd_put_endpoint(out, &hello.endpoint);
    put_label_dec(out, " head ", hello.head);
    put_count(out, hello.position_count);
    while (chd_mesh_position_next(&hello.positions, &position)) {
        put_label_id(out, " ", position.origin);
        put_label_dec(out, ":", position.seq);
    }
    return CHD_OK;
}

static chd_err put_mesh_events(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_events events;
    const chd_err err = chd_mesh_scan_events(scan, fields, &events);

    if (err != CHD_OK) {
        return err;
    }
    put_label_id(out, " origin ", events.origin);
    put_label_dec(out, " ", events.first);
    put_label_dec(out, "..", events.last);
    put_count(out, events.record_count);
    return CHD_OK;
}

static chd_err put_mesh_refuse(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_refuse refuse;
    const chd_err err = chd_mesh_scan_refuse(scan, fields, &refuse);

    if (err != CHD_OK) {
        return err;
    }
    put_label_dec(out, " reason ", refuse.reason);
    chd_put_versions(out, refuse.version_min, refuse.version_max);
    put_label_bytes(out, " text ", refuse.text);
    return CHD_OK;
}

static chd_err put_mesh_ping(writer *out, chd_scan *scan, uint32_t fields,
                             bool is_pong)
{
    chd_mesh_ping ping;
    const chd_err err = is_pong ? chd_mesh_scan_pong(scan, fields, &ping)
                                : chd_mesh_scan_ping(scan, fields, &ping);

    if (err != CHD_OK) {
        return err;
    }
    put_label_dec(out, " t0 ", ping.t0);
    put_label_dec(out, " received ", ping.received);
    put_label_bool(out, " heard ", ping.heard);
    put_label_id(out, " digest ", ping.digest);
    put_label_id(out, " members ", ping.members);
    if (is_pong) {
        put_label_dec(out, " head ", ping.head);
        put_label_dec(out, " accepted ", ping.accepted);
    }
    put_if_some(out, " refuses ", ping.refuses_ms);
    if (ping.to != 0) {
        put_label_id(out, " to ", ping.to);
    }
    return CHD_OK;
}

static chd_err put_mesh_head(writer *out, chd_scan *scan, uint32_t fields)
{
    uint64_t head = 0;
    const chd_err err = chd_mesh_scan_head(scan, fields, &head);

    if (err == CHD_OK) {
        put_label_dec(out, " head ", head);
    }
    return err;
}

static void put_range(writer *out, uint64_t first, uint64_t last)
{
    put_label_dec(out, " ", first);
    put_label_dec(out, "..", last);
}

static chd_err put_mesh_ack(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_position ack;
    const chd_err err = chd_mesh_scan_ack(scan, fields, &ack);

    if (err == CHD_OK) {
        put_label_id(out, " origin ", ack.origin);
        put_label_dec(out, " received ", ack.seq);
    }
    return err;
}

static chd_err put_mesh_fetch(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_fetch fetch;
    const chd_err err = chd_mesh_scan_fetch(scan, fields, &fetch);

    if (err == CHD_OK) {
        put_label_id(out, " origin ", fetch.origin);
        put_range(out, fetch.first, fetch.upto);
    }
    return err;
}

static chd_err put_mesh_repair(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_repair repair;
    const chd_err err = chd_mesh_scan_repair(scan, fields, &repair);

    if (err == CHD_OK) {
        put_label_id(out, " origin ", repair.origin);
        put_range(out, repair.first, repair.last);
        put_label_dec(out, " held ", repair.held);
        put_label_dec(out, " records ", repair.record_count);
    }
    return err;
}

static chd_err put_mesh_lost(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_lost lost;
    const chd_err err = chd_mesh_scan_lost(scan, fields, &lost);

    if (err == CHD_OK) {
        put_label_id(out, " origin ", lost.origin);
        put_range(out, lost.first, lost.last);
        put_label_dec(out, " topics ", lost.topic_count);
    }
    return err;
}

static chd_err put_mesh_vector(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_vector vector;
    const chd_err err = chd_mesh_scan_vector(scan, fields, &vector);

    if (err == CHD_OK) {
        put(out, vector.answer ? " asks" : " answers");
        put_label_dec(out, " positions ", vector.position_count);
        put_label_dec(out, " t0 ", vector.t0);
        put_label_dec(out, " ages ", vector.age_count);
    }
    return err;
}

static chd_err put_mesh_want(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_want want;
    const chd_err err = chd_mesh_scan_want(scan, fields, &want);

    if (err == CHD_OK) {
        put_label_id(out, " origin ", want.origin);
        put_label_dec(out, " seq ", want.seq);
        put_label_bool(out, " who ", want.who);
    }
    return err;
}

static chd_err put_mesh_applied(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_applied applied;
    chd_bytes name;
    const chd_err err = chd_mesh_scan_applied(scan, fields, &applied);

    if (err != CHD_OK) {
        return err;
    }
    put_label_id(out, " origin ", applied.origin);
    put_label_dec(out, " seq ", applied.seq);
    put_label_dec(out, " refusing ", applied.refusing);
    while (chd_mesh_lacking_next(&applied.lacking, &name)) {
        put_label_bytes(out, " lacking ", name);
    }
    return err;
}

static chd_err put_mesh_body(writer *out, chd_scan *scan, chd_mesh_type type,
                             uint32_t fields)
{
    switch (type) {
    case CHD_MESH_EVENTS:
        return put_mesh_events(out, scan, fields);
    case CHD_MESH_HELLO:
    case CHD_MESH_WELCOME:
        return put_mesh_hello(out, scan, fields);
    case CHD_MESH_REFUSE:
        return put_mesh_refuse(out, scan, fields);
    case CHD_MESH_PING:
        return put_mesh_ping(out, scan, fields, false);
    case CHD_MESH_PONG:
        return put_mesh_ping(out, scan, fields, true);
    case CHD_MESH_BEACON:
    case CHD_MESH_BYE:
        return put_mesh_head(out, scan, fields);
    case CHD_MESH_ACK:
        return put_mesh_ack(out, scan, fields);
    case CHD_MESH_FETCH:
        return put_mesh_fetch(out, scan, fields);
    case CHD_MESH_REPAIR:
        return put_mesh_repair(out, scan, fields);
    case CHD_MESH_LOST:
        return put_mesh_lost(out, scan, fields);
    case CHD_MESH_VECTOR:
        return put_mesh_vector(out, scan, fields);
    case CHD_MESH_WANT:
        return put_mesh_want(out, scan, fields);
    case CHD_MESH_APPLIED:
        return put_mesh_applied(out, scan, fields);
    }
    chd_scan_rest(scan, fields, 0);
    return chd_scan_end(scan);
}

void chd_dump_mesh(chd_bytes message, char *line, size_t cap)
{
    writer out = line_open(line, cap);
    chd_scan scan;
    chd_mesh_header header;
    uint32_t fields = 0;

    chd_scan_init(&scan, message);
    chd_err err = chd_mesh_scan_header(&scan, &header, &fields);
    if (err == CHD_OK) {
        const chd_mesh_type type =
            header.type <= CHD_MESH_TYPE_LAST ? (chd_mesh_type)header.type : 0;
        chd_put_type(&out, mesh_type_name(type), header.type);
        put_label_id(&out, " from ", header.sender);
        if (type == CHD_MESH_HELLO || type == CHD_MESH_WELCOME ||
            type == CHD_MESH_REFUSE) {
            put_label_bytes(&out, " cluster ", header.cluster);
        }
        err = put_mesh_body(&out, &scan, type, fields);
    }
    if (err != CHD_OK) {
        chd_put_malformed(&out, err, message.len);
    }
}

#include "proto/wire/dump.h"

#include "proto/wire/local.h"
#include "proto/wire/mesh.h"
#include "proto/wire/repair.h"

/* A line that is being written; what does not fit is left out. */
typedef struct writer {
    char *buf;
    size_t cap;
    size_t len;
} writer;

static writer line_open(char *buf, size_t cap)
{
    CHD_ASSERT(cap > 0);
    buf[0] = '\0';
    return (writer){buf, cap, 0};
}

static void put_char(writer *out, char c)
{
    if (out->len + 1 < out->cap) {
        out->buf[out->len++] = c;
        out->buf[out->len] = '\0';
    }
}

static void put(writer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        put_char(out, *text);
    }
}

/* Print number in a base up to 16 with at least digits digits. */
static void put_number(writer *out, uint64_t number, unsigned base,
                       size_t digits)
{
    char text[20]; /* UINT64_MAX has 20 decimal digits */
    size_t len = 0;

    while (number > 0 || len < digits) {
        text[len++] = "0123456789abcdef"[number % base];
        number /= base;
    }
    while (len > 0) {
        put_char(out, text[--len]);
    }
}

static void put_dec(writer *out, uint64_t number)
{
    put_number(out, number, 10, 1);
}

static void put_id(writer *out, uint64_t id)
{
    put_number(out, id, 16, id > UINT32_MAX ? 16 : 8);
}

static bool is_printable(chd_bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.ptr[i] < 0x20 || bytes.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static void put_bytes(writer *out, chd_bytes bytes)
{
    const bool printable = is_printable(bytes);

    if (bytes.len == 0) {
        put(out, "-");
    } else if (!printable) {
        put(out, "0x");
    }
    /* Not one step beyond a full line: the bytes may be half a megabyte. */
    for (size_t i = 0; i < bytes.len && out->len + 1 < out->cap; i++) {
        if (printable) {
            put_char(out, (char)bytes.ptr[i]);
        } else {
            put_number(out, bytes.ptr[i], 16, 2);
        }
    }
}

/* A label and its value: " from 00c0ffee". */
static void put_label_dec(writer *out, const char *label, uint64_t number)
{
    put(out, label);
    put_dec(out, number);
}

static void put_if_some(writer *out, const char *label, uint64_t number)
{
    if (number != 0) {
        put_label_dec(out, label, number);
    }
}

static void put_label_id(writer *out, const char *label, uint64_t id)
{
    put(out, label);
    put_id(out, id);
}

static void put_label_bytes(writer *out, const char *label, chd_bytes bytes)
{
    put(out, label);
    put_bytes(out, bytes);
}

static void put_label_bool(writer *out, const char *label, bool truth)
{
    put(out, label);
    put(out, truth ? "yes" : "no");
}

static void put_count(writer *out, uint64_t count)
{
    put_label_dec(out, " (", count);
    put(out, ")");
}

static void put_versions(writer *out, uint64_t min, uint64_t max)
{
    put_label_dec(out, " versions ", min);
    put_label_dec(out, "..", max);
}

static uint16_t group_of(const uint8_t address[16], size_t i)
{
    return (uint16_t)(address[2 * i] << 8 | address[2 * i + 1]);
}

/* Return where the longest run of at least two zero groups begins, and its
 * length in *run; of runs of one length the first.  RFC 5952, 4.2. */
static size_t longest_zeros(const uint8_t address[16], size_t *run)
{
    size_t start = 0;

    *run = 0;
    for (size_t i = 0; i < 8; i++) {
        size_t len = 0;
        while (i + len < 8 && group_of(address, i + len) == 0) {
            len++;
        }
        if (len >= 2 && len > *run) {
            start = i;
            *run = len;
        }
    }
    return start;
}

static void put_ipv6(writer *out, const uint8_t address[16])
{
    size_t run = 0;
    const size_t zeros = longest_zeros(address, &run);

    bool colon = false;

    for (size_t i = 0; i < 8;) {
        if (run > 0 && i == zeros) {
            put(out, "::");
            colon = false;
            i += run;
            continue;
        }
        if (colon) {
            put(out, ":");
        }
        put_number(out, group_of(address, i), 16, 1);
        colon = true;
        i++;
    }
}

static void put_endpoint(writer *out, const chd_endpoint *endpoint)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *address = endpoint->address;

    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        for (size_t i = 12; i < 16; i++) {
            put_label_dec(out, i > 12 ? "." : " at ", address[i]);
        }
    } else {
        put(out, " at [");
        put_ipv6(out, address);
        put(out, "]");
    }
    put_label_dec(out, ":", endpoint->port);
}

static void put_malformed(writer *out, chd_err err, size_t bytes)
{
    out->len = 0;
    put(out, "malformed ");
    put(out, chd_err_name(err));
    put_label_dec(out, " (", bytes);
    put(out, " bytes)");
}

/* --- events --------------------------------------------------------------- */

static const char *kind_name(chd_kind kind)
{
    switch (kind) {
    case CHD_KIND_INVALIDATE:
        return "INVALIDATE";
    case CHD_KIND_UPDATE:
        return "UPDATE";
    case CHD_KIND_MESSAGE:
        return "MESSAGE";
    }
    return "?";
}

static const char *target_name(chd_target_kind kind)
{
    switch (kind) {
    case CHD_TARGET_NONE:
        return "NONE";
    case CHD_TARGET_KEY:
        return "KEY";
    case CHD_TARGET_TAG:
        return "TAG";
    case CHD_TARGET_PREFIX:
        return "PREFIX";
    case CHD_TARGET_ALL:
        return "ALL";
    }
    return "?";
}

static void put_event(writer *out, const chd_event *event)
{
    put(out, kind_name(event->kind));
    put_label_bytes(out, " ", event->topic);
    if (event->target_kind != CHD_TARGET_NONE) {
        put(out, " ");
        put(out, target_name(event->target_kind));
    }
    if (event->target_kind != CHD_TARGET_NONE &&
        event->target_kind != CHD_TARGET_ALL) {
        put_label_bytes(out, " ", event->target);
    }
    if (event->kind != CHD_KIND_INVALIDATE) {
        put_label_bytes(out, " value ", event->value);
    }
    put_if_some(out, " flags ", event->flags);
    put_if_some(out, " hlc ", event->hlc);
    if (event->number != 0) {
        put_label_id(out, " client ", event->client);
        put_label_dec(out, " number ", event->number);
    }
    if (event->version != 0) {
        put_label_dec(out, " version ", event->version);
    }
    if (event->again_ms != 0) {
        put_label_dec(out, " again_ms ", event->again_ms);
    }
}

void chd_dump_record(chd_bytes record, char *line, size_t cap)
{
    writer out = line_open(line, cap);
    chd_scan scan;
    chd_event event;

    chd_scan_init(&scan, record);
    chd_event_scan(&scan, &event);
    const chd_err err = chd_scan_end(&scan);
    if (err != CHD_OK) {
        put_malformed(&out, err, record.len);
        return;
    }
    put_dec(&out, event.seq);
    put(&out, " ");
    put_event(&out, &event);
}

/* --- mesh ----------------------------------------------------------------- */

static const char *mesh_type_name(chd_mesh_type type)
{
    static const char *const names[] = {
        [CHD_MESH_EVENTS] = "EVENTS", [CHD_MESH_BEACON] = "BEACON",
        [CHD_MESH_HELLO] = "HELLO",   [CHD_MESH_WELCOME] = "WELCOME",
        [CHD_MESH_REFUSE] = "REFUSE", [CHD_MESH_PING] = "PING",
        [CHD_MESH_PONG] = "PONG",     [CHD_MESH_BYE] = "BYE",
        [CHD_MESH_FETCH] = "FETCH",   [CHD_MESH_REPAIR] = "REPAIR",
        [CHD_MESH_LOST] = "LOST",     [CHD_MESH_VECTOR] = "VECTOR",
        [CHD_MESH_ACK] = "ACK",
    };

    return names[type];
}

static void put_type(writer *out, const char *name, uint64_t type)
{
    if (name != NULL) {
        put(out, name);
    } else {
        put_label_dec(out, "TYPE ", type);
    }
}

static chd_err put_mesh_hello(writer *out, chd_scan *scan, uint32_t fields)
{
    chd_mesh_hello hello;
    chd_position position;
    const chd_err err = chd_mesh_scan_hello(scan, fields, &hello);

    if (err != CHD_OK) {
        return err;
    }
    put_versions(out, hello.version_min, hello.version_max);
    put_label_bytes(out, " name ", hello.name);
    put_label_bytes(out, " region ", hello.region);
    put_label_bytes(out, " release ", hello.release);
    put_endpoint(out, &hello.endpoint);
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
    put_versions(out, refuse.version_min, refuse.version_max);
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
            header.type <= CHD_MESH_ACK ? (chd_mesh_type)header.type : 0;
        put_type(&out, mesh_type_name(type), header.type);
        put_label_id(&out, " from ", header.sender);
        if (type == CHD_MESH_HELLO || type == CHD_MESH_WELCOME ||
            type == CHD_MESH_REFUSE) {
            put_label_bytes(&out, " cluster ", header.cluster);
        }
        err = put_mesh_body(&out, &scan, type, fields);
    }
    if (err != CHD_OK) {
        put_malformed(&out, err, message.len);
    }
}

/* --- local ---------------------------------------------------------------- */

static const char *local_type_name(chd_local_type type)
{
    switch (type) {
    case CHD_LOCAL_HELLO:
        return "HELLO";
    case CHD_LOCAL_SUBSCRIBE:
        return "SUBSCRIBE";
    case CHD_LOCAL_UNSUBSCRIBE:
        return "UNSUBSCRIBE";
    case CHD_LOCAL_PUBLISH:
        return "PUBLISH";
    case CHD_LOCAL_APPLIED:
        return "APPLIED";
    case CHD_LOCAL_PING:
        return "PING";
    case CHD_LOCAL_STATUS:
        return "STATUS";
    case CHD_LOCAL_BYE:
        return "BYE";
    case CHD_LOCAL_WELCOME:
        return "WELCOME";
    case CHD_LOCAL_RECEIPT:
        return "RECEIPT";
    case CHD_LOCAL_EVENTS:
        return "EVENTS";
    case CHD_LOCAL_RESET:
        return "RESET";
    case CHD_LOCAL_PONG:
        return "PONG";
    case CHD_LOCAL_REPORT:
        return "REPORT";
    case CHD_LOCAL_ERROR:
        return "ERROR";
    case CHD_LOCAL_GOODBYE:
        return "GOODBYE";
    case CHD_LOCAL_RESUME:
        return "RESUME";
    case CHD_LOCAL_REPLICATED:
        return "REPLICATED";
    case CHD_LOCAL_FRESH:
        return "FRESH";
    }
    return NULL;
}

/* Topics, those that are prefixes with a star behind them. */
static void put_filters(writer *out, chd_local_list filters)
{
    chd_filter filter;

    put_count(out, filters.count);
    while (chd_local_filter_next(&filters, &filter)) {
        put(out, " ");
        if (filter.topic.len > 0) {
            put_bytes(out, filter.topic);
        }
        if (filter.match == CHD_MATCH_PREFIX) {
            put(out, "*");
        }
    }
}

static void put_items(writer *out, chd_local_list items)
{
    chd_event item;

    put_count(out, items.count);
    for (const char *before = " "; chd_local_item_next(&items, &item);
         before = "; ") {
        put(out, before);
        put_event(out, &item);
    }
}

static void put_welcome(writer *out, const chd_local_welcome *welcome)
{
    put_label_dec(out, " version ", welcome->version);
    put_label_id(out, " node ", welcome->node);
    put_label_bytes(out, " name ", welcome->node_name);
    put_label_bytes(out, " region ", welcome->region);
    put_label_bytes(out, " cluster ", welcome->cluster);
    put_label_dec(out, " session ", welcome->session);
    put_label_dec(out, " window ", welcome->window_bytes);
    put_label_dec(out, " payload ", welcome->payload_max);
    put_label_dec(out, " ping ", welcome->ping_interval_ms);
    put_label_bool(out, " resumed ", welcome->resumed);
    put_label_dec(out, " features ", welcome->features);
}

static void put_member(writer *out, const chd_member_report *member)
{
    put_label_id(out, "; node ", member->node);
    put_label_bytes(out, " name ", member->name);
    put_label_bytes(out, " region ", member->region);
    put_label_bytes(out, " release ", member->release);
    put_endpoint(out, &member->endpoint);
    put_label_dec(out, " state ", member->state);
    put_label_bool(out, " listed ", member->listed);
    put_label_bool(out, " hears_us ", member->hears_us);
    put_label_dec(out, " rtt_us ", member->rtt_us);
    put_label_dec(out, " received ", member->received);
    put_label_dec(out, " silent_ms ", member->silent_ms);
    put_label_dec(out, " age_ms ", member->age_ms);
    put_label_bool(out, " counts ", member->counts);
}

static void put_report(writer *out, const chd_local_report *report)
{
    const chd_node_report *node = &report->node;
    chd_local_list members = report->members;
    chd_member_report member;

    put_label_dec(out, " request ", report->request);
    put_label_id(out, " node ", node->node);
    put_label_bytes(out, " name ", node->name);
    put_label_bytes(out, " region ", node->region);
    put_label_bytes(out, " cluster ", node->cluster);
    put_label_bytes(out, " release ", node->release);
    put_endpoint(out, &node->endpoint);
    put_label_dec(out, " state ", node->state);
    put_label_bool(out, " degraded ", node->degraded);
    put_label_dec(out, " uptime_ms ", node->uptime_ms);
    put_label_dec(out, " head ", node->head);
    put_label_dec(out, " sessions ", node->sessions);
    put_label_dec(out, " subscriptions ", node->subscriptions);
    put_label_dec(out, " published ", node->published);
    put_label_dec(out, " received ", node->received);
    put_label_dec(out, " delivered ", node->delivered);
    put_label_dec(out, " resets ", node->resets);
    put_label_dec(out, " lost ", node->lost);
    put_label_dec(out, " log_bytes ", node->log_bytes);
    put_label_dec(out, " dns_outcome ", node->dns_outcome);
    put_label_dec(out, " dns_age_ms ", node->dns_age_ms);
    put_label_dec(out, " dns_count ", node->dns_count);
    put_label_dec(out, " staleness_ms ", node->staleness_ms);
    put_label_id(out, " held_by ", node->held_by);
    put_count(out, members.count);
    while (chd_local_member_next(&members, &member)) {
        put_member(out, &member);
    }
}

static void put_local_hello(writer *out, const chd_local_hello *hello)
{
    put_versions(out, hello->version_min, hello->version_max);
    put_label_id(out, " client ", hello->client);
    put_label_bytes(out, " name ", hello->name);
    put_label_dec(out, " pid ", hello->pid);
    if (hello->next != 0) {
        put_label_id(out, " node ", hello->node);
        put_label_dec(out, " next ", hello->next);
    }
}

static void put_publish(writer *out, const chd_local_publish *publish)
{
    put_label_dec(out, " request ", publish->request);
    put_label_dec(out, " wait ", publish->wait);
    put_if_some(out, " number ", publish->number);
    put_items(out, publish->items);
}

static void put_applied(writer *out, const chd_local *local)
{
    put_label_dec(out, " position ", local->u.applied.position);
    put_label_dec(out, " bytes ", local->u.applied.bytes);
}

static void put_receipt(writer *out, const chd_local_receipt *receipt)
{
    put_label_dec(out, " request ", receipt->request);
    put_label_id(out, " origin ", receipt->origin);
    put_label_dec(out, " seq ", receipt->seq);
}

static void put_events(writer *out, const chd_local_events *events)
{
    put_label_dec(out, " position ", events->position);
    put_label_id(out, " origin ", events->origin);
    put_if_some(out, " next ", events->next);
    put_count(out, events->records.count);
}

static void put_reset(writer *out, const chd_local_reset *reset)
{
    put_label_dec(out, " position ", reset->position);
    put_label_dec(out, " reason ", reset->reason);
    put_if_some(out, " next ", reset->next);
    put_filters(out, reset->filters);
}

static void put_ping(writer *out, const chd_local *local)
{
    put_label_dec(out, " c0 ", local->u.ping.c0);
    if (local->type == CHD_LOCAL_PONG) {
        put_label_dec(out, " position ", local->u.ping.position);
    }
    put_if_some(out, " next ", local->u.ping.next);
}

static void put_error(writer *out, const chd_local_error_msg *error)
{
    put_label_dec(out, " code ", error->code);
    put_label_bytes(out, " text ", error->text);
}

static void put_fields(writer *out, const chd_local *local, chd_local_type type)
{
    switch (type) {
    case CHD_LOCAL_HELLO:
        put_local_hello(out, &local->u.hello);
        break;
    case CHD_LOCAL_SUBSCRIBE:
    case CHD_LOCAL_UNSUBSCRIBE:
        put_filters(out, local->u.filters);
        break;
    case CHD_LOCAL_PUBLISH:
        put_publish(out, &local->u.publish);
        break;
    case CHD_LOCAL_APPLIED:
        put_applied(out, local);
        break;
    case CHD_LOCAL_PING:
    case CHD_LOCAL_PONG:
        put_ping(out, local);
        break;
    case CHD_LOCAL_RESUME:
        put_label_bool(out, " more ", local->u.resume.more);
        put_filters(out, local->u.resume.filters);
        break;
    case CHD_LOCAL_STATUS:
    case CHD_LOCAL_REPLICATED:
        put_label_dec(out, " request ", local->u.request);
        break;
    case CHD_LOCAL_WELCOME:
        put_welcome(out, &local->u.welcome);
        break;
    case CHD_LOCAL_RECEIPT:
        put_receipt(out, &local->u.receipt);
        break;
    case CHD_LOCAL_EVENTS:
        put_events(out, &local->u.events);
        break;
    case CHD_LOCAL_RESET:
        put_reset(out, &local->u.reset);
        break;
    case CHD_LOCAL_REPORT:
        put_report(out, &local->u.report);
        break;
    case CHD_LOCAL_ERROR:
        put_error(out, &local->u.error);
        break;
    case CHD_LOCAL_FRESH:
        put_label_dec(out, " c0 ", local->u.fresh.c0);
        put_label_dec(out, " age ", local->u.fresh.age_ns);
        break;
    case CHD_LOCAL_BYE:
    case CHD_LOCAL_GOODBYE:
        break;
    }
}

void chd_dump_local(chd_bytes message, char *line, size_t cap)
{
    writer out = line_open(line, cap);
    chd_local local;
    const chd_err err = chd_local_scan(message, &local);

    if (err != CHD_OK) {
        put_malformed(&out, err, message.len);
        return;
    }
    const chd_local_type type =
        local.type <= CHD_LOCAL_TYPE_LAST ? (chd_local_type)local.type : 0;
    put_type(&out, local_type_name(type), local.type);
    put_fields(&out, &local, type);
}

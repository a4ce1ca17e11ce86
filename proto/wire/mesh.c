#include "proto/wire/mesh.h"

#define HEADER_FIELDS 4
#define ADDRESS_BYTES 16

/* --- reading --------------------------------------------------------------
 *
 * Each body is read into a copy that reaches the caller only when all of the
 * message was good.
 */

chd_err chd_mesh_scan_header(chd_scan *scan, chd_mesh_header *header,
                             uint32_t *fields)
{
    const uint32_t count = chd_scan_array(scan, UINT32_MAX);
    chd_mesh_header read;

    read.version = chd_scan_uint(scan, UINT64_MAX);
    read.type = chd_scan_uint(scan, UINT64_MAX);
    read.cluster = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    if (read.cluster.len == 0) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    read.sender = chd_node_scan(scan);
    if (count < HEADER_FIELDS) {
        chd_scan_fail(scan, CHD_ETRUNCATED);
    }
    if (scan->err == CHD_OK) {
        *header = read;
        *fields = count - HEADER_FIELDS;
    }
    return scan->err;
}

uint64_t chd_node_scan(chd_scan *scan)
{
    const uint64_t node = chd_scan_uint(scan, UINT64_MAX);

    if (node == 0) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    return node;
}

void chd_endpoint_scan(chd_scan *scan, chd_endpoint *endpoint)
{
    const chd_bytes address = chd_scan_bin(scan, ADDRESS_BYTES);

    *endpoint = (chd_endpoint){.port = 0};
    if (address.len == ADDRESS_BYTES) {
        memcpy(endpoint->address, address.ptr, ADDRESS_BYTES);
    } else {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    endpoint->port = (uint16_t)chd_scan_uint(scan, UINT16_MAX);
}

/* Read one position, for the first time or again. */
static void scan_position(chd_scan *scan, chd_position *position)
{
    position->origin = chd_node_scan(scan);
    position->seq = chd_scan_uint(scan, CHD_SEQ_MAX);
}

void chd_positions_scan(chd_scan *scan, uint32_t *count, chd_bytes *positions)
{
    const uint32_t values = chd_scan_array(scan, 2 * CHD_ORIGINS_MAX);
    const uint8_t *start = scan->at;

    if (values % 2 != 0) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    for (uint32_t i = 0; i < values / 2 && scan->err == CHD_OK; i++) {
        chd_position position;
        scan_position(scan, &position);
    }
    *count = values / 2;
    *positions = chd_scan_since(scan, start);
}

void chd_positions_pack(chd_pack *pack, const chd_position *positions,
                        uint32_t count)
{
    CHD_ASSERT(count <= CHD_ORIGINS_MAX);
    chd_pack_array(pack, 2 * count);
    for (uint32_t i = 0; i < count; i++) {
        chd_pack_uint(pack, positions[i].origin);
        chd_pack_uint(pack, positions[i].seq);
    }
}

chd_err chd_mesh_scan_hello(chd_scan *scan, uint32_t fields,
                            chd_mesh_hello *hello)
{
    chd_mesh_hello read;

    read.version_min = chd_scan_uint(scan, UINT64_MAX);
    read.version_max = chd_scan_uint(scan, UINT64_MAX);
    if (read.version_min > read.version_max) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    read.name = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    read.region = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    read.release = chd_scan_str(scan, CHD_NAME_BYTES_MAX);
    chd_endpoint_scan(scan, &read.endpoint);
    read.head = chd_scan_uint(scan, CHD_SEQ_MAX);
    chd_positions_scan(scan, &read.position_count, &read.positions);
    chd_scan_rest(scan, fields, 9);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *hello = read;
    }
    return err;
}

/* Read the records of EVENTS: ascending within first..last, so that whoever
 * walks them later needs to check nothing. */
static void scan_records(chd_scan *scan, chd_mesh_events *events)
{
    const uint32_t count = chd_scan_array(scan, UINT32_MAX);
    const uint8_t *start = scan->at;
    uint64_t lowest = events->first;

    for (uint32_t i = 0; i < count && scan->err == CHD_OK; i++) {
        chd_event event;
        chd_event_scan(scan, &event);
        if (event.seq < lowest || event.seq > events->last) {
            chd_scan_fail(scan, CHD_EORDER);
        }
        lowest = event.seq + 1;
    }
    events->record_count = count;
    events->records = chd_scan_since(scan, start);
}

chd_err chd_mesh_scan_events(chd_scan *scan, uint32_t fields,
                             chd_mesh_events *events)
{
    chd_mesh_events read;

    read.origin = chd_node_scan(scan);
    read.first = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.last = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.first == 0 || read.first > read.last) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    scan_records(scan, &read);
    chd_scan_rest(scan, fields, 4);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *events = read;
    }
    return err;
}

chd_err chd_mesh_scan_refuse(chd_scan *scan, uint32_t fields,
                             chd_mesh_refuse *refuse)
{
    chd_mesh_refuse read;

    read.reason = chd_scan_uint(scan, UINT64_MAX);
    read.version_min = chd_scan_uint(scan, UINT64_MAX);
    read.version_max = chd_scan_uint(scan, UINT64_MAX);
    read.text = chd_scan_str(scan, CHD_TEXT_BYTES_MAX);
    chd_scan_rest(scan, fields, 4);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *refuse = read;
    }
    return err;
}

/* Read what PING and PONG have in common. */
static chd_mesh_ping scan_ping_fields(chd_scan *scan)
{
    chd_mesh_ping read;

    read.t0 = chd_scan_uint(scan, UINT64_MAX);
    read.received = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.heard = chd_scan_bool(scan);
    read.digest = chd_scan_uint(scan, UINT64_MAX);
    read.members = chd_scan_uint(scan, UINT64_MAX);
    read.head = 0;
    read.accepted = 0;
    read.refuses_ms = 0;
    read.to = 0;
    return read;
}

/* Read what may stand behind the fields that everybody writes. */
static void scan_ping_end(chd_scan *scan, uint32_t fields, uint32_t known,
                          chd_mesh_ping *read)
{
    if (fields > known) {
        read->refuses_ms = chd_scan_uint(scan, UINT64_MAX);
        known++;
    }
    if (fields > known) {
        read->to = chd_scan_uint(scan, UINT64_MAX);
        known++;
    }
    chd_scan_rest(scan, fields, known);
}

chd_err chd_mesh_scan_ping(chd_scan *scan, uint32_t fields, chd_mesh_ping *ping)
{
    chd_mesh_ping read = scan_ping_fields(scan);

    scan_ping_end(scan, fields, 5, &read);
    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *ping = read;
    }
    return err;
}

chd_err chd_mesh_scan_pong(chd_scan *scan, uint32_t fields, chd_mesh_ping *pong)
{
    chd_mesh_ping read = scan_ping_fields(scan);

    read.head = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.accepted = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.accepted < read.head) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    scan_ping_end(scan, fields, 7, &read);
    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *pong = read;
    }
    return err;
}

chd_err chd_mesh_scan_head(chd_scan *scan, uint32_t fields, uint64_t *head)
{
    const uint64_t read = chd_scan_uint(scan, CHD_SEQ_MAX);

    chd_scan_rest(scan, fields, 1);
    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *head = read;
    }
    return err;
}

chd_err chd_mesh_scan_ack(chd_scan *scan, uint32_t fields, chd_position *ack)
{
    chd_position read;

    scan_position(scan, &read);
    chd_scan_rest(scan, fields, 2);
    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *ack = read;
    }
    return err;
}

/* --- walking what was validated ------------------------------------------- */

bool chd_mesh_record_next(chd_bytes *records, chd_event *event,
                          chd_bytes *record)
{
    chd_scan scan;

    if (records->len == 0) {
        return false;
    }
    chd_scan_init(&scan, *records);
    chd_event_scan(&scan, event);
    /* Only a caller that never validated them gets here with bad bytes; to
     * stop in the middle would lose events without a word. */
    CHD_ASSERT(scan.err == CHD_OK);
    *record = chd_scan_since(&scan, records->ptr);
    *records = chd_bytes_of(scan.at, chd_scan_left(&scan));
    return true;
}

bool chd_mesh_position_next(chd_bytes *positions, chd_position *position)
{
    chd_scan scan;

    if (positions->len == 0) {
        return false;
    }
    chd_scan_init(&scan, *positions);
    scan_position(&scan, position);
    CHD_ASSERT(scan.err == CHD_OK);
    *positions = chd_bytes_of(scan.at, chd_scan_left(&scan));
    return true;
}

/* --- writing -------------------------------------------------------------- */

void chd_mesh_pack_header(chd_pack *pack, const chd_mesh_header *header,
                          uint32_t body_count)
{
    chd_pack_array(pack, HEADER_FIELDS + body_count);
    chd_pack_uint(pack, header->version);
    chd_pack_uint(pack, header->type);
    chd_pack_str(pack, header->cluster);
    chd_pack_uint(pack, header->sender);
}

void chd_endpoint_pack(chd_pack *pack, const chd_endpoint *endpoint)
{
    chd_pack_bin(pack, chd_bytes_of(endpoint->address, ADDRESS_BYTES));
    chd_pack_uint(pack, endpoint->port);
}

void chd_mesh_pack_hello(chd_pack *pack, const chd_mesh_header *header,
                         const chd_mesh_hello *hello,
                         const chd_position *positions)
{
    CHD_ASSERT(header->type == CHD_MESH_HELLO ||
               header->type == CHD_MESH_WELCOME);

    chd_mesh_pack_header(pack, header, 9);
    chd_pack_uint(pack, hello->version_min);
    chd_pack_uint(pack, hello->version_max);
    chd_pack_str(pack, hello->name);
    chd_pack_str(pack, hello->region);
    chd_pack_str(pack, hello->release);
    chd_endpoint_pack(pack, &hello->endpoint);
    chd_pack_uint(pack, hello->head);
    chd_positions_pack(pack, positions, hello->position_count);
}

void chd_mesh_pack_refuse(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_refuse *refuse)
{
    CHD_ASSERT(header->type == CHD_MESH_REFUSE);

    chd_mesh_pack_header(pack, header, 4);
    chd_pack_uint(pack, refuse->reason);
    chd_pack_uint(pack, refuse->version_min);
    chd_pack_uint(pack, refuse->version_max);
    chd_pack_str(pack, chd_text_cut(refuse->text, CHD_TEXT_BYTES_MAX));
}

void chd_mesh_pack_ping(chd_pack *pack, const chd_mesh_header *header,
                        const chd_mesh_ping *ping)
{
    const bool is_pong = header->type == CHD_MESH_PONG;

    CHD_ASSERT(is_pong || header->type == CHD_MESH_PING);

    chd_mesh_pack_header(pack, header, is_pong ? 9 : 7);
    chd_pack_uint(pack, ping->t0);
    chd_pack_uint(pack, ping->received);
    chd_pack_bool(pack, ping->heard);
    chd_pack_uint(pack, ping->digest);
    chd_pack_uint(pack, ping->members);
    if (is_pong) {
        chd_pack_uint(pack, ping->head);
        chd_pack_uint(pack, ping->accepted);
    }
    chd_pack_uint(pack, ping->refuses_ms);
    chd_pack_uint(pack, ping->to);
}

void chd_mesh_pack_head(chd_pack *pack, const chd_mesh_header *header,
                        uint64_t head)
{
    CHD_ASSERT(header->type == CHD_MESH_BEACON || header->type == CHD_MESH_BYE);

    chd_mesh_pack_header(pack, header, 1);
    chd_pack_uint(pack, head);
}

void chd_mesh_pack_ack(chd_pack *pack, const chd_mesh_header *header,
                       const chd_position *ack)
{
    CHD_ASSERT(header->type == CHD_MESH_ACK);

    chd_mesh_pack_header(pack, header, 2);
    chd_pack_uint(pack, ack->origin);
    chd_pack_uint(pack, ack->seq);
}

void chd_mesh_events_open(chd_pack *pack, const chd_mesh_header *header,
                          uint64_t origin, chd_events_writer *writer)
{
    CHD_ASSERT(header->type == CHD_MESH_EVENTS);

    chd_mesh_pack_header(pack, header, 4);
    chd_pack_uint(pack, origin);
    writer->range_at = chd_pack_uint_open(pack);
    (void)chd_pack_uint_open(pack);
    writer->array_at = chd_pack_array_open(pack);
    writer->count = 0;
}

void chd_mesh_events_add(chd_pack *pack, chd_events_writer *writer,
                         chd_bytes record)
{
    chd_pack_raw(pack, record);
    writer->count++;
}

void chd_mesh_events_close(chd_pack *pack, chd_events_writer *writer,
                           uint64_t first, uint64_t last)
{
    chd_pack_uint_close(pack, writer->range_at, first);
    chd_pack_uint_close(pack, writer->range_at + 9, last);
    chd_pack_array_close(pack, writer->array_at, writer->count);
}

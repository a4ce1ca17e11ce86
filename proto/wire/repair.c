#include "proto/wire/repair.h"

chd_err chd_mesh_scan_fetch(chd_scan *scan, uint32_t fields,
                            chd_mesh_fetch *fetch)
{
    chd_mesh_fetch read;

    read.origin = chd_node_scan(scan);
    read.first = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.upto = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.first == 0 || read.upto < read.first) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    read.told = chd_scan_uint(scan, CHD_SEQ_MAX);
    chd_scan_rest(scan, fields, 4);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *fetch = read;
    }
    return err;
}

/* Ascending within first..last, as in EVENTS; none when last is before first.
 */
static void scan_repair_records(chd_scan *scan, chd_mesh_repair *repair)
{
    const uint32_t count = chd_scan_array(scan, UINT32_MAX);
    const uint8_t *start = scan->at;
    uint64_t lowest = repair->first;

    for (uint32_t i = 0; i < count && scan->err == CHD_OK; i++) {
        chd_event event;
        chd_event_scan(scan, &event);
        if (event.seq < lowest || event.seq > repair->last) {
            chd_scan_fail(scan, CHD_EORDER);
        }
        lowest = event.seq + 1;
    }
    repair->record_count = count;
    repair->records = chd_scan_since(scan, start);
}

chd_err chd_mesh_scan_repair(chd_scan *scan, uint32_t fields,
                             chd_mesh_repair *repair)
{
    chd_mesh_repair read;

    read.origin = chd_node_scan(scan);
    read.first = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.last = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.held = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.told = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.first == 0 || read.last + 1 < read.first ||
        (read.last >= read.first && read.held < read.last)) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    scan_repair_records(scan, &read);
    chd_scan_rest(scan, fields, 6);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *repair = read;
    }
    return err;
}

static chd_bytes scan_topic(chd_scan *scan)
{
    const chd_bytes topic = chd_scan_str(scan, CHD_TOPIC_BYTES_MAX);

    if (scan->err == CHD_OK && chd_topic_check(topic) != CHD_OK) {
        chd_scan_fail(scan, CHD_ETOPIC);
    }
    return topic;
}

chd_err chd_mesh_scan_lost(chd_scan *scan, uint32_t fields, chd_mesh_lost *lost)
{
    chd_mesh_lost read;

    read.origin = chd_node_scan(scan);
    read.first = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.last = chd_scan_uint(scan, CHD_SEQ_MAX);
    read.told = chd_scan_uint(scan, CHD_SEQ_MAX);
    if (read.first == 0 || read.last < read.first || read.told == 0) {
        chd_scan_fail(scan, CHD_ERANGE);
    }
    read.topic_count = chd_scan_array(scan, CHD_RESET_TOPICS_MAX);
    const uint8_t *start = scan->at;
    for (uint32_t i = 0; i < read.topic_count && scan->err == CHD_OK; i++) {
        (void)scan_topic(scan);
    }
    read.topics = chd_scan_since(scan, start);
    chd_scan_rest(scan, fields, 5);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *lost = read;
    }
    return err;
}

/* Read one age, for the first time or again. */
static void scan_age(chd_scan *scan, chd_age *age)
{
    age->node = chd_node_scan(scan);
    age->age_ns = chd_scan_uint(scan, UINT64_MAX);
    age->silent_ns = chd_scan_uint(scan, UINT64_MAX);
}

static void scan_ages(chd_scan *scan, chd_mesh_vector *vector)
{
    const uint32_t values = chd_scan_array(scan, 3 * CHD_COUNTED_MAX);
    const uint8_t *start = scan->at;

    if (values % 3 != 0) {
        chd_scan_fail(scan, CHD_ELENGTH);
    }
    for (uint32_t i = 0; i < values / 3 && scan->err == CHD_OK; i++) {
        chd_age age;
        scan_age(scan, &age);
    }
    vector->age_count = values / 3;
    vector->ages = chd_scan_since(scan, start);
}

chd_err chd_mesh_scan_vector(chd_scan *scan, uint32_t fields,
                             chd_mesh_vector *vector)
{
    chd_mesh_vector read;

    read.answer = chd_scan_bool(scan);
    chd_positions_scan(scan, &read.position_count, &read.positions);
    read.t0 = chd_scan_uint(scan, UINT64_MAX);
    scan_ages(scan, &read);
    chd_scan_rest(scan, fields, 4);

    const chd_err err = chd_scan_end(scan);
    if (err == CHD_OK) {
        *vector = read;
    }
    return err;
}

bool chd_mesh_topic_next(chd_bytes *topics, chd_bytes *topic)
{
    chd_scan scan;

    if (topics->len == 0) {
        return false;
    }
    chd_scan_init(&scan, *topics);
    *topic = scan_topic(&scan);
    CHD_ASSERT(scan.err == CHD_OK);
    *topics = chd_bytes_of(scan.at, chd_scan_left(&scan));
    return true;
}

bool chd_mesh_age_next(chd_bytes *ages, chd_age *age)
{
    chd_scan scan;

    if (ages->len == 0) {
        return false;
    }
    chd_scan_init(&scan, *ages);
    scan_age(&scan, age);
    CHD_ASSERT(scan.err == CHD_OK);
    *ages = chd_bytes_of(scan.at, chd_scan_left(&scan));
    return true;
}

void chd_mesh_pack_fetch(chd_pack *pack, const chd_mesh_header *header,
                         const chd_mesh_fetch *fetch)
{
    CHD_ASSERT(header->type == CHD_MESH_FETCH);

    chd_mesh_pack_header(pack, header, 4);
    chd_pack_uint(pack, fetch->origin);
    chd_pack_uint(pack, fetch->first);
    chd_pack_uint(pack, fetch->upto);
    chd_pack_uint(pack, fetch->told);
}

size_t chd_mesh_vector_open(chd_pack *pack, const chd_mesh_header *header,
                            const chd_mesh_vector *vector,
                            const chd_position *positions)
{
    CHD_ASSERT(header->type == CHD_MESH_VECTOR);

    chd_mesh_pack_header(pack, header, 4);
    chd_pack_bool(pack, vector->answer);
    chd_positions_pack(pack, positions, vector->position_count);
    chd_pack_uint(pack, vector->t0);
    return chd_pack_array_open(pack);
}

void chd_mesh_vector_add(chd_pack *pack, const chd_age *age)
{
    chd_pack_uint(pack, age->node);
    chd_pack_uint(pack, age->age_ns);
    chd_pack_uint(pack, age->silent_ns);
}

void chd_mesh_vector_close(chd_pack *pack, size_t array_at, uint32_t count)
{
    chd_pack_array_close(pack, array_at, 3 * count);
}

void chd_mesh_repair_open(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_repair *repair,
                          chd_repair_writer *writer)
{
    CHD_ASSERT(header->type == CHD_MESH_REPAIR);

    chd_mesh_pack_header(pack, header, 6);
    chd_pack_uint(pack, repair->origin);
    chd_pack_uint(pack, repair->first);
    writer->last_at = chd_pack_uint_open(pack);
    chd_pack_uint(pack, repair->held);
    chd_pack_uint(pack, repair->told);
    writer->array_at = chd_pack_array_open(pack);
}

void chd_mesh_repair_close(chd_pack *pack, const chd_repair_writer *writer,
                           uint64_t last, uint32_t count)
{
    chd_pack_uint_close(pack, writer->last_at, last);
    chd_pack_array_close(pack, writer->array_at, count);
}

size_t chd_mesh_lost_open(chd_pack *pack, const chd_mesh_header *header,
                          const chd_mesh_lost *lost)
{
    CHD_ASSERT(header->type == CHD_MESH_LOST);

    chd_mesh_pack_header(pack, header, 5);
    chd_pack_uint(pack, lost->origin);
    chd_pack_uint(pack, lost->first);
    chd_pack_uint(pack, lost->last);
    chd_pack_uint(pack, lost->told);
    return chd_pack_array_open(pack);
}

void chd_mesh_lost_close(chd_pack *pack, size_t array_at, uint32_t count)
{
    chd_pack_array_close(pack, array_at, count);
}

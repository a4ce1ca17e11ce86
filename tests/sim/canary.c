#include "tests/sim/canary.h"

#include "proto/wire/repair.h"
#include "tests/sim/lane.h"
#include "tests/sim/world.h"

static sim_canary canary_of(const sim_world *world)
{
    return world->options.canary;
}

bool sim_canary_loses(sim_conn *conn)
{
    sim_world *world = conn->world;

    if (canary_of(world) != SIM_CANARY_LEAK ||
        world->phase != SIM_PHASE_STEADY || !sim_one_in(world, 10)) {
        return false;
    }
    conn->owner->losses++;
    return true;
}

/* Write a batch of the sender's with the same range and other records: one
 * that nobody published, or none. */
static sim_blob *rewrite(chd_bytes message, bool invent)
{
    uint8_t buf[512];
    chd_pack pack;
    chd_scan scan;
    uint32_t fields;
    chd_mesh_header header;
    chd_mesh_events events;
    chd_events_writer writer;

    chd_scan_init(&scan, message);
    if (chd_mesh_scan_header(&scan, &header, &fields) != CHD_OK ||
        header.type != CHD_MESH_EVENTS ||
        chd_mesh_scan_events(&scan, fields, &events) != CHD_OK) {
        return NULL;
    }
    chd_pack_init(&pack, buf, sizeof(buf));
    chd_mesh_events_open(&pack, &header, events.origin, &writer);
    if (invent) {
        const chd_event event = {
            .seq = events.first,
            .kind = CHD_KIND_INVALIDATE,
            .target_kind = CHD_TARGET_KEY,
            .topic = chd_bytes_str("t0"),
            .target = chd_bytes_str("nobody's"),
        };
        uint8_t record[256];
        chd_pack one;
        chd_pack_init(&one, record, sizeof(record));
        chd_event_pack(&one, &event);
        chd_mesh_events_add(&pack, &writer, chd_pack_bytes(&one));
    }
    chd_mesh_events_close(&pack, &writer, events.first, events.last);
    return sim_blob_new(chd_pack_bytes(&pack));
}

/* Write LOST in the place of REPAIR, or with a topic that nobody lost. */
static bool write_lost(chd_pack *pack, const chd_mesh_header *header,
                       chd_scan *scan, uint32_t fields, sim_canary canary)
{
    chd_mesh_header lost_header = *header;
    chd_mesh_repair repair;
    chd_mesh_lost lost;

    if (canary == SIM_CANARY_SHRUG && header->type == CHD_MESH_REPAIR &&
        chd_mesh_scan_repair(scan, fields, &repair) == CHD_OK) {
        lost_header.type = CHD_MESH_LOST;
        lost = (chd_mesh_lost){
            .origin = repair.origin,
            .first = repair.first,
            .last = chd_max_u64(repair.first, repair.last),
            .told = 1,
        };
        const size_t at = chd_mesh_lost_open(pack, &lost_header, &lost);
        chd_mesh_lost_close(pack, at, 0);
        return true;
    }
    if (canary == SIM_CANARY_FORGET && header->type == CHD_MESH_LOST &&
        chd_mesh_scan_lost(scan, fields, &lost) == CHD_OK) {
        const size_t at = chd_mesh_lost_open(pack, header, &lost);
        chd_pack_str(pack, chd_bytes_str("another"));
        chd_mesh_lost_close(pack, at, 1);
        return true;
    }
    return false;
}

/* Write BEACON and PONG without the head, or PONG alone. */
static bool write_no_head(chd_pack *pack, const chd_mesh_header *header,
                          chd_scan *scan, uint32_t fields, sim_canary canary)
{
    chd_mesh_ping pong;

    if (canary == SIM_CANARY_TAIL && header->type == CHD_MESH_BEACON) {
        chd_mesh_pack_head(pack, header, 0);
        return true;
    }
    if (header->type == CHD_MESH_PONG &&
        chd_mesh_scan_pong(scan, fields, &pong) == CHD_OK) {
        pong.head = 0;
        pong.accepted = canary == SIM_CANARY_RUSH ? 0 : pong.accepted;
        chd_mesh_pack_ping(pack, header, &pong);
        return true;
    }
    return false;
}

bool sim_canary_keeps(sim_conn *conn, const sim_blob *blob, const sim_node *to)
{
    const sim_canary canary = canary_of(conn->world);
    chd_mesh_header header;
    chd_mesh_fetch fetch;
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, chd_bytes_of(blob->bytes, blob->len));
    if ((canary != SIM_CANARY_TAIL && canary != SIM_CANARY_HOARD) ||
        chd_mesh_scan_header(&scan, &header, &fields) != CHD_OK) {
        return false;
    }
    if (canary == SIM_CANARY_TAIL) {
        return header.type == CHD_MESH_VECTOR;
    }
    return header.type == CHD_MESH_FETCH &&
           chd_mesh_scan_fetch(&scan, fields, &fetch) == CHD_OK &&
           (to == NULL || fetch.origin != to->id);
}

sim_blob *sim_canary_changes(sim_conn *conn, sim_blob *blob)
{
    const sim_canary canary = canary_of(conn->world);
    uint8_t buf[512];
    chd_mesh_header header;
    chd_pack pack;
    chd_scan scan;
    uint32_t fields;
    const bool head = canary == SIM_CANARY_TAIL || canary == SIM_CANARY_RUSH;

    chd_scan_init(&scan, chd_bytes_of(blob->bytes, blob->len));
    chd_pack_init(&pack, buf, sizeof(buf));
    if ((!head && canary != SIM_CANARY_SHRUG && canary != SIM_CANARY_FORGET) ||
        chd_mesh_scan_header(&scan, &header, &fields) != CHD_OK ||
        !(head ? write_no_head(&pack, &header, &scan, fields, canary)
               : write_lost(&pack, &header, &scan, fields, canary))) {
        return blob;
    }
    sim_blob_unref(blob);
    return sim_blob_new(chd_pack_bytes(&pack));
}

sim_blob *sim_canary_carries(sim_conn *conn, sim_blob *blob)
{
    const sim_canary canary = canary_of(conn->world);

    if ((canary != SIM_CANARY_FORGE && canary != SIM_CANARY_SWALLOW) ||
        !sim_one_in(conn->world, 20)) {
        return blob;
    }
    sim_blob *other = rewrite(chd_bytes_of(blob->bytes, blob->len),
                              canary == SIM_CANARY_FORGE);
    if (other == NULL) {
        return blob;
    }
    sim_blob_unref(blob);
    return other;
}

bool sim_canary_blocks(const sim_conn *conn)
{
    return canary_of(conn->world) == SIM_CANARY_SILENCE && conn->events &&
           conn->owner->number == 1 && conn->world->phase != SIM_PHASE_FAULTS;
}

void sim_canary_applies(sim_node *node, uint32_t session, chd_bytes message)
{
    chd_local local;
    chd_pack pack;
    sim_stream *stream = node->sessions[session];

    if (canary_of(node->world) != SIM_CANARY_FLOOD || stream == NULL ||
        chd_local_scan(message, &local) != CHD_OK ||
        (local.type != CHD_LOCAL_EVENTS && local.type != CHD_LOCAL_RESET)) {
        return;
    }
    stream->sent_bytes += message.len;
    if (local.type == CHD_LOCAL_EVENTS) {
        stream->sent_position += local.u.events.records.count;
    } else {
        stream->sent_position++;
    }
    /* Only where much waits, so that others do not notice first: the session
     * says to have applied what it has not. */
    if (sim_pipe_len(&stream->to_app) < CHD_SESSION_WINDOW_BYTES / 2) {
        return;
    }
    chd_pack_init(&pack, stream->applied, sizeof(stream->applied));
    chd_local_pack_applied(&pack, stream->sent_position, stream->sent_bytes);
    stream->applied_len = pack.len;
}

uint64_t sim_canary_deadline(const sim_node *node, uint64_t deadline_ns)
{
    return canary_of(node->world) == SIM_CANARY_BUSY && node->number == 1
               ? chd_min_u64(deadline_ns, sim_node_clock(node).mono_ns + 1000)
               : deadline_ns;
}

sim_mischief sim_canary_delivers(sim_app *app, const chd_delivery *delivery)
{
    sim_world *world = app->world;
    const bool events = delivery->kind == CHD_DELIVERY_EVENTS;

    switch (canary_of(world)) {
    case SIM_CANARY_STORM:
        return delivery->kind == CHD_DELIVERY_RESET ? SIM_MISCHIEF_TWICE
                                                    : SIM_MISCHIEF_NONE;
    case SIM_CANARY_TWICE:
        return events && sim_one_in(world, 10) ? SIM_MISCHIEF_TWICE
                                               : SIM_MISCHIEF_NONE;
    case SIM_CANARY_SWAP:
        return events && sim_one_in(world, 3) ? SIM_MISCHIEF_BACKWARDS
                                              : SIM_MISCHIEF_NONE;
    case SIM_CANARY_DEAF:
        return events && sim_one_in(world, 5) ? SIM_MISCHIEF_IGNORE
                                              : SIM_MISCHIEF_NONE;
    case SIM_CANARY_ORPHAN:
        return delivery->kind == CHD_DELIVERY_RESET &&
                       delivery->local.u.reset.reason == CHD_RESET_LOST
                   ? SIM_MISCHIEF_DROP
                   : SIM_MISCHIEF_NONE;
    default:
        return SIM_MISCHIEF_NONE;
    }
}

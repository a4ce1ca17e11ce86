/* events.c - what arrives on the SUB socket: EVENTS, BEACON and BYE.
 * PROTOCOL 3.6.
 *
 * One PUB socket's messages arrive in order or not at all, so a sequence
 * number that is missing when a later one, or a beacon with a later head, is
 * here will not come any more.
 */
#include "proto/core/state.h"

/* A record that is longer than any of ours has fields that we do not know.
 * Without them it fits wherever ours do. */
static chd_bytes shorten(chd_core *core, chd_event *event)
{
    chd_pack pack;
    chd_scan scan;

    chd_pack_init(&pack, core->record, CHD_RECORD_BYTES_MAX);
    chd_event_pack(&pack, event);
    chd_scan_init(&scan, chd_pack_bytes(&pack));
    chd_event_scan(&scan, event);
    CHD_ASSERT(chd_scan_end(&scan) == CHD_OK);
    return chd_pack_bytes(&pack);
}

static void accept_events(chd_core *core, const chd_mesh_events *events)
{
    chd_bytes records = events->records;
    const uint64_t received =
        chd_vector_find(core->vector, events->origin)->received;
    chd_event event;
    chd_bytes record;

    while (chd_mesh_record_next(&records, &event, &record)) {
        if (event.seq <= received) {
            core->stats.duplicates++;
            continue;
        }
        core->stats.received++;
        core->hlc = chd_hlc_seen(core->hlc, event.hlc, core->now.wall_ms);
        if (record.len > CHD_RECORD_BYTES_MAX) {
            record = shorten(core, &event);
        }
        chd_core_log(core, events->origin, &event, record);
    }
    chd_vector_advance(core->vector, events->origin, events->last);
}

static chd_err on_events(chd_core *core, chd_scan *scan, uint32_t fields,
                         chd_out *out)
{
    chd_mesh_events events;
    const chd_err err = chd_mesh_scan_events(scan, fields, &events);

    if (err != CHD_OK) {
        return err;
    }
    core->stats.frames_received++;
    if (events.origin == core->config.node) {
        return CHD_OK;
    }
    chd_core_follow(core, events.origin, events.first - 1, out);
    chd_core_make_room(core, events.records.len, out);
    const chd_origin *origin = chd_vector_find(core->vector, events.origin);
    switch (chd_vector_fit(origin->received, events.first, events.last)) {
    case CHD_FIT_DUPLICATE:
        core->stats.duplicates += events.record_count;
        break;
    case CHD_FIT_GAP:
        chd_core_lost(core, events.origin, events.first - 1, out);
        accept_events(core, &events);
        break;
    case CHD_FIT_NEXT:
        accept_events(core, &events);
        break;
    }
    return CHD_OK;
}

static chd_err on_beacon(chd_core *core, const chd_mesh_header *header,
                         chd_scan *scan, uint32_t fields, chd_out *out)
{
    uint64_t head;
    const chd_err err = chd_mesh_scan_head(scan, fields, &head);

    if (err == CHD_OK) {
        chd_core_follow(core, header->sender, head, out);
        chd_core_lost(core, header->sender, head, out);
    }
    return err;
}

/* A goodbye that comes behind the events needs no time for them to arrive. */
static chd_err on_bye(chd_core *core, const chd_mesh_header *header,
                      chd_scan *scan, uint32_t fields, chd_out *out)
{
    chd_peer *peer = chd_peers_node(&core->peers, header->sender);
    const chd_err err = on_beacon(core, header, scan, fields, out);

    if (err == CHD_OK) {
        chd_vector_leave(core->vector, header->sender);
    }
    if (err == CHD_OK && peer != NULL) {
        peer->leaving = true;
        peer->left_ns = core->now.mono_ns;
        core->peers_changed = true;
    }
    return err;
}

static chd_err dispatch(chd_core *core, const chd_mesh_header *header,
                        chd_scan *scan, uint32_t fields, chd_out *out)
{
    switch (header->type) {
    case CHD_MESH_EVENTS:
        return on_events(core, scan, fields, out);
    case CHD_MESH_BEACON:
        return on_beacon(core, header, scan, fields, out);
    case CHD_MESH_BYE:
        return on_bye(core, header, scan, fields, out);
    default:
        core->stats.unknown++;
        return CHD_OK;
    }
}

void chd_core_on_broadcast(chd_core *core, chd_bytes message, chd_out *out)
{
    chd_mesh_header header;
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, message);
    chd_err err = chd_mesh_scan_header(&scan, &header, &fields);
    if (err != CHD_OK) {
        chd_core_malformed(core, 0, err, message.len, out);
        return;
    }
    if (!chd_bytes_equal(header.cluster, core->config.cluster)) {
        core->stats.foreign++;
        return;
    }
    if (header.sender == core->config.node) {
        return;
    }
    /* Who speaks no version of ours was, or will be, refused at HELLO. */
    if (header.version < core->config.version_min ||
        header.version > core->config.version_max) {
        core->stats.unknown++;
        return;
    }
    err = dispatch(core, &header, &scan, fields, out);
    if (err != CHD_OK) {
        chd_core_malformed(core, header.sender, err, message.len, out);
        return;
    }
    chd_peer *peer = chd_peers_node(&core->peers, header.sender);
    if (peer != NULL) {
        chd_core_member_heard(core, peer, true, out);
    }
}

/* events.c - what arrives on the SUB socket: EVENTS, BEACON and BYE.
 * PROTOCOL 3.6.
 *
 * One PUB socket's messages arrive in order or not at all, so a sequence
 * number that is missing when a later one, or a beacon with a later head, is
 * here will not come any more, and is fetched (repair.c).  Invalidations
 * behind the gap are delivered at once: sooner is fresher, and they commute.
 * Updates and messages wait for their turn.
 */
#include "proto/core/state.h"

/* A node that joins begins behind what others sent before: caches that exist
 * are reset once for all of them.  Later, what few events a new origin sent
 * are fetched from the first on, so that nobody has to drop anything.  Not so
 * what is known from hearsay: who tells of it may have begun behind it. */
static bool is_worth_fetching(const chd_core *core, uint64_t seq)
{
    return core->state == CHD_NODE_READY && core->session_count > 0 &&
           seq <= CHD_WINDOW_SEQS;
}

void chd_core_follow(chd_core *core, const chd_claim *claim, chd_out *out)
{
    const bool hearsay = claim->holder != claim->origin;

    if (chd_vector_find(core->vector, claim->origin) != NULL ||
        (hearsay && chd_vector_is_full(core->vector))) {
        return;
    }
    const bool full = chd_vector_is_full(core->vector);
    const bool fetched = !hearsay && is_worth_fetching(core, claim->seq);
    chd_vector_add(core->vector, claim->origin, fetched ? 0 : claim->seq,
                   hearsay ? 0 : core->now.mono_ns);
    if (full) {
        chd_core_repairs_forget(core);
    }
    if (claim->seq > 0 && !fetched) {
        chd_log_skip(core->log, claim->origin, claim->seq);
        const chd_trace trace = {
            .code = CHD_TRACE_BASELINE, .node = claim->origin, .a = claim->seq};
        chd_out_trace(out, &trace);
        chd_core_reset_all(core, CHD_RESET_JOINED);
    }
}

/* A record that is longer than any of ours has fields that we do not know.
 * Without them it fits wherever ours do. */
static chd_bytes shorten(chd_core *core, chd_event *event)
{
    chd_pack pack;

    chd_pack_init(&pack, core->record, CHD_RECORD_BYTES_MAX);
    chd_event_place(&pack, event);
    CHD_ASSERT(!pack.overflow);
    return chd_pack_bytes(&pack);
}

void chd_core_accept(chd_core *core, uint64_t origin, const chd_event *event,
                     chd_bytes record, bool in_order)
{
    core->stats.received++;
    core->hlc = chd_hlc_seen(core->hlc, event->hlc, core->now.wall_ms);
    if (record.len > CHD_RECORD_BYTES_MAX) {
        chd_event kept = *event;
        record = shorten(core, &kept);
        chd_core_log(core, origin, &kept, record, in_order);
    } else {
        chd_core_log(core, origin, event, record, in_order);
    }
}

/* The common case: the next events of an origin that misses nothing. */
static void accept_next(chd_core *core, const chd_mesh_events *events,
                        uint64_t received)
{
    chd_bytes records = events->records;
    chd_event event;
    chd_bytes record;

    while (chd_mesh_record_next(&records, &event, &record)) {
        if (event.seq <= received) {
            core->stats.duplicates++;
        } else {
            chd_core_accept(core, events->origin, &event, record, true);
        }
    }
    chd_vector_advance(core->vector, events->origin, events->last);
}

/* While events are missing: take what may be taken now.  Returns whether
 * something has to wait for its turn. */
static bool accept_some(chd_core *core, chd_repair *repair,
                        const chd_mesh_events *events)
{
    chd_bytes records = events->records;
    bool waits = false;
    chd_event event;
    chd_bytes record;

    while (chd_mesh_record_next(&records, &event, &record)) {
        chd_seen seen = chd_window_judge(&repair->window, event.seq);
        /* An answer brought it, or RESET stood for it and later ones came. */
        if (event.seq <= repair->stream &&
            (seen != CHD_SEEN_NEXT || event.kind != CHD_KIND_INVALIDATE)) {
            seen = CHD_SEEN_BEFORE;
        }
        if (seen == CHD_SEEN_BEFORE) {
            core->stats.duplicates++;
        } else if (seen == CHD_SEEN_NEXT ||
                   (seen == CHD_SEEN_AHEAD &&
                    event.kind == CHD_KIND_INVALIDATE)) {
            chd_core_accept(core, events->origin, &event, record,
                            seen == CHD_SEEN_NEXT);
            chd_window_mark(&repair->window, event.seq);
        } else {
            waits = true;
        }
    }
    if (events->first <= repair->window.base + 1) {
        chd_window_advance(&repair->window, events->last);
    }
    return waits;
}

static void accept_behind_gap(chd_core *core, const chd_mesh_events *events,
                              chd_bytes message, chd_out *out)
{
    const chd_repair *open = chd_core_repair_of(core, events->origin);
    const chd_claim claim = {
        .origin = events->origin,
        .seq = events->last,
        .holder = events->origin,
        .certain = open == NULL || events->first > open->window.base + 1,
    };
    chd_repair *repair = chd_core_claim(core, &claim);

    if (repair == NULL) {
        return; /* no place to remember it; claimed again by the beacon */
    }
    if (accept_some(core, repair, events)) {
        const chd_held held = {
            .origin = events->origin,
            .first = events->first,
            .last = events->last,
        };
        (void)chd_hold_add(&core->hold, &held, message);
    }
    if (repair->holes) {
        (void)chd_core_repair_close(core, repair);
    }
    chd_core_replay(core, repair, out);
    chd_core_repair_settle(core, repair, out);
}

/* Kept messages were validated when they arrived. */
static void read_kept(chd_bytes message, chd_mesh_events *events)
{
    chd_mesh_header header;
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, message);
    chd_err err = chd_mesh_scan_header(&scan, &header, &fields);
    CHD_ASSERT(err == CHD_OK);
    err = chd_mesh_scan_events(&scan, fields, events);
    CHD_ASSERT(err == CHD_OK);
}

void chd_core_replay(chd_core *core, chd_repair *repair, chd_out *out)
{
    for (;;) {
        const chd_held *held =
            chd_hold_next(&core->hold, repair->origin, repair->window.base);
        if (held == NULL || held->first > repair->window.base + 1) {
            return;
        }
        chd_mesh_events events;
        read_kept(chd_hold_bytes(&core->hold, held), &events);
        chd_core_make_room(core, events.records.len, out);
        (void)accept_some(core, repair, &events);
        chd_hold_drop(&core->hold, repair->origin, repair->window.base);
    }
}

bool chd_core_take(chd_core *core, chd_repair *repair, const chd_event *event,
                   chd_bytes record)
{
    const chd_seen seen = chd_window_judge(&repair->window, event->seq);

    if (seen == CHD_SEEN_BEFORE) {
        core->stats.duplicates++;
        return false;
    }
    chd_core_accept(core, repair->origin, event, record, seen == CHD_SEEN_NEXT);
    /* What cannot be marked is remembered by the stream, which ascends. */
    if (seen != CHD_SEEN_BEYOND) {
        chd_window_mark(&repair->window, event->seq);
    }
    return true;
}

void chd_core_take_waiting(chd_core *core, chd_repair *repair, uint64_t upto,
                           chd_out *out)
{
    while (repair->stream < upto) {
        const chd_held *held =
            chd_hold_next(&core->hold, repair->origin, repair->stream);
        if (held == NULL || held->first > upto) {
            return;
        }
        chd_mesh_events events;
        chd_event event;
        chd_bytes record;
        read_kept(chd_hold_bytes(&core->hold, held), &events);
        chd_core_make_room(core, events.records.len, out);
        while (chd_mesh_record_next(&events.records, &event, &record)) {
            if (event.seq > repair->stream && event.seq <= upto) {
                (void)chd_core_take(core, repair, &event, record);
            }
        }
        repair->stream = chd_min_u64(events.last, upto);
    }
}

static chd_err on_events(chd_core *core, const chd_mesh_header *header,
                         chd_scan *scan, uint32_t fields, chd_bytes message,
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
    const chd_claim claim = {
        .origin = events.origin,
        .seq = events.first - 1,
        .holder = header->sender,
    };
    chd_core_follow(core, &claim, out);
    chd_core_make_room(core, events.records.len, out);
    const uint64_t received =
        chd_vector_find(core->vector, events.origin)->received;
    if (events.last <= received) {
        core->stats.duplicates += events.record_count;
    } else if (events.first <= received + 1 &&
               chd_core_repair_of(core, events.origin) == NULL) {
        accept_next(core, &events, received);
    } else {
        accept_behind_gap(core, &events, message, out);
    }
    return CHD_OK;
}

static chd_err on_beacon(chd_core *core, const chd_mesh_header *header,
                         chd_scan *scan, uint32_t fields, uint64_t *head,
                         chd_out *out)
{
    const chd_err err = chd_mesh_scan_head(scan, fields, head);

    if (err == CHD_OK) {
        const chd_claim claim = {
            .origin = header->sender,
            .seq = *head,
            .holder = header->sender,
            .certain = true,
        };
        chd_core_follow(core, &claim, out);
        (void)chd_core_claim(core, &claim);
    }
    return err;
}

/* A goodbye that comes behind the events needs no time for them to arrive. */
static chd_err on_bye(chd_core *core, const chd_mesh_header *header,
                      chd_scan *scan, uint32_t fields, chd_out *out)
{
    chd_peer *peer = chd_peers_node(&core->peers, header->sender);
    uint64_t head = 0;
    const chd_err err = on_beacon(core, header, scan, fields, &head, out);

    if (err == CHD_OK) {
        chd_vector_leave(core->vector, header->sender);
        chd_core_left(core, header->sender, head);
    }
    if (err == CHD_OK && peer != NULL && !peer->leaving) {
        peer->leaving = true;
        peer->left_ns = core->now.mono_ns;
        core->peers_changed = true;
    }
    return err;
}

static chd_err dispatch(chd_core *core, const chd_mesh_header *header,
                        chd_scan *scan, uint32_t fields, chd_bytes message,
                        chd_out *out)
{
    uint64_t head;

    switch (header->type) {
    case CHD_MESH_EVENTS:
        return on_events(core, header, scan, fields, message, out);
    case CHD_MESH_BEACON:
        return on_beacon(core, header, scan, fields, &head, out);
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
    err = dispatch(core, &header, &scan, fields, message, out);
    if (err != CHD_OK) {
        chd_core_malformed(core, header.sender, err, message.len, out);
        return;
    }
    chd_peer *peer = chd_peers_node(&core->peers, header.sender);
    if (peer != NULL) {
        chd_core_member_heard(core, peer, true, out);
        if (header.type == CHD_MESH_EVENTS) {
            chd_core_acknowledge(core, peer, message.len, out);
        }
    }
}

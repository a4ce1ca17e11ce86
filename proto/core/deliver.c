/* deliver.c - from the log to the mesh and to the sessions.
 *
 * Nothing is queued for anybody: the broadcast and each session read the log
 * from where they stopped, so that a batch forms by itself whenever one turn
 * brought more than one event, and a slow session costs no memory.
 */
#include "proto/core/state.h"

/* Room that a message needs besides its records. */
#define FRAME_SLACK (64 + CHD_NAME_BYTES_MAX)

void chd_core_log(chd_core *core, uint64_t origin, const chd_event *event,
                  chd_bytes record)
{
    const chd_log_entry entry = {
        .origin = origin,
        .seq = event->seq,
        .topic_hash = chd_route_hash(core->route, event->topic),
        .topic = event->topic,
        .record = record,
    };
    chd_log_append(core->log, &entry);
}

/* Read on to the next event of our own; false at the end of the log. */
static bool next_own(chd_core *core, uint64_t *cursor, chd_log_entry *entry)
{
    while (chd_log_read(core->log, cursor, entry)) {
        if (entry->origin == core->config.node) {
            return true;
        }
    }
    return false;
}

/* Broadcast one batch of own events; false when there is no room for it. */
static bool flush_one(chd_core *core, chd_out *out)
{
    const chd_mesh_header header = chd_core_header(
        core, CHD_MESH_EVENTS, chd_core_broadcast_version(core));
    chd_events_writer writer;
    chd_log_entry entry;
    uint64_t cursor = core->sent_cursor;

    if (!chd_out_has_room(out, 1, CHD_FRAME_BYTES_MAX)) {
        return false;
    }
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
    chd_mesh_events_open(&pack, &header, core->config.node, &writer);
    while (pack.len < CHD_BATCH_BYTES && next_own(core, &cursor, &entry)) {
        chd_mesh_events_add(&pack, &writer, entry.record);
        core->sent_cursor = cursor;
    }
    chd_mesh_events_close(&pack, &writer, core->sent + 1,
                          core->sent + writer.count);
    core->sent += writer.count;
    core->stats.frames_sent++;
    const chd_bytes bytes = chd_out_keep(out, &pack);
    chd_out_add(out, CHD_ACT_BROADCAST)->bytes = bytes;
    return true;
}

void chd_core_flush(chd_core *core, chd_out *out)
{
    while (core->sent < core->head) {
        if (!flush_one(core, out)) {
            core->more = true;
            return;
        }
    }
    core->sent_cursor = chd_log_end(core->log);
}

/* What comes in may push events of our own out of the log: a short record
 * takes up to six times its bytes there, and the end of the ring some more. */
void chd_core_make_room(chd_core *core, size_t bytes, chd_out *out)
{
    const uint64_t unsent = chd_log_end(core->log) - core->sent_cursor;

    if (core->sent < core->head &&
        unsent + 8 * (uint64_t)bytes >= core->config.log_bytes) {
        chd_core_flush(core, out);
    }
}

static bool has_credit(const chd_session *session)
{
    return session->sent_bytes - session->applied_bytes <
           CHD_SESSION_WINDOW_BYTES;
}

static void send_local(chd_out *out, uint32_t session, chd_bytes bytes)
{
    chd_action *action = chd_out_add(out, CHD_ACT_SESSION_SEND);
    action->session = session;
    action->bytes = bytes;
}

void chd_core_send_receipt(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_pack pack = chd_out_pack(out, FRAME_SLACK);

    chd_local_pack_receipt(&pack, &session->receipt);
    send_local(out, index, chd_out_keep(out, &pack));
    session->receipt_due = false;
}

/* A RESET names no topic, so it covers every one. */
static void send_reset(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_pack pack = chd_out_pack(out, FRAME_SLACK);

    session->position++;
    chd_local_pack_reset(&pack, session->position, session->reset, NULL, 0);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    send_local(out, index, bytes);
    session->sent_bytes += bytes.len;
    core->stats.resets++;
    chd_core_trace(out, CHD_TRACE_SESSION_RESET, NULL, index, session->reset);
    session->reset = 0;
}

/* Read on to the next event that the session wants. */
static bool next_wanted(chd_core *core, uint32_t index, uint64_t *cursor,
                        chd_log_entry *entry)
{
    while (chd_log_read(core->log, cursor, entry)) {
        if (chd_route_wants(core->route, index, entry->topic_hash,
                            entry->topic)) {
            return true;
        }
    }
    return false;
}

/* Send one batch of one origin's events; there is something to send. */
static void send_batch(chd_core *core, uint32_t index, chd_log_entry *entry,
                       chd_out *out)
{
    chd_session *session = &core->sessions[index];
    uint64_t cursor = session->cursor;
    uint32_t count = 0;
    const uint64_t origin = entry->origin;
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
    const size_t array_at =
        chd_local_events_open(&pack, session->position + 1, origin);

    do {
        chd_pack_raw(&pack, entry->record);
        count++;
        session->cursor = cursor;
    } while (pack.len < CHD_BATCH_BYTES &&
             next_wanted(core, index, &cursor, entry) &&
             entry->origin == origin);

    chd_local_events_close(&pack, array_at, count);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    send_local(out, index, bytes);
    session->position += count;
    session->delivered += count;
    session->sent_bytes += bytes.len;
    core->stats.delivered += count;
}

static void deliver_to(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (!chd_out_has_room(out, 3, CHD_FRAME_BYTES_MAX)) {
        core->more = true;
        return;
    }
    if (session->receipt_due) {
        chd_core_send_receipt(core, index, out);
    }
    if (chd_route_session_count(core->route, index) == 0) {
        session->cursor = chd_log_end(core->log);
        session->reset = 0;
        return;
    }
    if (session->cursor < chd_log_oldest(core->log)) {
        session->cursor = chd_log_end(core->log);
        session->reset = CHD_RESET_SLOW;
    }
    while (has_credit(session)) {
        if (!chd_out_has_room(out, 2, CHD_FRAME_BYTES_MAX)) {
            core->more = true;
            return;
        }
        if (session->reset != 0) {
            send_reset(core, index, out);
            continue;
        }
        chd_log_entry entry;
        uint64_t cursor = session->cursor;
        if (!next_wanted(core, index, &cursor, &entry)) {
            session->cursor = cursor;
            return;
        }
        session->cursor = cursor;
        send_batch(core, index, &entry, out);
    }
}

void chd_core_deliver(chd_core *core, chd_out *out)
{
    const uint32_t high = core->session_high;

    for (uint32_t n = 0; n < high; n++) {
        const uint32_t index = (core->session_turn + n) % high;
        const chd_session *session = &core->sessions[index];
        if (session->open && session->greeted) {
            deliver_to(core, index, out);
        }
    }
    /* Whoever is served last this time is served first next time. */
    core->session_turn = high == 0 ? 0 : (core->session_turn + 1) % high;
}

void chd_core_reset_all(chd_core *core, chd_reset_reason reason)
{
    for (uint32_t i = 0; i < core->session_high; i++) {
        chd_session *session = &core->sessions[i];
        if (session->open && session->greeted && session->reset == 0 &&
            chd_route_session_count(core->route, i) > 0) {
            session->reset = reason;
        }
    }
}

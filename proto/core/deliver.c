/* deliver.c - from the log to the mesh and to the sessions.
 *
 * Nothing is queued for anybody: the broadcast and each session read the log
 * from where they stopped, so that a batch forms by itself whenever one turn
 * brought more than one event, and a slow session costs no memory.
 */
#include "proto/core/state.h"

/* Room that a message needs besides its records. */
#define FRAME_SLACK (64 + CHD_NAME_BYTES_MAX)

/* What an invalidation names, as bytes of its record: from the topic to the
 * target.  The hash of the topic stands for all but the latter.  Soft ones
 * stand only for soft ones. */
static void set_subject(chd_log_entry *entry, const chd_event *event)
{
    const uint8_t *end = event->target.len > 0
                             ? event->target.ptr + event->target.len
                             : event->topic.ptr + event->topic.len;
    const uint64_t seed = (entry->topic_hash ^ entry->origin) +
                          (uint64_t)event->target_kind +
                          ((uint64_t)(event->flags & CHD_FLAG_SOFT) << 8);

    entry->subject =
        chd_bytes_of(event->topic.ptr, (size_t)(end - event->topic.ptr));
    entry->subject_hash = chd_hash(seed, event->target) | 1;
}

void chd_core_log(chd_core *core, uint64_t origin, const chd_event *event,
                  chd_bytes record, bool in_order)
{
    chd_log_entry entry = {
        .origin = origin,
        .seq = event->seq,
        .topic_hash = chd_route_hash(core->route, event->topic),
        .topic = event->topic,
        .record = record,
    };

    /* Also one that is repeated: elsewhere it may already stand for others
     * that will not come here any more.  But what makes a demand of later
     * fills, or comes again, nothing stands for: it may not be lost with an
     * older or a lesser demand. */
    if (event->kind == CHD_KIND_INVALIDATE && event->version == 0 &&
        event->again_ms == 0) {
        set_subject(&entry, event);
        chd_log_expect(core->log, &entry);
    }
    const bool repeated =
        !chd_published_note(core->published, event->client, event->number);
    entry.quiet = repeated && event->kind != CHD_KIND_INVALIDATE;
    core->stats.repeated += repeated;
    const uint64_t superseded =
        in_order ? chd_log_supersede(core->log, &entry) : UINT64_MAX;
    chd_log_append(core->log, &entry);
    chd_core_superseded(core, superseded);
    if (core->sent < core->head) {
        core->behind_bytes += chd_log_cost(record.len);
    }
}

/* Read on to the next event of our own; false at the end of the log. */
static bool next_own(chd_core *core, chd_log_cursor *cursor,
                     chd_log_entry *entry)
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
    chd_log_cursor cursor = core->sent_cursor;

    if (!chd_out_has_room(out, 1, CHD_FRAME_BYTES_MAX)) {
        return false;
    }
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
    chd_mesh_events_open(&pack, &header, core->config.node, &writer);
    while (pack.len < CHD_BATCH_BYTES && next_own(core, &cursor, &entry)) {
        chd_mesh_events_add(&pack, &writer, entry.record);
        chd_core_superseded(core, chd_log_supersede(core->log, &entry));
        core->unsent_bytes -= entry.record.len;
    }
    CHD_ASSERT(writer.count > 0);
    core->sent_cursor = cursor;
    chd_mesh_events_close(&pack, &writer, core->sent + 1,
                          core->sent + writer.count);
    core->sent += writer.count;
    /* Nobody may be told of what the pace still holds back: it could not be
     * fetched. */
    chd_vector_advance(core->vector, core->config.node, core->sent);
    core->stats.frames_sent++;
    chd_pace_sent(&core->pace, core->sent, pack.len);
    const chd_bytes bytes = chd_out_keep(out, &pack);
    chd_out_add(out, CHD_ACT_BROADCAST)->bytes = bytes;
    return true;
}

void chd_core_flush(chd_core *core, chd_out *out)
{
    while (core->sent < core->head) {
        if (!chd_core_may_send(core, out)) {
            return;
        }
        if (!flush_one(core, out)) {
            core->more = true;
            return;
        }
    }
    core->sent_cursor = chd_log_cursor_at_end(core->log);
    core->unsent_bytes = 0;
    core->behind_bytes = 0;
}

/* What comes in may push events of our own out of the log before the pace lets
 * them go.  To send them at the risk that some queue is full is better.  Short
 * records take up to six times their bytes in the log. */
void chd_core_make_room(chd_core *core, size_t bytes, chd_out *out)
{
    const uint64_t behind = core->behind_bytes + 6 * (uint64_t)bytes;

    if (behind < core->config.log_bytes / 2) {
        return;
    }
    while (core->sent < core->head) {
        if (!flush_one(core, out)) {
            core->more = true;
            return;
        }
    }
    core->behind_bytes = 0;
}

static bool has_credit(const chd_session *session)
{
    return session->sent_bytes - session->applied_bytes <
           CHD_SESSION_WINDOW_BYTES;
}

void chd_core_send_receipt(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_pack pack = chd_out_pack(out, FRAME_SLACK);

    chd_local_pack_receipt(&pack, &session->receipt);
    chd_core_tell(index, &pack, out);
    session->receipt_due = false;
    session->unreceipted = 0;
}

/* Read on to the next event that the session wants, or to the end.  Own events
 * that the pace holds back wait here, too: no session is ahead of the mesh, so
 * that nothing was delivered which could die with this node unheard. */
static bool next_wanted(chd_core *core, uint32_t index, chd_log_entry *entry)
{
    chd_log_cursor *cursor = &core->sessions[index].cursor;

    while (chd_log_read(core->log, cursor, entry)) {
        if (entry->origin == core->config.node && entry->seq > core->sent) {
            chd_log_unread(cursor, entry);
            return false;
        }
        if (!entry->quiet && chd_route_wants(core->route, index,
                                             entry->topic_hash, entry->topic)) {
            return true;
        }
    }
    return false;
}

uint64_t chd_core_next_of(chd_core *core, uint32_t index)
{
    chd_session *session = &core->sessions[index];
    chd_log_entry entry;

    if (session->reset != 0 || session->resuming ||
        chd_log_overran(core->log, &session->cursor)) {
        return 0;
    }
    if (next_wanted(core, index, &entry)) {
        chd_log_unread(&session->cursor, &entry);
    }
    return session->cursor.number + 1;
}

/* Without names it covers every topic. */
static void send_reset(chd_core *core, uint32_t index, chd_reset_reason reason,
                       const chd_local_list *names, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    const chd_local_reset reset = {
        .position = ++session->position,
        .reason = (uint64_t)reason,
        .filters = *names,
        .next = chd_core_next_of(core, index),
    };
    chd_pack pack = chd_out_pack(out, FRAME_SLACK + names->encoded.len);

    chd_local_pack_reset(&pack, &reset);
    chd_core_tell(index, &pack, out);
    session->sent_bytes += pack.len;
    session->passed.reset_bytes = session->sent_bytes;
    core->stats.resets++;
    chd_core_trace(out, CHD_TRACE_SESSION_RESET, NULL, index, (uint64_t)reason);
}

/* Send one batch of one origin's events, of which the first was read. */
static void send_batch(chd_core *core, uint32_t index, chd_log_entry *entry,
                       chd_out *out)
{
    chd_session *session = &core->sessions[index];
    uint32_t count = 0;
    bool more;
    const uint64_t origin = entry->origin;
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);
    const size_t array_at =
        chd_local_events_open(&pack, session->position + 1, origin);

    do {
        chd_pack_raw(&pack, entry->record);
        count++;
        more = pack.len < CHD_BATCH_BYTES && next_wanted(core, index, entry);
    } while (more && entry->origin == origin);

    if (more) {
        chd_log_unread(&session->cursor, entry);
    }
    chd_local_events_close(&pack, array_at, count, session->cursor.number + 1);
    chd_core_tell(index, &pack, out);
    session->position += count;
    session->delivered += count;
    session->sent_bytes += pack.len;
    core->stats.delivered += count;
}

void chd_core_skip_to_newest(const chd_core *core, chd_session *session)
{
    const chd_log_cursor newest = core->sent < core->head
                                      ? core->sent_cursor
                                      : chd_log_cursor_at_end(core->log);

    if (newest.number > session->cursor.number) {
        session->cursor = newest;
    }
}

/* Sent behind what it promises; its age is that of this moment. */
static void send_fresh(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (!session->fresh_due || session->reset != 0 ||
        session->cursor.number < session->fresh_number ||
        session->cursor.number < session->passed.owed ||
        !chd_out_has_room(out, 1, FRAME_SLACK)) {
        return;
    }
    chd_pack pack = chd_out_pack(out, FRAME_SLACK);
    chd_local_pack_fresh(&pack, session->fresh_c0,
                         chd_since(core->now.mono_ns, session->fresh_ns));
    chd_core_tell(index, &pack, out);
    session->fresh_due = false;
    session->fresh_sent_ns = core->now.mono_ns;
}

/* Send what the window takes of what the session wants. */
static void send_stream(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    while (has_credit(session)) {
        if (!chd_out_has_room(out, 2, CHD_FRAME_BYTES_MAX)) {
            core->more = true;
            return;
        }
        if (session->reset != 0) {
            const chd_local_list all = {0, {NULL, 0}};
            const chd_reset_reason reason = session->reset;
            session->reset = 0;
            send_reset(core, index, reason, &all, out);
            continue;
        }
        chd_log_entry entry;
        if (!next_wanted(core, index, &entry)) {
            return;
        }
        send_batch(core, index, &entry, out);
    }
}

static void deliver_to(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (!chd_out_has_room(out, 4, CHD_FRAME_BYTES_MAX)) {
        core->more = true;
        return;
    }
    if (session->unreceipted >= CHD_SESSION_REPORT_BYTES) {
        chd_core_send_receipt(core, index, out);
    }
    if (session->resuming) {
        return;
    }
    if (chd_route_session_count(core->route, index) == 0) {
        chd_core_skip_to_newest(core, session);
        session->reset = 0;
    } else {
        if (chd_log_overran(core->log, &session->cursor)) {
            chd_core_skip_to_newest(core, session);
            session->reset = CHD_RESET_SLOW;
        }
        send_stream(core, index, out);
    }
    send_fresh(core, index, out);
}

/* Remember to report when everything accepted so far is replicated. */
static void wait_for_replication(chd_session *session)
{
    const chd_mark_seq mark = {session->receipt.request, session->receipt.seq};

    session->mark_due = false;
    if (session->mark_count < CHD_REPLICATION_MARKS_MAX) {
        session->mark_count++;
    }
    session->marks[session->mark_count - 1] = mark;
}

/* Tell the session what is replicated by now; false when it is nothing new. */
static bool report_replicated(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    uint32_t done = 0;

    if (session->mark_due) {
        wait_for_replication(session);
    }
    while (done < session->mark_count &&
           session->marks[done].seq <= core->replicated) {
        done++;
    }
    if (done == 0) {
        return false;
    }
    if (!chd_out_has_room(out, 2, 2 * FRAME_SLACK)) {
        core->more = true;
        return false;
    }
    if (session->receipt_due) {
        chd_core_send_receipt(core, index, out);
    }
    chd_pack pack = chd_out_pack(out, FRAME_SLACK);
    chd_local_pack_replicated(&pack, session->marks[done - 1].request);
    chd_core_tell(index, &pack, out);
    session->mark_count -= done;
    session->haste = session->mark_count > 0 ? session->haste : CHD_HASTE_NONE;
    memmove(session->marks, session->marks + done,
            session->mark_count * sizeof(chd_mark_seq));
    return true;
}

void chd_core_deliver(chd_core *core, chd_out *out)
{
    const uint32_t high = core->session_high;
    chd_haste haste = CHD_HASTE_NONE;
    bool progress = false;

    chd_core_judge_replicated(core);
    for (uint32_t n = 0; n < high; n++) {
        const uint32_t index = (core->session_turn + n) % high;
        const chd_session *session = &core->sessions[index];
        if (session->open && session->greeted) {
            progress |= report_replicated(core, index, out);
            deliver_to(core, index, out);
            haste = session->haste > haste ? session->haste : haste;
        }
    }
    chd_core_hurry_later(core, haste, progress);
    /* Whoever is served last this time is served first next time. */
    core->session_turn = high == 0 ? 0 : (core->session_turn + 1) % high;
}

/* Who is not here now, and comes back, has missed it. */
static void note_reset(chd_core *core)
{
    core->reset_number = chd_log_mark(core->log);
    core->stats.misses++;
}

void chd_core_reset_all(chd_core *core, chd_reset_reason reason)
{
    note_reset(core);
    for (uint32_t i = 0; i < core->session_high; i++) {
        chd_session *session = &core->sessions[i];
        if (session->open && session->greeted && session->reset == 0 &&
            (session->resuming ||
             chd_route_session_count(core->route, i) > 0)) {
            session->reset = reason;
        }
    }
}

/* Write down the topics of lost that the session wants; returns how many. */
static uint32_t wanted_topics(const chd_core *core, uint32_t index,
                              const chd_mesh_lost *lost, chd_pack *pack)
{
    chd_bytes topics = lost->topics;
    uint32_t count = 0;
    chd_bytes topic;

    while (chd_mesh_topic_next(&topics, &topic)) {
        if (chd_route_wants(core->route, index,
                            chd_route_hash(core->route, topic), topic)) {
            chd_pack_uint(pack, CHD_MATCH_EXACT);
            chd_pack_str(pack, topic);
            count++;
        }
    }
    return count;
}

static void reset_session(chd_core *core, uint32_t index,
                          const chd_mesh_lost *lost, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_local_list names = {.count = 0};

    if (session->reset != 0) {
        return;
    }
    if (session->resuming) {
        session->reset = CHD_RESET_LOST;
        return;
    }
    chd_pack scratch;
    chd_pack_init(&scratch, core->names, CHD_NAMES_BYTES_MAX);
    names.count = wanted_topics(core, index, lost, &scratch);
    names.encoded = chd_pack_bytes(&scratch);
    if (names.count == 0) {
        return;
    }
    if (!has_credit(session) ||
        !chd_out_has_room(out, 2, CHD_FRAME_BYTES_MAX)) {
        session->reset = CHD_RESET_LOST;
        return;
    }
    send_reset(core, index, CHD_RESET_LOST, &names, out);
}

void chd_core_reset_topics(chd_core *core, const chd_mesh_lost *lost,
                           chd_out *out)
{
    if (lost->topic_count == 0) {
        chd_core_reset_all(core, CHD_RESET_LOST);
        return;
    }
    note_reset(core);
    for (uint32_t i = 0; i < core->session_high; i++) {
        if (core->sessions[i].open && core->sessions[i].greeted) {
            reset_session(core, i, lost, out);
        }
    }
}

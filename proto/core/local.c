/* local.c - the sidecar's end of the sessions.  PROTOCOL 4. */
#include "proto/core/state.h"

/* The largest answer besides REPORT and RESET. */
#define ANSWER_BYTES_MAX (256 + 4 * CHD_NAME_BYTES_MAX + CHD_TEXT_BYTES_MAX)

/* The session is over here; its number may be given to another. */
static void end_session(chd_core *core, uint32_t index)
{
    chd_route_clear(core->route, index);
    chd_core_confirms_end(core, index);
    core->sessions[index].open = false;
    core->session_count--;
}

/* Say what was wrong, then close: the session is not to be trusted to have
 * understood anything else.  Others are not touched. */
static void fail(chd_core *core, uint32_t index, chd_local_error code,
                 const char *text, chd_out *out)
{
    chd_pack pack = chd_out_pack(out, ANSWER_BYTES_MAX);

    chd_local_pack_error(&pack, code, text);
    chd_core_tell(index, &pack, out);
    chd_out_add(out, CHD_ACT_SESSION_CLOSE)->session = index;
    core->stats.sessions_refused++;
    chd_core_trace_text(out, CHD_TRACE_SESSION_REFUSED, NULL, index, code,
                        chd_bytes_str(text));
    end_session(core, index);
}

void chd_core_on_session_open(chd_core *core, uint32_t index)
{
    CHD_ASSERT(index < core->config.session_count_max);
    CHD_ASSERT(!core->sessions[index].open);
    core->sessions[index] = (chd_session){.open = true};
    core->session_high =
        index >= core->session_high ? index + 1 : core->session_high;
    core->session_count++;
    core->stats.sessions_opened++;
}

void chd_core_on_session_closed(chd_core *core, uint32_t index, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    CHD_ASSERT(session->open);
    if (session->greeted) {
        chd_core_trace(out, CHD_TRACE_SESSION_CLOSED, NULL, index,
                       session->delivered);
    }
    end_session(core, index);
}

/* The stream goes on where the library says that it stopped, if that was this
 * sidecar's, nothing has left the log since, and no RESET was owed. */
static bool can_resume(const chd_core *core, const chd_local_hello *hello,
                       chd_log_cursor *cursor)
{
    if (hello->next == 0 || hello->node != core->config.node) {
        return false;
    }
    *cursor = (chd_log_cursor){.number = hello->next - 1};
    return cursor->number >= core->reset_number &&
           cursor->number <= chd_log_end(core->log) &&
           !chd_log_overran(core->log, cursor);
}

static void on_hello(chd_core *core, uint32_t index,
                     const chd_local_hello *hello, chd_out *out)
{
    const chd_core_config *config = &core->config;
    chd_session *session = &core->sessions[index];

    if (hello->version_min > config->version_max ||
        hello->version_max < config->version_min) {
        fail(core, index, CHD_LOCAL_ERR_VERSION,
             "the sidecar and the library have no protocol version in common: "
             "update the older one",
             out);
        return;
    }
    session->greeted = true;
    session->client = hello->client;
    session->pid = hello->pid;
    chd_name_set(&session->name, hello->name);
    session->bound_ns = chd_min_u64(hello->bound_ms, CHD_BOUND_MS_MAX) * CHD_MS;
    session->fresh_sent_ns = core->now.mono_ns;
    session->resuming = can_resume(core, hello, &session->cursor);
    session->passed.unsure = session->resuming;
    if (session->resuming) {
        session->passed.owed = chd_log_end(core->log);
        chd_core_wants_doubt(core);
    } else {
        session->cursor.number = 0;
        chd_core_skip_to_newest(core, session);
    }
    chd_core_trace_text(out, CHD_TRACE_SESSION_OPEN, NULL, index, hello->pid,
                        hello->name);

    const chd_local_welcome welcome = {
        .version = chd_min_u64(hello->version_max, config->version_max),
        .node = config->node,
        .node_name = config->name,
        .region = config->region,
        .cluster = config->cluster,
        .session = index,
        .window_bytes = CHD_PUBLISH_WINDOW_BYTES,
        .payload_max = config->payload_max,
        .ping_interval_ms = config->ping_interval / CHD_MS,
        .resumed = session->resuming,
        .features = CHD_FEATURE_REPLICATED | CHD_FEATURE_CONFIRMED |
                    CHD_FEATURE_PROMPTS,
    };
    chd_pack pack = chd_out_pack(out, ANSWER_BYTES_MAX);
    chd_local_pack_welcome(&pack, &welcome);
    chd_core_tell(index, &pack, out);
}

/* A subscription begins with a RESET of what it covers: whatever happened to
 * those topics before is not known to this session. */
static void confirm_subscription(chd_core *core, uint32_t index,
                                 const chd_local_list *filters, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_local_reset reset = {
        .position = ++session->position,
        .reason = CHD_RESET_SUBSCRIBED,
        .filters = *filters,
        .next = chd_core_next_of(core, index),
    };
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    if (filters->count > CHD_RESET_TOPICS_MAX) {
        reset.filters = (chd_local_list){0, {NULL, 0}};
    }
    chd_local_pack_reset(&pack, &reset);
    session->sent_bytes += pack.len;
    session->passed.reset_bytes = session->sent_bytes;
    core->stats.resets++;
    chd_core_tell(index, &pack, out);
}

/* Returns false when there are too many, and the session has ended. */
static bool add_filters(chd_core *core, uint32_t index,
                        const chd_local_list *filters, chd_out *out)
{
    chd_local_list rest = *filters;
    chd_filter filter;

    while (chd_local_filter_next(&rest, &filter)) {
        if (chd_route_add(core->route, index, &filter) != CHD_OK) {
            fail(core, index, CHD_LOCAL_ERR_LIMIT,
                 "too many subscriptions: subscribe to a prefix instead", out);
            return false;
        }
    }
    return true;
}

static void on_subscribe(chd_core *core, uint32_t index,
                         const chd_local_list *filters, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (chd_route_session_count(core->route, index) == 0 &&
        !session->resuming) {
        chd_core_skip_to_newest(core, session);
    }
    if (add_filters(core, index, filters, out) && filters->count > 0) {
        confirm_subscription(core, index, filters, out);
    }
}

/* Subscriptions that the session had.  Nothing is read from the log before all
 * of them are known: what one does not want, another may. */
static void on_resume(chd_core *core, uint32_t index,
                      const chd_local_resume *resume, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (!session->resuming) {
        fail(core, index, CHD_LOCAL_ERR_STATE, "there is nothing to resume",
             out);
        return;
    }
    if (!add_filters(core, index, &resume->filters, out) || resume->more) {
        return;
    }
    session->resuming = false;
    core->stats.sessions_resumed++;
    chd_core_trace(out, CHD_TRACE_SESSION_RESUMED, NULL, index,
                   chd_log_end(core->log) - session->cursor.number);
}

static void on_unsubscribe(chd_core *core, uint32_t index,
                           const chd_local_list *filters)
{
    chd_local_list rest = *filters;
    chd_filter filter;

    while (chd_local_filter_next(&rest, &filter)) {
        chd_route_remove(core->route, index, &filter);
    }
}

/* Number an event, stamp it, and put it into the log. */
static void accept(chd_core *core, chd_event *event)
{
    chd_pack pack;

    if (core->sent == core->head) {
        /* Whatever lies before it in the log is not ours to send. */
        core->sent_cursor = chd_log_cursor_at_end(core->log);
    }
    if (event->number != 0) {
        chd_published_accept(core->published, event->client, event->number);
    }
    core->head++;
    core->hlc = chd_hlc_next(core->hlc, core->now.wall_ms);
    event->seq = core->head;
    event->hlc = core->hlc;
    chd_pack_init(&pack, core->record, CHD_RECORD_BYTES_MAX);
    /* The log wants the topic where it lies in the record. */
    chd_event_place(&pack, event);
    CHD_ASSERT(!pack.overflow);
    /* It stands for older ones when it was broadcast, not before. */
    chd_core_log(core, core->config.node, event, chd_pack_bytes(&pack), false);
    core->unsent_bytes += pack.len;
    core->stats.published++;
}

static void on_publish(chd_core *core, uint32_t index,
                       const chd_local_publish *publish, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_local_list items = publish->items;
    uint64_t number = session->client == 0 ? 0 : publish->number;
    chd_event item;

    if (core->state == CHD_NODE_DRAINING) {
        /* Without a receipt the library offers it again elsewhere, or later. */
        return;
    }
    /* No value is longer than all of them together. */
    while (items.encoded.len > core->config.payload_max &&
           chd_local_item_next(&items, &item)) {
        if (item.value.len > core->config.payload_max) {
            fail(core, index, CHD_LOCAL_ERR_INVALID,
                 "the payload is larger than limits.payload", out);
            return;
        }
    }
    /* After a broken connection the library says again what it has no answer
     * for.  What was accepted then is not accepted twice. */
    const uint64_t before =
        number == 0 ? 0
                    : chd_published_accepted(core->published, session->client);
    items = publish->items;
    for (; chd_local_item_next(&items, &item); number += number > 0) {
        if (number == 0 || number > before) {
            item.client = session->client;
            item.number = number;
            chd_core_make_room(core, item.value.len, out);
            accept(core, &item);
        }
    }
    session->mark_due = true;
    session->haste =
        publish->wait != CHD_WAIT_NONE || session->haste == CHD_HASTE_ASKED
            ? CHD_HASTE_ASKED
            : CHD_HASTE_UNASKED;
    session->receipt = (chd_local_receipt){
        .request = publish->request,
        .origin = core->config.node,
        .seq = core->head,
    };
    session->receipt_due = true;
    session->unreceipted += publish->items.encoded.len;
    if (publish->wait != CHD_WAIT_NONE) {
        chd_core_send_receipt(core, index, out);
    }
    /* A turn may bring more than the log holds; what is old enough to fill a
     * batch goes out now. */
    if (core->unsent_bytes >= CHD_BATCH_BYTES) {
        chd_core_flush(core, out);
    }
}

static void on_applied(chd_core *core, uint32_t index, uint64_t position,
                       uint64_t bytes, chd_out *out)
{
    chd_session *session = &core->sessions[index];

    if (position > session->position || bytes > session->sent_bytes ||
        bytes < session->applied_bytes) {
        fail(core, index, CHD_LOCAL_ERR_INVALID,
             "APPLIED names a position that was not sent", out);
        return;
    }
    session->applied_bytes = bytes;
    session->passed.unsure = false;
}

/* All that is in the log now is all that was accepted before the horizon.
 * Once the session has been sent all of that, it is as fresh. */
static void note_fresh(chd_core *core, uint32_t index, uint64_t c0)
{
    chd_session *session = &core->sessions[index];
    uint64_t holder;

    if (session->fresh_due) {
        return; /* a slow session learns of one ping at a time */
    }
    session->fresh_ns = chd_core_horizon_ns(core, core->now, &holder);
    session->fresh_c0 = c0;
    session->fresh_number = chd_log_end(core->log);
    session->fresh_due = session->fresh_ns != 0;
    core->confirms->watched =
        chd_max_u64(core->confirms->watched, session->fresh_number);
}

static void on_ping(chd_core *core, uint32_t index, uint64_t c0, chd_out *out)
{
    chd_pack pack = chd_out_pack(out, ANSWER_BYTES_MAX);

    chd_local_pack_pong(&pack, c0, core->sessions[index].position,
                        chd_core_next_of(core, index));
    chd_core_tell(index, &pack, out);
    note_fresh(core, index, c0);
}

static void on_status(chd_core *core, uint32_t index, uint64_t request,
                      chd_out *out)
{
    chd_node_report node;
    chd_member_report member;
    uint32_t count = 0;
    uint32_t i = 0;
    chd_pack pack = chd_out_pack(out, CHD_FRAME_BYTES_MAX);

    chd_core_report_node(core, core->now, &node);
    const size_t array_at = chd_local_report_open(&pack, request, &node);
    for (; chd_core_report_member(core, core->now, &i, &member); i++) {
        chd_local_report_add(&pack, &member);
        count++;
    }
    chd_local_report_close(&pack, array_at, count);
    chd_core_tell(index, &pack, out);
}

static void on_greeted(chd_core *core, uint32_t index, const chd_local *message,
                       chd_out *out)
{
    switch (message->type) {
    case CHD_LOCAL_SUBSCRIBE:
        on_subscribe(core, index, &message->u.filters, out);
        break;
    case CHD_LOCAL_UNSUBSCRIBE:
        on_unsubscribe(core, index, &message->u.filters);
        break;
    case CHD_LOCAL_RESUME:
        on_resume(core, index, &message->u.resume, out);
        break;
    case CHD_LOCAL_PUBLISH:
        on_publish(core, index, &message->u.publish, out);
        break;
    case CHD_LOCAL_APPLIED:
        on_applied(core, index, message->u.applied.position,
                   message->u.applied.bytes, out);
        break;
    case CHD_LOCAL_PING:
        on_ping(core, index, message->u.ping.c0, out);
        break;
    case CHD_LOCAL_STATUS:
        on_status(core, index, message->u.request, out);
        break;
    case CHD_LOCAL_CONFIRM:
        if (!chd_core_on_confirm(core, index, &message->u.ask)) {
            chd_core_refuse_ask(&message->u.ask, index, out);
        }
        break;
    case CHD_LOCAL_AWAIT:
        if (!chd_core_on_await(core, index, &message->u.ask)) {
            chd_core_refuse_ask(&message->u.ask, index, out);
        }
        break;
    case CHD_LOCAL_WHO:
        chd_core_on_who(core, index, message->u.request);
        break;
    case CHD_LOCAL_BYE:
        chd_out_add(out, CHD_ACT_SESSION_CLOSE)->session = index;
        chd_core_on_session_closed(core, index, out);
        break;
    case CHD_LOCAL_HELLO:
        fail(core, index, CHD_LOCAL_ERR_STATE, "HELLO was said before", out);
        break;
    case CHD_LOCAL_WELCOME:
    case CHD_LOCAL_RECEIPT:
    case CHD_LOCAL_EVENTS:
    case CHD_LOCAL_RESET:
    case CHD_LOCAL_PONG:
    case CHD_LOCAL_FRESH:
    case CHD_LOCAL_REPORT:
    case CHD_LOCAL_ERROR:
    case CHD_LOCAL_GOODBYE:
    case CHD_LOCAL_REPLICATED:
    case CHD_LOCAL_CONFIRMED:
    case CHD_LOCAL_AWAITED:
    case CHD_LOCAL_PROMPT:
        fail(core, index, CHD_LOCAL_ERR_STATE,
             "only the sidecar sends a message of this type", out);
        break;
    default:
        /* A newer library may say more than we understand. */
        break;
    }
}

void chd_core_on_session_message(chd_core *core, uint32_t index,
                                 chd_bytes bytes, chd_out *out)
{
    chd_session *session = &core->sessions[index];
    chd_local message;

    CHD_ASSERT(session->open);
    const chd_err err = chd_local_scan(bytes, &message);
    if (err != CHD_OK) {
        fail(core, index, CHD_LOCAL_ERR_MALFORMED, chd_err_text(err), out);
        return;
    }
    if (session->greeted) {
        on_greeted(core, index, &message, out);
    } else if (message.type != CHD_LOCAL_HELLO) {
        fail(core, index, CHD_LOCAL_ERR_STATE, "HELLO must come first", out);
    } else if (core->state == CHD_NODE_DRAINING) {
        fail(core, index, CHD_LOCAL_ERR_STATE, "the sidecar is leaving", out);
    } else {
        on_hello(core, index, &message.u.hello, out);
    }
}

/* turn.c - one turn of a node's loop: feed what is there, end the turn, sleep
 * until the core's deadline.  After every step its actions are carried out.
 */
#include <inttypes.h>

#include "tests/sim/canary.h"
#include "tests/sim/dns.h"
#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* As the daemon's shell: what one turn takes from the mesh, and when a
 * session is not read from until it has caught up. */
#define ARRIVALS_MAX 256
#define PAUSE_BYTES ((size_t)256 * 1024)

/* --- actions -------------------------------------------------------------- */

static bool is_named_after(const chd_trace *trace, const char *name)
{
    return chd_bytes_equal(trace->text, chd_bytes_str(name));
}

static const char *who_is_at(const sim_world *world,
                             const chd_endpoint *endpoint)
{
    for (uint32_t i = 0; i < world->node_count; i++) {
        if (sim_node_answers(world->nodes[i], endpoint)) {
            return world->nodes[i]->name;
        }
    }
    return "nobody";
}

static void print_trace(sim_node *node, const chd_trace *trace)
{
    sim_world *world = node->world;
    const char *name = chd_trace_name(trace->code);
    const int len = (int)trace->text.len;
    const char *text = len > 0 ? (const char *)trace->text.ptr : "";
    char who[SIM_WHO_BYTES] = "";

    if (trace->node != 0) {
        sim_print_node(world, trace->node, who);
    }
    const bool at = trace->endpoint.port != 0 && trace->node == 0;
    const char *address = at ? who_is_at(world, &trace->endpoint) : "";
    const bool again = len == 0 || is_named_after(trace, address);
    bool known = again;
    for (uint32_t i = 0; i < world->node_count && !known; i++) {
        known =
            trace->node != 0 && is_named_after(trace, world->nodes[i]->name);
    }
    sim_tell(&world->transcript, world->now_ns, node->name,
             "%s%s%s%s%s %s=%" PRIu64 " %s=%" PRIu64 "%s%.*s%s", name,
             who[0] != '\0' || at ? " " : "", who, at ? "at " : "", address,
             chd_trace_field_a(trace->code), trace->a,
             chd_trace_field_b(trace->code), trace->b, known ? "" : " \"",
             known ? 0 : len, text, known ? "" : "\"");
}

static void on_trace(sim_node *node, const chd_trace *trace)
{
    const chd_level level = chd_trace_level(trace->code);

    if (trace->code == CHD_TRACE_GAP || trace->code == CHD_TRACE_BASELINE) {
        const sim_ledger *ledger = &node->world->ledger;
        const uint32_t origin = sim_ledger_find(ledger, trace->node);
        node->dead_gaps +=
            origin != UINT32_MAX && !ledger->origins[origin].alive;
        if (trace->code == CHD_TRACE_GAP) {
            sim_oracle_gave_up(node, origin, trace->a, trace->b);
        } else if (origin != UINT32_MAX) {
            sim_oracle_began(node, origin, trace->a);
        }
    }
    if (trace->code == CHD_TRACE_PEER_SETTLED) {
        sim_oracle_settles(
            node, sim_ledger_find(&node->world->ledger, trace->node), trace->b);
    }
    const sim_transcript *transcript = &node->world->transcript;
    if (transcript->on && (transcript->debug || level <= CHD_LEVEL_INFO)) {
        print_trace(node, trace);
    }
}

static void send_to_session(sim_node *node, uint32_t session, chd_bytes bytes)
{
    sim_stream *stream = node->sessions[session];

    CHD_ASSERT(stream != NULL);
    sim_stream_frame(stream, bytes);
    sim_canary_applies(node, session, bytes);
    sim_oracle_sent(node, stream);
    sim_oracle_released(node, stream, bytes);
}

static void close_session(sim_node *node, uint32_t session)
{
    sim_stream *stream = node->sessions[session];

    CHD_ASSERT(stream != NULL);
    node->sessions[session] = NULL;
    sim_stream_close_node(stream, false);
}

static void carry_out(sim_node *node, const chd_action *action)
{
    sim_world *world = node->world;
    const uint64_t what = (uint64_t)action->kind << 56 |
                          (uint64_t)node->number << 48 |
                          (uint64_t)action->peer << 24 | action->session;

    sim_digest(world, what ^ chd_mix64(action->route), action->bytes);
    switch (action->kind) {
    case CHD_ACT_BROADCAST:
        sim_link_broadcast(node, action->bytes,
                           sim_oracle_broadcast(node, action->bytes));
        break;
    case CHD_ACT_DIAL:
        sim_link_dial(node, action->peer, &action->endpoint);
        break;
    case CHD_ACT_HANG_UP:
        sim_link_hang_up(node, action->peer);
        break;
    case CHD_ACT_SEND:
        node->refused += !sim_link_send(node, action->peer, action->bytes);
        break;
    case CHD_ACT_REPLY:
        node->refused += !sim_link_reply(node, action->route, action->bytes);
        break;
    case CHD_ACT_SESSION_SEND:
        send_to_session(node, action->session, action->bytes);
        break;
    case CHD_ACT_SESSION_CLOSE:
        close_session(node, action->session);
        break;
    case CHD_ACT_TRACE:
        sim_digest(world, action->trace.a ^ chd_mix64(action->trace.b),
                   action->trace.text);
        on_trace(node, &action->trace);
        break;
    case CHD_ACT_STOPPED:
        node->stopped = true;
        break;
    }
}

static void feed(sim_node *node, const chd_input *input)
{
    chd_core_step(node->core, sim_node_clock(node), input, node->out);
    for (size_t i = 0; i < node->out->count; i++) {
        carry_out(node, &node->out->actions[i]);
    }
    chd_out_clear(node->out);
    while (node->refused > 0) {
        const chd_input blocked = {.kind = CHD_IN_BLOCKED};
        node->refused--;
        chd_core_step(node->core, sim_node_clock(node), &blocked, node->out);
        CHD_ASSERT(node->out->count == 0);
    }
}

/* --- inputs --------------------------------------------------------------- */

/* Records that members sent, those that it had included. */
static uint64_t records_of(const sim_node *node)
{
    const chd_stats *stats = chd_core_stats(node->core);

    return stats->repaired + stats->duplicates;
}

static void feed_arrival(sim_node *node, sim_arrival *arrival)
{
    const sim_conn *conn = arrival->conn;
    const chd_bytes bytes =
        chd_bytes_of(arrival->blob->bytes, arrival->blob->len);
    const chd_input input = {
        .kind = conn->events ? CHD_IN_BROADCAST : CHD_IN_CONTROL,
        .u.message.bytes = bytes,
        .u.message.route = arrival->route,
        .u.message.peer =
            arrival->dialled && conn->open ? conn->peer : CHD_PEER_NONE,
    };

    const uint64_t before = records_of(node);
    sim_oracle_fed(node, input.kind, bytes);
    feed(node, &input);
    if (input.kind == CHD_IN_CONTROL) {
        sim_oracle_took(node, bytes, records_of(node) > before);
    }
    sim_arrival_done(arrival);
}

static bool feed_arrivals(sim_node *node)
{
    uint32_t count = 0;

    while (node->arrivals != NULL && count < ARRIVALS_MAX) {
        sim_arrival *arrival = node->arrivals;
        node->arrivals = arrival->next;
        if (node->arrivals == NULL) {
            node->arrivals_end = &node->arrivals;
        }
        feed_arrival(node, arrival);
        count++;
    }
    return count > 0;
}

static bool accept_sessions(sim_node *node)
{
    bool any = false;

    for (uint32_t i = 0; i < SIM_SESSIONS_MAX && node->waiting != NULL; i++) {
        if (node->sessions[i] != NULL) {
            continue;
        }
        sim_stream *stream = node->waiting;
        node->waiting = stream->next;
        stream->next = NULL;
        stream->session = i;
        node->sessions[i] = stream;
        const chd_input input = {.kind = CHD_IN_SESSION_OPEN,
                                 .u.session.session = i};
        feed(node, &input);
        any = true;
    }
    return any;
}

/* Neither an application that does not read nor a mesh that takes no more is
 * asked for more. */
static bool is_read(const sim_node *node, const sim_stream *stream)
{
    return sim_pipe_len(&stream->to_app) <= PAUSE_BYTES &&
           !chd_core_holds_publishers(node->core);
}

static bool read_session(sim_node *node, uint32_t i)
{
    sim_stream *stream = node->sessions[i];
    chd_input input = {.kind = CHD_IN_SESSION_MESSAGE, .u.session.session = i};
    bool any = false;

    if (stream->applied_len > 0) {
        input.u.session.bytes =
            chd_bytes_of(stream->applied, stream->applied_len);
        stream->applied_len = 0;
        feed(node, &input);
    }
    if (is_read(node, stream)) {
        any = stream->unread > 0;
        sim_stream_read(stream);
    }
    while (node->sessions[i] == stream && is_read(node, stream) &&
           sim_pipe_take(&stream->to_node, &input.u.session.bytes)) {
        feed(node, &input);
        any = true;
    }
    if (node->sessions[i] == stream && stream->app == NULL) {
        input.kind = CHD_IN_SESSION_CLOSED;
        input.u.session.bytes = (chd_bytes){NULL, 0};
        feed(node, &input);
        close_session(node, i);
        any = true;
    }
    return any;
}

static bool feed_sessions(sim_node *node)
{
    bool any = accept_sessions(node);

    for (uint32_t i = 0; i < SIM_SESSIONS_MAX; i++) {
        if (node->sessions[i] != NULL) {
            any = read_session(node, i) || any;
        }
    }
    return any;
}

static bool feed_orders(sim_node *node)
{
    const bool any = node->poll_due || node->drain_due;

    if (node->poll_due) {
        node->poll_due = false;
        const chd_input input = sim_dns_answer(node);
        feed(node, &input);
    }
    if (node->drain_due) {
        node->drain_due = false;
        if (!sim_node_is_leaving(node)) {
            node->drained_ns = node->world->now_ns;
        }
        const chd_input input = {.kind = CHD_IN_DRAIN};
        feed(node, &input);
    }
    return any;
}

void sim_node_turn(void *who, uint64_t token)
{
    sim_node *node = who;
    const chd_input end = {.kind = CHD_IN_TURN_END};

    if (!node->running || node->frozen || node->wake_token != token) {
        return;
    }
    node->wake_ns = CHD_NEVER_NS;
    bool busy = feed_orders(node);
    busy = feed_arrivals(node) || busy;
    busy = feed_sessions(node) || busy;
    feed(node, &end);
    sim_oracle_turn(node, !busy);
    if (node->stopped) {
        sim_oracle_left(node);
        sim_node_end(node, SIM_END_ORDER);
        return;
    }
    const uint64_t deadline =
        sim_canary_deadline(node, chd_core_deadline_ns(node->core));
    const uint64_t next = sim_node_when(node, deadline);
    if (next != CHD_NEVER_NS) {
        sim_node_wake_at(node, next);
    }
    if (node->arrivals != NULL) {
        sim_node_wake(node);
    }
}

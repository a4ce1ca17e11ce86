/* oracle.c - what is checked at the nodes, and at the end; delivered.c checks
 * what applications are given.
 */
#include "tests/sim/oracle.h"

#include <inttypes.h>
#include <stdio.h>

#include "proto/base/hash.h"
#include "proto/wire/repair.h"
#include "tests/sim/world.h"

/* Turns within one virtual second for no reason but a deadline: the pings of
 * the peers, beacon, polls, dials. */
#define IDLE_TURNS_MAX 200

/* Who leaves waits for the others this long; a little less, because clocks
 * drift. */
#define LEAVE_PATIENCE (4900 * CHD_MS)

/* What waits for a session at most: its window, and what was begun before it
 * was full. */
#define SENT_BYTES_MAX ((size_t)CHD_SESSION_WINDOW_BYTES + CHD_FRAME_BYTES_MAX)

void sim_oracle_published(sim_app *app, const chd_event *event)
{
    sim_ledger_publish(&app->world->ledger, sim_event_hash(event),
                       app->node->number);
}

sim_owed *sim_owed_of(sim_app *app, uint32_t origin)
{
    if (origin >= app->owed_count) {
        const uint32_t count = origin + 1;
        app->owed = realloc(app->owed, count * sizeof(sim_owed));
        CHD_ASSERT(app->owed != NULL);
        for (uint32_t i = app->owed_count; i < count; i++) {
            app->owed[i] = (sim_owed){0};
        }
        app->owed_count = count;
    }
    return &app->owed[origin];
}

bool sim_owed_was_seen(sim_app *app, uint32_t origin, uint32_t seq)
{
    const sim_owed *owed = sim_owed_of(app, origin);

    return seq / 8 < owed->seen_cap &&
           (owed->seen[seq / 8] & (1u << (seq % 8))) != 0;
}

static void owe(sim_app *app, uint32_t origin, uint32_t seq)
{
    sim_owed *owed = sim_owed_of(app, origin);

    if (owed->count == owed->cap) {
        owed->cap = owed->cap == 0 ? 16 : 2 * owed->cap;
        owed->seqs = realloc(owed->seqs, owed->cap * sizeof(uint32_t));
        CHD_ASSERT(owed->seqs != NULL);
    }
    owed->seqs[owed->count++] = seq;
}

static uint64_t subject_of(const chd_event *event)
{
    if (event->kind != CHD_KIND_INVALIDATE) {
        return 0;
    }
    const uint64_t seed = (uint64_t)event->target_kind +
                          8 * (uint64_t)(event->flags & CHD_FLAG_SOFT);
    return chd_hash(chd_hash(seed, event->topic), event->target) | 1;
}

/* When its origin accepted an event, at the latest; the pace may have held it
 * back since. */
static uint64_t accepted_at(const sim_node *node, const chd_event *event)
{
    const uint64_t ms = chd_since(event->hlc >> 16, node->wall_offset_ms);
    return chd_min_u64(node->world->now_ns, (ms + 1) * CHD_MS);
}

/* An event enters the world: its origin sends it for the first time. */
static void accept(sim_node *node, uint32_t index, const chd_event *event)
{
    sim_world *world = node->world;
    sim_origin *origin = &world->ledger.origins[index];
    sim_known known = {
        .hash = sim_event_hash(event),
        .subject = subject_of(event),
        .topic = sim_name_find(&world->model.topics, event->topic),
        .client = event->client,
        .number = event->number,
        .at_ns = accepted_at(node, event),
        /* Whoever is alone needs nobody to have it. */
        .spread = !sim_oracle_has_company(node),
    };

    if (event->seq != (uint64_t)origin->count + 1) {
        sim_fail(world, "order", "%s sends its event %" PRIu64 " after %u",
                 node->name, event->seq, origin->count);
        return;
    }
    if (known.topic == UINT32_MAX ||
        !sim_ledger_accept(&world->ledger, known.hash, node->number)) {
        sim_fail(world, "invention",
                 "%s sends event %" PRIu64 " that nobody published", node->name,
                 event->seq);
        return;
    }
    sim_known_hold(&known, node->number);
    sim_ledger_add(origin, &known);
    const sim_publication *twin = sim_ledger_join(&world->ledger, index);
    for (uint32_t i = 0; i < world->app_count; i++) {
        /* What it was given before, or reset for, is not owed again. */
        if (sim_app_holds(world->apps[i], known.topic, true) &&
            !sim_owed_was_seen(world->apps[i], index, (uint32_t)event->seq) &&
            (twin == NULL || sim_oracle_is_owed(world->apps[i], twin))) {
            owe(world->apps[i], index, (uint32_t)event->seq);
        }
    }
}

/* Read EVENTS; false when it is something else. */
static bool read_events(chd_bytes message, chd_mesh_header *header,
                        chd_mesh_events *events)
{
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, message);
    return chd_mesh_scan_header(&scan, header, &fields) == CHD_OK &&
           header->type == CHD_MESH_EVENTS &&
           chd_mesh_scan_events(&scan, fields, events) == CHD_OK;
}

bool sim_oracle_broadcast(sim_node *node, chd_bytes message)
{
    sim_world *world = node->world;
    chd_mesh_header header;
    chd_mesh_events events;
    chd_event event;
    chd_bytes record;

    if (!read_events(message, &header, &events)) {
        return false;
    }
    const uint32_t index = sim_ledger_find(&world->ledger, events.origin);
    if (events.origin != node->id || index == UINT32_MAX) {
        return true;
    }
    while (chd_mesh_record_next(&events.records, &event, &record)) {
        accept(node, index, &event);
    }
    return true;
}

/* A node that hears of an origin for the first time may have to reset. */
static void meet(sim_node *node, uint32_t index)
{
    const uint64_t bit = UINT64_C(1) << (index % 64);

    CHD_ASSERT(index / 64 < CHD_COUNT(node->met));
    if ((node->met[index / 64] & bit) == 0) {
        node->met[index / 64] |= bit;
        node->greetings++;
    }
}

static void greet(sim_node *node, uint64_t id)
{
    const uint32_t index = sim_ledger_find(&node->world->ledger, id);

    CHD_ASSERT(index == UINT32_MAX || index < SIM_ORIGINS_MAX);
    if (index != UINT32_MAX && node->greeted_ns[index] == 0) {
        node->greeted_ns[index] = node->world->now_ns + 1;
    }
}

void sim_oracle_freezes(sim_node *node)
{
    const sim_ledger *ledger = &node->world->ledger;

    for (uint32_t i = 0; i < ledger->origin_count; i++) {
        if (chd_core_counts_since(node->core, ledger->origins[i].id) ==
            CHD_NEVER_NS) {
            node->greeted_ns[i] = 0;
        }
    }
}

/* Its caches were reset for all that came before: it answers for that, and what
 * it has said stays said when it is gone. */
void sim_oracle_began(sim_node *node, uint32_t origin, uint64_t upto)
{
    sim_origin *followed = &node->world->ledger.origins[origin];

    for (uint64_t seq = 1; seq <= upto && seq <= followed->count; seq++) {
        followed->events[seq - 1].spread |= node->number != followed->node;
    }
    node->met[origin / 64] |= UINT64_C(1) << (origin % 64);
}

static void hold(sim_node *node, uint64_t id, uint64_t first, uint64_t last)
{
    sim_ledger *ledger = &node->world->ledger;
    const uint32_t index = sim_ledger_find(ledger, id);

    if (index == UINT32_MAX) {
        return;
    }
    meet(node, index);
    sim_origin *origin = &ledger->origins[index];
    for (uint64_t seq = first; seq <= last && seq <= origin->count; seq++) {
        sim_known_hold(&origin->events[seq - 1], node->number);
        origin->events[seq - 1].spread |= node->number != origin->node;
    }
}

/* What an answer leaves out was superseded by what it brings, unless it says
 * that events left the log. */
static void hold_answer(sim_node *node, const chd_mesh_repair *answer)
{
    chd_bytes records = answer->records;
    chd_event event;
    chd_bytes record;

    if (answer->told == 0) {
        hold(node, answer->origin, answer->first, answer->last);
        return;
    }
    while (chd_mesh_record_next(&records, &event, &record)) {
        hold(node, answer->origin, event.seq, event.seq);
    }
}

void sim_oracle_fed(sim_node *node, chd_input_kind kind, chd_bytes message)
{
    chd_mesh_header header;
    chd_mesh_events events;
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, message);
    if (kind == CHD_IN_BROADCAST) {
        if (read_events(message, &header, &events)) {
            hold(node, events.origin, events.first, events.last);
        } else if (chd_mesh_scan_header(&scan, &header, &fields) == CHD_OK) {
            const uint32_t index =
                sim_ledger_find(&node->world->ledger, header.sender);
            if (index != UINT32_MAX) {
                meet(node, index);
            }
        }
        return;
    }
    if (chd_mesh_scan_header(&scan, &header, &fields) == CHD_OK) {
        node->greetings += header.type == CHD_MESH_HELLO ||
                           header.type == CHD_MESH_WELCOME ||
                           header.type == CHD_MESH_VECTOR;
        if (header.type == CHD_MESH_HELLO || header.type == CHD_MESH_WELCOME) {
            greet(node, header.sender);
        }
    }
}

void sim_oracle_took(sim_node *node, chd_bytes message, bool records)
{
    chd_mesh_header header;
    chd_mesh_repair answer;
    chd_scan scan;
    uint32_t fields;

    chd_scan_init(&scan, message);
    if (chd_mesh_scan_header(&scan, &header, &fields) == CHD_OK &&
        header.type == CHD_MESH_REPAIR &&
        chd_mesh_scan_repair(&scan, fields, &answer) == CHD_OK &&
        (records || answer.record_count == 0)) {
        hold_answer(node, &answer);
    }
}

/* Where everybody can reach everybody and logs are long enough. */
static bool is_within_reach(const sim_world *world)
{
    static const sim_fault faults[] = {
        SIM_FREEZE, SIM_PARTITION, SIM_ONEWAY, SIM_STALL, SIM_BURST,
        SIM_SPARSE, SIM_DNS,       SIM_MOVE,   SIM_ALIAS, SIM_DRAIN,
    };

    for (size_t i = 0; i < CHD_COUNT(faults); i++) {
        if (sim_has(&world->options, faults[i])) {
            return false;
        }
    }
    return true;
}

bool sim_oracle_could_ask(const sim_node *node, const sim_node *other)
{
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == other->id) {
            return member.state == CHD_MEMBER_LIVE;
        }
    }
    return false;
}

void sim_oracle_gave_up(sim_node *node, uint32_t origin, uint64_t first,
                        uint64_t last)
{
    sim_world *world = node->world;

    if (origin == UINT32_MAX || !is_within_reach(world)) {
        return;
    }
    const sim_origin *gone = &world->ledger.origins[origin];
    for (uint32_t n = 0; n < world->node_count; n++) {
        const sim_node *other = world->nodes[n];
        bool has_all = other != node && other->running &&
                       sim_oracle_could_ask(node, other);
        for (uint64_t seq = first; seq <= last && has_all; seq++) {
            has_all = seq <= gone->count &&
                      sim_known_is_held_by(&gone->events[seq - 1], n + 1);
        }
        if (has_all) {
            sim_fail(world, "agreement",
                     "%s gives node-%u.%u:%" PRIu64 " up, which %s has",
                     node->name, gone->node, gone->life, first, other->name);
            return;
        }
    }
}

static void check_tables(sim_node *node)
{
    uint32_t peers = 0;
    chd_member_report member;
    chd_node_report report;

    chd_core_report_node(node->core, sim_node_clock(node), &report);
    node->log_bytes_max = chd_max_u64(node->log_bytes_max, report.log_bytes);
    if (report.log_bytes > CHD_LOG_BYTES_MIN) {
        sim_fail(node->world, "bound", "%s: %" PRIu64 " bytes in the log",
                 node->name, report.log_bytes);
    }
    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        peers++;
    }
    if (peers > node->peer_count_max) {
        sim_fail(node->world, "bound", "%s: %u peers", node->name, peers);
    }
}

/* Tell whether a node has all that another ever sent, or does not know it. */
static bool has_all_of(const sim_node *node, const sim_node *other)
{
    const sim_ledger *ledger = &node->world->ledger;
    const uint32_t head =
        ledger->origins[sim_ledger_find(ledger, other->id)].count;
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == other->id) {
            return member.received == head;
        }
    }
    return true;
}

void sim_oracle_left(sim_node *node)
{
    sim_world *world = node->world;

    if (world->now_ns - node->drained_ns >= LEAVE_PATIENCE) {
        return;
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        const sim_node *other = world->nodes[i];
        if (other != node && other->running &&
            sim_oracle_could_ask(node, other) && !has_all_of(other, node)) {
            sim_fail(world, "agreement", "%s leaves before %s has its events",
                     node->name, other->name);
            return;
        }
    }
}

/* When all is healed, nothing of the living is missed any more.  Who has just
 * learnt of a second address listens at both for a while, and one may be ahead
 * of the other: that looks like a gap. */
static void check_repairs(sim_node *node)
{
    const uint64_t gaps = chd_core_stats(node->core)->gaps;

    if (node->world->phase >= SIM_PHASE_STEADY && gaps > node->gaps &&
        !sim_has(&node->world->options, SIM_ALIAS)) {
        sim_fail(node->world, "steady", "%s misses an event when all is well",
                 node->name);
    }
    node->gaps = gaps;
}

void sim_oracle_turn(sim_node *node, bool idle)
{
    const uint64_t second = node->world->now_ns / CHD_SECOND;

    if (node->turn_second != second) {
        node->turn_second = second;
        node->idle_turns = 0;
        check_tables(node);
    }
    check_repairs(node);
    node->idle_turns += idle;
    if (node->idle_turns > IDLE_TURNS_MAX + 20 * node->world->node_count) {
        sim_fail(node->world, "busy", "%s: %u turns in a second for nothing",
                 node->name, node->idle_turns);
    }
}

void sim_oracle_sent(sim_node *node, const sim_stream *stream)
{
    const size_t len = sim_pipe_len(&stream->to_app);

    if (len > SENT_BYTES_MAX + stream->cap) {
        sim_fail(node->world, "bound", "%s: %zu bytes wait for session %u",
                 node->name, len, stream->session);
    }
}

/* --- at the end ----------------------------------------------------------- */

static bool hears(const sim_node *node, const sim_node *other)
{
    chd_member_report member;

    if (!sim_link_hears(node, other)) {
        return false; /* and it has not noticed */
    }
    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == other->id) {
            const sim_ledger *ledger = &node->world->ledger;
            const uint32_t head =
                ledger->origins[sim_ledger_find(ledger, other->id)].count;
            return member.state == CHD_MEMBER_LIVE && member.hears_us &&
                   member.received == head;
        }
    }
    return false;
}

static bool nodes_are_settled(const sim_world *world, char *why, size_t cap)
{
    for (uint32_t a = 0; a < world->node_count; a++) {
        const sim_node *node = world->nodes[a];
        for (uint32_t b = 0; b < world->node_count; b++) {
            const sim_node *other = world->nodes[b];
            if (a != b && node->running && other->running &&
                !hears(node, other)) {
                (void)snprintf(why, cap, "%s is not at one with %s", node->name,
                               other->name);
                return false;
            }
        }
    }
    return true;
}

/* What was in nobody's memory but the dead cannot be asked for.  Who was fed
 * a later event of the origin knows of it, though, and has to reset. */
static bool is_beyond_reach(const sim_app *app, const sim_origin *origin,
                            uint32_t seq)
{
    if (origin->alive || sim_known_is_held(&origin->events[seq - 1])) {
        return false;
    }
    for (uint32_t later = seq + 1; later <= origin->count; later++) {
        if (sim_known_is_held_by(&origin->events[later - 1],
                                 app->node->number)) {
            return false;
        }
    }
    return true;
}

static bool app_is_settled(const sim_app *app, char *why, size_t cap)
{
    const sim_ledger *ledger = &app->world->ledger;

    if (!chd_client_is_attached(app->client)) {
        (void)snprintf(why, cap, "%s is not attached", app->name);
        return false;
    }
    for (uint32_t i = 0; i < app->filter_count; i++) {
        if (app->filters[i].wanted && !app->filters[i].confirmed) {
            (void)snprintf(why, cap, "%s waits for its RESET of %s", app->name,
                           app->filters[i].topic);
            return false;
        }
    }
    for (uint32_t i = 0; i < app->owed_count; i++) {
        const sim_origin *origin = &ledger->origins[i];
        for (uint32_t n = 0; n < app->owed[i].count; n++) {
            const uint32_t seq = app->owed[i].seqs[n];
            if (sim_app_holds(app, origin->events[seq - 1].topic, true) &&
                !is_beyond_reach(app, origin, seq)) {
                (void)snprintf(why, cap, "%s has a gap: node-%u.%u:%u",
                               app->name, origin->node, origin->life, seq);
                return false;
            }
        }
    }
    return true;
}

/* What has its receipt and is held back by the pace dies with its node. */
static bool may_die_with_receipt(const sim_world *world)
{
    const sim_options *options = &world->options;

    return sim_has(options, SIM_BURST) &&
           (sim_has(options, SIM_KILL) || sim_has(options, SIM_CRASH));
}

bool sim_oracle_is_settled(sim_world *world, char *why, size_t cap)
{
    for (uint32_t i = 0; i < world->app_count; i++) {
        const sim_app *app = world->apps[i];
        if (!sim_app_is_idle(app)) {
            (void)snprintf(why, cap, "%s still has to publish", app->name);
            return false;
        }
        if (app->node->running && (!app_is_settled(app, why, cap) ||
                                   !sim_oracle_is_fresh(app, why, cap))) {
            return false;
        }
        if (sim_oracle_waits(app)) {
            (void)snprintf(why, cap, "%s waits to hear who applied %" PRIu64,
                           app->name, app->confirm_seq);
            return false;
        }
    }
    const uint64_t missing = sim_ledger_missing(&world->ledger);
    if (missing > 0 && !may_die_with_receipt(world)) {
        (void)snprintf(why, cap,
                       "%" PRIu64 " publishes were confirmed and not accepted",
                       missing);
        return false;
    }
    return nodes_are_settled(world, why, cap);
}

static bool is_excused(const sim_app *app, uint32_t topic)
{
    for (uint32_t i = 0; i < app->owed_count; i++) {
        const sim_origin *origin = &app->world->ledger.origins[i];
        for (uint32_t n = 0; n < app->owed[i].count; n++) {
            const uint32_t seq = app->owed[i].seqs[n];
            if (origin->events[seq - 1].topic == topic &&
                is_beyond_reach(app, origin, seq)) {
                return true;
            }
        }
    }
    return false;
}

static void check_cache(const sim_app *app)
{
    sim_world *world = app->world;
    const sim_model *model = &world->model;

    for (uint32_t topic = 0; topic < model->topics.count; topic++) {
        for (uint32_t key = 0; key < model->keys.count; key++) {
            const uint32_t cached = app->cache[topic][key];
            if (cached != 0 && cached < model->versions[topic][key] &&
                !is_excused(app, topic)) {
                sim_fail(world, "stale", "%s holds %s %s in version %u of %u",
                         app->name, model->topics.text[topic],
                         model->keys.text[key], cached,
                         model->versions[topic][key]);
                return;
            }
        }
    }
}

void sim_oracle_quiet(sim_world *world)
{
    for (uint32_t i = 0; i < world->app_count; i++) {
        if (world->apps[i]->node->running) {
            check_cache(world->apps[i]);
        }
    }
}

/* delivered.c - the oracles about what applications are given. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* Take seq off what is owed, and what it stands for.  Invalidations may come
 * early; an update or message that comes before another of its origin may not.
 */
static void settle(sim_app *app, const sim_origin *origin, sim_owed *owed,
                   uint32_t seq)
{
    const sim_known *known = &origin->events[seq - 1];
    const uint32_t index = (uint32_t)(origin - app->world->ledger.origins);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < owed->count; i++) {
        const uint32_t missing = owed->seqs[i];
        const sim_known *other = &origin->events[missing - 1];
        if (missing == seq || (missing < seq && known->subject != 0 &&
                               other->subject == known->subject)) {
            sim_oracle_settled(app, index, missing);
            owed = sim_owed_of(app, index); /* the table may have grown */
            continue;
        }
        if (missing < seq && known->subject == 0 && other->subject == 0) {
            if (sim_app_holds(app, other->topic, false)) {
                sim_fail(app->world, "gap",
                         "%s gets node-%u.%u:%u without %u before", app->name,
                         origin->node, origin->life, seq, missing);
                return;
            }
            /* Of an earlier connection: its RESET is still to come. */
            if (!sim_app_holds(app, other->topic, true)) {
                continue;
            }
        }
        owed->seqs[kept++] = missing;
    }
    owed->count = kept;
}

static bool is_real(sim_app *app, const sim_origin *origin,
                    const chd_event *event)
{
    const uint64_t hash = sim_event_hash(event);

    /* What its origin did not send yet could still die with it. */
    if (origin != NULL && event->seq > origin->count &&
        sim_ledger_is_published(&app->world->ledger, hash, origin->node)) {
        sim_fail(app->world, "agreement",
                 "%s gets event %" PRIu64 " ahead of the mesh", app->name,
                 event->seq);
        return false;
    }
    if (origin == NULL || event->seq > origin->count ||
        origin->events[event->seq - 1].hash != hash) {
        sim_fail(app->world, "invention",
                 "%s gets event %" PRIu64 " that nobody published", app->name,
                 event->seq);
        return false;
    }
    return true;
}

/* Note that seq is delivered; false when it was before. */
static bool see(sim_owed *owed, uint32_t seq)
{
    if (seq / 8 >= owed->seen_cap) {
        const uint32_t cap = 2 * (seq / 8) + 64;
        owed->seen = realloc(owed->seen, cap);
        CHD_ASSERT(owed->seen != NULL);
        memset(owed->seen + owed->seen_cap, 0, cap - owed->seen_cap);
        owed->seen_cap = cap;
    }
    const uint8_t bit = (uint8_t)(1u << (seq % 8));
    const bool before = (owed->seen[seq / 8] & bit) != 0;
    owed->seen[seq / 8] |= bit;
    return !before;
}

void sim_oracle_delivered(sim_app *app, uint64_t id, chd_bytes record)
{
    sim_ledger *ledger = &app->world->ledger;
    const uint32_t index = sim_ledger_find(ledger, id);
    const sim_origin *origin =
        index == UINT32_MAX ? NULL : &ledger->origins[index];
    chd_scan scan;
    chd_event event;

    chd_scan_init(&scan, record);
    chd_event_scan(&scan, &event);
    CHD_ASSERT(chd_scan_end(&scan) == CHD_OK);
    if (!is_real(app, origin, &event)) {
        return;
    }
    sim_owed *owed = sim_owed_of(app, index);
    const bool has_turn = event.kind != CHD_KIND_INVALIDATE;
    if (!see(owed, (uint32_t)event.seq) ||
        (has_turn && event.seq <= owed->last)) {
        sim_fail(app->world, "order", "%s gets node-%u.%u:%" PRIu64 " after %u",
                 app->name, origin->node, origin->life, event.seq, owed->last);
        return;
    }
    owed->last = has_turn ? (uint32_t)event.seq : owed->last;
    sim_oracle_twins(app, index, (uint32_t)event.seq);
    /* The table may have grown. */
    settle(app, origin, sim_owed_of(app, index), (uint32_t)event.seq);
}

void sim_oracle_pong(sim_app *app)
{
    app->misses_then = app->misses;
    app->misses = app->node->running
                      ? chd_core_stats(app->node->core)->misses
                      : UINT64_MAX; /* it died behind its words */
}

/* Nothing was lost meanwhile, and no log is so full that it forgets. */
static void check_resumed(const sim_app *app, const chd_local_welcome *welcome)
{
    const sim_node *node = app->node;
    bool had_begun = false;
    chd_node_report report;

    for (uint32_t i = 0; i < app->filter_count; i++) {
        had_begun |= app->filters[i].wanted && app->filters[i].begun;
    }
    if (welcome->resumed || !had_begun || !node->running) {
        return;
    }
    chd_core_report_node(node->core, sim_node_clock(node), &report);
    if (app->sidecar == welcome->node && app->misses_then != UINT64_MAX &&
        chd_core_stats(node->core)->misses == app->misses_then &&
        chd_max_u64(node->log_bytes_max, report.log_bytes) <
            CHD_LOG_BYTES_MIN / 2) {
        sim_fail(app->world, "resume", "%s has to begin anew at %s", app->name,
                 node->name);
    }
}

/* The stream goes on; nothing may come twice, and nothing be missing. */
static void resume(sim_app *app)
{
    app->resumed++;
    for (uint32_t i = 0; i < app->filter_count; i++) {
        app->filters[i].confirmed = app->filters[i].begun;
    }
}

static void forget_seen(sim_app *app)
{
    /* A new session may be given again what an earlier one was. */
    for (uint32_t i = 0; i < app->owed_count; i++) {
        app->owed[i].last = 0;
        if (app->owed[i].seen_cap > 0) {
            memset(app->owed[i].seen, 0, app->owed[i].seen_cap);
        }
    }
    for (uint32_t i = 0; i < app->filter_count; i++) {
        app->filters[i].begun = false;
    }
    app->stalls = 0;
}

void sim_oracle_welcomed(sim_app *app, const chd_local_welcome *welcome)
{
    check_resumed(app, welcome);
    if (welcome->resumed) {
        resume(app);
    } else {
        forget_seen(app);
    }
    app->sidecar = welcome->node;
    app->misses = app->misses_then = UINT64_MAX;
    app->asked = 0;
    for (uint32_t i = 0; i < SIM_REASONS; i++) {
        app->resets[i] = 0;
    }
    for (uint32_t i = 0; i < app->filter_count; i++) {
        app->asked += app->filters[i].wanted;
    }
}

/* Nothing is lost for good unless nodes end, or are not met or reached for so
 * long that they count as dead, or logs overflow. */
static bool may_lose(const sim_options *options)
{
    static const sim_fault faults[] = {
        SIM_KILL,   SIM_CRASH, SIM_DRAIN, SIM_FREEZE, SIM_PARTITION,
        SIM_ONEWAY, SIM_STALL, SIM_BURST, SIM_SPARSE,
    };

    for (size_t i = 0; i < CHD_COUNT(faults); i++) {
        if (sim_has(options, faults[i])) {
            return true;
        }
    }
    return false;
}

/* Each RESET needs a reason that this world gave. */
static void check_reason(sim_app *app, uint64_t reason)
{
    const sim_node *node = app->node;
    const uint64_t *resets = app->resets;
    const uint64_t losses = node->losses;
    const uint64_t greetings = node->greetings;

    if (resets[CHD_RESET_SUBSCRIBED] > app->asked) {
        sim_fail(app->world, "storm",
                 "%s: RESET %" PRIu64 " for %" PRIu64 " subscriptions",
                 app->name, resets[CHD_RESET_SUBSCRIBED], app->asked);
    }
    if (reason == CHD_RESET_LOST && !may_lose(&app->world->options)) {
        sim_fail(app->world, "storm", "%s: RESET for what could be fetched",
                 app->name);
    }
    if (resets[CHD_RESET_LOST] + resets[CHD_RESET_JOINED] >
        losses + greetings) {
        sim_fail(app->world, "storm",
                 "%s: %" PRIu64 " RESETs for %" PRIu64 " losses, %" PRIu64
                 " greetings",
                 app->name, resets[CHD_RESET_LOST] + resets[CHD_RESET_JOINED],
                 losses, greetings);
    }
    if (resets[CHD_RESET_SLOW] > 0 && app->stalls == 0 &&
        !sim_has(&app->world->options, SIM_BURST)) {
        sim_fail(app->world, "storm", "%s is called slow", app->name);
    }
    /* That a dead node's last words are missing may show late: first of some
     * topics, then of everything when what is left came in pieces. */
    if (app->world->phase >= SIM_PHASE_STEADY &&
        reason != CHD_RESET_SUBSCRIBED &&
        app->late_resets++ >= 2 * node->dead_gaps) {
        sim_fail(app->world, "steady",
                 "%s: RESET for reason %" PRIu64 " when all is well", app->name,
                 reason);
    }
}

static bool is_covered(const sim_app *app, const chd_local_reset *reset,
                       uint32_t topic)
{
    const chd_bytes name = chd_bytes_str(app->world->model.topics.text[topic]);
    chd_local_list filters = reset->filters;
    chd_filter filter;

    if (filters.count == 0) {
        return true;
    }
    while (chd_local_filter_next(&filters, &filter)) {
        if (chd_filter_matches(&filter, name)) {
            return true;
        }
    }
    return false;
}

void sim_oracle_reset(sim_app *app, const chd_local_reset *reset)
{
    const uint64_t reason = reset->reason < SIM_REASONS ? reset->reason : 0;

    app->resets[reason]++;
    app->reset_counts[reason]++;
    check_reason(app, reason);
    for (uint32_t i = 0; i < app->owed_count; i++) {
        const sim_origin *origin = &app->world->ledger.origins[i];
        sim_owed *owed = &app->owed[i];
        uint32_t kept = 0;
        for (uint32_t n = 0; n < owed->count; n++) {
            const uint32_t seq = owed->seqs[n];
            if (!is_covered(app, reset, origin->events[seq - 1].topic)) {
                owed->seqs[kept++] = seq;
            }
        }
        owed->count = kept;
    }
}

/* confirmed.c - applications ask when what they published is applied
 * everywhere, and the oracle looks whether that is so when they are told.
 */
#include <inttypes.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* One receipt in so many is asked about, at most. */
#define ASK_ONE_IN 4

static bool is_alive(const sim_node *node)
{
    return node->running && !node->stopped;
}

/* Tell whether a node may have taken a member for dead. */
static bool may_be_dead(const sim_node *node, const chd_member_report *member)
{
    const sim_options *options = &node->world->options;
    const uint64_t silent_ns = (member->silent_ms + 1) * CHD_MS;

    if (member->state != CHD_MEMBER_LIVE &&
        (sim_has(options, SIM_FREEZE) || sim_has(options, SIM_MOVE) ||
         sim_has(options, SIM_ALIAS) || sim_has(options, SIM_CLOCK))) {
        return true; /* who knows */
    }
    return silent_ns >= (member->listed ? options->dead_after
                                        : 5 * options->ping_interval) &&
           !(member->listed && options->strict);
}

/* Tell whether another one counts for how fresh a node is, as that sees it;
 * some_gone: and it is not dead. */
static bool is_member(const sim_node *node, const sim_node *other,
                      bool some_gone)
{
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == other->id && member.counts &&
            !(some_gone && may_be_dead(node, &member))) {
            return true;
        }
    }
    return false;
}

/* Tell whether an application's session is beyond its beginning. */
static bool is_in_session(const sim_app *app)
{
    if (app->stream == NULL || app->stream->node == NULL ||
        !chd_client_is_attached(app->client)) {
        return false; /* or it has not noticed yet */
    }
    for (uint32_t i = 0; i < app->filter_count; i++) {
        if (app->filters[i].wanted && !app->filters[i].confirmed) {
            return false;
        }
    }
    return true;
}

static bool counts(const sim_node *asker, const sim_app *app, bool some_gone)
{
    return is_alive(asker) && is_alive(app->node) && is_in_session(app) &&
           (app->node == asker || is_member(asker, app->node, some_gone));
}

/* Note who has to have applied it when the answer comes. */
static void note_who_counts(sim_app *app)
{
    const sim_world *world = app->world;

    for (uint32_t i = 0; i < world->app_count; i++) {
        const sim_app *other = world->apps[i];
        app->confirm_of[i] = (sim_session){0};
        if (counts(app->node, other, false)) {
            app->confirm_of[i].attached = other->attached;
            app->confirm_of[i].node = other->node->id;
        }
    }
}

/* Let another application wait for what this one published. */
static void let_await(const sim_app *app, const chd_local_receipt *receipt)
{
    const sim_world *world = app->world;
    sim_app *other =
        world
            ->apps[chd_mix64(receipt->seq ^ app->client_id) % world->app_count];

    if (other->await != 0 && other->await_origin != receipt->origin) {
        chd_client_ask_end(other->client, other->await);
        other->await = 0;
    }
    if (other->await == 0) {
        other->await = chd_client_ask(other->client, CHD_LOCAL_AWAIT,
                                      receipt->origin, receipt->seq);
        other->await_origin = receipt->origin;
        other->await_seq = receipt->seq;
        sim_app_wake(other);
    }
}

void sim_oracle_accepted(sim_app *app, const chd_local_receipt *receipt)
{
    const sim_ledger *ledger = &app->world->ledger;

    if (app->world->options.write_ns == 0) {
        return; /* a story, which says itself what happens */
    }
    if (app->confirm != 0 && app->confirm_origin != receipt->origin) {
        /* It may have died with its sidecar. */
        chd_client_ask_end(app->client, app->confirm);
        app->confirm = 0;
    }
    if (app->confirm != 0 || receipt->seq == 0 ||
        chd_mix64(app->client_id ^ receipt->request) % ASK_ONE_IN != 0 ||
        sim_ledger_find(ledger, receipt->origin) == ledger->origin_count) {
        return;
    }
    app->confirm = chd_client_ask(app->client, CHD_LOCAL_CONFIRM,
                                  receipt->origin, receipt->seq);
    app->confirm_origin = receipt->origin;
    app->confirm_seq = receipt->seq;
    note_who_counts(app);
    let_await(app, receipt);
    sim_app_wake(app);
}

void sim_oracle_asked_again(sim_app *app)
{
    if (app->confirm != 0) {
        note_who_counts(app);
    }
}

/* Tell whether an application refuses to serve what it has: it has been too
 * long since it was told to be fresh. */
static bool does_refuse(const sim_app *app)
{
    const uint64_t horizon_ns = chd_client_horizon_ns(app->client);

    return app->bound_ms != 0 &&
           (horizon_ns == 0 ||
            chd_since(sim_app_clock(app), horizon_ns) > app->bound_ms * CHD_MS);
}

/* Return the first event of an origin up to seq that an application is owed; 0:
 * none. */
static uint32_t find_owed(const sim_app *app, uint64_t origin, uint64_t seq)
{
    const sim_ledger *ledger = &app->world->ledger;
    const uint32_t index = sim_ledger_find(ledger, origin);

    if (index >= app->owed_count) {
        return 0;
    }
    const sim_owed *owed = &app->owed[index];
    for (uint32_t i = 0; i < owed->count; i++) {
        const sim_known *known =
            &ledger->origins[index].events[owed->seqs[i] - 1];
        if (owed->seqs[i] <= seq && sim_app_holds(app, known->topic, false)) {
            return owed->seqs[i];
        }
    }
    return 0;
}

/* A node whose DNS has dropped a silent member is fresh without it: that a
 * member refuses is promised for as long as it is listed there. */
static bool has_dropped(const sim_node *node, const sim_node *member)
{
    const sim_options *options = &node->world->options;
    /* It may have done so for a while. */
    const bool lists_lie =
        sim_has(options, SIM_SPARSE) || sim_has(options, SIM_DNS);

    return node != member && (lists_lie || !is_member(node, member, false));
}

static void check_applied(const sim_app *app, const sim_app *other,
                          bool may_refuse)
{
    const uint32_t owed =
        find_owed(other, app->confirm_origin, app->confirm_seq);

    if (owed != 0 && !(may_refuse && (does_refuse(other) ||
                                      has_dropped(other->node, app->node)))) {
        sim_fail(app->world, "confirmed",
                 "%s was told that all applied event %" PRIu64
                 ", and %s still misses %" PRIu32,
                 app->name, app->confirm_seq, other->name, owed);
    }
}

void sim_oracle_awaited(sim_app *app, uint64_t request)
{
    if (request != app->await) {
        return;
    }
    const uint32_t owed = find_owed(app, app->await_origin, app->await_seq);
    if (owed != 0) {
        sim_fail(app->world, "confirmed",
                 "%s was told to have applied event %" PRIu64
                 ", and misses %" PRIu32,
                 app->name, app->await_seq, owed);
    }
    app->await = 0;
    app->awaits++;
}

/* Who is told that some are gone is told of all the others nevertheless: of
 * those that cannot be dead. */
void sim_oracle_confirmed(sim_app *app, const chd_local_confirmed *confirmed)
{
    const sim_world *world = app->world;

    if (confirmed->request != app->confirm) {
        return;
    }
    app->confirm = 0;
    if (confirmed->outcome != CHD_CONFIRM_DONE) {
        return;
    }
    if (confirmed->applied + confirmed->gone + confirmed->refusing !=
        confirmed->total) {
        sim_fail(app->world, "confirmed", "%s is told of %" PRIu64 " members",
                 app->name, confirmed->total);
    }
    sim_tell(&app->world->transcript, app->world->now_ns, app->name,
             "confirmed %" PRIu64 ": %" PRIu64 " of %" PRIu64 ", %" PRIu64
             " gone, %" PRIu64 " refusing",
             app->confirm_seq, confirmed->applied, confirmed->total,
             confirmed->gone, confirmed->refusing);
    app->confirms++;
    app->refusals += confirmed->refusing;
    for (uint32_t i = 0; i < world->app_count; i++) {
        const sim_app *other = world->apps[i];
        const sim_session *then = &app->confirm_of[i];
        if (then->attached != 0 && then->attached == other->attached &&
            then->node == other->node->id &&
            counts(app->node, other, confirmed->gone > 0)) {
            check_applied(app, other, confirmed->refusing > 0);
        }
    }
}

bool sim_oracle_waits(const sim_app *app)
{
    return app->confirm != 0 && app->node->running &&
           app->confirm_origin == app->node->id;
}

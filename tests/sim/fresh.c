/* fresh.c - the oracle of bounded staleness: whoever says that it has
 * everything that was accepted before a time has it. */
#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* Clocks that measure an age may be slow by a thousandth, and whatever part of
 * it was measured by which, it is by so much too short. */
#define DRIFT_OF(age_ns) ((age_ns) / 999 + 1000)

/* From when on the events of an origin count at a node, in the time of the
 * world; CHD_NEVER_NS: they do not. */
static uint64_t counts_since(const sim_node *node, const sim_origin *origin)
{
    const uint64_t clock = sim_node_clock(node).mono_ns;

    if (origin->id == node->id) {
        return 0;
    }
    const uint64_t since = chd_core_counts_since(node->core, origin->id);
    return since == CHD_NEVER_NS
               ? CHD_NEVER_NS
               : chd_since(node->world->now_ns, chd_since(clock, since));
}

/* Where all nodes reach each other; stories cut links by hand. */
static bool is_open(const sim_world *world)
{
    static const sim_fault faults[] = {
        SIM_PARTITION, SIM_ONEWAY, SIM_STALL, SIM_SPARSE,
        SIM_DNS,       SIM_MOVE,   SIM_ALIAS,
    };

    for (size_t i = 0; i < CHD_COUNT(faults); i++) {
        if (sim_has(&world->options, faults[i])) {
            return false;
        }
    }
    return world->options.fault_ns != 0;
}

/* Tell whether others may have taken a node for dead because it stood still,
 * and not have heard it again. */
static bool is_frozen(const sim_node *node)
{
    const sim_world *world = node->world;

    return node->frozen ||
           (node->thawed_ns != 0 && chd_since(world->now_ns, node->thawed_ns) <
                                        world->options.dead_after);
}

/* Tell whether a node that could be asked has an event. */
static bool is_elsewhere(const sim_node *node, const sim_known *known)
{
    const sim_world *world = node->world;

    for (uint32_t n = 0; n < world->node_count; n++) {
        const sim_node *other = world->nodes[n];
        if (other != node && other->running && !is_frozen(other) &&
            sim_known_is_held_by(known, other->number) &&
            sim_oracle_could_ask(node, other)) {
            return true;
        }
    }
    return false;
}

/* Tell whether DNS has answered a node without another that it has met. */
static bool is_unlisted(const sim_node *node, uint64_t id)
{
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == id) {
            return !member.listed;
        }
    }
    return false;
}

/* After how much silence a node may be taken for dead (PROTOCOL 3.10, 4). */
static uint64_t patience_with(const sim_node *node, uint64_t id)
{
    const sim_options *options = &node->world->options;

    if (is_unlisted(node, id)) {
        return 5 * options->ping_interval;
    }
    return options->strict ? CHD_NEVER_NS : options->dead_after;
}

/* Connections that were cut may take longer to be there again than a member
 * has to be silent to be dead; then it is as if the mesh were in two parts,
 * which settle each other, and what one accepts is not missed in the other
 * before they have met again: the price of `available` (guarantees.md), and of
 * DNS that has dropped who lives. */
void sim_oracle_settles(sim_node *node, uint32_t index, uint64_t silent_ms)
{
    const sim_world *world = node->world;
    const sim_options *options = &world->options;
    const uint64_t heard_ns = chd_since(world->now_ns, silent_ms * CHD_MS);

    if (index == UINT32_MAX || !world->ledger.origins[index].alive ||
        (silent_ms + 1) * CHD_MS <
            patience_with(node, world->ledger.origins[index].id)) {
        return;
    }
    /* What was under way when it was cut may have been heard since. */
    const uint32_t other = world->ledger.origins[index].node;
    const uint64_t cut_ns = world->cut_ns[node->number - 1][other - 1];
    if (cut_ns != 0 &&
        cut_ns + 2 * (options->delay_ns + options->jitter_ns) >= heard_ns) {
        node->greeted_ns[index] = 0;
    }
}

/* Whom a node counts is for the node to say, but not that of a node which it
 * met and can reach, or of which others that it can reach have something,
 * nothing counts any more. */
static bool must_count(const sim_node *node, const sim_origin *origin,
                       const sim_known *known)
{
    const uint32_t index = (uint32_t)(origin - node->world->ledger.origins);
    const uint64_t met_ns = node->greeted_ns[index];

    return is_open(node->world) && met_ns != 0 && known->at_ns > met_ns &&
           (origin->alive ? !is_frozen(node->world->nodes[origin->node - 1])
                          : is_elsewhere(node, known));
}

static void check_origin(sim_app *app, const sim_origin *origin,
                         const sim_owed *owed, uint64_t before_ns)
{
    const uint64_t since_ns = counts_since(app->node, origin);

    for (uint32_t i = 0; i < owed->count; i++) {
        const sim_known *known = &origin->events[owed->seqs[i] - 1];
        if (known->at_ns < before_ns &&
            (known->at_ns > since_ns || must_count(app->node, origin, known)) &&
            sim_app_holds(app, known->topic, false)) {
            sim_fail(app->world, "horizon",
                     "%s has not node-%u.%u:%u of %" PRIu64
                     " ms ago, and is told to be fresher by %" PRIu64 " us",
                     app->name, origin->node, origin->life, owed->seqs[i],
                     (app->world->now_ns - known->at_ns) / CHD_MS,
                     (before_ns - known->at_ns) / 1000);
            return;
        }
    }
}

bool sim_oracle_is_fresh(const sim_app *app, char *why, size_t cap)
{
    const sim_options *options = &app->world->options;
    const uint64_t most = 2 * options->ping_interval +
                          8 * (options->delay_ns + options->jitter_ns) +
                          100 * CHD_MS;
    const uint64_t horizon_ns = chd_client_horizon_ns(app->client);
    const uint64_t age_ns = chd_since(sim_app_clock(app), horizon_ns);

    if (horizon_ns != 0 && age_ns <= most) {
        return true;
    }
    (void)snprintf(why, cap, "%s is stale by %" PRIu64 " ms", app->name,
                   horizon_ns == 0 ? 0 : age_ns / CHD_MS);
    return false;
}

void sim_oracle_horizon(sim_app *app, uint64_t clock_ns)
{
    const sim_world *world = app->world;
    const uint64_t horizon_ns = chd_client_horizon_ns(app->client);
    chd_node_report report;

    const bool is_new = horizon_ns != app->horizon_ns;

    app->horizon_ns = horizon_ns;
    if (!is_new || horizon_ns == 0 || !app->node->running) {
        return;
    }
    chd_core_report_node(app->node->core, sim_node_clock(app->node), &report);
    if (app->sidecar == app->node->id && report.state == CHD_NODE_STARTING) {
        sim_fail(app->world, "horizon", "%s is fresh by a node that met nobody",
                 app->name);
        return;
    }
    if (horizon_ns > clock_ns) {
        sim_fail(app->world, "horizon", "%s is fresh in the future", app->name);
        return;
    }
    const uint64_t age_ns = clock_ns - horizon_ns;
    const uint64_t before_ns =
        chd_since(world->now_ns, age_ns + DRIFT_OF(age_ns));
    for (uint32_t i = 0; i < app->owed_count; i++) {
        if (app->owed[i].count > 0) {
            check_origin(app, &world->ledger.origins[i], &app->owed[i],
                         before_ns);
        }
    }
}

/* published.c - the oracles about publications: what a library lets go of is
 * safe, and what is published again is delivered once.
 */
#include <inttypes.h>

#include "tests/sim/oracle.h"
#include "tests/sim/world.h"

/* The next event of the same publication; false when it is the first one. */
static bool next_twin(const sim_ledger *ledger, const sim_publication *first,
                      sim_publication *at)
{
    const sim_known *known = &ledger->origins[at->origin].events[at->seq - 1];

    at->origin = known->twin_origin;
    at->seq = known->twin_seq;
    return at->origin != first->origin || at->seq != first->seq;
}

bool sim_oracle_is_owed(const sim_app *app, const sim_publication *one)
{
    sim_publication at = *one;

    do {
        if (at.origin >= app->owed_count) {
            continue;
        }
        const sim_owed *owed = &app->owed[at.origin];
        for (uint32_t i = 0; i < owed->count; i++) {
            if (owed->seqs[i] == at.seq) {
                return true;
            }
        }
    } while (next_twin(&app->world->ledger, one, &at));
    return false;
}

static void strike_out(sim_owed *owed, uint32_t seq)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < owed->count; i++) {
        if (owed->seqs[i] != seq) {
            owed->seqs[kept++] = owed->seqs[i];
        }
    }
    owed->count = kept;
}

void sim_oracle_settled(sim_app *app, uint32_t origin, uint32_t seq)
{
    const sim_publication one = {.origin = origin, .seq = seq};
    sim_publication at = one;

    while (next_twin(&app->world->ledger, &one, &at)) {
        if (at.origin != origin) {
            strike_out(sim_owed_of(app, at.origin), at.seq);
        }
    }
}

/* A node remembers so many stretches of what a client published; the gaps
 * between them are of what was superseded. */
static bool may_be_forgotten(const sim_ledger *ledger, const sim_known *known)
{
    return sim_ledger_publication(ledger, known->client,
                                  known->number +
                                      2 * CHD_PUBLISHED_RANGES_MAX) != NULL;
}

void sim_oracle_twins(sim_app *app, uint32_t origin, uint32_t seq)
{
    const sim_ledger *ledger = &app->world->ledger;
    const sim_publication one = {.origin = origin, .seq = seq};
    sim_publication at = one;

    const sim_known *known = &ledger->origins[origin].events[seq - 1];

    sim_oracle_settled(app, origin, seq);
    if (known->subject != 0 || may_be_forgotten(ledger, known)) {
        return;
    }
    while (next_twin(ledger, &one, &at)) {
        if (sim_owed_was_seen(app, at.origin, at.seq)) {
            const sim_origin *first = &ledger->origins[at.origin];
            sim_fail(app->world, "twice",
                     "%s gets node-%u.%u:%u, which was node-%u.%u:%u before",
                     app->name, ledger->origins[origin].node,
                     ledger->origins[origin].life, seq, first->node,
                     first->life, at.seq);
            return;
        }
    }
}

/* Tell whether a node has all of an origin up to seq, or has reset what it has
 * not.  Whom it has met but not in its table it does not report. */
static bool knows(const sim_node *node, uint32_t origin, uint32_t seq)
{
    const uint64_t id = node->world->ledger.origins[origin].id;
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        if (member.node == id) {
            return member.received >= seq;
        }
    }
    return (node->met[origin / 64] >> (origin % 64) & 1) != 0;
}

static bool is_known_elsewhere(const sim_world *world, uint32_t origin,
                               uint32_t seq)
{
    for (uint32_t n = 0; n < world->node_count; n++) {
        const sim_node *node = world->nodes[n];
        if (node->running &&
            node->number != world->ledger.origins[origin].node &&
            knows(node, origin, seq)) {
            return true;
        }
    }
    return false;
}

bool sim_oracle_has_company(const sim_node *node)
{
    const sim_world *world = node->world;
    chd_member_report member;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, sim_node_clock(node), &i, &member);
         i++) {
        for (uint32_t n = 0; n < world->node_count; n++) {
            const sim_node *other = world->nodes[n];
            if (member.state == CHD_MEMBER_LIVE && other->running &&
                !other->stopped && other->id == member.node &&
                !sim_node_is_leaving(other)) {
                return true;
            }
        }
    }
    return false;
}

static bool is_safe(const sim_node *node, const sim_publication *first)
{
    const sim_world *world = node->world;
    sim_publication at = *first;

    do {
        const sim_origin *origin = &world->ledger.origins[at.origin];
        if (origin->events[at.seq - 1].spread ||
            is_known_elsewhere(world, at.origin, at.seq)) {
            return true;
        }
    } while (next_twin(&world->ledger, first, &at));
    return !sim_oracle_has_company(node);
}

void sim_oracle_released(sim_node *node, const sim_stream *stream,
                         chd_bytes message)
{
    sim_app *app = stream->app;
    chd_local local;

    if (app == NULL || chd_local_scan(message, &local) != CHD_OK ||
        local.type != CHD_LOCAL_REPLICATED) {
        return;
    }
    for (; app->released < app->published &&
           app->requests[app->released] <= local.u.request;
         app->released++) {
        const sim_publication *first = sim_ledger_publication(
            &node->world->ledger, app->client_id, app->released + 1);
        if (first == NULL) {
            sim_fail(node->world, "replicated",
                     "%s lets %s forget its publication %" PRIu64
                     ", which nobody sent",
                     node->name, app->name, app->released + 1);
            return;
        }
        if (!is_safe(node, first)) {
            const sim_origin *origin =
                &node->world->ledger.origins[first->origin];
            sim_fail(node->world, "replicated",
                     "%s lets %s forget its publication %" PRIu64
                     " too early: node-%u.%u:%u",
                     node->name, app->name, app->released + 1, origin->node,
                     origin->life, first->seq);
            return;
        }
    }
}

/* oracle.h - what must be true, whatever happens.
 *
 *   invention  nothing is delivered that nobody published
 *   gap        between origin and session a missing update or message is
 *              followed by a RESET that covers it, before any later one of
 *              that origin; in the end each event was delivered, or a RESET
 *              covered it, or a later invalidation of the same target and
 *              origin stood for it
 *   order      an event reaches a session once, and the updates and messages
 *              of one origin come in their order; invalidations may overtake a
 *              gap.  A new session may be given again what an earlier one was
 *   twice      what a library published again, because its sidecar died, does
 *              not reach a session that was given it before, invalidations
 *              aside
 *   replicated what a sidecar lets a library forget is at one more node, or
 *              there was nobody else
 *   confirmed  when an application is told that all have applied an event, the
 *              sessions of all members have, or a RESET covered it, or they
 *              serve nothing, and there are as many of these as it was told;
 *              when it is told that it has applied one itself, it has
 *   resume     a session that reconnects to a sidecar which has all that it
 *              missed is not reset
 *   agreement  nobody gives up an event that somebody within reach has, no
 *              session is ahead of the mesh, and who leaves in order leaves
 *              when the others have its events
 *   stream     an application can read what its sidecar says
 *   stale      once all is quiet, no cache holds an old value
 *   bound      what waits for a session, and every table, stays in its limits
 *   busy       a deadline lies in the future, or there is something to do
 *   storm      a RESET has a reason: a subscription, a loss, a join; and what
 *              is in a log that can be reached is fetched instead
 *   settle     once all is healed, everybody hears everybody, soon
 *   steady     from then on, nothing is missed and nothing is reset
 *   digest     the same seed does the same (run.c)
 *
 * An event that no living node was ever given died with its origin; nothing
 * can be asked of the others then.
 */
#ifndef CHD_TESTS_SIM_ORACLE_H
#define CHD_TESTS_SIM_ORACLE_H

#include "proto/core/core.h"
#include "tests/sim/app.h"
#include "tests/sim/ledger.h"

/* Return what an application is owed of an origin in the ledger. */
sim_owed *sim_owed_of(sim_app *app, uint32_t origin);

/* Tell whether it was given an event already. */
bool sim_owed_was_seen(sim_app *app, uint32_t origin, uint32_t seq);

/* An application published an item. */
void sim_oracle_published(sim_app *app, const chd_event *event);

/* A node broadcasts; returns whether it is events. */
bool sim_oracle_broadcast(sim_node *node, chd_bytes message);

/* A node is fed a message of the mesh. */
void sim_oracle_fed(sim_node *node, chd_input_kind kind, chd_bytes message);

/* And has dealt with it.  records: it has taken some from it, or had them.  Of
 * an answer that it ignores, as it was not what it had asked for, it has
 * nothing. */
void sim_oracle_took(sim_node *node, chd_bytes message, bool records);

/* A node begins to follow an origin where that is, at upto. */
void sim_oracle_began(sim_node *node, uint32_t origin, uint64_t upto);

/* A node gave up events first..last of an origin. */
void sim_oracle_gave_up(sim_node *node, uint32_t origin, uint64_t first,
                        uint64_t last);

/* A node ended a turn; idle: for no other reason than its deadline. */
void sim_oracle_turn(sim_node *node, bool idle);

/* A node stands still.  Whom it had given up before may come back meanwhile,
 * and has to be met again. */
void sim_oracle_freezes(sim_node *node);

/* A node takes another for dead and settled, as nobody heard it for so long. */
void sim_oracle_settles(sim_node *node, uint32_t index, uint64_t silent_ms);

/* A session of a node was sent something. */
void sim_oracle_sent(sim_node *node, const sim_stream *stream);

/* Tell whether an application is owed a publication that this event is of. */
bool sim_oracle_is_owed(const sim_app *app, const sim_publication *one);

/* It needs no event of a publication any more, since not this one. */
void sim_oracle_settled(sim_app *app, uint32_t origin, uint32_t seq);

/* Tell whether a node could ask another. */
bool sim_oracle_could_ask(const sim_node *node, const sim_node *other);

/* Tell whether a node has somebody to replicate to. */
bool sim_oracle_has_company(const sim_node *node);

/* It was given one event of a publication: not the others. */
void sim_oracle_twins(sim_app *app, uint32_t origin, uint32_t seq);

/* A node says something to a session: what may be forgotten is safe. */
void sim_oracle_released(sim_node *node, const sim_stream *stream,
                         chd_bytes message);

/* An application's sidecar showed that it is there. */
void sim_oracle_pong(sim_app *app);

/* A connection of an application begins. */
void sim_oracle_welcomed(sim_app *app, const chd_local_welcome *welcome);

/* An application is given a record, or a RESET. */
void sim_oracle_delivered(sim_app *app, uint64_t id, chd_bytes record);
void sim_oracle_reset(sim_app *app, const chd_local_reset *reset);

/* A publish of an application was accepted: it may ask about it. */
void sim_oracle_accepted(sim_app *app, const chd_local_receipt *receipt);
/* A new connection is asked again. */
void sim_oracle_asked_again(sim_app *app);
/* It was told that all have applied it. */
void sim_oracle_confirmed(sim_app *app, const chd_local_confirmed *confirmed);
/* It was told that it has applied what it waits for. */
void sim_oracle_awaited(sim_app *app, uint64_t request);
/* Tell whether it waits for an answer that has to come. */
bool sim_oracle_waits(const sim_app *app);

/* A node is about to exit in order. */
void sim_oracle_left(sim_node *node);

/* Tell whether everybody hears everybody, everything published is accepted,
 * and nothing is owed; why says what is missing. */
bool sim_oracle_is_settled(sim_world *world, char *why, size_t cap);

/* All is quiet: compare the caches with the database. */
void sim_oracle_quiet(sim_world *world);

/* The application may have become fresher: check that by its clock it is not
 * told to be fresher than it is. */
void sim_oracle_horizon(sim_app *app, uint64_t clock_ns);

/* Tell whether the application knows that it is fresh; else say why not. */
bool sim_oracle_is_fresh(const sim_app *app, char *why, size_t cap);

#endif

/* app.h - an application: a cache in front of the database, kept coherent by a
 * chd_client, the library's engine.
 *
 * A write changes the database and then publishes an invalidation.  A read
 * fills the cache.  Invalidations, updates and RESET do to the cache what the
 * documentation asks for.
 */
#ifndef CHD_TESTS_SIM_APP_H
#define CHD_TESTS_SIM_APP_H

#include "proto/session/client.h"
#include "tests/sim/model.h"
#include "tests/sim/node.h"

#define SIM_FILTERS_MAX 80
#define SIM_TODO_MAX 512
#define SIM_REASONS 8

#define SIM_APPS_MAX 64

typedef struct sim_filter {
    chd_match match;
    char topic[SIM_NAME_BYTES];
    bool wanted;
    bool held;      /* it began with a RESET once: from then on each event
                       must come, or another RESET                       */
    bool confirmed; /* on this connection                                */
    bool begun;     /* and then, or on those that it resumed             */
} sim_filter;

/* Events of one origin that must still come, or be covered by a RESET. */
typedef struct sim_owed {
    uint32_t *seqs;
    uint32_t count;
    uint32_t cap;
    uint32_t last; /* highest one delivered of those that have their turn */
    uint8_t *seen; /* bits of those delivered */
    uint32_t seen_cap;
} sim_owed;

/* One connection of an application to one life of a sidecar. */
typedef struct sim_session {
    uint64_t attached; /* as in sim_app; 0: none */
    uint64_t node;     /* its id                 */
} sim_session;

struct sim_app {
    sim_world *world;
    char name[16];
    sim_node *node;
    chd_client *client;
    uint32_t life;
    sim_stream *stream;
    uint64_t clock_ns; /* offset of its clock */
    uint64_t bound_ms; /* it serves nothing staler; 0: it may */
    uint64_t wake_ns;
    uint64_t wake_token;
    uint64_t work_token;
    uint64_t paused_until_ns;
    bool ignores_next; /* SIM_CANARY_DEAF */
    uint64_t attached; /* connections that were welcomed */
    uint64_t client_id;
    sim_filter filters[SIM_FILTERS_MAX];
    uint32_t filter_count;
    uint32_t cache[SIM_TOPICS_MAX][SIM_KEYS_MAX]; /* version; 0: none */
    sim_item todo[SIM_TODO_MAX];                  /* not published yet */
    uint32_t todo_first;
    uint32_t todo_count;

    /* for the oracles */
    sim_owed *owed; /* by origin in the ledger */
    uint32_t owed_count;
    uint64_t resets[SIM_REASONS]; /* on this connection, by reason  */
    uint64_t asked;  /* subscriptions made for this connection      */
    uint64_t stalls; /* times that it did not read for a while      */
    uint64_t reset_counts[SIM_REASONS]; /* in all its life */
    uint64_t released;                  /* publications that it may forget */
    uint64_t *requests; /* of each publication, by its number from 1    */
    uint64_t published;
    uint64_t request_cap;
    uint64_t resumed;     /* connections                     */
    uint64_t sidecar;     /* whose misses these are          */
    uint64_t misses;      /* at the last PONG                */
    uint64_t misses_then; /* at the one before               */
    uint64_t late_resets; /* other than for subscribing, when steady */
    uint64_t delivered;
    uint64_t confirm; /* the question that waits; 0: none        */
    uint64_t confirm_origin;
    uint64_t confirm_seq;
    uint64_t confirms; /* that were answered                      */
    uint64_t refusals; /* members that refused, in all of them    */
    sim_session confirm_of[SIM_APPS_MAX]; /* who counts           */
    uint64_t await;                       /* the same for itself  */
    uint64_t await_origin;
    uint64_t await_seq;
    uint64_t awaits;
    uint64_t horizon_ns; /* the last one that was checked */
};

/* Make an application on a node's machine and start it. */
sim_app *sim_app_new(sim_world *world, sim_node *node, const char *name);
void sim_app_free(sim_app *app);

/* Let it begin anew as one that serves nothing staler. */
void sim_app_set_bound(sim_app *app, uint64_t bound_ms);

/* Return the time on its own clock. */
uint64_t sim_app_clock(const sim_app *app);

/* Close and begin anew with an empty cache. */
void sim_app_restart(sim_app *app);

/* Its connection breaks; both sides live on. */
void sim_app_unplug(sim_app *app);

/* Stop reading until a time. */
void sim_app_pause(sim_app *app, uint64_t until_ns);

/* Change what it is subscribed to; i is an index in filters. */
void sim_app_subscribe(sim_app *app, chd_match match, const char *topic);
void sim_app_unsubscribe(sim_app *app, uint32_t i);

/* Change the database and publish what it means; the item is completed. */
void sim_app_write(sim_app *app, sim_item item);

/* Make something up that an application may write. */
sim_item sim_any_item(sim_world *world);

/* Look a key up, and fill the cache. */
void sim_app_read(sim_app *app, uint32_t topic, uint32_t key);

/* Something is there for it. */
void sim_app_wake(sim_app *app);

/* Let it read and write on its own account, as the options say. */
void sim_app_begin_work(sim_app *app);

/* Deal with what the client made of a message. */
void sim_app_deliver(sim_app *app, const chd_delivery *delivery);

/* Tell whether it is subscribed to a topic, as far as it is concerned. */
bool sim_app_wants(const sim_app *app, uint32_t topic);

/* Tell whether nothing of its own is still to be accepted. */
bool sim_app_is_idle(const sim_app *app);

/* Tell whether a filter of it that is held covers a topic; also those that
 * are held but not confirmed on this connection, if asked for. */
bool sim_app_holds(const sim_app *app, uint32_t topic, bool unconfirmed);

#endif

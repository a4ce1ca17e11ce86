/* ledger.h - what the oracles know: everything that applications published,
 * and every event as its origin accepted it.
 */
#ifndef CHD_TESTS_SIM_LEDGER_H
#define CHD_TESTS_SIM_LEDGER_H

#include "proto/base/bytes.h"
#include "tests/sim/options.h"

/* Nodes by number. */
typedef struct sim_nodes {
    uint64_t bits[SIM_NODES_MAX / 64];
} sim_nodes;

/* An event, under its sequence number - 1. */
typedef struct sim_known {
    uint64_t hash;     /* of what it says */
    uint64_t subject;  /* of what an invalidation names; a later one of the
                         same stands for an earlier one; 0: it has its turn */
    sim_nodes holders; /* were fed it and have not died since */
    uint32_t topic;
    uint64_t client; /* who published it, and its number; 0: not told   */
    uint64_t number;
    bool spread;          /* another machine was fed it, or there was none */
    uint32_t twin_origin; /* the next event that is the same publication, */
    uint32_t twin_seq;    /* in a ring; itself when there is no other     */
    uint64_t at_ns;       /* when it was accepted, at the latest       */
} sim_known;

/* A publication: one event of it. */
typedef struct sim_publication {
    uint64_t client; /* 0: empty */
    uint64_t number;
    uint32_t origin;
    uint32_t seq;
} sim_publication;

typedef struct sim_origin {
    uint64_t id;
    uint32_t node; /* number */
    uint32_t life;
    bool alive;
    sim_known *events;
    uint32_t count;
    uint32_t cap;
} sim_origin;

/* What was published on one node, as often as it was. */
typedef struct sim_published {
    uint64_t entry;  /* of hash and node; 0 is empty                       */
    int64_t missing; /* how often it was not accepted; below 0: published
                        again after a receipt was lost                     */
} sim_published;

typedef struct sim_ledger {
    sim_origin *origins;
    uint32_t origin_count;
    uint32_t origin_cap;
    sim_published *published; /* open addressing */
    size_t published_count;
    size_t published_cap;
    sim_publication *publications; /* open addressing */
    size_t publication_count;
    size_t publication_cap;
} sim_ledger;

/* Note a node's new life. */
void sim_ledger_start(sim_ledger *ledger, uint64_t id, uint32_t node,
                      uint32_t life);

/* Note its end: what it was fed is gone. */
void sim_ledger_end(sim_ledger *ledger, uint64_t id);

/* Return the number of an origin, or UINT32_MAX. */
uint32_t sim_ledger_find(const sim_ledger *ledger, uint64_t id);

/* Add an event to an origin. */
void sim_ledger_add(sim_origin *origin, const sim_known *event);

/* Note who holds an event, and ask: whether a node does, or any. */
void sim_known_hold(sim_known *known, uint32_t node);
bool sim_known_is_held_by(const sim_known *known, uint32_t node);
bool sim_known_is_held(const sim_known *known);
/* Return the first event of a publication, or NULL. */
const sim_publication *sim_ledger_publication(const sim_ledger *ledger,
                                              uint64_t client, uint64_t number);

/* Put an event, the last one of its origin, into the ring of its publication.
 * Returns the one that was there before, or NULL. */
const sim_publication *sim_ledger_join(sim_ledger *ledger, uint32_t origin);

/* Note that something was published on a node, and ask. */
void sim_ledger_publish(sim_ledger *ledger, uint64_t hash, uint32_t node);
bool sim_ledger_is_published(const sim_ledger *ledger, uint64_t hash,
                             uint32_t node);

/* Note that the node accepted it; false when nobody published it there. */
bool sim_ledger_accept(sim_ledger *ledger, uint64_t hash, uint32_t node);

/* Return how much of what was published was accepted nowhere. */
uint64_t sim_ledger_missing(const sim_ledger *ledger);

/* Give the memory back. */
void sim_ledger_fini(sim_ledger *ledger);

#endif

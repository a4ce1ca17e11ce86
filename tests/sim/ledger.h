/* ledger.h - what the oracles know: everything that applications published,
 * and every event as its origin accepted it.
 */
#ifndef CHD_TESTS_SIM_LEDGER_H
#define CHD_TESTS_SIM_LEDGER_H

#include "proto/base/bytes.h"

/* An event, under its sequence number - 1. */
typedef struct sim_known {
    uint64_t hash;    /* of what it says                          */
    uint64_t holders; /* bits of the nodes that were fed it and
                         have not died since                      */
    uint64_t subject; /* of what an invalidation names; a later one of the
                         same stands for an earlier one; 0: it has its turn */
    uint32_t topic;
} sim_known;

typedef struct sim_origin {
    uint64_t id;
    uint32_t node; /* number */
    uint32_t life;
    bool alive;
    sim_known *events;
    uint32_t count;
    uint32_t cap;
} sim_origin;

typedef struct sim_ledger {
    sim_origin *origins;
    uint32_t origin_count;
    uint32_t origin_cap;
    uint64_t *published; /* hashes; open addressing, 0 is empty */
    size_t published_count;
    size_t published_cap;
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

/* Note that something was published on a node, and ask. */
void sim_ledger_publish(sim_ledger *ledger, uint64_t hash, uint32_t node);
bool sim_ledger_is_published(const sim_ledger *ledger, uint64_t hash,
                             uint32_t node);

/* Give the memory back. */
void sim_ledger_fini(sim_ledger *ledger);

#endif

/* agenda.h - what happens when: a queue ordered by virtual time, and by the
 * order of adding where the time is the same.
 *
 * An entry cannot be taken back.  Who may change his mind passes a token and
 * ignores entries whose token is not the newest.
 *
 * Owns:   an agenda owns its entries, never what they point to.
 */
#ifndef CHD_TESTS_SIM_AGENDA_H
#define CHD_TESTS_SIM_AGENDA_H

#include "proto/base/base.h"

typedef void sim_act(void *who, uint64_t token);

typedef struct sim_entry {
    uint64_t at_ns;
    uint64_t number; /* of adding */
    sim_act *act;
    void *who;
    uint64_t token;
} sim_entry;

typedef struct sim_agenda {
    sim_entry *heap;
    size_t count;
    size_t cap;
    uint64_t added;
} sim_agenda;

/* Let act(who, token) happen at a time. */
void sim_agenda_add(sim_agenda *agenda, uint64_t at_ns, sim_act *act, void *who,
                    uint64_t token);

/* Take the first entry that is due until a time; false when there is none. */
bool sim_agenda_take(sim_agenda *agenda, uint64_t until_ns, sim_entry *entry);

/* Give the memory back; the agenda is empty then. */
void sim_agenda_fini(sim_agenda *agenda);

#endif

/* model.h - what the applications of a simulated cluster are about: topics,
 * keys, and the database that holds the truth.
 *
 * A key has a version, which each write raises.  A cache that holds an older
 * one is stale.  Tags are made up from keys, so that nobody has to store them.
 */
#ifndef CHD_TESTS_SIM_MODEL_H
#define CHD_TESTS_SIM_MODEL_H

#include "proto/wire/event.h"

#define SIM_TOPICS_MAX 16
#define SIM_KEYS_MAX 40
#define SIM_NAME_BYTES 24

/* A small table of names, each with its number. */
typedef struct sim_names {
    char text[SIM_KEYS_MAX][SIM_NAME_BYTES];
    uint32_t count;
} sim_names;

typedef struct sim_model {
    sim_names topics;
    sim_names keys;
    uint32_t versions[SIM_TOPICS_MAX][SIM_KEYS_MAX];
} sim_model;

/* Return the number of a name, which is added when it is new. */
uint32_t sim_name_number(sim_names *names, const char *text);

/* Return the number of a name, or UINT32_MAX. */
uint32_t sim_name_find(const sim_names *names, chd_bytes text);

/* What an application publishes. */
typedef struct sim_item {
    chd_kind kind;
    chd_target_kind target_kind;
    uint32_t topic;
    char target[SIM_NAME_BYTES];
    bool soft;        /* INVALIDATE                           */
    uint32_t version; /* UPDATE: of the key                   */
    uint64_t number;  /* MESSAGE: no two have the same        */
    size_t bytes;     /* MESSAGE: how long the payload is     */
} sim_item;

/* Tell whether an invalidation with this target covers a key. */
bool sim_target_covers(const sim_model *model, chd_target_kind kind,
                       chd_bytes target, uint32_t key);

/* Raise the version of every key that the item covers.  Returns the version
 * of the last one. */
uint32_t sim_model_write(sim_model *model, const sim_item *item);

/* Turn an item into an event; value has room for CHD_PAYLOAD_BYTES_MAX. */
chd_event sim_item_event(const sim_model *model, const sim_item *item,
                         uint8_t *value);

/* Read the version out of the value of an update. */
uint32_t sim_update_version(chd_bytes value);

/* Hash what an event says, its number and stamp aside. */
uint64_t sim_event_hash(const chd_event *event);

#endif

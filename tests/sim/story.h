/* story.h - stories: faults placed by hand in a world without chance, and the
 * exact transcript that must come of them.
 *
 * A delay of one millisecond each way, no jitter, one node after the other:
 * the times in the lines are asserted, too.
 *
 * Thread: one story at a time.
 */
#ifndef CHD_TESTS_SIM_STORY_H
#define CHD_TESTS_SIM_STORY_H

#include "tests/sim/world.h"

typedef struct story {
    const char *name;
    void (*tell)(sim_world *world);
} story;

typedef struct story_list {
    const story *stories;
    size_t count;
} story_list;

/* Tell every story whose name contains wanted (all when NULL), and print what
 * is different from what was expected.  Returns how many failed; *passed how
 * many did not. */
uint32_t story_tell_all(const char *wanted, uint32_t *passed);

/* Add machines up to number and return the last one; its address is in the
 * names from the start when listed. */
sim_node *story_node(sim_world *world, uint32_t number, bool listed);

/* Put a node's address into the names, or take it out. */
void story_list_node(sim_world *world, uint32_t number, bool listed);

/* Start an application on a node: "app-2" on node-2, subscribed to topic. */
sim_app *story_app(sim_world *world, uint32_t number, const char *topic);

/* Change the database and publish. */
void story_invalidate(sim_app *app, const char *topic, const char *key);
void story_message(sim_app *app, const char *topic, size_t bytes);

/* Block what goes from one node to another for so many milliseconds. */
void story_block(sim_world *world, uint32_t from, uint32_t to, uint64_t ms);

/* Let time pass until so many milliseconds after the beginning. */
void story_until(sim_world *world, uint64_t ms);

/* Forget the lines since the last expectation. */
void story_skip(sim_world *world);

/* The lines since the last expectation must be these. */
void story_expect(sim_world *world, const char *text);

#endif

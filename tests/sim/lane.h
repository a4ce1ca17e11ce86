/* lane.h - one direction of a connection: what is under way in it. */
#ifndef CHD_TESTS_SIM_LANE_H
#define CHD_TESTS_SIM_LANE_H

#include "tests/sim/link.h"

/* Make bytes that can be under way; take another reference; give one back. */
sim_blob *sim_blob_new(chd_bytes bytes);
sim_blob *sim_blob_ref(sim_blob *blob);
void sim_blob_unref(sim_blob *blob);

/* Return how long a message takes from one node to another just now. */
uint64_t sim_lane_delay(sim_world *world);

/* Return who sends into the lane, and who receives from it. */
sim_node *sim_lane_from(sim_conn *conn, const sim_lane *lane);
sim_node *sim_lane_to(sim_conn *conn, const sim_lane *lane);

/* Send; false when the queue is full.  The blob is borrowed. */
bool sim_lane_send(sim_conn *conn, sim_lane *lane, sim_blob *blob);

/* The connection is up, or the path free: what waited is under way now. */
void sim_lane_release(sim_conn *conn, sim_lane *lane);

/* Lose what is under way: all, or from a random place on. */
void sim_lane_lose(sim_conn *conn, sim_lane *lane, bool all);

#endif

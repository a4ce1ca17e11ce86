/* canary.h - planted faults, one for each oracle.  An oracle that does not
 * notice its canary is decoration.
 *
 * They sit in the links and sockets of the simulated world, never in proto/.
 */
#ifndef CHD_TESTS_SIM_CANARY_H
#define CHD_TESTS_SIM_CANARY_H

#include "tests/sim/app.h"

/* Tell whether an events link loses a message without telling the oracles. */
bool sim_canary_loses(sim_conn *conn);

/* Return what an events link carries in the place of blob, which is consumed.
 */
sim_blob *sim_canary_carries(sim_conn *conn, sim_blob *blob);

/* Tell whether a link swallows a message on its way to a node. */
bool sim_canary_keeps(sim_conn *conn, const sim_blob *blob, const sim_node *to);

/* Return what any link carries in the place of blob, which is consumed. */
sim_blob *sim_canary_changes(sim_conn *conn, sim_blob *blob);

/* Tell whether a connection is kept from coming up. */
bool sim_canary_blocks(const sim_conn *conn);

/* What a node's session is sent counts as applied. */
void sim_canary_applies(sim_node *node, uint32_t session, chd_bytes message);

/* Return a node's deadline as its shell sees it. */
uint64_t sim_canary_deadline(const sim_node *node, uint64_t deadline_ns);

/* What becomes of a delivery. */
typedef enum sim_mischief {
    SIM_MISCHIEF_NONE,
    SIM_MISCHIEF_DROP,   /* the application never hears of it         */
    SIM_MISCHIEF_IGNORE, /* it hears of it and its cache does nothing */
    SIM_MISCHIEF_TWICE,
    SIM_MISCHIEF_BACKWARDS,
} sim_mischief;

/* Return what is to become of this one. */
sim_mischief sim_canary_delivers(sim_app *app, const chd_delivery *delivery);

#endif

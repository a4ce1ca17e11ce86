/* dns.h - the names: a list of addresses that each node polls, and that says
 * what it says.
 */
#ifndef CHD_TESTS_SIM_DNS_H
#define CHD_TESTS_SIM_DNS_H

#include "tests/sim/node.h"

/* Let a node poll, now and from then on. */
void sim_dns_begin(sim_node *node);

/* Change the list: whether it has a node, from a time on. */
void sim_dns_list(sim_world *world, uint32_t number, bool listed,
                  uint64_t at_ns);

/* Make the answer of a poll that ends now; it borrows from the node. */
chd_input sim_dns_answer(sim_node *node);

#endif

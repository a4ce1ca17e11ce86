#include "tests/sim/dns.h"

#include "tests/sim/world.h"

static void poll(void *who, uint64_t token)
{
    sim_node *node = who;
    sim_world *world = node->world;

    if (!node->running || node->poll_token != token) {
        return;
    }
    node->poll_due = true;
    sim_node_wake(node);
    sim_agenda_add(&world->agenda, world->now_ns + world->options.poll_ns, poll,
                   node, token);
}

void sim_dns_begin(sim_node *node)
{
    poll(node, ++node->poll_token);
}

static void change(void *who, uint64_t token)
{
    sim_world *world = who;

    if (world->phase != SIM_PHASE_FAULTS) {
        return; /* the list is as it should be */
    }
    world->dns.listed[token >> 1] = (token & 1) != 0;
}

void sim_dns_list(sim_world *world, uint32_t number, bool listed,
                  uint64_t at_ns)
{
    const uint64_t token = (uint64_t)(number - 1) << 1 | (listed ? 1 : 0);
    sim_agenda_add(&world->agenda, at_ns, change, world, token);
}

/* Without chance the answer is in order; else in any, and sometimes partial.
 */
static void collect(sim_node *node, bool partial)
{
    sim_world *world = node->world;
    const bool shuffles = world->options.jitter_ns > 0;

    node->listed_count = 0;
    for (uint32_t i = 0; i < world->node_count; i++) {
        const sim_node *other = world->nodes[i];
        if (!world->dns.listed[i] || !world->dns.sees[node->number - 1][i] ||
            (partial && sim_one_in(world, 2))) {
            continue;
        }
        node->listed[node->listed_count++] = other->endpoint;
        if (world->dns.aliases && other->alias.port != 0) {
            node->listed[node->listed_count++] = other->alias;
        }
    }
    for (size_t i = node->listed_count; shuffles && i > 1; i--) {
        const size_t j = (size_t)sim_below(world, i);
        const chd_endpoint swap = node->listed[i - 1];
        node->listed[i - 1] = node->listed[j];
        node->listed[j] = swap;
    }
}

chd_input sim_dns_answer(sim_node *node)
{
    sim_world *world = node->world;
    const bool fails = world->phase == SIM_PHASE_FAULTS &&
                       sim_has(&world->options, SIM_DNS) &&
                       sim_one_in(world, 3);
    const uint64_t how = fails ? sim_below(world, 3) : 3;
    chd_input input = {.kind = CHD_IN_LISTED};

    if (how == 0 || world->dns.unknown) {
        input.u.listed.outcome = CHD_DNS_UNKNOWN;
    } else if (how == 1) {
        input.u.listed.outcome = CHD_DNS_EMPTY;
        node->listed_count = 0;
    } else {
        collect(node, how == 2);
        input.u.listed.outcome =
            node->listed_count == 0 ? CHD_DNS_EMPTY : CHD_DNS_ANSWER;
    }
    input.u.listed.dns_count = node->listed_count;
    input.u.listed.endpoints = node->listed;
    input.u.listed.endpoint_count = node->listed_count;
    return input;
}

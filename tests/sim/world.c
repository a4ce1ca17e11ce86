#include "tests/sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DIGEST_BYTES 1024

void sim_world_init(sim_world *world, const sim_options *options)
{
    memset(world, 0, sizeof(*world));
    world->options = *options;
    world->prng = chd_prng_seeded(options->seed);
    world->transcript.on = options->trace;
    for (uint32_t a = 0; a < SIM_NODES_MAX; a++) {
        for (uint32_t b = 0; b < SIM_NODES_MAX; b++) {
            world->dns.sees[a][b] = true;
        }
    }
}

void sim_world_fini(sim_world *world)
{
    for (uint32_t i = 0; i < world->app_count; i++) {
        sim_app_free(world->apps[i]);
    }
    for (uint32_t i = 0; i < world->node_count; i++) {
        sim_node_free(world->nodes[i]);
    }
    sim_link_fini(world);
    sim_ledger_fini(&world->ledger);
    sim_agenda_fini(&world->agenda);
    sim_transcript_fini(&world->transcript);
}

bool sim_world_run(sim_world *world, uint64_t until_ns)
{
    sim_entry entry;

    while (!world->failed &&
           sim_agenda_take(&world->agenda, until_ns, &entry)) {
        CHD_ASSERT(entry.at_ns >= world->now_ns);
        world->now_ns = entry.at_ns;
        entry.act(entry.who, entry.token);
    }
    if (!world->failed) {
        world->now_ns = until_ns;
    }
    return !world->failed;
}

void sim_fail(sim_world *world, const char *oracle, const char *format, ...)
{
    va_list args;

    if (world->failed) {
        return;
    }
    world->failed = true;
    (void)snprintf(world->oracle, sizeof(world->oracle), "%s", oracle);
    va_start(args, format);
    (void)vsnprintf(world->verdict, sizeof(world->verdict), format, args);
    va_end(args);
    sim_tell(&world->transcript, world->now_ns, "oracle", "%s: %s", oracle,
             world->verdict);
}

uint64_t sim_below(sim_world *world, uint64_t bound)
{
    return bound <= 1 ? 0 : chd_prng_below(&world->prng, bound);
}

uint64_t sim_between(sim_world *world, uint64_t least, uint64_t most)
{
    return least + sim_below(world, most - least + 1);
}

bool sim_one_in(sim_world *world, uint64_t n)
{
    return sim_below(world, n) == 0;
}

void sim_digest(sim_world *world, uint64_t what, chd_bytes bytes)
{
    world->digest = chd_mix64(world->digest + world->now_ns + bytes.len);
    /* Of long messages the two ends: the rest is payload. */
    if (bytes.len > 2 * DIGEST_BYTES) {
        const uint8_t *end = bytes.ptr + bytes.len - DIGEST_BYTES;
        world->digest ^= chd_hash(what, chd_bytes_of(end, DIGEST_BYTES));
        bytes.len = DIGEST_BYTES;
    }
    world->digest = chd_mix64(world->digest) ^ chd_hash(what, bytes);
    world->actions++;
}

void sim_print_node(const sim_world *world, uint64_t id,
                    char text[SIM_WHO_BYTES])
{
    const uint32_t index = sim_ledger_find(&world->ledger, id);

    if (index == UINT32_MAX) {
        (void)snprintf(text, SIM_WHO_BYTES, "somebody");
        return;
    }
    const sim_origin *origin = &world->ledger.origins[index];
    if (origin->life == 1) {
        (void)snprintf(text, SIM_WHO_BYTES, "node-%u", origin->node);
    } else {
        (void)snprintf(text, SIM_WHO_BYTES, "node-%u.%u", origin->node,
                       origin->life);
    }
}

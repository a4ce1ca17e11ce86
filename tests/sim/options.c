#include "tests/sim/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/limits.h"
#include "proto/base/prng.h"

/* All names of faults in a line. */
#define FAULTS_BYTES 200

static const char *const fault_names[SIM_FAULT_COUNT] = {
#define SIM_FAULT_NAME(code, name, text) name,
    SIM_FAULTS(SIM_FAULT_NAME)
#undef SIM_FAULT_NAME
};

static const char *const canary_names[SIM_CANARY_COUNT] = {
#define SIM_CANARY_NAME(code, name, text, oracle) name,
    SIM_CANARIES(SIM_CANARY_NAME)
#undef SIM_CANARY_NAME
};

static const char *const canary_oracles[SIM_CANARY_COUNT] = {
#define SIM_CANARY_ORACLE(code, name, text, oracle) oracle,
    SIM_CANARIES(SIM_CANARY_ORACLE)
#undef SIM_CANARY_ORACLE
};

const char *sim_canary_name(sim_canary canary)
{
    return canary_names[canary];
}

const char *sim_canary_oracle(sim_canary canary)
{
    return canary_oracles[canary];
}

uint32_t sim_canary_faults(sim_canary canary)
{
    if (canary == SIM_CANARY_FLOOD) {
        return 1u << SIM_BURST | 1u << SIM_STALL;
    }
    if (canary == SIM_CANARY_SILENCE) {
        return 1u << SIM_KILL;
    }
    if (canary == SIM_CANARY_SHRUG || canary == SIM_CANARY_TAIL ||
        canary == SIM_CANARY_RUSH) {
        return 1u << SIM_LOSS;
    }
    if (canary == SIM_CANARY_HOARD) {
        return 1u << SIM_KILL | 1u << SIM_LOSS;
    }
    if (canary == SIM_CANARY_FORGET || canary == SIM_CANARY_ORPHAN) {
        return 1u << SIM_BURST | 1u << SIM_CUT;
    }
    return 0;
}

bool sim_options_faults(const char *list, uint32_t *faults)
{
    uint32_t found = 0;

    if (strcmp(list, "all") == 0) {
        *faults = (1u << SIM_FAULT_COUNT) - 1;
        return true;
    }
    while (*list != '\0' && strcmp(list, "none") != 0) {
        const size_t len = strcspn(list, ",");
        uint32_t i = 0;
        while (i < SIM_FAULT_COUNT &&
               (strlen(fault_names[i]) != len ||
                strncmp(list, fault_names[i], len) != 0)) {
            i++;
        }
        if (i == SIM_FAULT_COUNT) {
            return false;
        }
        found |= 1u << i;
        list += len + (list[len] == ',');
    }
    *faults = found;
    return true;
}

sim_options sim_options_calm(void)
{
    return (sim_options){
        .seed = 1,
        .nodes = 0,
        .faults_given = true,
        .trace = true,
        .apps_per_node = 0,
        .delay_ns = CHD_MS,
        .hwm = SIM_HWM_CALM,
        .stream_bytes = (size_t)208 * 1024,
        .ping_interval = 500 * CHD_MS,
        .dead_after = 10 * CHD_SECOND,
        .poll_ns = CHD_SECOND,
    };
}

static uint64_t between(chd_prng *prng, uint64_t least, uint64_t most)
{
    return least + chd_prng_below(prng, most - least + 1);
}

static bool one_in(chd_prng *prng, uint64_t n)
{
    return chd_prng_below(prng, n) == 0;
}

/* One run in eight has no fault at all, the others each about a quarter. */
static uint32_t sample_faults(chd_prng *prng)
{
    uint32_t faults = 0;

    if (one_in(prng, 8)) {
        return 0;
    }
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        faults |= one_in(prng, 4) ? 1u << i : 0;
    }
    return faults;
}

void sim_options_sample(sim_options *options)
{
    chd_prng prng = chd_prng_seeded(chd_mix64(options->seed ^ 0x5eed));
    const uint32_t faults = sample_faults(&prng);
    const uint32_t nodes = (uint32_t)(one_in(&prng, 8) ? between(&prng, 6, 10)
                                                       : between(&prng, 2, 5));
    const uint64_t fault_ns = between(&prng, 8, 40) * CHD_SECOND;

    if (!options->faults_given) {
        options->faults = faults;
    }
    options->nodes = options->nodes == 0 ? nodes : options->nodes;
    options->fault_ns = options->fault_ns == 0 ? fault_ns : options->fault_ns;
    options->apps_per_node = (uint32_t)between(&prng, 1, 3);
    options->delay_ns = between(&prng, 20, 40000) * 1000;
    options->jitter_ns = one_in(&prng, 3) ? 0 : 2 * options->delay_ns;
    options->joiner_ns =
        sim_has(options, SIM_JOINER) ? between(&prng, 1, 3000) * CHD_MS : 0;
    options->turn_delay_ns = between(&prng, 0, 300) * 1000;
    options->hwm = sim_has(options, SIM_HWM) ? (uint32_t)between(&prng, 2, 40)
                                             : SIM_HWM_CALM;
    options->stream_bytes = (size_t)between(&prng, 4, 208) * 1024;
    options->ping_interval = between(&prng, 1, 5) * 100 * CHD_MS;
    options->dead_after = options->ping_interval * between(&prng, 6, 20);
    options->poll_ns = between(&prng, 10, 50) * 100 * CHD_MS;
    options->write_ns = between(&prng, 10, 400) * CHD_MS * options->nodes *
                        options->apps_per_node;
    options->fault_every_ns = between(&prng, 200, 5000) * CHD_MS;
    options->hostile_ppm = (uint32_t)between(&prng, 1000, 100000);
    options->payload_bytes = (size_t)between(&prng, 0, 400);
    if (sim_has(options, SIM_BURST) && one_in(&prng, 2)) {
        options->payload_bytes = CHD_PAYLOAD_BYTES_DEFAULT;
    }
    if (options->canary == SIM_CANARY_FLOOD) {
        /* It takes many bytes, and applications that do not read them. */
        options->payload_bytes = CHD_PAYLOAD_BYTES_DEFAULT;
        options->fault_every_ns = 200 * CHD_MS;
        options->write_ns /= 8;
    }
    options->strict = one_in(&prng, 3);
}

static void list_faults(const sim_options *options, char *list, size_t cap)
{
    size_t len =
        (size_t)snprintf(list, cap, "%s", options->faults == 0 ? "none" : "");

    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (sim_has(options, (sim_fault)i)) {
            len += (size_t)snprintf(list + len, cap - len, "%s%s",
                                    len == 0 ? "" : ",", fault_names[i]);
        }
    }
}

void sim_options_print(const sim_options *o)
{
    char faults[FAULTS_BYTES];

    list_faults(o, faults, sizeof(faults));
    printf("seed %" PRIu64 ": %" PRIu32 " nodes, %" PRIu32
           " applications each, %" PRIu64 " s of faults: %s\n",
           o->seed, o->nodes, o->apps_per_node, o->fault_ns / CHD_SECOND,
           faults);
    printf("  delay %" PRIu64 "+%" PRIu64 " us, joiner %" PRIu64
           " ms, turn %" PRIu64 " us, hwm %" PRIu32 ", stream %zu\n",
           o->delay_ns / 1000, o->jitter_ns / 1000, o->joiner_ns / CHD_MS,
           o->turn_delay_ns / 1000, o->hwm, o->stream_bytes);
    printf("  ping %" PRIu64 " ms, dead %" PRIu64 " ms, poll %" PRIu64
           " ms, write %" PRIu64 " ms, fault %" PRIu64 " ms\n",
           o->ping_interval / CHD_MS, o->dead_after / CHD_MS,
           o->poll_ns / CHD_MS, o->write_ns / CHD_MS,
           o->fault_every_ns / CHD_MS);
    printf("  hostile %" PRIu32 " ppm, payload %zu\n", o->hostile_ppm,
           o->payload_bytes);
}

void sim_options_replay(const sim_options *options, const char *program,
                        char line[SIM_REPLAY_BYTES])
{
    const bool canary = options->canary != SIM_CANARY_NONE;
    char faults[FAULTS_BYTES];

    list_faults(options, faults, sizeof(faults));
    (void)snprintf(line, SIM_REPLAY_BYTES,
                   "%s --seed %" PRIu64 " --nodes %" PRIu32
                   " --seconds %" PRIu64 " --faults %s%s%s --trace\n",
                   program, options->seed, options->nodes,
                   options->fault_ns / CHD_SECOND, faults,
                   canary ? " --canary " : "",
                   canary ? sim_canary_name(options->canary) : "");
}

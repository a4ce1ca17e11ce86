/* run.h - one run from one seed: faults, healing, then all must be well. */
#ifndef CHD_TESTS_SIM_RUN_H
#define CHD_TESTS_SIM_RUN_H

#include "tests/sim/options.h"

typedef struct sim_result {
    bool passed;
    char oracle[16]; /* that failed */
    char verdict[256];
    uint64_t digest;
    uint64_t actions;
    uint64_t virtual_ns;
    uint64_t delivered;
    uint64_t confirms;  /* questions who applied what, answered  */
    uint64_t refusals;  /* members that refused to serve, in those */
    uint64_t resets[8]; /* by reason */
} sim_result;

/* Run.  chance stands for what must not matter: how many runs there were.  A
 * run that keeps a transcript prints its last lines when it fails. */
sim_result sim_run(const sim_options *options, uint32_t chance);

#endif

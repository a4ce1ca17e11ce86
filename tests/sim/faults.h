/* faults.h - what goes wrong in a run, and how it is made good. */
#ifndef CHD_TESTS_SIM_FAULTS_H
#define CHD_TESTS_SIM_FAULTS_H

#include "tests/sim/world.h"

/* Let things go wrong, as the options say, until the phase ends. */
void sim_faults_begin(sim_world *world);

/* End all faults: paths are free, everybody runs or is known to be gone, and
 * names say what is true. */
void sim_faults_heal(sim_world *world);

#endif

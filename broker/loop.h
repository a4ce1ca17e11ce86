/* loop.h - the daemon: one thread, one epoll loop, one core.
 *
 * A turn: sleep until something arrives or is due; read the clock, once; let
 * each part of the shell feed what it has; end the core's turn; write what has
 * gathered.  This is the only caller of chd_core_step.
 *
 * Thread: the one that calls it; libzmq has an I/O thread of its own.
 */
#ifndef CHD_BROKER_LOOP_H
#define CHD_BROKER_LOOP_H

#include "broker/options.h"

/* Run the daemon until it has left the mesh or is told to stop at once.
 * options and config are changed by SIGHUP; problems are what there is to warn
 * of.  Returns the exit status: 0, or 1 when something could not be opened,
 * which the log explains. */
int chd_loop_run(chd_options *options, chd_config *config,
                 const chd_problems *problems);

#endif

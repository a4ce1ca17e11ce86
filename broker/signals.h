/* signals.h - signals as readable events instead of interruptions. */
#ifndef CHD_BROKER_SIGNALS_H
#define CHD_BROKER_SIGNALS_H

#include "broker/poll.h"

typedef struct chd_signals {
    chd_watch watch;
    void (*on_signal)(void *arg, int signal, chd_now now);
    void *arg;
} chd_signals;

/* Block SIGTERM, SIGINT and SIGHUP, ignore SIGPIPE, and call on_signal from
 * the loop for the former.  Must come before the first thread is started.
 * False when the system refuses. */
bool chd_signals_init(chd_signals *signals, chd_poll *poll,
                      void (*on_signal)(void *arg, int signal, chd_now now),
                      void *arg);
void chd_signals_fini(chd_signals *signals, chd_poll *poll);

/* End the process with status after seconds, should the rest of its shutdown
 * hang. */
void chd_signals_exit_after(unsigned seconds, int status);

#endif

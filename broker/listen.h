/* listen.h - the Unix socket on which applications find the daemon.
 *
 * A path belongs to the process that holds a lock on "<path>.lock".  The lock
 * ends with its process, so what a killed sidecar left behind can be told from
 * a socket in use, and only the former is replaced.  The lock file itself
 * stays: removing it would let two processes lock two files of one name.
 */
#ifndef CHD_BROKER_LISTEN_H
#define CHD_BROKER_LISTEN_H

#include <sys/stat.h>
#include <sys/un.h>

#include "broker/log.h"

typedef struct chd_listener_options {
    const char *path;  /* at most 107 bytes */
    const char *group; /* name or number, empty for the process's own */
    mode_t mode;
    chd_logger *logger;
} chd_listener_options;

typedef struct chd_listener {
    int fd;       /* -1: not open */
    int lock_fd;  /* -1: not locked */
    dev_t device; /* of the socket, to know it again */
    ino_t inode;
    struct sockaddr_un address;
} chd_listener;

/* Lock the path, replace a dead socket there, bind and listen.  A directory
 * that is missing is created, for its owner and group.  False when that fails:
 * the log says why and what to do; nothing stays open. */
bool chd_listener_open(chd_listener *listener,
                       const chd_listener_options *options);

/* Close, and remove the socket unless another one stands there by now.  Safe
 * on a listener that is not open. */
void chd_listener_close(chd_listener *listener);

#endif

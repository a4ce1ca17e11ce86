/* poll.h - epoll, level-triggered.
 *
 * Owns:   a watch belongs to its user and must stay where it is until it is
 *         removed.  A watch that is removed gets no more events, those of the
 *         round under way included.
 */
#ifndef CHD_BROKER_POLL_H
#define CHD_BROKER_POLL_H

#include <sys/epoll.h>

#include "proto/base/clock.h"

#define CHD_POLL_EVENTS_MAX 64

typedef struct chd_watch {
    int fd; /* -1: not watched */
    uint32_t events;
    void (*ready)(void *arg, uint32_t events, chd_now now);
    void *arg;
} chd_watch;

typedef struct chd_poll {
    int fd;
    int pending; /* of events, not dispatched yet */
    struct epoll_event events[CHD_POLL_EVENTS_MAX];
} chd_poll;

/* Open; false when the system has no descriptor left. */
bool chd_poll_init(chd_poll *poll);
void chd_poll_fini(chd_poll *poll);

/* Watch watch->fd for watch->events; false when the system refuses. */
bool chd_poll_add(chd_poll *poll, chd_watch *watch) CHD_MUST_USE;

/* Watch for other events from now on. */
void chd_poll_change(chd_poll *poll, chd_watch *watch, uint32_t events);

/* Stop watching; the descriptor stays open, watch->fd becomes -1. */
void chd_poll_remove(chd_poll *poll, chd_watch *watch);

/* Sleep until something is ready, at most timeout_ms. */
void chd_poll_wait(chd_poll *poll, int timeout_ms);

/* Call whoever watches what was ready. */
void chd_poll_dispatch(chd_poll *poll, chd_now now);

#endif

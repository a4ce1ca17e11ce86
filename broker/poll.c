#include "broker/poll.h"

#include <unistd.h>

bool chd_poll_init(chd_poll *poll)
{
    poll->pending = 0;
    poll->fd = epoll_create1(EPOLL_CLOEXEC);
    return poll->fd >= 0;
}

void chd_poll_fini(chd_poll *poll)
{
    if (poll->fd >= 0) {
        (void)close(poll->fd);
        poll->fd = -1;
    }
}

bool chd_poll_add(chd_poll *poll, chd_watch *watch)
{
    struct epoll_event event = {.events = watch->events, .data.ptr = watch};

    return epoll_ctl(poll->fd, EPOLL_CTL_ADD, watch->fd, &event) == 0;
}

void chd_poll_change(chd_poll *poll, chd_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->events == events) {
        return;
    }
    /* Cannot fail for a descriptor that was added and is open. */
    CHD_ASSERT(epoll_ctl(poll->fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
    watch->events = events;
}

void chd_poll_remove(chd_poll *poll, chd_watch *watch)
{
    /* Fails only if the descriptor was closed before, which removes it. */
    (void)epoll_ctl(poll->fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
    /* A later event of this round may be about the watch, and its memory may
     * serve another descriptor by then. */
    for (int i = 0; i < poll->pending; i++) {
        if (poll->events[i].data.ptr == watch) {
            poll->events[i].data.ptr = NULL;
        }
    }
}

void chd_poll_wait(chd_poll *poll, int timeout_ms)
{
    const int count =
        epoll_wait(poll->fd, poll->events, CHD_POLL_EVENTS_MAX, timeout_ms);

    poll->pending = count > 0 ? count : 0; /* EINTR is a short sleep */
}

void chd_poll_dispatch(chd_poll *poll, chd_now now)
{
    for (int i = 0; i < poll->pending; i++) {
        chd_watch *watch = poll->events[i].data.ptr;
        if (watch != NULL) {
            watch->ready(watch->arg, poll->events[i].events, now);
        }
    }
    poll->pending = 0;
}

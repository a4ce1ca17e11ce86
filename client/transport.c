/* transport.c - the descriptors: the socket, and what makes coherd_fd
 * readable.
 *
 * A descriptor's number is forgotten before it is closed and remembered as
 * soon as it is made, so that a forked child never closes a number that has
 * come to mean something else.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "client/lib.h"

void chd_fd_close(_Atomic int *fd)
{
    const int gone = atomic_exchange(fd, -1);

    if (gone >= 0) {
        close(gone);
    }
}

static int watch(coherd_client *client, int op, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(atomic_load(&client->epoll_fd), op, fd, &event);
}

coherd_err chd_transport_open(coherd_client *client)
{
    atomic_store(&client->epoll_fd, epoll_create1(EPOLL_CLOEXEC));
    atomic_store(&client->timer_fd,
                 timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK));
    atomic_store(&client->event_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    client->timer_ns = CHD_NEVER_NS;
    client->flush_ns = CHD_NEVER_NS;
    client->event_raised = false;
    if (atomic_load(&client->epoll_fd) < 0 ||
        atomic_load(&client->timer_fd) < 0 ||
        atomic_load(&client->event_fd) < 0 ||
        watch(client, EPOLL_CTL_ADD, atomic_load(&client->timer_fd), EPOLLIN) !=
            0 ||
        watch(client, EPOLL_CTL_ADD, atomic_load(&client->event_fd), EPOLLIN) !=
            0) {
        const int cause = errno;
        chd_lib_abandon_descriptors(client);
        errno = cause;
        return COHERD_ERR_SYSTEM;
    }
    return COHERD_OK;
}

int chd_transport_connect(coherd_client *client)
{
    const int fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    atomic_store(&client->socket_fd, fd);
    if (fd < 0) {
        return errno;
    }
    /* A Unix socket connects at once or not at all: EAGAIN is a backlog that
     * is full, and as good a reason to try later as any. */
    if (connect(fd, (const struct sockaddr *)&client->address,
                sizeof(client->address)) != 0 ||
        watch(client, EPOLL_CTL_ADD, fd, EPOLLIN) != 0) {
        const int cause = errno;
        chd_fd_close(&client->socket_fd);
        return cause;
    }
    client->writable_wanted = false;
    client->write_failed = false;
    client->in_begin = client->in_end = 0;
    return 0;
}

void chd_transport_disconnect(coherd_client *client)
{
    const int fd = atomic_load(&client->socket_fd);

    if (fd < 0) {
        return;
    }
    /* A child that was forked and never called us still holds a copy: with
     * that, closing ours would neither end the connection nor stop epoll. */
    (void)watch(client, EPOLL_CTL_DEL, fd, 0);
    (void)shutdown(fd, SHUT_RDWR);
    chd_fd_close(&client->socket_fd);
    client->in_begin = client->in_end = 0;
}

static void want_writable(coherd_client *client, bool wanted)
{
    if (client->writable_wanted != wanted) {
        client->writable_wanted = wanted;
        (void)watch(client, EPOLL_CTL_MOD, atomic_load(&client->socket_fd),
                    wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
}

void chd_transport_flush(coherd_client *client)
{
    const int fd = atomic_load(&client->socket_fd);

    client->flush_ns = CHD_NEVER_NS;
    if (fd < 0 || client->write_failed) {
        return;
    }
    for (;;) {
        const chd_bytes bytes = chd_client_output(client->engine);
        if (bytes.len == 0) {
            want_writable(client, false);
            return;
        }
        const ssize_t sent =
            send(fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            chd_client_written(client->engine, (size_t)sent);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            want_writable(client, true);
            return;
        } else if (errno != EINTR) {
            /* There may be an ERROR to read, so the end of the connection is
             * found by reading. */
            client->write_failed = true;
            chd_transport_raise(client);
            return;
        }
    }
}

/* One write in so much time, and so many at once, are nobody's concern. */
#define WRITE_NS ((uint64_t)20000)
#define WRITES_AT_ONCE 8

/* So much is worth a write of its own; less of a burst is written so much
 * later, by the background thread: woken for each piece, it would take more
 * time than all else that publishing does. */
#define WRITE_BYTES ((size_t)32 * 1024)
#define WRITE_LATER_NS ((uint64_t)200000)

void chd_transport_flush_published(coherd_client *client)
{
    /* A callback may take long, and the thread writes nothing meanwhile. */
    const bool may_wait = client->options.mode == COHERD_THREADED &&
                          !client->in_callback &&
                          chd_client_unsent_bytes(client->engine) < WRITE_BYTES;

    if (client->writable_wanted ||
        (may_wait && client->flush_ns != CHD_NEVER_NS)) {
        return; /* the socket is full, and whoever watches it goes on; or the
                   background thread comes anyhow */
    }
    const uint64_t now_ns = chd_lib_now_ns();
    const uint64_t spent_ns = now_ns + WRITES_AT_ONCE * WRITE_NS;
    if (may_wait && client->writes_ns > spent_ns) {
        client->flush_ns = now_ns + WRITE_LATER_NS;
        chd_transport_arm(client);
        return;
    }
    client->writes_ns =
        chd_min_u64(chd_max_u64(client->writes_ns, now_ns), spent_ns) +
        WRITE_NS;
    chd_transport_flush(client);
}

chd_read chd_transport_read(coherd_client *client)
{
    const int fd = atomic_load(&client->socket_fd);

    if (client->in_end + CHD_READ_BYTES > CHD_IN_BYTES) {
        memmove(client->in, client->in + client->in_begin,
                client->in_end - client->in_begin);
        client->in_end -= client->in_begin;
        client->in_begin = 0;
    }
    for (;;) {
        const ssize_t got =
            recv(fd, client->in + client->in_end, CHD_READ_BYTES, MSG_DONTWAIT);
        if (got > 0) {
            client->in_end += (size_t)got;
            return (size_t)got < CHD_READ_BYTES ? CHD_READ_ALL : CHD_READ_SOME;
        }
        if (got == 0) {
            errno = 0;
            return CHD_READ_END;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            errno = EPIPE;
            return client->write_failed ? CHD_READ_END : CHD_READ_ALL;
        }
        if (errno != EINTR) {
            return CHD_READ_END;
        }
    }
}

void chd_transport_arm(coherd_client *client)
{
    const uint64_t others_ns =
        chd_min_u64(chd_min_u64(chd_client_deadline_ns(client->engine),
                                chd_staleness_deadline_ns(client)),
                    chd_min_u64(chd_floors_deadline_ns(client),
                                chd_confirm_deadline_ns(client)));
    const uint64_t deadline_ns = chd_min_u64(others_ns, client->flush_ns);
    const uint64_t now_ns = chd_lib_now_ns();
    uint64_t count;

    if (now_ns >= client->timer_ns) {
        (void)!read(atomic_load(&client->timer_fd), &count, sizeof(count));
        client->timer_ns = CHD_NEVER_NS;
    }
    /* A timer that comes too early does no harm, and each message moves the
     * deadline: setting it each time would cost a system call per message. */
    if (deadline_ns >= client->timer_ns) {
        return;
    }
    const uint64_t at_ns = chd_max_u64(deadline_ns, 1);
    const struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / CHD_SECOND),
                     .tv_nsec = (long)(at_ns % CHD_SECOND)}};
    (void)timerfd_settime(atomic_load(&client->timer_fd), TFD_TIMER_ABSTIME,
                          &when, NULL);
    client->timer_ns = deadline_ns;
}

void chd_transport_raise(coherd_client *client)
{
    const uint64_t one = 1;

    if (!client->event_raised) {
        client->event_raised = true;
        (void)!write(atomic_load(&client->event_fd), &one, sizeof(one));
    }
}

void chd_transport_lower(coherd_client *client)
{
    uint64_t count;

    if (client->event_raised) {
        client->event_raised = false;
        (void)!read(atomic_load(&client->event_fd), &count, sizeof(count));
    }
}

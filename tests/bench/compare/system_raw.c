/* system_raw.c - a floor: bytes through three processes, without ZeroMQ.
 *
 *   publisher -unix- relay A -tcp- relays B, C -unix- subscribers
 *
 * What one reading brought is written as it is, so that backlog goes out in
 * large writes.  Who loses the connection to A dials again. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "tests/bench/compare/compare.h"

#define PORT 27460
#define EVENTS_AT_ONCE 8

static const char *const ports[] = {"27460", NULL};

static void watch(int set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static int wait_for(int set, struct epoll_event events[EVENTS_AT_ONCE])
{
    int count;

    do {
        count = epoll_wait(set, events, EVENTS_AT_ONCE, -1);
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        die("epoll_wait");
    }
    return count;
}

/* Put a peer's connection where there is none, or where it died. */
static void add_peer(int peers[NODES], int fd)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (peers[i] < 0) {
            peers[i] = fd;
            return;
        }
    }
    (void)close(fd);
}

static void relay_to_peers(int peers[NODES], const char *bytes, size_t len)
{
    for (unsigned i = 0; i < NODES; i++) {
        if (peers[i] >= 0 && !write_all(peers[i], bytes, len)) {
            (void)close(peers[i]);
            peers[i] = -1;
        }
    }
}

static void run_first(void)
{
    static event_reader reader;
    int peers[NODES] = {-1, -1, -1};
    struct epoll_event events[EVENTS_AT_ONCE];
    const int for_peers = listen_tcp(PORT);
    const int subscriber = accept_ends(&reader);
    const int set = epoll_create1(EPOLL_CLOEXEC);

    watch(set, for_peers);
    watch(set, reader.fd);
    for (;;) {
        const int count = wait_for(set, events);
        for (int i = 0; i < count; i++) {
            if (events[i].data.fd == for_peers) {
                add_peer(peers, accept_one(for_peers));
                continue;
            }
            const size_t len = read_events(&reader);
            if (len == 0) {
                _exit(0);
            }
            relay_to_peers(peers, reader.bytes, len);
            (void)write_all(subscriber, reader.bytes, len);
        }
    }
}

static void run(unsigned node)
{
    static event_reader reader;
    struct epoll_event events[EVENTS_AT_ONCE];

    if (node == 0) {
        run_first();
    }
    const int subscriber = accept_one(listen_unix("sub", node));
    const int set = epoll_create1(EPOLL_CLOEXEC);
    for (;;) {
        size_t len = 0;
        reader = (event_reader){.fd = connect_tcp(PORT)};
        watch(set, reader.fd);
        while (wait_for(set, events) == 0 || (len = read_events(&reader)) > 0) {
            (void)write_all(subscriber, reader.bytes, len);
        }
        (void)close(reader.fd);
    }
}

static void start(void)
{
    start_relays(run);
}

const bench_system system_raw = {
    .name = "raw",
    .ports = ports,
    .start = start,
    .subscribe = subscribe_unix,
    .open = open_unix,
    .publish = publish_unix,
    .flush = flush_unix,
};

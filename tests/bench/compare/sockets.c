/* sockets.c - what the chains and the clients share about sockets. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/bench/compare/compare.h"

#define BACKLOG 8
#define TRIES 1000
#define TRY_NS 10000000

typedef struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un path;
        struct sockaddr_in6 port;
    } at;
    socklen_t len;
} address;

static address address_unix(const char *name, unsigned node)
{
    address made = {.len = sizeof(made.at.path)};

    made.at.path.sun_family = AF_UNIX;
    (void)snprintf(made.at.path.sun_path, sizeof(made.at.path.sun_path),
                   "%s/%s%u", bench_dir, name, node);
    return made;
}

static address address_tcp(unsigned port)
{
    address made = {.len = sizeof(made.at.port)};

    made.at.port.sin6_family = AF_INET6;
    made.at.port.sin6_port = htons((uint16_t)port);
    made.at.port.sin6_addr = in6addr_loopback;
    return made;
}

static int make(const address *of)
{
    const int one = 1;
    const int fd = socket(of->at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        die("socket");
    }
    if (of->at.any.sa_family == AF_INET6) {
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

static int listen_at(const address *here)
{
    const int fd = make(here);

    if (bind(fd, &here->at.any, here->len) != 0 || listen(fd, BACKLOG) != 0) {
        die("listen");
    }
    return fd;
}

static int connect_to(const address *there)
{
    for (unsigned i = 0; i < TRIES; i++) {
        const int fd = make(there);
        if (connect(fd, &there->at.any, there->len) == 0) {
            return fd;
        }
        (void)close(fd);
        pause_ns(TRY_NS);
    }
    die("connect");
}

int listen_unix(const char *name, unsigned node)
{
    const address here = address_unix(name, node);
    return listen_at(&here);
}

int connect_unix(const char *name, unsigned node)
{
    const address there = address_unix(name, node);
    return connect_to(&there);
}

int listen_tcp(unsigned port)
{
    const address here = address_tcp(port);
    return listen_at(&here);
}

int connect_tcp(unsigned port)
{
    const address there = address_tcp(port);
    return connect_to(&there);
}

int accept_one(int listener)
{
    const int one = 1;
    const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        die("accept");
    }
    /* Of no meaning, and refused, where it is a Unix socket. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

int accept_ends(event_reader *publisher)
{
    const int for_publisher = listen_unix("pub", 0);
    const int for_subscriber = listen_unix("sub", 0);
    const int subscriber = accept_one(for_subscriber);

    publisher->fd = accept_one(for_publisher);
    return subscriber;
}

bool write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len > 0) {
        const ssize_t done = send(fd, at, len, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        at += done;
        len -= (size_t)done;
    }
    return true;
}

size_t read_events(event_reader *reader)
{
    reader->held -= reader->used;
    memmove(reader->bytes, reader->bytes + reader->used, reader->held);
    reader->used = 0;
    do {
        const ssize_t got = read(reader->fd, reader->bytes + reader->held,
                                 sizeof(reader->bytes) - reader->held);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return 0;
        }
        reader->held += (size_t)got;
    } while (reader->held < EVENT_BYTES);
    reader->used = reader->held - reader->held % EVENT_BYTES;
    return reader->used;
}

void gather_add(gather *to, const void *bytes, size_t len)
{
    if (to->len + len > sizeof(to->bytes)) {
        gather_flush(to);
    }
    memcpy(to->bytes + to->len, bytes, len);
    to->len += len;
    if (to->len >= to->most) {
        gather_flush(to);
    }
}

void gather_flush(gather *to)
{
    if (to->len > 0 && !write_all(to->fd, to->bytes, to->len)) {
        die("the publisher's connection");
    }
    to->len = 0;
}

/* --- the ends of a chain -------------------------------------------------- */

/* The publisher gathers as much as those of NATS and Redis do. */
static gather publisher = {.most = 64 * (size_t)EVENT_BYTES};

void subscribe_unix(unsigned node)
{
    static event_reader reader;
    size_t len;

    reader.fd = connect_unix("sub", node);
    while ((len = read_events(&reader)) > 0) {
        for (size_t i = 0; i < len; i += EVENT_BYTES) {
            board_note(node, reader.bytes + i + TOPIC_BYTES);
        }
    }
    die("the relay is gone");
}

void open_unix(void)
{
    publisher.fd = connect_unix("pub", 0);
}

void publish_unix(const char *keys, size_t count)
{
    char event[EVENT_BYTES];

    memcpy(event, TOPIC, TOPIC_BYTES);
    for (size_t i = 0; i < count; i++) {
        memcpy(event + TOPIC_BYTES, keys + i * KEY_BYTES, KEY_BYTES);
        gather_add(&publisher, event, sizeof(event));
    }
}

void flush_unix(void)
{
    gather_flush(&publisher);
}

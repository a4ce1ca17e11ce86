/* system_nats.c - a cluster of three nats-servers, by their text protocol.
 *
 *   publisher -tcp- server A -tcp- servers B, C -tcp- subscribers
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/compare/compare.h"

#define CLIENTS 27490u /* and up, one for each node */
#define ROUTES 27500u
#define HELLO "CONNECT {\"verbose\":false,\"pedantic\":false}\r\n"
#define MESSAGE_END_BYTES 2

static const char *const ports[] = {"27500", "27501", "27502", NULL};
static gather publisher = {.most = 32768};

static void start(void)
{
    for (unsigned node = 0; node < NODES; node++) {
        char port[16];
        char cluster[64];
        const char *const command[] = {
            "nats-server",
            "-a",
            "::1",
            "-p",
            port,
            "--cluster_name",
            "bench",
            "--cluster",
            cluster,
            "--routes",
            "nats://[::1]:27500,nats://[::1]:27501,nats://[::1]:27502",
            NULL};
        (void)snprintf(port, sizeof(port), "%u", CLIENTS + node);
        (void)snprintf(cluster, sizeof(cluster), "nats://[::1]:%u",
                       ROUTES + node);
        start_program(node, command);
    }
}

typedef struct stream {
    int fd;
    size_t at;
    size_t end;
    char bytes[65536];
} stream;

/* Read on, keeping what was not used; false when the connection is gone. */
static bool read_on(stream *from)
{
    memmove(from->bytes, from->bytes + from->at, from->end - from->at);
    from->end -= from->at;
    from->at = 0;
    const ssize_t got = read(from->fd, from->bytes + from->end,
                             sizeof(from->bytes) - 1 - from->end);
    if (got <= 0) {
        return false;
    }
    from->end += (size_t)got;
    from->bytes[from->end] = '\0';
    return true;
}

/* Return the next line, ended by NUL instead of CR LF; NULL: gone. */
static char *read_line(stream *from)
{
    for (;;) {
        char *line = from->bytes + from->at;
        char *end = memchr(line, '\n', from->end - from->at);
        if (end != NULL) {
            end[-1] = '\0';
            from->at = (size_t)(end + 1 - from->bytes);
            return line;
        }
        if (!read_on(from)) {
            return NULL;
        }
    }
}

/* Return the payload of a message; NULL: gone. */
static char *read_payload(stream *from, size_t len)
{
    while (from->end - from->at < len + MESSAGE_END_BYTES) {
        if (!read_on(from)) {
            return NULL;
        }
    }
    char *payload = from->bytes + from->at;
    from->at += len + MESSAGE_END_BYTES;
    return payload;
}

/* Until the connection breaks.  Who has subscribed again knows that it may
 * have missed something until then. */
static void follow(stream *server, unsigned node, bool again)
{
    static const char greeting[] = HELLO "SUB " TOPIC " 1\r\nPING\r\n";
    char *line;

    if (!write_all(server->fd, greeting, sizeof(greeting) - 1)) {
        return;
    }
    while ((line = read_line(server)) != NULL) {
        if (strncmp(line, "MSG ", 4) == 0) {
            const size_t len = strtoul(strrchr(line, ' ') + 1, NULL, 10);
            const char *payload = read_payload(server, len);
            if (payload != NULL && len == KEY_BYTES) {
                board_note(node, payload);
            }
        } else if (strcmp(line, "PING") == 0) {
            (void)write_all(server->fd, "PONG\r\n", 6);
        } else if (strcmp(line, "PONG") == 0 && again) {
            board_notice(node);
        } else if (strncmp(line, "-ERR", 4) == 0) {
            (void)fprintf(stderr, "nats: %s\n", line);
        }
    }
}

static void subscribe(unsigned node)
{
    static stream server;

    for (bool again = false;; again = true) {
        server = (stream){.fd = connect_tcp(CLIENTS + node)};
        follow(&server, node, again);
        (void)close(server.fd);
    }
}

static void open_publisher(void)
{
    publisher.fd = connect_tcp(CLIENTS);
    gather_add(&publisher, HELLO, strlen(HELLO));
    gather_flush(&publisher);
}

static void publish(const char *keys, size_t count)
{
    static char message[] =
        "PUB " TOPIC " 32\r\nkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\r\n";
    const size_t len = sizeof(message) - 1;

    for (size_t i = 0; i < count; i++) {
        memcpy(message + len - MESSAGE_END_BYTES - KEY_BYTES,
               keys + i * KEY_BYTES, KEY_BYTES);
        gather_add(&publisher, message, len);
    }
}

static void flush(void)
{
    gather_flush(&publisher);
}

const bench_system system_nats = {
    .name = "nats",
    .ports = ports,
    .start = start,
    .subscribe = subscribe,
    .open = open_publisher,
    .publish = publish,
    .flush = flush,
};

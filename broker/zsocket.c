#include "broker/zsocket.h"

#include <czmq.h>

/* Queue lengths count messages.
 *
 * PUB: what a peer that reads slowly may fall behind before its events are
 * dropped (it notices by the sequence numbers, and fetches them).  The pace
 * keeps a healthy peer from that: all that may be in flight fits, although
 * libzmq learns only after each half of the queue that it was emptied, and so
 * counts up to that half on top; beacons go out beside the pace.  A peer that
 * stands still under full load costs 264 MiB of batches of CHD_BATCH_BYTES,
 * shared between all such peers.
 *
 * SUB: finite, so that a stalled loop pushes back through TCP to the sender's
 * bounded queue.  libzmq aborts when a finite mark meets its own heartbeats,
 * so those are never configured.
 */
#define BEACONS_MAX 64
#define PUB_SEND_MAX (2 * (CHD_PACE_MESSAGES_MAX + BEACONS_MAX))
#define SUB_RECEIVE_MAX 1000
#define CONTROL_MAX 1000

/* Peers send nothing to a PUB but subscriptions, and ours are one byte. */
#define SUBSCRIPTION_BYTES_MAX 1024

/* What BYE may take to leave. */
#define PUB_LINGER_MS 500

#define SOCKETS_MAX 8

_Static_assert(PUB_SEND_MAX / 2 >= CHD_PACE_MESSAGES_MAX,
               "a healthy peer's queue holds all that may be in flight");

void chd_zsocket_library_init(void)
{
    /* First of all: czmq would take SIGINT and SIGTERM for itself. */
    zsys_handler_set(NULL);
    zsys_set_logstream(NULL);
    zsys_set_max_sockets(SOCKETS_MAX);
}

void chd_zsocket_library_fini(void)
{
    zsys_shutdown();
}

static void on_ready(void *arg, uint32_t events, chd_now now)
{
    chd_zsocket *socket = arg;

    (void)events;
    (void)now;
    socket->ready = true;
}

/* Options that every socket has.  They act on later binds and connects only.
 */
static void set_common(zsock_t *sock)
{
    zsock_set_ipv6(sock, 1);
    zsock_set_linger(sock, 0);
    zsock_set_maxmsgsize(sock, CHD_FRAME_BYTES_MAX);
    /* A host that vanishes without a word: noticed after 11 seconds while
     * nothing is under way, after 15 while something is. */
    zsock_set_tcp_keepalive(sock, 1);
    zsock_set_tcp_keepalive_idle(sock, 5);
    zsock_set_tcp_keepalive_intvl(sock, 2);
    zsock_set_tcp_keepalive_cnt(sock, 3);
    zsock_set_tcp_maxrt(sock, 15000);
    /* libzmq adds a random part of the same size: 200 to 400 at first. */
    zsock_set_reconnect_ivl(sock, 200);
    zsock_set_reconnect_ivl_max(sock, 5000);
    zsock_set_connect_timeout(sock, 3000);
    zsock_set_handshake_ivl(sock, 5000);
    zsock_set_immediate(sock, 0);
}

static void set_special(zsock_t *sock, int type)
{
    if (type == ZMQ_PUB) {
        zsock_set_linger(sock, PUB_LINGER_MS);
        zsock_set_sndhwm(sock, PUB_SEND_MAX);
        zsock_set_maxmsgsize(sock, SUBSCRIPTION_BYTES_MAX);
    } else if (type == ZMQ_SUB) {
        zsock_set_rcvhwm(sock, SUB_RECEIVE_MAX);
        zsock_set_subscribe(sock, "");
    } else {
        zsock_set_sndhwm(sock, CONTROL_MAX);
        zsock_set_rcvhwm(sock, CONTROL_MAX);
        /* Without it messages to a peer that is gone vanish silently. */
        zsock_set_router_mandatory(sock, 1);
    }
}

bool chd_zsocket_open(chd_zsocket *socket, int type, chd_poll *poll)
{
    socket->watch.fd = -1;
    socket->sock = zsock_new(type);
    if (socket->sock == NULL) {
        return false;
    }
    set_common(socket->sock);
    set_special(socket->sock, type);
    socket->handle = zsock_resolve(socket->sock);
    socket->watch = (chd_watch){
        .fd = zsock_fd(socket->sock),
        .events = EPOLLIN,
        .ready = on_ready,
        .arg = socket,
    };
    return chd_poll_add(poll, &socket->watch);
}

void chd_zsocket_close(chd_zsocket *socket, chd_poll *poll)
{
    if (socket->sock == NULL) {
        return;
    }
    if (socket->watch.fd >= 0) {
        chd_poll_remove(poll, &socket->watch);
    }
    zsock_destroy(&socket->sock);
}

void chd_zsocket_endpoint(const chd_endpoint *endpoint, uint16_t port_add,
                          char text[CHD_ZENDPOINT_MAX])
{
    char address[CHD_ADDRESS_TEXT_MAX];
    chd_endpoint with_port = *endpoint;

    with_port.port = (uint16_t)(endpoint->port + port_add);
    chd_endpoint_print(&with_port, address);
    (void)snprintf(text, CHD_ZENDPOINT_MAX, "tcp://%s", address);
}

static const char *bind_hint(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "another process has this port; is coherd running already?";
    case EADDRNOTAVAIL:
    case ENODEV:
        return "this host has no such address; see mesh.address";
    case EACCES:
    case EPERM:
        return "not permitted; ports below 1024 need a privilege";
    default:
        return "see mesh.address and mesh.port";
    }
}

bool chd_zsocket_bind(const chd_zsocket *socket, const chd_endpoint *endpoint,
                      uint16_t port_add, chd_logger *logger)
{
    char text[CHD_ZENDPOINT_MAX];
    chd_line line;

    chd_zsocket_endpoint(endpoint, port_add, text);
    if (zmq_bind(socket->handle, text) == 0) {
        return true;
    }
    const int error = zmq_errno();
    chd_line_begin(&line, logger, CHD_LEVEL_ERROR, "mesh_bind_failed");
    chd_line_text(&line, "address", text);
    chd_line_text(&line, "error", zmq_strerror(error));
    chd_line_text(&line, "hint", bind_hint(error));
    chd_line_end(&line);
    return false;
}

void chd_zsocket_ask(chd_zsocket *socket)
{
    socket->touched = false;
    socket->ready = (zsock_events(socket->sock) & ZMQ_POLLIN) != 0;
}

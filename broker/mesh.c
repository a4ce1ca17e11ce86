#include "broker/mesh.h"

#include <errno.h>
#include <string.h>
#include <zmq.h>

#include "broker/entropy.h"
#include "broker/footprint.h"
#include "broker/zsocket.h"

/* Messages and bytes that one turn takes from one socket, so that a flood
 * from a peer delays sessions by milliseconds at most. */
#define RECEIVE_COUNT_MAX 256
#define RECEIVE_BYTES_MAX ((size_t)2 * CHD_FRAME_BYTES_MAX)

#define ROUTE_BYTES 8
#define AUTO_ROUTE_BYTES 5
#define DIALLED_ROUTE_BIT (UINT64_C(1) << 63)
#define DIALLED_PEER_MASK UINT64_C(0xffff)

typedef struct peer_link {
    bool dialled;
    uint64_t route;
    char events[CHD_ZENDPOINT_MAX]; /* exactly as connected: libzmq compares */
    char control[CHD_ZENDPOINT_MAX];
} peer_link;

struct chd_mesh_io {
    chd_mesh_io_options options;
    chd_zsocket pub;
    chd_zsocket sub;
    chd_zsocket control;
    peer_link *links;   /* by peer */
    uint64_t asked_ns;  /* when all sockets were asked       */
    uint32_t dialled;   /* links                                   */
    uint32_t most;      /* that ever were                          */
    bool joining;       /* of many links one was dialled not long ago */
    uint64_t joined_ns; /* since when none was; 0: not noticed yet */
};

static bool open_sockets(chd_mesh_io *mesh)
{
    chd_poll *poll = mesh->options.poll;
    chd_logger *logger = mesh->options.logger;

    if (!chd_zsocket_open(&mesh->pub, ZMQ_PUB, poll) ||
        !chd_zsocket_open(&mesh->sub, ZMQ_SUB, poll) ||
        !chd_zsocket_open(&mesh->control, ZMQ_ROUTER, poll)) {
        chd_line line;
        chd_line_begin(&line, logger, CHD_LEVEL_ERROR, "mesh_socket_failed");
        chd_line_text(&line, "error", zmq_strerror(zmq_errno()));
        chd_line_end(&line);
        return false;
    }
    return chd_zsocket_bind(&mesh->pub, &mesh->options.bind, 0, logger) &&
           chd_zsocket_bind(&mesh->control, &mesh->options.bind, 1, logger);
}

bool chd_mesh_io_new(const chd_mesh_io_options *options, chd_mesh_io **mesh)
{
    chd_mesh_io *made = calloc(1, sizeof(*made));

    *mesh = NULL;
    CHD_ASSERT(made != NULL);
    made->options = *options;
    made->links = calloc(options->peer_count, sizeof(*made->links));
    CHD_ASSERT(made->links != NULL);
    chd_zsocket_library_init();
    if (!open_sockets(made)) {
        chd_mesh_io_destroy(&made);
        return false;
    }
    *mesh = made;
    return true;
}

void chd_mesh_io_destroy(chd_mesh_io **mesh)
{
    if (*mesh == NULL) {
        return;
    }
    chd_zsocket_close(&(*mesh)->sub, (*mesh)->options.poll);
    chd_zsocket_close(&(*mesh)->control, (*mesh)->options.poll);
    chd_zsocket_close(&(*mesh)->pub, (*mesh)->options.poll);
    chd_zsocket_library_fini();
    free((*mesh)->links);
    free(*mesh);
    *mesh = NULL;
}

/* Receive one whole message of count parts.  Returns false when nothing is
 * waiting; *fits tells whether it had exactly that many. */
static bool receive_parts(chd_zsocket *socket, zmq_msg_t *parts, size_t count,
                          bool *fits)
{
    size_t got = 0;
    bool more = true;

    while (more) {
        zmq_msg_t *part = &parts[chd_min_size(got, count - 1)];
        if (zmq_msg_recv(part, socket->handle, ZMQ_DONTWAIT) < 0) {
            socket->ready = false;
            return false;
        }
        more = zmq_msg_more(part) != 0;
        got++;
    }
    *fits = got == count;
    return true;
}

static chd_bytes part_bytes(zmq_msg_t *part)
{
    return chd_bytes_of(zmq_msg_data(part), zmq_msg_size(part));
}

/* Turn the id that a ROUTER puts before a message into a route.  A peer may
 * choose its own id; only the two kinds that we know are answered. */
static bool route_of(chd_bytes id, uint64_t *route)
{
    if (id.len != AUTO_ROUTE_BYTES && id.len != ROUTE_BYTES) {
        return false;
    }
    *route = 0;
    for (size_t i = 0; i < id.len; i++) {
        *route = *route << 8 | id.ptr[i];
    }
    return id.len == ROUTE_BYTES ? (*route & DIALLED_ROUTE_BIT) != 0
                                 : id.ptr[0] == 0;
}

/* Turn a route back into an id and return its length. */
static size_t id_of(uint64_t route, uint8_t id[ROUTE_BYTES])
{
    const size_t len =
        (route & DIALLED_ROUTE_BIT) != 0 ? ROUTE_BYTES : AUTO_ROUTE_BYTES;

    for (size_t i = len; i-- > 0; route >>= 8) {
        id[i] = (uint8_t)route;
    }
    return len;
}

static void receive_broadcasts(chd_mesh_io *mesh)
{
    chd_tally *tally = mesh->options.tally;
    size_t bytes = 0;
    bool fits = false;
    zmq_msg_t part;

    (void)zmq_msg_init(&part);
    for (size_t i = 0; i < RECEIVE_COUNT_MAX && bytes < RECEIVE_BYTES_MAX &&
                       receive_parts(&mesh->sub, &part, 1, &fits);
         i++) {
        if (!fits) {
            tally->mesh_shape++;
            continue;
        }
        const chd_input input = {
            .kind = CHD_IN_BROADCAST,
            .u.message.bytes = part_bytes(&part),
        };
        bytes += input.u.message.bytes.len;
        tally->mesh_broadcast_received++;
        chd_feed_input(&mesh->options.feed, &input);
    }
    tally->mesh_broadcast_received_bytes += bytes;
    (void)zmq_msg_close(&part);
}

/* Find whose dialled link a route belongs to.  False for a link that was hung
 * up, and for a sender who made up an id of our kind. */
static bool peer_of(const chd_mesh_io *mesh, uint64_t route, uint32_t *peer)
{
    *peer = CHD_PEER_NONE;
    if ((route & DIALLED_ROUTE_BIT) == 0) {
        return true;
    }
    const uint32_t index = (uint32_t)(route & DIALLED_PEER_MASK);
    if (index >= mesh->options.peer_count || !mesh->links[index].dialled ||
        mesh->links[index].route != route) {
        return false;
    }
    *peer = index;
    return true;
}

static void receive_control(chd_mesh_io *mesh)
{
    chd_tally *tally = mesh->options.tally;
    size_t bytes = 0;
    bool fits = false;
    zmq_msg_t parts[2];

    (void)zmq_msg_init(&parts[0]);
    (void)zmq_msg_init(&parts[1]);
    for (size_t i = 0; i < RECEIVE_COUNT_MAX && bytes < RECEIVE_BYTES_MAX &&
                       receive_parts(&mesh->control, parts, 2, &fits);
         i++) {
        chd_input input = {.kind = CHD_IN_CONTROL};
        if (!fits || !route_of(part_bytes(&parts[0]), &input.u.message.route) ||
            !peer_of(mesh, input.u.message.route, &input.u.message.peer)) {
            tally->mesh_shape++;
            continue;
        }
        input.u.message.bytes = part_bytes(&parts[1]);
        bytes += input.u.message.bytes.len;
        tally->mesh_control_received++;
        chd_feed_input(&mesh->options.feed, &input);
    }
    tally->mesh_control_received_bytes += bytes;
    (void)zmq_msg_close(&parts[0]);
    (void)zmq_msg_close(&parts[1]);
}

void chd_mesh_io_receive(chd_mesh_io *mesh)
{
    if (mesh->sub.ready) {
        receive_broadcasts(mesh);
    }
    if (mesh->control.ready) {
        receive_control(mesh);
    }
}

/* From so many links on their memory matters, while they are being made: each
 * may take so long. */
#define MANY_LINKS 16
#define JOINING (10 * CHD_SECOND)

/* A link that is dialled again and again is none more. */
static void begin_joining(chd_mesh_io *mesh)
{
    if (mesh->dialled < mesh->most || mesh->dialled < MANY_LINKS) {
        return;
    }
    if (!mesh->joining) {
        chd_footprint_joining(true);
    }
    mesh->joining = true;
    mesh->joined_ns = 0;
}

static void end_joining(chd_mesh_io *mesh, chd_now now)
{
    if (mesh->joined_ns == 0) {
        mesh->joined_ns = now.mono_ns;
    } else if (chd_elapsed(now.mono_ns, mesh->joined_ns, JOINING)) {
        mesh->joining = false;
        chd_footprint_joining(false);
        chd_footprint_trim();
    }
}

bool chd_mesh_io_settle(chd_mesh_io *mesh, chd_now now)
{
    chd_zsocket *sockets[] = {&mesh->pub, &mesh->sub, &mesh->control};
    const bool all =
        chd_elapsed(now.mono_ns, mesh->asked_ns, CHD_MESH_TOUCH_MS * CHD_MS);

    if (all) {
        mesh->asked_ns = now.mono_ns;
        if (mesh->joining) {
            end_joining(mesh, now);
        }
    }
    for (size_t i = 0; i < CHD_COUNT(sockets); i++) {
        if (all || sockets[i]->ready || sockets[i]->touched) {
            chd_zsocket_ask(sockets[i]);
        }
    }
    return mesh->sub.ready || mesh->control.ready;
}

/* Send the last or only part of a message. */
static bool send_bytes(void *handle, chd_bytes bytes)
{
    zmq_msg_t message;

    if (zmq_msg_init_size(&message, bytes.len) != 0) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(zmq_msg_data(&message), bytes.ptr, bytes.len);
    }
    if (zmq_msg_send(&message, handle, ZMQ_DONTWAIT) < 0) {
        (void)zmq_msg_close(&message);
        return false;
    }
    return true;
}

bool chd_mesh_io_broadcast(chd_mesh_io *mesh, chd_bytes bytes)
{
    /* A full queue is no error here: PUB drops for the peer that is slow, and
     * the sequence numbers tell that peer. */
    if (!send_bytes(mesh->pub.handle, bytes)) {
        mesh->options.tally->mesh_broadcast_errors++;
        return false;
    }
    mesh->options.tally->mesh_broadcast_sent++;
    mesh->options.tally->mesh_broadcast_sent_bytes += bytes.len;
    return true;
}

bool chd_mesh_io_reply(chd_mesh_io *mesh, uint64_t route, chd_bytes bytes)
{
    uint8_t id[ROUTE_BYTES];
    const size_t len = id_of(route, id);

    mesh->control.touched = true;
    if (zmq_send(mesh->control.handle, id, len, ZMQ_SNDMORE | ZMQ_DONTWAIT) <
        0) {
        if (zmq_errno() == EHOSTUNREACH) {
            mesh->options.tally->mesh_unroutable++;
        } else {
            mesh->options.tally->mesh_full++;
        }
        return false;
    }
    if (!send_bytes(mesh->control.handle, bytes)) {
        return false;
    }
    mesh->options.tally->mesh_control_sent++;
    mesh->options.tally->mesh_control_sent_bytes += bytes.len;
    return true;
}

bool chd_mesh_io_send(chd_mesh_io *mesh, uint32_t peer, chd_bytes bytes)
{
    CHD_ASSERT(peer < mesh->options.peer_count);
    const peer_link *to = &mesh->links[peer];

    if (!to->dialled) {
        mesh->options.tally->mesh_unroutable++;
        return false;
    }
    return chd_mesh_io_reply(mesh, to->route, bytes);
}

static void touch(chd_mesh_io *mesh)
{
    mesh->sub.touched = true;
    mesh->control.touched = true;
}

static void disconnect(void *handle, const char *endpoint)
{
    /* ENOENT means that libzmq has given the link up already: as wanted. */
    (void)zmq_disconnect(handle, endpoint);
}

/* Draw a route that was never used before: 47 random bits, and the peer. */
static uint64_t fresh_route(uint32_t peer)
{
    return (chd_entropy_u64() & ~DIALLED_PEER_MASK) | DIALLED_ROUTE_BIT | peer;
}

static bool connect_link(chd_mesh_io *mesh, uint32_t peer,
                         const chd_endpoint *endpoint)
{
    peer_link *to = &mesh->links[peer];
    uint8_t id[ROUTE_BYTES];

    if (endpoint->port == UINT16_MAX) {
        errno = EINVAL; /* there is no next port for control */
        return false;
    }
    chd_zsocket_endpoint(endpoint, 0, to->events);
    chd_zsocket_endpoint(endpoint, 1, to->control);
    to->route = fresh_route(peer);
    const size_t len = id_of(to->route, id);
    if (zmq_connect(mesh->sub.handle, to->events) != 0) {
        return false;
    }
    if (zmq_setsockopt(mesh->control.handle, ZMQ_CONNECT_ROUTING_ID, id, len) !=
            0 ||
        zmq_connect(mesh->control.handle, to->control) != 0) {
        const int error = errno;
        disconnect(mesh->sub.handle, to->events);
        errno = error;
        return false;
    }
    return true;
}

void chd_mesh_io_dial(chd_mesh_io *mesh, uint32_t peer,
                      const chd_endpoint *endpoint)
{
    CHD_ASSERT(peer < mesh->options.peer_count);

    chd_mesh_io_hang_up(mesh, peer);
    touch(mesh);
    begin_joining(mesh);
    if (connect_link(mesh, peer, endpoint)) {
        mesh->links[peer].dialled = true;
        mesh->dialled++;
        mesh->most = mesh->dialled > mesh->most ? mesh->dialled : mesh->most;
        mesh->options.tally->mesh_dials++;
        return;
    }
    /* The core will see silence, and dial again. */
    chd_line line;
    const int error = errno;
    mesh->options.tally->mesh_dial_errors++;
    chd_line_begin(&line, mesh->options.logger, CHD_LEVEL_WARN, "dial_failed");
    chd_line_endpoint(&line, endpoint);
    chd_line_text(&line, "error", zmq_strerror(error));
    chd_line_end(&line);
}

void chd_mesh_io_hang_up(chd_mesh_io *mesh, uint32_t peer)
{
    CHD_ASSERT(peer < mesh->options.peer_count);
    peer_link *to = &mesh->links[peer];

    if (to->dialled) {
        touch(mesh);
        disconnect(mesh->sub.handle, to->events);
        disconnect(mesh->control.handle, to->control);
        to->dialled = false;
        mesh->dialled--;
    }
}

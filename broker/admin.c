#include "broker/admin.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <microhttpd.h>

#include "broker/address.h"
#include "broker/metrics.h"

#define CONNECTIONS_MAX 16u
#define TIMEOUT_SECONDS 10u
#define CONNECTION_BYTES ((size_t)8 * 1024)
#define BACKLOG 16
#define READY_BYTES_MAX 256

struct chd_admin {
    chd_admin_options options;
    struct MHD_Daemon *daemon;
    chd_watch watch;
    bool ready;
    uint64_t due_ns;
};

typedef enum MHD_Result result;

static const char text_type[] = "text/plain; charset=utf-8";
static const char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";
static const char not_found[] =
    "There is nothing here. Try /healthz, /readyz or /metrics.\n";
static const char not_allowed[] = "Only GET and HEAD are answered.\n";

/* Queue an answer; body is static or, if it is to be freed, from malloc. */
static result answer(struct MHD_Connection *connection, unsigned status,
                     const char *type, char *body, bool must_free)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), body,
        must_free ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        if (must_free) {
            free(body);
        }
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", type);
    (void)MHD_add_response_header(response, "Cache-Control", "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED) {
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    }
    const result queued = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return queued;
}

static result answer_static(struct MHD_Connection *connection, unsigned status,
                            const char *body)
{
    /* libmicrohttpd does not write to what it is told to leave alone. */
    return answer(connection, status, text_type, (char *)(uintptr_t)body,
                  false);
}

static result answer_ready(const chd_admin *admin,
                           struct MHD_Connection *connection)
{
    char *body = malloc(READY_BYTES_MAX);
    chd_writer writer;

    CHD_ASSERT(body != NULL);
    chd_writer_init(&writer, body, READY_BYTES_MAX);
    const chd_admin_source *source = &admin->options.source;
    const bool ready = source->write_ready(source->arg, &writer);
    return answer(connection,
                  ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, text_type,
                  body, true);
}

static result answer_metrics(const chd_admin *admin,
                             struct MHD_Connection *connection)
{
    char *body = malloc(CHD_METRICS_BYTES_MAX);
    chd_writer writer;

    CHD_ASSERT(body != NULL);
    chd_writer_init(&writer, body, CHD_METRICS_BYTES_MAX);
    const chd_admin_source *source = &admin->options.source;
    source->write_metrics(source->arg, &writer);
    return answer(connection, MHD_HTTP_OK, metrics_type, body, true);
}

static result on_request(void *arg, struct MHD_Connection *connection,
                         const char *url, const char *method,
                         const char *version, const char *upload,
                         size_t *upload_size, void **state)
{
    const chd_admin *admin = arg;

    (void)version;
    (void)upload;
    (void)upload_size;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
        strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        admin->options.tally->admin_requests++;
        return answer_static(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
                             not_allowed);
    }
    if (*state == NULL) {
        /* The request is not complete; to answer now would mean to close the
         * connection afterwards. */
        *state = arg;
        return MHD_YES;
    }
    admin->options.tally->admin_requests++;
    if (strcmp(url, "/healthz") == 0) {
        return answer_static(connection, MHD_HTTP_OK, "ok\n");
    }
    if (strcmp(url, "/readyz") == 0) {
        return answer_ready(admin, connection);
    }
    if (strcmp(url, "/metrics") == 0) {
        return answer_metrics(admin, connection);
    }
    return answer_static(connection, MHD_HTTP_NOT_FOUND, not_found);
}

static bool fail(const chd_admin_options *options, const char *what, int error)
{
    chd_line line;

    chd_line_begin(&line, options->logger, CHD_LEVEL_ERROR, what);
    chd_line_text(&line, "address", options->address);
    chd_line_text(&line, "error", strerror(error));
    chd_line_text(&line, "hint",
                  error == EADDRINUSE
                      ? "another process has this port; see admin.address"
                      : "see admin.address; an empty one turns HTTP off");
    chd_line_end(&line);
    return false;
}

/* Bind here rather than in libmicrohttpd, which does not say why it failed. */
static int open_listener(const chd_endpoint *endpoint)
{
    struct sockaddr_storage address;
    const socklen_t len = chd_endpoint_sockaddr(endpoint, &address);
    const int one = 1;
    const int fd = socket(address.ss_family,
                          SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (const struct sockaddr *)&address, len) != 0 ||
        listen(fd, BACKLOG) != 0) {
        const int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static void on_ready(void *arg, uint32_t events, chd_now now)
{
    chd_admin *admin = arg;

    (void)events;
    (void)now;
    admin->ready = true;
}

static bool start_daemon(chd_admin *admin, int fd)
{
    admin->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, admin,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES, MHD_OPTION_END);
    if (admin->daemon == NULL) {
        (void)close(fd);
        return false;
    }
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (info == NULL) {
        return false;
    }
    admin->watch = (chd_watch){
        .fd = info->epoll_fd,
        .events = EPOLLIN,
        .ready = on_ready,
        .arg = admin,
    };
    return chd_poll_add(admin->options.poll, &admin->watch);
}

bool chd_admin_new(const chd_admin_options *options, chd_admin **admin)
{
    chd_endpoint endpoint = {.port = 0};
    chd_admin *made = calloc(1, sizeof(*made));

    *admin = NULL;
    CHD_ASSERT(made != NULL);
    CHD_ASSERT(chd_endpoint_parse(options->address, 0, &endpoint));
    made->options = *options;
    made->watch.fd = -1;
    const int fd = open_listener(&endpoint);
    if (fd < 0) {
        const int error = errno;
        chd_admin_destroy(&made);
        return fail(options, "admin_bind_failed", error);
    }
    if (!start_daemon(made, fd)) {
        chd_admin_destroy(&made);
        return fail(options, "admin_start_failed", ENOMEM);
    }
    *admin = made;
    return true;
}

void chd_admin_destroy(chd_admin **admin)
{
    if (*admin == NULL) {
        return;
    }
    if ((*admin)->watch.fd >= 0) {
        chd_poll_remove((*admin)->options.poll, &(*admin)->watch);
    }
    if ((*admin)->daemon != NULL) {
        MHD_stop_daemon((*admin)->daemon);
    }
    free(*admin);
    *admin = NULL;
}

void chd_admin_tick(chd_admin *admin, chd_now now)
{
    MHD_UNSIGNED_LONG_LONG left_ms = 0;

    if (!admin->ready && !chd_elapsed(now.mono_ns, admin->due_ns, 0)) {
        return;
    }
    admin->ready = false;
    (void)MHD_run(admin->daemon);
    admin->due_ns = CHD_NEVER_NS;
    if (MHD_get_timeout(admin->daemon, &left_ms) == MHD_YES) {
        admin->due_ns = chd_after(now.mono_ns, left_ms * CHD_MS);
    }
}

uint64_t chd_admin_deadline_ns(const chd_admin *admin)
{
    return admin->due_ns;
}

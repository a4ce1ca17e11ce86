/* http.c - how requests come in, and how serving begins and ends. */
#include "http.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "answer.h"
#include "routes.h"

#define CONNECTIONS_MAX 256u
#define TIMEOUT_SECONDS 30u
#define STOP_SECONDS 5
#define BACKLOG 64

struct http {
    struct service service;
    struct MHD_Daemon *daemon;
    pthread_mutex_t mutex;
    pthread_cond_t all_answered;
    unsigned begun; /* requests that are not answered yet */
    bool stopping;
};

typedef enum MHD_Result result;
typedef struct MHD_Connection connection;

/* Begin a request: its head is here.  What is refused now is not read. */
static result begin(struct http *http, connection *from, void **state)
{
    const char *why = NULL;
    const unsigned status = upload_refused(from, &why);

    if (status != 0) {
        return answer_fault(from, status, why, NULL);
    }
    pthread_mutex_lock(&http->mutex);
    if (!http->stopping) {
        *state = calloc(1, sizeof(struct upload));
        http->begun += *state != NULL;
    }
    pthread_mutex_unlock(&http->mutex);
    return *state != NULL ? MHD_YES : MHD_NO;
}

/* Called with the head of a request, each piece of its body, and the end. */
static result on_request(void *arg, connection *from, const char *url,
                         const char *method, const char *version,
                         const char *piece, size_t *piece_len, void **state)
{
    struct http *http = arg;
    struct upload *body = *state;

    (void)version;
    if (body == NULL) {
        return begin(http, from, state);
    }
    if (*piece_len == 0) {
        return route(&http->service, from, method, url, body);
    }
    if (*piece_len > BODY_BYTES_MAX - body->len) {
        return MHD_NO; /* it was to have an end before */
    }
    memcpy(body->text + body->len, piece, *piece_len);
    body->len += *piece_len;
    *piece_len = 0;
    return MHD_YES;
}

static void on_completed(void *arg, connection *from, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct http *http = arg;

    (void)from, (void)why;
    if (*state != NULL) {
        free(*state);
        *state = NULL;
        pthread_mutex_lock(&http->mutex);
        if (--http->begun == 0) {
            pthread_cond_signal(&http->all_answered);
        }
        pthread_mutex_unlock(&http->mutex);
    }
}

/* Nothing that we name needs an escape, so whatever has one is not ours. */
static size_t leave_escapes(void *arg, connection *from, char *text)
{
    (void)arg, (void)from;
    return strlen(text);
}

/* --- starting and stopping ------------------------------------------------ */

static int open_listener(const char *address, const char *port)
{
    const struct addrinfo wish = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
                                  .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int one = 1;
    const int error = getaddrinfo(address, port, &wish, &found);

    if (error != 0) {
        fprintf(stderr, "episodes: %s, port %s: %s\n", address, port,
                gai_strerror(error));
        return -1;
    }
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    const bool good = fd >= 0 &&
                      bind(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                      listen(fd, BACKLOG) == 0;
    freeaddrinfo(found);
    if (!good) {
        perror("episodes: listen");
        (void)close(fd);
        return -1;
    }
    return fd;
}

bool http_start(const char *address, const char *port, struct pages *pages,
                struct store *source, struct http **http)
{
    struct http *made = calloc(1, sizeof(*made));
    const int fd = made == NULL ? -1 : open_listener(address, port);

    if (fd < 0) {
        free(made);
        return false;
    }
    made->service = (struct service){.pages = pages, .source = source};
    pthread_mutex_init(&made->mutex, NULL);
    pthread_cond_init(&made->all_answered, NULL);
    /* A thread for each connection: a request may wait for the database, for
     * another's load, or for the sidecar. */
    made->daemon = MHD_start_daemon(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
            MHD_USE_POLL,
        0, NULL, NULL, on_request, made, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_SECONDS,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, made,
        MHD_OPTION_UNESCAPE_CALLBACK, leave_escapes, NULL, MHD_OPTION_END);
    if (made->daemon == NULL) {
        fprintf(stderr, "episodes: HTTP does not start\n");
        (void)close(fd);
        free(made);
        return false;
    }
    *http = made;
    return true;
}

void http_stop(struct http *http)
{
    struct timespec until;
    const int fd = MHD_quiesce_daemon(http->daemon); /* nobody new comes */
    int status = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += STOP_SECONDS;
    pthread_mutex_lock(&http->mutex);
    http->stopping = true;
    while (http->begun > 0 && status == 0) {
        status =
            pthread_cond_timedwait(&http->all_answered, &http->mutex, &until);
    }
    pthread_mutex_unlock(&http->mutex);
    (void)close(fd);
    MHD_stop_daemon(http->daemon);
    pthread_cond_destroy(&http->all_answered);
    pthread_mutex_destroy(&http->mutex);
    free(http);
}

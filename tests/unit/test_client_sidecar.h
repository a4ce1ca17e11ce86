/* test_client_sidecar.h - a small sidecar in a thread, for tests of the client
 * library on a real Unix socket.
 *
 * It answers like a sidecar that is alone, and misbehaves when told to.  A
 * test changes its knobs and looks at its counters with the mutex held, and
 * waits for what it expects with FAKE_WAIT, never by sleeping.
 */
#ifndef CHD_TESTS_UNIT_TEST_CLIENT_SIDECAR_H
#define CHD_TESTS_UNIT_TEST_CLIENT_SIDECAR_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "proto/base/clock.h"
#include "proto/wire/frame.h"
#include "proto/wire/local.h"

#define FAKE_SESSIONS_MAX 32
#define FAKE_FILTERS_MAX 512
#define FAKE_KEYS_MAX (1u << 20)
#define FAKE_IN_BYTES (2 * CHD_FRAME_BYTES_MAX)

typedef struct fake_session {
    int fd;
    uint8_t *in;
    size_t in_len;
    uint8_t *out;
    size_t out_len;
    size_t out_cap;
    uint64_t position;
    bool greeted;
    bool closing; /* once out is written */
    chd_filter filters[FAKE_FILTERS_MAX];
    size_t filter_count;
} fake_session;

typedef struct fake {
    char dir[64];
    char path[100];
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int listener;
    int wake;
    bool stop;
    bool runs;
    fake_session sessions[FAKE_SESSIONS_MAX];
    uint8_t *scratch;

    /* knobs */
    bool no_welcome;
    bool no_receipts;
    bool no_pongs;
    bool fresh; /* with each pong, of an age: */
    uint64_t fresh_age_ns;
    bool no_reports;
    bool refuse_version;
    bool deaf;          /* do not read */
    bool gap;           /* leave a position out, once */
    bool drop_sessions; /* close all, once */
    bool goodbye;       /* say it to all, once */
    uint64_t payload_max;
    uint64_t ping_ms;
    uint64_t burst; /* send so many messages on topic "burst", once */
    uint64_t features;
    bool no_confirms;
    bool no_awaits;
    chd_local_confirmed confirmed; /* answers CONFIRM, and WHO */
    const char *member_name;       /* of its only peer; NULL: "other" */
    const char *missing_name;      /* of whom WHO tells; NULL: "shop" */

    /* counters */
    uint64_t node;
    uint64_t seq;
    uint64_t hellos;
    uint64_t client; /* of the last HELLO */
    uint64_t pid;
    uint64_t subscribed;
    uint64_t unsubscribed;
    uint64_t publishes;
    uint64_t items;
    uint64_t pings;
    uint64_t applied; /* position of the last APPLIED */
    uint64_t byes;
    uint64_t confirms; /* and who the questions were about: */
    uint64_t confirm_seq;
    uint64_t whos;
    uint64_t awaits;
    uint64_t bound_ms; /* of the last HELLO */
    uint64_t ends;     /* sessions that ended */
    uint64_t open;
    uint32_t *keys; /* of items whose target is a number, in order */
    size_t key_count;
} fake;

/* What happens when an expectation is not met; the includer says it. */
#ifndef FAKE_CHECK
#define FAKE_CHECK(ok, text) cr_assert((ok), "in vain: %s", (text))
#endif

/* Wait for an expression over f, with its mutex held, for up to a minute. */
#define FAKE_WAIT(f, expression)                                               \
    do {                                                                       \
        struct timespec until_;                                                \
        clock_gettime(CLOCK_REALTIME, &until_);                                \
        until_.tv_sec += 60;                                                   \
        pthread_mutex_lock(&(f)->mutex);                                       \
        while (!(expression) &&                                                \
               pthread_cond_timedwait(&(f)->changed, &(f)->mutex, &until_) ==  \
                   0) {                                                        \
        }                                                                      \
        const bool met_ = (expression);                                        \
        pthread_mutex_unlock(&(f)->mutex);                                     \
        FAKE_CHECK(met_, #expression);                                         \
    } while (0)

/* Change knobs. */
#define FAKE_SET(f, assignment)                                                \
    do {                                                                       \
        pthread_mutex_lock(&(f)->mutex);                                       \
        assignment;                                                            \
        pthread_mutex_unlock(&(f)->mutex);                                     \
        fake_poke(f);                                                          \
    } while (0)

static inline void fake_poke(fake *f)
{
    const uint64_t one = 1;
    (void)!write(f->wake, &one, sizeof(one));
}

/* --- sending -------------------------------------------------------------- */

static inline void fake_queue(fake_session *s, const chd_pack *pack)
{
    const size_t need = s->out_len + CHD_FRAME_PREFIX_BYTES + pack->len;

    if (need > s->out_cap) {
        s->out_cap = 2 * need;
        s->out = realloc(s->out, s->out_cap);
    }
    chd_frame_put_length(s->out + s->out_len, pack->len);
    memcpy(s->out + s->out_len + CHD_FRAME_PREFIX_BYTES, pack->buf, pack->len);
    s->out_len = need;
}

static inline chd_pack fake_pack(fake *f)
{
    chd_pack pack;
    chd_pack_init(&pack, f->scratch, CHD_FRAME_BYTES_MAX);
    return pack;
}

static inline bool fake_wants(const fake_session *s, chd_bytes topic)
{
    for (size_t i = 0; i < s->filter_count; i++) {
        if (chd_filter_matches(&s->filters[i], topic)) {
            return true;
        }
    }
    return false;
}

static inline void fake_send_event(fake *f, fake_session *s,
                                   const chd_event *event)
{
    chd_pack pack = fake_pack(f);

    s->position++;
    if (f->gap) {
        s->position++;
        f->gap = false;
    }
    const size_t at = chd_local_events_open(&pack, s->position, f->node);
    chd_event_pack(&pack, event);
    chd_local_events_close(&pack, at, 1, 0);
    fake_queue(s, &pack);
}

/* --- receiving ------------------------------------------------------------ */

static inline void fake_on_hello(fake *f, fake_session *s,
                                 const chd_local_hello *hello)
{
    chd_pack pack = fake_pack(f);

    f->hellos++;
    f->client = hello->client;
    f->pid = hello->pid;
    f->bound_ms = hello->bound_ms;
    if (f->refuse_version) {
        chd_local_pack_error(&pack, CHD_LOCAL_ERR_VERSION, "too old");
        fake_queue(s, &pack);
        s->closing = true;
        return;
    }
    if (f->no_welcome) {
        return;
    }
    const chd_local_welcome welcome = {
        .version = 1,
        .node = f->node,
        .node_name = chd_bytes_str("fake"),
        .region = chd_bytes_str("here"),
        .cluster = chd_bytes_str("test"),
        .session = 1,
        .window_bytes = CHD_PUBLISH_WINDOW_BYTES,
        .payload_max = f->payload_max,
        .ping_interval_ms = f->ping_ms,
        .features = f->features,
    };
    chd_local_pack_welcome(&pack, &welcome);
    fake_queue(s, &pack);
    s->greeted = true;
}

/* Answer, with one that is missing or none. */
static inline void fake_confirm(fake *f, fake_session *s, uint64_t request,
                                const char *missing)
{
    chd_local_confirmed confirmed = f->confirmed;
    const chd_missing one = {
        .node = 8,
        .name = chd_bytes_str("web-2"),
        .session = chd_bytes_str(missing == NULL ? "" : missing),
    };
    chd_pack pack = fake_pack(f);

    confirmed.request = request;
    confirmed.outcome =
        missing == NULL ? confirmed.outcome : CHD_CONFIRM_MISSING;
    const size_t at = chd_local_confirmed_open(&pack, &confirmed);
    if (missing != NULL) {
        chd_local_confirmed_add(&pack, &one);
    }
    chd_local_confirmed_close(&pack, at, missing != NULL);
    fake_queue(s, &pack);
}

static inline void fake_on_subscribe(fake *f, fake_session *s,
                                     chd_local_list list)
{
    const chd_local_reset reset = {.position = ++s->position,
                                   .reason = CHD_RESET_SUBSCRIBED,
                                   .filters = list};
    chd_filter filter;

    while (chd_local_filter_next(&list, &filter)) {
        f->subscribed++;
        if (s->filter_count < FAKE_FILTERS_MAX) {
            uint8_t *copy = malloc(filter.topic.len + 1);
            memcpy(copy, filter.topic.ptr, filter.topic.len);
            s->filters[s->filter_count++] = (chd_filter){
                filter.match, chd_bytes_of(copy, filter.topic.len)};
        }
    }
    chd_pack pack = fake_pack(f);
    chd_local_pack_reset(&pack, &reset);
    fake_queue(s, &pack);
}

static inline void fake_on_unsubscribe(fake *f, fake_session *s,
                                       chd_local_list list)
{
    chd_filter filter;

    while (chd_local_filter_next(&list, &filter)) {
        f->unsubscribed++;
        for (size_t i = 0; i < s->filter_count; i++) {
            if (s->filters[i].match == filter.match &&
                chd_bytes_equal(s->filters[i].topic, filter.topic)) {
                free((void *)s->filters[i].topic.ptr);
                s->filters[i] = s->filters[--s->filter_count];
                break;
            }
        }
    }
}

static inline void fake_on_publish(fake *f, fake_session *from,
                                   const chd_local_publish *publish)
{
    chd_local_list items = publish->items;
    chd_event item;

    f->publishes++;
    while (chd_local_item_next(&items, &item)) {
        f->items++;
        item.seq = ++f->seq;
        item.hlc = f->seq;
        if (item.target.len > 0 && f->key_count < FAKE_KEYS_MAX) {
            char text[16] = {0};
            memcpy(text, item.target.ptr, chd_min_size(item.target.len, 15));
            f->keys[f->key_count++] = (uint32_t)strtoul(text, NULL, 10);
        }
        for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
            fake_session *s = &f->sessions[i];
            if (s->fd >= 0 && s->greeted && fake_wants(s, item.topic)) {
                fake_send_event(f, s, &item);
            }
        }
    }
    if (!f->no_receipts) {
        const chd_local_receipt receipt = {publish->request, f->node, f->seq};
        chd_pack pack = fake_pack(f);
        chd_local_pack_receipt(&pack, &receipt);
        fake_queue(from, &pack);
    }
}

static inline void fake_on_status(fake *f, fake_session *s, uint64_t request)
{
    const chd_node_report node = {
        .node = f->node,
        .name = chd_bytes_str("fake"),
        .region = chd_bytes_str("here"),
        .cluster = chd_bytes_str("test"),
        .release = chd_bytes_str("0.1.0"),
        .endpoint = {.address = {[15] = 1}, .port = 7420},
        .state = CHD_NODE_READY,
        .uptime_ms = 61000,
        .head = f->seq,
    };
    const chd_member_report member = {
        .node = 7,
        .name =
            chd_bytes_str(f->member_name == NULL ? "other" : f->member_name),
        .endpoint = {.address = {[10] = 255, 255, 10, 0, 0, 9}, .port = 7420},
        .state = CHD_MEMBER_LIVE,
        .listed = true,
        .hears_us = true,
        .rtt_us = 812,
        .received = 3,
        .silent_ms = 12,
    };
    chd_pack pack = fake_pack(f);
    const size_t at = chd_local_report_open(&pack, request, &node);

    chd_local_report_add(&pack, &member);
    chd_local_report_close(&pack, at, 1);
    if (!f->no_reports) {
        fake_queue(s, &pack);
    }
}

static inline void fake_on_question(fake *f, fake_session *s,
                                    const chd_local *local)
{
    chd_pack pack;

    switch (local->type) {
    case CHD_LOCAL_CONFIRM:
        f->confirms++;
        f->confirm_seq = local->u.ask.seq;
        if (!f->no_confirms) {
            fake_confirm(f, s, local->u.ask.request, NULL);
        }
        break;
    case CHD_LOCAL_WHO:
        f->whos++;
        fake_confirm(f, s, local->u.request,
                     f->missing_name == NULL ? "shop" : f->missing_name);
        break;
    default:
        f->awaits++;
        if (!f->no_awaits) {
            pack = fake_pack(f);
            chd_local_pack_request(&pack, CHD_LOCAL_AWAITED,
                                   local->u.ask.request);
            fake_queue(s, &pack);
        }
        break;
    }
}

static inline void fake_on_message(fake *f, fake_session *s, chd_bytes message)
{
    chd_local local;
    chd_pack pack;

    if (chd_local_scan(message, &local) != CHD_OK) {
        fprintf(stderr, "the client sent something malformed\n");
        abort();
    }
    if (!s->greeted && local.type != CHD_LOCAL_HELLO) {
        fprintf(stderr, "the client did not wait for WELCOME\n");
        abort();
    }
    switch (local.type) {
    case CHD_LOCAL_HELLO:
        fake_on_hello(f, s, &local.u.hello);
        break;
    case CHD_LOCAL_SUBSCRIBE:
        fake_on_subscribe(f, s, local.u.filters);
        break;
    case CHD_LOCAL_UNSUBSCRIBE:
        fake_on_unsubscribe(f, s, local.u.filters);
        break;
    case CHD_LOCAL_PUBLISH:
        fake_on_publish(f, s, &local.u.publish);
        break;
    case CHD_LOCAL_APPLIED:
        f->applied = local.u.applied.position;
        if (f->applied > s->position) {
            fprintf(stderr, "the client applied what was not sent\n");
            abort();
        }
        break;
    case CHD_LOCAL_PING:
        f->pings++;
        if (!f->no_pongs) {
            pack = fake_pack(f);
            chd_local_pack_pong(&pack, local.u.ping.c0, s->position, 0);
            fake_queue(s, &pack);
        }
        if (f->fresh) {
            pack = fake_pack(f);
            chd_local_pack_fresh(&pack, local.u.ping.c0, f->fresh_age_ns);
            fake_queue(s, &pack);
        }
        break;
    case CHD_LOCAL_STATUS:
        fake_on_status(f, s, local.u.request);
        break;
    case CHD_LOCAL_BYE:
        f->byes++;
        s->closing = true;
        break;
    case CHD_LOCAL_CONFIRM:
    case CHD_LOCAL_WHO:
    case CHD_LOCAL_AWAIT:
        fake_on_question(f, s, &local);
        break;
    default:
        abort();
    }
}

/* --- the loop ------------------------------------------------------------- */

static inline void fake_end(fake *f, fake_session *s)
{
    for (size_t i = 0; i < s->filter_count; i++) {
        free((void *)s->filters[i].topic.ptr);
    }
    close(s->fd);
    free(s->in);
    free(s->out);
    *s = (fake_session){.fd = -1};
    f->ends++;
    f->open--;
}

static inline void fake_accept(fake *f)
{
    const int fd =
        accept4(f->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    for (size_t i = 0; fd >= 0 && i < FAKE_SESSIONS_MAX; i++) {
        fake_session *s = &f->sessions[i];
        if (s->fd < 0) {
            *s = (fake_session){.fd = fd, .in = malloc(FAKE_IN_BYTES)};
            f->open++;
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static inline bool fake_read(fake *f, fake_session *s)
{
    const ssize_t got =
        recv(s->fd, s->in + s->in_len, FAKE_IN_BYTES - s->in_len, 0);

    if (got <= 0) {
        return got < 0 && errno == EAGAIN;
    }
    s->in_len += (size_t)got;
    chd_bytes stream = chd_bytes_of(s->in, s->in_len);
    chd_bytes message;
    while (!s->closing && chd_frame_next(&stream, &message) == CHD_OK &&
           message.len > 0) {
        fake_on_message(f, s, message);
    }
    memmove(s->in, stream.ptr, stream.len);
    s->in_len = stream.len;
    return true;
}

static inline bool fake_write(fake_session *s)
{
    const ssize_t sent = send(s->fd, s->out, s->out_len, MSG_NOSIGNAL);

    if (sent < 0) {
        return errno == EAGAIN;
    }
    memmove(s->out, s->out + sent, s->out_len - (size_t)sent);
    s->out_len -= (size_t)sent;
    return s->out_len > 0 || !s->closing;
}

static inline void fake_knobs(fake *f, fake_session *s)
{
    if (f->goodbye) {
        chd_pack pack = fake_pack(f);
        chd_local_pack_bare(&pack, CHD_LOCAL_GOODBYE);
        fake_queue(s, &pack);
        s->closing = true;
    }
    if (fake_wants(s, chd_bytes_str("burst"))) {
        for (uint64_t i = 0; i < f->burst; i++) {
            const chd_event event = {.seq = ++f->seq,
                                     .hlc = 1,
                                     .kind = CHD_KIND_MESSAGE,
                                     .topic = chd_bytes_str("burst"),
                                     .value = chd_bytes_str("boom")};
            fake_send_event(f, s, &event);
        }
    }
}

static inline void fake_turn(fake *f, const struct pollfd *fds)
{
    if (fds[0].revents & POLLIN) {
        fake_accept(f);
    }
    for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
        fake_session *s = &f->sessions[i];
        const struct pollfd *fd = &fds[2 + i];
        bool good = true;
        if (s->fd < 0) {
            continue;
        }
        if (s->greeted) {
            fake_knobs(f, s);
        }
        if (s->fd == fd->fd && !f->deaf &&
            (fd->revents & (POLLIN | POLLHUP | POLLERR))) {
            good = fake_read(f, s);
        }
        if (good && (s->out_len > 0 || s->closing)) {
            good = fake_write(s);
        }
        if (!good || f->drop_sessions) {
            fake_end(f, s);
        }
    }
    /* Events of one session may be for another that was visited before. */
    for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
        fake_session *s = &f->sessions[i];
        if (s->fd >= 0 && s->out_len > 0 && !fake_write(s)) {
            fake_end(f, s);
        }
    }
    f->drop_sessions = f->goodbye = false;
    f->burst = 0;
    pthread_cond_broadcast(&f->changed);
}

static inline void *fake_main(void *arg)
{
    fake *f = arg;
    uint64_t count;

    pthread_mutex_lock(&f->mutex);
    while (!f->stop) {
        struct pollfd fds[2 + FAKE_SESSIONS_MAX] = {
            {.fd = f->listener, .events = POLLIN},
            {.fd = f->wake, .events = POLLIN},
        };
        for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
            const fake_session *s = &f->sessions[i];
            fds[2 + i].fd = s->fd;
            fds[2 + i].events = (short)((f->deaf ? 0 : POLLIN) |
                                        (s->out_len > 0 ? POLLOUT : 0));
        }
        pthread_mutex_unlock(&f->mutex);
        (void)poll(fds, 2 + FAKE_SESSIONS_MAX, -1);
        if (fds[1].revents & POLLIN) {
            (void)!read(f->wake, &count, sizeof(count));
        }
        pthread_mutex_lock(&f->mutex);
        fake_turn(f, fds);
    }
    pthread_mutex_unlock(&f->mutex);
    return NULL;
}

/* --- for the tests -------------------------------------------------------- */

/* Choose a path and defaults; nobody listens yet. */
static inline void fake_init(fake *f)
{
    memset(f, 0, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/coherd-test-XXXXXX");
    if (mkdtemp(f->dir) == NULL) {
        abort();
    }
    snprintf(f->path, sizeof(f->path), "%s/coherd.sock", f->dir);
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->payload_max = CHD_PAYLOAD_BYTES_DEFAULT;
    f->ping_ms = 50;
    f->node = 0x1000;
    f->listener = -1;
    f->scratch = malloc(CHD_FRAME_BYTES_MAX);
    f->keys = calloc(FAKE_KEYS_MAX, sizeof(f->keys[0]));
    for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
        f->sessions[i].fd = -1;
    }
}

/* Start to listen, as a new node. */
static inline void fake_start(fake *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    f->listener =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(address.sun_path, f->path, sizeof(f->path));
    if (bind(f->listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(f->listener, 64) != 0) {
        abort();
    }
    f->stop = false;
    f->runs = true;
    f->node++;
    f->seq = 0;
    pthread_create(&f->thread, NULL, fake_main, f);
}

/* Die like a killed process: connections break, the socket file stays until
 * the next start. */
static inline void fake_kill(fake *f)
{
    FAKE_SET(f, f->stop = true);
    pthread_join(f->thread, NULL);
    for (size_t i = 0; i < FAKE_SESSIONS_MAX; i++) {
        if (f->sessions[i].fd >= 0) {
            fake_end(f, &f->sessions[i]);
        }
    }
    close(f->listener);
    unlink(f->path);
    f->runs = false;
}

static inline void fake_fini(fake *f)
{
    if (f->runs) {
        fake_kill(f);
    }
    rmdir(f->dir);
    close(f->wake);
    free(f->scratch);
    free(f->keys);
    pthread_mutex_destroy(&f->mutex);
    pthread_cond_destroy(&f->changed);
}

#endif

#include "broker/local.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/config.h"
#include "broker/inbuf.h"
#include "broker/outbuf.h"
#include "proto/wire/frame.h"

/* What one turn takes from one session, so that none starves the others. */
#define TURN_BYTES ((size_t)256 * 1024)

#define ACCEPT_COUNT_MAX 64
#define ACCEPT_RETRY (100 * CHD_MS)

/* How long a session may take to read the last we have for it. */
#define CLOSE_PATIENCE CHD_SECOND

typedef enum session_state {
    SESSION_FREE,
    SESSION_OPEN,
    SESSION_GONE,    /* ended by itself; the core is still to be told   */
    SESSION_CLOSING, /* the core is done with it; its output is not sent */
} session_state;

typedef struct slot {
    chd_watch watch;
    chd_local_io *local;
    session_state state;
    bool paused;   /* too much output waits: not read from  */
    bool blocked;  /* the socket takes no output for now    */
    bool dirty;    /* listed to be flushed                  */
    bool resuming; /* listed to be resumed                  */
    chd_inbuf in;
    chd_outbuf out;
    uint64_t close_by_ns; /* CLOSING */
} slot;

struct chd_local_io {
    chd_local_io_options options;
    chd_listener listener;
    chd_watch listener_watch;
    uint64_t accept_after_ns; /* when to accept again, or CHD_NEVER_NS */
    chd_now now;
    slot *sessions;
    uint32_t *dirty; /* each list has room for every session */
    uint32_t *gone;
    uint32_t *resumed;
    uint32_t dirty_count;
    uint32_t gone_count;
    uint32_t resumed_count;
    uint32_t closing_count;
    bool held; /* the mesh takes no more for now: nobody is read from */
    uid_t uids[CHD_UIDS_MAX];
    size_t uid_count;
    uint8_t scratch[CHD_INBUF_SCRATCH];
};

static uint32_t index_of(const slot *session)
{
    return (uint32_t)(session - session->local->sessions);
}

static void feed_session(slot *session, chd_input_kind kind, chd_bytes bytes)
{
    const chd_input input = {
        .kind = kind,
        .u.session = {.session = index_of(session), .bytes = bytes},
    };

    chd_feed_input(&session->local->options.feed, &input);
}

/* What was published is more than the mesh takes: it waits where it is. */
static bool is_held(chd_local_io *local)
{
    const chd_feed *feed = &local->options.feed;

    if (!local->held && feed->holds != NULL) {
        local->held = feed->holds(feed->arg);
    }
    return local->held;
}

static void watch_as_needed(slot *session)
{
    uint32_t events = 0;

    if (session->state == SESSION_OPEN && !session->paused &&
        !session->resuming && !session->local->held) {
        events |= EPOLLIN;
    }
    if (session->blocked) {
        events |= EPOLLOUT;
    }
    if (events == 0) {
        events = EPOLLET; /* a hang-up is told once, not again and again */
    }
    chd_poll_change(session->local->options.poll, &session->watch, events);
}

static void close_connection(slot *session)
{
    const int fd = session->watch.fd;

    chd_poll_remove(session->local->options.poll, &session->watch);
    (void)close(fd);
    chd_inbuf_fini(&session->in);
    chd_outbuf_fini(&session->out);
    session->blocked = false;
    session->paused = false;
}

/* The connection has ended by itself. */
static void end_open(slot *session)
{
    chd_local_io *local = session->local;

    if (session->state == SESSION_OPEN) {
        session->state = SESSION_GONE;
        local->gone[local->gone_count++] = index_of(session);
    }
}

/* The core is done with the session: let it read the last, then close. */
static void begin_closing(slot *session)
{
    chd_local_io *local = session->local;

    session->state = SESSION_CLOSING;
    session->close_by_ns = chd_after(local->now.mono_ns, CLOSE_PATIENCE);
    local->closing_count++;
}

static void end_closing(slot *session)
{
    close_connection(session);
    session->state = SESSION_FREE;
    session->local->closing_count--;
}

static void mark_dirty(slot *session)
{
    chd_local_io *local = session->local;

    if (!session->dirty) {
        session->dirty = true;
        local->dirty[local->dirty_count++] = index_of(session);
    }
}

/* Append an ERROR. */
static void put_error(chd_outbuf *out, chd_local_error code, const char *text)
{
    uint8_t message[CHD_TEXT_BYTES_MAX + 16];
    chd_pack pack;

    chd_pack_init(&pack, message, sizeof(message));
    chd_local_pack_error(&pack, code, text);
    chd_outbuf_frame(out, chd_pack_bytes(&pack));
}

void chd_local_io_send(chd_local_io *local, uint32_t index, chd_bytes bytes)
{
    CHD_ASSERT(index < local->options.session_count);
    slot *session = &local->sessions[index];

    if (session->state != SESSION_OPEN) {
        return;
    }
    if (chd_outbuf_len(&session->out) + bytes.len > CHD_LOCAL_OUT_STUCK) {
        local->options.tally->local_stuck++;
        end_open(session);
        return;
    }
    chd_outbuf_frame(&session->out, bytes);
    mark_dirty(session);
}

void chd_local_io_close(chd_local_io *local, uint32_t index)
{
    CHD_ASSERT(index < local->options.session_count);
    slot *session = &local->sessions[index];

    if (session->state == SESSION_OPEN) {
        begin_closing(session);
        mark_dirty(session);
    }
}

/* Feed every whole message at the front of *stream, but not much more than
 * the session reads the answers of, or the mesh takes. */
static void feed_messages(slot *session, chd_bytes *stream)
{
    while (session->state == SESSION_OPEN && !is_held(session->local) &&
           chd_outbuf_len(&session->out) <= CHD_LOCAL_OUT_PAUSE) {
        chd_bytes message = {NULL, 0};
        if (chd_frame_next(stream, &message) != CHD_OK) {
            session->local->options.tally->local_framing++;
            put_error(&session->out, CHD_LOCAL_ERR_MALFORMED,
                      "a message is empty or longer than allowed");
            mark_dirty(session);
            feed_session(session, CHD_IN_SESSION_CLOSED, (chd_bytes){NULL, 0});
            begin_closing(session);
            return;
        }
        if (message.len == 0) {
            return;
        }
        feed_session(session, CHD_IN_SESSION_MESSAGE, message);
    }
}

static void pause_if_behind(slot *session)
{
    if (session->state == SESSION_OPEN &&
        chd_outbuf_len(&session->out) > CHD_LOCAL_OUT_PAUSE) {
        session->paused = true;
        mark_dirty(session);
    }
}

/* Read once and feed; returns what the read returned. */
static ssize_t read_once(slot *session)
{
    chd_local_io *local = session->local;
    chd_bytes stream = {NULL, 0};
    const ssize_t got = chd_inbuf_read(&session->in, session->watch.fd,
                                       local->scratch, &stream);

    if (got > 0) {
        local->options.tally->local_bytes_in += (uint64_t)got;
        feed_messages(session, &stream);
        chd_inbuf_keep(&session->in, stream);
        pause_if_behind(session);
    }
    return got;
}

static void read_session(slot *session)
{
    size_t total = 0;

    while (session->state == SESSION_OPEN && !session->paused &&
           !is_held(session->local) && total < TURN_BYTES) {
        const ssize_t got = read_once(session);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
            end_open(session);
        }
        if (got < (ssize_t)CHD_INBUF_READ) {
            return; /* the rest has not arrived, or the next turn sees it */
        }
        total += (size_t)got;
    }
}

/* Feed what waits of the session, next turn, before more is read. */
static void resume_later(slot *session)
{
    chd_local_io *local = session->local;

    if (!session->resuming) {
        session->resuming = true;
        local->resumed[local->resumed_count++] = index_of(session);
    }
}

/* Write what waits for one session, and draw the consequences. */
static void flush_session(slot *session)
{
    chd_local_io *local = session->local;
    uint64_t written = 0;

    if (session->state != SESSION_OPEN && session->state != SESSION_CLOSING) {
        return;
    }
    const chd_outbuf_state state =
        chd_outbuf_flush(&session->out, session->watch.fd, &written);
    local->options.tally->local_bytes_out += written;
    if (state == CHD_OUTBUF_BROKEN && session->state == SESSION_OPEN) {
        end_open(session);
        return;
    }
    if (state != CHD_OUTBUF_BLOCKED && session->state == SESSION_CLOSING) {
        end_closing(session);
        return;
    }
    session->blocked = state == CHD_OUTBUF_BLOCKED;
    if (session->paused &&
        chd_outbuf_len(&session->out) <= CHD_LOCAL_OUT_PAUSE / 2) {
        session->paused = false;
        resume_later(session);
    }
    watch_as_needed(session);
}

static void on_session(void *arg, uint32_t events, chd_now now)
{
    slot *session = arg;

    (void)now;
    if ((events & EPOLLOUT) != 0) {
        flush_session(session);
    }
    if (session->state == SESSION_OPEN && (events & EPOLLIN) != 0) {
        read_session(session);
    } else if (session->state == SESSION_OPEN &&
               (session->local->held || session->resuming)) {
        return; /* what it published before it went counts */
    } else if ((events & (EPOLLHUP | EPOLLERR)) != 0) {
        /* Nobody is left to read what waits. */
        if (session->state == SESSION_CLOSING) {
            end_closing(session);
        } else {
            end_open(session);
        }
    }
}

/* Say why and close; the buffer of a new connection has room for that. */
static void refuse(chd_local_io *local, int fd, const char *text)
{
    chd_outbuf out = {0};
    uint64_t written = 0;

    local->options.tally->local_refused++;
    put_error(&out, CHD_LOCAL_ERR_LIMIT, text);
    (void)chd_outbuf_flush(&out, fd, &written);
    chd_outbuf_fini(&out);
    (void)close(fd);
}

static bool is_welcome(const chd_local_io *local, int fd)
{
    struct ucred user;
    socklen_t len = sizeof(user);

    if (local->uid_count == 0) {
        return true;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &user, &len) != 0) {
        return false;
    }
    for (size_t i = 0; i < local->uid_count; i++) {
        if (local->uids[i] == user.uid) {
            return true;
        }
    }
    return false;
}

static void admit(chd_local_io *local, int fd)
{
    uint32_t index = 0;

    if (!is_welcome(local, fd)) {
        refuse(local, fd, "this user is not in local.uids of the sidecar");
        return;
    }
    while (index < local->options.session_count &&
           local->sessions[index].state != SESSION_FREE) {
        index++;
    }
    if (index == local->options.session_count) {
        refuse(local, fd, "the sidecar has limits.sessions sessions already");
        return;
    }
    slot *session = &local->sessions[index];
    session->local = local;
    session->watch = (chd_watch){
        .fd = fd, .events = EPOLLIN, .ready = on_session, .arg = session};
    if (!chd_poll_add(local->options.poll, &session->watch)) {
        local->options.tally->local_accept_errors++;
        (void)close(fd);
        return;
    }
    session->state = SESSION_OPEN;
    feed_session(session, CHD_IN_SESSION_OPEN, (chd_bytes){NULL, 0});
}

/* Accepting fails for want of descriptors or memory: the connection stays in
 * the queue and would wake the loop at once, again and again. */
static void put_off_accepting(chd_local_io *local, int error, chd_now now)
{
    chd_line line;

    local->options.tally->local_accept_errors++;
    chd_poll_remove(local->options.poll, &local->listener_watch);
    local->accept_after_ns = chd_after(now.mono_ns, ACCEPT_RETRY);
    chd_line_begin(&line, local->options.listener.logger, CHD_LEVEL_ERROR,
                   "local_accept_failed");
    chd_line_text(&line, "error", strerror(error));
    chd_line_text(&line, "hint", "raise the limit of open files");
    chd_line_end(&line);
}

static void on_listener(void *arg, uint32_t events, chd_now now)
{
    chd_local_io *local = arg;

    (void)events;
    for (size_t i = 0; i < ACCEPT_COUNT_MAX; i++) {
        const int fd = accept4(local->listener.fd, NULL, NULL,
                               SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            admit(local, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            put_off_accepting(local, errno, now);
            return;
        }
    }
}

static bool watch_listener(chd_local_io *local)
{
    local->accept_after_ns = CHD_NEVER_NS;
    local->listener_watch = (chd_watch){
        .fd = local->listener.fd,
        .events = EPOLLIN,
        .ready = on_listener,
        .arg = local,
    };
    return chd_poll_add(local->options.poll, &local->listener_watch);
}

static void read_uids(chd_local_io *local, const char *list)
{
    char item[32];

    while (local->uid_count < CHD_UIDS_MAX &&
           chd_list_next(&list, item, sizeof(item))) {
        local->uids[local->uid_count++] = (uid_t)strtoul(item, NULL, 10);
    }
}

bool chd_local_io_new(const chd_local_io_options *options, chd_local_io **local)
{
    chd_local_io *made = calloc(1, sizeof(*made));
    const size_t count = options->session_count;

    *local = NULL;
    CHD_ASSERT(made != NULL);
    made->options = *options;
    made->listener_watch.fd = -1;
    made->sessions = calloc(count, sizeof(*made->sessions));
    made->dirty = calloc(count, sizeof(*made->dirty));
    made->gone = calloc(count, sizeof(*made->gone));
    made->resumed = calloc(count, sizeof(*made->resumed));
    CHD_ASSERT(made->sessions != NULL && made->dirty != NULL &&
               made->gone != NULL && made->resumed != NULL);
    read_uids(made, options->uids);
    if (!chd_listener_open(&made->listener, &options->listener) ||
        !watch_listener(made)) {
        chd_local_io_destroy(&made);
        return false;
    }
    *local = made;
    return true;
}

void chd_local_io_destroy(chd_local_io **local)
{
    if (*local == NULL) {
        return;
    }
    chd_local_io_stop_accepting(*local);
    for (uint32_t i = 0; i < (*local)->options.session_count; i++) {
        if ((*local)->sessions[i].state != SESSION_FREE) {
            close_connection(&(*local)->sessions[i]);
        }
    }
    free((*local)->sessions);
    free((*local)->dirty);
    free((*local)->gone);
    free((*local)->resumed);
    free(*local);
    *local = NULL;
}

void chd_local_io_stop_accepting(chd_local_io *local)
{
    if (local->listener_watch.fd >= 0) {
        chd_poll_remove(local->options.poll, &local->listener_watch);
    }
    local->accept_after_ns = CHD_NEVER_NS;
    chd_listener_close(&local->listener);
}

/* Feed the messages that waited while their session was paused. */
static void resume_sessions(chd_local_io *local)
{
    while (local->resumed_count > 0) {
        slot *session =
            &local->sessions[local->resumed[--local->resumed_count]];
        chd_bytes stream = chd_inbuf_waiting(&session->in);
        session->resuming = false;
        if (session->state == SESSION_OPEN && stream.len > 0) {
            feed_messages(session, &stream);
            chd_inbuf_keep(&session->in, stream);
            pause_if_behind(session);
        }
        if (session->state == SESSION_OPEN) {
            watch_as_needed(session);
        }
    }
}

/* Stop reading, or go on, as the mesh has room. */
static void hold_or_release(chd_local_io *local)
{
    const bool was_held = local->held;

    local->held = false;
    if (!is_held(local) && !was_held) {
        return;
    }
    for (uint32_t i = 0; i < local->options.session_count; i++) {
        slot *session = &local->sessions[i];
        if (session->state != SESSION_OPEN) {
            continue;
        }
        if (!local->held && !session->paused) {
            resume_later(session);
        }
        watch_as_needed(session);
    }
}

void chd_local_io_tick(chd_local_io *local, chd_now now)
{
    local->now = now;
    resume_sessions(local);
    if (chd_elapsed(now.mono_ns, local->accept_after_ns, 0) &&
        !watch_listener(local)) {
        local->accept_after_ns = chd_after(now.mono_ns, ACCEPT_RETRY);
    }
    for (uint32_t i = 0;
         local->closing_count > 0 && i < local->options.session_count; i++) {
        slot *session = &local->sessions[i];
        if (session->state == SESSION_CLOSING &&
            chd_elapsed(now.mono_ns, session->close_by_ns, 0)) {
            end_closing(session);
        }
    }
}

void chd_local_io_reap(chd_local_io *local)
{
    while (local->gone_count > 0) {
        slot *session = &local->sessions[local->gone[--local->gone_count]];
        close_connection(session);
        feed_session(session, CHD_IN_SESSION_CLOSED, (chd_bytes){NULL, 0});
        session->state = SESSION_FREE;
    }
}

void chd_local_io_flush(chd_local_io *local)
{
    for (uint32_t i = 0; i < local->dirty_count; i++) {
        slot *session = &local->sessions[local->dirty[i]];
        session->dirty = false;
        flush_session(session);
    }
    local->dirty_count = 0;
    hold_or_release(local);
}

uint64_t chd_local_io_deadline_ns(const chd_local_io *local)
{
    uint64_t due = local->accept_after_ns;

    if (local->resumed_count > 0 || local->gone_count > 0) {
        return 0;
    }
    if (local->closing_count > 0) {
        /* Rare and short: looking at a tenth of the patience is enough. */
        due = chd_min_u64(due,
                          chd_after(local->now.mono_ns, CLOSE_PATIENCE / 10));
    }
    return due;
}

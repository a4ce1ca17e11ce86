/* The Unix socket and its sessions, with real sockets and no core. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/clock.h"
#include "broker/local.h"
#include "proto/wire/frame.h"

TestSuite(broker_local, .timeout = 60);

#define SESSIONS 4
#define TURNS_MAX 2000

/* What a session sends back for each message, if anything. */
typedef struct answer {
    size_t bytes;
    bool close;
} answer;

typedef struct host {
    char directory[32];
    char path[64];
    chd_logger logger;
    chd_tally tally;
    chd_poll poll;
    chd_local_io *local;
    answer answer;
    bool held;
    size_t hold_at; /* messages; 0: never */
    size_t opened;
    size_t closed;
    size_t messages;
    size_t message_bytes;
    uint32_t last; /* session */
    uint8_t first_byte;
    uint8_t *filler;
} host;

static void on_input(void *arg, const chd_input *input)
{
    host *h = arg;
    const chd_bytes bytes = input->u.session.bytes;

    h->last = input->u.session.session;
    switch (input->kind) {
    case CHD_IN_SESSION_OPEN:
        h->opened++;
        return;
    case CHD_IN_SESSION_CLOSED:
        h->closed++;
        return;
    default:
        cr_assert_eq(input->kind, CHD_IN_SESSION_MESSAGE);
        break;
    }
    cr_assert(!h->held);
    h->messages++;
    h->held = h->messages == h->hold_at;
    h->message_bytes += bytes.len;
    h->first_byte = bytes.ptr[0];
    if (h->answer.bytes > 0) {
        chd_local_io_send(h->local, h->last,
                          (chd_bytes){h->filler, h->answer.bytes});
    }
    if (h->answer.close) {
        chd_local_io_close(h->local, h->last);
    }
}

static bool is_held(void *arg)
{
    const host *h = arg;

    return h->held;
}

/* Make a directory for the socket, which is not opened yet. */
static void prepare(host *h)
{
    *h = (host){.logger = {.level = CHD_LEVEL_ERROR}};
    (void)snprintf(h->directory, sizeof(h->directory), "/tmp/chd-local-XXXXXX");
    cr_assert_not_null(mkdtemp(h->directory));
    (void)snprintf(h->path, sizeof(h->path), "%s/sock", h->directory);
    h->logger.tally = &h->tally;
    h->logger.fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    h->filler = calloc(1, CHD_FRAME_BYTES_MAX);
    cr_assert_not_null(h->filler);
    cr_assert(chd_poll_init(&h->poll));
}

static bool open_local(host *h, const char *uids)
{
    const chd_local_io_options options = {
        .listener = {.path = h->path,
                     .group = "",
                     .mode = 0640,
                     .logger = &h->logger},
        .uids = uids,
        .session_count = SESSIONS,
        .poll = &h->poll,
        .feed = {on_input, h, is_held},
        .tally = &h->tally,
    };

    return chd_local_io_new(&options, &h->local);
}

static void finish(host *h)
{
    char lock[80];

    chd_local_io_destroy(&h->local);
    chd_poll_fini(&h->poll);
    (void)snprintf(lock, sizeof(lock), "%s.lock", h->path);
    (void)unlink(lock);
    (void)unlink(h->path);
    cr_assert_eq(rmdir(h->directory), 0);
    (void)close(h->logger.fd);
    free(h->filler);
}

/* One turn, as the loop makes them. */
static void turn(host *h)
{
    const chd_now now = chd_clock_read();

    chd_poll_wait(&h->poll, 1);
    chd_poll_dispatch(&h->poll, now);
    chd_local_io_tick(h->local, now);
    chd_local_io_reap(h->local);
    chd_local_io_flush(h->local);
}

#define TURN_UNTIL(h, condition)                                               \
    do {                                                                       \
        for (size_t turns = 0; !(condition); turns++) {                        \
            cr_assert_lt(turns, TURNS_MAX, "%s", #condition);                  \
            turn(h);                                                           \
        }                                                                      \
    } while (0)

static int connect_to(const host *h)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_geq(fd, 0);
    memcpy(address.sun_path, h->path, strlen(h->path));
    cr_assert_eq(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void send_all(int fd, const void *data, size_t len)
{
    cr_assert_eq(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Read until the other side closes, at most cap bytes; returns how many. */
static size_t read_to_end(host *h, int fd, uint8_t *data, size_t cap)
{
    size_t len = 0;

    for (size_t turns = 0; turns < TURNS_MAX; turns++) {
        const ssize_t got = recv(fd, data + len, cap - len, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return len;
        }
        len += got > 0 ? (size_t)got : 0;
        turn(h);
    }
    cr_assert_fail("the connection was not closed");
    return 0;
}

/* Check that data is one ERROR with this code. */
static void check_error(const uint8_t *data, size_t len, uint64_t code)
{
    chd_bytes stream = {data, len};
    chd_bytes message;
    chd_local local;

    cr_assert_eq(chd_frame_next(&stream, &message), CHD_OK);
    cr_assert_eq(stream.len, 0);
    cr_assert_eq(chd_local_scan(message, &local), CHD_OK);
    cr_assert_eq(local.type, CHD_LOCAL_ERROR);
    cr_assert_eq(local.u.error.code, code);
    cr_assert_gt(local.u.error.text.len, 10);
}

Test(broker_local, the_socket_has_its_mode_and_goes_with_the_daemon)
{
    struct stat status;
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    cr_assert_eq(stat(h.path, &status), 0);
    cr_assert(S_ISSOCK(status.st_mode));
    cr_assert_eq(status.st_mode & 07777, 0640);
    chd_local_io_destroy(&h.local);
    cr_assert_eq(stat(h.path, &status), -1);
    finish(&h);
}

Test(broker_local, a_missing_directory_is_created)
{
    struct stat status;
    host h;

    prepare(&h);
    cr_assert_eq(rmdir(h.directory), 0);
    cr_assert(open_local(&h, ""));
    cr_assert_eq(stat(h.directory, &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0750);
    finish(&h);
}

Test(broker_local, a_socket_that_a_dead_process_left_is_replaced)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    host h;

    prepare(&h);
    memcpy(address.sun_path, h.path, strlen(h.path));
    const int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(dead, (const struct sockaddr *)&address, sizeof(address)),
                 0);
    (void)close(dead);
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 1);
    (void)close(fd);
    finish(&h);
}

Test(broker_local, a_socket_that_a_living_sidecar_serves_is_refused)
{
    struct stat before;
    struct stat after;
    host h;
    host other;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    cr_assert_eq(stat(h.path, &before), 0);
    prepare(&other);
    (void)rmdir(other.directory);
    memcpy(other.path, h.path, sizeof(other.path));
    memcpy(other.directory, h.directory, sizeof(other.directory));
    cr_assert_not(open_local(&other, ""));
    cr_assert_null(other.local);
    cr_assert_eq(stat(h.path, &after), 0);
    cr_assert_eq(before.st_ino, after.st_ino);
    const int fd = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 1);
    (void)close(fd);
    chd_poll_fini(&other.poll);
    (void)close(other.logger.fd);
    free(other.filler);
    finish(&h);
}

Test(broker_local, a_socket_that_another_program_serves_is_refused)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    host h;

    prepare(&h);
    memcpy(address.sun_path, h.path, strlen(h.path));
    const int alive = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(
        bind(alive, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(alive, 1), 0);
    cr_assert_not(open_local(&h, ""));
    cr_assert_eq(stat(h.path, &status), 0);
    (void)close(alive);
    finish(&h);
}

Test(broker_local, what_is_no_socket_is_never_removed)
{
    struct stat status;
    char target[80];
    host h;

    prepare(&h);
    const int fd = open(h.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    (void)close(fd);
    cr_assert_not(open_local(&h, ""));
    cr_assert_eq(stat(h.path, &status), 0);
    cr_assert(S_ISREG(status.st_mode));
    (void)unlink(h.path);

    (void)snprintf(target, sizeof(target), "%s.target", h.path);
    cr_assert_eq(symlink(target, h.path), 0);
    cr_assert_not(open_local(&h, ""));
    cr_assert_eq(lstat(h.path, &status), 0);
    cr_assert(S_ISLNK(status.st_mode));
    finish(&h);
}

Test(broker_local, another_socket_that_took_the_place_is_left_at_exit)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat status;
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    cr_assert_eq(unlink(h.path), 0);
    memcpy(address.sun_path, h.path, strlen(h.path));
    const int other = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(
        bind(other, (const struct sockaddr *)&address, sizeof(address)), 0);
    chd_local_io_destroy(&h.local);
    cr_assert_eq(stat(h.path, &status), 0);
    (void)close(other);
    finish(&h);
}

Test(broker_local, messages_are_cut_out_however_they_arrive)
{
    const uint8_t three[] = {0,   0,   0, 1, 'a', 0, 0,   0,   2,
                             'b', 'b', 0, 0, 0,   3, 'c', 'c', 'c'};
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    send_all(fd, three, sizeof(three));
    TURN_UNTIL(&h, h.messages == 3);
    cr_assert_eq(h.message_bytes, 6);
    for (size_t i = 0; i < sizeof(three); i++) {
        send_all(fd, three + i, 1);
        turn(&h);
    }
    TURN_UNTIL(&h, h.messages == 6);
    cr_assert_eq(h.message_bytes, 12);
    cr_assert_eq(h.first_byte, 'c');
    (void)close(fd);
    TURN_UNTIL(&h, h.closed == 1);
    finish(&h);
}

Test(broker_local, the_largest_message_arrives_in_pieces)
{
    const size_t len = CHD_FRAME_BYTES_MAX;
    uint8_t *frame = calloc(1, len + CHD_FRAME_PREFIX_BYTES);
    host h;

    cr_assert_not_null(frame);
    chd_frame_put_length(frame, len);
    memset(frame + CHD_FRAME_PREFIX_BYTES, 'x', len);
    prepare(&h);
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    for (size_t from = 0; from < len + CHD_FRAME_PREFIX_BYTES;) {
        const size_t piece =
            chd_min_size(10007, len + CHD_FRAME_PREFIX_BYTES - from);
        const ssize_t sent = send(fd, frame + from, piece, MSG_NOSIGNAL);
        from += sent > 0 ? (size_t)sent : 0;
        turn(&h);
    }
    TURN_UNTIL(&h, h.messages == 1);
    cr_assert_eq(h.message_bytes, len);
    cr_assert_eq(h.first_byte, 'x');
    cr_assert_eq(h.tally.local_bytes_in, len + CHD_FRAME_PREFIX_BYTES);
    (void)close(fd);
    free(frame);
    finish(&h);
}

Test(broker_local, a_bad_length_is_answered_by_an_error_and_the_end)
{
    const uint8_t bad[][4] = {
        {0, 0, 0, 0}, {0, 0x10, 0, 1}, {0xff, 0xff, 0xff, 0xff}};

    for (size_t i = 0; i < CHD_COUNT(bad); i++) {
        uint8_t data[512];
        host h;
        prepare(&h);
        cr_assert(open_local(&h, ""));
        const int fd = connect_to(&h);
        send_all(fd, bad[i], sizeof(bad[i]));
        const size_t len = read_to_end(&h, fd, data, sizeof(data));
        check_error(data, len, CHD_LOCAL_ERR_MALFORMED);
        cr_assert_eq(h.closed, 1);
        cr_assert_eq(h.messages, 0);
        cr_assert_eq(h.tally.local_framing, 1);
        (void)close(fd);
        finish(&h);
    }
}

Test(broker_local, who_is_not_listed_is_turned_away_with_a_reason)
{
    char uids[32];
    uint8_t data[512];
    host h;

    prepare(&h);
    cr_assert(open_local(&h, "4294967294"));
    int fd = connect_to(&h);
    const size_t len = read_to_end(&h, fd, data, sizeof(data));
    check_error(data, len, CHD_LOCAL_ERR_LIMIT);
    cr_assert_eq(h.opened, 0);
    cr_assert_eq(h.tally.local_refused, 1);
    (void)close(fd);
    chd_local_io_destroy(&h.local);

    (void)snprintf(uids, sizeof(uids), "1, %u", (unsigned)getuid());
    cr_assert(open_local(&h, uids));
    fd = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 1);
    (void)close(fd);
    finish(&h);
}

Test(broker_local, sessions_are_limited_and_slots_are_used_again)
{
    uint8_t data[512];
    int fds[SESSIONS];
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    for (size_t i = 0; i < SESSIONS; i++) {
        fds[i] = connect_to(&h);
        TURN_UNTIL(&h, h.opened == i + 1);
        cr_assert_eq(h.last, i);
    }
    int fd = connect_to(&h);
    const size_t len = read_to_end(&h, fd, data, sizeof(data));
    check_error(data, len, CHD_LOCAL_ERR_LIMIT);
    (void)close(fd);

    (void)close(fds[2]);
    TURN_UNTIL(&h, h.closed == 1);
    cr_assert_eq(h.last, 2);
    fds[2] = connect_to(&h);
    TURN_UNTIL(&h, h.opened == SESSIONS + 1);
    cr_assert_eq(h.last, 2);
    for (size_t i = 0; i < SESSIONS; i++) {
        (void)close(fds[i]);
    }
    finish(&h);
}

Test(broker_local, what_was_sent_is_written_before_a_session_is_closed)
{
    const uint8_t message[] = {0, 0, 0, 1, 'a'};
    const size_t expected = (size_t)700000 + CHD_FRAME_PREFIX_BYTES;
    uint8_t *data = malloc(expected + 1);
    host h;

    cr_assert_not_null(data);
    prepare(&h);
    h.answer = (answer){.bytes = 700000, .close = true};
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    send_all(fd, message, sizeof(message));
    cr_assert_eq(read_to_end(&h, fd, data, expected + 1), expected);
    cr_assert_eq(h.closed, 0, "the core closed it and is not told");
    (void)close(fd);
    free(data);
    finish(&h);
}

Test(broker_local, a_closed_session_that_reads_nothing_is_not_waited_for)
{
    const uint8_t message[] = {0, 0, 0, 1, 'a'};
    host h;

    prepare(&h);
    h.answer = (answer){.bytes = 1000000, .close = true};
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    send_all(fd, message, sizeof(message));
    TURN_UNTIL(&h, h.messages == 1);
    cr_assert_neq(chd_local_io_deadline_ns(h.local), CHD_NEVER_NS);
    TURN_UNTIL(&h, chd_local_io_deadline_ns(h.local) == CHD_NEVER_NS);
    (void)close(fd);
    finish(&h);
}

Test(broker_local, a_session_that_is_behind_is_not_read_from)
{
    const uint8_t message[] = {0, 0, 0, 1, 'a'};
    uint8_t data[64 * 1024];
    const size_t count = 40;
    size_t received = 0;
    host h;

    prepare(&h);
    h.answer.bytes = 100000;
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    for (size_t i = 0; i < count; i++) {
        send_all(fd, message, sizeof(message));
    }
    for (size_t i = 0; i < 50; i++) {
        turn(&h);
    }
    cr_assert_lt(h.messages, 10, "%zu were read", h.messages);
    cr_assert_eq(h.closed, 0);

    const size_t all = count * (h.answer.bytes + CHD_FRAME_PREFIX_BYTES);
    for (size_t i = 0; i < TURNS_MAX && received < all; i++) {
        const ssize_t got = recv(fd, data, sizeof(data), 0);
        received += got > 0 ? (size_t)got : 0;
        turn(&h);
    }
    cr_assert_eq(received, all);
    cr_assert_eq(h.messages, count);
    cr_assert_eq(h.tally.local_bytes_out, all);
    (void)close(fd);
    finish(&h);
}

Test(broker_local, nobody_is_read_from_while_the_mesh_takes_no_more)
{
    static const uint8_t three[] = {0, 0, 0, 1, 7, 0, 0, 0,
                                    1, 7, 0, 0, 0, 1, 7};
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    const int first = connect_to(&h);
    const int second = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 2);
    h.hold_at = 2;
    send_all(first, three, sizeof(three));
    TURN_UNTIL(&h, h.held);
    send_all(second, three, sizeof(three));
    for (size_t i = 0; i < 20; i++) {
        turn(&h);
    }
    cr_assert_eq(h.messages, 2);
    /* What one published before it went counts, and it is told then. */
    (void)close(first);
    for (size_t i = 0; i < 20; i++) {
        turn(&h);
    }
    cr_assert_eq(h.closed, 0);
    h.held = false;
    TURN_UNTIL(&h, h.messages == 6 && h.closed == 1);
    (void)close(second);
    TURN_UNTIL(&h, h.closed == 2);
    finish(&h);
}

Test(broker_local, a_session_that_lets_too_much_wait_is_closed)
{
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 1);
    for (size_t i = 0; i < 100 && h.closed == 0; i++) {
        chd_local_io_send(h.local, 0, (chd_bytes){h.filler, 100000});
        turn(&h);
    }
    cr_assert_eq(h.closed, 1);
    cr_assert_eq(h.tally.local_stuck, 1);
    (void)close(fd);
    finish(&h);
}

Test(broker_local, a_peer_that_vanishes_while_it_is_behind_is_noticed)
{
    const uint8_t message[] = {0, 0, 0, 1, 'a'};
    host h;

    prepare(&h);
    h.answer.bytes = 1000000;
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    send_all(fd, message, sizeof(message));
    TURN_UNTIL(&h, h.messages == 1);
    turn(&h);
    (void)close(fd);
    TURN_UNTIL(&h, h.closed == 1);
    finish(&h);
}

Test(broker_local, draining_takes_no_more_sessions)
{
    struct stat status;
    host h;

    prepare(&h);
    cr_assert(open_local(&h, ""));
    const int fd = connect_to(&h);
    TURN_UNTIL(&h, h.opened == 1);
    chd_local_io_stop_accepting(h.local);
    cr_assert_eq(stat(h.path, &status), -1);
    chd_local_io_send(h.local, 0, (chd_bytes){h.filler, 1});
    turn(&h);
    uint8_t data[16];
    cr_assert_eq(recv(fd, data, sizeof(data), 0), 5);
    (void)close(fd);
    finish(&h);
}

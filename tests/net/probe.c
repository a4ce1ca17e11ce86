/* probe.c - an application in the hands of the network tests.
 *
 *     probe [--polled] [--socket PATH] [--name NAME] [--window BYTES]
 *           [--bound MS [--closed]]
 *
 * It does what the lines on its standard input say, and writes one JSON object
 * per line for each callback and for the outcome of each command, with the
 * time in nanoseconds of CLOCK_MONOTONIC:
 *
 *   subscribe TOPIC             prefix PREFIX
 *   unsubscribe TOPIC           unprefix PREFIX
 *   invalidate TOPIC KIND NAME  KIND is key, tag, prefix or all (no NAME)
 *   soft TOPIC KEY              invalidate a key softly
 *   accept TOPIC KEY            invalidate a key and wait for the receipt
 *   update TOPIC KEY VALUE      publish TOPIC VALUE
 *   burst TOPIC COUNT [BYTES]   messages 0, 1, 2 ... padded to BYTES
 *   connect MS                  wait for the connection
 *   flush MS                    status MS
 *   replicated MS TOPIC KEY     invalidate a key and wait until it is so
 *   applied MS TOPIC KEY        likewise; later MS TOPIC KEY does not block
 *   await MS TOKEN
 *   pause, resume               stop returning from callbacks; go on
 *   echo TEXT                   quit
 *
 * {"t": ..., "event": "invalidate", ...}   see coherctl watch --json
 * {"t": ..., "event": "reset", "topic": ..., "prefix": ..., "reason": ...}
 * {"t": ..., "event": "state", "connected": ..., "reason": ..., "text": ...}
 * {"t": ..., "event": "receipt", "result": "COHERD_OK", "token": ..., ...}
 * {"t": ..., "event": "done", "command": ..., "result": "COHERD_OK", ...}
 *
 * Names and values are expected to be text.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/coherd.h"

#define LINE_BYTES_MAX 65536
#define BURST_BYTES_MAX 65536

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resumed = PTHREAD_COND_INITIALIZER;
static bool paused;

/* --- writing -------------------------------------------------------------- */

static void put_text(const char *name, const void *data, size_t len)
{
    const unsigned char *p = data;

    printf(", \"%s\": \"", name);
    for (size_t i = 0; i < len; i++) {
        if (p[i] == '"' || p[i] == '\\') {
            printf("\\%c", p[i]);
        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            printf("\\u%04x", p[i]);
        } else {
            putchar(p[i]);
        }
    }
    putchar('"');
}

static void put_bool(const char *name, bool value)
{
    printf(", \"%s\": %s", name, value ? "true" : "false");
}

static void put_uint(const char *name, uint64_t value)
{
    printf(", \"%s\": %" PRIu64, name, value);
}

static void put_id(uint64_t origin)
{
    printf(", \"origin\": \"%016" PRIx64 "\"", origin);
}

/* Begin a line; it is whole when end_line gives the stream back. */
static void begin_line(const char *event)
{
    struct timespec now;

    flockfile(stdout);
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("{\"t\": %" PRIu64 ", \"event\": \"%s\"",
           (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec, event);
}

static void end_line(void)
{
    puts("}");
    fflush(stdout);
    funlockfile(stdout);
}

/* --- callbacks ------------------------------------------------------------ */

static void hold_while_paused(void)
{
    pthread_mutex_lock(&mutex);
    while (paused) {
        pthread_cond_wait(&resumed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    static const char *const kinds[] = {"invalidate", "update", "message"};
    static const char *const targets[] = {"none", "key", "tag", "prefix",
                                          "all"};

    (void)client;
    (void)arg;
    begin_line(kinds[event->kind]);
    put_text("topic", event->topic, event->topic_len);
    put_text("target", targets[event->target.kind],
             strlen(targets[event->target.kind]));
    put_text("name", event->target.data, event->target.len);
    if (event->kind != COHERD_INVALIDATE) {
        put_text("value", event->value, event->value_len);
    }
    put_bool("soft", event->soft);
    put_id(event->origin);
    put_uint("seq", event->seq);
    put_uint("hlc", event->hlc);
    end_line();
    hold_while_paused();
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    static const char *const reasons[] = {"unknown", "subscribed", "lost",
                                          "slow", "joined"};
    const char *reason =
        (unsigned)reset->reason < 5 ? reasons[reset->reason] : reasons[0];

    (void)client;
    (void)arg;
    begin_line("reset");
    if (reset->topic == NULL) {
        printf(", \"topic\": null");
    } else {
        put_text("topic", reset->topic, reset->topic_len);
    }
    put_bool("prefix", reset->prefix);
    put_text("reason", reason, strlen(reason));
    end_line();
    hold_while_paused();
}

static void on_state(coherd_client *client, const coherd_state *state,
                     void *arg)
{
    const char *reason = coherd_err_name(state->reason);

    (void)client;
    (void)arg;
    begin_line("state");
    put_bool("connected", state->connected);
    put_text("reason", reason, strlen(reason));
    put_uint("errno", (uint64_t)state->sys_errno);
    put_text("text", state->text, strlen(state->text));
    printf(", \"node\": \"%016" PRIx64 "\"", state->node);
    put_uint("refused", state->refused);
    end_line();
}

static void put_receipt(const coherd_receipt *receipt)
{
    char text[COHERD_TOKEN_BYTES_MAX];
    const coherd_token token = coherd_token_of(receipt);

    coherd_token_print(&token, text);
    put_text("token", text, strlen(text));
    put_uint("of", receipt->of);
    put_uint("applied", receipt->applied);
    put_uint("gone", receipt->gone);
    put_uint("refusing", receipt->refusing);
    put_uint("missing", receipt->missing);
    printf(", \"named\": [");
    for (size_t i = 0; i < receipt->named_count; i++) {
        printf("%s[\"%s\", \"%s\"]", i == 0 ? "" : ", ", receipt->named[i].name,
               receipt->named[i].session);
    }
    putchar(']');
}

static void on_receipt(coherd_client *client, const coherd_receipt *receipt,
                       coherd_err err, void *arg)
{
    const char *result = coherd_err_name(err);

    (void)client;
    (void)arg;
    begin_line("receipt");
    put_text("result", result, strlen(result));
    put_receipt(receipt);
    end_line();
}

static void on_staleness(coherd_client *client, bool exceeded, void *arg)
{
    (void)client;
    (void)arg;
    begin_line("staleness");
    put_bool("exceeded", exceeded);
    end_line();
}

/* --- commands ------------------------------------------------------------- */

typedef struct outcome {
    coherd_err err;
    coherd_receipt receipt;
    uint64_t count;
} outcome;

/* Return the next word of *line, the empty one at its end. */
static char *word(char **line)
{
    char *found = *line + strspn(*line, " ");
    char *end = found + strcspn(found, " ");

    *line = *end == '\0' ? end : end + 1;
    *end = '\0';
    return found;
}

static void invalidate(coherd_client *client, char *rest, outcome *out)
{
    const char *topic = word(&rest);
    const char *kind = word(&rest);
    coherd_target target = coherd_all();

    if (strcmp(kind, "key") == 0) {
        target = coherd_key(rest);
    } else if (strcmp(kind, "tag") == 0) {
        target = coherd_tag(rest);
    } else if (strcmp(kind, "prefix") == 0) {
        target = coherd_prefix(rest);
    }
    out->err = coherd_invalidate(client, topic, &target, 1, NULL, NULL);
}

static void invalidate_key(coherd_client *client, char *rest,
                           const coherd_publish_options *how, outcome *out)
{
    const char *topic = word(&rest);
    const coherd_target target = coherd_key(rest);

    out->err = coherd_invalidate(client, topic, &target, 1, how, &out->receipt);
}

static void update(coherd_client *client, char *rest, outcome *out)
{
    const char *topic = word(&rest);
    const char *key = word(&rest);
    const coherd_entry entry = {key, strlen(key), rest, strlen(rest)};

    out->err = coherd_update(client, topic, &entry, NULL, NULL);
}

static void burst(coherd_client *client, char *rest, outcome *out)
{
    static char value[BURST_BYTES_MAX + 1];
    const coherd_publish_options patient = {.timeout_ms = 30000};
    const char *topic = word(&rest);
    const uint64_t count = strtoull(word(&rest), NULL, 10);
    const size_t bytes = strtoull(word(&rest), NULL, 10);

    while (out->count < count && out->err == COHERD_OK) {
        const int len = snprintf(value, sizeof(value), "%" PRIu64, out->count);
        const size_t size = bytes > (size_t)len && bytes <= BURST_BYTES_MAX
                                ? bytes
                                : (size_t)len;
        memset(value + len, ' ', size - (size_t)len);
        out->err = coherd_publish(client, topic, value, size, &patient, NULL);
        out->count += out->err == COHERD_OK;
    }
}

static void status(coherd_client *client, int timeout_ms, outcome *out)
{
    coherd_status_report *report = NULL;

    out->err = coherd_status(client, timeout_ms, &report);
    if (out->err != COHERD_OK) {
        return;
    }
    out->count = report->member_count;
    for (size_t i = 0; i < report->member_count; i++) {
        const coherd_member_info *member = &report->members[i];
        begin_line("member");
        put_text("name", member->name, strlen(member->name));
        put_text("address", member->address, strlen(member->address));
        put_uint("state", (uint64_t)member->state);
        put_bool("hears_us", member->hears_us);
        put_uint("received", member->received);
        put_uint("rtt_us", member->rtt_us);
        end_line();
    }
    begin_line("node");
    put_text("name", report->node.name, strlen(report->node.name));
    put_uint("state", (uint64_t)report->node.state);
    put_bool("degraded", report->node.degraded);
    put_uint("head", report->node.head);
    put_uint("lost", report->node.lost);
    put_uint("resets", report->node.resets);
    end_line();
    coherd_status_free(report);
}

static void set_paused(bool value)
{
    pthread_mutex_lock(&mutex);
    paused = value;
    pthread_cond_broadcast(&resumed);
    pthread_mutex_unlock(&mutex);
}

/* Commands that wait for more than a receipt; false when it is none. */
static bool obey_confirm(coherd_client *client, const char *command, char *rest,
                         outcome *out)
{
    coherd_publish_options how = {.wait = COHERD_WAIT_APPLIED};

    if (strcmp(command, "await") == 0) {
        coherd_token token;
        const int timeout_ms = (int)strtol(word(&rest), NULL, 10);
        out->err = coherd_token_parse(rest, &token);
        if (out->err == COHERD_OK) {
            out->err = coherd_await(client, &token, timeout_ms);
        }
        return true;
    }
    if (strcmp(command, "replicated") == 0) {
        how.wait = COHERD_WAIT_REPLICATED;
    } else if (strcmp(command, "later") == 0) {
        how.on_receipt = on_receipt;
    } else if (strcmp(command, "applied") != 0) {
        return false;
    }
    how.timeout_ms = (int)strtol(word(&rest), NULL, 10);
    invalidate_key(client, rest, &how, out);
    return true;
}

/* Commands that publish; false when it is none of them. */
static bool obey_publish(coherd_client *client, const char *command, char *rest,
                         outcome *out)
{
    const coherd_publish_options softly = {.soft = true};
    const coherd_publish_options accepted = {.wait = COHERD_WAIT_ACCEPTED,
                                             .timeout_ms = 30000};

    if (strcmp(command, "invalidate") == 0) {
        invalidate(client, rest, out);
    } else if (strcmp(command, "soft") == 0) {
        invalidate_key(client, rest, &softly, out);
    } else if (strcmp(command, "accept") == 0) {
        invalidate_key(client, rest, &accepted, out);
    } else if (strcmp(command, "update") == 0) {
        update(client, rest, out);
    } else if (strcmp(command, "publish") == 0) {
        const char *topic = word(&rest);
        out->err =
            coherd_publish(client, topic, rest, strlen(rest), NULL, NULL);
    } else if (strcmp(command, "burst") == 0) {
        burst(client, rest, out);
    } else {
        return false;
    }
    return true;
}

static void obey_other(coherd_client *client, const char *command,
                       const char *rest, outcome *out)
{
    if (strcmp(command, "subscribe") == 0) {
        out->err = coherd_subscribe(client, rest);
    } else if (strcmp(command, "prefix") == 0) {
        out->err = coherd_subscribe_prefix(client, rest);
    } else if (strcmp(command, "unsubscribe") == 0) {
        out->err = coherd_unsubscribe(client, rest);
    } else if (strcmp(command, "unprefix") == 0) {
        out->err = coherd_unsubscribe_prefix(client, rest);
    } else if (strcmp(command, "connect") == 0) {
        out->err = coherd_wait_connected(client, (int)strtol(rest, NULL, 10));
    } else if (strcmp(command, "flush") == 0) {
        out->err = coherd_flush(client, (int)strtol(rest, NULL, 10));
    } else if (strcmp(command, "status") == 0) {
        status(client, (int)strtol(rest, NULL, 10), out);
    } else if (strcmp(command, "staleness") == 0) {
        out->count = coherd_staleness(client);
    } else if (strcmp(command, "pause") == 0) {
        set_paused(true);
    } else if (strcmp(command, "resume") == 0) {
        set_paused(false);
    } else if (strcmp(command, "echo") != 0) {
        out->err = COHERD_ERR_INVALID;
    }
}

/* Returns false for quit. */
static bool obey(coherd_client *client, char *line)
{
    outcome out = {.err = COHERD_OK};
    const char *command = word(&line);
    const char *text = strcmp(command, "echo") == 0 ? line : "";

    if (strcmp(command, "quit") == 0) {
        return false;
    }
    if (!obey_publish(client, command, line, &out) &&
        !obey_confirm(client, command, line, &out)) {
        obey_other(client, command, line, &out);
    }
    const char *result = coherd_err_name(out.err);
    begin_line("done");
    put_text("command", command, strlen(command));
    put_text("result", result, strlen(result));
    put_uint("count", out.count);
    put_text("text", text, strlen(text));
    put_id(out.receipt.origin);
    put_uint("seq", out.receipt.seq);
    put_receipt(&out.receipt);
    end_line();
    return true;
}

/* --- main ----------------------------------------------------------------- */

/* Obey each whole line that is there; false at the end. */
static bool obey_input(coherd_client *client)
{
    static char buf[LINE_BYTES_MAX];
    static size_t len;
    const ssize_t got = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
    char *end;

    if (got <= 0) {
        return got < 0 && (errno == EINTR || errno == EAGAIN);
    }
    len += (size_t)got;
    buf[len] = '\0';
    while ((end = strchr(buf, '\n')) != NULL) {
        *end = '\0';
        if (!obey(client, buf)) {
            return false;
        }
        len -= (size_t)(end + 1 - buf);
        memmove(buf, end + 1, len + 1);
    }
    return len < sizeof(buf) - 1;
}

static void run(coherd_client *client, bool polled)
{
    struct pollfd fds[2] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = polled ? coherd_fd(client) : -1, .events = POLLIN},
    };

    for (;;) {
        /* In polled mode, pausing is not looking at the descriptor. */
        const nfds_t count = polled && !paused ? 2 : 1;
        fds[1].revents = 0;
        if (poll(fds, count, -1) < 0 && errno != EINTR) {
            return;
        }
        if (fds[0].revents != 0 && !obey_input(client)) {
            return;
        }
        if (fds[1].revents != 0 && coherd_dispatch(client) != COHERD_OK) {
            return;
        }
    }
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"polled", no_argument, NULL, 'p'},
        {"socket", required_argument, NULL, 's'},
        {"name", required_argument, NULL, 'n'},
        {"window", required_argument, NULL, 'w'},
        {"bound", required_argument, NULL, 'b'},
        {"closed", no_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    coherd_options options = {
        .on_event = on_event, .on_reset = on_reset, .on_state = on_state};
    coherd_client *client;
    int option;

    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (option) {
        case 'p':
            options.mode = COHERD_POLLED;
            break;
        case 's':
            options.socket = optarg;
            break;
        case 'n':
            options.name = optarg;
            break;
        case 'b':
            options.staleness_bound_ms = strtoull(optarg, NULL, 10);
            options.on_staleness = on_staleness;
            break;
        case 'c':
            options.fails_closed = true;
            break;
        case 'w':
            options.window_bytes = strtoull(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    const coherd_err err = coherd_open(&options, &client);
    if (err != COHERD_OK) {
        fprintf(stderr, "probe: %s\n", coherd_strerror(err));
        return 1;
    }
    run(client, options.mode == COHERD_POLLED);
    set_paused(false);
    coherd_close(&client);
    return 0;
}

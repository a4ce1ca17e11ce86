#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/cli.h"

static const char help[] =
    "usage: coherctl watch [TOPIC]... [--prefix PREFIX]... [--count N]\n"
    "           [--json] [--timeout D] [--socket PATH]\n"
    "\n"
    "Show invalidations, updates, messages and resets as they happen, until\n"
    "interrupted. Without a TOPIC or --prefix: of every topic.\n"
    "\n"
    "  --prefix PREFIX  every topic that begins so\n"
    "  --count N        end after N events; resets do not count\n"
    "  --json           one JSON object on each line. A target or value that\n"
    "                   is not UTF-8 is in name_base64 or value_base64\n"
    "                   instead of name or value\n"
    "  --timeout D      how long to look for the sidecar at the start (5s)\n"
    "\n"
    "A reset says that events of the topic may have been missed. One for each\n"
    "topic comes at the start, and after an interruption that the sidecar's\n"
    "log cannot bridge.  Without --json, bytes that are not text are shown as\n"
    "\\xNN.\n"
    "\n"
    "examples:\n"
    "  coherctl watch\n"
    "  coherctl watch episodes --count 1\n"
    "  coherctl watch --prefix shop/ --json |\n"
    "      jq 'select(.event != \"reset\").name'\n";

static const struct option long_options[] = {
    CLI_COMMON_OPTIONS,
    {"prefix", required_argument, NULL, 'p'},
    {"count", required_argument, NULL, 'c'},
    {NULL, 0, NULL, 0},
};

typedef struct watcher {
    cli_env *cli;
    uint64_t left; /* events to show; 0: no end */
    bool done;
    bool started; /* the first connection was made */
} watcher;

static const char *const kind_names[] = {"invalidate", "update", "message"};
static const char *const target_names[] = {"none", "key", "tag", "prefix",
                                           "all"};
static const char *const reason_names[] = {"unknown", "subscribed", "lost",
                                           "slow", "joined"};

static void print_time(void)
{
    struct timespec now;
    struct tm local;
    char buf[16];

    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);
    strftime(buf, sizeof(buf), "%H:%M:%S", &local);
    printf("%s.%03ld  ", buf, now.tv_nsec / 1000000);
}

static void print_event(const coherd_event *event)
{
    print_time();
    printf("%-10s  ", kind_names[event->kind]);
    cli_print_bytes(stdout, event->topic, event->topic_len);
    if (event->target.kind != COHERD_TARGET_NONE) {
        printf("  %s", target_names[event->target.kind]);
    }
    if (event->target.len > 0) {
        putchar(' ');
        cli_print_bytes(stdout, event->target.data, event->target.len);
    }
    if (event->kind != COHERD_INVALIDATE) {
        fputs("  = ", stdout);
        cli_print_bytes(stdout, event->value, event->value_len);
    }
    puts(event->soft ? "  (soft)" : "");
}

static void json_event(const coherd_event *event)
{
    cli_json json = {.file = stdout};

    cli_json_open(&json, NULL, '{');
    cli_json_text(&json, "event", kind_names[event->kind]);
    cli_json_text(&json, "topic", event->topic);
    if (event->target.kind != COHERD_TARGET_NONE) {
        cli_json_text(&json, "target", target_names[event->target.kind]);
    }
    if (event->target.kind != COHERD_TARGET_NONE &&
        event->target.kind != COHERD_TARGET_ALL) {
        cli_json_bytes(&json, "name", event->target.data, event->target.len);
    }
    if (event->kind != COHERD_INVALIDATE) {
        cli_json_bytes(&json, "value", event->value, event->value_len);
    }
    cli_json_bool(&json, "soft", event->soft);
    cli_json_hex(&json, "origin", event->origin);
    cli_json_uint(&json, "seq", event->seq);
    cli_json_hex(&json, "hlc", event->hlc);
    if (event->version > 0) {
        cli_json_uint(&json, "version", event->version);
    }
    if (event->again) {
        cli_json_bool(&json, "again", true);
    }
    cli_json_close(&json, '}');
    putchar('\n');
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *arg)
{
    watcher *watch = arg;

    (void)client;
    if (watch->done) {
        return;
    }
    if (watch->cli->json) {
        json_event(event);
    } else {
        print_event(event);
    }
    watch->done = watch->left > 0 && --watch->left == 0;
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *arg)
{
    const watcher *watch = arg;
    const size_t known = sizeof(reason_names) / sizeof(reason_names[0]);
    const char *reason =
        reason_names[(size_t)reset->reason < known ? reset->reason : 0];

    (void)client;
    if (watch->done) {
        return;
    }
    if (!watch->cli->json) {
        print_time();
        printf("%-10s  ", "reset");
        if (reset->topic == NULL) {
            fputs("every topic", stdout);
        } else {
            cli_print_bytes(stdout, reset->topic, reset->topic_len);
        }
        printf("%s  (%s)\n", reset->prefix ? "*" : "", reason);
        return;
    }
    cli_json json = {.file = stdout};
    cli_json_open(&json, NULL, '{');
    cli_json_text(&json, "event", "reset");
    if (reset->topic == NULL) {
        cli_json_null(&json, "topic");
    } else {
        cli_json_text(&json, "topic", reset->topic);
    }
    cli_json_bool(&json, "prefix", reset->prefix);
    cli_json_text(&json, "reason", reason);
    cli_json_close(&json, '}');
    putchar('\n');
}

static void on_state(coherd_client *client, const coherd_state *state,
                     void *arg)
{
    watcher *watch = arg;
    cli_env *cli = watch->cli;

    (void)client;
    snprintf(cli->trouble, sizeof(cli->trouble), "%s", state->text);
    cli->absent = !state->connected && state->reason == COHERD_ERR_SYSTEM;
    if (watch->started) {
        cli_complain("%s", state->text);
    }
    watch->started = watch->started || state->connected;
}

/* Show what comes until the count is reached or nobody reads any more. */
static int run(watcher *watch, coherd_client *client)
{
    struct pollfd fds[2] = {
        {.fd = coherd_fd(client), .events = POLLIN},
        {.fd = STDOUT_FILENO, .events = 0},
    };

    for (;;) {
        const coherd_err err = coherd_dispatch(client);
        if (err != COHERD_OK) {
            return cli_result(watch->cli, client, err);
        }
        if (!cli_flush()) {
            return errno == EPIPE ? CLI_DONE : CLI_FAILED;
        }
        if (watch->done) {
            return CLI_DONE;
        }
        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            cli_complain("%s", strerror(errno));
            return CLI_FAILED;
        }
        if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL)) {
            return CLI_DONE; /* the reader of the pipe is gone */
        }
    }
}

static bool subscribe(coherd_client *client, const char *topic, bool prefix)
{
    const coherd_err err = prefix ? coherd_subscribe_prefix(client, topic)
                                  : coherd_subscribe(client, topic);

    if (err != COHERD_OK) {
        cli_complain("%s: %s", topic, coherd_strerror(err));
    }
    return err == COHERD_OK;
}

static int start(watcher *watch, char **topics, char **prefixes)
{
    const coherd_options options = {
        .on_event = on_event,
        .on_reset = on_reset,
        .on_state = on_state,
        .arg = watch,
    };
    coherd_client *client;
    bool good = true;
    int result = cli_connect(watch->cli, &options, &client);

    if (result != CLI_DONE) {
        return result;
    }
    if (*topics == NULL && *prefixes == NULL) {
        good = subscribe(client, "", true);
    }
    for (; good && *topics != NULL; topics++) {
        good = subscribe(client, *topics, false);
    }
    for (; good && *prefixes != NULL; prefixes++) {
        good = subscribe(client, *prefixes, true);
    }
    result = good ? run(watch, client) : CLI_USAGE;
    (void)coherd_close(&client);
    return result;
}

static bool parse_count(const char *text, uint64_t *count)
{
    char *end;

    errno = 0;
    *count = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
           *count > 0;
}

int cli_watch(cli_env *cli, int argc, char **argv)
{
    watcher watch = {.cli = cli};
    char **prefixes = calloc((size_t)argc + 1, sizeof(*prefixes));
    size_t prefix_count = 0;
    int option;
    int result = -1;

    if (prefixes == NULL) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    while (result < 0 &&
           (option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
        if (option == 'p') {
            prefixes[prefix_count++] = optarg;
        } else if (option == 'c') {
            if (!parse_count(optarg, &watch.left)) {
                result = cli_usage(
                    "watch", "--count %s: expected a number above 0", optarg);
            }
        } else {
            switch (cli_take_option(cli, option, "watch")) {
            case CLI_TAKEN:
                break;
            case CLI_HELP:
                fputs(help, stdout);
                result = cli_flush() ? CLI_DONE : CLI_FAILED;
                break;
            case CLI_WRONG:
                result = CLI_USAGE;
                break;
            }
        }
    }
    if (result < 0) {
        result = start(&watch, argv + optind, prefixes);
    }
    free(prefixes);
    return result;
}

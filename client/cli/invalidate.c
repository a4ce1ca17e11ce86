#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "client/cli/cli.h"

/* One call of the library takes no more than this. */
#define BATCH_TARGETS 1000
#define BATCH_BYTES ((size_t)64 * 1024)

#define AGAIN_MS_MAX 3600000

static const char help[] =
    "usage: coherctl invalidate TOPIC [--key KEY]... [--tag TAG]...\n"
    "           [--prefix PREFIX]... [--all] [-] [--soft] [--version N]\n"
    "           [--again-after D] [--wait[=LEVEL]] [--timeout D] [--json]\n"
    "           [--socket PATH]\n"
    "\n"
    "Drop entries of TOPIC from the caches of all instances. Waits until the\n"
    "sidecar has accepted the invalidation, then prints what was done.\n"
    "\n"
    "  --key KEY        the entry with this key\n"
    "  --tag TAG        all entries that carry this tag\n"
    "  --prefix PREFIX  all entries whose key begins so\n"
    "  --all            all entries of the topic\n"
    "  -, --key -, --stdin\n"
    "                   also keys from standard input, one on each line\n"
    "  --soft           mark stale instead of dropping\n"
    "  --version N      what caches store from now on must have been read at\n"
    "                   version N of its source or a newer one\n"
    "  --again-after D  every instance applies it once more after D, up to "
    "1h,\n"
    "                   for sources that lag behind\n"
    "  --wait[=LEVEL]   until it is accepted, replicated (one more sidecar "
    "has\n"
    "                   it), or applied by the caches of all instances, which\n"
    "                   --wait alone means; else says who is missing\n"
    "  --timeout D      how long to wait, such as 500ms, 2s or 1m (5s)\n"
    "  --json           print one JSON object\n"
    "\n"
    "examples:\n"
    "  coherctl invalidate episodes --key 51\n"
    "  coherctl invalidate episodes --key 51 --tag home --soft\n"
    "  psql -Atc 'select id from episodes' | coherctl invalidate episodes -\n"
    "  coherctl invalidate pages --all --wait   # say, after a migration\n";

typedef struct targets {
    coherd_target *all;
    size_t count;
    size_t cap;
    size_t given; /* by options; the data of those behind them is owned */
} targets;

typedef struct wishes {
    coherd_publish_options how; /* wait is for the last call alone */
    bool lines;                 /* of the standard input are keys, too */
} wishes;

static const struct option options[] = {
    CLI_COMMON_OPTIONS,
    {"key", required_argument, NULL, 'k'},
    {"tag", required_argument, NULL, 't'},
    {"prefix", required_argument, NULL, 'p'},
    {"all", no_argument, NULL, 'a'},
    {"soft", no_argument, NULL, 's'},
    {"stdin", no_argument, NULL, 'i'},
    {"wait", optional_argument, NULL, 'w'},
    {"version", required_argument, NULL, 'v'},
    {"again-after", required_argument, NULL, 'g'},
    {NULL, 0, NULL, 0},
};

static bool add(targets *to, coherd_target target, const char *what)
{
    const size_t least =
        target.kind == COHERD_TARGET_PREFIX || target.kind == COHERD_TARGET_ALL
            ? 0
            : 1;

    if (target.len < least || target.len > COHERD_TARGET_BYTES_MAX) {
        (void)cli_usage("invalidate", "%s has %zu bytes, %zu to %d are allowed",
                        what, target.len, least, COHERD_TARGET_BYTES_MAX);
        return false;
    }
    if (to->count == to->cap) {
        to->cap = to->cap == 0 ? 64 : 2 * to->cap;
        to->all = realloc(to->all, to->cap * sizeof(to->all[0]));
        if (to->all == NULL) {
            cli_complain("out of memory");
            exit(CLI_FAILED);
        }
    }
    to->all[to->count++] = target;
    return true;
}

static bool add_lines(targets *to, FILE *file)
{
    char *line = NULL;
    size_t cap = 0;
    size_t number = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, file)) > 0) {
        char what[64];
        number++;
        if (line[len - 1] == '\n') {
            len--;
        }
        if (len == 0) {
            continue;
        }
        snprintf(what, sizeof(what), "line %zu of the standard input", number);
        if (!add(to, coherd_key_n(line, (size_t)len), what)) {
            free(line);
            return false;
        }
        line = NULL; /* the target has it */
        cap = 0;
    }
    free(line);
    if (ferror(file)) {
        cli_complain("the standard input could not be read");
        return false;
    }
    return true;
}

/* Send one call's worth, beginning at from; returns how many that were. */
static size_t batch(const targets *of, size_t from)
{
    size_t count = 0;
    size_t bytes = 0;

    while (from + count < of->count && count < BATCH_TARGETS &&
           bytes < BATCH_BYTES) {
        bytes += of->all[from + count].len;
        count++;
    }
    return count;
}

static void print_done(const cli_env *cli, const char *topic, size_t count,
                       const cli_waited *waited)
{
    const coherd_receipt *receipt = &waited->receipt;

    if (cli->json) {
        cli_json json = {.file = stdout};
        cli_json_open(&json, NULL, '{');
        cli_json_text(&json, "topic", topic);
        cli_json_uint(&json, "events", count);
        cli_print_waited(&json, waited);
        cli_json_close(&json, '}');
        putchar('\n');
        return;
    }
    if (waited->wait <= COHERD_WAIT_ACCEPTED) {
        cli_print_bytes(stdout, topic, strlen(topic));
        printf(": %zu %s invalidated, accepted as %016" PRIx64 ":%" PRIu64 "\n",
               count, count == 1 ? "target" : "targets", receipt->origin,
               receipt->seq);
    }
    cli_print_waited(NULL, waited);
}

/* Publish them in as many calls as it takes.  The last event is applied behind
 * all others, so only the last call waits for more than the receipt.  Returns
 * how many targets were accepted. */
static size_t publish_all(const cli_env *cli, coherd_client *client,
                          const char *topic, const targets *to,
                          const coherd_publish_options *given,
                          cli_waited *waited)
{
    const uint64_t before = cli_now_us();
    size_t sent = 0;

    while (sent < to->count && waited->err == COHERD_OK) {
        const size_t count = batch(to, sent);
        coherd_publish_options how = *given;
        coherd_receipt receipt = {.origin = 0};
        if (sent + count < to->count) {
            how.wait = COHERD_WAIT_ACCEPTED;
        }
        how.timeout_ms = cli_time_left(cli);
        waited->err = coherd_invalidate(client, topic, to->all + sent, count,
                                        &how, &receipt);
        if (receipt.origin != 0) {
            waited->receipt = receipt;
            sent += count;
        }
    }
    waited->took_us = cli_now_us() - before;
    return sent;
}

static int send_all(cli_env *cli, const char *topic, const targets *to,
                    const coherd_publish_options *how)
{
    coherd_client *client;
    cli_waited waited = {.wait = how->wait};
    int result = cli_connect(cli, NULL, &client);

    if (result != CLI_DONE) {
        return result;
    }
    const size_t sent = publish_all(cli, client, topic, to, how, &waited);
    result = cli_wait_result(cli, client, &waited, waited.err);
    if (sent > 0) {
        print_done(cli, topic, sent, &waited);
    }
    (void)coherd_close(&client);
    return result == CLI_DONE && !cli_flush() ? CLI_FAILED : result;
}

static bool read_version(const char *text, uint64_t *version)
{
    char *end;

    errno = 0;
    *version = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
        *version == 0) {
        (void)cli_usage("invalidate", "--version %s: expected a number from 1",
                        text);
        return false;
    }
    return true;
}

static bool read_again(const char *text, int *ms)
{
    if (!cli_parse_duration(text, ms) || *ms < 1 || *ms > AGAIN_MS_MAX) {
        (void)cli_usage("invalidate",
                        "--again-after %s: expected a duration such as 500ms, "
                        "2s or 1m, up to an hour",
                        text);
        return false;
    }
    return true;
}

/* Read the options into to; -1 to go on, else an exit code. */
static int read_options(cli_env *cli, int argc, char **argv, targets *to,
                        wishes *wished)
{
    int option;
    bool good = true;

    while (good &&
           (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (option) {
        case 'k':
            if (strcmp(optarg, "-") == 0) {
                wished->lines = true;
            } else {
                good = add(to, coherd_key(optarg), "--key");
            }
            break;
        case 't':
            good = add(to, coherd_tag(optarg), "--tag");
            break;
        case 'p':
            good = add(to, coherd_prefix(optarg), "--prefix");
            break;
        case 'a':
            good = add(to, coherd_all(), "--all");
            break;
        case 's':
            wished->how.soft = true;
            break;
        case 'w':
            good = cli_parse_wait(optarg, "invalidate", &wished->how.wait);
            break;
        case 'v':
            good = read_version(optarg, &wished->how.version);
            break;
        case 'g':
            good = read_again(optarg, &wished->how.again_after_ms);
            break;
        case 'i':
            wished->lines = true;
            break;
        default:
            switch (cli_take_option(cli, option, "invalidate")) {
            case CLI_TAKEN:
                break;
            case CLI_HELP:
                fputs(help, stdout);
                return cli_flush() ? CLI_DONE : CLI_FAILED;
            case CLI_WRONG:
                return CLI_USAGE;
            }
        }
    }
    return good ? -1 : CLI_USAGE;
}

static void free_targets(targets *to)
{
    for (size_t i = to->given; i < to->count; i++) {
        free((void *)to->all[i].data);
    }
    free(to->all);
}

/* Do it, when the options are read. */
static int invalidate(cli_env *cli, const char *topic, targets *to,
                      const wishes *wished)
{
    if (to->count == 0 && !wished->lines) {
        return cli_usage("invalidate", "what of it? Name at least one of "
                                       "--key, --tag, --prefix or --all");
    }
    to->given = to->count;
    if (wished->lines && !add_lines(to, stdin)) {
        return ferror(stdin) ? CLI_FAILED : CLI_USAGE;
    }
    if (to->count == 0) {
        cli_complain("there were no keys on the standard input: nothing to do");
        return CLI_DONE;
    }
    return send_all(cli, topic, to, &wished->how);
}

int cli_invalidate(cli_env *cli, int argc, char **argv)
{
    targets to = {0};
    wishes wished = {.how.wait = COHERD_WAIT_ACCEPTED};
    int result = read_options(cli, argc, argv, &to, &wished);

    to.given = to.count;
    if (result < 0 && optind + 2 == argc &&
        strcmp(argv[optind + 1], "-") == 0) {
        wished.lines = true;
        argc--;
    }
    if (result < 0 && optind + 1 != argc) {
        result = cli_usage("invalidate", optind == argc
                                             ? "which topic?"
                                             : "one topic at a time, please");
    }
    if (result < 0) {
        result = invalidate(cli, argv[optind], &to, &wished);
    }
    free_targets(&to);
    return result;
}

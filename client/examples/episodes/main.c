/* main.c - episodes of shows over HTTP, out of an SQLite database that several
 * instances share, cached in the memory of each:
 *
 *   episodes [--listen ADDRESS] [--port PORT] [--database FILE]
 *            [--socket FILE] [--ttl MS] [--max-staleness MS]
 *
 * http.c has the routes, pages.h what is cached, coherent.c how, and store.c
 * where it comes from.  SIGTERM and SIGINT end it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "http.h"

struct settings {
    const char *listen, *port, *database;
    struct pages_options pages;
};

static const char usage[] =
    "usage: episodes [--listen ADDRESS] [--port PORT] [--database FILE]\n"
    "                [--socket FILE] [--ttl MS] [--max-staleness MS]\n"
    "\n"
    "  --listen ADDRESS      a number, IPv6 or IPv4 (::1)\n"
    "  --port PORT           (8080)\n"
    "  --database FILE       is made if it does not exist (episodes.db)\n"
    "  --socket FILE         of the sidecar (where libcoherd looks for it)\n"
    "  --ttl MS              how long a page is served (60000)\n"
    "  --max-staleness MS    pages are read anew while this instance may be\n"
    "                        further behind (5000; 0: no bound)\n";

static bool read_ms(const char *text, int64_t *ms)
{
    char *end = NULL;

    errno = 0;
    const long long found = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || found < 0) {
        return false;
    }
    *ms = found;
    return true;
}

static bool read_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"port", required_argument, NULL, 'p'},
        {"database", required_argument, NULL, 'd'},
        {"socket", required_argument, NULL, 's'},
        {"ttl", required_argument, NULL, 't'},
        {"max-staleness", required_argument, NULL, 'm'},
        {0},
    };
    bool good = true;
    int option;

    while (good &&
           (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'l':
            settings->listen = optarg;
            break;
        case 'p':
            settings->port = optarg;
            break;
        case 'd':
            settings->database = optarg;
            break;
        case 's':
            settings->pages.socket = optarg;
            break;
        case 't':
            good = read_ms(optarg, &settings->pages.ttl_ms) &&
                   settings->pages.ttl_ms > 0;
            break;
        case 'm':
            good = read_ms(optarg, &settings->pages.max_staleness_ms);
            break;
        default:
            good = false;
            break;
        }
    }
    return good && optind == argc;
}

/* Serve until a signal of the set comes. */
static int serve(const struct settings *settings, struct pages *pages,
                 struct store *source, const sigset_t *signals)
{
    struct http *http = NULL;
    int number = 0;

    if (!http_start(settings->listen, settings->port, pages, source, &http)) {
        return 1;
    }
    printf("listening on %s, port %s\n", settings->listen, settings->port);
    fflush(stdout);
    (void)sigwait(signals, &number);
    http_stop(http);
    return 0;
}

int main(int argc, char **argv)
{
    struct settings settings = {
        .listen = "::1",
        .port = "8080",
        .database = "episodes.db",
        .pages = {.ttl_ms = 60000, .max_staleness_ms = 5000},
    };
    struct store *source = NULL;
    struct pages *pages = NULL;
    sigset_t signals;
    int status = 1;

    if (!read_settings(argc, argv, &settings)) {
        fputs(usage, stderr);
        return 2;
    }
    /* Before the first thread starts, so that only sigwait takes them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (store_open(settings.database, &source) == 0) {
        settings.pages.source = source;
        if (pages_open(&settings.pages, &pages)) {
            status = serve(&settings, pages, source, &signals);
            pages_close(pages); /* tells what was not told yet */
        }
        store_close(source);
    }
    return status;
}

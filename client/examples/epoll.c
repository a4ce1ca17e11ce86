/* epoll.c - the same as hashmap.c, in a program with an event loop of its own
 * and no other thread: epoll [TOPIC]
 *
 *   cc epoll.c $(pkg-config --cflags --libs coherd) -o epoll
 *
 * Commands on standard input: get KEY, put KEY, list, quit.  It answers with
 * "hit KEY VALUE" or "miss KEY VALUE (loaded)", and tells what it had to drop:
 * "dropped KEY", "reset TOPIC".
 *
 * With one thread no lock is needed, and a load that does not go back to the
 * event loop cannot be overtaken by an invalidation.
 */
#include <coherd.h>
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SLOTS 1024 /* each holds the newest entry that falls into it */

static struct {
    char key[64], value[96];
} cache[SLOTS];

static size_t slot_of(const char *key)
{
    size_t hash = 5381;

    while (*key != '\0') {
        hash = hash * 33 + (unsigned char)*key++;
    }
    return hash % SLOTS;
}

static void on_event(coherd_client *client, const coherd_event *event,
                     void *topic)
{
    const coherd_target target = event->target;
    const bool all = target.kind != COHERD_TARGET_KEY; /* or prefix, or tag */

    (void)client, (void)topic;
    for (size_t i = 0; i < SLOTS; i++) {
        const size_t len = strlen(cache[i].key);
        if (len > 0 && (all || (len == target.len &&
                                !memcmp(cache[i].key, target.data, len)))) {
            printf("dropped %s\n", cache[i].key);
            cache[i].key[0] = '\0';
        }
    }
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *topic)
{
    (void)client;
    memset(cache, 0, sizeof(cache));
    printf("reset %s\n", reset->topic ? reset->topic : (const char *)topic);
}

static void get(const char *key)
{
    static unsigned loads;
    const size_t slot = slot_of(key);

    if (strcmp(cache[slot].key, key) == 0) {
        printf("hit %s %s\n", key, cache[slot].value);
        return;
    }
    snprintf(cache[slot].key, sizeof(cache[slot].key), "%s", key);
    snprintf(cache[slot].value, sizeof(cache[slot].value), "%s-%u", key,
             ++loads); /* the load */
    printf("miss %s %s (loaded)\n", key, cache[slot].value);
}

/* Returns false when the program is to end. */
static bool obey(coherd_client *client, const char *topic, const char *line)
{
    if (strncmp(line, "get ", 4) == 0) {
        get(line + 4);
    } else if (strncmp(line, "put ", 4) == 0) {
        const coherd_target target = coherd_key(line + 4);
        const coherd_err err =
            coherd_invalidate(client, topic, &target, 1, NULL, NULL);
        printf("put %s\n", err == COHERD_OK ? line + 4 : coherd_strerror(err));
    } else if (strcmp(line, "list") == 0) {
        for (size_t i = 0; i < SLOTS; i++) {
            if (cache[i].key[0] != '\0') {
                printf("entry %s %s\n", cache[i].key, cache[i].value);
            }
        }
    }
    return strcmp(line, "quit") != 0;
}

/* Read what is there and obey each whole line. */
static bool on_input(coherd_client *client, const char *topic)
{
    static char buf[4096];
    static size_t len;
    const ssize_t got = read(STDIN_FILENO, buf + len, sizeof(buf) - 1 - len);
    char *end;

    if (got <= 0) {
        return got < 0 && errno == EINTR;
    }
    len += (size_t)got;
    buf[len] = '\0';
    while ((end = strchr(buf, '\n')) != NULL) {
        *end = '\0';
        if (!obey(client, topic, buf)) {
            return false;
        }
        len -= (size_t)(end + 1 - buf);
        memmove(buf, end + 1, len + 1);
    }
    return len < sizeof(buf) - 1; /* else that is no line at all */
}

static int run(coherd_client *client, const char *topic)
{
    const int fds[] = {STDIN_FILENO, coherd_fd(client)};
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    bool more = loop >= 0;

    for (int i = 0; i < 2 && more; i++) {
        struct epoll_event what = {.events = EPOLLIN, .data.fd = fds[i]};
        more = epoll_ctl(loop, EPOLL_CTL_ADD, fds[i], &what) == 0;
    }
    while (more) {
        struct epoll_event ready[2];
        const int count = epoll_wait(loop, ready, 2, -1);
        for (int i = 0; i < count && more; i++) {
            if (ready[i].data.fd == STDIN_FILENO) {
                more = on_input(client, topic);
            } else {
                more = coherd_dispatch(client) == COHERD_OK;
            }
        }
    }
    close(loop);
    return 0;
}

int main(int argc, char **argv)
{
    char *topic = argc > 1 ? argv[1] : (char[]){"lines"};
    const coherd_options options = {.mode = COHERD_POLLED,
                                    .on_event = on_event,
                                    .on_reset = on_reset,
                                    .arg = topic};
    coherd_client *client = NULL;
    int status = 1;

    setvbuf(stdout, NULL, _IOLBF, 0);
    coherd_err err = coherd_open(&options, &client);
    if (err == COHERD_OK) {
        err = coherd_subscribe(client, topic);
    }
    if (err == COHERD_OK) {
        status = run(client, topic);
    } else {
        fprintf(stderr, "epoll: %s\n", coherd_strerror(err));
    }
    coherd_close(&client);
    return status;
}

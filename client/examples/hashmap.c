/* hashmap.c - a cache of one's own, kept coherent: hashmap [TOPIC]
 *
 *   cc hashmap.c $(pkg-config --cflags --libs coherd) -o hashmap
 *
 * Commands on standard input: get KEY, put KEY, list, quit.  It answers with
 * "hit KEY VALUE" or "miss KEY VALUE (loaded)", and tells what it had to drop:
 * "dropped KEY", "reset TOPIC".  put stands for a write to the database: it
 * invalidates the key for everybody, and prints "put KEY".
 */
#include <coherd.h>
#include <pthread.h>
#include <stdio.h>

#define SLOTS 1024 /* each holds the newest entry that falls into it */
static struct {
    char key[64], value[96];
} cache[SLOTS];
static unsigned drops; /* how often something was to be dropped */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

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
    pthread_mutex_lock(&mutex);
    drops++;
    for (size_t i = 0; i < SLOTS; i++) {
        const size_t len = strlen(cache[i].key);
        if (len > 0 && (all || (len == target.len &&
                                !memcmp(cache[i].key, target.data, len)))) {
            printf("dropped %s\n", cache[i].key);
            cache[i].key[0] = '\0';
        }
    }
    pthread_mutex_unlock(&mutex);
}

static void on_reset(coherd_client *client, const coherd_reset *reset,
                     void *topic)
{
    (void)client;
    pthread_mutex_lock(&mutex);
    drops++;
    memset(cache, 0, sizeof(cache));
    pthread_mutex_unlock(&mutex);
    printf("reset %s\n", reset->topic ? reset->topic : (const char *)topic);
}

static void get(const char *key)
{
    static unsigned loads;
    const size_t slot = slot_of(key);
    char value[96];

    pthread_mutex_lock(&mutex);
    const unsigned drops_before = drops;
    const bool hit = strcmp(cache[slot].key, key) == 0;
    memcpy(value, cache[slot].value, sizeof(value));
    pthread_mutex_unlock(&mutex);
    if (!hit) {
        snprintf(value, sizeof(value), "%s-%u", key, ++loads); /* the load */
        pthread_mutex_lock(&mutex);
        if (drops == drops_before) { /* else the value may be stale already */
            snprintf(cache[slot].key, sizeof(cache[slot].key), "%s", key);
            memcpy(cache[slot].value, value, sizeof(value));
        }
        pthread_mutex_unlock(&mutex);
    }
    printf(hit ? "hit %s %s\n" : "miss %s %s (loaded)\n", key, value);
}

static void list(void)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i < SLOTS; i++) {
        if (cache[i].key[0] != '\0') {
            printf("entry %s %s\n", cache[i].key, cache[i].value);
        }
    }
    pthread_mutex_unlock(&mutex);
}

int main(int argc, char **argv)
{
    char *topic = argc > 1 ? argv[1] : (char[]){"lines"};
    const coherd_options options = {
        .on_event = on_event, .on_reset = on_reset, .arg = topic};
    coherd_client *client = NULL;
    char line[64 + 4];

    setvbuf(stdout, NULL, _IOLBF, 0);
    coherd_err err = coherd_open(&options, &client);
    if (err == COHERD_OK) {
        err = coherd_subscribe(client, topic);
    }
    while (err == COHERD_OK && fgets(line, sizeof(line), stdin) != NULL &&
           strcmp(line, "quit\n") != 0) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "get ", 4) == 0) {
            get(line + 4);
        } else if (strncmp(line, "put ", 4) == 0) {
            const coherd_target target = coherd_key(line + 4);
            err = coherd_invalidate(client, topic, &target, 1, NULL, NULL);
            printf("%s\n", line);
        } else if (strcmp(line, "list") == 0) {
            list();
        }
    }
    fputs(err == COHERD_OK ? "" : coherd_strerror(err), stderr);
    return coherd_close(&client) != COHERD_OK || err != COHERD_OK;
}

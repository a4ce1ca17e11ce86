/* hashmap.c - one's own cache, kept coherent. Commands: get KEY, put KEY */
#include <coherd.h>
#include <pthread.h>
#include <stdio.h>

#define SLOTS 1024 /* each holds the newest entry that falls into it */
static struct entry {
    char key[64], value[64];
} cache[SLOTS];
static unsigned loads;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static struct entry *slot_of(const char *key, size_t len)
{
    size_t hash = 5381;
    for (size_t i = 0; i < len; i++) {
        hash = hash * 33 + (unsigned char)key[i];
    }
    return &cache[hash % SLOTS];
}

static void on_event(coherd_client *client, const coherd_event *event, void *a)
{
    const coherd_target target = event->target;
    const bool one = target.kind == COHERD_TARGET_KEY; /* else drop all */
    struct entry *first = one ? slot_of(target.data, target.len) : cache;
    pthread_mutex_lock(&mutex);
    memset(first, 0, one ? sizeof(*first) : sizeof(cache));
    pthread_mutex_unlock(&mutex);
    dprintf(1, "dropped %.*s\n", (int)target.len, (const char *)target.data);
    (void)client, (void)a;
}

static void on_reset(coherd_client *client, const coherd_reset *reset, void *a)
{
    dprintf(1, "reset %s\n", reset->topic != NULL ? reset->topic : "*");
    on_event(client, &(coherd_event){.target = coherd_prefix("*")}, a);
}

static void get(coherd_client *client, const char *topic, const char *key)
{
    struct entry *slot = slot_of(key, strlen(key));
    pthread_mutex_lock(&mutex);
    struct entry found = *slot;
    pthread_mutex_unlock(&mutex);
    const bool hit = strcmp(found.key, key) == 0;
    if (!hit) {
        coherd_fill fill;
        coherd_fill_begin(client, topic, key, strlen(key), &fill);
        snprintf(found.key, sizeof(found.key), "%s", key);
        snprintf(found.value, sizeof(found.value), "load-%u", ++loads);
        pthread_mutex_lock(&mutex);
        if (coherd_fill_end(client, &fill, NULL) == COHERD_OK) {
            *slot = found; /* else it may be stale already */
        }
        pthread_mutex_unlock(&mutex);
    }
    dprintf(1, hit ? "hit %s %s\n" : "miss %s %s (loaded)\n", key, found.value);
}

int main(int argc, char **argv)
{
    const char *topic = argc > 1 ? argv[1] : "lines";
    coherd_client *client;
    char line[64];
    coherd_err err = coherd_open(
        &(coherd_options){.on_event = on_event, .on_reset = on_reset}, &client);
    err = err != COHERD_OK ? err : coherd_subscribe(client, topic);
    while (err == COHERD_OK && fgets(line, sizeof(line), stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "get ", 4) == 0) {
            get(client, topic, line + 4);
        } else if (strncmp(line, "put ", 4) == 0) {
            const coherd_target key = coherd_key(line + 4);
            err = coherd_invalidate(client, topic, &key, 1, NULL, NULL);
        }
    }
    return coherd_close(&client) != COHERD_OK || err != COHERD_OK;
}

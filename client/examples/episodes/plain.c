/* plain.c - the pages in an ordinary hash table with a time to live.
 *
 * The same as coherent.c with the library's calls removed, and right as long
 * as one instance runs: a change drops what this instance has.  The others go
 * on serving the old page until its time ends.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pages.h"

#define SLOTS 1024 /* each holds the newest page that falls into it */

struct entry {
    char key[KEY_BYTES]; /* empty: there is none */
    struct document page;
    int64_t loaded_ms;
};

struct pages {
    struct store *source;
    int64_t ttl_ms;
    pthread_mutex_t mutex;
    unsigned long long hits, misses;
    uint64_t changes; /* a load that a change overtook is not stored */
    struct entry entries[SLOTS];
};

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool pages_open(const struct pages_options *options, struct pages **pages)
{
    struct pages *made = calloc(1, sizeof(*made));

    if (made == NULL) {
        return false;
    }
    made->source = options->source;
    made->ttl_ms = options->ttl_ms;
    pthread_mutex_init(&made->mutex, NULL);
    *pages = made;
    return true;
}

static void drop(struct entry *entry)
{
    free(entry->page.json);
    memset(entry, 0, sizeof(*entry));
}

void pages_close(struct pages *pages)
{
    for (size_t i = 0; i < SLOTS; i++) {
        drop(&pages->entries[i]);
    }
    free(pages);
}

static struct entry *slot_of(struct pages *pages, const char *key)
{
    size_t hash = 5381;

    while (*key != '\0') {
        hash = hash * 33 + (unsigned char)*key++;
    }
    return &pages->entries[hash % SLOTS];
}

/* Make the page that is handed out a copy: the entry may be dropped. */
static bool hand_out(const struct document *from, struct page *page)
{
    if (from->json == NULL) {
        return true;
    }
    page->held = malloc(from->len);
    if (page->held == NULL) {
        return false;
    }
    memcpy(page->held, from->json, from->len);
    page->json = page->held;
    page->len = from->len;
    page->version = from->version;
    return true;
}

/* Look a page up, with the mutex held. */
static const struct document *find(struct pages *pages, const char *key)
{
    struct entry *slot = slot_of(pages, key);

    if (strcmp(slot->key, key) != 0 ||
        now_ms() - slot->loaded_ms >= pages->ttl_ms) {
        return NULL;
    }
    return &slot->page;
}

int pages_get(struct pages *pages, const struct wanted *wanted,
              struct page *page)
{
    struct document read = {.json = NULL};
    char key[KEY_BYTES] = "";

    wanted_key(wanted, key);
    *page = (struct page){.staleness_ms = STALENESS_UNKNOWN};
    pthread_mutex_lock(&pages->mutex);
    const uint64_t changes = pages->changes;
    const struct document *found = find(pages, key);
    if (found != NULL) {
        const bool good = hand_out(found, page);
        const bool exists = found->json != NULL;
        pages->hits++;
        pthread_mutex_unlock(&pages->mutex);
        return !good ? ENOMEM : exists ? 0 : ENOENT;
    }
    pages->misses++;
    pthread_mutex_unlock(&pages->mutex);

    page->from = PAGE_MISS;
    int status = store_read(pages->source, wanted, &read);
    if (status != 0) {
        return status;
    }
    status = !hand_out(&read, page) ? ENOMEM : read.json == NULL ? ENOENT : 0;
    pthread_mutex_lock(&pages->mutex);
    if (changes == pages->changes) {
        struct entry *slot = slot_of(pages, key);
        drop(slot);
        memcpy(slot->key, key, sizeof(slot->key));
        slot->page = read;
        slot->loaded_ms = now_ms();
        read.json = NULL;
    }
    pthread_mutex_unlock(&pages->mutex);
    free(read.json);
    return status;
}

void page_release(void *held)
{
    free(held);
}

enum told pages_changed(struct pages *pages, const struct change *change)
{
    const struct wanted page = {.id = change->id};
    char key[KEY_BYTES];

    wanted_key(&page, key);
    pthread_mutex_lock(&pages->mutex);
    pages->changes++;
    for (size_t i = 0; i < SLOTS; i++) {
        struct entry *entry = &pages->entries[i];
        if (strcmp(entry->key, key) == 0 ||
            strncmp(entry->key, "list ", 5) == 0) {
            drop(entry);
        }
    }
    pthread_mutex_unlock(&pages->mutex);
    return TOLD_OURSELVES;
}

size_t pages_count(struct pages *pages, char *json, size_t size)
{
    pthread_mutex_lock(&pages->mutex);
    const int len = snprintf(
        json, size, "{\"cache\":\"plain\",\"hits\":%llu,\"misses\":%llu}",
        pages->hits, pages->misses);
    pthread_mutex_unlock(&pages->mutex);
    return (size_t)len;
}

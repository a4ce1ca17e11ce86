/* episode.h - what this application is about: episodes of shows, and the pages
 * that show them.  Nothing here knows HTTP, SQLite or caches.
 */
#ifndef EPISODE_H
#define EPISODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EPISODE_ID_MAX 999999999
#define SHOW_BYTES_MAX 40
#define TITLE_BYTES_MAX 200
#define TEXT_BYTES_MAX 8192
#define LIST_EPISODES_MAX 20

/* What a PUT brings; the texts end with NUL. */
struct episode {
    int64_t id;
    char show[SHOW_BYTES_MAX + 1];
    char title[TITLE_BYTES_MAX + 1];
    char text[TEXT_BYTES_MAX + 1];
};

/* The page that is asked for: one episode, or, if id is 0, the first episodes
 * of a show that have a higher id than after.  An empty show means all. */
struct wanted {
    int64_t id;
    char show[SHOW_BYTES_MAX + 1];
    int64_t after;
};

/* What a write changed, which is what caches have to hear. */
struct change {
    int64_t id;
    char show[SHOW_BYTES_MAX + 1];
    char show_before[SHOW_BYTES_MAX + 1]; /* empty: it is a new episode */
    int64_t version;
};

#define KEY_BYTES 80

/* Write the key under which a page is cached, "51" or "list night-train 20",
 * and return its length. */
size_t wanted_key(const struct wanted *wanted, char key[KEY_BYTES]);

/* Read an id, 1 to EPISODE_ID_MAX in plain digits; false: it is none. */
bool episode_id_read(const char *text, int64_t *id);

/* Tell whether text is the name of a show: 1 to SHOW_BYTES_MAX of a-z, 0-9
 * and "-". */
bool show_is_good(const char *text, size_t len);

/* Tell whether text is UTF-8 without control characters other than tab and
 * the ends of lines. */
bool text_is_good(const char *text, size_t len);

#endif

/* store.h - the source: episodes in an SQLite database, which the instances of
 * this application share.
 *
 * Each write takes the next version of the whole database, so versions of
 * different episodes compare, and a page knows how new it is.
 *
 * Threads: any.  Blocking: for the disk, and writes for other writers, up to
 * five seconds.  Errors: 0, or EIO, and a line on standard error says why.
 */
#ifndef STORE_H
#define STORE_H

#include "episode.h"

struct store;

/* A page as it was read. */
struct document {
    char *json; /* from malloc; NULL: there is no such episode          */
    size_t len;
    int64_t version; /* of the episode; of lists and of what does not
                        exist, the newest in the database; 0: it is empty */
};

/* Open the database, and make it if there is none.
 *
 * Owns: on 0, *store belongs to the caller: store_close. */
int store_open(const char *path, struct store **store);

/* Close it.  Safe on NULL. */
void store_close(struct store *store);

/* Read a page.
 *
 * Owns: on 0, found->json belongs to the caller: free. */
int store_read(struct store *store, const struct wanted *wanted,
               struct document *found);

/* Create or replace an episode.  When it returns 0, the change is committed,
 * and whoever reads from now on reads it. */
int store_write(struct store *store, const struct episode *fresh,
                struct change *change);

#endif

/* body.h - what the body of a PUT says. */
#ifndef BODY_H
#define BODY_H

#include "episode.h"

#define BODY_BYTES_MAX 16384

/* Read {"show": ..., "title": ..., "text": ...}, all three of them and nothing
 * else, into *found, whose id is left alone.  Returns NULL, or a sentence for
 * people that says what is wrong: static. */
const char *body_read(const char *body, size_t len, struct episode *found);

#endif

/* topic.h - what a topic may be called, and which subscriptions match it.
 *
 * A topic is 1 to CHD_TOPIC_BYTES_MAX bytes of valid UTF-8 without control
 * characters.  A subscription names a topic exactly, or every topic that
 * begins with its bytes; the empty prefix matches all.
 */
#ifndef CHD_PROTO_WIRE_TOPIC_H
#define CHD_PROTO_WIRE_TOPIC_H

#include "proto/base/bytes.h"
#include "proto/base/err.h"

typedef enum chd_match {
    CHD_MATCH_EXACT = 0,
    CHD_MATCH_PREFIX = 1,
} chd_match;

typedef struct chd_filter {
    chd_match match;
    chd_bytes topic;
} chd_filter;

/* Tell whether text is valid UTF-8 without control characters. */
bool chd_text_is_valid(chd_bytes text);

/* Return the front of text, at most len_max bytes, that does not end within a
 * character. */
chd_bytes chd_text_cut(chd_bytes text, size_t len_max);

/* Errors: CHD_ETOPIC  empty, too long, or not text. */
chd_err chd_topic_check(chd_bytes topic) CHD_MUST_USE;

/* Like chd_topic_check, but a prefix may be empty. */
chd_err chd_filter_check(const chd_filter *filter) CHD_MUST_USE;

/* Tell whether filter covers topic. */
bool chd_filter_matches(const chd_filter *filter, chd_bytes topic);

#endif

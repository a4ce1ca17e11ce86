/* text.h - append to a buffer that cannot grow.
 *
 * What does not fit is cut, and the buffer always ends with NUL.
 *
 * Owns:   nothing; the buffer is the caller's.
 */
#ifndef CHD_BROKER_TEXT_H
#define CHD_BROKER_TEXT_H

#include "proto/base/bytes.h"

typedef struct chd_writer {
    char *buf;
    size_t cap;
    size_t len; /* without the NUL */
    bool cut;   /* something did not fit */
} chd_writer;

/* Start writing into buf, which has room for cap bytes, at least one. */
void chd_writer_init(chd_writer *writer, char *buf, size_t cap);

/* Append formatted text. */
void chd_writer_add(chd_writer *writer, const char *format, ...)
    CHD_PRINTF(2, 3);

/* Append bytes as they are. */
void chd_writer_raw(chd_writer *writer, const char *bytes, size_t len);

/* Append text from elsewhere between quotes.  Quotes and backslashes get a
 * backslash, control characters and bytes that are not UTF-8 become \u00XX,
 * which logfmt and JSON readers both understand; nothing of it can end the
 * line or act on a terminal. */
void chd_writer_quoted(chd_writer *writer, chd_bytes text);

#endif

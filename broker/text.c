#include "broker/text.h"

#include <stdarg.h>
#include <stdio.h>

#include "proto/wire/topic.h"

void chd_writer_init(chd_writer *writer, char *buf, size_t cap)
{
    CHD_ASSERT(cap > 0);
    *writer = (chd_writer){.buf = buf, .cap = cap};
    buf[0] = '\0';
}

void chd_writer_add(chd_writer *writer, const char *format, ...)
{
    va_list args;
    const size_t room = writer->cap - writer->len;

    va_start(args, format);
    const int wanted = vsnprintf(writer->buf + writer->len, room, format, args);
    va_end(args);
    CHD_ASSERT(wanted >= 0);
    writer->cut = writer->cut || (size_t)wanted >= room;
    writer->len += chd_min_size((size_t)wanted, room - 1);
}

void chd_writer_raw(chd_writer *writer, const char *bytes, size_t len)
{
    const size_t room = writer->cap - writer->len - 1;

    writer->cut = writer->cut || len > room;
    len = chd_min_size(len, room);
    memcpy(writer->buf + writer->len, bytes, len);
    writer->len += len;
    writer->buf[writer->len] = '\0';
}

/* Return the length of the printable character at the front of text, or 0. */
static size_t printable_length(chd_bytes text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (chd_text_is_valid((chd_bytes){text.ptr, len})) {
            return len;
        }
    }
    return 0;
}

void chd_writer_quoted(chd_writer *writer, chd_bytes text)
{
    chd_writer_raw(writer, "\"", 1);
    while (text.len > 0) {
        const char first = (char)text.ptr[0];
        size_t len = printable_length(text);
        /* C1 control characters are valid text to the protocol. */
        const bool control =
            len == 2 && text.ptr[0] == 0xc2 && text.ptr[1] < 0xa0;
        if (len == 0 || control) {
            chd_writer_add(writer, "\\u%04x",
                           (unsigned)text.ptr[control ? 1 : 0]);
            len = control ? 2 : 1;
        } else if (first == '"' || first == '\\') {
            chd_writer_add(writer, "\\%c", first);
        } else {
            chd_writer_raw(writer, (const char *)text.ptr, len);
        }
        text.ptr += len;
        text.len -= len;
    }
    chd_writer_raw(writer, "\"", 1);
}

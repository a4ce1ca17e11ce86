#include "tests/sim/transcript.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base/clock.h"

#define LINE_BYTES 512

/* A run that goes astray must not eat the machine. */
#define TEXT_BYTES_MAX ((size_t)256 * 1024 * 1024)

static void append(sim_transcript *transcript, const char *line, size_t len)
{
    if (transcript->len + len + 1 > transcript->cap) {
        if (transcript->cap >= TEXT_BYTES_MAX) {
            transcript->len = transcript->shown = 0;
        } else {
            transcript->cap =
                transcript->cap == 0 ? (size_t)64 * 1024 : 2 * transcript->cap;
            transcript->text = realloc(transcript->text, transcript->cap);
            CHD_ASSERT(transcript->text != NULL);
        }
    }
    memcpy(transcript->text + transcript->len, line, len);
    transcript->len += len;
    transcript->text[transcript->len] = '\0';
}

void sim_tell(sim_transcript *transcript, uint64_t now_ns, const char *who,
              const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;

    if (!transcript->on) {
        return;
    }
    int len = snprintf(line, sizeof(line), "[%5" PRIu64 "ms] %s ",
                       now_ns / CHD_MS, who);
    va_start(args, format);
    len += vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
    va_end(args);
    if ((size_t)len > sizeof(line) - 2) {
        len = (int)sizeof(line) - 2;
    }
    while (len > 0 && line[len - 1] == ' ') {
        len--;
    }
    line[len] = '\n';
    append(transcript, line, (size_t)len + 1);
}

void sim_transcript_print(const sim_transcript *transcript, size_t lines)
{
    size_t at = transcript->len;

    while (at > 0) {
        if (transcript->text[at - 1] == '\n' && at < transcript->len &&
            lines-- == 1) {
            break;
        }
        at--;
    }
    if (transcript->len > 0) {
        fputs(transcript->text + at, stdout);
    }
}

void sim_transcript_fini(sim_transcript *transcript)
{
    free(transcript->text);
    *transcript = (sim_transcript){0};
}

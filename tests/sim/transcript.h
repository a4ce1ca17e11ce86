/* transcript.h - what happened, in lines that people read:
 *
 *   [  120ms] node-2 peer_live node-1 received=0 head=0
 *
 * Kept only on request, because writing lines costs more than simulating:
 * after a fault the same seed is run again with a transcript.
 *
 * Owns:   a transcript owns its text.
 */
#ifndef CHD_TESTS_SIM_TRANSCRIPT_H
#define CHD_TESTS_SIM_TRANSCRIPT_H

#include "proto/base/base.h"

typedef struct sim_transcript {
    bool on;
    bool debug; /* tell what the core tells at DEBUG, too */
    char *text;
    size_t len;
    size_t cap;
    size_t shown; /* text before this was asserted or printed */
} sim_transcript;

/* Add a line, unless the transcript is off.  Its end is added here. */
void sim_tell(sim_transcript *transcript, uint64_t now_ns, const char *who,
              const char *format, ...) CHD_PRINTF(4, 5);

/* Print the last lines. */
void sim_transcript_print(const sim_transcript *transcript, size_t lines);

/* Give the memory back. */
void sim_transcript_fini(sim_transcript *transcript);

#endif

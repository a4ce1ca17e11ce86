/* history.h - what reader.c writes down and history.c verifies.
 *
 * The model database is a file that all instances map.  Every commit has a
 * position, one more than the last; the version of a row is the position of
 * the last commit that changed it.  Files are those of one machine.
 *
 *   FOLDER/database     history_database
 *   FOLDER/writes.N     history_write, of instance N
 *   FOLDER/reads.N.T    history_read, of its thread T, one after the other
 *
 * All times are nanoseconds of CLOCK_BOOTTIME, which is one clock for all
 * processes of a machine.
 */
#ifndef CHD_TESTS_NET_HISTORY_H
#define CHD_TESTS_NET_HISTORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define HISTORY_INSTANCES_MAX 16u
#define HISTORY_THREADS 3u /* the last one reads at the end alone */
#define HISTORY_MS UINT64_C(1000000)
#define HISTORY_NEVER UINT64_MAX

/* Each cache has as many keys.  Those of ROWS are invalidated, without any
 * version, so that nothing but tickets keeps what is stale out; those of
 * PRICES are updated and invalidated, and every event says its version. */
#define HISTORY_KEYS 256u
#define HISTORY_TAGS 7u
#define HISTORY_SHELVES 9u

enum { HISTORY_ROWS, HISTORY_PRICES, HISTORY_CACHES };

/* For how long a cache serves what is marked stale. */
#define HISTORY_STALE_MS 300u

typedef struct history_database {
    _Atomic uint64_t position;
    _Atomic uint64_t reads[HISTORY_INSTANCES_MAX];  /* for who watches */
    _Atomic uint64_t writes[HISTORY_INSTANCES_MAX]; /* accepted ones   */
    _Atomic uint64_t rows[HISTORY_CACHES][HISTORY_KEYS];
} history_database;

typedef enum history_kind {
    HISTORY_KEY,
    HISTORY_TAG,
    HISTORY_SHELF, /* by the prefix of its keys */
    HISTORY_ALL,
    HISTORY_UPDATE
} history_kind;

typedef struct history_write {
    uint64_t begin_ns;      /* before the first row was changed         */
    uint64_t end_ns;        /* after the last                           */
    uint64_t accepted_ns;   /* the receipt was here; HISTORY_NEVER      */
    uint64_t replicated_ns; /* it had left the window; HISTORY_NEVER    */
    uint64_t origin;        /* node id of the sidecar that accepted it  */
    uint32_t version;
    uint16_t target; /* the number of a key, tag or shelf        */
    uint8_t cache;
    uint8_t kind;
    uint8_t soft;
    uint8_t zeros[7];
} history_write;

#define HISTORY_CLAIM_UNKNOWN UINT32_MAX

#define HISTORY_LOADED 1u /* this call called the loader              */
#define HISTORY_FINAL 2u  /* when all was quiet and had been applied  */

typedef struct history_read {
    uint64_t at_ns; /* before it asked how stale it is          */
    uint64_t end_ns;
    uint32_t claim_ms;
    uint32_t version;
    uint16_t key;
    uint8_t cache;
    uint8_t flags;
    uint32_t zeros;
} history_read;

/* Tell whether a commit changes a key. */
static inline bool history_covers(history_kind kind, unsigned target,
                                  unsigned key)
{
    switch (kind) {
    case HISTORY_TAG:
        return key % HISTORY_TAGS == target;
    case HISTORY_SHELF:
        return key % HISTORY_SHELVES == target;
    case HISTORY_ALL:
        return true;
    case HISTORY_KEY:
    case HISTORY_UPDATE:
        break;
    }
    return key == target;
}

#endif

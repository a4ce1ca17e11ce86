/* problem.h - everything that is wrong with a configuration, to be told at
 * once instead of one mistake per start.
 *
 * Owns:   a chd_problems owns its lines: chd_problems_fini.
 */
#ifndef CHD_BROKER_PROBLEM_H
#define CHD_BROKER_PROBLEM_H

#include "proto/base/base.h"

#define CHD_PROBLEMS_MAX 64

typedef struct chd_problems {
    struct {
        bool is_error;
        char *text;
    } lines[CHD_PROBLEMS_MAX];
    size_t count;       /* of lines                                  */
    size_t error_count; /* of errors, those that had no room as well */
} chd_problems;

/* Add an error: the configuration cannot be used. */
void chd_problem_error(chd_problems *problems, const char *format, ...)
    CHD_PRINTF(2, 3);

/* Add a warning: it can, but a person should look. */
void chd_problem_warning(chd_problems *problems, const char *format, ...)
    CHD_PRINTF(2, 3);

/* Forget all problems. */
void chd_problems_fini(chd_problems *problems);

#endif

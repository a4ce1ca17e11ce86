#include "broker/problem.h"

#include <stdarg.h>
#include <stdio.h>

CHD_PRINTF(3, 0)
static void add(chd_problems *problems, bool is_error, const char *format,
                va_list args)
{
    char *text = NULL;

    problems->error_count += is_error;
    if (problems->count == CHD_PROBLEMS_MAX) {
        return;
    }
    CHD_ASSERT(vasprintf(&text, format, args) >= 0);
    problems->lines[problems->count].is_error = is_error;
    problems->lines[problems->count].text = text;
    problems->count++;
}

void chd_problem_error(chd_problems *problems, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, true, format, args);
    va_end(args);
}

void chd_problem_warning(chd_problems *problems, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(problems, false, format, args);
    va_end(args);
}

void chd_problems_fini(chd_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->lines[i].text);
    }
    *problems = (chd_problems){0};
}

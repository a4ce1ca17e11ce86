#include "proto/base/base.h"

void chd_assert_failed(const char *file, int line, const char *condition)
{
    /* Volatile, so that they are on the stack when it is looked at. */
    const char *const volatile where = file;
    const volatile int where_line = line;
    const char *const volatile what = condition;

    (void)where;
    (void)where_line;
    (void)what;
    abort();
}

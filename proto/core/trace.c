#include "proto/core/out.h"

typedef struct trace_row {
    const char *name;
    const char *field_a;
    const char *field_b;
    chd_level level;
} trace_row;

static const trace_row rows[CHD_TRACE_COUNT] = {
#define X(code, level, name, a, b) {name, #a, #b, CHD_LEVEL_##level},
#include "proto/core/trace.def"
#undef X
};

const char *chd_trace_name(chd_trace_code code)
{
    CHD_ASSERT(code < CHD_TRACE_COUNT);
    return rows[code].name;
}

chd_level chd_trace_level(chd_trace_code code)
{
    CHD_ASSERT(code < CHD_TRACE_COUNT);
    return rows[code].level;
}

const char *chd_trace_field_a(chd_trace_code code)
{
    CHD_ASSERT(code < CHD_TRACE_COUNT);
    return rows[code].field_a;
}

const char *chd_trace_field_b(chd_trace_code code)
{
    CHD_ASSERT(code < CHD_TRACE_COUNT);
    return rows[code].field_b;
}

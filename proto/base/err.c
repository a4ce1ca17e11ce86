#include "proto/base/err.h"

typedef enum fault { NONE, OURS, PEER, MACHINE } fault;

typedef struct err_row {
    const char *name;
    const char *text;
    fault fault;
} err_row;

static const err_row rows[] = {
#define ERR_ROW(name_, fault_, text_) {#name_, text_, fault_},
    CHD_ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

static const err_row *row_of(chd_err err)
{
    static const err_row unknown = {"EUNLISTED", "an error without a name",
                                    OURS};
    return (size_t)err < CHD_COUNT(rows) ? &rows[err] : &unknown;
}

const char *chd_err_text(chd_err err)
{
    return row_of(err)->text;
}

const char *chd_err_name(chd_err err)
{
    return row_of(err)->name;
}

bool chd_err_is_peer_fault(chd_err err)
{
    return row_of(err)->fault == PEER;
}

#include "client/coherd.h"

#ifndef CHD_VERSION
#define CHD_VERSION "unversioned"
#endif

static const struct {
    const char *name;
    const char *text;
} rows[] = {
#define ERR_ROW(name, text) {"COHERD_" #name, text},
    COHERD_ERR_TABLE(ERR_ROW)
#undef ERR_ROW
};

const char *coherd_strerror(coherd_err err)
{
    return (unsigned)err < (unsigned)COHERD_ERR_COUNT
               ? rows[err].text
               : "an error that this release does not know";
}

const char *coherd_err_name(coherd_err err)
{
    return (unsigned)err < (unsigned)COHERD_ERR_COUNT ? rows[err].name
                                                      : "COHERD_ERR_UNKNOWN";
}

const char *coherd_version(void)
{
    return CHD_VERSION;
}

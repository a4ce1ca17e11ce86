#include <criterion/criterion.h>

#include "proto/base/err.h"

Test(err, every_error_has_its_own_name_and_a_text)
{
    for (int i = 0; i < CHD_ERR_COUNT; i++) {
        const char *text = chd_err_text((chd_err)i);
        const char *name = chd_err_name((chd_err)i);
        cr_assert(text[0] != '\0', "%d", i);
        cr_assert(text[strlen(text) - 1] != '.', "%s ends in a period", name);
        cr_assert(name[0] == 'E' || i == CHD_OK, "%s", name);
        for (int j = 0; j < i; j++) {
            cr_assert_str_neq(name, chd_err_name((chd_err)j));
        }
    }
}

Test(err, no_error_is_zero_and_nobodys_fault)
{
    cr_assert_eq(CHD_OK, 0);
    cr_assert_str_eq(chd_err_name(CHD_OK), "OK");
    cr_assert(!chd_err_is_peer_fault(CHD_OK));
}

Test(err, what_the_bytes_of_a_peer_cause_is_the_peers_fault)
{
    static const chd_err theirs[] = {
        CHD_ETRUNCATED, CHD_ETYPE,    CHD_ERANGE,   CHD_ELENGTH,
        CHD_EDEPTH,     CHD_EUTF8,    CHD_ETOPIC,   CHD_EORDER,
        CHD_EVERSION,   CHD_ECLUSTER, CHD_EUNKNOWN, CHD_ESTATE,
    };
    static const chd_err ours[] = {CHD_ENOMEM, CHD_ENOSPACE, CHD_ELIMIT,
                                   CHD_EFULL};

    for (size_t i = 0; i < CHD_COUNT(theirs); i++) {
        cr_assert(chd_err_is_peer_fault(theirs[i]), "%s",
                  chd_err_name(theirs[i]));
    }
    for (size_t i = 0; i < CHD_COUNT(ours); i++) {
        cr_assert(!chd_err_is_peer_fault(ours[i]), "%s", chd_err_name(ours[i]));
    }
    /* A new error belongs into one of the tables. */
    cr_assert_eq(1 + CHD_COUNT(theirs) + CHD_COUNT(ours), CHD_ERR_COUNT);
}

Test(err, a_number_that_is_no_error_still_has_a_name_and_a_text)
{
    cr_assert_str_eq(chd_err_name(CHD_ERR_COUNT), "EUNLISTED");
    cr_assert_str_neq(chd_err_text((chd_err)12345), "");
    cr_assert(!chd_err_is_peer_fault((chd_err)12345));
}

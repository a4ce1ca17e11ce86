/* await.c - tokens, and waiting until this client has applied what another
 * one published.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "client/lib.h"

#define ORIGIN_DIGITS 16

void coherd_token_print(const coherd_token *token,
                        char text[COHERD_TOKEN_BYTES_MAX])
{
    snprintf(text, COHERD_TOKEN_BYTES_MAX, "%016" PRIx64 "-%" PRIx64,
             token->origin, token->seq);
}

/* Read hexadecimal digits, at most so many; NULL when there is none. */
static const char *read_hex(const char *text, int digits_max, uint64_t *number)
{
    int digits = 0;

    for (*number = 0; digits < digits_max; digits++, text++) {
        const char *all = "0123456789abcdef";
        const char *digit = *text == '\0' ? NULL : strchr(all, *text);
        if (digit == NULL) {
            break;
        }
        *number = *number << 4 | (uint64_t)(digit - all);
    }
    return digits == 0 ? NULL : text;
}

coherd_err coherd_token_parse(const char *text, coherd_token *token)
{
    coherd_token read;

    if (text == NULL || token == NULL) {
        return COHERD_ERR_INVALID;
    }
    const char *rest = read_hex(text, ORIGIN_DIGITS, &read.origin);
    if (rest == NULL || rest != text + ORIGIN_DIGITS || *rest != '-') {
        return COHERD_ERR_INVALID;
    }
    rest = read_hex(rest + 1, ORIGIN_DIGITS, &read.seq);
    if (rest == NULL || *rest != '\0' || read.origin == 0 || read.seq == 0 ||
        read.seq > CHD_SEQ_MAX) {
        return COHERD_ERR_INVALID;
    }
    *token = read;
    return COHERD_OK;
}

/* Returns false when this is a child now. */
static bool await_locked(coherd_client *client, const coherd_token *token,
                         uint64_t deadline_ns, coherd_err *err)
{
    chd_waiter waiter = {
        .request = UINT64_MAX,
        .accepted = true,
        .applies = true,
        .deadline_ns = deadline_ns,
    };

    if (chd_wait_is_callback(client)) {
        *err = COHERD_ERR_MODE;
        return true;
    }
    if (chd_client_is_attached(client->engine) &&
        !chd_client_can_ask(client->engine)) {
        *err = COHERD_ERR_VERSION;
        return true;
    }
    waiter.ask = chd_client_ask(client->engine, CHD_LOCAL_AWAIT, token->origin,
                                token->seq);
    if (waiter.ask == 0) {
        *err = COHERD_ERR_LIMIT;
        return true;
    }
    return chd_confirm_wait(client, &waiter, err);
}

coherd_err coherd_await(coherd_client *client, const coherd_token *token,
                        int timeout_ms)
{
    const int saved = errno;
    coherd_err err;

    if (client == NULL || token == NULL || token->origin == 0 ||
        token->seq == 0 || token->seq > CHD_SEQ_MAX) {
        return COHERD_ERR_INVALID;
    }
    err = chd_lib_enter(client);
    if (err != COHERD_OK) {
        return err;
    }
    if (await_locked(client, token, chd_wait_deadline_ns(timeout_ms), &err)) {
        chd_lib_leave(client, saved);
    }
    return err;
}

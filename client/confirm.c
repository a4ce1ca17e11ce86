/* confirm.c - calls that wait until something that was published is accepted,
 * replicated or applied; and what is told of it later, without waiting.
 */
#include <stdlib.h>

#include "client/lib.h"

/* How long after its time-out a call waits to hear who is missing. */
#define WHO_PATIENCE (250 * CHD_MS)

_Static_assert(COHERD_NAME_BYTES_MAX == CHD_NAME_BYTES_MAX, "names fit");

/* --- what becomes of a waiter --------------------------------------------- */

static void finish(coherd_client *client, chd_waiter *waiter, coherd_err err)
{
    if (waiter->outcome != CHD_PENDING) {
        return;
    }
    if (waiter->ask != 0) {
        chd_client_ask_end(client->engine, waiter->ask);
    }
    waiter->outcome = CHD_DONE;
    waiter->err = err;
    pthread_cond_broadcast(&client->changed);
}

static bool is_replicated(const coherd_client *client, const chd_waiter *waiter)
{
    return !chd_client_is_pending(client->engine, waiter->request);
}

static void ask_confirm(coherd_client *client, chd_waiter *waiter)
{
    if (!chd_client_can_ask(client->engine)) {
        finish(client, waiter, COHERD_ERR_VERSION);
        return;
    }
    waiter->ask = chd_client_ask(client->engine, CHD_LOCAL_CONFIRM,
                                 waiter->receipt.origin, waiter->receipt.seq);
    if (waiter->ask == 0) {
        finish(client, waiter, COHERD_ERR_LIMIT);
    }
}

/* It is in the log of a sidecar; again, of another one, when the first died
 * before it was replicated. */
static void accepted(coherd_client *client, chd_waiter *waiter,
                     const chd_local_receipt *receipt)
{
    if (waiter->ask != 0) {
        chd_client_ask_end(client->engine, waiter->ask);
        waiter->ask = 0;
    }
    waiter->accepted = true;
    waiter->receipt.origin = receipt->origin;
    waiter->receipt.seq = receipt->seq;
    if (waiter->wait == COHERD_WAIT_APPLIED) {
        ask_confirm(client, waiter);
    } else if (waiter->wait == COHERD_WAIT_ACCEPTED ||
               is_replicated(client, waiter)) {
        finish(client, waiter, COHERD_OK);
    }
}

void chd_confirm_receipt(coherd_client *client,
                         const chd_local_receipt *receipt)
{
    for (chd_waiter *w = client->receipt_waiters; w != NULL; w = w->next) {
        if (w->outcome != CHD_PENDING || w->request > receipt->request) {
            continue;
        }
        if (!w->accepted || (w->receipt.origin != receipt->origin &&
                             !is_replicated(client, w))) {
            accepted(client, w, receipt);
        }
    }
}

void chd_confirm_replicated(coherd_client *client)
{
    for (chd_waiter *w = client->receipt_waiters; w != NULL; w = w->next) {
        if (w->accepted && w->wait == COHERD_WAIT_REPLICATED &&
            is_replicated(client, w)) {
            finish(client, w, COHERD_OK);
        }
    }
}

static void copy_name(char to[COHERD_NAME_BYTES_MAX + 1], chd_bytes name)
{
    if (name.len > 0) {
        memcpy(to, name.ptr, name.len);
    }
    to[name.len] = '\0';
}

static void copy_missing(coherd_receipt *receipt, chd_local_list missing)
{
    chd_missing each;

    while (receipt->named_count < COHERD_MISSING_MAX &&
           chd_local_missing_next(&missing, &each)) {
        coherd_missing *to = &receipt->named[receipt->named_count++];
        to->node = each.node;
        copy_name(to->name, each.name);
        copy_name(to->session, each.session);
    }
}

/* The sidecar counts, and what it says adds up or is made to. */
static void copy_counts(coherd_receipt *receipt,
                        const chd_local_confirmed *confirmed)
{
    uint64_t left = chd_min_u64(confirmed->total, UINT32_MAX);

    receipt->of = (uint32_t)left;
    receipt->applied = (uint32_t)chd_min_u64(confirmed->applied, left);
    left -= receipt->applied;
    receipt->gone = (uint32_t)chd_min_u64(confirmed->gone, left);
    left -= receipt->gone;
    receipt->refusing = (uint32_t)chd_min_u64(confirmed->refusing, left);
    receipt->missing = (uint32_t)(left - receipt->refusing);
}

static chd_waiter *find_asker(const coherd_client *client, uint64_t ask)
{
    chd_waiter *waiter = client->receipt_waiters;

    while (waiter != NULL &&
           (waiter->ask != ask || waiter->outcome != CHD_PENDING)) {
        waiter = waiter->next;
    }
    return waiter;
}

void chd_confirm_answer(coherd_client *client,
                        const chd_local_confirmed *confirmed)
{
    chd_waiter *waiter = find_asker(client, confirmed->request);

    if (waiter == NULL) {
        return;
    }
    if (confirmed->outcome == CHD_CONFIRM_REFUSED) {
        finish(client, waiter, COHERD_ERR_LIMIT);
        return;
    }
    copy_counts(&waiter->receipt, confirmed);
    copy_missing(&waiter->receipt, confirmed->missing);
    finish(client, waiter,
           confirmed->outcome == CHD_CONFIRM_DONE ? COHERD_OK
                                                  : COHERD_ERR_TIMEOUT);
}

void chd_confirm_awaited(coherd_client *client, uint64_t request)
{
    chd_waiter *waiter = find_asker(client, request);

    if (waiter == NULL) {
        return;
    }
    if (chd_deliver_has_events(client)) {
        waiter->awaited = true;
    } else {
        finish(client, waiter, COHERD_OK);
    }
}

void chd_confirm_caught_up(coherd_client *client)
{
    for (chd_waiter *w = client->receipt_waiters; w != NULL; w = w->next) {
        if (w->awaited && w->outcome == CHD_PENDING) {
            finish(client, w, COHERD_OK);
        }
    }
}

/* --- calls that wait ------------------------------------------------------ */

/* What this client has to apply itself, it applies in this call in polled
 * mode: nobody else would.  Returns false when this is a child now. */
static bool wait_once(coherd_client *client, const chd_waiter *waiter,
                      uint64_t deadline_ns, coherd_err *err)
{
    if (waiter->applies && client->options.mode == COHERD_POLLED) {
        return chd_wait_dispatching(client, deadline_ns, waiter, err);
    }
    *err = chd_wait_until(client, deadline_ns, chd_waiter_is_done, waiter);
    return true;
}

static bool wait_for(coherd_client *client, chd_waiter *waiter, coherd_err *err)
{
    if (!wait_once(client, waiter, waiter->deadline_ns, err)) {
        return false;
    }
    if (*err == COHERD_ERR_TIMEOUT && waiter->ask != 0 &&
        waiter->wait == COHERD_WAIT_APPLIED) {
        chd_client_ask_who(client->engine, waiter->ask);
        chd_transport_flush(client);
        return wait_once(client, waiter,
                         chd_after(chd_lib_now_ns(), WHO_PATIENCE), err);
    }
    return true;
}

bool chd_confirm_wait(coherd_client *client, chd_waiter *waiter,
                      coherd_err *err)
{
    chd_waiter_add(&client->receipt_waiters, waiter);
    chd_transport_flush(client);
    if (!wait_for(client, waiter, err)) {
        return false;
    }
    finish(client, waiter, *err);
    chd_waiter_remove(&client->receipt_waiters, waiter);
    if (*err == COHERD_OK) {
        *err =
            waiter->outcome == CHD_REFUSED ? COHERD_ERR_TOO_LARGE : waiter->err;
    }
    return true;
}

/* --- those that are told later -------------------------------------------- */

chd_waiter *chd_confirm_later(coherd_client *client)
{
    if (client->later_count == CHD_CLIENT_ASKS_MAX) {
        return NULL;
    }
    chd_waiter *waiter = calloc(1, sizeof(*waiter));
    client->later_count += waiter != NULL;
    return waiter;
}

void chd_confirm_never(coherd_client *client, chd_waiter *waiter)
{
    client->later_count--;
    free(waiter);
}

void chd_confirm_clear(coherd_client *client)
{
    while (client->receipt_waiters != NULL) {
        chd_waiter *waiter = client->receipt_waiters;
        client->receipt_waiters = waiter->next;
        free(waiter);
    }
}

/* The time-out ends, and half a moment later it is too late for names. */
static void look_at_time(coherd_client *client, chd_waiter *waiter)
{
    if (chd_lib_now_ns() < waiter->deadline_ns) {
        return;
    }
    if (waiter->ask != 0 && !waiter->who) {
        waiter->who = true;
        waiter->deadline_ns = chd_after(chd_lib_now_ns(), WHO_PATIENCE);
        chd_client_ask_who(client->engine, waiter->ask);
    } else {
        finish(client, waiter, COHERD_ERR_TIMEOUT);
    }
}

/* The next one that is to be told, or NULL. */
static chd_waiter *find_finished(coherd_client *client)
{
    chd_waiter *finished = NULL;

    for (chd_waiter *w = client->receipt_waiters; w != NULL; w = w->next) {
        if (w->on_receipt == NULL) {
            continue;
        }
        if (w->outcome == CHD_PENDING) {
            look_at_time(client, w);
        }
        if (w->outcome != CHD_PENDING) {
            finished = w;
        }
    }
    return finished;
}

bool chd_confirm_turn(coherd_client *client, bool keep)
{
    chd_waiter *waiter;

    client->receipts_due = false;
    if (client->later_count == 0) {
        return true;
    }
    while (!client->closing && (waiter = find_finished(client)) != NULL) {
        if (keep) {
            client->receipts_due = true;
            return true;
        }
        chd_waiter_remove(&client->receipt_waiters, waiter);
        client->later_count--;
        if (waiter->outcome == CHD_REFUSED) {
            waiter->err = COHERD_ERR_TOO_LARGE;
        }
        if (!chd_deliver_receipt(client, waiter)) {
            return false;
        }
        free(waiter);
    }
    return true;
}

uint64_t chd_confirm_deadline_ns(const coherd_client *client)
{
    uint64_t deadline_ns = CHD_NEVER_NS;

    if (client->later_count == 0) {
        return deadline_ns;
    }
    for (const chd_waiter *w = client->receipt_waiters; w != NULL;
         w = w->next) {
        if (w->on_receipt != NULL && w->outcome == CHD_PENDING) {
            deadline_ns = chd_min_u64(deadline_ns, w->deadline_ns);
        }
    }
    return deadline_ns;
}

/* status.c - the sidecar's REPORT, as one block of memory. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "client/lib.h"

/* The report, the members and all texts, in this order, in one allocation. */
typedef struct builder {
    coherd_status_report *report;
    coherd_member_info *members;
    char *text;
} builder;

static const char *add_text(builder *to, chd_bytes text)
{
    char *made = to->text;

    if (text.len > 0) {
        memcpy(made, text.ptr, text.len);
    }
    made[text.len] = '\0';
    to->text += text.len + 1;
    return made;
}

static const char *add_address(builder *to, const chd_endpoint *endpoint)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255};
    const uint8_t *address = endpoint->address;
    char *made = to->text;

    if (memcmp(address, mapped, sizeof(mapped)) == 0) {
        inet_ntop(AF_INET, address + sizeof(mapped), made, INET6_ADDRSTRLEN);
    } else {
        inet_ntop(AF_INET6, address, made, INET6_ADDRSTRLEN);
    }
    to->text += INET6_ADDRSTRLEN;
    return made;
}

static void add_node(builder *to, const chd_node_report *node)
{
    to->report->node = (coherd_node_info){
        .node = node->node,
        .name = add_text(to, node->name),
        .region = add_text(to, node->region),
        .cluster = add_text(to, node->cluster),
        .release = add_text(to, node->release),
        .address = add_address(to, &node->endpoint),
        .port = node->endpoint.port,
        .state = (coherd_node_state)node->state,
        .degraded = node->degraded,
        .uptime_ms = node->uptime_ms,
        .head = node->head,
        .sessions = node->sessions,
        .subscriptions = node->subscriptions,
        .published = node->published,
        .received = node->received,
        .delivered = node->delivered,
        .resets = node->resets,
        .lost = node->lost,
        .log_bytes = node->log_bytes,
        .dns = (coherd_dns)node->dns_outcome,
        .dns_age_ms = node->dns_age_ms,
        .dns_count = node->dns_count,
        .staleness_ms = node->staleness_ms,
        .held_by = node->held_by,
    };
}

static void add_member(builder *to, const chd_member_report *member)
{
    to->members[to->report->member_count++] = (coherd_member_info){
        .node = member->node,
        .name = add_text(to, member->name),
        .region = add_text(to, member->region),
        .release = add_text(to, member->release),
        .address = add_address(to, &member->endpoint),
        .port = member->endpoint.port,
        .state = (coherd_member_state)member->state,
        .listed = member->listed,
        .hears_us = member->hears_us,
        .rtt_us = member->rtt_us,
        .received = member->received,
        .silent_ms = member->silent_ms,
        .age_ms = member->age_ms,
        .counts = member->counts,
    };
}

/* Four texts and an address each, with their NULs: the texts are not longer
 * than the message that they come from. */
static size_t text_bytes(size_t message_len, size_t member_count)
{
    return message_len + (member_count + 1) * (4 + INET6_ADDRSTRLEN);
}

static coherd_err build(chd_bytes message, coherd_status_report **report)
{
    chd_local local;
    chd_member_report member;

    if (chd_local_scan(message, &local) != CHD_OK ||
        local.type != CHD_LOCAL_REPORT) {
        return COHERD_ERR_PROTOCOL;
    }
    chd_local_list members = local.u.report.members;
    const size_t count = members.count;
    coherd_status_report *made =
        calloc(1, sizeof(*made) + count * sizeof(coherd_member_info) +
                      text_bytes(message.len, count));
    if (made == NULL) {
        return COHERD_ERR_NOMEM;
    }
    builder to = {.report = made};
    to.members = (coherd_member_info *)(made + 1);
    to.text = (char *)(to.members + count);
    made->members = to.members;
    add_node(&to, &local.u.report.node);
    while (chd_local_member_next(&members, &member)) {
        add_member(&to, &member);
    }
    *report = made;
    return COHERD_OK;
}

/* Ask and wait, with the mutex held; the message goes to waiter. */
static coherd_err ask(coherd_client *client, int timeout_ms, chd_waiter *waiter)
{
    coherd_err err;

    if (chd_wait_is_callback(client)) {
        return COHERD_ERR_MODE;
    }
    waiter->request = chd_client_ask_status(client->engine);
    chd_waiter_add(&client->report_waiters, waiter);
    chd_transport_flush(client);
    err = chd_wait_until(client, chd_wait_deadline_ns(timeout_ms),
                         chd_waiter_is_done, waiter);
    chd_waiter_remove(&client->report_waiters, waiter);
    if (err == COHERD_OK && waiter->outcome == CHD_FAILED) {
        return COHERD_ERR_NOMEM;
    }
    if (err == COHERD_ERR_TIMEOUT && !chd_client_is_attached(client->engine)) {
        return COHERD_ERR_DISCONNECTED;
    }
    return err;
}

coherd_err coherd_status(coherd_client *client, int timeout_ms,
                         coherd_status_report **report)
{
    const int saved = errno;
    chd_waiter waiter = {0};
    coherd_err err;

    if (client == NULL || report == NULL) {
        return COHERD_ERR_INVALID;
    }
    err = chd_lib_enter(client);
    if (err != COHERD_OK) {
        return err;
    }
    err = ask(client, timeout_ms, &waiter);
    chd_lib_leave(client, saved);
    if (err == COHERD_OK) {
        err = build(chd_bytes_of(waiter.report, waiter.report_len), report);
    }
    free(waiter.report);
    errno = saved;
    return err;
}

void coherd_status_free(coherd_status_report *report)
{
    free(report);
}

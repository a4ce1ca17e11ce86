#include "broker/endpoints.h"

#include "broker/config.h"

#define CAP_MIN 16
#define OWN_ADDRESSES_MAX 256

void chd_endpoints_add(chd_endpoints *list, const chd_endpoint *endpoint)
{
    if (!chd_address_is_dialable(endpoint->address) ||
        list->count == CHD_ENDPOINTS_MAX) {
        return;
    }
    if (list->count == list->cap) {
        list->cap = list->cap == 0 ? CAP_MIN : 2 * list->cap;
        list->items = realloc(list->items, list->cap * sizeof(*list->items));
        CHD_ASSERT(list->items != NULL);
    }
    list->items[list->count++] = *endpoint;
}

void chd_endpoints_add_all(chd_endpoints *list, const chd_endpoints *other)
{
    for (size_t i = 0; i < other->count; i++) {
        chd_endpoints_add(list, &other->items[i]);
    }
}

void chd_endpoints_add_text(chd_endpoints *list, const char *text,
                            uint16_t port_default)
{
    char item[CHD_ADDRESS_TEXT_MAX];
    chd_endpoint endpoint;

    while (chd_list_next(&text, item, sizeof(item))) {
        if (chd_endpoint_parse(item, port_default, &endpoint)) {
            chd_endpoints_add(list, &endpoint);
        }
    }
}

void chd_endpoints_unite(chd_endpoints *list)
{
    size_t kept = 0;

    if (list->count == 0) {
        return;
    }
    qsort(list->items, list->count, sizeof(*list->items), chd_endpoint_compare);
    for (size_t i = 1; i < list->count; i++) {
        if (chd_endpoint_compare(&list->items[kept], &list->items[i]) != 0) {
            list->items[++kept] = list->items[i];
        }
    }
    list->count = kept + 1;
}

static bool is_among(const uint8_t (*addresses)[CHD_ADDRESS_BYTES],
                     size_t count, const chd_endpoint *endpoint)
{
    for (size_t i = 0; i < count; i++) {
        if (memcmp(addresses[i], endpoint->address, CHD_ADDRESS_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

void chd_endpoints_drop_own(chd_endpoints *list, const chd_endpoint *bound)
{
    uint8_t own[OWN_ADDRESSES_MAX][CHD_ADDRESS_BYTES];
    size_t own_count = 1;
    size_t kept = 0;

    memcpy(own[0], bound->address, CHD_ADDRESS_BYTES);
    if (chd_address_is_any(bound->address)) {
        own_count = chd_address_list_own(own, OWN_ADDRESSES_MAX);
    }
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].port != bound->port ||
            !is_among((const uint8_t(*)[CHD_ADDRESS_BYTES])own, own_count,
                      &list->items[i])) {
            list->items[kept++] = list->items[i];
        }
    }
    list->count = kept;
}

void chd_endpoints_fini(chd_endpoints *list)
{
    free(list->items);
    *list = (chd_endpoints){0};
}

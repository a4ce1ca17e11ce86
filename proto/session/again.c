#include "proto/session/again.h"

#include "proto/base/hash.h"

/* Several events may have become one. */
typedef struct due {
    uint64_t at_ns;   /* CHD_NEVER_NS: never, the place is free    */
    uint64_t last_ns; /* and then until here, when that is later ... */
    uint64_t step_ns; /* ... with such steps at most               */
} due;

/* A copy of an event. */
typedef struct entry {
    uint64_t origin;
    chd_event event; /* its texts are in the arrays below */
    uint8_t topic[CHD_TOPIC_BYTES_MAX];
    uint8_t target[CHD_TARGET_BYTES_MAX];
} entry;

struct chd_again {
    const chd_mem *mem;
    uint32_t count_max;
    uint32_t high; /* places at and above are free */
    uint32_t count;
    uint64_t next_ns;    /* the earliest of all                      */
    uint64_t longest_ns; /* the longest delay there ever was         */
    due all;             /* when everything is to be reset           */
    uint64_t *hashes;    /* apart from the entries, to find them fast */
    due *dues;
    entry *entries;
    entry shown; /* what chd_again_next returned last */
};

chd_err chd_again_new(uint32_t count_max, const chd_mem *mem, chd_again **again)
{
    *again = NULL;
    if (count_max == 0 || count_max > CHD_AGAIN_COUNT_MAX) {
        return CHD_ELIMIT;
    }
    chd_again *made = chd_zalloc(mem, 1, sizeof(*made));
    if (made == NULL) {
        return CHD_ENOMEM;
    }
    made->mem = mem;
    made->count_max = count_max;
    made->next_ns = made->all.at_ns = CHD_NEVER_NS;
    made->hashes = chd_zalloc(mem, count_max, sizeof(made->hashes[0]));
    made->dues = chd_zalloc(mem, count_max, sizeof(due));
    made->entries = chd_zalloc(mem, count_max, sizeof(entry));
    if (made->hashes == NULL || made->dues == NULL || made->entries == NULL) {
        chd_again_destroy(&made);
        return CHD_ENOMEM;
    }
    *again = made;
    return CHD_OK;
}

void chd_again_destroy(chd_again **again)
{
    if (*again == NULL) {
        return;
    }
    const chd_mem *mem = (*again)->mem;
    chd_free(mem, (*again)->hashes);
    chd_free(mem, (*again)->dues);
    chd_free(mem, (*again)->entries);
    chd_free(mem, *again);
    *again = NULL;
}

/* The same target with another delay is listed by itself, so that no short
 * delay waits for a long one. */
static uint64_t hash_of(const chd_event *event)
{
    const uint64_t seed = event->again_ms * 8 + (uint64_t)event->target_kind;
    return chd_hash(chd_hash(seed, event->topic), event->target);
}

static bool is_for(const entry *listed, const chd_event *event)
{
    return listed->event.target_kind == event->target_kind &&
           listed->event.again_ms == event->again_ms &&
           chd_bytes_equal(listed->event.topic, event->topic) &&
           chd_bytes_equal(listed->event.target, event->target);
}

static void copy_into(entry *to, const chd_event *event)
{
    to->event = *event;
    to->event.value = (chd_bytes){NULL, 0};
    to->event.topic = chd_bytes_of(to->topic, event->topic.len);
    to->event.target = chd_bytes_of(to->target, event->target.len);
    memcpy(to->topic, event->topic.ptr, event->topic.len);
    if (event->target.len > 0) {
        memcpy(to->target, event->target.ptr, event->target.len);
    }
}

static void due_too(due *when, uint64_t at_ns, uint64_t step_ns)
{
    when->at_ns = chd_min_u64(when->at_ns, at_ns);
    when->last_ns = chd_max_u64(when->last_ns, at_ns);
    when->step_ns = chd_min_u64(when->step_ns, step_ns);
}

/* It was done: is it due again? */
static void done(due *when)
{
    when->at_ns =
        when->last_ns > when->at_ns
            ? chd_min_u64(when->last_ns, chd_after(when->at_ns, when->step_ns))
            : CHD_NEVER_NS;
}

/* Let an entry stand for an event as well. */
static void merge(chd_again *again, uint32_t into, const chd_event *event,
                  const due *when)
{
    chd_event *one = &again->entries[into].event;

    /* Dropping beats marking stale; what a fill must show, the newest wins. */
    one->flags &= event->flags;
    one->version = chd_max_u64(one->version, event->version);
    due_too(&again->dues[into], when->at_ns, when->step_ns);
}

/* The list is full. */
static void widen(chd_again *again, const chd_event *event, const due *when)
{
    uint32_t found = again->high;

    for (uint32_t i = 0; i < again->high; i++) {
        const chd_event *listed = &again->entries[i].event;
        if (chd_bytes_equal(listed->topic, event->topic)) {
            found = i;
            if (listed->target_kind == CHD_TARGET_ALL) {
                break;
            }
        }
    }
    if (found == again->high) {
        if (again->all.at_ns == CHD_NEVER_NS) {
            again->all = *when;
        }
        due_too(&again->all, when->at_ns, when->step_ns);
        return;
    }
    chd_event *wide = &again->entries[found].event;
    wide->target_kind = CHD_TARGET_ALL;
    wide->target = (chd_bytes){NULL, 0};
    again->hashes[found] = hash_of(wide);
    merge(again, found, event, when);
}

static void add(chd_again *again, uint64_t origin, const chd_event *event,
                const due *when)
{
    const uint64_t hash = hash_of(event);
    uint32_t place = again->count_max;

    for (uint32_t i = 0; i < again->high; i++) {
        if (again->dues[i].at_ns == CHD_NEVER_NS) {
            place = i;
        } else if (again->hashes[i] == hash &&
                   is_for(&again->entries[i], event)) {
            merge(again, i, event, when);
            return;
        }
    }
    if (place == again->count_max && again->high < again->count_max) {
        place = again->high++;
    }
    if (place == again->count_max) {
        widen(again, event, when);
        return;
    }
    copy_into(&again->entries[place], event);
    again->entries[place].origin = origin;
    again->hashes[place] = hash;
    again->dues[place] = *when;
    again->count++;
}

void chd_again_add(chd_again *again, uint64_t now_ns, uint64_t origin,
                   const chd_event *event)
{
    if (event->kind != CHD_KIND_INVALIDATE || event->again_ms == 0) {
        return;
    }
    const uint64_t delay_ns =
        chd_min_u64(event->again_ms, CHD_AGAIN_MS_MAX) * CHD_MS;

    const uint64_t at_ns = chd_after(now_ns, delay_ns);
    const due when = {at_ns, at_ns, delay_ns};

    again->longest_ns = chd_max_u64(again->longest_ns, delay_ns);
    add(again, origin, event, &when);
    again->next_ns = chd_min_u64(again->next_ns, at_ns);
}

static void find_next(chd_again *again)
{
    again->next_ns = again->all.at_ns;
    for (uint32_t i = 0; i < again->high; i++) {
        again->next_ns = chd_min_u64(again->next_ns, again->dues[i].at_ns);
    }
    if (again->count == 0) {
        again->high = 0;
    }
}

static void take(chd_again *again, uint32_t i, chd_repeat *repeat)
{
    const chd_event *event = &again->entries[i].event;

    copy_into(&again->shown, event);
    repeat->origin = again->entries[i].origin;
    repeat->event = again->shown.event;
    done(&again->dues[i]);
    if (again->dues[i].at_ns == CHD_NEVER_NS) {
        again->count--;
    }
}

bool chd_again_next(chd_again *again, uint64_t now_ns, chd_repeat *repeat)
{
    if (now_ns < again->next_ns) {
        return false;
    }
    *repeat = (chd_repeat){.all = now_ns >= again->all.at_ns};
    if (repeat->all) {
        done(&again->all);
    } else {
        uint32_t i = 0;
        while (again->dues[i].at_ns != again->next_ns) {
            i++;
        }
        take(again, i, repeat);
    }
    find_next(again);
    return true;
}

uint64_t chd_again_deadline_ns(const chd_again *again)
{
    return again->next_ns;
}

void chd_again_start_over(chd_again *again, uint64_t now_ns)
{
    const uint64_t at_ns = again->longest_ns == 0
                               ? CHD_NEVER_NS
                               : chd_after(now_ns, again->longest_ns);

    again->count = again->high = 0;
    again->all = (due){at_ns, at_ns, again->longest_ns};
    again->next_ns = at_ns;
}

#include "tests/sim/agenda.h"

static bool is_before(const sim_entry *a, const sim_entry *b)
{
    return a->at_ns < b->at_ns ||
           (a->at_ns == b->at_ns && a->number < b->number);
}

static void grow(sim_agenda *agenda)
{
    agenda->cap = agenda->cap == 0 ? 1024 : 2 * agenda->cap;
    agenda->heap = realloc(agenda->heap, agenda->cap * sizeof(sim_entry));
    CHD_ASSERT(agenda->heap != NULL);
}

void sim_agenda_add(sim_agenda *agenda, uint64_t at_ns, sim_act *act, void *who,
                    uint64_t token)
{
    const sim_entry entry = {at_ns, agenda->added++, act, who, token};

    if (agenda->count == agenda->cap) {
        grow(agenda);
    }
    size_t i = agenda->count++;
    while (i > 0 && is_before(&entry, &agenda->heap[(i - 1) / 2])) {
        agenda->heap[i] = agenda->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    agenda->heap[i] = entry;
}

bool sim_agenda_take(sim_agenda *agenda, uint64_t until_ns, sim_entry *entry)
{
    if (agenda->count == 0 || agenda->heap[0].at_ns > until_ns) {
        return false;
    }
    *entry = agenda->heap[0];
    const sim_entry last = agenda->heap[--agenda->count];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < agenda->count &&
            is_before(&agenda->heap[child + 1], &agenda->heap[child])) {
            child++;
        }
        if (child >= agenda->count || is_before(&last, &agenda->heap[child])) {
            break;
        }
        agenda->heap[i] = agenda->heap[child];
        i = child;
    }
    if (agenda->count > 0) {
        agenda->heap[i] = last;
    }
    return true;
}

void sim_agenda_fini(sim_agenda *agenda)
{
    free(agenda->heap);
    *agenda = (sim_agenda){0};
}

/* main.c - what a mesh of so many nodes costs, counted on virtual time.
 *
 *     virtual --nodes N [--seconds S] [--rate N] [--cut S] [--limit S]
 *         [--seed N]
 *
 * Prints one JSON object.  All nodes start within a second and know each other
 * from DNS.  Then: nothing happens for S seconds; --rate events a second are
 * published, one after the other by nodes drawn at random; the halves of the
 * mesh lose sight of each other for --cut seconds, while publishing goes on.
 * Without a rate it ends when it was idle, without a cut before that.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/base/prng.h"
#include "tests/bench/virtual/mesh.h"

#define JOIN_TICK_MS 5u
#define START_MS 1000u
#define JOIN_LIMIT_MS 60000u
#define PROBE_MS 100u
#define FRESH_MS 1000u /* who is less stale counts as fresh */

typedef struct scale_options {
    uint32_t nodes;
    uint32_t seconds;
    uint32_t rate;
    uint32_t cut;
    uint32_t limit;
    uint64_t seed;
} scale_options;

static scale_mesh *mesh;
static chd_prng prng;
static const char *const type_names[SCALE_TYPES] = {
    "none", "events", "beacon", "hello", "welcome", "refuse", "ping", "pong",
    "bye",  "fetch",  "repair", "lost",  "vector",  "ack",    "want", "applied",
};
static const char *const step_names[SCALE_LAST + 1] = {
    "listed",  "broadcast", "control", "blocked", "open",
    "session", "closed",    "drain",   "turn",
};

/* --- printing ------------------------------------------------------------- */

static const char *comma = "";

static void print(const char *phase, const char *name, double value)
{
    printf("%s\n  \"%s%s%s\": %.6g", comma, phase, *phase == '\0' ? "" : ".",
           name, value);
    comma = ",";
    (void)fflush(stdout);
}

/* For each node and second. */
static void print_counts(const char *phase, double seconds)
{
    const scale_counts *counts = &mesh->counts;
    const double share = 1 / (seconds * mesh->count);
    const double us_share = 1 / (seconds * mesh->timed * 1000);
    char name[64];
    double messages = 0;
    double bytes = 0;
    double steps = 0;
    double ns = 0;

    for (uint32_t i = 0; i < SCALE_TYPES; i++) {
        if (counts->messages[i] == 0) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "messages.%s", type_names[i]);
        print(phase, name, (double)counts->messages[i] * share);
        (void)snprintf(name, sizeof(name), "bytes.%s", type_names[i]);
        print(phase, name, (double)counts->bytes[i] * share);
        messages += (double)counts->messages[i];
        bytes += (double)counts->bytes[i];
    }
    for (uint32_t i = 0; i <= SCALE_LAST; i++) {
        if (counts->steps[i] == 0) {
            continue;
        }
        (void)snprintf(name, sizeof(name), "steps.%s", step_names[i]);
        print(phase, name, (double)counts->steps[i] * share);
        (void)snprintf(name, sizeof(name), "cpu_us.%s", step_names[i]);
        print(phase, name, (double)counts->step_ns[i] * us_share);
        steps += (double)counts->steps[i];
        ns += (double)counts->step_ns[i];
    }
    print(phase, "messages", messages * share);
    print(phase, "bytes", bytes * share);
    print(phase, "steps", steps * share);
    print(phase, "cpu_us", ns * us_share);
    print(phase, "unsent", (double)counts->unsent * share);
    print(phase, "resets", (double)counts->resets);
}

/* Memory of this process, from the kernel. */
static double resident_mib(const char *field)
{
    FILE *file = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, field, strlen(field)) == 0) {
            kib = strtod(line + strlen(field) + 1, NULL);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return kib / 1024;
}

static void note(const char *what)
{
    static time_t begun;

    if (begun == 0) {
        begun = time(NULL);
    }
    (void)fprintf(stderr, "scale: %u nodes: %s (%ld s, %.0f MiB)\n",
                  mesh->count, what, (long)(time(NULL) - begun),
                  resident_mib("VmRSS:"));
}

/* --- time ----------------------------------------------------------------- */

static void forget_counts(void)
{
    mesh->counts = (scale_counts){0};
}

/* Let time pass, with so many events a second. */
static void pass(uint64_t ms, uint64_t rate)
{
    const uint64_t begun = mesh->now_ms;
    uint64_t published = 0;

    while (mesh->now_ms < begun + ms) {
        const uint64_t due =
            (mesh->now_ms - begun + mesh->tick_ms) * rate / 1000;
        for (; published < due; published++) {
            scale_publish(mesh,
                          &mesh->nodes[chd_prng_below(&prng, mesh->count)]);
        }
        scale_pass(mesh);
        if (mesh->now_ms % 1000 < mesh->tick_ms &&
            mesh->nodes[0].requests > 0) {
            scale_apply(mesh);
        }
    }
}

/* --- looking -------------------------------------------------------------- */

typedef struct view {
    uint64_t apart;  /* pairs of which one does not hear the other     */
    uint64_t behind; /* pairs of which one misses what the other had
                        published at the time                          */
    uint64_t stale;  /* nodes that are not fresh                       */
    uint64_t stalest_ms;
} view;

static uint32_t number_of(const chd_endpoint *endpoint)
{
    return (uint32_t)endpoint->address[14] << 8 | endpoint->address[15];
}

static void look_from(const scale_node *node, const uint64_t *heads, view *seen)
{
    chd_node_report own;
    chd_member_report member;
    uint32_t others = 0;
    uint32_t whole = 0;

    for (uint32_t i = 0;
         chd_core_report_member(node->core, scale_now(mesh), &i, &member);
         i++) {
        others += member.state == CHD_MEMBER_LIVE && member.hears_us;
        whole += member.node != 0 &&
                 member.received >= heads[number_of(&member.endpoint)];
    }
    chd_core_report_node(node->core, scale_now(mesh), &own);
    seen->apart += mesh->count - 1 - others;
    seen->behind += mesh->count - 1 - whole;
    seen->stale += own.staleness_ms >= FRESH_MS;
    if (own.staleness_ms != UINT64_MAX) {
        seen->stalest_ms = chd_max_u64(seen->stalest_ms, own.staleness_ms);
    }
}

static view look(const uint64_t *heads)
{
    view seen = {0};

    for (uint32_t i = 0; i < mesh->count; i++) {
        look_from(&mesh->nodes[i], heads, &seen);
    }
    return seen;
}

static uint64_t *note_heads(void)
{
    uint64_t *heads = calloc(mesh->count, sizeof(uint64_t));

    CHD_ASSERT(heads != NULL);
    for (uint32_t i = 0; i < mesh->count; i++) {
        heads[i] = mesh->nodes[i].requests; /* one event in each */
    }
    return heads;
}

/* Let time pass until everybody hears everybody, has what was published before,
 * and is fresh.  Prints how long each took; a limit ends it. */
static void converge(const char *phase, uint64_t limit_ms, uint64_t rate)
{
    uint64_t *heads = note_heads();
    const uint64_t begun = mesh->now_ms;
    uint64_t whole_ms = 0;
    uint64_t heard_ms = 0;
    uint64_t fresh_ms = 0;
    bool done = false;

    while (!done && mesh->now_ms - begun < limit_ms) {
        pass(PROBE_MS, rate);
        const view seen = look(heads);
        const uint64_t ms = mesh->now_ms - begun;
        whole_ms = seen.behind == 0 && whole_ms == 0 ? ms : whole_ms;
        heard_ms = seen.apart == 0 && heard_ms == 0 ? ms : heard_ms;
        fresh_ms = seen.stale > 0 ? 0 : fresh_ms == 0 ? ms : fresh_ms;
        done = whole_ms != 0 && heard_ms != 0 && fresh_ms != 0;
    }
    const view seen = look(heads);
    print(phase, "whole_s", whole_ms == 0 ? -1 : (double)whole_ms / 1000);
    print(phase, "heard_s", heard_ms == 0 ? -1 : (double)heard_ms / 1000);
    print(phase, "fresh_s", fresh_ms == 0 ? -1 : (double)fresh_ms / 1000);
    print(phase, "stalest_ms", (double)seen.stalest_ms);
    print(phase, "apart", (double)seen.apart);
    print(phase, "behind", (double)seen.behind);
    print(phase, "seconds", (double)(mesh->now_ms - begun) / 1000);
    free(heads);
}

/* --- phases --------------------------------------------------------------- */

static void join(void)
{
    const uint64_t begun = mesh->now_ms;
    uint64_t *heads = note_heads();
    view seen = {.apart = 1};

    mesh->tick_ms = JOIN_TICK_MS;
    while (seen.apart > 0 && mesh->now_ms - begun < JOIN_LIMIT_MS) {
        for (uint64_t ms = 0; ms < PROBE_MS; ms += mesh->tick_ms) {
            while (mesh->started < mesh->count &&
                   (uint64_t)mesh->started * START_MS <=
                       (mesh->now_ms - begun) * mesh->count) {
                scale_start(mesh);
            }
            scale_pass(mesh);
        }
        if (mesh->started == mesh->count) {
            seen = look(heads);
        }
    }
    const double seconds = (double)(mesh->now_ms - begun) / 1000;
    print("join", "seconds", seconds);
    print("join", "apart", (double)seen.apart);
    print_counts("join", 1); /* for each node */
    free(heads);
    mesh->tick_ms = 1;
}

static void idle(const scale_options *asked)
{
    pass(1500, 0);
    forget_counts();
    pass(asked->seconds * UINT64_C(1000), 0);
    print_counts("idle", asked->seconds);
    note("was idle");
    for (uint32_t i = 0; i < mesh->count; i++) {
        scale_list(mesh, &mesh->nodes[i]);
    }
    print("", "listed_us",
          (double)mesh->counts.step_ns[CHD_IN_LISTED] / 1000 / mesh->timed);
}

static void load(const scale_options *asked)
{
    scale_attach(mesh);
    pass(1000, asked->rate);
    forget_counts();
    pass(asked->seconds * UINT64_C(1000), asked->rate);
    print_counts("load", asked->seconds);
    note("was busy");
}

static void partition(const scale_options *asked)
{
    forget_counts();
    scale_cut(mesh);
    pass(asked->cut * UINT64_C(1000), asked->rate);
    print_counts("cut", asked->cut);
    note("was cut in two");
    const uint64_t begun = mesh->now_ms;
    forget_counts();
    scale_heal(mesh);
    converge("heal", asked->limit * UINT64_C(1000), asked->rate);
    print_counts("heal", (double)(mesh->now_ms - begun) / 1000);
    note("is whole again");
}

static uint64_t number(const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 10);

    if (*end != '\0' || *text == '\0') {
        (void)fprintf(stderr, "scale: not a number: %s\n", text);
        exit(2);
    }
    return value;
}

static scale_options read_options(int argc, char **argv)
{
    scale_options made = {.nodes = 100,
                          .seconds = 4,
                          .rate = 1000,
                          .cut = 3,
                          .limit = 30,
                          .seed = 1};

    for (int i = 1; i + 1 < argc; i += 2) {
        const uint64_t value = number(argv[i + 1]);
        if (strcmp(argv[i], "--nodes") == 0) {
            made.nodes = (uint32_t)value;
        } else if (strcmp(argv[i], "--seconds") == 0) {
            made.seconds = (uint32_t)value;
        } else if (strcmp(argv[i], "--rate") == 0) {
            made.rate = (uint32_t)value;
        } else if (strcmp(argv[i], "--cut") == 0) {
            made.cut = (uint32_t)value;
        } else if (strcmp(argv[i], "--limit") == 0) {
            made.limit = (uint32_t)value;
        } else if (strcmp(argv[i], "--seed") == 0) {
            made.seed = value;
        } else {
            (void)fprintf(stderr, "scale: unknown option %s\n", argv[i]);
            exit(2);
        }
    }
    return made;
}

int main(int argc, char **argv)
{
    const scale_options asked = read_options(argc, argv);
    const time_t begun = time(NULL);

    if (asked.nodes < 2 || asked.nodes > 60000 || asked.seconds == 0) {
        (void)fprintf(stderr, "scale: 2 to 60000 nodes, 1 or more seconds\n");
        return 2;
    }
    /* What is not used of the cores' tables costs no memory then. */
    (void)mallopt(M_MMAP_THRESHOLD, 64 * 1024);
    prng = chd_prng_seeded(asked.seed);
    mesh = scale_mesh_new(asked.nodes, asked.seed);
    printf("{");
    print("", "nodes", asked.nodes);
    const uint64_t alone = scale_core_bytes(mesh, 1);
    const uint64_t whole = scale_core_bytes(mesh, asked.nodes);
    print("", "core_bytes", (double)whole);
    print("", "peer_bytes", (double)(whole - alone) / (asked.nodes - 1));
    note("start");
    join();
    note("have joined");
    print("", "joined_mib", resident_mib("VmRSS:"));
    idle(&asked);
    if (asked.rate > 0) {
        load(&asked);
    }
    if (asked.rate > 0 && asked.cut > 0) {
        partition(&asked);
    }
    print("", "peak_mib", resident_mib("VmHWM:"));
    print("", "published", (double)mesh->published);
    print("", "wall_s", (double)(time(NULL) - begun));
    printf("\n}\n");
    return 0;
}

/* main.c - chd-sim: stories, canaries, and as many seeds as wanted. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/run.h"
#include "tests/sim/story.h"

/* Every so many seeds one is run twice; and a canary must be found within so
 * many. */
#define TWICE_EVERY 8
#define CANARY_SEEDS 60

#define SEED_MAX INT64_MAX
#define MINUTES_MAX 100000
#define SECONDS_MAX 100000

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

typedef struct command {
    sim_options options;
    uint64_t first;
    uint64_t last; /* 0: not said */
    uint64_t minutes;
    bool seeds;
    bool seeds_given;
    bool stories;
    bool canaries;
    const char *story;
} command;

typedef struct totals {
    uint32_t passed;
    uint32_t failed;
    uint64_t seeds;
    uint64_t virtual_ns;
    uint64_t actions;
    uint64_t delivered;
    uint64_t confirms;
    uint64_t refusals;
    uint64_t resets[8];
} totals;

static void usage(void)
{
    fputs("usage: chd-sim [OPTION]...\n"
          "  --seed N, --seeds A..B   run these seeds and nothing else\n"
          "  --minutes M              seeds from the first on for M minutes\n"
          "  --nodes N, --seconds S, --faults LIST\n"
          "                           instead of what is sampled; LIST: all,\n"
          "                           none, or names of faults with commas\n"
          "  --trace                  print what happens\n"
          "  --scenarios [NAME]       tell the stories, or those with NAME\n"
          "  --canaries               plant faults, see the oracles notice\n"
          "  --canary NAME            plant one in the runs\n"
          "Without arguments: stories, canaries, and seeds from 1 on.\n",
          stderr);
}

/* Read a number from least to most that ends where the text does. */
static bool read_number(const char *text, uint64_t least, uint64_t most,
                        uint64_t *number)
{
    char *end;

    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *number >= least && *number <= most;
}

/* Read N or A..B. */
static bool read_range(const char *text, command *what)
{
    const char *dots = text == NULL ? NULL : strstr(text, "..");
    char first[24];

    if (dots == NULL) {
        what->last = 0;
        return read_number(text, 0, SEED_MAX, &what->first);
    }
    const size_t len = (size_t)(dots - text);
    if (len >= sizeof(first)) {
        return false;
    }
    memcpy(first, text, len);
    first[len] = '\0';
    return read_number(first, 0, SEED_MAX, &what->first) &&
           read_number(dots + 2, what->first, SEED_MAX, &what->last);
}

static bool read_canary(const char *text, sim_canary *canary)
{
    for (uint32_t i = 0; text != NULL && i < SIM_CANARY_COUNT; i++) {
        if (strcmp(text, sim_canary_name((sim_canary)i)) == 0) {
            *canary = (sim_canary)i;
            return true;
        }
    }
    return false;
}

/* Say what a value should be like. */
static bool refuse(const char *name, const char *value, const char *wanted)
{
    (void)fprintf(stderr, "chd-sim: %s wants %s, not \"%s\"\n", name, wanted,
                  value == NULL ? "" : value);
    return false;
}

/* Read an option that has a value, and say what is wrong with it. */
static bool read_valued(const char *name, const char *value, command *what)
{
    sim_options *options = &what->options;
    uint64_t number = 0;

    what->seeds = true;
    if (strcmp(name, "--seed") == 0 || strcmp(name, "--seeds") == 0) {
        what->seeds_given = true;
        return read_range(value, what) ||
               refuse(name, value, "N, or A..B with A not above B");
    }
    if (strcmp(name, "--minutes") == 0) {
        return read_number(value, 1, MINUTES_MAX, &what->minutes) ||
               refuse(name, value, "a number from 1 to " TEXT(MINUTES_MAX));
    }
    if (strcmp(name, "--nodes") == 0) {
        if (!read_number(value, 1, SIM_NODES_MAX, &number)) {
            return refuse(name, value,
                          "a number from 1 to " TEXT(SIM_NODES_MAX));
        }
        options->nodes = (uint32_t)number;
        return true;
    }
    if (strcmp(name, "--seconds") == 0) {
        if (!read_number(value, 1, SECONDS_MAX, &number)) {
            return refuse(name, value, "a number from 1 to " TEXT(SECONDS_MAX));
        }
        options->fault_ns = number * CHD_SECOND;
        return true;
    }
    if (strcmp(name, "--faults") == 0) {
        options->faults_given = true;
        return (value != NULL && sim_options_faults(value, &options->faults)) ||
               refuse(name, value, "all, none, or names of faults with commas");
    }
    if (strcmp(name, "--canary") == 0) {
        return read_canary(value, &options->canary) ||
               refuse(name, value, "the name of a canary");
    }
    usage();
    return false;
}

/* Which seeds to run: one, a range, all until the time is over, or so many. */
static void choose_seeds(command *what)
{
    if (what->last != 0) {
        return;
    }
    if (what->minutes > 0) {
        what->last = SEED_MAX;
    } else {
        what->last = what->seeds_given ? what->first : SIM_SEEDS_DEFAULT;
    }
}

static bool read_command(int argc, char **argv, command *what)
{
    *what = (command){.first = 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--trace") == 0) {
            what->options.trace = true;
        } else if (strcmp(argv[i], "--canaries") == 0) {
            what->canaries = true;
        } else if (strcmp(argv[i], "--scenarios") == 0) {
            what->stories = true;
            if (i + 1 < argc && argv[i + 1][0] != '-') {
                what->story = argv[++i];
            }
        } else if (read_valued(argv[i], argv[i + 1], what)) {
            i++;
        } else {
            return false;
        }
    }
    if (!what->seeds && !what->stories && !what->canaries) {
        what->seeds = what->stories = what->canaries = true;
    }
    choose_seeds(what);
    return true;
}

static double seconds_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* As it was called, and what to run again when this run aborts. */
static const char *program;
static char replay[SIM_REPLAY_BYTES];

static void on_abort(int number)
{
    static const char text[] = "\naborted; again: ";

    (void)number;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) > 0 &&
        write(STDOUT_FILENO, replay, strlen(replay)) > 0) {
        return;
    }
}

/* Show what led there, and how to see it again. */
static void explain(const sim_options *options, const sim_result *result)
{
    sim_options again = *options;

    printf("\nseed %" PRIu64 " failed after %" PRIu64 " ms: %s: %s\n",
           options->seed, result->virtual_ns / CHD_MS, result->oracle,
           result->verdict);
    sim_options_print(options);
    if (!options->trace) {
        again.trace = true;
        (void)sim_run(&again, 0);
    }
    printf("again: %s", replay);
}

static void run_again(const sim_options *options, const sim_result *result,
                      totals *total)
{
    sim_options quiet = *options;

    quiet.trace = false;
    const sim_result second = sim_run(&quiet, 1);
    if (second.digest == result->digest && second.actions == result->actions) {
        total->passed++;
        return;
    }
    total->failed++;
    printf("seed %" PRIu64 " is not deterministic: %016" PRIx64
           " and %016" PRIx64 "\n",
           options->seed, result->digest, second.digest);
}

static void run_seed(const command *what, uint64_t seed, totals *total)
{
    sim_options options = what->options;

    options.seed = seed;
    sim_options_sample(&options);
    if (options.trace) {
        sim_options_print(&options);
    }
    sim_options_replay(&options, program, replay);
    const sim_result result = sim_run(&options, 0);
    total->seeds++;
    total->virtual_ns += result.virtual_ns;
    total->actions += result.actions;
    total->delivered += result.delivered;
    total->confirms += result.confirms;
    total->refusals += result.refusals;
    for (size_t i = 0; i < CHD_COUNT(total->resets); i++) {
        total->resets[i] += result.resets[i];
    }
    if (result.passed) {
        total->passed++;
    } else {
        total->failed++;
        explain(&options, &result);
    }
    if (seed % TWICE_EVERY == 0) {
        run_again(&options, &result, total);
    }
}

static void run_seeds(const command *what, totals *total)
{
    const double begin = seconds_now();
    uint64_t seed = what->first;

    while (seed <= what->last &&
           (what->minutes == 0 ||
            seconds_now() - begin < 60.0 * (double)what->minutes)) {
        run_seed(what, seed++, total);
        if (total->failed >= 10) {
            printf("enough\n");
            break;
        }
    }
    const double took = seconds_now() - begin;
    printf("%" PRIu64 " seeds, %.1f virtual hours, %.1f seeds per second\n",
           total->seeds, (double)total->virtual_ns / 3600e9,
           (double)total->seeds / took);
    printf("%" PRIu64 " actions, %" PRIu64 " events delivered, %" PRIu64
           " confirmed by all (%" PRIu64 " refused); RESETs: %" PRIu64
           " subscribed, %" PRIu64 " lost, %" PRIu64 " joined, %" PRIu64
           " slow\n",
           total->actions, total->delivered, total->confirms, total->refusals,
           total->resets[CHD_RESET_SUBSCRIBED], total->resets[CHD_RESET_LOST],
           total->resets[CHD_RESET_JOINED], total->resets[CHD_RESET_SLOW]);
}

/* Run seeds until the oracle that is meant for it notices.  In some of them
 * another one may be first. */
static bool find_canary(sim_canary canary, uint64_t *seeds)
{
    for (uint64_t seed = 1; seed <= CANARY_SEEDS; seed++) {
        sim_options options = {.seed = seed, .canary = canary};
        const char *oracle = sim_canary_oracle(canary);

        options.faults_given = true;
        options.faults = sim_canary_faults(canary);
        sim_options_sample(&options);
        sim_options_replay(&options, program, replay);
        const sim_result result = sim_run(&options, 0);
        *seeds = seed;
        if (canary == SIM_CANARY_CHANCE) {
            if (sim_run(&options, 1).digest != result.digest) {
                return true;
            }
        } else if (!result.passed && strcmp(result.oracle, oracle) == 0) {
            return true;
        }
    }
    return false;
}

static void run_canaries(totals *total)
{
    for (uint32_t i = SIM_CANARY_NONE + 1; i < SIM_CANARY_COUNT; i++) {
        const sim_canary canary = (sim_canary)i;
        uint64_t seeds = 0;
        if (find_canary(canary, &seeds)) {
            total->passed++;
            printf("canary %s: noticed by %s, seed %" PRIu64 "\n",
                   sim_canary_name(canary), sim_canary_oracle(canary), seeds);
        } else {
            total->failed++;
            printf("canary %s: not noticed by %s\n", sim_canary_name(canary),
                   sim_canary_oracle(canary));
        }
    }
}

int main(int argc, char **argv)
{
    command what;
    totals total = {0};

    if (!read_command(argc, argv, &what)) {
        return 2;
    }
    program = argv[0];
    (void)signal(SIGABRT, on_abort);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (what.stories) {
        uint32_t passed = 0;
        total.failed += story_tell_all(what.story, &passed);
        total.passed += passed;
        printf("%" PRIu32 " stories\n", passed + total.failed);
    }
    if (what.canaries) {
        run_canaries(&total);
    }
    if (what.seeds) {
        run_seeds(&what, &total);
    }
    printf("sim: %" PRIu32 " passed, %" PRIu32 " failed\n", total.passed,
           total.failed);
    return total.failed == 0 ? 0 : 1;
}

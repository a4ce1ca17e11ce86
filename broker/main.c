#include <stdio.h>

#include "broker/descriptors.h"
#include "broker/footprint.h"
#include "broker/loop.h"
#include "broker/problem.h"

extern char **environ;

/* Exit statuses: 1 is for failures while running. */
#define STATUS_OK 0
#define STATUS_CONFIGURATION 2

static void print_problems(const chd_problems *problems)
{
    size_t errors_shown = 0;

    for (size_t i = 0; i < problems->count; i++) {
        errors_shown += problems->lines[i].is_error;
        fprintf(stderr, "coherd: %s: %s\n",
                problems->lines[i].is_error ? "error" : "warning",
                problems->lines[i].text);
    }
    if (problems->error_count > errors_shown) {
        fprintf(stderr, "coherd: and %zu more errors\n",
                problems->error_count - errors_shown);
    }
}

/* Run, or whatever else the flags ask for. */
static int act(chd_options *options, chd_config *config,
               const chd_problems *problems)
{
    switch (options->purpose) {
    case CHD_PURPOSE_HELP:
        chd_options_help(stdout);
        break;
    case CHD_PURPOSE_VERSION:
        printf("coherd %s\n", CHD_VERSION);
        break;
    case CHD_PURPOSE_PRINT:
        chd_config_print(config, stdout);
        break;
    case CHD_PURPOSE_CHECK:
        break;
    case CHD_PURPOSE_RUN:
        return chd_loop_run(options, config, problems);
    }
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    chd_options options = {.argc = argc, .argv = argv, .env = environ};
    chd_config config = {0};
    chd_problems problems = {0};

    chd_descriptors_keep_standard();
    chd_footprint_one_heap();
    chd_options_read(&options, &config, &problems);
    const bool asks = options.purpose == CHD_PURPOSE_HELP ||
                      options.purpose == CHD_PURPOSE_VERSION;
    const bool usable = asks || problems.error_count == 0;
    /* A daemon that runs tells its warnings in its log. */
    if (!usable || (!asks && options.purpose != CHD_PURPOSE_RUN)) {
        print_problems(&problems);
    }
    const int status =
        usable ? act(&options, &config, &problems) : STATUS_CONFIGURATION;
    chd_problems_fini(&problems);
    chd_config_fini(&config);
    return status;
}

#include "broker/reload.h"

#include <string.h>

void chd_problems_log(const chd_problems *problems, chd_logger *logger)
{
    for (size_t i = 0; i < problems->count; i++) {
        chd_line line;
        const char *text = problems->lines[i].text;
        chd_line_begin(&line, logger,
                       problems->lines[i].is_error ? CHD_LEVEL_ERROR
                                                   : CHD_LEVEL_WARN,
                       "configuration");
        chd_line_text(&line, "problem", text);
        chd_line_distinct(&line, chd_bytes_str(text));
        chd_line_end(&line);
    }
}

static void tell_change(const chd_value *before, const chd_value *after,
                        const chd_setting *setting, chd_logger *logger)
{
    chd_line line;

    chd_line_begin(
        &line, logger, setting->reloadable ? CHD_LEVEL_NOTICE : CHD_LEVEL_WARN,
        setting->reloadable ? "setting_changed" : "setting_needs_restart");
    chd_line_text(&line, "name", setting->name);
    chd_line_text(&line, "value", after->text);
    chd_line_text(&line, "before", before->text);
    chd_line_distinct(&line, chd_bytes_str(setting->name));
    chd_line_end(&line);
}

/* Move what changed and may change from fresh into config. */
static bool take_over(chd_config *config, chd_config *fresh, chd_logger *logger)
{
    bool changed = false;

    for (size_t i = 0; i < CHD_SET_COUNT; i++) {
        const chd_setting *setting = chd_setting_of((chd_setting_id)i);
        if (strcmp(config->values[i].text, fresh->values[i].text) == 0) {
            continue;
        }
        tell_change(&config->values[i], &fresh->values[i], setting, logger);
        if (setting->reloadable) {
            const chd_value before = config->values[i];
            config->values[i] = fresh->values[i];
            fresh->values[i] = before;
            changed = true;
        }
    }
    return changed;
}

bool chd_reload(chd_options *options, chd_config *config, chd_logger *logger)
{
    chd_config fresh = {0};
    chd_problems problems = {0};
    bool changed = false;
    chd_line line;

    chd_options_read(options, &fresh, &problems);
    chd_problems_log(&problems, logger);
    if (problems.error_count == 0) {
        changed = take_over(config, &fresh, logger);
    }
    chd_line_begin(&line, logger,
                   problems.error_count == 0 ? CHD_LEVEL_NOTICE
                                             : CHD_LEVEL_ERROR,
                   problems.error_count == 0 ? "reloaded" : "reload_failed");
    chd_line_text(&line, "file",
                  options->file != NULL ? options->file : "none");
    chd_line_number(&line, "problems", problems.error_count);
    chd_line_end(&line);
    chd_problems_fini(&problems);
    chd_config_fini(&fresh);
    return changed;
}

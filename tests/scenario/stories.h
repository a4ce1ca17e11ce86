/* stories.h - all stories, one file for each list. */
#ifndef CHD_TESTS_SCENARIO_STORIES_H
#define CHD_TESTS_SCENARIO_STORIES_H

#include "tests/sim/story.h"

extern const story_list stories_joining;
extern const story_list stories_publishing;
extern const story_list stories_leaving;
extern const story_list stories_refusing;
extern const story_list stories_addresses;
extern const story_list stories_repairing;
extern const story_list stories_trouble;

#endif

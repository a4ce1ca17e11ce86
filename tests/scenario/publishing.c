#include "tests/scenario/stories.h"

static const story list[1] = {{0}};

const story_list stories_publishing = {list, 0};

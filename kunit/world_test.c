// SPDX-License-Identifier: GPL-2.0
/*
 * The small world over the fake provider.
 */
#include <kunit/test.h>

#include "world.h"

static void every_map_span_and_fault_agrees_with_the_oracle(struct kunit *test)
{
	struct world world = {
		.env = fake_env_alloc(test, WORLD_SPACE, GMEM_PRIVATE),
	};

	world_run(&world);
}

static struct kunit_case world_cases[] = {
	KUNIT_CASE_SLOW(every_map_span_and_fault_agrees_with_the_oracle),
	{}
};

static struct kunit_suite world_suite = {
	.name = "gmem_world",
	.test_cases = world_cases,
};

kunit_test_suite(world_suite);

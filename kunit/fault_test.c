// SPDX-License-Identifier: GPL-2.0
/*
 * gmem_fault: comes after all other suites and looks back at them.
 */
#include <kunit/test.h>

#include "internal.h"

/*
 * A step that never failed is an error path that nothing has run.  Run alone,
 * without the suites that do it, this fails.
 */
static void every_step_has_failed_on_demand(struct kunit *test)
{
	bool folios = IS_ENABLED(CONFIG_GMEM_FOLIOS) &&
		      IS_BUILTIN(CONFIG_GMEM_CONVERT_KUNIT_TEST);
	enum gmem_fault fault;

	for (fault = 0; fault < (folios ? GMEM_NR_FAULTS :
					  GMEM_FAULT_FOLIOS_ALLOC); fault++)
		KUNIT_EXPECT_GT_MSG(test, gmem_fault_count(fault), 0, "%s",
				    gmem_fault_name(fault));
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(every_step_has_failed_on_demand),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "gmem_fault",
	.test_cases = fault_cases,
};

kunit_test_suite(fault_suite);

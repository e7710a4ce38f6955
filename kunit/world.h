/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The small world: eight pages, every map of them, every span, every operation,
 * every single fault, against an oracle of one byte per page.  A provider's
 * author runs it over a provider of his own.
 */
#ifndef _GMEM_TEST_WORLD_H
#define _GMEM_TEST_WORLD_H

#include "fakes.h"

#define WORLD_PAGES	8
/* Across the border of two blocks of the map, the hardest place to be. */
#define WORLD_BASE	508
#define WORLD_SPACE	1024

/**
 * struct world - the world that is being gone through
 * @env: space and clients; the fake provider if @ops is NULL
 * @ops: a real provider's, or NULL
 * @priv: the real provider's own
 */
struct world {
	struct fake_env *env;
	const struct world_ops *ops;
	void *priv;
};

/**
 * struct world_ops - what a real provider does for the world
 * @pin_refs: references that a pin takes
 * @pin: takes @pin_refs references to a page (0 to 7) as somebody else would
 * @unpin: drops them
 * @check: returns whether every page has the references it should have, a pin's
 *	more for page @pinned (-1: none), and the contents it had; pages in @punched,
 *	a bit each, are gone, and are made anew
 */
struct world_ops {
	unsigned long pin_refs;
	void (*pin)(struct world *world, unsigned int page);
	void (*unpin)(struct world *world, unsigned int page);
	bool (*check)(struct world *world, int pinned, unsigned int punched);
};

void world_run(struct world *world);

#endif /* _GMEM_TEST_WORLD_H */

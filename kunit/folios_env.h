/* SPDX-License-Identifier: GPL-2.0 */
/*
 * folios_env: a file's memory with a real inode and real folios, for the suites
 * that need them.
 */
#ifndef _FOLIOS_ENV_H
#define _FOLIOS_ENV_H

#include <kunit/test.h>
#include <linux/gmem_folios.h>
#include <linux/mmzone.h>

struct folios_env {
	struct inode *inode;
	struct gmem_folios *folios;
	struct gmem_space *space;
};

/* Pages that were given back by the hardware, in order. */
struct folios_made_shared {
	unsigned int nr;
	unsigned long pfn[8];
};

extern struct folios_made_shared made_shared;

int folios_suite_init(struct kunit_suite *suite);
void folios_suite_exit(struct kunit_suite *suite);

struct folios_env *folios_env_alloc(struct kunit *test, pgoff_t nr_pages,
				    enum gmem_state state);
struct folios_env *folios_env_alloc_order(struct kunit *test, pgoff_t nr_pages,
					  unsigned int order,
					  enum gmem_state state);
void folios_env_free(void *data);
struct folio *folios_hold(struct kunit *test, struct folios_env *env,
			  pgoff_t index);
u8 folio_byte(struct folio *folio);
void folio_set_byte(struct folio *folio, u8 byte);
unsigned long folios_stat(enum node_stat_item item);

#endif /* _FOLIOS_ENV_H */

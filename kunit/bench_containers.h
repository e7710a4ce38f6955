/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The containers that keep the states of pages, ours and the kernel's own,
 * behind one set of functions, and the patterns that they are filled with.
 */
#ifndef _GMEM_BENCH_CONTAINERS_H
#define _GMEM_BENCH_CONTAINERS_H

#include <kunit/test.h>
#include <linux/maple_tree.h>
#include <linux/xarray.h>

#include "internal.h"

struct bench_ops;

/**
 * struct bench_map - a container, filled
 * @ops: which container it is
 * @nr_pages: pages it keeps the states of
 * @space: what it is, if a space
 * @table: a map without the space
 * @mt: a maple tree
 * @xa: an xarray
 * @bitmap: a bit for each page
 */
struct bench_map {
	const struct bench_ops *ops;
	pgoff_t nr_pages;
	union {
		struct gmem_space *space;
		struct gmem_map table;
		struct maple_tree mt;
		struct xarray xa;
		unsigned long *bitmap;
	};
};

/**
 * struct bench_ops - what a container can do
 * @name: in the table
 * @init: makes all @nr_pages private
 * @destroy: frees it
 * @store: sets the states of a span, with all memory that it takes
 * @lookups: counts the shared ones of @nr pages.  Without a result that matters
 *	the compiler may drop the lookup, and without a sum nobody knows whether
 *	it was right.
 */
struct bench_ops {
	const char *name;
	int (*init)(struct bench_map *map);
	void (*destroy)(struct bench_map *map);
	int (*store)(struct bench_map *map, pgoff_t start, pgoff_t last,
		     enum gmem_state state);
	unsigned long (*lookups)(struct bench_map *map, const u32 *indices,
				 unsigned long nr);
};

/**
 * enum bench_container - the containers
 * @BENCH_ORACLE: a bitmap; no rival, but what the others must agree with
 * @BENCH_STORE: a space, changed by gmem_space_store()
 * @BENCH_CONVERT: a space, changed by gmem_convert_range()
 * @BENCH_TABLE: its map alone, without fence, sequence counter and lock
 * @BENCH_MAPLE: a maple tree of ranges
 * @BENCH_MAPLE_RCU: one that may be looked up in without a lock
 * @BENCH_XA_RANGE: an xarray with entries of several indices
 * @BENCH_XA_PAGE: an xarray with an entry per page, as in Linux 7.2
 * @BENCH_NR_CONTAINERS: how many there are
 */
enum bench_container {
	BENCH_ORACLE,
	BENCH_STORE,
	BENCH_CONVERT,
	BENCH_TABLE,
	BENCH_MAPLE,
	BENCH_MAPLE_RCU,
	BENCH_XA_RANGE,
	BENCH_XA_PAGE,
	BENCH_NR_CONTAINERS
};

/**
 * enum bench_pattern - the patterns
 * @BENCH_PRIVATE: all of them
 * @BENCH_SHARED: all of them
 * @BENCH_WORST: every second page
 * @BENCH_CHECKER: every second 2 MiB
 * @BENCH_RANDOM: runs of 4 KiB to 2 MiB, the same ones each time
 * @BENCH_NR_PATTERNS: how many there are
 */
enum bench_pattern {
	BENCH_PRIVATE,
	BENCH_SHARED,
	BENCH_WORST,
	BENCH_CHECKER,
	BENCH_RANDOM,
	BENCH_NR_PATTERNS
};

extern const struct bench_ops bench_ops[BENCH_NR_CONTAINERS];
extern const char * const bench_pattern_names[BENCH_NR_PATTERNS];

struct bench_map *bench_map_alloc(struct kunit *test,
				  enum bench_container container,
				  pgoff_t nr_pages);
void bench_map_release(struct kunit *test, struct bench_map *map);
void bench_fill(struct kunit *test, struct bench_map *map, pgoff_t start,
		pgoff_t last, enum bench_pattern pattern);
void bench_store(struct kunit *test, struct bench_map *map, pgoff_t start,
		 pgoff_t last, enum gmem_state state);

#endif /* _GMEM_BENCH_CONTAINERS_H */

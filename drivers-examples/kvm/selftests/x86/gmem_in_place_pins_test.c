// SPDX-License-Identifier: GPL-2.0
/*
 * Whoever may hold a page of guest memory that is shared: as long as he does, it
 * does not become private, and the ioctl says which page it is.  When he has let go,
 * it does.
 *
 * Needs io_uring, gup_test, null_blk with a latency (null_blk.irqmode=2
 * null_blk.completion_nsec=...), and for VFIO a QEMU "edu" device behind an IOMMU.
 * With kvm.gmem_in_place_conversion=1.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <pthread.h>
#include <sys/uio.h>

/* The tools' <linux/stddef.h> lacks what the next header uses. */
#ifndef __DECLARE_FLEX_ARRAY
#define __DECLARE_FLEX_ARRAY(TYPE, NAME)	\
	struct {				\
		struct { } __empty_ ## NAME;	\
		TYPE NAME[];			\
	}
#endif

#include <linux/io_uring.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "gmem_util.h"
#include "kvm_test_harness.h"

#define PAGES	32
#define PINNED	11	/* in the middle of what is converted */

FIXTURE(pins) {
	struct gmem g;
};

FIXTURE_SETUP(pins)
{
	size_t i;

	self->g = gmem_create(PAGES, GMEM_SHARED);
	for (i = 0; i < PAGES; i++) {
		*gmem_word(&self->g, i) = i + 1;
		ASSERT_EQ(i + 1, gmem_guest_read(self->g.vcpu, gmem_gva(i)));
	}
}

FIXTURE_TEARDOWN(pins)
{
	gmem_destroy(&self->g);
}

/* Refused with the page's offset, unless it is not asked for; nothing changes. */
static void expect_pinned(struct gmem *g, size_t page)
{
	u64 error_offset;
	size_t i;

	TEST_ASSERT_EQ(gmem_convert(g->fd, 0, g->size, KVM_MEMORY_ATTRIBUTE_PRIVATE,
				    &error_offset), -EAGAIN);
	TEST_ASSERT_EQ(error_offset, page * PAGE_SIZE);
	TEST_ASSERT_EQ(gmem_convert(g->fd, page * PAGE_SIZE, PAGE_SIZE,
				    KVM_MEMORY_ATTRIBUTE_PRIVATE, &error_offset),
		       -EAGAIN);
	TEST_ASSERT_EQ(error_offset, page * PAGE_SIZE);
	for (i = 0; i < PAGES; i++)
		TEST_ASSERT_EQ(*gmem_word(g, i), i + 1);
	/* Its neighbours are not pinned. */
	TEST_ASSERT_EQ(gmem_to_private(g->fd, 0, page * PAGE_SIZE), 0);
	TEST_ASSERT_EQ(gmem_to_private(g->fd, (page + 1) * PAGE_SIZE,
				       g->size - (page + 1) * PAGE_SIZE), 0);
	TEST_ASSERT_EQ(gmem_guest_read(g->vcpu, gmem_gva(page)), page + 1);
	TEST_ASSERT_EQ(gmem_to_shared(g->fd, 0, g->size), 0);
}

static void expect_let_go(struct gmem *g)
{
	size_t i;

	TEST_ASSERT_EQ(gmem_to_private(g->fd, 0, g->size), 0);
	for (i = 0; i < PAGES; i++)
		TEST_ASSERT_EQ(gmem_guest_read(g->vcpu, gmem_gva(i)), i + 1);
}

TEST_F(pins, vmsplice)
{
	struct iovec iov = { gmem_word(&self->g, PINNED), PAGE_SIZE };
	static char buf[4096];
	int fds[2];

	ASSERT_EQ(0, pipe(fds));
	ASSERT_EQ(PAGE_SIZE, vmsplice(fds[1], &iov, 1, 0));
	expect_pinned(&self->g, PINNED);
	ASSERT_EQ(PAGE_SIZE, read(fds[0], buf, PAGE_SIZE));
	expect_let_go(&self->g);
}

TEST_F(pins, io_uring_registered_buffer)
{
	struct iovec iov = { gmem_word(&self->g, PINNED), PAGE_SIZE };
	struct io_uring_params params = {};
	int fd = syscall(__NR_io_uring_setup, 1, &params);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, syscall(__NR_io_uring_register, fd, IORING_REGISTER_BUFFERS,
			     &iov, 1));
	expect_pinned(&self->g, PINNED);
	ASSERT_EQ(0, syscall(__NR_io_uring_register, fd, IORING_UNREGISTER_BUFFERS,
			     NULL, 0));
	close(fd);
	expect_let_go(&self->g);
}

/* From mm/gup_test.h, which is not installed. */
struct pin_longterm_test {
	__u64 addr;
	__u64 size;
	__u32 flags;
};

#define PIN_LONGTERM_TEST_START	_IOW('g', 7, struct pin_longterm_test)
#define PIN_LONGTERM_TEST_STOP	_IO('g', 8)

TEST_F(pins, gup_longterm)
{
	struct pin_longterm_test pin = {
		.addr = (u64)gmem_word(&self->g, PINNED),
		.size = PAGE_SIZE,
		.flags = 1,	/* for writing */
	};
	int fd = open("/sys/kernel/debug/gup_test", O_RDWR);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_START, &pin));
	expect_pinned(&self->g, PINNED);
	ASSERT_EQ(0, ioctl(fd, PIN_LONGTERM_TEST_STOP));
	close(fd);
	expect_let_go(&self->g);
}

static void *write_disk(void *page)
{
	int fd = open("/dev/nullb0", O_RDWR | O_DIRECT);
	ssize_t r;

	TEST_ASSERT(fd >= 0, "/dev/nullb0");
	/* It may be private just when it is to be pinned. */
	do {
		r = pwrite(fd, page, PAGE_SIZE, 0);
	} while (r < 0 && errno == EFAULT);
	TEST_ASSERT_EQ(r, PAGE_SIZE);
	close(fd);
	return NULL;
}

TEST_F(pins, direct_io_in_flight)
{
	pthread_t thread;
	u64 error_offset;
	int r, refused = 0;

	pthread_create(&thread, NULL, write_disk, gmem_word(&self->g, PINNED));
	/* Until the disk has begun and after it has ended, it is granted. */
	do {
		r = gmem_convert(self->g.fd, 0, self->g.size,
				 KVM_MEMORY_ATTRIBUTE_PRIVATE, &error_offset);
		if (r) {
			ASSERT_EQ(-EAGAIN, r);
			ASSERT_EQ(PINNED * PAGE_SIZE, error_offset);
			refused++;
		} else {
			ASSERT_EQ(0, gmem_to_shared(self->g.fd, 0, self->g.size));
		}
	} while (!refused || r);
	EXPECT_LT(0, refused);
	pthread_join(thread, NULL);
	expect_let_go(&self->g);
}

/* --- VFIO ----------------------------------------------------------------------- */

#define PCI_DEVICES	"/sys/bus/pci/devices/"

static int write_path(const char *dir, const char *name, const char *text)
{
	char path[300];
	int fd, r;

	snprintf(path, sizeof(path), PCI_DEVICES "%s/%s", dir, name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	r = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return r;
}

/* The "edu" device, given to vfio-pci; its name in @name. */
static bool find_edu(char name[16])
{
	struct dirent *entry;
	DIR *dir = opendir(PCI_DEVICES);
	char path[300], id[16];
	bool found = false;

	while (!found && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), PCI_DEVICES "%.15s/modalias",
			 entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		found = fscanf(file, "pci:v%8sd", id) == 1 && !strcmp(id, "00001234") &&
			fscanf(file, "%8s", id) == 1 && !strcmp(id, "000011E8");
		fclose(file);
		snprintf(name, 16, "%.15s", entry->d_name);
	}
	closedir(dir);
	return found;
}

static int open_vfio(const char *name)
{
	char path[300];
	struct dirent *entry;
	DIR *dir;
	int fd = -1;

	snprintf(path, sizeof(path), PCI_DEVICES "%s/vfio-dev", name);
	dir = opendir(path);
	while (dir && fd < 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "vfio", 4))
			continue;
		snprintf(path, sizeof(path), "/dev/vfio/devices/%.200s", entry->d_name);
		fd = open(path, O_RDWR);
	}
	if (dir)
		closedir(dir);
	return fd;
}

TEST_F(pins, vfio_device_through_iommufd)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct iommu_ioas_unmap unmap = { .size = sizeof(unmap) };
	struct iommu_ioas_map map = {
		.size = sizeof(map), .iova = SZ_1G, .length = PAGE_SIZE,
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.user_va = (u64)gmem_word(&self->g, PINNED),
	};
	int iommufd = open("/dev/iommu", O_RDWR), fd, fd2;
	char name[16], bdf[24];

	ASSERT_LE(0, iommufd);
	ASSERT_TRUE(find_edu(name));
	snprintf(bdf, sizeof(bdf), "%s", name);
	ASSERT_EQ(0, write_path(name, "driver_override", "vfio-pci"));
	fd2 = open("/sys/bus/pci/drivers_probe", O_WRONLY);
	ASSERT_EQ(strlen(bdf), write(fd2, bdf, strlen(bdf)));
	close(fd2);
	fd = open_vfio(name);
	ASSERT_LE(0, fd);
	bind.iommufd = iommufd;
	ASSERT_EQ(0, ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind));
	ASSERT_EQ(0, ioctl(iommufd, IOMMU_IOAS_ALLOC, &alloc));
	attach.pt_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach));

	map.ioas_id = alloc.out_ioas_id;
	unmap.ioas_id = alloc.out_ioas_id;
	ASSERT_EQ(0, ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	expect_pinned(&self->g, PINNED);
	unmap.iova = map.iova;
	unmap.length = PAGE_SIZE;
	ASSERT_EQ(0, ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap));
	expect_let_go(&self->g);
	/* What is private cannot be given to a device. */
	EXPECT_EQ(-1, ioctl(iommufd, IOMMU_IOAS_MAP, &map));
	EXPECT_EQ(EFAULT, errno);

	close(fd);
	close(iommufd);
	write_path(name, "driver/unbind", name);
	write_path(name, "driver_override", "\n");
}

int main(int argc, char **argv)
{
	TEST_REQUIRE(gmem_in_place());
	return test_harness_run(argc, argv);
}

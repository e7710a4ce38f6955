// SPDX-License-Identifier: GPL-2.0
/*
 * iommu_edu: IOPTEs are cut under a device that uses them.
 *
 * edu, QEMU's educational PCI device, copies between its buffer and memory, behind
 * whichever IOMMU the machine has. It neither notices nor tells that a transfer was
 * refused; what tells are memory and the kernel's log.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/generic_pt/iommu.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/iommu.h>
#include <linux/kmsg_dump.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/sizes.h>
#include <trace/events/iommu.h>

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

/* Registers, see docs/specs/edu.rst of QEMU */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_COUNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_DMA_START	BIT(0)
#define EDU_DMA_TO_RAM	BIT(1)
#define EDU_BUFFER	0x40000

#define EDU_IOVA	0x4000000UL	/* of 2 MiB that begin as one IOPTE */
#define EDU_IOVA_2	0x6000000UL	/* of 2 MiB that begin as nothing */
#define EDU_ORDER	9
#define EDU_SIZE	(PAGE_SIZE << EDU_ORDER)
#define EDU_BYTES	512		/* of a transfer */

struct edu {
	struct kunit *test;
	struct pci_dev *pdev;
	void __iomem *regs;
	struct iommu_domain *domain;
	bool attached;
	struct page *memory;
	struct page *other;

	struct mutex engine;	/* registers and buffer: one transfer at a time */
	struct task_struct *task;
	unsigned int streamed;
	unsigned int spoilt;
	bool tracing_cut;
	bool tracing_populate;
	unsigned int traced;
};

/* The machine has either, and AMD's if the command line has something for it */
static bool edu_has_amd_iommu(void)
{
	return strstr(saved_command_line, "amd_iommu=");
}

static unsigned long edu_iova(unsigned int page)
{
	return EDU_IOVA + page * PAGE_SIZE;
}

static u8 *edu_page(struct edu *edu, unsigned int page)
{
	return page_address(edu->memory + page);
}

/* One transfer between the buffer and @iova; the IOMMU may refuse it unnoticed */
static int edu_dma(struct edu *edu, unsigned long iova, bool to_ram)
{
	unsigned int ms;

	lockdep_assert_held(&edu->engine);
	writeq(to_ram ? EDU_BUFFER : iova, edu->regs + EDU_DMA_SRC);
	writeq(to_ram ? iova : EDU_BUFFER, edu->regs + EDU_DMA_DST);
	writeq(EDU_BYTES, edu->regs + EDU_DMA_COUNT);
	writeq(EDU_DMA_START | (to_ram ? EDU_DMA_TO_RAM : 0),
	       edu->regs + EDU_DMA_CMD);
	for (ms = 0; ms < 10000; ms += 20) {
		if (!(readl(edu->regs + EDU_DMA_CMD) & EDU_DMA_START))
			return 0;
		msleep(20);
	}
	return -ETIMEDOUT;
}

/* Has the device copy @byte from page @from to @iova, whatever comes of it */
static int edu_copy(struct edu *edu, unsigned int from, unsigned long iova, u8 byte)
{
	int ret;

	guard(mutex)(&edu->engine);
	memset(edu_page(edu, from), byte, EDU_BYTES);
	ret = edu_dma(edu, edu_iova(from), false);
	return ret ?: edu_dma(edu, iova, true);
}

static bool edu_is(const u8 *p, u8 byte)
{
	return !memchr_inv(p, byte, EDU_BYTES);
}

/* Copies page 5 to page 7 all the time: neighbours of what is converted */
static int edu_stream(void *data)
{
	struct edu *edu = data;
	u8 byte = 0;

	while (!kthread_should_stop()) {
		byte++;
		if (edu_copy(edu, 5, edu_iova(7), byte) ||
		    !edu_is(edu_page(edu, 7), byte))
			WRITE_ONCE(edu->spoilt, edu->spoilt + 1);
		WRITE_ONCE(edu->streamed, edu->streamed + 1);
	}
	return 0;
}

/* At least one copy has begun and ended since, and none was spoilt */
static void edu_expect_stream(struct edu *edu)
{
	unsigned int until = READ_ONCE(edu->streamed) + 2, ms;

	for (ms = 0; ms < 20000 && (int)(READ_ONCE(edu->streamed) - until) < 0;
	     ms += 20)
		msleep(20);
	KUNIT_EXPECT_GE(edu->test, READ_ONCE(edu->streamed), until);
	KUNIT_EXPECT_EQ(edu->test, READ_ONCE(edu->spoilt), 0);
}

/* Lines of the kernel's log that tell of a fault of the device, at @iova or at all */
static unsigned int edu_faults(unsigned long iova)
{
	struct kmsg_dump_iter iter;
	unsigned int nr = 0;
	char line[256], at[32];
	size_t len;

	snprintf(at, sizeof(at), " fault addr 0x%lx ", iova);
	kmsg_dump_rewind(&iter);
	while (kmsg_dump_get_line(&iter, false, line, sizeof(line) - 1, &len)) {
		line[len] = 0;
		if (strstr(line, iova ? at : " fault addr "))
			nr++;
	}
	return nr;
}

/* The device writes to @iova, until the log tells of it: that is rate limited */
static void edu_expect_log(struct edu *edu, unsigned long iova)
{
	unsigned int before = edu_faults(iova), all = edu_faults(0), ms;

	for (ms = 0; ms < 15000 && edu_faults(iova) == before; ms += 500) {
		KUNIT_EXPECT_EQ(edu->test, 0, edu_copy(edu, 9, iova, 0xaa));
		msleep(500);
	}
	KUNIT_EXPECT_GT(edu->test, edu_faults(iova), before);
	/* And of no other address */
	KUNIT_EXPECT_EQ(edu->test, edu_faults(0) - all,
			edu_faults(iova) - before);
}

/*
 * What the device writes to @iova goes nowhere, so not to @page; reading gets it
 * nothing that is in @page; and the log tells of it. Not with QEMU's AMD IOMMU:
 * it refuses an entry of zero without a word.
 */
static void edu_expect_fault(struct edu *edu, unsigned long iova, u8 *page)
{
	memset(page, 0x66, EDU_BYTES);
	KUNIT_EXPECT_EQ(edu->test, 0, edu_copy(edu, 9, iova, 0xaa));
	KUNIT_EXPECT_TRUE(edu->test, edu_is(page, 0x66));
	scoped_guard(mutex, &edu->engine) {
		KUNIT_EXPECT_EQ(edu->test, 0, edu_dma(edu, iova, false));
		KUNIT_EXPECT_EQ(edu->test, 0, edu_dma(edu, edu_iova(9), true));
		KUNIT_EXPECT_FALSE(edu->test, edu_is(edu_page(edu, 9), 0x66));
	}
	if (!edu_has_amd_iommu())
		edu_expect_log(edu, iova);
}

/* What the tracepoints tell */
static void edu_trace_cut(void *data, unsigned long iova, int ret)
{
	struct edu *edu = data;

	if (!ret && (iova == edu_iova(300) || iova == edu_iova(301)))
		edu->traced++;
}

static void edu_trace_populate(void *data, unsigned long iova, size_t size,
			       size_t pgsize, int ret)
{
	struct edu *edu = data;

	if (!ret && iova == EDU_IOVA_2 && size == SZ_2M && pgsize == PAGE_SIZE)
		edu->traced++;
}

/* --- cases -------------------------------------------------------------------- */

static void edu_streams_while_its_iopte_is_cut(struct kunit *test)
{
	struct edu *edu = test->priv;
	u8 *page = edu_page(edu, 300);
	unsigned int faults;

	KUNIT_ASSERT_EQ(test, 0, iommu_map(edu->domain, EDU_IOVA,
					   page_to_phys(edu->memory), EDU_SIZE,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	/* It is one IOPTE, of which no part can be unmapped */
	KUNIT_ASSERT_EQ(test, 0, iommu_unmap(edu->domain, edu_iova(300),
					     PAGE_SIZE));
	edu->task = kthread_run(edu_stream, edu, "edu_stream");
	KUNIT_ASSERT_FALSE(test, IS_ERR(edu->task));
	edu_expect_stream(edu);
	faults = edu_faults(0);
	/* The page is in the IOTLB, by way of the huge IOPTE */
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, edu_iova(300), 0x55));
	KUNIT_EXPECT_TRUE(test, edu_is(page, 0x55));

	KUNIT_ASSERT_EQ(test, 0, iommu_cut_mapping(edu->domain, edu_iova(300),
						   GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, iommu_cut_mapping(edu->domain, edu_iova(301),
						   GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, edu->traced, 2);
	edu_expect_stream(edu);
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, edu_iova(300), 0x66));
	KUNIT_EXPECT_TRUE(test, edu_is(page, 0x66));
	KUNIT_EXPECT_EQ(test, edu_faults(0), faults);

	KUNIT_ASSERT_EQ(test, PAGE_SIZE, iommu_unmap(edu->domain, edu_iova(300),
						     PAGE_SIZE));
	edu_expect_stream(edu);
	KUNIT_EXPECT_EQ(test, edu_faults(0), faults);
	edu_expect_fault(edu, edu_iova(300), page);
	faults = edu_faults(0);
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, edu_iova(299), 0x11));
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, edu_iova(301), 0x22));
	KUNIT_EXPECT_TRUE(test, edu_is(edu_page(edu, 299), 0x11));
	KUNIT_EXPECT_TRUE(test, edu_is(edu_page(edu, 301), 0x22));
	edu_expect_stream(edu);

	/* Other memory in its place */
	KUNIT_ASSERT_EQ(test, 0, iommu_map(edu->domain, edu_iova(300),
					   page_to_phys(edu->other), PAGE_SIZE,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, edu_iova(300), 0x33));
	KUNIT_EXPECT_TRUE(test, edu_is(page_address(edu->other), 0x33));
	KUNIT_EXPECT_TRUE(test, edu_is(page, 0x66));
	edu_expect_stream(edu);
	KUNIT_EXPECT_EQ(test, edu_faults(0), faults);
	kunit_info(test, "%u copies by %s", edu->streamed,
		   dev_name(edu->pdev->dev.iommu->iommu_dev->dev));
}

static void edu_finds_nothing_in_populated_tables(struct kunit *test)
{
	struct edu *edu = test->priv;
	u8 *other = page_address(edu->other);

	KUNIT_ASSERT_EQ(test, 0, iommu_map(edu->domain, EDU_IOVA,
					   page_to_phys(edu->memory), EDU_SIZE,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			iommu_populate_tables(edu->domain, EDU_IOVA_2, SZ_2M,
					      PAGE_SIZE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, edu->traced, 1);
	edu_expect_fault(edu, EDU_IOVA_2 + 3 * PAGE_SIZE, other);
	KUNIT_ASSERT_EQ(test, 0, iommu_map(edu->domain,
					   EDU_IOVA_2 + 3 * PAGE_SIZE,
					   page_to_phys(edu->other), PAGE_SIZE,
					   IOMMU_READ | IOMMU_WRITE, GFP_KERNEL));
	KUNIT_EXPECT_EQ(test, 0, edu_copy(edu, 9, EDU_IOVA_2 + 3 * PAGE_SIZE,
					  0x77));
	KUNIT_EXPECT_TRUE(test, edu_is(other, 0x77));
	edu_expect_fault(edu, EDU_IOVA_2 + 4 * PAGE_SIZE, other);
}

/* Which IOMMU is in use is the machine's choice; that it is the right one is not */
static void edu_is_behind_the_iommu_that_was_asked_for(struct kunit *test)
{
	struct edu *edu = test->priv;
	const char *name = dev_name(edu->pdev->dev.iommu->iommu_dev->dev);

	KUNIT_EXPECT_EQ_MSG(test, 0,
			    strncmp(name, edu_has_amd_iommu() ? "ivhd" : "dmar", 4),
			    "it is %s", name);
	KUNIT_EXPECT_NOT_NULL(test, iommupt_from_domain(edu->domain));
	KUNIT_EXPECT_TRUE(test, edu->domain->pgsize_bitmap & SZ_2M);
}

static int edu_init(struct kunit *test)
{
	struct edu *edu = kunit_kzalloc(test, sizeof(*edu), GFP_KERNEL);
	struct device *dev;

	if (!edu)
		return -ENOMEM;
	edu->test = test;
	mutex_init(&edu->engine);
	edu->pdev = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	if (!edu->pdev)
		kunit_skip(test, "lane: this machine has no edu");
	test->priv = edu;
	dev = &edu->pdev->dev;

	KUNIT_ASSERT_EQ(test, 0, pci_enable_device(edu->pdev));
	pci_set_master(edu->pdev);
	edu->regs = pci_iomap(edu->pdev, 0, 0);
	KUNIT_ASSERT_NOT_NULL(test, edu->regs);
	edu->memory = alloc_pages(GFP_KERNEL | __GFP_COMP | __GFP_ZERO,
				  EDU_ORDER);
	KUNIT_ASSERT_NOT_NULL(test, edu->memory);
	edu->other = alloc_page(GFP_KERNEL | __GFP_ZERO);
	KUNIT_ASSERT_NOT_NULL(test, edu->other);
	edu->domain = iommu_paging_domain_alloc(dev);
	KUNIT_ASSERT_FALSE(test, IS_ERR(edu->domain));
	KUNIT_ASSERT_EQ(test, 0, iommu_attach_device(edu->domain, dev));
	edu->attached = true;
	KUNIT_ASSERT_EQ(test, 0, register_trace_cut_mapping(edu_trace_cut, edu));
	edu->tracing_cut = true;
	KUNIT_ASSERT_EQ(test, 0,
			register_trace_populate_tables(edu_trace_populate, edu));
	edu->tracing_populate = true;
	return 0;
}

static void edu_exit(struct kunit *test)
{
	struct edu *edu = test->priv;

	if (!edu)
		return;
	if (!IS_ERR_OR_NULL(edu->task))
		kthread_stop(edu->task);
	if (edu->tracing_cut)
		unregister_trace_cut_mapping(edu_trace_cut, edu);
	if (edu->tracing_populate)
		unregister_trace_populate_tables(edu_trace_populate, edu);
	tracepoint_synchronize_unregister();
	if (edu->attached)
		iommu_detach_device(edu->domain, &edu->pdev->dev);
	/* With whatever is still mapped */
	if (!IS_ERR_OR_NULL(edu->domain))
		iommu_domain_free(edu->domain);
	if (edu->other)
		__free_page(edu->other);
	if (edu->memory)
		__free_pages(edu->memory, EDU_ORDER);
	if (edu->regs)
		pci_iounmap(edu->pdev, edu->regs);
	pci_disable_device(edu->pdev);
	pci_dev_put(edu->pdev);
}

static struct kunit_case edu_cases[] = {
	KUNIT_CASE(edu_is_behind_the_iommu_that_was_asked_for),
	KUNIT_CASE(edu_streams_while_its_iopte_is_cut),
	KUNIT_CASE(edu_finds_nothing_in_populated_tables),
	{}
};

static struct kunit_suite edu_suite = {
	.name = "iommu_edu",
	.init = edu_init,
	.exit = edu_exit,
	.test_cases = edu_cases,
};

kunit_test_suite(edu_suite);

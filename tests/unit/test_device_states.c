/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_device_states.c - disk, network, balloon and random numbers in a machine's state: their drivers go on with
 * another machine, and forged values are refused (the transport: test_virtio_state.c)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>

#include "tests/unit/blk_stage.h"
#include "tests/unit/device_stage.h"
#include "tests/unit/net_stage.h"
#include "tests/unit/state_twin.h"
#include "vmm/net_stream.h"
#include "vmm/pci.h"
#include "vmm/slots.h"
#include "vmm/virtio.h"
#include "vmm/virtio_balloon.h"
#include "vmm/virtio_blk.h"
#include "vmm/virtio_net.h"
#include "vmm/virtio_rng.h"

#define PAGE		4096
#define STATISTICS	2 /* the balloon's queue */
#define BLK_SECTION	"virtio-blk 03"
#define NET_SECTION	"virtio-net 02"
#define BALLOON_SECTION "virtio-balloon 09"

/* "same": what goes on would be saved as what was saved. */
static void
move(const struct state_twin *target, const struct state_twin *source, bool same)
{
	const char *problem;
	int result = state_twin_move(target, source, &problem);

	assert_string_equal(problem, "");
	assert_int_equal(result, !same);
}

static void
expect_refusals(const struct state_twin *target, const struct state_twin *source,
		const struct state_twin_forgery *forgeries, size_t count)
{
	const char *problem = state_twin_forge(target, source, forgeries, count);

	if (problem)
		fail_msg("%s", problem);
}

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Disk */

struct blk_twin {
	struct blk_stage *first;
	struct blk_stage *second;
};

static int
blk_twin_open(void **state)
{
	static struct blk_twin twin;

	*state = &twin;
	return blk_stage_open((void **)&twin.first) < 0 ? -1
							: blk_stage_open((void **)&twin.second);
}

static int
blk_twin_close(void **state)
{
	struct blk_twin *twin = *state;

	blk_stage_close((void **)&twin->first);
	return blk_stage_close((void **)&twin->second);
}

static struct state_twin
blk_twin_get(struct blk_stage *stage)
{
	return (struct state_twin){ stage->fake, stage->root, { &stage->driver } };
}

static void
test_device_states__a_disk_goes_on(void **state)
{
	struct blk_twin *twin = *state;
	const struct state_twin source = blk_twin_get(twin->first);
	const struct state_twin target = blk_twin_get(twin->second);
	const uint32_t wce = offsetof(struct virtio_blk_config, wce);
	static const char written[512] = "written";
	char sector[512];

	virtio_driver_set_config(&twin->first->driver, wce, 1, 0);
	for (uint64_t i = 0; i < 20; i++)
		assert_int_equal(blk_stage_ask(twin->first, VIRTIO_BLK_T_IN, i, NULL, 0, sector,
					       sizeof(sector)),
				 VIRTIO_BLK_S_OK);
	move(&target, &source, true);
	state_twin_resume(twin->second->fake, twin->second->root);
	assert_int_equal(virtio_driver_get_config(&twin->second->driver, wce, 1), 0);
	for (uint64_t i = 0; i < 300; i++) {
		assert_int_equal(blk_stage_ask(twin->second, VIRTIO_BLK_T_IN, i, NULL, 0, sector,
					       sizeof(sector)),
				 VIRTIO_BLK_S_OK);
		assert_memory_equal(sector, twin->second->content + i * 512, 512);
	}
	assert_int_equal(
		blk_stage_ask(twin->second, VIRTIO_BLK_T_OUT, 7, written, sizeof(written), NULL, 0),
		VIRTIO_BLK_S_OK);
	/* and so does the one that was saved, on a disk of its own */
	state_twin_resume(twin->first->fake, twin->first->root);
	assert_int_equal(blk_stage_ask(twin->first, VIRTIO_BLK_T_IN, 7, NULL, 0, sector, 512),
			 VIRTIO_BLK_S_OK);
	assert_memory_equal(sector, twin->first->content + 7 * 512, 512);
}

static void
test_device_states__a_forged_disk_is_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = {
		{ BLK_SECTION, 0, 2, 1 },
	};
	struct blk_twin *twin = *state;
	const struct state_twin source = blk_twin_get(twin->first);
	const struct state_twin target = blk_twin_get(twin->second);

	expect_refusals(&target, &source, forgeries, COUNT(forgeries));
}

/* Network */

struct net_twin {
	struct net_stage *first;
	struct net_stage *second;
};

static int
net_twin_open(void **state)
{
	static struct net_twin twin;

	*state = &twin;
	return net_stage_open((void **)&twin.first) < 0 ? -1
							: net_stage_open((void **)&twin.second);
}

static int
net_twin_close(void **state)
{
	struct net_twin *twin = *state;

	net_stage_close((void **)&twin->first);
	return net_stage_close((void **)&twin->second);
}

static struct state_twin
net_twin_get(struct net_stage *stage)
{
	return (struct state_twin){ stage->fake, stage->root, { &stage->driver } };
}

/* As it is sealed: the link is down, and comes with the new machine's own network. */
static void
test_device_states__a_network_goes_on_with_another_link(void **state)
{
	struct net_twin *twin = *state;
	struct net_stage *second = twin->second;
	const struct state_twin source = net_twin_get(twin->first);
	const struct state_twin target = net_twin_get(second);

	net_stage_give(twin->first, 4, 2048);
	assert_int_equal(virtio_net_set_link(twin->first->device, false, -1), 0);
	assert_int_equal(virtio_net_set_link(second->device, false, -1), 0);
	fake_platform_settle(twin->first->fake);
	move(&target, &source, true);
	memcpy(second->buffers, twin->first->buffers, sizeof(second->buffers));
	state_twin_resume(second->fake, second->root);
	assert_int_equal(virtio_driver_count_config_interrupts(&second->driver), 0);
	net_stage_send(second, 1, NET_STAGE_FRAME); /* lost */
	virtio_driver_kick(&second->driver, NET_STAGE_SEND);
	assert_int_equal(net_stage_count_sent(second), 1);
	assert_int_equal(virtio_net_set_link(second->device, true, -1), 0);
	fake_platform_settle(second->fake);
	assert_int_equal(virtio_driver_count_config_interrupts(&second->driver), 1);
	net_stage_expect_silence(second);
	net_stage_send(second, 2, NET_STAGE_FRAME);
	virtio_driver_kick(&second->driver, NET_STAGE_SEND);
	net_stage_expect_sent(second, 2, NET_STAGE_FRAME);
	net_stage_arrive(second, 3, NET_STAGE_FRAME, 0, 4 + NET_STAGE_FRAME);
	net_stage_expect_received(second, 3, NET_STAGE_FRAME, 1);
}

static void
test_device_states__a_driver_hears_of_a_lost_link(void **state)
{
	struct net_twin *twin = *state;
	struct net_stage *second = twin->second;
	const struct state_twin source = net_twin_get(twin->first);
	const struct state_twin target = net_twin_get(second);

	assert_true(net_stage_sees_link(twin->first));
	assert_int_equal(virtio_net_set_link(second->device, false, -1), 0);
	move(&target, &source, false);
	assert_int_equal(second->fake->n_msis, 0); /* not before the machine goes on */
	state_twin_resume(second->fake, second->root);
	assert_int_equal(virtio_driver_count_config_interrupts(&second->driver), 1);
	assert_false(net_stage_sees_link(second));
	/* and only once */
	state_twin_resume(second->fake, second->root);
	assert_int_equal(virtio_driver_count_config_interrupts(&second->driver), 1);
}

static void
test_device_states__the_address_is_not_in_the_file(void **state)
{
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };
	struct net_twin *twin = *state;
	const struct state_twin source = net_twin_get(twin->first);
	struct net_stage *first = twin->first;
	struct virtio_net_options options = { .name = "other", .kind = &net_stream_kind, .fd = -1 };
	struct fake_platform *fake;
	struct virtio_driver driver;
	struct virtio_device *device;
	struct pci_root *root;
	const char *problem;
	int fd;

	assert_int_equal(virtio_net_set_link(first->device, false, -1), 0);
	fd = state_twin_save(source.fake, source.root);
	memcpy(options.mac, mac, sizeof(mac));
	assert_int_equal(fake_platform_new(FAKE_PLATFORM_RAM_BYTES, &fake), 0);
	assert_int_equal(pci_root_new(&fake->platform, &root), 0);
	assert_int_equal(virtio_net_new(&fake->platform, &options, &device), 0);
	assert_int_equal(virtio_pci_new(root, SLOT_NET, VIRTIO_NET_CLASS_CODE, device), 0);
	pci_root_reset(root);
	assert_int_equal(virtio_driver_open(&driver, fake, SLOT_NET), 0);
	state_twin_copy_memory(fake, first->fake);
	state_twin_copy_driver(&driver, &first->driver);
	assert_int_equal(state_twin_load(fake, root, fd, &problem), 0);
	for (uint32_t i = 0; i < sizeof(mac); i++)
		assert_int_equal(virtio_driver_get_config(&driver, i, 1), mac[i]);
	virtio_driver_close(&driver);
	pci_root_free(root);
	fake_platform_free(fake);
	close(fd);
}

static void
test_device_states__a_network_does_what_its_driver_uses(void **state)
{
	struct net_twin *twin = *state;
	struct net_stage *second = twin->second;
	int old = second->peer;
	const char *problem;
	int fd = state_twin_save(twin->first->fake, twin->first->root);

	/* while there is no driver it need not do anything */
	virtio_driver_reset(&second->driver);
	second->kind.make = net_stage_make_refusing_peer;
	assert_int_equal(virtio_net_set_link(second->device, true, net_stage_pair(second)), 0);
	close(old);
	state_twin_copy_memory(second->fake, twin->first->fake);
	assert_int_equal(state_twin_load(second->fake, second->root, fd, &problem), -EBADMSG);
	assert_non_null(strstr(problem, "section '" NET_SECTION "': "));
	close(fd);
}

static void
test_device_states__a_forged_network_is_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = { { NET_SECTION, 0, 2, 1 } };
	struct net_twin *twin = *state;
	const struct state_twin source = net_twin_get(twin->first);
	const struct state_twin target = net_twin_get(twin->second);

	expect_refusals(&target, &source, forgeries, COUNT(forgeries));
}

/* Balloon and random numbers */

struct device_twin {
	struct device_stage first;
	struct device_stage second;
};

static int
balloon_twin_open(void **state)
{
	static struct device_twin twin;

	*state = &twin;
	if (device_stage_open(&twin.first, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE,
			      virtio_balloon_new) < 0)
		return -1;
	return device_stage_open(&twin.second, SLOT_BALLOON, VIRTIO_BALLOON_CLASS_CODE,
				 virtio_balloon_new);
}

static int
rng_twin_open(void **state)
{
	static struct device_twin twin;

	*state = &twin;
	if (device_stage_open(&twin.first, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, virtio_rng_new) < 0)
		return -1;
	return device_stage_open(&twin.second, SLOT_RNG, VIRTIO_RNG_CLASS_CODE, virtio_rng_new);
}

static int
device_twin_close(void **state)
{
	struct device_twin *twin = *state;

	device_stage_close(&twin->first);
	device_stage_close(&twin->second);
	return 0;
}

static struct state_twin
device_twin_get(struct device_stage *stage)
{
	return (struct state_twin){ stage->fake, stage->root, { &stage->driver } };
}

static void
balloon_give_statistics(struct device_stage *stage)
{
	const struct virtio_balloon_stat stat = { VIRTIO_BALLOON_S_MEMFREE, 300 };
	struct driver_buffer buffer = { fake_platform_alloc(stage->fake, sizeof(stat), 16),
					sizeof(stat), false };

	memcpy(fake_platform_map(stage->fake, buffer.gpa, sizeof(stat)), &stat, sizeof(stat));
	assert_true(driver_ring_add(stage->driver.rings[STATISTICS], &buffer, 1) >= 0);
	virtio_driver_kick(&stage->driver, STATISTICS);
}

static void
test_device_states__a_balloon_goes_on(void **state)
{
	struct device_twin *twin = *state;
	const struct state_twin source = device_twin_get(&twin->first);
	const struct state_twin target = device_twin_get(&twin->second);
	struct driver_ring *ring;
	struct virtio_balloon_statistics statistics;
	uint32_t written;
	uint16_t head;

	assert_int_equal(virtio_balloon_set_target(twin->first.device, 10 * PAGE), 0);
	virtio_driver_set_config(&twin->first.driver,
				 offsetof(struct virtio_balloon_config, actual), 4, 7);
	balloon_give_statistics(&twin->first);
	move(&target, &source, true);
	ring = twin->second.driver.rings[STATISTICS];
	/* memory stands still: nobody is asked now */
	virtio_balloon_get_statistics(twin->second.device, &statistics);
	assert_int_equal(statistics.balloon_bytes, 7 * PAGE);
	assert_false(driver_ring_get_used(ring, &head, &written));
	state_twin_resume(twin->second.fake, twin->second.root);
	assert_int_equal(virtio_driver_get_config(&twin->second.driver, 0, 4), 10);
	assert_false(driver_ring_get_used(ring, &head, &written));
	virtio_balloon_get_statistics(twin->second.device, &statistics);
	assert_true(driver_ring_get_used(ring, &head, &written));
	assert_false(driver_ring_get_used(ring, &head, &written));
	balloon_give_statistics(&twin->second);
	virtio_balloon_get_statistics(twin->second.device, &statistics);
	assert_int_equal(statistics.guest_free_bytes, 300);
}

static void
test_device_states__a_forged_balloon_is_refused(void **state)
{
	static const struct state_twin_forgery forgeries[] = {
		{ BALLOON_SECTION, 0, FAKE_PLATFORM_RAM_BYTES / PAGE + 1, 4 },
		{ BALLOON_SECTION, 0, UINT32_MAX, 4 },
		{ BALLOON_SECTION, 8, 0, 1 }, /* and one is on its way */
		{ BALLOON_SECTION, 8, 2, 1 },
		{ BALLOON_SECTION, 9, 128, 2 },
	};
	struct device_twin *twin = *state;
	const struct state_twin source = device_twin_get(&twin->first);
	const struct state_twin target = device_twin_get(&twin->second);

	balloon_give_statistics(&twin->first);
	expect_refusals(&target, &source, forgeries, COUNT(forgeries));
}

static void
test_device_states__random_numbers_go_on_and_differ(void **state)
{
	struct device_twin *twin = *state;
	const struct state_twin source = device_twin_get(&twin->first);
	const struct state_twin target = device_twin_get(&twin->second);
	uint8_t first[64], second[64];

	assert_int_equal(virtio_driver_transfer(&twin->first.driver, 0, NULL, 0, first, 64), 64);
	move(&target, &source, true);
	state_twin_resume(twin->first.fake, twin->first.root);
	state_twin_resume(twin->second.fake, twin->second.root);
	assert_int_equal(virtio_driver_transfer(&twin->first.driver, 0, NULL, 0, first, 64), 64);
	assert_int_equal(virtio_driver_transfer(&twin->second.driver, 0, NULL, 0, second, 64), 64);
	assert_memory_not_equal(first, second, 64);
}

#define TEST(name, stage) \
	cmocka_unit_test_setup_teardown(test_device_states__##name, stage##_open, stage##_close)
#define balloon_twin_close device_twin_close
#define rng_twin_close	   device_twin_close

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_goes_on, blk_twin),
		TEST(a_forged_disk_is_refused, blk_twin),
		TEST(a_network_goes_on_with_another_link, net_twin),
		TEST(a_driver_hears_of_a_lost_link, net_twin),
		TEST(the_address_is_not_in_the_file, net_twin),
		TEST(a_network_does_what_its_driver_uses, net_twin),
		TEST(a_forged_network_is_refused, net_twin),
		TEST(a_balloon_goes_on, balloon_twin),
		TEST(a_forged_balloon_is_refused, balloon_twin),
		TEST(random_numbers_go_on_and_differ, rng_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

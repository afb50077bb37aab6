/*
 * Processes that end with requests under way (test=blk.orphan): nobody else gets their completions,
 * all memory comes back, and the disk goes on working.
 */
#include "tests/prog/blk.h"

#define SIZE (64 * PAGE_SIZE)

/* The child: fill the queue, then sleep until killed, or end at once. */
static int child(const char *how)
{
    unsigned n = 0;
    uint32_t count = SIZE / BLK_SECTOR < info.max_sectors ? SIZE / BLK_SECTOR : info.max_sectors;

    while (submit(BLK_READ, 0, 0, count, 0xdead) == 0)
        n++;
    EXPECT_TRUE(n > 1);
    if (strcmp(how, "sleep") == 0)
        (void)sys_thread_sleep(100000 * MS);
    return 0;
}

static handle_t start_child(const char *how)
{
    char *argv[] = { (char *)"blk_orphan", (char *)how, NULL };
    struct spawn_handle disks = { START_BLK, disk, RIGHT_SAME };

    return test_spawn("test/blk_orphan", argv, &disks, 1);
}

/* Read 8 sectors, as soon as others leave us room in the queue. */
static void read_some(uint64_t sector)
{
    int64_t st;

    while ((st = transfer(BLK_READ, 0, sector, 8)) == -EAGAIN)
        EXPECT(0, sys_thread_sleep(5 * MS));
    EXPECT(0, st);
}

/* A child's life; and requests of our own beside it, which must be the only ones that come back. */
static void round_of(bool kill)
{
    handle_t proc = start_child(kill ? "sleep" : "end");

    if (kill) {
        EXPECT(0, sys_thread_sleep(20 * MS));
        EXPECT(0, sys_process_kill(proc, 9));
    }
    read_some(0);
    EXPECT(kill ? 9 : 0, test_wait(proc));
    read_some(8);
}

static struct machine_info totals(void)
{
    struct machine_info m;

    EXPECT(0, sys_machine_info(start_handle(START_MACHINE), &m));
    return m;
}

/* What is cleaned up behind a process is soon done, but nobody tells us when. */
static struct machine_info settled(uint64_t shms)
{
    struct machine_info now = totals();

    for (int i = 0; i < 500 && now.shms > shms; i++) {
        EXPECT(0, sys_thread_sleep(10 * MS));
        now = totals();
    }
    EXPECT(0, now.shms - shms);
    return now;
}

int main(int argc, char **argv)
{
    struct machine_info before, after;
    uint64_t shms;

    blk_begin(SIZE);
    if (argc > 1)
        return child(argv[1]);
    shms = totals().shms;
    for (int i = 0; i < 4; i++)
        round_of(i % 2 == 0);
    before = settled(shms);
    for (int i = 0; i < 10; i++)
        round_of(i % 2 == 0);
    after = settled(shms);
    EXPECT(0, after.processes - before.processes);
    EXPECT(0, after.handles - before.handles);
    EXPECT(0, (int64_t)(before.free_pages - after.free_pages));
    test_mark("BLK: orphan ok");
    return 0;
}

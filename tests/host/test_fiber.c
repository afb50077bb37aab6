/*
 * When fsd says that one of its fibers is stuck: not while the disk or somebody who is all right can wake it, however
 * long that takes, and soon when nobody can, whatever others do meanwhile.
 *
 * SOURCES: services/fsd/fiber.c services/fsd/fiber_switch.S FLAGS: -include tests/host/fake/syscall.h
 */
#include <string.h>

#include "check.h"
#include "services/fsd/fiber.h"

static struct fiber_rwlock lock;
static unsigned on_disk;
static int disk, other; /* what is waited for */
static unsigned ended;

/* Looks until fsd would not answer any more, at most `most`. */
static unsigned looks(unsigned most)
{
    for (unsigned n = 1; n <= most; n++) {
        fiber_run();
        if (fiber_stuck())
            return n;
    }
    return 0;
}

static void begin(void (*fn)(void *arg), void *arg)
{
    CHECK(fiber_start(fn, arg));
    fiber_run();
}

static void wait_other(void *arg)
{
    (void)arg;
    fiber_wait(&other);
    ended++;
}

static void wait_disk(void *arg)
{
    (void)arg;
    while (on_disk > 0)
        fiber_wait_outside(&disk, &on_disk);
    ended++;
}

/* Holds the lock for as many transfers as arg says. */
static void transfer(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        on_disk = 1;
        fiber_wait_outside(&disk, &on_disk);
    }
}

static void change_disk(void *arg)
{
    fiber_write_lock(&lock);
    transfer((unsigned)(uintptr_t)arg);
    fiber_write_unlock(&lock);
    ended++;
}

static void read_disk(void *arg)
{
    fiber_read_lock(&lock);
    transfer((unsigned)(uintptr_t)arg);
    fiber_read_unlock(&lock);
    ended++;
}

static void change_other(void *arg)
{
    (void)arg;
    fiber_write_lock(&lock);
    fiber_wait(&other);
    fiber_write_unlock(&lock);
    ended++;
}

static void quick(void *arg)
{
    (void)arg;
    ended++;
}

static void yielding(void *arg)
{
    for (uintptr_t i = 0; i < (uintptr_t)arg; i++)
        fiber_yield();
    ended++;
}

static void finish_transfer(void)
{
    on_disk = 0;
    fiber_wake(&disk);
    fiber_run();
}

/* All fibers end; n of them. */
static void all_end(unsigned n)
{
    for (int i = 0; i < 100 && fiber_count() > 0; i++) {
        finish_transfer();
        fiber_wake(&other);
        fiber_run();
    }
    CHECK(fiber_count() == 0 && ended == n, "%u left, %u ended", fiber_count(), ended);
    CHECK(!fiber_stuck());
    ended = 0;
}

static void nobody_can_wake_it(void)
{
    CHECK(looks(20) == 0); /* no fibers */
    begin(wait_other, NULL);
    CHECK(looks(20) == FIBER_QUIET);
    CHECK(fiber_stuck());
    all_end(1);
    /* Two that wait for each other, or one after the other, are no better. */
    begin(change_other, NULL);
    begin(change_other, NULL);
    begin(read_disk, (void *)1);
    CHECK(looks(20) == FIBER_QUIET);
    all_end(3);
}

static void others_go_on(void)
{
    unsigned n = 0;

    begin(wait_other, NULL);
    for (; n < 20 && !fiber_stuck(); n++) {
        begin(quick, NULL);
        begin(wait_disk, NULL);
        begin(read_disk, (void *)3);
        finish_transfer();
    }
    CHECK(n == FIBER_QUIET - 1, "%u", n);
    fiber_wake(&other);
    fiber_run();
    CHECK(!fiber_stuck());
    ended = 0;
    for (int i = 0; i < 100; i++)
        finish_transfer();
    CHECK(fiber_count() == 0);
    ended = 0;
}

static void slow_disk(void)
{
    on_disk = 1;
    begin(wait_disk, NULL);
    CHECK(looks(100) == 0);
    on_disk = 0; /* it has answered, and the wake-up was lost */
    CHECK(looks(20) == 1);
    all_end(1);
    /* Behind a writer that does one transfer after the other; each takes longer than our patience. */
    begin(change_disk, (void *)10);
    begin(read_disk, (void *)1);
    begin(change_disk, (void *)1);
    begin(read_disk, (void *)1);
    for (int i = 0; i < 10; i++) {
        CHECK(looks(3 * FIBER_QUIET) == 0);
        finish_transfer();
    }
    all_end(4);
}

/* A writer waits for readers, who pass it and are younger than it. */
static void young_readers(void)
{
    begin(read_disk, (void *)2);
    begin(change_disk, (void *)1);
    for (int i = 0; i < FIBER_PASS - 2; i++) {
        begin(read_disk, (void *)2);
        CHECK(looks(3 * FIBER_QUIET) == 0);
        finish_transfer();
    }
    all_end(FIBER_PASS);
}

/* What an older one that works may still do for it is waited for, and not longer. */
static void older_ones_may_help(void)
{
    begin(yielding, (void *)10);
    begin(wait_other, NULL);
    unsigned n = looks(40);
    CHECK(n > FIBER_QUIET + 2 && n <= 12, "%u", n);
    all_end(2);
    begin(wait_other, NULL);
    begin(yielding, (void *)30);
    CHECK(looks(40) == FIBER_QUIET);
    for (int i = 0; i < 40; i++)
        fiber_run();
    all_end(2);
}

int main(void)
{
    for (int round = 0; round < 3; round++) { /* fibers are used again */
        nobody_can_wake_it();
        others_go_on();
        slow_disk();
        young_readers();
        older_ones_may_help();
    }
    return check_done("fiber");
}

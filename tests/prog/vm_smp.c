/*
 * `test=vm.smp [rounds=N]`: several threads on one address space. Translations that a CPU holds are forgotten when another
 * CPU unmaps, protects or discards the page; pages that several touch at once come once; whatever is done to a range by
 * all of them at once, nothing is lost or left over in the end.
 *
 * The kernel's own copies are what touches memory that may not be there: they fail where a touch would kill.
 */
#include <rugo/thread.h>

#include "tests/prog/stress.h"

enum { HELPERS_MAX = 8, SHARED_PAGES = 64 };

static struct thread threads[HELPERS_MAX];
static unsigned helpers;
static uint64_t rounds;

/* ---- doing a thing at the same time ---- */

/*
 * The number of the step, and how many helpers have done it. Who waits tries for a while first, so that its CPU keeps
 * what it knows and stays in the address space; then it sleeps, and comes back to what the CPU kept.
 */
static uint32_t step, finished;
static void (*volatile work)(unsigned self);

static void wait_while(uint32_t *word, uint32_t value, unsigned spins)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == value) {
        if (spins-- > 0)
            __builtin_ia32_pause();
        else
            (void)sys_futex_wait((uintptr_t)word, value, TIMEOUT_NEVER, 0);
    }
}

static int helper(void *arg)
{
    unsigned self = (unsigned)(uintptr_t)arg;

    for (uint32_t done = 0;; done++) {
        wait_while(&step, done, done % 2 ? 0 : 2000);
        if (work == NULL)
            return 0;
        work(self);
        __atomic_fetch_add(&finished, 1, __ATOMIC_RELEASE);
        (void)sys_futex_wake((uintptr_t)&finished, 1, 0);
    }
}

static void begin(void (*fn)(unsigned self))
{
    work = fn;
    __atomic_store_n(&finished, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&step, 1, __ATOMIC_RELEASE);
    (void)sys_futex_wake((uintptr_t)&step, HELPERS_MAX, 0);
}

static void end(void)
{
    for (uint32_t n; (n = __atomic_load_n(&finished, __ATOMIC_ACQUIRE)) < helpers;)
        wait_while(&finished, n, 100);
}

/* All helpers do fn, and are done when this returns. */
static void together(void (*fn)(unsigned self))
{
    begin(fn);
    end();
}

/* ---- what a CPU still knows ---- */

static volatile uint64_t *place; /* a page that goes and comes */
static uint64_t expected;
static int64_t wanted;

static void see(unsigned self)
{
    (void)self;
    EXPECT(expected, *place);
}

/* Try to write by a copy of the kernel, past what the others look at. */
static void copy(unsigned self)
{
    struct process_info *at = (void *)((uintptr_t)place + 512);

    EXPECT(wanted, sys_process_info(HANDLE_SELF, &at[self]));
}

static void map_place(uint32_t prot)
{
    EXPECT((uintptr_t)place, sys_vm_map(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE, prot, VM_FIXED));
}

static void unmap_place(void)
{
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE));
}

/* Unmapped and mapped again, the page shows its new contents and not the old frame. */
static void test_remap(void)
{
    for (uint64_t i = 1; i <= rounds; i++) {
        map_place(VM_READ | VM_WRITE);
        expected = 0;
        if (i % 2)
            together(see);
        *place = expected = i;
        together(see);
        wanted = 0;
        together(copy);
        unmap_place();
        wanted = -EFAULT;
        together(copy);
    }
}

/* What may not be written any more is not. */
static void test_protect(void)
{
    map_place(VM_READ | VM_WRITE);
    for (uint64_t i = 1; i <= rounds; i++) {
        wanted = 0;
        together(copy);
        EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE, i % 2 ? VM_READ : 0));
        wanted = -EFAULT;
        together(copy);
        EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE, VM_READ | VM_WRITE));
    }
    unmap_place();
}

/* What was given back shows zeros, and what was written to a copy shows everywhere at once. */
static void test_discard(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    uint32_t prot = VM_READ | VM_WRITE;
    volatile uint64_t *shared = (void *)NEED(sys_shm_map(HANDLE_SELF, shm, 0, PAGE_SIZE, 0, prot));

    *shared = 5;
    EXPECT((uintptr_t)place, sys_shm_map(HANDLE_SELF, shm, 0, PAGE_SIZE, (uintptr_t)place,
                                         prot | VM_PRIVATE | VM_FIXED));
    for (uint64_t i = 1; i <= rounds; i++) {
        expected = 5;
        together(see);
        *place = expected = 1000 + i;
        together(see);
        EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE));
    }
    EXPECT(5, *shared);
    unmap_place();
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)shared, PAGE_SIZE));
    EXPECT(0, sys_handle_close(shm));
    map_place(prot);
    for (uint64_t i = 1; i <= rounds; i++) {
        *place = expected = i;
        together(see);
        EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)place, PAGE_SIZE));
        expected = 0;
        together(see);
    }
    unmap_place();
}

/* ---- an object that shrinks under those who write to it ---- */

static uintptr_t window; /* SHARED_PAGES of it */

static void write_window(unsigned self)
{
    for (size_t i = 0; i < SHARED_PAGES; i++) {
        int64_t st = sys_process_info(HANDLE_SELF, (void *)(window + i * PAGE_SIZE + self * 256));
        EXPECT_TRUE(st == 0 || (st == -EFAULT && i > 0));
    }
}

static void test_resize(void)
{
    size_t size = SHARED_PAGES * PAGE_SIZE;
    handle_t shm = NEED_HANDLE(sys_shm_create(size, 0));

    window = (uintptr_t)NEED(sys_shm_map(HANDLE_SELF, shm, 0, size, 0, VM_READ | VM_WRITE));
    for (uint64_t k = 0; k < rounds / 2 + 1; k++) {
        begin(write_window);
        EXPECT(0, sys_shm_resize(shm, PAGE_SIZE));
        end();
        EXPECT(0, sys_shm_resize(shm, size));
        for (size_t i = PAGE_SIZE; i < size; i += PAGE_SIZE)
            for (unsigned self = 0; self < helpers; self++)
                EXPECT(0, *(volatile uint64_t *)(window + i + self * 256));
    }
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, window, size));
    EXPECT(0, sys_handle_close(shm));
}

/* ---- pages that all touch at once ---- */

static volatile uint64_t *fresh;

static void touch(unsigned self)
{
    for (size_t i = 0; i < SHARED_PAGES; i++)
        fresh[i * PAGE_SIZE / 8 + self] += i + self;
}

/* Of anonymous memory, and copies of an object's. */
static void test_touch(void)
{
    size_t size = SHARED_PAGES * PAGE_SIZE;
    uint32_t prot = VM_READ | VM_WRITE;
    handle_t shm = NEED_HANDLE(sys_shm_create(size, 0));

    for (uint64_t k = 0; k < rounds / 4 + 1; k++) {
        fresh = (void *)NEED(k % 2 ? sys_vm_map(HANDLE_SELF, 0, size, prot, 0)
                                   : sys_shm_map(HANDLE_SELF, shm, 0, size, 0, prot | VM_PRIVATE));
        together(touch);
        for (size_t i = 0; i < SHARED_PAGES; i++)
            for (unsigned self = 0; self < helpers; self++)
                EXPECT(i + self, fresh[i * PAGE_SIZE / 8 + self]);
        EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)fresh, size));
    }
    EXPECT(0, sys_handle_close(shm));
}

/* ---- a mapping each, at addresses that another has just left ---- */

static void churn(unsigned self)
{
    for (uint64_t k = 1; k <= rounds; k++) {
        volatile uint64_t *p =
            (void *)NEED(sys_vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE, VM_READ | VM_WRITE, 0));
        uint64_t mine = k << 8 | self;

        EXPECT(0, p[0]);
        EXPECT(0, p[PAGE_SIZE / 8]);
        p[0] = p[PAGE_SIZE / 8] = mine;
        if (k % 16 == 0)
            (void)sys_yield();
        EXPECT(mine, p[0]);
        EXPECT(mine, p[PAGE_SIZE / 8]);
        EXPECT(0, sys_vm_unmap(HANDLE_SELF, (uintptr_t)p, 2 * PAGE_SIZE));
    }
}

/* ---- everything at once ---- */

static uintptr_t arena;

static void one_of(int64_t got, const int64_t *allowed, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (got == allowed[i])
            return;
    EXPECT(allowed[0], got);
}

static void chaos(unsigned self)
{
    struct rng r = { .state = stress_option("seed", 1) + self * 77777 + rounds };

    for (uint64_t k = 0; k < rounds * 4; k++) {
        uintptr_t at = arena + rng_below(&r, SHARED_PAGES) * PAGE_SIZE;
        size_t len = (1 + rng_below(&r, 8)) * PAGE_SIZE;
        uint32_t prot = (uint32_t)rng_below(&r, 4);
        int64_t st;

        switch (rng_below(&r, 8)) {
        case 0:
            st = sys_vm_map(HANDLE_SELF, at, len, prot, VM_FIXED);
            one_of(st, (int64_t[]){ (int64_t)at, -EEXIST }, 2);
            break;
        case 1: EXPECT(0, sys_vm_unmap(HANDLE_SELF, at, len)); break;
        case 2:
            st = sys_vm_protect(HANDLE_SELF, at, len, prot);
            one_of(st, (int64_t[]){ 0, -EINVAL }, 2);
            break;
        case 3:
            st = sys_vm_commit(HANDLE_SELF, at, len);
            one_of(st, (int64_t[]){ 0, -EINVAL }, 2);
            break;
        case 4:
            st = sys_vm_decommit(HANDLE_SELF, at, len);
            one_of(st, (int64_t[]){ 0, -EINVAL }, 2);
            break;
        default:
            st = sys_process_info(HANDLE_SELF, (void *)(at + self * 256));
            one_of(st, (int64_t[]){ 0, -EFAULT }, 2);
        }
    }
}

static void test_chaos(void)
{
    together(chaos);
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, arena, 2 * SHARED_PAGES * PAGE_SIZE));
}

/* ---- */

/* A range of len bytes that nothing else is mapped in. */
static uintptr_t free_range(size_t len)
{
    uintptr_t at = (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0x500000000000, len, 0, 0));

    EXPECT(0, sys_vm_unmap(HANDLE_SELF, at, len));
    return at;
}

static void run_all(void)
{
    test_remap();
    test_protect();
    test_discard();
    test_resize();
    test_touch();
    together(churn);
    test_chaos();
}

/* What the child does. */
static int hammer(void)
{
    struct machine_info info;

    rounds = stress_option("rounds", 100);
    stress_totals(&info);
    helpers = info.cpus > 2 ? info.cpus - 1 : 2;
    EXPECT_TRUE(helpers <= HELPERS_MAX);
    place = (void *)free_range(PAGE_SIZE);
    arena = free_range(2 * SHARED_PAGES * PAGE_SIZE);
    for (unsigned i = 0; i < helpers; i++)
        NEED(thread_start(&threads[i], helper, (void *)(uintptr_t)i, 0));
    run_all();
    begin(NULL);
    for (unsigned i = 0; i < helpers; i++)
        NEED(thread_join(&threads[i], NULL));
    return 0;
}

static void run_child(void)
{
    char *argv[] = { "vm_smp", "hammer", NULL };
    struct spawn_handle machine = { START_MACHINE, start_handle(START_MACHINE), RIGHT_SAME };

    EXPECT(0, test_wait(test_spawn("test/vm_smp", argv, &machine, 1)));
}

int main(int argc, char **argv)
{
    struct machine_info before, after;

    (void)argv;
    if (argc > 1)
        return hammer();
    run_child();
    /* A slab that was half full may be a new one now, once; what leaks is missing again each time. */
    for (int tries = 1;; tries++) {
        stress_settled(&before);
        run_child();
        stress_settled(&after);
        if (after.free_pages >= before.free_pages)
            break;
        EXPECT_TRUE(tries < 5);
    }
    printf("vm_smp: cpus=%u rounds=%llu\n", before.cpus,
           (unsigned long long)stress_option("rounds", 100));
    test_mark("VM: smp ok");
    return 0;
}

/*
 * `test=vm.rules`: what memory calls do and what they refuse: reserving, committing, discarding, private mappings of
 * objects, objects that change their size, seals. Each error leaves everything as it was.
 */
#include "tests/prog/stress.h"

enum { MIB = 1 << 20, RW = VM_READ | VM_WRITE };
#define GIB      (UINT64_C(1) << 30)
#define PAGES(n) ((size_t)(n) * PAGE_SIZE)

static handle_t job;

/* ---- looking without dying: the kernel's copies fail where a touch would kill ---- */

/* 0 if the address can be written; it is not changed but for the copy. */
static int64_t try_write(uintptr_t at)
{
    return sys_process_info(HANDLE_SELF, (void *)at);
}

/* 0 if the address can be read. */
static int64_t try_read(uintptr_t at)
{
    int64_t st = sys_futex_wait(at, 0, 0, 0);

    return st == -EAGAIN || st == -ETIMEDOUT ? 0 : st;
}

static uint64_t own_pages(void)
{
    struct process_info info;

    NEED(sys_process_info(HANDLE_SELF, &info));
    return info.pages;
}

static volatile uint64_t *words(int64_t at)
{
    return (volatile uint64_t *)at;
}

static void unmap(uintptr_t at, size_t len)
{
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, at, len));
}

/* ---- the errors that all calls on a range share ---- */

static void test_bad_ranges(void)
{
    static const struct {
        uintptr_t addr;
        size_t len;
    } bad[] = {
        { 0, PAGE_SIZE },
        { 0x600000000000, 0 },
        { 0x600000000001, PAGE_SIZE },
        { 0x600000000000, 17 },
        { USER_MAX, PAGE_SIZE },
        { USER_MAX - PAGE_SIZE, PAGES(2) },
        { 0x600000000000, SIZE_MAX & ~UINT64_C(4095) },
        { UINT64_C(0xffff800000000000), PAGE_SIZE },
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uintptr_t a = bad[i].addr;
        size_t n = bad[i].len;
        EXPECT(-EINVAL, sys_vm_reserve(HANDLE_SELF, a, n, VM_FIXED));
        EXPECT(-EINVAL, sys_vm_map(HANDLE_SELF, a, n, RW, VM_FIXED));
        EXPECT(-EINVAL, sys_vm_unmap(HANDLE_SELF, a, n));
        EXPECT(-EINVAL, sys_vm_commit(HANDLE_SELF, a, n));
        EXPECT(-EINVAL, sys_vm_decommit(HANDLE_SELF, a, n));
        EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, a, n, VM_READ));
    }
}

static void test_bad_handles(void)
{
    handle_t weak = NEED_HANDLE(sys_process_create(job, "weak", 4));
    handle_t inspect = NEED_HANDLE(sys_handle_dup(weak, RIGHT_INSPECT, 0, 0));

    EXPECT(-EBADF, sys_vm_reserve(12345, 0, PAGE_SIZE, 0));
    EXPECT(-EBADF, sys_vm_commit(12345, 0x600000000000, PAGE_SIZE));
    EXPECT(-EBADF, sys_vm_decommit(12345, 0x600000000000, PAGE_SIZE));
    EXPECT(-ENODEV, sys_vm_reserve(job, 0, PAGE_SIZE, 0));
    EXPECT(-ENODEV, sys_vm_commit(job, 0x600000000000, PAGE_SIZE));
    EXPECT(-EACCES, sys_vm_reserve(inspect, 0, PAGE_SIZE, 0));
    EXPECT(-EACCES, sys_vm_commit(inspect, 0x600000000000, PAGE_SIZE));
    EXPECT(-EACCES, sys_vm_decommit(inspect, 0x600000000000, PAGE_SIZE));
    uintptr_t at = (uintptr_t)NEED(sys_vm_reserve(weak, 0, PAGE_SIZE, 0));
    EXPECT(0, sys_vm_commit(weak, at, PAGE_SIZE));
    EXPECT(0, sys_vm_decommit(weak, at, PAGE_SIZE));
    NEED(sys_handle_close(inspect));
    NEED(sys_process_kill(weak, 9));
    EXPECT(-ESRCH, sys_vm_reserve(weak, 0, PAGE_SIZE, 0));
    NEED(sys_handle_close(weak));
}

/* ---- reserving and committing ---- */

static void test_reserve(void)
{
    static const uintptr_t hints[] = { UINT64_C(0xc000000000), UINT64_C(0xb08c4000000),
                                       UINT64_C(0x3ff000000000), UINT64_C(0x7f0000000000) };
    uint64_t before = own_pages();

    for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
        EXPECT(hints[i], sys_vm_reserve(HANDLE_SELF, hints[i], GIB, 0));
        EXPECT(-EEXIST,
               sys_vm_reserve(HANDLE_SELF, hints[i] + GIB - PAGE_SIZE, PAGES(2), VM_FIXED));
        int64_t other = NEED(sys_vm_reserve(HANDLE_SELF, hints[i], GIB, 0));
        EXPECT_TRUE((uintptr_t)other != hints[i]);
        unmap((uintptr_t)other, GIB);
        EXPECT(-EFAULT, try_read(hints[i]));
        EXPECT(-EFAULT, try_write(hints[i] + GIB - PAGE_SIZE));
        unmap(hints[i], GIB);
    }
    uintptr_t big = (uintptr_t)NEED(sys_vm_reserve(HANDLE_SELF, 0, 256 * GIB, 0));
    uintptr_t huge = (uintptr_t)NEED(sys_vm_reserve(HANDLE_SELF, 0, 65536 * GIB, 0));
    EXPECT(before, own_pages());
    EXPECT(-ENOMEM, sys_vm_reserve(HANDLE_SELF, 0, 65536 * GIB, 0));
    EXPECT(-EINVAL, sys_vm_reserve(HANDLE_SELF, 0, GIB, VM_READ));
    EXPECT(-EINVAL, sys_vm_reserve(HANDLE_SELF, 0, GIB, VM_PRIVATE));
    unmap(huge, 65536 * GIB);
    unmap(big, 256 * GIB);
    EXPECT(before, own_pages());
}

static void test_commit(void)
{
    uintptr_t at = (uintptr_t)NEED(sys_vm_reserve(HANDLE_SELF, 0, GIB, 0));
    uint64_t before = own_pages();

    EXPECT(0, sys_vm_commit(HANDLE_SELF, at + 4 * MIB, 4 * MIB));
    EXPECT(before, own_pages());                /* pages come when touched */
    EXPECT(-EFAULT, try_read(at + 4 * MIB - PAGE_SIZE));
    EXPECT(-EFAULT, try_read(at + 8 * MIB));
    EXPECT(0, *words((int64_t)at + 4 * MIB));
    *words((int64_t)at + 4 * MIB) = 7;
    EXPECT_TRUE(own_pages() > before && own_pages() <= before + 4); /* it, and its page tables */
    EXPECT(0, sys_vm_commit(HANDLE_SELF, at + 4 * MIB, 4 * MIB));
    EXPECT(0, sys_vm_commit(HANDLE_SELF, at, 16 * MIB));
    EXPECT(7, *words((int64_t)at + 4 * MIB)); /* committing again keeps what is there */
    for (size_t i = 0; i < 64; i++) /* single pages here and there */
        EXPECT(0, sys_vm_commit(HANDLE_SELF, at + 512 * MIB + i * 2 * PAGE_SIZE, PAGE_SIZE));
    EXPECT(-EFAULT, try_read(at + 512 * MIB + PAGE_SIZE));
    EXPECT(0, sys_vm_commit(HANDLE_SELF, at + 512 * MIB, PAGES(128)));
    *words((int64_t)(at + 512 * MIB) + (int64_t)PAGES(127)) = 1;
    EXPECT(0, sys_vm_protect(HANDLE_SELF, at + 4 * MIB, PAGE_SIZE, VM_READ));
    EXPECT(-EFAULT, try_write(at + 4 * MIB));
    EXPECT(0, sys_vm_commit(HANDLE_SELF, at + 4 * MIB, PAGE_SIZE));
    EXPECT(7, *words((int64_t)at + 4 * MIB));
    EXPECT(0, try_write(at + 4 * MIB));
    unmap(at + GIB - PAGE_SIZE, PAGE_SIZE); /* a hole: nothing of it happens */
    EXPECT(-EINVAL, sys_vm_commit(HANDLE_SELF, at + GIB - PAGES(4), PAGES(8)));
    EXPECT(-EFAULT, try_read(at + GIB - PAGES(4)));
    unmap(at, GIB);
    EXPECT(-EINVAL, sys_vm_commit(HANDLE_SELF, at, PAGE_SIZE));
}

static void test_decommit(void)
{
    int64_t at = NEED(sys_vm_map(HANDLE_SELF, 0, PAGES(8), RW, 0));

    for (size_t i = 0; i < 8; i++)
        words(at)[i * PAGE_SIZE / 8] = i + 1;
    uint64_t before = own_pages();
    EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)at + PAGES(2), PAGES(3)));
    EXPECT(before - 3, own_pages());
    for (size_t i = 0; i < 8; i++)
        EXPECT(i >= 2 && i < 5 ? 0 : i + 1, words(at)[i * PAGE_SIZE / 8]);
    words(at)[2 * PAGE_SIZE / 8] = 9; /* it is still committed */
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGES(4), 0));
    EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)at, PAGES(4)));
    EXPECT(-EFAULT, try_read((uintptr_t)at)); /* the protection stays */
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGES(4), VM_READ));
    EXPECT(0, words(at)[2 * PAGE_SIZE / 8]);
    unmap((uintptr_t)at + PAGES(6), PAGE_SIZE);
    EXPECT(-EINVAL, sys_vm_decommit(HANDLE_SELF, (uintptr_t)at + PAGES(5), PAGES(3)));
    EXPECT(6, words(at)[5 * PAGE_SIZE / 8]); /* nothing has happened */
    unmap((uintptr_t)at, PAGES(8));
}

/* A mapping can be trimmed at both ends and in the middle, wherever pages are. */
static void test_trim(void)
{
    int64_t at = NEED(sys_vm_reserve(HANDLE_SELF, 0, 64 * MIB + 4 * MIB, 0));
    uintptr_t start = ((uintptr_t)at + 4 * MIB - 1) & ~(uintptr_t)(4 * MIB - 1);

    if (start > (uintptr_t)at)
        unmap((uintptr_t)at, start - (uintptr_t)at);
    unmap(start + 64 * MIB, (uintptr_t)at + 68 * MIB - (start + 64 * MIB));
    EXPECT(0, sys_vm_commit(HANDLE_SELF, start, 64 * MIB));
    *words((int64_t)start) = 1;
    *words((int64_t)start + 63 * MIB) = 2;
    unmap(start + 8 * MIB, 8 * MIB);
    EXPECT(-EFAULT, try_read(start + 8 * MIB));
    EXPECT(0, try_read(start + 16 * MIB));
    EXPECT(start + 8 * MIB, sys_vm_map(HANDLE_SELF, start + 8 * MIB, 8 * MIB, VM_READ, VM_FIXED));
    EXPECT(2, *words((int64_t)start + 63 * MIB));
    unmap(start, 64 * MIB);
}

static void test_protect(void)
{
    int64_t at = NEED(sys_vm_map(HANDLE_SELF, 0, PAGES(2), RW, 0));

    EXPECT(-EINVAL, sys_vm_map(HANDLE_SELF, 0, PAGE_SIZE, RW | VM_EXEC, 0));
    EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, VM_WRITE | VM_EXEC));
    EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, 8));
    EXPECT(-EINVAL, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGES(3), VM_READ));
    EXPECT(0, try_write((uintptr_t)at));
    *words(at) = 5;
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, 0));
    EXPECT(-EFAULT, try_read((uintptr_t)at));
    EXPECT(0, try_write((uintptr_t)at + PAGE_SIZE));
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, VM_READ | VM_EXEC));
    EXPECT(5, *words(at));
    EXPECT(-EFAULT, try_write((uintptr_t)at));
    unmap((uintptr_t)at, PAGES(2));
}

/* ---- memory objects ---- */

static int64_t map_object(handle_t shm, size_t len, uint32_t prot_flags)
{
    return sys_shm_map(HANDLE_SELF, shm, 0, len, 0, prot_flags);
}

/* A handle to the same object with fewer rights. */
static handle_t weaker(handle_t shm, uint32_t rights)
{
    return NEED_HANDLE(sys_handle_dup(shm, rights, 0, 0));
}

static struct shm_info info_of(handle_t shm)
{
    struct shm_info info;

    EXPECT(0, sys_shm_info(shm, &info));
    return info;
}

static void test_private(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGES(4), 0)), reader = weaker(shm, RIGHT_READ);
    int64_t shared = NEED(map_object(shm, PAGES(4), RW));

    for (size_t i = 0; i < 4; i++)
        words(shared)[i * PAGE_SIZE / 8] = i + 1;
    int64_t copy = NEED(map_object(reader, PAGES(4), RW | VM_PRIVATE));
    EXPECT(1, words(copy)[0]);
    words(shared)[0] = 10; /* not copied yet: the object's page */
    EXPECT(10, words(copy)[0]);
    uint64_t before = own_pages();
    words(copy)[0] = 20;
    EXPECT(before + 1, own_pages());
    EXPECT(10, words(shared)[0]);
    words(shared)[0] = 30;
    EXPECT(20, words(copy)[0]);
    words(copy)[3 * PAGE_SIZE / 8] = 40; /* written before it was ever read */
    EXPECT(0, words(copy)[3 * PAGE_SIZE / 8 + 1]);
    EXPECT(4, words(shared)[3 * PAGE_SIZE / 8]);
    EXPECT(0, sys_vm_decommit(HANDLE_SELF, (uintptr_t)copy, PAGES(4)));
    EXPECT(before, own_pages());
    EXPECT(30, words(copy)[0]); /* the copies are gone, the object shows */
    EXPECT(4, words(copy)[3 * PAGE_SIZE / 8]);
    EXPECT(-EINVAL, sys_vm_decommit(HANDLE_SELF, (uintptr_t)shared, PAGE_SIZE));
    EXPECT(-EINVAL, sys_vm_commit(HANDLE_SELF, (uintptr_t)shared, PAGE_SIZE));
    EXPECT(-EINVAL, sys_vm_commit(HANDLE_SELF, (uintptr_t)copy, PAGE_SIZE));
    EXPECT(2, info_of(reader).mappings);
    unmap((uintptr_t)copy, PAGES(4));
    unmap((uintptr_t)shared, PAGES(4));
    NEED(sys_handle_close(reader));
    NEED(sys_handle_close(shm));
}

static void test_rights(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGES(2), 0)), reader = weaker(shm, RIGHT_READ);
    handle_t blind = weaker(shm, RIGHT_WRITE);

    EXPECT(-EACCES, map_object(reader, PAGE_SIZE, RW));
    EXPECT(-EACCES, map_object(reader, PAGE_SIZE, VM_READ | VM_EXEC));
    EXPECT(-EACCES, map_object(reader, PAGE_SIZE, VM_READ | VM_EXEC | VM_PRIVATE));
    EXPECT(-EACCES, map_object(blind, PAGE_SIZE, VM_READ));
    EXPECT(-EACCES, map_object(blind, PAGE_SIZE, RW | VM_PRIVATE));
    EXPECT(-EINVAL, map_object(shm, PAGE_SIZE, RW | VM_EXEC | VM_PRIVATE));
    EXPECT(-EINVAL, map_object(shm, PAGE_SIZE, 0x400 | VM_READ));
    EXPECT(-EINVAL, map_object(shm, PAGES(3), VM_READ | VM_PRIVATE));
    int64_t r = NEED(map_object(reader, PAGE_SIZE, VM_READ));
    EXPECT(-EACCES, sys_vm_protect(HANDLE_SELF, (uintptr_t)r, PAGE_SIZE, RW));
    EXPECT(-EFAULT, try_write((uintptr_t)r));
    int64_t p = NEED(map_object(reader, PAGE_SIZE, VM_READ | VM_PRIVATE));
    EXPECT(-EFAULT, try_write((uintptr_t)p));
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)p, PAGE_SIZE, RW));
    *words(p) = 3;
    EXPECT(0, *words(r));
    EXPECT(-EACCES, sys_vm_protect(HANDLE_SELF, (uintptr_t)p, PAGE_SIZE, VM_READ | VM_EXEC));
    /* A loader writes to private memory whatever its protection, to shared memory never. */
    uint64_t nine = 9;
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)p, PAGE_SIZE, VM_READ));
    EXPECT(8, sys_process_write(HANDLE_SELF, (uintptr_t)p, &nine, 8));
    EXPECT(9, *words(p));
    EXPECT(-EREMOTEIO, sys_process_write(HANDLE_SELF, (uintptr_t)r, &nine, 8));
    EXPECT(0, *words(r));
    EXPECT(-EACCES, sys_shm_resize(reader, PAGES(4)));
    EXPECT(-EACCES, sys_shm_seal(reader, SHM_SEAL_SHRINK));
    unmap((uintptr_t)r, PAGE_SIZE);
    unmap((uintptr_t)p, PAGE_SIZE);
    NEED(sys_handle_close(blind));
    NEED(sys_handle_close(reader));
    NEED(sys_handle_close(shm));
}

static void test_resize(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGES(4), 0));
    int64_t at = NEED(map_object(shm, PAGES(4), RW)), copy;

    for (size_t i = 0; i < 4; i++)
        words(at)[i * PAGE_SIZE / 8] = i + 1;
    copy = NEED(map_object(shm, PAGES(4), RW | VM_PRIVATE));
    words(copy)[3 * PAGE_SIZE / 8] = 44;
    EXPECT(3, words(copy)[2 * PAGE_SIZE / 8]);
    EXPECT(4, info_of(shm).resident);
    EXPECT(0, sys_shm_resize(shm, PAGES(2)));
    EXPECT(2, info_of(shm).resident);
    EXPECT(PAGES(2), info_of(shm).size);
    EXPECT(PAGES(2), sys_shm_size(shm));
    EXPECT(2, words(at)[PAGE_SIZE / 8]);
    EXPECT(-EFAULT, try_read((uintptr_t)at + PAGES(2)));
    EXPECT(-EFAULT, try_write((uintptr_t)at + PAGES(3)));
    EXPECT(-EFAULT, try_read((uintptr_t)copy + PAGES(2)));
    EXPECT(44, words(copy)[3 * PAGE_SIZE / 8]); /* a copy is the process's own */
    EXPECT(-EINVAL, map_object(shm, PAGES(3), VM_READ));
    EXPECT(0, sys_shm_resize(shm, PAGES(3) - 5));
    EXPECT(PAGES(3), info_of(shm).size);
    EXPECT(0, words(at)[2 * PAGE_SIZE / 8]); /* new pages are zero */
    EXPECT(-EFAULT, try_read((uintptr_t)at + PAGES(3)));
    EXPECT(0, sys_shm_resize(shm, 16 * GIB));
    EXPECT(0, sys_shm_resize(shm, PAGES(3)));
    EXPECT(-EINVAL, sys_shm_resize(shm, 0));
    EXPECT(-EINVAL, sys_shm_resize(shm, 16 * GIB + 1));
    EXPECT(-EBADF, sys_shm_resize(12345, PAGE_SIZE));
    EXPECT(-ENODEV, sys_shm_resize(job, PAGE_SIZE));
    handle_t initrd = start_handle(START_INITRD);
    EXPECT(-EACCES, sys_shm_resize(initrd, PAGE_SIZE));
    unmap((uintptr_t)at, PAGES(4));
    unmap((uintptr_t)copy, PAGES(4));
    NEED(sys_handle_close(shm));
}

static void test_seals(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGES(2), 0)), wild;
    int64_t at = NEED(map_object(shm, PAGES(2), RW)), copy;

    EXPECT(-EINVAL, sys_shm_seal(shm, 0x10));
    EXPECT(0, sys_shm_seal(shm, 0));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_SHRINK));
    EXPECT(-EPERM, sys_shm_resize(shm, PAGE_SIZE));
    EXPECT(0, sys_shm_resize(shm, PAGES(3)));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_GROW));
    EXPECT(-EPERM, sys_shm_resize(shm, PAGES(4)));
    EXPECT(0, sys_shm_resize(shm, PAGES(3))); /* what it is already */
    *words(at) = 6;
    EXPECT(-EBUSY, sys_shm_seal(shm, SHM_SEAL_WRITE));
    EXPECT(SHM_SEAL_SHRINK | SHM_SEAL_GROW, info_of(shm).seals);
    *words(at) = 7;
    wild = NEED_HANDLE(sys_process_create(job, "wild", 4));
    int64_t theirs = NEED(sys_shm_map(wild, shm, 0, PAGE_SIZE, 0, RW));
    EXPECT(0, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGES(2), VM_READ));
    EXPECT(-EBUSY, sys_shm_seal(shm, SHM_SEAL_WRITE)); /* another process has it writable */
    EXPECT(0, sys_vm_unmap(wild, (uintptr_t)theirs, PAGE_SIZE));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_WRITE));
    EXPECT(-EPERM, map_object(shm, PAGE_SIZE, RW));
    EXPECT(-EPERM, sys_shm_map(wild, shm, 0, PAGE_SIZE, 0, RW));
    EXPECT(-EPERM, sys_vm_protect(HANDLE_SELF, (uintptr_t)at, PAGE_SIZE, RW));
    EXPECT(-EFAULT, try_write((uintptr_t)at));
    copy = NEED(map_object(shm, PAGE_SIZE, RW | VM_PRIVATE));
    *words(copy) = 8; /* nobody else sees it */
    EXPECT(7, *words(at));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_SEAL));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_WRITE | SHM_SEAL_GROW));
    EXPECT(SHM_SEAL_SHRINK | SHM_SEAL_GROW | SHM_SEAL_WRITE | SHM_SEAL_SEAL, info_of(shm).seals);
    NEED(sys_process_kill(wild, 9));
    NEED(sys_handle_close(wild));
    unmap((uintptr_t)at, PAGES(2));
    unmap((uintptr_t)copy, PAGE_SIZE);
    NEED(sys_handle_close(shm));
    shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    EXPECT(0, sys_shm_seal(shm, SHM_SEAL_SEAL));
    EXPECT(-EPERM, sys_shm_seal(shm, SHM_SEAL_SHRINK));
    EXPECT(-EBADF, sys_shm_seal(12345, 0));
    EXPECT(-ENODEV, sys_shm_seal(job, 0));
    NEED(sys_handle_close(shm));
}

static void test_info(void)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(1, 0));

    EXPECT(PAGE_SIZE, info_of(shm).size);
    EXPECT(0, info_of(shm).resident);
    EXPECT(-EFAULT, sys_shm_info(shm, (void *)8));
    EXPECT(-EBADF, sys_shm_info(12345, NULL));
    EXPECT(-ENODEV, sys_shm_info(job, NULL));
    NEED(sys_handle_close(shm));
}

/* ---- touching what is not there ends a program with SIGBUS, or SIGSEGV ---- */

/* `vm_rules touch KIND`: never comes back. */
static int touch(const char *kind)
{
    handle_t shm = NEED_HANDLE(sys_shm_create(PAGES(2), 0));
    int64_t at = NEED(map_object(shm, PAGES(2), RW));

    if (strcmp(kind, "shrunk") == 0)
        NEED(sys_shm_resize(shm, PAGE_SIZE));
    if (strcmp(kind, "reserved") == 0)
        at = NEED(sys_vm_reserve(HANDLE_SELF, 0, PAGES(2), 0));
    if (strcmp(kind, "unmapped") == 0)
        unmap((uintptr_t)at, PAGES(2));
    words(at)[PAGE_SIZE / 8] = 1;
    return 0;
}

static void expect_death(const char *kind, int signal)
{
    char *argv[] = { "vm_rules", "touch", (char *)kind, NULL };
    int status = test_wait(test_spawn("test/vm_rules", argv, NULL, 0));

    EXPECT(signal, status & 0x7f);
}

/* What lies below the first thread's stack can neither be touched nor mapped, wherever it was asked for. */
static void test_stack_guard(void)
{
    volatile char here = 0;
    uintptr_t own = (uintptr_t)&here & ~(uintptr_t)(PAGE_SIZE - 1), low = own;

    while (try_read(low - PAGE_SIZE) == 0)
        low -= PAGE_SIZE;
    EXPECT_TRUE(own - low > SPAWN_STACK / 2 && own - low < SPAWN_STACK);
    for (uintptr_t at = low - SPAWN_GUARD; at < low; at += PAGE_SIZE) {
        EXPECT(-EFAULT, try_read(at));
        EXPECT(-EEXIST, sys_vm_map(HANDLE_SELF, at, PAGE_SIZE, RW, VM_FIXED));
    }
    int64_t elsewhere = NEED(sys_vm_map(HANDLE_SELF, low - PAGE_SIZE, PAGE_SIZE, RW, 0));
    EXPECT_TRUE((uintptr_t)elsewhere + PAGE_SIZE <= low - SPAWN_GUARD ||
                (uintptr_t)elsewhere >= low);
    unmap((uintptr_t)elsewhere, PAGE_SIZE);
    uintptr_t below = low - SPAWN_GUARD - PAGE_SIZE;
    EXPECT(below, (uintptr_t)sys_vm_map(HANDLE_SELF, below, PAGE_SIZE, RW, VM_FIXED));
    unmap(below, PAGE_SIZE);
    EXPECT(0, sys_vm_decommit(HANDLE_SELF, low, own - low - PAGES(4)));
}

static void run_all(void)
{
    test_stack_guard();
    test_bad_ranges();
    test_bad_handles();
    test_reserve();
    test_commit();
    test_decommit();
    test_trim();
    test_protect();
    test_private();
    test_rights();
    test_resize();
    test_seals();
    test_info();
    expect_death("shrunk", 7);
    expect_death("reserved", 11);
    expect_death("unmapped", 11);
}

int main(int argc, char **argv)
{
    struct machine_info before, after;

    job = start_handle(START_JOB);
    if (argc > 2)
        return touch(argv[2]);
    run_all(); /* what is made once is made now */
    run_all();
    stress_settled(&before);
    run_all();
    stress_settled(&after);
    EXPECT(before.free_pages, after.free_pages);
    test_mark("VM: rules ok");
    return 0;
}

/*
 * `test=user.random`: random numbers of the kernel and of the library. The first ones are printed: the host compares
 * the runs of several machines.
 */
#include <rugo/random.h>
#include <rugo/thread.h>
#include <unistd.h>

#include "tests/prog/test.h"

enum { SIZE = 65536, THREADS = 4, NUMBERS = 2000 };

static unsigned char bytes[SIZE];
static uint64_t numbers[THREADS * NUMBERS];

static void first_numbers(void)
{
    const uint64_t *given = (const uint64_t *)getauxval(25); /* AT_RANDOM */
    uint64_t r[2];

    EXPECT_TRUE(given != NULL);
    EXPECT(sizeof(r), sys_random(r, sizeof(r)));
    printf("RANDOM: auxv=%016llx%016llx call=%016llx%016llx nonce=%s\n",
           (unsigned long long)given[0], (unsigned long long)given[1], (unsigned long long)r[0],
           (unsigned long long)r[1], test_nonce());
}

static void refusals(void)
{
    uintptr_t page =
        (uintptr_t)NEED(sys_vm_map(HANDLE_SELF, 0, 2 * PAGE_SIZE, VM_READ | VM_WRITE, 0));
    char *edge = (char *)page + PAGE_SIZE;

    EXPECT(0, sys_vm_unmap(HANDLE_SELF, page + PAGE_SIZE, PAGE_SIZE));
    EXPECT(0, sys_random(bytes, 0));
    EXPECT(-EFAULT, sys_random((void *)8, 8));
    EXPECT(-EFAULT, sys_random((void *)(uintptr_t)0xffffffff80000000, 8));
    EXPECT(-EFAULT, sys_random((void *)(uintptr_t)test_mark, 8));
    EXPECT(-EFAULT, sys_random(edge - 4, 8));
    EXPECT(-EFAULT, sys_random(edge - 1000, 1001));
    EXPECT(-EFAULT, sys_random(bytes, SIZE_MAX));
    EXPECT(4, sys_random(edge - 4, 4));
    EXPECT(0, sys_vm_unmap(HANDLE_SELF, page, PAGE_SIZE));
    EXPECT(-1, getentropy(bytes, 257));
    EXPECT(EIO, errno);
    EXPECT(0, getentropy(bytes, 256));
}

/* Every byte value and every bit about as often as it should: far outside by chance once in 10^9 machines. */
static void evenness(void)
{
    uint32_t count[256] = { 0 }, bits = 0;

    EXPECT(SIZE, sys_random(bytes, SIZE));
    for (size_t i = 0; i < SIZE; i++) {
        count[bytes[i]]++;
        bits += (uint32_t)__builtin_popcount(bytes[i]);
    }
    for (int i = 0; i < 256; i++)
        EXPECT_TRUE(count[i] > 256 - 120 && count[i] < 256 + 120);
    EXPECT_TRUE(bits > SIZE * 4 - 2500 && bits < SIZE * 4 + 2500);
    for (uint32_t bound = 1; bound < 40; bound++)
        EXPECT_TRUE(arc4random_uniform(bound) < bound);
    EXPECT(0, arc4random_uniform(0));
}

/* Odd lengths leave what is beside them alone. */
static void edges(void)
{
    for (size_t n = 0; n < 600; n++) {
        memset(bytes, 0, 1024);
        random_bytes(bytes + 100, n);
        for (size_t i = 0; i < 100; i++)
            EXPECT(0, bytes[i] | bytes[100 + n + i]);
    }
}

static int draw(void *arg)
{
    uint64_t *own = numbers + (uintptr_t)arg * NUMBERS;

    for (int i = 0; i < NUMBERS; i++)
        random_bytes(&own[i], sizeof(own[i]));
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Threads on all processors: no number comes twice. */
static void all_different(void)
{
    struct thread t[THREADS];

    for (uintptr_t i = 0; i < THREADS; i++)
        NEED(thread_start(&t[i], draw, (void *)i, 0));
    for (int i = 0; i < THREADS; i++)
        NEED(thread_join(&t[i], NULL));
    qsort(numbers, THREADS * NUMBERS, sizeof(numbers[0]), compare);
    for (int i = 1; i < THREADS * NUMBERS; i++)
        EXPECT_TRUE(numbers[i - 1] != numbers[i]);
}

/* A long request does not outlive its process by much. */
static void killed_while_drawing(void)
{
    char *argv[] = { "user_random", "draw", NULL };
    handle_t child = test_spawn("test/user_random", argv, NULL, 0);

    NEED(sys_thread_sleep(5 * MS));
    EXPECT(0, sys_process_kill(child, 9));
    EXPECT(9, test_wait(child));
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1) {
        size_t size = 32u << 20;
        int64_t at = NEED(sys_vm_map(HANDLE_SELF, 0, size, VM_READ | VM_WRITE, 0));

        for (;;)
            (void)sys_random((void *)at, size);
    }
    first_numbers();
    refusals();
    evenness();
    edges();
    all_different();
    killed_while_drawing();
    test_mark("RANDOM: ok");
    return 0;
}

/*
 * `test=user.smash`: the stack protector of programs. Children write past an array, in the first thread and in another:
 * each is ended with SIGABRT before the function returns. The word it keeps differs from process to process, is the
 * same for the threads of one, and ends strings. With an argument it is such a child.
 */
#include <rugo/thread.h>
#include <signal.h>

#include "tests/prog/test.h"

enum { ROOM = 16, CHILDREN = 8 };

/* By a pointer that gcc knows nothing of. */
__attribute__((noinline)) static int fill(size_t n)
{
    char array[ROOM];
    volatile char *volatile at = array;

    for (size_t i = 0; i < n; i++)
        at[i] = 'x';
    return array[0];
}

static uint64_t canary(void)
{
    uint64_t word;

    __asm__ volatile("mov %%fs:40, %0" : "=r"(word));
    return word;
}

static uint64_t seen[2];

static int in_thread(void *arg)
{
    seen[1] = canary();
    return fill((size_t)(uintptr_t)arg);
}

static int child_main(const char *how)
{
    struct thread t;

    if (!strcmp(how, "first"))
        return fill(4 * ROOM);
    if (!strcmp(how, "well"))
        return fill(ROOM) == 'x' ? 0 : 1;
    seen[0] = canary();
    EXPECT(0, thread_start(&t, in_thread,
                           (void *)(uintptr_t)(!strcmp(how, "thread") ? 4 * ROOM : ROOM), 0));
    EXPECT(0, thread_join(&t, NULL));
    /* The word, through the shm that the parent gave as START_BLK. */
    uint64_t *out;
    size_t size;

    NEED(shm_attach(start_handle(START_BLK), VM_READ | VM_WRITE, (void **)&out, &size));
    out[0] = seen[0];
    out[1] = seen[1];
    return 0;
}

static int run(const char *how, handle_t shm)
{
    char *argv[] = { (char *)"test/user_smash", (char *)how, NULL };
    struct spawn_handle more = { START_BLK, shm, RIGHT_SAME };

    return test_wait(test_spawn("test/user_smash", argv, &more, 1));
}

int main(int argc, char **argv)
{
    handle_t shm;
    uint64_t *words, found[CHILDREN];
    size_t size;

    if (argc > 1)
        return child_main(argv[1]);
    shm = NEED_HANDLE(sys_shm_create(PAGE_SIZE, 0));
    NEED(shm_attach(shm, VM_READ | VM_WRITE, (void **)&words, &size));
    EXPECT(0, run("well", shm));
    EXPECT(SIGABRT, run("first", shm));
    EXPECT(SIGABRT, run("thread", shm));
    for (int i = 0; i < CHILDREN; i++) {
        EXPECT(0, run("word", shm));
        EXPECT_TRUE(words[0] == words[1] && words[0] != 0 && (words[0] & 255) == 0);
        found[i] = words[0];
        for (int k = 0; k < i; k++)
            EXPECT_TRUE(found[k] != found[i]);
        EXPECT_TRUE(found[i] != canary());
    }
    EXPECT_TRUE(canary() != 0 && (canary() & 255) == 0);
    test_mark("SMASH: ok");
    return 0;
}

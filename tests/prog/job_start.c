/*
 * `test=job.start`: process_start as abi/syscall.def promises it, and that a failure leaves the child as it was; images of
 * files as memory objects (protocol file): shared while the file is the same, new when it has changed.
 */
#include <fcntl.h>
#include <rugo/file.h>
#include <rugo/proto_file.h>
#include <unistd.h>

#include "tests/prog/stress.h"

static handle_t empty_process(void)
{
    return NEED_HANDLE(sys_process_create(start_handle(START_JOB), "p", 1));
}

static uint32_t handles_of(handle_t p)
{
    struct process_info info;

    NEED(sys_process_info(p, &info));
    return info.handles;
}

static void refusals(void)
{
    handle_t p = empty_process(), timer = NEED_HANDLE(sys_timer_create());
    handle_t weak = NEED_HANDLE(sys_handle_dup(p, RIGHT_INSPECT, 0, 0));
    handle_t stuck = NEED_HANDLE(sys_handle_dup(timer, RIGHT_WAIT, 0, 0));
    uint64_t at = (uint64_t)NEED(sys_vm_map(p, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0));
    struct process_gift gifts[3] = { { START_JOB, timer, RIGHT_SAME, -1 },
                                     { START_NONE, timer, RIGHT_WAIT, 5 },
                                     { START_LOG, timer, RIGHT_SAME, -1 } };
    struct process_start good = { .entry = at,
                                  .stack = at + 1024,
                                  .table = at + 64,
                                  .gifts = (uintptr_t)gifts,
                                  .ngifts = 3 },
                         s = good;

    EXPECT(-EBADF, sys_process_start(4711, &s));
    EXPECT(-ENODEV, sys_process_start(timer, &s));
    EXPECT(-EACCES, sys_process_start(weak, &s));
    EXPECT(-EFAULT, sys_process_start(p, NULL));
    s.flags = 1;
    EXPECT(-EINVAL, sys_process_start(p, &s));
    s = good;
    s.ngifts = GIFT_MAX + 1;
    EXPECT(-EINVAL, sys_process_start(p, &s));
    s = good;
    s.entry = USER_MAX;
    EXPECT(-EINVAL, sys_process_start(p, &s));
    s = good;
    s.tls = USER_MAX;
    EXPECT(-EINVAL, sys_process_start(p, &s));
    s = good;
    s.image = USER_MAX;
    EXPECT(-EINVAL, sys_process_start(p, &s));
    s = good;
    s.gifts = 16;
    EXPECT(-EFAULT, sys_process_start(p, &s));
    s = good;
    s.data = 16;
    s.data_len = 8;
    EXPECT(-EFAULT, sys_process_start(p, &s));
    s = good;
    s.data = (uintptr_t)gifts;
    s.data_len = 48;
    s.stack = at + PAGE_SIZE - 8;
    EXPECT(-EREMOTEIO, sys_process_start(p, &s));
    s = good;
    s.table = at + PAGE_SIZE;
    EXPECT(-EREMOTEIO, sys_process_start(p, &s));
    EXPECT(0, handles_of(p)); /* all three were taken back */
    gifts[2].handle = stuck;
    EXPECT(-EACCES, sys_process_start(p, &good));
    gifts[2].handle = HANDLE_NONE;
    EXPECT(-EBADF, sys_process_start(p, &good));
    gifts[2].handle = timer;
    gifts[2].rights = RIGHT_SEND;
    EXPECT(-EACCES, sys_process_start(p, &good));
    gifts[2].rights = 1u << 30;
    EXPECT(-EINVAL, sys_process_start(p, &good));
    gifts[2].rights = RIGHT_SAME;
    gifts[2].at = HANDLE_FD_MAX;
    EXPECT(-EINVAL, sys_process_start(p, &good));
    gifts[2].at = -1;
    EXPECT(0, handles_of(p));
    EXPECT(-EBUSY,
           sys_process_start(HANDLE_SELF, &(struct process_start){ .entry = 4096, .stack = 4096 }));
    NEED(sys_process_start(p, &good));
    NEED(handle_wait(p, EV_EXITED, 5000 * MS)); /* there is no program at its entry */
    EXPECT(-ESRCH, sys_process_start(p, &good));
    NEED(sys_handle_close(p));
    NEED(sys_handle_close(weak));
    NEED(sys_handle_close(stuck));
    NEED(sys_handle_close(timer));
}

/* At the limit of the child's job nothing is given and nothing runs. */
static void limits(void)
{
    handle_t job = NEED_HANDLE(sys_job_create(start_handle(START_JOB)));
    handle_t p = NEED_HANDLE(sys_process_create(job, "p", 1)),
             timer = NEED_HANDLE(sys_timer_create());
    uint64_t at = (uint64_t)NEED(sys_vm_map(p, 0, PAGE_SIZE, VM_READ | VM_WRITE, 0));
    struct process_gift gifts[2] = { { START_JOB, timer, RIGHT_SAME, -1 },
                                     { START_NONE, timer, RIGHT_SAME, 0 } };
    struct process_start s = {
        .entry = at, .stack = at + 1024, .table = at, .gifts = (uintptr_t)gifts, .ngifts = 2
    };
    struct job_info info;

    NEED(sys_job_limit(job, JOB_HANDLES, 1));
    EXPECT(-EMFILE, sys_process_start(p, &s));
    NEED(sys_job_limit(job, JOB_HANDLES, 2));
    NEED(sys_job_limit(job, JOB_THREADS, 0));
    EXPECT(-EAGAIN, sys_process_start(p, &s));
    NEED(sys_job_info(job, &info));
    EXPECT(0, info.used[JOB_HANDLES]);
    EXPECT(0, info.used[JOB_THREADS]);
    NEED(sys_job_limit(job, JOB_THREADS, 1));
    NEED(sys_process_start(p, &s));
    NEED(handle_wait(p, EV_EXITED, 5000 * MS));
    NEED(sys_handle_close(p));
    NEED(sys_handle_close(timer));
    NEED(sys_handle_close(job));
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

    EXPECT_TRUE(fd >= 0);
    EXPECT((int64_t)strlen(text), write(fd, text, strlen(text)));
    EXPECT(0, close(fd));
}

static void expect_image(const char *path, const char *text, struct file_image *im)
{
    void *at;

    NEED(file_image_path(path, im));
    EXPECT((int64_t)strlen(text), im->size);
    EXPECT(0100755, im->mode);
    EXPECT(0, memcmp(im->head, text, strlen(text)));
    NEED(shm_attach(im->object, VM_READ, &at, NULL));
    EXPECT(0, memcmp(at, text, strlen(text)));
    EXPECT(0, ((char *)at)[strlen(text)]);
    EXPECT(0, ((char *)at)[PAGE_SIZE - 1]);
    shm_detach(at, PAGE_SIZE);
    EXPECT(-EACCES, sys_shm_map(HANDLE_SELF, im->object, 0, PAGE_SIZE, 0, VM_READ | VM_WRITE));
}

static void images(void)
{
    struct file_image a, b, c, d, none;

    write_file("/image", "first");
    expect_image("/image", "first", &a);
    int64_t users = NEED(sys_shm_users(a.object));
    expect_image("/image", "first", &b);
    EXPECT(users + 1, sys_shm_users(a.object)); /* the same object once more */
    write_file("/image", "second one");
    expect_image("/image", "second one", &c);
    EXPECT(users + 1, sys_shm_users(b.object)); /* kept for us, and as it was */
    int fd = open("/image", O_WRONLY);
    EXPECT(3, pwrite(fd, "SEC", 3, 0));
    expect_image("/image", "SECond one", &d);
    EXPECT(0, ftruncate(fd, 3));
    EXPECT(0, close(fd));
    NEED(sys_handle_close(d.object));
    expect_image("/image", "SEC", &d);
    EXPECT(0, unlink("/image"));
    EXPECT(-ENOENT, file_image_path("/image", &none));
    EXPECT(-EISDIR, file_image_path("/", &none));
    EXPECT(-ENOTDIR, file_image_path("/boot/bin/sh/x", &none));
    write_file("/image", "");
    EXPECT(-EFBIG, file_image_path("/image", &none));
    EXPECT(0, unlink("/image"));
    const handle_t all[] = { a.object, b.object, c.object, d.object };
    for (size_t i = 0; i < 4; i++)
        NEED(sys_handle_close(all[i]));
    EXPECT(-EBADF, sys_shm_users(a.object));
    EXPECT(-ENODEV, sys_shm_users(start_handle(START_JOB)));
}

/* More images in use at a time than fsd has room for: it refuses, and programs start all the same. */
static void images_in_use(void)
{
    enum { MANY = 64, SIZE = 1024 * 1024 };
    static char block[SIZE];
    static struct file_image im[MANY];
    int had = 0, st = 0;
    char path[24];

    for (; had < MANY && st == 0; had += st == 0) {
        snprintf(path, sizeof path, "/big%d", had);
        int fd = open(path, O_WRONLY | O_CREAT, 0755);
        EXPECT(SIZE, write(fd, block, SIZE));
        EXPECT(0, close(fd));
        st = file_image_path(path, &im[had]);
        EXPECT(0, unlink(path));
    }
    EXPECT(-ENOMEM, st);
    EXPECT_TRUE(had >= 2);
    char *argv[] = { "true", NULL };
    struct spawn_handle root = { START_ROOT, start_handle(START_ROOT), RIGHT_SAME };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = &root,
                               .nhandles = 1,
                               .fds = { HANDLE_NONE, HANDLE_NONE, HANDLE_NONE } };
    handle_t proc;
    NEED(spawn_path(&args, "/boot/bin/true", &proc));
    EXPECT(0, test_wait(proc));
    for (int i = 0; i < had; i++)
        NEED(sys_handle_close(im[i].object));
    NEED(file_image_path("/boot/bin/true", &im[0]));
    NEED(sys_handle_close(im[0].object));
}

static uint64_t sessions_used(void)
{
    struct job_info info;

    NEED(sys_job_info(start_handle(START_JOB), &info));
    return info.used[JOB_SESSIONS];
}

/* An open file is a session that fsd made for us: we pay, and at our limit there is none. */
static void who_pays(void)
{
    uint64_t before = sessions_used();
    handle_t file, other;

    NEED(file_open_path("/boot/bin/true", O_RDONLY, 0, &file, NULL));
    EXPECT(before + 1, sessions_used());
    NEED(sys_job_limit(start_handle(START_JOB), JOB_SESSIONS, before + 1));
    EXPECT(-EMFILE, file_open_path("/boot/bin/true", O_RDONLY, 0, &other, NULL));
    NEED(sys_handle_close(file));
    for (int i = 0; i < 300 && sessions_used() != before; i++)
        NEED(sys_thread_sleep(10 * MS)); /* until fsd has heard of it */
    EXPECT(before, sessions_used());
    NEED(file_open_path("/boot/bin/true", O_RDONLY, 0, &file, NULL));
    NEED(sys_handle_close(file));
}

int main(void)
{
    refusals();
    limits();
    images();
    images_in_use();
    who_pays();
    test_mark("JOB: start ok");
    return 0;
}

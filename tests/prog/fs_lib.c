/*
 * `test=fs.lib`: files as the runtime's POSIX names give them: streams, descriptors and their
 * duplicates, the working directory, paths as long as they may be, a folder of many names, trees,
 * programs from files; and what each wrong use says.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <rugo/file.h>
#include <rugo/tree.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/prog/test.h"

#define DIR_ "/lib_test"

/* The call must fail with this error. */
#define FAILS(error, expr)    \
    do {                      \
        errno = 0;            \
        EXPECT(-1, expr);     \
        EXPECT(error, errno); \
    } while (0)

/* The call must not fail; its value. */
#define WORKS(expr)                                                                \
    ({                                                                             \
        int64_t worked_ = (int64_t)(expr);                                         \
        if (worked_ < 0) {                                                         \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, #expr, strerror(errno)); \
            exit(1);                                                               \
        }                                                                          \
        worked_;                                                                   \
    })

static void streams(void)
{
    FILE *f = fopen("stream", "w+");
    char *line = NULL, word[8];
    size_t size = 0;

    EXPECT_TRUE(f != NULL);
    for (int i = 0; i < 5000; i++)
        EXPECT_TRUE(fprintf(f, "line %d\n", i) > 0);
    EXPECT(0, fseek(f, 0, SEEK_SET));
    for (int i = 0; i < 5000; i++) {
        EXPECT_TRUE(getline(&line, &size, f) > 0);
        EXPECT(i, atoi(line + 5));
    }
    EXPECT(-1, getline(&line, &size, f));
    EXPECT_TRUE(feof(f) && !ferror(f));
    EXPECT(0, fseek(f, 5, SEEK_SET));
    EXPECT_TRUE(fgets(word, 3, f) != NULL && strcmp(word, "0\n") == 0);
    EXPECT('l', ungetc(fgetc(f), f));
    EXPECT(7, ftell(f));
    EXPECT(0, fseek(f, 0, SEEK_CUR));
    EXPECT(1, fwrite("L", 1, 1, f));
    EXPECT(0, fclose(f));
    f = fopen("stream", "a");
    EXPECT_TRUE(f != NULL && fputs("end", f) == 0 && fclose(f) == 0);
    f = fopen("stream", "r");
    EXPECT_TRUE(f != NULL && fseek(f, 7, SEEK_SET) == 0 && fgetc(f) == 'L');
    EXPECT_TRUE(fseek(f, -3, SEEK_END) == 0 && fread(word, 1, 8, f) == 3 &&
                memcmp(word, "end", 3) == 0);
    EXPECT(EOF, fputc('x', f));
    EXPECT(0, fclose(f));
    EXPECT_TRUE(fopen("none", "r") == NULL && errno == ENOENT);
    EXPECT_TRUE(fopen("stream", "wx") == NULL && errno == EEXIST);
    EXPECT_TRUE(fopen("stream", "?") == NULL && errno == EINVAL);
    free(line);
}

static void descriptors(void)
{
    char buf[16];
    int a = (int)WORKS(open("fd", O_RDWR | O_CREAT, 0640)), b, c;

    EXPECT_TRUE(a < HANDLE_FD_MAX);
    b = (int)WORKS(dup(a));
    EXPECT(200, WORKS(dup2(a, 200)));
    EXPECT(10, WORKS(write(a, "0123456789", 10)));
    EXPECT(10, WORKS(lseek(b, 0, SEEK_CUR))); /* one position for all three */
    EXPECT(2, WORKS(pwrite(200, "ab", 2, 3)));
    EXPECT(4, WORKS(pread(b, buf, 4, 2)));
    EXPECT(0, memcmp(buf, "2ab5", 4));
    EXPECT(0, close(a));
    FAILS(EBADF, read(a, buf, 1));
    EXPECT(a, c = (int)WORKS(open("fd", O_RDONLY))); /* the lowest that is free */
    FAILS(EBADF, write(c, "x", 1));
    EXPECT(0, WORKS(lseek(c, 0, SEEK_CUR)));
    FAILS(EINVAL, lseek(c, -1, SEEK_SET));
    FAILS(EINVAL, pread(c, buf, 1, -1));
    EXPECT(0, read(c, buf, 0));
    EXPECT(0, WORKS(ftruncate(b, 4)));
    EXPECT(4, WORKS(read(c, buf, sizeof(buf))));
    EXPECT(0, WORKS(fsync(b)));
    EXPECT(0, close(b) | close(c) | close(200));
    FAILS(EBADF, close(200));
    FAILS(EBADF, dup2(0x7fffffff, 3));
    EXPECT(0, WORKS(truncate("fd", 100000)));
    a = (int)WORKS(open("fd", O_WRONLY | O_APPEND));
    EXPECT(3, WORKS(write(a, "end", 3)));
    EXPECT(100003, WORKS(lseek(a, 0, SEEK_CUR)));
    EXPECT(0, close(a));
    FAILS(EISDIR, open(".", O_WRONLY));
    FAILS(ENOTDIR, open("fd", O_RDONLY | O_DIRECTORY));
}

static void attributes(void)
{
    struct timeval times[2] = { { 0, 0 }, { 1234567890, 0 } };
    struct stat st;
    struct statfs fs;
    char target[32];

    EXPECT(0, WORKS(stat("fd", &st)));
    EXPECT_TRUE(S_ISREG(st.st_mode) && (st.st_mode & 0777) == 0640 && st.st_size == 100003);
    EXPECT(0, WORKS(utimes("fd", times)));
    EXPECT(0, WORKS(stat("fd", &st)));
    EXPECT(1234567890, st.st_mtime);
    EXPECT(0, WORKS(symlink("fd", "link")));
    EXPECT(0, WORKS(lstat("link", &st)));
    EXPECT_TRUE(S_ISLNK(st.st_mode));
    EXPECT(2, WORKS(readlink("link", target, sizeof(target))));
    EXPECT(0, memcmp(target, "fd", 2));
    FAILS(EINVAL, readlink("fd", target, sizeof(target)));
    EXPECT(0, WORKS(symlink("loop", "loop")));
    FAILS(ELOOP, stat("loop", &st));
    FAILS(ENOENT, stat("", &st));
    EXPECT(0, access("fd", R_OK | W_OK));
    FAILS(EACCES, access("fd", X_OK));
    EXPECT(0, WORKS(statfs("/", &fs)));
    EXPECT_TRUE(fs.f_blocks > 0 && fs.f_bfree <= fs.f_blocks && fs.f_namelen == NAME_MAX);
    EXPECT(0, isatty((int)WORKS(open("fd", O_RDONLY))));
}

static void directory_of_many(void)
{
    enum { MANY = 700 };
    char name[32], **names;
    size_t n;

    EXPECT(0, WORKS(mkdir("many", 0755)));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/%07d", i * 7919 % MANY);
        EXPECT(0, close((int)WORKS(open(name, O_WRONLY | O_CREAT | O_EXCL, 0644))));
    }
    names = dir_names("many", &n);
    EXPECT_TRUE(names != NULL && n == MANY);
    for (int i = 0; i < MANY; i++)
        EXPECT(i, atoi(names[i]));
    dir_names_free(names);
    FAILS(ENOTEMPTY, rmdir("many"));
    EXPECT(0, copy_tree("many", "copies", 1));
    EXPECT(0, WORKS(rename("copies", "moved")));
    EXPECT(0, remove_tree("many", 1, 0));
    names = dir_names("moved", &n);
    EXPECT(MANY, n);
    dir_names_free(names);
    EXPECT(0, remove_tree("moved", 1, 0));
    EXPECT_TRUE(opendir("moved") == NULL && errno == ENOENT);
}

/* Names of 250 bytes, one in the other, until no path is long enough to name the next. */
static void deep(void)
{
    char name[252], path[PATH_MAX], longer[PATH_MAX + 300];
    int levels = 0;
    struct stat st;

    memset(name, 'd', 250);
    name[250] = '\0';
    strcpy(path, DIR_);
    while (strlen(path) + 252 < PATH_MAX) {
        strcat(path, "/");
        strcat(path, name);
        EXPECT(0, WORKS(mkdir(path, 0755)));
        levels++;
    }
    EXPECT_TRUE(levels > 14);
    EXPECT(0, WORKS(stat(path, &st)));
    EXPECT_TRUE(S_ISDIR(st.st_mode));
    snprintf(longer, sizeof(longer), "%s/%s", path, name);
    FAILS(ENAMETOOLONG, mkdir(longer, 0755));
    memset(longer, 'x', 256);
    longer[256] = '\0';
    FAILS(ENAMETOOLONG, mkdir(longer, 0755));
    EXPECT(0, WORKS(chdir(path)));
    EXPECT_TRUE(getcwd(longer, sizeof(longer)) != NULL && strcmp(longer, path) == 0);
    EXPECT(0, WORKS(chdir(DIR_)));
    for (; levels > 0; levels--) {
        EXPECT(0, WORKS(rmdir(path)));
        *strrchr(path, '/') = '\0';
    }
}

static void working_directory(void)
{
    char cwd[PATH_MAX];

    EXPECT(0, WORKS(mkdir("sub", 0755)));
    EXPECT(0, WORKS(chdir("sub/../sub/.")));
    EXPECT_TRUE(strcmp(getcwd(cwd, sizeof(cwd)), DIR_ "/sub") == 0);
    EXPECT(0, strcmp(getenv("PWD"), DIR_ "/sub"));
    EXPECT(0, access("../fd", F_OK));
    EXPECT_TRUE(getcwd(cwd, 3) == NULL && errno == ERANGE);
    FAILS(ENOENT, chdir("none"));
    FAILS(ENOTDIR, chdir("../fd"));
    EXPECT(0, WORKS(chdir("../../..")));
    EXPECT(0, strcmp(getcwd(cwd, sizeof(cwd)), "/"));
    EXPECT(0, WORKS(chdir(DIR_)));
}

/* Starts the file as a program whose descriptors are `out`. Its status, or the error. */
static int run(const char *path, const char *word, int out)
{
    char *argv[] = { (char *)path, (char *)word, NULL };
    struct spawn_handle root = { START_ROOT, start_handle(START_ROOT), RIGHT_SAME };
    struct spawn_args args = { .job = start_handle(START_JOB),
                               .argv = argv,
                               .handles = &root,
                               .nhandles = 1,
                               .fds = { out, out, out } };
    handle_t proc;
    int st = spawn_path(&args, path, &proc);

    return st != 0 ? st : test_wait(proc);
}

static void programs(void)
{
    char buf[64];
    int out = (int)WORKS(open("out", O_RDWR | O_CREAT | O_TRUNC, 0644));

    EXPECT(0, run("echo", "hello", out));
    EXPECT(1 << 8, run("cat", "/none", out));
    EXPECT(0, copy_tree("/boot/bin/cat", DIR_ "/own", 0));
    EXPECT(0, WORKS(truncate("fd", 4)));
    EXPECT(0, run("./own", "fd", out)); /* the child is in our working directory */
    ssize_t n = WORKS(pread(out, buf, sizeof(buf), 0));
    buf[n] = '\0';
    EXPECT(0, strncmp(buf, "hello\ncat: /none: No such file or directory\n", 44));
    EXPECT(48, n);
    EXPECT(-ENOENT, run("nothing", "", out));
    EXPECT(-ENOENT, run("./nothing", "", out));
    EXPECT(-EACCES, run("/boot/bin", "", out));
    EXPECT(-ENOENT, run("fd", "", out)); /* a bare name is not sought here */
    EXPECT(-EACCES, run("./fd", "", out));
    EXPECT(0, WORKS(truncate("own", 5000)));
    EXPECT(-ENOEXEC, run("./own", "", out));
    EXPECT(0, close(out));
}

int main(void)
{
    (void)remove_tree(DIR_, 1, 1);
    EXPECT(0, WORKS(mkdir(DIR_, 0755)));
    EXPECT(0, WORKS(chdir(DIR_)));
    streams();
    descriptors();
    attributes();
    directory_of_many();
    deep();
    working_directory();
    programs();
    EXPECT(0, WORKS(chdir("/")));
    EXPECT(0, remove_tree(DIR_, 1, 0));
    test_mark("FILES: ok");
    return 0;
}

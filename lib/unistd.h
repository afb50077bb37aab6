/* Files, working directory, sleeping: POSIX names over the `file` protocol. A file descriptor is a
 * low handle. */
#ifndef LIB_UNISTD_H
#define LIB_UNISTD_H

#include <stddef.h>
#include <sys/types.h>

#define STDIN_FILENO  0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2

#ifndef SEEK_SET
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#endif

#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4

extern char **environ;

ssize_t read(int fd, void *buf, size_t n);
ssize_t pread(int fd, void *buf, size_t n, off_t offset);
/* write and pwrite go on until all is written or an error occurs; what was written before an error
 * counts. */
ssize_t write(int fd, const void *buf, size_t n);
ssize_t pwrite(int fd, const void *buf, size_t n, off_t offset);
off_t lseek(int fd, off_t offset, int whence);
int close(int fd);
/* fds[0] reads what is written to fds[1]. flags: O_NONBLOCK, O_CLOEXEC. */
int pipe(int fds[2]);
int pipe2(int fds[2], int flags);
int dup(int fd);
int dup2(int fd, int at);
int ftruncate(int fd, off_t length);
int truncate(const char *path, off_t length);
int fsync(int fd);
int fdatasync(int fd);
void sync(void);

int unlink(const char *path);
int rmdir(const char *path);
int symlink(const char *target, const char *path);
ssize_t readlink(const char *restrict path, char *restrict buf, size_t n);
int access(const char *path, int mode);
int isatty(int fd);

/* The working directory is a string of this process; a child inherits it through the environment's
 * PWD. */
int chdir(const char *path);
char *getcwd(char *buf, size_t size);

/* Random bytes from the kernel, at most 256 (EIO). */
int getentropy(void *buf, size_t n);

/* This process's number; meaningful to whoever holds a job that contains it. */
pid_t getpid(void);
unsigned sleep(unsigned seconds);
int usleep(useconds_t us);
_Noreturn void _exit(int status);

extern char *optarg;
extern int optind, opterr, optopt;
int getopt(int argc, char *const argv[], const char *opts);

#endif

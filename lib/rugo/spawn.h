/* Starting programs: the one ELF loader, used by svcman, the shell and whoever has a job handle. */
#ifndef RUGO_SPAWN_H
#define RUGO_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <rugo/abi.h>

/* A handle the child finds with start_handle(kind). It is copied with rights (a subset of the
 * parent's, or RIGHT_SAME); the parent keeps its own. */
struct spawn_handle {
    uint32_t kind;
    handle_t handle;
    uint32_t rights; /* RIGHT_SAME: what the parent's handle allows */
};

struct spawn_args {
    /* Where the child is made; RIGHT_MANAGE. */
    handle_t job;
    /* Process name, cut to NAME_LEN - 1 bytes; NULL: the last component of the path or argv[0]. */
    const char *name;
    /* Where the program lies, for the child's AT_EXECFN; NULL: argv[0]. spawn_path sets it. */
    const char *path;
    /* NULL-terminated, argv[0] included. */
    char *const *argv;
    /* NULL-terminated; NULL: this process's environ. */
    char *const *envp;
    /* The child's start handles, at most SPAWN_HANDLE_MAX. */
    const struct spawn_handle *handles;
    size_t nhandles;
    /* The child's 0, 1, 2 (handles with RIGHT_TRANSFER, often 0, 1, 2); HANDLE_NONE: not open. */
    handle_t fds[3];
    /* Called when all is ready, before the first instruction of the child; not NULL and not 0: that
     * is what the spawn fails with, and the child is gone. */
    int (*ready)(handle_t proc, void *arg);
    void *ready_arg;
    /* Result: why it failed, as a phrase for people, or NULL if the errno says it all. */
    const char *reason;
};
#define SPAWN_HANDLE_MAX 32
#define SPAWN_STACK      (1024 * 1024) /* bytes of the first thread's stack, committed as touched */
#define SPAWN_GUARD      (64 * 1024) /* bytes reserved below it, which nobody can touch or map */

/*
 * Makes a process from an ELF image of size bytes and starts it. On success *proc is the caller's
 * (all rights of the kind); on failure nothing is left. 0 or negative errno: -ENOEXEC (a->reason
 * says which part of the file is bad), -E2BIG (argv and envp exceed 512 KiB), and what
 * process_create, vm_map and process_grant say.
 */
int spawn_image(struct spawn_args *a, const void *image, size_t size, handle_t *proc);

/*
 * The same from a memory object of size bytes that nobody changes any more: what the program does not write is shared with
 * all that run it. head: the first head_size bytes of it. The object needs RIGHT_READ and RIGHT_EXEC.
 */
int spawn_object(struct spawn_args *a, handle_t object, size_t size, const void *head,
                 size_t head_size, handle_t *proc);

/*
 * The same with a file. A name without '/' is sought in /boot/bin, /bin and /pkg/NAME/bin of every
 * package; a path is taken as it is. -ENOENT if there is none, -EACCES for a directory or a file
 * without execute permission.
 */
int spawn_path(struct spawn_args *a, const char *path, handle_t *proc);

/* Where spawn_path would find a bare name: fills path (PATH_MAX bytes). 0 or -ENOENT. */
int program_find(const char *name, char *path, size_t size);

/* Waits for a process to end; *status is its exit status in Linux's wait encoding (<sys/wait.h>).
 * timeout in ns or TIMEOUT_NEVER. 0 or negative errno (-ETIMEDOUT). The handle stays
 * the caller's. */
int process_wait(handle_t proc, int *status, int64_t timeout);

#endif

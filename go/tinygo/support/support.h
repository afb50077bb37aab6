/*
 * What the Go runtime (go/tinygo/overlay) calls: system calls and the library's functions under names that Go can
 * declare. All of it runs on the process's first thread, except the work of work.c.
 */
#ifndef GO_SUPPORT_H
#define GO_SUPPORT_H

#include <rugo/abi.h>
#include <stddef.h>
#include <stdint.h>

void support_begin(int argc, char **argv, char **envp);
/* The i-th word of the arguments (which 0) or the environment (1); NULL: there are no more. */
const char *support_word(int which, size_t i);
int64_t support_write(int fd, const void *buf, size_t n);

/* memory.c: results are addresses or negative errno; NULL for stacks. */
int64_t support_reserve(size_t size);
int64_t support_commit(uintptr_t addr, size_t size);
void *support_stack_get(size_t size);
void support_stack_put(void *low);

/* panic.c */
void support_panic_begin(void);
void support_panic_line(const char *text, size_t n);
_Noreturn void support_abort(void);
_Bool support_in_guard(uintptr_t addr); /* Go's (internal/task/stack_rugo.go) */

/* wait.c */
handle_t support_port_create(void);
int support_port_add(handle_t port, handle_t h, uint32_t events, uint64_t token);
int support_port_del(handle_t port, handle_t h);
int64_t support_port_wait(handle_t port, struct port_event *events, size_t n, int64_t timeout);
void support_sleep(int64_t ns);

/* work.c: a call that may block, made by a helper thread. */
struct work {
    struct work *next;
    void (*fn)(void *);
    void *arg;
    uint64_t token; /* posted to the port with EV_USER0 when fn has returned */
};
/* The work is done one day; negative errno: it is not, as no thread can be had. *w stays the caller's, until then. */
int support_work(struct work *w, handle_t port);
void support_call(void (*fn)(void *), void *arg);

/* block.c */
struct blocked;
struct called;
int64_t support_syscall(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5);
void support_block(struct blocked *b);
void support_ipc_call(struct called *c);

#endif

/*
 * handles PID...: the handles of processes. Rights by letters: r read, w write, x execute, s send, v receive, o own,
 * d duplicate, t transfer, a await, m manage, i inspect. Equal object numbers are the same object.
 */
#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <rugo/calls.h>
#include <rugo/look.h>
#include <rugo/start.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(const struct look_process *p)
{
    return p != NULL ? (const char *)p->info.name : "?";
}

static const char *type_name(uint32_t type)
{
    static char text[24];
    const char *name = abi_value_name(&abi_group_object_type, type);
    size_t i = 0;

    if (name == NULL)
        return "?";
    for (name += strlen("OBJ_"); name[i] != '\0' && i < sizeof text - 1; i++)
        text[i] = (char)tolower((unsigned char)name[i]);
    text[i] = '\0';
    return text;
}

/* What the handle stands for, in words. */
static void print_meaning(const struct look *l, const struct handle_record *h)
{
    const struct look_process *p;

    switch (h->type) {
    case OBJ_PROCESS: printf("pid %lu %s", h->peer, name_of(look_process(l, h->peer))); break;
    case OBJ_TRACE:
        printf("system calls of pid %lu %s", h->peer, name_of(look_process(l, h->peer)));
        break;
    case OBJ_THREAD: printf("thread %lu", h->peer); break;
    case OBJ_SHM: printf("%lu KiB", h->size / 1024); break;
    case OBJ_ENDPOINT:
        p = look_server(l, h->object);
        printf("%s receives; %lu waiting, %lu in service", name_of(p), h->size, h->detail);
        break;
    case OBJ_SESSION:
        p = look_server(l, h->peer);
        printf("to %s, endpoint %lu, id %lu", name_of(p), h->peer, h->detail);
        break;
    case OBJ_SERIAL:
        printf("serial line; answered after %lu us, at most %lu us", h->size / 1000,
               h->detail / 1000);
        break;
    default: printf("%s", type_name(h->type)); break;
    }
    if (h->handles > 1)
        printf(" (%u handles)", h->handles);
}

static void print_events(uint32_t events)
{
    for (size_t i = 0; i < abi_group_event.n; i++) {
        const struct abi_value *v = &abi_group_event.values[i];
        if ((v->value & (v->value - 1)) == 0 && (events & v->value) != 0)
            printf(" %s", v->name);
    }
}

static void print(const struct look *l, const struct look_process *p)
{
    printf("process %lu %s: %lu handles\n", p->info.pid, name_of(p), p->nhandles);
    puts("    HANDLE TYPE     RIGHTS      OBJECT STANDS FOR");
    for (size_t i = 0; i < p->nhandles; i++) {
        const struct handle_record *h = &p->handles[i];
        char rights[LOOK_RIGHTS], number[LOOK_HANDLE];

        look_rights(h->rights, rights);
        look_handle(h->handle, number);
        printf("%10s %-8s %s %6lu ", number, type_name(h->type), rights, h->object);
        print_meaning(l, h);
        print_events(h->events);
        putchar('\n');
    }
}

int main(int argc, char **argv)
{
    handle_t job;
    struct look l;
    int st, failed = 0;

    if (argc < 2)
        errx(2, "usage: handles PID...");
    job = start_need(START_ROOT_JOB, "the job handle");
    st = look_take(job, LOOK_HANDLES, &l);
    if (st != 0) {
        errno = -st;
        err(1, "the job's list");
    }
    for (int i = 1; i < argc; i++) {
        char *end;
        unsigned long pid = strtoul(argv[i], &end, 10);
        const struct look_process *p = look_process(&l, pid);

        if (!isdigit((unsigned char)argv[i][0]) || *end != '\0' || p == NULL) {
            warnx("%s: no such process", argv[i]);
            failed = 1;
        } else {
            print(&l, p);
        }
    }
    return failed;
}

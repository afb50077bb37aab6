/* Services by name. Few are ever used by one program: a list does. */
#include <rugo/names.h>

#include <rugo/proto_svcman.h>
#include <rugo/start.h>
#include <rugo/syscall.h>
#include <rugo/thread.h>
#include <string.h>

enum { NAMES_MAX = 8 };

static struct {
    char name[NAME_LEN];
    handle_t session;
} kept[NAMES_MAX];
static struct mutex lock = MUTEX_INIT;

/* The slot of a service, or a free one; -1: all are taken. */
static int slot_of(const char *service)
{
    int vacant = -1;

    for (int i = 0; i < NAMES_MAX; i++) {
        if (kept[i].name[0] == '\0')
            vacant = i;
        else if (strcmp(kept[i].name, service) == 0)
            return i;
    }
    return vacant;
}

int name_connect_new(const char *service, handle_t *session)
{
    handle_t names = start_handle(START_NAMES);

    if (names == HANDLE_NONE)
        return -EBADF;
    return svcman_connect(names, service, session);
}

int name_connect(const char *service, handle_t *session)
{
    int st = 0, i;

    if (strlen(service) >= NAME_LEN)
        return -ENOENT;
    mutex_lock(&lock);
    i = slot_of(service);
    if (i < 0) {
        st = -EMFILE;
    } else if (kept[i].name[0] == '\0') {
        st = name_connect_new(service, &kept[i].session);
        if (st == 0)
            strcpy(kept[i].name, service);
    }
    if (st == 0)
        *session = kept[i].session;
    mutex_unlock(&lock);
    return st;
}

void name_forget(const char *service)
{
    mutex_lock(&lock);
    int i = slot_of(service);
    if (i >= 0 && kept[i].name[0] != '\0') {
        kept[i].name[0] = '\0';
        (void)sys_handle_close(kept[i].session);
    }
    mutex_unlock(&lock);
}

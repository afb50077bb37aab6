/* System calls on the serial line. */
#include "dev/serial_device.h"
#include "proc/handle.h"
#include <syscall_table.h>

#define CHUNK     256  /* bytes on the kernel stack */
#define WRITE_MAX 4096

int64_t sys_serial_read(handle_t h, struct user_out buf, size_t len)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_SERIAL, RIGHT_READ, &o);
    if (st != OK)
        return st;
    char chunk[CHUNK];
    size_t total = 0, n = CHUNK;
    while (st == OK && total < len && n == CHUNK) {
        n = serial_device_read(chunk, len - total < CHUNK ? len - total : CHUNK);
        st = copy_to_user(user_out_at(buf, total), chunk, n);
        if (st == OK)
            total += n;
        else
            serial_device_unread(chunk, n);
    }
    object_put(o);
    if (total || !len)
        return (int64_t)total;
    return st == OK ? -EAGAIN : st;
}

int64_t sys_serial_write(handle_t h, struct user_in buf, size_t len)
{
    struct object *o;
    status_t st = handle_get(h, OBJ_SERIAL, RIGHT_WRITE, &o);
    if (st != OK)
        return st;
    char chunk[CHUNK];
    size_t total = 0;
    len = len < WRITE_MAX ? len : WRITE_MAX;
    while (st == OK && total < len) {
        size_t n = len - total < CHUNK ? len - total : CHUNK;
        st = copy_from_user(chunk, user_in_at(buf, total), n);
        size_t sent = st == OK ? serial_device_write(chunk, n) : 0;
        total += sent;
        if (st == OK && sent < n)
            st = -EINTR;
    }
    object_put(o);
    return total ? (int64_t)total : st;
}

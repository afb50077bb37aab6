/* Whole files in memory. */
#include <rugo/file.h>

#include <errno.h>
#include <fcntl.h>
#include <rugo/proto_file.h>
#include <rugo/syscall.h>
#include <sys/stat.h>

static size_t page_round(size_t n)
{
    return (n + PAGE_SIZE - 1) & ~(size_t)(PAGE_SIZE - 1);
}

/* Fills buf; a file that became shorter meanwhile is an error. */
static int read_all(handle_t file, char *buf, size_t size)
{
    size_t done = 0;

    while (done < size) {
        uint64_t count = 0;
        int st = file_read(file, (int64_t)done, buf + done, size - done, &count);
        if (st != 0)
            return st;
        if (count == 0 || count > size - done)
            return -EIO;
        done += count;
    }
    return 0;
}

static int load(handle_t file, size_t max, void **data, size_t *size)
{
    struct stat info;
    int st = file_stat(file, &info, sizeof info);
    int64_t at = 0;

    if (st != 0)
        return st;
    if (!S_ISREG(info.st_mode))
        return S_ISDIR(info.st_mode) ? -EISDIR : -EINVAL;
    if (info.st_size < 0 || (uint64_t)info.st_size > max)
        return -EFBIG;
    *size = (size_t)info.st_size;
    if (*size > 0)
        at = sys_vm_map(HANDLE_SELF, 0, page_round(*size), VM_READ | VM_WRITE, 0);
    if (at < 0)
        return (int)at;
    *data = (void *)at;
    st = read_all(file, *data, *size);
    if (st != 0)
        file_unload(*data, *size);
    return st;
}

int file_load(const char *path, size_t max, void **data, size_t *size)
{
    handle_t file;
    int st = file_open_path(path, O_RDONLY, 0, &file, NULL);

    if (st != 0)
        return st;
    st = load(file, max, data, size);
    (void)sys_handle_close(file);
    return st;
}

void file_unload(void *data, size_t size)
{
    if (size > 0)
        (void)sys_vm_unmap(HANDLE_SELF, (uintptr_t)data, page_round(size));
}

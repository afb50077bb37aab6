/* What a file system holds; layout as Linux/amd64. */
#ifndef LIB_SYS_STATFS_H
#define LIB_SYS_STATFS_H

#include <stdint.h>

struct statfs {
    int64_t f_type;
    int64_t f_bsize;
    uint64_t f_blocks;
    uint64_t f_bfree;
    uint64_t f_bavail;
    uint64_t f_files;
    uint64_t f_ffree;
    int32_t f_fsid[2];
    int64_t f_namelen;
    int64_t f_frsize;
    int64_t f_flags; /* ST_RDONLY */
    int64_t f_spare[4];
};
_Static_assert(sizeof(struct statfs) == 120, "struct statfs is Linux/amd64's");

#define ST_RDONLY 1

int statfs(const char *path, struct statfs *st);
int fstatfs(int fd, struct statfs *st);

#endif

/* Reading directories. struct dirent is Linux/amd64's linux_dirent64. */
#ifndef LIB_DIRENT_H
#define LIB_DIRENT_H

#include <sys/types.h>

struct dirent {
    ino_t d_ino;
    off_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[256];
};

#define DT_UNKNOWN 0
#define DT_FIFO    1
#define DT_CHR     2
#define DT_DIR     4
#define DT_BLK     6
#define DT_REG     8
#define DT_LNK     10
#define DT_SOCK    12

typedef struct DIR DIR;

DIR *opendir(const char *path);
DIR *fdopendir(int fd);
/* The next entry, valid until the next readdir or closedir; NULL at the end or (errno set) on
 * failure. */
struct dirent *readdir(DIR *dir);
void rewinddir(DIR *dir);
int dirfd(DIR *dir);
int closedir(DIR *dir);

#endif

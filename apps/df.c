/* df [PATH]...: size and use of the file systems at the paths (/ and /boot), in KiB. */
#include <err.h>
#include <stdio.h>
#include <sys/statfs.h>

static int show(const char *path)
{
    struct statfs st;
    unsigned long size, free_kib, avail, used;

    if (statfs(path, &st) != 0) {
        warn("%s", path);
        return 1;
    }
    size = st.f_blocks * (unsigned long)st.f_bsize / 1024;
    free_kib = st.f_bfree * (unsigned long)st.f_bsize / 1024;
    avail = st.f_bavail * (unsigned long)st.f_bsize / 1024;
    used = size - free_kib;
    printf("%10lu %10lu %10lu %3lu%% %10lu %s%s\n", size, used, avail,
           size > 0 ? used * 100 / size : 0, st.f_ffree, path,
           st.f_flags & ST_RDONLY ? " (read-only)" : "");
    return 0;
}

int main(int argc, char **argv)
{
    int failed = 0;

    puts("  SIZE/KIB       USED  AVAILABLE USE%  FREE-INODES PATH");
    if (argc < 2)
        return show("/") | show("/boot");
    for (int i = 1; i < argc; i++)
        failed |= show(argv[i]);
    return failed;
}

/* Error and signal numbers in words. */
#include <errno.h>
#include <signal.h>
#include <string.h>

/* Texts lie in the table itself: pointers would cost every program relocations at its start. */
static const struct {
    unsigned char number;
    char text[43];
} error_text[] = {
    { 0, "Success" },
    { EPERM, "Operation not permitted" },
    { ENOENT, "No such file or directory" },
    { ESRCH, "No such process" },
    { EINTR, "Interrupted system call" },
    { EIO, "Input/output error" },
    { ENXIO, "No such device or address" },
    { E2BIG, "Argument list too long" },
    { ENOEXEC, "Exec format error" },
    { EBADF, "Bad file descriptor" },
    { ECHILD, "No child processes" },
    { EAGAIN, "Resource temporarily unavailable" },
    { ENOMEM, "Cannot allocate memory" },
    { EACCES, "Permission denied" },
    { EFAULT, "Bad address" },
    { EBUSY, "Device or resource busy" },
    { EEXIST, "File exists" },
    { EXDEV, "Invalid cross-device link" },
    { ENODEV, "No such device" },
    { ENOTDIR, "Not a directory" },
    { EISDIR, "Is a directory" },
    { EINVAL, "Invalid argument" },
    { ENFILE, "Too many open files in system" },
    { EMFILE, "Too many open files" },
    { ENOTTY, "Not a terminal" },
    { EFBIG, "File too large" },
    { ENOSPC, "No space left on device" },
    { ESPIPE, "Illegal seek" },
    { EROFS, "Read-only file system" },
    { EMLINK, "Too many links" },
    { EPIPE, "Broken pipe" },
    { EDOM, "Numerical argument out of domain" },
    { ERANGE, "Numerical result out of range" },
    { ENAMETOOLONG, "File name too long" },
    { ENOSYS, "Function not implemented" },
    { ENOTEMPTY, "Directory not empty" },
    { ELOOP, "Too many levels of symbolic links" },
    { ENODATA, "No data available" },
    { EPROTO, "Protocol error" },
    { EOVERFLOW, "Value too large for defined data type" },
    { EILSEQ, "Invalid or incomplete multibyte character" },
    { EOPNOTSUPP, "Operation not supported" },
    { ECONNRESET, "Connection reset by peer" },
    { ENOBUFS, "No buffer space available" },
    { ETIMEDOUT, "Connection timed out" },
    { EUCLEAN, "Structure needs cleaning" },
    { EREMOTEIO, "Remote I/O error" },
    { ECANCELED, "Operation canceled" },
};

/* text, then the decimal number, into out; out is long enough. */
static char *with_number(char *out, const char *text, int number)
{
    char digits[12];
    int n = 0;
    unsigned rest = number < 0 ? 0u - (unsigned)number : (unsigned)number;
    char *p = stpcpy(out, text);

    do {
        digits[n++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *p++ = '-';
    while (n > 0)
        *p++ = digits[--n];
    *p = '\0';
    return out;
}

char *strerror(int err)
{
    static char unknown[40];

    for (size_t i = 0; i < sizeof error_text / sizeof error_text[0]; i++)
        if (error_text[i].number == err)
            return (char *)error_text[i].text;
    return with_number(unknown, "Unknown error ", err);
}

static const char *const signal_text[] = {
    [SIGHUP] = "Hangup",
    [SIGINT] = "Interrupt",
    [SIGQUIT] = "Quit",
    [SIGILL] = "Illegal instruction",
    [SIGTRAP] = "Trace/breakpoint trap",
    [SIGABRT] = "Aborted",
    [SIGBUS] = "Bus error",
    [SIGFPE] = "Floating point exception",
    [SIGKILL] = "Killed",
    [SIGUSR1] = "User defined signal 1",
    [SIGSEGV] = "Segmentation fault",
    [SIGUSR2] = "User defined signal 2",
    [SIGPIPE] = "Broken pipe",
    [SIGALRM] = "Alarm clock",
    [SIGTERM] = "Terminated",
};

char *strsignal(int sig)
{
    static char unknown[40];

    if (sig > 0 && sig < (int)(sizeof signal_text / sizeof signal_text[0]) &&
        signal_text[sig] != NULL)
        return (char *)signal_text[sig];
    return with_number(unknown, "Unknown signal ", sig);
}

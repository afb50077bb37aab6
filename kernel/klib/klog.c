/* The system log (klog.h). */
#include "klib/klog.h"
#include "klib/spinlock.h"
#include "x86/serial.h"

static struct {
    struct spinlock lock;
    char text[KLOG_SIZE]; /* [lock] byte at position p lies at p % KLOG_SIZE */
    uint64_t end;         /* [lock] position after the newest byte */
    bool dying;
} klog = { .lock = SPINLOCK_INIT(RANK_LOG) };

void klog_write(const char *text, size_t n)
{
    if (!klog.dying)
        spin_lock(&klog.lock);
    for (size_t i = 0; i < n; i++)
        klog.text[klog.end++ % KLOG_SIZE] = text[i];
    serial_write_polled(text, n);
    if (!klog.dying)
        spin_unlock(&klog.lock);
}

size_t klog_read(uint64_t *from, char *buf, size_t n)
{
    spin_lock(&klog.lock);
    if (*from > klog.end)
        *from = klog.end;
    if (klog.end - *from > KLOG_SIZE)
        *from = klog.end - KLOG_SIZE;
    if (n > klog.end - *from)
        n = klog.end - *from;
    for (size_t i = 0; i < n; i++)
        buf[i] = klog.text[(*from)++ % KLOG_SIZE];
    spin_unlock(&klog.lock);
    return n;
}

void klog_panic_mode(void)
{
    klog.dying = true;
}

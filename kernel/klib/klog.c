/* The system log (klog.h). */
#include "klib/klog.h"
#include "klib/spinlock.h"
#include "x86/clock.h"
#include "x86/serial.h"

static struct {
    struct spinlock lock;
    char text[KLOG_SIZE]; /* [lock] byte at position p lies at p % KLOG_SIZE */
    uint64_t end;         /* [lock] position after the newest byte */
    struct log_record records[KLOG_RECORDS]; /* [lock] number i lies at i % KLOG_RECORDS */
    uint64_t nrecords;                       /* [lock] ever made */
    bool dying;
} klog = { .lock = SPINLOCK_INIT(RANK_LOG) };

static struct log_record *record(uint64_t number)
{
    return &klog.records[number % KLOG_RECORDS];
}

/* The last piece, if what comes is the rest of its line, or a new one. */
static struct log_record *record_for(uint32_t level, uint64_t pid)
{
    struct log_record *last = record(klog.nrecords - 1);
    bool open = klog.nrecords && klog.end && klog.text[(klog.end - 1) % KLOG_SIZE] != '\n';
    if (open && last->level == level && last->pid == pid && last->len < KLOG_SIZE / 4)
        return last;
    last = record(klog.nrecords++);
    *last = (struct log_record){
        .position = klog.end, .time_ns = clock_ns(), .pid = pid, .level = level
    };
    return last;
}

void klog_write(uint32_t level, uint64_t pid, const char *text, size_t n)
{
    if (!n)
        return;
    if (!klog.dying)
        spin_lock(&klog.lock);
    record_for(level, pid)->len += (uint32_t)n;
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

size_t klog_records(uint64_t from, struct log_record *out, size_t n)
{
    size_t count = 0;
    spin_lock(&klog.lock);
    uint64_t oldest = klog.end > KLOG_SIZE ? klog.end - KLOG_SIZE : 0;
    uint64_t i = klog.nrecords > KLOG_RECORDS ? klog.nrecords - KLOG_RECORDS : 0;
    for (; i < klog.nrecords && count < n; i++) {
        const struct log_record *r = record(i);
        if (r->position + r->len > from && r->position + r->len > oldest)
            out[count++] = *r;
    }
    spin_unlock(&klog.lock);
    return count;
}

void klog_panic_mode(void)
{
    klog.dying = true;
}
